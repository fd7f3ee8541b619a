"""Training DROCO on a robot: its sentences on the study, held to the study's tables."""

from functools import partial

import pandas as pd
import pytest
from quoting import says

from droco_lite import report
from droco_lite.provenance import results_file
from droco_lite.report import verdicts

page_says = partial(says, "training_droco")

ALONE = ("IQL, target", "cloning, target")


@pytest.fixture(scope="module")
def study():
    return report.read("walker2d-medium", results_file("study"))


@pytest.fixture(scope="module")
def tried(study):
    """The study's arms, and the attempts of the hunt beside them."""
    hunt = report.read("walker2d-medium", results_file("study/hunt"))
    two = report.read("walker2d-medium", results_file("study/two-sources"))
    two = two.renamed({"DROCO": "DROCO, two sources"})
    return study.beside(hunt).beside(two, other_data=True)


def words(study, where):
    return {found.second: found.word for found in verdicts.verdicts(study, where)}


def test_the_source_pays_on_the_robot_as_it_is(study):
    assert page_says(
        "After 40,000 steps it is ahead of every method without the source",
        "After 40,000 steps DROCO is ahead of IQL and of cloning on the target's data alone",
    )
    found = words(study, "clean")
    assert {found[arm] for arm in (*ALONE, "IQL*")} == {"ahead of"}


def test_the_lowest_seed_of_droco_is_above_the_mean_of_each_of_the_others(study):
    assert page_says(
        r"IQL\* takes the source's first step and falls, in every seed",
        "DROCO's lowest seed ends above the mean of each arm that leaves the source out",
    )
    last = study.curves[study.curves["step"] > 0.75 * study.steps]
    ends = last.groupby(["label", "seed"]).return_mean.mean()
    assert ends["DROCO"].min() > max(ends[arm].mean() for arm in (*ALONE, "IQL*"))
    assert ends["IQL*"].max() < 100  # it takes the source's first step and falls


def test_under_foreign_shifts_it_is_level(study):
    assert page_says(
        "After these 40,000 steps DROCO was ahead on the robot as it is, and level under shifts",
    )
    found = words(study, "shifted")
    assert {found[arm] for arm in ALONE} == {"level with"}


def test_its_update_shrinks_and_delta_clips_next_to_nothing(study):
    assert page_says(
        "stays below one: its update shrinks what it is fed",
        r"$\delta = 30$ clips next to nothing",
    )
    curves = study.curves[study.curves["label"] != "DROCO, as printed"]
    droco = curves[curves["label"].str.startswith("DROCO")]
    assert droco["kappa"].max() < 1
    models = droco[droco["label"] != "DROCO, oracle"]
    assert models["beyond_delta"].max() < 0.005
    assert droco["beyond_delta"].max() < 0.02


def test_without_the_floor_values_run_away_and_the_policy_is_worse_than_cloning(study):
    ends = study.curves[study.curves["step"] == study.steps]
    assert ends[ends["label"] == "DROCO, as printed"]["v_source"].max() < -200_000
    table = study.table[(study.table["shift"] == "nominal") & (study.table["attack"] == "none")]
    returns = table.set_index(["label", "seed"]).return_mean
    assert returns["DROCO, as printed"].max() < returns["cloning, target"].min()


def test_a_perfect_model_loses_the_gain(study):
    """Of the oracle's answer and the summary."""
    assert page_says(
        "it is behind DROCO, and behind cloning the target's data",
        "Seven wrong guesses take nearly all of it away",
    )
    oracle = {v.second: v.word for v in verdicts.verdicts(study, over="DROCO, oracle")}
    assert oracle["DROCO"] == oracle["cloning, target"] == "behind"
    assert oracle["IQL, target"] != "ahead of"
    ends = study.curves[study.curves["step"] == study.steps].groupby("label")["v_source"].mean()
    assert ends["DROCO"] < 0.1 * ends["DROCO, oracle"]  # "take nearly all of it away"


