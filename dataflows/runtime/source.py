"""The Bytewax source: every partition of every stream and table, kept in step by event time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows.reading.alignment import Alignment, Turn
from dataflows.reading.reader import Reader
from dataflows.reading.readers import FileReader
from dataflows.reading.records import RecordReader

Opener = Callable[[Alignment, bytes | None], StatefulSourcePartition[Turn, bytes]]
"""Makes a partition of the source from its saved state."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """That a run's state is kept. ``joined``: by source, where partitions begin that a resumed run sees first (microseconds)."""

    joined: Mapping[str, int] = field(default_factory=dict)


def file_name(reader: Reader) -> str:
    """The name of a file's partition."""
    return f"{reader.partition:010d}"


def part_name(reader: Reader) -> str:
    """What the runtime knows a reader's partition by."""
    return reader.place.name if isinstance(reader, RecordReader) else file_name(reader)


class Partition(StatefulSourcePartition[Turn, bytes]):
    """One partition: one read a call."""

    def __init__(self, reader: Reader, alignment: Alignment, draining: Callable[[], bool], *, saves: bool = False) -> None:
        self.reader = reader
        self.alignment = alignment
        self.draining = draining
        self.saves = saves
        self.waits = False

    def next_batch(self) -> Iterable[Turn]:
        """The next read's rows, or nothing while the partition is too far ahead."""
        if self.reader.done or self.draining():
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

    def snapshot(self) -> bytes:
        """Where to go on; nothing where nobody keeps it."""
        return self.reader.snapshot() if self.saves and isinstance(self.reader, FileReader) else b""


class Counted(StatefulSourcePartition[Turn, bytes]):
    """Another partition, whose snapshots are counted: every epoch has one until its end, whether anything happens or not."""

    def __init__(self, part: StatefulSourcePartition[Turn, bytes], epoch: Callable[[int], None]) -> None:
        self.part = part
        self.epoch = epoch
        self.epochs = 0

    def next_batch(self) -> Iterable[Turn]:
        """The partition's."""
        return self.part.next_batch()

    def next_awake(self) -> datetime | None:
        """The partition's."""
        return self.part.next_awake()

    def snapshot(self) -> bytes:
        """The partition's; an epoch is complete."""
        self.epochs += 1
        self.epoch(self.epochs)
        return self.part.snapshot()

    def close(self) -> None:
        """The partition's."""
        self.part.close()


class Partitions(FixedPartitionedSource[Turn, bytes]):
    """All partitions of an application: files by their readers, topics' partitions by ``parts``: several readers may share one.

    elsewhere: names of those that other workers must read; apart: partitions of different numbers never meet; epoch: told
    how many epochs a partition has completed.
    """

    def __init__(
        self, readers: Sequence[Reader], parts: Mapping[str, Opener] | None = None,
        draining: Callable[[], bool] = lambda: False, keeping: Keeping | None = None,
        elsewhere: frozenset[str] = frozenset(), *, apart: bool = False, epoch: Callable[[int], None] = lambda number: None,
    ) -> None:  # fmt: skip
        self.epoch = epoch
        self.alignment = Alignment(apart=apart)
        self.elsewhere = elsewhere
        self.draining = draining
        self.keeping = keeping
        alone = [reader for reader in readers if not isinstance(reader, RecordReader)]
        self.openers: dict[str, Opener] = {file_name(reader): self._opener(reader) for reader in alone}
        self.openers.update(parts or {})

    def list_parts(self) -> list[str]:
        """A name for each partition that may be read here: the runtime chooses where several workers may read one."""
        return [name for name in self.openers if name not in self.elsewhere]

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> StatefulSourcePartition[Turn, bytes]:
        """The partition of a name."""
        return Counted(self.openers[for_part](self.alignment, resume_state), self.epoch)

    def _opener(self, reader: Reader) -> Opener:
        def opened(alignment: Alignment, state: bytes | None) -> Partition:
            alignment.join(reader)
            if isinstance(reader, FileReader) and self.keeping is not None:
                if state:
                    reader.restore(state)
                elif reader.source in self.keeping.joined:
                    reader.judge.join(self.keeping.joined[reader.source])
            return Partition(reader, alignment, self.draining, saves=self.keeping is not None)

        return opened
