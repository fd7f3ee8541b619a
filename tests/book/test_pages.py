"""The built book, as a reader's browser shows it, with the network cut off.

``make test`` builds the book before and says where; without that the first test builds it.
``PAGE_PICTURES=folder`` keeps a screenshot of every page in light, dark and phone width.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import unquote

import axe
import pytest
from bs4 import BeautifulSoup
from chapters import PUBLIC_CODE, ROOT, THEORY, dropdowns, pages, sliders

from book.address import colab, pages_address, stated
from book.assets import fetched
from tests.chromium import CHROMIUM

# A notice of the theme that changes nothing on the page: a first visit finds no stored mode.
HARMLESS = ("Got invalid theme mode",)

needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not fetched(), reason="no npm: the pages take their scripts from a CDN"),
]


@pytest.fixture(scope="module")
def site(built_site) -> Path:
    return built_site


def test_every_page_was_built(site):
    for page in pages():
        assert (site / f"{page}.html").is_file()


def test_every_picture_and_clip_that_a_page_names_is_in_the_site(site):
    clips = 0
    for page in pages():
        path = site / f"{page}.html"
        named = [img["src"] for img in html(path).select("img[src]")]
        for figure in html(path).select("[data-clips]"):
            each = json.loads(figure["data-clips"])["clips"]
            files = [clip[kind] for clip in each for kind in ("clip", "still")]
            named += [figure["data-folder"] + file for file in files]
            clips += len(files)
        own = [unquote(name) for name in named if not name.startswith(("data:", "http"))]
        missing = [name for name in own if not (path.parent / name).is_file()]
        assert not missing, f"{page}: {missing[:3]}"
    assert clips


def test_the_site_is_small(site, record_property):
    sizes = {path: path.stat().st_size for path in site.rglob("*") if path.is_file()}
    total = sum(sizes.values())
    page, largest = max(
        ((path.stem, size) for path, size in sizes.items() if path.suffix == ".html"),
        key=lambda pair: pair[1],
    )
    record_property("measured", f"site: {total / 1e6:.1f} MB")
    record_property("measured", f"largest page: {page}, {largest / 1e6:.2f} MB")
    assert total < 50e6
    assert largest < 3e6


@pytest.mark.parametrize("name", pages())
def test_its_links_lead_somewhere(name, site):
    page = site / f"{name}.html"
    for link in html(page).select("a[href]"):
        path, _, anchor = link["href"].partition("#")
        if re.match(r"\w+:", path):
            continue
        target = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".html":
            assert unquote(anchor) in anchors(target), link


# What a page says of itself ------------------------------------------------------------------


def meta(page: BeautifulSoup, name: str) -> str:
    found = page.find("meta", attrs={"property": name}) or page.find("meta", attrs={"name": name})
    return found["content"] if found else ""


@pytest.mark.parametrize("name", pages())
def test_a_shared_page_shows_what_it_is(name, site):
    page, home = html(site / f"{name}.html"), pages_address(stated())
    assert len(meta(page, "og:title")) > 3
    # One sentence, where the first is a long one.
    assert 30 < len(meta(page, "og:description")) <= 320
    assert meta(page, "description") == meta(page, "og:description")
    assert meta(page, "og:url") == f"{home}/{name}.html"
    assert not re.search(r"\\|\$|[{}]|\.\.\.$", meta(page, "description")), "markup, or half a word"
    assert meta(page, "og:image:alt").startswith("Title card: ")
    assert "DROCO by hand" in meta(page, "og:image:alt")
    picture = meta(page, "og:image").removeprefix(f"{home}/")
    assert (site / picture).read_bytes().startswith(b"\x89PNG")


def test_titles_name_the_page_once(site):
    titles = [html(site / f"{name}.html").title.get_text() for name in pages()]
    assert len(set(titles)) == len(titles)
    root, *others = titles
    assert root == "DROCO, by hand"
    assert all(re.fullmatch(r".+ — DROCO, by hand", title) for title in others)


def test_the_root_address_shows_what_it_is_too(site):
    front = html(site / "index.html")
    assert front.title.get_text() == "DROCO, by hand"
    assert meta(front, "og:image") and meta(front, "description")
    assert (site / front.find("a")["href"]).is_file()


def test_an_address_that_does_not_exist_gets_a_page(site):
    """It may be shown at any depth, so its links are absolute, and it needs no other file."""
    missing = html(site / "404.html")
    base = "/" + pages_address(stated()).split("/", 3)[3]
    links = [link["href"] for link in missing.select("a")]
    assert links[:2] == [f"{base}/", f"{base}/search.html"]
    assert not missing.select("script, link, img")


@pytest.mark.parametrize("name", [name for name in pages() if (ROOT / f"{name}.ipynb").is_file()])
def test_the_colab_button_opens_the_notebook_made_for_colab(name, site):
    buttons = [a["href"] for a in html(site / f"{name}.html").select("a[href*='colab.research']")]
    assert colab(stated(), name) in buttons
    assert all("/blob/colab/" in button for button in buttons)
    downloaded = (site / f"_sources/{name}.ipynb").read_text(encoding="utf-8")
    assert '"accelerator": "GPU"' in downloaded and "widget-state" not in downloaded


@functools.cache
def html(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@functools.cache
def anchors(path: Path) -> set[str]:
    """What a link to this page may name after its ``#``."""
    return {element["id"] for element in html(path).find_all(id=True)}


