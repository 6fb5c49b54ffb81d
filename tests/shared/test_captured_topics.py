"""Captured Debezium records on topics, with their keys and headers, read by a run: tables hold the same rows whatever the mode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflows.connectors.kafka.embedded import Broker
from dataflows.running import Job, run_here
from models.application.load import load
from tests.kafka.read_back import flags_of
from tests.kafka.test_end_to_end import bounded
from tests.shared.test_debezium import FOLDER

FIELDS = 'id: int, amount: "decimal(12,2)", fx_rate: "decimal(18,8)?", status: string, booked_at: "{booked}", meta: "string?"'
APPLICATION = """tocsin: 1
name: captured
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}'}}}}
streams:
  asks:
    from: {{file: asks.jsonl}}
    time: ts
    join: {{row: {{table: rows, on: id}}}}
    fields: {{id: int, ts: "timestamp[s]"}}
  moves:
    from: {{kafka: main/{topic}}}
    format: debezium
    lateness: 1000d
    max_dead: 100%
    {time}
    fields: {{{fields}}}
tables:
  rows:
    from: {{kafka: main/{topic}}}
    format: debezium
    key: id
    {time}
    fields: {{{fields}}}
patterns:
  asked:
    on: asks
    by: id
    when: id >= 0 or row.amount is null or row.fx_rate is null or row.status is null or row.booked_at is null or row.meta is null
  moved: {{on: moves, by: id, when: "op is null or op <> 'r'"}}
flags: {{to: {{file: flags.jsonl}}}}
"""
LATER = 2_000_000_000
"""Seconds: after all that was captured."""


@pytest.fixture(scope="module")
def memory() -> Iterator[Broker]:
    """A broker in memory."""
    found = Broker().start()
    yield found
    found.stop()


def records(stem: str, topic: str) -> list[dict[str, Any]]:
    """A file's records of a topic."""
    found = [json.loads(line) for line in (FOLDER / f"{stem}.jsonl").read_bytes().splitlines()]
    return sorted((each for each in found if each["topic"].endswith(topic)), key=lambda each: (each["partition"], each["offset"]))


def sent(broker: Broker, captured: list[dict[str, Any]]) -> str:
    """A topic with these records: keys, headers, timestamps and partitions as they were."""
    topic = broker.topic(2)
    for each in captured:
        key, value = (None if each[name] is None else each[name].encode() for name in ("key", "value"))
        headers = [(name, text.encode()) for name, text in each["headers"]]
        broker.send(topic, [value], each["partition"], key=key, headers=headers, timestamp=each["timestamp"])
    return topic


def seen(broker: Broker, folder: Path, stem: str, *, booked: str = "timestamp[us]?", time: str = "") -> tuple[dict[str, Any], int]:
    """The row that each id sees in the end, and how many changes were events."""
    folder.mkdir()
    topic = sent(broker, records(stem, ".bank.transactions"))
    (folder / "asks.jsonl").write_text("".join(json.dumps({"id": id, "ts": LATER}) + "\n" for id in range(3_000)))
    fields = FIELDS.format(booked=booked) + (', ts: "timestamp"' if time else "")
    (folder / "app.yaml").write_text(APPLICATION.format(servers=broker.servers, topic=topic, fields=fields, time=time))
    counts = run_here(Job(load(folder / "app.yaml"), 3, lambda: "now", live=bounded([])))
    assert not counts.dead
    rows, moved = {}, 0
    for flag in flags_of(folder / "flags.jsonl"):
        if flag["source"].endswith("/moved"):
            moved += 1
        elif (row := flag["data"]["enrichment"]["row"])["amount"] is not None:
            rows[flag["data"]["key"]["id"]] = row
    return rows, moved


@pytest.fixture(scope="module")
def plain(memory: Broker, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """What is seen of the envelopes without schema."""
    return seen(memory, tmp_path_factory.mktemp("plain") / "run", "envelope_noschema")


@pytest.mark.parametrize(
    ("stem", "more"),
    [
        ("envelope_schema", {}), ("decimal_precise_schema", {}), ("decimal_numeric_format", {}), ("decimal_string", {}),
        ("exactly_once", {}), ("time_connect", {"booked": "timestamp[ms]?"}), ("time_isostring", {"booked": "timestamp?"}),
    ],
)  # fmt: skip
def test_a_table_holds_the_same_rows_in_every_mode(
    stem: str, more: dict[str, str], memory: Broker, plain: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    """With and without schema, decimals and times of every mode; keys that changed, deletions and tombstones included."""
    assert seen(memory, tmp_path / "other", stem, **more) == plain
    assert len(plain[0]) > 5 and plain[1] > 5


OUTBOX = """tocsin: 1
name: outbox
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}'}}}}
streams:
  {stream}
    from: {{kafka: main/{topic}}}
    correlation: header:id
    lateness: 1d
    {fields}
patterns:
  any_: {{by: id, when: id is not null or id is null}}
flags: {{to: {{file: flags.jsonl}}}}
"""


def test_an_outbox_s_events_are_plain_json(memory: Broker, tmp_path: Path) -> None:
    """The payload with its nested fields; the router's id is the correlation; a null payload is a row without them."""
    topic = sent(memory, records("outbox_expanded", ".event.Account"))
    nested = 'id: {type: "int?", path: payload.id}, why: {type: "string?", path: payload.why}'
    fields = f"time: at\n    fields: {{at: {{type: timestamp, path: createdAt}}, {nested}}}"
    (tmp_path / "app.yaml").write_text(OUTBOX.format(servers=memory.servers, topic=topic, stream="events:", fields=fields))
    counts = run_here(Job(load(tmp_path / "app.yaml"), 3, lambda: "now", live=bounded([])))
    assert not counts.dead and counts.rows["events"] == 2
    flag = flags_of(tmp_path / "flags.jsonl")[0]
    assert flag["correlationid"] == "aaaaaaaa-0000-4000-8000-000000000002"
    assert flag["data"]["evidence"][0]["fields"] == {"at": "2024-07-01T06:00:01Z", "id": 11, "why": 'fraud "x"'}
