"""Choosing a policy from target data alone, on cases whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from droco_lite.agents import DROCO, METHODS, DROCOSettings, EnsembleSettings, ensemble_of
from droco_lite.data.transitions import Transitions
from droco_lite.evaluation import selection
from droco_lite.evaluation.judging import _rank_correlation
from droco_lite.evaluation.selection import FQESettings, judge
from tests.agents.toy import N_ACT, N_OBS, transitions

DISCOUNT = 0.8
QUICK = FQESettings(iterations=40, steps=20, batch_size=64, hidden=32, learning_rate=3e-3)


# ---- Five cells in a line: a step left or right, the reward is where one ends ------------------


def line(rows=400, seed=0) -> Transitions:
    rng = np.random.default_rng(seed)
    cell, step = rng.integers(0, 5, rows), rng.choice([-1, 1], rows)
    after = np.clip(cell + step, 0, 4)
    flags = np.zeros(rows, bool)
    return Transitions(
        cell[:, None] / 4, step[:, None], after / 4, after[:, None] / 4, flags, flags
    )


def walkers(*directions: float):
    """A stack of policies that always take the same step."""
    steps = torch.tensor(directions).reshape(-1, 1, 1)
    return SimpleNamespace(
        runs=list(directions),
        device=torch.device("cpu"),
        shared=SimpleNamespace(discount=DISCOUNT),
        act=lambda seen: steps.expand(-1, seen.shape[1], -1),
    )


def exact(start: int, direction: int) -> float:
    """sum_t gamma^t r_t along the one path there is."""
    path = np.clip(start + direction * np.arange(1, 200), 0, 4) / 4
    return float(np.sum(DISCOUNT ** np.arange(199) * path))


@pytest.mark.parametrize("start", [0, 2])
def test_fitted_q_evaluation_recovers_exact_values(start):
    starts = np.full((3, 1), start / 4, np.float32)
    found = selection.fitted_q_evaluation(walkers(-1.0, 1.0), line(), starts, settings=QUICK)
    expected = [exact(start, -1), exact(start, 1)]
    np.testing.assert_allclose(found.estimate, expected, atol=0.15)
    assert found.values.shape == (40, 2)


def test_a_policy_that_is_better_by_construction_ranks_higher():
    starts = np.full((1, 1), 0.5, np.float32)
    short = FQESettings(iterations=6, steps=20, batch_size=64, hidden=32, learning_rate=3e-3)
    found = selection.fitted_q_evaluation(walkers(1.0, -1.0, 1.0), line(), starts, settings=short)
    first, worse, again = found.estimate
    assert first > worse + 0.3
    assert first == again  # equal policies see equal weights and equal batches


def test_terminations_end_the_value():
    data = line()
    ended = Transitions(
        data.observations, data.actions, data.rewards, data.next_observations,
        np.ones(len(data), bool), data.truncations,
    )  # fmt: skip
    starts = np.full((1, 1), 0.5, np.float32)
    found = selection.fitted_q_evaluation(walkers(-1.0, 1.0), ended, starts, settings=QUICK)
    np.testing.assert_allclose(found.estimate, [0.25, 0.75], atol=0.1)


def test_logged_values_leave_out_cut_episodes():
    flags = np.array([False, False, True, False, False])
    nothing = np.zeros((5, 1))
    data = Transitions(nothing, nothing, [1, 1, 1, 9, 9], nothing, flags, np.zeros(5, bool))
    np.testing.assert_allclose(selection.logged_values(data, 0.5), [1.75])
    assert selection.start_observations(data).shape == (2, 1)


# ---- A DROCO stack with known critics and a known ensemble -------------------------------------


@pytest.fixture
def agent():
    runs = [DROCOSettings(hidden=8, seed=s, discount=DISCOUNT, label=f"{s}") for s in range(3)]
    return DROCO(runs, N_OBS, N_ACT)


def constant(agent, q: float, v: float) -> None:
    """Critics that say q everywhere, a value function that says v."""
    for tensor in agent.networks.weights + agent.networks.biases:
        tensor.zero_()
    agent.networks.biases[-1][:2] = q
    agent.networks.biases[-1][2] = v


def test_bellman_error_of_the_exact_solution_is_zero(agent):
    data = transitions(300, 0)
    reward = np.full(300, 2.0, np.float32)
    still = np.zeros(300, bool)
    data = Transitions(
        data.observations, data.actions, reward, data.next_observations, still, still
    )
    value = 2 / (1 - DISCOUNT)
    constant(agent, value, value)
    np.testing.assert_allclose(selection.bellman_error(agent, data), 0, atol=1e-9)
    constant(agent, value, value + 1)
    np.testing.assert_allclose(selection.bellman_error(agent, data), DISCOUNT**2, rtol=1e-4)


class Exchangeable:
    """Seven predictions drawn exactly as the next state is: s + standard normal."""

    members = 7

    def predict(self, s, a):
        noise = torch.randn(7, *s.shape, generator=torch.Generator().manual_seed(len(s)))
        return s + noise, torch.ones_like(noise), torch.zeros(7, len(s), 1)


def drawn_alike(rows: int, shift: float = 0.0) -> Transitions:
    rng = np.random.default_rng(1)
    s, a = rng.standard_normal((rows, N_OBS)), np.zeros((rows, N_ACT))
    flags = np.zeros(rows, bool)
    after = s + rng.standard_normal(s.shape) + shift
    return Transitions(s, a, np.zeros(rows), after, flags, flags)


def test_coverage_of_exchangeable_predictions_is_n_over_n_plus_1(agent):
    agent.ensemble = Exchangeable()
    data = drawn_alike(4000)
    np.testing.assert_allclose(selection.coverage(agent, data), 7 / 8, atol=0.03)
    # Moved along V's slope, s' is rarely the worst, or often.
    agent.networks.weights[0].zero_()
    agent.networks.biases[0].zero_()
    agent.networks.weights[0][2, :, 0, 0] = 1.0  # the first hidden unit of V is relu(s_0 + 50)
    agent.networks.biases[0][2, :, 0, 0] = 50.0
    agent.networks.weights[1].zero_()
    agent.networks.biases[1].zero_()
    agent.networks.weights[1][2, :, 0, 0] = agent.networks.weights[2][2, :, 0, 0] = 1.0
    agent.networks.biases[2].zero_()
    assert (selection.coverage(agent, drawn_alike(500, shift=5.0)) > 0.99).all()
    assert (selection.coverage(agent, drawn_alike(500, shift=-5.0)) < 0.01).all()


def test_noise_share_is_one_without_a_shift_and_small_with_one(agent):
    target = transitions(600, 0)
    settings = EnsembleSettings(members=3, elites=3, hidden=32, max_epochs=30)
    agent.ensemble = ensemble_of(target, settings)
    fresh = transitions(800, 1)
    same = selection.noise_share(agent, fresh, transitions(800, 2))
    np.testing.assert_allclose(same, 1, atol=0.3)
    constant(agent, 0.0, 0.0)
    agent.networks.weights[0][2, :, 0, 0] = agent.networks.weights[1][2, :, 0, 0] = 1.0
    agent.networks.weights[2][2, :, 0, 0] = 1.0
    agent.networks.biases[0][2, :, 0, 0] = 50.0
    shifted = selection.noise_share(agent, fresh, transitions(800, 2, shift=2.0))
    assert (shifted < 0.2).all()


def test_imitation_and_own_value_say_what_they_say(agent):
    data = transitions(700, 0)
    seen = torch.as_tensor(data.observations).expand(3, -1, -1)
    by_hand = ((agent.act(seen).numpy() - data.actions) ** 2).mean((1, 2))
    np.testing.assert_allclose(selection.imitation(agent, data), by_hand, rtol=1e-5)
    constant(agent, 0.0, 4.0)
    np.testing.assert_allclose(selection.own_value(agent, data.observations[:5]), 4.0)


def test_rows_of_other_columns_are_refused_in_our_words(agent):
    data = line()  # one column and one motor
    said = rf"agent: takes {N_OBS} .* gives {N_ACT} actions, but this data set needs 1 and 1"
    starts = data.observations[:2]
    for refuse in (lambda: selection.fitted_q_evaluation(agent, data, starts, settings=QUICK),
                   lambda: selection.imitation(agent, data),
                   lambda: selection.bellman_error(agent, data)):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            refuse()
    whole = transitions(30, 0)
    for refuse in (lambda: selection.fitted_q_evaluation(agent, whole, starts, settings=QUICK),
                   lambda: selection.own_value(agent, starts)):  # fmt: skip
        with pytest.raises(ValueError, match=f"set of starts needs 1 and {N_ACT}"):
            refuse()


def test_evidence_has_a_line_a_run_and_every_rule(agent):
    target, held_out = transitions(400, 0), transitions(200, 1)
    agent.ensemble = Exchangeable()
    short = FQESettings(iterations=2, steps=2, hidden=8)
    table = selection.evidence(agent, target, held_out, transitions(300, 2), fqe=short, rows=100)
    assert list(table.run) == [0, 1, 2] and (table.members == 7).all()
    for prefer in selection.RULES.values():
        assert np.isfinite(prefer(table)).all()
    agent.ensemble = None
    with pytest.raises(ValueError, match="droco has no ensemble"):
        selection.evidence(agent, target, held_out, target, fqe=short)


@pytest.mark.parametrize("method", ["cql", "bosa", "micro"])
def test_a_method_that_learns_no_v_is_refused_even_with_an_ensemble(method):
    kind = METHODS[method]
    agent = kind([kind.Settings(hidden=8)], N_OBS, N_ACT)
    agent.ensemble = Exchangeable()
    data = transitions(100, 0)
    with pytest.raises(ValueError, match=f"{method} learns no V"):
        selection.evidence(agent, data, data, data, fqe=FQESettings(iterations=1, hidden=8))


# ---- The exam ----------------------------------------------------------------------------------


def table(preference, returns) -> pd.DataFrame:
    labels = [f"run {k}" for k in range(len(returns))]
    return pd.DataFrame({"label": labels, "x": preference, "return_mean": returns})


def test_a_perfect_rule_has_no_regret_and_the_reversed_one_all_of_it():
    returns = np.array([300.0, 100, 500, 200, 400])
    rules = {"right": lambda t: t.x, "wrong": lambda t: -t.x}
    right, wrong = judge(table(returns, returns), rules).to_dict("records")
    assert (right["chosen"], right["regret"]) == ("run 2", 0)
    assert (wrong["chosen"], wrong["regret"]) == ("run 1", 400)
    assert right["rank_correlation"] == pytest.approx(1)
    assert wrong["rank_correlation"] == pytest.approx(-1)
    assert wrong["share"] == pytest.approx(2)  # a random choice loses 500 - 300
    assert right["low"] == pytest.approx(1) and wrong["high"] == pytest.approx(-1)


def test_the_interval_of_a_rule_that_knows_nothing_holds_zero():
    rng = np.random.default_rng(3)
    line = judge(table(rng.random(30), rng.random(30)), {"x": lambda t: t.x}).iloc[0]
    assert line.low < 0 < line.high


def test_the_rank_correlation_is_scipys_with_ties_and_many_samples():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 4, (2, 5, 9))
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(_rank_correlation(x, y), expected)
    assert _rank_correlation(np.ones(3), np.arange(3)) == 0


def test_seeds_of_one_candidate_are_averaged_before_choosing():
    lucky = table([9, 1, 4, 4, 0, 0], [10, 0, 8, 8, 1, 1])
    lucky["label"] = ["a", "a", "b", "b", "c", "c"]
    rules = {"x": lambda t: t.x}
    assert judge(lucky, rules, by=None).got[0] == 10
    mean = judge(lucky, rules, by=["label"]).iloc[0]
    assert (mean.chosen, mean.got, mean.regret) == ("a", 5, 3)
    with pytest.raises(ValueError, match="at least 3 candidates, got 2"):
        judge(lucky[:4], rules)


def test_the_exam_agrees_with_the_suite_and_discounts():
    from droco_lite.evaluation import evaluate
    from droco_lite.robots import NOMINAL, ROBOTS

    spec = ROBOTS["hopper"]
    runs = [DROCOSettings(hidden=8, seed=s) for s in (0, 1)]
    stack = DROCO(runs, spec.observation_size, spec.action_size)
    exam = selection.examine(stack, "hopper", episodes=3, seed=5)
    suite = evaluate(stack, "hopper", [NOMINAL], episodes=3, seed=5)
    np.testing.assert_allclose(exam.return_mean, suite.return_mean, rtol=1e-6)
    np.testing.assert_allclose(exam.return_std, suite.return_std, rtol=1e-6)
    assert (exam.true_value < exam.return_mean).all()  # the healthy bonus keeps rewards positive


# ---- The command -------------------------------------------------------------------------------


def test_select_reads_a_folder_and_leaves_a_table(tmp_path, monkeypatch):
    import json

    from typer.testing import CliRunner

    from droco_lite import cli
    from droco_lite.training.experiment import Experiment

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "three.yaml"
    file.write_text(
        "task: {name: hopper-medium, source_size: 400, target_size: 200, seed: 0}\n"
        "method: droco\n"
        "shared: {steps: 2, hidden: 8, members: 2, ensemble_epochs: 1, batch_size: 8}\n"
        "runs: [{label: none, beta: 0.0}, {label: half, beta: 0.5}, {label: all, beta: 1.0}]\n"
        "loop: {episodes: 0, evaluate_every: 2, save_every: 2, diagnostic_rows: 8}\n"
    )
    Experiment.read(file).run(tmp_path / "run")
    options = ["--held-out", "100", "--iterations", "2", "--episodes", "1"]
    done = CliRunner().invoke(
        cli.app, ["select", str(tmp_path / "run"), *options, "--results", str(tmp_path / "chosen")]
    )
    assert done.exit_code == 0, done.output
    assert "imitation      prefers" in done.stdout
    kept = pd.read_csv(tmp_path / "chosen.csv")
    assert list(kept.label) == ["none", "half", "all"] and (kept.episodes == 1).all()
    about = json.loads((tmp_path / "chosen.json").read_text())
    assert (about["held_out"], about["task"], about["step"]) == (100, "hopper-medium", 2)
    judged = judge(kept)
    assert list(judged.rule) == list(selection.RULES) and (judged.regret >= 0).all()
    refused = CliRunner().invoke(cli.app, ["select", str(tmp_path / "nowhere")])
    assert refused.exit_code == 1
