"""Ensembles on the cliff and on a line: the sentences of two chapters, on many data sets."""

import numpy as np
import pytest
from test_theory import namespace


@pytest.fixture(scope="module")
def crowd():
    return namespace("ensembles")


@pytest.fixture(scope="module")
def unknown():
    return namespace("disagreement")


def test_no_member_invents_a_fall(crowd):
    """Where the data hold no fall, each member says its own 0 or repeats the source's row."""
    target, source, world = (crowd[name] for name in ("target", "source", "world"))
    right, at = crowd["right"], crowd["above_cliff"]
    checked = 0
    for seed in range(40):
        data, models = crowd["draw_models"](2, 7, seed)
        counts = data.counts(*target.rewards.shape)[at, right]
        quiet = counts[:, world.cliff].sum(-1) == 0
        falls = models[:, at, right][..., world.cliff].sum(-1)[:, quiet]
        prior = source.transitions[at, right][:, world.cliff].sum(-1)[quiet]
        assert ((falls == 0) | np.isclose(falls, prior)).all()
        assert (falls < 0.05).all()  # the truth is 0.10 or more
        checked += quiet.sum()
    assert checked > 100


def test_a_member_by_hand_is_a_member_of_the_package(crowd):
    """Frequencies, and the source's row without data: exactly, where every row is drawn once."""

    class All:
        def integers(self, n, size):
            return np.arange(n)

    for seed in range(8):
        data, _ = crowd["draw_models"](2, 1, seed)
        by_hand = crowd["one_member"](data, All())
        package = crowd["fit_models"](data, crowd["source"].transitions, 1)[0]
        np.testing.assert_allclose(by_hand, package)


def test_more_perfect_members_lower_the_draw_and_leave_the_member(crowd):
    target, values = crowd["target"], crowd["values"]
    truth = target.transitions @ values
    for n in (1, 3, 7, 15):
        perfect = np.stack([target.transitions] * n)
        np.testing.assert_allclose((perfect @ values).min(0), truth)
        assert (crowd["lowest_draw"](values, perfect) <= truth + 1e-12).all()
    assert crowd["lowest_draw"](values, perfect).min() < truth.min() + 1e-9


def test_members_mend_chance_and_only_once_data_are_many(crowd):
    gain = {m: (shares[:, 1] - shares[:, 2]).mean() for m, shares in crowd["SHARES"].items()}
    assert gain[0.5] < 0.01
    few, many = crowd["SHARES"][0.5].mean(0), crowd["SHARES"][64].mean(0)
    assert many[2] < 0.6 * many[1] and few[2] > 0.95 * few[1]


def test_no_dot_lies_above_epsilon_and_more_members_never_raise_one(crowd):
    for m in crowd["AMOUNTS"]:
        one, fifteen = crowd["backups"](m, 1), crowd["backups"](m, 15)
        for errors, over, _ in (one, fifteen):
            assert (over <= errors + 1e-9).all()
        assert (fifteen[1] <= one[1] + 1e-9).all()
        unseen = ~one[2]
        np.testing.assert_allclose(fifteen[1][unseen], one[1][unseen], atol=1e-12)


def test_the_bound_on_the_fixed_point_is_attained_by_those_who_never_saw_a_fall(crowd):
    over = (crowd["q"] - crowd["truth"])[0, 0]
    bound = crowd["gamma"] * crowd["error"] * np.ptp(crowd["truth"]) / (1 - crowd["gamma"])
    assert over == pytest.approx(bound, rel=1e-6)
    printed = crowd["printed_bound"](crowd["error"], 7) / (1 - crowd["gamma"])
    assert over > 3 * printed


# What an ensemble does not know -------------------------------------------------------------------


def test_a_little_data_is_worse_than_none(unknown):
    """With one or two transitions a pair, by 2.5 standard errors or more, for every N."""
    trusting = unknown["earned"](unknown["trusting"])
    for m in (1, 2):
        found = unknown["EARNED"][unknown["AMOUNTS"].index(m)]
        error = found.std(0) / np.sqrt(len(found))
        assert (found.mean(0) + 2.5 * error < trusting).all()
    assert unknown["EARNED"][-1].mean(0).min() > trusting


