"""The fault injector finds what it is there to find, and a few faults of each kind do no harm."""

import random
import shutil

import faults
import pytest

from droco_lite import files


@pytest.fixture
def rng():
    return random.Random(1)


SET = next(kind for kind in faults.KINDS if kind.name == "data set (.npy)")


def test_it_sees_a_silent_difference(tmp_path, rng, monkeypatch):
    """Without checksums, bits of a set may flip and nobody says so."""
    monkeypatch.setattr(files, "check_seal", lambda *arguments: None)
    assert faults.inject_damage(SET, 40, rng, tmp_path)["silent"] > 0


def test_it_sees_an_error_that_names_no_file(tmp_path, rng, monkeypatch, capfd):
    def nameless(*arguments):
        raise ValueError("something is wrong")

    whole = SET.use

    def use(folder):
        return whole(folder) if folder.name == "reference" else nameless()

    kind = faults.Kind("set", SET.make, use)
    assert faults.inject_damage(kind, 3, rng, tmp_path) == {"unclear": 3}


def test_it_sees_a_torn_file(tmp_path, rng, monkeypatch):
    """A writer that writes in place leaves half of a file when it is killed."""

    def torn(path, table, **options):
        with open(path, "w") as file:
            for line in table.to_csv(index=False).splitlines(keepends=True):
                file.write(line)
                file.flush()

    monkeypatch.setattr(files, "write_csv", torn)
    found = faults.inject_kills_of_writers("table", 15, rng, tmp_path)
    assert found["silent"] + found["unclear"] + found["refused"] > 0


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("checkpoint", "curve")),
        *("data set (.npy)", "data set (Minari)", "policy"),
    ],
)
def test_damaged_files_are_refused_or_made_again(tmp_path, rng, name):
    kind = next(kind for kind in faults.KINDS if kind.name == name)
    found = faults.inject_damage(kind, 6, rng, tmp_path)
    assert found["refused"] + found["right"] == 6


@pytest.mark.parametrize("what", faults.WHAT)
@pytest.mark.parametrize("fault", ["kills_of_writers", "full_disk", "two_writers"])
def test_writers_that_are_hurt_leave_whole_files(tmp_path, rng, fault, what):
    found = getattr(faults, f"inject_{fault}")(what, 4, rng, tmp_path)
    assert found["silent"] == found["unclear"] == 0


def test_every_file_of_a_run_is_damaged_sooner_or_later(tmp_path, rng):
    place = tmp_path / "run"
    faults.fit(place)
    damaged = {path.name for kind in faults.KINDS[:2] for path in place.glob(kind.files)}
    shutil.rmtree(place)
    assert damaged == {"checkpoint.safetensors", "curve.csv", "curve.csv.sha256"}
