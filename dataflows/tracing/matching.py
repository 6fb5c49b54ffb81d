"""The matcher, with a record of every attempt: its events, what it was offered in vain, and what ended it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from dataflows.operators.sequences.matcher import Event, Key, Match, Matcher, Node, Run, Start, _Step
from dataflows.operators.sequences.program import STRICT, Edge, Guard, Program, State
from dataflows.tracing.attempts import Ending, How, Miss, Taken
from models.expressions.blockers import Blocker
from models.expressions.text import interval_text, time_text

NEAR = 3
"""Events that came close to a step, of which an attempt remembers no more."""


class Teller(Protocol):
    """What the rows in hand say of the event at hand."""

    def record_taken(self, node: Node) -> Taken:
        """The event of a node."""

    def miss(self, arm: int, before: Node | None) -> Miss | None:
        """Why the event does not fit an arm, None where it is none of the arm's."""

    def why_not_having(self, node: Node) -> list[Blocker]:
        """What keeps ``having`` from holding."""


@dataclass(slots=True)
class Way:
    """One way of an attempt: its place in the program, what came near since, whether it went on, and what ended it."""

    run: Run
    node: Node
    near: list[tuple[int, int, Miss]] = field(default_factory=list)
    went_on: bool = False
    ending: Ending | None = None
    lost: Ending | None = None
    bits: int = 0


@dataclass(slots=True)
class Record:
    """An attempt by its first event: all its ways, and the matches it made."""

    start: Start
    ways: list[Way] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    having: dict[int, Ending] = field(default_factory=dict)


