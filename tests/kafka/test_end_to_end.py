"""From topics to flags: the same as from files."""

from __future__ import annotations

import json
import time
from pathlib import Path

from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.live import END, Live, Span
from dataflows.running import Job, run_here
from tests.kafka.read_back import flags_in, flags_of, structured_in
from tests.kafka.shop import filled, over_files, over_topics, rows


def bounded(said: list[str], span: Span | None = None) -> Live:
    """A run to an end."""
    return Live(lambda: time.time_ns() // 1000, said.append, lambda: False, span or Span(end=END))


def test_topics_give_what_files_give(broker: Broker, tmp_path: Path) -> None:
    """A bounded run over topics gives the flags, late events and dead letters of a run over files with the same rows."""
    partitions, changes = rows()
    run_here(Job(over_files(tmp_path, partitions, changes), 16, lambda: "now"))
    expected = flags_of(tmp_path / "flags.jsonl")
    assert {flag["source"] for flag in expected} == {f"/tocsin/shop/{name}" for name in ("often", "abroad", "burst")}
    topics = filled(broker, partitions, changes)
    said: list[str] = []
    counts = run_here(Job(over_topics(tmp_path, broker, topics), 16, lambda: "now", live=bounded(said)))
    assert flags_in(broker, topics["flags"]) == expected
    assert said == []
    assert counts.rows["payments"] == 3_000
    for name in ("late", "dead"):
        told = structured_in(broker, topics[name])
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert len(told) == len(lines) > 5
        assert sorted(event["data"]["value"] for event in told) == sorted(event["data"]["value"] for event in lines)
