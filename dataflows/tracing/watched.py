"""What a traced machine is told of the key that it is asked about, and the key as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dataflows.operators.canonical import canonical
from models.expressions.coerce import cast
from models.expressions.row import compile_row
from models.expressions.tree import Node
from models.values.column import column_of
from models.values.types import STRING, Type


class NoKey(ValueError):
    """A text that is no key of a pattern."""


@dataclass(frozen=True, slots=True)
class Watched:
    """slot: the key's slot (-1 while unknown); whole: whether other keys count for what becomes of its flags; depth: see stores."""

    slot: Callable[[], int]
    whole: bool
    depth: int


def key_of(text: str, types: Sequence[Type]) -> tuple[Any, ...]:
    """The stored values of a key as flags write it: one value as it stands, several as a JSON array.

    Raises:
        NoKey: when it is none.
    """
    parts = [text] if len(types) == 1 else _several(text, len(types))
    values = []
    for part, type_ in zip(parts, types, strict=True):
        node = cast(Node("literal", STRING, part, value=part), type_.required())
        value = part if type_.kind is STRING.kind else None if node is None else compile_row(node)({})
        if value is None:
            raise NoKey(f"expected a key of type {type_.required()}; found {part!r}")
        values.append(value)
    return tuple(values)


def key_bytes(values: Sequence[Any], types: Sequence[Type]) -> bytes:
    """The canonical bytes of a key."""
    return canonical([column_of(type_, [value]) for type_, value in zip(types, values, strict=True)]).bytes_at(0)


def _several(text: str, count: int) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != count:
        raise NoKey(f"expected {count} values as a JSON array, as flags write this key; found {text!r}")
    return [part if isinstance(part, str) else json.dumps(part) for part in found]