def test_members_do_not_mend_the_overestimation_of_little_data(unknown):
    over = np.median(unknown["OVER"], axis=1)  # [amount, N]
    source = (unknown["trusting"] - unknown["best"])[unknown["alive"]].max()
    assert over[0, 1] == pytest.approx(source, abs=0.05)
    assert over[0, 2] == pytest.approx(over[0, 1], abs=0.03)
    assert over[-1, 1] < 0.6 * over[0, 1]


def test_disagreement_ranks_errors_and_is_several_times_too_small(unknown):
    for m, told in unknown["TOLD"].items():
        spread, error, correlation, larger = told.mean(0)
        assert correlation > 0.3 and larger > 0.75, m
        if m <= 2:
            assert error > 2 * spread


def test_pairs_that_nobody_saw_disagree_by_nothing(unknown):
    for seed in range(8):
        spread, error, count = unknown["visible"](1, seed)
        assert (spread[count == 0] < 1e-12).all()
        assert error[count == 0].mean() > 0.03


def test_more_members_show_no_more_disagreement(unknown):
    for seed in range(8):
        few, many = (
            unknown["disagreement"](unknown["draw_models"](2, n, seed)[1])[unknown["alive"]].mean()
            for n in (7, 50)
        )
        assert many == pytest.approx(few, abs=0.04)


def test_with_few_rows_the_truth_is_outside_nearly_everywhere(unknown):
    for name in ("up to 0.5 outside", "further outside"):
        assert (unknown["JUDGED"][40, name][:, 2] < 0.3).all()


def test_with_many_rows_the_truth_is_just_outside_on_most_seeds(unknown):
    inside = unknown["JUDGED"][600, "up to 0.5 outside"][:, 2]
    assert np.mean(inside <= 0.5) >= 0.75
    assert np.median(inside) < 0.45


def test_just_outside_the_error_is_larger_than_the_disagreement(unknown):
    """On seven of eight seeds or more; it is the part that all members share."""
    for rows in unknown["ROWS"]:
        error, spread, _ = unknown["JUDGED"][rows, "up to 0.5 outside"].T
        assert np.mean(error > spread) >= 0.875
        inner, _, _ = unknown["JUDGED"][rows, "in the data"].T
        assert np.median(inner) < np.median(error) / 2


def test_further_out_it_is_a_matter_of_chance(unknown):
    inside = unknown["JUDGED"][600, "further outside"][:, 2]
    assert 0.25 < np.median(inside) < 0.85


# Exercises ----------------------------------------------------------------------------------------


def test_on_pairs_that_nobody_saw_the_prior_decides_and_members_change_nothing(crowd):
    values, alive, source = crowd["values"], crowd["alive"], crowd["source"]
    still = np.broadcast_to(np.eye(len(values))[:, None], source.transitions.shape)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        data = crowd["sample_transitions"](crowd["target"], crowd["pairs"], rng)
        unseen = data.counts(*source.rewards.shape).sum(-1)[alive] == 0
        shares = []
        for prior in (source.transitions, still):
            one, seven = (
                np.mean(
                    ((crowd["fit_models"](data, prior, n, rng) @ values).min(0)[alive]
                     - crowd["TRUTH"])[unseen] > 1e-6
                )
                for n in (1, 7)
            )  # fmt: skip
            assert one == seven
            shares.append(one)
        assert shares[1] < shares[0]  # "nothing moves" overestimates less than the source's row


def test_two_members_at_random_lie_between_one_and_seven(crowd):
    from itertools import combinations

    for seed in range(8):
        means = (crowd["draw_models"](16, 7, seed)[1] @ crowd["values"])[:, crowd["alive"]]
        two = np.mean([means[[i, j]].min(0) for i, j in combinations(range(7), 2)], 0)
        one, couple, seven = (
            np.mean(x - crowd["TRUTH"] > 1e-6) for x in (means[0], two, means.min(0))
        )
        assert seven <= couple
        assert (means.min(0) <= two + 1e-12).all() and (two <= means.mean(0) + 1e-12).all()
        assert one > seven


