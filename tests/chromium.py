"""Chromium for tests: where it is, and the one Playwright of a process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
#: How pages of the book are opened: with the network cut off.
FLAGS = [
    f"--{flag}"
    for flag in (
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-sync",
        "disable-background-networking",
        "disable-component-update",
        # No network; other than a route, this leaves the cache on.
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    )
]

_running: list[Playwright] = []


@contextmanager
def playwright() -> Iterator[Playwright]:
    """Playwright, which a process can start only once at a time: another's, where it runs."""
    if _running:
        yield _running[0]
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        _running.append(started)
        try:
            yield started
        finally:
            _running.clear()
