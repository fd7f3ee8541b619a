"""The command for the one chance at a card, run whole on a CPU."""

import gc
import json
import os
import subprocess
import sys
import weakref
from contextlib import nullcontext
from pathlib import Path

import gpu
import gpu_agreement
import numpy as np
import pandas as pd
import pytest
import quiet
import torch

from droco_lite.agents import METHODS

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


def test_studies_are_run_in_the_order_of_priority_then_by_name(tmp_path):
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.yaml").touch()
    (tmp_path / "priority.txt").write_text("# the floor first\nc.yaml\n\nb.yaml  # then these\n")
    assert [path.stem for path in gpu.by_priority(tmp_path)] == ["c", "b", "a", "d"]
    (tmp_path / "priority.txt").write_text("e.yaml\n")
    with pytest.raises(SystemExit, match=r"priority\.txt: no study e\.yaml"):
        gpu.by_priority(tmp_path)


def test_every_study_of_the_list_can_be_read():
    from droco_lite.evaluation.matrix import Study

    studies = gpu.by_priority(gpu.STUDIES)
    listed = (gpu.STUDIES / "priority.txt").read_text().split()
    assert [path.name for path in studies[: len(listed)]] == listed
    assert all(Study.read(path).arms for path in studies)


def words(out, root) -> list[str]:
    return ["--rehearse", "--minutes", "5", "--out", str(out), "--root", str(root)]


def test_workers_are_told_how_many_of_them_train(tmp_path, monkeypatch):
    told = []

    def again(*given, cores=()):
        told.append([str(word) for word in given])
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(gpu, "again", again)
    few = ["--parts", "studies", "--trainers", "0", "--workers", "2"]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words(tmp_path / "out", tmp_path / "jobs"), *few])
    gpu.main()
    assert len(told) == 2
    for given in told:
        monkeypatch.setattr(sys, "argv", ["gpu.py", *given])
        args = gpu.options()
        assert (args.workers, args.trainers) == (2, 0)


def check_methods(methods: dict) -> None:
    """Every method is there and agrees, and each row is of a step of its own."""
    assert set(methods) == set(METHODS)
    assert all(found["agrees"] for found in methods.values()), methods
    moved = [found["moved"] for found in methods.values()]
    assert len(set(moved)) == len(moved), "two methods took the same steps"
    by_hand = {name for name, found in methods.items() if "manual" in found["forms"]}
    assert by_hand == set(methods) - {"bosa", "micro", "cql"}


def check_curves(found: dict, table: pd.DataFrame) -> None:
    """Losses of two seeds, logged after every step in both forms, that stay together."""
    steps = list(range(1, found["steps"] + 1))
    assert found["agrees"] and found["forms"] == {"autograd": "autograd", "manual": "manual"}
    assert len(steps) >= 200 and set(found["losses"]) == set(gpu_agreement.LOSSES)
    logged = {key: list(part.step) for key, part in table.groupby(["form", "run"])}
    assert logged == {(form, run): steps for form in found["forms"] for run in (0, 1)}
    eager, other = (table[table.form == form] for form in found["forms"])
    again = gpu_agreement.compare_curves(eager, other)
    for loss, one in found["losses"].items():
        assert one["apart"] == pytest.approx(again[loss]["apart"], rel=0.1, abs=1e-5), loss
        assert one["steps_compared"] == len(steps)
        moves = eager[loss].max() - eager[loss].min()
        assert moves > 0.01 * eager[loss].abs().max()  # a curve that stands still agrees with all


def facts(**apart) -> dict:
    """What ``compare`` finds on a card, with these distances."""
    forms = {name: {"as_asked": True} for name in gpu_agreement.FORMS if name != "again"}
    for form, others in gpu_agreement.COMPARED.items():
        forms.get(form, {}).update({f"from_{other}_over_moved": 0.01 for other in others})
    for name, distance in apart.items():
        form, other = name.split("__")
        forms[form.replace("_", " ")][f"from_{other}_over_moved"] = distance
    return {"moved": 3.0, "forms": forms}


@pytest.mark.parametrize(
    ("apart", "agrees"),
    [
        ({}, True),
        ({"graph__manual": 0.06}, False),  # the same kernels
        ({"compiled_graph__manual": 0.06}, True),  # others
        ({"compiled_graph__manual": 0.2}, False),
        ({"compiled_graph__autograd": 0.2}, False),
        ({"graph__autograd": 0.2}, False),
        ({"manual__autograd": 0.2}, False),
        ({"graph__autograd": float("nan")}, False),
        ({"nudged__autograd": 0.2}, True),  # a yardstick
    ],
)
def test_a_form_agrees_with_the_step_by_hand_and_with_autograd(apart, agrees):
    assert gpu_agreement.agrees(facts(**apart)) == agrees


