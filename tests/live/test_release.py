"""From a study's finished trainings to released policies, clips and the lab's facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from droco_lite.agents.trained_policies import load_policy, policy_names, release_policy
from droco_lite.evaluation import matrix
from droco_lite.files import read_json, write_json
from droco_lite.live import clips, export, release
from droco_lite.training.export import restore

STUDY = """
tasks: [hopper-medium]
steps: 6
seeds: [1, 0]
arms: ["IQL*", "DROCO", "DROCO, other models", "BOSA"]
data: {source_size: 400, target_size: 300, seed: 0}
settings:
  "IQL*": {hidden: 8}
  "DROCO": {hidden: 8, members: 2, ensemble_epochs: 1}
  "DROCO, other models": {method: droco, beta: 0.25, hidden: 8, members: 3, ensemble_epochs: 1}
  BOSA: {hidden: 8}
evaluation: {every: 2, episodes: 1, families: [kinematic]}
loop: {episodes: 1, diagnostic_rows: 16, mode: autograd}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny study's file and the folder of its jobs, all but the last of them finished."""
    folder = tmp_path_factory.mktemp("study")
    path, root = folder / "tiny.yaml", folder / "jobs"
    path.write_text(STUDY, encoding="utf-8")
    study = matrix.Study.read(path)
    for job in study.jobs()[:3]:
        job.run(root, say=lambda line: None)
    return path, root


def test_every_finished_arm_is_released_once(finished, tmp_path, capsys):
    path, root = finished
    assert release.release(path, root, tmp_path, None) == 3
    assert policy_names(tmp_path) == ["hopper-droco-0.25", "hopper-droco-1", "hopper-iql"]
    found = load_policy("hopper-droco-1", tmp_path)
    # The study's first seed, not the best one; the returns of all seeds stand on the card.
    assert found.card["settings"]["seed"] == 1
    assert set(found.card["returns"]) == {"0", "1"}
    assert set(found.card["worn"]["returns"]) == {"1/3", "2/3", "1"}
    assert found.card["commit"]
    assert found.card["floor"] <= 0
    agent, _facts = restore(root / "hopper-medium/droco")
    assert found.policy_layers[0][0][0].numpy() == pytest.approx(
        agent.networks.policy[0][0][0].detach().numpy(), abs=1e-3
    )
    # Two trainings, two ensembles, each with its own policy.
    assert found.ensemble.members == 2
    assert load_policy("hopper-droco-0.25", tmp_path).ensemble.members == 3
    written = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    capsys.readouterr()
    assert release.release(path, root, tmp_path, None) == 0
    assert capsys.readouterr().out.count("released already") == 3
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == written
    # A card that was damaged or lost is made again, and no other.
    (tmp_path / "hopper-iql.json").unlink()
    assert release.release(path, root, tmp_path, None) == 1


def test_a_dirty_card_is_written_again_from_a_clean_checkout(finished, tmp_path, monkeypatch):
    path, root = finished
    release.release(path, root, tmp_path, None)
    for card in tmp_path.glob("hopper-*.json"):
        dirty = card.stem == "hopper-iql"
        write_json(card, read_json(card, "") | {"dirty": dirty}, checksum=True)
    for dirty, made in ((True, 0), (False, 1)):
        monkeypatch.setattr(release, "provenance", lambda dirty=dirty: {"dirty": dirty})
        assert release.release(path, root, tmp_path, None) == made


def test_weights_that_ran_away_are_not_released(finished, tmp_path, monkeypatch, capsys):
    path, root = finished
    real = release.restore

    def ran_away(folder):
        agent, facts = real(folder)
        if folder.name == "droco":
            with torch.no_grad():
                agent.networks.value[-1][1].fill_(-1e5)
        return agent, facts

    monkeypatch.setattr(release, "restore", ran_away)
    assert release.release(path, root, tmp_path, None) == 2
    assert "DROCO: not released, value.bias.2 holds a number" in capsys.readouterr().out
    assert policy_names(tmp_path) == ["hopper-droco-0.25", "hopper-iql"]
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_an_ensemble_goes_when_no_card_names_it(finished, tmp_path):
    path, root = finished
    release.release(path, root, tmp_path, None)
    assert len(list(tmp_path.glob("hopper-ensemble-*.safetensors"))) == 2
    agent, _facts = restore(root / "hopper-medium/droco")
    release_policy(agent, 0, tmp_path / "hopper-droco-0.25", robot="hopper", kind="x", returns={})
    (left,) = tmp_path.glob("hopper-ensemble-*.safetensors")
    assert load_policy("hopper-droco-1", tmp_path).card["ensemble"]["file"] == left.name


