"""Debezium's changes on topics: keys of records, tombstones, key changes between partitions, truncations, restarts of the connector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dataflows.connectors.kafka.embedded import Broker
from dataflows.running import Job, run_here
from models.application.load import load
from tests.kafka.test_end_to_end import bounded

START = 1_790_000_000_000_000
APPLICATION = """tocsin: 1
name: bank
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}'}}}}
streams:
  payments:
    from: {{file: payments.jsonl}}
    time: ts
    join: {{account: {{table: accounts, on: id}}}}
    fields: {{id: int, ts: "timestamp[us]"}}
tables:
  accounts:
    from: {{kafka: main/{topic}}}
    format: debezium
    key: id
    fields: {{id: int, status: "string?"}}
patterns:
  known: {{on: payments, by: id, when: "account.status = 'open'"}}
flags: {{to: {{file: flags.jsonl}}}}
"""
Record = tuple[int, Any, Any]
"""Partition, key, value."""


def change(at: int, op: str, id: int, status: str = "open", **more: Any) -> dict[str, Any]:
    """An envelope of a moment (milliseconds)."""
    row = {"id": id, "status": status}
    source = {"name": "b", "db": "b", "schema": "s", "table": "t", "lsn": at, "txId": at, "ts_us": START + at * 1000}
    filler = {"id": id, "status": ""}
    return {"before": filler if op == "d" else None, "after": None if op == "d" else row, "source": source, "op": op, **more}


def sent(partition: int, value: Any, id: int | None = None) -> Record:
    """A record with its key."""
    return partition, None if id is None else {"id": id}, value


def known(folder: Path, broker: Broker, records: list[Record], reads: list[tuple[int, int]], *, schema: bool = False) -> list[int]:
    """Which reads (id, millisecond) find an open account."""
    topic = broker.topic(2)
    for partition, key, value in records:
        if schema:
            key, value = [None if each is None else {"schema": {"type": "struct"}, "payload": each} for each in (key, value)]
        text = None if value is None else json.dumps(value).encode()
        broker.send(topic, [text], partition, key=None if key is None else json.dumps(key).encode())
    lines = [json.dumps({"id": id, "ts": START + at * 1000}) for id, at in reads]
    (folder / "payments.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "app.yaml").write_text(APPLICATION.format(servers=broker.servers, topic=topic))
    counts = run_here(Job(load(folder / "app.yaml"), 4, lambda: "now", live=bounded([])))
    assert not counts.dead
    flags = [json.loads(line) for line in (folder / "flags.jsonl").read_bytes().splitlines()]
    return sorted(flag["data"]["evidence"][0]["offset"] for flag in flags)


def test_a_key_that_changes_moves_between_partitions(broker: Broker, tmp_path: Path) -> None:
    """A deletion and its tombstone under the old key, a row under the new one, with and without schemas."""
    records = [
        sent(0, change(1, "c", 1), 1), sent(0, change(5, "d", 1), 1), sent(0, None, 1), sent(1, change(5, "c", 2), 2),
        sent(0, change(9, "c", 3), 3), sent(1, change(9, "c", 4), 4),
    ]  # fmt: skip
    reads = [(1, 1), (1, 4), (2, 4), (1, 5), (2, 5), (1, 8), (2, 8)]
    assert known(tmp_path, broker, records, reads) == [0, 1, 4, 6]
    assert known(tmp_path, broker, records, reads, schema=True) == [0, 1, 4, 6]


def test_a_tombstone_alone_ends_its_row(broker: Broker, tmp_path: Path) -> None:
    """By the record's key, where the deletion itself was missed; one without a key ends nothing."""
    records = [sent(0, change(1, "c", 1), 1), sent(0, change(3, "c", 2), 2), sent(0, None, 1), sent(0, None), sent(0, change(9, "c", 3), 3)]
    assert known(tmp_path, broker, records, [(1, 1), (1, 4), (2, 4)]) == [0, 2]


