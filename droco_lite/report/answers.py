"""The evidence in short: lists and paragraphs of :mod:`droco_lite.report.verdicts` over robots.

Robots of which the same can be said stand together, so that a list stays short however many there
are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from droco_lite.report.results import Results
from droco_lite.report.verdicts import (
    ASKED,
    IQL_STAR,
    TARGET_ALONE,
    WHERE,
    WORDS,
    Verdict,
    against,
    claim_of,
    named,
    seeds_of,
    written,
)


def lead(results: Sequence[Results], short: Sequence[Results] = ()) -> str:
    """The answer in short, as a list: what helped on which robot, by how much, and how sure.

    Args:
        results: by task.
        short: those of the same tasks after a shorter training.
    """
    said = []
    for where, words in WHERE.items():
        found = {each.robot: {v.second: v for v in against(each, where, ASKED)} for each in results}
        penalty, source = _penalty(found), _source(found)
        parts = [f"{words}, {penalty}." if penalty else f"{words}:", f"{source}." if source else ""]
        if penalty or source:
            said.append(f"* {' '.join(filter(None, parts))}")
    said += [f"* {_earlier(*pair)}" for pair in _pairs(short, results)]
    said.append(
        f"* How sure: {_trained(results)}; one pair of data sets a robot. Another pair may change "
        "the order."
    )
    return "\n".join(["**In short**, in points of score (95 % intervals):", "", *said])


def _penalty(found: Mapping[str, Mapping[str, Verdict]]) -> str:
    """On which robots DROCO is ahead of IQL*, and on which it is not; empty without IQL*."""
    says = {"ahead of": "helps", "level with": "shows no effect", "behind": "costs return"}
    robots = _by_word(found, IQL_STAR)
    parts = [f"{says[word]} on {named(_sized(by))}" for word, by in robots.items()]
    return f"the penalty {'; '.join(parts)}" if parts else ""


def _source(found: Mapping[str, Mapping[str, Verdict]]) -> str:
    """How DROCO stands on each robot to what leaves the source out; empty without such arms."""
    said = []
    for arm in TARGET_ALONE:
        robots = _by_word(found, arm)
        parts = [
            f"{word.split()[0] if k else f'{word} {written(arm)}'} on "
            f"{named(list(by) if word == 'level with' else _sized(by))}"
            for k, (word, by) in enumerate(robots.items())
        ]
        said += [", ".join(parts)] if parts else []
    return f"Beside arms that never see the source, DROCO is {'; '.join(said)}" if said else ""


def _by_word(found: Mapping[str, Mapping[str, Verdict]], arm: str) -> dict[str, dict[str, Verdict]]:
    """Word -> robot -> how DROCO stands to an arm there, of the robots that have it."""
    there = {robot: by[arm] for robot, by in found.items() if arm in by}
    sorts = {word: {r: v for r, v in there.items() if v.word == word} for word in WORDS}
    return {word: by for word, by in sorts.items() if by}


def _sized(by: Mapping[str, Verdict]) -> list[str]:
    """Each robot with the difference and its interval: ``Hopper (+4.0; +2.4 to +7.0)``."""
    return [f"{robot} ({verdict.size})" for robot, verdict in by.items()]


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
        return f"{on} DROCO was not ahead of both of these {then} {had}."
    kept = "and is not" if leads is None else "and still is"
    return (
        f"{on} DROCO was ahead of both of these {then} (the smaller lead: {led.size}), "
        f"{kept} {now}."
    )


def _least_lead(results: Results) -> Verdict | None:
    """How DROCO leads the better of both arms without the source; None if it leads not both."""
    found = against(results, "clean", TARGET_ALONE)
    if len(found) < len(TARGET_ALONE) or any(v.word != "ahead of" for v in found):
        return None
    return min(found, key=lambda verdict: verdict.points)
