"""What is computed of a row before any key counts: derived fields, and joins with tables that never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dataflows.batches.batch import Batch
from dataflows.operators.canonical import canonical, hashes
from dataflows.operators.keys import KeyTable
from dataflows.planning.steps import Derive, Lookup, Step
from models.values.column import Column, nulls


class StaticTable:
    """A table read once: its rows by key; of rows with one key the last counts."""

    def __init__(self, columns: Mapping[str, Column], key: Sequence[str]) -> None:
        self.columns = columns
        self.keys = KeyTable()
        keys = canonical([columns[name] for name in key])
        slots = self.keys.slots(keys, hashes(keys))
        self.row = np.full(int(slots.max()) + 1 if len(slots) else 0, -1, np.int64)
        self.row[slots] = np.arange(len(slots))

    def read(self, on: Sequence[Column], names: Sequence[str]) -> list[Column]:
        """Columns of the rows whose keys are ``on``; NULL where there is none."""
        keys = canonical(on)
        slots = self.keys.find(keys, hashes(keys))
        known = slots >= 0
        for column in on:
            if column.valid is not None:
                known &= column.valid
        if not len(self.row):
            return [nulls(self.columns[name].type, len(slots)) for name in names]
        rows = self.row[np.where(known, slots, 0)]
        found = [self.columns[name].take(rows) for name in names]
        return [Column(c.type, c.values, known if c.valid is None else c.valid & known) for c in found]


def prepared(batch: Batch, steps: Sequence[Step], tables: Mapping[str, StaticTable]) -> Batch:
    """A batch with all columns of its stream's prelude."""
    columns = dict(batch.columns)
    for step in steps:
        if isinstance(step, Derive):
            columns[step.column] = step.expression.column(columns, len(batch))
        elif isinstance(step, Lookup):
            found = tables[step.join.table].read([columns[name] for name in step.join.on], step.columns)
            columns.update({f"{step.join.name}.{name}": column for name, column in zip(step.columns, found, strict=True)})
    return batch.with_columns(columns) if steps else batch
