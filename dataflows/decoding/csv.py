"""CSV rows to typed columns: each scalar read from its text by the declared type (RFC 4180)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dataflows.decoding.decoded import DeadRow, Decoded, RawRows, Reason, rows_state
from dataflows.decoding.json import JsonChunk
from dataflows.decoding.plain import RowReader
from dataflows.decoding.strict import Bad, Number, convert
from models.application.resolved.sources import FieldSpec
from models.values.column import column_of
from models.values.types import Kind, Type

_NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})


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
        return Decoded(len(rows), columns, CsvChunk(rows, RowReader(self.declared)), dead)


class CsvChunk(JsonChunk):
    """Rows as CSV text with their header."""

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row."""
        return record_values(self.rows.bytes_at(row), self.reader.declared, frozenset())[0]

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
        names = [text for text, _ in _cells(head.decode("utf-8", "replace"))]
    except UnicodeDecodeError as error:
        return {}, Bad(Reason.ENCODING, f"not UTF-8 at byte {error.start}")
    except Bad as bad:
        return {}, bad
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
    """Cells, and whether each was quoted: only an unquoted empty one is null.

    Raises:
        Bad: where a quote is not closed, or stands inside a cell.
    """
    if '"' not in record:
        return [(cell, False) for cell in record.split(",")]
    cells: list[tuple[str, bool]] = []
    at = 0
    while True:
        found = _CELL.match(record, at)
        if found is None:
            raise Bad(Reason.SYNTAX, f"a quote that is not closed or stands inside a cell, in the cell at character {at + 1}")
        quoted = found[1] is not None
        cells.append((found[1].replace('""', '"') if quoted else found[2], quoted))
        at = found.end() + 1
        if at > len(record):
            return cells


_CELL = re.compile(r'(?:"((?:[^"]|"")*+)"|([^",]*))(?=,|\Z)')
