"""How many partitions topics have; a broker that is not up yet is waited for."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.kafka.live import Live
from dataflows.connectors.kafka.reasons import KafkaProblem, explain, unencrypted
from dataflows.connectors.kafka.telling import answers, client_line, waiting

PATIENCE = 2.0
"""Seconds that one question waits for its answer."""
REFUSALS, _HUNG_UP = 2, 3
"""How often a reason that waiting cannot mend is heard before it is believed."""


class Asked:
    """What a client's errors said so far: each reason told once."""

    def __init__(self, connection: Connection, live: Live) -> None:
        self.connection = connection
        self.live = live
        self.told: set[str] = set()
        self.refused: list[str] = []
        self.hung_up = 0

    def __call__(self, error: KafkaError) -> None:
        """Take an error of the client."""
        message, passes = explain(error, self.connection.name, self.connection.servers)
        if not passes:
            self.refused.append(message)
        elif error.code() != KafkaError._ALL_BROKERS_DOWN or not self.told:
            self.say(message)

    def line(self, level: int, line: str) -> None:
        """Take a line of the client's log: that a broker hung up on the first request comes nowhere else."""
        self.live.note(client_line(self.connection.name, level, line))
        if "APIVERSION_QUERY" in line and "Disconnected" in line:
            self.hung_up += 1
            if self.hung_up >= _HUNG_UP:
                self.refused += [unencrypted(self.connection.name, self.connection.servers)] * REFUSALS

    def say(self, message: str) -> None:
        """Tell it, unless it was told before."""
        if message not in self.told:
            self.told.add(message)
            self.live.say(waiting(self.connection, message))


def partitions_of(connection: Connection, topics: Sequence[str], live: Live) -> dict[str, int]:
    """The number of partitions of each topic, once the broker answers; empty when the run is drained before.

    Raises:
        KafkaProblem: when a topic does not exist, or the broker refuses the client.
    """
    asked = Asked(connection, live)
    client = connection.consumer("tocsin", asked, on_line=asked.line)  # a producer's question would make the topic
    found: dict[str, int] = {}
    for topic in topics:
        while not live.draining():
            count = _count(client, topic, asked)
            if count is not None:
                found[topic] = count
                break
    client.close()
    if asked.told and len(found) == len(topics):
        live.say(answers(connection, "the broker answers"))
    return found


def _count(client: Consumer, topic: str, asked: Asked) -> int | None:
    connection = asked.connection
    try:
        described = client.list_topics(topic, timeout=PATIENCE).topics[topic]
    except KafkaException as error:
        client.poll(0)
        if len(asked.refused) >= REFUSALS:
            raise KafkaProblem(asked.refused[-1]) from None
        if not asked.refused and not asked.told:
            asked.say(explain(error.args[0], connection.name, connection.servers)[0])
        return None
    if described.error is None:
        return len(described.partitions)
    if described.error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
        raise KafkaProblem(
            f"topic {topic!r} does not exist on connection {connection.name!r} ({connection.servers}). Create it, or correct the "
            "name in the application file"
        )
    if described.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise KafkaProblem(f"topic {topic!r} on connection {connection.name!r}: not allowed to read it. Ask for its ACLs")
    asked.say(f"topic {topic!r} on connection {connection.name!r}: {described.error.str()}")
    return None
