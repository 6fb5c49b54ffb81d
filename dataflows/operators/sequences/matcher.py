"""The machine that runs a program: (program, state of a key, event in order) → outcomes. Pure; it knows no rows, only numbers.

This is the machine for every program; ``kernels_match`` does the same on arrays for most of them.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dataflows.operators.sequences.program import ANY, STRICT, Edge, Guard, Program, State

NEVER = 2**63 - 1
"""A deadline that never comes."""
REPEATS = 10
"""Flags of one absence in all, where it repeats."""
Holds = Callable[[int, "Node | None"], bool]
"""Whether a condition (by number) holds for the event at hand, after the events of a node."""


class Node:
    """An event that was taken by an arm, after those of the node before: attempts share their history."""

    __slots__ = ("arm", "before", "event", "time", "what")

    def __init__(self, before: Node | None, arm: int, event: int, time: int, what: Any) -> None:
        self.before = before
        self.arm = arm
        self.event = event
        self.time = time
        self.what = what

    def events(self) -> list[tuple[int, int]]:
        """(event, arm) of everything taken, in order."""
        found = []
        node: Node | None = self
        while node is not None:
            found.append((node.event, node.arm))
            node = node.before
        found.reverse()
        return found


@dataclass(slots=True)
class Event:
    """An event at hand. number: its place in the order of all; rank: in that of its key's rows; what: the rows' word for it.

    ``what`` is asked for the arm that takes the event.
    """

    slot: int
    time: int
    number: int
    rank: int
    holds: Holds
    what: Callable[[int], Any]


@dataclass(slots=True)
class _Step:
    """What one event makes: nodes by (node before, arm), attempts by (state, node), complete matches by node."""

    nodes: dict[tuple[int, int], Node] = field(default_factory=dict)
    runs: dict[tuple[int, int], Run] = field(default_factory=dict)
    complete: dict[int, Match] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Start:
    """An event that began attempts. live: how many are alive; best: of those that ran out, the one that came furthest."""

    slot: int
    event: int
    time: int
    live: int = 0
    matched: bool = False
    best: tuple[Run, int] | None = None


@dataclass(slots=True, eq=False)
class Run:
    """An attempt: its state, what it took, the bits of what it still waits for, and the number of its last row among its key's."""

    start: Start
    state: int
    node: Node
    bits: int
    rank: int


@dataclass(slots=True)
class Match:
    """Something found. ``deadline``: set where only time decided it; awaited: of an attempt that ran out, its state and bits."""

    slot: int
    node: Node
    start: Start
    time: int
    deadline: int | None = None
    timeout: bool = False
    repeat: int = 1
    awaited: tuple[int, int] = (-1, 0)


@dataclass(slots=True)
class Key:
    """What is remembered of one key: open attempts, and matches held back."""

    runs: list[Run] = field(default_factory=list)
    held: list[Match] = field(default_factory=list)


@dataclass(slots=True)
class Counters:
    """What happened that no flag says: attempts dropped for room, skip targets that took no event, completions without having."""

    crowded: int = 0
    missed: int = 0


