"""When nothing under a slot of a log of windows counts any more, how its ring is freed, and which strings are still in use."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.operators import counted
from dataflows.operators import layout as k
from dataflows.operators.kernels_windows import forget
from models.values.ahead import AHEAD, prefetch


def horizon(windows: NDArray[np.int64], bound: int) -> int:
    """The newest time that a slot's last entry may have for no window to see any of its entries from ``bound`` on.

    windows: int64[groups, columns] as the kernel takes them; times in microseconds.
    """
    newest = AFTER_ALL
    for over, delay, every, ttl in windows[:, [k.OVER, k.DELAY, k.EVERY, k.TTL]].tolist():
        if over == k.ALL:
            edge = bound - ttl if ttl > 0 else BEFORE_ALL
        else:
            edge = bound - delay - over
            edge = (edge + 1) // every * every - 1 if every > 0 else edge
        newest = min(newest, edge)
    return max(newest, BEFORE_ALL)


@nb.njit(cache=True, nogil=True)
def idle(slots, edge, state):  # type: ignore[no-untyped-def]
    """Whether each slot holds nothing newer than ``edge``; bool[m]."""
    found = np.ones(slots.shape[0], np.bool_)
    for i in range(slots.shape[0]):
        if i + AHEAD < slots.shape[0]:
            prefetch(state, slots[i + AHEAD], 0)
        if slots[i] < state.shape[0]:
            found[i] = state[slots[i], k.TAIL] == 0 or state[slots[i], k.SEEN] <= edge
    return found


@nb.njit(cache=True, nogil=True)
def release(slots, groups, log, free, state, table, meta):  # type: ignore[no-untyped-def]
    """Free slots' rings, take back what they counted, and make their state that of fresh ones."""
    for i in range(slots.shape[0]):
        s = slots[i]
        if s >= state.shape[0]:
            continue
        for g in range(groups.shape[0]):
            if groups[g, k.FAMILY] == k.DISTINCT:
                forget(groups[g], s, 0, log, state, table, meta)
        kind = state[s, k.KIND] - 1
        if kind >= 0:
            log[state[s, k.BASE], 0] = free[kind]
            free[kind] = state[s, k.BASE]
        state[s, :] = 0


@nb.njit(cache=True, nogil=True)
def mark(state, log, value, live):  # type: ignore[no-untyped-def]
    """Mark the numbers of a value column that entries still hold."""
    for s in range(state.shape[0]):
        for q in range(state[s, k.HEAD], state[s, k.TAIL]):
            e = state[s, k.BASE] + (q & (state[s, k.CAP] - 1))
            if (log[e, 1] >> (32 + value)) & 1:
                live[log[e, 2 + value]] = True


@nb.njit(cache=True, nogil=True)
def renumber(state, log, value, numbers):  # type: ignore[no-untyped-def]
    """Put new numbers for old ones into a value column; what stands at NULL becomes 0."""
    for s in range(state.shape[0]):
        for q in range(state[s, k.HEAD], state[s, k.TAIL]):
            e = state[s, k.BASE] + (q & (state[s, k.CAP] - 1))
            known = (log[e, 1] >> (32 + value)) & 1
            log[e, 2 + value] = numbers[log[e, 2 + value]] if known else 0


@nb.njit(cache=True, nogil=True)
def recount(groups, log, state, table, meta):  # type: ignore[no-untyped-def]
    """Count the values of all windows anew, into an empty table that is large enough."""
    for g in range(groups.shape[0]):
        if groups[g, k.FAMILY] != k.DISTINCT:
            continue
        at, bit = groups[g, k.AT], groups[g, k.BIT]
        for s in range(state.shape[0]):
            for q in range(state[s, at + k.LO], state[s, at + k.HI]):
                e = state[s, k.BASE] + (q & (state[s, k.CAP] - 1))
                if bit == 0 or log[e, 1] & bit:
                    counted.put(table, meta, s, at, log[e, 2 + groups[g, k.VALUE]])
