"""CloudEvents 1.0 on Kafka: binary mode (attributes as ``ce_`` headers, the value is the data) and structured mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

BINARY = "application/json"
STRUCTURED = "application/cloudevents+json"


class Record(NamedTuple):
    """A Kafka record."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def binary(event: Mapping[str, Any]) -> Record:
    """An event in binary mode; its key is the partition key.

    >>> binary({"id": "1", "priority": 2, "partitionkey": "k", "datacontenttype": "application/json", "data": {}}).headers
    [('ce_id', b'1'), ('ce_priority', b'2'), ('ce_partitionkey', b'k'), ('content-type', b'application/json')]
    """
    headers = [(f"ce_{name}", _text(value)) for name, value in event.items() if name not in ("data", "datacontenttype")]
    headers.append(("content-type", str(event.get("datacontenttype", BINARY)).encode()))
    key = event.get("partitionkey")
    return Record(None if key is None else str(key).encode(), orjson.dumps(event.get("data")), headers)


def structured(event: Mapping[str, Any], key: bytes | None) -> Record:
    """An event in structured mode under a key."""
    return Record(key, orjson.dumps(event), [("content-type", STRUCTURED.encode())])


def _text(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode()
