"""What stands in a page where the live lab will be, before it runs."""

import pytest

from book.live_lab import block


@pytest.mark.parametrize(
    ("views", "shown"), [(["race"], True), (["race", "ghosts"], True), (["ghosts"], False)]
)
def test_clips_of_races_stand_only_before_races(views, shown):
    """A lab that shows models alone would be introduced by a picture of something else."""
    assert ("droco-lab-clips" in block("walker2d", static="_static/", views=views)) == shown
