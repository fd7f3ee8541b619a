"""Why minima of models run away: on sixteen seeds, half of which the page does not show."""

import numpy as np
import pytest
from test_theory import namespace

SEEDS = range(16)


@pytest.fixture(scope="module")
def chapter():
    return namespace("runaway", without=("FOUND",))


@pytest.fixture(scope="module")
def fits(chapter):
    """Means and sigmas of sixteen ensembles' predictions, [16, 2, 7, 96]."""
    more = [chapter["predictions"](chapter["fitted"](seed)) for seed in range(8, 16)]
    shown = np.stack([chapter["PREDICTED"], chapter["SIGMA"]], 1)
    return np.concatenate([shown, np.array(more)])


@pytest.fixture(scope="module")
def predicted(fits):
    return fits[:, 0]


def ends(chapter, form, predicted, **options):
    """Mean V after 300 and 600 sweeps, and the last kappa, [seeds, 3]."""
    rows = []
    for seed in SEEDS:
        features = chapter["table"] if form == "table" else chapter["network"](seed)
        _, value, backup = chapter["sweep"](features, predicted[seed], **options)
        rows.append((value[299], value[-1], backup[-1] / value[-1]))
    return np.array(rows)


def outside(chapter, found):
    return (found[:, 1] < 0) | (found[:, 1] > chapter["HIGHEST"])


def away(chapter, found):
    return outside(chapter, found) & (np.abs(found[:, 1]) > 1.5 * np.abs(found[:, 0]))


def test_the_target_stays_where_the_source_has_been_and_some_predictions_do_not(chapter, predicted):
    assert np.abs(chapter["ORACLE"]).max() < 2
    assert (np.abs(predicted) > 2).any((1, 2)).mean() > 0.8


def test_the_lowest_of_seven_leaves_the_range_and_runs_away_on_most_seeds(chapter, predicted):
    found = ends(chapter, "network", predicted)
    assert outside(chapter, found).mean() >= 0.85
    assert away(chapter, found).mean() > 0.6
    assert (found[outside(chapter, found), 1] < 0).all()  # downwards


def test_one_model_and_the_mean_of_seven_do_so_on_few(chapter, predicted):
    one = ends(chapter, "network", predicted[:, :1])
    mean = ends(chapter, "network", predicted, backup=chapter["mean_of_members"])
    for found in (one, mean):
        assert outside(chapter, found).mean() < 0.5
        assert away(chapter, found).mean() < 0.4


def test_more_models_never_raise_a_mean_by_much_and_three_already_leave(chapter, predicted):
    three = ends(chapter, "network", predicted[:, :3])
    assert outside(chapter, three).mean() > 0.6


def test_the_oracle_the_floor_and_the_table_never_leave_the_range(chapter, predicted):
    oracle = np.broadcast_to(chapter["ORACLE"], (len(SEEDS), 1, 96))
    for form, states, options in (
        ("network", oracle, {}),
        ("network", predicted, {"floor": 0.0}),
        ("table", predicted, {}),
    ):
        found = ends(chapter, form, states, **options)
        assert not outside(chapter, found).any()
        assert (found[:, 2] < 1 / chapter["GAMMA"]).all()


def test_the_clamp_does_not_help(chapter, predicted):
    joined = np.array([chapter["clamped"](p) for p in predicted])
    assert outside(chapter, ends(chapter, "network", joined)).mean() >= 0.85


def test_the_public_code_leaves_the_range_on_fewer_seeds_and_not_on_none(chapter, fits):
    corners = np.array([chapter["public"](*one) for one in fits])
    share = outside(chapter, ends(chapter, "network", corners)).mean()
    assert 0 < share < 0.5


def test_the_mean_obeys_its_equation(chapter, predicted):
    """V_new = r + gamma kappa V, up to the ridge."""
    for seed in range(8):
        _, value, backup = chapter["sweep"](chapter["network"](seed), predicted[seed], sweeps=60)
        after = chapter["REWARD"].mean() + chapter["GAMMA"] * backup[:-1]
        np.testing.assert_allclose(value[1:], after, rtol=0.02, atol=0.02)


def test_kappa_is_above_its_border_exactly_where_a_settled_or_growing_mean_is_negative(
    chapter, predicted
):
    found = ends(chapter, "network", predicted)
    negative = found[:, 1] < -1
    assert (found[negative, 2] > 1 / chapter["GAMMA"]).all()


