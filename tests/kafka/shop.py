"""A shop's payments and customers: the same rows for files and for topics."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from dataflows.connectors.kafka.embedded import Broker
from models.application.load import load
from models.application.resolved.application import Application

START = 1_790_000_000_000
"""Milliseconds."""
APPLICATION = """tocsin: 1
name: shop
{connections}
streams:
  payments:
    from: {payments}
    time: ts
    lateness: 2s
    id: id
    join: {{customer: {{table: customers, on: owner}}}}
    fields: {{id: string, ts: "timestamp[ms]", card: string, owner: string, amount: "decimal(12,2)", country: string}}
    derive:
      abroad: country is distinct from customer.home
tables:
  customers:
    from: {customers}
    format: debezium
    key: owner
    fields: {{owner: string, home: string}}
features:
  count_1m: {{count: true, by: card, over: 1m}}
  sum_1m: {{sum: amount, by: card, over: 1m}}
  by_owner: {{sum: amount, by: owner, over: 5m}}
patterns:
  often: {{by: card, when: count_1m > 3 and sum_1m > 100, title: "{{count_1m}} of {{sum_1m}}"}}
  abroad: {{by: card, when: abroad and amount > 90}}
  burst: {{by: owner, when: by_owner > 900, suppress: {{debounce: 20s}}}}
flags:
  to: {flags}
  late: {late}
  dead_letters: {dead}
"""


def rows(n: int = 3_000, seed: int = 1) -> tuple[list[list[bytes]], list[bytes]]:
    """Payments in three partitions by card, one in five a little late, some too late and some broken; and customers' changes."""
    choose = random.Random(seed)
    partitions: list[list[bytes]] = [[], [], []]
    for number in range(n):
        card = choose.randrange(40)
        late = choose.choice([0, 0, 0, 0, choose.randrange(2_500)])
        payment = {
            "id": f"p{number}", "ts": START + number * 150 - late, "card": f"c{card}", "owner": f"o{card // 2}",
            "amount": choose.randrange(100, 10_000) / 100, "country": choose.choice(["DE", "FR", "BR"]),
        }  # fmt: skip
        if number % 211 == 5:
            payment["amount"] = "12"
        partitions[card % 3].append(json.dumps(payment).encode())
    changes = []
    for number in range(60):
        time = START + number * n * 150 // 60 - 1
        after = {"owner": f"o{number % 20}", "home": choose.choice(["DE", "FR"])}
        envelope = {"op": "c" if number < 20 else "u", "before": None, "after": after, "source": {"ts_ms": time}, "ts_ms": time}
        changes.append(json.dumps(envelope).encode())
    return partitions, changes


def over_files(folder: Path, partitions: list[list[bytes]], changes: list[bytes]) -> Application:
    """The application over files, each partition one."""
    for number, lines in enumerate(partitions):
        (folder / f"payments-{number}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    (folder / "customers.jsonl").write_bytes(b"".join(line + b"\n" for line in changes))
    text = APPLICATION.format(
        connections="", payments="{files: payments-*.jsonl, as: partitions}", customers="{file: customers.jsonl}",
        flags=f"{{file: {folder}/flags.jsonl}}", late=f"{{file: {folder}/late.jsonl}}", dead=f"{{file: {folder}/dead.jsonl}}",
    )  # fmt: skip
    (folder / "files.yaml").write_text(text)
    return load(folder / "files.yaml")


def over_topics(folder: Path, broker: Broker, topics: dict[str, str], changes: Mapping[str, str] | None = None) -> Application:
    """The application over topics by their roles; ``changes``: what to replace in its text."""
    places = {name: f"{{kafka: main/{topic}}}" for name, topic in topics.items()}
    connections = f"connections:\n  main: {{kafka: {{bootstrap.servers: '{broker.servers}'}}}}"
    text = APPLICATION.format(connections=connections, **places)
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "topics.yaml").write_text(text)
    return load(folder / "topics.yaml")


def made(broker: Broker) -> dict[str, str]:
    """Topics for every role."""
    return {
        "payments": broker.topic(3), "customers": broker.topic(1), "flags": broker.topic(2), "late": broker.topic(), "dead": broker.topic(),
    }  # fmt: skip


def filled(broker: Broker, partitions: list[list[bytes]], changes: list[bytes]) -> dict[str, str]:
    """Topics for every role, those that are read full."""
    topics = made(broker)
    for number, lines in enumerate(partitions):
        broker.send(topics["payments"], lines, number)
    broker.send(topics["customers"], changes)
    return topics
