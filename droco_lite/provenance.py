"""Where a number came from: the record kept beside every file in ``results/``."""

import contextlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
# Trained policies lie among the code but are results: the first that a command releases must not
# make the commit of the second uncertain.
_CODE = ("droco_lite", "benchmarks", "pyproject.toml", ":(exclude)droco_lite/agents/weights")
_LIBRARIES = (
    "numpy", "scipy", "torch", "mujoco", "gymnasium", "minari", "h5py", "safetensors", "POT",
)  # fmt: skip


def provenance(command: str | None = None, **more: Any) -> dict[str, Any]:
    """Return what is needed to make a result again.

    Args:
        command: the command line; by default the one that is running, its paths relative to the
            repository.
        more: whatever else belongs to the record, such as ``seeds=[0, 1]``,
            ``wall_time_seconds=12.3``, or ``device="..."`` to name a device that torch does not
            know of. They are stored as given.

    Returns:
        A dictionary ready for JSON: ``command``, ``commit`` (None outside a checkout), ``dirty``
        (whether tracked code differed from that commit; None where unknown), ``date`` (UTC),
        ``python``, ``platform``, ``cpu``, ``cpu_cores``, ``device``, ``versions``. It holds no
        host name and no absolute path.

    Where there is no git, the environment variable ``DROCO_LITE_COMMIT`` may name the commit.
    """
    status = _git("--no-optional-locks", "status", "--porcelain", "-uno", "--", *_CODE)
    return {
        "command": _running_command() if command is None else command,
        "commit": os.environ.get("DROCO_LITE_COMMIT") or _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cpu_cores": os.cpu_count(),
        "device": _device(),
        "versions": _versions(),
        **more,
    }


def results_file(name: str) -> Path:
    """A file of ``results/``: from the checkout, or from the copy that the installed package holds.

    Raises:
        FileNotFoundError: there is no such file.
    """
    for folder in (_ROOT / "results", Path(__file__).resolve().parent / "results"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"results/{name} is missing: has the command that makes it been run?")


def as_json(content: Any) -> Any:
    """``content`` as JSON gives it back.

    That is lists for tuples, and words for infinities and NaN, which JSON does not have.
    """
    return json.loads(json.dumps(content), parse_constant=str)


def _git(*arguments: str) -> str | None:
    # Only a checkout of this project counts, not some other repository it is installed within.
    if not (_ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _running_command() -> str:
    program, *arguments = sys.argv or [""]
    if program.endswith(".py"):
        words = ["python", _portable(program)]
    else:
        words = [Path(program).name or "python"]
    return shlex.join(words + [_portable(argument) for argument in arguments])


def _portable(word: str) -> str:
    """A word with its paths relative to the repository, or their last part if they lie outside.

    A path may be a part of the word, as in ``--root=/data/jobs``.
    """
    if "://" in word:
        return word

    def relative(part: str) -> str:
        path = Path(part)
        if not path.is_absolute():
            return part
        return path.relative_to(_ROOT).as_posix() if path.is_relative_to(_ROOT) else path.name

    return "".join(map(relative, re.split("([=:,])", word)))


def _cpu_model() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _device() -> str:
    torch = sys.modules.get("torch")  # a program that did not load torch used no accelerator
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
