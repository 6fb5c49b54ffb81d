"""A condition pattern's machine that tells of every event of a key whether it fired, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataflows.operators import kernels_trigger as k
from dataflows.operators.machine import AsOf, Given, PatternMachine, _Raw
from dataflows.operators.trigger import Raised
from dataflows.tracing.attempts import Attempt, Ending, Identity, Taken
from dataflows.tracing.sequences import guarded, inactive
from dataflows.tracing.suppressions import TracedSuppressor, identity
from dataflows.tracing.watched import Watched
from models.events.hit import Hit
from models.expressions.blockers import blockers
from models.expressions.text import interval_text, time_text


@dataclass(slots=True)
class _Seen:
    """An event: whether the condition held, and what was told of it."""

    attempt: Attempt
    time: int
    true: bool
    clears: bool


class TracedCondition(PatternMachine):
    """A pattern's machine for the rows of one key; takes the place of another that has seen nothing yet."""

    def __init__(self, inner: PatternMachine, watched: Watched) -> None:
        super().__init__(inner.pattern, {}, watched.depth, inner.names, inner.read, inner.store.chunk_of)
        self.watched = watched
        self.endings: dict[Identity, Ending] = {}
        self.suppressor = TracedSuppressor(inner.suppressor, self.endings.__setitem__)
        self.suppressor.show = lambda events: [self.show(event) for event in events]
        self.seen: list[_Seen] = []
        self.rows: dict[int, _Seen] = {}

    def attempts(self) -> list[Attempt]:
        """Every event in order, with its ending."""
        since = raised = None
        for place, seen in enumerate(self.seen):
            since = None if not seen.true else seen.time if since is None else since
            if seen.clears:
                raised = None
            hit = seen.attempt.hit
            if hit is not None:
                seen.attempt.ending, raised = self.endings.get(hit), seen.time
            elif seen.true and since is not None:
                seen.attempt.ending = self._not_yet(place, since, raised)
        return [seen.attempt for seen in self.seen]

    def step(self, given: Given | None, until: int, asof: AsOf) -> list[Hit]:
        """Rows (or none) and deadlines; see ``PatternMachine``."""
        self.rows = {}
        if given is not None:
            for row in np.flatnonzero(given.slot == self.watched.slot()).tolist():
                self._see(given, row)
            # Guard and calendar are asked one by one, so that each refusal is told.
            self.trigger.plain = False if given.passes is not None else self.trigger.plain
        return super().step(given, until, asof)

    def _see(self, given: Given, row: int) -> None:
        columns, time, true = given.columns, int(given.batch.time[row]), bool(given.when[row])
        environment = _Row(given.columns, row)
        event = self.read(given.batch, columns, row)
        attempt = Attempt(time, [Taken("", event, self.pattern.when.explain(environment))])
        if not true:
            found = blockers(self.pattern.when, environment)
            attempt.ending = Ending("condition", time, "; ".join(each.words for each in found), found)
        clears = given.clear is not None and bool(given.clear[row])
        self.rows[row] = _Seen(attempt, time, true, clears)
        self.seen.append(self.rows[row])

    def _not_yet(self, place: int, since: int, raised: int | None) -> Ending:
        """Why an event with a TRUE condition did not fire: the trigger."""
        hold, time = self.pattern.hold, self.seen[place].time
        if self.pattern.clear is not None and raised is not None:
            return Ending("raised", time, f"raised since {time_text(raised)}, and not cleared since")
        if hold is not None and hold.time is not None:
            due = time_text(since + hold.time)
            words = f"true since {time_text(since)}; hold: {interval_text(hold.time)} is reached at {due}"
            return Ending("hold", time, words)
        if hold is not None:
            last = [seen.true for seen in self.seen[max(0, place + 1 - hold.of) : place + 1]]
            if sum(last) < hold.count:
                return Ending("hold", time, f"true at {sum(last)} of the last {len(last)} events; hold: {hold.count} of {hold.of}")
        return Ending("edge", time, f"true already since {time_text(since)}: trigger: edge fires only at the first event")

    def _take(self, found: Sequence[Raised]) -> Iterator[Hit]:
        for raised in found:
            if raised.kind != k.CLEARED and raised.slot == self.watched.slot():
                self._raised(raised)
            yield from super()._take([raised])

    def _raised(self, raised: Raised) -> None:
        values: Mapping[str, Any] | None = None
        if raised.kind == k.HELD:
            values = {**self.show(self.events(raised)[-1]).values, **self.asof(raised.slot, raised.time)}
        who = identity(_Raw(self, raised, values).hit())
        seen = self._of(raised)
        if seen is None:
            return
        attempt = seen.attempt
        attempt.hit, attempt.ending = who, None
        refused = inactive(self.pattern, raised.time)
        guard = self.pattern.guard
        if refused is None and guard is not None:
            row = values if values is not None or self.given is None else _Row(self.given.columns, raised.row)
            if row is not None and guard.row(row) is not True:
                refused = guarded(raised.time, blockers(guard, row))
        if refused is not None:
            self.endings[who] = refused

    def _of(self, raised: Raised) -> _Seen | None:
        """The event that a hit belongs to: its row, or of a hold by time the last before its deadline."""
        if raised.row >= 0:
            return self.rows.get(raised.row)
        return next((seen for seen in reversed(self.seen) if seen.true and seen.time < raised.time), None)


class _Row(Mapping[str, Any]):
    """A row of columns, as expressions read it."""

    def __init__(self, columns: Mapping[str, Any], row: int) -> None:
        self.columns = columns
        self.row = row

    def __getitem__(self, name: str) -> Any:
        return self.columns[name].at(self.row)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)
