"""What each page says of itself: title, description, picture, and where its Colab button leads.

A Sphinx extension beside sphinxext-opengraph, which writes description and picture. This file adds

* the repository's address on GitHub Pages, stated in pyproject.toml, as the site's own;
* descriptions of whole sentences, without LaTeX and citations, and what the picture is: a title
  card; the pages that Sphinx makes without a text (the search, the indices) have both too;
* one title on the root page, where the theme would say the book's name twice;
* Colab and download buttons that give the notebooks made for Colab and JupyterLab (book/colab.py),
  not the chapters: plain Markdown, and without the widgets' state, megabytes that the page holds;
* a page for addresses that do not exist, and a root page that says what it is;
* no templates of the theme among the pages, and a search page titled as all others;
* one declaration of thebe's settings fewer: the book does not use thebe, and its second
  declaration is a script error on every page.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes
from docutils.utils import new_document
from PIL import Image
from sphinxext import opengraph

from book.address import colab, pages_address, stated
from book.colab import make
from book.plain_math import plain_math

NOT_FOUND = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Page not found — {title}</title>
{metas}
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 34rem; margin: 15vh auto; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
<h1>There is no page here</h1>
<p>The address may be mistyped, or the page has another name now.</p>
<ul>
<li><a href="{base}/">The book's first page</a></li>
<li><a href="{base}/search.html">Search the book</a></li>
<li><a href="{repository}/issues">Tell us about a broken link</a></li>
</ul>
</main>
</body>
</html>
"""

#: A formula in a line with the marks that belong to it: a browser would break between the two.
FORMULA = r'<span class="math notranslate nohighlight">(?:(?!</span>).)*</span>'
WITH_MARKS = re.compile(rf"[(\[“]{FORMULA}[.,;:!?)\]”’-]*|{FORMULA}[.,;:!?)\]”’-]+", re.DOTALL)

FRONT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{metas}
<link rel="canonical" href="{site}/{root}.html">
<meta http-equiv="refresh" content="0; url={root}.html">
</head>
<body>
<main><h1>{title}</h1><p><a href="{root}.html">Open the book</a></p></main>
</body>
</html>
"""


#: Pages without a text of their own: title and description. Sphinx passes no tree for them.
TEXTLESS = {
    "search": ("Search", "Search all pages of this book on offline reinforcement learning."),
    "genindex": ("Index", "Every name of the package droco_lite that this book explains, A to Z."),
    "py-modindex": (
        "Python Module Index",
        "Every module of the package droco_lite, with a link to where this book explains it.",
    ),
    "prf-prf": (
        "Proof Index",
        "Every theorem, definition and algorithm of this book, with a link to where it stands.",
    ),
}
MISSING = "There is no page at this address. The book's first page and its search lead on."
#: Characters that a description has at most, unless its first sentence alone has more.
DESCRIPTION = 200
#: A citation as the pages print it: authors and years in brackets, or the year after the authors.
CITED = re.compile(r"\s*\[(?:[^\W\d_][^\[\]]*, \d{4}[^\[\]]*|(?:19|20)\d\d[a-z]?)\]")
#: Between two sentences: no lower-case letter follows, and no abbreviation stands before.
SENTENCES = re.compile(r"(?<=[.!?])(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)\s+(?![a-z])")


def before_opengraph(app, pagename: str, template: str, context: dict, doctree) -> None:
    """Give sphinxext-opengraph text without formulas, and say what its picture is.

    The page's body has been written by now: its tree is used for the description alone.
    """
    if doctree is None:
        if pagename in TEXTLESS:
            _textless(app, pagename, template, context)
        return
    _lead_alone(doctree)
    for formula in list(doctree.findall(nodes.math)) + list(doctree.findall(nodes.math_block)):
        formula.parent.replace(formula, nodes.Text(plain_math(formula.astext())))
    for paragraph in list(doctree.findall(nodes.paragraph)):
        for raw in list(paragraph.findall(nodes.raw)):
            raw.parent.remove(raw)
        # With the spaces as they were written.
        paragraph[:] = [nodes.Text(CITED.sub("", paragraph.astext()))]
    card = title_card(context["title"], app.config.ogp_site_name)
    context["meta"] = {"og:image:alt": card, **(context.get("meta") or {})}


def _lead_alone(doctree: nodes.document) -> None:
    """Leave out the sections below the page's first lines, where these say something."""
    page = next(iter(doctree.findall(nodes.section)), None)
    if page is None:
        return
    lead = " ".join(c.astext() for c in page.children if isinstance(c, nodes.paragraph))
    if len(lead) > DESCRIPTION / 2:
        page[:] = [child for child in page.children if not isinstance(child, nodes.section)]


def _textless(app, pagename: str, template: str, context: dict) -> None:
    """Description and picture of a page that has no tree, from the words given here."""
    title, said = TEXTLESS[pagename]
    tree = new_document(pagename)
    tree += nodes.paragraph(text=said)
    meta = {"og:image:alt": title_card(title, app.config.ogp_site_name)}
    page = {**context, "title": title, "meta": meta, "metatags": context.get("metatags", "")}
    opengraph.html_page_context(app, pagename, template, page, tree)
    context["metatags"] = page["metatags"]


def title_card(title: str, site: str) -> str:
    """What the picture of a page shows."""
    title = re.sub(r"<[^>]*>", "", title).strip()
    site = site.replace(",", "")
    shown = site if title.replace(",", "") == site else f"{title}, {site}"
    return f"Title card: {shown}"


