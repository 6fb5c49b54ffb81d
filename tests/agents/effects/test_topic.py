"""Decisions on topics of a broker: acknowledged, keyed for compaction, and named where a record cannot be taken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from agents.effects.outcome import OK, Outcome
from agents.effects.topic import KafkaPublisher, Sent, record
from agents.effects.work import Work
from dataflows.connectors.kafka.embedded import Broker
from tests.agents.messages import flag, message


def _published(connections: Mapping[str, Mapping[str, str]], records: list[Sent]) -> list[Outcome]:
    publisher = KafkaPublisher(connections)
    try:
        return list(asyncio.run(publisher.publish(records)))
    finally:
        publisher.close()


def _sent(target: str, key: str = "5f0e") -> Sent:
    decision = {"id": "d-1", "flag": flag()["id"], "verdict": "block", "decided_at": "2026-09-21T13:33:21.000000Z"}
    return record(Work({"target": target}, message(key, decision=decision)), "card-fraud")


@pytest.mark.parametrize("named", [True, False])
def test_a_decision_is_a_structured_event(broker: Broker, named: bool) -> None:
    """Once each is acknowledged; the connection need not be named where there is one."""
    topic = broker.topic(1)
    target = f"main/{topic}" if named else topic
    connections = {"main": {"bootstrap.servers": broker.servers}}
    assert _published(connections, [_sent(target, "a"), _sent(target, "b")]) == [OK, OK]
    first, second = broker.read(topic, 1, 2)
    headers = dict(first.headers() or [])
    assert (first.key(), headers["idempotency-key"], headers["traceparent"]) == (b"d-1", b"a", flag()["traceparent"].encode())
    event = json.loads(first.value() or b"")
    assert (event["type"], event["data"]["verdict"]) == ("tocsin.decision.v1", "block")
    assert headers["content-type"].startswith(b"application/cloudevents+json")
    assert dict(second.headers() or [])["idempotency-key"] == b"b"


def test_a_record_too_large_fails_alone_and_for_good(broker: Broker) -> None:
    """The others of its batch are taken."""
    topic = broker.topic(1)
    large = _sent(f"main/{topic}")._replace(value=b"x" * 2_000)
    connections = {"main": {"bootstrap.servers": broker.servers, "message.max.bytes": "1500"}}
    small = _sent(f"main/{topic}")._replace(value=b"{}")
    outcomes = _published(connections, [small, large, small])
    assert [outcome.name for outcome in outcomes] == ["ok", "not_possible", "ok"]
    assert len(broker.read(topic, 1, 2)) == 2


def test_a_broker_that_is_not_there_fails_for_now() -> None:
    """It is tried again by the schedule: nothing is said of an acknowledgement."""
    connections = {"main": {"bootstrap.servers": "127.0.0.1:1", "delivery.timeout.ms": "300", "message.timeout.ms": "300", "linger.ms": "0"}}
    (outcome,) = _published(connections, [_sent("main/decisions")])
    assert outcome.name == "failed" and outcome.detail
