"""Run a chapter and save it so that a second run changes nothing but what really changed.

    python book/execute.py book/the_loop.ipynb ...

Beside the outputs this keeps the widgets' state. Model ids are numbered instead of random, text
printed in pieces is joined, and times are left out, so that version control shows real changes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from droco_lite.files import write_text

STATE = "application/vnd.jupyter.widget-state+json"


def execute(path: Path) -> None:
    """Run the notebook in its own folder, from top to bottom, and save it whole or not at all.

    Raises:
        RuntimeError: the file was written by somebody else in the meantime.
    """
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=1200, resources=resources).execute()
    tidied = tidy(notebook, path.stem)
    if path.read_text(encoding="utf-8") != before:
        raise RuntimeError(f"{path} was changed while it ran, and stays as it is; run it again")
    write_text(path, nbformat.writes(tidied))


def tidy(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """The same notebook without what differs from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
            if "remove-stderr" in cell.metadata.get("tags", []):  # the page does not show it either
                cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    models = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    text = json.dumps(notebook)
    for number, model in enumerate(models):
        text = text.replace(model, hashlib.md5(f"{name}/{number}".encode()).hexdigest())
    return nbformat.from_dict(json.loads(text))


def _joined(outputs: list) -> list:
    """Outputs with neighbouring pieces of one stream made one."""
    joined: list = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        execute(Path(name))
        print(f"ran {name}")
