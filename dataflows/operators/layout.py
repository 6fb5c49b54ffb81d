"""How the state of windows lies in memory, and the numbers by which kernels know what a group of aggregates needs.

A slot's state is a row of int64: first its ring (where its log lies in the arena), then, from ``AT`` of each group on, the
group's two pointers, how many entries count, and what its family keeps.

A log's entries lie in a ring of its key in an arena ``log`` [entry, column] of int64: time, bits, one column a value (floats by
their bits), one column an extreme. Bits 0..30 say for which group the entry counts; bits 32.. which values are not NULL. Entries
have sequence numbers from 0 a key; a ring of ``cap`` entries, a power of two, at ``base`` holds number q at ``base + q % cap``.
"""

from __future__ import annotations

import numpy as np

BASE, CAP, KIND, HEAD, TAIL, SEEN = 0, 1, 2, 3, 4, 5
RING = 6
"""State columns of a slot's ring: where it lies, its room, its size class, first and next entry number, time of the last."""
LO, HI, N = 0, 1, 2
GROUP = 3
"""State columns of a group: number of its first entry, of the first entry after it, and how many count."""

SUMS_INT, SUMS_FLOAT, EXTREME, SPREAD, DISTINCT, PLACES = 0, 1, 2, 3, 4, 5
"""Families of aggregates, each with a kernel: counts with sums, minimum or maximum, standard deviation, different values (also
``is_new``), and what is found by walking (first, last, previous, since_last, quantile)."""
PARTS, SQUARES = 4, 8
"""Parts of the expansions of a sum and of a sum of squares."""
KEEPS = {SUMS_INT: 2, SUMS_FLOAT: 3, EXTREME: 4, SPREAD: 1 + PARTS + SQUARES, DISTINCT: 1, PLACES: 0}
"""State columns of each family after the group's own."""

OVER, DELAY, EVERY, KEPT, TTL, BEFORE, FAMILY, VALUE, BIT, AT, OP, EXTRA, BEGIN, END = range(14)
"""Columns of ``groups``. BIT is 0 where every entry counts; OP and EXTRA are an extreme's; BEGIN and END its aggregates."""
COUNT, SUM, MEAN, MIN_INT, MAX_INT, MIN_FLOAT, MAX_FLOAT = 0, 1, 2, 3, 4, 5, 6
STD, DIFFERENT, IS_NEW, FIRST, LAST, QUANTILE, PREVIOUS, SINCE_LAST = 7, 8, 9, 10, 11, 12, 13, 14
KIND_OF, COLUMN, IS_FLOAT, PARAM = 0, 1, 2, 3
"""Columns of ``aggregates``: which, of which value, whether that is a float, and n or whether a sum is a decimal. ``reals``
holds scale and quantile of each."""

ALL = np.int64(-1)
SIZES = np.array([4 * 2**i for i in range(50)], np.int64)
USED, WANTS = 0, 1
"""Places in ``arena``: entries handed out, and what a kernel that stopped early needs: LOG or TABLE."""
LOG, TABLE = 1, 2
