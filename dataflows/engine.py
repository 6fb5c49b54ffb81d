"""The whole plan in one process without a runtime: readers in, outcomes out. Tests, ``match`` and small runs use it.

Bytewax runs the same readers, router and shards (``dataflows.detect``); here a loop takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataflows.batches.batch import CLOSED, OPEN, Batch, Bound
from dataflows.batches.evidence import EvidenceMaker
from dataflows.planning.partitioned import Division, divided
from dataflows.planning.steps import SOURCE, Plan
from dataflows.reading.judge import Judged
from dataflows.reading.prelude import StaticTable, prepared
from dataflows.reading.promise import PromiseCheck, Violation, sampled
from dataflows.reading.reader import Reader
from dataflows.reading.route import Router
from dataflows.stages.eviction import ClockHand, Sweep
from dataflows.stages.items import Found, Item
from dataflows.stages.shard import Shard

_AFTER_PARTITIONS = 1 << 40
_SHARDS = 1 << 20


@dataclass(slots=True)
class Result:
    """What one turn of the engine gave."""

    judged: Judged
    source: str
    hits: list[Found] = field(default_factory=list)
    rows: list[tuple[str, Batch]] = field(default_factory=list)
    bound: Bound = CLOSED
    violations: list[Violation] = field(default_factory=list)


class Engine:
    """A plan's shards, fed by readers, in one process."""

    def __init__(
        self,
        plan: Plan,
        readers: Sequence[Reader],
        tables: Mapping[str, StaticTable] | None = None,
        shards: int = 1,
        sweep: Callable[[], Sweep] = ClockHand,
        settling: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.plan = plan
        self.readers = readers
        self.static = tables or {}
        self.division = divided(plan, readers, shards)
        self.router = Router(plan, shards)
        self.check = PromiseCheck(plan)
        evidence = EvidenceMaker(plan.application, {reader.partition: reader.number for reader in readers})
        self.stages = [
            [
                Shard(plan, stage, senders(plan, stage.index, readers, self.division, shard), evidence, sweep(), settling)
                for shard in range(self.division.of(stage.index))
            ]
            for stage in plan.stages
        ]
        self.followers = {origin: followers(plan, origin) for origin in range(SOURCE, len(plan.stages))}

    def snapshot(self) -> dict[str, Any]:
        """The state of all shards, as arrays and plain values; readers keep their own."""
        stages = [[shard.snapshot() for shard in shards] for shards in self.stages]
        return {"stages": stages, "check": self.check.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.check.restore(state["check"])
        for shards, parts in zip(self.stages, state["stages"], strict=True):
            for shard, part in zip(shards, parts, strict=True):
                shard.restore(part)

    def run(self) -> Iterator[Result]:
        """Read everything, always from the partition that is furthest behind in event time."""
        while open_ := [reader for reader in self.readers if not reader.done]:
            reader = min(open_, key=lambda reader: (reader.bound, reader.partition))
            yield self.turn(reader, reader.read())

    def turn(self, reader: Reader, judged: Judged) -> Result:
        """Take what one read gave through all stages."""
        result = Result(judged, reader.source)
        waiting: dict[int, list[list[Item]]] = {}
        bound = CLOSED if reader.done else Bound(judged.bound, reader.partition, judged.offset)
        if judged.batch is not None:
            batch = prepared(judged.batch, self.plan.prelude.get(reader.source, ()), self.static)
            self._send(waiting, SOURCE, reader.source, batch, reader.partition, result)
            if self.plan.last.get(reader.source) == SOURCE and reader.source in self.plan.outputs:
                result.rows.append((reader.source, batch))
        for stage in fed_by(self.plan, reader.source):
            self._tell(waiting, stage, reader.partition, bound)
        for stage in range(len(self.stages)):
            if stage in waiting:
                self._run_stage(stage, waiting, result)
        return result

    def _run_stage(self, index: int, waiting: dict[int, list[list[Item]]], result: Result) -> None:
        for number, (shard, items) in enumerate(zip(self.stages[index], waiting[index], strict=True)):
            if not items:
                continue
            outcome = shard.take(items)
            sender = sender_of(index, number)
            result.hits.extend(outcome.hits)
            result.bound = min(result.bound, outcome.bound)
            for stream, batch in outcome.rows:
                self._send(waiting, index, stream, batch, sender, result)
                if self.plan.last[stream] == index and stream in self.plan.outputs:
                    result.rows.append((stream, batch))
            for stage in self.followers[index]:
                self._tell(waiting, stage, sender, outcome.bound)

    def _send(
        self, waiting: dict[int, list[list[Item]]], origin: int, stream: str, batch: Batch, sender: int, result: Result
    ) -> None:
        # Rows travel without a bound: what their sender knows of the order follows when all of them are on the way.
        for stage in self.followers[origin]:
            whole = self.division.shard(stage, sender)
            for lane, shard, rows in self.router.route(origin, stream, batch, stage, whole):
                item = Item(sender, lane, rows, OPEN)
                self._waiting(waiting, stage)[shard].append(item)
                if whole is not None:
                    found = [self.check.take(sample) for sample in sampled(stage, whole, item)]
                    result.violations.extend(violation for violation in found if violation is not None)

    def _tell(self, waiting: dict[int, list[list[Item]]], stage: int, sender: int, bound: Bound) -> None:
        whole = self.division.shard(stage, sender)
        for shard, items in enumerate(self._waiting(waiting, stage)):
            if whole in (None, shard):
                items.append(Item(sender, 0, None, bound))

    def _waiting(self, waiting: dict[int, list[list[Item]]], stage: int) -> list[list[Item]]:
        return waiting.setdefault(stage, [[] for _ in range(self.division.of(stage))])


def sender_of(stage: int, shard: int) -> int:
    """The number under which a stage's shard sends on; source partitions send under their own."""
    return _AFTER_PARTITIONS + stage * _SHARDS + shard


def stage_of(sender: int) -> tuple[int, int]:
    """The stage and the shard that send under a number."""
    return divmod(sender - _AFTER_PARTITIONS, _SHARDS)


def senders(plan: Plan, stage: int, readers: Sequence[Reader], division: Division, shard: int) -> list[int]:
    """Everybody who may send rows to a shard of a stage."""
    found: list[int] = []
    for (origin, stream), targets in plan.targets.items():
        if not any(target == stage for target, _ in targets):
            continue
        if origin == SOURCE:
            places = [reader.partition for reader in readers if reader.source == stream]
            found.extend(place for place in places if division.shard(stage, place) in (None, shard))
        else:
            found.extend(sender_of(origin, each) for each in range(division.of(origin)))
    return sorted(set(found))


def followers(plan: Plan, origin: int) -> list[int]:
    """Stages that rows from an origin go to."""
    return sorted({stage for (where, _), targets in plan.targets.items() if where == origin for stage, _ in targets})


def fed_by(plan: Plan, source: str) -> list[int]:
    """Stages that a source's partitions send to themselves."""
    return sorted({stage for stage, _ in plan.targets.get((SOURCE, source), ())})
