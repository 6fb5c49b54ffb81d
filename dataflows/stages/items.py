"""What travels to a shard and what comes out of it, and the columns that a row's sender puts beside its fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from dataflows.batches.batch import Batch, Bound
from models.application.resolved.patterns import Pattern
from models.events.hit import Hit

KEY = "\0key"
"""The column that holds a row's canonical key within a stage's lane (string), null where it has none."""
HASH = "\0hash"
"""The column with the key's hash (the bits of a uint64 in an int64)."""
VERSION = "\0version"
"""The column with a table change's version time (timestamp)."""
DIGEST = "\0digest"
"""The column that tells a table's rows apart by all their declared fields (int)."""
CHANGE = "\0change"
"""The column with a table change's kind, as ``dataflows.operators.versions.coded`` (int)."""


class Item(NamedTuple):
    """What travels to a shard: rows of a lane (or none) and what their sender knows of the order."""

    sender: int
    lane: int
    batch: Batch | None
    bound: Bound


class Found(NamedTuple):
    """A hit and all that a flag shows of it."""

    pattern: Pattern
    hit: Hit
    key: bytes


@dataclass(slots=True)
class Outcome:
    """What a shard gives: hits, rows for later stages by stream, how far it has come, and counts.

    late_labels: by stream, what was told of no event that waited for it.
    """

    bound: Bound
    hits: list[Found] = field(default_factory=list)
    rows: list[tuple[str, Batch]] = field(default_factory=list)
    suppressed: dict[str, int] = field(default_factory=dict)
    guarded: dict[str, int] = field(default_factory=dict)
    late_labels: dict[str, int] = field(default_factory=dict)
