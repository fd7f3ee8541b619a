"""What a sentence written by hand quotes is what ``results/`` holds, on the pages of evidence.

Every number that could be a result lies within words of the register, which are worked out again
from the results, or within words that say a setting.
"""

import pytest
from quoted import QUOTED
from quoted_settings import SETTINGS
from quoting import RESULT, one_line, share, spans, unanswered, word
from test_evidence import BESIDE, CHAPTERS, prose

PAGES = CHAPTERS + BESIDE
pages = pytest.mark.parametrize("page", PAGES)


def excused(page: str) -> list[str]:
    """The words of a page's settings."""
    return [phrase for phrases in SETTINGS.get(page, {}).values() for phrase in phrases]


def registered(page: str) -> list[str]:
    return [quote.phrase for quote in QUOTED if quote.page == page]


def gone(paragraphs: list[str], phrases: list[str]) -> list[str]:
    """The phrases that stand in no paragraph."""
    return [p for p in phrases if not any(spans(p, one_line(text)) for text in paragraphs)]


def stale(page: str, paragraphs: list[str]) -> list:
    """What is wrong with a page of this text: words that are gone, numbers without an answer."""
    return [
        *gone(paragraphs, registered(page)),
        *unanswered(paragraphs, registered(page) + excused(page)),
    ]


@pytest.mark.parametrize("quote", QUOTED, ids=lambda quote: f"{quote.page}: {quote.marked}")
def test_what_a_sentence_quotes_is_what_the_results_hold(quote):
    assert quote.found() == quote.quoted


@pages
def test_every_quoted_phrase_stands_in_its_page(page):
    assert not gone(prose(page), registered(page)), "mend its entry in tests/book/quoted.py"


@pages
def test_every_number_of_the_prose_is_quoted_or_a_setting(page):
    left = unanswered(prose(page), registered(page) + excused(page))
    assert not left, "each wants a line in tests/book/quoted.py, or in quoted_settings.py"


@pages
def test_every_setting_stands_in_its_page(page):
    """So that no entry excuses a number that comes later."""
    assert not gone(prose(page), excused(page)), "mend tests/book/quoted_settings.py"


def test_the_register_knows_the_pages_alone():
    assert {quote.page for quote in QUOTED} | set(SETTINGS) <= set(PAGES)
    marked = [(quote.page, quote.marked) for quote in QUOTED]
    assert len(set(marked)) == len(marked)
    assert all(quote.quoted for quote in QUOTED)


#: Sentences that the files contradict, though each of their numbers stands somewhere on the page.
FALSE = (
    ("scorecard", r"On Hopper DROCO leads IQL\* by 26.2 points."),
    ("scorecard", "On Hopper DROCO leads by four points."),
    ("scorecard", "DROCO is ahead in nine of ten comparisons."),
    ("deploying", "On Walker2d DROCO loses 40 % of its return."),
    ("deploying", "On Ant it loses a third of its return, twice what the others lose."),
    ("sensitivity", "The returns of one setting are up to 757 apart."),
    ("sensitivity", "One member earns 98 per cent of what seven earn."),
    ("choosing", "Imitation on the grid comes closest, at +0.9."),
    ("training_droco", "With 1,000 rows IQL on the target earns 671."),
    ("training_droco", "DROCO's Ant walks in two of three tries."),
    ("training_droco", "The set is twenty times narrower there."),
    ("robots_and_data", "Most of the 28 pairs pass."),
    ("the_loop", "The compiled step is 40 % faster than JAX."),
)

#: Words of a page, and what must not be able to take their place.
REPLACED = (
    ("scorecard", "it is in one of four comparisons", "it is in three of four comparisons"),
    ("scorecard", "With three to five seeds", "With ten to twenty seeds"),
    ("deploying", "In four it loses more", "In two it loses more"),
    ("sensitivity", "earns twice what", "earns three times what"),
    ("choosing", "correlation 0.9", "correlation 0.3"),
    ("training_droco", "walks in four tries of ten", "walks in nine tries of ten"),
    ("training_droco", "falls in a quarter", "falls in a tenth"),
    ("training_droco", "walks in eight of ten", "walks in four of ten"),
    ("training_droco", "walks in a third of its tries", "walks in half of its tries"),
    ("training_droco", "it matters in one of four", "it matters in all four"),
    ("training_droco", "minus millions", "minus thousands"),
    ("public_code", "more than twice IQL*'s", "nearly as high as IQL*'s"),
)


@pytest.mark.parametrize(("page", "sentence"), FALSE)
def test_a_false_sentence_with_a_number_of_the_page_is_found(page, sentence):
    assert len(stale(page, [*prose(page), sentence])) > len(stale(page, prose(page)))


@pytest.mark.parametrize(("page", "words", "others"), REPLACED)
def test_words_that_are_replaced_are_found(page, words, others):
    text = list(map(one_line, prose(page)))
    changed = [part.replace(words, others) for part in text]
    assert changed != text and len(stale(page, changed)) > len(stale(page, text))


def test_a_file_that_no_longer_holds_a_figure_is_found(monkeypatch):
    import quoted_figures as of

    changed = of.tries().assign(walks=False)
    monkeypatch.setattr(of, "tries", lambda: changed)
    moved = [quote.marked for quote in QUOTED if "tries" in quote.marked and quote.page != "intro"]
    wrong = [q.marked for q in QUOTED if q.marked in moved and q.found() != q.quoted]
    assert wrong == moved and moved


def test_what_counts_as_a_result():
    text = "It earns 3,438 and 0.57, or −11 ± 2: 40 % in four tries of ten, a third, one of four."
    found = [match.group() for match in RESULT.finditer(text)]
    assert found[:5] == ["3,438", "0.57", "−11", "± 2", "40"]
    assert found[5:] == ["four tries of ten", "a third", "one of four"]
    assert not RESULT.search("Six rivals of DROCO, at step 4, on both halves of a plane.")


def test_numbers_in_words():
    numbers = {0: "no", 1: "one", 4.4: "four", 20: "twenty", 21.3: "twenty", 68: "seventy"}
    assert [word(number) for number in numbers] == list(numbers.values())
    assert [share(x) for x in (0.246, 0.33, 0.48)] == ["a quarter", "a third", "half"]
