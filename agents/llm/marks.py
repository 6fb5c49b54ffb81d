"""Where a flag holds personal data by its application file: fields marked ``pii``, and what is worked out from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from models.application.resolved.application import Application
from models.application.resolved.facts import Feature
from models.application.resolved.sources import Stream
from models.values.types import Kind

_SHOWING = frozenset({"first", "last", "min", "max", "previous"})
"""Aggregates whose value is one of the values they are of."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Kinds of personal data (as ``pii`` names them) by stream and column; joined columns are ``join.column``; features by name."""

    streams: Mapping[str, Mapping[str, str]]
    features: Mapping[str, str]

    @classmethod
    def of(cls, application: Application) -> Marks:
        """An application's marks; a value derived from marked ones is marked as the first of them."""
        streams = {name: _stream(application, stream) for name, stream in application.streams.items()}
        features = {}
        for feature in application.features.values():
            features.update(_feature(feature, streams.get(feature.of, {})))
        return cls(streams, features)

    def anywhere(self, column: str) -> str | None:
        """How any stream marks a column."""
        return next((marks[column] for marks in self.streams.values() if column in marks), None)

    def values(self, data: Mapping[str, Any]) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Paths into a flag's data at which marked values stand, with their kinds."""
        for i, event in enumerate(data.get("evidence", ())):
            marks = self.streams.get(event.get("on", ""))
            for name in event.get("fields", ()):
                kind = self.anywhere(name) if marks is None else marks.get(name)
                if kind:
                    yield ("evidence", i, "fields", name), kind
        for name in data.get("key", ()):
            if kind := self.anywhere(name):
                yield ("key", name), kind
        for join, columns in data.get("enrichment", {}).items():
            for name in columns if isinstance(columns, dict) else ():
                if kind := self.anywhere(f"{join}.{name}"):
                    yield ("enrichment", join, name), kind
        for name in data.get("features", ()):
            if kind := self.features.get(name.partition("[")[0] + name.partition("]")[2]) or self.features.get(name):
                yield ("features", name), kind


def _stream(application: Application, stream: Stream) -> dict[str, str]:
    marks = {name: spec.pii for name, spec in stream.fields.items() if spec.pii}
    for join in stream.joins.values():
        columns = application.tables[join.table].fields
        marks.update({f"{join.name}.{name}": spec.pii for name, spec in columns.items() if spec.pii})
    for name, expression in stream.derive.items():
        kinds = [marks[column] for column in sorted(expression.reads) if column in marks]
        if kinds and expression.type.kind is Kind.STRING:
            marks[name] = kinds[0]
    return marks


def _feature(feature: Feature, marks: Mapping[str, str]) -> dict[str, str]:
    if feature.event:
        return {f"{feature.name}.{name}": marks[name] for name in feature.event_fields if name in marks}
    if feature.aggregate not in _SHOWING or feature.value is None:
        return {}
    kinds = [marks[column] for column in sorted(feature.value.reads) if column in marks]
    return {feature.name: kinds[0]} if kinds else {}
