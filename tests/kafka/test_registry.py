"""Avro, and JSON with a frame, from topics whose schemas lie in a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from dataflows.connectors.kafka.embedded import Broker, free_port
from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.connectors.kafka.registry import Registry
from dataflows.running import Job, run_here
from models.application.connections import without_secrets
from models.application.load import load
from models.application.resolved.application import Application
from tests.dataflows.test_avro import framed, logical, record
from tests.kafka.registry import FakeRegistry
from tests.kafka.test_end_to_end import bounded

START = 1_790_000_000_000
APPLICATION = """tocsin: 1
name: shop
connections:
  main:
    kafka: {{bootstrap.servers: '{servers}'}}
    schema_registry: {{url: '{url}', basic.auth.user.info: "tocsin:hidden", max.retries: 0}}
streams:
  payments:
    from: {{kafka: main/{topic}}}
    format: {format}
    time: ts
    lateness: 0s
    max_dead: 100%
    fields: {{ts: "timestamp{unit}", card: string, amount: "decimal(12,2)", country: string?}}
features:
  total: {{sum: amount, by: card, over: 10m}}
patterns:
  large: {{by: card, when: total > 100}}
flags: {{to: {{file: flags.jsonl}}, dead_letters: {{file: dead.jsonl}}}}
"""
PAYMENT = record(
    ("ts", logical("long", "timestamp-millis")), ("card", "string"), ("amount", logical("bytes", "decimal", precision=12, scale=2)),
)  # fmt: skip
WIDER = record(*[(field["name"], field["type"]) for field in PAYMENT["fields"]], ("country", ["null", "string"]))


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry that asks for a login."""
    found = FakeRegistry("tocsin:hidden")
    yield found
    found.stop()


def shop(folder: Path, broker: Broker, url: str, topic: str, format_: str = "avro", unit: str = "") -> Application:
    """The application over a topic."""
    text = APPLICATION.format(servers=broker.servers, url=url, topic=topic, format=format_, unit=unit)
    (folder / "app.yaml").write_text(text)
    return load(folder / "app.yaml")


def run(folder: Path, application: Application) -> tuple[list[Any], list[Any]]:
    """Sums of the flags, and details of the dead letters."""
    run_here(Job(application, 4, lambda: "now", live=bounded([])))
    flags = [json.loads(line) for line in (folder / "flags.jsonl").read_bytes().splitlines()]
    dead = [json.loads(line)["data"] for line in (folder / "dead.jsonl").read_bytes().splitlines()]
    return [flag["data"]["features"]["total"] for flag in flags], [(row["offset"], row["reason"], row["detail"]) for row in dead]


def payment(at: int, amount: str, **more: Any) -> dict[str, Any]:
    return {"ts": START + at, "card": "c", "amount": Decimal(amount), **more}


def test_avro_as_its_own_serializer_writes_it(broker: Broker, registry: FakeRegistry, tmp_path: Path) -> None:
    """Two versions of a schema on one topic; what cannot be read is a dead letter; each schema is asked for once."""
    client = SchemaRegistryClient({"url": registry.url, "basic.auth.user.info": "tocsin:hidden"})
    topic = broker.topic()
    where = SerializationContext(topic, MessageField.VALUE)
    narrow = AvroSerializer(client, json.dumps(PAYMENT), conf={"auto.register.schemas": True})
    wide = AvroSerializer(client, json.dumps(WIDER), conf={"auto.register.schemas": True})
    values = [narrow(payment(at, "40.10"), where) for at in range(3)] + [wide(payment(4, "0.01", country="DE"), where)]
    broker.send(topic, [*values, b"{}", None, bytes([0, 0, 0, 0, 99, 1]), values[0][:-1]])
    asked = len(registry.asked)
    totals, dead = run(tmp_path, shop(tmp_path, broker, registry.url, topic))
    assert totals == ["120.30", "120.31"]
    assert [(offset, reason) for offset, reason, _ in dead] == [(4, "envelope"), (6, "envelope"), (7, "syntax")]
    assert dead[1][2] == "expected a schema of the registry; found id 99, which it does not know"
    assert sorted(path.partition("?")[0] for path in registry.asked[asked:]) == ["/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/99"]


