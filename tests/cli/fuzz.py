"""Command lines at random: for each option a value that may be right, wrong or absurd.

Sizes are tiny, so that a call that is right by chance trains for some steps only.
"""

from __future__ import annotations

import random
from pathlib import Path

#: Values that are wrong almost everywhere.
ABSURD = (
    "", " ", "-1", "0", "nan", "inf", "-inf", "1e400", "99999999999999999999", "3.7", "[/]",
    "[bold]", "../..", "/dev/null", "/", "none", "True", "{}", "a=b", "é β 漢", "--", "x" * 300,
    "%s", "null", "0x10", "1,2", "'",
)  # fmt: skip
TASKS = (
    "hopper-medium", "hopper-medium-morphology", "walker2d-medium", "hopper-medium@gravity-up-0.5",
    "hoper-medium", "hopper", "hopper-", "-medium", "hopper-medium@", "hopper-medium@nominal",
    "hopper-medium@kinematic-nope-hard", "hopper-expert",
)  # fmt: skip
SHIFTS = ("nominal", "kinematic-footjnt-hard", "gravity-up-0.5", "gravity-up-9", "morph-torso-1",
          "kinematic", "kinematic-footjnt-", "otdf-gravity-down-0.5",
          "friction-down-nan")  # fmt: skip
ROBOTS = ("hopper", "ant", "robot", "Hopper")
SETTINGS = (
    "expectile=0.8", "expectile=2", "hidden=8", "hidden=0", "hidden=big", "steps=2", "steps=0",
    "seed=-1", "clamp=true", "clamp=3", "worst=value", "worst=best", "members=1", "beta=-1",
    "temperature=nan", "batch_size=4", "batch_size=1e99", "device=gpu", "mode=graph",
    "mode=compiled!", "episodes=0", "episodes=-3", "evaluate_every=0", "save_every=1",
    "precision=low", "learning_rate=1e30", "learning_rate=[1,2]", "nothing=1", "expectile",
    "=3", "label=a", "halves=target", "floor=0", "discount=1.5", "method=iql",
)  # fmt: skip


