"""From a condition's truth at each event to hits: each, edge, hold by count or time, clear. State per slot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.operators import kernels_trigger as k
from dataflows.operators.store import NEXT, EventStore
from dataflows.operators.suppress import NEVER
from models.application.resolved.patterns import Pattern

TTL = 90 * 86_400_000_000
"""Microseconds after a key's last event at which its state counts as absent."""
_NO_ROWS = np.zeros(0, np.int64)


class Raised(NamedTuple):
    """A raw hit: a condition that held for a key, before guard and suppression.

    kind: MATCH, CLEARED or HELD (at a deadline); row: the completing row, -1 without one; first, events: the chain of kept TRUE
    events that satisfied it, and its length (0: its row alone).
    """

    kind: int
    slot: int
    time: int
    row: int
    first: int
    events: int


class Trigger:
    """The state of one pattern's trigger; TRUE events that a hold may still show are kept in ``store``."""

    def __init__(self, pattern: Pattern, store: EventStore) -> None:
        hold = pattern.hold
        self.store = store
        self.plain = pattern.trigger == "each" and hold is None and pattern.clear is None
        self.timed = hold is not None and hold.time is not None
        how = k.EDGE if hold is None else k.COUNTED if hold.time is None else k.TIMED
        self.settings = np.zeros(k.EACH + 1, np.int64)
        self.settings[[k.HOW, k.TTL, k.CLEARS, k.EACH]] = how, TTL, pattern.clear is not None, pattern.trigger == "each"
        if hold is not None:
            self.settings[[k.HITS, k.OF, k.HOLD]] = hold.count, hold.of, hold.time or 0
        self.state = np.zeros((0, k.WIDTH), np.int64)
        self.queue = np.zeros((64, 3), np.int64)
        self.ends = np.zeros(k.RUNS + 1, np.int64)

    def step(
        self, slot: NDArray[np.int64], time: NDArray[np.int64], when: NDArray[np.bool_], clear: NDArray[np.bool_] | None
    ) -> tuple[list[Raised], NDArray[np.int64]]:
        """Rows in the total order, deadlines before the rows at or after them; raw hits, and the rows to keep in the store."""
        n = len(slot)
        if self.plain:
            rows = np.flatnonzero(when)
            found = zip(slot[rows].tolist(), time[rows].tolist(), rows.tolist())
            return [Raised(k.MATCH, s, t, row, -1, 0) for s, t, row in found], _NO_ROWS
        self._reserve(int(slot.max()) + 1 if n else 0, n)
        out = np.empty((2 * n + int(self.ends[k.TAIL] - self.ends[k.HEAD]) + n, k.RAISED_WIDTH), np.int64)
        kept = np.empty(n, np.int64)
        made, keeping = k.step(
            slot, time, when, when if clear is None else clear, self.settings, self.state, self.queue, self.ends, self.store.links,
            self.store.size, kept, out,
        )  # fmt: skip
        return _raised(out[:made]), kept[:keeping]

    @property
    def next_due(self) -> int:
        """The first deadline that waits."""
        head = int(self.ends[k.HEAD])
        return NEVER if head == self.ends[k.TAIL] else int(self.queue[head, 0])

    @property
    def hold(self) -> int:
        """How long a condition must hold, in microseconds."""
        return int(self.settings[k.HOLD])

    def deadlines(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Slots and moments of all deadlines that wait."""
        waiting = self.queue[self.ends[k.HEAD] : self.ends[k.TAIL]]
        return waiting[:, 1], waiting[:, 0]

    def due(self, until: int) -> list[Raised]:
        """Holds by time whose deadline has come, in order."""
        if self.next_due > until:
            return []
        out = np.empty((int(self.ends[k.TAIL] - self.ends[k.HEAD]), k.RAISED_WIDTH), np.int64)
        return _raised(out[: k.due(until, self.settings, self.state, self.queue, self.ends, out, 0)])

    def chain(self, raised: Raised) -> Iterator[int]:
        """The positions of the kept events that satisfied a hit, in order."""
        at = raised.first
        for _ in range(raised.events):
            yield at
            at = int(self.store.links[at, NEXT])

    def mark(self, live: NDArray[np.bool_]) -> None:
        """Mark the kept events that are still needed."""
        k.mark(self.state, self.store.links, live)

    def move(self, moved: NDArray[np.int64]) -> None:
        """Follow kept events to where they were moved."""
        k.move(self.state, moved)

    def _reserve(self, slots: int, rows: int) -> None:
        self.store.reserve(rows)
        size = len(self.state)
        if slots > size:
            larger = np.zeros((max(slots, size * 3 // 2, 256), k.WIDTH), np.int64)
            larger[:size] = self.state
            self.state = larger
        if not self.timed:
            return
        head, tail = int(self.ends[k.HEAD]), int(self.ends[k.TAIL])
        if tail + rows > len(self.queue):
            waiting = self.queue[head:tail]
            self.queue = np.zeros((2 * (len(waiting) + rows), 3), np.int64)
            self.queue[: len(waiting)] = waiting
            self.ends[[k.HEAD, k.TAIL]] = 0, len(waiting)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        waiting = self.queue[self.ends[k.HEAD] : self.ends[k.TAIL]]
        return {"state": self.state.copy(), "queue": waiting.copy(), "runs": int(self.ends[k.RUNS])}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.state, self.queue = state["state"].copy(), state["queue"].copy()
        self.ends[:] = 0, len(self.queue), state["runs"]

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        free = np.ones(len(slots), np.bool_)
        held = slots < len(self.state)
        state = self.state[slots[held]]
        seen, pending = (state[:, k.BITS] & k.SEEN) > 0, (state[:, k.BITS] & k.PENDING) > 0
        old = state[:, k.LAST] <= bound - int(self.settings[k.TTL])
        blank = (state[:, k.BITS] & ~k.SEEN == 0) & (state[:, k.COUNT] == 0)
        free[held] = ~seen | ((old | blank) & ~pending)
        return free

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        self.state[slots[slots < len(self.state)]] = 0


def _raised(out: NDArray[np.int64]) -> list[Raised]:
    return [Raised(*row) for row in out.tolist()] if len(out) else []
