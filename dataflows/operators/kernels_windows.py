"""Windows over one event log per key: every feature of a log walks the same entries with its own two pointers.

A log's entries lie in a ring of its key in an arena ``log`` [entry, column] of int64: time, bits, then one column a value (floats
by their bits). Bits 0..30 say for which group of windows the row counts; bits 32.. which values are not NULL. Entries have
sequence numbers from 0 a key; a ring of ``cap`` entries, a power of two, at ``base`` holds number q at
``base + q % cap``.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

COUNT, SUM_INT, SUM_FLOAT, MEAN_INT, MEAN_FLOAT, MIN_INT, MAX_INT, MIN_FLOAT, MAX_FLOAT = 0, 1, 2, 3, 4, 5, 6, 7, 8
STD, DISTINCT, FIRST, LAST, QUANTILE, PREVIOUS, SINCE_LAST, IS_NEW = 9, 10, 11, 12, 13, 14, 15, 16
BASE, CAP, KIND, HEAD, TAIL, SEEN = 0, 1, 2, 3, 4, 5
RING = 6
"""State columns of a slot's ring: where it lies, its room, its size class, first and next entry number, time of the last."""
LO, HI, N = 0, 1, 2
GROUP = 3
"""State columns of a group: number of its first entry, of the first entry after it, and how many count."""
OVER, DELAY, EVERY, KEPT, TTL, BEFORE, BEGIN, END = 0, 1, 2, 3, 4, 5, 6, 7
"""Columns of ``groups``; BEGIN and END are its aggregates."""
OP, VALUE, IS_FLOAT, PARAM, AT = 0, 1, 2, 3, 4
"""Columns of ``aggregates``; AT is its first state column. ``reals`` holds scale and quantile of each."""
SUMS = 3
"""State columns of an aggregate: two limbs or a double-double pair, and whether it is no longer exact."""
ALL = np.int64(-1)
SIZES = np.array([4 * 2**i for i in range(50)], np.int64)


@intrinsic
def _float(context, bits):  # type: ignore[no-untyped-def]
    """The float with these bits."""
    return types.float64(types.int64), lambda _, builder, __, args: builder.bitcast(args[0], ir.DoubleType())


@intrinsic
def _bits(context, value):  # type: ignore[no-untyped-def]
    """The bits of a float."""
    return types.int64(types.float64), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(64))


@nb.njit(cache=True, inline="always")
def _count(state, floats, s, column, op, bits, sign):  # type: ignore[no-untyped-def]
    """Add an entry's value to a running sum, or take it out."""
    if op == SUM_INT or op == MEAN_INT:
        state[s, column] += sign * (bits & 0xFFFFFFFF)
        state[s, column + 1] += sign * (bits >> 32)
        return
    x = sign * _float(bits)
    high, low = floats[s, column], floats[s, column + 1]
    total = high + x
    part = total - high
    error = (high - (total - part)) + (x - part)
    rest = low + error
    part = rest - low
    if (low - (rest - part)) + (error - part) != 0.0:
        state[s, column + 2] = 1
    high = total + rest
    part = high - total
    floats[s, column] = high
    floats[s, column + 1] = (total - (high - part)) + (rest - part)


@nb.njit(cache=True)
def fsum(values, n):  # type: ignore[no-untyped-def]
    """The exactly rounded sum of n floats (Shewchuk, 1997; rounding as in Python's math.fsum)."""
    partials = np.empty(n + 1)
    count = 0
    for k in range(n):
        x = values[k]
        kept = 0
        for j in range(count):
            y = partials[j]
            if abs(x) < abs(y):
                x, y = y, x
            high = x + y
            low = y - (high - x)
            if low != 0.0:
                partials[kept] = low
                kept += 1
            x = high
        partials[kept] = x
        count = kept + 1
    if count == 0:
        return 0.0
    at = count - 1
    high = partials[at]
    low = 0.0
    while at > 0:
        at -= 1
        x = high
        y = partials[at]
        high = x + y
        low = y - (high - x)
        if low != 0.0:
            break
    if at > 0 and ((low < 0.0 and partials[at - 1] < 0.0) or (low > 0.0 and partials[at - 1] > 0.0)):
        y = low * 2.0
        x = high + y
        if y == x - high:
            high = x
    return high


