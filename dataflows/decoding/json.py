"""JSON rows to typed columns: a kernel for what is plain, the strict reading for the rest, one verdict from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding import kernels_json as kernels
from dataflows.decoding.decoded import PADDING, DeadRow, Decoded, RawRows
from dataflows.decoding.strict import Bad, parse, values_of
from models.application.resolved import FieldSpec
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import UNITS, Kind, Type

_CODES = {
    Kind.STRING: kernels.STRING, Kind.BOOL: kernels.BOOL, Kind.INT: kernels.INT, Kind.FLOAT: kernels.FLOAT,
    Kind.DECIMAL: kernels.DECIMAL, Kind.TIMESTAMP: kernels.TIMESTAMP, Kind.DATE: kernels.DATE,
}  # fmt: skip
_MOST_FIELDS = 64


@dataclass(frozen=True, slots=True)
class JsonChunk:
    """Rows as JSON text."""

    rows: RawRows
    declared: Mapping[str, FieldSpec]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row."""
        return values_of(parse(self.raw(row), _top_keys(self.declared)), self.declared)[0]

    def raw(self, row: int) -> bytes:
        """The row's bytes."""
        return self.rows.bytes_at(row)

    def attributes(self, row: int) -> dict[str, str]:
        """Plain JSON has none."""
        return {}

    def take(self, rows: NDArray[np.int64]) -> JsonChunk:
        """Only these rows, with bytes of their own."""
        return JsonChunk(raw_rows([self.raw(int(row)) for row in rows]), self.declared)


class JsonDecoder:
    """Decodes rows of one source; ``wanted`` fields are kept, those in ``first`` are judged before the others."""

    def __init__(self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str]) -> None:
        self.declared = fields
        self.wanted = wanted
        self.first = first
        self.top = _top_keys(fields)
        specs = list(fields.values())
        self.plain = len(specs) <= _MOST_FIELDS and all(len(s.path) == 1 and s.type.kind in _CODES for s in specs)
        names = [spec.path[0].encode() for spec in specs]
        self.keys = np.frombuffer(b"".join(names) or b"\0", np.uint8)
        self.key_at = np.cumsum([0, *(len(name) for name in names)]).astype(np.int64)
        types = [spec.type for spec in specs]
        self.kinds = np.array([_CODES.get(t.kind, -1) for t in types], np.int64)
        self.scales = np.array([t.scale for t in types], np.int64)
        self.precisions = np.array([t.precision for t in types], np.int64)
        self.units = np.array([UNITS[t.unit] if t.unit else -1 for t in types], np.int64)
        self.required = np.array([not t.optional for t in types], np.bool_)

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole rows, in order."""
        n, fields = len(rows), len(self.declared)
        ints = np.zeros((fields, n), np.int64)
        lengths, known = np.zeros((fields, n), np.int64), np.zeros((fields, n), np.bool_)
        odd = np.ones(n, np.bool_)
        if self.plain:
            kernels.scan_rows(
                rows.data, rows.start, rows.stop, self.keys, self.key_at, self.kinds, self.scales, self.precisions,
                self.units, self.required, ints, ints.view(np.float64), lengths, known, odd,
            )  # fmt: skip
        extra = bytearray()
        dead: list[DeadRow] = []
        lists: dict[int, dict[int, Any]] = {}
        for row in np.flatnonzero(odd).tolist():
            values, bad = self._strictly(rows, row)
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
            self._put(row, values, ints, lengths, known, extra, len(rows.data), lists)
        data = np.concatenate([rows.data, np.frombuffer(bytes(extra), np.uint8)]) if extra else rows.data
        columns = {
            name: self._column(place, spec.type, data, ints, lengths, known, lists.get(place, {}))
            for place, (name, spec) in enumerate(self.declared.items())
            if name in self.wanted
        }
        return Decoded(n, columns, JsonChunk(rows, self.declared), dead)

    def _strictly(self, rows: RawRows, row: int) -> tuple[dict[str, Any], Bad | None]:
        try:
            return values_of(parse(rows.bytes_at(row), self.top), self.declared, self.first)
        except Bad as bad:
            return {}, bad

    def _put(
        self, row: int, values: Mapping[str, Any], ints: NDArray[np.int64], lengths: NDArray[np.int64],
        known: NDArray[np.bool_], extra: bytearray, base: int, lists: dict[int, dict[int, Any]],
    ) -> None:  # fmt: skip
        """Write one row's stored values into the matrices."""
        for place, (name, spec) in enumerate(self.declared.items()):
            value = values.get(name)
            known[place, row] = value is not None
            if value is None or name not in self.wanted:
                lengths[place, row] = 0
                ints[place, row] = 0
            elif spec.type.kind is Kind.STRING:
                data = value.encode()
                ints[place, row], lengths[place, row] = base + len(extra), len(data)
                extra += data
            elif spec.type.kind is Kind.FLOAT:
                ints.view(np.float64)[place, row] = value
            elif spec.type.kind is Kind.LIST:
                lists.setdefault(place, {})[row] = value
            else:
                ints[place, row] = value

    def _column(
        self, place: int, type_: Type, data: NDArray[np.uint8], ints: NDArray[np.int64], lengths: NDArray[np.int64],
        known: NDArray[np.bool_], lists: Mapping[int, Any],
    ) -> Column:  # fmt: skip
        valid = None if known[place].all() else known[place]
        if type_.kind is Kind.STRING:
            return Column(type_, Strings(data, ints[place], lengths[place]), valid)
        if type_.kind is Kind.FLOAT:
            return Column(type_, ints[place].view(np.float64), valid)
        if type_.kind is Kind.BOOL:
            return Column(type_, ints[place].astype(np.bool_), valid)
        if type_.kind is Kind.LIST:
            values = np.empty(len(ints[place]), object)
            for row, value in lists.items():
                values[row] = value
            return Column(type_, values, valid)
        return Column(type_, ints[place], valid)


def split_lines(block: bytes | bytearray | memoryview, first_offset: int = 0) -> RawRows:
    """The lines of a block that are not blank, with offsets from ``first_offset``."""
    n = len(block)
    data = np.empty(n + PADDING, np.uint8)
    data[:n] = np.frombuffer(block, np.uint8)
    data[n:] = 0
    most = int(np.count_nonzero(data[:n] == 10)) + 1
    start, stop = np.empty(most, np.int64), np.empty(most, np.int64)
    rows = kernels.line_ends(data, n, start, stop)
    return RawRows(data, start[:rows], stop[:rows], np.arange(first_offset, first_offset + rows))


def raw_rows(values: Sequence[bytes]) -> RawRows:
    """Rows from separate byte strings."""
    length = np.array([len(value) for value in values], np.int64)
    stop = np.cumsum(length, dtype=np.int64)
    data = np.frombuffer(b"".join(values) + bytes(PADDING), np.uint8)
    return RawRows(data, stop - length, stop, np.arange(len(values)))


def _top_keys(fields: Mapping[str, FieldSpec]) -> frozenset[str]:
    return frozenset(spec.path[0] for spec in fields.values())
