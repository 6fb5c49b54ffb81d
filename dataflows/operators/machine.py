"""One condition pattern on one shard: trigger, guard, suppression, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.batches.held import ChunkOf
from dataflows.operators import kernels_trigger as k
from dataflows.operators.keeping import Keeping
from dataflows.operators.suppress import Suppressor
from dataflows.operators.trigger import Raised, Trigger
from models.application.resolved.patterns import Pattern
from models.events.evidence import Evidence
from models.events.hit import Hit, Kind, deadline_order, hit_from, hit_state
from models.values.column import Column
from models.values.types import Type

Read = Callable[[Batch, Mapping[str, Column], int], Evidence]
"""The evidence of a row of a batch with its columns."""
AsOf = Callable[[int, int], Mapping[str, Any]]
"""Features of the pattern's entity as of (slot, deadline), by column; empty where the pattern needs none."""


class Given(NamedTuple):
    """Rows of a pattern's stream in the total order: slot int64[n]; when, clear, passes (guard and calendar) bool[n]."""

    slot: NDArray[np.int64]
    batch: Batch
    columns: Mapping[str, Column]
    when: NDArray[np.bool_]
    clear: NDArray[np.bool_] | None
    passes: NDArray[np.bool_] | None


class PatternMachine(Keeping):
    """State of one pattern for the keys of one shard.

    types: of its stream's fields; depth: how many numbers extend its stream's order; names: the columns to keep of an event.
    """

    def __init__(
        self, pattern: Pattern, types: Mapping[str, Type], depth: int, names: Iterable[str], read: Read, chunk_of: ChunkOf
    ) -> None:
        super().__init__(depth, names, chunk_of)
        self.pattern = pattern
        self.read = read
        self.trigger = Trigger(pattern, self.store)
        self.suppressor = Suppressor(pattern, types, lambda events: [self.show(event) for event in events])
        self.suppresses = not pattern.suppress.per
        self.guarded = 0
        self.raised: dict[int, Hit] = {}
        self.given: Given | None = None
        self.asof: AsOf = lambda slot, time: {}

    @property
    def suppressed(self) -> int:
        """Hits that were held back or merged."""
        return self.suppressor.suppressed

    def ripe(self, until: int) -> bool:
        """Whether a deadline up to ``until`` waits."""
        return self.trigger.next_due <= until or self.suppressor.next_due <= until

    def step(self, given: Given | None, until: int, asof: AsOf) -> list[Hit]:
        """Rows (or none), deadlines before the rows at or after them, at the end those up to ``until``.

        ``settle`` must follow: until then hits refer to kept events and to the rows in hand.
        """
        self.given, self.asof = given, asof
        self.hand = None if given is None else (given.batch, given.columns)
        out: list[Hit] = []
        if given is not None and len(given.slot):
            when, passes = given.when, given.passes
            if self.trigger.plain and passes is not None:
                self.guarded += int((when & ~passes).sum())
                when, self.given = when & passes, given._replace(passes=None)
            raised, kept = self.trigger.step(given.slot, given.batch.time, when, given.clear)
            self.store.append(given.batch, given.columns, kept, self.names)
            out.extend(self._take(raised))
        out.extend(self._take(self.trigger.due(until)))
        out.extend(self.suppressor.due(until))
        self.flush()
        return out

    def settle(self) -> None:
        """Forget the events that nobody refers to any more."""
        self.given = self.hand = None
        if self.store.crowded:
            live = np.zeros(self.store.size, np.bool_)
            self.trigger.mark(live)
            self.suppressor.mark(live)
            moved = self.store.sweep(live)
            self.trigger.move(moved)
            self.suppressor.move(moved)

    def show(self, event: int) -> Evidence:
        """The evidence of a kept event, by its position; of a row in hand, by -1 - row."""
        return self.read(*self.place(event))

    def events(self, raised: Raised) -> list[int]:
        """What ``show`` reads of a raw hit's events."""
        return list(self.trigger.chain(raised)) if raised.events else [-1 - raised.row]

    def _take(self, found: Sequence[Raised]) -> Iterator[Hit]:
        passes = None if self.given is None else self.given.passes
        for raised in found:
            if self.suppressor.waiting:
                yield from self.suppressor.due(raised.time)
            if raised.kind == k.CLEARED:
                first = self.raised.pop(raised.slot, None)
                if first is not None:
                    yield from self._offer(_Raw(self, raised, None, first))
                continue
            # An episode that is remembered from before the state counted as absent is over.
            self.raised.pop(raised.slot, None)
            values = None
            if raised.kind == k.HELD:
                values = {**self.show(self.events(raised)[-1]).values, **self.asof(raised.slot, raised.time)}
            if not (self._passes(raised.time, values) if values is not None else passes is None or passes[raised.row]):
                self.guarded += 1
                continue
            offer = _Raw(self, raised, values)
            if self.pattern.on_clear:
                self.raised[raised.slot] = offer.hit()._replace(evidence=(), values=None)
            yield from self._offer(offer)

    def _offer(self, offer: _Raw) -> Iterator[Hit]:
        """Suppress here, or leave it to a later stage by another key."""
        return self.suppressor.take(offer) if self.suppresses else iter([offer.hit()])

    def _passes(self, time: int, values: Mapping[str, Any]) -> bool:
        """Calendar and guard at a deadline."""
        pattern = self.pattern
        inside = pattern.active is None or pattern.active.calendar.contains(time) == pattern.active.inside
        return inside and (pattern.guard is None or pattern.guard.row(values) is True)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        return {"trigger": self.trigger.snapshot(), "suppressor": self.suppressor.snapshot(), "store": self.store.snapshot(),
                "guarded": self.guarded, "raised": [hit_state(hit) for hit in self.raised.values()]}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.store.restore(state["store"])
        self.trigger.restore(state["trigger"])
        self.suppressor.restore(state["suppressor"])
        self.guarded = state["guarded"]
        self.raised = {hit.slot: hit for hit in map(hit_from, state["raised"])}

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        return self.trigger.evictable(slots, bound) & self.suppressor.evictable(slots, bound)

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        self.trigger.evict(slots)
        self.suppressor.evict(slots)
        for slot in self.raised.keys() & set(slots.tolist()) if self.raised else ():
            del self.raised[slot]


