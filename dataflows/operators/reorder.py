"""Rows of several senders put into the total order: each released as soon as nothing that sorts before it can still come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import CLOSED, OPEN, Batch, Bound, concat_batches
from dataflows.batches.held import ChunkOf, batch_from, batch_state


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one lane within a released chunk; ``at`` int64[m], ascending: their places in the chunk (None: all of it)."""

    lane: int
    batch: Batch
    at: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of all lanes in the total order. time: int64[n] microseconds."""

    time: NDArray[np.int64]
    parts: Sequence[Part]

    def __len__(self) -> int:
        return len(self.time)


class Reorder:
    """Holds rows back until their place in the order is certain.

    senders: everybody who may still send rows; one not heard of yet counts as at the very beginning.
    """

    def __init__(self, senders: Iterable[int]) -> None:
        self.bounds: dict[int, Bound] = dict.fromkeys(senders, OPEN)
        self.runs: list[tuple[int, Batch]] = []

    @property
    def watermark(self) -> Bound:
        """Nothing at or before this place is still to come."""
        return min(self.bounds.values(), default=CLOSED)

    @property
    def held(self) -> int:
        """Rows that wait."""
        return sum(len(batch) for _, batch in self.runs)

    def add(self, sender: int, lane: int, batch: Batch | None, bound: Bound) -> None:
        """Take rows of a sender for a lane, and what the sender knows of the order."""
        if batch is not None and len(batch):
            self.runs.append((lane, in_order(batch)))
        if bound > self.bounds.get(sender, OPEN):
            self.bounds[sender] = bound

    def release(self) -> Chunk | None:
        """All rows that are certain, or None where there are none."""
        bound = self.watermark
        ready: dict[int, list[Batch]] = {}
        kept: list[tuple[int, Batch]] = []
        for lane, run in self.runs:
            cut = _cut(run, bound)
            if cut == len(run):
                ready.setdefault(lane, []).append(run)
                continue
            if cut:
                ready.setdefault(lane, []).append(run.take(slice(0, cut)))
                run = run.take(slice(cut, None))
            kept.append((lane, run))
        self.runs = kept
        return merged(ready) if ready else None

    def snapshot(self) -> dict[str, Any]:
        """What was heard of each sender, and the rows held back, as arrays and plain values."""
        bounds = {sender: tuple(bound) for sender, bound in self.bounds.items()}
        return {"bounds": bounds, "runs": [(lane, batch_state(run)) for lane, run in self.runs]}

    def restore(self, state: Mapping[str, Any], chunk_of: ChunkOf) -> None:
        """Take over what ``snapshot`` gave; a sender that is gone is not waited for, a new one is."""
        saved = state["bounds"]
        self.bounds = {sender: Bound(*saved[sender]) if sender in saved else bound for sender, bound in self.bounds.items()}
        self.runs = [(lane, batch_from(run, chunk_of)) for lane, run in state["runs"]]


def in_order(batch: Batch) -> Batch:
    """The rows of one batch sorted by (time, partition, offset) and what further orders derived rows."""
    time, partition = batch.time, batch.partition
    if batch.order is not None:
        return batch if len(batch) < 2 else batch.take(np.lexsort((*batch.order.T[::-1], batch.offset, partition, time)))
    if len(batch) < 2 or (bool(np.all(time[1:] >= time[:-1])) and _ties_in_order(batch)):
        return batch
    return batch.take(np.lexsort((batch.offset, partition, time)))


def merged(ready: dict[int, list[Batch]]) -> Chunk:
    """Sorted batches of several lanes as one chunk in the total order; at one place lanes follow their numbers."""
    lanes = sorted(ready)
    batches = [concat_batches(ready[lane]) for lane in lanes]
    if len(lanes) == 1:
        batch = in_order(batches[0]) if len(ready[lanes[0]]) > 1 else batches[0]
        return Chunk(batch.time, [Part(lanes[0], batch, None)])
    time = np.concatenate([batch.time for batch in batches])
    rank = np.empty(len(time), np.int64)
    order = np.lexsort(
        (
            np.concatenate([np.full(len(batch), lane) for lane, batch in zip(lanes, batches, strict=True)]),
            *_further(batches),
            np.concatenate([batch.offset for batch in batches]),
            np.concatenate([batch.partition for batch in batches]),
            time,
        )
    )
    rank[order] = np.arange(len(time))
    return Chunk(time[order], _parts(lanes, batches, rank))


def _parts(lanes: Sequence[int], batches: Sequence[Batch], rank: NDArray[np.int64]) -> list[Part]:
    parts = []
    begin = 0
    for lane, batch in zip(lanes, batches, strict=True):
        at = rank[begin : begin + len(batch)]
        begin += len(batch)
        if len(at) > 1 and not bool(np.all(at[1:] > at[:-1])):
            sort = np.argsort(at)
            at, batch = at[sort], batch.take(sort)
        parts.append(Part(lane, batch, at))
    return parts


def _further(batches: Sequence[Batch]) -> list[NDArray[np.int64]]:
    """What orders rows after (time, partition, offset), the last number first; -1, before all others, where there is none."""
    depth = max(0 if batch.order is None else batch.order.shape[1] for batch in batches)
    if not depth:
        return []
    whole = np.full((sum(len(batch) for batch in batches), depth), -1, np.int64)
    begin = 0
    for batch in batches:
        if batch.order is not None:
            whole[begin : begin + len(batch), : batch.order.shape[1]] = batch.order
        begin += len(batch)
    return list(whole.T[::-1])


def _ties_in_order(batch: Batch) -> bool:
    same = batch.time[1:] == batch.time[:-1]
    if not same.any():
        return True
    before, after = batch.partition[:-1], batch.partition[1:]
    right: NDArray[Any] = (before < after) | ((before == after) & (batch.offset[:-1] <= batch.offset[1:]))
    return bool(np.all(right | ~same))


def _cut(run: Batch, bound: Bound) -> int:
    """How many rows of a sorted run sort at or before the bound."""
    if run.time[-1] < bound.time:
        return len(run)
    low = int(np.searchsorted(run.time, bound.time, "left"))
    high = int(np.searchsorted(run.time, bound.time, "right"))
    begin = low + int(np.searchsorted(run.partition[low:high], bound.partition, "left"))
    end = low + int(np.searchsorted(run.partition[low:high], bound.partition, "right"))
    return begin + int(np.searchsorted(run.offset[begin:end], bound.offset, "right"))
