"""Figures of studies that pages quote by hand, worked out from ``results/``.

What other pages quote, of small grids, exams and benchmarks, is in :mod:`quoted_beside`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache

import pandas as pd
from chapters import ROOT, cells
from quoting import share, word

from droco_lite import report
from droco_lite.provenance import results_file
from droco_lite.report import verdicts

ANT = "ant-medium-replay"


@cache
def printed(page: str) -> str:
    """All plain text that the page's cells put out."""
    said = []
    for cell in cells(ROOT / f"book/{page}.ipynb", "code"):
        for output in cell["outputs"]:
            said += ["".join(output.get("text", ""))]
            said += ["".join(output.get("data", {}).get("text/plain", ""))]
    return "\n".join(said)


def shown(page: str, pattern: str) -> str:
    """The first group of the pattern's first match in the page's outputs."""
    found = re.search(pattern, printed(page))
    assert found, f"{page} no longer prints {pattern!r}"
    return found[1]


# Studies ------------------------------------------------------------------------------------------


@cache
def evidence() -> dict[str, report.Results]:
    return {each.robot: each for each in report.read_evidence()}


@cache
def study(name: str = "study", task: str = "walker2d-medium") -> report.Results:
    return report.read(task, results_file(name))


def walker2d() -> report.Results:
    """Walker2d's study of 100,000 steps."""
    return evidence()["Walker2d"]


@cache
def older() -> report.Results:
    """Walker2d's runs from before the package had bounds."""
    return next(each for each in report.read_long() if each.robot == "Walker2d")


def floored() -> report.Results:
    """The grid of beta and delta."""
    return study("study/grid")


def forms() -> report.Results:
    """The forms of the public code."""
    return study("study/public-forms")


def few(rows: int) -> Callable[[], report.Results]:
    """The study with so few target rows."""
    return lambda: study(f"study/{rows}-rows")


Study = Callable[[], report.Results]


def steps_of(results: Study) -> Callable[[], str]:
    return lambda: f"{results().steps:,}"


def rows_of(results: Study, side: str) -> Callable[[], str]:
    return lambda: f"{results().about['data'][f'{side}_size']:,}"


def seeds_of(results: Study, *labels: str) -> Callable[[], str]:
    """How many seeds these arms have, or all: one number."""

    def made() -> str:
        table = results().clean
        counts = table[table.label.isin(labels or results().labels)].groupby("label").seed.nunique()
        return " or ".join(map(word, sorted(set(counts))))

    return made


def seeds_of_evidence() -> tuple[str, str]:
    """The fewest and the most seeds of an arm on the scorecard."""
    counts = [each.clean.groupby("label").seed.nunique() for each in evidence().values()]
    return word(min(c.min() for c in counts)), word(max(c.max() for c in counts))


def seeds_of_others() -> str:
    return " or ".join({seeds_of(older)(), seeds_of(study)()})


def seeds_of_longer() -> tuple[str, str]:
    """Of Walker2d's arms: those with more seeds, and the rest."""
    more = ("DROCO", "DROCO, β = 0.5", "IQL, target")
    rest = [label for label in walker2d().labels if label not in more]
    return seeds_of(walker2d, *more)(), seeds_of(walker2d, *rest)()


seeds_of_grid = seeds_of(floored)


def times_as_many_rows() -> str:
    few, many = (each.about["data"]["source_size"] for each in (walker2d(), older()))
    return word(many / few)


def rows_matter() -> tuple[str, str]:
    """Comparisons with the shuffled twin that DROCO is ahead in, and all of them."""
    found = [
        verdicts.verdicts(study("study/control", task), where)[0]
        for task in ("walker2d-medium", ANT)
        for where in ("clean", "shifted")
    ]
    assert {verdict.second for verdict in found} == {"DROCO, shuffled"}
    return word(sum(one.word == "ahead of" for one in found)), word(len(found))


