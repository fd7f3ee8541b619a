"""``python -m droco_lite.cli``: the same as ``droco-lite``."""

from droco_lite.cli import app

app(prog_name="droco-lite")
