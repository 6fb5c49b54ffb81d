"""The log of a live run, as machines read it: what happens to it and to its brokers, without secrets or values of events."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dataflows.connectors.kafka.embedded import Broker
from tests.kafka.door import Door
from tests.kafka.read_back import flags_in
from tests.kafka.shop import made, over_topics
from tests.kafka.test_command import run
from tests.kafka.test_live_run import PATIENCE, QUICK, payment

SECRETS = {"bootstrap.servers": "sasl.password: hidden-word, bootstrap.servers"}


def log_of(told: str) -> list[dict[str, Any]]:
    """Every line is an event."""
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_run_from_its_start_to_its_stop(processes: str, broker: Broker, tmp_path: Path) -> None:
    """A broker that is not there, is there, goes, and a stop meanwhile, which does not wait for it."""
    topics, door = made(broker), Door(broker.port)
    over_topics(tmp_path, Broker(door.port), topics, {**QUICK, **SECRETS})
    running = run(tmp_path, "--state", str(tmp_path / "state"), "--processes", processes, "--log-level", "debug", form="json")
    assert running.stderr is not None
    over = threading.Timer(3 * PATIENCE, running.kill)  # so that a line that never comes ends the test
    over.start()
    seen: list[dict[str, Any]] = []

    def until(event: str, **fields: Any) -> dict[str, Any]:
        while True:
            line = running.stderr.readline()  # type: ignore[union-attr]
            assert line, (running.wait(PATIENCE), seen[-5:])
            seen.append(json.loads(line))
            if seen[-1]["event"] == event and fields.items() <= seen[-1].items():
                return seen[-1]

    started = until("started")
    assert (started["application"], started["shards"], started["processes"]) == ("shop", 16, int(processes))
    waiting = until("broker_waiting")
    assert waiting["level"] == "warning" and waiting["connection"] == "main" and waiting["servers"].endswith(str(door.port))
    door.open()
    assert until("broker_back")["connection"] == "main"
    until("epoch")
    now = time.time_ns() // 1_000_000
    broker.send(topics["payments"], [payment(number, "card-of-somebody", now + number, 300) for number in range(4)])
    broker.send(topics["payments"], [payment(9, "card-of-somebody", now, 1)[:-1]])
    flags_in(broker, topics["flags"], 1 + 4 + 1, PATIENCE)
    dead = until("dead_letters")
    assert (dead["stream"], dead["count"], dead["reasons"]) == ("payments", 1, {"syntax": 1})
    running.send_signal(signal.SIGTERM)
    until("stopping")
    ended = until("ended")
    assert ended["reason"] == "stopped" and ended["rows"]["payments"] == 5 and ended["dead"] == {"payments syntax": 1}
    running.communicate(timeout=PATIENCE)
    over.cancel()
    assert running.returncode == 0
    assert any(line["event"] == "kafka_client" for line in seen), "the client's own lines, at level debug"
    text = json.dumps(seen)
    assert "hidden-word" not in text and "card-of-somebody" not in text
    if processes == "2":
        assert {line.get("worker") for line in seen} == {None, 0, 1}
    door.close()


def test_a_run_that_goes_on_says_where(broker: Broker, tmp_path: Path) -> None:
    """The offsets of its partitions; and what is fatal is the last line."""
    topics = made(broker)
    over_topics(tmp_path, broker, topics, QUICK)
    broker.send(topics["payments"], [payment(at, "c", time.time_ns() // 1_000_000 + at, 1) for at in range(3)])
    state = ["--state", str(tmp_path / "state")]
    running = run(tmp_path, *state)
    assert running.stderr is not None
    flags_in(broker, topics["flags"], 1, PATIENCE)
    broker.send(topics["payments"], [payment(at, "c", time.time_ns() // 1_000_000 + at, 400) for at in range(4)])
    flags_in(broker, topics["flags"], 1 + 4, PATIENCE)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=PATIENCE)
    again = run(tmp_path, *state, "--to", "end", form="json")
    _, told = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, told
    events = {line["event"]: line for line in log_of(told)}
    assert list(events) == ["started", "resumed", "ended"]
    assert events["resumed"]["offsets"][f"main/{topics['payments']}/0"] == 7
    assert events["ended"]["reason"] == "end of input"
    refused = run(tmp_path, *state, "--shards", "4", form="json")
    _, told = refused.communicate(timeout=PATIENCE)
    last = log_of(told)[-1]
    assert (refused.returncode, last["event"], last["level"], last["exit_code"]) == (1, "fatal", "critical", 1)
    assert "expected --shards 16" in last["message"]


def test_what_ends_a_worker_is_told_once(broker: Broker, tmp_path: Path) -> None:
    """By its parent."""
    over_topics(tmp_path, broker, {**made(broker), "customers": "nowhere"})
    running = run(tmp_path, "--processes", "2", form="json")
    _, told = running.communicate(timeout=PATIENCE)
    fatal = [line for line in log_of(told) if line["event"] == "fatal"]
    assert len(fatal) == 1 and "topic 'nowhere' does not exist" in fatal[0]["message"] and running.returncode == 3
