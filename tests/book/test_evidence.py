"""The evidence chapters: what is written by hand quotes no figure that the results no longer hold.

Sentences with verdicts are made by :mod:`droco_lite.report.verdicts`.  A number in the prose of an
evidence chapter must stand in an output or in the code of that chapter: outputs are compared with
the results whenever the chapters run.  That a number stands somewhere does not make its sentence
true: :mod:`test_quoted` works out again what a sentence says.
"""

import re

import pytest
from chapters import ROOT, cells, read, source, tags
from reading import IMPORT, reading

from droco_lite.robots import ROBOTS

CHAPTERS = ("scorecard", "deploying", "sensitivity", "choosing", "rivals", "training_droco")
#: Pages beside them whose sentences are held to the same rules.
BESIDE = (
    *("robots_and_data", "bring_your_own_robot", "intro"),
    *("the_loop", "public_code", "public_code_training"),
)
#: Pages beside them that end by saying what would change our mind.
MIND = (
    *("robots_and_data", "bring_your_own_robot", "the_loop"),
    *("public_code", "public_code_training"),
)
#: Pages of evidence whose first lines come with no figure, and why.
NO_FIGURE = {
    "training_droco": "its figure is the answer to the question that its first section asks",
    "public_code": "its figures are computed from the small problem of its first section",
    "public_code_training": "the same small problem comes first",
}
MOST_WORDS = 100
#: Facts that are no result of ours: the paper's and the field's conventions.
KNOWN = {"4.5", "100", "10"}

#: Rows of the target's set at full size, without the tenth that a fit leaves aside, and of a batch.
FITTED_ROWS, FIT_BATCH = 90_000, 256

#: Facts that a page's prose states and no output shows: when Hopper has fallen, how long an episode
#: is; predictions in a batch of 128 rows by seven models, source rows of the grid; how many steps a
#: thousand passes are, and what the public code evaluates after and cuts a variance at.
FACTS = {
    "the_loop": {str(7 * 128), "200000"},
    "public_code_training": {
        "100000",
        str(FITTED_ROWS),
        f"{round(1000 * FITTED_ROWS / FIT_BATCH, -4):.0f}",
        "10000",
        "1.65",
    },
    "deploying": {"40000"},  # steps of the live lab's policies, worked out in quoted.py
    "scorecard": {"48.3", "67.5", "80.9"},  # IQL in CORL's README, D4RL's whole medium sets
    "robots_and_data": {
        f"{ROBOTS['hopper'].healthy_ranges[0][1]:g}",
        str(ROBOTS["hopper"].max_episode_steps),
    },
}

chapters = pytest.mark.parametrize("name", CHAPTERS)
written = pytest.mark.parametrize("name", CHAPTERS + BESIDE)


def path(name):
    return ROOT / f"book/{name}.ipynb"


def prose(name: str) -> list[str]:
    """The paragraphs and list items written by hand, without code, formulas and markup."""
    found = []
    for cell in cells(path(name), "markdown"):
        text = re.sub(r"^(`{3,})(?!\{).*?^\1", "", source(cell), flags=re.S | re.M)  # code
        text = re.sub(r"```\{bibliography\}.*", "", text, flags=re.S)
        text = re.sub(r"\$\$.*?\$\$(\s*\([\w:-]+\))?", "\n\n", text, flags=re.S)
        text = re.sub(r"\$[^$]+\$", "x", text)
        text = re.sub(r"\{[\w:]+\}`[^`]*`", "x", text)
        text = re.sub(r"`[^`]*`", "x", text)
        text = re.sub(r"^\|.*$", "", text, flags=re.M)  # tables
        text = re.sub(r"^\{\.\w+\}$", "", text, flags=re.M)
        text = re.sub(r"^(:{3,}|`{3,}|:[\w-]+:).*$", "", text, flags=re.M)
        for part in re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d\.) )|^#.*$", text, flags=re.M):
            if part and part.strip():
                found.append(part.strip())
    return found


def shown(name: str) -> str:
    """All that the chapter computes: its code and what its cells put out, without pictures."""
    said = []
    for cell in cells(path(name), "code"):
        said.append(source(cell))
        for output in cell["outputs"]:
            data = output.get("data", {})
            said += ["".join(output.get("text", ""))]
            said += ["".join(data.get(kind, "")) for kind in ("text/plain", "text/markdown")]
    return "\n".join(said)


