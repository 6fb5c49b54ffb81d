"""Flags as rows: what a pattern raised becomes a stream for later patterns and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.batches.evidence import CORRELATION, FLAG_ID
from dataflows.operators.canonical import key_values
from dataflows.operators.keys import KeyTable
from dataflows.operators.per import HIT
from dataflows.operators.reorder import in_order
from dataflows.planning.steps import Plan
from models.application.resolved.patterns import Pattern
from models.events.flag import FlagBuilder, correlation, steps_of
from models.events.hit import Hit, hit_state
from models.values.column import Column, column_of
from models.values.types import STRING, Kind, Type


class Flags:
    """Makes the rows of one pattern's flags; ``name``: the pattern's, or that of its hits on their way to suppression."""

    def __init__(self, plan: Plan, pattern: Pattern, name: str, keys: KeyTable) -> None:
        self.pattern = pattern
        self.name = name
        self.keys = keys
        self.builder = FlagBuilder(plan.application, pattern)
        self.passed = plan.passed[name]
        self.depth = plan.depth(name)

    def rows(self, hits: Sequence[Hit], sources: Batch) -> tuple[NDArray[np.int64], Batch]:
        """Slots and rows of hits (at least one) in the total order; ``sources`` holds the rows of their completing events.

        A row enters at its flag's moment; its order is its cause's, then the pattern's place in the file and its number among
        what that cause raised.
        """
        order = self._orders(hits)
        columns = {name: _as_shown(name, sources.columns[name], hits) for name in self.passed}
        batch = replace(
            sources,
            time=order[:, 0].copy(), partition=order[:, 1].astype(np.int32), offset=order[:, 2].copy(), order=order[:, 3:].copy(),
            columns={**columns, **self._columns(hits)},
        )  # fmt: skip
        slots = np.array([hit.slot for hit in hits], np.int64)
        place = Column(STRING.required(), slots)
        whole = in_order(batch.with_columns({"\0slot": place}))
        return whole.columns["\0slot"].values, replace(whole, columns={n: c for n, c in whole.columns.items() if n != "\0slot"})

    def _orders(self, hits: Sequence[Hit]) -> NDArray[np.int64]:
        order = np.full((len(hits), 3 + self.depth), -1, np.int64)
        number, before = 0, None
        for row, hit in enumerate(hits):
            number = number + 1 if hit.order == before else 0
            before = hit.order
            order[row, : len(hit.order) + 2] = (*hit.order, self.pattern.place, number)
        return order

    def _columns(self, hits: Sequence[Hit]) -> dict[str, Column]:
        if self.name != self.pattern.name:
            whole = np.empty(len(hits), object)
            for row, hit in enumerate(hits):
                whole[row] = (hit_state(hit), hit.key or self.keys.key(hit.slot))
            return {HIT: Column(Type(Kind.LIST, item=STRING), whole)}
        keys = [self._key(hit) for hit in hits]
        return {
            FLAG_ID: column_of(STRING, [self.builder.id(hit, key) for hit, key in zip(hits, keys, strict=True)]),
            CORRELATION: column_of(STRING, [correlation(hit) for hit in hits]),
            "flag.severity": column_of(STRING, [self.builder.severity(hit) for hit in hits]),
            "flag.kind": column_of(STRING, [hit.kind for hit in hits]),
            "flag.steps": column_of(Type(Kind.LIST, item=STRING), [self._steps(hit) for hit in hits]),
        }

    def _steps(self, hit: Hit) -> tuple[str, ...]:
        return tuple(steps_of(hit)) if self.pattern.sequence is not None else ()

    def _key(self, hit: Hit) -> list[object]:
        types = [self.builder.types[name] for name in self.pattern.by.fields]
        return list(key_values(hit.key or self.keys.key(hit.slot), types))


def _as_shown(name: str, column: Column, hits: Sequence[Hit]) -> Column:
    """A column of the completing events; features as the flags show them, which at a deadline is as of the deadline."""
    if "[" not in name or all(hit.values is None for hit in hits):
        return column
    shown = [column.at(row) if hit.values is None else hit.values.get(name, column.at(row)) for row, hit in enumerate(hits)]
    return column_of(column.type, shown)
