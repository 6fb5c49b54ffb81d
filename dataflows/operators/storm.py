"""A limit on all of a pattern's flags: beyond it they are late, and one flag says so. Periods begin at 1970-01-01 UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.operators.per import HIT
from models.application.resolved.application import Storm
from models.application.resolved.patterns import Pattern
from models.events.hit import Hit, hit_from
from models.values.column import Column


class StormMachine:
    """Counts the flags of one pattern; they come as rows in the total order to a stage with one key."""

    def __init__(self, pattern: Pattern, storm: Storm) -> None:
        self.pattern = pattern
        self.storm = storm
        self.begin: int | None = None
        self.count = 0
        self.suppressed = 0

    def step(self, batch: Batch, columns: Mapping[str, Column]) -> list[Hit]:
        """Every flag, those beyond the limit marked as late; before the first of these the flag that tells of it."""
        out: list[Hit] = []
        for state, key in columns[HIT].values[: len(batch)]:
            hit = hit_from(state)._replace(key=key)
            begin = hit.moment // self.storm.per * self.storm.per
            if begin != self.begin:
                self.begin, self.count = begin, 0
            self.count += 1
            if self.count == self.storm.max + 1:
                out.append(hit._replace(kind="storm", anchor=(str(begin),), deadline=None, episode=(), suppressed=0))
            if self.count > self.storm.max:
                self.suppressed += 1
                hit = hit._replace(late="storm")
            out.append(hit)
        return out

    def ripe(self, until: int) -> bool:
        """Nothing waits for a deadline."""
        return False

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values."""
        return {"begin": self.begin, "count": self.count, "suppressed": self.suppressed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.begin, self.count, self.suppressed = state["begin"], state["count"], state["suppressed"]

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Nothing is kept under slots."""
        return np.ones(len(slots), np.bool_)

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Nothing is kept under slots."""
