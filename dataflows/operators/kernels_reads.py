"""What aggregates are at each row: one kernel a family, made from one text, walks the rows of a chunk for one group.

Counts, sums and means are in ``kernels_sums``. The windows of a group move to each row's time, then its aggregates are read.
Rows are in order; their entries have been appended.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from dataflows.operators import counted
from dataflows.operators import layout as lay
from dataflows.operators.exact import fsum
from dataflows.operators.intrinsics import bits_of, float_of
from dataflows.operators.kernels_windows import better, clear, forget, move, room, spread_by, spread_of
from models.values.ahead import AHEAD, prefetch


@nb.njit(cache=True)
def _window(s, at, bit, value, is_float, scale, log, state):  # type: ignore[no-untyped-def]
    """The values of a window as floats, in order."""
    out = np.empty(state[s, at + lay.N])
    k = 0
    for q in range(state[s, at + lay.LO], state[s, at + lay.HI]):
        e = state[s, lay.BASE] + (q & (state[s, lay.CAP] - 1))
        if bit == 0 or log[e, 1] & bit:
            bits = log[e, 2 + value]
            out[k] = float_of(bits) if is_float else bits / scale
            k += 1
    return out


@nb.njit(cache=True)
def _extreme(s, at, bit, value, op, extra, log, state):  # type: ignore[no-untyped-def]
    """The extreme of a window, in constant time on average, by two stacks.

    Entries before ``mid`` hold in column ``extra`` the extreme from there to ``mid``; those from ``begin`` on are in ``back``. When
    one of the latter has left, all are turned into the former.
    """
    c, base, mask = at + lay.GROUP, state[s, lay.BASE], state[s, lay.CAP] - 1
    lo, hi = state[s, at + lay.LO], state[s, at + lay.HI]
    if lo > state[s, c + 1]:
        mid, best = np.int64(0), np.int64(0)
        for k in range(hi - lo):
            e = base + ((hi - 1 - k) & mask)
            if bit == 0 or log[e, 1] & bit:
                if mid == 0 or better(op, log[e, 2 + value], best):
                    best = log[e, 2 + value]
                mid = mid if mid > 0 else hi - k
            log[e, extra] = best
        state[s, c], state[s, c + 1], state[s, c + 3] = mid, hi, 0
    if lo >= state[s, c]:
        return state[s, c + 2]
    front = log[base + (lo & mask), extra]
    return state[s, c + 2] if state[s, c + 3] != 0 and better(op, state[s, c + 2], front) else front


@nb.njit(cache=True)
def _spread(s, at, bit, value, is_float, scale, log, state, floats):  # type: ignore[no-untyped-def]
    """The sample standard deviation of at least two values, from exact sums where they have room."""
    n, c = state[s, at + lay.N], at + lay.GROUP
    if state[s, c] != 0:
        values = _window(s, at, bit, value, is_float, scale, log, state)
        clear(lay.SPREAD, s, at, 0, state)
        for x in values:
            spread_by(state, floats, s, c, x, 1)
        if state[s, c] != 0:
            mean = fsum(values, n) / n
            return np.sqrt(fsum((values - mean) ** 2, n) / (n - 1))
    return spread_of(floats, s, c, n)


@nb.njit(cache=True)
def _nth(s, at, bit, n, from_end, log, state):  # type: ignore[no-untyped-def]
    """The n-th counting entry from an end of a window, -1 if there is none."""
    lo, hi = state[s, at + lay.LO], state[s, at + lay.HI]
    left = n
    for k in range(hi - lo):
        q = hi - 1 - k if from_end else lo + k
        e = state[s, lay.BASE] + (q & (state[s, lay.CAP] - 1))
        if bit == 0 or log[e, 1] & bit:
            left -= 1
            if left == 0:
                return e
    return np.int64(-1)


@nb.njit(cache=True)
def _found(s, t, at, bit, kind, value, is_float, param, scale, q, log, state):  # type: ignore[no-untyped-def]
    """What is found by walking a window."""
    n = state[s, at + lay.N]
    if n == 0:
        return np.int64(0), False
    if kind == lay.QUANTILE:
        ordered = _window(s, at, bit, value, is_float, scale, log, state)
        ordered.sort()
        place = q * (n - 1)
        below, above = np.int64(np.floor(place)), np.int64(np.ceil(place))
        return bits_of(ordered[below] + (ordered[above] - ordered[below]) * (place - below)), True
    entry = _nth(s, at, bit, param if kind == lay.PREVIOUS else 1, kind != lay.FIRST, log, state)
    if entry < 0:
        return np.int64(0), False
    if kind == lay.SINCE_LAST:
        return t - log[entry, 0], True
    return log[entry, 2 + value], (log[entry, 1] >> (32 + value)) & 1 == 1


def _kernel(family: int) -> Any:
    @nb.njit(cache=True, nogil=True)
    def process(  # type: ignore[no-untyped-def]
        begin, end, group, scale, aggregates, reals, slot, time, tail, seen, adds, reads, values, known, log, arena, state, floats,
        table, meta, out, out_known,
    ):  # fmt: skip
        over, delay, every = group[lay.OVER], group[lay.DELAY], group[lay.EVERY]
        bit, value = group[lay.BIT], group[lay.VALUE]
        at, op, ttl, own = group[lay.AT], group[lay.OP], group[lay.TTL], 1 - group[lay.BEFORE]
        for row in range(begin, end):
            if row + AHEAD < end:
                prefetch(state, slot[row + AHEAD], 0)
                prefetch(state, slot[row + AHEAD], 1)
                near = slot[row + AHEAD // 2]
                if near >= 0 and state[near, lay.CAP] > 0:
                    prefetch(log, state[near, lay.BASE] + (state[near, at + lay.LO] & (state[near, lay.CAP] - 1)), 0)
            s, t = slot[row], time[row]
            if s < 0:
                continue
            if ttl > 0 and tail[row] > 0 and t - seen[row] >= ttl:
                forget(group, s, tail[row], log, state, table, meta)
            if not reads[row]:
                continue
            limit = tail[row] + (own if adds[row] else 0)
            if family == lay.DISTINCT and not room(table, meta, limit - state[s, at + lay.HI]):
                arena[lay.WANTS] = lay.TABLE
                return row
            move(family, s, t, limit, over, delay, every, bit, value, op, at, scale, log, state, floats, table, meta)
            for a in range(group[lay.BEGIN], group[lay.END]):
                kind, column = aggregates[a, lay.KIND_OF], aggregates[a, lay.COLUMN]
                bits, is_known = np.int64(0), False
                n = state[s, at + lay.N]
                if family == lay.EXTREME:
                    if n > 0:
                        bits, is_known = _extreme(s, at, bit, value, op, group[lay.EXTRA], log, state), True
                elif family == lay.SPREAD:
                    if n > 1:
                        is_float = aggregates[a, lay.IS_FLOAT] == 1
                        bits, is_known = bits_of(_spread(s, at, bit, value, is_float, reals[a, 0], log, state, floats)), True
                elif family == lay.DISTINCT:
                    if kind == lay.DIFFERENT:
                        bits, is_known = state[s, at + lay.GROUP], True
                    elif known[column, row]:
                        place = counted.place_of(table, s, at, values[column, row])
                        bits, is_known = np.int64(table[place, counted.COUNT] == 0), True
                else:
                    bits, is_known = _found(
                        s, t, at, bit, kind, column, aggregates[a, lay.IS_FLOAT] == 1, aggregates[a, lay.PARAM], reals[a, 0],
                        reals[a, 1], log, state,
                    )  # fmt: skip
                out[a, row], out_known[a, row] = bits, is_known
        return end

    return process


KERNELS = {family: _kernel(family) for family in (lay.EXTREME, lay.SPREAD, lay.DISTINCT, lay.PLACES)}
"""Each family's kernel: rows ``begin`` to ``end`` of a chunk for one group. Gives ``end``, or the row to go on with once what
``arena[WANTS]`` says has been enlarged. ``tail`` and ``seen`` as ``append`` gave them; out int64[aggregates, n]: values by their
bits, with ``out_known`` where they are not NULL."""
