"""Sentences made of results, by one set of rules, so that no page says what the files do not.

An arm is *ahead of* another where two things hold: the 95 % interval of the probability of
improvement lies above one half, and the mean score is higher by at least :data:`LEAST` points.  It
is *behind* where both hold the other way round, and *level with* it otherwise: the seeds show no
difference, or one of less than a point, or how often and by how much do not agree.  "Level" never
means that there is no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from droco_lite.report import statistics
from droco_lite.report.results import DROCO, FAR_OUTSIDE, Results
from droco_lite.report.statistics import in_print, interval_in_print
from droco_lite.report.tables import loss_of_seeds, shifted

LEAST = 1.0  # points of score; a smaller lead is of no use, however sure
LARGE = 5.0  # points that no reader should miss, though the seeds leave them open
IQL_STAR = "IQL*"
#: What nobody needs the source for.
TARGET_ALONE = ("IQL, target", "cloning, target")
#: The arms that the answer rests on.
ASKED = (IQL_STAR, *TARGET_ALONE)
WORDS = ("ahead of", "level with", "behind")
#: Families that a loss is said of, in words.
CHANGED = {"kinematic": "joints that lost range", "morph": "other limbs"}
WHERE = {"clean": "On the robot as it is", "shifted": "Under shifts that no learner saw"}


@dataclass(frozen=True)
class Verdict:
    """How one arm stands to another.

    Attributes:
        first, second: the arms' labels.
        word: one of :data:`WORDS`.
        points, low, high: difference of mean scores with its 95 % interval.
        chance, chance_low, chance_high: probability of improvement with its 95 % interval.
    """

    first: str
    second: str
    word: str
    points: float
    low: float
    high: float
    chance: float
    chance_low: float
    chance_high: float

    def __str__(self) -> str:
        return f"{self.first} is {self.word} {self.second} ({self.size})"

    @property
    def size(self) -> str:
        """The difference in points and its 95 % interval: ``+25.2; +24.5 to +26.2``.

        A difference that only rounding brings up to :data:`LEAST` has two digits.
        """
        rounded_up = abs(self.points) < LEAST <= round(abs(self.points), 1)
        points = in_print(self.points, "+.2f" if rounded_up else "+.1f")
        return f"{points}; {interval_in_print(self.low, self.high)}"


def compare(x: np.ndarray, y: np.ndarray, first: str, second: str) -> Verdict:
    """The verdict on two arms' scores ``[seeds, conditions]``.

    Raises:
        ValueError: fewer than three seeds, or unequal conditions.
    """
    points = float(np.mean(x) - np.mean(y))
    low, high = statistics.difference_interval(x, y)
    chance = statistics.probability_of_improvement(x, y)
    chance_low, chance_high = statistics.improvement_interval(x, y)
    word = "level with"
    if chance_low > 0.5 and points >= LEAST:
        word = "ahead of"
    elif chance_high < 0.5 and points <= -LEAST:
        word = "behind"
    numbers = (points, low, high, chance, chance_low, chance_high)
    return Verdict(first, second, word, *map(float, numbers))


def verdicts(results: Results, where: str = "clean", over: str = DROCO) -> list[Verdict]:
    """How an arm stands to every other one.

    Args:
        results: a task's.
        where: ``clean``, or ``shifted`` for all shifts that are not the source's own.
        over: the arm's label.

    Raises:
        KeyError: another ``where``, or an arm without results.
    """
    lines = {"clean": results.clean, "shifted": shifted(results)}[where]
    if lines.empty:  # no shift was tried that is not the source's own
        return []
    scores = statistics.scores_by_seed(lines, across=["shift"])
    others = [label for label in results.labels if label != over]
    return [compare(scores[over], scores[label], over, label) for label in others]


def against(results: Results, where: str, arms: Sequence[str], over: str = DROCO) -> list[Verdict]:
    """How an arm stands to those of ``arms`` with results, and to no other: each costs time."""
    there = [arm for arm in arms if arm in results.labels]
    found = {v.second: v for v in verdicts(results.only([over, *there]), where, over)}
    return [found[arm] for arm in there if arm in found]


def claim(results: Sequence[Results]) -> str:
    """What DROCO gains, as one short paragraph a task: over IQL*, and over the target alone."""
    return "\n\n".join(claim_of(each) for each in results)


def claim_of(results: Results) -> str:
    """The paragraph of :func:`claim` on one task, as Markdown.

    It says how DROCO stands to the arms of :data:`ASKED` that have results, on the robot as it is
    and under shifts that no learner saw.  It ends with the steps and seeds behind it.

    Args:
        results: the task's, with those of DROCO among them.

    Raises:
        KeyError: DROCO has no results.
        ValueError: an arm has fewer than three seeds, or arms were tried under unequal shifts.
    """
    found = {where: against(results, where, ASKED) for where in WHERE}
    clean = {verdict.second: verdict.word for verdict in found["clean"]}
    said = [f"**{results.robot}.** {meaning(clean)}".strip()]
    for where, words in WHERE.items():
        if found[where]:
            said.append(f"{words}, DROCO is {_grouped(found[where])}.")
    said.append(f"({results.steps:,} steps, {seeds_of(results)}.)")
    return " ".join(said)


def seeds_of(results: Results) -> str:
    """How many seeds an arm has had: ``3 seeds``, or ``3 to 5 seeds``."""
    counts = results.clean.groupby("label")["seed"].nunique()
    few, many = counts.min(), counts.max()
    return f"{few} seeds" if few == many else f"{few} to {many} seeds"


def _grouped(found: Sequence[Verdict]) -> str:
    """Verdicts of one word together: ``ahead of A (+2; ...); and level with B and C``."""
    parts = []
    for word in WORDS:
        arms = [sized(v) for v in found if v.word == word]
        if arms:
            parts.append(f"{word} {named(arms)}")
    return "; and ".join(parts)


def meaning(words: dict[str, str]) -> str:
    """What the comparison with IQL* and with the target alone comes to; empty if one is missing."""
    alone = [words[name] for name in TARGET_ALONE if name in words]
    if IQL_STAR not in words or not alone:
        return ""
    helped = words[IQL_STAR] == "ahead of"
    gained = [name for name in TARGET_ALONE if words.get(name) == "ahead of"]
    if len(gained) == len(alone):
        source = "the source's data helped"
    elif "behind" in alone:
        source = "leaving the source's data out does better"
    elif gained:
        source = f"of the arms that never see the source DROCO leads {written(gained[0])} alone"
    else:
        source = "no lead over the arms that never see the source is shown"
    penalty = (
        "The penalty helped"
        if helped
        else "The penalty cost return"
        if words[IQL_STAR] == "behind"
        else "The penalty changed nothing that these seeds can show"
    )
    joined = "and" if helped == bool(gained) else "but"
    return f"{penalty}, {joined} {source}."


def standings(results: Sequence[Results]) -> str:
    """Where DROCO stands among all arms: a list of a task's arms ahead, level and behind."""
    lines = []
    for each in results:
        lines += [f"**{each.robot}**", ""]
        for where, words in WHERE.items():
            found = verdicts(each, where)
            parts = []
            for word in WORDS:
                arms = [_with_size(v) for v in found if v.word == word]
                if arms:
                    parts.append(f"{word} {listed(arms)}")
            if parts:
                lines.append(f"* {words}, DROCO is {'; '.join(parts)}.")
        lines.append("")
    return "\n".join(lines).strip()


