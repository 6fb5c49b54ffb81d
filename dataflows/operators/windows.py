"""All features of one stage on one shard: logs, groups of windows, and what the kernel needs to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.operators import kernels_windows as k
from dataflows.operators.intern import Interner
from dataflows.operators.log_state import horizon, mark, release, renumber
from models.application.resolved import Feature
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import Kind, Type

Log = tuple[str, tuple[str, ...]]
_BEFORE = frozenset({"previous", "since_last", "is_new"})
_TAKES_NULLS = frozenset({"previous", "first", "last"})
_PLAIN = {"std": k.STD, "distinct": k.DISTINCT, "first": k.FIRST, "last": k.LAST, "quantile": k.QUANTILE,
          "previous": k.PREVIOUS, "since_last": k.SINCE_LAST, "is_new": k.IS_NEW, "count": k.COUNT}  # fmt: skip
_FEW = 65_536
"""Strings of a value that are kept without asking whether anything still holds them."""
_MOST = 24
"""Groups and values that the bits of one log's entries have room for."""


@dataclass(slots=True)
class _Group:
    """Aggregates over the same rows: they share pointers and the count."""

    key: tuple[Any, ...]
    over: int
    delay: int
    every: int
    before: bool
    ttl: int
    where: str | None
    skips: str | None
    kept: int = 0
    features: list[tuple[Feature, str, str]] = field(default_factory=list)


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
        self.columns: list[tuple[str, Type]] = []
        groups: dict[tuple[Any, ...], _Group] = {}
        for feature in features:
            for name, value, type_ in _parts(feature):
                place = self._column(value, type_) if value and type_ is not None else -1
                group = _group(feature, value, type_)
                found = groups.setdefault(group.key, group)
                found.kept = max(found.kept, _kept(feature)) if _kept(feature) >= 0 and found.kept >= 0 else -1
                found.features.append((feature, name, value if place >= 0 else ""))
        self.groups = list(groups.values())
        self._describe()
        self.interners = {value: Interner() for value, type_ in self.columns if type_.kind is Kind.STRING}
        self.enough: dict[str, int] = {}
        self.log = np.empty((1024, 2 + len(self.columns)), np.int64)
        self.arena = np.zeros(1, np.int64)
        self.free = np.full(len(k.SIZES), -1, np.int64)
        self.state = np.zeros((0, k.RING + len(self.groups) * k.GROUP + len(self.names) * k.SUMS), np.int64)

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
        wanted = np.zeros((len(self.groups), n), np.bool_)
        counts = np.ones((len(self.groups), n), np.bool_)
        for place, group in enumerate(self.groups):
            for feature, _, _ in group.features:
                mask = reads[feature.name]
                wanted[place] |= True if mask is None else mask
            first = group.features[0]
            if group.where is not None and (passes := where[first[0].name]) is not None:
                counts[place] &= passes
            if group.skips is not None:
                counts[place] &= known[self._place(first[2])]
        out = np.zeros((len(self.names), n), np.int64)
        out_known = np.zeros((len(self.names), n), np.bool_)
        added = np.ones(n, np.bool_) if adds is None else adds
        row = 0
        while row < n:
            row = k.process(
                row, slot, time, added, wanted, counts, data, known, self.windows, self.aggregates, self.reals, self.log,
                self.free, self.arena, self.state, self.state.view(np.float64), out, out_known,
            )  # fmt: skip
            if row < n:
                self._grow_arena()
        found = self._results(out, out_known)
        self._forget_strings()
        return found

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        interners = {name: interner.snapshot() for name, interner in self.interners.items()}
        log = self.log[: int(self.arena[0])].copy()
        return {"log": log, "free": self.free.copy(), "state": self.state.copy(), "interners": interners}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.log, self.free, self.state = (state[name].copy() for name in ("log", "free", "state"))
        self.arena[0] = len(self.log)
        for name, interner in self.interners.items():
            interner.restore(state["interners"][name])

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether no window sees any of a slot's entries from ``bound`` on; bool[m]."""
        found = np.ones(len(slots), np.bool_)
        inside = slots < len(self.state)
        rows = slots[inside]
        found[inside] = (self.state[rows, k.TAIL] == 0) | (self.state[rows, k.SEEN] <= horizon(self.windows, bound))
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Free slots' entries."""
        release(slots, self.log, self.free, self.state)

    def _forget_strings(self) -> None:
        """Drop strings that no entry holds any more, once they are many beside the strings in use and the entries."""
        for place, (name, type_) in enumerate(self.columns):
            if type_.kind is not Kind.STRING or len(self.interners[name]) < self.enough.get(name, _FEW):
                continue
            live = np.zeros(len(self.interners[name]), np.bool_)
            mark(self.state, self.log, place, live)
            renumber(self.state, self.log, place, self.interners[name].keep(live))
            self.enough[name] = 2 * int(live.sum()) + int(self.arena[0]) // 8 + _FEW

    def _column(self, name: str, type_: Type) -> int:
        if (name, type_) not in self.columns:
            self.columns.append((name, type_))
        return self.columns.index((name, type_))

    def _place(self, name: str) -> int:
        return next(i for i, (column, _) in enumerate(self.columns) if column == name)

    def _describe(self) -> None:
        """The groups and aggregates as arrays for the kernel."""
        flat = [(feature, value) for group in self.groups for feature, _, value in group.features]
        types = [self.columns[self._place(value)][1] if value else None for _, value in flat]
        self.names = [name for group in self.groups for _, name, _ in group.features]
        self.types = [_result(feature, type_) for (feature, _), type_ in zip(flat, types)]
        self.value_names = [value for _, value in flat]
        ends = np.cumsum([0, *(len(group.features) for group in self.groups)])
        self.windows = np.array(
            [[g.over, g.delay, g.every, g.kept, g.ttl, g.before, ends[i], ends[i + 1]] for i, g in enumerate(self.groups)],
            np.int64,
        )
        first = k.RING + len(self.groups) * k.GROUP
        self.aggregates = np.array(
            [
                [_op(feature, type_), self._place(value) if value else -1, type_ is not None and type_.kind is Kind.FLOAT,
                 _param(feature, type_), first + place * k.SUMS]
                for place, ((feature, value), type_) in enumerate(zip(flat, types))
            ],
            np.int64,
        )  # fmt: skip
        self.reals = np.array([[10.0 ** (type_.scale if type_ else 0), feature.q] for (feature, _), type_ in zip(flat, types)])

    def _reserve(self, slots: int) -> None:
        size = len(self.state)
        if slots > size:
            width = k.RING + len(self.groups) * k.GROUP + len(self.names) * k.SUMS
            larger = np.zeros((max(slots, size * 3 // 2, 256), width), np.int64)
            larger[:size] = self.state
            self.state = larger

    def _grow_arena(self) -> None:
        size = len(self.log)
        larger = np.empty((size * 3 // 2 + 4 * int(self.state[:, k.CAP].max()) + 64, self.log.shape[1]), np.int64)
        larger[:size] = self.log
        self.log = larger

    def _data(
        self, values: Mapping[str, Column], events: Mapping[str, Column], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        data = np.zeros((len(self.columns), n), np.int64)
        known = np.ones((len(self.columns), n), np.bool_)
        sources = {value: feature.name for group in self.groups for feature, _, value in group.features}
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
            if any(value == name and feature.aggregate == "ratio" for g in self.groups for feature, _, value in g.features):
                data[place] &= known[place]
                known[place] = True
        return data, known

    def _results(self, out: NDArray[np.int64], known: NDArray[np.bool_]) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for place, name in enumerate(self.names):
            type_, values = self.types[place], out[place]
            valid = None if known[place].all() else known[place]
            if type_.kind is Kind.STRING:
                found[name] = Column(type_, self.interners[self.value_names[place]].strings(values), valid)
            elif type_.kind is Kind.FLOAT:
                found[name] = Column(type_, values.view(np.float64), valid)
            elif type_.kind is Kind.BOOL:
                found[name] = Column(type_, values.astype(np.bool_), valid)
            else:
                found[name] = Column(type_, values, valid)
        return found


def _parts(feature: Feature) -> list[tuple[str, str, Type | None]]:
    """(result name, value's name, value's type) of a feature: one, or one a field of a whole event."""
    if feature.event:
        return [(f"{feature.name}.{name}", f"event {name}", feature.event_types[name]) for name in feature.event_fields]
    if feature.value is None:
        return [(feature.name, "", None)]
    return [(feature.name, feature.value.canonical, feature.value.type)]


def _group(feature: Feature, value: str, type_: Type | None) -> _Group:
    takes = feature.aggregate in _TAKES_NULLS and not feature.skip_null
    may_be_null = type_ is not None and (type_.optional or feature.value is None or feature.value.root.op != "column")
    skips = value if value and not takes and may_be_null and feature.aggregate != "ratio" else None
    where = feature.where.canonical if feature.where else None
    before = feature.exclude_current or feature.aggregate in _BEFORE
    over = k.ALL if feature.over is None else feature.over
    every = feature.every or 0
    ttl = feature.ttl if feature.over is None else 0
    kept = _kept(feature) if over == k.ALL else 0
    key = (over, feature.delay, every, before, ttl, where, skips, kept)
    return _Group(key, int(over), feature.delay, every, before, ttl, where, skips, kept)


def _kept(feature: Feature) -> int:
    """How many entries an ``over: all`` aggregate still needs once they are counted; -1: all of them."""
    if feature.aggregate in ("std", "distinct", "quantile", "is_new", "first"):
        return -1
    if feature.aggregate in ("sum", "mean") and feature.value is not None and feature.value.type.kind is Kind.FLOAT:
        # Should an addition not be exact, the sum is taken anew from all of the log.
        return -1
    if feature.aggregate in ("previous", "last", "since_last"):
        return -1 if feature.where is not None or feature.skip_null else feature.n
    return 0


def _op(feature: Feature, type_: Type | None) -> int:
    if feature.aggregate in _PLAIN:
        return _PLAIN[feature.aggregate]
    is_float = type_ is not None and type_.kind is Kind.FLOAT
    pairs = {"sum": (k.SUM_INT, k.SUM_FLOAT), "mean": (k.MEAN_INT, k.MEAN_FLOAT), "ratio": (k.MEAN_INT, k.MEAN_INT),
             "min": (k.MIN_INT, k.MIN_FLOAT), "max": (k.MAX_INT, k.MAX_FLOAT)}  # fmt: skip
    return pairs[feature.aggregate][is_float]


def _param(feature: Feature, type_: Type | None) -> int:
    if feature.aggregate == "sum":
        return int(type_ is not None and type_.kind is Kind.DECIMAL)
    return feature.n


def _result(feature: Feature, type_: Type | None) -> Type:
    return type_ if feature.event and type_ is not None else feature.type
