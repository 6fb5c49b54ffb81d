"""What a broker tells of topics beside their records: partitions and their replicas, and how they are set up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from dataflows.connectors.kafka.connection import Connection

_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Described:
    """A topic. leaderless, short: numbers of partitions without a leader, and with fewer replicas in step than there are.

    replicas: the least of any partition; settings: None where the login may not see them.
    """

    name: str
    partitions: int
    replicas: int = 1
    leaderless: tuple[int, ...] = ()
    short: tuple[int, ...] = ()
    settings: Mapping[str, str] | None = field(default_factory=dict)


def described(connection: Connection, topics: Iterable[str]) -> dict[str, Described]:
    """Topics that exist, with their settings."""
    admin = connection.admin()
    found = {}
    for name in topics:
        known = admin.list_topics(name, timeout=_SECONDS).topics[name]
        if known.error is None:
            parts = known.partitions.values()
            found[name] = Described(
                name, len(parts), min((len(part.replicas) for part in parts), default=0),
                tuple(part.id for part in parts if part.leader < 0),
                tuple(part.id for part in parts if len(part.isrs) < len(part.replicas)), _settings(admin, name),
            )  # fmt: skip
    return found


def _settings(admin: AdminClient, topic: str) -> Mapping[str, str] | None:
    asked = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([asked], request_timeout=_SECONDS)[asked].result(_SECONDS)
    except (KafkaException, TimeoutError):
        return None
    return {name: str(entry.value) for name, entry in entries.items() if entry.value is not None}
