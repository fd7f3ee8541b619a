"""README's "The package alone", read as a user reads it: its Python example and its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTION = "## The package alone"

#: How each command is made small enough for a check; a command that is not here is an error.
SMALL: dict[str, dict[str, str]] = {
    "data make": {"--source-size": "2000", "--target-size": "500"},
    "train": {"--steps": "200", "--source-size": "2000", "--target-size": "500"},
    "plot": {},
    "evaluate": {"--episodes": "1"},
    "export": {"--episodes": "1"},
    "compare": {
        "--steps": "20",
        "--seeds": "1",
        "--source-size": "2000",
        "--target-size": "500",
        "--episodes": "1",
        "--methods": "IQL*;DROCO",
    },
    "report": {},
}
#: Commands that have no small form, and why the check asks only for their help.
HELP_ONLY = {"study run": "a study's sizes are its own", "watch": "a clip needs a renderer"}
#: What only a reader has: recordings and what was trained on them. Their commands show their help.
OWN = re.compile(r"my_\w+\.hdf5|my-policies")

#: Sizes in the Python example, and their small ones.
_SIZES = {"source_size": "2_000", "target_size": "500", "steps": "200"}


def blocks(language: str, text: str | None = None) -> list[str]:
    """The section's code blocks in one language."""
    if text is None:
        text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(SECTION, 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.S)


def example(text: str | None = None) -> str:
    """The Python example at small sizes."""
    code = "\n".join(blocks("python", text))
    for name, size in _SIZES.items():
        code = re.sub(rf"\b{name}=[\d_]+", f"{name}={size}", code)
    return code


def commands(text: str | None = None) -> list[list[str]]:
    """Each ``droco-lite`` command of the section, as arguments at small sizes.

    Raises:
        KeyError: README names a command that has no small form here.
    """
    lines = "\n".join(blocks("bash", text)).replace("\\\n", " ").splitlines()
    written = [shlex.split(line, comments=True) for line in lines]
    return [small(words[1:]) for words in written if words[:1] == ["droco-lite"]]


def small(words: list[str]) -> list[str]:
    """A command with its sizes made small."""
    if any(OWN.fullmatch(word) for word in words):
        return [words[0], "--help"]
    for name in HELP_ONLY:
        if words[: len(name.split())] == name.split():
            return [*name.split(), "--help"]
    for name, options in SMALL.items():
        if words[: len(name.split())] != name.split():
            continue
        for option, value in options.items():
            while option in words:  # given there: replaced
                at = words.index(option)
                words = words[:at] + words[at + 2 :]
            words = [*words, option, value]
        return words
    raise KeyError(
        f"README's command {shlex.join(words)!r} has no small form: add it to SMALL in {__file__}"
    )
