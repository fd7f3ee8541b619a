"""What holds for every test: ordinary floats, long files first, measurements told at the end."""

import sys

import pytest

#: Files that take a minute or more. They go first, so that no worker ends with one of them alone.
LONG = (
    "test_pages.py", "test_matrix.py", "test_loop.py", "test_own_robot.py", "test_gpu_benchmark.py",
    "test_commands.py", "test_fuzz.py", "test_behaviour.py", "test_type_errors.py", "test_node.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        if item.path.name in LONG:
            return 0
        return 1 if item.path.suffix == ".ipynb" else 2

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
