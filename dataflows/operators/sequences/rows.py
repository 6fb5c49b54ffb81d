"""Rows of all lanes of a sequence, in the total order, with what can be told of each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch
from dataflows.operators.sequences.program import Program
from models.expressions.expression import Expression
from models.values.column import Column


class LaneRows(NamedTuple):
    """Rows of one lane of a program: places int64[m] in the order of all, slot int64[m] (-1: no key), and all columns."""

    lane: int
    places: NDArray[np.int64]
    slot: NDArray[np.int64]
    batch: Batch
    columns: Mapping[str, Column]


@dataclass(slots=True)
class OrderedRows:
    """Events of a pattern in order.

    lane, row int64[n]: where each stands; also: further rows by lane of an event that plays two roles for one key; masks
    bool[n] by condition: whether what needs no look-back is TRUE.
    """

    lanes: Mapping[int, LaneRows]
    slot: NDArray[np.int64]
    time: NDArray[np.int64]
    lane: NDArray[np.int64]
    row: NDArray[np.int64]
    masks: list[NDArray[np.bool_]]
    also: dict[int, dict[int, int]] = field(default_factory=dict)

    def at(self, place: int, lane: int) -> int:
        """The row of an event in one of its lanes."""
        return int(self.row[place]) if self.lane[place] == lane else self.also[place][lane]

    def fitting(self) -> NDArray[np.bool_]:
        """bool[n]: the events that may fit anything."""
        found = np.zeros(len(self.slot), np.bool_)
        for mask in self.masks:
            found |= mask
        return found


def ordered(program: Program, lanes: Sequence[LaneRows], truths: Truths) -> OrderedRows:
    """Put the rows of all lanes into order; rows without a key are left out."""
    kept = [np.flatnonzero(rows.slot >= 0) for rows in lanes]
    lane = np.concatenate([np.full(len(rows), part.lane) for rows, part in zip(kept, lanes, strict=True)])
    slot = np.concatenate([part.slot[rows] for rows, part in zip(kept, lanes, strict=True)])
    time = np.concatenate([part.batch.time[rows] for rows, part in zip(kept, lanes, strict=True)])
    row = np.concatenate(kept)
    masks = [np.zeros(len(slot), np.bool_) for _ in program.conditions]
    for number, condition in enumerate(program.conditions):
        begin = 0
        for rows, part in zip(kept, lanes, strict=True):
            if condition.lane == part.lane:
                masks[number][begin : begin + len(rows)] = truths.of(part, condition.alone)[rows]
            begin += len(rows)
    by_lane = {part.lane: part for part in lanes}
    found = OrderedRows(by_lane, slot, time, lane, row, masks)
    if len(lanes) == 1:
        return found
    order = np.argsort(np.concatenate([part.places[rows] for rows, part in zip(kept, lanes, strict=True)]), kind="stable")
    found = OrderedRows(by_lane, slot[order], time[order], lane[order], row[order], [mask[order] for mask in masks])
    streams = [stream for stream, _ in program.lanes]
    return _one_event_once(found) if len(set(streams)) < len(streams) else found


class Truths:
    """Conditions of rows alone, each evaluated once for all patterns of a chunk."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, str], NDArray[np.bool_]] = {}

    def of(self, part: LaneRows, condition: Expression | None) -> NDArray[np.bool_]:
        """bool[m]: where a condition is TRUE on the rows of a lane."""
        key = (id(part.batch), "" if condition is None else condition.canonical)
        if key not in self.known:
            n = len(part.slot)
            if condition is None:
                self.known[key] = np.ones(n, np.bool_)
            else:
                column = condition.column(part.columns, n)
                values = np.asarray(column.values, np.bool_)
                self.known[key] = values if column.valid is None else values & column.valid
        return self.known[key]


@nb.njit(cache=True, nogil=True)
def ranks(slot, seen, out):  # type: ignore[no-untyped-def]
    """The number of each row among those of its key; ``seen`` int64[slots] counts on."""
    for i in range(slot.shape[0]):
        out[i] = seen[slot[i]]
        seen[slot[i]] += 1


def _one_event_once(rows: OrderedRows) -> OrderedRows:
    """An event that plays two roles for one key is one event of that key: its further rows go along with the first."""
    source = np.empty((len(rows.slot), 4), np.int64)
    for lane, part in rows.lanes.items():
        mine = rows.lane == lane
        taken = part.batch.take(rows.row[mine])
        source[mine] = np.stack([np.full(len(taken), part.batch.source), taken.partition, taken.offset, rows.slot[mine]], axis=1)
    first: dict[tuple[int, ...], int] = {}
    keep = np.ones(len(rows.slot), np.bool_)
    owner: dict[int, dict[int, int]] = {}
    # Only rows with the time of a neighbour can be one event.
    tied = np.zeros(len(rows.slot), np.bool_)
    same = rows.time[1:] == rows.time[:-1]
    tied[1:] |= same
    tied[:-1] |= same
    for place in np.flatnonzero(tied).tolist():
        key = (int(rows.time[place]), *source[place].tolist())
        if key in first:
            keep[place] = False
            owner.setdefault(first[key], {})[int(rows.lane[place])] = int(rows.row[place])
            for mask in rows.masks:
                mask[first[key]] |= mask[place]
        else:
            first[key] = place
    if keep.all():
        return rows
    moved = np.cumsum(keep) - 1
    also = {int(moved[place]): lanes for place, lanes in owner.items()}
    masks = [mask[keep] for mask in rows.masks]
    return OrderedRows(rows.lanes, rows.slot[keep], rows.time[keep], rows.lane[keep], rows.row[keep], masks, also)
