"""What stands in a page where the live lab will be, before it runs."""

from types import SimpleNamespace

import pytest

from book.live_lab import LiveLab, block


@pytest.mark.parametrize(
    ("views", "shown"), [(["race"], True), (["race", "ghosts"], True), (["ghosts"], False)]
)
def test_clips_of_races_stand_only_before_races(views, shown):
    """A lab that shows models alone would be introduced by a picture of something else."""
    assert ("droco-lab-clips" in block("walker2d", static="_static/", views=views)) == shown


def test_a_link_finds_the_first_lab_of_a_page_and_no_id_stands_twice():
    page = SimpleNamespace(temp_data={})
    assert [LiveLab._place(page) for _ in range(2)] == ['<span id="live-lab"></span>', ""]
    assert LiveLab._place(SimpleNamespace(temp_data={}))  # another page has its own
    assert 'id="live-lab"' not in block("walker2d", static="", built=True)
