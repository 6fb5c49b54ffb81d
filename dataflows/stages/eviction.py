"""Which slots to look at for eviction: a clock hand that goes on with the rows, never with the wall clock.

A batch looks at twice as many slots as it made new ones, and at a few more for its rows. So a full turn takes at most half as
many new keys as there are slots: memory stays within about twice the slots that cannot be evicted, while a batch costs the same
however many keys lie idle.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_ROWS = 16
"""Rows for which one more slot is looked at."""


class Sweep(Protocol):
    """Chooses slots to look at after a batch."""

    def slots(self, used: int, rows: int, new: int) -> NDArray[np.int64]:
        """Distinct slots below ``used``, after a batch of so many rows that made so many new keys; int64[m]."""


class ClockHand:
    """Slots in turn."""

    def __init__(self) -> None:
        self.at = 0

    def slots(self, used: int, rows: int, new: int) -> NDArray[np.int64]:
        """The next slots."""
        count = min(used, 2 * new + rows // _ROWS + 1)
        begin = self.at if self.at < used else 0
        self.at = (begin + count) % used if used else 0
        if begin + count <= used:
            return np.arange(begin, begin + count)
        return np.concatenate([np.arange(begin, used), np.arange(begin + count - used)])