class Matcher:
    """All keys of one pattern on one shard. ``having``: whether a complete match (its node) counts."""

    def __init__(self, program: Program, having: Callable[[Node], bool] | None = None) -> None:
        self.program = program
        self.spec = program.spec
        self.having = having
        self.keys: dict[int, Key] = {}
        self.counters = Counters()
        self.queue: deque[tuple[int, Start | Run]] = deque()
        self.again: list[tuple[int, int, int, Match]] = []
        self.repeat = next((step.repeat for step in self.spec.steps[-1:] if step.negated), None)
        self.repeating: dict[int, list[Match]] = {}
        pending = [state.pending for state in program.states if state.pending is not None]
        self.trailing = tuple({stop for each in pending for stop in (*each.stops, *each.strict_stops)})
        self.order = 0

    def take(self, event: Event) -> list[Match]:
        """Take an event of a key (all deadlines up to its time are done): what it completes, in the order of emission."""
        key = self.keys.get(event.slot)
        if key is None:
            key = Key()
        step = _Step()
        survivors: list[Run] = []
        for run in key.runs:
            self._run(run, event, step)
            if self._alive(run):
                survivors.append(run)
            else:
                run.start.live -= 1
                run.bits = 0
        if self.repeating:
            self._end_repeats(event)
        self._begin(event, step)
        runs = survivors + [run for run in step.runs.values() if run.bits]
        key.runs = runs
        for run in runs[len(survivors) :]:
            run.start.live += 1
            self._queue(run)
        if len(runs) > self.spec.max_partial:
            self._make_room(key)
        self.keys[event.slot] = key
        found = self._emit(key, list(step.complete.values()))
        self._forget(event.slot, key)
        return found

    @property
    def next_due(self) -> int:
        """The first deadline that may wait."""
        return min(self.queue[0][0] if self.queue else NEVER, self.again[0][0] if self.again else NEVER)

    def due(self, until: int) -> Iterator[Match]:
        """What deadlines up to ``until`` bring, in order of (deadline, first event)."""
        while (first := self.next_due) <= until and first < NEVER:
            yield from self._at(first)

    # One event and one attempt.

    def _run(self, run: Run, event: Event, step: _Step) -> None:
        state = self.program.states[run.state]
        next_ = event.rank == run.rank + 1
        if not next_:
            run.bits &= ~state.strict
        violated = self._guards(run, state, event.holds)
        for number, edge in enumerate(state.edges):
            if run.bits >> number & 1 and not self._try(run, edge, event, violated, next_, step):
                run.bits &= ~(1 << number)
        if state.pending is not None and run.bits >> len(state.edges) & 1:
            self._pending(run, state, event, violated, next_, step)

    def _try(self, run: Run, edge: Edge, event: Event, violated: int, next_: bool, step: _Step) -> bool:
        """Let an edge take the event if it can; whether it waits on."""
        holds, node = event.holds, run.node
        if self._broken(node, edge, violated, next_, holds):
            return False
        arm = self._fits(edge, node, holds)
        stopped = any(holds(stop, node) for stop in edge.stops)
        if arm < 0:
            return edge.contiguity != STRICT and not stopped
        if edge.gap >= 0 and event.time - node.time >= edge.gap:
            return False
        if not any(holds(entry, node) for entry in edge.entries):
            self._take(run.start, node, edge, arm, event, step)
        return edge.contiguity == ANY and not stopped

    def _guards(self, run: Run, state: State, holds: Holds) -> int:
        """Which open guards the event violates, as bits of their numbers; guards whose loop it ends are closed."""
        violated = 0
        shift = len(state.edges) + 1
        for number, guard in enumerate(state.guards):
            if not run.bits >> shift + number & 1:
                continue
            ends, fits = self._guarded(guard, run.node, holds)
            if ends:
                run.bits &= ~(1 << shift + number)
            elif fits:
                violated |= 1 << number
        return violated

    def _guarded(self, guard: Guard, node: Node | None, holds: Holds) -> tuple[bool, bool]:
        """Whether an event ends a guard, and whether it fits the guarded loop (and may not be passed over)."""
        fits = any(holds(self.program.arms[arm], node) for arm in guard.arms)
        if guard.until < 0 or not (fits or guard.entered) or not holds(guard.until, node):
            return False, fits
        return guard.entered or not guard.passing, False

    def _broken(self, node: Node, edge: Edge, violated: int, next_: bool, holds: Holds) -> bool:
        """Whether the event ends an edge whatever it fits."""
        if any(violated >> guard & 1 for guard in edge.guards):
            return True
        if next_ and any(holds(stop, node) for stop in edge.strict_stops):
            return True
        return any(holds(each, node) for each in edge.untils) or any(holds(each, node) for each in edge.watches)

    def _fits(self, edge: Edge, node: Node | None, holds: Holds) -> int:
        """The first arm that an event fits, or -1."""
        for arm in edge.arms:
            if holds(self.program.arms[arm], node):
                return arm
        return -1

    def _pending(self, run: Run, state: State, event: Event, violated: int, next_: bool, step: _Step) -> None:
        pending, holds = state.pending, event.holds
        assert pending is not None
        bit = 1 << len(state.edges)
        if any(violated >> guard & 1 for guard in pending.guards) or any(holds(stop, run.node) for stop in pending.stops):
            run.bits &= ~bit
        elif next_ and pending.strict_stops:
            broken = any(holds(stop, run.node) for stop in pending.strict_stops)
            if broken or not pending.stops:
                run.bits &= ~bit
            if not broken and not pending.stops:
                self._complete(run.start, run.node, event.time, step.complete)

    def _begin(self, event: Event, step: _Step) -> None:
        state, holds = self.program.start, event.holds
        start: Start | None = None
        for edge in state.edges:
            arm = self._fits(edge, None, holds)
            if arm < 0 or any(holds(entry, None) for entry in edge.entries):
                continue
            if any(self._guarded(state.guards[guard], None, holds) == (False, True) for guard in edge.guards):
                continue
            if start is None:
                start = Start(event.slot, event.number, event.time)
            self._take(start, None, edge, arm, event, step)

    def _take(self, start: Start, before: Node | None, edge: Edge, arm: int, event: Event, step: _Step) -> None:
        node = step.nodes.get((id(before), arm))
        if node is None:
            node = step.nodes[id(before), arm] = Node(before, arm, event.number, event.time, event.what(arm))
        if (edge.target, id(node)) in step.runs:
            return
        state = self.program.states[edge.target]
        bits = state.fresh if state.edges or state.pending else 0
        step.runs[edge.target, id(node)] = Run(start, edge.target, node, bits, event.rank)
        if state.accepts:
            self._complete(start, node, event.time, step.complete)

    def _complete(self, start: Start, node: Node, time: int, complete: dict[int, Match], deadline: int | None = None) -> None:
        if id(node) not in complete and (self.having is None or self.having(node)):
            complete[id(node)] = Match(start.slot, node, start, time, deadline)

    def _alive(self, run: Run) -> bool:
        """Whether anything but guards is left to wait for."""
        return bool(run.bits & (1 << len(self.program.states[run.state].edges) + 1) - 1)

    # Deadlines.

    def _queue(self, run: Run) -> None:
        if self.spec.gap is not None:
            self.queue.append((run.node.time + self.spec.gap, run))
        elif self.spec.within is not None and run.start.live == 1 and run.node.event == run.start.event:
            self.queue.append((run.start.time + self.spec.within, run.start))

    def _at(self, deadline: int) -> Iterator[Match]:
        """All that a moment brings, start by start."""
        ending: dict[int, tuple[Start, list[Run], list[Match]]] = {}
        while self.queue and self.queue[0][0] == deadline:
            what = self.queue.popleft()[1]
            start = what if isinstance(what, Start) else what.start
            ending.setdefault(start.event, (start, [], []))[1].extend([what] if isinstance(what, Run) else [])
        while self.again and self.again[0][0] == deadline:
            match = heapq.heappop(self.again)[3]
            ending.setdefault(match.start.event, (match.start, [], []))[2].append(match)
        for event in sorted(ending):
            start, runs, again = ending[event]
            for match in again:
                yield from self._repeat(match)
            if start.live:
                yield from self._run_out(deadline, start, runs)

    def _run_out(self, deadline: int, start: Start, runs: list[Run]) -> Iterator[Match]:
        key = self.keys[start.slot]
        if self.spec.gap is None:
            runs = [run for run in key.runs if run.start is start]
        complete: dict[int, Match] = {}
        for run in runs:
            if not run.bits:
                continue
            state = self.program.states[run.state]
            start.live -= 1
            if state.pending is not None and run.bits >> len(state.edges) & 1:
                self._complete(start, run.node, deadline, complete, deadline)
            elif start.best is None or self._rank(run) < self._rank(start.best[0]):
                start.best = (run, run.bits)
            run.bits = 0
        key.runs = [run for run in key.runs if run.bits]
        found = list(complete.values())
        if self.spec.timeout and not start.live and not start.matched and not found and start.best is not None:
            best, bits = start.best
            yield Match(start.slot, best.node, start, deadline, deadline, True, awaited=(best.state, bits))
        yield from self._emit(key, found)
        self._forget(start.slot, key)

    def _rank(self, run: Run) -> tuple[object, ...]:
        """Attempts by how far they came: most steps, most events, first in order."""
        events = run.node.events()
        return -len({arm for _, arm in events}), -len(events), _order(events)

    def _repeat(self, match: Match) -> Iterator[Match]:
        """A further flag of an absence that lasts."""
        if match not in self.repeating.get(match.slot, ()):
            return
        assert match.deadline is not None
        self._watch(match)
        yield match

    def _watch(self, match: Match) -> None:
        """Let an absence be flagged again, up to ten times in all."""
        assert self.repeat is not None and match.deadline is not None
        known = [each for each in self.repeating.get(match.slot, ()) if each is not match]
        if match.repeat < REPEATS:
            deadline = match.deadline + self.repeat
            again = replace(match, time=deadline, deadline=deadline, repeat=match.repeat + 1)
            self.order += 1
            heapq.heappush(self.again, (deadline, match.start.event, self.order, again))
            known.append(again)
        self.repeating[match.slot] = known
        if not known:
            del self.repeating[match.slot]

    def _end_repeats(self, event: Event) -> None:
        """An event that the last ``not`` forbids ends the absence."""
        known = [
            each for each in self.repeating.get(event.slot, ()) if not any(event.holds(stop, each.node) for stop in self.trailing)
        ]
        if known:
            self.repeating[event.slot] = known
        else:
            self.repeating.pop(event.slot, None)

    # What complete matches do to others.

    def _emit(self, key: Key, found: list[Match]) -> list[Match]:
        """Matches that go out now, in order; others are dropped or held as ``after_match`` and ``emit`` say."""
        if len(found) > 1:
            found = self._distinct(found)
            found.sort(key=_match_order)
        for match in found:
            match.start.matched = True
        out: list[Match] = []
        if self.spec.ordered and self.spec.after != "none":
            key.held = sorted([*key.held, *found], key=_match_order) if found else key.held
            while key.held and not any(run.start.event < key.held[0].start.event for run in key.runs):
                out.append(key.held.pop(0))
                key.held = self._prune(key, out[-1], key.held)
        else:
            while found:
                out.append(found.pop(0))
                found = self._prune(key, out[-1], found)
        if self.repeat is not None:
            for match in out:
                if match.deadline is not None:
                    self._watch(match)
        return out

    def _distinct(self, found: list[Match]) -> list[Match]:
        """Of assignments over the same events that differ only within steps in any order, the first in the steps' order."""
        kin = self.program.kin
        best: dict[tuple[tuple[int, int], ...], Match] = {}
        for match in sorted(found, key=_match_order):
            events = match.node.events()
            best.setdefault(tuple((event, kin[arm]) for event, arm in events), match)
        return list(best.values())

    def _prune(self, key: Key, match: Match, waiting: list[Match]) -> list[Match]:
        """Drop what the skip strategy drops after a match; what is left of ``waiting`` matches."""
        after = self.spec.after
        if after == "none":
            return waiting
        low, high = 0, match.node.event
        if after == "to_next":
            low = high = match.start.event
        elif after != "past_last":
            taken = [event for event, arm in match.node.events() if arm in self.program.skip_arms]
            if not taken:
                self.counters.missed += 1
                return waiting
            high = (taken[0] if after == "to_first" else taken[-1]) - 1
        kept = []
        for run in key.runs:
            if low <= run.start.event <= high:
                run.start.live -= 1
                run.bits = 0
            else:
                kept.append(run)
        key.runs = kept
        return [other for other in waiting if not low <= other.start.event <= high]

    def _make_room(self, key: Key) -> None:
        """Drop the attempts with the oldest starts, so that no more than ``max_partial`` are left."""
        key.runs.sort(key=lambda run: (run.start.event, _order(run.node.events())))
        surplus = len(key.runs) - self.spec.max_partial
        for run in key.runs[:surplus]:
            run.start.live -= 1
            run.bits = 0
        self.counters.crowded += surplus
        del key.runs[:surplus]

    def _forget(self, slot: int, key: Key) -> None:
        if not key.runs and not key.held:
            self.keys.pop(slot, None)


def _order(events: Sequence[tuple[int, int]]) -> tuple[list[float], list[int]]:
    """Event lists in order, of a list and its prefix the longer first; then by steps."""
    return [*(event for event, _ in events), math.inf], [arm for _, arm in events]


def _match_order(match: Match) -> tuple[int, tuple[list[float], list[int]]]:
    return match.start.event, _order(match.node.events())
