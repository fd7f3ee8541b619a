"""The checkout's root on the path, since the book's own tools are no part of the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one built page stand together and share it open; what moves sliders comes last.

    What needs the built book, or runs a chapter's cells, is slow.
    """
    from chapters import pages

    for item in items:
        needs_book = {"built_site", "site"} & set(getattr(item, "fixturenames", ()))
        runs_cells = item.path.name.startswith("test_claims")
        if item.path.parent == HERE and (needs_book or runs_cells):
            item.add_marker(pytest.mark.slow)

    place = {name: number for number, name in enumerate(pages())}

    def order(item: pytest.Item) -> tuple[int, bool]:
        name = item.callspec.params.get("name", "").removeprefix("book/")
        moves = "TestSliders" in item.nodeid or "TestDropdowns" in item.nodeid
        return place.get(f"book/{name}", -1), moves

    def visits(item: pytest.Item) -> bool:
        return "visit" in getattr(item, "fixturenames", ()) and hasattr(item, "callspec")

    where = [number for number, item in enumerate(items) if visits(item)]
    for number, item in zip(where, sorted((items[n] for n in where), key=order), strict=True):
        items[number] = item


@pytest.fixture(scope="module")
def browser():
    from tests.chromium import CHROMIUM, FLAGS, playwright

    with playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built_site(tmp_path_factory) -> Path:
    """The built site: ``BOOK_SITE`` where it holds one, else built here without a warning."""
    site = Path(os.environ.get("BOOK_SITE") or ROOT / "nowhere")
    if (site / "index.html").is_file():
        return site
    out = tmp_path_factory.mktemp("site")
    main = (sys.executable, "-c", "from jupyter_book.cli.main import main; main()")
    command = [
        *main,
        "build",
        str(ROOT),
        "--path-output",
        str(out),
        "-W",
        "--keep-going",
        "--quiet",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "_build/html"