def _with_size(verdict: Verdict) -> str:
    """An arm, and the difference where *level* hides a large one that its seeds leave open."""
    hides = verdict.word == "level with" and abs(verdict.points) >= LARGE
    return sized(verdict) if hides else written(verdict.second)


def losses(results: Sequence[Results]) -> str:
    """What DROCO loses at full strength, and whether others that start as high lose less."""
    found = [(each, {family: _compared(each, family) for family in CHANGED}) for each in results]
    counted = [one for _, by in found for one in by.values() if one is not None]
    return "\n\n".join([_answer(counted), *(_losses(*each) for each in found)])


@dataclass(frozen=True)
class _Losses:
    """DROCO's losses, seed by seed, and how those of arms of like clean return compare."""

    ours: np.ndarray
    less: list[str]
    more: list[str]
    rest: list[str]

    @property
    def arms(self) -> int:
        """How many were compared."""
        return len(self.less) + len(self.more) + len(self.rest)


def _compared(results: Results, family: str) -> _Losses | None:
    """The losses under a family at full strength; None where DROCO's are not known."""
    table = loss_of_seeds(results, family, "hard")
    if DROCO not in table.index:  # none of these shifts was tried
        return None
    ours = table.loc[DROCO]
    # DROCO's other settings and controls are no rivals.
    others = table[[not label.startswith(DROCO) for label in table.index]]
    if ours.isna().any():
        return None
    less = [label for label in others.index if others.loc[label].max() < ours.min()]
    more = [label for label in others.index if others.loc[label].min() > ours.max()]
    rest = [label for label in others.index if label not in (*less, *more)]
    return _Losses(ours.to_numpy(), less, more, rest)


