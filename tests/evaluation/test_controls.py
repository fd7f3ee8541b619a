"""Controls that train beside a partner: with its settings, or refused before any data are made."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from droco_lite import cli
from droco_lite.agents import DROCOSettings, ShuffledDROCOSettings
from droco_lite.agents.shuffled import partners
from droco_lite.evaluation import study
from droco_lite.evaluation.study import Study
from droco_lite.training import loop
from droco_lite.training.experiment import Experiment

HALF, TWIN = "DROCO, β = 0.5", "DROCO, β = 0.5, shuffled"
HALF_BETA = {HALF: {"method": "droco", "beta": 0.5, "delta": 3.0}}


def made(arms, settings=None, **others):
    whole = {"tasks": ["hopper-medium"], "steps": 30_000, "arms": arms, "settings": settings or {}}
    return Study(**whole, **others)


def pairs(some: Study, stacked=False):
    """For each control run of the study's loops: its label, and the label and β of its partner."""
    found = set()
    for job in some.jobs(stacked):
        runs = job.runs()
        if any(isinstance(run, ShuffledDROCOSettings) for run in runs):
            charged = partners(runs)  # refuses a twin without its run
            found |= {
                (run.label, runs[other].label, runs[other].beta)
                for run, other in zip(runs, charged, strict=True)
                if run.shuffled
            }
    return found


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize(
    ("arms", "settings", "expected"),
    [
        (["DROCO", "DROCO, shuffled"], {}, ("DROCO, shuffled", "DROCO", 1.0)),
        (["DROCO, shuffled", "DROCO"], {}, ("DROCO, shuffled", "DROCO", 1.0)),
        (
            ["DROCO", "DROCO, shuffled"],
            {"DROCO": {"beta": 0.5, "delta": 5.0, "hidden": 32}},
            ("DROCO, shuffled", "DROCO", 0.5),
        ),
        (
            ["DROCO", HALF, TWIN],
            {**HALF_BETA, TWIN: {"method": "droco-shuffled"}},
            (TWIN, HALF, 0.5),
        ),
        (
            [HALF, TWIN],
            {**HALF_BETA, TWIN: {"method": "droco-shuffled", "beta": 0.5, "delta": 3}},
            (TWIN, HALF, 0.5),
        ),
        (["mine", "DROCO", HALF], {**HALF_BETA, "mine": {"partner": HALF}}, ("mine", HALF, 0.5)),
        (
            [HALF, "DROCO, shuffled"],
            {**HALF_BETA, "DROCO, shuffled": {"partner": HALF}},
            ("DROCO, shuffled", HALF, 0.5),
        ),
    ],
)  # fmt: skip
def test_a_control_trains_beside_its_partner_with_its_settings(arms, settings, expected, stacked):
    some = made(arms, settings)
    assert pairs(some, stacked) == {expected}
    control, partner, _ = expected
    ours, theirs = some.once(control), some.once(partner)
    assert {key: ours[key] for key in theirs if key not in ("method", "label")} == {
        key: value for key, value in theirs.items() if key not in ("method", "label")
    }


def test_two_controls_of_one_partner_and_a_pair_of_another_value():
    settings = {**HALF_BETA, TWIN: {"method": "droco-shuffled"}, "again": {"partner": HALF}}
    some = made(["DROCO", "DROCO, shuffled", HALF, TWIN, "again"], settings)
    expected = {("DROCO, shuffled", "DROCO", 1.0), (TWIN, HALF, 0.5), ("again", HALF, 0.5)}
    assert pairs(some) == pairs(some, stacked=True) == expected
    assert [len(job.labels) for job in some.jobs()] == [2, 3]


def test_the_file_keeps_the_partner(tmp_path):
    some = made([HALF, "mine"], {**HALF_BETA, "mine": {"partner": HALF}})
    some.write(tmp_path / "study.yaml")
    read = Study.read(tmp_path / "study.yaml")
    assert read.partner("mine") == HALF and pairs(read) == pairs(some)


