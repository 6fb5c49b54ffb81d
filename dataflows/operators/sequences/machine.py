"""One sequence pattern on one shard: rows through the matcher, then guard and suppression; taken events are kept as columns."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch, concat_batches
from dataflows.batches.evidence import Read
from dataflows.operators.sequences.lookback import Environment, Reader
from dataflows.operators.sequences.matcher import Event, Match, Matcher, Node
from dataflows.operators.sequences.program import Program
from dataflows.operators.sequences.rows import OrderedRows, ranks
from dataflows.operators.sequences.state import restore_sequence, sequence_state
from dataflows.operators.store import EventStore
from dataflows.operators.suppress import Suppressor
from models.application.resolved.patterns import Pattern
from models.application.stepscope import PREFIX
from models.events.evidence import Evidence
from models.events.hit import Hit, Kind, deadline_order
from models.expressions.expression import Expression
from models.values.column import Column, nulls
from models.values.types import Type

AsOf = Callable[[int, int], Mapping[str, Any]]
"""Features of the pattern's entity as of (slot, deadline), by column; empty where the pattern reads none."""


class Kept:
    """An event that an attempt has taken: a row in hand, or a position in its lane's store."""

    __slots__ = ("__weakref__", "lane", "machine", "number", "position", "row")

    def __init__(self, machine: SequenceMachine, lane: int, number: int, row: int) -> None:
        self.machine = machine
        self.lane = lane
        self.number = number
        self.row = row
        self.position = -1

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


@dataclass(slots=True)
class Lane:
    """What is kept of one lane's events: the columns ``names`` in a store; ``read`` shows one."""

    names: Sequence[str]
    store: EventStore
    read: Read
    refs: list[weakref.ref[Kept]]


