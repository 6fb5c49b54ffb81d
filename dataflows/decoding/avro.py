"""Avro records as a schema registry frames them: a zero byte, the schema's id, the record; to typed columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader
from numpy.typing import NDArray

from dataflows.decoding.avro_types import Convert, field_convert
from dataflows.decoding.decoded import DeadRow, Decoded, RawRows, Reason, rows_from, rows_state
from dataflows.decoding.framing import FRAME, schema_id
from dataflows.decoding.json import raw_rows
from dataflows.decoding.strict import Bad
from models.application.resolved.sources import FieldSpec
from models.values.column import column_of

Texts = tuple[str, ...]
"""A schema's JSON text, after those of the schemas that it refers to."""
Ask = Callable[[int], Texts | str]
"""Gives the schema of an id, or says why there is none."""


class AvroDecoder:
    """Decodes records of one stream; ``wanted`` fields are kept, those in ``first`` are judged before the others."""

    def __init__(self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str], ask: Ask) -> None:
        self.declared = fields
        self.wanted = wanted
        self.first = first
        self.ask = ask
        self.known: dict[int, Texts | str] = {}

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole records, in order."""
        values: dict[str, list[Any]] = {name: [] for name in self.wanted}
        dead: list[DeadRow] = []
        for row in range(len(rows)):
            found, bad = self._read(rows.bytes_at(row))
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
            for name, column in values.items():
                column.append(found.get(name))
        columns = {name: column_of(self.declared[name].type, column) for name, column in values.items()}
        return Decoded(len(rows), columns, AvroChunk(rows, self.declared, self.known), dead)

    def _read(self, raw: bytes) -> tuple[dict[str, Any], Bad | None]:
        id = schema_id(raw)
        if id is None:
            found = raw[:FRAME].hex(" ") or "0 bytes"
            return {}, Bad(Reason.ENVELOPE, f"expected a schema registry's frame, a zero byte and a schema's id; found {found}")
        if id not in self.known:
            self.known[id] = self.ask(id)
        texts = self.known[id]
        if isinstance(texts, str):
            return {}, Bad(Reason.ENVELOPE, texts)
        return read_record(raw, texts, self.declared, self.first)


@dataclass(frozen=True, slots=True)
class AvroChunk:
    """Records in Avro with the schemas of their ids."""

    rows: RawRows
    declared: Mapping[str, FieldSpec]
    schemas: Mapping[int, Texts | str]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields of a good row."""
        raw = self.raw(row)
        texts = self.schemas[schema_id(raw) or 0]
        assert not isinstance(texts, str)
        return read_record(raw, texts, self.declared, frozenset())[0]

    def raw(self, row: int) -> bytes:
        """The record's bytes, frame and all."""
        return self.rows.bytes_at(row)

    def attributes(self, row: int) -> dict[str, str]:
        """Avro has none."""
        return {}

    def take(self, rows: NDArray[Any]) -> AvroChunk:
        """Only these rows, with bytes of their own."""
        return AvroChunk(raw_rows([self.raw(int(row)) for row in rows]), self.declared, dict(self.schemas))

    def snapshot(self) -> dict[str, Any]:
        """The records' bytes and their schemas."""
        texts = {id: list(texts) for id, texts in self.schemas.items() if not isinstance(texts, str)}
        return {**rows_state("avro", self.rows), "schemas": texts}

    @staticmethod
    def restored(state: Mapping[str, Any], declared: Mapping[str, FieldSpec]) -> AvroChunk:
        """The chunk that ``snapshot`` gave."""
        return AvroChunk(rows_from(state), declared, {int(id): tuple(texts) for id, texts in state["schemas"].items()})


def read_record(
    raw: bytes, texts: Texts, fields: Mapping[str, FieldSpec], first: frozenset[str]
) -> tuple[dict[str, Any], Bad | None]:
    """All declared fields of a framed record as stored values, and the first problem."""
    try:
        schema = _schema_of(texts)
        record = schema.read(raw)
    except Bad as bad:
        return {}, bad
    found: dict[str, Any] = {}
    problems: list[Bad] = []
    for spec, convert in schema.converts(fields):
        try:
            found[spec.name] = _value(record, spec, convert)
        except Bad as bad:
            bad.field = spec.name
            problems.append(bad)
    early = [bad for bad in problems if bad.field in first]
    return found, next(iter(early or problems), None)


def _value(record: Any, spec: FieldSpec, convert: Convert | None) -> Any:
    value = record
    for part in spec.path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or convert is None:
        if spec.type.optional:
            return None
        raise Bad(Reason.MISSING, f"field {spec.name!r} is missing or null")
    return convert(value)


class _Schema:
    """One writer's schema: records are read without its logical types, which the declared types then take."""

    def __init__(self, texts: Texts) -> None:
        whole = [json.loads(text) for text in texts]
        self.names: dict[str, Any] = {}
        self.parsed = _parsed(whole, self.names)
        self.plain = _parsed([_without_logical(each) for each in whole], {})
        self.by_fields: dict[int, tuple[Mapping[str, FieldSpec], list[tuple[FieldSpec, Convert | None]]]] = {}

    def read(self, raw: bytes) -> Any:
        body = BytesIO(raw)
        body.seek(FRAME)
        try:
            record = schemaless_reader(body, self.plain, None)
        except UnicodeDecodeError as error:
            raise Bad(Reason.ENCODING, f"text that is not UTF-8 at byte {error.start} of a value") from None
        except Exception as error:  # the reader's own, which are many
            raise Bad(Reason.SYNTAX, f"not a record of its schema: {error or type(error).__name__}") from None
        if body.tell() != len(raw):
            raise Bad(Reason.SYNTAX, f"not a record of its schema: {len(raw) - body.tell()} bytes are left over")
        return record

    def converts(self, fields: Mapping[str, FieldSpec]) -> list[tuple[FieldSpec, Convert | None]]:
        """Each declared field, and how its values are stored."""
        known = self.by_fields.get(id(fields))
        if known is None or known[0] is not fields:
            known = fields, [(spec, field_convert(self.parsed, self.names, spec)) for spec in fields.values()]
            self.by_fields[id(fields)] = known
        return known[1]


@lru_cache(1000)
def _schema_of(texts: Texts) -> _Schema:
    return _Schema(texts)


def problem_of(texts: Texts) -> str | None:
    """Why a schema cannot be read, None if it can."""
    try:
        _schema_of(texts)
    except Exception as error:  # the parser's own, which are many
        return str(error) or type(error).__name__
    return None


def _parsed(schemas: Sequence[Any], names: dict[str, Any]) -> Any:
    found: Any = None
    for schema in schemas:
        found = parse_schema(schema, named_schemas=names)
    return found


def _without_logical(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_logical(each) for each in schema]
    if isinstance(schema, dict):
        return {key: _without_logical(value) for key, value in schema.items() if key != "logicalType"}
    return schema
