"""One input event as a flag shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
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
    values: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    correlation: str | None = None
    order: tuple[int, ...] = (0, 0, 0)

    def __gt__(self, other: Evidence) -> bool:
        """Whether it comes later in the total order."""
        return self.order > other.order


def evidence_from(state: Mapping[str, Any]) -> Evidence:
    """The evidence whose values ``dataclasses.asdict`` gave."""
    return Evidence(**{**state, "order": tuple(state["order"])})