def test_the_command_makes_the_clips_as_well_and_only_once(finished, tmp_path, monkeypatch):
    path, root = finished
    filmed = []
    real = clips.film
    monkeypatch.setattr(clips, "film", lambda *given: filmed.append(given[2:4]) or real(*given))
    monkeypatch.setattr(clips, "SECONDS", 0.3)
    weights, pictures = tmp_path / "weights", tmp_path / "lab"
    stale = pictures / "hopper-of-former-days-0.webp"
    pictures.mkdir()
    stale.write_bytes(b"")
    asked = [str(path), "--root", str(root), "--out", str(weights), "--clips", str(pictures)]
    release.main(asked)
    index = read_json(pictures / "hopper.json")
    betas = [option["value"] for option in index["axes"]["policy"]["options"]]
    assert betas == ["0", "0.25", "1"]  # those that exist, and no other
    assert index["axes"]["policy"]["label"] == "β"
    assert len(index["clips"]) == len(filmed) == 12
    for clip in index["clips"]:
        assert (pictures / clip["clip"]).is_file()
        assert set(clip["returns"]) == {"0", "1"}
    assert not stale.exists()
    release.main(asked)
    assert len(filmed) == 12


def test_the_labs_facts_hold_each_policys_own_models(finished, tmp_path, monkeypatch):
    path, root = finished
    release.release(path, root, tmp_path, None)
    monkeypatch.setattr(export, "trained", lambda robot: {
        name.removeprefix("hopper-"): load_policy(name, tmp_path) for name in policy_names(tmp_path)
    })  # fmt: skip
    monkeypatch.setattr(export, "all_shifts", lambda robot: {})  # seconds, and not of a policy
    facts = json.loads(json.dumps(export.lab_facts("hopper"), allow_nan=False))
    members = {
        name: len(facts["ensembles"][policy["ensemble"]]["members"])
        for name, policy in facts["policies"].items()
        if "ensemble" in policy
    }
    assert members == {"droco-1": 2, "droco-0.25": 3}
    assert isinstance(facts["policies"]["droco-1"]["floor"], float)


def test_what_is_not_finished_is_said(finished, tmp_path):
    path, _root = finished
    with pytest.raises(ValueError, match="no arm of"):
        release.release(path, tmp_path / "nothing", tmp_path, None)
    with pytest.raises(ValueError, match="MICRO"):
        release.release(path, tmp_path, tmp_path, None, ["MICRO"])


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"method": "iql", "temperature": 3.0, "halves": "union"}, "iql"),
        ({"method": "iql", "temperature": 3.0, "halves": "target"}, "iql_target"),
        ({"method": "iql", "temperature": 0.0, "halves": "target"}, "cloning_target"),
        ({"method": "droco", "beta": 0.5, "floor": None}, "droco-0.5"),
        ({"method": "droco", "beta": 1.0, "floor": float("-inf")}, "droco-1-printed"),
        ({"method": "droco-oracle", "beta": 1.0}, None),
        ({"method": "bosa"}, None),
    ],
)
def test_names(settings, name):
    assert release.released_name(settings) == name


def test_a_card_without_a_commit_is_refused(finished, tmp_path, monkeypatch):
    from droco_lite import provenance

    _path, root = finished
    agent, _facts = restore(root / "hopper-medium/iql")
    monkeypatch.setattr(provenance, "_git", lambda *words: None)
    monkeypatch.delenv("DROCO_LITE_COMMIT", raising=False)
    with pytest.raises(ValueError, match="DROCO_LITE_COMMIT"):
        release_policy(agent, 0, tmp_path / "a", robot="hopper", kind="x", returns={})
