"""The topics that an application needs, what for, and what its login must be allowed to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dataflows.connectors.kafka.connection import connection_of
from models.application.resolved.application import Application
from models.application.resolved.sources import KafkaInput, Stream, Table

Access = Literal["read", "write"]


@dataclass(slots=True)
class Need:
    """One topic of a connection; ``by``: the streams, tables and outputs that read or write it."""

    connection: str
    topic: str
    access: Access
    by: list[str]


@dataclass(frozen=True, slots=True)
class Right:
    """One access rule, in Kafka's words."""

    resource: str
    name: str
    operations: tuple[str, ...]


def needed(application: Application) -> list[Need]:
    """Each topic once for reading and once for writing, in the order of the file."""
    found: dict[tuple[str, str, Access], Need] = {}
    for connection, topic, access, by in [*_read(application), *_written(application)]:
        name = connection_of(application.connections, connection).name
        need = found.setdefault((name, topic, access), Need(name, topic, access, []))
        if by not in need.by:
            need.by.append(by)
    return list(found.values())


def group_of(application: Application, connection: str) -> str:
    """The group that shows a run's progress."""
    return application.connections[connection].get("group.id", f"tocsin-{application.name}")


def rights(application: Application, needs: list[Need]) -> dict[str, list[Right]]:
    """What a login must be allowed to do, by connection."""
    found: dict[str, list[Right]] = {}
    for need in needs:
        operations = ("Read", "Describe") if need.access == "read" else ("Write", "Describe")
        found.setdefault(need.connection, []).append(Right("Topic", need.topic, operations))
    for connection, own in found.items():
        if any("Read" in right.operations for right in own):
            own.append(Right("Group", group_of(application, connection), ("Read",)))
    return found


def _read(application: Application) -> Iterator[tuple[str, str, Access, str]]:
    sources: list[Stream | Table] = [*application.tables.values(), *application.streams.values()]
    for source in sources:
        if isinstance(source.input, KafkaInput):
            yield from ((source.input.connection, topic, "read", source.name) for topic in source.input.topics)
        if isinstance(source, Table) and source.heartbeat is not None:
            name = f"{source.name}'s heartbeat"
            yield from ((source.heartbeat.connection, topic, "read", name) for topic in source.heartbeat.topics)


def _written(application: Application) -> Iterator[tuple[str, str, Access, str]]:
    outputs = application.outputs
    named = {"flags": outputs.to, "late events": outputs.late, "dead letters": outputs.dead_letters}
    for name, output in named.items():
        if isinstance(output, tuple):
            yield (*output, "write", name)
