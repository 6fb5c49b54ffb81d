"""Moments at which an absence's or a sequence's deadlines may fall, for patterns that read features as of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.absence import FLAGS
from dataflows.operators.sequences.matcher import REPEATS
from dataflows.operators.sequences.rows import LaneRows
from models.application.resolved.patterns import Pattern


class Dues:
    """(slot, moment) pairs that are still to come: any row may begin what runs out so long after it."""

    def __init__(self, pattern: Pattern) -> None:
        self.after = np.array(_after(pattern), np.int64)
        self.slots, self.moments = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def take(self, rows: Iterable[LaneRows | None], until: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the pattern; all pairs that have come by ``until``."""
        found = [part for part in rows if part is not None]
        slots = [self.slots, *(np.repeat(part.slot, len(self.after)) for part in found)]
        moments = [self.moments, *((part.batch.time[:, None] + self.after).ravel() for part in found)]
        whole, due = np.concatenate(slots), np.concatenate(moments)
        now, later = due <= until, (due > until) & (whole >= 0)
        self.slots, self.moments = whole[later], due[later]
        return whole[now], due[now]

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return {"slots": self.slots.copy(), "moments": self.moments.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.slots, self.moments = state["slots"].copy(), state["moments"].copy()

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whoever has a deadline keeps its slot; these pairs alone keep none."""
        return np.ones(len(slots), np.bool_)

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget the pairs of slots."""
        kept = ~np.isin(self.slots, slots)
        self.slots, self.moments = self.slots[kept], self.moments[kept]


def _after(pattern: Pattern) -> list[int]:
    """How long after a row its deadlines may fall, in microseconds."""
    if pattern.absence is not None:
        return [pattern.absence.time * n for n in range(1, FLAGS + 1 if pattern.absence.each else 2)]
    spec = pattern.sequence
    assert spec is not None
    limit = spec.gap if spec.gap is not None else spec.within
    if limit is None:
        return []
    repeat = spec.steps[-1].repeat if spec.steps[-1].negated else None
    return [limit] if repeat is None else [limit + repeat * n for n in range(REPEATS)]
