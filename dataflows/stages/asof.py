"""Features as of deadlines: at a deadline a pattern reads its entity's features as they are before any event of that moment.

Which deadlines come true is known only after the conditions of a chunk, which need the chunk's features first. So every moment
at which a deadline may fall is asked for among the chunk's rows, as a row that reads and adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.values.column import Column, nulls

Masks = dict[Any, NDArray[np.bool_] | None]


class Asked:
    """Moments asked for, to be put among a chunk's rows of ``time`` (int64[n], ascending)."""

    def __init__(self, time: NDArray[np.int64]) -> None:
        self.time = time
        self.parts: list[tuple[str, NDArray[np.int64], NDArray[np.int64]]] = []
        self.rows = np.zeros(0, np.int64)
        self.source = np.zeros(0, np.int64)
        self.read = np.zeros(0, np.bool_)
        self.begins: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return sum(len(slots) for _, slots, _ in self.parts)

    def add(self, pattern: str, slots: NDArray[np.int64], due: NDArray[np.int64], until: int) -> None:
        """Ask for (slot, moment) pairs up to a moment."""
        wanted = (due <= until) & (slots >= 0)
        if wanted.any():
            self.parts.append((pattern, slots[wanted], due[wanted]))

    def sorted(self) -> Asked:
        """Find each moment's place: before all rows of its time."""
        if not self.parts:
            return self
        self.parts.sort(key=lambda part: part[0])
        whole = np.concatenate([*(due for _, _, due in self.parts), self.time])
        order = np.argsort(whole, kind="stable")
        asked = len(self)
        rank = np.empty(len(whole), np.int64)
        rank[order] = np.arange(len(whole))
        self.rank, self.rows = rank[:asked], rank[asked:]
        self.source = np.maximum(order - asked, 0)
        self.read = order < asked
        self.moments = whole[order]
        return self

    def of(self, pattern: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pairs that a pattern asked for."""
        mine = [part for part in self.parts if part[0] == pattern]
        empty = np.zeros(0, np.int64)
        return np.concatenate([empty, *(slots for _, slots, _ in mine)]), np.concatenate([empty, *(due for _, _, due in mine)])

    def places(self, pattern: str) -> NDArray[np.int64]:
        """Where a pattern's pairs stand among the rows."""
        begin, found = 0, []
        for name, slots, _ in self.parts:
            if name == pattern:
                found.append(self.rank[begin : begin + len(slots)])
            begin += len(slots)
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def among(
        self, slot: NDArray[np.int64], time: NDArray[np.int64], adds: Masks, reads: Masks, values: Mapping[str, Column],
        where: Masks, events: Mapping[str, Column],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Masks, Masks, dict[str, Column], Masks, dict[str, Column]]:
        """What a wave processes, with the moments among the rows: they read every feature and add nothing."""
        slots = np.empty(len(self.read), np.int64)
        slots[self.rows] = slot
        slots[self.rank] = np.concatenate([slots_ for _, slots_, _ in self.parts])
        return (
            slots, self.moments, {log: self._mask(mask, False) for log, mask in adds.items()},
            {name: self._mask(mask, True) for name, mask in reads.items()}, self._columns(values),
            {name: self._mask(mask, False) for name, mask in where.items()}, self._columns(events),
        )  # fmt: skip

    def _mask(self, mask: NDArray[np.bool_] | None, asked: bool) -> NDArray[np.bool_]:
        out = np.full(len(self.read), asked, np.bool_)
        out[self.rows] = True if mask is None else mask
        return out

    def _columns(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        if not len(self.time):
            return {name: nulls(column.type, len(self.read)) for name, column in columns.items()}
        taken = {name: column.take(self.source) for name, column in columns.items()}
        return {name: Column(column.type, column.values, column.is_valid() & ~self.read) for name, column in taken.items()}


@dataclass(slots=True)
class DeadlineValues:
    """Features as of (slot, moment) pairs, by column."""

    slots: NDArray[np.int64]
    moments: NDArray[np.int64]
    columns: dict[str, Column] = field(default_factory=dict)

    def at(self, slot: int, moment: int) -> dict[str, Any]:
        """The features of one pair; none where it was not asked for."""
        found = np.flatnonzero((self.slots == slot) & (self.moments == moment))
        return {name: column.at(int(found[0])) for name, column in self.columns.items()} if len(found) else {}
