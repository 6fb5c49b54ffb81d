"""Logs of keys and the windows over them: entries are appended, enter a window, leave it, and are forgotten."""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.operators import counted
from dataflows.operators import layout as lay
from dataflows.operators.exact import add_expansion, add_pair, fsum, product
from dataflows.operators.intrinsics import float_of
from models.values.ahead import AHEAD, prefetch

SMALL, LARGE = 1e-100, 1e100
"""Between these (and 0) a float's square and the square's error are exact."""


@nb.njit(cache=True)
def better(op, a, b):  # type: ignore[no-untyped-def]
    """Whether the first is as extreme as the second."""
    if op == lay.MIN_INT:
        return a <= b
    if op == lay.MAX_INT:
        return a >= b
    return float_of(a) <= float_of(b) if op == lay.MIN_FLOAT else float_of(a) >= float_of(b)


@nb.njit(cache=True)
def spread_by(state, floats, s, c, x, sign):  # type: ignore[no-untyped-def]
    """Add a value to the exact sums of a standard deviation, or take it out; state[s, c] is 1 where that was not possible."""
    if x != 0.0 and not SMALL < abs(x) < LARGE:
        state[s, c] = 1
    if state[s, c] == 0 and x != 0.0:
        square, error = product(x, x)
        fits = add_expansion(floats, s, c + 1, lay.PARTS, sign * x)
        fits = fits and add_expansion(floats, s, c + 1 + lay.PARTS, lay.SQUARES, sign * error)
        fits = fits and add_expansion(floats, s, c + 1 + lay.PARTS, lay.SQUARES, sign * square)
        if not fits:
            state[s, c] = 1


@nb.njit(cache=True)
def spread_of(floats, s, c, n):  # type: ignore[no-untyped-def]
    """The sample standard deviation of n >= 2 values from their exact sums: sqrt((n * squares - sum^2) / (n * (n - 1)))."""
    terms = np.empty(2 * lay.SQUARES + 2 * lay.PARTS * lay.PARTS)
    k = 0
    for i in range(lay.SQUARES):
        x = floats[s, c + 1 + lay.PARTS + i]
        if x != 0.0:
            terms[k], terms[k + 1] = product(float(n), x)
            k += 2
    for i in range(lay.PARTS):
        for j in range(lay.PARTS):
            x, y = floats[s, c + 1 + i], floats[s, c + 1 + j]
            if x != 0.0 and y != 0.0:
                high, low = product(x, y)
                terms[k], terms[k + 1] = -high, -low
                k += 2
    return np.sqrt(max(fsum(terms, k), 0.0) / (float(n) * (n - 1)))


@nb.njit(cache=True, inline="always")
def _change(family, sign, s, number, e, value, op, at, scale, log, state, floats, table, meta):  # type: ignore[no-untyped-def]
    """Take an entry into a window (sign 1) or out of it (sign -1); the count has been changed before."""
    c = at + lay.GROUP
    if family == lay.SUMS_INT:
        if value >= 0:
            bits = log[e, 2 + value]
            state[s, c] += sign * (bits & 0xFFFFFFFF)
            state[s, c + 1] += sign * (bits >> 32)
    elif family == lay.SUMS_FLOAT:
        add_pair(state, floats, s, c, sign * float_of(log[e, 2 + value]))
    elif family == lay.EXTREME:
        if sign > 0 and (state[s, c + 3] == 0 or better(op, log[e, 2 + value], state[s, c + 2])):
            state[s, c + 2], state[s, c + 3] = log[e, 2 + value], 1
    elif family == lay.SPREAD:
        x = float_of(log[e, 2 + value]) if scale == 0.0 else log[e, 2 + value] / scale
        spread_by(state, floats, s, c, x, sign)
    elif family == lay.DISTINCT:
        if sign > 0:
            state[s, c] += counted.put(table, meta, s, at, log[e, 2 + value])
        else:
            state[s, c] -= counted.take(table, meta, s, at, log[e, 2 + value])


