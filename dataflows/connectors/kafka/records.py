"""Kafka's messages as raw rows, and their headers as attributes of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from dataflows.decoding.decoded import NO_TIMESTAMP, PADDING, Chunk, Headers, RawRows

_SECOND = itemgetter(1)
_TRACE = frozenset({"traceparent", "tracestate"})


def raw_rows_of(messages: Sequence[Message]) -> RawRows:
    """Messages of one partition in one buffer; a null value has length -1."""
    n = len(messages)
    values: list[Any] = list(map(Message.value, messages))
    nulls = [row for row, value in enumerate(values) if value is None] if None in values else []
    for row in nulls:
        values[row] = b""
    length = np.fromiter(map(len, values), np.int64, n)
    stop = np.cumsum(length)
    start = stop - length
    stop[nulls] = start[nulls] - 1
    values.append(bytes(PADDING))
    data = np.frombuffer(bytearray().join(values), np.uint8)
    headers: list[Any] = list(map(Message.headers, messages))
    millis = np.fromiter(map(_SECOND, map(Message.timestamp, messages)), np.int64, n)
    return RawRows(
        data, start, stop, np.fromiter(map(Message.offset, messages), np.int64, n),
        list(map(Message.key, messages)),
        [tuple(each or ()) for each in headers] if any(headers) else None,
        np.where(millis < 0, NO_TIMESTAMP, millis * 1000),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordChunk:
    """Rows of records that had headers: the decoded rows, and what the headers add to them."""

    chunk: Chunk
    headers: Sequence[Headers]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields, as stored values."""
        return self.chunk.fields(row)

    def raw(self, row: int) -> bytes:
        """The record's value."""
        return self.chunk.raw(row)

    def attributes(self, row: int) -> dict[str, str]:
        """CloudEvents attributes and trace context as such, every header as ``header:NAME``; the format's own go before them."""
        return {**header_attributes(self.headers[row]), **self.chunk.attributes(row)}

    def take(self, rows: NDArray[np.int64]) -> RecordChunk:
        """Only these rows."""
        return RecordChunk(self.chunk.take(rows), [self.headers[int(row)] for row in rows])

    def snapshot(self) -> dict[str, Any]:
        """All rows as plain values."""
        return {"form": "records", "chunk": self.chunk.snapshot(), "headers": [list(each) for each in self.headers]}


def header_attributes(headers: Headers) -> dict[str, str]:
    """Attributes that a record's headers hold; of repeated headers the last counts.

    >>> header_attributes([("ce_id", b"1"), ("x", b"y")])
    {'header:ce_id': '1', 'id': '1', 'header:x': 'y'}
    """
    found: dict[str, str] = {}
    for name, value in headers:
        text = "" if value is None else value.decode("utf-8", "replace")
        found[f"header:{name}"] = text
        if name.startswith("ce_"):
            found[name[3:]] = text
        elif name in _TRACE:
            found[name] = text
    return found
