"""The evidence in short: a table and sentences of :mod:`droco_lite.report.verdicts` over robots."""

from __future__ import annotations

from collections.abc import Sequence

from droco_lite.evaluation.arms import PAPER
from droco_lite.report.results import DROCO, Results
from droco_lite.report.verdicts import (
    ASKED,
    TARGET_ALONE,
    Verdict,
    against,
    claim_of,
    named,
    seeds_of,
    sized,
    written,
)

#: Methods that the table has no column for.
RIVALS = tuple(arm for arm in (*PAPER, "MICRO") if arm not in (DROCO, *ASKED))
#: The lines of a robot, by what its scores come from.
LINES = {"clean": "as it is", "shifted": "under shifts"}
#: The same in a sentence.
PLACES = {"clean": "on the robot as it is", "shifted": "under shifts"}


def lead(
    results: Sequence[Results], short: Sequence[Results] = (), older: Sequence[Results] = ()
) -> str:
    """The answer in short: a table of what DROCO leads by on each robot, and how sure it is.

    A rival that is ahead of DROCO, on the robot as it is or under shifts, has a sentence.

    Args:
        results: by task.
        short: those of the same tasks after a shorter training.
        older: those of the same tasks after a longer one, which are named where they say otherwise.
    """
    said = [f"* {_earlier(*pair)}" for pair in _pairs(short, results)]
    said += [f"* {line}" for each in results for rival in RIVALS if (line := _above(each, rival))]
    said += [f"* {line}" for pair in _pairs(results, older) if (line := _otherwise(*pair))]
    said.append(
        f"* How sure: {_trained(results)}; one pair of data sets a robot. Another pair may change "
        "the order."
    )
    return "\n".join([_table(results), "", *said])


def _table(results: Sequence[Results]) -> str:
    """How DROCO compares with the arms of the answer: two lines a robot, a column an arm."""
    lines = [
        "**DROCO's lead** in points of score, with its 95 % interval, over",
        "",
        f"| robot | {' | '.join(map(written, ASKED))} |",
        f"|---{'|---' * len(ASKED)}|",
    ]
    for each in results:
        for where, words in LINES.items():
            found = {v.second: v for v in against(each, where, ASKED)}
            if found:
                cells = [_cell(found[arm]) if arm in found else "not run" for arm in ASKED]
                lines.append(f"| {each.robot}, {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(verdict: Verdict) -> str:
    """The word, heavy where there is a difference, and its size: ``**ahead** +4 (+2 to +6)``."""
    word, (points, interval) = verdict.word.split()[0], verdict.size.split("; ")
    return f"{word if word == 'level' else f'**{word}**'} {points} ({interval})"


def _trained(results: Sequence[Results]) -> str:
    """How long, and with how many seeds on which robots."""
    sorts: dict[int, dict[str, list[str]]] = {}
    for each in results:
        sorts.setdefault(each.steps, {}).setdefault(seeds_of(each), []).append(each.robot)
    return "; ".join(
        f"{steps:,} steps, "
        + ", and ".join(f"{seeds} on {named(robots)}" for seeds, robots in by_seeds.items())
        for steps, by_seeds in sorts.items()
    )


def longer(short: Sequence[Results], long: Sequence[Results]) -> str:
    """Whether DROCO's lead over leaving the source out stays when training goes on; or empty.

    Args:
        short: results by task.
        long: those of the same tasks that were trained for longer.
    """
    said = [
        f"**Trained for {each.steps:,} steps, DROCO {_lead_after(before, each)} "
        f"over both arms that never see the source.** {claim_of(each)}"
        for before, each in _pairs(short, long)
    ]
    return "\n\n".join(said)


def _pairs(short: Sequence[Results], long: Sequence[Results]) -> list[tuple[Results, Results]]:
    """Of each task that was trained for longer, the shorter training's results and the longer's."""
    before = {each.task: each for each in short}
    found = [(before[each.task], each) for each in long if each.task in before]
    return [(first, second) for first, second in found if first.steps < second.steps]


def _lead_after(before: Results, after: Results) -> str:
    """What became of the lead over both arms without the source, on the robot as it is."""
    return {
        (True, True): "keeps its lead",
        (True, False): "does not keep its lead",
        (False, True): "takes the lead",
        (False, False): "does not take the lead either",
    }[_least_lead(before) is not None, _least_lead(after) is not None]


def _earlier(before: Results, after: Results) -> str:
    """Whether what DROCO gains over both arms without the source was there earlier too."""
    led, leads = _least_lead(before), _least_lead(after)
    on = f"On {after.robot}"
    then = f"in an earlier study of {before.steps:,} steps"
    now = f"in this one of {after.steps:,}"
    if led is None:
        had = "either" if leads is None else "yet"
        return f"{on} DROCO was not ahead of both target-only arms {then} {had}."
    kept = "and is not" if leads is None else "and still is"
    return (
        f"{on} DROCO was ahead of both target-only arms {then} (the smaller lead: {led.size}), "
        f"{kept} {now}."
    )


def _otherwise(results: Results, older: Results) -> str:
    """What an older study that trained for longer says against these results; empty if nothing."""
    led = _least_lead(older)
    if (led is None) == (_least_lead(results) is None):
        return ""
    how = "" if older.floored else ", of the formula as printed,"
    said = (
        f"On {results.robot} an older study of {older.steps:,} steps{how} says otherwise: there "
        f"DROCO is {'not ' if led is None else ''}ahead of both target-only arms"
    )
    said += f" (the smaller lead: {led.size})." if led else "."
    rivals = [method for method in PAPER if method != DROCO]
    above = [v for v in against(older, "clean", rivals) if v.word == "behind"]
    if above:
        said += f" It is behind {named(list(map(sized, above)))} there."
    return said


def _above(results: Results, rival: str) -> str:
    """How a rival that is ahead of DROCO somewhere does; empty where it has no results, or is not.

    Args:
        results: a task's.
        rival: the arm's label.
    """
    if rival not in results.labels:
        return ""
    arms = (DROCO, *TARGET_ALONE)
    found = {where: {v.second: v for v in against(results, where, arms, rival)} for where in LINES}
    found = {where: words for where, words in found.items() if words}
    if not any(words[DROCO].word == "ahead of" for words in found.values()):
        return ""
    parts, both = [], "both target-only arms"
    for where, words in found.items():
        word, others = words[DROCO].word, [words[arm] for arm in TARGET_ALONE if arm in words]
        part = f"{word} DROCO ({words[DROCO].size})"
        if len(others) == len(TARGET_ALONE) and all(v.word == word for v in others):
            part += f" and {'of ' if word == 'ahead of' else ''}{both}"
            both = "both of them"
        parts.append(f"{part} {PLACES[where]}")
    return f"On {results.robot} {written(rival)} is {', and '.join(parts)}."


def _least_lead(results: Results) -> Verdict | None:
    """How DROCO leads the better of both arms without the source; None if it leads not both."""
    found = against(results, "clean", TARGET_ALONE)
    if len(found) < len(TARGET_ALONE) or any(v.word != "ahead of" for v in found):
        return None
    return min(found, key=lambda verdict: verdict.points)
