"""The type checker finds no more errors than were known: the number may only fall."""

from tests.type_errors import errors, verdict


def test_type_errors_only_fall():
    found = errors()
    assert not verdict(found), "\n".join([verdict(found), *found])
