"""Ways to choose the slots that are looked at for eviction."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray


class Everything:
    """All slots after every batch."""

    def slots(self, used: int, rows: int, new: int) -> NDArray[np.int64]:
        """All of them."""
        return np.arange(used)


class Nothing:
    """No slot, ever."""

    def slots(self, used: int, rows: int, new: int) -> NDArray[np.int64]:
        """None of them."""
        return np.arange(0)


class Anything:
    """Some slots now and then."""

    def __init__(self) -> None:
        self.dice = random.Random(7)

    def slots(self, used: int, rows: int, new: int) -> NDArray[np.int64]:
        """Each with a chance of one in three."""
        return np.array([slot for slot in range(used) if self.dice.random() < 0.33], np.int64)
