"""A stack machine for conditions on earlier events: numbers with NULL, as the row evaluator has them."""

from __future__ import annotations

import numba as nb
import numpy as np

DEPTH = 24
"""Values on the stack at most."""
(END, CONST_I, CONST_F, NULL, COLUMN_I, COLUMN_F, COUNT, LAST_I, LAST_F, FIRST_I, FIRST_F, SUM_I, SUM_F, AVG_I, AVG_F, MIN_I,
 MIN_F, MAX_I, MAX_F, COMPARE_I, COMPARE_F, AND, OR, NOT, IS_NULL, DISTINCT_I, DISTINCT_F, ADD_I, ADD_F, SUB_I, SUB_F, MUL_I,
 MUL_F, DIVIDE, TO_FLOAT, TO_DECIMAL, TO_COMPARABLE, COALESCE) = range(38)  # fmt: skip
"""Operations; their operands are a, b, c. Bools are 0 and 1; _I and _F say what they take."""
N_BEFORE, N_ARM, N_EVENT, N_TIME, N_STAMP, N_CHILD, N_SIBLING, N_RUN, N_DONE, N_WIDTH = range(10)
"""Columns of a node: the one before, arm, event, time; the event that last followed it and what that made (its first child, the
child's sibling, the child's first attempt), and the event at which it was complete."""
LIMIT = 10**18


@nb.njit(cache=True, nogil=True, _nrt=False)
def truth(  # type: ignore[no-untyped-def]
    begin, row, node, code, floats, sets, stack, nodes, kept, kept_real, kept_valid, hand, hand_real, hand_valid
):
    """Whether the code from ``begin`` on gives TRUE for a row after the events of a node (-1: none).

    stack: int64, float64 and bool[DEPTH]; kept, hand int64[., f], the same as float64, and their validity: the fields of kept
    events and of rows.
    """
    whole, real, valid = stack
    top = -1
    pc = begin
    while True:
        op, a, b, c = code[pc, 0], code[pc, 1], code[pc, 2], code[pc, 3]
        pc += 1
        if op == END:
            return valid[top] and whole[top] == 1
        if op <= MAX_F:
            top += 1
            valid[top] = True
            if op == CONST_I:
                whole[top] = a
            elif op == CONST_F:
                real[top] = floats[a]
            elif op == NULL:
                valid[top] = False
            elif op == COLUMN_I:
                whole[top], valid[top] = hand[row, a], hand_valid[row, a]
            elif op == COLUMN_F:
                real[top], valid[top] = hand_real[row, a], hand_valid[row, a]
            elif op == COUNT:
                whole[top] = _count(node, a, sets, nodes)
            elif op == LAST_I or op == LAST_F or op == FIRST_I or op == FIRST_F:
                event = _last(node, a, c, sets, nodes) if op == LAST_I or op == LAST_F else _first(node, a, sets, nodes)
                valid[top] = event >= 0 and kept_valid[event, b]
                if valid[top]:
                    whole[top], real[top] = kept[event, b], kept_real[event, b]
            elif op == SUM_F or op == AVG_F:
                total, n = _sum_real(node, a, b, sets, nodes, kept_real, kept_valid)
                real[top] = total if op == SUM_F else total / n if n > 0 else 0.0
                valid[top] = np.isfinite(total) and (op == SUM_F or n > 0)
            elif op == SUM_I or op == AVG_I:
                total_i, n, fits = _sum_whole(node, a, b, sets, nodes, kept, kept_valid)
                whole[top] = total_i
                valid[top] = fits and (op == SUM_I or n > 0) and (op == AVG_I or c == 0 or -LIMIT < total_i < LIMIT)
                if op == AVG_I and n > 0:
                    real[top] = total_i / n / 10.0**c if c > 0 else total_i / n
            elif op == MIN_I or op == MAX_I:
                whole[top], valid[top] = _extreme_whole(node, a, b, sets, nodes, kept, kept_valid, op == MAX_I)
            else:
                real[top], valid[top] = _extreme_real(node, a, b, sets, nodes, kept_real, kept_valid, op == MAX_F)
        elif op == NOT:
            whole[top] = 1 - whole[top]
        elif op == IS_NULL:
            whole[top] = 0 if valid[top] else 1
            valid[top] = True
        elif op == TO_FLOAT:
            real[top] = whole[top] / 10.0**a if a > 0 else float(whole[top])
        elif op == TO_DECIMAL:
            valid[top] = valid[top] and abs(whole[top]) <= (LIMIT - 1) // a
            whole[top] *= a
        elif op == TO_COMPARABLE:
            most = (LIMIT - 1) // a + 1
            whole[top] = max(-most, min(most, whole[top])) * a
        else:
            top -= 1
            _binary(op, a, top, whole, real, valid)


