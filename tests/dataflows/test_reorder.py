"""Rows wait until their place in the order is certain, also among rows of one partition and one time."""

from __future__ import annotations

import numpy as np

from dataflows.batches.batch import Batch, Bound, Rows
from dataflows.operators.reorder import Reorder


def batch(offsets: list[int], time: int = 5, order: list[list[int]] | None = None) -> Batch:
    """Rows of partition 0 at one time."""
    n = len(offsets)
    rows = Rows([], np.zeros(n, np.int32), np.zeros(n, np.int64))
    extension = None if order is None else np.array(order, np.int64)
    return Batch(0, np.full(n, time), np.zeros(n, np.int32), np.array(offsets), {}, rows, extension)


def test_a_later_stage_waits_for_what_another_shard_may_still_send_of_the_same_time() -> None:
    """Two shards share a partition: rows of one time come in the order of their offsets, whoever is first."""
    reorder = Reorder([1, 2])
    for sender in (1, 2):
        reorder.add(sender, 0, None, Bound(5, 0, 1))
    reorder.add(1, 0, batch([3]), Bound(5, 0, 3))
    assert reorder.release() is None
    reorder.add(2, 0, batch([2]), Bound(5, 0, 3))
    chunk = reorder.release()
    assert chunk is not None
    assert chunk.parts[0].batch.offset.tolist() == [2, 3]


def test_derived_rows_follow_their_cause_and_a_prefix_comes_first() -> None:
    """In one lane and among several: what an event raised comes before the next event."""
    reorder = Reorder([1])
    reorder.add(1, 0, batch([1, 2]), Bound(5, 0, 0))
    reorder.add(1, 1, batch([1, 1, 1], order=[[2, 0, -1, -1], [1, 1, -1, -1], [1, 0, 4, 0]]), Bound(6, 0))
    chunk = reorder.release()
    assert chunk is not None
    plain, derived = (part.at.tolist() for part in chunk.parts if part.at is not None)
    assert plain == [0, 4]
    assert derived == [1, 2, 3]
    assert chunk.parts[1].batch.order is not None
    assert chunk.parts[1].batch.order[:, :3].tolist() == [[1, 0, 4], [1, 1, -1], [2, 0, -1]]