def test_the_set_is_wide_where_the_source_walks_and_narrow_where_the_target_does():
    assert page_says(
        "On the source's paths the set is wide, wider than nearly every shift",
        "and nearly every hard shift leaves it",
    )
    table = pd.read_csv(results_file("study/widths-walker2d-medium.csv"))
    eps = table.groupby("rows")["eps"].first()
    assert 60 < eps["source"] / eps["target"] < 80  # "some seventy times narrower"
    hard = (
        table[table["strength"] == 1].groupby("rows")["covered"].apply(lambda c: (c > 0.5).mean())
    )
    assert hard["source"] == 1.0  # "wider than nearly every shift"
    assert hard["target"] < 0.3  # "nearly every hard shift leaves it"


def test_only_ants_replay_pairs_pass_all_three_gates():
    table = pd.read_csv(results_file("gates/gates.csv"))
    assert len(table) == 33
    best = set(table[table["passed"] == 3]["task"])
    assert best == {"ant-medium-replay", "ant-medium-replay-morphology"}
    assert (table["within"] < 0.05).mean() > 0.8  # "nearly everywhere else next to no source row"


def test_every_bound_holds_where_the_printed_formula_does_not():
    assert page_says(
        "Every bound holds them there, and the seeds of all of them overlap in return",
    )
    curves = report.read("walker2d-medium", results_file("bounds")).curves
    outside = curves.groupby("label")["outside"].max()
    assert outside.pop("as printed") > 0.4  # "half of the values"
    assert len(outside) == 8
    assert outside.max() <= 0.01
    seeds = last_looks(curves)
    low, high = (seeds.groupby("label").agg(how).drop("as printed") for how in ("min", "max"))
    assert low.max() <= high.min()  # "the seeds of all of them overlap"


def last_looks(curves):
    """Mean return of each arm's seeds over the last looks."""
    end = curves[curves.step > 0.7 * curves.step.max()]
    return end.groupby(["label", "seed"]).return_mean.mean()


def test_on_halfcheetah_nothing_leaves_the_range_and_layer_norm_earns_more_than_the_floor():
    assert page_says(
        "On this HalfCheetah nothing leaves the range, not even with the formula as printed",
        "There layer norm earns more than the floor in every seed",
    )
    pair = "halfcheetah-medium@otdf-kinematic-backthighjnt-hard"
    curves = report.read(pair, results_file("bounds")).curves
    assert curves.outside.max() == 0
    other = report.read("walker2d-medium", results_file("bounds")).curves
    assert set(curves.label) == set(other.label)  # no arm is left out on either robot
    seeds = last_looks(curves)
    pd.testing.assert_series_equal(seeds["as printed"], seeds["floor"])
    assert seeds["layer norm"].min() > seeds["floor"].max()


#: The attempts at worn robots; the first four are sets on target rows.
ATTEMPTS = [
    f"DROCO, {name}"
    for name in (
        *("target rows too", "shifts known", "spread scaled", "sampled states"),
        *("β = 2", "two sources"),
    )
]


def test_no_set_on_target_rows_keeps_the_gain_of_worn_robots(tried):
    """Of the hunt's answer: behind on both robots, with a larger share that is kept."""
    assert page_says(
        "None keeps the gain on worn robots. All four sets on target rows are behind IQL on the "
        "target, on the robot as it is and on worn ones",
        "the policy keeps a larger *share* of its return than DROCO's does",
    )
    for label in ATTEMPTS[:4]:
        for where in ("clean", "shifted"):
            found = {v.second: v.word for v in verdicts.verdicts(tried, where, over=label)}
            assert found["IQL, target"] == "behind", (label, where)
    hard = tried.foreign()[lambda lines: lines["strength"] == 1.0]
    kept = (
        hard.groupby("label").return_mean.mean() / tried.clean.groupby("label").return_mean.mean()
    )
    assert kept["DROCO, target rows too"] > kept["IQL, target"] > kept["DROCO"]
    assert kept["DROCO, shifts known"] > kept["DROCO"]


def test_a_second_source_comes_closest_to_keeping_the_gain(tried):
    assert page_says("A second source comes closest")
    clean, worn = (
        {v.second: v for v in verdicts.verdicts(tried, where, over="DROCO, two sources")}
        for where in ("clean", "shifted")
    )
    assert clean["IQL, target"].word == "ahead of" and clean["DROCO"].word == "level with"
    own = {v.second: v for v in verdicts.verdicts(tried)}["IQL, target"]
    assert clean["IQL, target"].points > own.points
    assert {worn[arm].word for arm in ("IQL, target", "DROCO")} == {"level with"}
    scores = report.statistics.scores_by_seed(report.tables.shifted(tried), across=["shift"])
    beside = {arm: scores[arm].mean() - scores["IQL, target"].mean() for arm in scores}
    closest = max(ATTEMPTS, key=beside.get)
    assert closest == "DROCO, two sources" and beside[closest] < 0