@nb.njit(inline="always")
def _binary(op, a, top, whole, real, valid):  # type: ignore[no-untyped-def]
    both = valid[top] and valid[top + 1]
    if op == COMPARE_I:
        whole[top] = _compared(a, whole[top], whole[top + 1])
        valid[top] = both
    elif op == COMPARE_F:
        whole[top] = _compared(a, real[top], real[top + 1])
        valid[top] = both
    elif op == AND:
        no = (valid[top] and whole[top] == 0) or (valid[top + 1] and whole[top + 1] == 0)
        whole[top], valid[top] = 0 if no else 1, no or both
    elif op == OR:
        yes = (valid[top] and whole[top] == 1) or (valid[top + 1] and whole[top + 1] == 1)
        whole[top], valid[top] = 1 if yes else 0, yes or both
    elif op == DISTINCT_I or op == DISTINCT_F:
        differ = whole[top] != whole[top + 1] if op == DISTINCT_I else real[top] != real[top + 1]
        whole[top] = 1 if valid[top] != valid[top + 1] or (both and differ) else 0
        valid[top] = True
    elif op == COALESCE:
        if not valid[top]:
            whole[top], real[top], valid[top] = whole[top + 1], real[top + 1], valid[top + 1]
    elif op == ADD_I or op == SUB_I or op == MUL_I:
        whole[top], valid[top] = _whole(op, a, whole[top], whole[top + 1], both)
    else:
        x, y = real[top], real[top + 1]
        if op == ADD_F:
            x = x + y
        elif op == SUB_F:
            x = x - y
        elif op == MUL_F:
            x = x * y
        else:
            x = x / y if y != 0.0 else np.inf
        real[top], valid[top] = x, both and np.isfinite(x)


@nb.njit(inline="always")
def _compared(how, x, y):  # type: ignore[no-untyped-def]
    if how == 0:
        return 1 if x == y else 0
    if how == 1:
        return 1 if x != y else 0
    if how == 2:
        return 1 if x < y else 0
    if how == 3:
        return 1 if x <= y else 0
    if how == 4:
        return 1 if x > y else 0
    return 1 if x >= y else 0


@nb.njit(inline="always")
def _whole(op, decimal, x, y, both):  # type: ignore[no-untyped-def]
    """A sum, difference or product of whole numbers, and whether it fits (decimals: 18 digits)."""
    if op == ADD_I:
        found = x + y
        fits = not (((x ^ found) & (y ^ found)) < 0)
    elif op == SUB_I:
        found = x - y
        fits = not (((x ^ y) & (x ^ found)) < 0)
    else:
        found = x * y
        size = abs(float(x) * float(y))
        near = size < 9.3e18 and x != 0 and found % x == 0 and found // x == y and (found < 0) == ((x < 0) != (y < 0))
        fits = size < 9.2e18 or near
    if decimal == 1:
        fits = fits and -LIMIT < found < LIMIT
    return found, both and fits


@nb.njit(inline="always")
def _count(node, arms, sets, nodes):  # type: ignore[no-untyped-def]
    found = 0
    while node >= 0:
        if sets[arms, nodes[node, N_ARM]]:
            found += 1
        node = nodes[node, N_BEFORE]
    return found


@nb.njit(inline="always")
def _last(node, arms, n, sets, nodes):  # type: ignore[no-untyped-def]
    while node >= 0:
        if sets[arms, nodes[node, N_ARM]]:
            if n == 0:
                return nodes[node, N_EVENT]
            n -= 1
        node = nodes[node, N_BEFORE]
    return -1


@nb.njit(inline="always")
def _first(node, arms, sets, nodes):  # type: ignore[no-untyped-def]
    found = -1
    while node >= 0:
        if sets[arms, nodes[node, N_ARM]]:
            found = nodes[node, N_EVENT]
        node = nodes[node, N_BEFORE]
    return found


@nb.njit(inline="always")
def _sum_real(node, arms, field, sets, nodes, kept, valid):  # type: ignore[no-untyped-def]
    """The sum of floats from the newest back, as a pair of doubles whose rest is carried along; and how many."""
    high, low, n = 0.0, 0.0, 0
    while node >= 0:
        event = nodes[node, N_EVENT]
        if sets[arms, nodes[node, N_ARM]] and valid[event, field]:
            x = kept[event, field]
            total = high + x
            part = total - high
            low += (high - (total - part)) + (x - part)
            high = total
            n += 1
        node = nodes[node, N_BEFORE]
    return high + low, n


@nb.njit(inline="always")
def _sum_whole(node, arms, field, sets, nodes, kept, valid):  # type: ignore[no-untyped-def]
    total, n, fits = 0, 0, True
    while node >= 0:
        event = nodes[node, N_EVENT]
        if sets[arms, nodes[node, N_ARM]] and valid[event, field]:
            x = kept[event, field]
            found = total + x
            fits = fits and not (((total ^ found) & (x ^ found)) < 0)
            total = found
            n += 1
        node = nodes[node, N_BEFORE]
    return total, n, fits


@nb.njit(inline="always")
def _extreme_whole(node, arms, field, sets, nodes, kept, valid, largest):  # type: ignore[no-untyped-def]
    best, found = 0, False
    while node >= 0:
        event = nodes[node, N_EVENT]
        if sets[arms, nodes[node, N_ARM]] and valid[event, field]:
            x = kept[event, field]
            if not found or (x > best) == largest and x != best:
                best = x
            found = True
        node = nodes[node, N_BEFORE]
    return best, found


@nb.njit(inline="always")
def _extreme_real(node, arms, field, sets, nodes, kept, valid, largest):  # type: ignore[no-untyped-def]
    best, found = 0.0, False
    while node >= 0:
        event = nodes[node, N_EVENT]
        if sets[arms, nodes[node, N_ARM]] and valid[event, field]:
            x = kept[event, field]
            if not found or (x > best) == largest and x != best:
                best = x
            found = True
        node = nodes[node, N_BEFORE]
    return best, found