def test_what_a_restarted_connector_sends_again_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    """Older changes, deletions and their tombstones come twice: the newest row stays, at every moment."""
    first = [sent(0, change(1, "c", 1), 1), sent(0, change(3, "d", 1), 1), sent(0, None, 1)]
    records = [*first, sent(0, change(5, "c", 1), 1), *first, sent(0, change(9, "c", 2), 2)]
    assert known(tmp_path, broker, records, [(1, 2), (1, 4), (1, 5), (1, 8)]) == [0, 2, 3]


def test_a_truncation_reaches_every_partition_and_shard(broker: Broker, tmp_path: Path) -> None:
    """Rows of before it are gone wherever they lie; rows of its own transaction stay where their order is not known to be before it."""
    records = [sent(id % 2, change(1, "c", id), id) for id in range(20)]
    records += [sent(1, change(5, "t", 0) | {"after": None}), sent(0, change(5, "c", 2), 2), sent(1, change(5, "c", 3), 3)]
    records += [sent(0, change(9, "c", 98), 98), sent(1, change(9, "c", 99), 99)]
    reads = [(id, 4) for id in range(20)] + [(id, 6) for id in range(20)]
    assert known(tmp_path, broker, records, reads) == [*range(20), 22, 23]


OUTBOX = """tocsin: 1
name: bank
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}'}}}}
streams:
  payments:
    from: {{kafka: main/{topic}}}
    time: at
    lateness: 0s
    correlation: header:id
    fields: {{at: {{type: timestamp, path: createdAt}}, id: {{type: int, path: payload.id}}, amount: {{type: "decimal(12,2)", path: payload.amount}}}}
patterns:
  large: {{by: id, when: amount > 40}}
flags: {{to: {{file: flags.jsonl}}, dead_letters: {{file: dead.jsonl}}}}
"""


def test_records_of_an_outbox(broker: Broker, tmp_path: Path) -> None:
    """The router's payload by ``path``, its id as the correlation; one without a payload lacks its fields, a null is counted."""
    topic = broker.topic()
    for id, payload in (("a-1", {"id": 2001, "amount": 42.10}), ("a-2", {"id": 2002, "amount": 1}), ("a-3", None)):
        value = json.dumps({"payload": payload, "createdAt": "2024-07-01T06:00:00.000000Z"}).encode()
        broker.send(topic, [value], key=b'"2001"', headers=[("id", id.encode()), ("eventType", b"PaymentAuthorised")])
    broker.send(topic, [None], key=b"12")
    text = OUTBOX.format(servers=broker.servers, topic=topic).replace("    time: at", "    max_dead: 100%\n    time: at")
    (tmp_path / "app.yaml").write_text(text)
    counts = run_here(Job(load(tmp_path / "app.yaml"), 4, lambda: "now", live=bounded([])))
    flags = [json.loads(line) for line in (tmp_path / "flags.jsonl").read_bytes().splitlines()]
    assert [(flag["subject"], flag["correlationid"]) for flag in flags] == [("id/2001", "a-1")]
    assert counts.rows["payments"] == 4
    assert [json.loads(line)["data"]["reason"] for line in (tmp_path / "dead.jsonl").read_bytes().splitlines()] == ["missing"]


def test_transaction_markers_and_heartbeats_are_no_changes(broker: Broker, tmp_path: Path) -> None:
    """Where they share a topic with changes."""
    markers = [sent(0, {"status": "BEGIN", "id": "1:2"}, None), sent(0, {"ts_ms": 1}, None), sent(0, {"op": "m", "source": {}, "ts_ms": 1}, None)]
    records = [sent(0, change(1, "c", 1), 1), *markers, sent(0, change(5, "u", 1, "shut"), 1)]
    assert known(tmp_path, broker, records, [(1, 1), (1, 4), (1, 5)]) == [0, 1]
