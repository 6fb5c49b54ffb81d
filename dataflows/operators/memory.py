"""Memory for state that grows: it begins a cache line, is zero, takes no room before it is touched, and goes back when freed."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

_PAGES = 1 << 19
"""Bytes from which memory comes from the system by pages; the allocator would keep it, in holes that fit nothing else."""

_LARGE = 1 << 22
"""Bytes from which large pages are worth their room."""


def zeros(rows: int, width: int) -> NDArray[np.int64]:
    """An int64 array [rows, width]."""
    size = rows * width * 8
    if size >= _PAGES:
        memory = mmap.mmap(-1, size)
        if size >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(memory, np.int64).reshape(rows, width)
    flat = np.zeros(rows * width + 8, np.int64)
    first = -flat.ctypes.data % 64 // 8
    return flat[first : first + rows * width].reshape(rows, width)


def grown(array: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """The same rows with room for more, [rows, width]."""
    larger = zeros(rows, array.shape[1])
    larger[: len(array)] = array
    return larger
