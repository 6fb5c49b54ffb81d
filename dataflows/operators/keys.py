"""Keys to slots: dense numbers under which all state of a key lies. Keys are compared by their bytes."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from models.values.strings import Strings

_EMPTY = -1


class KeyTable:
    """Open addressing: ``table`` holds (hash, slot) pairs, ``spans`` where in ``arena`` each slot's key begins and its length."""

    def __init__(self) -> None:
        self.table = _empty_table(1024)
        self.arena = np.empty(16_384, np.uint8)
        self.spans = np.empty((512, 2), np.int64)
        self.used = 0
        self.bytes = 0

    def __len__(self) -> int:
        return self.used

    def slots(self, keys: Strings, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slot of each key, new ones made for keys not seen before; int64[n]."""
        self._reserve(len(keys), int(keys.length.sum()))
        out = np.empty(len(keys), np.int64)
        meta = np.array([self.used, self.bytes], np.int64)
        _slots(
            keys.data, keys.start, keys.length, hashes, self.table, self.arena, self.spans,
            meta, True, out,
        )  # fmt: skip
        self.used, self.bytes = int(meta[0]), int(meta[1])
        return out

    def find(self, keys: Strings, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slot of each key, -1 for keys never seen; int64[n]."""
        out = np.empty(len(keys), np.int64)
        meta = np.array([self.used, self.bytes], np.int64)
        _slots(
            keys.data, keys.start, keys.length, hashes, self.table, self.arena, self.spans,
            meta, False, out,
        )  # fmt: skip
        return out

    def key(self, slot: int) -> bytes:
        """A slot's key."""
        begin, size = self.spans[slot].tolist()
        return self.arena[begin : begin + size].tobytes()

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        return {
            "table": self.table.copy(),
            "arena": self.arena[: self.bytes].copy(),
            "spans": self.spans[: self.used].copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        for name, array in state.items():
            setattr(self, name, array.copy())
        self.used, self.bytes = len(self.spans), len(self.arena)

    def _reserve(self, keys: int, size: int) -> None:
        needed = self.used + keys
        if needed > len(self.spans):
            self.spans = _grown(self.spans, needed)
        if self.bytes + size > len(self.arena):
            self.arena = _grown(self.arena, self.bytes + size)
        if needed > len(self.table) // 2:
            # Room for twice the keys that there would be if all of them were new.
            larger = _empty_table(1 << int(4 * needed - 1).bit_length())
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


@nb.njit(cache=True, nogil=True)
def _slots(data, start, length, hashes, table, arena, spans, meta, insert, out):  # type: ignore[no-untyped-def]
    mask = table.shape[0] - 1
    for row in range(start.shape[0]):
        h = np.int64(hashes[row])
        j = h & mask
        while True:
            slot = table[j, 1]
            if slot == -1:
                if not insert:
                    out[row] = -1
                    break
                slot = meta[0]
                table[j, 0], table[j, 1] = h, slot
                spans[slot, 0], spans[slot, 1] = meta[1], length[row]
                for k in range(length[row]):
                    arena[meta[1] + k] = data[start[row] + k]
                meta[0] += 1
                meta[1] += length[row]
                out[row] = slot
                break
            if table[j, 0] == h and spans[slot, 1] == length[row]:
                same = True
                for k in range(length[row]):
                    if arena[spans[slot, 0] + k] != data[start[row] + k]:
                        same = False
                        break
                if same:
                    out[row] = slot
                    break
            j = (j + 1) & mask