def test_a_table_is_never_read_beyond_the_largest_target(chapter):
    """An averager: whatever is predicted, |V| stays within r_max / (1 - gamma)."""
    for seed in range(8):
        wild = np.random.default_rng(seed).normal(size=(7, 96)) * 10
        _, value, _ = chapter["sweep"](chapter["table"], wild, sweeps=300)
        assert np.abs(value).max() <= chapter["HIGHEST"]


def test_the_floor_moves_a_value_towards_the_truth_or_not_at_all():
    rng = np.random.default_rng(0)
    floor = -3.0
    truth, x = floor + rng.exponential(size=1000), rng.normal(size=1000) * 10
    assert (np.abs(np.maximum(x, floor) - truth) <= np.abs(x - truth)).all()


def test_the_package_backs_up_what_the_sweep_does(chapter, predicted):
    network, rng = chapter["network"](2), np.random.default_rng(0)
    for _ in range(8):
        theta = rng.normal(size=101)
        for floor in (-np.inf, 0.0, -1.0):
            by_hand = np.maximum((network(predicted[2]) @ theta).min(0), floor)
            package = chapter["package_backup"](theta, floor)
            np.testing.assert_allclose(package, by_hand, rtol=1e-4, atol=1e-4)


def test_predictions_within_the_data_keep_the_mean_in_range(chapter, predicted):
    assert not outside(chapter, ends(chapter, "network", np.clip(predicted, -1.8, 1.8))).any()


def test_a_smaller_discount_runs_away_less_often(chapter, predicted):
    def slope(gamma):
        old, chapter["sweep"].__globals__["GAMMA"] = chapter["GAMMA"], gamma
        found = ends(chapter, "network", predicted)
        chapter["sweep"].__globals__["GAMMA"] = old
        return (found[:, 1] < 0) & (np.abs(found[:, 1]) > 1.5 * np.abs(found[:, 0]))

    assert slope(0.9).mean() < slope(0.99).mean()


def test_the_picture_opens_on_a_seed_of_which_its_answer_is_true(chapter):
    """Seed 2: the oracle and one model stay in range, three leave it, five and seven run away."""
    network, seven = chapter["network"](2), chapter["PREDICTED"][2]
    means = {n: chapter["sweep"](network, seven[:n])[1] for n in (1, 3, 5, 7)}
    means["oracle"] = chapter["sweep"](network, chapter["ORACLE"])[1]
    inside = {n: 0 <= mean[-1] <= chapter["HIGHEST"] for n, mean in means.items()}
    assert inside == {1: True, "oracle": True, 3: False, 5: False, 7: False}
    for n in (5, 7):
        assert means[n][-1] < 1.5 * means[n][299] < 0


def test_where_values_run_away_the_minimum_picks_whoever_steps_furthest_out(chapter, predicted):
    """Of the rows with a prediction beyond the data: nearly always the one furthest on its side."""
    furthest = []
    for seed in SEEDS:
        features, states = chapter["network"](seed), predicted[seed]
        theta, value, _ = chapter["sweep"](features, states)
        if value[-1] > -100:
            continue
        picked = (features(states) @ theta).argmin(0)
        at = states[picked, np.arange(states.shape[1])]
        beyond = (np.abs(states) > 2).any(0)
        furthest.extend((np.abs(at) >= np.abs(states).max(0) - 1e-9)[beyond])
    assert len(furthest) > 30 and np.mean(furthest) > 0.8


def test_at_the_edges_the_floored_network_lies_near_0(chapter, predicted):
    for seed in range(8):
        theta, _, _ = chapter["sweep"](chapter["network"](seed), predicted[seed], floor=0.0)
        edges = chapter["network"](seed)(np.array([-2.0, 2.0])) @ theta
        assert np.abs(edges).max() < 0.2 * chapter["HIGHEST"]


def test_kappa_tells_the_impossible_from_the_possible(chapter, predicted):
    found = ends(chapter, "network", predicted)
    possible = ends(chapter, "network", predicted, floor=0.0)
    border = 1 / chapter["GAMMA"]
    assert (found[outside(chapter, found), 2] > border).mean() > 0.9
    assert (possible[:, 2] < border).all()
