"""Suppression by another key than the pattern's: its hits come as rows, in the total order, in a stage by that key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.batches.held import ChunkOf
from dataflows.operators.keeping import Keeping
from dataflows.operators.suppress import Suppressor
from models.application.resolved.patterns import Pattern
from models.events.evidence import Evidence
from models.events.hit import Hit, Kind, hit_from
from models.values.column import Column
from models.values.types import Type

HIT = "\0hit"
"""The column with a row's hit: (its state as plain values, its pattern's key)."""


class PerMachine(Keeping):
    """The suppression of one pattern for the keys of one shard."""

    def __init__(self, pattern: Pattern, types: Mapping[str, Type], depth: int, names: Iterable[str], chunk_of: ChunkOf) -> None:
        super().__init__(depth, {*names, HIT}, chunk_of)
        self.pattern = pattern
        self.suppressor = Suppressor(pattern, types, self._evidence)

    @property
    def suppressed(self) -> int:
        """Hits that were held back or merged."""
        return self.suppressor.suppressed

    def ripe(self, until: int) -> bool:
        """Whether a deadline up to ``until`` waits."""
        return self.suppressor.next_due <= until

    def step(self, slots: NDArray[np.int64], batch: Batch | None, columns: Mapping[str, Column], until: int) -> list[Hit]:
        """Hits as rows in the total order (or none), then deadlines up to ``until``; ``settle`` must follow."""
        self.hand = None if batch is None else (batch, columns)
        out: list[Hit] = []
        for row, slot in enumerate(slots.tolist()):
            hit = self._hit(-1 - row)._replace(slot=slot, row=row, at=-1)
            out.extend(self.suppressor.due(hit.moment))
            out.extend(self.suppressor.take(_Passed(self, hit)) if slot >= 0 else [self.suppressor.summed(hit)])
        out.extend(self.suppressor.due(until))
        self.flush()
        return out

    def settle(self) -> None:
        """Forget the hits that nobody refers to any more."""
        self.hand = None
        if self.store.crowded:
            live = np.zeros(self.store.size, np.bool_)
            self.suppressor.mark(live)
            self.suppressor.move(self.store.sweep(live))

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        return {"suppressor": self.suppressor.snapshot(), "store": self.store.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.store.restore(state["store"])
        self.suppressor.restore(state["suppressor"])

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        return self.suppressor.evictable(slots, bound)

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        self.suppressor.evict(slots)

    def _hit(self, event: int) -> Hit:
        _, columns, row = self.place(event)
        state, key = columns[HIT].values[row]
        return hit_from(state)._replace(key=key)

    def _evidence(self, events: list[int]) -> list[Evidence]:
        """The events of all hits, each once, in the total order."""
        found = {event.order: event for each in events for event in self._hit(each).evidence}
        return [found[order] for order in sorted(found)]


@dataclass(slots=True)
class _Passed:
    """A hit on offer to the suppression."""

    machine: PerMachine
    made: Hit

    @property
    def slot(self) -> int:
        return self.made.slot

    @property
    def moment(self) -> int:
        return self.made.moment

    @property
    def kind(self) -> Kind:
        return self.made.kind

    @property
    def values(self) -> Mapping[str, Any] | None:
        return self.made.values

    def hit(self) -> Hit:
        return self.made

    def keep(self) -> list[int]:
        return [self.machine.keep(self.made.row)]
