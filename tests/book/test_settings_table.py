"""The API page's tables of settings say what the settings say."""

from pathlib import Path

from book.settings_table import inherited, table
from droco_lite.agents import METHODS, DROCOSettings
from droco_lite.agents.settings import describe
from droco_lite.training import LoopSettings

PAGE = (Path(__file__).parents[2] / "book/api.md").read_text(encoding="utf-8")


def test_a_row_holds_default_range_and_meaning():
    lines = table(DROCOSettings, inherited(DROCOSettings))
    at = lines.index("   * - ``members``")
    assert [line.strip(" -") for line in lines[at + 1 : at + 4]] == [
        "``7``", "at least 1", "N, the ensemble's size",
    ]  # fmt: skip
    assert "   * - ``beta`` \\*" in lines  # runs may differ in it
    assert not any("``expectile``" in line for line in lines)  # IQL's table shows it


def test_every_methods_settings_are_on_the_page_and_none_lacks_a_meaning():
    for kind in [agent.Settings for agent in METHODS.values()] + [LoopSettings]:
        room = "training" if kind is LoopSettings else "agents"
        assert f".. settings:: droco_lite.{room}.{kind.__name__}" in PAGE
        assert [row["name"] for row in describe(kind) if not row["help"]] == []
