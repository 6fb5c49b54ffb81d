"""Conditions of steps: what can be told of a row alone, for whole batches, and what looks back at earlier events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from models.application.resolved.steps import Arm
from models.application.stepscope import PREFIX
from models.expressions.expression import Expression
from models.expressions.tree import Node
from models.values.types import BOOL

Lane = tuple[str, tuple[str, ...]]
"""A stream, and the fields by which its rows are keyed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on rows of one lane: it holds where ``alone`` (of the row) and ``back`` (with earlier events) are TRUE.

    whole: both, as written, for explanations.
    """

    lane: int
    alone: Expression | None
    back: Expression | None
    whole: Expression | None


@dataclass(slots=True)
class Conditions:
    """All conditions of a pattern, each once."""

    found: list[Condition] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    numbers: dict[tuple[int, str], int] = field(default_factory=dict)

    def of_arm(self, arm: Arm) -> int:
        """The number of an arm's condition."""
        return self.of(arm.on, arm.by.fields, arm.when)

    def of(self, stream: str, fields: tuple[str, ...], when: Expression | None) -> int:
        """The number of a condition."""
        lane = (stream, fields)
        if lane not in self.lanes:
            self.lanes.append(lane)
        key = (self.lanes.index(lane), "" if when is None else when.canonical)
        if key not in self.numbers:
            self.numbers[key] = len(self.found)
            self.found.append(Condition(key[0], *split(when), when))
        return self.numbers[key]


def split(when: Expression | None) -> tuple[Expression | None, Expression | None]:
    """The part of a condition that a row alone decides, and the part that looks back; it holds where both are TRUE."""
    if when is None:
        return None, None
    parts = list(_parts(when.root))
    back = [part for part in parts if any(node.op == "column" and node.value.startswith(PREFIX) for node in part.walk())]
    return _joined([part for part in parts if part not in back]), _joined(back)


def _parts(node: Node) -> Iterator[Node]:
    if node.op == "and":
        for arg in node.args:
            yield from _parts(arg)
    else:
        yield node


def _joined(parts: list[Node]) -> Expression | None:
    if not parts:
        return None
    whole = parts[0]
    for part in parts[1:]:
        whole = Node("and", BOOL, f"{whole.text} and {part.text}", (whole, part))
    return Expression(whole.text, whole)
