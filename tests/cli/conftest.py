"""The command line is made once; Typer's runner would make it anew for every call of a test."""

import functools

import pytest
import typer.testing
from typer.main import get_command


@pytest.fixture(autouse=True, scope="session")
def one_command_line():
    patch = pytest.MonkeyPatch()
    once = functools.cache(get_command)
    patch.setattr(typer.testing, "_get_command", once, raising=False)  # where Typer has it
    yield
    patch.undo()
