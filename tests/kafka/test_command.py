"""``tocsin run`` on topics as a process: flags while it runs, and a stop that fires nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataflows.connectors.kafka.embedded import Broker
from tests.kafka.read_back import flags_in
from tests.kafka.shop import made, over_topics
from tests.kafka.test_live_run import QUICK, payment

ROOT = Path(__file__).parent.parent.parent


def run(folder: Path, *more: str, form: str = "console") -> subprocess.Popen[str]:
    """Start the command."""
    command = [sys.executable, "-m", "dataflows", "run", str(folder / "topics.yaml"), f"--log-format={form}", *more]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)


@contextmanager
def ended(running: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens meanwhile, the command does not outlive it."""
    try:
        yield
    finally:
        running.kill()


@pytest.mark.parametrize("more", [(), ("--processes", "2")])
def test_sigterm_drains_and_exits_0(more: tuple[str, ...], broker: Broker, tmp_path: Path) -> None:
    """With one worker and with two: the open debounce is not fired, and the summary counts what was read."""
    topics = made(broker)
    over_topics(tmp_path, broker, topics, {**QUICK, "debounce: 20s": "debounce: 1h"})
    now = time.time_ns() // 1_000_000
    for partition in range(3):
        broker.send(topics["payments"], [payment(partition * 10 + at, f"c{partition}", now + at, 300) for at in range(4)], partition)
    with run(tmp_path, *more) as running, ended(running):
        found = flags_in(broker, topics["flags"], 1 + 12 + 3, 60)
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    assert {flag["data"]["pattern"]["name"] for flag in found} == {"abroad", "often"}
    assert "12 rows in" in told
    assert len(flags_in(broker, topics["flags"])) == len(found)


def test_from_and_to_are_for_topics(tmp_path: Path) -> None:
    """A span without topics, and a time that is none, are wrong usage."""
    (tmp_path / "topics.yaml").write_text(
        'tocsin: 1\nname: a\nstreams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]"}}}\n'
    )
    running = run(tmp_path, "--to", "end")
    _, told = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "are for topics; this application reads files" in told
