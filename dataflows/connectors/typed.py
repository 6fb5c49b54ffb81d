"""Parquet files: typed columns that fit if they widen without loss."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataflows.connectors.files import Block, FileProblem, Mark
from dataflows.decoding.decoded import DeadRow, Decoded, RawRows, Reason
from dataflows.decoding.moments import MAX_TIME, MIN_TIME
from models.application.resolved.sources import FieldSpec
from models.expressions.text import to_json
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import Kind, Type

ROWS = 131_072
_BEGIN = Mark()
_PER_MICRO = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """Rows of a typed file; fields that nobody reads are read from the file when they are asked for."""

    table: Any
    declared: Mapping[str, FieldSpec]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of one row."""
        one = self.table.slice(row, 1)
        return {name: _column(one, spec, [])[0].at(0) for name, spec in self.declared.items()}

    def raw(self, row: int) -> bytes:
        """The row as JSON."""
        fields = self.fields(row)
        return json.dumps({name: to_json(self.declared[name].type, value) for name, value in fields.items()}).encode()

    def attributes(self, row: int) -> dict[str, str]:
        """Typed files have none."""
        return {}

    def take(self, rows: NDArray[np.int64]) -> FrameChunk:
        """Only these rows."""
        return FrameChunk(self.table.take(pa.array(rows)), self.declared)

    def snapshot(self) -> dict[str, Any]:
        """The rows as an Arrow stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        return {"form": "arrow", "data": sink.getvalue().to_pybytes()}

    @staticmethod
    def restored(state: Mapping[str, Any], declared: Mapping[str, FieldSpec]) -> FrameChunk:
        """The chunk that ``snapshot`` gave."""
        return FrameChunk(pa.ipc.open_stream(state["data"]).read_all(), declared)


def parquet_blocks(
    paths: Sequence[Path], fields: Mapping[str, FieldSpec], wanted: frozenset[str], mark: Mark = _BEGIN
) -> Iterator[tuple[Block, Decoded]]:
    """Batches of rows with their verdicts from a mark on, file after file.

    Raises:
        FileProblem: for a file that is no Parquet, or lacks a required column.
    """
    offset = 0
    for path in paths:
        first = 0
        try:
            file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise FileProblem(f"{path}: cannot be read as Parquet: {error}. Check the stream's file and format") from None
        names = set(file.schema_arrow.names)
        missing = [s.path[0] for s in fields.values() if s.path[0] not in names and not s.type.optional]
        if missing:
            raise FileProblem(f"{path}: expected column {missing[0]!r}; found {', '.join(sorted(names))}. Name it by path:")
        columns = sorted({spec.path[0] for spec in fields.values()} & names)
        size = path.stat().st_size / max(file.metadata.num_rows, 1)
        for part in file.iter_batches(batch_size=ROWS, columns=columns):
            skip = mark.before(path.name, first, offset, part.num_rows)
            first, offset = first + skip, offset + skip
            if skip and skip == part.num_rows:
                continue
            part, n = part.slice(skip), part.num_rows - skip
            empty = np.zeros(0, np.int64)
            rows = RawRows(np.zeros(0, np.uint8), empty, empty, np.arange(offset, offset + n))
            yield Block(rows, path.name, first, int(n * size)), _decode(part, fields, wanted)
            first, offset = first + n, offset + n
    mark.reached(offset)


def _decode(part: Any, fields: Mapping[str, FieldSpec], wanted: frozenset[str]) -> Decoded:
    dead: dict[int, DeadRow] = {}
    columns: dict[str, Column] = {}
    for name, spec in fields.items():
        problems: list[DeadRow] = []
        column, _ = _column(part, spec, problems)
        for row in problems:
            dead.setdefault(row.row, row)
        if name in wanted:
            columns[name] = column
    return Decoded(part.num_rows, columns, FrameChunk(part, fields), [dead[row] for row in sorted(dead)])


def _column(part: Any, spec: FieldSpec, problems: list[DeadRow]) -> tuple[Column, None]:
    n = part.num_rows
    if spec.path[0] not in part.schema.names:
        from models.values.column import nulls

        return nulls(spec.type, n), None
    array = part.column(spec.path[0])
    for name in spec.path[1:]:
        array = pc.struct_field(array, name)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    valid = None if array.null_count == 0 else np.asarray(array.is_valid())
    if valid is not None and not spec.type.optional:
        detail = f"field {spec.name!r} is missing or null"
        problems.extend(DeadRow(int(row), Reason.MISSING, spec.name, detail) for row in np.flatnonzero(~valid))
    column = _typed(array, spec, valid)
    if column is None:
        raise FileProblem(f"column {spec.path[0]!r}: expected {spec.type.required()}; found {array.type}. Declare the type it has")
    _check(column, spec, problems)
    return column, None


def _typed(array: Any, spec: FieldSpec, valid: NDArray[np.bool_] | None) -> Column | None:
    type_, found = spec.type, array.type
    match type_.kind:
        case Kind.STRING if pa.types.is_string(found) or pa.types.is_large_string(found):
            return Column(type_, _strings(array), valid)
        case Kind.BOOL if pa.types.is_boolean(found):
            return Column(type_, np.asarray(array.fill_null(False)), valid)
        case Kind.INT if pa.types.is_integer(found):
            return Column(type_, _numbers(array, np.int64), valid)
        case Kind.FLOAT if pa.types.is_floating(found) or pa.types.is_integer(found):
            return Column(type_, _numbers(array, np.float64), valid)
        case Kind.DECIMAL if pa.types.is_integer(found) or pa.types.is_decimal(found) or pa.types.is_floating(found):
            return _decimals(array, type_, valid)
        case Kind.TIMESTAMP if pa.types.is_timestamp(found):
            raw = _numbers(pc.cast(array, pa.int64()), np.int64)
            return Column(type_, raw // 1000 if found.unit == "ns" else raw * _PER_MICRO[found.unit], valid)
        case Kind.TIMESTAMP if pa.types.is_integer(found) and type_.unit:
            raw = _numbers(array, np.int64)
            return Column(type_, raw // 1000 if type_.unit == "ns" else raw * _PER_MICRO[type_.unit], valid)
        case Kind.DATE if pa.types.is_date(found):
            return Column(type_, _numbers(pc.cast(pc.cast(array, pa.date32()), pa.int32()), np.int64), valid)
    return None


def _numbers(array: Any, dtype: Any) -> NDArray[Any]:
    filled = array.fill_null(0) if array.null_count else array
    return np.asarray(filled).astype(dtype, copy=False)


def _decimals(array: Any, type_: Type, valid: NDArray[np.bool_] | None) -> Column | None:
    if pa.types.is_floating(array.type):
        return None
    try:
        exact = pc.cast(array, pa.decimal128(38, type_.scale))
        unscaled = pc.cast(pc.multiply(exact, pa.scalar(10**type_.scale, pa.decimal128(19, 0))), pa.int64())
    except pa.ArrowInvalid:
        return None
    return Column(type_, _numbers(unscaled, np.int64), valid)


def _strings(array: Any) -> Strings:
    large = pc.cast(array, pa.large_string())
    buffers = large.buffers()
    offsets = np.frombuffer(buffers[1], np.int64)[large.offset : large.offset + len(large) + 1]
    data = np.frombuffer(buffers[2], np.uint8) if buffers[2] is not None else np.zeros(0, np.uint8)
    return Strings(data, offsets[:-1], np.diff(offsets))


def _check(column: Column, spec: FieldSpec, problems: list[DeadRow]) -> None:
    """Values that no row may hold: NaN and infinity, and times outside the years 1 to 9999."""
    if spec.type.kind is Kind.FLOAT:
        bad = ~np.isfinite(column.values)
        reason, detail = Reason.NOT_FINITE, f"field {spec.name!r} is not finite"
    elif spec.type.kind is Kind.TIMESTAMP:
        bad = (column.values < MIN_TIME) | (column.values > MAX_TIME)
        reason, detail = Reason.TIME_RANGE, f"field {spec.name!r} lies outside the years 1 to 9999"
    else:
        return
    if bad.any():
        problems.extend(DeadRow(int(row), reason, spec.name, detail) for row in np.flatnonzero(bad & column.is_valid()))
