"""Files are whole or absent, checked when they are read, and locked while in use."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from droco_lite import files
from droco_lite.data.transitions import Transitions
from droco_lite.files import checksums
from tests.agents.toy import transitions

TABLE = pd.DataFrame({"label": ["a", "β"], "score": [1.5, -2.0]})


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- whole or not at all


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = files.write_json(tmp_path / "deep" / "table.json", {"value": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"value": float("nan")})
    with pytest.raises(TypeError):
        files.write_json(path, {"value": object()})
    with pytest.raises(KeyError), files.atomic_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert json.loads(path.read_text()) == {"value": 1}
    assert names(path.parent) == ["table.json"]


def test_new_files_have_ordinary_permissions_and_old_ones_keep_theirs(tmp_path):
    before = os.umask(0o027)
    try:
        path = files.write_text(tmp_path / "a.txt", "one")
        with files.atomic_folder(tmp_path / "set") as partial:
            (partial / "x").touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "set").stat().st_mode) == 0o750
    path.chmod(0o664)
    files.write_text(path, "two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "real" / "file.txt")
    files.write_text(link, "through")
    assert link.is_symlink() and (tmp_path / "real" / "file.txt").read_text() == "through"


def test_everything_is_on_the_disk_before_a_name_moves(tmp_path, monkeypatch):
    seen = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append("sync"), sync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda *a: (seen.append("move"), replace(*a))[1])
    files.write_text(tmp_path / "a.txt", "text")
    assert seen == ["sync", "move", "sync"]
    seen.clear()
    with files.atomic_folder(tmp_path / "set") as partial:
        (partial / "x").write_text("1")
        (partial / "y").write_text("2")
    assert seen == ["sync", "sync", "sync", "move", "sync"]


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_a_folder_is_never_missing_while_it_is_replaced(tmp_path):
    folder, stop, missing = tmp_path / "set", threading.Event(), []

    def look():
        while not stop.is_set():
            if not (folder / "x").exists():
                missing.append(1)

    def write(text):
        with files.atomic_folder(folder) as partial:
            (partial / "x").write_text(text)

    write("0")
    watcher = threading.Thread(target=look)
    watcher.start()
    for i in range(100):
        write(str(i))
    stop.set()
    watcher.join()
    assert not missing and (folder / "x").read_text() == "99" and names(tmp_path) == ["set"]


def test_what_a_killed_process_left_goes_after_an_hour(tmp_path):
    old, young = tmp_path / ".a.txt.partial-1", tmp_path / ".a.txt.partial-2"
    other = tmp_path / ".b.txt.partial-3"
    for path in (old, young, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (time.time() - 7200,) * 2)
    files.write_text(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == sorted([other.name, young.name, "a.txt"])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_and_keeps_the_old_file(tmp_path, code):
    path = files.write_text(tmp_path / "a.txt", "old")
    with (
        pytest.raises(OSError, match=r"disk is full; nothing was kept of .*a\.txt\. Free") as told,
        files.atomic_file(path) as temporary,
    ):
        temporary.write_text("half")
        raise OSError(code, os.strerror(code))
    assert told.value.errno == code and "Errno" not in str(told.value)
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/a\.txt could not be written.*another place"):
        files.write_text(tmp_path / "file" / "a.txt", "text")


def test_an_error_of_another_file_stays_that_files(tmp_path):
    elsewhere = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/input")
    with pytest.raises(PermissionError) as told, files.atomic_file(tmp_path / "a.txt"):
        raise elsewhere
    assert told.value is elsewhere


# --- checksums


def kinds(folder):
    """One file of each kind and the call that reads it."""
    tensors = {"w": torch.arange(12.0).reshape(3, 4), "step": torch.tensor(3)}
    facts = json.dumps({"droco-lite-sha256": "x", "note": 'a "quoted" \u03b2'})
    return {
        "tensors": (
            files.save_tensors(folder / "c.safetensors", tensors, {"facts": facts}),
            files.load_tensors,
        ),
        "text": (files.write_text(folder / "a.txt", "text", checksum=True), files.read_text),
        "json": (files.write_json(folder / "b.json", {"a": 1}, checksum=True), files.read_json),
        "csv": (files.write_csv(folder / "d.csv", TABLE, checksum=True), files.read_csv),
    }


def test_what_was_written_is_read(tmp_path):
    written = kinds(tmp_path)
    (path, load) = written["tensors"]
    tensors, metadata = load(path)
    assert torch.equal(tensors["w"], torch.arange(12.0).reshape(3, 4)) and tensors["step"] == 3
    assert json.loads(metadata["facts"])["note"] == 'a "quoted" \u03b2'
    assert files.read_text(written["text"][0]) == "text"
    assert files.read_json(written["json"][0]) == {"a": 1}
    pd.testing.assert_frame_equal(files.read_csv(written["csv"][0]), TABLE)
    assert set(load_file(path)) == {"w", "step"}  # others read the file as any safetensors file


@pytest.mark.parametrize("kind", ["tensors", "text", "json", "csv"])
def test_no_flipped_bit_is_read_as_something_else(tmp_path, kind):
    path, read = kinds(tmp_path)[kind]
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 11):
        flip(path, bit)
        with pytest.raises(files.DamagedFile, match=rf"{path.name}.*make it again"):
            read(path, mend="make it again")
        path.write_bytes(whole)


def test_a_cut_file_is_refused(tmp_path):
    for path, read in kinds(tmp_path).values():
        whole = path.read_bytes()
        for length in range(0, len(whole), 5):
            path.write_bytes(whole[:length])
            with pytest.raises(files.DamagedFile, match=path.name):
                read(path)


def test_files_without_a_checksum_are_read_as_they_are(tmp_path):
    save_file({"w": torch.ones(2)}, tmp_path / "old.safetensors")
    tensors, metadata = files.load_tensors(tmp_path / "old.safetensors")
    assert torch.equal(tensors["w"], torch.ones(2)) and metadata == {}
    (tmp_path / "old.json").write_text("{}")
    assert files.read_json(tmp_path / "old.json") == {}


def test_ends_of_lines_may_change(tmp_path):
    path = files.write_csv(tmp_path / "d.csv", TABLE, checksum=True)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(files.read_csv(path), TABLE)


def test_a_death_between_checksum_and_file_leaves_both_readable(tmp_path, monkeypatch):
    path = files.write_text(tmp_path / "a.txt", "one", checksum=True)
    replace = os.replace

    def die(source, target):
        if str(target) == str(path):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", die)
    for text in ("two", "three"):
        with pytest.raises(KeyboardInterrupt):
            files.write_text(path, text, checksum=True)
        assert files.read_text(path) == "one"
    monkeypatch.undo()
    files.write_text(path, "four", checksum=True)
    assert files.read_text(path) == "four"
    path.write_text("two")
    with pytest.raises(files.DamagedFile):
        files.read_text(path)


def test_sha256sum_reads_sidecars_and_seals(tmp_path):
    files.write_text(tmp_path / "a.txt", "one", checksum=True)
    files.write_text(tmp_path / "a.txt", "two", checksum=True)
    files.seal(tmp_path)
    for name in ("a.txt.sha256", files.checksums.SEAL):
        subprocess.run(["sha256sum", "--status", "-c", name], cwd=tmp_path, check=True)


def test_a_seal_names_the_file_that_is_damaged_or_missing(tmp_path):
    with files.atomic_folder(tmp_path / "set") as partial:
        (partial / "data").mkdir()
        for name in ("data/a.bin", "data/b.bin", "others"):
            (partial / name).write_bytes(b"12345678")
        files.seal(partial, "data")
    assert files.check_seal(tmp_path / "set") == files.read_seal(tmp_path / "set")
    (tmp_path / "set" / "others").write_text("changed")  # not sealed
    files.check_seal(tmp_path / "set")
    flip(tmp_path / "set" / "data" / "b.bin", 3)
    with pytest.raises(files.DamagedFile, match=r"data/b\.bin is not what was.*make it again"):
        files.check_seal(tmp_path / "set", "make it again")
    (tmp_path / "set" / "data" / "a.bin").unlink()
    with pytest.raises(files.DamagedFile, match=r"data/a\.bin is missing"):
        files.check_seal(tmp_path / "set")
    assert files.check_seal(tmp_path) is None


def test_a_file_in_a_sealed_folder_is_checked_by_itself(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"value": 1}')
    files.seal(tmp_path)
    assert files.read_json(path) == {"value": 1}
    path.write_text('{"value": 3}')
    with pytest.raises(files.DamagedFile, match="SHA256SUMS"):
        files.read_json(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_missing_permission_is_named(tmp_path):
    for path, read in kinds(tmp_path).values():
        path.chmod(0)
        with pytest.raises(PermissionError, match=f"{path.name}: no permission to read it"):
            read(path)


@pytest.mark.parametrize(
    ("error", "number"),
    [(PermissionError("no"), errno.EACCES), (IsADirectoryError("no"), errno.EISDIR)],
)
def test_an_error_without_a_number_keeps_its_kind(tmp_path, error, number):
    with (
        pytest.raises(type(error), match=r"a\.txt: ") as told,
        checksums.readable(tmp_path / "a.txt"),
    ):
        raise error
    assert told.value.errno == number


def test_readers_beside_a_writer_see_one_version_or_the_other(tmp_path):
    """A thousand reads while files are replaced: no mix, no refusal."""
    versions = [torch.full((50_000,), float(k)) for k in range(4)]
    tensors, table = tmp_path / "c.safetensors", tmp_path / "d.csv"
    stop = threading.Event()

    def write():
        k = 0
        while not stop.is_set():
            k += 1
            data = versions[k % 4]
            files.save_tensors(
                tensors, {"w": data, "v": data[: 10 + k % 4].clone()}, {"k": str(k % 4)}
            )
            files.write_csv(table, pd.DataFrame({"k": np.full(50, k)}), checksum=True)

    files.save_tensors(tensors, {"w": versions[0], "v": versions[0][:10].clone()}, {"k": "0"})
    files.write_csv(table, pd.DataFrame({"k": np.zeros(50)}), checksum=True)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(500):
            found, metadata = files.load_tensors(tensors)
            k = int(metadata["k"])
            assert torch.equal(found["w"], versions[k]) and len(found["v"]) == 10 + k
            assert files.read_csv(table)["k"].nunique() == 1
    finally:
        stop.set()
        writer.join()


# --- locks


def test_a_second_process_is_refused_and_a_dead_one_lets_go(tmp_path):
    hold = "import sys, time; from droco_lite import files\nwith files.lock(sys.argv[1]): "
    hold += "print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(files.InUse, match=r"another process is at work.*choose another folder"),
        files.lock(tmp_path, mend="choose another folder"),
    ):
        pass
    holder.kill()
    holder.wait()
    with files.lock(tmp_path, wait=5), files.lock(tmp_path):  # again in the same thread
        pass


def test_another_thread_is_another_holder(tmp_path):
    refused = []

    def try_it():
        try:
            with files.lock(tmp_path):
                pass
        except files.InUse:
            refused.append(True)

    with files.lock(tmp_path):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert refused == [True]


def test_the_cache_may_be_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("DROCO_LITE_CACHE", str(tmp_path))
    assert files.cache_folder() == tmp_path


def test_a_file_that_is_replaced_again_and_again_is_read_again(tmp_path, monkeypatch):
    """Twice the reader meets the same text beside the checksum of others; nothing is damaged."""
    path, real, left = tmp_path / "a.txt", checksums._accepted, [2]

    def write(text):
        files.write_text(path, text, checksum=True)

    def accepted(place):
        if not left[0]:
            return real(place)
        left[0] -= 1
        with monkeypatch.context() as patch:
            patch.setattr(checksums, "_accepted", real)
            write("one")
            write("two")
            found = real(place)
            write("zero")
        return found

    write("zero")
    monkeypatch.setattr(checksums, "_accepted", accepted)
    assert files.read_text(path) == "zero" and not left[0]


def test_a_set_that_is_replaced_again_and_again_is_read_again(tmp_path, monkeypatch):
    """In the end the same set stands as in the beginning; between them it was another."""
    first, second = transitions(200, 0), transitions(300, 1)
    real, others = np.load, [second, first]

    def load(path, **options):
        if path.stem in ("actions", "rewards") and others:
            others.pop(0).save(path.parent)
        return real(path, **options)

    first.save(tmp_path / "set")
    monkeypatch.setattr(np, "load", load)
    found = Transitions.load(tmp_path / "set")
    assert not others
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array)