def test_a_form_that_ran_as_another_does_not_agree():
    found = facts()
    found["forms"]["compiled graph"]["as_asked"] = False
    assert not gpu_agreement.agrees(found)


def test_a_card_is_asked_for_both_graphs_where_there_is_a_step_by_hand():
    cuda = torch.device("cuda")
    by_hand = gpu_agreement.forms_of(True, cuda)
    assert by_hand == ["autograd", "nudged", "manual", "graph", "compiled graph"]
    assert gpu_agreement.forms_of(False, cuda) == ["autograd", "nudged", "graph"]


def test_curves_that_part_do_not_agree():
    steps = np.arange(1, 11)
    falling = {loss: 1.0 / steps for loss in gpu_agreement.LOSSES}
    eager = pd.DataFrame({"step": steps, "run": 0} | falling)
    other = eager.copy()
    other.loc[6, "q_loss"] += 0.09
    found = gpu_agreement.compare_curves(eager, other)
    assert found["q_loss"]["apart"] == pytest.approx(0.1) and found["q_loss"]["at_step"] == 7
    assert found["value_loss"]["apart"] == 0
    with pytest.raises(ValueError, match="other steps"):
        gpu_agreement.compare_curves(eager, other[:-1])


def test_an_oracle_is_told_other_next_states_than_its_source():
    source, _ = gpu_agreement.data_of("droco-oracle", 40)
    assert not np.allclose(source.next_observations, source.next_observations_target)


def test_rates_are_asked_of_one_run_in_every_precision_and_form():
    cases = gpu.cases_of([1, 8, 16, 64, 256], on_card=True)
    assert len(cases) == len(set(cases))
    one = {case[1:] for case in cases if case[0] == 1}
    graphs = {(p, "graph", c) for p in ("highest", "high") for c in (False, True)}
    assert one == graphs | {("highest", "autograd", False), ("highest", "manual", False)}
    assert {case[0] for case in cases if case[1] == "high"} == {1, 8, 16, 64, 256}
    assert all(case[1] == "highest" for case in gpu.cases_of([1, 2], on_card=False))


def test_memory_counts_from_when_an_earlier_case_is_let_go():
    class Case:
        pass

    case = Case()
    case.itself = case  # as a stepper and what it compiled refer to one another
    gone = weakref.ref(case)
    gc.disable()
    try:
        del case
        assert gone() is not None
        gpu.memory_in_use(torch.device("cpu"))
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(("load", "still"), [(0.5, True), (0.51, False), (None, False)])
def test_a_benchmark_says_whether_the_machine_was_quiet(load, still, monkeypatch):
    monkeypatch.setattr(quiet, "AT_START", load)
    quiet.quiet.cache_clear()
    with nullcontext() if still else pytest.warns(UserWarning, match="not of a quiet machine"):
        assert quiet.quiet() == {"quiet": still, "load_at_start": load}
    quiet.quiet.cache_clear()


@pytest.mark.slow
def test_all_three_parts_run_leave_small_files_and_go_on_where_they_were(
    tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu.py"), *words(out, tmp_path / "jobs")],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    agreement = json.loads((out / "agreement.json").read_text())
    check_methods(agreement["methods"])
    check_curves(agreement["curves"], pd.read_csv(out / "agreement_curves.csv"))
    assert {"quiet", "load_at_start"} <= set(agreement)
    rates = json.loads((out / "rates.json").read_text())["rates"]
    assert {found["runs"] for found in rates.values()} == {1, 2}
    assert all(found["run_steps_per_second"] > 0 for found in rates.values()), rates
    table = (out / "studies" / "tiny" / "hopper-medium.csv").read_text()
    assert "DROCO" in table and "IQL*" in table
    assert sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) < 1e6
    assert not list(out.rglob("*.safetensors"))

    before = {path: path.read_bytes() for path in out.rglob("*.json")}
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words(out, tmp_path / "other jobs")])
    gpu.main()
    said = capsys.readouterr().out
    assert "done" in said and "(a)" not in said and "(b)" not in said
    assert before == {path: path.read_bytes() for path in out.rglob("*.json")}
