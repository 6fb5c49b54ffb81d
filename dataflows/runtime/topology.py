"""An application's topics in one process: which partitions there are, who reads each, and where sinks write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bytewax.inputs import StatefulSourcePartition

from dataflows.connectors.kafka.connection import connection_of
from dataflows.connectors.kafka.fetch import Consumers
from dataflows.connectors.kafka.heartbeats import Heartbeats
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.topics import partitions_of
from dataflows.connectors.notices import Notice
from dataflows.reading.alignment import Alignment, Turn
from dataflows.reading.reader import Reader
from dataflows.reading.records import Place, RecordReader
from dataflows.runtime.part import GonePart, RecordPart
from dataflows.runtime.source import Opener
from models.application.resolved.application import Application
from models.application.resolved.sources import KafkaInput, Stream, Table


def reads_kafka(application: Application) -> bool:
    """Whether any source is a topic."""
    return any(isinstance(source.input, KafkaInput) for source in _sources(application))


def uses_kafka(application: Application) -> bool:
    """Whether any source or sink is a topic."""
    return reads_kafka(application) or bool(list(_written(application)))


class Topology:
    """Counts partitions, and opens them. ``joined``: by source, where partitions begin that a resumed run sees first."""

    def __init__(self, application: Application, live: Live, joined: Mapping[str, int] | None = None) -> None:
        self.application = application
        self.live = live
        self.joined = joined
        self.consumers = Consumers(f"tocsin-{application.name}", live)
        self.counts: dict[tuple[str, str], int] = {}
        self.heartbeats: dict[str, Heartbeats] = {}

    def ask(self) -> bool:
        """Ask the brokers about all topics, waiting for those that are not up; whether the run may go on.

        Raises:
            KafkaProblem: when a topic does not exist, or a broker refuses.
        """
        for name, topics in self._by_connection().items():
            connection = connection_of(self.application.connections, name)
            for topic, count in partitions_of(connection, topics, self.live).items():
                self.counts[connection.name, topic] = count
        return not self.live.draining()

    def places(self, source: KafkaInput) -> list[list[Place]]:
        """The partitions of an input's topics."""
        connection = connection_of(self.application.connections, source.connection)
        return [
            [Place(connection, topic, number) for number in range(self.counts[connection.name, topic])] for topic in source.topics
        ]

    def parts(self, readers: Iterable[Reader], known: Iterable[str] = ()) -> dict[str, Opener]:
        """How to open each partition, by its name: once for all that read it. ``known``: names in a saved state."""
        shared: dict[str, list[RecordReader]] = {}
        for reader in readers:
            if isinstance(reader, RecordReader):
                shared.setdefault(reader.place.name, []).append(reader)
        gone = [name for name in known if name not in shared]
        for name in gone:
            text = f"{name}: the saved state knows this partition, and its topic does not have it any more; it is left out"
            topic, _, number = name.partition("/")[2].rpartition("/")
            self.live.say(Notice("partition_gone", text, "warning", topic=topic, partition=int(number)))
        return {**{name: self._opener(group) for name, group in shared.items()}, **dict.fromkeys(gone, _gone)}

    def behind(self) -> Iterator[tuple[str, int, int]]:
        """Records that were not taken yet, by topic and partition."""
        for consumer in self.consumers.topics():
            yield from consumer.behind()

    def close(self) -> None:
        """Leave the brokers."""
        self.consumers.close()

    def _opener(self, group: Sequence[RecordReader]) -> Opener:
        def opened(alignment: Alignment, state: bytes | None) -> StatefulSourcePartition[Turn, bytes]:
            consumer = self.consumers.of(group[0].place.connection, group[0].place.topic)
            for reader in group:
                reader.heartbeats = self._heartbeats(reader.source)
            return RecordPart(group, consumer, alignment, self.live, state, self.joined)

        return opened

    def _heartbeats(self, name: str) -> Heartbeats | None:
        table = self.application.tables.get(name)
        if table is None or table.heartbeat is None or not self.live.endless:
            return None
        if name not in self.heartbeats:
            topics = [(each[0], len(each)) for each in self.places(table.heartbeat) if each]
            consumers = [(self.consumers.of(place.connection, place.topic), count) for place, count in topics]
            self.heartbeats[name] = Heartbeats(consumers)
        return self.heartbeats[name]

    def _by_connection(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for connection, topic in [*_read(self.application), *_written(self.application)]:
            topics = found.setdefault(connection, [])
            if topic not in topics:
                topics.append(topic)
        return found


def _gone(alignment: Alignment, state: bytes | None) -> StatefulSourcePartition[Turn, bytes]:
    return GonePart(state or b"")


def _sources(application: Application) -> list[Stream | Table]:
    return [*application.tables.values(), *application.streams.values()]


def _read(application: Application) -> Iterable[tuple[str, str]]:
    for source in _sources(application):
        inputs = [source.input, source.heartbeat if isinstance(source, Table) else None]
        for each in inputs:
            if isinstance(each, KafkaInput):
                yield from ((each.connection, topic) for topic in each.topics)


def _written(application: Application) -> Iterable[tuple[str, str]]:
    outputs = application.outputs
    for output in (outputs.to, outputs.late, outputs.dead_letters):
        if isinstance(output, tuple):
            yield output
