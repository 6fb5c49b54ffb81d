"""Debezium records to rows: values of every mode, and what cannot be read says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.decoded import Reason
from dataflows.decoding.json import raw_rows
from models.application.resolved import FieldSpec
from models.values.types import parse_type

FIELDS = {
    name: FieldSpec(name, parse_type(text), (name,))
    for name, text in {"id": "int", "amount": "decimal(12,2)?", "day": "date?", "note": "string?"}.items()
}
DECODER = DebeziumDecoder(FIELDS, frozenset(FIELDS), frozenset(), ("id",))


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