def test_a_schema_refers_to_others(broker: Broker, registry: FakeRegistry, tmp_path: Path) -> None:
    """Which are asked for too."""
    money = {"type": "fixed", "size": 8, "name": "Money", "namespace": "bank", "logicalType": "decimal", "precision": 18, "scale": 2}
    registry.add(money, subject="money")
    whole = record(("ts", "long"), ("card", "string"), ("amount", "bank.Money"))
    id = registry.add(whole, references=[{"name": "bank.Money", "subject": "money", "version": 1}])
    inlined = record(("ts", "long"), ("card", "string"), ("amount", money))
    topic = broker.topic()
    broker.send(topic, [framed(inlined, {"ts": START, "card": "c", "amount": Decimal("100.01")}, id)])
    assert run(tmp_path, shop(tmp_path, broker, registry.url, topic, unit="[ms]")) == (["100.01"], [])


def test_a_schema_of_another_kind(broker: Broker, registry: FakeRegistry, tmp_path: Path) -> None:
    """A dead letter that names it."""
    registry.add('{"type": "object"}', "JSON")
    registry.add('{"type": "nothing"}')
    topic = broker.topic()
    broker.send(topic, [bytes([0, 0, 0, 0, 1]) + b"{}", bytes([0, 0, 0, 0, 2]) + b"{}"])
    _, dead = run(tmp_path, shop(tmp_path, broker, registry.url, topic))
    assert dead[0][1:] == ("envelope", "expected an Avro schema; found schema 1, which is JSON")
    assert dead[1][2].startswith("schema 2 of the registry cannot be read: ")


def test_json_with_a_frame(broker: Broker, tmp_path: Path) -> None:
    """The frame is left out, with and without it the same; it stays in what a dead letter shows, and in no key."""
    rows = [json.dumps({"ts": START + at, "card": "c", "amount": 60.5}).encode() for at in range(3)]
    frame = bytes([0, 0, 0, 0, 7])
    topic = broker.topic()
    broker.send(topic, [frame + rows[0], rows[1], frame + rows[2], frame + b'{"ts": "x"}', frame])
    totals, dead = run(tmp_path, shop(tmp_path, broker, "http://127.0.0.1:1", topic, "json", "[ms]"))
    assert totals == ["121.00", "181.50"]
    assert [(offset, reason) for offset, reason, _ in dead] == [(3, "type"), (4, "syntax")]
    values = [json.loads(line)["data"]["value"] for line in (tmp_path / "dead.jsonl").read_bytes().splitlines()]
    assert values[1] == "AAAAAAc="


@pytest.mark.parametrize(
    ("settings", "status", "message", "code"),
    [
        ({}, 200, "refused the login. Check basic.auth.user.info", 3),
        ({"basic.auth.user.info": "tocsin:hidden"}, 500, "answered schema 1 with HTTP 500. Look into its log", 3),
        ({"nonsense": "1"}, 200, "connection 'main': schema_registry: Unrecognized properties: nonsense; correct its settings", 1),
        ({"timeout": "long"}, 200, "correct its settings", 1),
    ],
)
def test_a_registry_that_refuses(registry: FakeRegistry, settings: dict[str, str], status: int, message: str, code: int) -> None:
    """Cause and cure, never a password."""
    registry.status = status
    with pytest.raises(KafkaProblem) as found:
        Registry("main", {"url": registry.url, "max.retries": "0", **settings}).schema(1)
    assert message in str(found.value) and found.value.code == code
    assert "hidden" not in str(found.value)


def test_a_registry_that_does_not_answer() -> None:
    """Its address without the login that the address may hold."""
    with pytest.raises(KafkaProblem, match=r"connection 'main': the schema registry \(127.0.0.1:\d+\) does not answer: ConnectError. Check"):
        Registry("main", {"url": f"http://tocsin:hidden@127.0.0.1:{free_port()}", "max.retries": "0"}).schema(1)


def test_logins_are_never_shown(broker: Broker, tmp_path: Path) -> None:
    """Not by the application's text, which travels with the flags, nor by what Python shows of it."""
    application = shop(tmp_path, broker, "http://me:hidden@127.0.0.1:1", "t")
    assert application.registries["main"]["basic.auth.user.info"] == "tocsin:hidden"
    assert "hidden" not in application.text and "hidden" not in repr(application)
    assert without_secrets({"connections": {"m": {"schema_registry": {"url": "http://a:b@c:1"}}}})["connections"]["m"]["schema_registry"] == {
        "url": "http://***@c:1"
    }
