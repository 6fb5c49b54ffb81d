"""A topic's partition in the runtime: what is fetched of it goes to every stream and table that reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bytewax.inputs import StatefulSourcePartition

from dataflows.batches.batch import AFTER_ALL
from dataflows.connectors.kafka.fetch import TopicConsumer, no_collection
from dataflows.connectors.kafka.live import END, Live
from dataflows.connectors.kafka.records import raw_rows_of
from dataflows.reading.alignment import Alignment, Turn
from dataflows.reading.judge import Judge, Judged
from dataflows.reading.records import RecordReader
from dataflows.reading.recordstate import restored, saved

ROWS = 50_000
"""Messages of one partition that are read at once."""
CREDIT = 2_000_000
"""Messages that a partition reads between two snapshots: between workers nothing else bounds what is under way."""
_MOMENT = timedelta(milliseconds=1)


class GonePart(StatefulSourcePartition[Turn, bytes]):
    """A partition that a saved state knows and the topic does not have any more: nothing comes of it, its state stays."""

    def __init__(self, state: bytes) -> None:
        self.state = state

    def next_batch(self) -> Iterable[Turn]:
        """Its end."""
        raise StopIteration

    def snapshot(self) -> bytes:
        """What was saved."""
        return self.state


class RecordPart(StatefulSourcePartition[Turn, bytes]):
    """One partition of a topic. ``state``: its snapshot; ``joined``: by source, where one that a resumed run sees first begins."""

    def __init__(
        self, readers: Sequence[RecordReader], consumer: TopicConsumer, alignment: Alignment, live: Live,
        state: bytes | None = None, joined: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.readers = {reader.source: reader for reader in readers}
        self.partition = readers[0].partition
        self.number = readers[0].number
        self.consumer = consumer
        self.alignment = alignment
        self.live = live
        offset = None if state is None else restored(state, self.readers)
        if state is None and joined is not None:
            for reader in readers:
                if reader.source in joined:
                    reader.judge.join(joined[reader.source])
        whole = not all(isinstance(reader.judge, Judge) for reader in readers)  # a join with half a table would be wrong
        self.log = consumer.log(readers[0].place.number, offset, whole=whole)
        self.ended = False
        self.credit = CREDIT
        self.pauses = False
        self.epoch_offset = offset
        alignment.join(self)

    @property
    def bound(self) -> int:
        """The smallest bound of its readers (microseconds)."""
        return min(reader.bound for reader in self.readers.values())

    @property
    def done(self) -> bool:
        """Whether the others need not wait for it: there is nothing to read."""
        return self.ended or (self.log.at_end and not self.log.waiting)

    def next_batch(self) -> Iterable[Turn]:
        """What was fetched, and bounds that moved without."""
        if self.ended or self.live.draining():
            raise StopIteration
        self.consumer.poll()
        self.pauses = not self.log.waiting or self.credit <= 0 or not self.alignment.may_read(self)
        turns = self._quiet() if self.pauses else self._read()
        if not self.live.endless and not self.ended:
            turns += self._end()
        return turns

    def next_awake(self) -> datetime | None:
        """At once while there is something to read, else a moment later: an epoch of the runtime must never wait for a source."""
        return datetime.now(UTC) + _MOMENT if self.pauses else None

    def snapshot(self) -> bytes:
        """Where to go on. A bound that silence announces is part of it, and holds from the next epoch on."""
        if self.live.endless:
            for reader in self.readers.values():
                self._announce(reader)
        if self.epoch_offset is not None:
            self.consumer.commit(self.log, self.epoch_offset)
        self.epoch_offset = self.log.offset
        self.credit = CREDIT
        return saved(self.log.offset, self.readers)

    def _announce(self, reader: RecordReader) -> None:
        heartbeat = None
        if reader.heartbeats is not None:
            heartbeat = reader.heartbeats.latest()
            self.consumer.poll()
        if self.log.at_end and not self.log.waiting and self.log.quiet is not None:
            reader.silent(self.log.heard, self.log.quiet, heartbeat)

    def close(self) -> None:
        """The consumer is shared: it is left when the run ends."""

    def _read(self) -> list[Turn]:
        messages = self.log.take(ROWS)
        self.credit -= len(messages)
        self.alignment.count(self, len(messages))
        if not messages:
            return self._quiet()
        with no_collection():
            raw = raw_rows_of(messages)
        return [self._turn(reader, reader.take(raw)) for reader in self.readers.values()]

    def _quiet(self) -> list[Turn]:
        """Bounds that moved though nothing was read."""
        end = self.live.span.end
        most = end if isinstance(end, int) else AFTER_ALL
        moved = [reader for reader in self.readers.values() if min(reader.bound, most) > reader.told]
        return [self._turn(reader, Judged(None, reader.bound, offset=(self.log.offset or 0) - 1)) for reader in moved]

    def _turn(self, reader: RecordReader, judged: Judged) -> Turn:
        end = self.live.span.end
        if isinstance(end, int):
            judged.bound = min(judged.bound, end)
            if judged.batch is not None:
                judged.batch = judged.batch.take(judged.batch.time < end)
        reader.told = judged.bound
        judged.offset = (self.log.offset or 0) - 1
        return Turn(reader.source, reader.partition, judged)

    def _end(self) -> list[Turn]:
        """The last turns of a bounded run: at the end of the log, or where no event before the span's end can follow."""
        end = self.live.span.end
        at_end = self.log.at_end and not self.log.waiting
        if not at_end and not (isinstance(end, int) and self.bound >= end):
            return []
        self.ended = True
        for reader in self.readers.values():
            reader.done = True
            if at_end and end == END:
                reader.judge.limit.end(reader.place.topic)
        last = (end, False) if isinstance(end, int) else (AFTER_ALL, True)
        return [Turn(r.source, r.partition, Judged(None, last[0], done=last[1])) for r in self.readers.values()]
