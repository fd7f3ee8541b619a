"""The third gate: distance, error and overlap of source and target data."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from droco_lite.agents import EnsembleSettings, ensemble_of, gates
from droco_lite.agents.coverage import COVERAGE_LIMIT, Coverage, coverage, distance_to
from droco_lite.agents.gates import gates_table
from droco_lite.cli import app
from droco_lite.data import OracleTransitions
from droco_lite.data.names import gate_tasks
from droco_lite.files import write_json
from droco_lite.robots import ROBOTS
from tests.agents.toy import transitions

TARGET, HELD_OUT = transitions(1500, 0), transitions(300, 1)


@pytest.fixture(scope="module")
def ensemble():
    return ensemble_of(TARGET, EnsembleSettings(members=3, elites=2, hidden=32, max_epochs=30))


def source(moved_to=0.0, shift=0.0, rows=400):
    """Rows of the toy's own dynamics, moved away from the target's states, with their oracle."""
    rng = np.random.default_rng(7)
    plain = transitions(rows, 5)
    s = plain.observations + np.float32(moved_to)
    after = 0.9 * s + 0.3 * np.tile(plain.actions, (1, 3))[:, : s.shape[1]]
    after = (after + 0.05 * rng.standard_normal(s.shape)).astype(np.float32)
    return OracleTransitions(
        s, plain.actions, plain.rewards, after + np.float32(shift), plain.terminations,
        plain.truncations, next_observations_target=after,
    )  # fmt: skip


def test_rows_from_the_target_s_own_states_pass(ensemble):
    found = coverage(source(), TARGET, HELD_OUT, ensemble)
    assert found.within == pytest.approx(0.95, abs=0.05) and found.covered
    assert found.distance == pytest.approx(found.distance_held_out, rel=0.1)
    assert found.error == pytest.approx(found.error_held_out, rel=0.3)


def test_rows_far_away_fail_and_the_error_says_why(ensemble):
    near = coverage(source(), TARGET, HELD_OUT, ensemble)
    far = coverage(source(moved_to=6.0), TARGET, HELD_OUT, ensemble)
    assert far.within < 0.05 < COVERAGE_LIMIT and not far.covered
    assert far.distance > 3 * near.distance and far.error > 2 * near.error
    # The robots do the same there: the error is the model's, not the shift's.
    assert far.error_same == pytest.approx(far.error, rel=0.05)


def test_where_no_row_is_the_same_for_both_there_is_no_such_error(ensemble):
    assert np.isnan(coverage(source(shift=2.0), TARGET, HELD_OUT, ensemble).error_same)


def test_without_an_oracle_there_are_distances_but_no_errors(ensemble):
    found = coverage(source().without_oracle(), TARGET, HELD_OUT, ensemble)
    assert np.isnan([found.error, found.error_same, found.correlation]).all()
    assert np.isfinite([found.distance, found.within, found.spread]).all()


def test_distance_counts_columns_in_the_target_s_units():
    base = transitions(50, 3)
    moved = dataclasses.replace(base, observations=base.observations.copy())
    both = np.concatenate([base.observations, base.actions], 1)
    moved.observations[:] += 1e3 * both.std(0)[: base.observation_size]
    columns = both.shape[1]
    expected = 1e3 * np.sqrt(base.observation_size / columns)
    np.testing.assert_allclose(distance_to(base, moved), expected, rtol=0.01)
    np.testing.assert_allclose(distance_to(base, base), 0, atol=1e-3)


def test_the_table_puts_pairs_that_pass_first():
    def record(task, passed, within):
        returns = dict.fromkeys(gates.RETURNS, 1)
        return {
            "task": task, "source_shift": "x", "passed": passed, **returns,
            "coverage": {"within": within, "covered": within > 0.25},
        }  # fmt: skip

    table = gates_table([record("a", 2, 0.9), record("b", 3, 0.3), record("c", 3, 0.6)])
    assert isinstance(table, pd.DataFrame) and list(table["task"]) == ["c", "b", "a"]


def test_the_gates_are_those_of_every_pair_that_can_be_made():
    tasks = [str(task) for task in gate_tasks()]
    pairs = sum(len(robot.source_shifts) for robot in ROBOTS.values())  # 4 qualities and the tuned
    assert len(tasks) == len(set(tasks)) == 5 * pairs + 1
    assert "halfcheetah-medium@otdf-kinematic-backthighjnt-hard" in tasks
    assert "walker2d-medium-tuned-morphology" in tasks


def test_many_gates_go_on_where_they_were_stopped(tmp_path, monkeypatch):
    asked = []

    class Found:
        def __init__(self, task):
            asked.append(task)
            self.task = task

        def record(self):
            plain = {"task": self.task, "source_shift": "x", "passed": 3}
            inner = {"coverage": {"within": 0.5, "covered": True}}
            return {**plain, **dict.fromkeys(gates.RETURNS, 1), **inner}

    monkeypatch.setattr(gates, "all_gates", lambda task, seed: Found(task))
    command = ["data", "gates", str(tmp_path), "--task", "hopper-medium", "--task", "ant-medium"]
    for _ in range(2):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "hopper-medium: 3 of 3" in result.output
    assert asked == ["hopper-medium", "ant-medium"]
    assert list(pd.read_csv(tmp_path / "gates.csv")["task"]) == ["hopper-medium", "ant-medium"]


def test_gates_of_all_tasks_leave_out_those_without_a_policy(tmp_path, monkeypatch):
    def missing(task, seed):
        raise FileNotFoundError(f"no policy for {task}")

    monkeypatch.setattr(gates, "all_gates", missing)
    result = CliRunner().invoke(app, ["data", "gates", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "walker2d-medium-tuned: left out: no policy for" in result.output.replace("\n", " ")
    asked = CliRunner().invoke(app, ["data", "gates", str(tmp_path), "--task", "hopper-medium"])
    assert asked.exit_code == 1
    assert "no policy for hopper-medium" in asked.output


def test_a_record_is_json_where_no_row_is_the_same_on_both_robots():
    figures = {f.name: 0.5 for f in dataclasses.fields(Coverage)}
    record = Coverage(**{**figures, "error_same": float("nan")}).record()
    assert record["error_same"] is None
    assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize("content", ["[]", "3", "{", '{"task": "a"}', '{"seed": 4}'])
def test_a_record_that_is_none_is_refused_with_the_file_named(tmp_path, content):
    path = tmp_path / "hopper-medium.json"
    path.write_text(content)
    result = CliRunner().invoke(app, ["data", "gates", str(tmp_path), "--task", "hopper-medium"])
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert "hopper-medium.json" in result.output.replace("\n", "")
    assert path.read_text() == content


def test_a_flipped_digit_in_a_record_is_refused(tmp_path):
    path = tmp_path / "a.json"
    record = {"task": "a", "source_shift": "x", "passed": 3, **dict.fromkeys(gates.RETURNS, 17)}
    write_json(path, {**record, "coverage": {"within": 1.0}, "seed": 0}, checksum=True)
    assert gates.read_record(path, 0)["clone"] == 17
    path.write_text(path.read_text().replace("17", "16"))
    with pytest.raises(ValueError, match=r"a\.json.*move .* away and run this again"):
        gates.read_record(path, 0)


def test_a_record_of_another_seed_is_not_gone_on_from(tmp_path):
    record = {"task": "a", "source_shift": "x", "passed": 3, **dict.fromkeys(gates.RETURNS, 1)}
    write_json(tmp_path / "a.json", {**record, "coverage": {"within": 1.0}, "seed": 3})
    assert gates.read_record(tmp_path / "a.json", 3)["passed"] == 3
    with pytest.raises(ValueError, match=r"a\.json was made with --seed 3, asked for 0"):
        gates.read_record(tmp_path / "a.json", 0)