@nb.njit(cache=True, inline="always")
def _advance(s, t, g, log, state, floats, groups, aggregates):  # type: ignore[no-untyped-def]
    """Move a group's window of a key to time t."""
    c = RING + g * GROUP
    bit = np.int64(1) << g
    over, delay, every = groups[g, OVER], groups[g, DELAY], groups[g, EVERY]
    lo, hi, n = state[s, c + LO], state[s, c + HI], state[s, c + N]
    room, first, tail = state[s, CAP], state[s, BASE], state[s, TAIL]
    begin, end = groups[g, BEGIN], groups[g, END]
    while hi < tail:
        e = first + (hi & (room - 1))
        if log[e, 0] > t - delay:
            break
        if log[e, 1] & bit:
            n += 1
            for a in range(begin, end):
                if SUM_INT <= aggregates[a, OP] <= MEAN_FLOAT:
                    _count(state, floats, s, aggregates[a, AT], aggregates[a, OP], log[e, 2 + aggregates[a, VALUE]], 1)
                elif MIN_INT <= aggregates[a, OP] <= MAX_FLOAT:
                    _extend(state, s, aggregates[a, AT], aggregates[a, OP], log[e, 2 + aggregates[a, VALUE]], n == 1, hi)
        hi += 1
    if over != ALL:
        edge = t - delay - over
        if every > 0:
            edge = (edge + 1) // every * every - 1
        while lo < hi:
            e = first + (lo & (room - 1))
            if log[e, 0] > edge:
                break
            if log[e, 1] & bit:
                n -= 1
                for a in range(begin, end):
                    if SUM_INT <= aggregates[a, OP] <= MEAN_FLOAT:
                        _count(state, floats, s, aggregates[a, AT], aggregates[a, OP], log[e, 2 + aggregates[a, VALUE]], -1)
                        if n == 0:
                            state[s, aggregates[a, AT]] = state[s, aggregates[a, AT] + 1] = state[s, aggregates[a, AT] + 2] = 0
            lo += 1
    state[s, c + LO], state[s, c + HI], state[s, c + N] = lo, hi, n


@nb.njit(cache=True)
def _better(op, a, b):  # type: ignore[no-untyped-def]
    if op == MIN_INT:
        return a <= b
    if op == MAX_INT:
        return a >= b
    return _float(a) <= _float(b) if op == MIN_FLOAT else _float(a) >= _float(b)


@nb.njit(cache=True, inline="always")
def _extend(state, s, column, op, bits, alone, number):  # type: ignore[no-untyped-def]
    """Keep the extreme of a window, the newest of equals."""
    if alone or _better(op, bits, state[s, column]):
        state[s, column], state[s, column + 1] = bits, number


@nb.njit(cache=True)
def _extreme(s, g, op, log, state, value, column):  # type: ignore[no-untyped-def]
    """The extreme of a window; walked anew when the one that was kept has left it."""
    lo, hi = state[s, RING + g * GROUP + LO], state[s, RING + g * GROUP + HI]
    if state[s, column + 1] < lo:
        bit = np.int64(1) << g
        alone = True
        for q in range(lo, hi):
            e = state[s, BASE] + (q & (state[s, CAP] - 1))
            if log[e, 1] & bit:
                _extend(state, s, column, op, log[e, 2 + value], alone, q)
                alone = False
    return state[s, column]


@nb.njit(cache=True)
def _window(s, g, value, is_float, scale, log, state):  # type: ignore[no-untyped-def]
    """The values of a window as floats, in order."""
    c = RING + g * GROUP
    out = np.empty(state[s, c + N])
    bit = np.int64(1) << g
    k = 0
    for q in range(state[s, c + LO], state[s, c + HI]):
        e = state[s, BASE] + (q & (state[s, CAP] - 1))
        if log[e, 1] & bit:
            bits = log[e, 2 + value]
            out[k] = _float(bits) if is_float else bits / scale
            k += 1
    return out


@nb.njit(cache=True)
def _nth(s, g, n, from_end, log, state):  # type: ignore[no-untyped-def]
    """The n-th counting entry from an end of a window, -1 if there is none."""
    c = RING + g * GROUP
    bit = np.int64(1) << g
    lo, hi = state[s, c + LO], state[s, c + HI]
    left = n
    for k in range(hi - lo):
        q = hi - 1 - k if from_end else lo + k
        e = state[s, BASE] + (q & (state[s, CAP] - 1))
        if log[e, 1] & bit:
            left -= 1
            if left == 0:
                return e
    return np.int64(-1)


