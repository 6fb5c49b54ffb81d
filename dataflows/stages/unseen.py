"""Rows of flags that no event stands for: of a key that never spoke. They hold the key, and NULL in all other fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dataflows.batches.batch import Batch, Rows, concat_batches
from dataflows.batches.held import PlainChunk
from dataflows.operators.canonical import key_values
from dataflows.operators.keys import KeyTable
from dataflows.planning.steps import Plan
from dataflows.stages.sequencing import fact_types
from models.application.resolved.patterns import Pattern
from models.events.columns import column_types
from models.events.hit import Hit
from models.values.column import Column, column_of

NO_OFFSET = -1
"""The offset of a row that stands for no event."""


class Unseen:
    """Makes the rows of one pattern; ``keys`` are those of its stage."""

    def __init__(self, plan: Plan, pattern: Pattern, keys: KeyTable) -> None:
        application = plan.application
        stream = application.stream(pattern.on)
        self.pattern = pattern
        self.keys = keys
        self.types = {**column_types(application, stream), **fact_types(application)}
        self.fields = tuple(stream.fields)
        self.depth = plan.depth(pattern.on)
        self.source = plan.sources.index(application.base(pattern.on).name)

    def key(self, slot: int) -> dict[str, Any]:
        """The fields of a slot's key."""
        names = self.pattern.by.fields
        return dict(zip(names, key_values(self.keys.key(slot), [self.types[name] for name in names]), strict=True))

    def sources(self, hits: Sequence[Hit], seen: Batch | None, names: Sequence[str]) -> Batch:
        """The rows of all hits in their order; ``seen`` holds those that have an event, ``names`` the columns of all."""
        blank = [hit for hit in hits if hit.first is None]
        parts = [self._blank(blank, names)] if blank else []
        if seen is not None:
            parts.insert(0, replace(seen, columns={name: seen.columns[name] for name in names}))
        order = np.argsort(np.array([hit.first is None for hit in hits]), kind="stable")
        return concat_batches(parts).take(np.argsort(order, kind="stable"))

    def _blank(self, hits: Sequence[Hit], names: Sequence[str]) -> Batch:
        n = len(hits)
        keys = [self.key(hit.slot) for hit in hits]
        place = {"topic": self.pattern.name, "partition": "0", "offset": str(NO_OFFSET)}
        rows: list[Mapping[str, Any]] = [
            {"fields": {**dict.fromkeys(self.fields), **key}, "raw": b"", "attributes": place} for key in keys
        ]
        columns = {name: self._column(name, keys) for name in names}
        order = np.full((n, self.depth), -1, np.int64) if self.depth else None
        time = np.array([hit.moment for hit in hits], np.int64)
        partition, offset = np.full(n, -1, np.int32), np.full(n, NO_OFFSET)
        back = Rows([PlainChunk(rows)], np.zeros(n, np.int32), np.arange(n))
        return Batch(self.source, time, partition, offset, columns, back, order)

    def _column(self, name: str, keys: Sequence[Mapping[str, Any]]) -> Column:
        type_ = self.types[name if name in self.types else name.partition("[")[0]]
        return column_of(type_, [key.get(name) for key in keys])
