"""What a partition's snapshot holds, as versioned bytes: where to go on, and what its judges know of what lies before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dataflows.batch import BEFORE_ALL
from dataflows.connectors.kafka.reader import RecordReader
from dataflows.decoding.decoded import NO_TIME
from dataflows.judge import Judge
from models.application.resolved import Application
from models.values.packed import UnknownState

VERSION = 1


class ReaderState(msgspec.Struct):
    """A stream's or table's part: times in microseconds; ``kept``: ``dedup``'s ids and times; dead rows for ``max_dead``.

    ``deleted``: the time of a deletion that was the last row.
    """

    newest: int
    announced: int
    joined: int
    leading: bool
    kept: dict[str, list[Any]]
    seen: int
    dead: int
    recent: list[int]
    deleted: int = NO_TIME


class PartState(msgspec.Struct):
    """One topic partition: the next offset (None: nothing was read), and the state of each reader by its source."""

    version: int
    offset: int | None
    readers: dict[str, ReaderState]


def saved(offset: int | None, readers: Mapping[str, RecordReader]) -> bytes:
    """The snapshot of a partition."""
    return msgspec.msgpack.encode(PartState(VERSION, offset, {name: _state(reader) for name, reader in readers.items()}))


def restored(data: bytes, readers: Mapping[str, RecordReader]) -> int | None:
    """Give the readers their state back; the next offset. A reader that is new starts with nothing.

    Raises:
        UnknownState: when another version wrote it.
    """
    state = msgspec.msgpack.decode(data, type=PartState)
    if state.version != VERSION:
        raise UnknownState(f"saved state of a source has version {state.version}; this version reads {VERSION}. Start without it")
    for name, reader in readers.items():
        if name in state.readers:
            _restore(reader, state.readers[name])
    return state.offset


def reader_bounds(data: bytes, application: Application) -> list[tuple[str, int]]:
    """The bound of each source that reads a partition (microseconds)."""
    state = msgspec.msgpack.decode(data, type=PartState)
    found = []
    for name, each in state.readers.items():
        source = application.streams.get(name) or application.tables[name]
        newest = BEFORE_ALL if each.newest == BEFORE_ALL else each.newest - source.lateness
        found.append((name, max(each.announced, newest)))
    return found


def _state(reader: RecordReader) -> ReaderState:
    judge = reader.judge
    limit = (judge.limit.seen, judge.limit.dead, list(judge.limit.recent))
    if isinstance(judge, Judge):
        kept = judge.dedup.snapshot() if judge.dedup is not None else {}
        return ReaderState(judge.newest, judge.announced, judge.joined, False, kept, *limit)
    return ReaderState(judge.newest, judge.announced, judge.announced, judge.leading, {}, *limit, judge.deleted)


def _restore(reader: RecordReader, state: ReaderState) -> None:
    judge = reader.judge
    judge.newest, judge.announced = state.newest, state.announced
    judge.limit.seen, judge.limit.dead = state.seen, state.dead
    judge.limit.recent.extend(state.recent)
    if not isinstance(judge, Judge):
        judge.leading, judge.deleted = state.leading, state.deleted
        return
    judge.joined = state.joined
    if judge.dedup is not None and state.kept:
        judge.dedup.restore(state.kept)
