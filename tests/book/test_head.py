"""What the pages' makers leave to be desired by their readers is mended, and nothing else."""

from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document

from book.head import accessible, before_opengraph, between_words, title_card

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
    ],
)
def test_a_description_ends_with_a_whole_word(kind, made, mended):
    other = '<meta property="og:title" content="And so on..." />\n'
    meta = '<meta {} content="{}" />'
    found = between_words(other + meta.format(kind, made))
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
    before_opengraph(app, "search", "search.html", {"title": "Search"}, None)  # has no text
