"""An absence machine that tells of every clock of a key what stopped it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dataflows.operators import kernels_absence as k
from dataflows.operators.absence import AbsenceMachine, AbsenceRows
from dataflows.tracing.attempts import Attempt, Ending, Identity, Taken
from dataflows.tracing.sequences import guarded, inactive
from dataflows.tracing.suppressions import TracedSuppressor
from dataflows.tracing.watched import Watched
from models.events.hit import Hit
from models.expressions.blockers import blockers
from models.expressions.text import interval_text, time_text


class TracedAbsence(AbsenceMachine):
    """A pattern's machine for the rows of one key; takes the place of another that has seen nothing yet."""

    def __init__(self, inner: AbsenceMachine, watched: Watched) -> None:
        super().__init__(inner.pattern, {}, watched.depth, inner.names, inner.read, inner.store.chunk_of)
        self.watched = watched
        self.endings: dict[Identity, Ending] = {}
        self.suppressor = TracedSuppressor(inner.suppressor, self.endings.__setitem__)
        self.suppressor.show = lambda events: [self._show(event) for event in events]
        self.clocks: list[Attempt] = []

    def attempts(self) -> list[Attempt]:
        """Every clock in order: it starts with an event (or a table's row), and the next event or its time ends it."""
        for clock in self.clocks:
            if clock.ending is None and clock.hit is not None:
                clock.ending = self.endings.get(clock.hit)
            if clock.ending is None and clock.hit is None:
                clock.ending = Ending("open", None, f"still open: silence is due at {time_text(clock.began + self._limit)}")
        return self.clocks

    @property
    def _limit(self) -> int:
        assert self.pattern.absence is not None
        return self.pattern.absence.time

    def step(self, rows: AbsenceRows | None, until: int) -> list[Hit]:
        """Rows (or none) and deadlines; see ``AbsenceMachine``."""
        if rows is not None:
            self.rows = rows
            for place in np.flatnonzero(rows.slot == self.watched.slot()).tolist():
                self._see(rows, place)
        return super().step(rows, until)

    def _see(self, rows: AbsenceRows, place: int) -> None:
        time, kind, row = int(rows.time[place]), int(rows.kind[place]), int(rows.row[place])
        clock = self.clocks[-1] if self.clocks else None
        fits = kind == k.FITS
        ends = fits or kind == k.DELETED
        if clock is not None and clock.ending is None and ends and time < clock.began + self._limit:
            after = interval_text(time - clock.began)
            what = f"the next event came after {after}" if fits else f"its row was deleted after {after}"
            limit = interval_text(self._limit)
            clock.ending = Ending("came", time, f"{what}, at {time_text(time)}: less than {limit} of silence")
        if fits and rows.part is not None:
            event = self.read(rows.part.batch, rows.part.columns, row)
            tree = self.pattern.when.explain(event.values) if self.pattern.when.reads else None
            self.clocks.append(Attempt(time, [Taken("", event, tree)]))
        elif kind == k.INSERTED and (clock is None or clock.ending is not None):
            self.clocks.append(Attempt(time))

    def _hits(self, raised: Any) -> Iterable[Hit]:
        out: list[Hit] = []
        for one in raised:
            slot, deadline, event, *_ = one.tolist()
            if slot != self.watched.slot():
                out.extend(super()._hits(one.reshape(1, -1)))
                continue
            seen = None if event == -1 else self._show(event)
            values: Mapping[str, Any] = {**({} if seen is None else seen.values), **self.asof(slot, deadline)}
            who: Identity = ("match", () if seen is None else (seen.id,), deadline)
            clock = next((clock for clock in reversed(self.clocks) if clock.began + self._limit <= deadline), None)
            if clock is not None and clock.hit is None:
                clock.hit = who
            refused = inactive(self.pattern, deadline)
            guard = self.pattern.guard
            if refused is None and guard is not None and guard.row(values) is not True:
                refused = guarded(deadline, blockers(guard, values))
            if refused is not None:
                self.endings[who] = refused
            out.extend(super()._hits(one.reshape(1, -1)))
        return out
