"""The features, scores and joined columns that a pattern reads, as its flags show them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from models.application.resolved.application import Application
from models.application.resolved.patterns import Pattern
from models.application.stepscope import PREFIX
from models.events.columns import column_types
from models.expressions.text import to_json
from models.values.types import Type

Shown = dict[str, Any]
Put = Callable[[Any, Shown, Shown, Shown], None]
"""Puts a value among a flag's features, scores or joined columns."""
_FACT = re.compile(r"(\w+)\[([^\]]*)\](.*)")


class Facts:
    """What one pattern reads beyond the fields of its events."""

    def __init__(self, application: Application, pattern: Pattern) -> None:
        self.application = application
        self.pattern = pattern
        self.stream = application.stream(pattern.on)
        self.puts = [(column, put) for column in sorted(pattern.reads) if (put := self._put(column)) is not None]

    def shown(self, values: Mapping[str, Any]) -> tuple[Shown, Shown, Shown]:
        """Features, scores and joined columns, under the names that the pattern reads them by."""
        features: Shown = {}
        scores: Shown = {}
        joined: Shown = {}
        for column, put in self.puts:
            if column in values:
                put(values[column], features, scores, joined)
        return features, scores, joined

    def _put(self, column: str) -> Put | None:
        """How a column's value is shown; None where it is no fact."""
        if column.startswith(PREFIX):
            return None
        if found := _FACT.fullmatch(column):
            return self._fact(found[1], found[2], found[3])
        if "." not in column or column in self.stream.fields:
            return None
        join, _, name = column.partition(".")
        type_ = self._joined_type(column)
        if type_ is None:
            return None
        return lambda value, features, scores, joined: joined.setdefault(join, {}).update({name: to_json(type_, value)})

    def _fact(self, name: str, role: str, rest: str) -> Put:
        if name in self.application.scores:
            model = {"model": self.application.scores[name].kind, "version": "1"}
            return lambda value, features, scores, joined: scores.update({name: {"value": value, **model}})
        feature = self.application.features[name]
        own = role == self.pattern.by.role or feature.by.entity != self.pattern.by.entity
        type_ = feature.event_types[rest[1:]] if rest else feature.type
        shown = (name if own else f"{name}[{role}]") + rest
        return lambda value, features, scores, joined: features.update({shown: to_json(type_, value)})

    def _joined_type(self, column: str) -> Type | None:
        """The type of a joined column, of the pattern's stream or of one that its steps stand on."""
        arms = () if self.pattern.sequence is None else self.pattern.sequence.arms()
        streams = (self.stream, *(self.application.stream(arm.on) for arm in arms))
        found = (column_types(self.application, stream).get(column) for stream in streams)
        return next((type_ for type_ in found if type_ is not None), None)
