"""YAML as nodes that know where they stand; scalars stay text until somebody knows their type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from models.application.resolved.places import Position
from models.application.scalars import Span


@dataclass(slots=True)
class Node:
    """A scalar (``text``, None for null), a mapping or a list. ``span`` is where a scalar's text stands in the file."""

    position: Position
    kind: str
    text: str | None = None
    quoted: bool = False
    map: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    span: Span | None = None

    @property
    def is_map(self) -> bool:
        """Whether it is a mapping."""
        return self.kind == "map"

    def shown(self) -> str:
        """The node in a message."""
        return {"map": "a mapping", "list": "a list"}.get(self.kind) or (repr(self.text) if self.text is not None else "nothing")

    def get(self, name: str) -> Node | None:
        """A value of a mapping, None where it is missing or null."""
        node = self.map.get(name)
        return None if node is None or (node.kind == "scalar" and node.text is None) else node

    def plain(self) -> object:
        """The node as plain data, scalars as text."""
        if self.kind == "map":
            return {name: node.plain() for name, node in self.map.items()}
        return [node.plain() for node in self.items] if self.kind == "list" else self.text

    def place(self, at: int) -> Position:
        """Where character ``at`` of a scalar's text (from 0) stands in the file."""
        if self.span is None:
            return Position(self.position.file, self.position.line, self.position.column + at + self.quoted)
        return Position(self.position.file, *self.span.place(self.text or "", at))

    def part(self, start: int, stop: int) -> Node:
        """A piece of a scalar's text as a scalar of its own."""
        span = None if self.span is None else self.span.part(self.text or "", start)
        return Node(self.place(start), "scalar", (self.text or "")[start:stop], span=span)

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        return iter(self.map.items())


def text_of(values: Mapping[str, Node], name: str, default: str) -> str:
    """A scalar's text, or a default."""
    node = values.get(name)
    return default if node is None or node.text is None else node.text