def test_sampled_states_keep_the_largest_share_and_earn_the_least(tried):
    assert page_says(
        "*Sampled states* keeps the largest share, and earns the least of all attempts"
    )
    hard = tried.foreign()[lambda lines: lines["strength"] == 1.0]
    means = tried.clean.groupby("label").return_mean.mean()
    kept = (hard.groupby("label").return_mean.mean() / means)[ATTEMPTS]
    worn = report.tables.shifted(tried).groupby("label").score.mean()[ATTEMPTS]
    sampled = "DROCO, sampled states"
    assert kept.idxmax() == means[ATTEMPTS].idxmin() == worn.idxmin() == sampled


def test_a_doubled_penalty_pays_on_the_robot_as_it_is_and_not_on_worn_ones(tried):
    assert page_says(
        r"on the robot as it is, $\beta = 2$ is ahead of $\beta = 1$",
        r"On worn robots it is level with IQL on the target by the rule, as $\beta = 1$ is",
    )
    clean, worn = (
        {v.second: v.word for v in verdicts.verdicts(tried, where, over="DROCO, β = 2")}
        for where in ("clean", "shifted")
    )
    assert clean["DROCO"] == clean["IQL, target"] == "ahead of"
    assert worn["DROCO"] == worn["IQL, target"] == "level with"


@pytest.fixture(scope="module")
def long():
    """The study to 100,000 steps, with the further settings of DROCO."""
    return next(each for each in report.read_longer() if each.robot == "Walker2d")


def test_trained_for_longer_the_lead_is_gone_at_every_beta(long):
    assert page_says(
        "the end shows no difference on the robot as it is. On worn robots IQL on the target "
        "is ahead of DROCO",
        r"What stays is the lead over IQL\*",
        r"At $\beta = 0.1$, 0.5 and 2 its mean is below that of IQL on the target, on worn "
        "robots too",
    )
    clean, worn = words(long, "clean"), words(long, "shifted")
    assert clean["IQL*"] == worn["IQL*"] == "ahead of"  # "What stays"
    assert {clean[arm] for arm in ALONE} == {"level with"}
    assert worn["IQL, target"] == "behind"
    assert clean["DROCO, β = 2"] == worn["DROCO, β = 2"] == "ahead of"
    for label in ("DROCO, β = 0.1", "DROCO, β = 0.5", "DROCO, β = 2"):
        for where in ("clean", "shifted"):
            found = {v.second: v for v in verdicts.verdicts(long, where, over=label)}
            assert found["IQL, target"].points < 0


def test_at_40_000_steps_it_is_ahead_there_too_and_then_falls_back(long):
    assert page_says(
        "at 40,000 steps it is ahead. Then it falls back while IQL on the target's data "
        "holds its level",
    )
    returns = long.curves.pivot_table(index="step", columns="label", values="return_mean")
    assert returns.loc[40_000, "DROCO"] > returns.loc[40_000, list(ALONE)].max() + 100
    assert returns.loc[60_000:, "DROCO"].max() < returns.loc[40_000, "DROCO"] - 100
    assert (
        returns.loc[40_000:, "IQL, target"] - returns.loc[40_000, "IQL, target"]
    ).abs().max() < 150


def test_two_of_three_seeds_of_the_oracle_lose_their_gait_and_values_climb(long):
    assert page_says(
        "Their values climb",
        "$u$ is negative",
    )
    ends = long.curves[(long.curves["step"] == 100_000) & (long.curves["label"] == "DROCO, oracle")]
    assert sorted(ends["return_mean"] < 0) == [False, True, True]
    assert ends["v_source"].max() > 10_000
    assert (ends.loc[ends["return_mean"] < 0, "penalty_mean"] < 0).all()  # "u is negative"
    assert (ends["outside"] > 0.9).sum() == 1  # "in one seed far above every possible return"


