"""From a condition's truth at each event to hits: each, edge, hold by count or time, clear. State per slot."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.application.resolved import Pattern
from models.events.evidence import Evidence, evidence_from

TTL = 90 * 86_400_000_000
"""Microseconds after a key's last event at which its state counts as absent."""
Look = Callable[[int], Evidence]


@dataclass(slots=True)
class Raised:
    """A raw hit: a condition that held for a key, before guard and suppression.

    row: the completing row, -1 where a deadline completed it; events: the TRUE events that satisfied it, in order.
    """

    slot: int
    time: int
    row: int
    cleared: bool = False
    deadline: int | None = None
    events: tuple[Evidence, ...] = ()


@dataclass(slots=True)
class _Key:
    """What is remembered of one key."""

    last: int
    true: bool = False
    raised: bool = False
    recent: deque[Evidence | None] = field(default_factory=deque)
    run: list[Evidence] = field(default_factory=list)
    due: int | None = None
    order: int = 0


class Trigger:
    """The trigger of one pattern on one shard."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.plain = pattern.trigger == "each" and pattern.hold is None and pattern.clear is None
        self.keys: dict[int, _Key] = {}
        self.order = 0

    def step(
        self,
        slot: NDArray[np.int64],
        time: NDArray[np.int64],
        when: NDArray[np.bool_],
        clear: NDArray[np.bool_] | None,
        look: Look,
        until: int,
    ) -> Iterator[Raised]:
        """Raw hits of rows in order, deadlines before the rows at or after them; at the end those up to ``until``."""
        if self.plain:
            for row in np.flatnonzero(when).tolist():
                yield Raised(int(slot[row]), int(time[row]), row)
            return
        timed = self.pattern.hold is not None and self.pattern.hold.time is not None
        for row, (s, t) in enumerate(zip(slot.tolist(), time.tolist())):
            if timed:
                yield from self.due(t)
            yield from self._event(s, t, row, bool(when[row]), clear is not None and bool(clear[row]), look)
        yield from self.due(until)

    def due(self, until: int) -> Iterator[Raised]:
        """Holds by time whose deadline has come, in order."""
        if self.plain or self.pattern.hold is None or self.pattern.hold.time is None:
            return
        ready = [(key.due, key.order, s) for s, key in self.keys.items() if key.due is not None and key.due <= until]
        for deadline, _, s in sorted(ready):
            key = self.keys[s]
            key.due = None
            if len(key.run) > 1:
                yield Raised(s, deadline, -1, deadline=deadline, events=tuple(key.run))

    def evictable(self, slot: int, bound: int) -> bool:
        """Whether nothing kept under a slot can influence any hit from time ``bound`` on."""
        key = self.keys.get(slot)
        if key is None:
            return True
        fresh = not (key.true or key.raised or key.run or any(event is not None for event in key.recent))
        return key.due is None and (fresh or bound - key.last >= TTL)

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values."""
        recent = {slot: [event and asdict(event) for event in key.recent] for slot, key in self.keys.items()}
        keys = {slot: {**asdict(replace(key, recent=deque())), "recent": recent[slot]} for slot, key in self.keys.items()}
        return {"order": self.order, "keys": keys}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.order = state["order"]
        for slot, values in state["keys"].items():
            recent = deque(None if event is None else evidence_from(event) for event in values["recent"])
            run = [evidence_from(event) for event in values["run"]]
            self.keys[slot] = _Key(**{**values, "recent": recent, "run": run})

    def _event(self, s: int, t: int, row: int, true: bool, clears: bool, look: Look) -> Iterator[Raised]:
        key = self.keys.get(s)
        if key is None or t - key.last >= TTL:
            key = self.keys[s] = _Key(t)
        key.last = t
        if clears:
            yield from self._clear(s, t, row, key)
            key.recent.clear()
            key.true = true and not key.raised and key.true
        hold = self.pattern.hold
        events: tuple[Evidence, ...] = ()
        if hold is None:
            holds = true
        elif hold.time is not None:
            self._hold_time(t, row, true, key, hold.time, look)
            return
        else:
            holds, events = self._hold_count(row, true, key, look)
        first = holds and not key.true
        key.true = holds
        if self.pattern.clear is not None:
            if holds and not key.raised and not clears:
                key.raised = True
                yield Raised(s, t, row, events=events)
        elif holds and (first or self.pattern.trigger == "each"):
            yield Raised(s, t, row, events=events)

    def _clear(self, s: int, t: int, row: int, key: _Key) -> Iterator[Raised]:
        if key.raised:
            key.raised = False
            if self.pattern.on_clear:
                yield Raised(s, t, row, cleared=True)

    def _hold_count(self, row: int, true: bool, key: _Key, look: Look) -> tuple[bool, tuple[Evidence, ...]]:
        hold = self.pattern.hold
        assert hold is not None
        key.recent.append(look(row) if true else None)
        while len(key.recent) > hold.of:
            key.recent.popleft()
        events = tuple(event for event in key.recent if event is not None)
        return true and len(events) >= hold.count, events

    def _hold_time(self, t: int, row: int, true: bool, key: _Key, time: int, look: Look) -> None:
        if not true:
            key.run, key.due = [], None
            return
        if not key.run:
            self.order += 1
            key.due, key.order = t + time, self.order
        if key.due is not None:
            key.run.append(look(row))
        elif len(key.run) > 1:
            key.run = key.run[:2]
