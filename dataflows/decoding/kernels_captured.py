"""What Debezium writes in place of values: marks of what was not captured, and decimals as text or as base64 of their bytes."""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.decoding.kernels_json import WHOLE_TENS

UNAVAILABLE = np.frombuffer(b"__debezium_unavailable_value", np.uint8)
UNAVAILABLE_BYTES = np.frombuffer(b"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", np.uint8)


@nb.njit(cache=True)
def _same(b, i, word):  # type: ignore[no-untyped-def]
    same = True
    for k in range(word.shape[0]):
        same &= b[i + k] == word[k]
    return same


@nb.njit(cache=True, nogil=True)
def drop_unavailable(b, starts, lengths, known, strict, odd, unchanged, bit):  # type: ignore[no-untyped-def]
    """Strings that say that a value was not captured become NULL (``starts`` int64[n] and so on: one field's).

    strict: such rows are odd; unchanged: int64[n] gets ``bit`` for them.
    """
    for r in range(starts.shape[0]):
        if known[r] and not odd[r]:
            size = lengths[r]
            if (size == 28 and b[starts[r]] == 95 and _same(b, starts[r], UNAVAILABLE)) or (
                size == 40 and b[starts[r]] == 88 and _same(b, starts[r], UNAVAILABLE_BYTES)
            ):
                known[r] = False
                odd[r] = strict
                unchanged[r] |= bit


@nb.njit(cache=True)
def _six(c):  # type: ignore[no-untyped-def]
    """A base64 digit's value, -1 if it is none (RFC 4648)."""
    if 65 <= c <= 90:
        return c - 65
    if 97 <= c <= 122:
        return c - 71
    if 48 <= c <= 57:
        return c + 4
    return 62 if c == 43 else 63 if c == 47 else -1


@nb.njit(cache=True)
def _base64(b, i, size):  # type: ignore[no-untyped-def]
    """A signed big-endian integer of at most 8 bytes, and whether it plainly is one."""
    if size == 0 or size % 4 != 0 or size > 12:
        return np.int64(0), False
    padding = 0
    while padding < 2 and b[i + size - 1 - padding] == 61:
        padding += 1
    bits = np.uint64(0)
    count = 6 * (size - padding) - (2 * padding)
    if count > 64:
        return np.int64(0), False
    left = count
    for k in range(size - padding):
        digit = _six(np.int64(b[i + k]))
        if digit < 0:
            return np.int64(0), False
        if left >= 6:
            bits = (bits << np.uint64(6)) | np.uint64(digit)
            left -= 6
        else:
            bits = (bits << np.uint64(left)) | (np.uint64(digit) >> np.uint64(6 - left))
    shift = np.uint64(64 - count)
    return np.int64(bits << shift) >> np.int64(shift), True


@nb.njit(cache=True)
def _digits(b, i, size):  # type: ignore[no-untyped-def]
    """A number's text as (digits as an integer, decimals, 1 if plain, 0 if no number, -1 if neither is certain)."""
    end = i + size
    negative = size > 0 and b[i] == 45
    if negative:
        i += 1
    m, digits, fraction, point = np.int64(0), 0, 0, False
    while i < end:
        c = b[i]
        if c == 46 and not point and digits > 0:
            point = True
        elif 48 <= c <= 57:
            m = np.int64(m * 10 + (np.int64(c) - 48))
            digits += 1
            if point:
                fraction += 1
        else:
            maybe = digits > 0 and (c == 101 or c == 69)
            return m, 0, -1 if maybe or negative or point else 0
        if digits > 18:
            return m, 0, -1
        i += 1
    if digits == 0 or (point and fraction == 0):
        return m, 0, -1
    certain = point or negative or size % 4 != 0
    return (-m if negative else m), fraction, 1 if certain else -1


@nb.njit(cache=True, nogil=True)
def decimals_of_text(b, starts, lengths, known, odd, encoded, given, scale, precision):  # type: ignore[no-untyped-def]
    """One field's decimals, written as text or as base64 of their bytes, become unscaled integers in ``starts``.

    encoded: 1 if the schema says base64 with ``given`` decimals, 0 if nothing is known (then base64 has ``scale`` decimals), -1
    if it says text. A value that may be both is odd.
    """
    for r in range(starts.shape[0]):
        if not known[r] or odd[r]:
            continue
        i, size = starts[r], lengths[r]
        m, fraction, what = np.int64(0), 0, 0
        if encoded < 1:
            m, fraction, what = _digits(b, i, size)
            if encoded < 0 and what == 0:
                what = -1
        if what == 0:
            m, plain = _base64(b, i, size)
            fraction = given
            what = 1 if plain else -1
        limit = WHOLE_TENS[18]
        if what < 0 or m <= -limit or m >= limit:
            odd[r] = True
            continue
        while fraction > scale and m % 10 == 0:
            m //= 10
            fraction -= 1
        size_limit = WHOLE_TENS[18 - scale + fraction] if fraction <= scale else np.int64(0)
        if fraction > scale or abs(m) >= size_limit:
            odd[r] = True
            continue
        m *= WHOLE_TENS[scale - fraction]
        if precision < 19 and precision >= 0 and precision <= 18 and abs(m) >= (WHOLE_TENS[precision]):
            odd[r] = True
            continue
        starts[r] = m