@pytest.mark.parametrize(
    ("arms", "settings", "said"),
    [
        (["DROCO, shuffled"], {}, "control of 'DROCO': add that"),
        ([HALF, TWIN], {HALF: HALF_BETA[HALF], TWIN: {"method": "droco-shuffled", "beta": 1.0}},
         "settings of DROCO, β = 0.5, shuffled: beta is 1.0, and its partner .* has 0.5; leave"),
        ([TWIN], {TWIN: {"method": "droco-shuffled", "beta": 0.5}}, "control of 'DROCO, β = 0.5'"),
        (["DROCO", "mine"], {"mine": {"method": "droco-shuffled"}},
         "settings of mine: a control needs a partner: add partner"),
        (["DROCO", "mine"], {"mine": {"partner": "DORCO"}}, "control of 'DORCO': add that"),
        (["IQL*", "mine"], {"mine": {"partner": "IQL*"}}, r"'IQL\*' has method iql"),
        (["DROCO", "IQL*"], {"IQL*": {"partner": "DROCO"}}, "only an arm of method droco-shuffled"),
        (["DROCO", "DROCO, shuffled", "mine"], {"mine": {"partner": "DROCO, shuffled"}},
         "has method droco-shuffled; a control"),
        (["mine"], {"mine": {"method": "droco-shuffled", "partner": "mine"}}, "needs a partner"),
    ],
)  # fmt: skip
def test_a_control_that_cannot_be_paired_is_refused_before_any_data(arms, settings, said):
    with pytest.raises(ValueError, match=said):
        made(arms, settings)


def test_a_run_of_the_control_s_class_that_is_not_shuffled_is_no_control():
    some = made(["mine"], {"mine": {"method": "droco-shuffled", "shuffled": False}})
    assert some.partner("mine") is None and pairs(some) == set()


def test_what_a_study_s_facts_say_of_a_control_has_not_moved():
    """Folders that were begun before go on: their job.json is compared with this."""
    (job,) = made(["DROCO", "DROCO, shuffled"]).jobs()
    assert job.name == "hopper-medium/droco+droco-shuffled"
    facts = job.facts()
    assert facts["settings.DROCO, shuffled.beta"] == 1.0
    assert facts["settings.DROCO, shuffled.delta"] == 30.0
    assert facts["settings.DROCO, shuffled.shuffled"] is True
    assert not any("partner" in key for key in facts)


def test_train_adds_the_run_that_a_control_is_charged_beside(monkeypatch, tmp_path):
    seen = []

    def stop(experiment, **options):
        seen.append(experiment)
        raise ValueError("seen")

    monkeypatch.setattr(Experiment, "data", stop)
    words = ["train", "hopper-medium", "--method", "droco-shuffled", "--beta", "0.5", "--beta", "2"]
    CliRunner().invoke(cli.app, [*words, "--seeds", "3", "--out", str(tmp_path)])
    runs = seen[0].runs
    assert len(runs) == len(set(runs)) == 2 * 2 * 3
    for run, other in zip(runs, partners(runs), strict=True):
        assert runs[other] == replace(run, shuffled=False)
    seen[0].write(tmp_path / "experiment.yaml")
    assert Experiment.read(tmp_path / "experiment.yaml").runs == runs


def test_a_file_of_an_experiment_with_a_control_alone_is_refused(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text("task: hopper-medium\nmethod: droco-shuffled\nruns: [{beta: 0.5}]")
    with pytest.raises(ValueError, match=r"experiment.yaml: .* beta 0\.5 .* shuffled: false"):
        Experiment.read(path)


def test_a_stack_is_checked_before_its_data():
    with pytest.raises(ValueError, match="run 0 is shuffled"):
        loop.train([ShuffledDROCOSettings()], None, None)
    assert DROCOSettings.completed([DROCOSettings()]) == [DROCOSettings()]
    assert study.METHODS["droco-shuffled"].Settings is ShuffledDROCOSettings
