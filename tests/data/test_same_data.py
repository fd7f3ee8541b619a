"""A data set is the same to the last bit on every processor, where a robot is chaotic."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from droco_lite.data.tasks import make_dataset

ROOT = Path(__file__).resolve().parents[2]
ROBOTS = ("halfcheetah", "walker2d")
PLAIN = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Prescott",
    "OMP_NUM_THREADS": "2",
}


def digest(robot: str) -> str:
    data, _ = make_dataset(robot, "nominal", "medium", 3000, cache=False, progress=False)
    arrays = (data.observations, data.actions, data.rewards)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    """Every robot's digest by one process of another kind of processor."""
    code = (
        "from test_same_data import ROBOTS, digest\n"
        "for robot in ROBOTS:\n"
        "    print(robot, digest(robot))\n"
    )
    paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    environment = {**os.environ, **PLAIN, "PYTHONPATH": paths}
    told = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    return dict(line.split() for line in told.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("robot", ROBOTS)
def test_another_processor_makes_the_same_data(robot, elsewhere):
    assert elsewhere[robot] == digest(robot)
