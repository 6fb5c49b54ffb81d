"""What cannot be delivered is never passed over; a dead letter that is too large goes without the bytes it quotes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError, Message

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.embedded import Broker
from dataflows.connectors.kafka.outbox import Outbox
from dataflows.connectors.kafka.reasons import KafkaProblem
from models.events.cloudevents import Record, structured
from models.events.deadletter import dead_letter
from tests.kafka.parts import Clock

CONNECTION = Connection("main", {"bootstrap.servers": "127.0.0.1:1"})


class Client:
    """A producer that keeps what it is given; ``full`` times its queue has no room."""

    def __init__(self, full: int = 0) -> None:
        self.full = full
        self.sent: list[tuple[Any, ...]] = []
        self.polls = 0

    def produce(self, topic: str, value: bytes, key: bytes | None, headers: Any, on_delivery: Any) -> None:
        if self.full:
            self.full -= 1
            raise BufferError
        self.sent.append((topic, value, key, headers))

    def poll(self, seconds: float) -> None:
        self.polls += 1

    def flush(self, seconds: float) -> int:
        return len(self.sent)

    def __len__(self) -> int:
        return len(self.sent)


def outbox_of(client: Client, clock: Clock) -> Outbox:
    found = Outbox(CONNECTION, clock.live())
    found.producer = client  # type: ignore[assignment]
    return found


def test_a_full_queue_is_waited_for() -> None:
    """Nothing is lost."""
    client = Client(full=2)
    outbox_of(client, Clock()).send("flags", Record(b"k", b"v", [("a", b"1")]))
    assert client.sent == [("flags", b"v", b"k", [("a", b"1")])]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, "it is larger than the topic takes: raise max.message.bytes of the topic"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "writing is not allowed: ask for its ACLs"),
        (KafkaError._MSG_TIMED_OUT, "the broker did not acknowledge in time (message.timeout.ms)"),
    ],
)
def test_a_failed_delivery_stops_the_run(code: int, message: str) -> None:
    """At the next record or flush, with cause and cure."""
    outbox = outbox_of(Client(), Clock())
    outbox._delivered(KafkaError(code), Message(topic="flags", value=b"{}"))
    with pytest.raises(KafkaProblem) as found:
        outbox.send("flags", Record(None, b"", []))
    assert f"topic 'flags' on connection 'main' (127.0.0.1:1): a record could not be delivered: {message}" in str(found.value)


def test_a_dead_letter_that_is_too_large_goes_without_its_value() -> None:
    """It says how much was left out."""
    client = Client()
    outbox = outbox_of(client, Clock())
    record = structured(dead_letter("shop", "payments", "syntax", "", "t", 0, 1, b"x" * 3000), b"k")
    outbox._delivered(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), Message(topic="dead", value=record.value, key=b"k"))
    outbox.send("dead", record)
    data = orjson.loads(client.sent[0][1])["data"]
    assert data["value"] is None and data["left_out"] == "value of 3000 bytes: larger than the topic takes"
    assert (data["topic"], data["offset"]) == ("t", 1)


def test_a_stop_does_not_wait_for_ever() -> None:
    """With records that nobody takes, and the run to stop: an error after some seconds, told while waiting."""
    client, clock = Client(), Clock()
    client.sent.append(("flags",))
    clock.stopping = True
    with pytest.raises(KafkaProblem, match="1 records could not be sent before the stop"):
        outbox_of(client, clock).flush()
    assert clock.said == ["connection 'main' (127.0.0.1:1): the broker does not acknowledge; waiting with 1 records to send"]


def test_a_message_of_5_mb_is_delivered(broker: Broker, tmp_path: Path) -> None:
    """The client's own limit is not the one that counts."""
    topic = broker.topic()
    outbox = Outbox(Connection("main", {"bootstrap.servers": broker.servers}), Clock().live())
    outbox.send(topic, Record(b"k", b"x" * 5_000_000, []))
    outbox.flush()
    assert [len(message.value() or b"") for message in broker.read(topic)] == [5_000_000]