# In the browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(site):
    """The site on this machine, as a web server gives it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def reader(browser):
    """A reader's profile: what one page has fetched, the next one finds in the cache."""
    context = browser.new_context()
    yield context
    context.close()


@contextmanager
def opened(context, url: str, mode: str = "light", width: int = 1280, height: int = 900):
    """A page with the network cut off; what went wrong while it was open fails the test."""
    wrong: list[str] = []
    local = ("http://127.0.0.1:", "file://", "data:", "blob:")

    def note(kind, message):
        if not any(harmless in message for harmless in HARMLESS):
            wrong.append(f"{kind}: {message}")

    page = context.new_page()
    page.set_default_timeout(180_000)  # a busy machine is no defect of the page
    page.set_viewport_size({"width": width, "height": height})
    page.add_init_script(f"localStorage.mode = localStorage.theme = '{mode}'")
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(local) else note("outside request", asked.url),
    )
    page.on("pageerror", lambda error: note("script error", str(error)))
    page.on("console", lambda m: note("console", m.text) if m.type == "error" else None)
    page.on(
        "response",
        lambda answer: note(f"status {answer.status}", answer.url) if answer.status > 399 else None,
    )
    try:
        page.goto(url, wait_until="load")
        page.wait_for_load_state("networkidle")
        page.wrong = wrong
        yield page
        assert not wrong, "\n".join([f"{url}:", *wrong])
    finally:
        page.close()


@pytest.fixture(scope="module")
def kept():
    """The page that is open, by its name."""
    pages: dict[str, tuple[ExitStack, object]] = {}
    yield pages
    for stack, _page in pages.values():
        stack.close()


@pytest.fixture
def visit(reader, address, kept):
    """Opens a page of the book, or goes on with it where the test before has opened it.

    It is turned to the mode and the size that are asked for, as a reader turns it. What goes wrong
    on it fails the test.
    """
    visited = []

    def visit(name: str, mode: str = "light", width: int = 1280, height: int = 900):
        if name not in kept:
            for stack, _page in kept.values():
                stack.close()
            kept.clear()
            stack = ExitStack()
            kept[name] = stack, stack.enter_context(opened(reader, f"{address}/{name}.html"))
        page = kept[name][1]
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate(PRESS_MODE, mode)
        await_sliders(page, name)
        fold(page, False)
        visited.append(page)
        return page

    yield visit
    for page in visited:
        wrong, page.wrong[:] = list(page.wrong), []
        assert not wrong, "\n".join(wrong)


