"""The dataflow of an application: the page to read first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow, Stream

from dataflows.alignment import Turn
from dataflows.batch import CLOSED, OPEN, Batch, Bound
from dataflows.engine import Reader, fed_by, followers, sender_of, senders
from dataflows.evidence import EvidenceMaker
from dataflows.prelude import StaticTable, prepared
from dataflows.route import Router
from dataflows.shard import Item, Outcome, Shard
from dataflows.sinks import Sinks
from dataflows.source import Keeping, Opener, Partitions
from dataflows.stage import Logic, shard_names
from dataflows.steps import SOURCE, Plan
from dataflows.timed import Timed


@dataclass(frozen=True, slots=True)
class Connectors:
    """What a flow reads and writes: every partition's reader, tables that never change, and the sinks.

    ``parts`` opens the partitions of logs that several readers may share; ``draining``: the run is to stop as it stands;
    ``keeping``: what is saved is kept.
    """

    readers: list[Reader]
    tables: dict[str, StaticTable]
    sinks: Sinks
    parts: Mapping[str, Opener] = field(default_factory=dict)
    draining: Callable[[], bool] = lambda: False
    keeping: Keeping | None = None


class Passed(NamedTuple):
    """Rows by stream that one sender passes on, what it knows of the order afterwards, and the stages to be told."""

    sender: int
    rows: list[tuple[str, Batch]]
    bound: Bound
    stages: list[int]


def build(plan: Plan, io: Connectors, shards: int = 16) -> Dataflow:
    """One application as a dataflow: read and judge → (route → stage)* → write."""
    flow = Dataflow(plan.application.name)
    turns = op.input("read", flow, Partitions(io.readers, io.parts, io.draining, io.keeping))
    passed: dict[int, Stream[Passed]] = {SOURCE: op.map("prepare", turns, _prepare(plan, io))}
    written = partial(Timed, observed=io.sinks.observed)
    hits = []
    for stage in plan.stages:
        arriving = [
            op.flat_map(f"route_{origin + 1}_{stage.index + 1}", rows, _route(plan, origin, stage.index, shards))
            for origin, rows in passed.items()
            if stage.index in followers(plan, origin)
        ]
        keyed = op.merge(f"into_{stage.index + 1}", *arriving)
        done = op.stateful_batch(f"stage_{stage.index + 1}", keyed, _shard(plan, stage.index, io, shards))
        passed[stage.index] = op.map(f"passed_{stage.index + 1}", done, _pass_on(plan, stage.index, io, shards))
        hits.append(done)
    late = op.flat_map("late_events", turns, lambda turn: io.sinks.late_of(turn.source, turn.judged))
    if hits:
        found = op.merge("hits", *hits)
        op.output("flags", op.flat_map("flag", found, lambda done: io.sinks.flags_of(done[1])), written(io.sinks.flags))
        late = op.merge("all_late", late, op.flat_map("late_flags", found, lambda done: io.sinks.late_flags_of(done[1])))
    op.output("late", late, written(io.sinks.late))
    dead = op.flat_map("dead_letters", turns, lambda turn: io.sinks.dead_of(turn.judged))
    op.output("dead", dead, written(io.sinks.dead_letters))
    return flow


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


def _route(plan: Plan, origin: int, stage: int, shards: int) -> Callable[[Passed], Iterator[tuple[str, Item]]]:
    router = Router(plan, shards)
    names = shard_names(shards)

    def route(passed: Passed) -> Iterator[tuple[str, Item]]:
        for stream, batch in passed.rows:
            for lane, shard, rows in router.route(origin, stream, batch, stage):
                yield names[shard], Item(passed.sender, lane, rows, OPEN)
        if stage in passed.stages:
            for name in names:
                yield name, Item(passed.sender, 0, None, passed.bound)

    return route


def _shard(plan: Plan, stage: int, io: Connectors, shards: int) -> Callable[[bytes | None], Logic]:
    heard = senders(plan, stage, io.readers, shards)
    evidence = EvidenceMaker(plan.application, {reader.partition: reader.number for reader in io.readers})

    def start(state: bytes | None) -> Logic:
        shard = Shard(plan, plan.stages[stage], heard, evidence)
        return Logic(shard, io.sinks.observed, state, saves=io.keeping is not None)

    return start


def _pass_on(plan: Plan, stage: int, io: Connectors, shards: int) -> Callable[[tuple[str, Outcome]], Passed]:
    numbers = {name: number for number, name in enumerate(shard_names(shards))}
    following = followers(plan, stage)

    def pass_on(done: tuple[str, Outcome]) -> Passed:
        name, outcome = done
        return Passed(sender_of(shards, stage, numbers[name]), outcome.rows, outcome.bound, following)

    return pass_on
