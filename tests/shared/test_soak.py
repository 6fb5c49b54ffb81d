"""Rows changed in PostgreSQL, captured by Debezium, joined with payments from Kafka as of event time: on the real servers.

The oracle is the database itself: after each step its rows are read, and payments of that moment must see just these.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflows.running import Job, run_here
from models.application.load import load
from models.application.resolved.application import Application
from tests.kafka.read_back import structured_of
from tests.kafka.test_end_to_end import bounded
from tests.kafka.test_live_run import running
from tests.shared.stack import FOLDER, Stack

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the servers' scripts lie beside the checkout, and there is none"),
]
FORMS: dict[str, tuple[dict[str, str], bool]] = {
    "precise": ({"decimal.handling.mode": "precise"}, True),
    "text": ({"decimal.handling.mode": "string"}, False),
    "bare": ({"decimal.handling.mode": "precise"}, False),
    "flat": (
        {
            "decimal.handling.mode": "string", "transforms": "unwrap",
            "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
            "transforms.unwrap.delete.tombstone.handling.mode": "rewrite-with-tombstone",
            "transforms.unwrap.add.fields": "op,source.ts_us",
        },
        False,
    ),
}  # fmt: skip
"""Connectors by name: their settings, and whether they write schemas."""
TABLE = """  {name}:
    from: {{kafka: main/{name}.bank.accounts}}
    format: debezium
    key: id
    wait: 300s
    idle_after: 2s
    heartbeat: {{kafka: main/{name}.bank.beat}}
    fields: {{id: int, status: string, balance: "decimal(12,2)", seen: "timestamp[us]?", note: "string?"}}
"""
APPLICATION = """tocsin: 1
name: soak
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}'}}}}
streams:
  payments:
    from: {{kafka: main/payments}}
    time: ts
    lateness: 0s
    id: id
    join: {{{joins}}}
    fields: {{id: string, ts: "timestamp[us]", account: int, step: int}}
  moves:
    from: {{kafka: main/text.bank.accounts}}
    format: debezium
    lateness: 0s
    dedup: 1h
    fields: {{id: int, status: string?}}
tables:
{tables}
patterns:
  seen: {{on: payments, by: account, when: "{when}"}}
  moved: {{on: moves, by: id, when: "op = 'c' or op = 'u' or op = 'd'"}}
flags:
  to: {{kafka: main/{flags}}}
  dead_letters: {{kafka: main/dead}}
"""
COLUMNS = ("status", "balance", "seen", "note")
LONG = "repeat('a long text ', 500)"
STEPS = [
    ["update bank.accounts set balance = balance + 0.05 where id = 1"],
    ["insert into bank.accounts values (4, 'open', 9999999999.99, '2026-01-01 00:00:00.000001', 'short')"],
    ["begin; update bank.accounts set status = 'shut' where id = 2; update bank.accounts set status = 'open' where id = 2; commit"],
    ["update bank.accounts set id = 12, note = 'a' where id = 2", "update bank.accounts set id = 13, status = 'moved', note = 'b' where id = 3"],
    ["delete from bank.accounts where id = 4"],
    ["begin; insert into bank.accounts values (5, 'new', -0.01, null, null); delete from bank.accounts where id = 5; commit"],
    ["update bank.accounts set note = null where id = 12", "update bank.accounts set balance = 0 where id = 12"],
    ["truncate bank.accounts"],
    ["insert into bank.accounts values (1, 'back', 1.10, null, 'x'), (6, 'open', 6.00, null, null)"],
    ["begin; truncate bank.accounts; insert into bank.accounts select g, 'loaded', g, null, 'y' from generate_series(1, 12) g; commit"],
]
TRUNCATED = STEPS.index(["truncate bank.accounts"]) + 1
"""From this step on the flattened table is another: the transform that flattens rows leaves truncations out."""
AFTER_KILL = [
    ["update bank.accounts set status = 'after' where id < 7"],
    ["delete from bank.accounts where id in (1, 2)", "update bank.accounts set id = 20 where id = 3"],
    ["insert into bank.accounts values (2, 'again', 2.50, now(), 'z')"],
]
ACCOUNTS = [*range(1, 7), 12, 13, 20]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Running servers with a table that has rows."""
    found = Stack()
    try:
        found.start()
        found.sql(
            "create schema bank",
            "create table bank.accounts (id bigint primary key, status text not null, balance numeric(12,2) not null, seen timestamp, note text)",
            "alter table bank.accounts alter note set storage external",
            "create table bank.beat (id int primary key, at timestamptz)",
            "insert into bank.beat values (1, now())",
            f"insert into bank.accounts select g, 'open', g * 1.25, ('2026-01-0' || g)::timestamp, {LONG} from generate_series(1, 3) g",
        )
        for name, (config, schemas) in FORMS.items():
            found.register(name, config, schemas=schemas)
        for topic in ("payments", "dead", "flags-live", "flags-replay"):
            found.topic(topic)
        yield found
    finally:
        found.stop()


