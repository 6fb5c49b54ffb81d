"""Debezium records to rows: values of every mode, and what cannot be read says why."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.decoded import IS_CHANGE, IS_DELETE, IS_SNAPSHOT, IS_TRUNCATION, TIME, UNCHANGED, Reason
from dataflows.decoding.json import raw_rows
from dataflows.decoding.strict_debezium import ChangeRules
from models.application.resolved.sources import FieldSpec
from models.values.types import parse_type

FIELDS = {
    name: FieldSpec(name, parse_type(text), (name,))
    for name, text in {"id": "int", "amount": "decimal(12,2)?", "day": "date?", "note": "string?"}.items()
}
DECODER = DebeziumDecoder(FIELDS, frozenset(FIELDS), frozenset(), ChangeRules(("id",)))


def envelope(op: str = "u", **after: Any) -> dict[str, Any]:
    """A plain envelope."""
    source = {"ts_us": 1_700_000_000_000_000, "name": "bank", "db": "b", "schema": "s", "table": "t", "lsn": 5, "txId": 1}
    return {"before": None, "after": after, "source": source, "op": op, "ts_ms": 1}


def decoded(record: Any) -> Any:
    """One record decoded."""
    return DECODER.decode(raw_rows([json.dumps(record).encode()]))


@pytest.mark.parametrize(
    ("after", "name", "value"),
    [
        ({"id": 1, "amount": "42.10"}, "amount", 4210),
        ({"id": 1, "amount": 42.1}, "amount", 4210),
        ({"id": 1, "amount": "AOjUpQ//"}, "amount", 999_999_999_999),
        ({"id": 1, "amount": {"scale": 0, "value": "A+g="}}, "amount", 100_000),
        ({"id": 1, "day": 19_000}, "day", 19_000),
        ({"id": 1, "note": "__debezium_unavailable_value"}, "note", None),
    ],
)
def test_values_of_every_mode(after: dict[str, Any], name: str, value: Any) -> None:
    """Decimals as text, number, base64 and with scale; days; what was not captured is NULL."""
    assert decoded(envelope(**after)).columns[name].at(0) == value


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (envelope(id=1, amount="NAN"), Reason.NOT_FINITE),
        (envelope(id=1, amount="1000"), Reason.TYPE),
        (envelope(id="1"), Reason.TYPE),
        (envelope(id=1, day=1.5), Reason.TYPE),
        (envelope(id=1, note="\ud800"), Reason.ENCODING),
        (envelope("q", id=1), Reason.ENVELOPE),
        ({**envelope(id=1), "source": {}, "ts_ms": None}, Reason.TIME_RANGE),
        ([1, 2], Reason.ENVELOPE),
    ],
)
def test_bad_records_are_named(record: Any, reason: Reason) -> None:
    """Each has its reason; a decimal that may be text or base64 is not guessed."""
    assert [dead.reason for dead in decoded(record).dead] == [reason]


@settings(max_examples=200, deadline=None)
@given(st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["u", "d", "r", "²", "NAN"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["op", "after", "before", "source", "ts_ms", "ts_us", "schema", "payload", "fields", "id", "amount"]), inner, max_size=5),
    ), max_leaves=12,
))  # fmt: skip
def test_generated_records_never_crash_it(record: Any) -> None:
    """Whatever JSON comes, the answer is a row, nothing, or a dead letter."""
    assert decoded(record).n == 1


WIDE = {
    name: FieldSpec(name, parse_type(text), (name,))
    for name, text in {
        "id": "int", "name": "string?", "amount": "decimal(6,2)?", "day": "date?", "at": "timestamp?", "ok": "bool?", "x": "float?",
    }.items()
}  # fmt: skip
SCHEMA = {
    "type": "struct",
    "fields": [{"field": "after", "fields": [
        {"field": "amount", "type": "bytes", "parameters": {"scale": "2"}},
        {"field": "at", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
        {"field": "day", "type": "int32", "name": "io.debezium.time.Date"},
    ]}],
}  # fmt: skip
images = st.fixed_dictionaries(
    {"id": st.sampled_from([1, -5, 2**63, 1.5, "1", None])},
    optional={
        "name": st.sampled_from(["", "Zoë", 'a"b\\', "__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", None, 3]),
        "amount": st.sampled_from(["42.10", "1000", "AxY=", "-7.5", "A+g=", "1E+3", "NAN", "", "=", "99999.999", "AA==", 12.5, 3, None, {"scale": 1, "value": "A+g="}]),
        "day": st.sampled_from([19_000, 2_146_033_979, -1, "2024-06-02Z", "2024-06-02", 1.5, None]),
        "at": st.sampled_from([1_700_000_000_000_000, 9_223_372_036_825_200_000, "2024-01-01T00:00:00Z", "infinity", "0000-01-01T00:00:00Z", None]),
        "ok": st.sampled_from([True, False, None, "x"]), "x": st.sampled_from([1.5, 1e300, "NaN", "Infinity", None, 7]),
        "other": st.sampled_from([{"a": [1, {"b": "c"}]}, [], "é", None, 1e5]),
    },
)  # fmt: skip
sources = st.fixed_dictionaries({}, optional={
    "ts_us": st.sampled_from([1_700_000_000_000_000, 5, None, "12", 10**18, 1.5]), "ts_ms": st.sampled_from([1_700_000_000_000, None, -5, 10**16]),
    "sequence": st.just('["1","2"]'), "table": st.sampled_from(["t", "tä"]), "lsn": st.integers(0, 9),
})  # fmt: skip
envelopes = st.fixed_dictionaries(
    {"op": st.sampled_from(["c", "u", "d", "r", "t", "m", "x", 1])},
    optional={
        "before": st.one_of(st.none(), images), "after": st.one_of(st.none(), images), "source": st.one_of(st.none(), sources),
        "ts_ms": st.sampled_from([1, None, "7"]), "ts_us": st.sampled_from([1_000, None]), "ts_ns": st.just(1), "transaction": st.one_of(st.none(), st.just({"id": "1:2"})),
    },
)  # fmt: skip
flattened = st.tuples(images, st.fixed_dictionaries({}, optional={
    "__op": st.sampled_from(["c", "u", "d", "r", "t", "zz", None]), "__deleted": st.sampled_from(["true", "false", "True", None, False]),
    "__source_ts_ms": st.sampled_from([1_700_000_000_000, None, "5", 10**17]), "__ts_ms": st.sampled_from([1, None]), "__lsn": st.just(5),
})).map(lambda both: {**both[0], **both[1]})  # fmt: skip
junk = st.sampled_from([b"", b"", b"", b" ", b'"', b"}", b"\\", b"\xff", b"\xc3\xa9", b"e5", b"-", b"0", b",", b'"op":"c",', b'"id":1,', b"NaN"])


def of_stream(*, whole: bool) -> dict[str, FieldSpec]:
    """The fields of a stream of changes."""
    extra = {"op": FieldSpec("op", parse_type("string"), ("__op",)), "__time": FieldSpec("__time", parse_type("timestamp"), ("__time",))}
    for name, spec in WIDE.items():
        if whole:
            extra[f"before.{name}"] = FieldSpec(f"before.{name}", replace(spec.type, optional=True), ("__before", name))
        extra[f"changed({name})"] = FieldSpec(f"changed({name})", parse_type("bool?"), ("__changed", name))
    return {**WIDE, **extra}


READERS = {
    "table": (WIDE, ChangeRules(("id",))),
    "untimed": (WIDE, ChangeRules(("id",), timed=False)),
    "stream": (of_stream(whole=False), ChangeRules(is_table=False)),
    "whole": (of_stream(whole=True), ChangeRules(is_table=False, whole_before=True)),
}


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_kernels_agree_with_the_strict_reading(kind: str, data: st.DataObject) -> None:
    """Law 10: values and verdicts of whole batches of mutated records are those of the strict reading, record by record."""
    fields, rules = READERS[kind]
    decoder = DebeziumDecoder(fields, frozenset(fields), frozenset({"at"}), rules)
    form = data.draw(st.sampled_from([envelopes, flattened]))
    schema = data.draw(st.sampled_from([None, None, SCHEMA]))
    raws = []
    for record in data.draw(st.lists(form, min_size=1, max_size=6)):
        whole = record if schema is None else {"schema": schema, "payload": record}
        text = json.dumps(whole, ensure_ascii=data.draw(st.booleans()), separators=data.draw(st.sampled_from([(",", ":"), (", ", ": ")]))).encode()
        at = data.draw(st.integers(0, len(text)))
        raws.append((text[:at] + data.draw(junk) + text[at:]).replace(b"\n", b""))
    found = decoder.decode(raw_rows(raws))
    dead = {row.row: (row.reason, row.field, row.detail) for row in found.dead}
    for row, raw in enumerate(raws):
        values, change, bad = decoder.reader.read(raw)
        assert dead.get(row) == (None if bad is None else (bad.reason, bad.field, bad.detail))
        is_change = change.kind == "change" or (change.kind == "truncate" and rules.is_table)
        assert found.columns[IS_CHANGE].at(row) == is_change
        if bad is None and change.kind == "change":
            assert {name: found.columns[name].at(row) for name in fields} == {name: values.get(name) for name in fields}
            assert found.columns[IS_DELETE].at(row) == change.is_delete
            assert found.columns[IS_SNAPSHOT].at(row) == change.is_snapshot
            if rules.is_table:
                assert not found.columns[IS_TRUNCATION].at(row)
                assert found.columns[UNCHANGED].at(row) == decoder.reader.unchanged(change)
            if rules.timed:
                assert found.columns[TIME].at(row) == change.time
