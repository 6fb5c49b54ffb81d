"""The check of ``partitioned_by`` by sample: one key in two partitions breaks the promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from dataflows.operators.canonical import key_text, key_values
from dataflows.planning.steps import Plan
from dataflows.stages.items import HASH, KEY, Item

SAMPLE = 10
"""Keys are looked at whose hash ends in so many zero bits: one in 1,024."""


class PromiseBroken(Exception):
    """A key in two partitions, where that is to be an error. ``logged``: its text for logs, which hold no values of events."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.logged = str(replace(violation, key="(one key)"))


class Sampled(NamedTuple):
    """A key of a stage's lane, and the number of the partition in which it was seen."""

    stage: int
    lane: int
    key: bytes
    partition: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A key in two partitions. ``by``: the fields that hold it; ``key``: as text."""

    stream: str
    by: tuple[str, ...]
    key: str
    first: int
    second: int

    def __str__(self) -> str:
        by = ", ".join(self.by)
        return (
            f"stream {self.stream}: expected one partition for {by} {self.key}, as partitioned_by promises; found it in partitions "
            f"{self.first} and {self.second}: its flags are wrong. Have the input written by {by}, or remove partitioned_by"
        )


def sampled(stage: int, partition: int, item: Item) -> Iterator[Sampled]:
    """The keys of an item that the check looks at, each once."""
    if item.batch is None:
        return
    key, hashes = item.batch.columns[KEY], item.batch.columns[HASH].values
    chosen = (hashes & ((1 << SAMPLE) - 1)) == 0
    if key.valid is not None:
        chosen &= key.valid
    rows = np.flatnonzero(chosen)
    if len(rows):
        for data in {key.values.bytes_at(int(row)) for row in rows}:
            yield Sampled(stage, item.lane, data, partition)


class PromiseCheck:
    """Where sampled keys were seen: the state of the check shard."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.seen: dict[tuple[int, bytes], int] = {}

    def take(self, sample: Sampled) -> Violation | None:
        """Note where a key was seen; a violation when it was seen elsewhere before, once for a key."""
        first = self.seen.setdefault((sample.stage, sample.key), sample.partition)
        if first in (sample.partition, _REPORTED):
            return None
        self.seen[sample.stage, sample.key] = _REPORTED
        lane = self.plan.stages[sample.stage].lanes[sample.lane]
        types = [self.plan.application.streams[lane.source].fields[name].type for name in lane.fields]
        text = key_text(key_values(sample.key, types), types)
        return Violation(lane.source, lane.fields, text, first, sample.partition)

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        return {
            "stages": np.array([stage for stage, _ in self.seen], np.int64),
            "keys": [key for _, key in self.seen],
            "partitions": np.array(list(self.seen.values()), np.int64),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        places = zip(state["stages"].tolist(), state["keys"], strict=True)
        self.seen = dict(zip(places, state["partitions"].tolist(), strict=True))


_REPORTED = -1
