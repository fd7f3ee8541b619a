"""What Minari keeps of a data set: its place, its metadata, and our card in them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from droco_lite import files
from droco_lite.data.plausible import DataWarning
from droco_lite.data.transitions import DataError, Transitions

#: Key of our card inside Minari's metadata, and of the arrays' folder beside Minari's ``data``.
CARD_KEY, ARRAYS = "droco_lite", "droco_lite_arrays"
MEND_DISK = "set MINARI_DATASETS_PATH to a folder on a larger disk"
_MOST_STEPS = 10**10


def datasets_root() -> Path:
    """The folder of the user's Minari data sets."""
    from minari.storage import get_dataset_path

    return get_dataset_path()


def is_local(dataset_id: str) -> bool:
    """Whether Minari has this set on disk."""
    return _place(dataset_id).is_file()


def _place(dataset_id: str) -> Path:
    return datasets_root() / dataset_id / "data" / "metadata.json"


def list_local() -> dict[str, dict[str, Any]]:
    """Minari's metadata of every set on disk, by id.

    Warns:
        DataWarning: a set's metadata cannot be read, or its folder's name has no version; the
            message names it, and the set is left out.
    """
    root, found = datasets_root(), {}
    for place in sorted(root.glob("**/data/metadata.json")):
        dataset_id = place.parent.parent.relative_to(root).as_posix()
        if any(part.startswith(".") for part in place.relative_to(root).parts):
            continue  # being written
        try:
            found[dataset_id] = metadata(dataset_id)
        except (ValueError, OSError) as error:
            warnings.warn(f"left out: {error}", DataWarning, stacklevel=2)
    return found


def card_of(dataset_id: str) -> dict[str, Any]:
    """Our card of a set on disk, empty if this package did not make it."""
    return metadata(dataset_id).get(CARD_KEY) or {}


def describe(dataset_id: str) -> dict[str, Any]:
    """What Minari's metadata and our card say of a set on disk, as plain values."""
    stored = metadata(dataset_id)
    environment = _specified(stored, "env_spec")
    return {
        "id": dataset_id,
        "rows": stored.get("total_steps"),
        "episodes": stored.get("total_episodes"),
        "size": stored.get("dataset_size"),
        "environment": environment.get("id"),
        "environment_kwargs": environment.get("kwargs") or {},
        "algorithm": stored.get("algorithm_name"),
        "description": stored.get("description"),
        "code": stored.get("code_permalink"),
        "reference_returns": (stored.get("ref_min_score"), stored.get("ref_max_score")),
        "card": stored.get(CARD_KEY) or {},
    }


def specification(dataset_id: str) -> dict[str, str]:
    """A set on disk as a page of Minari's documentation lists it: spaces, environment, versions.

    Returns:
        Row name to text, empty where the set does not say: ``total steps, total episodes,
        observation space, action space, algorithm, author, code, Minari version, requirements,
        environment, keyword arguments, entry point, step limit, evaluation environment, reference
        returns``.

    Raises:
        FileNotFoundError: the set is not on disk.
        DataError: its metadata are damaged.
    """
    from minari.serialization import deserialize_space

    stored, about = metadata(dataset_id), describe(dataset_id)
    environment, evaluation = (_specified(stored, key) for key in ("env_spec", "eval_env_spec"))
    try:
        spaces = [deserialize_space(stored[f"{kind}_space"]) for kind in ("observation", "action")]
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        place = _place(dataset_id)
        raise DataError(f"{place}: no readable spaces ({error}); {mend(dataset_id)}") from error
    low, high = about["reference_returns"]
    return {
        "total steps": f"{stored['total_steps']:,}",
        "total episodes": f"{stored['total_episodes']:,}",
        "observation space": str(spaces[0]),
        "action space": str(spaces[1]),
        "algorithm": about["algorithm"] or "",
        "author": ", ".join(_listed(stored.get("author"))),
        "code": about["code"] or "",
        "Minari version": stored.get("minari_version") or "",
        "requirements": ", ".join(_listed(stored.get("requirements"))),
        "environment": environment.get("id", ""),
        "keyword arguments": _arguments(environment),
        "entry point": environment.get("entry_point", ""),
        "step limit": f"{environment.get('max_episode_steps') or '':}",
        "evaluation environment": " ".join(
            part for part in (evaluation.get("id", ""), _arguments(evaluation)) if part
        ),
        "reference returns": "" if low is None else f"{low:g} (score 0), {high:g} (score 100)",
    }


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _arguments(spec: dict[str, Any]) -> str:
    given = {k: v for k, v in (spec.get("kwargs") or {}).items() if v is not None}
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def robot_of(dataset_id: str) -> str | None:
    """The robot of a set on disk, by our card or its environment's name; None if unknown."""
    about = describe(dataset_id)
    if about["card"].get("robot"):
        return about["card"]["robot"]
    return named_robot(about["environment"] or dataset_id)


