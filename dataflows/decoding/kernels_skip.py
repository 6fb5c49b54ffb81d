"""JSON values passed over without being read: the place behind each, or -1 where it must be read strictly."""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.decoding.words import plain_run


@nb.njit(cache=True, inline="always")
def space(b, i):  # type: ignore[no-untyped-def]
    """The place behind white space."""
    while b[i] == 32 or b[i] == 9 or b[i] == 13 or b[i] == 10:
        i += 1
    return i


@nb.njit(cache=True)
def _wide(b, i):  # type: ignore[no-untyped-def]
    """Bytes of the UTF-8 character at ``i``, which is beyond ASCII; 0 if it is none (Unicode 15, table 3-7)."""
    c, second = b[i], b[i + 1]
    if 0xC2 <= c <= 0xDF:
        return 2 if 0x80 <= second <= 0xBF else 0
    if 0xE0 <= c <= 0xEF:
        low = 0xA0 if c == 0xE0 else 0x80
        high = 0x9F if c == 0xED else 0xBF
        return 3 if low <= second <= high and 0x80 <= b[i + 2] <= 0xBF else 0
    if 0xF0 <= c <= 0xF4:
        low = 0x90 if c == 0xF0 else 0x80
        high = 0x8F if c == 0xF4 else 0xBF
        return 4 if low <= second <= high and 0x80 <= b[i + 2] <= 0xBF and 0x80 <= b[i + 3] <= 0xBF else 0
    return 0


@nb.njit(cache=True)
def skip_string(b, i):  # type: ignore[no-untyped-def]
    """The place behind a string whose first character is at ``i``; -1 where it must be read strictly."""
    while True:
        i = plain_run(b, i)
        c = b[i]
        if c == 34:
            return i + 1
        if c == 92:
            d = b[i + 1]
            if not (d == 34 or d == 92 or d == 47 or d == 98 or d == 102 or d == 110 or d == 114 or d == 116):
                return -1
            i += 2
        elif c < 32:
            return -1
        else:
            size = _wide(b, i)
            if size == 0:
                return -1
            i += size


@nb.njit(cache=True)
def _skip_number(b, i):  # type: ignore[no-untyped-def]
    if b[i] == 45:
        i += 1
    begin = i
    while 48 <= b[i] <= 57:
        i += 1
    if i == begin or (i > begin + 1 and b[begin] == 48):
        return -1
    if b[i] == 46:
        i += 1
        begin = i
        while 48 <= b[i] <= 57:
            i += 1
        if i == begin:
            return -1
    if b[i] == 101 or b[i] == 69:
        i += 1
        if b[i] == 43 or b[i] == 45:
            i += 1
        begin = i
        while 48 <= b[i] <= 57:
            i += 1
        if i == begin:
            return -1
    return i


@nb.njit(cache=True)
def is_null(b, i):  # type: ignore[no-untyped-def]
    """Whether ``null`` stands at ``i``."""
    return b[i] == 110 and b[i + 1] == 117 and b[i + 2] == 108 and b[i + 3] == 108


@nb.njit(cache=True)
def _skip_word(b, i):  # type: ignore[no-untyped-def]
    if is_null(b, i) or (b[i] == 116 and b[i + 1] == 114 and b[i + 2] == 117 and b[i + 3] == 101):
        return i + 4
    if b[i] == 102 and b[i + 1] == 97 and b[i + 2] == 108 and b[i + 3] == 115 and b[i + 4] == 101:
        return i + 5
    return -1


@nb.njit(cache=True)
def to_value(b, i):  # type: ignore[no-untyped-def]
    """From a key's opening quote to its value; -1 where there is no key."""
    if b[i] != 34:
        return -1
    i = skip_string(b, i + 1)
    if i < 0:
        return -1
    i = space(b, i)
    return space(b, i + 1) if b[i] == 58 else -1


@nb.njit(cache=True)
def skip_value(b, i):  # type: ignore[no-untyped-def]
    """The place behind the JSON value at ``i``; -1 where it must be read strictly."""
    depth = 0
    objects = np.uint64(0)
    while True:
        c = b[i]
        if c == 34:
            i = skip_string(b, i + 1)
        elif c == 45 or 48 <= c <= 57:
            i = _skip_number(b, i)
        elif c == 123 or c == 91:
            i = space(b, i + 1)
            if b[i] == c + 2:
                i += 1
            else:
                depth += 1
                if depth > 60:
                    return -1
                bit = np.uint64(1) << np.uint64(depth)
                if c == 123:
                    objects |= bit
                    i = to_value(b, i)
                    if i < 0:
                        return -1
                else:
                    objects &= ~bit
                continue
        else:
            i = _skip_word(b, i)
        if i < 0:
            return -1
        while depth > 0:
            i = space(b, i)
            inside = (objects >> np.uint64(depth)) & np.uint64(1)
            if b[i] == 44:
                i = space(b, i + 1)
                if inside:
                    i = to_value(b, i)
                    if i < 0:
                        return -1
                break
            if b[i] != (125 if inside else 93):
                return -1
            i += 1
            depth -= 1
        if depth == 0:
            return i
