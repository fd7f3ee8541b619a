"""What each page says of itself: title, description, picture, and where its Colab button leads.

A Sphinx extension beside sphinxext-opengraph, which writes description and picture. This file adds

* the repository's address on GitHub Pages, stated in pyproject.toml, as the site's own;
* descriptions without LaTeX and cut between two words, and what the picture is: a title card;
* one title on the root page, where the theme would say the book's name twice;
* Colab and download buttons that give the notebooks made for Colab and JupyterLab (book/colab.py),
  not the chapters: plain Markdown, and without the widgets' state, megabytes that the page holds;
* a page for addresses that do not exist, and a root page that says what it is;
* one declaration of thebe's settings fewer: the book does not use thebe, and its second
  declaration is a script error on every page.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from docutils import nodes

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


def before_opengraph(app, _pagename: str, _template: str, context: dict, doctree) -> None:
    """Give sphinxext-opengraph text without formulas, and say what its picture is.

    The page's body has been written by now: its tree is used for the description alone.
    """
    if doctree is None:
        return
    for formula in list(doctree.findall(nodes.math)) + list(doctree.findall(nodes.math_block)):
        formula.parent.replace(formula, nodes.Text(plain_math(formula.astext())))
    for paragraph in list(doctree.findall(nodes.paragraph)):
        for raw in list(paragraph.findall(nodes.raw)):
            raw.parent.remove(raw)
        paragraph[:] = [nodes.Text(paragraph.astext())]  # with the spaces as they were written
    card = title_card(context["title"], app.config.ogp_site_name)
    context["meta"] = {"og:image:alt": card, **(context.get("meta") or {})}


def title_card(title: str, site: str) -> str:
    """What the picture of a page shows."""
    title = re.sub(r"<[^>]*>", "", title).strip()
    site = site.replace(",", "")
    shown = site if title.replace(",", "") == site else f"{title}, {site}"
    return f"Title card: {shown}"


def between_words(metas: str) -> str:
    """The page's metas, whose descriptions are cut between two words."""
    kind = r'(property="og:description"|name="description")'
    return re.sub(rf'(<meta {kind} content="[^"]*?)[ ,;:(–]*(?:[^\s"]*)\.\.\."', r'\1…"', metas)


def page_context(app, pagename: str, _template: str, context: dict, _doctree) -> None:
    """Titles, buttons and scripts of one page."""
    if "body" in context:
        context["body"] = accessible(context["body"])
    context["metatags"] = between_words(context.get("metatags", ""))
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
    missing = NOT_FOUND.format(title=title, base=base, repository=stated())
    (out / "404.html").write_text(missing, encoding="utf-8")


def setup(app) -> dict[str, bool]:
    app.connect("config-inited", own_address, priority=100)
    app.connect("html-page-context", before_opengraph, priority=100)
    app.connect("html-page-context", page_context, priority=900)
    app.connect("build-finished", front_and_missing, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
