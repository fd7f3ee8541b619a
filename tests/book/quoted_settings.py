"""Numbers of the pages' prose that are no result: by page, the reason and the exact words.

Settings, conventions, questions, and figures of a sum or a small experiment that the reader makes.
Each stands with its unit, so that the same number said of a result is not excused.
"""

from __future__ import annotations

RULE = "the rule of the book's verdicts"
LEVELS = "the levels and factors of the shifts"
ASKED = "a question to the reader"
WISH = "what a later study would need"
SIZES = "sizes of the page's own small problem"
ROWS = "the sizes of the sets that the page compares"
MATHS = "follows from the formula or the code beside it"
PAPER = "the paper's or the public code's, in its words"
LIVE = "seen in the live lab, whose runs leave no file; tests/live/test_words.py holds deploying's"

SETTINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "scorecard": {
        RULE: ("95 % interval", "at least one point higher"),
        "how many seeds most arms have, and what so few can say": (
            *("what three seeds cannot tell", "Three seeds a side make nine pairs"),
            "Three seeds can show a large difference and cannot rule out",
        ),
        WISH: ("if five seeds or a second pair",),
        "D4RL's scale": ("100 an expert",),
        "IQL in CORL's README, on D4RL's whole medium sets": ("48.3, 67.5 and 80.9",),
        PAPER: ("ten times as many as the paper's target",),
        ASKED: ("Two policies have equal means. One works under half of the shifts",),
        "the exercise's own draws of two made-up arms": (
            "With three seeds the estimate points the wrong way about one time in eight",
            "leaves ½ in about two of five cases",
            "It takes twenty seeds",
        ),
    },
    "deploying": {
        "which arms are compared": ("clean return is within a tenth of",),
        "a proposition's number": ("Proposition 4.5",),
        LEVELS: ("easy (⅓)", "medium (⅔)"),
        "how batches are drawn": ("Half of each batch",),
        "the attack's size": (
            "fifty such points",
            "fifty points search",
            "fifty points come close",
        ),
        ASKED: (
            *("with a speed of 10", "noise of 0.2 standard deviations", "friction at a quarter"),
            "raised by six tenths",
        ),
        LIVE: (
            "A quarter of the friction brings down about two in five",
            *("noise of 0.2 only a few", "at 0.3 most fall"),
        ),
        "no count: any one seed": ("A table with one seed", "one seed would have come close"),
    },
    "sensitivity": {
        PAPER: ("x of 30 or 50 stable",),
        "values of δ": ("at 30 none", "x 30 or 1"),
        ROWS: (
            *("1,000 rows", "200 rows", "1,000 and at 200", "at 5,000 below", "all 10,000 rows"),
            *("a tenth of the rows", "at a fiftieth", "With half of the rows", "with a tenth most"),
        ),
        "the sentence of the answer said again": ("half of the penalty above, or more",),
        "how batches are drawn": ("half of every batch",),
        "HalfCheetah, Hopper and Walker2d": ("on all three robots",),
        WISH: ("some twenty-five seeds",),
    },
    "choosing": {
        "the snapshots of one training": ("These six policies",),
        "which runs an exam holds": ("one seed of the same",),
        "an advice": ("A twentieth costs little",),
        PAPER: ("x of 30 or 50 in the paper",),
    },
    "rivals": {
        "the plane of the page": (
            *("moves by half its action", "right half of the plane", "For these three the point"),
            "The noise of one step is a twentieth",
        ),
        PAPER: ("exactly three quarters of the rows",),
        "what other first weights would give: no run of the page": ("it may just as well say 0.9",),
        "a wind of the table above": ("At 0.1 they stand",),
        "more than the plane has": ("In 30 dimensions",),
    },
    "training_droco": {
        RULE: ("95 % interval", "at least one point of score"),
        "how batches are drawn": ("Half of each batch",),
        "the mix of two source robots": ("half of the source's rows come",),
        "values of β": ("At x, 0.5 and 2 its mean",),
        ROWS: (
            *(
                "with 1,000 and with 300 target rows",
                "With 1,000 rows DROCO",
                "With 300 rows it is",
            ),
            *("with 1,000 of them", "the 300 rows had both", "1,000 or 300 target rows"),
        ),
        "looks of the curve, whose returns a claim test compares": (
            *("After 20,000 steps IQL", "at 60,000 steps the twin was ahead"),
        ),
        "the robot's reward": ("paid one point a step",),
        "how the models are fitted": ("A tenth of the rows is held out",),
        ASKED: ("about the same, twice, ten times?", "Four policies race"),
        "the bounds' study": ("networks of half the size", "at most 1 % of its values"),
        "the study's seeds": ("one robot, three seeds",),
        WISH: ("and five seeds, with another draw", "on both robots, with five seeds"),
    },
    "robots_and_data": {
        "Gymnasium's robots": (
            *("one of four robots", "Four robots", "±10", "0.2 rad", "a coordinate beyond 100"),
        ),
        LEVELS: (
            *("⅓, ⅔ and 1 are", "*down* to a tenth or *up* to five times", "0.1, 0.5, 2 and 5"),
        ),
        ASKED: ("which of the four shifts",),
        "what the data sets are": (
            *("a third of D4RL's expert return", "with a tenth of that", "one half of each"),
            "A fifth kind of data",
        ),
        "the limits of the gates": (
            *("keeps a third of its return", "a clone of 10,000 rows does not reach half of"),
            *("At least a quarter of the source pairs", "less than ⅓ in", "at least ½ in"),
            *("at least ¼ in", "runs a hundred episodes"),
        ),
        "where the thigh's stops are": ("28° or more", "stop at 30°"),
        "no count: any two": ("Two robots can differ",),
        "the file of the page and its step": ("of the two episodes", "a twentieth of a second"),
    },
    "bring_your_own_robot": {
        ASKED: ("2 cm, 20 cm or 2 m?",),
        LIVE: ("About 20 cm", "A friction of 0.15 alone would stop it after 30"),
        "the page's robot file and data": (
            *("kept 30 % of its range", "x 51 and x −11", "five episodes of the whole one"),
        ),
        SIZES: (
            *("three seeds each", "two layers of 48 units and 800 steps", "takes 256 units and"),
            *(
                "fifty times as many steps",
                "Fifteen policies",
                "two starts",
                "means of three seeds",
            ),
            *("after 800 steps", "more than 800 steps", "data three of five learners have seen"),
            "The project's tests do the same with three robots",
        ),
        LEVELS: (
            *("at a quarter of its strength", "at a quarter of every variant's", "at a tenth of"),
        ),
        "no run of the page": ("after a hundred times as many steps",),
        "what a command is told": ("lays a tenth of the target's rows aside", "make two policies"),
        "ends of an action": ("−1 and 1 stand for its ends",),
    },
    "intro": {LIVE: ("a swarm of thirty starts",)},
    "the_loop": {
        "sizes of networks and batches": (
            *(
                "hidden layers of 256",
                "128 source rows: 896 rows",
                "looks at 256",
                "100,000 source",
            ),
            *("six networks in one product", "128 rows of each half"),
        ),
        MATHS: ("a backward pass twice that", "from about a tenth to a third"),
        "values of δ": ("at 30 hardly any",),
        "the grid's seeds": ("Two seeds are a reason",),
        WISH: ("in five seeds too",),
    },
    "public_code": {
        SIZES: (
            *("networks of 32 units", "4000 and 2000 transitions", "seven models of 64 units"),
            *(
                "discount 0.95",
                "all 17 coordinates",
                "one of 128 source rows",
                "what the eight seeds",
            ),
        ),
        "the study's sizes and rule": ("networks of half the size", "more than 1 % of its values"),
        MATHS: ("plain value 19",),
    },
    "public_code_training": {
        SIZES: (
            *("networks of 32 units", "seven models of 64", "Three models of 64 units"),
            *("only 400 target rows", "500 passes", "(11 observations, 3 actions)"),
            *("on 128 source rows", "had not brought 1 %"),
        ),
        MATHS: (
            *(
                "half a loss is no half of a step",
                "the fork has half of it",
                "learn at half the rate",
            ),
            *("with 100,000 rows, 1000 of them are about", "Each of 90,000 draws"),
        ),
        PAPER: (
            *("(1000 in the fork's configurations)", "a tenth of the draw", '"10 % of D4RL"'),
            *('of the "10 %" is', "Ten episodes every 10,000 steps", "no cut at 1.65"),
        ),
    },
}
