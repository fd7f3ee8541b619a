"""Which numbers of a page's prose could be results, and whether something answers for each.

A number counts where it has a decimal point, a sign or two digits, where it is a share ("a third",
"half of", "one of four"), and where what follows is counted in results ("four tries", "two seeds").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from chapters import ROOT, cells, source

WORDS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
TENS = {
    20: "twenty",
    30: "thirty",
    40: "forty",
    50: "fifty",
    60: "sixty",
    70: "seventy",
    80: "eighty",
}
#: Shares that a sentence has words for.
SHARES = {
    **{1 / 50: "a fiftieth", 1 / 20: "a twentieth", 1 / 10: "a tenth", 1 / 5: "a fifth"},
    **{1 / 4: "a quarter", 1 / 3: "a third", 2 / 5: "two fifths", 1 / 2: "half"},
    **{3 / 5: "three fifths", 2 / 3: "two thirds", 3 / 4: "three quarters", 1.0: "all"},
}

_SMALL = "|".join([*WORDS[1:], *TENS.values(), "a hundred", "a thousand", r"\d+"])
_PART = "third|quarter|fifth|sixth|seventh|eighth|tenth|twentieth|fiftieth|hundredth"
_COUNTED = (
    "points?|tries|seeds?|times|per cent|percent|comparisons|cases|metres|episodes|starts|runs"
    "|shifts|policies|pairs|robots|exams"
)
_START, _OF = r"(?<![\w.,])", r"(?:of|in) (?:(?:the|its|his|these|their|every) )?"
RESULT = re.compile(
    "|".join(
        [
            rf"{_START}[−+-]?\d[\d,]*\.\d+",  # 0.57
            rf"{_START}[−+-]?\d[\d,]*\d(?!\w)",  # 3,438 and 33
            rf"{_START}(?<!\))[−+±]\s?\d(?!\w)",  # −1, ± 8
            rf"{_START}\d(?= ?%)",
            rf"\b(?:{_SMALL}|an?|last)[ -](?:{_PART})s?\b",
            r"\b(?:twice|half (?:of|as|the)|(?:about|nearly|than|to|by|with) half)\b|[⅓⅔½¼¾]",
            rf"\b(?:{_SMALL})(?: [a-z]+)? {_OF}(?:{_SMALL})\b",
            rf"\b(?:{_SMALL})(?: [a-z]+)? (?:{_COUNTED})\b",
        ]
    ),
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def markdown(page: str) -> str:
    """All that is written by hand on a page, as one line."""
    return one_line("\n".join(source(c) for c in cells(ROOT / f"book/{page}.ipynb", "markdown")))


def says(page: str, *phrases: str) -> bool:
    """Whether the page has each of these phrases, word for word, whatever its line breaks."""
    return all(spans(one_line(phrase), markdown(page)) for phrase in phrases)


def spans(phrase: str, text: str) -> list[tuple[int, int]]:
    """Where the phrase stands in the text as whole words."""
    found = re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text)
    return [match.span() for match in found]


def unanswered(paragraphs: Iterable[str], phrases: Iterable[str]) -> list[tuple[str, str]]:
    """Result-like numbers that lie within no phrase, each with its surroundings."""
    phrases, left = list(phrases), []
    for text in map(one_line, paragraphs):
        covered = [span for phrase in phrases for span in spans(phrase, text)]
        for match in RESULT.finditer(text):
            if not any(low <= match.start() and match.end() <= high for low, high in covered):
                around = text[max(0, match.start() - 40) : match.end() + 40]
                left.append((match.group(), around))
    return left


def word(number: float) -> str:
    """A count in a word: the nearest whole number, or above twenty the nearest ten."""
    if number < len(WORDS) - 0.5:
        return WORDS[round(number)]
    return TENS[round(number, -1)]


def share(number: float) -> str:
    """A share in a word: the nearest of :data:`SHARES`."""
    return SHARES[min(SHARES, key=lambda known: abs(known - number))]


def in_times(times: float) -> str:
    """How many times as much, in a word where it is twice."""
    return "twice" if round(times) == 2 else f"{times:.1f} times"
