"""Large arrays that are used again as soon as nobody refers to them: memory fresh from the system costs more than to fill it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OURS = 3
"""References to an array that only the pool knows: its list, the loop's variable and the question's own."""
_LEAST = 1 << 20
"""Bytes below which the allocator has memory at hand anyway."""


class Pool:
    """Keeps the last ``most`` arrays that it gave."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept: list[NDArray[np.uint8]] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array whose content has no meaning."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size < _LEAST:
            return np.empty(shape, dtype)
        found: NDArray[Any] = self._bytes(size)[:size].view(dtype).reshape(shape)
        return found

    def _bytes(self, size: int) -> NDArray[np.uint8]:
        for array in self.kept:
            if size <= len(array) <= 2 * size and sys.getrefcount(array) == _OURS:
                return array
        fresh = np.empty(size + size // 8, np.uint8)
        self.kept = [*self.kept[len(self.kept) >= self.most :], fresh]
        return fresh


POOL = Pool(12)
"""What readers of this process read into and decode into: blocks, and the matrices of their fields."""
