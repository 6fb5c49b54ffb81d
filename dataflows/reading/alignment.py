"""Partitions of one process kept in step by event time: delays reading, never changes a result."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dataflows.reading.judge import Judged

AHEAD = 600_000_000
"""Microseconds of event time that a partition reads past the one furthest behind."""
AHEAD_ROWS = 1_000_000
"""Rows that it may read past it in any case."""


class Turn(NamedTuple):
    """What one read of a partition gave."""

    source: str
    partition: int
    judged: Judged


class Aligned(Protocol):
    """A partition that is kept in step; ``done``: nobody need wait for it."""

    partition: int
    number: int

    @property
    def bound(self) -> int:
        """Its bound in microseconds."""

    @property
    def done(self) -> bool:
        """Whether it has nothing to read."""


class Alignment:
    """How far each partition of this process has read; ``apart``: only those of one number wait for each other."""

    def __init__(self, *, apart: bool = False) -> None:
        self.apart = apart
        self.readers: list[Aligned] = []
        self.rows: dict[int, int] = {}

    def join(self, reader: Aligned) -> None:
        """Note a partition that this process reads."""
        self.readers.append(reader)
        self.rows[reader.partition] = 0

    def may_read(self, reader: Aligned) -> bool:
        """Whether a partition is near enough to the one furthest behind."""
        near = (other for other in self.readers if not other.done and (not self.apart or other.number == reader.number))
        slowest = min((other.bound for other in near), default=reader.bound)
        if reader.bound <= slowest or reader.bound - slowest <= AHEAD:
            self.rows[reader.partition] = 0
            return True
        return self.rows[reader.partition] < AHEAD_ROWS

    def count(self, reader: Aligned, rows: int) -> None:
        """Note rows that were read."""
        self.rows[reader.partition] += rows
