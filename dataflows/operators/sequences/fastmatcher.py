"""The array machine of a program: its state, and the calls of its kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.sequences import kernels_attempts as a
from dataflows.operators.sequences import kernels_emit as emit
from dataflows.operators.sequences import kernels_match as k
from dataflows.operators.sequences.kernels_back import DEPTH, N_WIDTH
from dataflows.operators.sequences.layout import P_EDGES, Layout
from dataflows.operators.sequences.matcher import NEVER
from dataflows.operators.sequences.rows import OrderedRows
from models.values.column import Column
from models.values.types import Kind

_ROOM = 256


class Raised(NamedTuple):
    """A match: key's slot, last node, start event, time, deadline (-1: none), and the completing row's place (-1: none)."""

    slot: int
    node: int
    start: int
    time: int
    deadline: int
    place: int


class FastMatcher:
    """All keys of one pattern on one shard. ``queueing``: whether attempts wait for the end of ``within``."""

    def __init__(self, layout: Layout, *, queueing: bool) -> None:
        self.layout = layout
        self.queueing = queueing
        back = layout.back
        self.program = (
            layout.settings, layout.states, layout.edges, layout.guards, layout.lists, layout.arms, layout.skips, layout.conditions,
            back.code, back.floats, back.sets, (np.zeros(DEPTH, np.int64), np.zeros(DEPTH), np.zeros(DEPTH, np.bool_)),
        )  # fmt: skip
        width = len(back.columns)
        self.heads, self.counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.runs, self.free = np.zeros((_ROOM, a.R_WIDTH), np.int64), np.zeros(_ROOM, np.int64)
        self.nodes, self.queue = np.zeros((_ROOM, N_WIDTH), np.int64), np.zeros((_ROOM, a.Q_WIDTH), np.int64)
        self.meta = np.zeros(a.M_WIDTH, np.int64)
        self.kept, self.kept_valid = np.zeros((_ROOM, width), np.int64), np.zeros((_ROOM, width), np.bool_)
        self.place_of = np.zeros(_ROOM, np.int64)
        self.fresh, self.complete = np.zeros(_ROOM, np.int64), np.zeros(_ROOM, np.int64)
        self.live = 0
        self.nothing = self._given(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), None)

    @property
    def next_due(self) -> int:
        """The first deadline that may wait."""
        head, tail = self.meta[a.M_HEAD], self.meta[a.M_TAIL]
        return int(self.queue[head, a.Q_DUE]) if self.queueing and head < tail else NEVER

    @property
    def events(self) -> int:
        """How many events are kept."""
        return int(self.meta[a.M_EVENTS])

    def run(self, rows: OrderedRows, rank: NDArray[np.int64], places: NDArray[np.int64]) -> Iterator[Raised]:
        """Candidate rows in order, deadlines before the rows at or after them."""
        self._slots(int(rows.slot.max()) + 1)
        fits = np.zeros(len(rows.slot), np.int64)
        for number, mask in enumerate(rows.masks):
            fits |= mask.astype(np.int64) << number
        given = self._given(rows.slot, rows.time, rank, fits, rows)
        begin = 0
        while begin < len(places):
            out = np.empty((max(_ROOM, len(self.fresh)), a.O_WIDTH), np.int64)
            before = begin
            begin, made = k.step(begin, places, self.program, self._state(), given, out, self.queueing)
            yield from map(Raised._make, out[:made].tolist())
            if begin < len(places):
                self._grow(int(rows.slot[places[begin]]), stuck=begin == before and not made)

    def due(self, until: int) -> Iterator[Raised]:
        """What deadlines up to ``until`` bring, in order."""
        while self.next_due <= until and self.next_due < NEVER:
            out = np.empty((max(_ROOM, len(self.fresh)), a.O_WIDTH), np.int64)
            made = emit.due(until, self.program, self._state(), self.nothing, out, 0)
            yield from map(Raised._make, out[:made].tolist())
            if not made and self.next_due <= until and self.next_due < NEVER:
                self._grow(int(self.queue[self.meta[a.M_HEAD], a.Q_SLOT]), stuck=True)

    def chain(self, node: int) -> list[tuple[int, int, int]]:
        """(arm, event, time) of everything up to a node, in order."""
        found = []
        while node >= 0:
            before, arm, event, time = self.nodes[node, :4].tolist()
            found.append((arm, event, time))
            node = before
        return found[::-1]

    @property
    def crowded(self) -> bool:
        """Whether a sweep would pay for itself."""
        return bool(self.meta[a.M_EVENTS] + self.meta[a.M_NODES] > 4 * self.live + 4096)

    def sweep(self, bound: int, live_events: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Forget what no open attempt and none of ``live_events`` (bool[events]) holds; int64[events], where each has moved."""
        if not self.queueing:
            a.expire(bound, self.program, self._state())
        live_nodes = np.zeros(self.meta[a.M_NODES], np.bool_)
        a.mark(self._state(), live_nodes, live_events)
        moved_nodes, moved_events = _moved(live_nodes), _moved(live_events)
        a.move(self._state(), moved_nodes, moved_events)
        self.meta[a.M_NODES], self.meta[a.M_EVENTS] = live_nodes.sum(), live_events.sum()
        self.live = int(self.meta[a.M_NODES] + self.meta[a.M_EVENTS])
        return moved_events

    def idle(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether no attempt of a slot is open at ``bound``."""
        out = np.empty(len(slots), np.bool_)
        a.idle(slots, bound, self.program, self._state(), out)
        return out

    def clear(self, slots: NDArray[np.int64]) -> None:
        """Drop all attempts of slots."""
        a.clear(slots, self._state())

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        runs, nodes, events = (int(self.meta[at]) for at in (a.M_RUNS, a.M_NODES, a.M_EVENTS))
        return {
            "heads": self.heads.copy(), "counts": self.counts.copy(), "runs": self.runs[:runs].copy(),
            "free": self.free[: self.meta[a.M_FREE]].copy(), "nodes": self.nodes[:nodes].copy(), "meta": self.meta.copy(),
            "queue": self.queue[: self.meta[a.M_TAIL]].copy(), "kept": self.kept[:events].copy(),
            "kept_valid": self.kept_valid[:events].copy(), "live": self.live,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.heads, self.counts, self.meta = state["heads"].copy(), state["counts"].copy(), state["meta"].copy()
        for name in ("runs", "free", "nodes", "queue", "kept", "kept_valid"):
            saved = state[name]
            array = np.zeros((max(_ROOM, 2 * len(saved)), *saved.shape[1:]), saved.dtype)
            array[: len(saved)] = saved
            setattr(self, name, array)
        self.free = np.concatenate([self.free, np.zeros(max(0, len(self.runs) - len(self.free)), np.int64)])
        self.place_of = np.zeros(len(self.kept), np.int64)
        self.live = state["live"]

    def _state(self) -> tuple[Any, ...]:
        return (self.heads, self.counts, self.runs, self.free, self.nodes, self.queue, self.meta, self.kept, self.kept_valid,
                self.place_of, self.fresh, self.complete, self.kept.view(np.float64))  # fmt: skip

    def _given(
        self, slot: NDArray[np.int64], time: NDArray[np.int64], rank: NDArray[np.int64], fits: NDArray[np.int64],
        rows: OrderedRows | None,
    ) -> tuple[NDArray[Any], ...]:  # fmt: skip
        """The arrays of rows in hand: with each the fields that look-backs read, floats by their bits."""
        names = self.layout.back.columns
        values, valid = np.zeros((len(slot), len(names)), np.int64), np.zeros((len(slot), len(names)), np.bool_)
        for number, part in rows.lanes.items() if rows is not None else ():
            assert rows is not None
            mine = slice(None) if len(rows.lanes) == 1 else np.flatnonzero(rows.lane == number)
            for at, name in enumerate(names):
                if name in part.columns:
                    column = part.columns[name].take(rows.row[mine])
                    values[mine, at], valid[mine, at] = _bits(column), column.is_valid()
        return slot, time, rank, fits, values, valid, values.view(np.float64)

    def _slots(self, slots: int) -> None:
        if slots > len(self.heads):
            more = max(slots, 2 * len(self.heads)) - len(self.heads)
            self.heads = np.concatenate([self.heads, np.full(more, -1, np.int64)])
            self.counts = np.concatenate([self.counts, np.zeros(more, np.int64)])

    def _grow(self, slot: int, *, stuck: bool) -> None:
        """Make room in every array that might not have enough for the next event of a key."""
        most = int((self.counts[slot] + 1) * (self.layout.settings[P_EDGES] + 1))
        self.runs = _larger(self.runs, int(self.meta[a.M_RUNS]), most)
        self.free = _larger(self.free, int(self.meta[a.M_FREE]), len(self.runs) - int(self.meta[a.M_FREE]))
        self.nodes = _larger(self.nodes, int(self.meta[a.M_NODES]), most)
        events = int(self.meta[a.M_EVENTS])
        for name in ("kept", "kept_valid", "place_of"):
            setattr(self, name, _larger(getattr(self, name), events, 1))
        if self.meta[a.M_TAIL] + 1 > len(self.queue):
            head, tail = self.meta[a.M_HEAD], self.meta[a.M_TAIL]
            waiting = self.queue[head:tail]
            self.queue = np.zeros((2 * len(waiting) + _ROOM, a.Q_WIDTH), np.int64)
            self.queue[: len(waiting)] = waiting
            self.meta[[a.M_HEAD, a.M_TAIL]] = 0, len(waiting)
        if len(self.fresh) < most or stuck:
            self.fresh, self.complete = np.zeros(2 * most + _ROOM, np.int64), np.zeros(2 * most + _ROOM, np.int64)


def _larger(array: NDArray[Any], used: int, more: int) -> NDArray[Any]:
    if used + more <= len(array):
        return array
    found = np.zeros((max(used + more, 2 * len(array)), *array.shape[1:]), array.dtype)
    found[:used] = array[:used]
    return found


def _moved(live: NDArray[np.bool_]) -> NDArray[np.int64]:
    moved: NDArray[np.int64] = np.where(live, np.cumsum(live) - 1, -1)
    return moved


def _bits(column: Column) -> NDArray[np.int64]:
    values = np.ascontiguousarray(column.values)
    return values.view(np.int64) if column.type.kind is Kind.FLOAT else values.astype(np.int64)