# The theme's own button goes round its three modes; the third follows the machine.
PRESS_MODE = """mode => {
  const page = document.documentElement, button = document.querySelector(".theme-switch-button");
  for (let press = 0; press < 3 && page.dataset.mode !== mode; press++) button.click();
}"""


def expected_sliders(name: str) -> list[str]:
    path = ROOT / f"{name}.ipynb"
    return sliders(path) if path.is_file() else []


def expected_dropdowns(name: str) -> list[str]:
    path = ROOT / f"{name}.ipynb"
    return dropdowns(path) if path.is_file() else []


def await_sliders(page, name: str) -> None:
    for selector, wanted in (
        (".widget-slider .noUi-handle", expected_sliders(name)),
        (".widget-dropdown select", expected_dropdowns(name)),
    ):
        if wanted:
            page.wait_for_function(
                "([selector, n]) => document.querySelectorAll(selector).length >= n",
                arg=[selector, len(wanted)],
            )
    page.evaluate("async () => { await window.MathJax?.startup?.promise }")  # formulas move things
    page.wait_for_timeout(100)


def fold(page, closed: bool) -> None:
    """Close or open the page's folded sections; what they hold is tested like the rest."""
    page.evaluate(
        "closed => document.querySelectorAll('details.droco-fold').forEach(f => f.open = !closed)",
        closed,
    )
    page.wait_for_timeout(50)


def keep_picture(page, name: str, kind: str) -> None:
    folder = os.environ.get("PAGE_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name.split('/')[-1]}_{kind}.png", full_page=True)


# Once a slider has left its last value: its value as it is written and as it is said, whether it is
# at its end, and what a reader can tell apart: the shown pictures without ids and descriptions.
READ = """async (slider, last) => {
  const handle = slider.querySelector(".noUi-handle");
  const readout = slider.querySelector(".widget-readout");
  for (let n = 0; n < 500 && readout.textContent === last; n++)
    await new Promise(done => setTimeout(done, 10));
  await new Promise(requestAnimationFrame);
  const pictures = [...slider.parentElement.querySelectorAll(".droco-figure")]
    .filter(figure => figure.offsetHeight > 0)
    .map(figure => figure.innerHTML
      .replace(/ id="[^"]*"| aria-label="[^"]*"|href="#[^"]*"|url\\([^)]*\\)/g, ""));
  const ended = Number(handle.ariaValueNow) >= Number(handle.ariaValueMax);
  return [readout.innerText, handle.ariaValueText, ended, pictures];
}"""
# A tap glides for 0.3 s, and a slider takes no other meanwhile.
GLIDED = """async track => {
  while (track.parentElement.classList.contains("noUi-state-tap"))
    await new Promise(requestAnimationFrame);
}"""


def read(slider, last: str | None = None) -> tuple[str, str, bool, str]:
    """What READ finds, with the one picture that stands under a set of sliders."""
    value, said, ended, pictures = slider.evaluate(READ, last)
    assert len(pictures) == 1, f"{len(pictures)} pictures stand under one set of sliders"
    return value, said, ended, pictures[0]