def test_scarce_target_rows_bring_no_lead():
    assert page_says(
        "With 1,000 rows DROCO is level with both arms that never see the source, and behind "
        "both under foreign shifts; its seeds lie far apart",
        "With 300 rows it is behind IQL on the target's data on the robot as it is too, and "
        "behind both under foreign shifts",
    )
    scarce = report.read("walker2d-medium", results_file("study/1000-rows"))
    clean, worn = words(scarce, "clean"), words(scarce, "shifted")
    assert {clean[arm] for arm in ALONE} == {"level with"}
    assert {worn[arm] for arm in ALONE} == {"behind"}
    seeds = scarce.clean[scarce.clean["label"] == "DROCO"].return_mean
    assert seeds.max() > 2 * seeds.min()  # "its seeds lie far apart"
    fewer = report.read("walker2d-medium", results_file("study/300-rows"))
    assert words(fewer, "clean")["IQL, target"] == "behind"
    assert {words(fewer, "shifted")[arm] for arm in ALONE} == {"behind"}


def test_on_ant_it_is_ahead_of_the_target_alone_and_behind_plain_iql():
    assert page_says(
        r"DROCO is ahead of both arms that never see the source. But IQL\*, without the "
        r"penalty, is ahead of DROCO",
        "A clone of both data sets is a little ahead of DROCO, and *as printed*, without "
        "bounds, is behind it. So is MICRO",
        "ends where DROCO does",
        "Under foreign shifts the order is nearly the same",
    )
    ant = next(each for each in report.read_longer() if each.robot == "Ant")
    clean = words(ant, "clean")
    assert clean["IQL*"] == "behind" and {clean[arm] for arm in ALONE} == {"ahead of"}
    means = ant.clean.groupby("label").return_mean.mean()
    order = [
        "MICRO",
        "DROCO, as printed",
        "IQL, target",
        "DROCO",
        "cloning, both",
        "DROCO, β = 0.1",
    ]
    assert means[[*order, "IQL*"]].is_monotonic_increasing
    assert clean["cloning, both"] == "behind" and means["cloning, both"] < means["DROCO"] + 100
    assert clean["DROCO, oracle"] == "level with"  # "ends where DROCO does"
    assert (clean["MICRO"], clean["DROCO, as printed"]) == ("ahead of", "ahead of")
    assert clean["DROCO, β = 0.1"] == "behind"  # "β = 0.1 is ahead of β = 1"
    worn = report.tables.shifted(ant).groupby("label").return_mean.mean()
    agree = worn[means.index].corr(means, method="spearman")
    assert agree > 0.8  # "the order is nearly the same"


def test_on_ant_it_does_not_matter_which_rows_are_charged():
    assert page_says(
        "and on Ant's data (`results/study/ant-control.yaml`) in both",
    )
    control = report.read("ant-medium-replay", results_file("study/control"))
    for where in ("clean", "shifted"):
        assert words(control, where)["DROCO, shuffled"] == "level with"


def test_on_walker2d_the_twin_is_behind_on_the_robot_as_it_is_alone():
    assert page_says(
        "at 60,000 steps the twin was ahead. Under foreign shifts the two are level",
    )
    control = report.read("walker2d-medium", results_file("study/control"))
    twin, clean, worn = "DROCO, shuffled", words(control, "clean"), words(control, "shifted")
    assert (clean[twin], worn[twin]) == ("ahead of", "level with")
    seeds = control.clean.groupby(["label", "seed"]).return_mean.mean()
    assert seeds["DROCO"].min() > seeds[twin].max()  # "in every seed"
    looks = control.curves.groupby(["step", "label"]).return_mean.mean()
    assert looks[60_000, twin] > looks[60_000, "DROCO"]


def test_as_printed_values_go_on_falling_in_the_long_runs():
    old = next(each for each in report.read_long() if each.robot == "Walker2d")
    assert not old.floored and old.steps == 200_000
    ends = old.curves[(old.curves["step"] == old.steps) & (old.curves["label"] == "DROCO")]
    assert len(ends) == 3 and (ends["v_source"] < -2_000_000).all()


@pytest.fixture(scope="module")
def went():
    """How far Ant's policies go, of every seed, from thirty starts."""
    tries = pd.read_csv(results_file("distances/ant-medium-replay.csv"))
    return tries.assign(walks=tries.metres > 6, falls=tries["steps"] < 1000)


