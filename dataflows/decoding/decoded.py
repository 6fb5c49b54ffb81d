"""What every decoder takes and gives: the bytes of rows in, typed columns and a verdict for each row out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.values.column import Column


class Reason(StrEnum):
    """Why a row is a dead letter (contracts: dead letter)."""

    SYNTAX = "syntax"
    ENCODING = "encoding"
    DUPLICATE_KEY = "duplicate_key"
    MISSING = "missing"
    TYPE = "type"
    NOT_FINITE = "not_finite"
    TIME_RANGE = "time_range"
    FUTURE_TIME = "future_time"
    ENVELOPE = "envelope"


TIME, IS_SNAPSHOT, IS_DELETE, IS_CHANGE = "\0time", "\0snapshot", "\0delete", "\0change"
"""Columns that the decoder of changes adds: time (timestamp), and whether a row is a snapshot's, a deletion, a change at all."""
UNCHANGED = "\0unchanged"
"""A column that it adds for tables: a bit for each declared field whose value stays as it was (int)."""
IS_TRUNCATION = "\0truncation"
"""A column that it adds for tables: whether a row ends all rows of the table (bool)."""
MARKS = frozenset({TIME, IS_SNAPSHOT, IS_DELETE, IS_CHANGE, UNCHANGED, IS_TRUNCATION})
NO_TIME = np.iinfo(np.int64).min
"""A change's time where it carries none: it takes effect at its partition's bound."""
PADDING = 16
"""Bytes that may be read past the end of ``RawRows.data`` (never part of a row)."""
NO_TIMESTAMP = 1 << 62
"""The timestamp of a record that has none: later than every event's time."""
Headers = Sequence[tuple[str, bytes | None]]
"""A record's headers, in order; a name may stand twice."""


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows of one partition as bytes, in order.

    data: uint8[m + PADDING]; start, stop: int64[n], row i is ``data[start[i]:stop[i]]`` without its line end; offset:
    int64[n]. Records of a log also have ``keys`` (bytes or None each), ``headers`` (None where no record has any) and
    ``timestamps`` (int64[n] microseconds); a null value has length -1 (stop < start).
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    offset: NDArray[np.int64]
    keys: Sequence[bytes | None] | None = None
    headers: Sequence[Headers] | None = None
    timestamps: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.start)

    def bytes_at(self, row: int) -> bytes:
        """The bytes of one row."""
        return self.data[int(self.start[row]) : int(self.stop[row])].tobytes()

    def take(self, rows: NDArray[np.int64]) -> RawRows:
        """Only these rows, of the same bytes."""
        return RawRows(
            self.data, self.start[rows], self.stop[rows], self.offset[rows],
            None if self.keys is None else [self.keys[int(row)] for row in rows],
            None if self.headers is None else [self.headers[int(row)] for row in rows],
            None if self.timestamps is None else self.timestamps[rows],
        )  # fmt: skip

    def is_null(self, row: int) -> bool:
        """Whether a record has no value."""
        return bool(self.stop[row] < self.start[row])

    def key(self, row: int) -> bytes | None:
        """The key of one record."""
        return None if self.keys is None else self.keys[row]

    def headers_of(self, row: int) -> Headers:
        """The headers of one record."""
        return () if self.headers is None else self.headers[row]

    def received(self, row: int) -> int | None:
        """The timestamp of one record (microseconds), None where it has none."""
        found = NO_TIMESTAMP if self.timestamps is None else int(self.timestamps[row])
        return None if found == NO_TIMESTAMP else found


class DeadRow(NamedTuple):
    """One row that cannot be read: its index in the batch, the field at fault (None: the whole row), and why."""

    row: int
    reason: Reason
    field: str | None
    detail: str


class Chunk(Protocol):
    """Decoded rows that can still show everything that was in them: kept for evidence, asked only for the few rows of hits."""

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row, as stored values."""

    def raw(self, row: int) -> bytes:
        """The row's original bytes (for a typed file: the row as JSON)."""

    def attributes(self, row: int) -> dict[str, str]:
        """CloudEvents attributes, trace context and the producer's id, where the format has them: ``id``, ``source`` and so on."""

    def take(self, rows: NDArray[np.int64]) -> Chunk:
        """Only these rows, with bytes of their own; picklable, and small when pickled."""

    def snapshot(self) -> dict[str, Any]:
        """All rows as arrays and plain values, to be read back by ``dataflows.stages.kept.chunk_from``."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """``n`` rows decoded.

    columns: each wanted field over all n rows (what stands at a dead row has no meaning, except that fields judged good
    there hold their value); dead: in row order; at most one for a row: of the fields that were to be judged ``first`` if one
    of them is bad, else of the whole row, else the first bad field in declared order.
    """

    n: int
    columns: Mapping[str, Column]
    chunk: Chunk
    dead: Sequence[DeadRow] = field(default=())


def rows_state(form: str, rows: RawRows) -> dict[str, Any]:
    """Rows' bytes one after another."""
    raw = [rows.bytes_at(row) for row in range(len(rows))]
    return {"form": form, "data": b"".join(raw), "length": np.array([len(value) for value in raw], np.int64)}


def rows_from(state: Mapping[str, Any]) -> RawRows:
    """The rows that ``rows_state`` gave."""
    length = state["length"]
    stop = np.cumsum(length, dtype=np.int64)
    return RawRows(np.frombuffer(state["data"] + bytes(PADDING), np.uint8), stop - length, stop, np.arange(len(length)))


class Decoder(Protocol):
    """Judges rows of one stream or table on all declared fields, and keeps those that are wanted. Pure."""

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole rows, in order."""
