"""zscore: how far a value lies from the mean of those learnt before, in sample standard deviations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import BEFORE_ALL
from dataflows.operators import layout as lay
from dataflows.operators.exact import fsum
from dataflows.operators.intrinsics import bits_of, float_of
from dataflows.operators.kernels_windows import spread_by, spread_of
from models.application.resolved.facts import Score
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
                 rings.rings, rings.places, rings.last, rings.sums.view(np.int64), rings.sums, out, known)  # fmt: skip
        return Column(FLOAT, out, known)


class _Rings:
    """Learnt (time, value's bits) of each key, oldest first; ``places``: the first, the first not yet in ``sums``, the end."""

    def __init__(self) -> None:
        self.rings = nb.typed.List.empty_list(nb.int64[:, ::1])
        self.places = np.zeros((0, 3), np.int64)
        self.last = np.zeros(0, np.int64)
        self.sums = np.zeros((0, _SUMS))

    def reserve(self, slots: int) -> None:
        more = slots - len(self.last)
        if more <= 0:
            return
        _add(self.rings, more)
        self.places = np.concatenate([self.places, np.zeros((more, 3), np.int64)])
        self.last = np.concatenate([self.last, np.full(more, BEFORE_ALL)])
        self.sums = np.concatenate([self.sums, np.zeros((more, _SUMS))])

    def newest(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The time of each slot's last event, int64[m]; before all where there was none."""
        found = np.full(len(slots), BEFORE_ALL)
        inside = slots < len(self.last)
        found[inside] = self.last[slots[inside]]
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget what slots learnt."""
        known = slots[slots < len(self.last)]
        for slot in known.tolist():
            self.rings[slot] = np.empty((_ROOM, 2), np.int64)
        self.places[known], self.sums[known], self.last[known] = 0, 0.0, BEFORE_ALL

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays: learnt rows one slot after another; the sums follow from them."""
        rows = [self.rings[slot][first:stop] for slot, (first, _, stop) in enumerate(self.places.tolist())]
        counts = self.places[:, 2] - self.places[:, 0]
        return {"rows": np.concatenate([np.empty((0, 2), np.int64), *rows]), "counts": counts, "last": self.last.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        counts: NDArray[np.int64] = state["counts"]
        self.rings = nb.typed.List.empty_list(nb.int64[:, ::1])
        for stop, count in zip(np.cumsum(counts).tolist(), counts.tolist(), strict=True):
            ring = np.empty((max(_ROOM, count), 2), np.int64)
            ring[:count] = state["rows"][stop - count : stop]
            self.rings.append(ring)
        self.places = np.zeros((len(counts), 3), np.int64)
        self.places[:, 2] = counts
        self.last, self.sums = state["last"].copy(), np.zeros((len(counts), _SUMS))


_ROOM = 4
_SUMS = 1 + lay.PARTS + lay.SQUARES
"""Columns of a slot's exact sums: whether they have lost digits, parts of the sum, parts of the sum of squares."""


@nb.njit(cache=True)
def _add(rings, more):  # type: ignore[no-untyped-def]
    for _ in range(more):
        rings.append(np.empty((_ROOM, 2), np.int64))


@nb.njit(cache=True)
def _process(  # type: ignore[no-untyped-def]
    slot, time, x, events, takes, over, delay, least, below, ttl, rings, places, last, state, sums, out, known
):  # fmt: skip
    """Each row's score, then what it learns; both in constant time while the sums are exact."""
    for row in range(slot.shape[0]):
        s, t = slot[row], time[row]
        if s < 0 or not events[row]:
            continue
        if ttl > 0 and t - last[s] >= ttl and last[s] != BEFORE_ALL:
            places[s, :2] = places[s, 2]
            sums[s] = 0.0
        last[s] = t
        if not takes[row]:
            continue
        ring = rings[s]
        _move(s, t - delay, over, ring, places, state, sums)
        n = places[s, 1] - places[s, 0]
        if n >= least and n >= 2:
            mean, std = _moments(s, ring[places[s, 0] : places[s, 1], 1], state, sums)
            if std > 0:
                out[row] = abs(x[row] - mean) / std
                known[row] = True
        if not known[row] or out[row] < below:
            _learn(s, t, x[row], ring, rings, places)


@nb.njit(cache=True)
def _move(s, now, over, ring, places, state, sums):  # type: ignore[no-untyped-def]
    """Make a key's sums those of what was learnt in [now - over, now)."""
    first, stop = places[s, 0], places[s, 1]
    while stop < places[s, 2] and ring[stop, 0] < now:
        spread_by(state, sums, s, 0, float_of(ring[stop, 1]), 1)
        stop += 1
    if over < np.iinfo(np.int64).max:
        while first < stop and ring[first, 0] < now - over:
            spread_by(state, sums, s, 0, float_of(ring[first, 1]), -1)
            first += 1
    if first == stop:
        sums[s] = 0.0
    places[s, 0], places[s, 1] = first, stop


@nb.njit(cache=True)
def _moments(s, bits, state, sums):  # type: ignore[no-untyped-def]
    """Mean and sample standard deviation of values (given by their bits), which ``sums`` are of unless they have lost digits."""
    n = bits.shape[0]
    if state[s, 0] != 0:
        sums[s] = 0.0
        for k in range(n):
            spread_by(state, sums, s, 0, float_of(bits[k]), 1)
        if state[s, 0] != 0:
            values = np.empty(n)
            for k in range(n):
                values[k] = float_of(bits[k])
            mean = fsum(values, n) / n
            return mean, np.sqrt(fsum((values - mean) ** 2, n) / (n - 1))
    return fsum(sums[s, 1 : 1 + lay.PARTS], lay.PARTS) / n, spread_of(sums, s, 0, n)


@nb.njit(cache=True)
def _learn(s, t, x, ring, rings, places):  # type: ignore[no-untyped-def]
    if places[s, 2] == ring.shape[0]:
        first = places[s, 0]
        kept = places[s, 2] - first
        larger = np.empty((max(_ROOM, kept * 2), 2), np.int64)
        larger[:kept] = ring[first : places[s, 2]]
        rings[s] = ring = larger
        places[s, :] -= first
    ring[places[s, 2], 0], ring[places[s, 2], 1] = t, bits_of(x)
    places[s, 2] += 1