@nb.njit(cache=True, inline="always")
def _read(s, t, g, a, log, state, floats, aggregates, reals, current, current_known):  # type: ignore[no-untyped-def]
    """An aggregate's value and whether it is not NULL; the group has been moved to t."""
    op, value, column = aggregates[a, OP], aggregates[a, VALUE], aggregates[a, AT]
    n = state[s, RING + g * GROUP + N]
    if op == COUNT:
        return n, True
    if op == SUM_INT:
        high = state[s, column + 1] + (state[s, column] >> 32)
        fits = -(2**31) <= high < 2**31
        total = (high << 32) + (state[s, column] & 0xFFFFFFFF)
        if aggregates[a, PARAM] == 1:
            fits = fits and -(10**18) < total < 10**18
        return total, fits
    if op == SUM_FLOAT:
        return _bits(_float_sum(s, g, value, column, log, state, floats)), True
    if op == IS_NEW:
        if not current_known:
            return np.int64(0), False
        bit = np.int64(1) << g
        for q in range(state[s, RING + g * GROUP + LO], state[s, RING + g * GROUP + HI]):
            e = state[s, BASE] + (q & (state[s, CAP] - 1))
            if log[e, 1] & bit and log[e, 2 + value] == current:
                return np.int64(0), True
        return np.int64(1), True
    if op == DISTINCT:
        seen = np.empty(n, np.int64)
        k = 0
        bit = np.int64(1) << g
        for q in range(state[s, RING + g * GROUP + LO], state[s, RING + g * GROUP + HI]):
            e = state[s, BASE] + (q & (state[s, CAP] - 1))
            if log[e, 1] & bit:
                seen[k] = log[e, 2 + value]
                k += 1
        seen.sort()
        found = np.int64(0)
        for k in range(n):
            if k == 0 or seen[k] != seen[k - 1]:
                found += 1
        return found, True
    if n == 0:
        return np.int64(0), False
    if op == MEAN_INT:
        high = state[s, column + 1] + (state[s, column] >> 32)
        total = high * 4294967296.0 + (state[s, column] & 0xFFFFFFFF)
        return _bits(total / reals[a, 0] / n), True
    if op == MEAN_FLOAT:
        return _bits(_float_sum(s, g, value, column, log, state, floats) / n), True
    if MIN_INT <= op <= MAX_FLOAT:
        return _extreme(s, g, op, log, state, value, column), True
    if op == STD:
        if n < 2:
            return np.int64(0), False
        found_values = _window(s, g, value, aggregates[a, IS_FLOAT] == 1, reals[a, 0], log, state)
        mean = fsum(found_values, n) / n
        for k in range(n):
            found_values[k] = (found_values[k] - mean) ** 2
        return _bits(np.sqrt(fsum(found_values, n) / (n - 1))), True
    if op == QUANTILE:
        ordered = _window(s, g, value, aggregates[a, IS_FLOAT] == 1, reals[a, 0], log, state)
        ordered.sort()
        place = reals[a, 1] * (n - 1)
        below = np.int64(np.floor(place))
        above = np.int64(np.ceil(place))
        return _bits(ordered[below] + (ordered[above] - ordered[below]) * (place - below)), True
    entry = _nth(s, g, aggregates[a, PARAM] if op == PREVIOUS else 1, op != FIRST, log, state)
    if entry < 0:
        return np.int64(0), False
    if op == SINCE_LAST:
        return t - log[entry, 0], True
    return log[entry, 2 + value], (log[entry, 1] >> (32 + value)) & 1 == 1


@nb.njit(cache=True)
def _float_sum(s, g, value, column, log, state, floats):  # type: ignore[no-untyped-def]
    if state[s, column + 2] == 0:
        return floats[s, column] + floats[s, column + 1]
    values = _window(s, g, value, True, 1.0, log, state)
    return fsum(values, values.shape[0])


@nb.njit(cache=True)
def _trim(s, t, log, state, floats, groups, aggregates):  # type: ignore[no-untyped-def]
    """Forget entries that no window of a key needs any more."""
    first = state[s, TAIL]
    for g in range(groups.shape[0]):
        _advance(s, t, g, log, state, floats, groups, aggregates)
        kept = groups[g, KEPT]
        needed = state[s, RING + g * GROUP + LO]
        if groups[g, OVER] == ALL and kept >= 0:
            needed = max(needed, state[s, RING + g * GROUP + HI] - kept)
        first = min(first, needed)
    state[s, HEAD] = max(state[s, HEAD], first)


