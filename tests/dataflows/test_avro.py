"""Avro by its writer's schema: what widens without loss fits, everything else is a dead letter that says why."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.decoding.avro import AvroChunk, AvroDecoder, problem_of
from dataflows.decoding.decoded import Decoded, Reason
from dataflows.decoding.json import raw_rows
from models.application.resolved.sources import FieldSpec
from models.values.types import parse_type

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def framed(schema: Any, value: Any, id: int = 1) -> bytes:
    """A record as a registry's serializer writes it."""
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return bytes([0]) + id.to_bytes(4, "big") + out.getvalue()


def record(*fields: tuple[str, Any]) -> dict[str, Any]:
    """A record's schema."""
    return {"type": "record", "name": "Row", "namespace": "shop", "fields": [{"name": name, "type": type_} for name, type_ in fields]}


def logical(of: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": of, "logicalType": name, **more}


def specs(**types: str) -> dict[str, FieldSpec]:
    return {name: FieldSpec(name, parse_type(text), tuple(name.split("__"))) for name, text in types.items()}


def decoded(schema: Any, raws: list[bytes], first: str = "", **types: str) -> Decoded:
    fields = specs(**types)
    decoder = AvroDecoder(fields, frozenset(fields), frozenset({first}), lambda id: (json.dumps(schema),) if id == 1 else f"no schema {id}")
    return decoder.decode(raw_rows(raws))


MICROS = 1_700_000_000_123_456
MOMENT = datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_456)


