"""What the pages' makers leave to be desired by their readers is mended, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from chapters import ROOT
from docutils import nodes
from docutils.utils import new_document
from PIL import Image
from sphinx.application import Sphinx

from book import head
from book.address import pages_address, stated
from book.head import DESCRIPTION, accessible, before_opengraph, title_card, whole_sentences

FORMULA = r'<span class="math notranslate nohighlight">\(x\)</span>'


@pytest.mark.parametrize(
    ("made", "mended"),
    [
        ('<div id="a" role="doc-biblioentry">', '<div id="a" role="listitem">'),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        ("<tr><th></th><th>x</th></tr>", "<tr><td></td><th>x</th></tr>"),
        ("<div style='overflow-x:auto'>", '<div style="overflow-x:auto" tabindex="0">'),
        ('<div style="overflow-x: auto;">', '<div style="overflow-x:auto" tabindex="0">'),
        (f"so ({FORMULA}), and", f'so <span class="together">({FORMULA}),</span> and'),
        (f"{FORMULA}. Now {FORMULA}", f'<span class="together">{FORMULA}.</span> Now {FORMULA}'),
        ('<p role="note"><th>a</th></p>', '<p role="note"><th>a</th></p>'),
    ],
)
def test_accessible(made, mended):
    assert accessible(made) == mended


@pytest.mark.parametrize("kind", ['property="og:description"', 'name="description"'])
@pytest.mark.parametrize(
    ("made", "mended"),
    [
        ("The answer f...", "The answer…"),
        ("It says &quo...", "It says…"),
        ("One, two, thr...", "One, two…"),
        ("A whole sentence.", "A whole sentence."),
        ("It is whole. The next is n...", "It is whole."),
        ("As of Qiao et al. 2026, so. The next is n...", "As of Qiao et al. 2026, so."),
        ("x" * 150 + ". " + "Y" * 90 + ".", "x" * 150 + "."),
        ("x" * 250 + ". And then...", "x" * 250 + "."),
        (f"{'word ' * 63}wo...", "word " * 39 + "word…"),
    ],
)
def test_a_description_ends_with_a_sentence_or_at_least_a_word(kind, made, mended):
    other = '<meta property="og:title" content="And so on..." />\n'
    meta = '<meta {} content="{}" />'
    found = whole_sentences(other + meta.format(kind, made))
    assert found == other + meta.format(kind, mended)


@pytest.mark.parametrize(
    ("title", "card"),
    [
        ("Scorecard", "Title card: Scorecard, DROCO by hand"),
        ("The <em>loop</em>", "Title card: The loop, DROCO by hand"),
        ("DROCO, by hand", "Title card: DROCO by hand"),
    ],
)
def test_a_title_card_is_called_so(title, card):
    assert title_card(title, "DROCO, by hand") == card


def test_a_description_is_made_of_text_with_formulas_in_plain_letters():
    page = new_document("page")
    inline = nodes.math("", r"\beta \le 1")
    words = nodes.paragraph("", "", nodes.Text("Small ("), inline, nodes.Text("), as the "))
    words += nodes.emphasis("", "paper")
    page += [words, nodes.math_block("", r"\gamma V", ids=["equation-1"])]
    context = {"title": "A <em>page</em>", "meta": None}
    app = SimpleNamespace(config=SimpleNamespace(ogp_site_name="DROCO, by hand"))
    before_opengraph(app, "book/page", "page.html", context, page)
    assert [child.astext() for child in page] == ["Small (β ≤ 1), as the paper", "γ V"]
    assert context["meta"] == {"og:image:alt": "Title card: A page, DROCO by hand"}
    before_opengraph(app, "_modules/a", "page.html", {"title": "a"}, None)  # has no text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("by DROCO [Qiao et al., 2026].", "by DROCO."),
        ("data [Qiao et al., 2026, Younis et al., 2024b], and", "data, and"),
        ("as Qiao et al. [2026] say", "as Qiao et al. say"),
        ("in [0, 1], at [1000, 2000]", "in [0, 1], at [1000, 2000]"),
    ],
)
def test_a_description_cites_nobody(written, read):
    assert head.CITED.sub("", written) == read


def test_a_description_is_of_the_lines_above_the_first_section():
    page = new_document("page")
    below = nodes.section("", nodes.title(text="Below"), nodes.paragraph(text="More."))
    lead = nodes.paragraph(text="Long enough. " * 10)
    page += nodes.section("", nodes.title(text="Page"), lead, below)
    head._lead_alone(page)
    assert "More." not in page.astext() and "Long enough" in page.astext()
    short = nodes.section("", nodes.title(text="Page"), nodes.paragraph(text="Short."), below)
    page.children = []
    page += short
    head._lead_alone(page)
    assert "More." in page.astext()


CONF = """
import sys
sys.path.insert(0, {root!r})
project = html_title = "DROCO, by hand"
extensions = ["sphinx_proof", "sphinxext.opengraph", "book.head"]
html_theme = "sphinx_book_theme"
root_doc = "start"
ogp_site_name = "DROCO, by hand"
ogp_description_length = 320
ogp_social_cards = {{"description": False}}
"""


@pytest.fixture(scope="module")
def small_site(tmp_path_factory):
    """A site of one page, with what Sphinx adds to it."""
    place = tmp_path_factory.mktemp("site")
    (place / "conf.py").write_text(CONF.format(root=str(ROOT)))
    said = "Robots differ, as somebody has shown [Qiao et al., 2026]. " * 9
    listed = ".. py:module:: one\n\n.. prf:theorem:: One\n   :label: one\n\n   So it is.\n"
    (place / "start.rst").write_text(f"Start\n=====\n\n{said}\n\n{listed}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "make", lambda *_: [])  # the notebooks are no part of this
        app = Sphinx(place, place, place / "out", place / "trees", "html", status=None)
        app.build()
    return place / "out"


def meta(page: BeautifulSoup, name: str) -> str:
    found = page.find("meta", property=name) or page.find("meta", attrs={"name": name})
    return found["content"] if found else ""


@pytest.mark.parametrize("name", ["start", "index", "404", *head.TEXTLESS])
def test_every_page_of_a_site_says_what_it_is_and_has_a_picture(name, small_site):
    page = BeautifulSoup((small_site / f"{name}.html").read_text(), "html.parser")
    said = meta(page, "description")
    assert 30 < len(said) <= DESCRIPTION and said.endswith(".") and "[" not in said
    assert said == meta(page, "og:description")
    picture = meta(page, "og:image").removeprefix(f"{pages_address(stated())}/")
    assert (small_site / picture).read_bytes().startswith(b"\x89PNG")
    assert len(meta(page, "og:title")) > 3 and " - " not in page.title.get_text()
    if name == "search":
        assert page.title.get_text() == "Search — DROCO, by hand"
    if name == "404":
        assert not meta(page, "og:url") and "no page at this address" in said


def test_the_themes_templates_are_no_pages(small_site):
    assert (small_site / "_static").is_dir()
    assert not list(small_site.rglob("*webpack-macros.html"))


def test_title_cards_are_small_and_still_pictures(tmp_path):
    rng = np.random.default_rng(0)
    card = Image.fromarray(rng.integers(0, 255, (60, 120, 3), dtype=np.uint8))
    card.save(tmp_path / "card.png")
    before = (tmp_path / "card.png").stat().st_size
    head.small_pictures(tmp_path)
    once = (tmp_path / "card.png").read_bytes()
    assert len(once) < before / 2
    head.small_pictures(tmp_path)  # a second build changes nothing
    assert (tmp_path / "card.png").read_bytes() == once
    with Image.open(tmp_path / "card.png") as picture:
        assert picture.size == (120, 60)
