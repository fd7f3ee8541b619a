"""What hand-written sentences quote: the page, its exact words, and how they are worked out.

An entry is one line to change.  Words stand as the page has them, on one line, with formulas and
code as ``x``.  What is worked out stands in brackets, which the page does not have; the last part
gives it with the page's own rounding, a string for each pair of brackets.  So a file that moves by
more than the page rounds makes the two differ.  Settings stand in :mod:`quoted_settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import quoted_beside as beside
import quoted_figures as of
from quoting import share

from droco_lite.robots import ROBOTS


class Quote(NamedTuple):
    """Words of a page that come from results, and what works out those in brackets."""

    page: str
    marked: str
    made: Callable[[], str | tuple[str, ...]]

    @property
    def phrase(self) -> str:
        return re.sub(r"[\[\]]", "", self.marked)

    @property
    def quoted(self) -> list[str]:
        return re.findall(r"\[([^]]+)\]", self.marked)

    def found(self) -> list[str]:
        """What the results say now."""
        made = self.made()
        return [made] if isinstance(made, str) else list(made)


#: The chapters of the evidence, but for training_droco.
EVIDENCE = (
    Quote("scorecard", "With [three] to [five] seeds", of.seeds_of_evidence),
    Quote("scorecard", "once in [twenty] times", of.one_way),
    Quote("scorecard", "studies of the same robots, with [three] seeds", of.seeds_of_others),
    Quote("scorecard", "The one of [40,000] steps", of.steps_of(of.study)),
    Quote("scorecard", "after [100,000] steps", of.steps_of(of.walker2d)),
    Quote("scorecard", "Those of [200,000] steps", of.steps_of(of.older)),
    Quote("scorecard", "[five] times as many source rows", of.times_as_many_rows),
    Quote("scorecard", "it is in [one] of [four] comparisons", of.rows_matter),
    Quote("deploying", "those of [40,000] steps", of.steps_of(of.study)),
    Quote("deploying", "In [four] it loses more than the other method", lambda: of.losses()[1]),
    Quote("deploying", "in every seed, and in [two] less", lambda: of.losses()[0]),
    Quote("sensitivity", "[two] seeds leave it open", of.seeds_of_grid),
    Quote("sensitivity", "up to [half] of the source's errors", beside.clipped_at_most),
    Quote("sensitivity", "about one shuffle in [twenty]", beside.by_chance),
    Quote("sensitivity", "about once in [twenty] times", beside.by_chance),
    Quote(
        "sensitivity", "HalfCheetah's grid has [one] seed, Hopper's [two]", beside.seeds_of_small
    ),
    Quote("sensitivity", "It is [one] seed", lambda: beside.seeds_of_small()[0]),
    Quote("sensitivity", "where there are [three] seeds", beside.seeds_of_long),
    Quote("sensitivity", "for [a third] of the time, earns [twice]", beside.stopped_clone),
    Quote("sensitivity", "clips [half] of the source rows in the end", beside.clipped_at_200_rows),
    Quote("sensitivity", "at [2.9] times the usual", beside.heaviest_gravity),
    Quote("sensitivity", "explains [a quarter] on average", lambda: share(2 / 8)),
    Quote("sensitivity", "about [half] of the penalty, or more", beside.least_noise),
    Quote("choosing", "In [two] of [three] exams", beside.followers),
    Quote("choosing", "In the [three] exams", beside.exams_run),
    Quote("choosing", "result of [three] small exams", beside.exams_run),
    Quote("choosing", "With [nine] candidates, or [four],", beside.candidates),
    Quote("choosing", "one seed and [four] shifts", beside.foreign_of_grid),
    Quote("choosing", "under [four] shifts", beside.foreign_of_grid),
    Quote(
        "choosing", "correlation is [−0.3]", lambda: beside.correlation("longer", "own_value")[0]
    ),
    Quote("choosing", "[+0.6] ([−0.2] to [+1.0])", lambda: beside.correlation("grid", "imitation")),
    Quote("choosing", "is at [−0.1] on", lambda: beside.correlation("longer", "imitation")[0]),
    Quote("choosing", "reaches 0.5 in [two] cases of five", beside.best_of_six),
    Quote("choosing", "rank correlation [0.9]", beside.order_of_snapshots),
    Quote("choosing", "worth [a fifth] of what", beside.level_of_snapshots),
)

#: Training DROCO on a robot.
TRAINING = (
    Quote("training_droco", "[200,000] source rows", of.rows_of(of.walker2d, "source")),
    Quote("training_droco", "[10,000] target rows", of.rows_of(of.walker2d, "target")),
    Quote("training_droco", "[five] seeds of DROCO at x and ½", lambda: of.seeds_of_longer()[0]),
    Quote(
        "training_droco", "target's data, [three] of the others", lambda: of.seeds_of_longer()[1]
    ),
    Quote("training_droco", "[40,000] steps", of.steps_of(of.study)),
    Quote("training_droco", "[100,000] steps", of.steps_of(of.walker2d)),
    Quote("training_droco", "after [100,000] it has fallen back", of.steps_of(of.walker2d)),
    Quote("training_droco", "after [100,000] see the top", of.steps_of(of.walker2d)),
    Quote("training_droco", "steps, with [three] seeds", of.seeds_of(of.study)),
    Quote("training_droco", "steps, [three] seeds", of.seeds_of(of.few(1000))),
    Quote("training_droco", "its [three] seeds earn [no less] than with 10,000", of.no_less),
    Quote("training_droco", "With 300 they earn about [half]", of.left_of_300_rows),
    Quote("training_droco", "trains for [a twentieth] of the time", of.clone_of_the_gate),
    Quote("training_droco", "at most [1,000] steps, from [30] starts", of.tried),
    Quote("training_droco", "walks in [four] tries of ten", of.walks("IQL, target")),
    Quote("training_droco", "and falls in [a quarter]", of.falls("IQL, target")),
    Quote("training_droco", r"IQL\* walks in [eight] of ten", of.walks("IQL*")),
    Quote("training_droco", "walks in [a third] of its tries", of.walks("DROCO, β = 0.1", share)),
    Quote("training_droco", "More than [ten] times", of.larger_error),
    Quote("training_droco", "[two] of its [three] seeds lose their gait", of.lost_gait),
    Quote("training_droco", "in [one] seed far", of.far_above),
    Quote("training_droco", "it matters in [one] of [four] comparisons", of.rows_matter),
    Quote("training_droco", "falls below [−200,000] in every seed", of.lowest_value),
    Quote("training_droco", "in the [200,000] steps of x", of.steps_of(of.older)),
    Quote("training_droco", "to minus [millions]", of.millions),
    Quote("training_droco", "As printed, [half] of the values leave", of.outside_as_printed),
    Quote("training_droco", "some [seventy] times narrower", of.narrower),
    Quote("training_droco", "each of the [seven] foreign shifts", of.foreign_shifts),
)

#: Pages beside the evidence.  Those that train something small of their own print its figures.
PAGES = (
    Quote("robots_and_data", "of the [33] pairs", lambda: str(len(beside.pairs()))),
    Quote("robots_and_data", "Hopper below [0.7] m", lambda: beside.healthy("hopper")[0]),
    Quote("robots_and_data", "Walker2d outside [0.8] to [2] m", lambda: beside.healthy("walker2d")),
    Quote("robots_and_data", "Ant outside [0.2] to [1] m", lambda: beside.healthy("ant")),
    Quote("robots_and_data", "after [1000] steps", lambda: str(ROBOTS["ant"].max_episode_steps)),
    Quote("robots_and_data", "weighs about [four] and [three] times as much", beside.heavier),
    Quote("robots_and_data", "OTDF's range is [a twentieth] of it", beside.otdf_range),
    Quote("the_loop", "is more than [twice] as fast as a plain port", beside.faster),
    Quote("the_loop", "[3] to [16] % higher", beside.lead_over_jax),
    Quote(
        "the_loop",
        "([3.14 to 3.57] against [3.16 to 3.47], [2.03 to 3.16] against [1.60 to 2.74], "
        "[2.40 to 3.96] against [2.09 to 3.68])",
        beside.ranges,
    ),
    Quote("the_loop", "About [a fifth]: the line", beside.share_of_predictions),
    Quote("the_loop", "[two] seeds", of.seeds_of_grid),
    Quote("the_loop", "[24] runs of Walker2d", lambda: beside.runs_of_grid()[0]),
    Quote("the_loop", "on [200,000] source", of.rows_of(of.floored, "source")),
    Quote("the_loop", "and [10,000] target rows", of.rows_of(of.floored, "target")),
    Quote("the_loop", "for [100,000] steps", of.steps_of(of.floored)),
    Quote("the_loop", "all [24] curves", lambda: beside.runs_of_grid()[0]),
    Quote("the_loop", "over the [eight] runs of each", lambda: beside.runs_of_grid()[1]),
    Quote("the_loop", "[two fifths] of the source's errors", beside.clipped_by_grid),
    Quote("public_code", "still falling after [200,000] steps", of.steps_of(of.older)),
    Quote("public_code", "what [200,000] steps of networks", of.steps_of(of.older)),
    Quote("public_code", "[8,000] steps", of.steps_of(of.forms)),
    Quote("public_code", "steps, [three] seeds", of.seeds_of(of.forms)),
    Quote("public_code", "[more than twice] IQL*'s values", beside.lowest_state),
    Quote("public_code_training", "about [four] of its own", beside.claims_too_much("long")),
    Quote("public_code_training", "the stopped fit by [two]", beside.claims_too_much("stopped")),
    Quote("public_code_training", "One row in [twenty]", beside.repeated),
    Quote(
        "public_code_training",
        "about [350,000] gradient steps",
        lambda: beside.steps_of_passes()[0],
    ),
    Quote("public_code_training", "[a third] as many as the", lambda: beside.steps_of_passes()[1]),
    Quote("bring_your_own_robot", "earns [half] as much on the worn robot", beside.gait_when_worn),
    Quote(
        "bring_your_own_robot", "a stiffer elbow takes [half] of the return", beside.stiffer_elbow
    ),
    Quote("bring_your_own_robot", "[one] seed of theirs comes to [18] and [21]", beside.luckiest),
    Quote("bring_your_own_robot", "[less] than half of what it earns", beside.luckiest_share),
    Quote("bring_your_own_robot", "are at [−1 ± 6] and [−2 ± 8]", beside.under_less_gravity),
)

QUOTED = (*EVIDENCE, *TRAINING, *PAGES)
