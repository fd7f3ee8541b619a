"""The bounds of the propositions, and which test checks each, so that the tests can be tested.

A test takes its bound through :func:`bound` and is registered by :func:`checks`.  The file
test_bounds_bite.py makes each bound a tenth smaller and sees that its test then fails.
"""

from collections.abc import Callable

#: What each bound is multiplied by: 1, but in test_bounds_bite.py.
SCALE: dict[str, float] = {}
#: The test that checks it.
TESTS: dict[str, Callable[[], None]] = {}


def checks(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """The test below checks the bound of this name."""

    def register(test: Callable[[], None]) -> Callable[[], None]:
        assert name not in TESTS, f"two tests check {name}"
        SCALE[name], TESTS[name] = 1.0, test
        return test

    return register


def bound(name, value):
    """The bound, or a smaller one while the tests themselves are tested."""
    return SCALE[name] * value
