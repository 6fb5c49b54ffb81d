"""One absence pattern on one shard: clocks of keys, then guard and suppression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch, concat_batches
from dataflows.batches.evidence import Read
from dataflows.batches.held import ChunkOf
from dataflows.operators import kernels_absence as k
from dataflows.operators.sequences.rows import LaneRows
from dataflows.operators.store import EventStore
from dataflows.operators.suppress import Suppressor
from models.application.resolved.patterns import Pattern
from models.events.evidence import Evidence
from models.events.hit import Hit, Kind, deadline_order
from models.values.types import Type

AsOf = Callable[[int, int], Mapping[str, Any]]
"""Features of the pattern's entity as of (slot, deadline), by column; empty where the pattern reads none."""
FLAGS = 10
"""Flags of one silence in all, where each further time is flagged."""


@dataclass(frozen=True, slots=True)
class AbsenceRows:
    """Rows in the total order: slot, time int64[n]; kind int64[n], as the kernel names it; row int64[n], in its part."""

    slot: NDArray[np.int64]
    time: NDArray[np.int64]
    kind: NDArray[np.int64]
    row: NDArray[np.int64]
    part: LaneRows | None


def absence_rows(
    fitting: tuple[LaneRows, NDArray[np.bool_]] | None, changes: tuple[LaneRows, NDArray[np.int64]] | None
) -> AbsenceRows | None:
    """Events that fit, and changes of the table of expected keys (kind 1: a delete), in order; None where there are none."""
    parts = []
    if fitting is not None:
        rows = np.flatnonzero(fitting[1] & (fitting[0].slot >= 0))
        parts.append((fitting[0], rows, np.full(len(rows), k.FITS)))
    if changes is not None:
        rows = np.flatnonzero(changes[0].slot >= 0)
        parts.append((changes[0], rows, np.where(changes[1][rows] == 1, k.DELETED, k.INSERTED)))
    if not sum(len(rows) for _, rows, _ in parts):
        return None
    order = np.argsort(np.concatenate([part.places[rows] for part, rows, _ in parts]), kind="stable")
    slot = np.concatenate([part.slot[rows] for part, rows, _ in parts])[order]
    time = np.concatenate([part.batch.time[rows] for part, rows, _ in parts])[order]
    kind = np.concatenate([kinds for _, _, kinds in parts])[order]
    return AbsenceRows(slot, time, kind, np.concatenate([rows for _, rows, _ in parts])[order], fitting and fitting[0])


