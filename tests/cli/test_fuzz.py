"""Whatever is typed, the answer is a result or one message: never a traceback."""

import os

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from droco_lite import DROCOSettings, LoopSettings, make_task
from droco_lite.cli import app
from droco_lite.training.experiment import Experiment
from tests.cli.fuzz import ALWAYS, calls, words_of

CALLS = int(os.environ.get("DROCO_LITE_FUZZ_CALLS", "250"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained run, a folder that holds nothing, and files that are not what they seem."""
    root = tmp_path_factory.mktemp("fuzz")
    patch = pytest.MonkeyPatch()
    patch.setenv("MINARI_DATASETS_PATH", str(root / "minari"))
    patch.setenv("DROCO_LITE_CACHE", str(root / "cache"))
    patch.setenv("TERM", "dumb")
    patch.chdir(root)
    (root / "empty").mkdir()
    (root / "a file").write_text("not what you think\n")
    (root / "junk.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (root / "bad.yaml").write_text(
        "task: {name: hopper-medium, sorce_size: 3}\nmethod: iql\nruns: [{}]\n"
    )
    (root / "list.yaml").write_text("- 1\n- 2\n")
    (root / "good.yaml").write_text(
        "task: {name: hopper-medium, source_size: 300, target_size: 200}\nmethod: iql\n"
        "shared: {steps: 3, hidden: 8}\nruns: [{}]\nloop: {episodes: 1}\n"
    )
    (root / "gates").mkdir()
    (root / "gates" / "hopper-medium-gravity.json").write_text('{"task": "hopper", "passed": 3}')
    sizes = {"source_size": 300, "target_size": 200}
    runs = [DROCOSettings(steps=3, ensemble_epochs=1, hidden=8, beta=b) for b in (0.5, 1.0)]
    loop = LoopSettings(episodes=1)
    Experiment({"name": "hopper-medium", **sizes}, runs, loop).run(root / "run")
    yield root
    patch.undo()


#: Options that the fuzzer leaves alone: they need what a small machine lacks, or print and end.
LEFT_OUT = {"--robot-file", "--ray", "--tensorboard", "--wandb", "--help"}


def leaves(group, above=()):
    """Every command that ends a line, by its words; hidden ones are other names of these."""
    for name, found in group.commands.items():
        if found.hidden:
            continue
        if hasattr(found, "commands"):
            yield from leaves(found, (*above, name))
        else:
            yield " ".join((*above, name)), found


def test_every_command_and_every_option_is_tried(tmp_path):
    table = words_of(tmp_path)
    for words, found in leaves(typer.main.get_command(app)):
        assert words in table, f"tests/cli/fuzz.py does not try {words!r}"
        options = {o for p in found.params if p.param_type_name == "option" for o in p.opts}
        tried = {*table[words][1], *ALWAYS.get(words, ()), *LEFT_OUT}
        assert options <= tried, f"{words}: {sorted(options - tried)}"


@pytest.mark.slow
def test_no_traceback_whatever_is_typed(folder):
    assert make_task  # the face and the command line name the same things
    codes, bad = [], []
    for words in calls(folder, CALLS, seed=0):
        result = CliRunner().invoke(app, words)
        codes.append(result.exit_code)
        unforeseen = result.exception is not None and not isinstance(result.exception, SystemExit)
        if unforeseen or "Traceback" in result.output or result.exit_code not in (0, 1, 2):
            bad.append((words, repr(result.exception)))
        elif result.exit_code and not result.stderr.strip() and "report" not in words:
            bad.append((words, "an error without a message"))
    assert not bad, f"{len(bad)} of {CALLS}: {bad[:5]}"
    assert np.mean(np.array(codes) == 0) > 0.05  # some of it is right by chance
