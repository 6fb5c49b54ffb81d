"""How often each value stands in each window: one table for all keys, by open addressing.

``table`` int64[size, 4]: slot, group, value, count; a count of 0 is an empty place. ``meta`` [1]: places taken.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

SLOT, GROUP, VALUE, COUNT = 0, 1, 2, 3


def empty_table(size: int) -> NDArray[np.int64]:
    """A table of a power of two places."""
    return np.zeros((size, 4), np.int64)


@nb.njit(cache=True, inline="always")
def _home(slot, group, value, mask):  # type: ignore[no-untyped-def]
    h = np.uint64(value) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(slot * 64 + group) * np.uint64(0xC2B2AE3D27D4EB4F)
    h ^= h >> np.uint64(32)
    h *= np.uint64(0x9FB21C651E98DF25)
    return np.int64(h >> np.uint64(29)) & mask


@nb.njit(cache=True)
def place_of(table, slot, group, value):  # type: ignore[no-untyped-def]
    """Where a value of a window is counted, or would be."""
    mask = table.shape[0] - 1
    j = _home(slot, group, value, mask)
    while table[j, COUNT] != 0 and not (table[j, VALUE] == value and table[j, SLOT] == slot and table[j, GROUP] == group):
        j = (j + 1) & mask
    return j


@nb.njit(cache=True)
def put(table, meta, slot, group, value):  # type: ignore[no-untyped-def]
    """Count a value once more; 1 if it was not there, else 0."""
    j = place_of(table, slot, group, value)
    table[j, COUNT] += 1
    if table[j, COUNT] > 1:
        return 0
    table[j, SLOT], table[j, GROUP], table[j, VALUE] = slot, group, value
    meta[0] += 1
    return 1


@nb.njit(cache=True)
def take(table, meta, slot, group, value):  # type: ignore[no-untyped-def]
    """Count a value once less; 1 if it is gone with that, else 0. Those behind it move up, so that no place stays dead."""
    hole = place_of(table, slot, group, value)
    table[hole, COUNT] -= 1
    if table[hole, COUNT] > 0:
        return 0
    meta[0] -= 1
    mask = table.shape[0] - 1
    j = (hole + 1) & mask
    while table[j, COUNT] != 0:
        home = _home(table[j, SLOT], table[j, GROUP], table[j, VALUE], mask)
        if ((j - home) & mask) >= ((j - hole) & mask):
            for k in range(4):
                table[hole, k] = table[j, k]
            table[j, COUNT] = 0
            hole = j
        j = (j + 1) & mask
    return 1


@nb.njit(cache=True)
def rehash(old, new):  # type: ignore[no-untyped-def]
    """Move all places of a table into a larger, empty one."""
    for j in range(old.shape[0]):
        if old[j, COUNT] != 0:
            i = place_of(new, old[j, SLOT], old[j, GROUP], old[j, VALUE])
            for k in range(4):
                new[i, k] = old[j, k]
