"""A sequence machine whose attempts are arrays: for programs that a ``Layout`` can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL
from dataflows.operators.sequences.fastmatcher import FastMatcher, Raised
from dataflows.operators.sequences.layout import Layout
from dataflows.operators.sequences.lookback import Reader
from dataflows.operators.sequences.machine import Lane, SequenceMachine
from dataflows.operators.sequences.matcher import Match, Node, Start
from dataflows.operators.sequences.program import Program
from dataflows.operators.sequences.rows import OrderedRows
from models.application.resolved.patterns import Pattern
from models.events.evidence import Evidence
from models.events.hit import Hit
from models.values.types import Type


class Event:
    """A taken event by its number: a row in hand, or a position in its lane's store."""

    __slots__ = ("lane", "machine", "number", "position", "row")

    def __init__(self, machine: FastSequenceMachine, number: int) -> None:
        self.machine = machine
        self.number = number
        self.row = self.position = -1
        if number >= machine.stored:
            assert machine.rows is not None
            place = int(machine.fast.place_of[number])
            self.lane, self.row = int(machine.rows.lane[place]), int(machine.rows.row[place])
        else:
            self.lane, self.position = int(machine.lane_of[number]), int(machine.position_of[number])

    def value(self, field: str) -> Any:
        """A field's stored value, None for NULL."""
        if self.row >= 0:
            column = self.machine.columns(self.lane).get(field)
            return None if column is None else column.at(self.row)
        kept = self.machine.lanes[self.lane].store.columns.get(field)
        return None if kept is None else kept.view().at(self.position)

    def evidence(self) -> Evidence:
        """All that a flag shows of it."""
        lane = self.machine.lanes[self.lane]
        if self.row >= 0:
            assert self.machine.rows is not None
            return lane.read(self.machine.rows.lanes[self.lane].batch, self.machine.columns(self.lane), self.row)
        view = lane.store.view()
        return lane.read(view, view.columns, self.position)


class FastSequenceMachine(SequenceMachine):
    """State of one sequence pattern for the keys of one shard, in arrays.

    lane_of, position_of int64[events]: where the first ``stored`` events are kept; later ones are rows in hand.
    """

    def __init__(
        self, pattern: Pattern, program: Program, types: Mapping[str, Type], lanes: Sequence[Lane], reader: Reader,
        passed: Mapping[str, Type], layout: Layout,
    ) -> None:  # fmt: skip
        super().__init__(pattern, program, types, lanes, reader, passed)
        self.fast = FastMatcher(layout, queueing=any(state.pending for state in program.states))
        self.suppressor.show = lambda numbers: [Event(self, number).evidence() for number in numbers]
        self.lane_of, self.position_of = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.stored = 0
        self.bound = -(2**63)

    @property
    def partial(self) -> int:
        """Partial matches that are kept, those run out included until their key's next event."""
        return int(self.fast.counts.sum())

    def ripe(self, until: int) -> bool:
        """Whether a deadline up to ``until`` waits."""
        return self.fast.next_due <= until or self.suppressor.next_due <= until

    def step(self, rows: OrderedRows | None, until: int) -> list[Hit]:
        """Rows (or none), deadlines before the rows at or after them, at the end those up to ``until``; ``settle`` must follow."""
        self.rows, self.bound = rows, until
        out: list[Hit] = []
        if rows is not None and len(rows.slot):
            rank = self._ranks(rows)
            places = np.arange(len(rank)) if self.program.every_row else np.flatnonzero(rows.fitting())
            out.extend(self._hits(self.fast.run(rows, rank, places)))
        out.extend(self._hits(self.fast.due(until)))
        out.extend(self.suppressor.due(until))
        return out

    def settle(self) -> None:
        """Keep the taken events of the rows in hand, and forget those that nobody refers to any more."""
        count = self.fast.events
        if count > self.stored:
            self._store(count)
        self.rows = None
        if self.fast.crowded and self.bound != AFTER_ALL:
            self._sweep_events(count)

    def taken(self, number: int) -> Any:
        """A taken event by its number."""
        return Event(self, number)

    def show(self, kept: Any) -> int:
        """The number of an event that a hit takes its fields from."""
        return self.hold(kept)

    def hold(self, kept: Any) -> int:
        """Keep an event for a burst; its number."""
        number: int = kept.number
        return number

    def _hits(self, raised: Iterable[Raised]) -> Iterator[Hit]:
        for each in raised:
            yield from self._offer([self._match(each)], each.place)

    def _match(self, raised: Raised) -> Match:
        node: Node | None = None
        for arm, event, time in self.fast.chain(raised.node):
            node = Node(node, arm, event, time, Event(self, event))
        assert node is not None
        start = Start(raised.slot, raised.start, raised.time)
        return Match(raised.slot, node, start, raised.time, None if raised.deadline < 0 else raised.deadline)

    def _store(self, count: int) -> None:
        assert self.rows is not None
        places = self.fast.place_of[self.stored : count]
        lanes, rows = self.rows.lane[places], self.rows.row[places]
        if count > len(self.lane_of):
            more = max(count, 2 * len(self.lane_of)) - len(self.lane_of)
            self.lane_of = np.concatenate([self.lane_of, np.zeros(more, np.int64)])
            self.position_of = np.concatenate([self.position_of, np.zeros(more, np.int64)])
        self.lane_of[self.stored : count] = lanes
        for number, lane in enumerate(self.lanes):
            mine = np.flatnonzero(lanes == number)
            if len(mine):
                part = self.rows.lanes[number]
                self.position_of[self.stored + mine] = lane.store.size + np.arange(len(mine))
                lane.store.append(part.batch, part.columns, rows[mine], lane.names)
        self.stored = count

    def _sweep_events(self, count: int) -> None:
        live = np.zeros(count, np.bool_)
        self.suppressor.mark(live)
        moved = self.fast.sweep(self.bound, live)
        self.suppressor.move(moved)
        kept = np.flatnonzero(live)
        lanes, positions = self.lane_of[kept], self.position_of[kept]
        for number, lane in enumerate(self.lanes):
            mine = np.flatnonzero(lanes == number)
            known = np.zeros(lane.store.size, np.bool_)
            known[positions[mine]] = True
            positions[mine] = lane.store.sweep(known)[positions[mine]]
        self.lane_of[: len(kept)], self.position_of[: len(kept)] = lanes, positions
        self.stored = len(kept)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        return {
            "fast": self.fast.snapshot(), "stored": self.stored, "lane_of": self.lane_of[: self.stored].copy(),
            "position_of": self.position_of[: self.stored].copy(), "seen": self.seen.copy(), "guarded": self.guarded,
            "stores": [lane.store.snapshot() for lane in self.lanes], "suppressor": self.suppressor.snapshot(),
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.fast.restore(state["fast"])
        for lane, store in zip(self.lanes, state["stores"], strict=True):
            lane.store.restore(store)
        self.stored, self.guarded, self.seen = state["stored"], state["guarded"], state["seen"].copy()
        self.lane_of, self.position_of = state["lane_of"].copy(), state["position_of"].copy()
        self.suppressor.restore(state["suppressor"])

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        return self.suppressor.evictable(slots, bound) & self.fast.idle(slots, bound)

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        self.fast.clear(slots)
        self.suppressor.evict(slots)
        self.seen[slots[slots < len(self.seen)]] = 0
