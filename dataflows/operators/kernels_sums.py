"""Counts, sums and means at each row: the aggregates that nearly every application has, with kernels of their own.

They do what ``kernels_reads`` does for the other families, but hold all of a key's window in registers, and call nothing: both
matter ten times over.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.operators import layout as k
from dataflows.operators.exact import fsum
from dataflows.operators.intrinsics import float_of
from models.values.ahead import AHEAD, prefetch


@nb.njit(cache=True, nogil=True)
def sum_floats(  # type: ignore[no-untyped-def]
    begin, end, group, of_count, of_sum, of_mean, slot, time, tail, seen, adds, reads, log, state, floats, out, out_floats, known,
    redo,
):  # fmt: skip
    """Rows ``begin`` to ``end`` for one group of counts, sums and means of a float.

    of_count, of_sum, of_mean: rows of ``out`` that take them, -1 for none. Sums are double-double pairs. How many rows have a pair
    that is not exact; redo int64[n, 3]: such a row, and the first and next entry of its window.
    """
    over, delay, every, bit, column = group[k.OVER], group[k.DELAY], group[k.EVERY], group[k.BIT], 2 + group[k.VALUE]
    at, ttl, own = group[k.AT], group[k.TTL], 1 - group[k.BEFORE]
    inexact = 0
    for row in range(begin, end):
        if row + AHEAD < end:
            prefetch(state, slot[row + AHEAD], 0)
            prefetch(state, slot[row + AHEAD], 1)
            near = slot[row + AHEAD // 2]
            if near >= 0 and state[near, k.CAP] > 0:
                prefetch(log, state[near, k.BASE] + (state[near, at] & (state[near, k.CAP] - 1)), 0)
        if slot[row] < 0:
            continue
        s, t = np.uint64(slot[row]), time[row]
        base, mask = state[s, k.BASE], state[s, k.CAP] - 1
        lo, hi, n = state[s, at], state[s, at + 1], state[s, at + 2]
        high, low, bad = floats[s, at + 3], floats[s, at + 4], state[s, at + 5]
        if ttl > 0 and tail[row] > 0 and t - seen[row] >= ttl:
            lo = hi = tail[row]
            n = bad = np.int64(0)
            high = low = 0.0
        if reads[row]:
            limit = tail[row] + (own if adds[row] else 0)
            newest = t - delay
            while hi < limit:
                e = np.uint64(base + (hi & mask))
                if log[e, 0] > newest:
                    break
                if bit == 0 or log[e, 1] & bit:
                    n += 1
                    x = float_of(log[e, column])
                    total = high + x
                    part = total - high
                    error = (high - (total - part)) + (x - part)
                    rest = low + error
                    part = rest - low
                    if (low - (rest - part)) + (error - part) != 0.0:
                        bad = 1
                    high = total + rest
                    low = rest - (high - total)
                hi += 1
            if over != k.ALL:
                edge = newest - over
                if every > 0:
                    edge = (edge + 1) // every * every - 1
                while lo < hi:
                    e = np.uint64(base + (lo & mask))
                    if log[e, 0] > edge:
                        break
                    if bit == 0 or log[e, 1] & bit:
                        n -= 1
                        x = -float_of(log[e, column])
                        total = high + x
                        part = total - high
                        error = (high - (total - part)) + (x - part)
                        rest = low + error
                        part = rest - low
                        if (low - (rest - part)) + (error - part) != 0.0:
                            bad = 1
                        high = total + rest
                        low = rest - (high - total)
                        if n == 0:
                            high = low = 0.0
                            bad = 0
                    lo += 1
            if bad != 0:
                redo[inexact, 0], redo[inexact, 1], redo[inexact, 2] = row, lo, hi
                inexact += 1
            if of_count >= 0:
                out[of_count, row], known[of_count, row] = n, True
            if of_sum >= 0:
                out_floats[of_sum, row], known[of_sum, row] = high + low, True
            if of_mean >= 0 and n > 0:
                out_floats[of_mean, row], known[of_mean, row] = (high + low) / n, True
        state[s, at], state[s, at + 1], state[s, at + 2] = lo, hi, n
        floats[s, at + 3], floats[s, at + 4], state[s, at + 5] = high, low, bad
    return inexact


@nb.njit(cache=True, nogil=True)
def sum_anew(redo, group, of_sum, of_mean, slot, log, state, out_floats):  # type: ignore[no-untyped-def]
    """The exactly rounded sums and means of rows whose pair is not exact, from the entries of their windows."""
    for i in range(redo.shape[0]):
        row, lo, hi = redo[i, 0], redo[i, 1], redo[i, 2]
        s = slot[row]
        values = np.empty(hi - lo)
        n = 0
        for q in range(lo, hi):
            e = state[s, k.BASE] + (q & (state[s, k.CAP] - 1))
            if group[k.BIT] == 0 or log[e, 1] & group[k.BIT]:
                values[n] = float_of(log[e, 2 + group[k.VALUE]])
                n += 1
        total = fsum(values, n)
        if of_sum >= 0:
            out_floats[of_sum, row] = total
        if of_mean >= 0:
            out_floats[of_mean, row] = total / n


@nb.njit(cache=True, nogil=True)
def sum_wholes(  # type: ignore[no-untyped-def]
    begin, end, group, of_count, of_sum, of_mean, is_decimal, scale, slot, time, tail, seen, adds, reads, log, state, out,
    out_floats, known,
):  # fmt: skip
    """The same for counts alone, and for sums and means of integers and decimals (divided by ``scale``) in two exact limbs."""
    over, delay, every, bit, column = group[k.OVER], group[k.DELAY], group[k.EVERY], group[k.BIT], 2 + group[k.VALUE]
    at, ttl, own, counts_only = group[k.AT], group[k.TTL], 1 - group[k.BEFORE], group[k.VALUE] < 0
    bits = np.int64(0)
    for row in range(begin, end):
        if row + AHEAD < end:
            prefetch(state, slot[row + AHEAD], 0)
            prefetch(state, slot[row + AHEAD], 1)
            near = slot[row + AHEAD // 2]
            if near >= 0 and state[near, k.CAP] > 0:
                prefetch(log, state[near, k.BASE] + (state[near, at] & (state[near, k.CAP] - 1)), 0)
        if slot[row] < 0:
            continue
        s, t = np.uint64(slot[row]), time[row]
        base, mask = state[s, k.BASE], state[s, k.CAP] - 1
        lo, hi, n = state[s, at], state[s, at + 1], state[s, at + 2]
        low, high = state[s, at + 3], state[s, at + 4]
        if ttl > 0 and tail[row] > 0 and t - seen[row] >= ttl:
            lo = hi = tail[row]
            n = low = high = np.int64(0)
        if reads[row]:
            limit = tail[row] + (own if adds[row] else 0)
            newest = t - delay
            while hi < limit:
                e = np.uint64(base + (hi & mask))
                if log[e, 0] > newest:
                    break
                if bit == 0 or log[e, 1] & bit:
                    n += 1
                    if not counts_only:
                        bits = log[e, column]
                        low += bits & 0xFFFFFFFF
                        high += bits >> 32
                hi += 1
            if over != k.ALL:
                edge = newest - over
                if every > 0:
                    edge = (edge + 1) // every * every - 1
                while lo < hi:
                    e = np.uint64(base + (lo & mask))
                    if log[e, 0] > edge:
                        break
                    if bit == 0 or log[e, 1] & bit:
                        n -= 1
                        if not counts_only:
                            bits = log[e, column]
                            low -= bits & 0xFFFFFFFF
                            high -= bits >> 32
                    lo += 1
            if of_count >= 0:
                out[of_count, row], known[of_count, row] = n, True
            top, rest = high + (low >> 32), low & 0xFFFFFFFF
            if of_sum >= 0:
                whole = (top << 32) + rest
                out[of_sum, row] = whole
                known[of_sum, row] = -(2**31) <= top < 2**31 and (not is_decimal or -(10**18) < whole < 10**18)
            if of_mean >= 0 and n > 0:
                out_floats[of_mean, row], known[of_mean, row] = (top * 4294967296.0 + rest) / scale / n, True
        state[s, at], state[s, at + 1], state[s, at + 2] = lo, hi, n
        state[s, at + 3], state[s, at + 4] = low, high
    return 0
