"""A pattern's flags, or a rollup's rows, as a stream for other patterns and for features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.sources import FieldSpec, Stream, Table
from models.values.types import STRING, Kind, Type

OF_FLAGS: Mapping[str, Type] = {"flag.severity": STRING, "flag.kind": STRING, "flag.steps": Type(Kind.LIST, item=STRING)}
"""What a row of a pattern's flags has beside the fields of the completing event."""


class Rollups(Protocol):
    """The rollups of the file, each resolved when it is asked for."""

    entries: dict[str, Node]

    def stream(self, name: str) -> Stream | None:
        """The stream of a rollup's rows."""


class FlagStreams:
    """Resolves a pattern's or rollup's name to its stream; ``entries`` are the patterns of the file."""

    rollups: Rollups | None = None

    def __init__(self, reader: Reader, streams: Mapping[str, Stream], tables: Mapping[str, Table], node: Node | None) -> None:
        self.reader = reader
        self.streams = streams
        self.tables = tables
        self.entries = dict(node.map) if node is not None and node.is_map else {}
        self.found: dict[str, Stream | None] = {}
        self.path: list[str] = []

    def stream(self, name: str) -> Stream | None:
        """A stream of events, flags or rows; None where there is none, or where they stand on each other in a circle."""
        if name in self.streams:
            return self.streams[name]
        if not self.knows(name):
            return None
        if name in self.path:
            ring = self.path[self.path.index(name) :]
            what = "patterns" if all(each in self.entries for each in ring) else "rollups and what is below them"
            self.reader.problems.add(
                self._entry(name).position, f"{what} stand on each other in a circle: {' -> '.join([*ring, name])}"
            )
            return None
        if name not in self.found:
            self.path.append(name)
            rollups = self.rollups
            self.found[name] = self._stream(name) if name in self.entries or rollups is None else rollups.stream(name)
            self.path.pop()
        return self.found[name]

    def knows(self, name: str) -> bool:
        """Whether a name is that of a pattern or rollup, right or wrong."""
        return name in self.entries or (self.rollups is not None and name in self.rollups.entries)

    def names(self) -> list[str]:
        """All that a pattern may stand on."""
        return [*self.streams, *(self.rollups.entries if self.rollups is not None else ()), *self.entries]

    def resolved(self) -> dict[str, Stream]:
        """The flags that somebody asked for, and the rows of rollups."""
        return {name: stream for name, stream in self.found.items() if stream is not None}

    def _entry(self, name: str) -> Node:
        return self.rollups.entries[name] if self.rollups is not None and name in self.rollups.entries else self.entries[name]

    def _stream(self, name: str) -> Stream | None:
        entry = self.entries[name]
        if not entry.is_map:
            return None
        on = _base(entry) or next(iter(self.streams), None)
        below = self.stream(on) if on is not None else None
        if below is None:
            return None
        fields = dict(below.fields)
        fields.update({column: FieldSpec(column, type_, (column,)) for column, type_ in self.more(below)})
        fields.update({column: FieldSpec(column, type_, (column,)) for column, type_ in OF_FLAGS.items()})
        shown = tuple(dict.fromkeys([*below.shown, *below.derive, *OF_FLAGS]))
        return Stream(
            name, below.place, None, below.format, below.time, fields, position=entry.position, pattern=name, shown=shown
        )  # fmt: skip

    def more(self, below: Stream) -> Iterator[tuple[str, Type]]:
        """Derived fields and joined columns."""
        for name, expression in below.derive.items():
            yield name, expression.type
        for join in below.joins.values():
            table = self.tables.get(join.table)
            for column, spec in table.fields.items() if table is not None else ():
                yield f"{join.name}.{column}", replace(spec.type, optional=True)


def _base(entry: Node) -> str | None:
    """What a pattern's completing events stand on: its own ``on``, else that of its last step that takes an event."""
    if "on" in entry.map:
        return entry.map["on"].text
    for kind in ("sequence", "all", "any"):
        if kind in entry.map:
            node = entry.map[kind]
            steps = [step for item in (node.items or [node]) for step in item.map.values()]
            named = [step.map["on"].text for step in steps if step.is_map and "on" in step.map and "not" not in step.map]
            return named[-1] if named else None
    return None
