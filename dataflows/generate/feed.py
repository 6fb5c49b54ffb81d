"""A generated bank as records for topics, in the order of its events' times."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from dataflows.generate.write import FILES
from models.events.debezium import read_change

KEYS = {
    "payments": "card_id", "logins": "customer_id", "transfers": "from_account", "reports": "terminal_id",
    "customers": "customer_id", "cards": "card_id",
}  # fmt: skip
"""The field by which each topic's records are keyed."""


class Fed(NamedTuple):
    """One record: milliseconds of its event, its topic, key and value."""

    time: int
    topic: str
    key: bytes
    value: bytes


def feed(folder: Path) -> Iterator[Fed]:
    """All records of a folder that ``generate_bank`` wrote; at one time in the order of its files."""
    parts = [_changes(folder, name) if FILES[name].endswith(".cdc.jsonl") else _events(folder, name) for name in FILES]
    return heapq.merge(*parts, key=lambda record: record.time)


def _events(folder: Path, name: str) -> Iterator[Fed]:
    with (folder / FILES[name]).open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            yield Fed(int(row["ts"]), name, str(row[KEYS[name]]).encode(), line.rstrip(b"\n"))


def _changes(folder: Path, name: str) -> Iterator[Fed]:
    """Changes under keys as a connector writes them; their times rise, as they do in its log."""
    time = 0
    with (folder / FILES[name]).open("rb") as lines:
        for line in lines:
            change = read_change(orjson.loads(line), orjson.loads)
            row = change.row or change.before or {}
            time = max(time, (change.time or 0) // 1000)
            yield Fed(time, name, orjson.dumps({KEYS[name]: row[KEYS[name]]}), line.rstrip(b"\n"))
