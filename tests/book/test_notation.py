"""The table of notation lists what the theory uses, and nothing that no chapter uses."""

import re
from pathlib import Path

from chapters import PUBLIC_CODE, ROOT, cells, notebooks, source
from test_colors import theory

GREEK = re.findall(
    r"\w+",
    "alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi rho sigma tau "
    "phi varphi chi psi omega Gamma Delta Sigma Omega ell",
)


def lettered() -> list[Path]:
    """The chapters whose letters are those of the notation."""
    return [*theory(), *(ROOT / f"book/{name}.ipynb" for name in (*PUBLIC_CODE, "the_loop"))]


def formulas(text: str) -> str:
    text = re.sub(r"```python.*?```", "", text, flags=re.S)
    found = re.findall(r"\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)?\$", text, flags=re.S)
    return "\n".join(found)


def letters(text: str) -> set[str]:
    return {g for g in GREEK if re.search(rf"\\{g}(?![a-zA-Z])", text)}


def squeezed(text: str) -> str:
    text = re.sub(r"\\[,;! ]|\\(big|Big|bigl|bigr|left|right)(?![a-z])|\s", "", text)
    text = text.replace(r"\mathrm", r"\text").replace(r"\mid", "|").replace(r"\Vert", "|")
    return text.replace(r"\|", "|")


NOTATION = (ROOT / "book/notation.md").read_text(encoding="utf-8")


def test_every_greek_letter_of_the_theory_is_in_the_notation():
    for path in lettered():
        used = letters(formulas("\n".join(source(c) for c in cells(path, "markdown"))))
        assert used <= letters(NOTATION), path.stem


def symbols() -> list[str]:
    rows = re.findall(r"(?m)^\| \$([^$]+)\$ \|", NOTATION)
    assert len(rows) > 40
    return [part for row in rows for part in re.split(r",\\ |, \\dots, |, ", row)]


def test_every_listed_symbol_is_used_by_a_chapter():
    used = squeezed(
        "\n".join(formulas(source(c)) for path in notebooks() for c in cells(path, "markdown"))
    )
    unused = []
    for symbol in symbols():
        plain = re.sub(r"(\\in|\\ge|>).*", "", symbol)  # without its range
        plain = re.sub(r"\([^)]*\)$", "", squeezed(plain))  # and its arguments
        if plain not in used:
            unused.append(symbol)
    assert not unused


#: Helpers of one proof or one paragraph, which define them; and indices, which the page explains.
LOCAL, INDICES = set("bDFGHITUZhmntx"), set("ijk")
WORD = re.compile(
    r"\\(?:text|mathrm|operatorname\*?|begin|end|mathbb|mathbf)\s*\{[^}]*\}|\\[a-zA-Z]+"
)


def latin(text: str) -> set[str]:
    """Single letters and calligraphic ones, the latter with a star: ``T*`` is \\mathcal T."""
    found = {f"{letter}*" for letter in re.findall(r"\\mathcal\s*\{?\s*([A-Z])", text)}
    plain = re.sub(r"\\mathcal\s*\{?\s*[A-Z]\}?", " ", text)
    return found | set(re.findall(r"(?<![a-zA-Z])([a-zA-Z])(?![a-zA-Z])", WORD.sub(" ", plain)))


def test_every_letter_of_the_theory_is_in_the_notation():
    listed = latin(formulas(NOTATION))
    assert listed >= INDICES
    known = listed | LOCAL
    for path in lettered():
        used = latin(formulas("\n".join(source(c) for c in cells(path, "markdown"))))
        assert used <= known, f"{path.stem}: {sorted(used - known)}"


def test_q_is_a_value_and_never_a_distribution():
    for path in lettered():
        text = formulas("\n".join(source(c) for c in cells(path, "markdown")))
        assert not re.search(r"\(P,\s*Q\)|_Q\b(?!\()|\\mathbb E_Q", text.replace("V_Q", "")), path


def test_every_chapter_of_the_theory_links_the_notation():
    for path in theory():
        linked = any("{doc}`notation`" in source(c) for c in cells(path, "markdown"))
        assert linked, path.stem
