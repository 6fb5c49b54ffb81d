"""The dataflow of an application: the page to read first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream

from dataflows.batches.batch import CLOSED, OPEN, Batch, Bound
from dataflows.batches.evidence import EvidenceMaker
from dataflows.engine import fed_by, followers, sender_of, senders
from dataflows.planning.partitioned import Division, divided
from dataflows.planning.steps import SOURCE, Plan
from dataflows.reading.alignment import Turn
from dataflows.reading.prelude import StaticTable, prepared
from dataflows.reading.promise import PromiseCheck, Sampled, sampled
from dataflows.reading.reader import Reader
from dataflows.reading.route import Router
from dataflows.runtime.sinks import Sinks
from dataflows.runtime.source import Keeping, Opener, Partitions, part_name
from dataflows.runtime.stage import CheckLogic, Logic, shard_names, worker_of
from dataflows.runtime.timed import Timed
from dataflows.stages.items import Item, Outcome
from dataflows.stages.shard import Shard


@dataclass(frozen=True, slots=True)
class Connectors:
    """What a flow reads and writes: every partition's reader, tables that never change, and the sinks.

    ``parts`` opens the partitions of logs that several readers may share; ``draining``: the run is to stop as it stands;
    ``keeping``: what is saved is kept; ``worker``: this worker's number, and how many there are; ``settling``: of a run that
    begins in the middle (``dataflows.stages.settling``).
    """

    readers: list[Reader]
    tables: dict[str, StaticTable]
    sinks: Sinks
    parts: Mapping[str, Opener] = field(default_factory=dict)
    draining: Callable[[], bool] = lambda: False
    keeping: Keeping | None = None
    worker: tuple[int, int] = (0, 1)
    settling: Mapping[str, tuple[int, int]] | None = None


class Passed(NamedTuple):
    """Rows by stream that one sender passes on, what it knows of the order afterwards, and the stages to be told."""

    sender: int
    rows: list[tuple[str, Batch]]
    bound: Bound
    stages: list[int]


def build(plan: Plan, io: Connectors, shards: int = 16) -> Dataflow:
    """One application as a dataflow: read and judge → (route → stage)* → write."""
    flow = Dataflow(plan.application.name)
    division = divided(plan, io.readers, shards)
    turns = op.input("read", flow, _partitions(plan, io, division))
    passed: dict[int, Stream[Passed]] = {SOURCE: op.map("prepare", turns, _prepare(plan, io))}
    written = partial(Timed, observed=io.sinks.observed)
    hits, samples = [], []
    for stage in plan.stages:
        arriving = [
            op.flat_map(f"route_{origin + 1}_{stage.index + 1}", rows, _route(plan, origin, stage.index, division))
            for origin, rows in passed.items()
            if stage.index in followers(plan, origin)
        ]
        keyed = op.merge(f"into_{stage.index + 1}", *arriving)
        if stage.index in division.counts:
            samples.append(op.flat_map(f"sampled_{stage.index + 1}", keyed, _sample(stage.index, division)))
        done = op.stateful_batch(f"stage_{stage.index + 1}", keyed, _shard(plan, stage.index, io, division))
        passed[stage.index] = op.map(f"passed_{stage.index + 1}", done, _pass_on(plan, stage.index, division))
        hits.append(done)
    late = op.flat_map("late_events", turns, lambda turn: io.sinks.late_of(turn.source, turn.judged))
    if hits:
        found = op.merge("hits", *hits)
        op.output("flags", op.flat_map("flag", found, lambda done: io.sinks.flags_of(done[1])), written(io.sinks.flags))
        late = op.merge("all_late", late, op.flat_map("late_flags", found, lambda done: io.sinks.late_flags_of(done[1])))
    if samples:
        broken = op.stateful_batch("check", op.merge("samples", *samples), _check(plan, io))
        late = op.merge("and_violations", late, op.flat_map("violations", broken, lambda found: io.sinks.violated(found[1])))
    op.output("late", late, written(io.sinks.late))
    dead = op.flat_map("dead_letters", turns, lambda turn: io.sinks.dead_of(turn.judged))
    op.output("dead", dead, written(io.sinks.dead_letters))
    return flow


def _partitions(plan: Plan, io: Connectors, division: Division) -> Partitions:
    """The source. A partition whose rows all go to one shard is read by the worker that has the shard."""
    number, workers = io.worker
    staying = {
        source for (origin, source), targets in plan.targets.items()
        if origin == SOURCE and any(stage in division.counts for stage, _ in targets)
    }  # fmt: skip
    elsewhere = frozenset(
        part_name(reader) for reader in io.readers
        if reader.source in staying and worker_of(shard_names(reader.number + 1)[reader.number], workers) != number
    )  # fmt: skip
    apart = len(division.counts) == len(plan.stages)
    return Partitions(io.readers, io.parts, io.draining, io.keeping, elsewhere, apart=apart, epoch=io.sinks.observed.epoch)


def _prepare(plan: Plan, io: Connectors) -> Callable[[Turn], Passed]:
    def prepare(turn: Turn) -> Passed:
        judged = turn.judged
        io.sinks.observed.read(turn.partition, judged)
        bound = CLOSED if judged.done else Bound(judged.bound, turn.partition, judged.offset)
        rows = []
        if judged.batch is not None:
            rows = [(turn.source, prepared(judged.batch, plan.prelude.get(turn.source, ()), io.tables))]
        return Passed(turn.partition, rows, bound, fed_by(plan, turn.source))

    return prepare


def _route(plan: Plan, origin: int, stage: int, division: Division) -> Callable[[Passed], Iterator[tuple[str, Item]]]:
    router = Router(plan, division.shards)
    names = shard_names(division.of(stage))

    def route(passed: Passed) -> Iterator[tuple[str, Item]]:
        whole = division.shard(stage, passed.sender)
        for stream, batch in passed.rows:
            for lane, shard, rows in router.route(origin, stream, batch, stage, whole):
                yield names[shard], Item(passed.sender, lane, rows, OPEN)
        if stage in passed.stages:
            for name in names if whole is None else names[whole : whole + 1]:
                yield name, Item(passed.sender, 0, None, passed.bound)

    return route


def _sample(stage: int, division: Division) -> Callable[[tuple[str, Item]], Iterator[tuple[str, Sampled]]]:
    def sample(routed: tuple[str, Item]) -> Iterator[tuple[str, Sampled]]:
        for each in sampled(stage, division.numbers[routed[1].sender], routed[1]):
            yield "check", each

    return sample


def _check(plan: Plan, io: Connectors) -> Callable[[bytes | None], CheckLogic]:
    return lambda state: CheckLogic(PromiseCheck(plan), state, saves=io.keeping is not None)


def _shard(plan: Plan, stage: int, io: Connectors, division: Division) -> Callable[[bytes | None], Logic]:
    evidence = EvidenceMaker(plan.application, {reader.partition: reader.number for reader in io.readers})

    def made(sender: int) -> Shard:
        heard = senders(plan, stage, io.readers, division, division.shard(stage, sender) or 0)
        return Shard(plan, plan.stages[stage], heard, evidence, settling=io.settling)

    return lambda state: Logic(made, io.sinks.observed, state, saves=io.keeping is not None)


def _pass_on(plan: Plan, stage: int, division: Division) -> Callable[[tuple[str, Outcome]], Passed]:
    numbers = {name: number for number, name in enumerate(shard_names(division.of(stage)))}
    following = followers(plan, stage)

    def pass_on(done: tuple[str, Outcome]) -> Passed:
        name, outcome = done
        return Passed(sender_of(stage, numbers[name]), outcome.rows, outcome.bound, following)

    return pass_on
