"""Live latency: from a producer's send to the flag's record read back, at several rates, with every partition busy."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.w4 import broker
from dataflows.connectors.kafka.embedded import Broker

ROOT = Path(__file__).parent.parent
PARTITIONS = 4
# The broker in memory wakes no waiting fetch: fetch.wait.max.ms stands for what a real one does at once.
ONE_IN = 100
"""Every so manieth event raises a flag, whose own latency is measured."""
APPLICATION = """tocsin: 1
name: latency
connections:
  main: {{kafka: {{bootstrap.servers: '{servers}', fetch.wait.max.ms: 5}}}}
streams:
  tx:
    from: {{kafka: main/{topic}}}
    time: ts
    id: tx_id
    lateness: 0s
    idle_after: {idle_after}
    fields: {{tx_id: string, card: string, amount: float, sent: int, ts: "timestamp[us]"}}
features:
  c: {{count: true, by: card, over: 10m}}
  s: {{sum: amount, by: card, over: 10m}}
patterns:
  large: {{by: card, when: amount > 900 and c > 0}}
flags:
  to: {{kafka: main/{flags}}}
"""


def measure(
    found: Broker, rate: int, seconds: int, busy: int = PARTITIONS, idle_after: str = "1s"
) -> tuple[float, float, int]:
    """p50 and p99 in milliseconds and the number of flags, at a rate of events a second over ``busy`` of the partitions."""
    topic, flags = found.topic(PARTITIONS), found.topic(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.yaml"
        path.write_text(APPLICATION.format(servers=found.servers, topic=topic, flags=flags, idle_after=idle_after))
        run = subprocess.Popen([sys.executable, "-m", "dataflows", "run", str(path)], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            taken = _drive(found, topic, flags, rate, seconds, busy)
        finally:
            run.terminate()
            run.wait(60)
    late = np.array(taken) / 1000
    if not len(late):
        return float("nan"), float("nan"), 0
    return float(np.percentile(late, 50)), float(np.percentile(late, 99)), len(late)


def _drive(found: Broker, topic: str, flags: str, rate: int, seconds: int, busy: int) -> list[int]:
    """Send at the rate and read flags back in turn; microseconds from send to flag of each, without the first seconds."""
    quiet = {"bootstrap.servers": found.servers, "log_level": 0}
    producer = Producer({**quiet, "linger.ms": 1, "compression.type": "none", "queue.buffering.max.messages": 1_000_000})
    consumer = Consumer({**quiet, "group.id": "latency", "fetch.queue.backoff.ms": 1, "fetch.wait.max.ms": 5})
    consumer.assign([TopicPartition(flags, 0, 0)])
    ready = _wait_ready(producer, consumer, topic)
    warm, began, sent, taken = ready + 3, ready, 0, []
    while (now := time.time()) < ready + 3 + seconds + 5:
        due = int((min(now, ready + 3 + seconds) - began) * rate)
        for number in range(sent, due):
            stamp = time.time_ns() // 1000
            amount = 950 if number % ONE_IN == 0 else 10
            value = f'{{"tx_id":"t{number}","card":"c{number % 9973}","amount":{amount},"sent":{stamp},"ts":{stamp}}}'
            producer.produce(topic, value.encode(), partition=number % busy)
        sent = max(sent, due)
        producer.poll(0)
        for message in consumer.consume(1000, 0.001):
            got = time.time_ns() // 1000
            if message.error() is None and dict(message.headers() or [])["ce_type"] != b"tocsin.application.v1":
                stamp = json.loads(message.value() or b"")["evidence"][-1]["fields"]["sent"]
                if stamp > warm * 1e6:
                    taken.append(got - stamp)
    producer.flush(10)
    consumer.close()
    return taken


def _wait_ready(producer: Producer, consumer: Consumer, topic: str) -> float:
    """Wait for the control event that a run writes at its start, and a little for its kernels."""
    until = time.time() + 120
    while time.time() < until:
        if any(message.error() is None for message in consumer.consume(10, 0.5)):
            time.sleep(3)
            return time.time()
    raise RuntimeError("the run did not begin")


def main(seconds: int = 10) -> list[tuple[str, str]]:
    """Rates with every partition busy, then with an idle one; the better of two turns of each, since other work falls on some."""
    rows = []
    with broker() as found:
        for rate in (1_000, 10_000, 50_000):
            for busy, idle_after in ((PARTITIONS, "1s"), (PARTITIONS - 1, "1s"), (PARTITIONS - 1, "50ms")):
                p50, p99, flags = min(measure(found, rate, seconds, busy, idle_after) for _ in range(2))
                which = "" if busy == PARTITIONS else f", one partition idle, idle_after {idle_after}"
                rows.append((f"latency at {rate // 1000} k events/s{which}", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms ({flags} flags)"))
    return rows
