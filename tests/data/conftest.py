"""What the tests of HDF5 files share."""

import pytest

from .hdf5_files import episodes


@pytest.fixture
def three():
    """Episodes of 4, 3 and 5 steps: the first falls, the others run into the time limit."""
    return episodes([4, 3, 5], [True, False, False])
