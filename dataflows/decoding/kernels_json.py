"""The fast reading of JSON rows: one pass over the bytes, giving up on every row that is not provably plain."""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.decoding.words import plain_run
from models.values.words import byte_at, load64, trailing_zeros

STRING, BOOL, INT, FLOAT, DECIMAL, TIMESTAMP, DATE, ANY = 0, 1, 2, 3, 4, 5, 6, 7
TENS = np.array([10.0**i for i in range(23)])
_ZEROS = np.uint64(0x3030303030303030)
_TO_HIGH = np.uint64(0x7676767676767676)
_HIGH = np.uint64(0x8080808080808080)
_FOUR = np.uint64(0xFFFFFFFF)
_NULL, _TRUE, _ALSE = (np.uint64(int.from_bytes(text, "little")) for text in (b"null", b"true", b"alse"))
WHOLE_TENS = np.array([10**i for i in range(19)], np.int64)


@nb.njit(cache=True)
def _space(b, i):  # type: ignore[no-untyped-def]
    while byte_at(b, i) <= 32 and (byte_at(b, i) == 32 or byte_at(b, i) == 9 or byte_at(b, i) == 13 or byte_at(b, i) == 10):
        i += 1
    return i


@nb.njit(cache=True)
def _stands(b, i, text, begin, end):  # type: ignore[no-untyped-def]
    """Whether ``text[begin:end]`` stands at i; both arrays may be read a word further."""
    k = 0
    size = end - begin
    while k < size:
        other = load64(b, i + k) ^ load64(text, begin + k)
        if size - k < 8:
            other <<= np.uint64(8 * (8 - size + k))
        if other != 0:
            return False
        k += 8
    return True


@nb.njit(cache=True)
def two(b, i):  # type: ignore[no-untyped-def]
    """Two digits as a number, -1 if they are none."""
    x, y = np.int64(byte_at(b, i)) - 48, np.int64(byte_at(b, i + 1)) - 48
    return x * 10 + y if 0 <= x <= 9 and 0 <= y <= 9 else np.int64(-1)