@pytest.mark.parametrize("name", [name for name in pages() if expected_sliders(name)] or ["none"])
class TestSliders:
    pytestmark = needs_browser

    @pytest.fixture
    def page(self, visit, name):
        if name == "none":
            pytest.skip("no page has sliders yet")
        return visit(name)

    def test_each_has_its_name(self, page, name):
        named = page.eval_on_selector_all(
            ".widget-slider .noUi-handle", "handles => handles.map(h => h.ariaLabel)"
        )
        assert named == expected_sliders(name)

    def test_each_moves_by_keyboard_and_its_picture_changes(self, page, name):
        for label, slider in zip(
            expected_sliders(name), page.locator(".widget-slider").all(), strict=True
        ):
            slider.locator(".noUi-handle").focus()
            page.keyboard.press("Home")
            values, drawn = [], []
            while True:
                value, said, ended, picture = read(slider, values[-1] if values else None)
                assert value not in values, f"{label} does not leave {value}"
                assert said == value
                values.append(value)
                drawn.append(picture)
                page.keyboard.press("ArrowRight")
                if ended:
                    break
            assert read(slider)[0] == values[-1]
            assert len(values) > 1, f"{label} has one value"
            assert len(set(drawn)) > 1, f"{label} moves over {values} and its picture stays"

    def test_each_moves_by_mouse(self, page, name):
        """All once to one end, then all to the other: each has time to glide meanwhile."""
        sliders = page.locator(".widget-slider").all()
        seen = {}
        for share in (0.01, 0.99, 0.01):
            for number, slider in enumerate(sliders):
                track = slider.locator(".noUi-base")
                slider.scroll_into_view_if_needed()
                track.evaluate(GLIDED)
                box = track.bounding_box()
                page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
                value, *_ = read(slider, seen.get(number))
                assert value != seen.get(number)
                seen[number] = value


# What a reader can tell apart under a drop-down: the shown pictures, without ids and descriptions.
PICTURES = """async select => {
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return [...select.closest(".widget-dropdown").parentElement.querySelectorAll(".droco-figure")]
    .filter(figure => figure.offsetHeight > 0)
    .map(figure => figure.innerHTML
      .replace(/ id="[^"]*"| aria-label="[^"]*"|href="#[^"]*"|url\\([^)]*\\)/g, ""));
}"""


@pytest.mark.parametrize("name", [name for name in pages() if expected_dropdowns(name)] or ["none"])
class TestDropdowns:
    pytestmark = needs_browser

    def test_each_has_its_name_and_changes_its_picture_by_keyboard(self, visit, name):
        if name == "none":
            pytest.skip("no page has a drop-down yet")
        page = visit(name)
        page.reload()  # where another test has left a slider, a name may change nothing
        await_sliders(page, name)
        fold(page, False)
        labels = expected_dropdowns(name)
        selects = page.locator(".widget-dropdown select").all()
        assert len(selects) == len(labels)
        for label, select in zip(labels, selects, strict=True):
            assert select.evaluate("select => select.labels[0]?.textContent") == label
            count = select.evaluate("select => select.options.length")
            select.focus()
            page.keyboard.press("Home")
            drawn = []
            for place in range(count):
                assert select.evaluate("select => select.selectedIndex") == place
                pictures = select.evaluate(PICTURES)
                assert len(pictures) == 1, f"{len(pictures)} pictures stand under {label}"
                drawn += pictures
                page.keyboard.press("ArrowDown")
            assert len(set(drawn)) > 1, f"{label} is changed and its picture stays"


# Text over a coloured cell is judged against that cell, other text against the page.
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const svg of document.querySelectorAll('.droco-figure svg')) {
    if (!svg.getBoundingClientRect().height) continue;
    const page = paper(svg);
    const cells = [...svg.querySelectorAll('path, rect')].map(e => {
      const style = getComputedStyle(e), colour = parse(style.fill);
      const alpha = style.opacity * style.fillOpacity * (colour.length === 4 ? colour[3] : 1);
      return {alpha, colour, box: e.getBoundingClientRect(), drawn: style.fill.startsWith('rgb')
        && !e.closest('defs')};
    }).filter(cell => cell.drawn && cell.alpha > 0);
    for (const text of svg.querySelectorAll('text')) {
      if (svg.querySelector('image')) continue;
      const box = text.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      const behind = cells
        .filter(({box: b}) => b.x <= x && x <= b.right && b.y <= y && y <= b.bottom)
        .reduce((under, {alpha, colour}) =>
          under.map((v, i) => alpha * colour[i] + (1 - alpha) * v), page.slice(0, 3));
      const style = getComputedStyle(text.querySelector('tspan') || text);
      const ink = parse(style.fill);
      const [a, b] = [light(ink), light(behind)].sort((p, q) => q - p);
      const ratio = (a + 0.05) / (b + 0.05);
      const wanted = style.fill === getComputedStyle(svg).color ? 4.5 : 3;
      if (ratio < wanted) poor.push(`${text.textContent.trim()}: ${ratio.toFixed(1)}`);
    }
  }
  return poor;
}"""

# Markup that reached the reader: dollars of a formula, braces of a role.
UNREAD = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode;
    if (text.parentElement.closest('pre, code, script, style, mjx-container, .sig, .droco-plotly'))
      continue;
    if (/\\$|\\{(cite|eq|numref|prf:|ref|doc|term)\\S*\\}`|\\*\\*/.test(text.data))
      found.push(text.data.trim().slice(0, 80));
  }
  return found;
}"""

