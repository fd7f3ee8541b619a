"""The two pages on the public code: their sentences, on random instances and eight seeds."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from quoting import says
from test_theory import namespace

from droco_lite import report
from droco_lite.provenance import results_file

page_says = partial(says, "public_code")

SEEDS = range(10, 18)  # none of them is on the page


@pytest.fixture(scope="module")
def page():
    return namespace("public_code", without=("others", "curves"))


@pytest.fixture(scope="module")
def rest():
    return namespace("public_code_training", without=("stopped", "long", "errors"))


# By formula ---------------------------------------------------------------------------------------


def test_a_lowest_state_is_below_all_or_above_all_by_the_signs_of_a_linear_value():
    rng = np.random.default_rng(0)
    for _ in range(200):
        predicted, theta = rng.normal(size=(7, 5)), rng.uniform(0, 1, 5)
        corner, values = predicted.min(0), predicted @ theta
        assert theta @ corner <= values.min() + 1e-12
        assert -theta @ corner >= (-values).max() - 1e-12
        mirrored = -predicted  # the other notation, with the value that reads it
        assert (mirrored @ -theta).min() == pytest.approx(values.min())
        assert -theta @ mirrored.min(0) == pytest.approx(theta @ predicted.max(0))


def test_the_clamp_is_a_minimum_with_the_plain_value():
    rng = np.random.default_rng(1)
    for _ in range(200):
        (v, *others), beta = rng.normal(size=8), rng.uniform(0, 2)
        m = min(others)
        clamped = v - beta * max(0, v - m)
        assert clamped == pytest.approx(min(v, (1 - beta) * v + beta * m))
        assert v - max(0, v - m) == pytest.approx(min(v, *others))


def test_a_constant_added_everywhere_changes_no_penalty():
    rng = np.random.default_rng(2)
    for _ in range(200):
        (v, *others), c = rng.normal(size=8), rng.normal()
        assert (v + c) - min(x + c for x in others) == pytest.approx(v - min(others))


def test_a_state_whose_models_predict_itself_has_the_fixed_point_of_the_exercise():
    rng = np.random.default_rng(3)
    for _ in range(50):
        gamma = rng.uniform(0.5, 0.97)
        beta, top, low = rng.uniform(0, 0.97) / gamma, 1 / (1 - gamma), 0.0
        for _ in range(3000):
            low = gamma * (top - beta * max(0.0, top - low))
        assert low == pytest.approx(gamma * (1 - beta) / (1 - gamma * beta) * top, abs=1e-6)
        assert (low < -1e-9) == (beta > 1)


# With networks ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def networks(page):
    """V of eight more seeds, as functions of states, [..., 17]."""
    runs = [replace(page["SMALL"], seed=seed) for seed in SEEDS]
    train, source, target = page["train"], page["source"], page["target"]
    agent = train(runs, source, target, loop=page["LOOP"], ensemble=page["ensemble"]).agent

    def of(number):
        def value(states):
            flat = states.reshape(1, -1, 17).expand(len(runs), -1, -1)
            return agent.v(flat)[number].reshape(states.shape[:-1])

        return value

    return [of(number) for number in range(len(runs))]


def test_networks_agree_and_ways_to_make_states_do_not(page, networks):
    """Of the picture of five networks: which sign, and that seeds differ less than ways do."""
    assert page_says(
        "The five networks agree with each other; the four ways do not",
        "the lowest value is a penalty and the lowest state a bonus",
    )
    recorded = page["batch"].next_observations[0, : page["k"]]
    found = {}
    for name, states in page["variants"].items():
        by_value = [(v(recorded) - v(states).amin(0)).mean() for v in networks]
        by_state = [(v(recorded) - v(states.amin(0))).mean() for v in networks]
        found[name] = np.array([by_value, by_state], float)  # [2, 8]
    by_value, by_state = found["mean (paper)"]
    assert (by_value > 0).all() and (by_state < 0).all()
    means = np.concatenate([each.mean(1) for each in found.values()])
    assert means.std() > 3 * np.mean([each.std(1).mean() for each in found.values()])
    assert (found["mean + σ"] > 0).all() and (found["mean + σ², cut"] < 0).all()


def test_the_lowest_state_is_mostly_above_all_members_and_the_highest_below(page, networks):
    assert page_says(
        "the lowest state is worth *more* than all seven members on most rows, and the "
        "highest less",
    )
    predicted = page["predicted"]
    for value in networks:
        members = value(predicted)
        low, high = value(predicted.amin(0)), value(predicted.amax(0))
        assert (low > members.amax(0)).float().mean() > 0.5
        assert (high < members.amin(0)).float().mean() > 0.5


def test_the_slider_of_spread_and_notation(page, networks):
    assert page_says(
        "Only the paper's panel can have dots above the line",
        "mirrored, it outgrows the paper's",
    )
    recorded = page["batch"].next_observations[0, : page["k"]]
    was = page["recorded"]
    try:
        for value in networks:
            page["recorded"] = value(recorded)

            def mean(spread, signs, value=value):
                both = page["changes"](spread, 1, signs, of=value)
                return [float(each.mean()) for each in both]

            stored = {x: mean(x, "as stored") for x in (0, 1, 3)}
            other = {x: mean(x, "mirrored") for x in (0, 1, 3)}
            plain, _ = page["changes"](0, 1, "as stored", of=value)
            assert (plain > 0).any() and (plain < 0).any()  # in both directions
            assert stored[0][0] > stored[1][0] > stored[3][0]  # a larger penalty
            assert all(stored[x][0] == other[x][0] for x in (0, 1, 3))
            assert all(stored[x][1] <= 0 for x in (0, 1, 3))  # no bonus under the clamp
            assert abs(stored[3][1]) < 0.1 < abs(other[3][1])
            assert other[3][1] < stored[3][0]  # mirrored, it outgrows the paper's
    finally:
        page["recorded"] = was


@pytest.fixture(scope="module")
def ends(page):
    """Of each variant, eight seeds: the mean V of source and of target states at the end, [8]."""
    found, inf = {}, float("inf")
    for name, switches in page["VARIANTS"].items():
        chosen = {"beta": 1.0, "delta": 50.0, "steps": 800} | switches
        runs = [replace(page["SMALL"], seed=seed, floor=-inf, **chosen) for seed in SEEDS]
        curve = page["train"](
            runs, page["source"], page["target"], loop=page["LOOP"], ensemble=page["released"]
        ).curve
        last = curve[curve.step == curve.step.max()].sort_values("seed")
        found[name] = last.v_source.to_numpy(), last.v_target.to_numpy()
    return found


def test_the_clamp_lowers_the_values_of_the_source(ends):
    assert page_says(
        "the clamped one lower still",
    )
    iql, paper, clamp = (ends[name][0] for name in ("IQL*", "paper", "clamp"))
    assert (clamp < paper).all() and (paper < iql).all()
    for name in ("paper", "clamp"):  # and those of the target by less
        source_falls = 1 - ends[name][0] / iql
        target_falls = 1 - ends[name][1] / ends["IQL*"][1]
        assert target_falls.mean() < 0.6 * source_falls.mean()


def test_only_the_unclamped_lowest_state_goes_up_and_up(page, ends):
    assert page_says(
        "**The lowest state without its clamp goes up and up**, to more than twice IQL*'s "
        "values, on some seeds past what the best reward could add up to",
    )
    best = max(float(page[half].rewards.max()) for half in ("source", "target"))
    for name, (v_source, _) in ends.items():
        assert (v_source > 2 * ends["IQL*"][0]).all() == (name == "lowest state"), name
        assert (v_source > best / (1 - page["gamma"])).any() == (name == "lowest state"), name


def test_the_form_of_the_code_follows_plain_iql(ends):
    for name in ("lowest state, clamp", "code"):
        assert ends[name][0] == pytest.approx(ends["IQL*"][0], rel=0.05)


def test_on_the_robot_the_printed_formula_falls_in_every_seed_and_does_not_settle(page):
    assert page_says(
        "Each line is a seed, and none of them settles",
    )
    below = page["printed"].pivot(index="step", columns="seed", values="v_source")
    assert (below.diff().iloc[1:] < 0).all(axis=None)  # at every look lower than before
    assert below.iloc[-1].max() < -1e6 and below.shape[1] == 3
    assert page["printed"]["step"].max() == 200_000
    assert page["iql"]["v_source"].between(0, 1000).all()


def test_the_ceiling_stops_the_lowest_state_and_the_floor_does_not(page):
    """Of the exercise, on two seeds that are not on the page."""
    inf, ends = float("inf"), {}
    for name, bounds in (("floor", {"floor": None, "ceiling": inf}), ("both", {"floor": None})):
        chosen = {"beta": 1.0, "delta": 50.0, "worst": "coordinate", "steps": 1200} | bounds
        runs = [replace(page["SMALL"], seed=seed, **chosen) for seed in list(SEEDS)[:2]]
        curve = page["train"](
            runs, page["source"], page["target"], loop=page["LOOP"], ensemble=page["released"]
        ).curve
        ends[name] = curve[curve.step == curve.step.max()].v_source.to_numpy()
    most = float(page["target"].rewards.max()) / (1 - page["gamma"])
    assert (ends["floor"] > most).any() and (ends["both"] < most).all()


# Training, models, data ---------------------------------------------------------------------------


def test_the_shapes_of_the_release_do_not_fit():
    for rows in (1, 2, 64, 128):
        values, penalty = torch.zeros(rows, 1), torch.zeros(2 * rows, 1)
        if rows > 1:
            with pytest.raises(RuntimeError):
                values - penalty
        assert (values - penalty[:rows]).shape == (rows, 1)


def test_three_ways_to_weigh_the_halves(rest):
    huber, rng = rest["huber"], torch.Generator().manual_seed(0)
    for _ in range(50):
        error = torch.randn(256, 1, generator=rng, dtype=torch.float64)
        halves = huber(error[:128], torch.inf).mean() + 0.5 * (error[128:] ** 2).mean()
        union, fork = (error**2).mean(), huber(error, torch.inf).mean()
        assert float(halves / union) == pytest.approx(1)
        assert float(fork / union) == pytest.approx(0.5)


def test_adam_forgives_half_a_loss(rest):
    """After 50 steps, on eight seeds."""
    trained = []
    for pooled in (False, True):
        settings = replace(rest["SMALL"], beta=1.0, delta=50.0, steps=50, pooled=pooled)
        runs = [replace(settings, seed=seed) for seed in SEEDS]
        done = rest["train"](
            runs, rest["source"], rest["target"], loop=rest["LOOP"], ensemble=rest["ensemble"]
        )
        networks = done.agent.networks
        trained.append((networks.critic_value_leaves, networks.policy_leaves))
    for one, two in zip(*trained, strict=True):
        gap = torch.cat([(x - y).flatten() for x, y in zip(one, two, strict=True)])
        size = torch.cat([x.flatten() for x in one])
        assert gap.norm() < 0.01 * size.norm()


def test_a_delta_of_fifty_touches_no_row_of_a_young_value_and_a_small_one_caps_more(rest):
    source, target = rest["source"], rest["target"]
    sampler = rest["Sampler"]([rest["SMALL"]], len(source), len(target), 128)
    rows = rest["Rows"](source, target, rest["paper"].prepare(source, target))
    deltas = (1.0, 5.0, 50.0)
    pairs = [
        [rest["under"](delta=delta, huber_on_target=capped)[0] for capped in (False, True)]
        for delta in deltas
    ]
    for block in range(8):
        batch = rows.batch(sampler.block(block, 1)[0])
        losses = [[one.losses(batch)["q_loss"].sum().item() for one in pair] for pair in pairs]
        ratio = [fork / release for release, fork in losses]
        assert ratio[0] < ratio[1] <= ratio[2] == 1


def test_a_long_fit_errs_less_and_claims_too_much(rest):
    """On eight other draws of 400 rows, with half of the page's passes and with a tenth."""
    target, scale = rest["target"], rest["scale"]
    for seed in range(8):
        order = np.random.default_rng(100 + seed).permutation(len(target))
        few, unseen = target.take(order[:400]), target.take(order[500:2000])
        columns = few.observations, few.actions, few.rewards, few.next_observations
        off = {}
        for passes in (50, 250):
            settings = rest["EnsembleSettings"](
                members=3, elites=3, hidden=64, max_epochs=passes, patience=passes, seed=seed
            )
            model = rest["fit_ensemble"](*columns, settings)
            states, actions = map(torch.as_tensor, (unseen.observations, unseen.actions))
            mean, claimed, _ = model.predict(states, actions)
            error = torch.as_tensor(unseen.next_observations) - mean
            off[passes] = [
                float((error / unit).square().mean().sqrt()) for unit in (scale, claimed)
            ]
        assert off[250][0] < 0.9 * off[50][0]  # errs less
        assert off[250][1] > off[50][1] + 0.4 > 1.3  # and claims more than it should


