"""zscore: how far a value lies from the mean of those learnt before, in sample standard deviations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.batch import BEFORE_ALL
from dataflows.operators.exact import fsum
from models.application.resolved import Score
from models.values.column import Column
from models.values.types import FLOAT, Kind

Log = tuple[str, tuple[str, ...]]


class ZScores:
    """All zscores of a stage on one shard."""

    def __init__(self, scores: Sequence[Score]) -> None:
        self.scores = scores
        self.rings = {score.name: _Rings() for score in scores}

    def process(
        self,
        slot: NDArray[np.int64],
        time: NDArray[np.int64],
        adds: Mapping[Log, NDArray[np.bool_] | None],
        reads: Mapping[str, NDArray[np.bool_] | None],
        values: Mapping[str, Column],
        where: Mapping[str, NDArray[np.bool_] | None],
    ) -> dict[str, Column]:
        """Rows in the total order; each score's column (float), NULL where too little was learnt."""
        found: dict[str, Column] = {}
        for score in self.scores:
            added = adds[score.of or "", score.by.fields]
            takes = np.ones(len(slot), np.bool_) if added is None else added.copy()
            if (passes := where.get(score.name)) is not None:
                takes &= passes
            events = np.ones(len(slot), np.bool_) if added is None else added
            found[score.name] = self._score(score, slot, time, events, takes, values[score.name])
        return found

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return {name: rings.snapshot() for name, rings in self.rings.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        for name, rings in self.rings.items():
            rings.restore(state[name])

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether nothing learnt under each slot can influence any result from time ``bound`` on; bool[m]."""
        found = np.ones(len(slots), np.bool_)
        for score in self.scores:
            last = self.rings[score.name].newest(slots)
            # An event exactly at the old edge of a window still counts.
            edge = bound - score.ttl if score.over is None else bound - score.delay - score.over - 1
            found &= last <= max(edge, BEFORE_ALL)
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""
        for rings in self.rings.values():
            rings.evict(slots)

    def _score(
        self, score: Score, slot: NDArray[np.int64], time: NDArray[np.int64], events: Any, takes: Any, column: Column
    ) -> Column:
        x = column.values.astype(np.float64) / (10.0**column.type.scale if column.type.kind is Kind.DECIMAL else 1.0)
        takes = takes & column.is_valid() & (slot >= 0)
        rings = self.rings[score.name]
        rings.reserve(int(slot.max()) + 1 if len(slot) else 0)
        out, known = np.zeros(len(slot)), np.zeros(len(slot), np.bool_)
        over = np.iinfo(np.int64).max if score.over is None else score.over
        below = np.inf if score.learn_below is None else score.learn_below
        _process(slot, time, x, events, takes, over, score.delay, score.min_count, below, score.ttl if score.over is None else 0,
                 rings.rings, rings.head, rings.tail, rings.last, out, known)  # fmt: skip
        return Column(FLOAT, out, known)


class _Rings:
    """Learnt (time, value bits) of each key, oldest first."""

    def __init__(self) -> None:
        self.rings = nb.typed.List.empty_list(nb.float64[:, ::1])
        self.head, self.tail = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)

    def reserve(self, slots: int) -> None:
        more = slots - len(self.head)
        if more <= 0:
            return
        for _ in range(more):
            self.rings.append(np.empty((4, 2)))
        self.head = np.concatenate([self.head, np.zeros(more, np.int64)])
        self.tail = np.concatenate([self.tail, np.zeros(more, np.int64)])
        self.last = np.concatenate([self.last, np.full(more, BEFORE_ALL)])

    def newest(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time of each slot's last event, int64[m]; before all where there was none."""
        found = np.full(len(slots), BEFORE_ALL)
        inside = slots < len(self.last)
        found[inside] = self.last[slots[inside]]
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget what slots learnt."""
        for slot in slots[slots < len(self.last)].tolist():
            self.rings[slot] = np.empty((4, 2))
            self.head[slot] = self.tail[slot] = 0
            self.last[slot] = BEFORE_ALL

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays: learnt rows one slot after another."""
        rows = [self.rings[slot][self.head[slot] : self.tail[slot]] for slot in range(len(self.last))]
        return {"rows": np.concatenate([np.empty((0, 2)), *rows]), "counts": self.tail - self.head, "last": self.last.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        counts: NDArray[np.int64] = state["counts"]
        self.rings = nb.typed.List.empty_list(nb.float64[:, ::1])
        for stop, count in zip(np.cumsum(counts).tolist(), counts.tolist(), strict=True):
            ring = np.empty((max(4, count), 2))
            ring[:count] = state["rows"][stop - count : stop]
            self.rings.append(ring)
        self.head, self.tail, self.last = np.zeros(len(counts), np.int64), counts.copy(), state["last"].copy()


@nb.njit(cache=True)
def _process(slot, time, x, events, takes, over, delay, least, below, ttl, rings, head, tail, last, out, known):  # type: ignore[no-untyped-def]
    for row in range(slot.shape[0]):
        s, t = slot[row], time[row]
        if s < 0 or not events[row]:
            continue
        if ttl > 0 and tail[s] > head[s] and t - last[s] >= ttl:
            head[s] = tail[s]
        last[s] = t
        if not takes[row]:
            continue
        ring = rings[s]
        times = ring[:, 0].copy().view(np.int64)
        first = head[s]
        while first < tail[s] and over < np.iinfo(np.int64).max and times[first] < t - delay - over:
            first += 1
        head[s] = first
        end = first
        while end < tail[s] and times[end] < t - delay:
            end += 1
        n = end - first
        if n >= least and n >= 2:
            mean = fsum(ring[first:end, 1].copy(), n) / n
            squares = (ring[first:end, 1] - mean) ** 2
            std = np.sqrt(fsum(squares, n) / (n - 1))
            if std > 0:
                out[row] = abs(x[row] - mean) / std
                known[row] = True
        if not known[row] or out[row] < below:
            if tail[s] == ring.shape[0]:
                kept = tail[s] - head[s]
                larger = np.empty((max(4, kept * 2), 2))
                larger[:kept] = ring[head[s] : tail[s]]
                rings[s] = larger
                ring = larger
                head[s], tail[s] = 0, kept
            ring[tail[s], 0] = np.array([t], np.int64).view(np.float64)[0]
            ring[tail[s], 1] = x[row]
            tail[s] += 1
