"""Keys to slots: dense numbers under which all state of a key lies. Keys are compared by their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.operators.canonical import xxh64
from models.values.ahead import AHEAD, prefetch
from models.values.strings import Strings
from models.values.words import load64

_EMPTY = -1
_SLACK = 65_536


class KeyTable:
    """Open addressing: ``table`` holds (hash, slot) pairs, ``spans`` where in ``arena`` each slot's key begins and its length.

    ``used``: all slots ever given are below it; ``free``: those of removed keys, given again first; ``garbage``: bytes of the
    arena that belong to no key any more.
    """

    def __init__(self) -> None:
        self.table = _empty_table(1024)
        self.arena = np.empty(16_384, np.uint8)
        self.spans = np.empty((512, 2), np.int64)
        self.free = np.empty(0, np.int64)
        self.used = 0
        self.bytes = 0
        self.garbage = 0

    def __len__(self) -> int:
        """How many keys there are."""
        return self.used - len(self.free)

    def slots(self, keys: Strings, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slot of each key, new ones made for keys not seen before; int64[n]. ``hashes``: xxh64 of each key."""
        self._reserve(len(keys), int(keys.length.sum()))
        return self._look(keys, hashes, True)

    def find(self, keys: Strings, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slot of each key, -1 for keys never seen; int64[n]."""
        return self._look(keys, hashes, False)

    def key(self, slot: int) -> bytes:
        """A slot's key."""
        begin, size = self.spans[slot].tolist()
        return self.arena[begin : begin + size].tobytes()

    def taken(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these slots (all below ``used``) hold a key; bool[m]."""
        return np.asarray(self.spans[slots, 1] >= 0, np.bool_)

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Forget the keys of distinct slots that are taken; the slots are free to be given again."""
        if not len(slots):
            return
        self.garbage += int(self.spans[slots, 1].sum())
        _remove(slots, self.table, self.arena, self.spans)
        self.free = np.concatenate([self.free, slots])
        if self.garbage > self.bytes // 2 + _SLACK:
            self._compact()

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays; the hash table, which is mostly room, is made anew of the keys."""
        return {
            "arena": self.arena[: self.bytes].copy(),
            "spans": self.spans[: self.used].copy(),
            "free": self.free.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.arena, self.spans, self.free = (state[name].copy() for name in ("arena", "spans", "free"))
        self.used, self.bytes = len(self.spans), len(self.arena)
        self.table = _empty_table(max(1024, 1 << int(4 * len(self)).bit_length()))
        _rebuild(self.table, self.arena, self.spans)
        self.garbage = self.bytes - int(np.maximum(self.spans[:, 1], 0).sum())

    def _look(self, keys: Strings, hashes: NDArray[np.uint64], insert: bool) -> NDArray[np.int64]:
        out = np.empty(len(keys), np.int64)
        meta = np.array([self.used, self.bytes, len(self.free)], np.int64)
        _slots(
            keys.data, keys.start, keys.length, hashes, self.table, self.arena, self.spans,
            self.free, meta, insert, out,
        )  # fmt: skip
        if insert:
            self.used, self.bytes, self.free = int(meta[0]), int(meta[1]), self.free[: meta[2]]
        return out

    def _compact(self) -> None:
        """Give the arena back the bytes of removed keys."""
        arena = np.empty(max(self.bytes - self.garbage, 16_384), np.uint8)
        self.bytes = int(_move(self.arena, self.spans[: self.used], arena))
        self.arena, self.garbage = arena, 0

    def _reserve(self, keys: int, size: int) -> None:
        needed = self.used + keys
        if needed > len(self.spans):
            self.spans = _grown(self.spans, needed)
        if self.bytes + size > len(self.arena):
            self.arena = _grown(self.arena, self.bytes + size)
        if len(self) + keys > len(self.table) // 2:
            larger = _empty_table(1 << int(2 * (len(self) + keys) - 1).bit_length())
            _rehash(self.table, larger)
            self.table = larger


def _empty_table(size: int) -> NDArray[np.int64]:
    table = np.zeros((size, 2), np.int64)
    table[:, 1] = _EMPTY
    return table


def _grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    larger = np.empty((max(needed, len(array) * 3 // 2), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


@nb.njit(cache=True, nogil=True)
def _rehash(old, new):  # type: ignore[no-untyped-def]
    mask = new.shape[0] - 1
    for j in range(old.shape[0]):
        if old[j, 1] >= 0:
            k = old[j, 0] & mask
            while new[k, 1] != -1:
                k = (k + 1) & mask
            new[k, 0], new[k, 1] = old[j, 0], old[j, 1]


@nb.njit(cache=True)
def _same(a, i, b, j, size):  # type: ignore[no-untyped-def]
    """Whether two spans hold the same bytes: by words, the last one overlapping the one before it."""
    if size < 8:
        k = 0
        while k < size and a[i + k] == b[j + k]:
            k += 1
        return k == size
    for k in range(0, size - 7, 8):
        if load64(a, i + k) != load64(b, j + k):
            return False
    return load64(a, i + size - 8) == load64(b, j + size - 8)


@nb.njit(cache=True, nogil=True)
def _rebuild(table, arena, spans):  # type: ignore[no-untyped-def]
    mask = table.shape[0] - 1
    for slot in range(spans.shape[0]):
        if spans[slot, 1] >= 0:
            h = np.int64(xxh64(arena, spans[slot, 0], spans[slot, 1]))
            k = h & mask
            while table[k, 1] != -1:
                k = (k + 1) & mask
            table[k, 0], table[k, 1] = h, slot


@nb.njit(cache=True, nogil=True)
def _slots(data, start, length, hashes, table, arena, spans, free, meta, insert, out):  # type: ignore[no-untyped-def]
    mask = table.shape[0] - 1
    rows = start.shape[0]
    for row in range(rows):
        if row + 2 * AHEAD < rows:
            prefetch(table, np.int64(hashes[row + 2 * AHEAD]) & mask, 0)
            prefetch(spans, table[np.int64(hashes[row + AHEAD]) & mask, 1], 0)
            prefetch(data, start[row + AHEAD], 0)
            near = table[np.int64(hashes[row + AHEAD // 2]) & mask, 1]
            if near >= 0:
                prefetch(arena, spans[near, 0], 0)
        h, size = np.int64(hashes[row]), length[row]
        j = h & mask
        while True:
            slot = table[j, 1]
            if slot == -1:
                if not insert:
                    out[row] = -1
                    break
                if meta[2] > 0:
                    meta[2] -= 1
                    slot = free[meta[2]]
                else:
                    slot = meta[0]
                    meta[0] += 1
                table[j, 0], table[j, 1] = h, slot
                spans[slot, 0], spans[slot, 1] = meta[1], size
                for k in range(size):
                    arena[meta[1] + k] = data[start[row] + k]
                meta[1] += size
                out[row] = slot
                break
            if table[j, 0] == h and spans[slot, 1] == size and _same(arena, spans[slot, 0], data, start[row], size):
                out[row] = slot
                break
            j = (j + 1) & mask


@nb.njit(cache=True, nogil=True)
def _remove(slots, table, arena, spans):  # type: ignore[no-untyped-def]
    """Take slots' keys out by backward shift (Knuth, TAOCP vol. 3, 6.4, algorithm R)."""
    mask = table.shape[0] - 1
    homes = np.empty(slots.shape[0], np.int64)
    for i in range(slots.shape[0]):
        slot = slots[i]
        homes[i] = np.int64(xxh64(arena, spans[slot, 0], spans[slot, 1])) & mask
        prefetch(table, homes[i], 0)
    for i in range(slots.shape[0]):
        slot, hole = slots[i], homes[i]
        while table[hole, 1] != slot:
            hole = (hole + 1) & mask
        j = (hole + 1) & mask
        while table[j, 1] != -1:
            home = table[j, 0] & mask
            if (j - home) & mask >= (j - hole) & mask:
                table[hole, 0], table[hole, 1] = table[j, 0], table[j, 1]
                hole = j
            j = (j + 1) & mask
        table[hole, 1] = -1
        spans[slot, 0], spans[slot, 1] = 0, -1


@nb.njit(cache=True, nogil=True)
def _move(arena, spans, to):  # type: ignore[no-untyped-def]
    """Copy the keys that there are one after another; how many bytes they take."""
    at = 0
    for slot in range(spans.shape[0]):
        begin = spans[slot, 0]
        if spans[slot, 1] >= 0:
            spans[slot, 0] = at
            for k in range(spans[slot, 1]):
                to[at] = arena[begin + k]
                at += 1
    return at
