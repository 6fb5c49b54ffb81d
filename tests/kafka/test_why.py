"""``tocsin why --pattern`` over topics: what they hold now, without the end of time; who holds back the rest."""

from __future__ import annotations

import json
import time
from pathlib import Path

from dataflows.commands.whynot import story_of
from dataflows.connectors.kafka.embedded import Broker
from dataflows.tracing.words import headline, told
from models.application.load import load

APPLICATION = """tocsin: 1
name: why
connections: {{main: {{kafka: {{bootstrap.servers: "{servers}"}}}}}}
streams:
  tx:
    from: {{kafka: main/{topic}}}
    time: ts
    lateness: 1s
    idle_after: {idle}
    fields: {{id: string, ts: "timestamp[ms]", card: string, amount: int}}
    id: id
patterns:
  p:
    on: tx
    by: card
    sequence: [{{probe: {{when: amount < 5}}}}, {{cash: {{when: amount > 200}}}}]
    within: 1h
flags: {{to: {{file: flags.jsonl}}}}
"""


def _sent(broker: Broker, folder: Path, idle: str, rows: list[tuple[int, str, int, int]]) -> Path:
    """An application over a topic of two partitions with rows (seconds ago, card, amount, partition)."""
    topic, now = broker.topic(2), time.time_ns() // 1_000_000
    for number, (ago, card, amount, partition) in enumerate(rows):
        event = {"id": f"t{number}", "ts": now - ago * 1_000, "card": card, "amount": amount}
        broker.send(topic, [json.dumps(event).encode()], partition)
    (folder / "app.yaml").write_text(APPLICATION.format(servers=broker.servers, topic=topic, idle=idle))
    return folder / "app.yaml"


def test_what_a_live_run_still_waits_for(broker: Broker, tmp_path: Path) -> None:
    """Nothing fires at the end of the log: attempts are open, and what silence would announce counts."""
    path = _sent(broker, tmp_path, "1s", [(7_200, "a", 1, 0), (7_000, "a", 100, 0), (60, "a", 2, 0), (50, "b", 2, 1), (30, "b", 900, 1)])
    found = story_of(load(path), "p", "a")
    assert [headline(attempt).split(";")[0] for attempt in found.attempts] == ["probe 1 of 1", "probe 1 of 1"]
    assert [attempt.ending and attempt.ending.how for attempt in found.attempts] == ["timeout", "open"]
    assert headline(found.attempts[0]).startswith("probe 1 of 1; cash: 100 > 200 is false at ")
    assert found.events == 3 and found.waiting == 0


def test_a_partition_that_holds_the_bound(broker: Broker, tmp_path: Path) -> None:
    """Its clock is an hour behind: the match is read, and not decided; it is said who holds it back."""
    path = _sent(broker, tmp_path, "10h", [(3_000, "a", 1, 0), (2_900, "a", 900, 0), (3_600, "b", 1, 1)])
    application = load(path)
    found = story_of(application, "p", "a")
    assert found.attempts == [] and found.waiting == 2 and found.holder is not None
    assert found.holder.name == "tx partition 1"
    lines = list(told(application, found, found.attempts, trees=False))
    assert lines[-1].endswith("the bound is held by tx partition 1; 2 rows wait for it")
