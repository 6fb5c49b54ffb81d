"""When windows open and close: one pass over rows in the total order, deadlines before the rows at or after them.

Times are microseconds. Windows lie on a grid of units: microseconds, or days of a zone, whose beginnings are in ``days`` from
day number ``spec[BASE]`` on. A tumbling or session window has a cell of its own, in which its rows are added up; rows of
hopping windows are added up by key.
"""

from __future__ import annotations

import numba as nb
import numpy as np

TUMBLING, HOPPING, SESSION = 0, 1, 2
KIND, SIZE, STEP, FILL, BASE = range(5)
"""Columns of ``spec``: the kind; size and step in units (session: the gap); how long to fill, -1 for not; see above."""
OPEN, CELL, END, START, HAS = range(5)
"""Columns of a slot's state: whether a deadline waits; the cell of its window, -1 for none; when that ends (tumbling and hopping,
in units) or began (session); whether it has rows. From ``LAST`` on the place of the last row in the total order, behind it that
of the window's first."""
LAST = 5
SLOT, BEGINS, ENDS, IN, EMPTY, CLOSED_WIDTH = range(6)
"""Columns of what is closed: slot, start, end, cell (-1: none), whether it has no rows."""
WAITING, CELLS, FREE, CLOSED, META = range(5)
"""Places in ``meta``: deadlines that wait, cells ever made, cells free to be used again, windows closed."""
EMPTY_CELL = 0
"""The cell without rows, which empty windows read."""


@nb.njit(cache=True, nogil=True)
def advance(row, times, slots, orders, until, spec, days, state, heap, free, meta, cells, closed, places):  # type: ignore[no-untyped-def]
    """Rows from ``row`` on, then deadlines up to ``until``; where it stopped for want of room in ``closed``, n + 1 at the end.

    times, slots int64[n], slots -1 for rows without a key; orders int64[n, w]: their places in the total order; state, heap,
    free: grown by the caller to one row a slot; cells int64[n]: gets each row's cell; closed, places: get what is closed, with
    the place of its first row, or, where it has none and for hopping windows, of the key's last row.
    """
    n, width = times.shape[0], orders.shape[1]
    while row < n:
        if not _close(times[row], spec, days, state, heap, meta, closed, places):
            return row
        s = slots[row]
        cells[row] = -1
        if s >= 0:
            key = state[s]
            if key[OPEN] == 0:
                key[OPEN], key[CELL], key[HAS] = 1, -1, 0
                if spec[KIND] == SESSION:
                    key[START] = times[row]
                    _push(times[row] + spec[STEP], s, heap, meta)
                else:
                    key[END] = _first_end(times[row], spec, days)
                    _push(_time(key[END], spec, days), s, heap, meta)
            if key[HAS] == 0:
                key[HAS] = 1
                key[LAST + width : LAST + 2 * width] = orders[row]
                if spec[KIND] != HOPPING:
                    key[CELL] = _cell(free, meta)
            key[LAST : LAST + width] = orders[row]
            cells[row] = key[CELL]
        row += 1
    return n + 1 if _close(until, spec, days, state, heap, meta, closed, places) else n


@nb.njit(cache=True, nogil=True)
def _close(until, spec, days, state, heap, meta, closed, places):  # type: ignore[no-untyped-def]
    """Close all windows that end at or before a moment, in order; False where there is no more room."""
    width = places.shape[1]
    while meta[WAITING] > 0 and heap[0, 0] <= until:
        if meta[CLOSED] == closed.shape[0]:
            return False
        due, s = heap[0, 0], heap[0, 1]
        _pop(heap, meta)
        key = state[s]
        last = key[LAST]
        if spec[KIND] == SESSION:
            if last + spec[STEP] > due:
                _push(last + spec[STEP], s, heap, meta)
                continue
            begin, has = key[START], True
        else:
            begin = _time(key[END] - spec[SIZE], spec, days)
            has = last >= begin
        at = meta[CLOSED]
        closed[at, SLOT], closed[at, BEGINS], closed[at, ENDS] = s, begin, due
        closed[at, IN], closed[at, EMPTY] = key[CELL], not has
        if has and spec[KIND] != HOPPING:
            places[at] = key[LAST + width : LAST + 2 * width]
        else:
            places[at] = key[LAST : LAST + width]
        meta[CLOSED] += 1
        key[CELL], key[HAS], key[OPEN] = -1, 0, 0
        if spec[KIND] != SESSION:
            end = key[END] + spec[STEP]
            moment = _time(end, spec, days)
            if last >= _time(end - spec[SIZE], spec, days) or moment - last < spec[FILL]:
                key[OPEN], key[END] = 1, end
                _push(moment, s, heap, meta)
    return True


@nb.njit(cache=True, nogil=True)
def _first_end(time, spec, days):  # type: ignore[no-untyped-def]
    """The end, in units, of the first window that holds a moment."""
    unit = time if days.shape[0] == 0 else spec[BASE] + np.searchsorted(days, time, side="right") - 1
    return ((unit - spec[SIZE]) // spec[STEP] + 1) * spec[STEP] + spec[SIZE]


@nb.njit(cache=True, nogil=True)
def _time(unit, spec, days):  # type: ignore[no-untyped-def]
    return unit if days.shape[0] == 0 else days[unit - spec[BASE]]


@nb.njit(cache=True, nogil=True)
def _cell(free, meta):  # type: ignore[no-untyped-def]
    if meta[FREE] > 0:
        meta[FREE] -= 1
        return free[meta[FREE]]
    meta[CELLS] += 1
    return meta[CELLS] - 1


@nb.njit(cache=True, nogil=True)
def _push(due, slot, heap, meta):  # type: ignore[no-untyped-def]
    """A deadline into the binary heap (Williams, 1964)."""
    at = meta[WAITING]
    meta[WAITING] += 1
    while at > 0 and heap[(at - 1) // 2, 0] > due:
        heap[at, 0], heap[at, 1] = heap[(at - 1) // 2, 0], heap[(at - 1) // 2, 1]
        at = (at - 1) // 2
    heap[at, 0], heap[at, 1] = due, slot


@nb.njit(cache=True, nogil=True)
def _pop(heap, meta):  # type: ignore[no-untyped-def]
    """Take the first deadline off the heap."""
    meta[WAITING] -= 1
    n = meta[WAITING]
    due, slot = heap[n, 0], heap[n, 1]
    at = 0
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and heap[child + 1, 0] < heap[child, 0]:
            child += 1
        if heap[child, 0] >= due:
            break
        heap[at, 0], heap[at, 1] = heap[child, 0], heap[child, 1]
        at = child
    heap[at, 0], heap[at, 1] = due, slot
