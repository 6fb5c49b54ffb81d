"""Rows to the shards that hold their keys: keyed once, hashed once, gathered once a column."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.operators.canonical import canonical, hashes
from dataflows.operators.versions import TRUNCATION
from dataflows.planning.steps import Plan
from dataflows.stages.items import CHANGE, DIGEST, HASH, KEY, VERSION
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import INT, STRING


class Router:
    """Splits batches for the lanes of a plan's stages over ``shards`` shards."""

    def __init__(self, plan: Plan, shards: int) -> None:
        self.plan = plan
        self.shards = shards

    def route(
        self, origin: int, stream: str, batch: Batch, stage: int, shard: int | None = None
    ) -> Iterator[tuple[int, int, Batch]]:
        """(lane, shard, rows) for every place in a stage where a stream's rows go after an origin; ``shard``: all to that one."""
        for target, lane in self.plan.targets.get((origin, stream), ()):
            if target == stage:
                for index, rows in self._split(stage, lane, batch, shard):
                    yield lane, index, rows

    def _split(self, stage: int, lane: int, batch: Batch, whole: int | None) -> Iterator[tuple[int, Batch]]:
        spec = self.plan.stages[stage].lanes[lane]
        keyed, valid = self._keyed(batch, spec.fields, self.plan.columns[stage, lane])
        everywhere = _truncations(keyed)
        if valid is not None and not spec.primary:
            kept = np.flatnonzero(valid | everywhere)
            keyed, everywhere, valid = keyed.take(kept), everywhere[kept], None
        if whole is not None or self.shards == 1 or not spec.fields:
            if len(keyed):
                yield whole or 0, keyed
            return
        shard = shard_of(keyed.columns[HASH].values.view(np.uint64), self.shards)
        if valid is not None:
            shard[~valid] = 0
        if everywhere.any():
            yield from self._with_everywhere(keyed, shard, everywhere)
            return
        # NumPy sorts 16 bits by radix, which is several times faster.
        order = np.argsort(shard.astype(np.uint16), kind="stable")
        gathered = keyed.take(order)
        stops = np.cumsum(np.bincount(shard, minlength=self.shards))
        begin = 0
        for index, stop in enumerate(stops.tolist()):
            if stop > begin:
                yield index, gathered.take(slice(begin, stop))
            begin = stop

    def _with_everywhere(
        self, keyed: Batch, shard: NDArray[np.int64], everywhere: NDArray[np.bool_]
    ) -> Iterator[tuple[int, Batch]]:
        """Rows to their shards, and those that concern every key to all of them."""
        for index in range(self.shards):
            rows = np.flatnonzero(everywhere | (shard == index))
            if len(rows):
                yield index, keyed.take(rows)

    def _keyed(self, batch: Batch, fields: tuple[str, ...], needed: frozenset[str]) -> tuple[Batch, NDArray[np.bool_] | None]:
        keys = [batch.columns[name] for name in fields]
        valid: NDArray[np.bool_] | None = None
        for column in keys:
            if column.valid is not None:
                valid = column.valid if valid is None else valid & column.valid
        if valid is not None and valid.all():
            valid = None
        strings = canonical(keys) if keys else _empty(len(batch))
        columns = {name: batch.columns[name] for name in needed}
        columns.update({name: batch.columns[name] for name in (VERSION, CHANGE, DIGEST) if name in batch.columns})
        columns[KEY] = Column(STRING, strings, valid)
        columns[HASH] = Column(INT, hashes(strings).view(np.int64))
        return Batch(batch.source, batch.time, batch.partition, batch.offset, columns, batch.rows, batch.order), valid


def _truncations(batch: Batch) -> NDArray[np.bool_]:
    """Rows that end all rows of a table, whatever their keys."""
    if CHANGE not in batch.columns:
        return np.zeros(len(batch), np.bool_)
    return np.asarray((batch.columns[CHANGE].values & 3) == TRUNCATION, np.bool_)


def shard_of(hash_: NDArray[np.uint64], shards: int) -> NDArray[np.int64]:
    """The shard of each key: from the hash's upper half, since key tables use the lower."""
    return ((hash_ >> np.uint64(32)) % np.uint64(shards)).astype(np.int64)


def _empty(n: int) -> Strings:
    zero = np.zeros(n, np.int64)
    return Strings(np.zeros(0, np.uint8), zero, zero)
