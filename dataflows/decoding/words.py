"""How far a string runs plain, eight bytes at a time."""

from __future__ import annotations

import numba as nb
import numpy as np

from models.values.words import load64, trailing_zeros

_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES = np.uint64(0x2020202020202020)


@nb.njit(cache=True)
def plain_run(b, i):  # type: ignore[no-untyped-def]
    """The first place from ``i`` on whose byte is a quote, a backslash, a control character or beyond ASCII.

    At least 8 readable bytes follow every place up to the first such one (Mycroft, 1987, for the test of a word's bytes).
    """
    while True:
        word = load64(b, i)
        quote, slash = word ^ _QUOTES, word ^ _BACKSLASHES
        found = ((quote - _ONES) & ~quote | (slash - _ONES) & ~slash | (word - _SPACES) & ~word | word) & _HIGH
        if found != 0:
            return i + np.int64(trailing_zeros(found) >> np.uint64(3))
        i += 8
