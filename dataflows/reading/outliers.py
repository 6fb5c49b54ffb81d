"""Times of a file that lie far ahead of all others: one wrong clock must not silence a partition.

A log stamps each record when it comes, and ``max_ahead`` counts from that. A file's row has no such stamp, so its neighbours
stand for it: a time more than ``max_ahead`` (by default ten years) ahead of every earlier one of its partition is not believed if
most of the rows behind it fall back by as much. After an honest gap the rows behind stay, and the time is believed. Only the
partition's content counts, and at most ``LOOK`` rows behind the one in question.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba as nb
import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import DeadRow, Reason

FAR = 3650 * 86_400_000_000
"""Microseconds ahead that a file's time may jump where its stream says nothing."""
LOOK = 64
"""Rows behind a jump that decide whether it is believed."""


def not_believed(
    time: NDArray[np.int64], valid: NDArray[np.bool_], newest: int, ahead: int, following: NDArray[np.int64] | None
) -> NDArray[np.int64] | None:
    """Rows whose time is not believed; None where that cannot be told without the rows that follow.

    time: int64[n] microseconds; valid: bool[n], rows with a time; newest: the greatest time believed before; following: times
    of the next rows, at least ``LOOK`` of them or all that there are; None where they are not known yet.
    """
    behind = np.zeros(0, np.int64) if following is None else following
    whole = np.concatenate([time, behind])
    has_time = np.concatenate([valid, np.ones(len(behind), np.bool_)])
    out = np.empty(len(time), np.int64)
    count = _jumps(whole, has_time, len(time), newest, ahead, LOOK, following is not None, out)
    return None if count < 0 else out[:count]


def as_dead(rows: NDArray[np.int64], field: str, ahead: int) -> Sequence[DeadRow]:
    """Rows whose time is not believed as dead letters."""
    days = ahead / 86_400_000_000
    detail = f"field {field!r}: more than {days:g} days ahead of all times before it, and the rows behind fall back as far"
    return [DeadRow(int(row), Reason.FUTURE_TIME, field, detail) for row in rows]


@nb.njit(cache=True, nogil=True)
def _jumps(time, valid, n, newest, ahead, look, is_all, out):  # type: ignore[no-untyped-def]
    count = 0
    lowest = np.iinfo(np.int64).min
    for i in range(n):
        if not valid[i]:
            continue
        t = time[i]
        if newest == lowest or t - newest > ahead:
            seen = 0
            back = 0
            k = i + 1
            while k < time.shape[0] and seen < look:
                if valid[k]:
                    seen += 1
                    if t - time[k] > ahead:
                        back += 1
                k += 1
            if seen < look and not is_all:
                return -1
            if 2 * back > seen:
                out[count] = i
                count += 1
                continue
        if t > newest:
            newest = t
    return count
