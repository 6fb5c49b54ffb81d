"""Closed windows of a rollup as rows of its stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch, Rows
from dataflows.operators.canonical import key_values
from dataflows.operators.keys import KeyTable
from dataflows.operators.reorder import in_order
from dataflows.operators.rollup import Closed
from dataflows.planning.steps import Plan
from models.application.resolved.facts import Rollup
from models.events.ids import canonical_json
from models.expressions.text import time_text, to_json, to_text
from models.values.column import Column, column_from, column_of, column_state
from models.values.types import INT


@dataclass(frozen=True, slots=True)
class RollupChunk:
    """Rows of a rollup as decoded rows; ``key``: how many columns hold the key."""

    name: str
    key: int
    columns: Mapping[str, Column]

    def fields(self, row: int) -> dict[str, Any]:
        """All fields."""
        return {name: column.at(row) for name, column in self.columns.items()}

    def raw(self, row: int) -> bytes:
        """The row as JSON."""
        return json.dumps({name: to_json(column.type, column.at(row)) for name, column in self.columns.items()}).encode()

    def attributes(self, row: int) -> dict[str, str]:
        """Its id, ROLLUP/key/start/end (contracts: flag), and a place that is the same for all rows."""
        parts = list(self.columns.values())[: self.key]
        if self.key == 1:
            key = to_text(parts[0].type, parts[0].at(row))
        else:
            key = canonical_json([to_json(part.type, part.at(row)) for part in parts]) if parts else ""
        start, end = (time_text(self.columns[name].at(row)) for name in ("start", "end"))
        return {"topic": self.name, "partition": "0", "offset": "0", "id": f"{self.name}/{key}/{start}/{end}"}

    def take(self, rows: NDArray[np.int64]) -> RollupChunk:
        """Only these rows."""
        return RollupChunk(self.name, self.key, {name: column.take(rows) for name, column in self.columns.items()})

    def snapshot(self) -> dict[str, Any]:
        """All rows as arrays and plain values."""
        columns = {name: column_state(column) for name, column in self.columns.items()}
        return {"form": "rollup", "name": self.name, "key": self.key, "columns": columns}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> RollupChunk:
        """The chunk whose ``snapshot`` this is."""
        return cls(state["name"], state["key"], {name: column_from(column) for name, column in state["columns"].items()})


class RollupRows:
    """Makes the rows of one rollup."""

    def __init__(self, plan: Plan, rollup: Rollup, keys: KeyTable) -> None:
        self.rollup = rollup
        self.keys = keys
        self.types = {name: spec.type for name, spec in plan.application.stream(rollup.name).fields.items()}
        self.source = plan.sources.index(plan.application.base(rollup.name).name)

    def rows(self, closed: Closed) -> tuple[NDArray[np.int64], Batch]:
        """Slots and rows of closed windows, in the total order: each among the deadlines of its end."""
        n, place = len(closed.slot), self.rollup.place
        columns = {**self._keys(closed.slot), **{
            "start": Column(self.types["start"], closed.start), "end": Column(self.types["end"], closed.end), **closed.columns,
        }}  # fmt: skip
        order = np.concatenate([closed.order, np.full((n, 1), place), np.zeros((n, 1), np.int64)], axis=1)
        rows = Rows([RollupChunk(self.rollup.name, len(self.rollup.by.entity), columns)], np.zeros(n, np.int32), np.arange(n))
        batch = Batch(self.source, closed.end, np.full(n, -1, np.int32), np.full(n, place), columns, rows, order)
        whole = in_order(batch.with_columns({"\0slot": Column(INT, closed.slot)}))
        slots: NDArray[np.int64] = whole.columns["\0slot"].values
        return slots, whole.without("\0slot")

    def _keys(self, slots: NDArray[np.int64]) -> dict[str, Column]:
        types = [self.types[name] for name in self.rollup.by.entity]
        values = [key_values(self.keys.key(slot), types) for slot in slots.tolist()]
        return {
            name: column_of(type_, [value[place] for value in values])
            for place, (name, type_) in enumerate(zip(self.rollup.by.entity, types, strict=True))
        }
