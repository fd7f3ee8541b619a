"""Running a chapter twice saves the same file twice."""

import nbformat
import pytest

from book.execute import execute

CODE = """
from droco_lite.explore import explore
print("first", flush=True); print("second", flush=True)
explore(lambda a, b: f"<p>{a} {b}</p>", a=[1, 2], b=[3, 4])
"""


@pytest.mark.slow
def test_two_runs_save_the_same_file(tmp_path):
    path = tmp_path / "chapter.ipynb"
    cell = nbformat.v4.new_code_cell(CODE.strip(), id="one")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), path)
    execute(path)
    first = path.read_text(encoding="utf-8")
    execute(path)
    assert path.read_text(encoding="utf-8") == first
    saved = nbformat.read(path, as_version=4)
    printed, shown = saved.cells[0].outputs
    assert printed.text == "first\nsecond\n"
    models = saved.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    view = shown.data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert models[view]["model_name"] == "VBoxModel"
    for model in models.values():
        for child in model["state"].get("children", []):
            assert child.removeprefix("IPY_MODEL_") in models


def test_what_is_written_while_a_chapter_runs_is_kept(tmp_path):
    path = tmp_path / "short.ipynb"
    code = f"from pathlib import Path; Path({str(path)!r}).write_text('written by hand')"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), path)
    with pytest.raises(RuntimeError, match="changed while it ran"):
        execute(path)
    assert path.read_text() == "written by hand"
