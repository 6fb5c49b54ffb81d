"""Streams and tables: where they come from, what their rows hold, and what is joined to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.application.resolved.places import Position
from models.expressions.expression import Expression
from models.values.types import Type

Format = Literal["json", "csv", "parquet", "debezium", "cloudevents", "avro"]


@dataclass(frozen=True, slots=True)
class FileInput:
    """Files by glob, relative paths resolved; one partition, or each file one with ``as_partitions``."""

    globs: tuple[str, ...]
    as_partitions: bool = False


@dataclass(frozen=True, slots=True)
class KafkaInput:
    """Topics of a connection, in the order given."""

    connection: str
    topics: tuple[str, ...]


Input = FileInput | KafkaInput


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A declared field; ``path`` is where it stands in the input (its own name if not nested)."""

    name: str
    type: Type
    path: tuple[str, ...]
    pii: str | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Columns of a table read as of the event's time; ``on`` is a column of the row (a field, derived, or ``join.column``).

    compares: fields of a stream of changes whose values are compared with those of the row that the table held before the same
    change; empty for a join that gives the table's columns.
    """

    name: str
    table: str
    on: tuple[str, ...]
    compares: tuple[str, ...] = ()

    def column(self, name: str) -> str:
        """What a row calls a column of the table."""
        return f"changed({name})" if self.compares else f"{self.name}.{name}"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of events. ``place``: its position in the order of streams, from 0; ``key``: of its changes, where known.

    pattern: the pattern whose flags these are (None: events come in from outside); its fields are those of the completing
    event (declared, derived, joined) and ``flag.severity``, ``flag.kind``, ``flag.steps``; shown: fields that evidence shows
    beside those of the event's own row; rollup: the rollup whose rows these are; compared: the table that says what a change
    changed, where images before do not.
    """

    name: str
    place: int
    input: Input | None
    format: Format
    time: str
    fields: Mapping[str, FieldSpec]
    lateness: int = 0
    max_ahead: int | None = None
    id: str | None = None
    dedup: int | None = None
    partitioned_by: tuple[str, ...] = ()
    where: Expression | None = None
    correlation: str | None = None
    before_full: bool = False
    snapshot: bool = False
    key: tuple[str, ...] = ()
    joins: Mapping[str, Join] = field(default_factory=dict)
    compared: Join | None = None
    derive: Mapping[str, Expression] = field(default_factory=dict)
    idle_after: int = 1_000_000
    position: Position | None = None
    pattern: str | None = None
    shown: tuple[str, ...] = ()
    rollup: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table fed by changes (debezium), or read once from files (``static``). ``place`` counts tables from 0.

    ``time`` is the field with a change's time (debezium: None means the envelope's). ``wait``: how long joining streams wait for
    it live; ``heartbeat``: the topic of its connector's heartbeats.
    """

    name: str
    place: int
    input: Input | None
    format: Format
    key: tuple[str, ...]
    fields: Mapping[str, FieldSpec]
    time: str | None = None
    lateness: int = 0
    valid_from: str | None = None
    static: bool = False
    idle_after: int = 1_000_000
    wait: int = 0
    heartbeat: KafkaInput | None = None
    position: Position | None = None