@nb.njit(cache=True, inline="always")
def move(family, s, t, limit, over, delay, every, bit, value, op, at, scale, log, state, floats, table, meta):  # type: ignore[no-untyped-def]
    """Move a window of a key to time t; of its entries only those before number ``limit`` exist as yet."""
    base, mask = state[s, lay.BASE], state[s, lay.CAP] - 1
    lo, hi, n = state[s, at + lay.LO], state[s, at + lay.HI], state[s, at + lay.N]
    newest = t - delay
    while hi < limit:
        e = np.uint64(base + (hi & mask))
        if log[e, 0] > newest:
            break
        if bit == 0 or log[e, 1] & bit:
            n += 1
            _change(family, 1, s, hi, e, value, op, at, scale, log, state, floats, table, meta)
        hi += 1
    if over != lay.ALL:
        edge = newest - over
        if every > 0:
            edge = (edge + 1) // every * every - 1
        while lo < hi:
            e = np.uint64(base + (lo & mask))
            if log[e, 0] > edge:
                break
            if bit == 0 or log[e, 1] & bit:
                n -= 1
                _change(family, -1, s, lo, e, value, op, at, scale, log, state, floats, table, meta)
                if n == 0:
                    clear(family, s, at, hi, state)
            lo += 1
    state[s, at + lay.LO], state[s, at + lay.HI], state[s, at + lay.N] = lo, hi, n


@nb.njit(cache=True, inline="always")
def clear(family, s, at, hi, state):  # type: ignore[no-untyped-def]
    """What a family keeps of a window that holds nothing."""
    c = at + lay.GROUP
    if family == lay.SUMS_INT:
        state[s, c] = state[s, c + 1] = 0
    elif family == lay.SUMS_FLOAT:
        state[s, c] = state[s, c + 1] = state[s, c + 2] = 0
    elif family == lay.EXTREME:
        state[s, c], state[s, c + 1], state[s, c + 3] = 0, hi, 0
    elif family == lay.SPREAD:
        for k in range(1 + lay.PARTS + lay.SQUARES):
            state[s, c + k] = 0


@nb.njit(cache=True)
def forget(group, s, tail, log, state, table, meta):  # type: ignore[no-untyped-def]
    """Forget all of a key's entries before number ``tail`` in a group's window."""
    at, family = group[lay.AT], group[lay.FAMILY]
    if family == lay.DISTINCT:
        for q in range(state[s, at + lay.LO], state[s, at + lay.HI]):
            e = state[s, lay.BASE] + (q & (state[s, lay.CAP] - 1))
            if group[lay.BIT] == 0 or log[e, 1] & group[lay.BIT]:
                counted.take(table, meta, s, at, log[e, 2 + group[lay.VALUE]])
        state[s, at + lay.GROUP] = 0
    state[s, at + lay.LO] = state[s, at + lay.HI] = tail
    state[s, at + lay.N] = 0
    clear(family, s, at, tail, state)


@nb.njit(cache=True)
def _trim(s, t, groups, scales, log, state, floats, table, meta):  # type: ignore[no-untyped-def]
    """Forget entries that no window of a key needs at t or later; False where the table of counts has no room for that."""
    first = state[s, lay.TAIL]
    for g in range(groups.shape[0]):
        at, kept = groups[g, lay.AT], groups[g, lay.KEPT]
        if groups[g, lay.FAMILY] == lay.DISTINCT and not room(table, meta, state[s, lay.TAIL] - state[s, at + lay.HI]):
            return False
        over, delay, every, bit = groups[g, lay.OVER], groups[g, lay.DELAY], groups[g, lay.EVERY], groups[g, lay.BIT]
        move(groups[g, lay.FAMILY], s, t, state[s, lay.TAIL], over, delay, every, bit, groups[g, lay.VALUE], groups[g, lay.OP], at,
             scales[g], log, state, floats, table, meta)  # fmt: skip
        whole = groups[g, lay.OVER] != lay.ALL or kept < 0
        first = min(first, state[s, at + lay.LO] if whole else max(state[s, at + lay.HI] - kept, state[s, at + lay.LO]))
    state[s, lay.HEAD] = max(state[s, lay.HEAD], first)
    return True


@nb.njit(cache=True, inline="always")
def room(table, meta, entries):  # type: ignore[no-untyped-def]
    """Whether the table of counts can take so many more values."""
    return (meta[0] + entries) * 2 <= table.shape[0]


