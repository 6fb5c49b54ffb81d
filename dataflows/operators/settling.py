"""One pattern on one shard of a run that begins in the middle: from when on each key's flags are settled. Pure; state per slot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL
from models.events.hit import Hit


class Settling:
    """``since``: before it a condition's truth is not certain; ``gap``: microseconds without one that is TRUE, to settle a key."""

    def __init__(self, since: int, gap: int) -> None:
        self.since = since
        self.gap = gap
        self.quiet = np.zeros(0, np.int64)
        self.settled = np.zeros(0, np.int64)

    def see(self, slot: NDArray[np.int64], time: NDArray[np.int64], when: NDArray[np.bool_]) -> None:
        """Take a condition's truth at rows in the total order; slot, time int64[n], when bool[n]."""
        if self.since == AFTER_ALL or not when.any():
            return
        self._reserve(int(slot.max()) + 1)
        for row in np.flatnonzero(when).tolist():
            s, t = int(slot[row]), int(time[row])
            if self.settled[s] == AFTER_ALL:
                if t - self.quiet[s] >= self.gap:
                    self.settled[s] = t
                else:
                    self.quiet[s] = max(t, self.since)

    def mark(self, hits: Sequence[Hit]) -> list[Hit]:
        """Hits with those marked that are not settled: all that began before their key was."""
        return [hit if self._is_settled(hit) else hit._replace(settled=False) for hit in hits]

    def _is_settled(self, hit: Hit) -> bool:
        if hit.first is None or hit.slot >= len(self.settled):
            return False
        return bool(hit.first.time >= self.settled[hit.slot])

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return {"quiet": self.quiet.copy(), "settled": self.settled.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.quiet, self.settled = state["quiet"], state["settled"]

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether a key's next condition that is TRUE, at ``bound`` or later, settles it in any case; bool[m]."""
        found = np.ones(len(slots), np.bool_)
        inside = slots < len(self.settled)
        kept = slots[inside]
        found[inside] = (self.settled[kept] != AFTER_ALL) | (bound - self.gap >= self.quiet[kept])
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""
        slots = slots[slots < len(self.settled)]
        self.quiet[slots], self.settled[slots] = self.since, AFTER_ALL

    def _reserve(self, slots: int) -> None:
        more = max(slots, 2 * len(self.settled)) - len(self.settled) if slots > len(self.settled) else 0
        if more:
            self.quiet = np.concatenate([self.quiet, np.full(more, self.since, np.int64)])
            self.settled = np.concatenate([self.settled, np.full(more, AFTER_ALL, np.int64)])
