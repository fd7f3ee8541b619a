"""The book's pages as its table of contents names them, and what a notebook's cells hold."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]

#: The chapters on theory.
THEORY = (
    "offline_rl_on_the_cliff",
    "iql_by_hand",
    "two_kinds_of_robustness",
    "wasserstein_dual",
    "worst_states",
    "rcb_operator",
    "drift",
    "ensembles",
    "disagreement",
    "beta",
    "runaway",
    "delta",
)

#: The chapters on the code that the authors published, written by the same rules.
PUBLIC_CODE = ("public_code", "public_code_training")

#: The chapters that are held to the rules of the theory.
SOLVED = THEORY + PUBLIC_CODE

#: The chapters whose solutions are blocks of code, which are run.
WITH_SOLUTIONS = (*SOLVED, "the_loop")


def pages() -> list[str]:
    """Every page, root first, as paths without a suffix: ``book/intro``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *chapters]


def notebooks() -> list[Path]:
    """The notebooks among them."""
    return [path for page in pages() if (path := ROOT / f"{page}.ipynb").is_file()]


@cache
def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def solutions(path: Path) -> list[str]:
    """The code of the chapter's folded solutions, in order."""
    text = "\n".join(source(cell) for cell in cells(path, "markdown"))
    return re.findall(r"````\{solution\}.*?```python\n(.*?)```", text, flags=re.S)


def widget_state(path: Path) -> dict[str, dict[str, Any]]:
    """Saved widget models by id."""
    saved = read(path)["metadata"].get("widgets", {})
    return saved.get("application/vnd.jupyter.widget-state+json", {}).get("state", {})


#: Widget models that a reader moves.
SLIDER, DROPDOWN = "SelectionSliderModel", "DropdownModel"


def sliders(path: Path) -> list[str]:
    """Labels of the sliders that the chapter's outputs show, in order."""
    return [label for kind, label in controls(path) if kind == SLIDER]


def dropdowns(path: Path) -> list[str]:
    """Labels of the drop-downs that the chapter's outputs show, in order."""
    return [label for kind, label in controls(path) if kind == DROPDOWN]


def controls(path: Path) -> list[tuple[str, str]]:
    """Kind and label of each slider and drop-down that the chapter's outputs show, in order."""
    state = widget_state(path)

    def walk(model_id: str) -> list[tuple[str, str]]:
        model = state[model_id]
        kind = model["model_name"]
        if kind in (SLIDER, DROPDOWN):
            return [(kind, model["state"]["description"])]
        if kind != "VBoxModel":  # pictures hold no sliders
            return []
        return [
            found
            for child in model["state"]["children"]
            for found in walk(child.removeprefix("IPY_MODEL_"))
        ]

    return [found for view in views(path) for found in walk(view)]


def views(path: Path) -> list[str]:
    """Ids of the widgets that the chapter's outputs show."""
    kind = "application/vnd.jupyter.widget-view+json"
    return [
        output["data"][kind]["model_id"]
        for cell in cells(path, "code")
        for output in cell["outputs"]
        if kind in output.get("data", {})
    ]
