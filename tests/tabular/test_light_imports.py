"""What the room costs to enter, and where its names live."""

import subprocess
import sys

import droco_lite.tabular as tabular

HEAVY = ("torch", "mujoco", "ot", "scipy", "matplotlib", "gymnasium", "minari", "pandas")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_room_loads_numpy_only():
    loaded = f"print([m for m in {HEAVY} if m in sys.modules])"
    assert run(f"import sys; import droco_lite.tabular; {loaded}") == "[]"


def test_a_robust_problem_is_solved_without_them():
    code = (
        "import sys; from droco_lite.tabular import *; world = WindyCliff();"
        "solve(robust(world.mdp(0), WassersteinBall(0.1, world.distances)));"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    assert run(code) == "[]"


def test_every_public_name_is_documented_where_it_is_defined():
    for name in tabular.__all__:
        thing = getattr(tabular, name)
        if callable(thing):
            assert thing.__doc__, name
            first, *rest = thing.__doc__.splitlines()
            assert first.endswith("."), f"{name}: its summary does not fit one line"
            assert not rest or not rest[0].strip(), f"{name}: its summary does not fit one line"