class AbsenceMachine:
    """State of one absence pattern for the keys of one shard; ``names``: the columns to keep of an event."""

    def __init__(
        self, pattern: Pattern, types: Mapping[str, Type], depth: int, names: Iterable[str], read: Read, chunk_of: ChunkOf
    ) -> None:
        assert pattern.absence is not None
        self.pattern = pattern
        self.names = sorted(names)
        self.read = read
        self.store = EventStore(depth, chunk_of)
        self.suppressor = Suppressor(pattern, types, lambda events: [self._show(event) for event in events])
        self.guarded = 0
        spec = pattern.absence
        self.settings = np.array([spec.time, FLAGS if spec.each else 1, spec.expect is not None], np.int64)
        self.state = np.zeros((0, k.WIDTH), np.int64)
        self.queue = np.zeros((64, 3), np.int64)
        self.ends = np.zeros(k.CLOCKS + 1, np.int64)
        self.rows: AbsenceRows | None = None
        self.held: dict[int, int] = {}
        self.asof: AsOf = lambda slot, time: {}

    @property
    def partial(self) -> int:
        """Clocks that run."""
        return int(np.count_nonzero(self.state[:, k.BITS] & k.RUNNING))

    @property
    def suppressed(self) -> int:
        """Hits that were held back or merged."""
        return self.suppressor.suppressed

    def ripe(self, until: int) -> bool:
        """Whether a deadline up to ``until`` waits."""
        waits = self.ends[k.HEAD] < self.ends[k.TAIL] and self.queue[self.ends[k.HEAD], 0] <= until
        return bool(waits) or self.suppressor.next_due <= until

    def step(self, rows: AbsenceRows | None, until: int) -> list[Hit]:
        """Rows (or none), deadlines before the rows at or after them, at the end those up to ``until``; ``settle`` must follow."""
        self.rows = rows
        out: list[Hit] = []
        if rows is not None and len(rows.slot):
            self._reserve(int(rows.slot.max()) + 1)
            begin = 0
            while begin < len(rows.slot):
                self._room(len(rows.slot) - begin)
                room = np.empty((256 + len(rows.slot), k.RAISED_WIDTH), np.int64)
                begin, made = k.step(begin, rows.slot, rows.time, rows.kind, self.settings, self.state, self.queue, self.ends, room)
                out.extend(self._hits(room[:made]))
        while self.ends[k.HEAD] < self.ends[k.TAIL] and self.queue[self.ends[k.HEAD], 0] <= until:
            self._room(64)
            room = np.empty((1024, k.RAISED_WIDTH), np.int64)
            out.extend(self._hits(room[: k.due(until, self.settings, self.state, self.queue, self.ends, room, 0)]))
        out.extend(self.suppressor.due(until))
        return out

    def sources(self, hits: Sequence[Hit]) -> Batch:
        """The rows of the last events of hits (not empty, none of a key never seen), in the hits' order, before ``settle``."""
        return concat_batches([self._source(hit.at) for hit in hits])

    def _source(self, event: int) -> Batch:
        if event >= 0:
            return self.store.view().take(slice(event, event + 1))
        assert self.rows is not None and self.rows.part is not None
        part, row = self.rows.part, int(self.rows.row[-2 - event])
        columns = {name: part.columns[name] for name in self.names}
        return replace(part.batch, columns=columns).take(slice(row, row + 1))

    def settle(self) -> None:
        """Keep the events in hand that started clocks which still run; forget those of clocks that do not."""
        events = self.state[:, k.EVENT]
        for event, position in self.held.items():
            self.state[events == event, k.EVENT] = position
        fresh = np.flatnonzero(events < -1)
        if len(fresh):
            assert self.rows is not None and self.rows.part is not None
            rows = self.rows.row[-2 - events[fresh]]
            begin = self.store.size
            self.store.append(self.rows.part.batch, self.rows.part.columns, rows, self.names)
            self.state[fresh, k.EVENT] = begin + np.arange(len(rows))
        self.rows, self.held = None, {}
        if self.store.crowded:
            kept = np.flatnonzero(self.state[:, k.EVENT] >= 0)
            live = np.zeros(self.store.size, np.bool_)
            live[self.state[kept, k.EVENT]] = True
            self.suppressor.mark(live)
            moved = self.store.sweep(live)
            self.state[kept, k.EVENT] = moved[self.state[kept, k.EVENT]]
            self.suppressor.move(moved)

    def _hits(self, raised: NDArray[np.int64]) -> Iterable[Hit]:
        out: list[Hit] = []
        for slot, deadline, event, times, first in raised.tolist():
            out.extend(self.suppressor.due(deadline))
            seen = None if event == -1 else self._show(event)
            values = {**({} if seen is None else seen.values), **self.asof(slot, deadline)}
            if not self._passes(deadline, values):
                self.guarded += 1
                continue
            out.extend(self.suppressor.take(_Silence(self, slot, deadline, event, seen, times, first, values)))
        return out

    def _passes(self, time: int, values: Mapping[str, Any]) -> bool:
        active, guard = self.pattern.active, self.pattern.guard
        inside = active is None or active.calendar.contains(time) == active.inside
        return inside and (guard is None or guard.row(values) is True)

    def _show(self, event: int) -> Evidence:
        if event < -1:
            assert self.rows is not None and self.rows.part is not None
            part = self.rows.part
            return self.read(part.batch, part.columns, int(self.rows.row[-2 - event]))
        view = self.store.view()
        return self.read(view, view.columns, event)

    def hold(self, event: int) -> int:
        """Keep an event for a burst; its position."""
        if event >= -1 or event in self.held:
            return self.held.get(event, event)
        assert self.rows is not None and self.rows.part is not None
        row = self.rows.row[-2 - event]
        self.held[event] = self.store.size
        self.store.append(self.rows.part.batch, self.rows.part.columns, np.array([row]), self.names)
        return self.held[event]

    def _reserve(self, slots: int) -> None:
        if slots > len(self.state):
            larger = np.zeros((max(slots, 2 * len(self.state)), k.WIDTH), np.int64)
            larger[:, k.EVENT] = -1
            larger[: len(self.state)] = self.state
            self.state = larger

    def _room(self, rows: int) -> None:
        head, tail = self.ends[k.HEAD], self.ends[k.TAIL]
        if tail + rows + 2 > len(self.queue):
            waiting = self.queue[head:tail]
            self.queue = np.zeros((2 * (len(waiting) + rows) + 64, 3), np.int64)
            self.queue[: len(waiting)] = waiting
            self.ends[[k.HEAD, k.TAIL]] = 0, len(waiting)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        return {
            "state": self.state.copy(), "queue": self.queue[self.ends[k.HEAD] : self.ends[k.TAIL]].copy(),
            "clocks": int(self.ends[k.CLOCKS]), "store": self.store.snapshot(), "suppressor": self.suppressor.snapshot(),
            "guarded": self.guarded,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.state, self.queue = state["state"].copy(), state["queue"].copy()
        self.ends[:] = 0, len(self.queue), state["clocks"]
        self.store.restore(state["store"])
        self.suppressor.restore(state["suppressor"])
        self.guarded = state["guarded"]

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        free = np.ones(len(slots), np.bool_)
        held = slots < len(self.state)
        free[held] = self.state[slots[held], k.BITS] == 0
        return free & self.suppressor.evictable(slots, bound)

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        held = slots[slots < len(self.state)]
        self.state[held] = 0
        self.state[held, k.EVENT] = -1
        self.suppressor.evict(slots)


@dataclass(slots=True)
class _Silence:
    """A silence on offer to the suppression; ``seen``: the key's last event, None for a key never seen."""

    machine: AbsenceMachine
    slot: int
    moment: int
    event: int
    seen: Evidence | None
    times: int
    first: int
    values: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        return "match"

    def keep(self) -> list[int]:
        return [] if self.event == -1 else [self.machine.hold(self.event)]

    def hit(self) -> Hit:
        events: Sequence[Evidence] = () if self.seen is None else (self.seen,)
        anchor = tuple(event.id for event in events)
        began = self.seen.order if self.seen else (self.first, -1, self.slot)
        order = deadline_order(self.moment, self.machine.pattern.place, began)
        return Hit("match", self.slot, self.moment, anchor, events, len(events), {}, self.seen, None, deadline=self.moment,
                  episode=anchor, episode_deadline=self.first, repeat=self.times, order=order,
                   values=self.values, at=self.event)  # fmt: skip
