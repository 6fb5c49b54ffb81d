"""CloudEvents: fields of data, attributes by name, time and id of their own; kernels agree with the strict reading."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.decoding.cloudevents import CloudEventsDecoder
from dataflows.decoding.decoded import RawRows, Reason
from dataflows.decoding.json import raw_rows
from dataflows.running import Job, run_here
from models.application.load import load
from models.application.resolved.sources import FieldSpec
from models.values.types import parse_type

FIELDS = {
    "n": FieldSpec("n", parse_type("int"), ("data", "n")),
    "name": FieldSpec("name", parse_type("string?"), ("data", "name")),
    "ce.id": FieldSpec("ce.id", parse_type("string"), ("id",)),
    "ce.source": FieldSpec("ce.source", parse_type("string"), ("source",)),
    "ce.type": FieldSpec("ce.type", parse_type("string"), ("type",)),
    "ce.specversion": FieldSpec("ce.specversion", parse_type("string"), ("specversion",)),
    "ce.time": FieldSpec("ce.time", parse_type("timestamp"), ("time",)),
    "ce.subject": FieldSpec("ce.subject", parse_type("string?"), ("subject",)),
}
DECODER = CloudEventsDecoder(FIELDS, frozenset(FIELDS), frozenset())


def event(data: Any = None, **attributes: Any) -> dict[str, Any]:
    """A structured event."""
    plain = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "time": "2024-01-01T00:00:00Z"}
    return {**plain, **attributes, "data": {"n": 1} if data is None else data}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (event(id=None), Reason.ENVELOPE),
        (event(type=""), Reason.ENVELOPE),
        (event(specversion="0.3"), Reason.ENVELOPE),
        (event([1]), Reason.ENVELOPE),
        (event({"n": "1"}), Reason.TYPE),
        (event({}), Reason.MISSING),
        (event(time="yesterday"), Reason.TYPE),
        (event(time=None), Reason.MISSING),
        ([1], Reason.SYNTAX),
    ],
)
def test_bad_events_are_named(record: Any, reason: Reason) -> None:
    """Each has its reason."""
    assert [dead.reason for dead in DECODER.decode(raw_rows([json.dumps(record).encode()])).dead] == [reason]


def test_a_declared_key_of_data_counts_as_duplicate() -> None:
    """Undeclared ones may stand twice."""
    text = json.dumps(event()).encode()
    for extra, dead in ((b'"n": 2, ', [Reason.DUPLICATE_KEY]), (b'"x": 1, "x": 2, ', [])):
        assert [row.reason for row in DECODER.decode(raw_rows([text.replace(b'{"n"', b"{" + extra + b'"n"')])).dead] == dead


def test_data_in_base64_and_in_binary_mode() -> None:
    """The same event three ways."""
    packed = {**event(), "data_base64": base64.b64encode(b'{"n": 1}').decode()}
    del packed["data"]
    headers = [(f"ce_{name}", value) for name, value in event().items() if name != "data"]
    binary = raw_rows([b'{"n": 1}'])
    binary = RawRows(binary.data, binary.start, binary.stop, binary.offset, headers=[headers])
    values = []
    for rows in (raw_rows([json.dumps(event()).encode()]), raw_rows([json.dumps(packed).encode()]), binary):
        found = DECODER.decode(rows)
        assert not found.dead
        values.append(({name: column.at(0) for name, column in found.columns.items()}, found.chunk.attributes(0)))
    assert values[0] == values[1] == values[2]


objects = st.fixed_dictionaries({"n": st.sampled_from([1, "1", None, 2.5])}, optional={
    "name": st.sampled_from(["a", "é", 'a"b', None, 1]), "x": st.sampled_from([{"n": 1}, [1, "]"], "}"]),
})  # fmt: skip
events = st.builds(
    lambda data, more, order: dict(sorted(event(data, **more).items(), key=lambda item: hash((order, item[0])))),
    st.one_of(objects, st.sampled_from([[], "x", None])),
    st.fixed_dictionaries({}, optional={"subject": st.sampled_from(["s", None, 5]), "id": st.sampled_from(["", "é", 7]), "ext": st.sampled_from([True, 5, {"a": 1}])}),
    st.integers(0, 9),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(events, min_size=1, max_size=5), st.data())
def test_kernels_agree_with_the_strict_reading(records: list[Any], data: st.DataObject) -> None:
    """Law 10, on mutated events."""
    raws = []
    for record in records:
        text = json.dumps(record, ensure_ascii=data.draw(st.booleans())).encode()
        at = data.draw(st.integers(0, len(text)))
        raws.append(text[:at] + data.draw(st.sampled_from([b"", b"", b" ", b'"', b"}", b"\\", b"\xff", b",", b'"data":{},'])) + text[at:])
    found = DECODER.decode(raw_rows(raws))
    dead = {row.row: (row.reason, row.detail) for row in found.dead}
    for row, raw in enumerate(raws):
        values, bad = DECODER.reader.read(raw)
        assert dead.get(row) == (None if bad is None else (bad.reason, bad.detail))
        if bad is None:
            assert {name: column.at(row) for name, column in found.columns.items()} == values


APPLICATION = """tocsin: 1
name: events
streams:
  orders:
    from: {file: orders.jsonl}
    format: cloudevents
    dedup: 1h
    fields: {n: int, region: {type: "string?", path: ce.region}}
patterns:
  large: {on: orders, when: "n > 5 and ce.type = 'order.v1' and region = 'eu'"}
flags:
  to: {file: flags.jsonl}
"""


def test_from_a_file_to_flags(tmp_path: Path) -> None:
    """Time and id are the event's own; the same source and id again is dropped; attributes reach the flag."""
    rows = [
        event({"n": 9}, type="order.v1", id="1", region="eu", time="2024-01-01T00:00:00Z", correlationid="c"),
        event({"n": 9}, type="order.v1", id="1", region="eu", time="2024-01-01T00:01:00Z"),
        event({"n": 9}, type="order.v2", id="2", region="eu", time="2024-01-01T00:02:00Z"),
        event({"n": 9}, type="order.v1", id="1", source="/b", region="eu", time="2024-01-01T00:03:00Z"),
        event({"n": 9}, type="order.v1", id="5", region="us", time="2024-01-01T00:04:00Z"),
    ]
    (tmp_path / "orders.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "app.yaml").write_text(APPLICATION)
    counts = run_here(Job(load(tmp_path / "app.yaml"), 2, lambda: "now"))
    flags = [json.loads(line) for line in (tmp_path / "flags.jsonl").read_bytes().splitlines()]
    assert counts.duplicates["orders"] == 1
    assert [(flag["causationid"], flag["correlationid"], flag["time"]) for flag in flags] == [
        ("/a1", "c", "2024-01-01T00:00:00Z"), ("/b1", "/b1", "2024-01-01T00:03:00Z"),
    ]  # fmt: skip
    assert flags[0]["data"]["evidence"][0]["fields"]["ce.type"] == "order.v1"
