"""Where lines begin and end, eight bytes at a time."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.values.words import load64, trailing_zeros

_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)


@nb.njit(cache=True, nogil=True)
def line_ends(b, begin, n, start, stop):  # type: ignore[no-untyped-def]
    """Where the lines of ``b[begin:n]`` that are not blank begin and end (a CR before the newline is no part); how many.

    8 bytes must be readable behind ``n``; start, stop: int64, one more than half of the bytes at least.
    """
    rows = 0
    i = begin
    line = begin
    while line < n:
        while i < n:
            other = load64(b, i) ^ _NEWLINES
            found = (other - _ONES) & ~other & _HIGH
            if found != 0:
                i += np.int64(trailing_zeros(found) >> np.uint64(3))
                break
            i += 8
        i = min(i, n)
        end = i
        if end > line and b[end - 1] == 13:
            end -= 1
        k = line
        while k < end and (b[k] == 32 or b[k] == 9):
            k += 1
        if k < end:
            start[rows] = line
            stop[rows] = end
            rows += 1
        i += 1
        line = i
    return rows


@nb.njit(cache=True, nogil=True)
def record_ends(b, begin, n, start, stop):  # type: ignore[no-untyped-def]
    """Where the CSV records of ``b[begin:n]`` that are not empty begin and end; how many (arguments as ``line_ends``).

    A newline inside a quoted cell ends none, and only a quote at a cell's beginning opens one (RFC 4180).
    """
    rows = 0
    i = begin
    record = begin
    fresh = True
    while i <= n:
        if i == n or b[i] == 10:
            end = i
            if end > record and b[end - 1] == 13:
                end -= 1
            if end > record:
                start[rows] = record
                stop[rows] = end
                rows += 1
            record = i + 1
            fresh = True
            i += 1
        elif fresh and b[i] == 34:
            i += 1
            while i < n and (b[i] != 34 or (i + 1 < n and b[i + 1] == 34)):
                i += 2 if b[i] == 34 else 1
            i += i < n
            fresh = False
        else:
            fresh = b[i] == 44
            i += 1
    return rows
