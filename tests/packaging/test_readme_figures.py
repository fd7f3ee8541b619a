"""README's figures: each is said again here from the file that it comes from.

A sentence's own function reads ``results/`` and returns what README has to say.  A number in README
that no such sentence holds, and that is no size, version or name, fails the last test.
"""

import json
import re
from collections.abc import Sequence
from functools import cache

import pandas as pd
import pytest
from readme import ROOT

from droco_lite import report
from droco_lite.agents import METHODS
from droco_lite.data.names import all_tasks
from droco_lite.provenance import results_file
from droco_lite.report import grid, verdicts

WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
ALONE = ("IQL, target", "cloning, target")
RIVALS = ("IQL*", "DARA", "IGDF", "BOSA", "OTDF", "CQL*", "MICRO")


def plain(text: str) -> str:
    """In one line, without emphasis and with plain stars."""
    return " ".join(text.replace("**", "").replace("\\*", "*").split())


def readme() -> str:
    """README without its code blocks and the addresses of its links."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", " ", text, flags=re.S)
    return plain(re.sub(r"\]\([^)]*\)", "]", text))


def held(name: str) -> dict:
    return json.loads(results_file(name).read_text(encoding="utf-8"))


def words(study, where="clean", over="DROCO") -> dict[str, str]:
    """Second arm -> what the first is beside it."""
    return {found.second: found.word for found in verdicts.verdicts(study, where, over=over)}


def longer(robot: str):
    """The study of 100,000 steps of a robot."""
    return next(each for each in report.read_longer() if each.robot == robot)


def long(robot: str):
    """The study of 200,000 steps of a robot."""
    return next(each for each in report.read_long() if each.robot == robot)


def small(folder: str, task: str = "walker2d-medium"):
    return report.read(task, results_file(folder))


# ---- What each sentence says, by the files -------------------------------------------------------


def pairs():
    tasks = all_tasks()
    robots = {task.robot for task in tasks}
    return [
        f"All {WORDS[len(robots)]} robots have medium and expert behaviour policies",
        f"all of the paper's {len(tasks)} pairs of data sets can be made",
    ]


def experts():
    cards = (ROOT / "droco_lite/data/policies").glob("*-expert.json")
    scores = [json.loads(path.read_text())["score"] for path in cards]
    return [f"The experts reach {min(scores):.0f} to {max(scores):.0f} on D4RL's scale"]


def gates():
    table = pd.read_csv(results_file("gates/gates.csv"))
    best = table[table["passed"] == table["passed"].max()]
    assert set(best["task"]) == {"ant-medium-replay", "ant-medium-replay-morphology"}
    most = WORDS[best["passed"].iloc[0]]
    return [
        f"asks {most} questions of every pair (`results/gates`); only Ant's {WORDS[len(best)]} "
        f"replay pairs pass all {most}"
    ]


def sources():
    table = pd.read_csv(results_file("gates/gates.csv"))
    walks = table[table["on_target"] > 0.3 * table["at_home"]]
    assert set(walks["source_shift"]) == {"kinematic-thighjnt-hard"}
    assert all(walks["task"].str.startswith("halfcheetah"))
    return ["the sources fail in the target as they should, but for HalfCheetah's kinematic one"]


def four_robots():
    studies = report.read_longer()
    seeds = [n for s in studies for n in s.clean.groupby("label").seed.nunique()]
    steps, rows = ({f(s) for s in studies} for f in (lambda s: s.steps, target_rows))
    assert len(steps) == len(rows) == 1
    return [
        f"{WORDS[len(studies)].capitalize()} robots, {steps.pop():,} steps (`results/study/100k`; "
        f"{rows.pop():,} target rows, one pair of data sets each, {min(seeds)} to {max(seeds)} "
        "seeds)"
    ]


def target_rows(study) -> int:
    files = results_file("study/100k").glob(f"{study.robot.lower()}*.json")
    return json.loads(next(files).read_text())["data"]["target_size"]


def beside_plain_iql():
    found = {s.robot: words(s)["IQL*"] for s in report.read_longer()}
    assert found == {
        "HalfCheetah": "level with", "Hopper": "ahead of", "Walker2d": "ahead of", "Ant": "behind",
    }  # fmt: skip
    return [
        "Beside IQL*, its learner without the penalty, it is far ahead on Walker2d and Hopper, "
        "where the source's data ruin IQL*, level on HalfCheetah, and behind on Ant"
    ]


def beside_the_target_alone():
    clean, worn = (
        {s.robot: words(s, where)["IQL, target"] for s in report.read_longer()}
        for where in ("clean", "shifted")
    )
    level = [robot for robot, word in clean.items() if word == "level with"]
    assert set(clean) - set(level) == {"Ant"} and clean["Ant"] == worn["Ant"] == "ahead of"
    assert [robot for robot in level if worn[robot] != "level with"] == ["Walker2d"]
    assert worn["Walker2d"] == "behind"
    return [
        "Beside IQL on the target's data alone it is, on the robot as it is, level on "
        f"{WORDS[len(level)]} robots and ahead on Ant, where standing still is paid for; under "
        "shifts that no learner saw it is behind on Walker2d, and the rest stays"
    ]


def walker2d():
    early, late, scarce = small("study"), longer("Walker2d"), small("study/1000-rows")
    assert {words(early)[arm] for arm in ALONE} == {"ahead of"}
    assert {words(late)[arm] for arm in ALONE} == {"level with"}
    assert words(late, "shifted")["IQL, target"] == "behind"
    assert {words(scarce)[arm] for arm in ALONE} == {"level with"}
    assert {words(scarce, "shifted")[arm] for arm in ALONE} == {"behind"}
    fewest = small("study/300-rows")
    for where in ("clean", "shifted"):
        assert words(fewest, where)["IQL, target"] == "behind"
    rows = [
        held(f"study/{n}-rows/walker2d-medium.json")["data"]["target_size"] for n in (1000, 300)
    ]
    return [
        f"After {early.steps:,} steps DROCO is ahead of IQL and of cloning on the target's data "
        f"alone; after {late.steps:,} it has fallen back to both, and is behind IQL on the target "
        "under shifts that no learner saw",
        f"With {rows[0]:,} target rows it is level with both after {scarce.steps:,} steps, and "
        f"behind under shifts; with {rows[1]} it is behind IQL on the target in both",
    ]


def control():
    tasks = ("walker2d-medium", "ant-medium-replay")
    found = [
        words(small("study/control", task), where)["DROCO, shuffled"]
        for task in tasks
        for where in ("clean", "shifted")
    ]
    return [
        f"ahead of its shuffled control in {WORDS[found.count('ahead of')]} of "
        f"{WORDS[len(found)]} comparisons on {WORDS[len(tasks)]} robots"
    ]


def a_rival():
    study, ant = longer("Walker2d"), longer("Ant")
    for where, word in (("clean", "ahead of"), ("shifted", "behind")):
        found = words(study, where, over="BOSA")
        assert {found[arm] for arm in ("DROCO", *ALONE)} == {word}
    for each in (study, ant):
        assert "OTDF" not in each.labels
    (reached,) = {s.curves[s.curves["label"] == "OTDF"]["step"].max() for s in (study, ant)}
    return [
        "On Walker2d as it is, BOSA is ahead of DROCO, of IQL and of cloning on the target's data "
        "alone; under shifts that no learner saw it is behind all of these",
        "A rival of the same study is better on one robot",
        f"OTDF stopped after {reached:,} of the {study.steps:,} steps on Walker2d and Ant",
    ]


def beta_and_delta():
    settings = grid.read_grid().groupby(["beta", "delta"], as_index=False).return_mean.mean()
    for name in ("beta", "delta"):
        assert grid.by_chance(settings, "return_mean", name) > grid.LIKELY
    return ["Neither β nor δ is shown to move the return"]


def ant():
    tries = pd.read_csv(results_file("distances/ant-medium-replay.csv"))
    usual = tries[tries["label"] == "DROCO"].groupby("seed")["metres"].median()
    assert usual.max() < 1
    far = tries.assign(far=tries["metres"] > 5).groupby("label")["far"].mean()
    return [
        f"DROCO stands still in all {WORDS[len(usual)]} seeds, IQL* walks more than five metres in "
        f"{WORDS[round(10 * far['IQL*'])]} tries of ten, and IQL on the target's data in "
        f"{WORDS[round(10 * far['IQL, target'])]} (`results/distances`)"
    ]


def halfcheetah():
    study = long("HalfCheetah")
    scores, found = study.clean.groupby("label").score.mean(), words(study)
    tried = [arm for arm in RIVALS if arm in scores]
    assert set(RIVALS) - set(tried) == {"MICRO"}
    assert {found[arm] for arm in ("IQL*", "DARA", "IGDF")} == {"level with"}
    assert {found[arm] for arm in ALONE} == {"ahead of"} and found["BOSA"] == "behind"
    named, best = ("DROCO", *ALONE, "DARA", "IGDF"), words(study, over="BOSA")
    assert {best[arm] for arm in named} == {"ahead of"} and best["IQL*"] == "level with"
    assert words(study, "shifted", over="BOSA")["IQL*"] == "ahead of"  # "on the robot as it is"
    lead = {arm: scores["DROCO"] - scores[arm] for arm in ALONE}
    assert round(2 * lead["IQL, target"]) == 3
    return [
        f"HalfCheetah, {study.steps:,} steps (`results/long`; "
        f"{study.clean['seed'].nunique()} seeds, {WORDS[len(tried)]} of the {WORDS[len(RIVALS)]} "
        "rivals: MICRO was not run)",
        "DROCO as printed is one point and a half ahead of IQL on the target's data and "
        f"{WORDS[round(lead['cloning, target'])]} ahead of cloning them, and level with IQL*, "
        "DARA and IGDF. BOSA is ahead of all of these but IQL*, with which it is level on the "
        "robot as it is",
    ]


def as_printed():
    study = long("Walker2d")
    ends = study.curves[study.curves["step"] == study.steps]
    assert (ends[ends["label"] == "DROCO"]["v_source"] < -1_000_000).all()
    returns = study.clean.groupby(["label", "seed"]).return_mean.mean()
    assert all(returns[arm].max() < 50 for arm in ("IQL*", "DARA", "IGDF", "OTDF"))
    assert returns["BOSA"].min() > 1000
    falls = returns["CQL*"] < 50
    return [
        "runs off to minus millions on Walker2d",
        f"CQL* in {WORDS[falls.sum()]} seed of {WORDS[len(falls)]}; BOSA walks (`results/long`)",
    ]


def speed():
    known = held("benchmarks/gpu_rates.json")
    rate = {name: one.get("run_steps_per_second") for name, one in known["rates"].items()}
    agreement = held("benchmarks/gpu_agreement.json")["methods"]
    assert set(agreement) == set(METHODS) and all(one["agrees"] for one in agreement.values())
    assert known["card"] == "NVIDIA H200"
    return [
        f"One run takes {rate['1 runs, highest, graph']:,.0f} steps a second on one H200 where "
        f"eager steps take {rate['1 runs, highest, autograd']:.0f}; 64 stacked runs, with TF32 "
        f"products, take {rate['64 runs, high, graph, compiled']:,.0f}"
    ]


def matrix():
    study = small("matrix")
    robots = sorted(results_file("matrix").glob("*-curves.csv"))
    for path in robots:
        task = path.name.removesuffix("-curves.csv").replace("--", "@")
        clean = small("matrix", task).clean.groupby("label").return_mean.mean()
        assert clean.idxmax() == "cloning, target", task
    assert study.steps * 100 == 1_000_000
    return [
        f"on {WORDS[len(robots)]} robots after {study.steps:,} steps, a hundredth of the paper's "
        "training; there plain cloning of the target's data is ahead of everything"
    ]


SENTENCES = [
    pairs, experts, gates, sources, four_robots, beside_plain_iql, beside_the_target_alone,
    walker2d, control, a_rival, beta_and_delta, ant, halfcheetah, as_printed, speed, matrix,
]  # fmt: skip


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda one: one.__name__)
def test_readme_says_what_the_files_say(sentence):
    for expected in sentence():
        assert expected in readme()


# ---- No other number -----------------------------------------------------------------------------

#: What is no result: versions, names, sizes of files and of examples; as README says it.
NO_RESULTS = [
    "two sources of data, a plentiful one", "a scarce one", "ICLR 2026", "one data schema",
    "one file per method", "Two commands", "Python 3.11", "torch 2.13.0", "python3.12",
    "take minutes on two cores", "The paper's are a million source transitions",
    "and a million steps", "two files are enough",
]  # fmt: skip
#: Names that hold a digit.
NAMES = r"Walker2d|D4RL|TF32|H200|HDF5|MIT|ONNX|`[^`]*`|python3 -m venv|arXiv:[\d.]+|\w+://\S+"
NUMBER = re.compile(
    r"\d[\d,.]*|\b(?:" + "|".join(WORDS[1:]) + r"|hundredth|half|millions?|twice|thirds?)\b", re.I
)


@cache
def bound() -> tuple[str, ...]:
    """Every phrase that may hold a number."""
    return (*(phrase for sentence in SENTENCES for phrase in sentence()), *NO_RESULTS)


def unbound(text: str, phrases: Sequence[str]) -> list[str]:
    """Numbers of ``text`` that stand in none of the ``phrases``, with the words around."""
    for phrase in sorted(phrases, key=len, reverse=True):
        text = text.replace(phrase, " … ")
    text = re.sub(NAMES, " … ", text)
    return [text[max(0, m.start() - 40) : m.end() + 30] for m in NUMBER.finditer(text)]


def test_every_other_number_of_readme_is_no_result():
    assert not unbound(readme(), bound())


def test_no_phrase_is_let_through_that_readme_does_not_say():
    assert not [phrase for phrase in NO_RESULTS if phrase not in readme()]


@pytest.mark.parametrize(
    "added",
    ["It takes 57,298 steps.", "DROCO walks in nine tries of ten.", "It is 3.5 points ahead."],
)
def test_a_number_that_is_bound_to_nothing_is_found(added):
    assert unbound(f"{readme()} {added}", bound())