def whole_sentences(metas: str) -> str:
    """The page's metas, whose descriptions end with a sentence or, at the least, with a word."""
    kind = r'property="og:description"|name="description"'
    return re.sub(
        rf'(<meta (?:{kind}) content=")([^"]*)"', lambda m: f'{m[1]}{_shortened(m[2])}"', metas
    )


def _shortened(text: str) -> str:
    """As many whole sentences as a description holds; the first at any length."""
    cut = text.endswith("...")
    sentences = SENTENCES.split(text)
    kept = ""
    for sentence in sentences[: len(sentences) - cut]:
        if kept and len(kept) + 1 + len(sentence) > DESCRIPTION:
            break
        kept = f"{kept} {sentence}".strip()
    if kept or not cut:
        return kept
    words = re.sub(r"[ ,;:(–]*[^\s]*$", "", text.removesuffix("...")[:DESCRIPTION])
    return f"{words}…"


def page_context(app, pagename: str, _template: str, context: dict, _doctree) -> None:
    """Titles, buttons and scripts of one page."""
    if "body" in context:
        context["body"] = accessible(context["body"])
    context["metatags"] = whole_sentences(context.get("metatags", ""))
    for script in list(context.get("script_files", [])):
        said = f"{getattr(script, 'attributes', {}).get('body')} {getattr(script, 'filename', '')}"
        if "THEBE_JS_URL" in said or "sphinx-thebe" in said:
            context["script_files"].remove(script)
    for button in _links(context.get("header_buttons", [])):
        if "colab.research.google.com" in button.get("url", ""):
            button["url"] = colab(stated(), pagename)


def accessible(body: str) -> str:
    """The page's own content with what its makers leave to be desired by screen readers.

    A reference is an item of its list, a fold is named by what it shows, a table's empty corner is
    no heading, and what scrolls sideways can be scrolled by keyboard. For all readers: no line
    begins with the full stop that follows a formula.
    """
    body = body.replace(' role="doc-biblioentry"', ' role="listitem"')
    body = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    body = re.sub(r"<th>\s*</th>", "<td></td>", body)
    scrolls = r"<div style=[\"']overflow-x: ?auto;?[\"']>"
    body = re.sub(scrolls, '<div style="overflow-x:auto" tabindex="0">', body)
    body = re.sub(WITH_MARKS, r'<span class="together">\g<0></span>', body)
    return re.sub(r"<dl>\s*</dl>", "", body)


def _links(buttons: list[dict]) -> list[dict]:
    """Every button, those of groups too."""
    return [link for b in buttons for link in [b, *_links(b.get("buttons", []))]]


def own_address(_app, config) -> None:
    """The site's address is the repository's, on GitHub Pages."""
    config.ogp_site_url = f"{pages_address(stated())}/"


def front_and_missing(app, error) -> None:
    """``index.html`` with the root page's description and picture, and ``404.html``."""
    if error or app.builder.format != "html":
        return
    out, root = Path(app.outdir), app.config.root_doc
    site, title = pages_address(stated()), html.escape(app.config.html_title or app.config.project)
    page = (out / f"{root}.html").read_text(encoding="utf-8")
    page = re.sub(r"<title>.*?</title>", f"<title>{title}</title>", page, count=1, flags=re.S)
    (out / f"{root}.html").write_text(page, encoding="utf-8")
    metas = "\n".join(
        re.findall(r'<meta (?:property="og:|name="(?:description|twitter:))[^>]*>', page)
    )
    front = FRONT.format(title=title, metas=metas, site=site, root=root)
    (out / "index.html").write_text(front, encoding="utf-8")
    base = "/" + site.split("/", 3)[3]
    make(out, out / "_sources/book")
    metas = missing_metas(metas, f"Page not found — {title}")
    missing = NOT_FOUND.format(title=title, base=base, repository=stated(), metas=metas)
    (out / "404.html").write_text(missing, encoding="utf-8")
    small_pictures(out / "_images" / "social_previews")
    searching = out / "search.html"
    if searching.is_file():  # the theme's template puts a hyphen
        page = searching.read_text(encoding="utf-8")
        page = re.sub(r"<title>([^<]*?) - ", r"<title>\1 — ", page, count=1)
        searching.write_text(page, encoding="utf-8")
    # The theme reads these while pages are written; as pages they show their own source.
    for template in (out / "_static").glob("*webpack-macros.html"):
        template.unlink()


def small_pictures(folder: Path) -> None:
    """Title cards in 64 colours: a third of the bytes, and nobody sees it."""
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as picture:
            if picture.mode != "P":
                picture.convert("RGB").quantize(64).save(path, optimize=True)


def missing_metas(metas: str, title: str) -> str:
    """The front page's metas for an address that leads nowhere: its picture, other words."""
    metas = re.sub(r'(<meta [^>]*="og:title" content=")[^"]*', rf"\g<1>{title}", metas)
    metas = re.sub(r'(<meta [^>]*description" content=")[^"]*', rf"\g<1>{MISSING}", metas)
    return re.sub(r'<meta [^>]*="og:url"[^>]*>\n?', "", metas)


def setup(app) -> dict[str, bool]:
    app.connect("config-inited", own_address, priority=100)
    app.connect("html-page-context", before_opengraph, priority=100)
    app.connect("html-page-context", page_context, priority=900)
    app.connect("build-finished", front_and_missing, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