def test_on_ant_droco_stands_in_every_seed_and_iql_star_walks(went):
    assert page_says(
        "DROCO's Ant stands still, in every seed",
        r"$\beta = 0.5$ stands as $\beta = 1$ does",
    )
    walks = went.groupby(["label", "seed"]).walks.mean()
    assert len(walks["DROCO"]) == 5 and walks["DROCO"].max() < 0.2
    assert walks["DROCO, β = 0.5"].max() < 0.2
    assert went.groupby("label").walks.mean()["IQL*"] == pytest.approx(0.8, abs=0.03)


def test_on_ant_iql_on_the_target_goes_further_than_droco_and_falls(went):
    assert page_says(
        "so it goes further and earns less",
    )
    means = went.groupby("label")[["metres", "walks", "falls", "return"]].mean()
    alone, droco = means.loc["IQL, target"], means.loc["DROCO"]
    assert alone.walks == pytest.approx(0.4, abs=0.03) and alone.falls == pytest.approx(
        0.25, abs=0.03
    )
    assert alone.metres > 5 * droco.metres and alone["return"] < droco["return"]
    assert means.walks["DROCO, β = 0.1"] == pytest.approx(1 / 3, abs=0.03)
    assert droco.falls == 0


def test_on_ant_the_arms_without_the_source_fall_while_they_train():
    assert page_says(
        "its lowest seed earns more than DROCO's highest. Then both target-only arms fall, "
        "and DROCO does not",
    )
    ant = next(each for each in report.read_longer() if each.robot == "Ant")
    looks = ant.curves.groupby(["label", "step"]).return_mean
    low, mean, high = looks.min(), looks.mean(), looks.max()
    assert low["IQL, target", 20_000] > high["DROCO", 20_000]
    for arm in ALONE:
        assert mean[arm, 100_000] < 0.8 * mean[arm, 20_000]
    assert mean["DROCO", 100_000] > mean["DROCO", 20_000]


def test_which_rows_are_charged_matters_in_one_of_four_comparisons():
    assert page_says(
        "DROCO's lowest seed earns as much as the twin's highest",
    )
    found = []
    for task in ("walker2d-medium", "ant-medium-replay"):
        control = report.read(task, results_file("study/control"))
        for where in ("clean", "shifted"):
            (verdict,) = verdicts.verdicts(control, where)
            found.append((task, where, verdict.word))
    assert [one for one in found if one[2] != "level with"] == [
        ("walker2d-medium", "clean", "ahead of")
    ]
    walker = report.read("walker2d-medium", results_file("study/control"))
    ends = walker.clean.groupby(["label", "seed"]).return_mean.mean()
    assert ends["DROCO"].min() / ends["DROCO, shuffled"].max() == pytest.approx(1, abs=0.02)
    at = walker.curves[walker.curves.step == 60_000].groupby("label").return_mean.mean()
    assert at["DROCO, shuffled"] > at["DROCO"]


def test_beyond_the_set_droco_keeps_less_under_every_shift_and_c_over_eps_orders_nothing(study):
    assert page_says(
        "DROCO keeps a smaller share than IQL on the target under every one of the shifts",
        "how far it is left hardly orders the losses",
    )
    widths = pd.read_csv(results_file("study/widths-walker2d-medium.csv"))
    wide = widths[widths.rows == "target"].set_index("shift")
    mean = study.only(["IQL, target", "DROCO"]).under_shift
    mean = mean.groupby(["label", "shift"]).return_mean.mean().unstack("label")
    left = (mean / mean.loc["nominal"]).reindex(wide.index).dropna()
    ratio = (wide.c / wide.eps).reindex(left.index)
    beyond = left[ratio > 1]
    assert (beyond["DROCO"] < beyond["IQL, target"]).all()
    for label in beyond:
        assert abs(beyond[label].corr(ratio[beyond.index], method="spearman")) < 0.3


def test_a_thousand_target_rows_are_no_trouble_for_iql_and_three_hundred_are(study):
    earned = {10_000: study.only(["IQL, target"]).clean.return_mean.mean()}
    for rows in (1000, 300):
        few = report.read("walker2d-medium", results_file(f"study/{rows}-rows"))
        earned[rows] = few.only(["IQL, target"]).clean.return_mean.mean()
    assert earned[1000] >= earned[10_000]
    assert 0.4 < earned[300] / earned[1000] < 0.65
