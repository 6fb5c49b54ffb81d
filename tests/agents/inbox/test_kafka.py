"""Flags of a topic: the ledger's offsets count, several processes share it, and too much waiting pauses it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import orjson
import pytest
from sqlalchemy import delete, func, insert, select

from agents.inbox.intake import Intake
from agents.inbox.kafka import KafkaInput
from agents.inbox.plan import Planner
from agents.ledger.clock import SystemClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import dead_letter, decision, flow
from agents.policy import Policy, policy_of
from agents.service import Service
from dataflows.connectors.kafka.embedded import Broker
from models.application.load import load
from models.events.cloudevents import binary
from tests.agents.flags import flag

APPLICATION = """tocsin: 1
name: bank
streams: {tx: {time: ts, fields: {ts: timestamp, customer_id: string}}}
patterns: {takeover: {on: tx, by: customer_id, when: customer_id = 'a'}}
respond: {responders: {r: {default: watch}}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "app.yaml").write_text(APPLICATION)
    found = policy_of(load(tmp_path / "app.yaml"))
    assert found is not None
    return found


def input_of(ledger: Ledger, broker: Broker, topic: str, *, whole: bool = True, room: int = 100) -> KafkaInput:
    settings = {"bootstrap.servers": broker.servers}
    return KafkaInput(ledger, settings, topic, f"group-{topic}", whole=whole, now=SystemClock().now, room=room)


def service(ledger: Ledger, policy: Policy) -> Service:
    clock = SystemClock()
    return Service(ledger, policy, clock, Intake(ledger, Planner(policy), clock), [])


def sent(broker: Broker, topic: str, numbers: range, partitions: int = 2) -> None:
    for number in numbers:
        record = binary(flag(number))
        broker.send(topic, [record.value], number % partitions, key=record.key, headers=record.headers)


def count(ledger: Ledger) -> int:
    return int(ledger.look(lambda c: c.scalar(select(func.count()).select_from(decision))) or 0)


def test_a_topic_to_its_end_and_on_from_the_ledger(ledger: Ledger, policy: Policy, broker: Broker) -> None:
    topic = broker.topic(2)
    sent(broker, topic, range(10))
    broker.send(topic, [b"{poison", orjson.dumps({"type": "tocsin.application.v1"})], 1)
    for more, flags, dead in ((range(0), 10, 1), (range(10, 15), 5, 0), (range(0), 0, 0)):
        sent(broker, topic, more)
        source, found = input_of(ledger, broker, topic), service(ledger, policy)
        asyncio.run(found.once(source))
        source.close()
        assert (found.taken.flags, found.taken.dead, found.taken.repeated) == (flags, dead, 0)
    assert count(ledger) == 15
    [row] = ledger.look(lambda c: list(c.execute(select(dead_letter.c.reason, dead_letter.c.partition, dead_letter.c.offset))))
    assert tuple(row) == ("syntax", 1, 5)


def test_a_live_run_takes_what_comes_and_pauses_while_too_much_waits(policy: Policy, broker: Broker, tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger.db"))
    topic = broker.topic(2)
    sent(broker, topic, range(4))
    rows = [{"id": f"w{i}", "stage": "llm", "responder": "r"} for i in range(9)]

    async def main() -> None:
        found, source = service(ledger, policy), input_of(ledger, broker, topic, whole=False, room=5)
        task = asyncio.create_task(found.run(source))
        await until(lambda: count(ledger) == 4)
        await ledger.run(lambda c: c.execute(insert(flow), rows))
        source._looked = 0
        await until(lambda: source._paused)
        await asyncio.to_thread(sent, broker, topic, range(4, 8))
        source._looked = 0
        await until(lambda: source._looked > 0)
        assert count(ledger) == 4 and source._paused
        await ledger.run(lambda c: c.execute(delete(flow)))
        source._looked = 0
        await until(lambda: count(ledger) == 8)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        source.close()

    asyncio.run(main())
    ledger.close()


async def until(holds: object) -> None:
    """Until something holds; a minute is for ever."""
    for _ in range(1200):
        if holds():  # type: ignore[operator]
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to hold")
