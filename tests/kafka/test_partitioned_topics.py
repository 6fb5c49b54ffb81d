"""``partitioned_by`` on topics: no partition waits for another, the flags are the same, and a key in two partitions is told."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from dataflows.connectors.kafka.embedded import Broker
from dataflows.planning.partitioned import divided
from dataflows.planning.plan import plan
from dataflows.reading.promise import PromiseBroken
from dataflows.reading.readers import all_readers
from dataflows.running import Job, run_here
from dataflows.runtime.topology import Topology
from models.application.load import load
from models.application.resolved.application import Application
from tests.dataflows.test_partitioned import sampled_key
from tests.kafka.parts import Clock
from tests.kafka.read_back import flags_in
from tests.kafka.shop import START
from tests.kafka.test_end_to_end import bounded
from tests.kafka.test_live_run import PATIENCE, Running, payment, running

TEXT = """tocsin: 1
name: shop
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}'}}}}
streams:
  payments:
    from: {{kafka: main/{payments}}}
    time: ts
    lateness: 0s
    idle_after: 10h
    max_ahead: 36500d
    id: id
    partitioned_by: card
    fields: {{id: string, ts: "timestamp[ms]", card: string, amount: "decimal(12,2)"}}
features:
  count_1m: {{count: true, by: card, over: 1m}}
patterns:
  often: {{by: card, when: count_1m > 1, suppress: {{cooldown: 5s}}}}
  pair: {{by: card, sequence: [{{one: {{on: payments}}}}, {{two: {{on: payments, when: amount > one.amount}}}}], within: 30s}}
flags:
  to: {{kafka: main/{flags}}}
"""


def application(folder: Path, broker: Broker, payments: str) -> tuple[Application, str]:
    """The application over a topic, and where its flags go."""
    flags = broker.topic(2)
    (folder / "app.yaml").write_text(TEXT.format(servers=broker.servers, payments=payments, flags=flags))
    return load(folder / "app.yaml"), flags


def without(found: Application) -> Application:
    """The application without its promise."""
    return replace(found, streams={name: replace(stream, partitioned_by=()) for name, stream in found.streams.items()})


def test_flags_of_a_partition_come_while_the_others_are_silent(broker: Broker, tmp_path: Path) -> None:
    """Two of three partitions would be waited for for ten hours; a shard is a partition, and nothing is exchanged."""
    payments = broker.topic(3)
    found, flags = application(tmp_path, broker, payments)
    with running(found) as run:
        now = time.time_ns() // 1_000_000
        broker.send(payments, [payment(number, "c1", now + number) for number in range(3)], 1)
        told = flags_in(broker, flags, 1 + 1, PATIENCE)
        assert [flag["data"]["pattern"]["name"] for flag in told] == ["often"]
        assert run.said == []


@pytest.mark.parametrize("promised", [True, False])
def test_topics_of_equal_counts_are_divided_by_partition(promised: bool, broker: Broker, tmp_path: Path) -> None:
    """As many shards as partitions; without the promise rows go by their key's hash."""
    found, _ = application(tmp_path, broker, broker.topic(3))
    compiled = plan(found if promised else without(found))
    topology = Topology(compiled.application, Clock().live())
    assert topology.ask()
    assert divided(compiled, all_readers(compiled, topology.places), 16).counts == ({0: 3} if promised else {})
    topology.close()


def test_the_promise_changes_no_flag(broker: Broker, tmp_path: Path) -> None:
    """The same flags with and without it, byte for byte."""
    payments = broker.topic(3)
    parts: list[list[bytes]] = [[], [], []]
    for number in range(600):
        card = f"c{number * 7 % 31}"
        parts[zlib.crc32(card.encode()) % 3].append(payment(number, card, START + number * 900, number % 11 + 1))
    for number, rows in enumerate(parts):
        broker.send(payments, rows, number)
    results = []
    for promised in (True, False):
        found, flags = application(tmp_path, broker, payments)
        run_here(Job(found if promised else without(found), 5, lambda: "now", live=bounded([])))
        results.append(flags_in(broker, flags, 2))
    assert results[0] == results[1] and len(results[0]) > 100


def test_a_key_in_two_partitions_is_told(broker: Broker, tmp_path: Path) -> None:
    """Found in the sample while the run is live: counted, or with --strict its end, with key, partitions and cure."""
    payments, key, now = broker.topic(3), sampled_key(), time.time_ns() // 1_000_000
    found, flags = application(tmp_path, broker, payments)
    for partition in (0, 2):
        broker.send(payments, [payment(partition + at, key, now + at) for at in range(2)], partition)
    counts = run_here(Job(found, 5, lambda: "now", live=bounded([])))
    assert dict(counts.violations) == {"payments": 1}
    run = Running(found, strict=True)
    run.thread.join(PATIENCE)
    assert isinstance(run.problem, PromiseBroken)
    assert str(run.problem) in {
        f"stream payments: expected one partition for card {key}, as partitioned_by promises; found it in partitions {one} and {other}: "
        "its flags are wrong. Have the input written by card, or remove partitioned_by"
        for one, other in ((0, 2), (2, 0))
    }
