"""What reads one partition, whatever it lies in."""

from __future__ import annotations

from typing import Protocol

from dataflows.reading.judge import Judged


class Reader(Protocol):
    """One partition of a stream or table, read in order. ``partition``: its place over all; ``number``: in its input."""

    source: str
    partition: int
    number: int
    done: bool

    @property
    def bound(self) -> int:
        """The partition's bound in microseconds."""

    def read(self) -> Judged:
        """The next rows; ``done`` with the last."""
