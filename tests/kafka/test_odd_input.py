"""What producers and brokers may do wrong, on a broker: nothing of it stops or silences a run."""

from __future__ import annotations

import json
import time
from pathlib import Path

from dataflows.connectors.kafka.embedded import Broker, free_port
from tests.kafka.door import Door
from tests.kafka.read_back import flags_in, structured_in
from tests.kafka.shop import made, over_topics
from tests.kafka.test_live_run import QUICK, payment, running

DAY = 86_400_000
"""Milliseconds."""


def test_a_broker_that_was_away_is_read_on(tmp_path: Path) -> None:
    """It falls silent, then cuts connections: nothing is announced of that time, and what was sent in it is flagged, not late."""
    door = Door(free_port())
    broker = Broker(door.target, told=door.port)
    door.open()
    broker.start()
    try:
        topics = made(broker)
        with running(over_topics(tmp_path, Broker(door.port), topics, QUICK)) as run:
            broker.send(topics["payments"], [payment(1, "c1", time.time_ns() // 1_000_000)])
            flags_in(broker, topics["flags"], 2)
            door.hold()
            Broker(door.port).send(topics["payments"], [payment(n, "c2", time.time_ns() // 1_000_000) for n in (2, 3)], 1)
            time.sleep(1.5)  # far longer than idle_after
            door.cut()
            found = flags_in(Broker(door.port), topics["flags"], 1 + 3, 60)
            run.until(lambda: any("the broker answers again" in line for line in run.said))
        late = structured_in(Broker(door.port), topics["late"])
    finally:
        broker.stop()
        door.close()
    assert not late
    assert sorted(flag["data"]["evidence"][0]["id"] for flag in found) == ["p1", "p2", "p3"]
    assert f"127.0.0.1:{door.port}" in run.said[0]


def test_odd_messages_stop_nobody(broker: Broker, tmp_path: Path) -> None:
    """0 bytes, 5 MB, a tombstone, garbage, and a clock that is a day ahead: flags before and behind them come, dead letters say why."""
    topics = made(broker)
    with running(over_topics(tmp_path, broker, topics, {**QUICK, "id: id": "id: id\n    max_dead: 100%"})) as run:
        now = time.time_ns() // 1_000_000
        large = payment(2, "c1", now + 1)[:-1] + b',"more":"' + b"x" * 5_000_000 + b'"}'
        ahead = payment(3, "c1", now + DAY + 60_000)
        broken = b'{"id":"' + b"y" * 5_000_000
        broker.send(topics["payments"], [payment(1, "c1", now), b"", None, large, ahead, broken, payment(4, "c1", now + 2)])
        found = flags_in(broker, topics["flags"], 1 + 3, 60)
        dead = structured_in(broker, topics["dead"], 3)
    assert [flag["data"]["evidence"][0]["id"] for flag in found] == ["p1", "p2", "p4"]
    assert not structured_in(broker, topics["late"])
    assert sorted((each["data"]["reason"], each["data"]["offset"]) for each in dead) == [("future_time", 4), ("syntax", 1), ("syntax", 5)]
    told = next(each["data"] for each in dead if each["data"]["offset"] == 5)
    assert told["value"] or "larger than the topic takes" in told["left_out"]
    assert json.loads(broker.read(topics["payments"], 3)[-1].value() or b"")["id"] == "p4"
    assert run.said == []
