"""What a run wrote to topics, read back as files show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from dataflows.connectors.kafka.embedded import Broker


def structured_of(message: Message) -> dict[str, Any]:
    """A binary CloudEvent as a structured one, its attributes as text."""
    headers = dict(message.headers() or [])
    assert headers["content-type"] == b"application/json"
    event: dict[str, Any] = {name[3:]: value.decode() for name, value in headers.items() if name.startswith("ce_")}
    assert message.key() == event["partitionkey"].encode()
    return {**event, "datacontenttype": "application/json", "data": json.loads(message.value() or b"")}


def flags_in(broker: Broker, topic: str, least: int = 0, seconds: float = 20) -> list[dict[str, Any]]:
    """Flags of a topic in the order of a file, without where their evidence lay."""
    found = [structured_of(message) for message in broker.read(topic, 2, least, seconds)]
    return placeless([flag for flag in found if flag["type"] != "tocsin.application.v1"])


def flags_of(path: Path) -> list[dict[str, Any]]:
    """Flags of a file, the same way."""
    return placeless([json.loads(line) for line in path.read_text().splitlines()])


def placeless(flags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Flags in order, without places of evidence, attributes as text."""
    for flag in flags:
        for evidence in flag["data"]["evidence"]:
            for name in ("topic", "offset"):
                evidence.pop(name)
        flag.pop("recordedtime")
    texts = [{name: value if name == "data" else str(value) for name, value in flag.items()} for flag in flags]
    return sorted(texts, key=lambda flag: (flag["sequence"], flag["id"]))


def structured_in(broker: Broker, topic: str, least: int = 0) -> list[dict[str, Any]]:
    """Late events or dead letters of a topic."""
    found = broker.read(topic, 1, least)
    assert all(dict(message.headers() or [])["content-type"] == b"application/cloudevents+json" for message in found)
    return [json.loads(message.value() or b"") for message in found]
