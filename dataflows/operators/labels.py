"""Events of one shard, each again a fixed time after it, with what was told of it until then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.batches.held import ChunkOf
from dataflows.operators.rollup import Rows
from dataflows.operators.store import EventStore
from models.application.resolved.facts import Rollup
from models.values.column import Column, column_of, nulls
from models.values.types import Type

TTL = 90 * 86_400_000_000
"""Microseconds before an event's moment at which what was told counts no more, beside the time it has to settle."""
_SLOT = "\0slot"


class LabelMachine:
    """State of one label and delay for the keys of one shard: events that wait, and what was told by key.

    depth: how many numbers extend the order of its events; type_: of the label; late: what was told of no event that waited for it.
    """

    def __init__(self, rollup: Rollup, depth: int, type_: Type, chunk_of: ChunkOf) -> None:
        assert rollup.label is not None
        self.rollup = rollup
        self.label = rollup.label
        self.type = type_
        self.names = sorted(rollup.carries)
        self.delay = rollup.window.size
        self.store = EventStore(depth, chunk_of)
        self.head = 0
        self.slots = np.zeros(0, np.int64)
        self.told: dict[int, list[tuple[int, Any]]] = {}
        self.waiting: dict[int, int] = {}
        self.newest: dict[int, int] = {}
        self.late = 0

    def ripe(self, until: int) -> bool:
        """Whether an event's moment has come at ``until``."""
        return self.head < self.store.size and int(self.store.numbers[self.head, 0]) + self.delay <= until

    def step(self, rows: Rows | None, labels: Rows | None, until: int) -> tuple[NDArray[np.int64], Batch] | None:
        """Events and what was told (or none), in order; slots and rows of events whose moment has come by ``until``."""
        if rows is not None:
            self._wait(rows)
        if labels is not None:
            self._tell(labels)
        due = int(np.searchsorted(self.store.numbers[: self.store.size, 0], until - self.delay, "right")) if self.ripe(until) else 0
        if due <= self.head:
            return None
        slots, batch = self.slots[self.head : due], self._labelled(self.head, due)
        for slot in slots.tolist():
            self.waiting[slot] -= 1
            if not self.waiting[slot]:
                del self.waiting[slot], self.newest[slot]
        self.head = due
        self._sweep()
        return slots, batch

    def _wait(self, rows: Rows) -> None:
        here = np.flatnonzero(rows.slot >= 0)
        default = self.label.default
        columns = dict(rows.columns)
        if default is not None:
            columns[self.label.name] = default.column(rows.columns, len(rows.slot))
        names = [*self.names, *([self.label.name] if default is not None else [])]
        self.store.append(rows.batch, columns, here, names)
        self.slots = np.concatenate([self.slots, rows.slot[here]])
        self._count(rows.slot[here], rows.batch.time[here])

    def _count(self, slots: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        for slot, time in zip(slots.tolist(), times.tolist(), strict=True):
            self.waiting[slot] = self.waiting.get(slot, 0) + 1
            self.newest[slot] = time

    def _tell(self, labels: Rows) -> None:
        values = self.label.value.column(labels.columns, len(labels.slot))
        for row in np.flatnonzero(labels.slot >= 0).tolist():
            slot, time = int(labels.slot[row]), int(labels.batch.time[row])
            self.told.setdefault(slot, []).append((time, values.at(row)))
            if slot not in self.waiting or self.newest[slot] + self.delay <= time:
                self.late += 1

    def _labelled(self, begin: int, end: int) -> Batch:
        """Kept events as rows of the labelled stream: among the deadlines of their moments, in their own order."""
        kept = self.store.view().take(slice(begin, end))
        n, place = end - begin, self.rollup.place
        moments, slots = kept.time + self.delay, self.slots[begin:end]
        columns = {**kept.columns, self.label.name: self._label(kept, slots, moments)}
        first = np.stack([kept.time, kept.partition, kept.offset], axis=1)
        further = np.zeros((n, 0), np.int64) if kept.order is None else kept.order
        order = np.concatenate([first, further, np.full((n, 1), place), np.zeros((n, 1), np.int64)], axis=1)
        partition, offset = np.full(n, -1, np.int32), np.full(n, place)
        return replace(kept, time=moments, partition=partition, offset=offset, columns=columns, order=order)

    def _label(self, kept: Batch, slots: NDArray[np.int64], moments: NDArray[np.int64]) -> Column:
        """The last value that was told before each event's moment, else its default."""
        default = kept.columns.get(self.label.name)
        known = np.fromiter((slot in self.told for slot in slots.tolist()), np.bool_, len(slots)) if self.told else None
        if known is None or not known.any():
            return nulls(self.type, len(slots)) if default is None else replace(default, type=self.type)
        values = [None] * len(slots) if default is None else [default.at(row) for row in range(len(slots))]
        for row in np.flatnonzero(known).tolist():
            moment = int(moments[row])
            oldest = moment - self.delay - TTL
            for time, value in reversed(self.told[int(slots[row])]):
                if oldest < time < moment:
                    values[row] = value
                    break
        return column_of(self.type, values)

    def _sweep(self) -> None:
        """Forget events that are told."""
        if self.head > 1024 + self.store.size // 2:
            live = np.zeros(self.store.size, np.bool_)
            live[self.head :] = True
            self.store.sweep(live)
            self.slots, self.head = self.slots[self.head :].copy(), 0

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        told = {slot: [list(each) for each in found] for slot, found in self.told.items()}
        return {"store": self.store.snapshot(), "head": self.head, "slots": self.slots.copy(), "told": told, "late": self.late}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.store.restore(state["store"])
        self.head, self.slots, self.late = state["head"], state["slots"].copy(), state["late"]
        self.told = {slot: [(time, value) for time, value in found] for slot, found in state["told"].items()}
        self.waiting, self.newest = {}, {}
        self._count(self.slots[self.head :], self.store.numbers[self.head : self.store.size, 0])

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether no event of a slot waits, and nothing told of it can count any more."""
        free = np.ones(len(slots), np.bool_)
        for row, slot in enumerate(slots.tolist()):
            told = self.told.get(slot)
            free[row] = slot not in self.waiting and (told is None or told[-1][0] <= bound - TTL)
        return free

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        for slot in slots.tolist():
            self.told.pop(slot, None)
