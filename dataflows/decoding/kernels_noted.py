"""Objects that are like the one before: their keys and most values are compared with its bytes, and not parsed again."""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.decoding.kernels_skip import is_null, skip_value, space, to_value
from models.values.words import load64

NONE = np.int64(-(2**62))
"""In place of a time that is not there."""
MIN_TIME, MAX_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999


@nb.njit(cache=True)
def whole(b, i):  # type: ignore[no-untyped-def]
    """A plain integer of at most 17 digits, and the place behind it (-1 where it is none)."""
    negative = b[i] == 45
    if negative:
        i += 1
    begin = i
    value = np.int64(0)
    while 48 <= b[i] <= 57 and i < begin + 18:
        value = value * 10 + (b[i] - 48)
        i += 1
    if i == begin or i == begin + 18 or (i > begin + 1 and b[begin] == 48) or b[i] == 46 or b[i] == 101 or b[i] == 69:
        return np.int64(0), -1
    return -value if negative else value, i


@nb.njit(cache=True, inline="always")
def _equal(b, i, j, size):  # type: ignore[no-untyped-def]
    """Whether ``size`` bytes at ``i`` and at ``j`` are the same."""
    if size < 8:
        same = True
        for k in range(size):
            same &= b[i + k] == b[j + k]
        return same
    if i + size > b.shape[0]:
        return False
    last = size - 8
    for k in range(0, last, 8):
        if load64(b, i + k) != load64(b, j + k):
            return False
    return load64(b, i + last) == load64(b, j + last)


@nb.njit(cache=True)
def note(b, i, pairs, timed):  # type: ignore[no-untyped-def]
    """The time of the object at ``i``, the place behind it (or -1), and the number of ``pairs`` noted.

    time: of a source (``timed``) microseconds by its ts_us, else ts_ms, NONE without either. pairs: int64[m, 4], for each key
    with its value where it begins (at the comma or brace before it), where the value begins and ends, and 1 for ts_us, 2 for
    ts_ms; 0 noted where the next object cannot be told to be like this one.
    """
    us, ms = NONE, NONE
    count = 0
    begin = i
    i = space(b, i + 1)
    if b[i] == 125:
        return us, i + 1, 0
    while True:
        if b[i] != 34:
            return us, -1, 0
        which = 0
        if timed and b[i + 1] == 116 and b[i + 2] == 115 and b[i + 3] == 95 and b[i + 5] == 115 and b[i + 6] == 34:
            which = 1 if b[i + 4] == 117 else 2 if b[i + 4] == 109 else 0
        i = to_value(b, i)
        if i < 0:
            return us, -1, 0
        value_at = i
        if which > 0 and not is_null(b, i):
            value, i = whole(b, i)
            if i < 0 or (which == 1 and us != NONE) or (which == 2 and ms != NONE):
                return us, -1, 0
            if which == 1:
                us = value
            else:
                ms = value
        else:
            i = skip_value(b, i)
            if i < 0:
                return us, -1, 0
        if 0 <= count < pairs.shape[0] and (b[i] == 44 or b[i] == 125):
            pairs[count, 0], pairs[count, 1], pairs[count, 2], pairs[count, 3] = begin, value_at, i, which
            count += 1
        else:
            count = -1
        i = space(b, i)
        if b[i] == 125:
            return micros(us, ms), i + 1, max(count, 0)
        if b[i] != 44:
            return us, -1, 0
        begin = i
        i = space(b, i + 1)


@nb.njit(cache=True, inline="always")
def micros(us, ms):  # type: ignore[no-untyped-def]
    """A time in microseconds where it is known, else from milliseconds."""
    if us == NONE and ms != NONE:
        return np.int64(ms * 1000 if -(10**14) < ms < 10**15 else MAX_TIME + 1)
    return us


@nb.njit(cache=True)
def like(b, i, pairs, count):  # type: ignore[no-untyped-def]
    """As ``note`` of an object that has the keys of the one noted in ``pairs``; -1 for the place where it has not."""
    us, ms = NONE, NONE
    for k in range(count):
        begin, value_at, end, which = pairs[k, 0], pairs[k, 1], pairs[k, 2], pairs[k, 3]
        if which == 0 and _equal(b, i, begin, end + 1 - begin):
            i += end - begin
            continue
        head = value_at - begin
        if not _equal(b, i, begin, head):
            return us, -1
        i += head
        if which > 0 and not is_null(b, i):
            value, i = whole(b, i)
            if which == 1:
                us = value
            else:
                ms = value
        else:
            i = skip_value(b, i)
        if i < 0 or b[i] != b[end]:
            return us, -1
    return micros(us, ms), i + 1
