"""One stream or table on one partition of a topic: records decoded and judged, bounds announced when it is silent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dataflows.batches.batch import AFTER_ALL
from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.heartbeats import Heartbeats
from dataflows.connectors.kafka.records import RecordChunk
from dataflows.decoding.decoded import Decoder, RawRows
from dataflows.reading.changes import ChangeJudge
from dataflows.reading.judge import Judge, Judged


@dataclass(frozen=True, slots=True)
class Place:
    """A partition of a topic."""

    connection: Connection
    topic: str
    number: int

    @property
    def name(self) -> str:
        """What the runtime knows it by; the same as long as the topic is."""
        return f"{self.connection.name}/{self.topic}/{self.number}"


class RecordReader:
    """Reads what is fetched for it. ``idle_after``, ``wait``: microseconds of silence, see ``silent``."""

    def __init__(
        self, source: str, partition: int, number: int, place: Place, judge: Judge | ChangeJudge, decoder: Decoder,
        idle_after: int, wait: int = 0,
    ) -> None:  # fmt: skip
        self.source = source
        self.partition = partition
        self.number = number
        self.place = place
        self.judge = judge
        self.decoder = decoder
        self.idle_after = idle_after
        self.wait = wait
        self.done = False
        self.told = judge.bound
        self.heartbeats: Heartbeats | None = None

    @property
    def bound(self) -> int:
        """The partition's bound in microseconds; after everything once it is read."""
        return AFTER_ALL if self.done else self.judge.bound

    @property
    def lateness(self) -> int:
        """Microseconds that the partition may be out of order."""
        return self.judge.stream.lateness if isinstance(self.judge, Judge) else self.judge.table.lateness

    def take(self, raw: RawRows) -> Judged:
        """Judge records, in order. Null values are no events of a stream: they are counted."""
        total = len(raw)
        if isinstance(self.judge, Judge) and self.judge.stream.format != "debezium":
            null = raw.stop < raw.start
            if null.any():
                raw = raw.take(np.flatnonzero(~null))
        decoded = self.decoder.decode(raw)
        if raw.headers is not None:
            decoded = replace(decoded, chunk=RecordChunk(decoded.chunk, raw.headers))
        judged = self.judge.judge(raw, decoded, self.place.topic, int(raw.offset[0]) if len(raw) else 0, self.place.number)
        judged.rows = total
        judged.bytes = int((raw.stop - raw.start).clip(0).sum())
        if total > len(raw):
            judged.counts["tombstones"] = total - len(raw)
        return judged

    def silent(self, since: int, now: int, heartbeat: int | None = None) -> None:
        """Announce a bound for a partition at its end that was silent from ``since`` until ``now`` (microseconds).

        A ``heartbeat`` of the table's connector, heard before the partition was found at its end, says the same of its time: it
        carries the connector's clock, and changes of before it may still be under way, for ``idle_after`` at most.
        """
        if now - since >= self.idle_after:
            self.judge.announce(now - self.lateness - max(self.idle_after, self.wait))
        if heartbeat is not None:
            self.judge.announce(heartbeat - self.lateness - self.idle_after)

    def read(self) -> Judged:
        """Nothing: the partition's part of the source reads for all that share it."""
        return Judged(None, self.bound)
