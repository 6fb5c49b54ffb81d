"""Bounds of live partitions: announced when silent, part of the snapshot, in effect only in the epoch after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, TopicPartition

from dataflows.batches.batch import BEFORE_ALL
from dataflows.connectors.kafka.fetch import TopicConsumer
from dataflows.connectors.kafka.heartbeats import heartbeat_time
from tests.kafka.parts import CONNECTION, SECOND, Clock, judged, part_of, readers_of

PAYMENTS = """streams:
  payments:
    from: {kafka: main/payments}
    time: ts
    lateness: 2s
    idle_after: 3s
    fields: {ts: "timestamp[us]", card: string}
patterns:
  any_card: {by: card, when: card is not null}
"""
CUSTOMERS = """streams:
  payments:
    time: ts
    join: {owner: {table: customers, on: card}}
    fields: {ts: "timestamp[us]", card: string}
tables:
  customers:
    from: {kafka: main/customers}
    format: debezium
    key: id
    wait: 5s
    fields: {id: string, home: string}
patterns:
  abroad: {by: card, when: owner.home = 'DE'}
"""


def payment(time: int) -> bytes:
    return f'{{"ts":{time},"card":"c"}}'.encode()


def change(time: int, op: str = "u") -> bytes:
    row = '{"id":"c","home":"DE"}'
    return f'{{"op":"{op}","before":null,"after":{row},"source":{{"ts_us":{time}}},"ts_ms":{time // 1000}}}'.encode()


def test_a_silent_partition_announces_in_its_snapshot(tmp_path: Path) -> None:
    """Now - lateness - idle_after; told in the epoch after; smaller times are late with reason idle from then on."""
    clock = Clock()
    start = clock.now
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    consumer.give([payment(start)])
    assert [found.bound for found in judged(part)] == [start - 2 * SECOND]
    clock.now += 10 * SECOND
    consumer.calm()
    assert judged(part) == []
    state = part.snapshot()
    assert [found.bound for found in judged(part)] == [start + 5 * SECOND]
    consumer.give([payment(start + 5 * SECOND - 1), payment(start + 5 * SECOND)])
    found = judged(part)[0]
    assert [(late.reason, late.bound, late.time) for late in found.late] == [("idle", start + 5 * SECOND, start + 5 * SECOND - 1)]
    assert found.batch is not None and found.batch.time.tolist() == [start + 5 * SECOND]
    again, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock, state)
    assert [found.bound for found in judged(again)] == [start + 5 * SECOND], "the shards of that epoch have not heard it"
    consumer.give([payment(start + 5 * SECOND - 1), payment(start + 5 * SECOND)])
    assert [late.reason for late in judged(again)[0].late] == ["idle"]


@pytest.mark.parametrize("why", ["short", "down", "not at end", "waiting"])
def test_nothing_is_announced(why: str, tmp_path: Path) -> None:
    """Not before idle_after, not while the broker is away, not within the log, not while messages wait."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    consumer.give([payment(clock.now)])
    judged(part)
    clock.now += 2 * SECOND if why == "short" else 60 * SECOND
    consumer.down = "no broker" if why == "down" else None
    if why != "not at end":
        consumer.calm()
    if why == "waiting":
        consumer.give([payment(clock.now)])
    before = part.bound
    part.snapshot()
    assert part.bound == before


def test_silence_counts_until_the_last_look_not_until_now(tmp_path: Path) -> None:
    """A worker that was busy for long has not seen the partition silent."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    consumer.give([payment(clock.now)])
    judged(part)
    clock.now += SECOND
    consumer.calm()
    clock.now += 60 * SECOND
    before = part.bound
    part.snapshot()
    assert part.bound == before


def stats(state: str, idle: int, leader: int = 1) -> str:
    """What a client tells of its brokers: that which leads the topic's partition, and one that leads none."""
    brokers = {"b": {"state": state, "nodeid": 1, "rxidle": idle}, "other": {"state": "UP", "nodeid": 2, "rxidle": 9_000_000}}
    return json.dumps({"brokers": brokers, "topics": {"payments": {"partitions": {"0": {"partition": 0, "leader": leader}}}}})