@nb.njit(cache=True)
def _ring(s, log, state, free, arena):  # type: ignore[no-untyped-def]
    """Give a key a larger ring and free its old one."""
    old, old_cap, old_kind = state[s, BASE], state[s, CAP], state[s, KIND] - 1
    new_kind = old_kind + 1
    size = SIZES[new_kind]
    if free[new_kind] >= 0:
        block = free[new_kind]
        free[new_kind] = log[block, 0]
    else:
        block = arena[0]
        arena[0] += size
    for q in range(state[s, HEAD], state[s, TAIL]):
        for column in range(log.shape[1]):
            log[block + (q & (size - 1)), column] = log[old + (q & (old_cap - 1)), column]
    if old_kind >= 0:
        log[old, 0] = free[old_kind]
        free[old_kind] = old
    state[s, BASE], state[s, CAP], state[s, KIND] = block, size, new_kind + 1


@nb.njit(cache=True)
def _expire(s, t, state, groups, aggregates):  # type: ignore[no-untyped-def]
    """Forget the whole past of a key that was silent for a group's ttl."""
    for g in range(groups.shape[0]):
        if groups[g, TTL] > 0 and state[s, TAIL] > 0 and t - state[s, SEEN] >= groups[g, TTL]:
            c = RING + g * GROUP
            state[s, c + LO] = state[s, c + HI] = state[s, TAIL]
            state[s, c + N] = 0
            for a in range(groups[g, BEGIN], groups[g, END]):
                for k in range(SUMS):
                    state[s, aggregates[a, AT] + k] = 0


@nb.njit(cache=True, inline="always")
def _append(s, t, row, counts, values, known, log, state):  # type: ignore[no-untyped-def]
    e = state[s, BASE] + (state[s, TAIL] & (state[s, CAP] - 1))
    bits = np.int64(0)
    for g in range(counts.shape[0]):
        if counts[g, row]:
            bits |= np.int64(1) << g
    for v in range(values.shape[0]):
        log[e, 2 + v] = values[v, row]
        if known[v, row]:
            bits |= np.int64(1) << (32 + v)
    log[e, 0], log[e, 1] = t, bits
    state[s, TAIL] += 1
    state[s, SEEN] = t


@nb.njit(cache=True, nogil=True)
def process(  # type: ignore[no-untyped-def]
    start,
    slot,
    time,
    adds,
    reads,
    counts,
    values,
    known,
    groups,
    aggregates,
    reals,
    log,
    free,
    arena,
    state,
    floats,
    out,
    out_known,
):
    """Rows from ``start`` on, in order; where the arena is full, the row to go on with, else the number of rows.

    adds bool[n]; reads bool[groups, n]; counts bool[groups, n]: whether the row counts for a group; values int64[columns, n];
    state int64[slots, columns] and floats, the same memory; out int64[aggregates, n].
    """
    some_expire = False
    for g in range(groups.shape[0]):
        some_expire |= groups[g, TTL] > 0
    for row in range(start, slot.shape[0]):
        s, t = slot[row], time[row]
        if s < 0:
            continue
        full = adds[row] and state[s, TAIL] - state[s, HEAD] >= state[s, CAP]
        if full and arena[0] + SIZES[state[s, KIND]] > log.shape[0]:
            return row
        if some_expire:
            _expire(s, t, state, groups, aggregates)
        for phase in range(2):
            if phase == 1 and adds[row]:
                if full:
                    if state[s, CAP] > 0:
                        _trim(s, t, log, state, floats, groups, aggregates)
                    # A ring that stays nearly full after trimming would be trimmed again at once.
                    if (state[s, TAIL] - state[s, HEAD]) * 4 >= state[s, CAP] * 3:
                        _ring(s, log, state, free, arena)
                _append(s, t, row, counts, values, known, log, state)
            for g in range(groups.shape[0]):
                if groups[g, BEFORE] != 1 - phase or not reads[g, row]:
                    continue
                if state[s, CAP] > 0:
                    _advance(s, t, g, log, state, floats, groups, aggregates)
                for a in range(groups[g, BEGIN], groups[g, END]):
                    v = aggregates[a, VALUE]
                    current = values[v, row] if v >= 0 else np.int64(0)
                    is_known = known[v, row] if v >= 0 else False
                    out[a, row], out_known[a, row] = _read(s, t, g, a, log, state, floats, aggregates, reals, current, is_known)
    return slot.shape[0]
