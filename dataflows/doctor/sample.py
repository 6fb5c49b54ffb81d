"""The last records of every topic that is read, judged as a run would judge them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message
from numpy.typing import NDArray

from dataflows.connectors.kafka.asking import Records, topics_of
from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.records import raw_rows_of
from dataflows.decoding.decoded import Decoded, RawRows
from dataflows.planning.plan import plan
from dataflows.reading.judge import Dead, Judged
from dataflows.reading.readers import all_readers
from dataflows.reading.records import Place, RecordReader
from models.application.resolved.application import Application
from models.application.resolved.sources import KafkaInput, Stream, Table

MOST = 20_000
"""Records of a topic that are looked at, over all of its partitions."""


@dataclass(slots=True)
class Part:
    """One partition's last records, as one stream or table reads them. Times are microseconds.

    newest: the last record's timestamp, None where there is none; disorder: how far each event lies behind the newest before it,
    int64[n]; ahead: each event's time less its record's timestamp, int64[n]; keys: values of ``partitioned_by``; nulls: rows
    without one, by field that names whom something is about; unnamed: records without a key.
    """

    place: Place
    rows: int = 0
    newest: int | None = None
    dead: list[Dead] = field(default_factory=list)
    disorder: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    ahead: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    keys: set[tuple[Any, ...]] = field(default_factory=set)
    nulls: Counter[str] = field(default_factory=Counter)
    unnamed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found of one stream or table."""

    source: Stream | Table
    parts: Sequence[Part]

    @property
    def rows(self) -> int:
        """Records that were looked at."""
        return sum(part.rows for part in self.parts)


def samples(application: Application, connections: Mapping[str, Connection], patient: Callable[[], Live]) -> Iterator[Sample]:
    """A sample of each stream and table over the topics of connections that answer.

    Raises:
        KafkaProblem: when a registry refuses or a topic cannot be read; FileProblem for files beside the topics.
    """
    every: dict[str, Stream | Table] = {**application.tables, **application.streams}
    tolerant = replace(application, max_dead=dict.fromkeys(every, 1.0))
    known = {name: topics_of(connection, patient()) for name, connection in connections.items()}
    topics: dict[tuple[str, str], dict[int, list[Message]]] = {}
    only = next(iter(application.connections), "")
    for source in every.values():
        for topic in source.input.topics if isinstance(source.input, KafkaInput) else ():
            name = source.input.connection or only  # type: ignore[union-attr]
            if topic in known.get(name, ()) and (name, topic) not in topics:
                topics[name, topic] = _fetched(connections[name], topic, patient())

    def places(wanted: KafkaInput) -> list[list[Place]]:
        name = wanted.connection or only
        found = [(topic, topics.get((name, topic), {})) for topic in wanted.topics]
        return [[Place(connections[name], topic, number) for number in parts] for topic, parts in found]

    def taken(place: Place) -> list[Message]:
        return topics[place.connection.name, place.topic][place.number]

    readers = [reader for reader in all_readers(plan(tolerant), places) if isinstance(reader, RecordReader)]
    for name, source in every.items():
        own = [reader for reader in readers if reader.source == name]
        if own:
            keys = _keys_of(application, name)
            yield Sample(source, [_part(source, reader, taken(reader.place), keys) for reader in own])


def _fetched(connection: Connection, topic: str, live: Live) -> dict[int, list[Message]]:
    """The last records of every partition; those that do not exist have none."""
    records = Records(connection, topic, live, MOST)
    found: dict[int, list[Message]] = {number: [] for number in records.open}
    share = max(1, MOST // len(found))
    for message in records.to_the_end():
        found[message.partition() or 0].append(message)
    records.close()
    return {number: messages[-share:] for number, messages in found.items()}


def _keys_of(application: Application, stream: str) -> frozenset[str]:
    """The fields of a stream that name whom its patterns and features are about."""
    found = [pattern.by.fields for pattern in application.patterns.values() if pattern.on == stream]
    found += [feature.by.fields for feature in application.features.values() if feature.of == stream]
    declared = application.streams[stream].fields if stream in application.streams else {}
    return frozenset(name for fields in found for name in fields if name in declared)


def _part(source: Stream | Table, reader: RecordReader, messages: Sequence[Message], keys: frozenset[str]) -> Part:
    part = Part(reader.place, len(messages))
    if not messages:
        return part
    raw = raw_rows_of(messages)
    kind, millis = messages[-1].timestamp()
    part.newest = None if kind == TIMESTAMP_NOT_AVAILABLE else millis * 1000
    part.unnamed = sum(message.key() is None for message in messages)
    judged = reader.take(raw)
    part.dead = list(judged.dead)
    if isinstance(source, Stream):
        _times(part, reader, raw)
        _keys(part, source, judged, keys)
    return part


def _times(part: Part, reader: RecordReader, raw: RawRows) -> None:
    kept = raw.take(np.flatnonzero(raw.stop >= raw.start))
    decoded: Decoded = reader.decoder.decode(kept)
    time, valid = reader.judge.times(decoded)
    stamps = kept.timestamps if kept.timestamps is not None else time
    limit = reader.judge.stream.max_ahead if hasattr(reader.judge, "stream") else None
    valid &= time - stamps <= (limit if limit is not None else np.iinfo(np.int64).max)
    time, stamps = time[valid], stamps[valid]
    if len(time):
        part.disorder = np.maximum.accumulate(time) - time
        part.ahead = time - stamps


def _keys(part: Part, source: Stream, judged: Judged, keys: frozenset[str]) -> None:
    if judged.batch is None or not (source.partitioned_by or keys):
        return
    rows = judged.batch.rows
    for row in range(len(judged.batch.time)):
        fields = rows.fields(row)
        part.nulls.update(name for name in keys if fields[name] is None)
        key = tuple(fields[name] for name in source.partitioned_by)
        if key and None not in key:
            part.keys.add(key)