def _answer(found: Sequence[_Losses]) -> str:
    """Whether DROCO loses less than others: a word, and the counts that it stands for."""
    arms = sum(each.arms for each in found)
    if not arms:
        return "**Not known:** no other method has a clean return near DROCO's."
    wins, defeats = sum(len(each.more) for each in found), sum(len(each.less) for each in found)
    word = "Mostly" if 2 * wins > arms else "Mostly not"
    word = {0: "No", arms: "Yes"}.get(wins, word)
    return (
        f"**{word}.** DROCO was compared {arms} times with another method of like clean return. "
        f"Every seed of DROCO loses less in {wins} of these comparisons and more in {defeats}; in "
        f"{arms - wins - defeats} the seeds overlap."
    )


def _own_loss(lost: np.ndarray) -> str:
    """What DROCO's seeds lose, in percent of their clean return, or gain."""
    mean, low, high = lost.mean(), lost.min(), lost.max()
    if round(mean) < 0:
        higher, least, most = in_print(-mean), in_print(-high), in_print(-low)
        return f"DROCO's return is {higher} % above its clean one (seeds {least} to {most})."
    said = f"DROCO loses {in_print(mean)} % of its clean return"
    return f"{said} (seeds {in_print(low)} to {in_print(high)})."


def _losses(results: Results, compared: Mapping[str, _Losses | None]) -> str:
    said = [f"**{results.robot}** ({results.steps:,} steps, {seeds_of(results)})."]
    for family, words in CHANGED.items():
        found = compared[family]
        if found is None:
            continue
        said.append(f"With {words}, {_own_loss(found.ours)}")
        if not found.arms:
            said.append("No other method has a clean return near its own.")
            continue
        for word, arms in (("less", found.less), ("more", found.more)):
            if arms:
                lose = "loses" if len(arms) == 1 else "lose"
                said.append(f"{listed(list(map(written, arms)))} {lose} {word} in every seed.")
        if found.rest:
            said.append(
                f"The seeds of {listed(list(map(written, found.rest)))} overlap with DROCO's."
            )
    return " ".join(said)


def which_droco(results: Sequence[Results]) -> str:
    """A note that says which form of DROCO the numbers are of, and whose values left the range."""
    said = []
    for words, robots in _bounds(results).items():
        said.append(f"On {named(robots)}, DROCO {words}.")
    if any("DROCO, shuffled" in each.labels and not each.floored for each in results):
        said.append(
            "There the control *shuffled* was charged too large a penalty early in training: rest "
            "no conclusion on it."
        )
    left = [*filter(None, map(_ran_away, results)), *filter(None, map(_others_ran_away, results))]
    return "\n>\n".join(
        f"> {' '.join(part)}" for part in (["**Which DROCO?**", *said], left) if part
    )


def _bounds(results: Sequence[Results]) -> dict[str, list[str]]:
    """How DROCO's backed-up values are bounded -> the robots on which they were."""
    found: dict[str, list[str]] = {}
    for each in results:
        words = "is the formula as the paper prints it, without a floor"
        if each.floored and "ceiling" in each.about["arms"][DROCO]:
            words = (
                "has a *floor* and a *ceiling*: what it backs up is never below the smallest "
                "possible return, nor above the largest"
            )
        elif each.floored:
            words = (
                "has a *floor* alone: what it backs up is never below the smallest possible return"
            )
        found.setdefault(words, []).append(each.robot)
    return found


