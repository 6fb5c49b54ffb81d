"""One input event as a flag shows it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Evidence(NamedTuple):
    """An event that contributed to a flag, with all that was known when it was processed.

    time: microseconds; fields: all declared and derived fields, stored values; values: everything that the pattern reads, by
    column name (fields, joins, features, scores), stored values; attributes: CloudEvents attributes and trace context that
    came with it; order: (time, partition index, offset and, of a derived event, what follows), its place in the total order.
    """

    id: str
    on: str
    topic: str
    partition: int
    offset: int
    time: int
    role: str
    fields: Mapping[str, Any]
    values: Mapping[str, Any] = _NOTHING
    attributes: Mapping[str, str] = _NOTHING
    correlation: str | None = None
    order: tuple[int, ...] = (0, 0, 0)

    def __gt__(self, other: tuple[Any, ...]) -> bool:
        """Whether it comes later in the total order."""
        return isinstance(other, Evidence) and self.order > other.order


def evidence_state(evidence: Evidence) -> dict[str, Any]:
    """Evidence as plain values."""
    state = evidence._asdict()
    return {**state, **{name: dict(state[name]) for name in ("fields", "values", "attributes")}}


def evidence_from(state: Mapping[str, Any]) -> Evidence:
    """The evidence that ``evidence_state`` gave."""
    return Evidence(**{**state, "order": tuple(state["order"])})
