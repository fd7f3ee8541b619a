"""The type checker finds no error in the package."""

import pytest

from tests.type_errors import errors


@pytest.mark.slow
def test_the_checker_finds_no_error():
    found = errors()
    assert not found, "\n".join(found)
