"""Stages whose streams are partitioned by their key: a shard is a partition, nothing is exchanged, no partition waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dataflows.planning.steps import SOURCE, Lane, Plan, Stage
from models.application.resolved.sources import FileInput


class Exchange(StrEnum):
    """Why a stage's rows go by their key's hash, though it may be that a stream's partitions are made by that key."""

    NOT_PROMISED = "{source} is not partitioned_by {key}"
    TABLE = "it holds table {source}, whose partitions promise nothing"
    LATER = "{source} comes to it from another stage"
    ONE_FILE = "the files of {source} are one partition (as: partitions makes each its own)"
    COUNTS = "the partition counts of its streams differ"


class Numbered(Protocol):
    """A partition of a source: its place over all partitions, and its number in its input."""

    source: str
    partition: int
    number: int


@dataclass(frozen=True, slots=True)
class Division:
    """How stages are divided: by hash into ``shards``, or those in ``counts`` (stage → partitions) into their partitions.

    numbers: for each partition's place over all its number in its input.
    """

    shards: int
    counts: Mapping[int, int]
    numbers: Mapping[int, int]

    def of(self, stage: int) -> int:
        """How many shards a stage has."""
        return self.counts.get(stage, self.shards)

    def shard(self, stage: int, sender: int) -> int | None:
        """The shard that takes all that a source's partition sends to a stage; None: rows go by hash, bounds to every shard."""
        return self.numbers[sender] if stage in self.counts else None


def divided(plan: Plan, readers: Sequence[Numbered], shards: int) -> Division:
    """The division of a plan over the partitions that there are."""
    counts = {}
    for stage in plan.stages:
        if exchange_of(plan, stage) is None and (count := _equal_count(_sources(plan, stage), readers)):
            counts[stage.index] = count
    return Division(shards, counts, {reader.partition: reader.number for reader in readers})


def kept_together(plan: Plan) -> frozenset[str]:
    """Streams whose partition counts are part of a run's state: they feed stages that may be divided by partition."""
    return frozenset().union(*(_sources(plan, stage) for stage in plan.stages if exchange_of(plan, stage) is None))


def exchange_of(plan: Plan, stage: Stage) -> str | None:
    """Why rows must be exchanged before a stage whatever their partition counts are; None where they need not be."""
    for index, lane in enumerate(stage.lanes):
        reason = _reason(plan, stage, index, lane)
        if reason is not None:
            return reason.format(source=lane.source, key=", ".join(stage.entity) or "nothing")
    return None


def _reason(plan: Plan, stage: Stage, index: int, lane: Lane) -> Exchange | None:
    if lane.table:
        return Exchange.TABLE
    origins = _origins(plan, stage, index)
    if not origins:
        return None  # rows of flags that the stage raises itself
    if origins != [SOURCE]:
        return Exchange.LATER
    stream = plan.application.streams[lane.source]
    if not stream.partitioned_by or set(stream.partitioned_by) != set(lane.fields):
        return Exchange.NOT_PROMISED
    return Exchange.ONE_FILE if isinstance(stream.input, FileInput) and not stream.input.as_partitions else None


def _origins(plan: Plan, stage: Stage, lane: int) -> list[int]:
    return [origin for (origin, _), targets in plan.targets.items() if (stage.index, lane) in targets]


def _sources(plan: Plan, stage: Stage) -> set[str]:
    return {lane.source for lane in stage.lanes if lane.source in plan.application.streams}


def _equal_count(sources: set[str], readers: Sequence[Numbered]) -> int:
    """The partition count that all topics of all sources share; 0 where there is none."""
    found = set()
    for source in sources:
        numbers = Counter(reader.number for reader in readers if reader.source == source)
        if len(set(numbers.values())) != 1:
            return 0
        found.add(frozenset(numbers))
    return len(found.pop()) if len(found) == 1 else 0