class Bank:
    """Steps in the database, each followed by payments that must see what it holds then."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.expected: dict[str, dict[str, str | None] | None] = {}
        self.step = 0

    def take(self, *statements: str) -> None:
        """Change rows, read them, pay."""
        query = "select id, status, balance, extract(epoch from seen) * 1000000, md5(note) is null, length(note) from bank.accounts"
        rows = {int(row[0]): row[1:] for row in self.stack.sql(*statements, query)}
        time.sleep(0.01)
        now = time.time_ns() // 1000
        lines = []
        for account in ACCOUNTS:
            id = f"{self.step}-{account}"
            row = rows.get(account)
            self.expected[id] = None if row is None else {"status": row[0], "balance": row[1], "seen": _micros(row[2]), "note": row[4] or None}
            lines.append(json.dumps({"id": id, "ts": now, "account": account, "step": self.step}).encode())
        self.stack.broker.send("payments", lines)
        self.step += 1
        time.sleep(0.2)


def _micros(text: str) -> str | None:
    return str(int(float(text))) if text else None


def _comparable(id: str, form: str) -> bool:
    return form != "flat" or int(id.partition("-")[0]) < TRUNCATED


def application(stack: Stack, folder: Path, flags: str) -> Application:
    """Payments joined with the same table over every connector."""
    tables = "".join(TABLE.format(name=name) for name in FORMS)
    joins = ", ".join(f"{name}: {{table: {name}, on: account}}" for name in FORMS)
    reads = " or ".join(f"{name}.{column} is null" for name in FORMS for column in COLUMNS)
    text = APPLICATION.format(servers=stack.broker.servers, joins=joins, tables=tables, when=f"step >= 0 or {reads}", flags=flags)
    (folder / f"{flags}.yaml").write_text(text)
    return load(folder / f"{flags}.yaml")


def flags_on(stack: Stack, topic: str, least: int) -> dict[str, list[dict[str, Any]]]:
    """Flags of each pattern, once there are so many of payments or nothing comes any more."""
    end = time.monotonic() + 280
    while True:
        found: dict[str, list[dict[str, Any]]] = {"seen": [], "moved": []}
        for message in stack.broker.read(topic):
            flag = structured_of(message)
            if flag["type"] != "tocsin.application.v1":
                found[flag["data"]["pattern"]["name"]].append(flag)
        if len(found["seen"]) >= least or time.monotonic() > end:
            return found
        time.sleep(1)


def seen(flag: dict[str, Any], form: str) -> dict[str, str | None] | None:
    """What a payment saw of a connector's table."""
    row = flag["data"]["enrichment"][form]
    if row["status"] is None:
        assert not any(row.values())
        return None
    moment = row["seen"]
    micros = None if moment is None else _micros(str(_epoch(moment)))
    return {"status": row["status"], "balance": row["balance"], "seen": micros, "note": None if row["note"] is None else str(len(row["note"]))}


def _epoch(text: str) -> int:
    from dataflows.decoding.moments import parse_time

    found = parse_time(text)
    assert found is not None
    return found


def test_what_the_database_held_is_what_payments_see(stack: Stack, tmp_path: Path) -> None:
    """Live and in a replay, over every form of capture, with the connectors killed in between."""
    bank = Bank(stack)
    with running(application(stack, tmp_path, "flags-live")) as run:
        time.sleep(25)  # past the snapshot and a flush of the connectors' offsets
        bank.take()
        for statements in STEPS:
            bank.take(*statements)
        stack.kill_connect()
        bank.take(*AFTER_KILL[0])
        stack.start_connect()
        for statements in AFTER_KILL[1:]:
            bank.take(*statements)
        live = flags_on(stack, "flags-live", len(bank.expected))
        print("\n".join(run.said))
    _tell(stack, bank)
    run_here(Job(application(stack, tmp_path, "flags-replay"), 16, lambda: "now", live=bounded([])))
    replay = flags_on(stack, "flags-replay", 0)
    for name, found in (("replay", replay), ("live", live)):
        got = {(flag["data"]["evidence"][0]["fields"]["id"], form): seen(flag, form) for flag in found["seen"] for form in FORMS}
        wanted = {(id, form): row for id, row in bank.expected.items() for form in FORMS}
        wrong = {place: (got.get(place), row) for place, row in wanted.items() if got.get(place, "nothing") != row and _comparable(*place)}
        print(f"{name}: {len(got)} rows seen, {len(wrong)} wrong: {sorted(wrong.items())[:6]}")
        assert not wrong
        assert got.keys() == wanted.keys()
    # What came while the connectors were down came too late for a stream that waits a second.
    assert {flag["id"] for flag in live["moved"]} <= {flag["id"] for flag in replay["moved"]}
    assert len({flag["id"] for flag in replay["moved"]}) == len(replay["moved"])


def _tell(stack: Stack, bank: Bank) -> None:
    """How much there was, and how much of it twice."""
    flat = [json.loads(message.value() or b"null") for message in stack.broker.read("flat.bank.accounts", 2)]
    truncations = [record for record in flat if record and record.get("__op") == "t"]
    records = [message for message in stack.broker.read("text.bank.accounts", 2) if message.value() is not None]
    places = [(message.key(), json.loads(message.value() or b"")["source"]["lsn"]) for message in records]
    again = len(places) - len(set(places))
    print(f"{bank.step} steps; {len(records)} records, {again} sent again; {len(truncations)} truncations among flattened rows")
