"""A sequence machine that keeps a record of every attempt: what each took, what came near, and what ended it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dataflows.operators.sequences.machine import SequenceMachine, _Offer
from dataflows.operators.sequences.matcher import Match, Node
from dataflows.operators.sequences.rows import OrderedRows
from dataflows.tracing.attempts import Attempt, Ending, Identity, Miss, Taken
from dataflows.tracing.matching import TracedMatcher
from dataflows.tracing.progress import attempts_of
from dataflows.tracing.suppressions import TracedSuppressor, identity
from dataflows.tracing.watched import Watched
from models.application.resolved.patterns import Pattern
from models.expressions.blockers import Blocker, blockers


class TracedSequence(SequenceMachine):
    """A pattern's machine for the rows of one key; takes the place of another that has seen nothing yet."""

    def __init__(self, inner: SequenceMachine, watched: Watched) -> None:
        program = replace(inner.program, every_row=True)
        super().__init__(inner.pattern, program, {}, inner.lanes, inner.reader, inner.passed)
        self.watched = watched
        self.endings: dict[Identity, Ending] = {}
        self.hits: dict[int, Identity] = {}
        self.matcher: TracedMatcher = TracedMatcher(program, self.matcher.having, self)
        self.suppressor = TracedSuppressor(inner.suppressor, self.endings.__setitem__)
        self.suppressor.show = lambda numbers: [self.held[number].evidence() for number in numbers]

    def attempts(self) -> list[Attempt]:
        """Every attempt, by its first event."""
        matcher = self.matcher
        for key in matcher.keys.values():
            for match in key.held:
                words = "complete; it waits for an attempt that began before it (emit: ordered)"
                matcher.records[match.start.event].having[id(match.node)] = Ending("open", None, words)
        mine = [record for record in matcher.records.values() if record.start.slot == self.watched.slot()]
        return list(attempts_of(self.program, mine, matcher.taken, self.hits, self.endings))

    # What the matcher asks of the rows in hand.

    def record_taken(self, node: Node) -> Taken:
        """The event of a node, with its condition's tree."""
        condition = self.program.conditions[self.program.arms[node.arm]]
        whole, tree = condition.whole, None
        if whole is not None and self.rows is not None:
            tree = whole.explain(self._environment(self.rows, self.place, condition.lane, node.before))
        return Taken(self.program.names[node.arm], node.what.evidence(), tree)

    def miss(self, arm: int, before: Node | None) -> Miss | None:
        """Why the event at hand does not fit an arm; None where it is of another stream or role."""
        number = self.program.arms[arm]
        found = self.why_not(number, before)
        if found is None or self.rows is None:
            return None
        condition = self.program.conditions[number]
        environment = self._environment(self.rows, self.place, condition.lane, before)
        lane = self.rows.lanes[condition.lane]
        event = self.lanes[condition.lane].read(lane.batch, lane.columns, self.rows.at(self.place, condition.lane))
        tree = None if condition.whole is None else condition.whole.explain(environment)
        return Miss(self.program.names[arm], event, found, tree)

    def why_not(self, number: int, before: Node | None) -> list[Blocker] | None:
        """The leaves that keep a condition from holding for the event at hand; None where it does not look at such events."""
        condition, rows = self.program.conditions[number], self.rows
        if rows is None or not (rows.lane[self.place] == condition.lane or condition.lane in rows.also.get(self.place, {})):
            return None
        if condition.whole is None:
            return []
        return blockers(condition.whole, self._environment(rows, self.place, condition.lane, before))

    def why_not_having(self, node: Node) -> list[Blocker]:
        """The leaves that keep ``having`` from holding for a whole match."""
        assert self.pattern.sequence is not None and self.pattern.sequence.having is not None
        return blockers(self.pattern.sequence.having, self.whole(node, {}))  # type: ignore[arg-type]

    # What becomes of matches.

    def _offer(self, matches: Any, place: int) -> Iterator[Any]:
        for match in matches:
            order = self._order(place)
            who = identity(_Offer(self, match, order).hit())
            self.hits[id(match.node)] = who
            self.matcher.matched(match)
            refused = self._refused(match)
            if refused is not None:
                self.endings[who] = refused
            yield from super()._offer([match], place)

    def _refused(self, match: Match) -> Ending | None:
        pattern = self.pattern
        found = inactive(pattern, match.time)
        more = self.read_as_of(match)
        if found is None and pattern.guard is not None and not self._truth(pattern.guard, match.node, more):
            found = guarded(match.time, blockers(pattern.guard, self.whole(match.node, more)))  # type: ignore[arg-type]
        return found

    def _events(self, rows: OrderedRows) -> Iterator[Any]:
        """The events of the key alone, unless others count for what becomes of its flags."""
        slot = self.watched.slot()
        return (event for event in super()._events(rows) if self.watched.whole or event.slot == slot)


def inactive(pattern: Pattern, time: int) -> Ending | None:
    """The ending of a hit outside a pattern's active hours."""
    active = pattern.active
    if active is None or active.calendar.contains(time) == active.inside:
        return None
    where = "outside" if active.inside else "inside"
    return Ending("inactive", time, f"{where} the active hours: the moment lies {where} calendar {active.calendar.name!r}")


def guarded(time: int, found: list[Blocker]) -> Ending:
    """The ending of a hit that the guard refused."""
    return Ending("guard", time, f"guard: {'; '.join(each.words for each in found)}", found)