# Code that scrolls sideways where it stands.
CODE_CUT = """() => [...document.querySelectorAll(
  'main .highlight-ipython3 pre, main .highlight-python pre')]
  .filter(pre => pre.getBoundingClientRect().height && pre.scrollWidth > pre.clientWidth + 1)
  .map(pre => pre.textContent.split('\\n').sort((a, b) => b.length - a.length)[0])"""

TOO_WIDE = """() => [...document.querySelectorAll('main div.math')]
  .filter(box => Math.max(...[box, ...box.querySelectorAll('mjx-container')]
    .map(e => e.scrollWidth - e.clientWidth)) > 2)
  .map(box => box.id || box.textContent.trim().slice(0, 60))"""

# A formula in a line that is wider than the text it stands in.
CUT = """() => [...document.querySelectorAll('main span.math')].filter(formula => {
  const drawn = formula.querySelector('mjx-container');
  if (!drawn || !drawn.getBoundingClientRect().height) return false;
  let block = formula.parentElement;
  while (getComputedStyle(block).display === 'inline') block = block.parentElement;
  return drawn.getBoundingClientRect().right > block.getBoundingClientRect().right + 1;
}).map(formula => formula.textContent.trim().slice(0, 60))"""

HEIGHT = "document.querySelector('main').getBoundingClientRect().height"

SIDEWAYS = """() => {
  const wide = document.documentElement.scrollWidth;
  if (wide <= innerWidth) return null;
  const out = [...document.querySelectorAll('main *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120));
  return `${wide} px wide: ${out.slice(0, 3).join(' | ')}`;
}"""


