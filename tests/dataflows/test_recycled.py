"""Arrays that are used again."""

from __future__ import annotations

import numpy as np

from dataflows.decoding.recycled import Pool

SHAPE = (4, 1 << 18)


def test_what_somebody_still_holds_is_never_given_again() -> None:
    """A view counts as a holder, however small; once nobody holds it, the memory comes back."""
    pool = Pool(3)
    first = pool.empty(SHAPE, np.int64)
    first.fill(7)
    row, place = first[2, :5].view(np.float64), first.ctypes.data
    del first
    other = pool.empty(SHAPE, np.int64)
    other.fill(1)
    assert (row.view(np.int64) == 7).all()
    del row
    assert pool.empty(SHAPE, np.int64).ctypes.data == place


def test_no_more_than_the_last_few_are_kept() -> None:
    """What is held by others only is theirs to free; small arrays are the allocator's."""
    pool = Pool(2)
    held = [pool.empty(SHAPE, np.int64) for _ in range(5)]
    assert len({array.ctypes.data for array in held}) == 5
    assert len(pool.kept) == 2
    assert pool.empty((3, 5), np.bool_).shape == (3, 5)
