"""What a partition's snapshot holds, as versioned bytes: where to go on, and what its judges know of what lies before."""

from __future__ import annotations

from collections.abc import Mapping

from dataflows.batches.batch import BEFORE_ALL
from dataflows.reading.records import RecordReader
from models.application.resolved.application import Application
from models.values.packed import of_version, versioned

VERSION = 2
_WHAT = "a topic's partition"


def saved(offset: int | None, readers: Mapping[str, RecordReader]) -> bytes:
    """The snapshot of a partition: the next offset (None: nothing was read), and what the judge of each source knows."""
    return versioned(VERSION, _WHAT, {"offset": offset, "judges": {name: each.judge.snapshot() for name, each in readers.items()}})


def restored(data: bytes, readers: Mapping[str, RecordReader]) -> int | None:
    """Give the readers their state back; the next offset. A reader that is new starts with nothing.

    Raises:
        UnknownState: when another version wrote it.
    """
    state = of_version(VERSION, _WHAT, data)
    for name, reader in readers.items():
        if name in state["judges"]:
            reader.judge.restore(state["judges"][name])
    offset: int | None = state["offset"]
    return offset


def offset_of(data: bytes) -> int | None:
    """The next offset of a partition, None where nothing was read."""
    offset: int | None = of_version(VERSION, _WHAT, data)["offset"]
    return offset


def reader_bounds(data: bytes, application: Application) -> list[tuple[str, int]]:
    """The bound of each source that reads a partition (microseconds)."""
    found = []
    for name, judge in of_version(VERSION, _WHAT, data)["judges"].items():
        source = application.streams.get(name) or application.tables[name]
        newest = BEFORE_ALL if judge["newest"] == BEFORE_ALL else judge["newest"] - source.lateness
        found.append((name, max(judge["announced"], newest)))
    return found