@pytest.mark.parametrize(
    ("avro", "value", "type_", "stored"),
    [
        ("string", "Zoë", "string", "Zoë"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "string", "B"),
        (logical("string", "uuid"), "0b9d3c1e-3a55-4a43-9d3b-1a60f0d3a001", "string", "0b9d3c1e-3a55-4a43-9d3b-1a60f0d3a001"),
        ("boolean", True, "bool", True),
        ("int", -5, "int", -5),
        ("long", 2**63 - 1, "int", 2**63 - 1),
        ("int", 3, "float", 3.0),
        ("float", 0.5, "float", 0.5),
        ("double", 1e300, "float", 1e300),
        ("long", 7, "decimal(12,2)", 700),
        (logical("bytes", "decimal", precision=12, scale=2), Decimal("-42.10"), "decimal(12,2)", -4210),
        (logical("bytes", "decimal", precision=12, scale=2), Decimal("42.10"), "decimal(12,4)", 421000),
        (logical("bytes", "decimal", precision=12, scale=4), Decimal("42.1000"), "decimal(12,1)", 421),
        ({"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 2}, Decimal("0.01"), "decimal(12,2)", 1),
        (logical("long", "timestamp-micros"), MOMENT, "timestamp", MICROS),
        (logical("long", "timestamp-millis"), MOMENT, "timestamp", MICROS // 1000 * 1000),
        (logical("long", "local-timestamp-micros"), MICROS, "timestamp", MICROS),
        (logical("long", "timestamp-nanos"), MICROS * 1000 + 999, "timestamp", MICROS),
        ("long", MICROS // 1000, "timestamp[ms]", MICROS // 1000 * 1000),
        ("string", "2023-11-14T22:13:20.123456Z", "timestamp", MICROS),
        (logical("int", "date"), date(2024, 2, 29), "date", 19782),
        ("string", "2024-02-29", "date", 19782),
        ({"type": "array", "items": "string"}, ["a", "b"], "list<string>", ("a", "b")),
        ({"type": "array", "items": ["null", "int"]}, [1, None], "list<int?>", (1, None)),
        (["null", "string"], None, "string?", None),
        (["null", logical("long", "timestamp-millis")], MOMENT, "timestamp", MICROS // 1000 * 1000),
        (["null", "string", "long"], 5, "int", 5),
        (logical("long", "unheard-of"), 5, "int", 5),
    ],
)  # fmt: skip
def test_types_that_fit(avro: Any, value: Any, type_: str, stored: Any) -> None:
    """Logical types, unions with null, named types; an unknown logical type counts as none (Avro 1.12)."""
    found = decoded(record(("x", avro)), [framed(record(("x", avro)), {"x": value})], x=type_)
    assert found.dead == []
    assert found.columns["x"].at(0) == stored
    assert found.chunk.fields(0) == {"x": stored}


@pytest.mark.parametrize(
    ("avro", "value", "type_", "reason", "detail"),
    [
        ("string", "12", "int", Reason.TYPE, "expected int; found Avro string. Declare the type it has"),
        ("double", 1.0, "int", Reason.TYPE, "expected int; found Avro double"),
        ("double", 1.0, "decimal(12,2)", Reason.TYPE, "expected decimal(12,2); found Avro double"),
        ("bytes", b"x", "string", Reason.TYPE, "expected string; found Avro bytes"),
        ("long", 5, "timestamp", Reason.TYPE, "expected timestamp; found Avro long"),
        (logical("long", "timestamp-millis"), MOMENT, "int", Reason.TYPE, "found Avro long (timestamp-millis)"),
        (logical("int", "time-millis"), 5, "int", Reason.TYPE, "found Avro int (time-millis)"),
        (logical("bytes", "decimal", precision=12, scale=3), Decimal("42.105"), "decimal(12,2)", Reason.TYPE, "found 42105 with 3 decimals"),
        (logical("bytes", "decimal", precision=20, scale=2), Decimal("12345678901234.00"), "decimal(12,2)", Reason.TYPE, "with 2 decimals"),
        ("double", float("nan"), "float", Reason.NOT_FINITE, "nan is no finite number"),
        ("float", float("inf"), "float", Reason.NOT_FINITE, "inf is no finite number"),
        ("long", 10**17, "timestamp[ms]", Reason.TIME_RANGE, "outside the years 1 to 9999"),
        (logical("int", "date"), 2**31 - 1, "date", Reason.TIME_RANGE, "outside the years 1 to 9999"),
        ("string", "soon", "timestamp", Reason.TYPE, "expected timestamp; found 'soon'"),
        (["null", "string"], None, "string", Reason.MISSING, "field 'x' is missing or null"),
        ({"type": "array", "items": ["null", "int"]}, [None], "list<int>", Reason.TYPE, "expected items of int; found null"),
        (["null", "string", "long"], "a", "int", Reason.TYPE, "expected int; found Avro string"),
    ],
)  # fmt: skip
def test_types_that_do_not_fit(avro: Any, value: Any, type_: str, reason: Reason, detail: str) -> None:
    """Never silently something else."""
    found = decoded(record(("x", avro)), [framed(record(("x", avro)), {"x": value})], x=type_)
    assert [(row.reason, row.field) for row in found.dead] == [(reason, "x")]
    assert detail in found.dead[0].detail


def test_nested_fields_and_missing_ones() -> None:
    """By path, through unions and named types; a field that the schema lacks is NULL, or missing where it is required."""
    place = {"type": "record", "name": "Place", "fields": [{"name": "city", "type": ["null", "string"]}]}
    schema = record(("home", ["null", place]), ("work", "Place"))
    value = {"home": {"city": "Rome"}, "work": {"city": None}}
    found = decoded(schema, [framed(schema, value)], home__city="string", work__city="string?", other="int?")
    assert found.chunk.fields(0) == {"home__city": "Rome", "work__city": None, "other": None}
    found = decoded(schema, [framed(schema, {"home": None, "work": {"city": "x"}})], home__city="string?", other="int")
    assert [(row.reason, row.field) for row in found.dead] == [(Reason.MISSING, "other")]


SCHEMA = record(("id", "long"), ("name", ["null", "string"]), ("at", logical("long", "timestamp-millis")))
GOOD = framed(SCHEMA, {"id": 1, "name": "a", "at": MOMENT})


@pytest.mark.parametrize(
    ("raw", "reason", "detail"),
    [
        (b"", Reason.ENVELOPE, "expected a schema registry's frame, a zero byte and a schema's id; found 0 bytes"),
        (b'{"id":1}', Reason.ENVELOPE, "found 7b 22 69 64 22"),
        (framed(SCHEMA, {"id": 1, "name": "a", "at": MOMENT}, 7), Reason.ENVELOPE, "no schema 7"),
        (GOOD[:-1], Reason.SYNTAX, "not a record of its schema"),
        (GOOD + b"x", Reason.SYNTAX, "not a record of its schema: 1 bytes are left over"),
        (GOOD.replace(b"\x02a", b"\x02\xff"), Reason.ENCODING, "text that is not UTF-8"),
    ],
)  # fmt: skip
def test_records_that_cannot_be_read(raw: bytes, reason: Reason, detail: str) -> None:
    """Each is a dead letter; the rest of the batch goes on."""
    found = decoded(SCHEMA, [GOOD, raw, GOOD], id="int", name="string?", at="timestamp")
    assert [(row.row, row.reason) for row in found.dead] == [(1, reason)]
    assert detail in found.dead[0].detail
    assert [found.columns["id"].at(row) for row in (0, 2)] == [1, 1]
    assert found.chunk.raw(1) == raw


def test_what_is_judged_first() -> None:
    """Fields of the condition and the time before the others, in whatever order the file declares them."""
    schema = record(("a", "string"), ("b", "string"))
    raw = framed(schema, {"a": "x", "b": "y"})
    assert decoded(schema, [raw], a="int", b="int").dead[0].field == "a"
    assert decoded(schema, [raw], "b", a="int", b="int").dead[0].field == "b"


def test_a_chunk_comes_back_from_its_snapshot() -> None:
    """With its schemas, and so does a part of it."""
    found = decoded(SCHEMA, [GOOD, GOOD], id="int", name="string?", at="timestamp")
    part = found.chunk.take(np.array([1]))
    again = AvroChunk.restored(part.snapshot(), specs(id="int", name="string?", at="timestamp"))
    assert again.fields(0) == found.chunk.fields(1) == {"id": 1, "name": "a", "at": MICROS // 1000 * 1000}
    assert again.attributes(0) == {}


def test_schemas_that_cannot_be_read() -> None:
    """The problem in words."""
    assert problem_of(('{"type": "recrd"}',)) is not None
    assert problem_of((json.dumps(record(("x", "Nowhere"))),)) is not None
    assert problem_of((json.dumps(SCHEMA),)) is None


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(GOOD)), junk=st.binary(max_size=6), drop=st.integers(0, 6))
def test_generated_records_never_crash_it(at: int, junk: bytes, drop: int) -> None:
    """Whatever the bytes are."""
    raw = GOOD[:at] + junk + GOOD[at + drop :]
    found = decoded(SCHEMA, [raw], id="int", name="string?", at="timestamp")
    assert found.n == 1 and len(found.dead) <= 1
