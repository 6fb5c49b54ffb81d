"""The fast JSON decoder gives the verdicts and values of the strict reading, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.decoding.decoded import Reason
from dataflows.decoding.json import JsonDecoder, split_lines
from dataflows.decoding.strict import Bad, parse, values_of
from models.application.resolved.sources import FieldSpec
from models.values.types import parse_type

FIELDS = {
    name: FieldSpec(name, parse_type(text), (name,))
    for name, text in {
        "s": "string", "i": "int?", "f": "float?", "d": "decimal(6,2)?", "e": "decimal(18,16)?", "b": "bool?", "t": "timestamp[ms]?", "u": "timestamp?", "day": "date?",
    }.items()
}  # fmt: skip
DECODER = JsonDecoder(FIELDS, frozenset(FIELDS), frozenset())


def strictly(raw: bytes) -> tuple[dict[str, Any], Reason | None]:
    """The strict reading's answer."""
    try:
        values, bad = values_of(parse(raw, frozenset(FIELDS)), FIELDS)
    except Bad as error:
        return {}, error.reason
    return values, None if bad is None else bad.reason


value = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4), st.sampled_from(["2024-02-29T23:59:59.5Z", "2023-02-29", "2024-02-29", "2024-01-01T00:00:00+01:00", 12.5, 1.005, 123456.78, -0.0, 1e-7, 0.1]),
)  # fmt: skip
rows = st.dictionaries(st.sampled_from([*FIELDS, "other"]), value, max_size=6)


@settings(max_examples=300, deadline=None)
@given(rows, st.booleans(), st.integers(0, 200), st.sampled_from([b"", b" ", b'"', b"}", b"\\", b"\xff", b"e5", b"-", b"0"]))
def test_verdict_and_values_equal_the_strict_reading(row: dict[str, Any], ascii_: bool, at: int, junk: bytes) -> None:
    """Law 10: mutated JSON is judged alike by kernel and strict parser."""
    row.setdefault("s", "x")
    text = json.dumps(row, ensure_ascii=ascii_).encode()
    raw = (text[: at % len(text)] + junk + text[at % len(text) :]).replace(b"\n", b"")
    decoded = DECODER.decode(split_lines(raw + b"\n"))
    if not raw.strip():
        assert decoded.n == 0
        return
    values, reason = strictly(raw)
    assert [dead.reason for dead in decoded.dead] == ([] if reason is None else [reason])
    if reason is None:
        assert {name: column.at(0) for name, column in decoded.columns.items()} == values
        assert repr(decoded.chunk.fields(0)) == repr(values), "what a flag shows is what was judged, to the sign of a zero"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"s": "x", "i": "12"}', Reason.TYPE),
        (b'{"s": "x", "f": NaN}', Reason.NOT_FINITE),
        (b'{"s": null}', Reason.MISSING),
        (b'{"s": "x", "s": "y"}', Reason.DUPLICATE_KEY),
        (b'{"s": "\\ud800"}', Reason.ENCODING),
        (b'{"s": "\xff"}', Reason.ENCODING),
        (b'{"s": "x"', Reason.SYNTAX),
        (b'{"s": "x", "t": 999999999999999}', Reason.TIME_RANGE),
        (b'{"s": "x", "i": 1.0}', Reason.TYPE),
        (b'{"s": "x", "d": 1.005}', Reason.TYPE),
    ],
)
def test_bad_rows_are_named(raw: bytes, reason: Reason) -> None:
    """Each kind of bad row has its reason, and does not harm its neighbours."""
    decoded = DECODER.decode(split_lines(b'{"s": "a"}\n' + raw + b'\n{"s": "b", "i": 3}\n'))
    assert [(dead.row, dead.reason) for dead in decoded.dead] == [(1, reason)]
    assert decoded.columns["s"].at(0) == "a"
    assert decoded.columns["i"].at(2) == 3


def test_a_row_of_five_megabytes_is_a_row() -> None:
    """Length alone is no fault."""
    decoded = DECODER.decode(split_lines(json.dumps({"s": "x" * 5_000_000}).encode()))
    assert not decoded.dead
    assert len(decoded.columns["s"].at(0)) == 5_000_000


def test_negative_times_are_times() -> None:
    """Before 1970 there was time too."""
    assert DECODER.decode(split_lines(b'{"s": "x", "t": -5}')).columns["t"].at(0) == -5000


def test_the_last_line_counts_without_its_newline() -> None:
    """A complete last line is a row, half a line a dead letter."""
    decoded = DECODER.decode(split_lines(b'{"s": "a"}\n{"s": "b"}'))
    assert decoded.columns["s"].to_list() == ["a", "b"]
    assert DECODER.decode(split_lines(b'{"s": "a"}\n{"s": "b')).dead[0].reason is Reason.SYNTAX
