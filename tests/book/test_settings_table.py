"""The API page's tables of settings say what the settings say."""

import dataclasses
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import droco_lite
from book.settings_table import inherited, table
from droco_lite.agents import DROCOSettings, EnsembleSettings
from droco_lite.agents.settings import Settings, describe
from droco_lite.agents.td3 import TD3Settings
from droco_lite.evaluation.selection import FQESettings
from droco_lite.training.online_run import OnlineSettings

PAGE = (Path(__file__).parents[2] / "book/api.md").read_text(encoding="utf-8")


def test_a_row_holds_default_range_and_meaning():
    lines = table(DROCOSettings, inherited(DROCOSettings))
    at = lines.index("   * - ``members``")
    assert [line.strip(" -") for line in lines[at + 1 : at + 4]] == [
        "``7``", "at least 1", "N, the ensemble's size",
    ]  # fmt: skip
    assert "   * - ``beta`` \\*" in lines  # runs may differ in it
    assert not any("``expectile``" in line for line in lines)  # IQL's table shows it


def settings_classes() -> list[type]:
    """Every public class of the package whose name ends with Settings, and all of Settings' own."""
    found = {}
    for about in pkgutil.walk_packages(droco_lite.__path__, "droco_lite."):
        if about.name.rpartition(".")[2].startswith("_"):
            continue
        for name, kind in vars(importlib.import_module(about.name)).items():
            here = inspect.isclass(kind) and kind.__module__ == about.name
            named = name.endswith("Settings") and kind is not Settings
            if here and named and dataclasses.is_dataclass(kind):
                found[name] = kind
    return list(found.values())


CLASSES = settings_classes()


def test_the_walk_finds_methods_loop_and_parts():
    names = {kind.__name__ for kind in CLASSES}
    assert names > {"DROCOSettings", "LoopSettings", "EnsembleSettings", "FQESettings"}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_settings_class_checks_explains_and_is_on_the_page(kind):
    assert issubclass(kind, Settings)
    assert [row["name"] for row in describe(kind) if not row["help"]] == []
    lines = [line.removeprefix(".. settings:: ") for line in PAGE.splitlines() if "::" in line]
    assert any(
        line.startswith("droco_lite.") and line.endswith(f".{kind.__name__}") for line in lines
    )


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_number_of_every_settings_class_refuses_text_nan_and_what_is_below_its_range(kind):
    given = {"robot": "hopper"} if kind is OnlineSettings else {}
    for field in dataclasses.fields(kind):
        if not isinstance(field.default, int | float) or isinstance(field.default, bool):
            continue
        low = field.metadata["low"]
        for wrong in ("a", float("nan"), *([] if low is None else [low - 1])):
            with pytest.raises(ValueError, match=field.name):
                kind(**given | {field.name: wrong})


@pytest.mark.parametrize(
    ("kind", "wrong", "words"),
    [
        (EnsembleSettings, {"elites": 8}, "elites.*members"),
        (EnsembleSettings, {"max_epochs": 0}, "max_epochs must be at least 1"),
        (EnsembleSettings, {"holdout": 1.0}, "holdout"),
        (TD3Settings, {"discount": 5.0}, "discount must be at most 1"),
        (FQESettings, {"batch_size": 0}, "batch_size must be at least 1"),
        (OnlineSettings, {"robot": "hopper", "hidden": (64, 0)}, "hidden must be at least 1"),
        (OnlineSettings, {"robot": "hopper", "hidden": 64}, "hidden must be a list"),
        (OnlineSettings, {"robot": "hopper", "rows": 3}, "rows"),
        (OnlineSettings, {"robot": "no-such"}, "no-such"),
    ],
)
def test_settings_of_parts_name_what_is_wrong(kind, wrong, words):
    with pytest.raises(ValueError, match=words):
        kind(**wrong)


def test_lists_become_tuples_and_a_robot_is_required():
    assert OnlineSettings(robot="hopper", hidden=[32, 32]).hidden == (32, 32)
    with pytest.raises(TypeError, match="robot"):
        OnlineSettings()
    assert describe(OnlineSettings)[0]["default"] == "required"