def test_a_tenth_with_replacement():
    for seed in range(8):
        drawn = np.random.default_rng(seed).integers(0, 1_000_000, 100_000)
        distinct = len(np.unique(drawn))
        assert distinct / 1e6 == pytest.approx(1 - np.exp(-0.1), abs=0.0005)
        assert 1 / 22 < 1 - distinct / len(drawn) < 1 / 18  # one in twenty is a repetition
        held_out = np.isin(drawn[90_000:], drawn[:90_000]).mean()
        assert held_out == pytest.approx(1 - np.exp(-0.09), abs=0.01)
        assert 1 / 13.5 < held_out < 1 / 10.5


def test_half_of_the_policys_outputs_gets_no_gradient(rest):
    mlp, batch = rest["mlp"], rest["batch"]
    for seed in SEEDS:
        layers = rest["init_mlp"]((17, 32, 32, 12), rest["seeded_generators"]([seed], "both"))
        last = layers[-1][0].requires_grad_()
        mean, _ = mlp(layers, batch.observations).chunk(2, -1)
        (torch.tanh(mean) - batch.actions).square().mean().backward()
        norms = last.grad[0].norm(dim=0)
        assert (norms[:6] > 0).all() and (norms[6:] == 0).all()


def test_v_moves_by_less_than_a_hundredth_in_one_step(rest):
    agent, source, target = rest["paper"], rest["source"], rest["target"]
    sampler = rest["Sampler"]([rest["SMALL"]], len(source), len(target), 128)
    rows = rest["Rows"](source, target, agent.prepare(source, target))
    for block in range(8):
        batch = rows.batch(sampler.block(block, 1)[0])
        before = agent.v(batch.next_observations)
        agent.update(batch, progress=0.0)
        after = agent.v(batch.next_observations)
        agent.load_state(rest["agent"].state())
        assert (after - before).abs().mean() < 0.01 * before.abs().mean()


def test_on_walker2d_the_release_and_the_fork_fall_later_and_the_floor_holds():
    """By the rule of results/study/public-forms.yaml: two looks in a row above 1 %."""
    assert page_says(
        "By the rule *as printed* and the clamped form run away. The release and the fork do "
        "not, within these steps",
        "With the floor nothing leaves the range",
    )
    both = [
        report.read("walker2d-medium", results_file(where)).curves
        for where in ("bounds", "study/public-forms")
    ]
    forms = pd.concat(both).sort_values("step")
    outside = forms.groupby(["label", "seed"]).outside
    twice = outside.rolling(2).min().groupby(level=["label", "seed"]).max()
    away = (twice > 0.01).groupby("label").any()
    assert away[["as printed", "clamped"]].all() and not away[["release", "fork", "floor"]].any()
    assert outside.max().groupby("label").max()[["release", "fork"]].min() > 0.2
    for label in ("release", "fork"):
        mean = forms[forms.label == label].groupby("step").v_source.mean()
        assert mean.iloc[-1] < 0 and (mean.tail(4).diff().dropna() < 0).all()
