"""One rollup on one shard: rows in, rows that tell of closed windows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.operators import kernels_rollup as k
from dataflows.operators.days import DAY, Days
from dataflows.operators.memory import grown
from dataflows.operators.windows import Windows
from models.application.resolved.facts import Feature, Rollup
from models.expressions.expression import Expression
from models.values.column import Column, nulls
from models.values.types import INT

_KINDS = {"tumbling": k.TUMBLING, "hopping": k.HOPPING, "session": k.SESSION}
_FIRST = "\0first"


class Rows(NamedTuple):
    """Rows of a rollup's stream in the total order, keyed by its entity; slot int64[n], -1 for rows without a key."""

    slot: NDArray[np.int64]
    batch: Batch
    columns: Mapping[str, Column]


@dataclass(slots=True)
class Closed:
    """Windows that have ended.

    slot, start, end: int64[m]; columns: what is selected; order: int64[m, w], the place of each one's first row in the total
    order (of an empty one: of its key's last row).
    """

    slot: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    columns: dict[str, Column]
    order: NDArray[np.int64]


class RollupMachine:
    """State of one rollup for the keys of one shard; depth: how many numbers extend the order of its stream's rows."""

    def __init__(self, rollup: Rollup, depth: int) -> None:
        self.rollup = rollup
        self.width = 3 + depth
        window = rollup.window
        self.kind = _KINDS[window.kind]
        self.days = Days(window.tz) if window.tz else None
        unit = DAY if window.tz else 1
        fill = -1 if window.fill is None else window.fill
        self.spec = np.array([self.kind, window.size // unit, window.step // unit, fill, 0], np.int64)
        self.windows = Windows(self._features())
        self.state = np.zeros((0, k.LAST + 2 * self.width), np.int64)
        self.heap = np.zeros((0, 2), np.int64)
        self.free = np.zeros(0, np.int64)
        self.meta = np.zeros(k.META, np.int64)
        self.meta[k.CELLS] = 1
        self.latest = 0

    def ripe(self, until: int) -> bool:
        """Whether a window ends at or before ``until``."""
        return bool(self.meta[k.WAITING]) and int(self.heap[0, 0]) <= until

    def step(self, rows: Rows | None, until: int) -> Closed | None:
        """Rows (or none), and all windows that end at or before ``until``; None where none does."""
        time = np.zeros(0, np.int64) if rows is None else rows.batch.time
        slot = np.zeros(0, np.int64) if rows is None else rows.slot
        self._reserve(slot, time)
        cells, closed, places = self._advance(rows, slot, time, until)
        if rows is None and not len(closed):
            return None
        found = self._read(rows, slot if self.kind == k.HOPPING else cells, time, closed)
        if not len(closed):
            return None
        order = self._orders(found, closed, places) if self.kind == k.HOPPING else places
        columns = {measure.name: found[measure.name] for measure in self.rollup.select}
        return Closed(closed[:, k.SLOT], closed[:, k.BEGINS], closed[:, k.ENDS], columns, order)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        waiting = self.heap[: self.meta[k.WAITING]].copy()
        return {"state": self.state.copy(), "heap": waiting, "free": self.free[: self.meta[k.FREE]].copy(),
                "cells": int(self.meta[k.CELLS]), "latest": self.latest, "windows": self.windows.snapshot()}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.state, self.free = state["state"].copy(), state["free"].copy()
        self.heap = grown(state["heap"], len(self.state))
        self.meta[:] = len(state["heap"]), state["cells"], len(self.free), 0
        self.latest = state["latest"]
        self.windows.restore(state["windows"])

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether no window of a slot is open."""
        free = np.ones(len(slots), np.bool_)
        known = slots < len(self.state)
        free[known] = self.state[slots[known], k.OPEN] == 0
        return free

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        self.state[slots[slots < len(self.state)]] = 0
        if self.kind == k.HOPPING:
            self.windows.evict(slots)

    def _features(self) -> list[Feature]:
        """What is selected, as features: of a hopping window's length, or of all that is in a cell."""
        if self.kind != k.HOPPING:
            return list(self.rollup.select)
        size = self.rollup.window.size
        first = Feature(
            _FIRST, -1, "first", self.rollup.of, self.rollup.by, INT, over=size, event=True,
            event_fields=tuple(map(str, range(self.width))), event_types={str(place): INT for place in range(self.width)},
        )  # fmt: skip
        return [*(replace(measure, over=size) for measure in self.rollup.select), first]

    def _reserve(self, slot: NDArray[np.int64], time: NDArray[np.int64]) -> None:
        slots = int(slot.max()) + 1 if len(slot) else 0
        if slots > len(self.state):
            larger = max(slots, len(self.state) * 3 // 2, 256)
            self.state, self.heap = grown(self.state, larger), grown(self.heap, larger)
        if len(time):
            self.latest = max(self.latest, int(time[-1]))
        if self.days is not None:
            moments = [int(self.heap[0, 0])] if self.meta[k.WAITING] else []
            moments += [int(time[0])] if len(time) else []
            window = self.rollup.window
            ahead = window.size + window.step + max(int(self.spec[k.FILL]), 0) + DAY
            if moments:
                self.days.cover(min(moments) - window.size - DAY, self.latest + ahead)

    def _advance(
        self, rows: Rows | None, slot: NDArray[np.int64], time: NDArray[np.int64], until: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        n = len(slot)
        orders, cells = _places(rows, self.width), np.empty(n, np.int64)
        days = np.zeros(0, np.int64) if self.days is None else self.days.begins
        self.spec[k.BASE] = 0 if self.days is None else self.days.base
        closed, places = [], []
        row, room = 0, int(self.meta[k.WAITING]) + n + 64
        while row <= n:
            self.meta[k.CLOSED] = 0
            some, where = np.empty((room, k.CLOSED_WIDTH), np.int64), np.empty((room, self.width), np.int64)
            row = k.advance(
                row, time, slot, orders, until, self.spec, days, self.state, self.heap, self.free, self.meta, cells, some, where
            )
            closed.append(some[: self.meta[k.CLOSED]])
            places.append(where[: self.meta[k.CLOSED]])
        return cells, np.concatenate(closed), np.concatenate(places)

    def _read(
        self, rows: Rows | None, slot: NDArray[np.int64], time: NDArray[np.int64], closed: NDArray[np.int64]
    ) -> dict[str, Column]:
        """Add the rows to their windows, and read those that have ended, each before any row at or after its end."""
        n, m = len(slot), len(closed)
        order = np.argsort(np.concatenate([closed[:, k.ENDS], time]), kind="stable")
        rank = np.empty(n + m, np.int64)
        rank[order] = np.arange(n + m)
        ends = closed[:, k.ENDS] - 1
        if self.kind == k.HOPPING:
            cell = closed[:, k.SLOT]
            if self.days is not None:
                ends, time = self.days.within(ends), self.days.within(time)
        else:
            cell = np.where(closed[:, k.IN] < 0, k.EMPTY_CELL, closed[:, k.IN])
        adds, source = order >= m, np.maximum(order - m, 0)
        log = (self.rollup.of, self.rollup.by.fields)
        values, where, events = self._inputs(rows, source, adds)
        names = [*self.windows.features]
        slots, times = np.concatenate([cell, slot])[order], np.concatenate([ends, time])[order]
        reads: dict[str, NDArray[np.bool_] | None] = dict.fromkeys(names, ~adds)
        found = self.windows.process(slots, times, {log: adds & (slots >= 0)}, reads, values, where, events)
        if self.kind != k.HOPPING:
            self._release(closed[:, k.IN])
        return {name: column.take(rank[:m]) for name, column in found.items()}

    def _release(self, cells: NDArray[np.int64]) -> None:
        """Cells of closed windows may be used again."""
        used = cells[cells >= 0]
        self.windows.evict(used)
        self.free = np.concatenate([self.free[: self.meta[k.FREE]], used])
        self.meta[k.FREE] = len(self.free)

    def _inputs(
        self, rows: Rows | None, source: NDArray[np.int64], adds: NDArray[np.bool_]
    ) -> tuple[dict[str, Column], dict[str, NDArray[np.bool_] | None], dict[str, Column]]:
        """Values and conditions of what is selected, over rows with ends among them."""

        def spread(column: Column) -> Column:
            if not len(column):
                return nulls(column.type, len(adds))
            whole = column.take(source)
            return Column(whole.type, whole.values, whole.is_valid() & adds)

        values: dict[str, Column] = {}
        where: dict[str, NDArray[np.bool_] | None] = {}
        for measure in self.rollup.select:
            if measure.value is not None:
                values[measure.name] = spread(_evaluated(measure.value, rows))
            if measure.where is not None:
                true = spread(_evaluated(measure.where, rows))
                where[measure.name] = np.asarray(true.values, np.bool_) & true.is_valid()
        orders = _places(rows, self.width)
        first = range(self.width if self.kind == k.HOPPING else 0)
        return values, where, {str(place): spread(Column(INT, orders[:, place])) for place in first}

    def _orders(self, found: Mapping[str, Column], closed: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of first rows; of an empty window that of its key's last row, as the kernel gave it."""
        first = np.stack([found[f"{_FIRST}.{place}"].values for place in range(self.width)], axis=1)
        return np.where(closed[:, k.EMPTY, None] == 1, places, first)


def _evaluated(expression: Expression, rows: Rows | None) -> Column:
    return nulls(expression.type, 0) if rows is None else expression.column(rows.columns, len(rows.slot))


def _places(rows: Rows | None, width: int) -> NDArray[np.int64]:
    """int64[n, width]: places in the total order."""
    if rows is None:
        return np.zeros((0, width), np.int64)
    batch = rows.batch
    found = np.full((len(batch), width), -1, np.int64)
    found[:, 0], found[:, 1], found[:, 2] = batch.time, batch.partition, batch.offset
    if batch.order is not None:
        found[:, 3 : 3 + batch.order.shape[1]] = batch.order
    return found