def named_robot(name: str) -> str | None:
    """The robot that a file's name says; None if it says none, or several."""
    from droco_lite.robots import ROBOTS

    found = [robot for robot in ROBOTS if re.search(rf"(^|[^a-z]){robot}", name.lower())]
    return found[0] if len(found) == 1 else None


def guess_robot(name: str, data: Transitions) -> str | None:
    """The robot that a file's name or, where they fit only one, its columns say; else None."""
    from droco_lite.robots import ROBOTS

    sizes = (data.observation_size, data.action_size)
    fits = [r for r, s in ROBOTS.items() if (s.observation_size, s.action_size) == sizes]
    # The columns are checked against the one that is named.
    return named_robot(name) or (fits[0] if len(fits) == 1 else None)


@contextlib.contextmanager
def datasets_path(path: Path) -> Iterator[None]:
    """Point Minari elsewhere for a while; it has no other switch."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before


def mend(dataset_id: str) -> str:
    """What to do about a damaged set."""
    return f"move {datasets_root() / dataset_id} away and make or fetch the set again"


def stamp(data: Path) -> dict[str, Any]:
    """What tells whether Minari's file is the one the arrays were made from."""
    stat = (data / "main_data.hdf5").stat()
    return {"source_bytes": stat.st_size, "source_time": stat.st_mtime_ns}


def is_current(arrays: Path, data: Path) -> bool:
    """Whether a folder of arrays was made from Minari's file as it is now."""
    try:
        stored = json.loads((arrays / "metadata.json").read_text(encoding="utf-8"))
        return all(stored.get(key) == value for key, value in stamp(data).items())
    except (OSError, ValueError, AttributeError):
        return False


def metadata(dataset_id: str) -> dict[str, Any]:
    """Minari's metadata of a set on disk, each value of its right kind.

    Returns:
        As stored; ``env_spec`` and ``eval_env_spec`` as text.

    Raises:
        FileNotFoundError: the set is not on disk.
        DataError: the metadata are damaged or of a wrong kind; the message names file and key.
    """
    path = _place(dataset_id)
    try:
        stored = files.read_json(path, mend(dataset_id))
    except FileNotFoundError:
        raise FileNotFoundError(f"{dataset_id}: no such Minari data set ({path})") from None
    except files.DamagedFile as error:
        raise DataError(str(error)) from None
    if not isinstance(stored, dict):
        raise DataError(f"{path}: holds no keys, but {_short(stored)}; {mend(dataset_id)}")
    if not re.search(r"-v\d+$", dataset_id):
        raise DataError(
            f"{path.parent.parent}: the folder's name has no version; rename it to end in -v0"
        )
    for key in ("env_spec", "eval_env_spec"):
        if isinstance(stored.get(key), dict):
            stored[key] = json.dumps(stored[key])
    for key, (right, expected) in _RIGHT.items():
        if not right(stored.get(key)):
            raise DataError(
                f"{path}: {key} is {_short(stored.get(key))}, expected {expected}; "
                f"{mend(dataset_id)}"
            )
    for key, (right, expected) in _RIGHT_IN_CARD.items():
        value = (stored.get(CARD_KEY) or {}).get(key)
        if not right(value):
            raise DataError(
                f"{path}: {CARD_KEY}.{key} is {_short(value)}, expected {expected}; "
                f"{mend(dataset_id)}"
            )
    return stored


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_STEPS


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and not math.isinf(value))  # NaN: no reference is known


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _texts(value: Any) -> bool:
    return _text(value) or (isinstance(value, list) and all(isinstance(v, str) for v in value))


def _environment_spec(value: Any) -> bool:
    if not value:
        return _text(value)
    try:
        spec = json.loads(value)
    except (ValueError, TypeError):
        return False
    if not isinstance(spec, dict):
        return False
    kwargs = spec.get("kwargs")
    return _text(spec.get("id")) and (kwargs is None or isinstance(kwargs, dict))


def _specified(stored: dict[str, Any], key: str) -> dict[str, Any]:
    return json.loads(stored.get(key) or "{}")


def _cards(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(v, dict) for v in value))


_Rules = dict[str, tuple[Callable[[Any], bool], str]]
_RIGHT: _Rules = {
    **{key: (_whole, "a whole number of steps") for key in ("total_steps", "total_episodes")},
    **{key: (_number, "a number") for key in ("dataset_size", "ref_min_score", "ref_max_score")},
    **{
        key: (_text, "a text")
        for key in ("algorithm_name", "description", "code_permalink", "minari_version")
    },
    **{key: (_texts, "a text or a list of texts") for key in ("author", "requirements")},
    **{
        key: (_environment_spec, "an environment's specification as JSON")
        for key in ("env_spec", "eval_env_spec")
    },
    CARD_KEY: (lambda value: value is None or isinstance(value, dict), "a card (keys and values)"),
}
_RIGHT_IN_CARD: _Rules = {
    **{key: (_text, "a text") for key in ("robot", "shift", "quality", "algorithm")},
    **{
        key: (_number, "a number")
        for key in ("rows", "episodes", "return_mean", "return_sd", "score", "action_noise")
    },
    "behaviour": (_cards, "a list of cards"),
}
