"""Keys to slots: dense numbers under which all state of a key lies. Keys are compared by their bytes."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from models.values.strings import Strings

_EMPTY = -1


class KeyTable:
    """Open addressing over hashes; slot s holds the key ``arena[at[s] : at[s] + size[s]]``."""

    def __init__(self) -> None:
        self.table_hash = np.zeros(1024, np.uint64)
        self.table_slot = np.full(1024, _EMPTY, np.int64)
        self.arena = np.empty(16_384, np.uint8)
        self.at = np.empty(512, np.int64)
        self.size = np.empty(512, np.int64)
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
            keys.data, keys.start, keys.length, hashes, self.table_hash, self.table_slot, self.arena, self.at, self.size,
            meta, True, out,
        )  # fmt: skip
        self.used, self.bytes = int(meta[0]), int(meta[1])
        return out

    def find(self, keys: Strings, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The slot of each key, -1 for keys never seen; int64[n]."""
        out = np.empty(len(keys), np.int64)
        meta = np.array([self.used, self.bytes], np.int64)
        _slots(
            keys.data, keys.start, keys.length, hashes, self.table_hash, self.table_slot, self.arena, self.at, self.size,
            meta, False, out,
        )  # fmt: skip
        return out

    def key(self, slot: int) -> bytes:
        """A slot's key."""
        begin = int(self.at[slot])
        return self.arena[begin : begin + int(self.size[slot])].tobytes()

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays."""
        names = ("table_hash", "table_slot")
        state: dict[str, Any] = {name: getattr(self, name).copy() for name in names}
        state.update(arena=self.arena[: self.bytes].copy(), at=self.at[: self.used].copy(), size=self.size[: self.used].copy())
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        for name, array in state.items():
            setattr(self, name, array.copy())
        self.used, self.bytes = len(self.at), len(self.arena)

    def _reserve(self, keys: int, size: int) -> None:
        needed = self.used + keys
        if needed > len(self.at):
            self.at = _grown(self.at, needed)
            self.size = _grown(self.size, needed)
        if self.bytes + size > len(self.arena):
            self.arena = _grown(self.arena, self.bytes + size)
        if self.used + keys > len(self.table_slot) // 2:
            # Twice the keys there are, or might be if all were new, whichever is less than four times the table.
            wanted = 1 << int(2 * needed - 1).bit_length()
            hashes, slots = np.zeros(wanted, np.uint64), np.full(wanted, _EMPTY, np.int64)
            _rehash(self.table_hash, self.table_slot, hashes, slots)
            self.table_hash, self.table_slot = hashes, slots


def _grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    larger = np.empty(max(needed, len(array) * 3 // 2), array.dtype)
    larger[: len(array)] = array
    return larger


@nb.njit(cache=True, nogil=True)
def _rehash(old_hash, old_slot, new_hash, new_slot):  # type: ignore[no-untyped-def]
    mask = new_slot.shape[0] - 1
    for j in range(old_slot.shape[0]):
        if old_slot[j] >= 0:
            k = np.int64(old_hash[j] & np.uint64(mask))
            while new_slot[k] != -1:
                k = (k + 1) & mask
            new_hash[k], new_slot[k] = old_hash[j], old_slot[j]


@nb.njit(cache=True, nogil=True)
def _slots(data, start, length, hashes, table_hash, table_slot, arena, at, size, meta, insert, out):  # type: ignore[no-untyped-def]
    mask = table_slot.shape[0] - 1
    for row in range(start.shape[0]):
        h = hashes[row]
        j = np.int64(h & np.uint64(mask))
        while True:
            slot = table_slot[j]
            if slot == -1:
                if not insert:
                    out[row] = -1
                    break
                slot = meta[0]
                table_hash[j], table_slot[j] = h, slot
                at[slot], size[slot] = meta[1], length[row]
                for k in range(length[row]):
                    arena[meta[1] + k] = data[start[row] + k]
                meta[0] += 1
                meta[1] += length[row]
                out[row] = slot
                break
            if table_hash[j] == h and size[slot] == length[row]:
                same = True
                for k in range(length[row]):
                    if arena[at[slot] + k] != data[start[row] + k]:
                        same = False
                        break
                if same:
                    out[row] = slot
                    break
            j = (j + 1) & mask