@nb.njit(cache=True)
def days_of(year, month, day):  # type: ignore[no-untyped-def]
    """Days since 1970-01-01 of a date in the Gregorian calendar, or -2^62 if there is no such day (Hinnant, 2013)."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31
    if month == 2:
        longest = 29 if leap else 28
    if year < 1 or month < 1 or month > 12 or day < 1 or day > longest:
        return np.int64(-(2**62))
    y = year - 1 if month <= 2 else year
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return np.int64(era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468)


@nb.njit(cache=True)
def date_at(b, i, size):  # type: ignore[no-untyped-def]
    """Days of YYYY-MM-DD, -2^62 if it is none."""
    if size != 10 or byte_at(b, i + 4) != 45 or byte_at(b, i + 7) != 45:
        return np.int64(-(2**62))
    high, low, month, day = two(b, i), two(b, i + 2), two(b, i + 5), two(b, i + 8)
    if high < 0 or low < 0 or month < 0 or day < 0:
        return np.int64(-(2**62))
    return days_of(high * 100 + low, month, day)


@nb.njit(cache=True)
def moment_at(b, i, size):  # type: ignore[no-untyped-def]
    """Microseconds of YYYY-MM-DDTHH:MM:SS[.f…]Z, -2^62 if it is not plainly that."""
    bad = np.int64(-(2**62))
    if size < 20 or size > 30 or byte_at(b, i + 10) != 84 or byte_at(b, i + size - 1) != 90:
        return bad
    if byte_at(b, i + 13) != 58 or byte_at(b, i + 16) != 58:
        return bad
    days = date_at(b, i, 10)
    hour, minute, second = two(b, i + 11), two(b, i + 14), two(b, i + 17)
    if days == bad or hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return bad
    micros = np.int64(0)
    if size > 20:
        digits = size - 21
        if byte_at(b, i + 19) != 46 or digits < 1 or digits > 9:
            return bad
        for k in range(digits):
            c = np.int64(byte_at(b, i + 20 + k)) - 48
            if c < 0 or c > 9:
                return bad
            if k < 6:
                micros = micros * 10 + c
        for _ in range(6 - digits):
            micros *= 10
    return days * 86_400_000_000 + (hour * 3600 + minute * 60 + second) * 1_000_000 + micros


@nb.njit(cache=True)
def digits_at(b, i):  # type: ignore[no-untyped-def]
    """The eight bytes at i, each less the character zero, and how many of them, from the first on, are digits."""
    word = load64(b, i) ^ _ZEROS
    beyond = (word + _TO_HIGH | word) & _HIGH
    return word, np.int64(8) if beyond == 0 else np.int64(trailing_zeros(beyond) >> np.uint64(3))


@nb.njit(cache=True)
def eight(word, size):  # type: ignore[no-untyped-def]
    """The number of the first ``size`` digits of what ``digits_at`` gave: pairs, fours, then all at once (Lemire, 2018)."""
    if size == 0:
        return np.int64(0)
    word = word << np.uint64(64 - 8 * size)
    word = (word * np.uint64(2561)) >> np.uint64(8) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(6553601)) >> np.uint64(16) & np.uint64(0x0000FFFF0000FFFF)
    return np.int64((word * np.uint64(42949672960001)) >> np.uint64(32))


@nb.njit(cache=True)
def number_at(b, i, kind, scale, precision, unit, ints, floats, column, r):  # type: ignore[no-untyped-def]
    """Judge a number, and put it into a column (unless that is -1); the place behind it, -1 where the row must be read strictly."""
    negative = byte_at(b, i) == 45
    if negative:
        i += 1
    begin = i
    m = np.int64(0)
    digits = 0
    while True:
        word, size = digits_at(b, i)
        if digits + size <= 18:
            m = m * WHOLE_TENS[size] + eight(word, size)
        digits += size
        i += size
        if size < 8:
            break
    if digits == 0 or (digits > 1 and byte_at(b, begin) == 48):
        return -1
    fraction = 0
    if byte_at(b, i) == 46:
        i += 1
        while True:
            word, size = digits_at(b, i)
            if digits + size <= 18:
                m = m * WHOLE_TENS[size] + eight(word, size)
            digits += size
            fraction += size
            i += size
            if size < 8:
                break
        if fraction == 0:
            return -1
    if byte_at(b, i) == 101 or byte_at(b, i) == 69 or digits > 18:
        return -1
    if kind == ANY:
        return i
    if kind == FLOAT:
        if digits > 15:
            return -1
        value = np.float64(m) / TENS[fraction]
        if column >= 0:
            floats[column, r] = -value if negative else value
        return i
    if kind == DECIMAL:
        while fraction > scale and m % 10 == 0:
            m //= 10
            fraction -= 1
        if fraction > scale or m >= WHOLE_TENS[18 - scale + fraction]:
            return -1
        m *= WHOLE_TENS[scale - fraction]
        if m >= WHOLE_TENS[precision]:
            return -1
        if column >= 0:
            ints[column, r] = -m if negative else m
        return i
    if fraction > 0:
        return -1
    if kind == INT:
        if column >= 0:
            ints[column, r] = -m if negative else m
        return i
    if kind == TIMESTAMP and unit >= 0:
        if negative:
            m = -m
        if unit == 0:
            m = m // 1000
        else:
            if m > 253_402_300_799_999_999 // unit or m < -62_135_596_800_000_000 // unit:
                return -1
            m *= unit
        if column >= 0:
            ints[column, r] = m
        return i
    return -1


@nb.njit(cache=True, nogil=True)
def scan_rows(  # type: ignore[no-untyped-def]
    b, start, stop, quoted, quoted_at, kinds, keeps, scales, precisions, units, required, ints, floats, lengths, known, odd
):
    """Read rows into [field, row] matrices; ``odd`` marks the rows that must be read strictly.

    quoted: the fields' names, each as ``"name":``, field f from quoted_at[f] on; keeps: fields that are not only judged. ints (and
    floats, the same memory): the value, or where a string starts; lengths: of strings; known: whether there is one.
    """
    fields = kinds.shape[0]
    wanted = np.uint64(0)
    for f in range(fields):
        if required[f]:
            wanted |= np.uint64(1) << np.uint64(f)
    for r in range(start.shape[0]):
        end = stop[r]
        i = _space(b, start[r])
        good = byte_at(b, i) == 123 and i < end
        guess = 0
        seen = np.uint64(0)
        has = np.uint64(0)
        if good:
            i = _space(b, i + 1)
            if byte_at(b, i) == 125:
                i += 1
            else:
                while True:
                    f = -1
                    if _stands(b, i, quoted, quoted_at[guess], quoted_at[guess + 1]):
                        f = guess
                        i = _space(b, i + quoted_at[guess + 1] - quoted_at[guess])
                    else:
                        if byte_at(b, i) != 34:
                            good = False
                            break
                        begin = i
                        i = plain_run(b, i + 1)
                        if byte_at(b, i) != 34:
                            good = False
                            break
                        size = i + 1 - begin
                        i = _space(b, i + 1)
                        if byte_at(b, i) != 58:
                            good = False
                            break
                        i = _space(b, i + 1)
                        for c in range(fields):
                            if quoted_at[c + 1] - quoted_at[c] == size + 1 and _stands(
                                b, begin, quoted, quoted_at[c], quoted_at[c] + size
                            ):
                                f = c
                                break
                    kind = -1
                    column = -1
                    if f >= 0:
                        guess = f + 1 if f + 1 < fields else 0
                        bit = np.uint64(1) << np.uint64(f)
                        if seen & bit:
                            good = False
                            break
                        seen |= bit
                        kind = kinds[f]
                        column = f if keeps[f] else -1
                    ch = byte_at(b, i)
                    if ch == 34:
                        i += 1
                        s0 = i
                        i = plain_run(b, i)
                        if byte_at(b, i) != 34:
                            good = False
                            break
                        if f >= 0:
                            if kind == STRING:
                                if column >= 0:
                                    ints[column, r] = s0
                                    lengths[column, r] = i - s0
                            elif kind == TIMESTAMP or kind == DATE:
                                value = moment_at(b, s0, i - s0) if kind == TIMESTAMP else date_at(b, s0, i - s0)
                                if value == -(2**62):
                                    good = False
                                    break
                                if column >= 0:
                                    ints[column, r] = value
                            else:
                                good = False
                                break
                            has |= np.uint64(1) << np.uint64(f)
                        i += 1
                    elif ch == 45 or 48 <= ch <= 57:
                        if f >= 0:
                            i = number_at(b, i, kind, scales[f], precisions[f], units[f], ints, floats, column, r)
                            has |= np.uint64(1) << np.uint64(f)
                        else:
                            i = number_at(b, i, ANY, 0, 0, 0, ints, floats, -1, r)
                        if i < 0:
                            good = False
                            break
                    elif ch == 110 and load64(b, i) & _FOUR == _NULL:
                        i += 4
                    elif ch == 116 and load64(b, i) & _FOUR == _TRUE:
                        if f >= 0:
                            if kind != BOOL:
                                good = False
                                break
                            if column >= 0:
                                ints[column, r] = 1
                            has |= np.uint64(1) << np.uint64(f)
                        i += 4
                    elif ch == 102 and load64(b, i + 1) & _FOUR == _ALSE:
                        if f >= 0:
                            if kind != BOOL:
                                good = False
                                break
                            if column >= 0:
                                ints[column, r] = 0
                            has |= np.uint64(1) << np.uint64(f)
                        i += 5
                    else:
                        good = False
                        break
                    i = _space(b, i)
                    if byte_at(b, i) == 44:
                        i = _space(b, i + 1)
                        continue
                    if byte_at(b, i) == 125:
                        i += 1
                        break
                    good = False
                    break
            if good and _space(b, i) < end:
                good = False
            if i > end or (wanted & ~has):
                good = False
        odd[r] = not good
        if good:
            for f in range(fields):
                known[f, r] = (has >> np.uint64(f)) & np.uint64(1)