@pytest.mark.parametrize("name", pages())
class TestPages:
    pytestmark = needs_browser

    def test_light(self, visit, name):
        page = visit(name)
        assert page.locator("html").get_attribute("data-theme") == "light"
        assert page.evaluate(CONTRAST) == []
        broken = page.eval_on_selector_all(
            "img", "all => all.filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        )
        assert broken == []
        assert page.evaluate(UNREAD) == []
        assert page.evaluate(TOO_WIDE) == [], "equations that do not fit their column"
        assert page.locator("main mjx-merror, main [data-mjx-error]").count() == 0
        keep_picture(page, name, "light")

    def test_dark(self, visit, name):
        page = visit(name, mode="dark")
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.evaluate(CONTRAST) == []
        keep_picture(page, name, "dark")

    def test_phone(self, visit, name):
        page = visit(name, width=390, height=844)
        assert page.evaluate(SIDEWAYS) is None
        keep_picture(page, name, "phone")


FIRST_VISITS = ("intro", "wasserstein_dual", "deploying", "api")


@pytest.mark.parametrize("name", [f"book/{page}" for page in FIRST_VISITS])
class TestFirstVisit:
    """Tests turn a page that is open; one that is opened on a phone in the dark is the same."""

    pytestmark = needs_browser

    def test_a_page_opened_on_a_phone_in_the_dark_is_as_high_as_one_turned(
        self, visit, browser, address, name
    ):
        turned = visit(name, mode="dark", width=390, height=844).evaluate(HEIGHT)
        context = browser.new_context()
        with opened(context, f"{address}/{name}.html", "dark", 390, 844) as page:
            await_sliders(page, name)
            fold(page, False)
            assert page.locator("html").get_attribute("data-theme") == "dark"
            assert page.evaluate(CONTRAST) == []
            assert page.evaluate(SIDEWAYS) is None
            assert page.evaluate(HEIGHT) == pytest.approx(turned, abs=2)
        context.close()


# Text of figures that a phone shows smaller than 11 pixels; sub- and superscripts may be.
SMALL = """() => {
  const small = [];
  for (const svg of document.querySelectorAll('.droco-figure svg')) {
    const box = svg.getBoundingClientRect();
    if (!box.height) continue;
    const scale = box.width / svg.viewBox.baseVal.width;
    for (const text of svg.querySelectorAll('text')) {
      const first = text.querySelector('tspan') || text;
      const size = parseFloat(getComputedStyle(first).fontSize) * scale;
      if (size < 10.95) small.push(`${text.textContent.trim()}: ${size.toFixed(1)}`);
    }
  }
  return small;
}"""


# Opens whatever is folded, hidden code too; refold() puts it back.
UNFOLD = """() => {
  const folds = [...document.querySelectorAll("main details:not([open])")];
  const hidden = [...document.querySelectorAll("main .toggle-hidden")];
  const turn = open => {
    folds.forEach(fold => fold.open = open);
    hidden.forEach(block => block.classList.toggle("toggle-hidden", !open));
  };
  globalThis.refold = () => turn(false);
  turn(true);
}"""


@pytest.mark.parametrize("name", [f"book/{page}" for page in ("intro", *THEORY, *PUBLIC_CODE)])
class TestTheoryOnAPhone:
    pytestmark = needs_browser

    def test_figures_and_equations_can_be_read_without_scrolling(self, visit, name):
        page = visit(name, width=390, height=844)
        page.evaluate(UNFOLD)  # what a solution holds is narrower
        try:
            assert page.evaluate(SMALL) == []
            assert page.evaluate(TOO_WIDE) == [], "equations that scroll sideways"
            assert page.evaluate(CUT) == [], "formulas that are cut"
        finally:
            page.evaluate("refold()")


@pytest.mark.parametrize("name", pages())
class TestCodeOnALaptop:
    pytestmark = needs_browser

    def test_no_line_of_code_runs_off_in_a_fold_or_a_solution_either(self, visit, name):
        page = visit(name)
        page.evaluate(UNFOLD)
        try:
            assert page.evaluate(CODE_CUT) == []
        finally:
            page.evaluate("refold()")


#: Pages of evidence and the landing page, and how high at most what is not folded may be at a width
#: of 1280 pixels, the page's head and foot included.
TALLEST = 4_000
SHORT = (
    *("intro", "robots_and_data", "training_droco", "rivals", "deploying", "scorecard"),
    *("sensitivity", "choosing", "bring_your_own_robot", "the_loop", "public_code_training"),
    "public_code",
)


#: Tables that are wider than a phone's text, below a bar that scrolls them sideways.
WIDE = """() => [...document.querySelectorAll('main table')]
  .filter(table => table.getBoundingClientRect().height)
  .map(table => {
    let frame = table.parentElement;
    while (getComputedStyle(frame).overflowX === 'visible') frame = frame.parentElement;
    return [table.offsetWidth - frame.clientWidth, table.textContent.trim().slice(0, 40)];
  })
  .filter(([over]) => over > 1)"""
#: Folded tables of reference with six or more columns: on a phone they scroll.
MAY_SCROLL = {"robots_and_data": 3}


@pytest.mark.parametrize("name", [f"book/{page}" for page in SHORT])
class TestShortPages:
    pytestmark = needs_browser

    def test_its_figures_and_tables_can_be_read_on_a_phone_folded_ones_too(self, visit, name):
        page = visit(name, width=390, height=844)
        page.evaluate(UNFOLD)
        try:
            assert page.evaluate(SMALL) == []
            assert len(page.evaluate(WIDE)) <= MAY_SCROLL.get(name.removeprefix("book/"), 0)
        finally:
            page.evaluate("refold()")

    def test_what_is_not_folded_is_read_in_a_few_screens(self, visit, name, record_property):
        page = visit(name)
        fold(page, True)
        height = page.evaluate("document.documentElement.scrollHeight")
        fold(page, False)
        record_property("measured", f"{name}: {height} px")
        assert height <= TALLEST

    def test_an_address_opens_the_fold_that_it_leads_into(self, visit, name):
        page = visit(name)
        fold(page, True)
        heading = page.locator("section:has(> details.droco-fold)").first
        place = heading.get_attribute("id")
        page.evaluate("place => { location.hash = place }", place)
        page.wait_for_timeout(100)
        assert heading.locator(":scope > details.droco-fold").evaluate("fold => fold.open")
        page.evaluate("history.replaceState(null, '', location.pathname)")


def test_terms_of_the_glossary_show_their_text(site):
    links = [
        link for page in pages() for link in html(site / f"{page}.html").select("a:has(.std-term)")
    ]
    assert len(links) >= 10
    assert [link for link in links if len(link.get("title", "")) < 20] == []


#: Page and mode.
CHECKED = [
    *((name, "light") for name in ("intro", "worst_states", "robots_and_data", "deploying", "api")),
    *(("scorecard", "light"), ("scorecard", "dark"), ("bring_your_own_robot", "dark")),
]


@pytest.mark.parametrize(("name", "mode"), CHECKED)
class TestAccessibility:
    """axe-core finds nothing but what the theme alone decides, which axe.py lists."""

    pytestmark = needs_browser

    def test_nothing_stands_in_a_readers_way(self, visit, name, mode):
        found = axe.broken(visit(f"book/{name}", mode=mode))
        assert not found, "\n".join(found)


class TestWithoutAServer:
    pytestmark = needs_browser

    def test_pages_open_from_the_disk(self, browser, site):
        name = next((name for name in pages() if expected_sliders(name)), pages()[0])
        context = browser.new_context()
        with opened(context, (site / f"{name}.html").as_uri()) as page:
            await_sliders(page, name)
        context.close()


HOVER = ("book/scorecard", "book/deploying")


def test_plotly_is_named_only_by_pages_that_use_it(site):
    users = {name for name in pages() if html(site / f"{name}.html").select(".droco-plotly")}
    naming = {
        name
        for name in pages()
        if "plotly.min.js" in (site / f"{name}.html").read_text(encoding="utf-8")
    }
    assert users == naming == set(HOVER)


@pytest.mark.parametrize("name", HOVER)
class TestHover:
    pytestmark = needs_browser

    def test_figures_come_from_the_site_itself_and_take_the_place_of_the_still_ones(
        self, visit, name
    ):
        page = visit(name)
        page.wait_for_function(
            "[...document.querySelectorAll('.droco-plot')].every(p => p.querySelector('svg'))"
        )
        assert page.locator(".droco-plot").count() > 0
        assert page.locator(".droco-still").count() == 0
        figures = page.locator(".droco-plotly")
        for figure in filter(lambda each: each.locator("select").count(), figures.all()):
            drawn = figure.locator(".droco-plot").inner_html()
            figure.locator("select").focus()
            page.keyboard.press("ArrowDown")
            page.wait_for_function(
                "([id, drawn]) => document.querySelector(`#${id} .droco-plot`).innerHTML !== drawn",
                arg=[figure.get_attribute("id"), drawn],
            )

    def test_without_scripts_the_still_pictures_are_there(self, browser, address, name):
        phone = {"width": 390, "height": 844}
        context = browser.new_context(java_script_enabled=False, viewport=phone)
        try:
            page = context.new_page()
            page.goto(f"{address}/{name}.html")
            for heading in page.locator("details.droco-fold > summary").all():
                heading.click()  # a fold needs no script
            stills = page.locator(".droco-still svg").all()
            assert stills and all(still.is_visible() for still in stills)
            assert not any(each.is_visible() for each in page.locator(".droco-plotly select").all())
        finally:
            context.close()
