"""Which row each recent change of a table made, and which one stood before it: what a stream of the same changes compares.

A change comes before the event of the same record and at the same moment, so it is kept until that moment has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOT_TRACED = -1
"""In place of the record of a change that no event is compared with."""
_INPUT_BITS, _OFFSET_BITS = 22, 40
_NAMES = ("record", "row", "prior", "time")


def record_of(partition: NDArray[np.int32], offset: NDArray[np.int64]) -> NDArray[np.int64]:
    """A record's place among all of an input, the same for whoever reads that input; int64[n]."""
    place: NDArray[np.int64] = (partition.astype(np.int64) & ((1 << _INPUT_BITS) - 1)) << _OFFSET_BITS
    return place | offset


class Trace:
    """Changes by ``record`` (ascending): ``row``, ``prior`` (-1: there was none) and version ``time`` in µs, all int64[n]."""

    def __init__(self) -> None:
        self.record = self.row = self.prior = self.time = np.zeros(0, np.int64)

    def add(self, record: NDArray[np.int64], row: NDArray[np.int64], prior: NDArray[np.int64], time: NDArray[np.int64]) -> None:
        """Note changes."""
        order = np.argsort(whole := np.concatenate([self.record, record]), kind="stable")
        self.record = whole[order]
        for name, more in (("row", row), ("prior", prior), ("time", time)):
            setattr(self, name, np.concatenate([getattr(self, name), more])[order])

    def find(self, record: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The row that each record made, -1 where that is not known, and the row before it."""
        if not len(self.record):
            return np.full(len(record), -1), np.full(len(record), -1)
        at = np.minimum(np.searchsorted(self.record, record), len(self.record) - 1)
        known = self.record[at] == record
        return np.where(known, self.row[at], -1), np.where(known, self.prior[at], -1)

    def forget(self, before: int) -> None:
        """Forget changes of before a moment (µs): their events have passed."""
        kept = self.time >= before
        for name in _NAMES:
            setattr(self, name, getattr(self, name)[kept])

    def rows(self) -> NDArray[np.int64]:
        """The rows that must be kept."""
        return np.concatenate([self.row, self.prior[self.prior >= 0]])

    def renumber(self, kept: NDArray[np.int64]) -> None:
        """Take the places that rows (ascending) have after all others were forgotten."""
        self.row = np.searchsorted(kept, self.row)
        self.prior = np.where(self.prior < 0, -1, np.searchsorted(kept, self.prior))

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return {name: getattr(self, name).copy() for name in _NAMES}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        for name in _NAMES:
            setattr(self, name, state[name].copy())