class TracedMatcher(Matcher):
    """All attempts of one pattern for one key."""

    def __init__(self, program: Program, having: Callable[[Node], bool] | None, teller: Teller) -> None:
        super().__init__(program, having)
        self.teller = teller
        self.records: dict[int, Record] = {}
        self.ways: dict[Run, Way] = {}
        self.taken: dict[int, Taken] = {}
        self.kept: list[Node] = []
        self.current: Way | None = None
        self.event: Event | None = None

    def take(self, event: Event) -> list[Match]:
        """Take an event; what it completes."""
        self.event = event
        return super().take(event)

    def matched(self, match: Match) -> None:
        """Note a match that is offered."""
        self.records[match.start.event].matches.append(match)

    def _run(self, run: Run, event: Event, step: _Step) -> None:
        way = self.current = self.ways[run]
        bits = run.bits
        super()._run(run, event, step)
        self.current = None
        if self._alive(run):
            way.bits = run.bits
        else:
            way.bits, way.ending = bits, way.lost

    def _begin(self, event: Event, step: _Step) -> None:
        self.current = None
        super()._begin(event, step)

    def _try(self, run: Run, edge: Edge, event: Event, violated: int, next_: bool, step: _Step) -> bool:
        way, before = self.ways[run], len(step.runs)
        went = way.went_on
        waits = super()._try(run, edge, event, violated, next_, step)
        if len(step.runs) == before and way.went_on == went:
            misses = [miss for arm in edge.arms if (miss := self.teller.miss(arm, run.node)) is not None and miss.blockers]
            for miss in misses:
                way.near.append((len(miss.blockers), -event.number, miss))
                way.near = sorted(way.near, key=lambda near: near[:2])[:NEAR]
            if not waits:
                way.lost = self._lost(run, edge, event, violated, next_, misses)
        return waits

    def _take(self, start: Start, before: Node | None, edge: Edge, arm: int, event: Event, step: _Step) -> None:
        super()._take(start, before, edge, arm, event, step)
        node = step.nodes[id(before), arm]
        if id(node) not in self.taken:
            self.taken[id(node)] = self.teller.record_taken(node)
            self.kept.append(node)
        record = self.records.setdefault(start.event, Record(start))
        if self.current is not None:
            self.current.went_on = True
        run = step.runs[edge.target, id(node)]
        if run not in self.ways:
            way = self.ways[run] = Way(run, node, bits=run.bits)
            record.ways.append(way)

    def _complete(self, start: Start, node: Node, time: int, complete: dict[int, Match], deadline: int | None = None) -> None:
        super()._complete(start, node, time, complete, deadline)
        if id(node) not in complete and self.having is not None:
            found = self.teller.why_not_having(node)
            words = f"having: {'; '.join(each.words for each in found)}"
            self.records[start.event].having[id(node)] = Ending("having", time, words, found)

    def _pending(self, run: Run, state: State, event: Event, violated: int, next_: bool, step: _Step) -> None:
        bit, way = 1 << len(state.edges), self.ways[run]
        super()._pending(run, state, event, violated, next_, step)
        if run.bits & bit or state.pending is None or id(run.node) in step.complete:
            return
        broken = [stop for stop in (*state.pending.stops, *state.pending.strict_stops) if event.holds(stop, run.node)]
        names = self._nots(broken)
        way.lost = Ending("came", event.time, f"{names or 'an event'} came at {time_text(event.time)}, which may not")

    def _run_out(self, deadline: int, start: Start, runs: list[Run]) -> Iterator[Match]:
        key = self.keys[start.slot]
        ending = [run for run in (key.runs if self.spec.gap is None else runs) if run.start is start and run.bits]
        bits = {run: run.bits for run in ending}
        # The matcher empties bits, and makes matches of what a ``not`` at the end allows.
        yield from super()._run_out(deadline, start, runs)
        limit = self.spec.within if self.spec.gap is None else self.spec.gap
        of = "" if self.spec.gap is None else " after its last event"
        for run in ending:
            way = self.ways[run]
            way.bits = bits[run]
            if way.ending is None:
                words = f"out of time at {time_text(deadline)} (within {interval_text(limit or 0)}{of})"
                way.ending = Ending("timeout", deadline, words)

    def _prune(self, key: Key, match: Match, waiting: list[Match]) -> list[Match]:
        before = {run: run.bits for run in key.runs}
        held = list(waiting)
        left = super()._prune(key, match, waiting)
        now = match.time
        words = f"dropped by the match at {time_text(now)} (after_match: {self.spec.after})"
        for run, bits in before.items():
            if not run.bits:
                self.ways[run].bits, self.ways[run].ending = bits, Ending("skip", now, words)
        for other in held:
            if other not in left:
                self.records[other.start.event].having[id(other.node)] = Ending("skip", now, words)
        return left

    def _make_room(self, key: Key) -> None:
        before = {run: run.bits for run in key.runs}
        super()._make_room(key)
        assert self.event is not None
        for run, bits in before.items():
            if not run.bits:
                words = f"dropped for room: more than max_partial ({self.spec.max_partial}) attempts were open"
                self.ways[run].bits, self.ways[run].ending = bits, Ending("room", self.event.time, words)

    def _lost(self, run: Run, edge: Edge, event: Event, violated: int, next_: bool, misses: list[Miss]) -> Ending:
        """Why an edge does not wait any more after an event that it did not take, in the order in which the matcher decides."""
        state, holds, node = self.program.states[run.state], event.holds, run.node
        at = time_text(event.time)
        guards = [state.guards[guard] for guard in edge.guards if violated >> guard & 1]
        if guards:
            return self._ends("greedy", f"the event at {at} fits {self._loop(guards[0])}, a greedy loop that may not pass it over")
        strict = [stop for stop in edge.strict_stops if next_ and holds(stop, node)]
        if strict:
            return self._ends("not", f"{self._nots(strict)} came next, at {at}")
        if any(holds(each, node) for each in edge.untils):
            return self._ends("until", f"until ended the loop at {at} before it had enough")
        watching = [each for each in edge.watches if holds(each, node)]
        if watching:
            return self._ends("not", f"{self._nots(watching)} came at {at}")
        arm = self._fits(edge, node, holds)
        stops = [stop for stop in edge.stops if holds(stop, node)]
        if arm < 0 and stops:
            return self._ends("not", f"{self._nots(stops)} came at {at}")
        if arm < 0 and edge.contiguity == STRICT:
            found = misses[0].blockers if misses else ()
            why = f": {misses[0].step}: {'; '.join(each.words for each in found)}" if found else " (of another stream)"
            return Ending("strict", event.time, f"the very next event, at {at}, does not fit{why}", found)
        if edge.gap >= 0 and event.time - node.time >= edge.gap:
            later, less = interval_text(event.time - node.time), interval_text(edge.gap)
            return self._ends("gap", f"the next event of the loop came {later} later, at {at}; less than {less} is allowed")
        return self._ends("until", f"until holds at {at}, where the loop would begin")

    def _ends(self, how: How, words: str) -> Ending:
        assert self.event is not None
        return Ending(how, self.event.time, words)

    def _loop(self, guard: Guard) -> str:
        return " or ".join(self.program.names[arm] for arm in guard.arms)

    def _nots(self, conditions: list[int]) -> str:
        """The names of the ``not`` steps with these conditions."""
        found = []
        for step in self.spec.walk():
            if step.negated:
                arm = step.arms[0]
                lane = self.program.lanes.index((arm.on, arm.by.fields))
                text = None if arm.when is None else arm.when.canonical
                for number in conditions:
                    condition = self.program.conditions[number]
                    if condition.lane == lane and text == (None if condition.whole is None else condition.whole.canonical):
                        found.append(step.name)
        return " or ".join(dict.fromkeys(found))