@dataclass(slots=True)
class _Raw:
    """A raw hit on offer to the suppression; its evidence is made when it is asked for."""

    machine: PatternMachine
    raised: Raised
    values: Mapping[str, Any] | None
    clears: Hit | None = None
    made: Hit | None = None

    @property
    def slot(self) -> int:
        return self.raised.slot

    @property
    def moment(self) -> int:
        return self.raised.time

    @property
    def kind(self) -> Kind:
        return "cleared" if self.raised.kind == k.CLEARED else "match"

    def hit(self) -> Hit:
        if self.made is None:
            self.made = self._hit()
        return self.made

    def keep(self) -> list[int]:
        return [self.machine.keep(-1 - event) if event < 0 else event for event in self.machine.events(self.raised)]

    def _hit(self) -> Hit:
        raised, refs = self.raised, self.machine.events(self.raised)
        events = tuple(self.machine.show(ref) for ref in refs)
        first, last = events[0], events[-1]
        if raised.kind == k.HELD:
            order = deadline_order(raised.time, self.machine.pattern.place, first.order)
            return Hit("match", raised.slot, raised.time, (first.id,), events, len(events), {}, first, None, deadline=raised.time,
                       episode=(first.id,), episode_deadline=raised.time, at=refs[-1], order=order, values=self.values)  # fmt: skip
        hit = Hit(self.kind, raised.slot, raised.time, (last.id,), events, len(events), {}, first, last, episode=(last.id,),
                  row=raised.row, order=last.order)  # fmt: skip
        return hit if self.clears is None else _ends(hit, self.clears)


def _ends(hit: Hit, first: Hit) -> Hit:
    """The end of the episode that ``first`` began."""
    return hit._replace(episode=first.episode, episode_deadline=first.episode_deadline, episode_kind=first.kind)
