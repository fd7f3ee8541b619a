"""First paragraphs and other sentences that a hand has written, held to results and outputs."""

import re

import pandas as pd
from chapters import ROOT, cells, source
from quoting import says

from droco_lite import report
from droco_lite.provenance import results_file
from droco_lite.report import verdicts


def first(name: str) -> str:
    return source(cells(ROOT / f"book/{name}.ipynb", "markdown")[0])


def test_robots_and_data_counts_the_pairs_and_those_that_pass():
    gates = pd.read_csv(results_file("gates/gates.csv"))
    assert f"of the {len(gates)} pairs" in first("robots_and_data")
    assert "only Ant's two *replay* pairs" in first("robots_and_data")
    passed = set(gates[gates["passed"] == 3]["task"])
    assert passed == {"ant-medium-replay", "ant-medium-replay-morphology"}


def told_apart() -> dict[str, list[float]]:
    """The table of rivals: by method, how well it finds misleading rows as the wind grows."""
    for cell in cells(ROOT / "book/rivals.ipynb", "code"):
        for output in cell["outputs"]:
            text = "".join(output.get("data", {}).get("text/plain", ""))
            if text.startswith("Told apart"):
                found = re.findall(r"(?m)^(\S+) +([\d.]+) +([\d.]+) +([\d.]+)$", text)
                return {name: list(map(float, numbers)) for name, *numbers in found}
    raise AssertionError("no table 'Told apart' in book/rivals.ipynb")


def test_models_of_the_step_find_a_weak_shift_and_scores_of_whole_rows_need_a_strong_one():
    assert "even under a weak shift" in first("rivals")
    weak = {name: numbers[0] for name, numbers in told_apart().items()}
    strong = {name: numbers[-1] for name, numbers in told_apart().items()}
    assert min(weak["DARA"], weak["BOSA"]) > max(weak["IGDF"], weak["OTDF"]) + 0.1
    assert min(strong[name] for name in ("DARA", "BOSA", "IGDF", "OTDF")) > 0.85


def test_what_does_not_see_the_next_state_cannot_tell():
    for name in ("MICRO", "CQL*"):
        assert all(abs(number - 0.5) < 0.1 for number in told_apart()[name])


def test_bosa_is_the_best_on_walker2d_as_it_is_and_behind_on_worn_robots():
    assert says(
        "rivals",
        "On Walker2d, BOSA is the best of all arms on the robot as it is",
        "on worn robots it is behind DROCO and behind both arms that never see the source",
    )
    walker = next(each for each in report.read_evidence() if each.robot == "Walker2d")
    assert {v.word for v in verdicts.verdicts(walker, over="BOSA")} == {"ahead of"}
    worn = {v.second: v.word for v in verdicts.verdicts(walker, "shifted", over="BOSA")}
    assert {worn[arm] for arm in ("DROCO", *verdicts.TARGET_ALONE)} == {"behind"}
