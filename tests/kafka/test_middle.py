"""Law 6 on a broker: a run that begins at a time marks what it cannot know, and what it does not mark is right."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.live import END, Live, Span
from dataflows.running import Job, run_here
from tests.kafka.read_back import flags_in
from tests.kafka.shop import START, made, over_topics, rows

NEAR = {"lateness: 2s": "lateness: 2s\n    max_ahead: 10s"}


def test_a_run_from_the_middle_marks_what_it_cannot_know(broker: Broker, tmp_path: Path) -> None:
    """Tables are read whole; a window of a minute settles it and `max_ahead` later; saved state remembers where it began."""
    partitions, changes = rows(1_200)
    topics = made(broker)
    for number, lines in enumerate(partitions):
        for at in range(0, len(lines), 40):
            newest = max(json.loads(line)["ts"] for line in lines[at : at + 40])
            broker.send(topics["payments"], lines[at : at + 40], number, timestamp=newest)
    broker.send(topics["customers"], changes, timestamp=START)
    whole = _flags(broker, topics, tmp_path, None, None)
    begin = START + 40_000
    found = _flags(broker, topics, tmp_path, begin, tmp_path / "state")
    marked = [flag for flag in found if flag.pop("settled", None) == "false"]
    assert {flag["source"].rpartition("/")[2] for flag in marked} == {"abroad", "often", "burst"}
    settled = [flag for flag in found if flag not in marked]
    assert all(flag in whole for flag in settled)
    for name, seconds in (("abroad", 10), ("often", 70)):
        behind = [flag for flag in whole if flag["source"].endswith(f"/{name}") and _millis(flag) >= begin + seconds * 1_000 + 1]
        assert behind and all(flag in settled for flag in behind)
        assert all(_millis(flag) < begin + seconds * 1_000 for flag in marked if flag["source"].endswith(f"/{name}"))
    assert json.loads((tmp_path / "state" / "state.json").read_text())["begin"] == begin * 1_000


def _flags(broker: Broker, topics: dict[str, str], folder: Path, begin: int | None, state: Path | None) -> list[dict[str, Any]]:
    """The flags of a run over what there is, from a time on (milliseconds)."""
    to = {**topics, "flags": broker.topic(2)}
    span = Span(begin=None if begin is None else begin * 1_000, end=END)
    live = Live(lambda: time.time_ns() // 1000, lambda text: None, span=span)
    run_here(Job(over_topics(folder, broker, to, NEAR), 3, lambda: "now", live=live, state=state))
    return flags_in(broker, to["flags"])


def _millis(flag: dict[str, Any]) -> int:
    """A flag's time."""
    return int(flag["sequence"].partition("-")[0]) // 1_000 - 62_135_596_800_000