def numbers(text: str) -> list[str]:
    """Numbers that could be a result: with a decimal point, a thousands mark or three digits."""
    found = re.findall(r"(?<![\w.,])[−-]?\d[\d,]*(?:\.\d+)?(?![\w])", text)
    bare = [number.strip("−-,") for number in found]
    return [n for n in bare if "." in n or len(n.replace(",", "")) >= 3]


@written
def test_no_paragraph_is_longer_than_a_reader_s_breath(name):
    long = [text[:60] for text in prose(name) if len(text.split()) >= MOST_WORDS]
    assert not long


@written
def test_a_page_takes_a_quarter_of_an_hour_at_most(name, record_property):
    asked = reading(path(name))
    record_property("measured", f"{name}: {asked}, {asked.minutes:.1f} minutes")
    assert asked.minutes <= 15


@written
def test_no_sentence_quotes_a_figure_that_the_page_does_not_show(name):
    there = {n.replace(",", "") for n in numbers(shown(name))} | KNOWN | FACTS.get(name, set())
    there |= {n.replace(",", "") for n in re.findall(r"\d[\d_]*(?:\.\d+)?", shown(name))}
    there |= {n.replace("_", "") for n in there}
    stale = [
        (number, text[:60])
        for text in prose(name)
        for number in numbers(text)
        if number.replace(",", "") not in there
    ]
    assert not stale


def test_a_figure_that_no_output_holds_is_found():
    assert numbers("DROCO earns 3,438 and IQL 0.57 in 3 seeds, 10 looks") == ["3,438", "0.57"]
    assert numbers("minus −534, step 200,000.") == ["534", "200,000"]


@pytest.mark.parametrize("name", (*CHAPTERS, *MIND))
def test_the_last_section_says_what_would_change_our_mind(name):
    headings = re.findall(
        r"^## (.+)$", "\n".join(source(c) for c in cells(path(name), "markdown")), flags=re.M
    )
    assert headings[-2] == "What would change our mind" and "References" in headings[-1]


#: What asks the results for the page's first sentence computes nothing, and would part the question
#: from its answer.
ASKED = re.compile(
    r'(?m)^evidence = report\.read_\w+\(\)$|^Markdown\(report\.text\("[\w-]+", evidence\)\)$'
)


@chapters
def test_only_code_that_draws_is_folded(name):
    """What computes is shown, however short; imports, and what calls a drawing, may be folded."""
    for cell in cells(path(name), "code"):
        if not {"hide-input", "hide-cell", "remove-input"} & set(tags(cell)):
            continue
        left = re.sub(r"(?m)^(FULL|device) = .*$", "", IMPORT.sub("", source(cell)))  # set-up
        left = ASKED.sub("", left)
        draws = re.search(r"(?m)^explore\(|^interactive\.", left)
        assert draws or not re.search(r"(?m)^\w+ = |^def |^print|^Markdown", left), left[:80]


def figures_above_the_first_section(name: str) -> int:
    """Pictures and tables that a reader sees before the first heading below the title."""
    found = 0
    for cell in read(path(name))["cells"]:
        if cell["cell_type"] == "markdown" and re.search(r"(?m)^## ", source(cell)):
            break
        if {"hide-output", "hide-cell", "remove-cell", "remove-output"} & set(tags(cell)):
            continue
        for output in cell.get("outputs", []):
            found += any(kind in output.get("data", {}) for kind in ("image/png", "text/html"))
    return found


@pytest.mark.parametrize("name", (*CHAPTERS, "the_loop", "public_code", "public_code_training"))
def test_a_claim_and_a_figure_come_before_the_first_section(name):
    """What a reader sees who reads only the first paragraph and the first figure."""
    first = read(path(name))["cells"][0]
    lead = source(first).split("\n\n")
    assert lead[0].startswith("# ") and 5 < len(lead[1].split()) < 100
    shown_first = figures_above_the_first_section(name)
    if name in NO_FIGURE:
        assert not shown_first, f"{name} has a figure now: take it out of NO_FIGURE"
    else:
        assert shown_first, f"{name}: no picture and no table above the first section"