def _others_ran_away(results: Results) -> str:
    """Which other arms of DROCO had values that no return can have; empty if none."""
    found = []
    for label in results.labels:
        if label.startswith(DROCO) and label != DROCO:
            own = results.values_of(label)
            if own["away"].any() and "outside" in own and own["outside"].max() >= FAR_OUTSIDE:
                found.append(f"{written(label)} with up to {100 * own['outside'].max():.0f} %")
    if not found:
        return ""
    return (
        f"On {results.robot} other forms left that range: {listed(found)} of the values at a look."
    )


def _ran_away(results: Results) -> str:
    """A sentence on values that no return can have, in any evaluation; empty if there are none."""
    own = results.values_of(DROCO)
    if not own["away"].any():
        return ""
    share = own.loc[own["away"], "outside"].max() if "outside" in own else np.nan
    if share < FAR_OUTSIDE and not own["far"].any():
        return (
            f"On {results.robot} up to {100 * share:.1f} % of its values at a look lay outside of "
            "the range that returns can have."
        )
    last = own[own["step"] == own["step"].max()]
    when, told = ("ended", last) if last["away"].any() else ("had once been", own[own["away"]])
    return (
        f"On {results.robot} its values ran away: the mean of _V_ over source states {when} "
        f"between {in_print(told['v_source'].min(), ',.0f')} and "
        f"{in_print(told['v_source'].max(), ',.0f')}."
    )


def not_run(results: Sequence[Results], others: Sequence[Results] = ()) -> str:
    """Which of the paper's methods, and MICRO, have no results; empty if none.

    Args:
        results: by task.
        others: of other studies of the same tasks, which may hold more methods.
    """
    robots: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def found(how: str, labels: Sequence[str], left: list[str], robot: str) -> list[str]:
        if labels:
            robots.setdefault((how, tuple(labels)), []).append(robot)
        return [label for label in left if label not in labels]

    for each in results:
        left = list(each.missing)
        begun = _begun(each)
        for other in (other for other in others if other.task == each.task):
            if other.steps != each.steps:
                short = other.steps < each.steps
                how = "only" if short else "in an older study, beside DROCO without a floor"
                only = [label for label in left if label in other.labels]
                how = f"trained for {other.steps:,} steps {how}"
                left = found(how, only, left, each.robot)
        for label, how in begun.items():
            found(how, [label], left, each.robot)
        left = [label for label in left if label not in begun]
        found("not been run", left, left, each.robot)
    said = [
        _where_run(how, list(map(written, labels)), named(where))
        for (how, labels), where in robots.items()
    ]
    return "\n".join(f"* {one}" for one in said) if len(said) > 1 else "".join(said)


def _begun(results: Results) -> dict[str, str]:
    """Missing method -> how far it came and what it scored there, beside DROCO at that step."""
    told, looks = {}, results.curves
    for label in results.missing:
        own = looks[looks["label"] == label]
        if own.empty:
            continue
        last = own["step"].max()
        at = looks[looks["step"] == last].groupby("label")["score"]
        ends = at.agg(["min", "max"]).itertuples()
        scores = {
            arm: " to ".join(dict.fromkeys(in_print(end, ".1f") for end in both))
            for arm, *both in ends
        }
        told[label] = (
            f"trained for {last:,} of {results.steps:,} steps, and not tried under shifts; on the "
            f"robot as it is it scored {scores[label]} there"
            + (f", DROCO {scores[DROCO]} then" if DROCO in scores else "")
        )
    return told


def _where_run(how: str, arms: Sequence[str], robots: str) -> str:
    """A sentence on arms that another study has, or none."""
    one = len(arms) == 1
    verb = ("has" if one else "have") if how == "not been run" else ("was" if one else "were")
    return f"On {robots}, {listed(arms)} {verb} {how}."


def sized(verdict: Verdict) -> str:
    """The other arm, as :func:`written`, and the difference with its interval."""
    return f"{written(verdict.second)} ({verdict.size})"


def written(label: str) -> str:
    """An arm's label as Markdown, in italics, since some hold a comma."""
    return "_" + label.replace("*", "\\*") + "_"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, or ``a; b; and c``."""
    *most, last = parts
    if len(most) < 2:
        return " and ".join(parts)
    return f"{'; '.join(most)}; and {last}"


def named(parts: Sequence[str]) -> str:
    """Names that hold no comma: ``a``, ``a and b``, or ``a, b and c``."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
