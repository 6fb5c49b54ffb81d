"""Sums of floats without error: the exactly rounded sum, and expansions that a value can be added to and taken from again."""

from __future__ import annotations

import numba as nb
import numpy as np


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
def add_pair(state, floats, s, column, x):  # type: ignore[no-untyped-def]
    """Add to a double-double pair at ``column``; the column behind it is set to 1 where that was not free of error."""
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
def add_expansion(floats, s, column, size, x):  # type: ignore[no-untyped-def]
    """Add to an expansion of at most ``size`` parts (Shewchuk's grow-expansion, zeros left out); False where it has no room."""
    kept = 0
    for k in range(size):
        y = floats[s, column + k]
        if y == 0.0:
            continue
        total = x + y
        part = total - x
        low = (x - (total - part)) + (y - part)
        if low != 0.0:
            floats[s, column + kept] = low
            kept += 1
        x = total
    if x != 0.0:
        if kept == size:
            return False
        floats[s, column + kept] = x
        kept += 1
    for k in range(kept, size):
        floats[s, column + k] = 0.0
    return True


@nb.njit(cache=True)
def product(x, y):  # type: ignore[no-untyped-def]
    """X * y as its rounded value and the error, exact for numbers far from both ends of the range (Dekker, 1971)."""
    a = x * 134217729.0
    x_high = a - (a - x)
    x_low = x - x_high
    b = y * 134217729.0
    y_high = b - (b - y)
    y_low = y - y_high
    rounded = x * y
    return rounded, ((x_high * y_high - rounded) + x_high * y_low + x_low * y_high) + x_low * y_low
