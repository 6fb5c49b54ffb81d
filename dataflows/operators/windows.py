"""All features of one stage on one shard: logs, groups of windows, and what the kernels need to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.operators import kernels_sums
from dataflows.operators import layout as k
from dataflows.operators.counted import empty_table, rehash
from dataflows.operators.groups import Group, Output, described, grouped, masks_of, outputs_of
from dataflows.operators.intern import Interner
from dataflows.operators.kernels_reads import KERNELS
from dataflows.operators.kernels_windows import append, compact
from dataflows.operators.log_state import horizon, idle, mark, recount, release, renumber
from dataflows.operators.memory import grown, zeros
from models.application.resolved.facts import Feature
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import Kind

Log = tuple[str, tuple[str, ...]]
_FEW = 65_536
"""Strings of a value that are kept without asking whether anything still holds them."""
_MOST = 24
"""Conditions and values that the bits of one log's entries have room for."""
_ROWS = 2048
"""Rows that go through all groups before the next ones: what they touch stays in the cache."""

_EARLIEST = -(2**62)
"""A time before all that windows hold, with room below it."""


class _Rows(NamedTuple):
    """Rows of a chunk as kernels take them (see ``kernels_windows.append``)."""

    slot: NDArray[np.int64]
    time: NDArray[np.int64]
    adds: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    data: NDArray[np.int64]
    known: NDArray[np.bool_]
    tail: NDArray[np.int64]
    seen: NDArray[np.int64]


class Windows:
    """Features by name; each log of them has state of its own."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = {feature.name: feature for feature in features}
        logs: dict[Log, list[list[Feature]]] = {}
        for feature in features:
            parts = logs.setdefault((feature.of, feature.by.fields), [[]])
            if len(parts[-1]) == _MOST:
                parts.append([])
            parts[-1].append(feature)
        self.logs = [(log, _LogWindows(part)) for log, parts in logs.items() for part in parts]

    def process(
        self,
        slot: NDArray[np.int64],
        time: NDArray[np.int64],
        adds: Mapping[Log, NDArray[np.bool_] | None],
        reads: Mapping[str, NDArray[np.bool_] | None],
        values: Mapping[str, Column],
        where: Mapping[str, NDArray[np.bool_] | None],
        events: Mapping[str, Column],
    ) -> dict[str, Column]:
        """Rows in the total order through all windows.

        slot, time: int64[n], slot -1 for rows without a key; adds: rows that are events of a log (None: all); reads: rows
        that read a feature (None: all); values, where: each feature's value and condition; events: fields of whole events.
        Returns each feature's column; whole events as ``name.field``.
        """
        found: dict[str, Column] = {}
        for log, windows in self.logs:
            found.update(windows.process(slot, time, adds[log], reads, values, where, events))
        return found

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return {"logs": [windows.snapshot() for _, windows in self.logs]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        for (_, windows), part in zip(self.logs, state["logs"], strict=True):
            windows.restore(part)

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether nothing kept under each slot can influence any result from time ``bound`` on; bool[m]."""
        found = np.ones(len(slots), np.bool_)
        for _, windows in self.logs:
            found &= windows.evictable(slots, bound)
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""
        for _, windows in self.logs:
            windows.evict(slots)


