"""``format: cloudevents`` on topics: both modes mixed, fields of data, attributes, ids."""

from __future__ import annotations

import json
from pathlib import Path

from models.events.cloudevents import binary, structured
from tests.kafka.parts import Clock, judged, part_of, readers_of

ALERTS = """streams:
  alerts:
    from: {kafka: main/alerts}
    format: cloudevents
    lateness: 0s
    fields: {card: string, amount: float}
patterns:
  large: {by: card, when: amount > 1 and ce.type = 'alert'}
"""


def test_both_modes_are_read(tmp_path: Path) -> None:
    """The same event in binary and in structured mode gives the same row, attributes and id."""
    event = {
        "specversion": "1.0", "id": "7", "source": "/shop", "type": "alert", "time": "2026-09-01T00:00:00Z", "partitionkey": "c",
        "datacontenttype": "application/json", "data": {"card": "c", "amount": 2.5},
    }  # fmt: skip
    clock = Clock()
    readers = readers_of(tmp_path, ALERTS)
    part, consumer = part_of(readers, clock)
    for record in (binary(event), structured(event, b"c")):
        consumer.give([record.value], key=record.key, headers=record.headers)
    consumer.give([json.dumps(event).encode()])
    consumer.give([b"{}"])
    found = judged(part)[0]
    assert [dead.reason for dead in found.dead] == ["envelope"]
    assert found.batch is not None and len(found.batch) == 3
    assert len(set(found.batch.time.tolist())) == 1
    rows = found.batch.rows
    assert [rows.fields(row)["amount"] for row in range(3)] == [2.5] * 3
    for row in range(3):
        attributes = rows.attributes(row)
        assert {name: attributes[name] for name in ("id", "source", "type")} == {"id": "7", "source": "/shop", "type": "alert"}