class SequenceMachine:
    """State of one sequence pattern for the keys of one shard.

    types: of all fields that evidence is summed over; lanes: one for each of the program's; reader: for look-backs; passed:
    the columns that rows of its flags take from completing events.
    """

    def __init__(
        self, pattern: Pattern, program: Program, types: Mapping[str, Type], lanes: Sequence[Lane], reader: Reader,
        passed: Mapping[str, Type],
    ) -> None:  # fmt: skip
        assert pattern.sequence is not None
        self.pattern = pattern
        self.program = program
        self.lanes = lanes
        self.reader = reader
        self.passed = passed
        having = pattern.sequence.having
        self.matcher = Matcher(program, None if having is None else lambda node: self._truth(having, node))
        self.suppressor = Suppressor(pattern, types, lambda numbers: [self.held[number].evidence() for number in numbers])
        self.reads = [column for column in pattern.reads if column.startswith(PREFIX)]
        self.back = {arm.name: _looks_back(arm.when) for arm in pattern.sequence.arms()}
        self.guarded = 0
        self.rows: OrderedRows | None = None
        self.seen = np.zeros(0, np.int64)
        self.number, self.place = 0, -1
        self.fresh: list[weakref.ref[Kept]] = []
        self.held: dict[int, Kept] = {}
        self.shown: dict[int, Kept] = {}
        self.asof: AsOf = lambda slot, time: {}

    @property
    def partial(self) -> int:
        """Partial matches that are kept, those run out included until their key's next event."""
        return sum(len(key.runs) for key in list(self.matcher.keys.values()))

    @property
    def suppressed(self) -> int:
        """Hits that were held back or merged."""
        return self.suppressor.suppressed

    def ripe(self, until: int) -> bool:
        """Whether a deadline up to ``until`` waits."""
        return self.matcher.next_due <= until or self.suppressor.next_due <= until

    def columns(self, lane: int) -> Mapping[str, Column]:
        """The columns of the rows in hand of a lane."""
        assert self.rows is not None
        return self.rows.lanes[lane].columns

    def step(self, rows: OrderedRows | None, until: int) -> list[Hit]:
        """Rows (or none), deadlines before the rows at or after them, at the end those up to ``until``; ``settle`` must follow."""
        self.rows = rows
        out: list[Hit] = []
        if rows is not None and len(rows.slot):
            for event in self._events(rows):
                if self.matcher.next_due <= event.time:
                    out.extend(self._offer(self.matcher.due(event.time), -1))
                out.extend(self._offer(self.matcher.take(event), self.place))
        out.extend(self._offer(self.matcher.due(until), -1))
        out.extend(self.suppressor.due(until))
        return out

    def sources(self, hits: Sequence[Hit]) -> Batch:
        """The rows that hits take their fields from (not empty), in the hits' order, before ``settle``."""
        return concat_batches([self._source(self.taken(hit.at)) for hit in hits])

    def taken(self, number: int) -> Kept:
        """A taken event by its number, while a hit or a burst needs it."""
        return self.shown[number] if number in self.shown else self.held[number]

    def _source(self, kept: Kept) -> Batch:
        lane, row = self.lanes[kept.lane], kept.row
        if row >= 0:
            assert self.rows is not None
            batch = replace(self.rows.lanes[kept.lane].batch, columns=self.columns(kept.lane))
        else:
            batch, row = lane.store.view(), kept.position
        one = batch.take(slice(row, row + 1))
        columns = {name: one.columns[name] if name in one.columns else nulls(type_, 1) for name, type_ in self.passed.items()}
        return replace(one, source=0, columns=columns)

    def settle(self) -> None:
        """Keep the taken events of the rows in hand, and forget those that nobody refers to any more."""
        live = {number for burst in self.suppressor.open_bursts() for number in burst.events}
        self.held = {number: kept for number, kept in self.held.items() if number in live}
        for number, lane in enumerate(self.lanes):
            mine = [kept for ref in self.fresh if (kept := ref()) is not None and kept.lane == number]
            if mine:
                assert self.rows is not None
                part = self.rows.lanes[number]
                begin = lane.store.size
                lane.store.append(part.batch, part.columns, np.array([kept.row for kept in mine], np.int64), lane.names)
                for place, kept in enumerate(mine):
                    kept.position, kept.row = begin + place, -1
                lane.refs.extend(weakref.ref(kept) for kept in mine)
            if lane.store.crowded:
                self._sweep(lane)
        self.fresh, self.shown, self.rows = [], {}, None

    def _sweep(self, lane: Lane) -> None:
        kept = [each for ref in lane.refs if (each := ref()) is not None]
        live = np.zeros(lane.store.size, np.bool_)
        live[[each.position for each in kept]] = True
        moved = lane.store.sweep(live)
        for each in kept:
            each.position = int(moved[each.position])
        lane.refs = [weakref.ref(each) for each in kept]

    # Rows.

    def _events(self, rows: OrderedRows) -> Iterator[Event]:
        """The events that the matcher must see."""
        rank = self._ranks(rows)
        fitting = rows.fitting()
        places = np.arange(len(rank)) if self.program.every_row else np.flatnonzero(fitting)
        for place in places.tolist():
            slot = int(rows.slot[place])
            if not fitting[place] and slot not in self.matcher.keys:
                continue
            self.number += 1
            yield self._event(rows, place, slot, int(rank[place]))

    def _ranks(self, rows: OrderedRows) -> NDArray[np.int64]:
        """The number of each row among those of its key."""
        most = int(rows.slot.max()) + 1
        if most > len(self.seen):
            self.seen = np.concatenate([self.seen, np.zeros(max(most, 2 * len(self.seen)) - len(self.seen), np.int64)])
        rank = np.empty(len(rows.slot), np.int64)
        ranks(rows.slot, self.seen, rank)
        return rank

    def _event(self, rows: OrderedRows, place: int, slot: int, rank: int) -> Event:
        conditions, masks = self.program.conditions, rows.masks
        known: dict[tuple[int, int], bool] = {}
        taken: dict[int, Kept] = {}

        def holds(number: int, node: Node | None) -> bool:
            if not masks[number][place]:
                return False
            back = conditions[number].back
            if back is None:
                return True
            key = (number, id(node))
            if key not in known:
                known[key] = back.row(self._environment(rows, place, conditions[number].lane, node)) is True
            return known[key]

        def what(arm: int) -> Kept:
            lane = conditions[self.program.arms[arm]].lane
            if lane not in taken:
                taken[lane] = Kept(self, lane, self.number, rows.at(place, lane))
                self.fresh.append(weakref.ref(taken[lane]))
            return taken[lane]

        self.place = place
        return Event(slot, int(rows.time[place]), self.number, rank, holds, what)

    def _environment(self, rows: OrderedRows, place: int, lane: int, node: Node | None) -> Mapping[str, Any]:
        columns, row = rows.lanes[lane].columns, rows.at(place, lane)
        return Environment(self.reader, lambda name: columns[name].at(row), node)  # type: ignore[return-value]

    def _truth(self, condition: Expression, node: Node, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a condition on a whole match is TRUE; its plain columns are those of the last event, but for ``more``."""
        return condition.row(self.whole(node, more or {})) is True  # type: ignore[arg-type]

    def whole(self, node: Node, more: Mapping[str, Any]) -> Environment:
        """What a condition on a whole match reads."""
        value = node.what.value
        return Environment(self.reader, (lambda name: more[name] if name in more else value(name)) if more else value, node)

    # Hits.

    def _offer(self, matches: Iterable[Match], place: int) -> Iterator[Hit]:
        """Matches that a row (-1: a deadline) completed, through guard and suppression."""
        for match in matches:
            if self.suppressor.next_due <= match.time:
                yield from self.suppressor.due(match.time)
            if self._passes(match):
                yield from self.suppressor.take(_Offer(self, match, self._order(place)))
            else:
                self.guarded += 1

    def _order(self, place: int) -> tuple[int, ...] | None:
        """A row's place in the total order."""
        if place < 0 or self.rows is None:
            return None
        part = self.rows.lanes[int(self.rows.lane[place])]
        row = int(self.rows.row[place])
        further = () if part.batch.order is None else part.batch.order[row].tolist()
        return (int(part.batch.time[row]), int(part.batch.partition[row]), int(part.batch.offset[row]), *further)

    def _passes(self, match: Match) -> bool:
        active, guard = self.pattern.active, self.pattern.guard
        if active is not None and active.calendar.contains(match.time) != active.inside:
            return False
        return guard is None or self._truth(guard, match.node, self.read_as_of(match))

    def read_as_of(self, match: Match) -> Mapping[str, Any]:
        """Features as of the deadline that decided a match."""
        return {} if match.deadline is None else self.asof(match.slot, match.deadline)

    def kept(self, lane: int, number: int, position: int) -> Kept:
        """A kept event again, from saved state."""
        kept = Kept(self, lane, number, -1)
        kept.position = position
        return kept

    def show(self, kept: Kept) -> int:
        """Keep an event in mind until ``settle``, for a hit that takes its fields from it; its number."""
        self.shown[kept.number] = kept
        return kept.number

    def hold(self, kept: Kept) -> int:
        """Keep an event for a burst; its number."""
        self.held[kept.number] = kept
        return kept.number

    def values(self, node: Node | None, columns: Sequence[str]) -> dict[str, Any]:
        """Look-back columns after the events of a node."""
        return {column: self.reader.read(column, node) for column in columns}

    # State.

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        return sequence_state(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        restore_sequence(self, state)

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        open_ = np.array([slot in self.matcher.keys or slot in self.matcher.repeating for slot in slots.tolist()], np.bool_)
        return self.suppressor.evictable(slots, bound) & ~open_

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        self.suppressor.evict(slots)
        self.seen[slots[slots < len(self.seen)]] = 0


def _looks_back(condition: Expression | None) -> list[str]:
    """The columns by which a condition looks back."""
    return [] if condition is None else [column for column in condition.reads if column.startswith(PREFIX)]


@dataclass(slots=True)
class _Offer:
    """A match on offer to the suppression; its evidence is made when it is asked for."""

    machine: SequenceMachine
    match: Match
    place: tuple[int, ...] | None
    made: Hit | None = None

    @property
    def slot(self) -> int:
        return self.match.slot

    @property
    def moment(self) -> int:
        return self.match.time

    @property
    def kind(self) -> Kind:
        return "timeout" if self.match.timeout else "match"

    @property
    def values(self) -> Mapping[str, Any] | None:
        return self.hit().values

    def hit(self) -> Hit:
        if self.made is None:
            self.made = self._hit()
        return self.made

    def keep(self) -> list[int]:
        return sorted({self.machine.hold(node.what) for node in self._nodes()})

    def _nodes(self) -> list[Node]:
        found = []
        node: Node | None = self.match.node
        while node is not None:
            found.append(node)
            node = node.before
        return found[::-1]

    def _hit(self) -> Hit:
        match, machine, last = self.match, self.machine, self.match.node
        nodes, names = self._nodes(), self.machine.program.names
        events = [node.what.evidence() for node in nodes]
        if back := machine.back[names[last.arm]]:
            events[-1] = events[-1]._replace(values={**events[-1].values, **machine.values(last.before, back)})
        values = {**events[-1].values, **machine.values(last, machine.reads)} if machine.reads else events[-1].values
        if match.deadline is not None:
            values = {**values, **machine.read_as_of(match)}
        anchor = tuple([[names[node.arm], event.id] for node, event in zip(nodes, events, strict=True)])
        decided = match.deadline is None and self.place is not None
        order = self.place if decided and self.place else deadline_order(match.time, machine.pattern.place, events[0].order)
        completes = decided and events[-1].order == order
        return Hit(
            self.kind, match.slot, match.time, anchor, events, len(events), {}, events[0], events[-1] if completes else None,
            deadline=match.deadline, episode=anchor, episode_deadline=match.deadline, episode_kind=self.kind, repeat=match.repeat,
            at=machine.show(last.what), order=order, values=values, time=last.time if match.deadline is None else match.deadline,
            missing=self._missing(),
        )  # fmt: skip

    def _missing(self) -> tuple[str, ...]:
        """The steps that an attempt that ran out still waited for."""
        state, bits = self.match.awaited
        if state < 0:
            return ()
        program = self.machine.program
        arms = [arm for i, edge in enumerate(program.states[state].edges) if bits >> i & 1 for arm in edge.arms]
        return tuple(dict.fromkeys(program.names[arm] for arm in arms))
