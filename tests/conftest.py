"""What holds for every test: ordinary floats, long files first, measurements told at the end."""

import sys

import pytest

#: Files that take half a minute or more, the longest first, so that no worker ends with one alone;
#: claims on ensembles behind the chapters that fit them, which keep the fits (``book/fits.py``).
LONG = (
    "test_pages.py", "test_matrix.py", "robots_and_data.ipynb", "bring_your_own_robot.ipynb",
    "test_loop.py", "two_kinds_of_robustness.ipynb", "disagreement.ipynb", "public_code.ipynb",
    "runaway.ipynb", "training_droco.ipynb", "test_gpu_benchmark.py", "test_page.py",
    "rivals.ipynb", "test_claims_public_code.py", "the_loop.ipynb", "deploying.ipynb",
    "sensitivity.ipynb", "test_node.py", "choosing.ipynb", "test_tables.py", "test_own_file.py",
    "test_claims_beta.py", "test_claims_runaway.py", "test_claims_ensembles.py",
    "test_own_robot.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, then notebooks, then files with a slow test; the quick ones fill gaps."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> int:
        name = item.path.name
        if name in LONG:
            return LONG.index(name)
        return len(LONG) + (0 if name.endswith(".ipynb") else 1 if item.path in slow else 2)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def ordinary_floats():
    """Training flushes subnormal floats to zero in its whole process; tests after it must not."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


def pytest_terminal_summary(terminalreporter):
    measured = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", [])
        if name == "measured"
    ]
    if measured:
        terminalreporter.section("measured")
        for line in measured:
            terminalreporter.line(line)
