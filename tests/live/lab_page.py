"""A page with the lab in it, opened in Chromium from the disk with the network cut off."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from book.live_lab import block

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
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


@contextmanager
def opened(browser, site, *, width=900, press=True, motion="no-preference", touch=False, **options):
    """A page with a lab; what went wrong while it was open fails the test.

    ``options`` are those of ``book.live_lab.block``, or ``content``, the block itself.
    """
    content = options.pop("content", None) or block("walker2d", static="", **options)
    wrong: list[str] = []
    (site / "page.html").write_text(PAGE.format(block=content), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, reduced_motion=motion, offline=True,
        has_touch=touch,
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.asked = asked
    try:
        page.goto((site / "page.html").as_uri())
        if press:
            page.locator(".droco-lab-start").first.press("Enter")
            page.wait_for_function("document.querySelector('.droco-lab').lab")
            page.evaluate("globalThis.lab = document.querySelector('.droco-lab').lab")
        if press and page.evaluate("Boolean(lab.race)"):
            # A busy machine may have run for a while: every test begins at the start.
            page.ran = page.evaluate(
                "lab.race.running || lab.race.session.racers[0].first.step > 0"
            )
            page.evaluate("lab.race.toggle(false); lab.race.reset()")
        yield page
        assert not wrong, "\n".join(wrong)
        assert all(url.startswith(("file://", "data:", "blob:")) for url in asked)
    finally:
        context.close()
