"""Policies apart from their training: they act as they did, and are tried where no critics are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from droco_lite.agents import IQL, IQLSettings
from droco_lite.agents.sac import SAC
from droco_lite.agents.snapshots import Snapshot
from droco_lite.evaluation import matrix
from droco_lite.evaluation.matrix import Evaluation, Study
from droco_lite.evaluation.suite import evaluate
from droco_lite.files import DamagedFile, read_json
from droco_lite.training.loop import LoopSettings, numpy_act

STUDY = Study(
    tasks=["hopper-medium"], steps=30, seeds=(0, 1), arms=("IQL*", "cloning, target"),
    data={"source_size": 400, "target_size": 300, "seed": 0},
    settings={label: {"hidden": 16} for label in ("IQL*", "cloning, target")},
    evaluation=Evaluation(every=10, episodes=1, families=(), attacks=("noise-0.1",)),
    loop=LoopSettings(episodes=0, device="cpu"),
)  # fmt: skip


@pytest.fixture
def agent():
    return IQL([IQLSettings(hidden=16, seed=seed) for seed in (0, 1)], 11, 3)


def test_a_snapshot_acts_as_the_agent_did_and_does_not_follow_it(agent, tmp_path):
    seen = np.random.default_rng(0).standard_normal((2, 5, 11)).astype(np.float32)
    before = numpy_act(agent)(seen)
    kept = Snapshot.load(Snapshot.of(agent).save(tmp_path / "policies.safetensors"))
    apart = Snapshot.of(agent)
    with torch.no_grad():
        for weight, _ in agent.policy_layers():
            weight.zero_()
    assert not np.allclose(numpy_act(agent)(seen), before)
    assert (numpy_act(kept)(seen) == before).all() and (numpy_act(apart)(seen) == before).all()
    assert [run.seed for run in kept.runs] == [0, 1]


def test_a_damaged_snapshot_is_refused_with_its_name(agent, tmp_path):
    path = Snapshot.of(agent).save(tmp_path / "policies.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"policies\.safetensors.*move the folder"):
        Snapshot.load(path, "move the folder away")


def test_every_method_of_the_soft_kind_keeps_its_mean_action(tmp_path):
    class Plain(SAC):
        def values(self, batch):
            raise NotImplementedError

        diagnostics = values

    agent = Plain([SAC.Settings(hidden=16)], 11, 3)
    seen = np.random.default_rng(0).standard_normal((1, 5, 11)).astype(np.float32)
    assert np.allclose(numpy_act(Snapshot.of(agent))(seen), numpy_act(agent)(seen), atol=1e-6)


def test_policies_are_tried_by_a_process_that_does_not_train(tmp_path):
    (job,) = STUDY.jobs(stacked=True)
    assert job.labels == ("IQL*", "cloning, target")
    job.train(tmp_path)
    waiting = [job.snapshot(tmp_path, stop) for stop in job.stops]
    assert all(path.exists() for path in waiting) and not job.done(tmp_path)

    said = []
    did = matrix.work(STUDY, tmp_path, stacked=True, trains=False, say=said.append)
    assert did == 1 and job.done(tmp_path)
    assert [line.split(": ")[1].split(" in ")[0] for line in said] == [
        "attacks", "shifts-10", "shifts-20", "shifts-30",  # first what needs the critics
    ]  # fmt: skip
    assert not any(path.exists() for path in waiting)


def test_the_tables_are_the_same_whoever_makes_them(tmp_path):
    apart, at_once = tmp_path / "apart", tmp_path / "at once"
    for job in STUDY.jobs():
        job.train(apart)
    matrix.work(STUDY, apart, trains=False)
    matrix.work(STUDY, at_once)
    for job in STUDY.jobs():
        for one, other in zip(job.tables(apart), job.tables(at_once), strict=True):
            assert one.read_bytes() == other.read_bytes()


def test_without_its_snapshot_a_lost_table_is_refused(tmp_path):
    job = replace(STUDY, arms=("IQL*",)).jobs()[0]
    job.train(tmp_path)
    job.snapshot(tmp_path, 10).unlink()
    with pytest.raises(ValueError, match=r"shifts-10\.csv is missing.*gone on to step 30"):
        job.train(tmp_path)


def test_several_studies_run_in_one_go_each_in_its_folder(tmp_path):
    short = replace(STUDY, arms=("IQL*",), evaluation=replace(STUDY.evaluation, attacks=()))
    roots = [tmp_path / "one", tmp_path / "two"]
    assert matrix.work_all(list(zip((short, replace(short, seeds=(5,))), roots, strict=True))) == 2
    assert all(list(root.rglob("shifts-30.csv")) for root in roots)


def test_where_an_arm_was_trained_stays_known_when_a_study_goes_on_elsewhere(tmp_path):
    short = replace(STUDY, arms=("IQL*",))
    here, there, tables = tmp_path / "here", tmp_path / "there", tmp_path / "tables"
    matrix.work(short, here)
    matrix.collect(short, here, tables)
    told = read_json(tables / "hopper-medium.json")["trained_on"]
    assert told["IQL*"]["date"] and set(told) == {"IQL*"}

    both = replace(STUDY, arms=("IQL*", "cloning, target"))
    matrix.finish_from_tables(both, there, tables)
    matrix.work(both, there)
    matrix.collect(both, there, tables)
    after = read_json(tables / "hopper-medium.json")["trained_on"]
    assert set(after) == set(both.arms) and after["IQL*"] == told["IQL*"]


def test_evaluation_takes_a_snapshot(agent):
    table = evaluate(Snapshot.of(agent), "hopper", ["nominal"], episodes=1)
    assert list(table["run"]) == [0, 1]