def test_with_much_data_the_walker_keeps_away_from_the_edge(unknown):
    """At 64 a pair he leaves the start upwards, and two rows up, in most data sets."""
    world = unknown["world"]
    away = []
    for seed in range(8):
        q = unknown["solve"](
            unknown["LowestMemberOperator"](
                unknown["source"], unknown["target"], unknown["draw_models"](64, 7, seed)[1]
            )
        )
        policy = unknown["greedy"](q)
        edge = world.start - world.width  # the cell above the start, along the cliff's edge
        away.append(unknown["ACTIONS"][policy[edge]] == "up")
    assert np.mean(away) > 0.7


def test_red_is_what_the_source_promises_and_sixteen_transitions_leave_hardly_any(unknown):
    world, alive, source = (unknown[name] for name in ("world", "alive", "source"))
    late = []
    for seed in range(8):
        over = {}
        for amount in (0.25, 16):
            models = unknown["draw_models"](amount, 7, seed)[1]
            lowest = unknown["LowestMemberOperator"](source, unknown["target"], models)
            over[amount] = (unknown["solve"](lowest).max(1) - unknown["best"].max(1)) * alive
            if amount == 0.25:
                repeat = (models == source.transitions).all(axis=(0, -1))[alive]
                assert repeat.mean() > 0.6
        assert set(np.flatnonzero(over[0.25] > 0.01) // world.width) <= {1, 2, 3}  # not the top
        assert over[0.25].max() < 0.12
        late.append(over[16].max())
    assert np.mean(np.array(late) < 0.06) >= 0.75


def test_more_data_rule_out_fewer_held_out_transitions(unknown):
    held = unknown["sample_transitions"](unknown["target"], 5000, np.random.default_rng(99))
    ruled = {}
    for m in (1, 64):
        for seed in range(8):
            models = unknown["draw_models"](m, 7, seed)[1].mean(0)
            chance = models[held.states, held.actions, held.next_states]
            ruled.setdefault(m, []).append(np.mean(chance < 0.05))
    assert (np.array(ruled[1]) > np.array(ruled[64])).all()


def test_unseen_pairs_never_move_and_pairs_of_one_outcome_hardly(crowd):
    """Of the picture of dots: what the lowest of 15 members is below the first member."""
    alive, shape = crowd["alive"], crowd["target"].rewards.shape
    for seed in range(8):
        data, models = crowd["draw_models"](1, 15, seed)
        counts = data.counts(*shape)[alive]
        seen, outcomes = counts.sum(-1), (counts > 0).sum(-1)
        backed_up = (models @ crowd["values"])[:, alive]
        moved = (backed_up[0] - backed_up.min(0)) / crowd["SPAN"]
        assert (moved[seen == 0] == 0).all()
        assert np.median(moved[outcomes == 1]) < 0.01 and moved[outcomes == 1].mean() < 0.05
        rows = models[:, alive][:, outcomes == 1]
        own = (counts[outcomes == 1] / seen[outcomes == 1][:, None])[None]
        prior = crowd["source"].transitions[alive][outcomes == 1][None]
        assert (np.isclose(rows, own).all(-1) | np.isclose(rows, prior).all(-1)).all()


def test_disagreement_is_nought_where_nobody_was_and_small_where_one_thing_was_seen(unknown):
    for seed in range(8):
        data, models = unknown["draw_models"](1, 7, seed)
        counts = data.counts(*unknown["target"].rewards.shape)[unknown["alive"]]
        seen, outcomes = counts.sum(-1), (counts > 0).sum(-1)
        apart = unknown["disagreement"](models)[unknown["alive"]]
        assert np.abs(apart[seen == 0]).max() < 1e-12
        assert np.median(apart[outcomes == 1]) < 0.03 < np.median(apart[outcomes > 1])
