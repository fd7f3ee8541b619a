"""The repository's address: every place agrees, and one command changes them all."""

import json
import shutil

import pytest
from chapters import ROOT, cells, notebooks, source

from book.address import colab, files, places, restate, setup_cell, stated, version


def test_every_place_agrees():
    wrong = [place for place in places() if place[2] != stated()]
    assert not wrong
    said = {name for name, _, _ in places()}
    assert {"_config.yml", "README.md", "CITATION.cff", "pyproject.toml"} <= said


def test_every_chapter_fetches_from_it():
    for path in notebooks():
        assert source(cells(path, "code")[0]) == setup_cell(stated(), version()), path.name


@pytest.fixture
def checkout(tmp_path):
    for path in files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    first = {"cell_type": "code", "source": [setup_cell(stated(), version())]}
    link = {"cell_type": "markdown", "source": [f"[open]({colab(stated(), 'book/a.ipynb')})"]}
    (tmp_path / "book").mkdir(exist_ok=True)
    (tmp_path / "book/a.ipynb").write_text(json.dumps({"cells": [first, link]}))
    return tmp_path


def test_one_command_changes_them_all(checkout):
    before = places(checkout)
    new = "https://github.com/someone/a-fork.of_it"
    changed = restate(new + ".git", checkout)
    assert stated(checkout) == new
    assert [(name, line, new) for name, line, _ in before] == places(checkout)
    assert {name for name, _, _ in before} <= set(changed)
    cell, link = json.loads((checkout / "book/a.ipynb").read_text())["cells"]
    assert cell["source"] == [setup_cell(new, version())]
    assert colab(new, "book/a.ipynb") in link["source"][0]
    assert restate(new, checkout) == []


def test_changing_it_back_leaves_no_trace(checkout):
    kept = {path: path.read_bytes() for path in files(checkout)}
    old = stated(checkout)
    restate("https://github.com/someone/fork", checkout)
    restate(old, checkout)
    assert kept == {path: path.read_bytes() for path in files(checkout)}


@pytest.mark.parametrize("bad", ["github.com/a/b", "https://github.com/a", "", "https://a.b/c/d"])
def test_a_wrong_address_is_refused(checkout, bad):
    with pytest.raises(ValueError, match="OWNER/REPO"):
        restate(bad, checkout)
