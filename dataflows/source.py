"""The Bytewax source: every partition of every stream and table, kept in step by event time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows.engine import Reader
from dataflows.judge import Judged

AHEAD = 600_000_000
"""Microseconds of event time that a partition reads past the one furthest behind."""
AHEAD_ROWS = 1_000_000
"""Rows that it may read past it in any case."""


class Turn(NamedTuple):
    """What one read of a partition gave."""

    source: str
    partition: int
    judged: Judged


class Alignment:
    """How far each partition of this process has read: delays reading, never changes a result."""

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.rows: dict[int, int] = {}

    def join(self, reader: Reader) -> None:
        """Note a partition that this process reads."""
        self.readers.append(reader)
        self.rows[reader.partition] = 0

    def may_read(self, reader: Reader) -> bool:
        """Whether a partition is near enough to the one furthest behind."""
        slowest = min((other.bound for other in self.readers if not other.done), default=reader.bound)
        if reader.bound <= slowest or reader.bound - slowest <= AHEAD:
            self.rows[reader.partition] = 0
            return True
        return self.rows[reader.partition] < AHEAD_ROWS

    def count(self, reader: Reader, rows: int) -> None:
        """Note rows that were read."""
        self.rows[reader.partition] += rows


class Partition(StatefulSourcePartition[Turn, None]):
    """One partition: one read a call."""

    def __init__(self, reader: Reader, alignment: Alignment) -> None:
        self.reader = reader
        self.alignment = alignment
        self.waits = False

    def next_batch(self) -> Iterable[Turn]:
        """The next read's rows, or nothing while the partition is too far ahead."""
        if self.reader.done:
            raise StopIteration
        self.waits = not self.alignment.may_read(self.reader)
        if self.waits:
            return []
        judged = self.reader.read()
        self.alignment.count(self.reader, judged.rows)
        return [Turn(self.reader.source, self.reader.partition, judged)]

    def next_awake(self) -> datetime | None:
        """A moment later while waiting for the others."""
        return datetime.now(UTC) + timedelta(milliseconds=1) if self.waits else None

    def snapshot(self) -> None:
        """Nothing: without a state directory a run begins at the first offset."""


class Partitions(FixedPartitionedSource[Turn, None]):
    """All partitions of an application."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self.readers = {f"{reader.partition:05d}": reader for reader in readers}
        self.alignment = Alignment()

    def list_parts(self) -> list[str]:
        """A name for each partition, in their order."""
        return list(self.readers)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Partition:
        """The partition of a name."""
        self.alignment.join(self.readers[for_part])
        return Partition(self.readers[for_part], self.alignment)