def words_of(folder: Path) -> dict[str, tuple[list, dict[str, tuple]]]:
    """Command -> (choices for each argument, option -> values that may be right)."""
    paths = (folder / "run", folder / "empty", folder / "nowhere", folder / "a file", folder)
    files = (folder / "a file", folder / "bad.yaml", folder / "list.yaml", folder / "good.yaml",
             folder / "nowhere.yaml", folder)  # fmt: skip
    small = {"--source-size": ("300",), "--target-size": ("200",)}
    return {
        "train": (
            [TASKS],
            {
                "--method": ("droco", "iql", "dara", "ppo"), "--beta": ("0.5", "-2"),
                "--delta": ("30",), "--set": SETTINGS, "--seeds": ("1", "0,3", "2,2", "one", ","),
                "--data-seed": ("0",), "--device": ("cpu", "gpu", "cuda:9", "meta"),
                "--evaluate-every": ("2",), "--save-every": ("1",), "--stop-after": ("1",),
                "--json": (None,), "--source": paths[3:], "--target": paths[3:], "--robot": ROBOTS,
                "--contact-cost-weight": ("0",), "--hold-out": ("0.2", "2"),
                "--config": files, "--results": (folder / "out" / "x", folder / "a file" / "x"),
                "--out": (folder / "new", folder / "a file", folder / "run"), **small,
            },
        ),
        "evaluate": (
            [paths],
            {
                "--shift": SHIFTS, "--family": ("kinematic", "gravity", "nope"),
                "--robot": ROBOTS, "--seed": ("3",), "--json": (None,),
                "--results": (folder / "out" / "y", folder / "a file" / "y"),
            },
        ),
        "distances": (
            [paths],
            {
                "--robot": ROBOTS, "--json": (None,),
                "--results": (folder / "out" / "z", folder / "a file" / "z"),
            },
        ),
        "watch": (
            [(folder / "empty", folder / "nowhere", folder / "a file", folder / "run")],
            {
                "--shift": SHIFTS, "--run": ("0", "7"), "--to": ("x.avi", "x"),
                "--seconds": ("1",), "--robot": ROBOTS, "--seed": ("3",), "--viewer": (None,),
                "--width": ("32", "8"), "--height": ("32", "8"),
            },
        ),
        "export": ([paths], {
            "--run": ("0", "7"), "--to": (folder / "out" / "p.onnx", folder / "p.pt", folder),
            "--robot": ROBOTS, "--dtype": ("float64", "float16"),
        }),
        "select": (
            [paths[1:]],
            {
                "--held-out": ("10",), "--iterations": ("1",), "--episodes": ("1",),
                "--held-out-data": paths[3:], "--json": (None,),
                "--results": (folder / "out" / "s", folder / "a file" / "s"),
            },
        ),
        "plot": (
            [paths],
            {
                "--column": ("return_mean", "score", "seed", "label", "nope"),
                "--to": (folder / "out" / "c.png", folder / "c.pdf", folder),
            },
        ),
        "settings": ([("droco", "loop", "iql", "ppo")], {"--json": (None,)}),
        "compare": (
            [TASKS[4:]],
            {
                "--methods": ("IQL*", "ppo", ";"), "--seeds": ("1",), "--device": ("gpu",),
                "--workers": ("1", "0"), "--out": (folder / "new", folder / "a file"),
                "--json": (None,), **small,
            },
        ),
        "study run": (
            [(*files[1:3], files[4], "nope")],
            {"--workers": ("1",), "--to": (folder,), "--root": (folder / "jobs", *files[:1])},
        ),
        "study status": (
            [("quick", *files)],
            {"--root": (folder / "jobs", *files[:1]), "--to": (folder,), "--json": (None,)},
        ),
        "study collect": (
            [("quick", *files)],
            {"--root": (folder / "jobs", *files[:1]), "--to": (folder / "out", *files[:1])},
        ),
        "study list": ([], {"--json": (None,)}),
        "data list": ([], {"--json": (None,)}),
        "data info": (
            [(*paths, "no/set-v0", "gone.hdf5", folder / "junk.hdf5", "[/]")],
            {"--robot": ROBOTS, "--contact-cost-weight": ("0", "5e-4")},
        ),
        "data import": (
            [(folder / "junk.hdf5", folder / "a file", "gone.hdf5")],
            {"--robot": ROBOTS, "--shift": SHIFTS, "--contact-cost-weight": ("0", "x")},
        ),
        "data make": ([TASKS], {"--seed": ("0",), **small}),
        "data gate": (
            [TASKS[4:9]],
            {
                "--episodes": ("1",), "--target-size": ("50",), "--seed": ("3",),
                "--json": (None,), "--results": (folder / "out" / "g.json", folder),
            },
        ),
        "data gates": (
            [(folder / "gates", folder / "a file", folder / "empty")],
            {"--task": TASKS[4:], "--seed": ("3",)},
        ),
        "data widths": (
            [TASKS[4:9]],  # one that is right takes ten seconds
            {
                "--target-size": ("60", "5"), "--seed": ("3",), "--json": (None,),
                "--results": (folder / "out" / "w", folder / "a file" / "w"),
            },
        ),
        "report": ([], {"--check": (None,), "--book": paths}),
    }  # fmt: skip


#: What keeps a call that is right small.
ALWAYS = {
    "train": ("--steps", "4", "--source-size", "300", "--target-size", "200",
              "--set", "ensemble_epochs=1"),
    "compare": ("--steps", "4", "--source-size", "300", "--target-size", "200", "--seeds", "1",
                "--episodes", "1", "--methods", "IQL*"),
    "evaluate": ("--episodes", "1"),
    "export": ("--episodes", "1"),
    "distances": ("--starts", "1"),
    "select": ("--episodes", "1"),
    "data make": ("--source-size", "300", "--target-size", "200"),
    "data gate": ("--source-size", "300", "--clone-steps", "9", "--ensemble-epochs", "1"),
    "report": ("--out", "FOLDER/report", "--results", "FOLDER/empty"),
    "watch": ("--steps", "3", "--to", "FOLDER/out/clip.webp", "--width", "32", "--height", "32"),
    "data widths": ("--target-size", "60", "--epochs", "1"),
    "data gates": ("--task", "hopper-medium-gravity"),
}  # fmt: skip


def calls(folder: Path, count: int, seed: int) -> list[list[str]]:
    """``count`` command lines; the same for the same seed."""
    draw, table = random.Random(seed), words_of(folder)
    made = []
    for _ in range(count):
        command = draw.choice(sorted(table))
        arguments, options = table[command]
        words = [w.replace("FOLDER", str(folder)) for w in ALWAYS.get(command, ())]
        for option in sorted(options):
            if draw.random() < 1.6 / max(2, len(options)):
                value = draw.choice(ABSURD if draw.random() < 0.3 else options[option])
                words += [option] if options[option] == (None,) else [option, str(value)]
        for choices in arguments:
            if draw.random() < 0.95:
                words.append(str(draw.choice(ABSURD if draw.random() < 0.15 else choices)))
        made.append([*command.split(), *words])
    return made