def losses() -> tuple[str, str]:
    """Comparisons under wear in which DROCO loses less, and more, in every seed."""
    said = report.text("losses", list(evidence().values()))
    less, more = re.search(r"less in (\d+) of .* and more in (\d+); in", said).groups()
    return word(int(less)), word(int(more))


def one_way() -> str:
    """How rarely two equal arms with three seeds a side put all nine pairs one way."""
    return word(math.comb(6, 3))


# Training -----------------------------------------------------------------------------------------


def earned(results: report.Results) -> float:
    """What IQL on the target earns."""
    return results.only(["IQL, target"]).clean.return_mean.mean()


def no_less() -> tuple[str, str]:
    """Seeds of IQL with 1,000 target rows, and how it stands beside 10,000."""
    less = earned(few(1000)()) < earned(study())
    return seeds_of(few(1000), "IQL, target")(), "less" if less else "no less"


def left_of_300_rows() -> str:
    return share(earned(few(300)()) / earned(few(1000)()))


def clone_of_the_gate() -> str:
    """The updates of the second gate's clone beside those of the study's."""
    updates = int(shown("training_droco", r"a clone after ([\d,]+) updates").replace(",", ""))
    return share(updates / evidence()["Ant"].steps)


@cache
def tries() -> pd.DataFrame:
    """Ant's tries: how far each went, whether it walked, whether it fell."""
    table = pd.read_csv(results_file(f"distances/{ANT}.csv"))
    return table.assign(walks=table.metres > 6, falls=table["steps"] < 1000)


def tried() -> tuple[str, str]:
    return f"{tries()['steps'].max():,}", str(tries().start.nunique())


def walks(label: str, said: Callable[[float], str] | None = None) -> Callable[[], str]:
    """Share of an arm's tries that go further than 6 m: of ten, or as ``said``."""
    found = lambda: tries()[tries().label == label].walks.mean()  # noqa: E731
    return lambda: said(found()) if said else word(10 * found())


def falls(label: str) -> Callable[[], str]:
    return lambda: share(tries()[tries().label == label].falls.mean())


def larger_error() -> str:
    """Times, in fives, that the models' error is larger on source rows than on unseen ones."""
    source, target = (
        float(shown("training_droco", rf"{side} +\{{'distance': [\d.]+, 'error': ([\d.]+)"))
        for side in ("source", "unseen target")
    )
    return word(math.floor(source / target / 5) * 5)


def lost_gait() -> tuple[str, str]:
    """Seeds of the oracle that end with a return below 0, of all."""
    last = walker2d().curves.query("label == 'DROCO, oracle' and step == 100_000")
    return word((last.return_mean < 0).sum()), word(last.seed.nunique())


def far_above() -> str:
    """Seeds of the oracle with nearly all values out of range."""
    last = walker2d().curves.query("label == 'DROCO, oracle' and step == 100_000")
    return word((last.outside > 0.9).sum())


def lowest_value() -> str:
    """The hundred thousands that every seed of the printed formula ends below."""
    last = study().curves.query("label == 'DROCO, as printed' and step == 40_000")
    return f"−{math.floor(-last.v_source.max() / 1e5) * 100_000:,}"


def millions() -> str:
    last = older().curves[lambda c: (c.step == older().steps) & (c.label == "DROCO")]
    return "millions" if last.v_source.max() < -2e6 else f"{last.v_source.max():,.0f}"


def outside_as_printed() -> str:
    """Share of values that leave the range at the worst look of the printed formula."""
    return share(study("bounds").curves.query("label == 'as printed'").outside.max())


def narrower() -> str:
    """How many times narrower the set is on the target's paths, in tens."""
    eps = pd.read_csv(results_file("study/widths-walker2d-medium.csv")).groupby("rows").eps.first()
    return word(eps["source"] / eps["target"])


def foreign_shifts() -> str:
    return word(study("study/hunt").foreign().query("strength == 1")["shift"].nunique())
