"""A stream's columns as flags show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from models.application.resolved.application import Application
from models.application.resolved.sources import Stream
from models.expressions.text import to_json
from models.values.types import BOOL, Kind, Type

Shows = Mapping[str, Callable[[Any], Any] | None]
"""By column: from a stored value to what JSON shows; None where that is the value itself."""


def column_types(application: Application, stream: Stream) -> dict[str, Type]:
    """Types of a stream's declared, derived and joined columns."""
    types = {name: spec.type for name, spec in stream.fields.items()}
    types.update({name: expression.type for name, expression in stream.derive.items()})
    for join in stream.joins.values():
        table = application.tables[join.table]
        types.update({join.column(name): spec.type for name, spec in table.fields.items()})
    if stream.compared is not None:
        types.update({stream.compared.column(name): BOOL for name in stream.compared.compares})
    return types


def shows_of(types: Mapping[str, Type]) -> Shows:
    """How columns of these types are shown."""
    plain = (Kind.BOOL, Kind.FLOAT, Kind.STRING)
    return {name: None if type_.kind in plain else partial(to_json, type_) for name, type_ in types.items()}
