"""W4: from topics filled before to flags on a topic, beside a loop that only consumes, with the same client settings."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import OFFSET_BEGINNING, Producer, TopicPartition

from benchmarks.w1 import APPLICATION, events
from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.fetch import no_collection
from dataflows.connectors.kafka.live import END, Live, Span
from dataflows.running import Job, run_here
from models.application.load import load
from models.application.resolved.application import Application

PARTITIONS = 4
SERVERS = "TOCSIN_BENCH_KAFKA"
"""A broker to use instead of the one in memory."""


@contextmanager
def broker() -> Iterator[Broker]:
    """The broker that the environment names, or one in memory."""
    given = os.environ.get(SERVERS)
    found = Broker(int(given.rpartition(":")[2])) if given else Broker().start()
    try:
        yield found
    finally:
        found.stop()


def fill(found: Broker, topic: str, path: Path) -> int:
    """Send the lines of a file, by card over the partitions; how many."""
    settings = {"bootstrap.servers": found.servers, "linger.ms": 50, "compression.type": "none", "batch.num.messages": 5_000}
    producer = Producer({**settings, "log_level": 0})
    n = 0
    with path.open("rb") as lines:
        for line in lines:
            n += 1
            at = line.index(b'"card":"c') + 9
            while True:
                try:
                    producer.produce(topic, line[:-1], partition=int(line[at : at + 6]) % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.05)
    assert producer.flush(120) == 0
    return n


def consume(found: Broker, topic: str, n: int, *, spared: bool) -> float:
    """Seconds to take every message and its value, and nothing more; ``spared``: the collector is kept from it as from a run."""
    connection = Connection("bench", {"bootstrap.servers": found.servers})
    consumer = connection.consumer("bench", lambda error: None)
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    taken, size, started = 0, 0, time.perf_counter()
    if spared:
        gc.freeze()
    while taken < n:
        with no_collection() if spared else nullcontext():
            messages = consumer.consume(50_000, 0.0)
        if not messages:
            time.sleep(0.001)
        for message in messages:
            if message.error() is None:
                taken += 1
                size += len(message.value() or b"")
    if spared:
        gc.unfreeze()
    seconds = time.perf_counter() - started
    consumer.close()
    return seconds


def run(application: Application) -> float:
    """Seconds from topics to flags, all acknowledged."""
    live = Live(lambda: time.time_ns() // 1000, print, lambda: False, Span(end=END))
    started = time.perf_counter()
    run_here(Job(application, 16, lambda: "", live=live))
    return time.perf_counter() - started


def main(n: int = 1_000_000, rounds: int = 3) -> list[tuple[str, str]]:
    """Measure in turn, so that what else the machine does falls on both; the best of each."""
    with TemporaryDirectory() as folder, broker() as found:
        path = Path(folder) / "w1.jsonl"
        events(path, n)
        topic, flags = found.topic(PARTITIONS), found.topic(PARTITIONS)
        text = APPLICATION.replace("{file: w1.jsonl}", f"{{kafka: main/{topic}}}\n    lateness: 0s")
        text = text.replace("{file: flags.jsonl}", f"{{kafka: main/{flags}}}")
        text += f"connections:\n  main: {{kafka: {{bootstrap.servers: '{found.servers}'}}}}\n"
        (Path(folder) / "app.yaml").write_text(text)
        application = load(Path(folder) / "app.yaml")
        application = replace(application, streams={"tx": replace(application.streams["tx"], max_ahead=None)})
        assert fill(found, topic, path) == n
        consumed, spared, whole = [], [], []
        for _ in range(rounds):
            consumed.append(consume(found, topic, n, spared=False))
            spared.append(consume(found, topic, n, spared=True))
            whole.append(run(application))
        figures = sorted(c / w for c, w in zip(consumed, whole, strict=True))
        alike = sorted(c / w for c, w in zip(spared, whole, strict=True))
        count = len(found.read(flags, PARTITIONS)) // rounds - 1
    return [
        ("W4 consume only", f"{n / min(consumed) / 1e3:.0f} k events/s"),
        ("W4 topics to flags", f"{n / min(whole) / 1e3:.0f} k events/s"),
        ("W4 consume only, spared the collector", f"{n / min(spared) / 1e3:.0f} k events/s"),
        ("W4 share of consume only", f"{min(consumed) / min(whole):.2f} (in turn {figures[0]:.2f} to {figures[-1]:.2f})"),
        ("W4 share, both spared", f"{min(spared) / min(whole):.2f} (in turn {alike[0]:.2f} to {alike[-1]:.2f})"),
        ("W4 flags", f"{count}"),
    ]
