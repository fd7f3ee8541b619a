"""A test that still passes with nine tenths of its bound would not notice a wrong bound."""

import pytest
import test_propositions
import test_statements
from bounds import SCALE, TESTS


def test_every_proposition_with_a_bound_is_here():
    for module in (test_propositions, test_statements):
        assert any(test.__module__ == module.__name__ for test in TESTS.values())
    numbers = {name.split()[0] for name in TESTS}
    assert {"4.1", "4.2", "4.4", "4.5", "4.6"} <= numbers


@pytest.mark.parametrize("name", TESTS)
def test_nine_tenths_of_a_bound_is_too_little(name, monkeypatch):
    monkeypatch.setitem(SCALE, name, 0.9)
    with pytest.raises(AssertionError):
        TESTS[name]()
