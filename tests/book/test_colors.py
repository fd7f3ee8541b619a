"""One colour, one meaning, in every picture of the book."""

import re
from itertools import combinations

import pytest
import yaml
from chapters import ROOT, cells, notebooks, source, widget_state

from droco_lite.figures.colors import COLORS, MEANINGS, WRITTEN

anything = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


def theory():
    """The chapters of the first half."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    half = [p for p in toc["parts"] if "heory" in p["caption"]]
    pages = [ROOT / f"{page['file']}.ipynb" for part in half for page in part["chapters"]]
    return [path for path in pages if path.is_file()]


def drawn(path) -> list[str]:
    """Every picture that the chapter's sliders may show."""
    models = widget_state(path).values()
    return [m["state"]["value"] for m in models if m["model_name"] == "HTMLModel"]


def test_the_table_gives_each_meaning_one_colour_of_its_own():
    assert set(COLORS) == set(MEANINGS)
    own = {name: COLORS[name] for name in MEANINGS}
    assert [pair for pair in combinations(own, 2) if own[pair[0]] == own[pair[1]]] == []
    assert set(WRITTEN.values()) <= set(MEANINGS)


@pytest.mark.parametrize("path", theory(), ids=lambda path: path.stem)
def test_chapters_take_colours_from_the_table(path):
    """Beyond it they may use paper white, for marks on filled cells."""
    for cell in cells(path, "code"):
        raw = re.findall(
            r"""(?:color|colors|c|facecolor|edgecolor|facecolors|edgecolors)=["'](?!none|#fafafa)[^"']+["']""",
            source(cell),
        )
        assert not raw, f"a colour of its own: {raw}"


@anything
def test_names_in_pictures_have_their_colour(path):
    """A curve called "target" is drawn in the target's colour, on every page."""
    wrong = set()
    for picture in drawn(path):
        for style, name in re.findall(r'<text[^>]*style="([^"]*)"[^>]*>([^<]+)</text>', picture):
            fill = re.search(r"fill:(#[0-9a-f]{6})", style)
            name = name.strip()
            if fill and name in WRITTEN and fill[1] not in (COLORS[WRITTEN[name]], "#fafafa"):
                wrong.add((name, fill[1]))
    assert not wrong
