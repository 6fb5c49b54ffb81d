"""One condition pattern on one shard: trigger, guard, suppression, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.suppress import Suppressor
from dataflows.operators.trigger import Look, Raised, Trigger
from models.application.resolved import Pattern
from models.events.evidence import Evidence
from models.events.hit import Hit, hit_from, hit_state
from models.values.types import Type

GuardAt = Callable[[int, int, Evidence], bool]


class PatternMachine:
    """State of one pattern for the keys of one shard."""

    def __init__(self, pattern: Pattern, types: Mapping[str, Type]) -> None:
        self.pattern = pattern
        self.trigger = Trigger(pattern)
        self.suppressor = Suppressor(pattern, types)
        self.guarded = 0
        self.raised: dict[int, Hit] = {}

    @property
    def suppressed(self) -> int:
        """Hits that were held back or merged."""
        return self.suppressor.suppressed

    def step(
        self,
        slot: NDArray[np.int64],
        time: NDArray[np.int64],
        when: NDArray[np.bool_],
        clear: NDArray[np.bool_] | None,
        passes: NDArray[np.bool_] | None,
        look: Look,
        guard_at: GuardAt,
        until: int,
    ) -> list[Hit]:
        """Rows of the pattern's stream in the total order; deadlines fire before the rows at or after them."""
        out: list[Hit] = []
        for raised in self.trigger.step(slot, time, when, clear, look, until):
            out.extend(self.suppressor.due(raised.time))
            out.extend(self._take(raised, passes, look, guard_at))
        out.extend(self.suppressor.due(until))
        return out

    def advance(self, until: int, guard_at: GuardAt) -> list[Hit]:
        """Deadlines up to ``until``."""
        out: list[Hit] = []
        for raised in self.trigger.due(until):
            out.extend(self.suppressor.due(raised.time))
            out.extend(self._take(raised, None, None, guard_at))
        out.extend(self.suppressor.due(until))
        return out

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values."""
        raised = [hit_state(hit) for hit in self.raised.values()]
        return {"trigger": self.trigger.snapshot(), "suppressor": self.suppressor.snapshot(), "guarded": self.guarded,
                "raised": raised}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.trigger.restore(state["trigger"])
        self.suppressor.restore(state["suppressor"])
        self.guarded = state["guarded"]
        self.raised = {hit.slot: hit for hit in map(hit_from, state["raised"])}

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether nothing kept under each slot can influence any hit from time ``bound`` on; bool[m]."""
        found = np.ones(len(slots), np.bool_)
        if self.trigger.plain and self.suppressor.period is None:
            return found
        for i, slot in enumerate(slots.tolist()):
            found[i] = self.trigger.evictable(slot, bound) and self.suppressor.evictable(slot, bound)
        return found

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""
        for slot in slots.tolist():
            for state in (self.trigger.keys, self.suppressor.keys, self.raised):
                state.pop(slot, None)  # type: ignore[attr-defined]

    def _take(self, raised: Raised, passes: NDArray[np.bool_] | None, look: Look | None, guard_at: GuardAt) -> Iterator[Hit]:
        if raised.cleared:
            if raised.slot in self.raised and look is not None:
                yield from self.suppressor.hit(self._cleared(raised, look(raised.row)))
            return
        if raised.row < 0:
            if not guard_at(raised.slot, raised.time, raised.events[-1]):
                self.guarded += 1
                return
            hit = self._held(raised)
        else:
            if passes is not None and not passes[raised.row]:
                self.guarded += 1
                return
            assert look is not None
            hit = self._matched(raised, look)
        if self.pattern.on_clear:
            self.raised[raised.slot] = hit
        yield from self.suppressor.hit(hit)

    def _matched(self, raised: Raised, look: Look) -> Hit:
        events = raised.events or (look(raised.row),)
        last = events[-1]
        return Hit("match", raised.slot, raised.time, (last.id,), events, len(events), {}, events[0], last,
                   episode=(last.id,), row=raised.row)  # fmt: skip

    def _held(self, raised: Raised) -> Hit:
        first = raised.events[0]
        return Hit("match", raised.slot, raised.time, (first.id,), raised.events, len(raised.events), {}, first, None,
                   deadline=raised.deadline, episode=(first.id,), episode_deadline=raised.deadline)  # fmt: skip

    def _cleared(self, raised: Raised, event: Evidence) -> Hit:
        first = self.raised.pop(raised.slot)
        return Hit("cleared", raised.slot, raised.time, (event.id,), (event,), 1, {}, event, event, episode=first.episode,
                   episode_deadline=first.episode_deadline, episode_kind=first.kind, row=raised.row)  # fmt: skip
