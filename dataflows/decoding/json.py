"""JSON rows to typed columns: a kernel for what is plain, the strict reading for the rest, one verdict from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import PADDING, DeadRow, Decoded, RawRows, rows_state
from dataflows.decoding.framing import without_frames
from dataflows.decoding.kernels_lines import line_ends
from dataflows.decoding.plain import RowReader
from dataflows.decoding.scanned import Scanner
from dataflows.decoding.strict import Bad, parse, values_of
from models.application.resolved.sources import FieldSpec
from models.values.kernels import gather_bytes


@dataclass(frozen=True, slots=True)
class JsonChunk:
    """Rows as JSON text."""

    rows: RawRows
    reader: RowReader

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row."""
        return self.reader.values(self.rows.bytes_at(row))

    def raw(self, row: int) -> bytes:
        """The row's bytes."""
        return self.rows.bytes_at(row)

    def attributes(self, row: int) -> dict[str, str]:
        """Plain JSON has none."""
        return {}

    def take(self, rows: NDArray[np.int64]) -> JsonChunk:
        """Only these rows, with bytes of their own."""
        start = self.rows.start[rows]
        length = self.rows.stop[rows] - start
        data, begin = np.zeros(int(length.sum()) + PADDING, np.uint8), np.empty(len(length), np.int64)
        gather_bytes(self.rows.data, start, length, data, begin)
        return type(self)(RawRows(data, begin, begin + length, np.arange(len(length))), self.reader)

    def snapshot(self) -> dict[str, Any]:
        """The rows' bytes."""
        return rows_state("json", self.rows)


class JsonDecoder:
    """Decodes rows of one source; ``wanted`` fields are kept, those in ``first`` are judged before the others."""

    def __init__(self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str]) -> None:
        self.declared = fields
        self.first = first
        self.reader = RowReader(fields)
        self.scanner = Scanner(fields, wanted)

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole rows, in order."""
        chunk, rows = JsonChunk(rows, self.reader), without_frames(rows)
        found = self.scanner.scan(rows.data, rows.start, rows.stop)
        dead: list[DeadRow] = []
        for row in np.flatnonzero(found.odd).tolist():
            values, bad = self._strictly(rows, row)
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
                values = {name: values[name] for name in self.first if name in values} if values else values
            if values:  # an odd row is all NULL until it is put
                found.put(row, values)
        return Decoded(len(rows), found.columns(), chunk, dead)

    def _strictly(self, rows: RawRows, row: int) -> tuple[dict[str, Any], Bad | None]:
        try:
            return values_of(parse(rows.bytes_at(row), self.reader.top), self.declared, self.first)
        except Bad as bad:
            return {}, bad


def split_lines(block: bytes | bytearray | memoryview, first_offset: int = 0) -> RawRows:
    """The lines of a block that are not blank, with offsets from ``first_offset``."""
    n = len(block)
    data = np.empty(n + PADDING, np.uint8)
    data[:n] = np.frombuffer(block, np.uint8)
    data[n:] = 0
    return lines_in(data, 0, n, first_offset)


def lines_in(data: NDArray[np.uint8], begin: int, end: int, first_offset: int) -> RawRows:
    """The lines of ``data[begin:end]`` that are not blank; ``PADDING`` bytes must follow ``end``."""
    most = (end - begin) // 2 + 1
    start, stop = np.empty(most, np.int64), np.empty(most, np.int64)
    rows = line_ends(data, begin, end, start, stop)
    return RawRows(data, start[:rows].copy(), stop[:rows].copy(), np.arange(first_offset, first_offset + rows))


def raw_rows(values: Sequence[bytes]) -> RawRows:
    """Rows from separate byte strings."""
    length = np.array([len(value) for value in values], np.int64)
    stop = np.cumsum(length, dtype=np.int64)
    data = np.frombuffer(bytearray(b"".join(values) + bytes(PADDING)), np.uint8)
    return RawRows(data, stop - length, stop, np.arange(len(values)))
