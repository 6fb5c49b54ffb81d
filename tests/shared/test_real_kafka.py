"""What holds on the broker in memory holds on a real Kafka: laws 2, 3, 4 and 6, stops, and the same flags as over files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from dataflows.connectors.kafka.embedded import Broker
from dataflows.running import Job, run_here
from dataflows.state.directory import StateProblem
from tests.kafka.read_back import flags_in, structured_in
from tests.kafka.shop import made, over_topics
from tests.kafka.test_cloudevents import *  # noqa: F403 - the same tests, with this folder's broker
from tests.kafka.test_command import test_sigterm_drains_and_exits_0  # noqa: F401
from tests.kafka.test_crash import *  # noqa: F403
from tests.kafka.test_crash import kept, kills_change_nothing, through_kills_and_drains
from tests.kafka.test_end_to_end import bounded, test_topics_give_what_files_give  # noqa: F401
from tests.kafka.test_live_run import QUICK, payment
from tests.kafka.test_middle import test_a_run_from_the_middle_marks_what_it_cannot_know  # noqa: F401
from tests.kafka.test_odd_input import test_odd_messages_stop_nobody  # noqa: F401
from tests.kafka.test_partitioned_topics import *  # noqa: F403
from tests.kafka.test_partitioned_topics import application as promised
from tests.kafka.test_stop import test_a_stopped_run_goes_on, test_workers_end_with_whoever_started_them  # noqa: F401
from tests.shared.stack import FOLDER

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the servers' scripts lie beside the checkout, and there is none"),
]


@pytest.mark.parametrize("seed", [1, 2])
def test_many_kills_at_random_calls(seed: int, broker: Broker, tmp_path: Path) -> None:
    """Law 2: ten kills and more, anywhere in sources, shards and sinks."""
    assert kills_change_nothing(seed, broker, tmp_path, 2_000, 20) >= 10


@pytest.mark.parametrize("seed", [1, 2])
def test_many_kills_and_drains_at_random_moments(seed: int, broker: Broker, tmp_path: Path) -> None:
    """Laws 2, 3 and 4: live, with silence, twelve kills -9 and four SIGTERMs; then a replay gives the same flags byte for byte."""
    through_kills_and_drains(seed, broker, tmp_path, kills=12, drains=4)


def grown(broker: Broker, topic: str) -> None:
    """Give a topic a fourth partition."""
    admin = AdminClient({"bootstrap.servers": broker.servers})
    admin.create_partitions([NewPartitions(topic, 4)])[topic].result(30)


def test_a_partition_that_was_added_joins_at_the_next_start(broker: Broker, tmp_path: Path) -> None:
    """Its events of before the run's watermark are late (new_partition), later ones are flagged."""
    topics = made(broker)
    application = over_topics(tmp_path, broker, topics, QUICK)
    with kept(application, tmp_path / "state"):
        now = time.time_ns() // 1_000_000
        broker.send(topics["payments"], [payment(number, "c1", now + number) for number in range(2)])
        before = flags_in(broker, topics["flags"], 1 + 2)
    grown(broker, topics["payments"])
    with kept(application, tmp_path / "state"):
        rows = [payment(7, "c7", now - 60_000), payment(8, "c8", time.time_ns() // 1_000_000)]
        Broker(broker.port).send(topics["payments"], rows, 3)  # a producer that does not know the topic yet
        found = flags_in(broker, topics["flags"], 2 + 3, 60)
        late = structured_in(broker, topics["late"], 1)
    assert [flag["data"]["evidence"][0]["id"] for flag in found if flag not in before] == ["p8"]
    assert [(each["data"]["reason"], each["data"]["partition"]) for each in late] == [("new_partition", 3)]


def test_a_partition_that_was_added_moves_keys(broker: Broker, tmp_path: Path) -> None:
    """With ``partitioned_by`` the saved state is refused: keys lie elsewhere than their state."""
    payments = broker.topic(3)
    application, flags = promised(tmp_path, broker, payments)
    with kept(application, tmp_path / "state"):
        now = time.time_ns() // 1_000_000
        broker.send(payments, [payment(number, "c1", now + number) for number in range(3)])
        flags_in(broker, flags, 1 + 1)
    grown(broker, payments)
    with pytest.raises(StateProblem) as refused:
        run_here(Job(application, 4, lambda: "now", live=bounded([]), state=tmp_path / "state"))
    assert str(refused.value) == (
        f"{tmp_path / 'state'}: stream payments: expected 3 partition(s), as in the saved state; found 4: keys have moved: "
        "rebuild by replay, or remove `partitioned_by`"
    )
