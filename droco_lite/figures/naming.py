"""Names of sliders for screen readers, which ipywidgets does not give."""

from __future__ import annotations

from pathlib import Path

from IPython.display import display

#: Names each slider of a page, now and later. The built book loads it once; a notebook shows it.
SCRIPT = Path(__file__).with_name("naming.js").read_text(encoding="utf-8")

_wanted = False


def name_sliders(wanted: bool = True) -> None:
    """In a notebook, name the sliders of every explorer shown from now on.

    The notebooks made for Colab and JupyterLab call it in their set-up cell. The built book does
    without, since each of its pages loads the script.

    Args:
        wanted: False takes it back.
    """
    global _wanted
    _wanted = wanted


def show_script() -> None:
    """Put the script beside an explorer's output, where it was asked for."""
    if _wanted:
        display({"application/javascript": SCRIPT}, raw=True)