@nb.njit(cache=True)
def _ring(s, log, state, free, arena):  # type: ignore[no-untyped-def]
    """Give a key a larger ring and free its old one."""
    old, old_cap, old_kind = state[s, lay.BASE], state[s, lay.CAP], state[s, lay.KIND] - 1
    new_kind = old_kind + 1
    size = lay.SIZES[new_kind]
    if free[new_kind] >= 0:
        block = free[new_kind]
        free[new_kind] = log[block, 0]
    else:
        block = arena[lay.USED]
        arena[lay.USED] += size
    for q in range(state[s, lay.HEAD], state[s, lay.TAIL]):
        for column in range(log.shape[1]):
            log[block + (q & (size - 1)), column] = log[old + (q & (old_cap - 1)), column]
    if old_kind >= 0:
        log[old, 0] = free[old_kind]
        free[old_kind] = old
    state[s, lay.BASE], state[s, lay.CAP], state[s, lay.KIND] = block, size, new_kind + 1


@nb.njit(cache=True)
def compact(old, new, state, arena):  # type: ignore[no-untyped-def]
    """Copy all rings into another arena, one beside the other; what lay between them is gone, and no block is free."""
    arena[lay.USED] = 0
    for s in range(state.shape[0]):
        size, first = state[s, lay.CAP], state[s, lay.BASE]
        for k in range(size):
            for column in range(old.shape[1]):
                new[arena[lay.USED] + k, column] = old[first + k, column]
        state[s, lay.BASE] = arena[lay.USED]
        arena[lay.USED] += size


@nb.njit(cache=True, nogil=True)
def append(  # type: ignore[no-untyped-def]
    begin, end, since, slot, time, adds, counts, bits, values, known, groups, scales, log, free, arena, state, floats, table, meta,
    tail, seen,
):  # fmt: skip
    """Append rows to the logs of their keys; ``end``, or the row to go on with once what ``arena[WANTS]`` says is larger.

    since: a time before all rows that are still to be read; adds bool[n]; counts bool[m, n]: whether the row counts for the groups
    of bit ``bits[m]``; values int64[columns, n]. Gives each row's number of entries before it (tail) and the time of its key's
    last one (seen).
    """
    for row in range(begin, end):
        if row + AHEAD < end:
            prefetch(state, slot[row + AHEAD], 0)
            near = slot[row + AHEAD // 2]
            if near >= 0 and state[near, lay.CAP] > 0:
                prefetch(log, state[near, lay.BASE] + (state[near, lay.TAIL] & (state[near, lay.CAP] - 1)), 0)
        s, t = slot[row], time[row]
        if s < 0:
            continue
        if adds[row] and state[s, lay.TAIL] - state[s, lay.HEAD] >= state[s, lay.CAP]:
            kind = state[s, lay.KIND]
            if free[kind] < 0 and arena[lay.USED] + lay.SIZES[kind] > log.shape[0]:
                arena[lay.WANTS] = lay.LOG
                return row
            if kind > 0 and not _trim(s, since, groups, scales, log, state, floats, table, meta):
                arena[lay.WANTS] = lay.TABLE
                return row
            # A ring that stays nearly full after trimming would be trimmed again at once.
            if (state[s, lay.TAIL] - state[s, lay.HEAD]) * 4 >= state[s, lay.CAP] * 3:
                _ring(s, log, state, free, arena)
        tail[row], seen[row] = state[s, lay.TAIL], state[s, lay.SEEN]
        if not adds[row]:
            continue
        e = state[s, lay.BASE] + (state[s, lay.TAIL] & (state[s, lay.CAP] - 1))
        entry = np.int64(0)
        for m in range(counts.shape[0]):
            if counts[m, row]:
                entry |= bits[m]
        for v in range(values.shape[0]):
            log[e, 2 + v] = values[v, row]
            if known[v, row]:
                entry |= np.int64(1) << (32 + v)
        log[e, 0], log[e, 1] = t, entry
        state[s, lay.TAIL] += 1
        state[s, lay.SEEN] = t
    return end
