"""Live runs on a broker: flags as they happen, silence, drains, and a broker that comes late or goes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.live import Live, Span
from dataflows.connectors.kafka.reasons import KafkaProblem
from dataflows.connectors.kafka.topics import partitions_of
from dataflows.connectors.notices import Notice
from dataflows.running import Job, run_here
from models.application.resolved.application import Application
from tests.kafka.door import Door
from tests.kafka.read_back import flags_in, structured_in
from tests.kafka.shop import made, over_topics

QUICK = {"lateness: 2s": "lateness: 0s\n    idle_after: 200ms", "key: owner": "key: owner\n    idle_after: 200ms"}
PATIENCE = 60


class Running:
    """A live run in a thread."""

    def __init__(self, application: Application, **more: Any) -> None:
        self.said: list[str] = []
        self.stopping = False
        self.problem: BaseException | None = None
        live = Live(lambda: time.time_ns() // 1000, self.said.append, lambda: self.stopping, Span())
        self.job = Job(application, 4, lambda: "now", live=live, epoch=timedelta(milliseconds=100), **more)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            run_here(self.job)
        except BaseException as error:
            self.problem = error

    def stop(self) -> None:
        self.stopping = True
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something to become true, however long it takes."""
        end = time.monotonic() + PATIENCE
        while not true():
            assert self.problem is None, self.problem
            assert time.monotonic() < end, self.said
            time.sleep(0.01)


@contextmanager
def running(application: Application) -> Iterator[Running]:
    """A live run, drained at the end."""
    run = Running(application)
    yield run
    run.stop()
    assert run.problem is None


def payment(number: int, card: str, time_: int, amount: float = 95) -> bytes:
    row = {"id": f"p{number}", "ts": time_, "card": card, "owner": f"o-{card}", "amount": amount, "country": "BR"}
    return json.dumps(row).encode()


def test_flags_as_they_happen(broker: Broker, tmp_path: Path) -> None:
    """Two of three partitions and the table are silent: what they hold up is released when they announce; a drain fires nothing."""
    topics = made(broker)
    with running(over_topics(tmp_path, broker, topics, {**QUICK, "debounce: 20s": "debounce: 1h"})) as run:
        now = time.time_ns() // 1_000_000
        broker.send(topics["payments"], [payment(number, "c1", now + number, 300) for number in range(4)])
        found = flags_in(broker, topics["flags"], 1 + 4 + 1)
        assert [flag["data"]["pattern"]["name"] for flag in found].count("abroad") == 4
        assert "often" in {flag["data"]["pattern"]["name"] for flag in found}
    assert not [flag for flag in flags_in(broker, topics["flags"]) if flag["source"].endswith("/burst")], "its debounce was still open"
    assert run.said == []


def test_an_event_behind_an_announcement_is_late(broker: Broker, tmp_path: Path) -> None:
    """Reason idle, with the bound that its partition announced."""
    topics = made(broker)
    with running(over_topics(tmp_path, broker, topics, QUICK)) as run:
        now = time.time_ns() // 1_000_000
        broker.send(topics["payments"], [payment(1, "c1", now)])
        flags_in(broker, topics["flags"], 2)
        broker.send(topics["payments"], [payment(2, "c2", now - 3_600_000)], 1)
        late = structured_in(broker, topics["late"], 1)
        assert [(event["data"]["reason"], event["data"]["partition"]) for event in late] == [("idle", 1)]
        run.until(lambda: True)


def test_the_control_event_tells_the_application(broker: Broker, tmp_path: Path) -> None:
    """First on the flags' topic: hash and text of the application, under a key of its own, without any secret."""
    topics = made(broker)
    application = over_topics(tmp_path, broker, topics, {"bootstrap.servers": "sasl.password: hidden, bootstrap.servers"})
    with running(application):
        message = broker.read(topics["flags"], 2, 1)[0]
    assert message.key() == b"tocsin.application.v1/shop"
    data = json.loads(message.value() or b"")
    assert data["sha256"] == application.sha256
    assert "hidden" not in (message.value() or b"").decode()
    assert "hidden" not in repr(application)


def test_a_missing_topic_stops_the_run(broker: Broker, tmp_path: Path) -> None:
    """Its name, the broker, and what to do."""
    application = over_topics(tmp_path, broker, {**made(broker), "customers": "nowhere"})
    run = Running(application)
    run.thread.join(PATIENCE)
    assert isinstance(run.problem, KafkaProblem)
    assert str(run.problem) == (
        f"topic 'nowhere' does not exist on connection 'main' ({broker.servers}). Create it, or correct the name in the application file"
    )
    assert run.problem.code == 3


def test_a_broker_that_comes_late_is_waited_for(broker: Broker, tmp_path: Path) -> None:
    """The run says so, and goes on when it is there."""
    topics, door = made(broker), Door(broker.port)
    with running(over_topics(tmp_path, Broker(door.port), topics, QUICK)) as run:
        run.until(lambda: bool(run.said))
        assert "Check that Kafka runs and bootstrap.servers; waiting" in run.said[0]
        door.open()
        broker.send(topics["payments"], [payment(1, "c1", time.time_ns() // 1_000_000)])
        assert [flag["data"]["pattern"]["name"] for flag in flags_in(broker, topics["flags"], 2)] == ["abroad"]
        assert f"connection 'main' (127.0.0.1:{door.port}): the broker answers" in run.said
    door.close()


def test_a_broker_that_goes_is_waited_for(tmp_path: Path) -> None:
    """The run says why nothing comes, announces nothing meanwhile, and ends when it is asked to."""
    broker = Broker().start()
    try:
        with running(over_topics(tmp_path, broker, made(broker), QUICK)) as run:
            broker.stop()
            run.until(lambda: any("waiting" in line for line in run.said))
            assert broker.servers in run.said[0]
    finally:
        broker.stop()


@pytest.mark.parametrize("setting", ["no.such.setting", "acks"])
def test_a_wrong_setting_is_named(setting: str, broker: Broker, tmp_path: Path) -> None:
    """The client's own words, and the connection."""
    application = over_topics(tmp_path, broker, made(broker), {"bootstrap.servers": f"{setting}: x, bootstrap.servers"})
    run = Running(application)
    run.thread.join(PATIENCE)
    assert isinstance(run.problem, KafkaProblem)
    assert str(run.problem).startswith("connection 'main': ") and setting in str(run.problem)
    assert run.problem.code == 1


def test_a_stop_while_a_broker_is_waited_for_says_nothing_of_its_answer() -> None:
    """It never answered: what is told is that it was waited for."""
    said: list[Notice] = []
    live = Live(lambda: 0, lambda message: said.append(cast(Notice, message)), lambda: bool(said))
    assert partitions_of(Connection("main", {"bootstrap.servers": "127.0.0.1:1"}), ["t"], live) == {}
    assert [notice.event for notice in said] == ["broker_waiting"]
