"""The drawings show what they are given: as many cells, arrows, bars and arcs as there are."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from droco_lite.figures.cliff import draw_cliff, draw_landing, draw_moves
from droco_lite.tabular import WassersteinBall, WindyCliff, jump, optimal_coupling, solve, standard


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_the_cliff_has_a_cell_per_state_and_an_arrow_per_choice(ax):
    world = WindyCliff(height=3, width=5)
    operator = standard(world.mdp(0))
    q = solve(operator)
    draw_cliff(ax, world, operator.values(q), operator.greedy(q), numbers=True)
    cells = world.height * world.width - len(world.cliff)
    assert sum(isinstance(patch, Rectangle) for patch in ax.patches) == cells + 1  # and the rock
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == cells - 1  # none at the goal
    assert "1.00" in {text.get_text() for text in ax.texts}  # the goal's value


def test_landings_and_moves(ax):
    world = jump()
    assert world.nominal.sum() == pytest.approx(1)
    assert world.distances[2, 12] == 10
    worst = WassersteinBall(0.6, world.distances).worst_case(world.values, world.nominal)
    draw_landing(ax, world.positions, world.nominal, worst.distributions)
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == [*worst.distributions, *world.nominal[world.nominal > 0]]
    plan = optimal_coupling(world.nominal, worst.distributions, world.distances)
    draw_moves(ax, world.positions, plan, "black")
    moved = (plan > 1e-9) & ~np.eye(13, dtype=bool)
    assert len(ax.lines) == 2 * moved.sum() > 0  # an arc and its tip each
