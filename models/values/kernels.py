"""Compiled loops over spans of bytes."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from models.values.ahead import AHEAD, prefetch
from models.values.words import load64, store64


@nb.njit(cache=True, nogil=True)
def copy_bytes(data, begin, size, out, at):  # type: ignore[no-untyped-def]
    """Copy ``data[begin : begin + size]`` to ``out[at:]``: by words, the last one overlapping the one before it."""
    if size < 8:
        for i in range(size):
            out[at + i] = data[begin + i]
        return
    for i in range(0, size - 7, 8):
        store64(out, at + i, load64(data, begin + i))
    store64(out, at + size - 8, load64(data, begin + size - 8))


@nb.njit(cache=True, nogil=True)
def gather_bytes(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    out: NDArray[np.uint8],
    out_start: NDArray[np.int64],
) -> None:
    """Copy the spans of ``data`` one after another into ``out``, and note where each begins."""
    at = 0
    for row in range(start.shape[0]):
        if row + AHEAD < start.shape[0]:
            prefetch(data, start[row + AHEAD], 0)
            prefetch(data, start[row + AHEAD], 1)
        out_start[row] = at
        copy_bytes(data, start[row], length[row], out, at)
        at += length[row]


@nb.njit(cache=True, nogil=True)
def spans_equal(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    other: NDArray[np.uint8],
    out: NDArray[np.bool_],
) -> None:
    """Whether each span holds exactly the bytes of ``other`` (one string)."""
    size = other.shape[0]
    for row in range(start.shape[0]):
        if row + AHEAD < start.shape[0]:
            prefetch(data, start[row + AHEAD], 0)
        same = length[row] == size
        if same:
            begin = start[row]
            for i in range(size):
                if data[begin + i] != other[i]:
                    same = False
                    break
        out[row] = same


@nb.njit(cache=True, nogil=True)
def spans_compare(
    a: NDArray[np.uint8],
    a_start: NDArray[np.int64],
    a_length: NDArray[np.int64],
    b: NDArray[np.uint8],
    b_start: NDArray[np.int64],
    b_length: NDArray[np.int64],
    out: NDArray[np.int8],
) -> None:
    """-1, 0 or 1 for each pair of spans, by bytes."""
    for row in range(a_start.shape[0]):
        left, right = a_start[row], b_start[row]
        shared = min(a_length[row], b_length[row])
        order = 0
        for i in range(shared):
            x, y = a[left + i], b[right + i]
            if x != y:
                order = -1 if x < y else 1
                break
        if order == 0 and a_length[row] != b_length[row]:
            order = -1 if a_length[row] < b_length[row] else 1
        out[row] = order
