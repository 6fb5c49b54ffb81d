"""Kafka topics as Bytewax sinks: an epoch is done only when the broker has acknowledged what was written in it."""

from __future__ import annotations

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflows.connectors.kafka.outbox import Outbox
from models.events.cloudevents import Record

PARTS = 16
"""Writers over all workers: what has one key goes to one writer, in order."""


class KafkaSink(FixedPartitionedSink[Record, None]):
    """Writes records to a topic through the process's outbox."""

    def __init__(self, outbox: Outbox, topic: str) -> None:
        self.outbox = outbox
        self.topic = topic

    def list_parts(self) -> list[str]:
        """The writers."""
        return [str(part) for part in range(PARTS)]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> StatefulSinkPartition[Record, None]:
        """A writer."""
        return _Writer(self.outbox, self.topic)

    def finish(self) -> int:
        """Nothing is left to do at the end of a run; 0."""
        return 0

    def forget(self) -> None:
        """Nothing is kept beside the topic."""


class _Writer(StatefulSinkPartition[Record, None]):
    def __init__(self, outbox: Outbox, topic: str) -> None:
        self.outbox = outbox
        self.topic = topic

    def write_batch(self, values: list[Record]) -> None:
        for record in values:
            self.outbox.send(self.topic, record)

    def snapshot(self) -> None:
        self.outbox.flush()

    def close(self) -> None:
        self.outbox.flush()
