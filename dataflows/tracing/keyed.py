"""Partitions of which only the rows of one key are taken, right after decoding; the key's late events are noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.decoding.decoded import Decoded, RawRows
from dataflows.decoding.origin import Located
from dataflows.planning.steps import Derive, Plan, Step
from dataflows.reading.judge import Judge, Late
from dataflows.reading.prelude import StaticTable, prepared
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Stream
from models.values.column import Column
from models.values.strings import Strings


class KeyedJudge(Judge):
    """A stream's judge that keeps the rows of one key, where no others count; ``prelude`` computes fields that are derived."""

    def __init__(
        self, inner: Judge, roles: Roles, key: Sequence[Any], prelude: Sequence[Step], static: Mapping[str, StaticTable]
    ) -> None:
        super().__init__(inner.stream, inner.source, inner.partition)
        self.limit = inner.limit
        self.roles = roles
        self.key = key
        self.prelude = prelude
        self.static = static
        self.mine = 0
        self.late_ones: list[tuple[Late, Mapping[str, Any]]] = []

    def _late(self, place: Located, raw: RawRows, row: int, time: int, bound: int) -> Late:
        late = super()._late(place, raw, row, time, bound)
        fields = place.chunk.fields(row)
        if any(all(fields.get(name) == value for name, value in zip(role, self.key, strict=True)) for role in self.roles.fields):
            self.late_ones.append((late, fields))
        return late

    def _batch(
        self, raw: RawRows, decoded: Decoded, time: NDArray[np.int64], place: Located, kept: NDArray[np.bool_]
    ) -> Batch | None:
        batch = super()._batch(raw, decoded, time, place, kept)
        if batch is None or not self.roles.fields:
            return batch
        names = {name for role in self.roles.fields for name in role}
        columns = batch.columns if names <= set(batch.columns) else prepared(batch, self.prelude, self.static).columns
        mine = np.zeros(len(batch), np.bool_)
        for role in self.roles.fields:
            mine |= np.logical_and.reduce([_equal(columns[name], value) for name, value in zip(role, self.key, strict=True)])
        rows = np.flatnonzero(mine)
        self.mine += len(rows)
        if not self.roles.alone:
            return batch
        return batch.take(rows) if len(rows) else None


def _equal(column: Column, value: Any) -> NDArray[np.bool_]:
    """Which rows hold a value."""
    if isinstance(column.values, Strings):
        found = _same(column.values, value.encode())
    else:
        found = np.asarray(column.values == value, np.bool_)
    return found if column.valid is None else found & column.valid


def _same(strings: Strings, text: bytes) -> NDArray[np.bool_]:
    rows = np.flatnonzero(strings.length == len(text))
    for place, byte in enumerate(text):
        rows = rows[strings.data[strings.start[rows] + place] == byte]
    found = np.zeros(len(strings), np.bool_)
    found[rows] = True
    return found


@dataclass(frozen=True, slots=True)
class Roles:
    """The fields under which a stream's rows may be of the key; ``alone``: no other rows of it count."""

    fields: tuple[tuple[str, ...], ...]
    alone: bool


def roles_of(plan: Plan, pattern: Pattern, *, alone: bool) -> dict[str, Roles]:
    """How each stream's rows are told to be of a key of the pattern; ``alone``: whether no other key's flags count."""
    found: dict[str, Roles] = {}
    for name, stream in plan.application.streams.items():
        stages = [stage for stage in plan.stages if any(lane.source == name for lane in stage.lanes)]
        own = [stage for stage in stages if stage.entity == pattern.by.entity]
        roles = sorted({lane.fields for stage in own for lane in stage.lanes if lane.source == name and lane.fields})
        known = all(_readable(plan, stream, field) for role in roles for field in role)
        found[name] = Roles(tuple(roles), alone and bool(roles) and known and len(own) == len(stages) and bool(pattern.by.entity))
    return found


def _readable(plan: Plan, stream: Stream, field: str) -> bool:
    """Whether a row has a field before its first stage."""
    given = {step.column for step in plan.prelude.get(stream.name, ()) if isinstance(step, Derive)}
    return field in stream.fields or field in given
