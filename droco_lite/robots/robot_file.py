"""Robots of the reader's own from a Python file, for the command line and for worker processes.

The file calls :func:`~droco_lite.robots.register_robot`, as many times as it has robots.  It is a
program of the reader's and runs as one.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from droco_lite.robots import gym_ids
from droco_lite.robots.registry import ROBOTS, SEARCHES
from droco_lite.robots.robot import Robot

__all__ = [
    "ROBOT_FILES", "current_file", "load_robot_file", "load_robot_files", "robot_file_option",
    "told_by",
]  # fmt: skip

#: Environment variable with the files loaded so far, for processes that are started from here: a
#: list in JSON, since a path may hold whatever would separate paths.
ROBOT_FILES = "DROCO_LITE_ROBOT_FILES"

_loading: list[Path] = []
_loaded: dict[Path, tuple[str, ...]] = {}


def load_robot_file(path: str | os.PathLike) -> tuple[str, ...]:
    """Run a Python file that registers robots.

    A file that has been loaded before in this process is not run again.

    Args:
        path: of the file; a model's path in it is best written as
            ``Path(__file__).with_name("my_robot.xml")``.

    Returns:
        The names that the file has registered.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no Python file, fails, or registers nothing; the message names the file
            and the line.
    """
    path = Path(path).expanduser().resolve()
    if path in _loaded and all(name in ROBOTS for name in _loaded[path]):
        return _loaded[path]
    if not path.is_file():
        raise FileNotFoundError(f"robot file: {path} does not exist")
    if path.suffix != ".py":
        raise ValueError(
            f"robot file: {path} should be a Python file (.py) that calls register_robot; the "
            "MuJoCo model (.xml) is named in it"
        )
    before = dict(ROBOTS)
    try:
        with _as_current(path):
            _run(path)
    except BaseException:
        _restore(before)
        raise
    names = tuple(name for name, robot in ROBOTS.items() if before.get(name) is not robot)
    if not names:
        sys.modules.pop(_module_name(path), None)
        raise ValueError(
            f"robot file: {path} registers no robot; call droco_lite.robots.register_robot in it, "
            "outside of any 'if __name__ == \"__main__\"'"
        )
    _loaded[path] = names
    os.environ[ROBOT_FILES] = json.dumps(list(dict.fromkeys([*_known_files(), str(path)])))
    return names


class _Load(argparse.Action):
    """Loads the file as soon as the option is read."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Load it; what is wrong with it is the command line's error."""
        try:
            load_robot_file(values)
        except (ValueError, OSError) as error:
            raise argparse.ArgumentError(self, str(error)) from error


def robot_file_option() -> argparse.ArgumentParser:
    """The option ``--robot-file FILE`` as a parent of parsers, and of their commands."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--robot-file", action=_Load, default=argparse.SUPPRESS, metavar="FILE",
        help="a Python file of yours that registers a robot; it is run; may be repeated",
    )  # fmt: skip
    return parent


@contextlib.contextmanager
def told_by(parser: argparse.ArgumentParser) -> Iterator[None]:
    """What a command of the parser refuses is said in its one line, as a wrong option is."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))


def load_robot_files() -> None:
    """Load the files that ``DROCO_LITE_ROBOT_FILES`` names, unless they are being loaded now.

    Raises:
        ValueError: what it holds is no list in JSON, or one of the files is refused.
    """
    for path in _known_files():
        if Path(path) not in _loading:
            load_robot_file(path)


def _known_files() -> list[str]:
    """The files that ``DROCO_LITE_ROBOT_FILES`` names."""
    text = os.environ.get(ROBOT_FILES, "")
    try:
        known = json.loads(text or "[]")
    except ValueError:
        known = None
    if not isinstance(known, list) or not all(isinstance(path, str) for path in known):
        raise ValueError(
            f'{ROBOT_FILES} should be a list in JSON, such as ["my_robot.py"], got {text!r}; '
            "take it out of the environment and give files with --robot-file"
        )
    return known


def current_file() -> Path | None:
    """The robot file that is being run; None outside of one."""
    return _loading[-1] if _loading else None


@contextlib.contextmanager
def _as_current(path: Path) -> Iterator[None]:
    _loading.append(path)
    try:
        yield
    finally:
        _loading.pop()


def _restore(before: dict[str, Robot]) -> None:
    """Take out what a file registered before it failed."""
    for name in [name for name in ROBOTS if ROBOTS[name] is not before.get(name)]:
        gym_ids.unregister(name)
        del ROBOTS[name]
    for name, robot in before.items():
        if name not in ROBOTS:
            ROBOTS[name] = robot
            gym_ids.register(name)


def _module_name(path: Path) -> str:
    # A name of its own for each path, so that functions of the file can be pickled by reference.
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    return f"droco_lite_robot_{path.stem}_{digest}"


def _run(path: Path) -> None:
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception | SystemExit):
            raise  # Ctrl-C
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            lines.append(error.lineno)
        line = f", line {lines[-1]}" if lines else ""
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise ValueError(f"robot file: {path}{line}: {kind}{error}") from error


# A worker process has the environment variable and nothing else: a name that it does not know is
# looked for in the files.
SEARCHES.append(load_robot_files)
