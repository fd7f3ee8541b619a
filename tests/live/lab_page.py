"""A page with the lab in it, opened in Chromium from the disk with the network cut off."""

from __future__ import annotations

import html
import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from book.live_lab import block
from tests.chromium import CHROMIUM

ROOT = Path(__file__).resolve().parents[2]
PAGE = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>lab</title>
<style>
html {{ --pst-color-background: #fff; --pst-color-primary: #176de8; font-family: sans-serif }}
html[data-theme="dark"] {{ --pst-color-background: #121212; background: #121212; color: #ced6dd }}
</style><link rel="stylesheet" href="book.css"><script src="live_lab.js"></script>
<main class="bd-content">{block}</main></html>"""

in_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


#: The page with one lab that tests share: loading MuJoCo and the policies takes seconds. Each test
#: starts the lab anew there, by the page's own button.
_kept: list = []

#: Before the button is pressed again: other options, and the robot's facts as they were read.
AGAIN = """options => {
  const box = document.querySelector(".droco-lab");
  box.lab?.dispose();
  delete box.lab;
  Object.assign(box, { options, robot: options.robot });
  box.querySelector(".droco-lab-begin").hidden = false;
  document.documentElement.dataset.theme = "light";
  scrollTo(0, 0);
  globalThis.asRead ??= structuredClone(drocoLabRobots);
  Object.assign(drocoLabRobots, structuredClone(asRead));
}"""


@contextmanager
def opened(browser, site, *, width=900, press=True, motion="no-preference", touch=False, **options):
    """A page with a lab; what went wrong while it was open fails the test.

    ``options`` are those of ``book.live_lab.block``, or ``content``, the block itself.
    """
    content = options.pop("content", None) or block("walker2d", static="", **options)
    one = content.count("data-options=") == 1 and "droco-lab-robot" not in content
    shared = press and one and motion == "no-preference" and not touch
    page = _kept.pop() if shared and _kept else None
    if page is None:
        first = block("walker2d", static="", views=["race", "ghosts"]) if shared else content
        page = loaded(browser, site, first, width, motion, touch)
        if shared:
            start(page)
    good = False
    try:
        if shared:
            page.set_viewport_size({"width": width, "height": 900})
            given = content.partition('data-options="')[2].partition('"')[0]
            page.evaluate(AGAIN, json.loads(html.unescape(given)))
        if press:
            start(page)
        if press and page.evaluate("Boolean(lab.race)"):
            # A busy machine may have run for a while: every test begins at the start.
            page.ran = page.evaluate(
                "lab.race.running || lab.race.session.racers[0].first.step > 0"
            )
            page.evaluate("lab.race.toggle(false); lab.race.reset()")
        yield page
        assert not page.wrong, "\n".join(page.wrong)
        assert all(url.startswith(("file://", "data:", "blob:")) for url in page.asked)
        good = True
    finally:
        if shared and good:
            _kept.append(page)
        else:
            page.context.close()


def loaded(browser, site, content, width, motion, touch):
    """The page, opened; what it asks for and what goes wrong on it are written down."""
    (site / "page.html").write_text(PAGE.format(block=content), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, reduced_motion=motion, offline=True,
        has_touch=touch,
    )  # fmt: skip
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.wrong, page.asked = [], []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda m: page.wrong.append(m.text) if m.type == "error" else None)
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto((site / "page.html").as_uri())
    return page


def start(page) -> None:
    """Press the first lab's button."""
    page.locator(".droco-lab-start").first.press("Enter")
    page.wait_for_function("document.querySelector('.droco-lab').lab")
    page.evaluate("void (globalThis.lab = document.querySelector('.droco-lab').lab)")