class _LogWindows:
    """The features of one log."""

    def __init__(self, features: Sequence[Feature]) -> None:
        outputs = list(outputs_of(features))
        self.columns = list(dict.fromkeys((o.value, o.value_type) for o in outputs if o.value_type is not None))
        self.groups = grouped(outputs)
        self.masks = masks_of(self.groups)
        self.of = described(self.groups, [name for name, _ in self.columns], self.masks)
        self.interners = {value: Interner() for value, type_ in self.columns if type_.kind is Kind.STRING}
        self.enough: dict[str, int] = {}
        self.log = zeros(1024, self.of.entry_width)
        self.arena = np.zeros(2, np.int64)
        self.free = np.full(len(k.SIZES), -1, np.int64)
        self.state = zeros(0, self.of.state_width)
        counts = any(group.family == k.DISTINCT for group in self.groups)
        self.table = empty_table(1024 if counts else 2)
        self.meta = np.zeros(1, np.int64)

    def process(
        self,
        slot: NDArray[np.int64],
        time: NDArray[np.int64],
        adds: NDArray[np.bool_] | None,
        reads: Mapping[str, NDArray[np.bool_] | None],
        values: Mapping[str, Column],
        where: Mapping[str, NDArray[np.bool_] | None],
        events: Mapping[str, Column],
    ) -> dict[str, Column]:
        """Rows through this log's windows."""
        n = len(slot)
        self._reserve(int(slot.max()) + 1 if n else 0)
        data, known = self._data(values, events, n)
        every = np.ones(n, np.bool_)
        counts = self._counts(known, where, n)
        empty = np.empty(n, np.int64), np.empty(n, np.int64)
        rows = _Rows(slot, time, every if adds is None else adds, counts, data, known, *empty)
        wanted = [self._wanted(group, reads, every) for group in self.groups]
        out, out_known = np.zeros((len(self.of.aggregates), n), np.int64), np.zeros((len(self.of.aggregates), n), np.bool_)
        for begin in range(0, n, _ROWS):
            end = min(begin + _ROWS, n)
            self._append(begin, end, rows)
            for place, group in enumerate(self.groups):
                if group.family in (k.SUMS_INT, k.SUMS_FLOAT):
                    self._sum(place, begin, end, rows, wanted[place], out, out_known)
                else:
                    self._read(place, begin, end, rows, wanted[place], out, out_known)
        found = self._results(out, out_known)
        self._forget_strings()
        return found

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays; how often values stand in windows follows from the rest."""
        interners = {name: interner.snapshot() for name, interner in self.interners.items()}
        log = self.log[: int(self.arena[k.USED])].copy()
        return {"log": log, "free": self.free.copy(), "state": self.state.copy(), "interners": interners}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.log, self.free = state["log"].copy(), state["free"].copy()
        self.state = zeros(len(state["state"]), self.of.state_width)
        self.state[:] = state["state"]
        self.arena[k.USED] = len(self.log)
        for name, interner in self.interners.items():
            interner.restore(state["interners"][name])
        self._recount()

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether no window sees any of a slot's entries from ``bound`` on; bool[m]."""
        found: NDArray[np.bool_] = idle(slots, horizon(self.of.groups, bound), self.state)
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Free slots' entries."""
        release(slots, self.of.groups, self.log, self.free, self.state, self.table, self.meta)

    def _forget_strings(self) -> None:
        """Drop strings that no entry holds any more, once they are many beside the strings in use and the entries."""
        for place, (name, type_) in enumerate(self.columns):
            if type_.kind is not Kind.STRING or len(self.interners[name]) < self.enough.get(name, _FEW):
                continue
            live = np.zeros(len(self.interners[name]), np.bool_)
            mark(self.state, self.log, place, live)
            renumber(self.state, self.log, place, self.interners[name].keep(live))
            self.enough[name] = 2 * int(live.sum()) + int(self.arena[k.USED]) // 8 + _FEW
            self._recount()

    def _recount(self) -> None:
        """Count the values of all windows anew."""
        counts = [self.of.groups[place, k.AT] + k.N for place, group in enumerate(self.groups) if group.family == k.DISTINCT]
        if counts:
            entries = int(self.state[:, counts].sum())
            self.table, self.meta[0] = empty_table(1 << int(2 * entries + 1023).bit_length()), 0
            recount(self.of.groups, self.log, self.state, self.table, self.meta)

    def _append(self, row: int, end: int, rows: _Rows) -> None:
        since, of = max(int(rows.time[row]) - 1, _EARLIEST), self.of
        while True:
            row = append(
                row, end, since, rows.slot, rows.time, rows.adds, rows.counts, of.bits, rows.data, rows.known, of.groups, of.scales,
                self.log, self.free, self.arena, self.state, self.state.view(np.float64), self.table, self.meta, rows.tail,
                rows.seen,
            )  # fmt: skip
            if row == end:
                return
            self._enlarge()

    def _sum(
        self,
        place: int,
        begin: int,
        end: int,
        rows: _Rows,
        wanted: NDArray[np.bool_],
        out: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> None:
        group, of, outs = self.of.groups[place], self.of.outs[place], out.view(np.float64)
        if self.groups[place].family == k.SUMS_INT:
            kernels_sums.sum_wholes(
                begin, end, group, *of, rows.slot, rows.time, rows.tail, rows.seen, rows.adds, wanted, self.log, self.state, out,
                outs, known,
            )  # fmt: skip
            return
        redo = np.empty((end - begin, 3), np.int64)
        inexact = kernels_sums.sum_floats(
            begin, end, group, *of[:3], rows.slot, rows.time, rows.tail, rows.seen, rows.adds, wanted, self.log, self.state,
            self.state.view(np.float64), out, outs, known, redo,
        )  # fmt: skip
        if inexact:
            kernels_sums.sum_anew(redo[:inexact], group, *of[1:3], rows.slot, self.log, self.state, outs)

    def _read(
        self,
        place: int,
        row: int,
        end: int,
        rows: _Rows,
        wanted: NDArray[np.bool_],
        out: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> None:
        of, kernel = self.of, KERNELS[self.groups[place].family]
        while True:
            row = kernel(
                row, end, of.groups[place], of.scales[place], of.aggregates, of.reals, rows.slot, rows.time, rows.tail, rows.seen,
                rows.adds, wanted, rows.data, rows.known, self.log, self.arena, self.state, self.state.view(np.float64), self.table,
                self.meta, out, known,
            )  # fmt: skip
            if row == end:
                return
            self._enlarge()

    def _enlarge(self) -> None:
        """Make room where a kernel asked for some."""
        if self.arena[k.WANTS] == k.LOG:
            self._grow_arena()
        else:
            larger = empty_table(2 * len(self.table))
            rehash(self.table, larger)
            self.table = larger

    def _wanted(self, group: Group, reads: Mapping[str, NDArray[np.bool_] | None], every: NDArray[np.bool_]) -> NDArray[np.bool_]:
        masks = [mask for (feature, *_), _ in group.outputs if (mask := reads[feature.name]) is not None]
        return every if len(masks) < len(group.outputs) else np.logical_or.reduce(masks).astype(np.bool_)

    def _counts(self, known: NDArray[np.bool_], where: Mapping[str, NDArray[np.bool_] | None], n: int) -> NDArray[np.bool_]:
        """Which rows count for the groups of each bit."""
        counts = np.ones((len(self.masks), n), np.bool_)
        for place, (condition, skips) in enumerate(self.masks):
            if condition is not None:
                owner = next(group.outputs[0][0].feature for group in self.groups if group.mask[0] == condition)
                if (passes := where[owner.name]) is not None:
                    counts[place] &= passes
            if skips is not None:
                counts[place] &= known[self._place(skips)]
        return counts

    def _place(self, name: str) -> int:
        return next(i for i, (column, _) in enumerate(self.columns) if column == name)

    def _reserve(self, slots: int) -> None:
        size = len(self.state)
        if slots > size:
            self.state = grown(self.state, max(slots, size * 5 // 4, 256))

    def _grow_arena(self) -> None:
        """More room for entries, and none for what keys have left behind."""
        used, live = int(self.arena[k.USED]), int(self.state[:, k.CAP].sum())
        most = 4 * int(self.state[:, k.CAP].max(initial=0)) + 64
        if live == used:
            self.log = grown(self.log, used * 5 // 4 + most)
            return
        larger = zeros(live * 5 // 4 + most, self.log.shape[1])
        compact(self.log, larger, self.state, self.arena)
        self.free[:] = -1
        self.log = larger

    def _data(
        self, values: Mapping[str, Column], events: Mapping[str, Column], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        data = np.zeros((len(self.columns), n), np.int64)
        known = np.ones((len(self.columns), n), np.bool_)
        outputs = [output for group in self.groups for output, _ in group.outputs]
        sources = {output.value: output.feature.name for output in outputs}
        for place, (name, type_) in enumerate(self.columns):
            column = events[name.removeprefix("event ")] if name.startswith("event ") else values[sources[name]]
            if column.valid is not None:
                known[place] = column.valid
            if isinstance(column.values, Strings):
                data[place] = self.interners[name].numbers(column)
            elif type_.kind is Kind.FLOAT:
                data[place] = (column.values + 0.0).view(np.int64)
            else:
                data[place] = column.values
        for place, (name, _) in enumerate(self.columns):
            if any(output.value == name and output.feature.aggregate == "ratio" for output in outputs):
                data[place] &= known[place]
                known[place] = True
        return data, known

    def _results(self, out: NDArray[np.int64], known: NDArray[np.bool_]) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for place, group in enumerate(self.groups):
            for output, which in group.outputs:
                row = int(self.of.groups[place, k.BEGIN]) + which
                found[output.name] = self._result(output, out[row], None if known[row].all() else known[row])
        return found

    def _result(self, output: Output, values: NDArray[np.int64], valid: NDArray[np.bool_] | None) -> Column:
        if output.type.kind is Kind.STRING:
            return Column(output.type, self.interners[output.value].strings(values), valid)
        if output.type.kind is Kind.FLOAT:
            return Column(output.type, values.view(np.float64), valid)
        return Column(output.type, values.astype(np.bool_) if output.type.kind is Kind.BOOL else values, valid)