def test_a_silent_broker_is_no_silent_partition() -> None:
    """Silence counts until the partition's leader was heard last; after an outage only an end that is found anew counts."""
    clock = Clock()
    consumer = TopicConsumer(CONNECTION, "payments", "test", clock.live())
    log = consumer.log(0, 7)

    class Client:
        assigned: list[int] = []

        def consume(self, most: int, seconds: float) -> list[object]:
            return []

        def assign(self, places: list[TopicPartition]) -> None:
            self.assigned += [place.offset for place in places]

    consumer.consumer = Client()  # type: ignore[assignment]
    found = []
    for told in (stats("UP", 40_000), None, stats("UP", 2_040_000), stats("UP", 0, leader=-1), stats("DOWN", 0), stats("UP", 5)):
        clock.now += SECOND
        log.at_end = True
        if told is not None:
            consumer._stats(told)
        consumer.poll()
        found.append(None if log.quiet is None else clock.now - log.quiet)
    assert found == [40_000, SECOND + 40_000, 2 * SECOND + 40_000, 3 * SECOND + 40_000, 4 * SECOND + 40_000, 5]
    clock.now += SECOND
    consumer._error(KafkaError(KafkaError._TRANSPORT))
    consumer._stats(stats("UP", 5))
    consumer.poll()
    assert (log.at_end, log.quiet, Client.assigned) == (False, None, [7])


def test_a_new_partition_starts_with_the_run_s_watermark(tmp_path: Path) -> None:
    """What is older is late with reason new_partition."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock, joined={"payments": clock.now})
    assert [found.bound for found in judged(part)] == [clock.now]
    consumer.give([payment(clock.now - 1), payment(clock.now)])
    assert [late.reason for late in judged(part)[0].late] == ["new_partition"]


def test_a_clock_a_day_ahead_moves_no_bound(tmp_path: Path) -> None:
    """More than max_ahead (a day) after the record's timestamp: a dead letter future_time; the partition goes on."""
    clock = Clock()
    part, consumer = part_of(readers_of(tmp_path, PAYMENTS), clock)
    consumer.give([payment(clock.now), payment(clock.now + 86_400 * SECOND + 1), payment(clock.now + 1)])
    found = judged(part)[0]
    assert [dead.reason for dead in found.dead] == ["future_time"]
    assert found.bound == clock.now + 1 - 2 * SECOND
    assert found.batch is not None and len(found.batch) == 2 and not found.late


def test_a_table_s_snapshot_ends_with_its_silence(tmp_path: Path) -> None:
    """The leading r rows hold since ever and leave the bound at the very beginning; at the log's end + idle_after it moves."""
    clock = Clock()
    start = clock.now
    part, consumer = part_of(readers_of(tmp_path, CUSTOMERS), clock)
    consumer.give([change(start, "r"), change(start, "r")])
    found = judged(part)[0]
    assert found.bound == BEFORE_ALL and found.batch is not None and found.batch.time.tolist() == [BEFORE_ALL] * 2
    clock.now += 20 * SECOND
    consumer.calm()
    part.snapshot()
    assert [found.bound for found in judged(part)] == [start + 15 * SECOND], "now - wait"
    consumer.give([change(start + SECOND)])
    found = judged(part)[0]
    assert found.batch is not None and found.batch.time.tolist() == [start + 15 * SECOND], "visible from the bound at its position"
    assert found.counts["late_changes"] == 1


def test_a_heartbeat_moves_a_table_s_bound(tmp_path: Path) -> None:
    """Up to its time less idle_after, for changes that are still under way, once the partition is found at its end after it."""
    clock = Clock()
    readers = readers_of(tmp_path, CUSTOMERS)
    part, consumer = part_of(readers, clock)

    class Beats:
        def latest(self) -> int:
            return clock.now - SECOND

    readers[0].heartbeats = Beats()  # type: ignore[assignment]
    consumer.give([change(clock.now - 60 * SECOND)])
    judged(part)
    consumer.calm()
    part.snapshot()
    assert part.bound == clock.now - 2 * SECOND


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (b'{"ts_ms":1700000000000}', 1_700_000_000_000_000),
        (b'{"schema":{},"payload":{"ts_ms":1700000000000}}', 1_700_000_000_000_000),
        (b'{"op":"u","source":{"ts_ms":1600000000000},"ts_ms":1700000000000}', 1_600_000_000_000_000),
        (b'{"op":"u","source":{"ts_ms":1600000000000,"ts_us":1600000000000123},"ts_ms":1700000000000}', 1_600_000_000_000_123),
        (b'{"id":1,"__op":"u","__source_ts_us":1600000000000123}', 1_600_000_000_000_123),
        (b'{"id":1}', None),
        (b"beat", None),
        (None, None),
    ],
)
def test_the_time_of_a_heartbeat(value: bytes | None, time: int | None) -> None:
    """The connector's, or the commit of a change of the table that is written for it."""
    assert heartbeat_time(value) == time
