"""CSV rows to typed columns: each scalar read from its text by the declared type (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.connectors.files import BLOCK, Block, FileProblem, opened
from dataflows.decoding.decoded import DeadRow, Decoded, RawRows, Reason, rows_state
from dataflows.decoding.json import JsonChunk, raw_rows
from dataflows.decoding.strict import Bad, Number, convert
from models.application.resolved import FieldSpec
from models.values.column import column_of
from models.values.types import Kind, Type

_NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})


def csv_blocks(paths: Sequence[Path]) -> Iterator[Block]:
    """Records of files; each is passed on as one line of bytes with its header's names (header, a zero byte, record)."""
    offset = 0
    for path in paths:
        first = 0
        try:
            with opened(path) as file:
                whole = file.read()
        except OSError as error:
            raise FileProblem(f"{path}: cannot be read: {error.strerror}. Check that the file exists and may be read") from error
        records = _records(whole)
        header = next(records, b"")
        for batch in _batches(records):
            rows = raw_rows([header + b"\0" + record for record in batch])
            size = sum(len(record) + 1 for record in batch)
            yield Block(RawRows(rows.data, rows.start, rows.stop, np.arange(offset, offset + len(batch))), path.name, first, size)
            first, offset = first + len(batch), offset + len(batch)


class CsvDecoder:
    """Decodes records of one source."""

    def __init__(self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str]) -> None:
        self.declared = fields
        self.wanted = wanted
        self.first = first

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole records, in order."""
        values: dict[str, list[Any]] = {name: [] for name in self.wanted}
        dead: list[DeadRow] = []
        for row in range(len(rows)):
            found, bad = record_values(rows.bytes_at(row), self.declared, self.first)
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
            for name, column in values.items():
                column.append(found.get(name))
        columns = {name: column_of(self.declared[name].type, column) for name, column in values.items()}
        return Decoded(len(rows), columns, CsvChunk(rows, self.declared), dead)


class CsvChunk(JsonChunk):
    """Rows as CSV text with their header."""

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row."""
        return record_values(self.rows.bytes_at(row), self.declared, frozenset())[0]

    def raw(self, row: int) -> bytes:
        """The record's bytes."""
        return self.rows.bytes_at(row).partition(b"\0")[2]

    def snapshot(self) -> dict[str, Any]:
        """The rows' bytes, each with its header."""
        return rows_state("csv", self.rows)


def record_values(raw: bytes, fields: Mapping[str, FieldSpec], first: frozenset[str]) -> tuple[dict[str, Any], Bad | None]:
    """A record's stored values, and the first problem."""
    head, _, body = raw.partition(b"\0")
    try:
        cells = _cells(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        return {}, Bad(Reason.ENCODING, f"not UTF-8 at byte {error.start}")
    names = [text for text, _ in _cells(head.decode("utf-8", "replace"))]
    if len(cells) != len(names):
        return {}, Bad(Reason.SYNTAX, f"expected {len(names)} cells as in the header; found {len(cells)}")
    by_name = dict(zip(names, cells, strict=True))
    found: dict[str, Any] = {}
    problems: list[Bad] = []
    for name, spec in fields.items():
        try:
            found[name] = _value(by_name.get(".".join(spec.path)), spec)
        except Bad as bad:
            bad.field = name
            problems.append(bad)
    early = [bad for bad in problems if bad.field in first]
    return found, next(iter(early or problems), None)


def _value(cell: tuple[str, bool] | None, spec: FieldSpec) -> Any:
    if cell is None or (cell[0] == "" and not cell[1]):
        if spec.type.optional:
            return None
        raise Bad(Reason.MISSING, f"field {spec.name!r} is missing or null")
    return convert(_typed(cell[0], spec.type), spec.type, spec.name)


def _typed(text: str, type_: Type) -> Any:
    if type_.kind is Kind.BOOL:
        return {"true": True, "false": False}.get(text, text)
    if type_.kind in _NUMBERS or (type_.unit and text.lstrip("-").isdigit()):
        try:
            float(text)
        except ValueError:
            return text
        return Number(text) if text.strip() == text and "_" not in text and text.lower().lstrip("-")[:1].isdigit() else text
    return text


def _cells(record: str) -> list[tuple[str, bool]]:
    """Cells, and whether each was quoted: only an unquoted empty one is null."""
    if '"' not in record:
        return [(cell, False) for cell in record.split(",")]
    texts = next(csv.reader(io.StringIO(record), strict=False), [])
    cells: list[tuple[str, bool]] = []
    at = 0
    for text in texts:
        quoted = record[at : at + 1] == '"'
        cells.append((text, quoted))
        at += len(text) + (2 + text.count('"') if quoted else 0) + 1
    return cells


def _records(whole: bytes) -> Iterator[bytes]:
    """Records of a file; a newline inside quotes ends none."""
    held = b""
    for line in whole.split(b"\n"):
        held = held + b"\n" + line if held else line
        if held.count(b'"') % 2 == 0:
            if record := held.removesuffix(b"\r"):
                yield record
            held = b""
    if held:
        yield held


def _batches(records: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record)
        if size >= BLOCK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
