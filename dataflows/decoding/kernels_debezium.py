"""The fast reading of Debezium's JSON envelopes: where the images of a row lie in the bytes, its op and its time.

One pass over the bytes, giving up on every record that is not provably plain; the images are then read as rows of JSON.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.decoding.kernels_json import WHOLE_TENS
from dataflows.decoding.words import plain_run
from models.values.words import load64

_NONE = np.int64(-(2**62))
_AFTER, _BEFORE, _OP, _SOURCE, _TS_MS, _TS_US, _TS_NS, _TRANSACTION = 1, 2, 4, 8, 16, 32, 64, 128
MIN_TIME, MAX_TIME = -62_135_596_800_000_000, 253_402_300_799_999_999
UNAVAILABLE = np.frombuffer(b"__debezium_unavailable_value", np.uint8)
UNAVAILABLE_BYTES = np.frombuffer(b"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", np.uint8)


@nb.njit(cache=True, inline="always")
def _space(b, i):  # type: ignore[no-untyped-def]
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
def _is_null(b, i):  # type: ignore[no-untyped-def]
    return b[i] == 110 and b[i + 1] == 117 and b[i + 2] == 108 and b[i + 3] == 108


@nb.njit(cache=True)
def _skip_word(b, i):  # type: ignore[no-untyped-def]
    if _is_null(b, i) or (b[i] == 116 and b[i + 1] == 114 and b[i + 2] == 117 and b[i + 3] == 101):
        return i + 4
    if b[i] == 102 and b[i + 1] == 97 and b[i + 2] == 108 and b[i + 3] == 115 and b[i + 4] == 101:
        return i + 5
    return -1


@nb.njit(cache=True)
def _to_value(b, i):  # type: ignore[no-untyped-def]
    """From a key's opening quote to its value; -1 where there is no key."""
    if b[i] != 34:
        return -1
    i = skip_string(b, i + 1)
    if i < 0:
        return -1
    i = _space(b, i)
    return _space(b, i + 1) if b[i] == 58 else -1


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
            i = _space(b, i + 1)
            if b[i] == c + 2:
                i += 1
            else:
                depth += 1
                if depth > 60:
                    return -1
                bit = np.uint64(1) << np.uint64(depth)
                if c == 123:
                    objects |= bit
                    i = _to_value(b, i)
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
            i = _space(b, i)
            inside = (objects >> np.uint64(depth)) & np.uint64(1)
            if b[i] == 44:
                i = _space(b, i + 1)
                if inside:
                    i = _to_value(b, i)
                    if i < 0:
                        return -1
                break
            if b[i] != (125 if inside else 93):
                return -1
            i += 1
            depth -= 1
        if depth == 0:
            return i


@nb.njit(cache=True)
def _whole(b, i):  # type: ignore[no-untyped-def]
    """A plain integer of at most 17 digits, and the place behind it (-1 where it is none)."""
    negative = b[i] == 45
    if negative:
        i += 1
    begin = i
    value = np.int64(0)
    while 48 <= b[i] <= 57 and i < begin + 18:
        value = value * 10 + (b[i] - 48)
        i += 1
    if i == begin or i == begin + 18 or (i > begin + 1 and b[begin] == 48) or b[i] == 46 or b[i] == 101 or b[i] == 69:
        return np.int64(0), -1
    return -value if negative else value, i


@nb.njit(cache=True, inline="always")
def _equal(b, i, j, size):  # type: ignore[no-untyped-def]
    """Whether ``size`` bytes at ``i`` and at ``j`` are the same."""
    if size < 8:
        same = True
        for k in range(size):
            same &= b[i + k] == b[j + k]
        return same
    if i + size > b.shape[0]:
        return False
    last = size - 8
    for k in range(0, last, 8):
        if load64(b, i + k) != load64(b, j + k):
            return False
    return load64(b, i + last) == load64(b, j + last)


@nb.njit(cache=True)
def _note(b, i, pairs, timed):  # type: ignore[no-untyped-def]
    """The time of the object at ``i``, the place behind it (or -1), and the number of ``pairs`` noted.

    time: of a source (``timed``) microseconds by its ts_us, else ts_ms, _NONE without either. pairs: int64[m, 4], for each key
    with its value where it begins (at the comma or brace before it), where the value begins and ends, and 1 for ts_us, 2 for
    ts_ms; 0 noted where the next object cannot be told to be like this one.
    """
    us, ms = _NONE, _NONE
    count = 0
    begin = i
    i = _space(b, i + 1)
    if b[i] == 125:
        return us, i + 1, 0
    while True:
        if b[i] != 34:
            return us, -1, 0
        which = 0
        if timed and b[i + 1] == 116 and b[i + 2] == 115 and b[i + 3] == 95 and b[i + 5] == 115 and b[i + 6] == 34:
            which = 1 if b[i + 4] == 117 else 2 if b[i + 4] == 109 else 0
        i = _to_value(b, i)
        if i < 0:
            return us, -1, 0
        value_at = i
        if which > 0 and not _is_null(b, i):
            value, i = _whole(b, i)
            if i < 0 or (which == 1 and us != _NONE) or (which == 2 and ms != _NONE):
                return us, -1, 0
            if which == 1:
                us = value
            else:
                ms = value
        else:
            i = skip_value(b, i)
            if i < 0:
                return us, -1, 0
        if 0 <= count < pairs.shape[0] and (b[i] == 44 or b[i] == 125):
            pairs[count, 0], pairs[count, 1], pairs[count, 2], pairs[count, 3] = begin, value_at, i, which
            count += 1
        else:
            count = -1
        i = _space(b, i)
        if b[i] == 125:
            return _micros(us, ms), i + 1, max(count, 0)
        if b[i] != 44:
            return us, -1, 0
        begin = i
        i = _space(b, i + 1)


@nb.njit(cache=True, inline="always")
def _micros(us, ms):  # type: ignore[no-untyped-def]
    if us == _NONE and ms != _NONE:
        return np.int64(ms * 1000 if -(10**14) < ms < 10**15 else MAX_TIME + 1)
    return us


@nb.njit(cache=True)
def _like(b, i, pairs, count):  # type: ignore[no-untyped-def]
    """As ``_note`` of an object that has the keys of the one noted in ``pairs``; -1 for the place where it has not."""
    us, ms = _NONE, _NONE
    for k in range(count):
        begin, value_at, end, which = pairs[k, 0], pairs[k, 1], pairs[k, 2], pairs[k, 3]
        if which == 0 and _equal(b, i, begin, end + 1 - begin):
            i += end - begin
            continue
        head = value_at - begin
        if not _equal(b, i, begin, head):
            return us, -1
        i += head
        if which > 0 and not _is_null(b, i):
            value, i = _whole(b, i)
            if which == 1:
                us = value
            else:
                ms = value
        else:
            i = skip_value(b, i)
        if i < 0 or b[i] != b[end]:
            return us, -1
    return _micros(us, ms), i + 1


@nb.njit(cache=True)
def _key_of(b, i, size):  # type: ignore[no-untyped-def]
    """Which of an envelope's keys stands at ``i``; 0 for any other."""
    c = b[i]
    if size == 2:
        return _OP if c == 111 and b[i + 1] == 112 else 0
    if size == 5 and c == 97:
        return _AFTER if b[i + 1] == 102 and b[i + 2] == 116 and b[i + 3] == 101 and b[i + 4] == 114 else 0
    if size == 5 and c == 116:
        if b[i + 1] != 115 or b[i + 2] != 95 or b[i + 4] != 115:
            return 0
        unit = b[i + 3]
        return _TS_MS if unit == 109 else _TS_US if unit == 117 else _TS_NS if unit == 110 else 0
    if size == 6 and c == 98:
        same = b[i + 1] == 101 and b[i + 2] == 102 and b[i + 3] == 111 and b[i + 4] == 114 and b[i + 5] == 101
        return _BEFORE if same else 0
    if size == 6 and c == 115:
        same = b[i + 1] == 111 and b[i + 2] == 117 and b[i + 3] == 114 and b[i + 4] == 99 and b[i + 5] == 101
        return _SOURCE if same else 0
    if size == 11:
        word = b"transaction"
        for k in range(11):
            if b[i + k] != word[k]:
                return 0
        return _TRANSACTION
    return 0


@nb.njit(cache=True)
def _payload(b, i, schema):  # type: ignore[no-untyped-def]
    """The place of the payload of a record that begins at ``i`` with just this schema; -1 where it does not."""
    head = b'{"schema":'
    for k in range(10):
        if b[i + k] != head[k]:
            return -1
    i += 10
    if i + schema.shape[0] + 11 >= b.shape[0]:
        return -1
    size = schema.shape[0]
    for k in range(0, size - 7, 8):
        if load64(b, i + k) != load64(schema, k):
            return -1
    for k in range(size - size % 8, size):
        if b[i + k] != schema[k]:
            return -1
    i += schema.shape[0]
    tail = b',"payload":'
    for k in range(11):
        if b[i + k] != tail[k]:
            return -1
    return i + 11


@nb.njit(cache=True, nogil=True)
def scan_envelopes(b, start, stop, schema, op, row, before, time):  # type: ignore[no-untyped-def]
    """Read envelopes; ``op`` stays 0 for records that must be read strictly.

    schema: the bytes of the schema that all records must have, empty for records without; row, before: int64[n, 2], where the
    row (after the change; of a deletion the one before) and the image before it stand, (-1, -1) where there is none; time: in
    microseconds.
    """
    pairs, image = np.empty((40, 4), np.int64), np.empty((64, 4), np.int64)
    noted, images = 0, 0
    for r in range(start.shape[0]):
        end = stop[r]
        op[r] = 0
        row[r, 0], row[r, 1], before[r, 0], before[r, 1] = 0, 0, -1, -1
        i = start[r]
        if schema.shape[0] > 0:
            i = _payload(b, i, schema)
            if i < 0:
                continue
        i = _space(b, i)
        if i >= end or b[i] != 123:
            continue
        after_at, after_end = np.int64(-1), np.int64(-1)
        source_us, us, ms = _NONE, _NONE, _NONE
        code = np.uint8(0)
        seen = 0
        good = False
        i = _space(b, i + 1)
        while b[i] == 34:
            k0 = i + 1
            i = k0
            while 97 <= b[i] <= 122 or b[i] == 95:
                i += 1
            key = _key_of(b, k0, i - k0) if b[i] == 34 else 0
            if key == 0 or seen & key:
                break
            seen |= key
            i = _space(b, i + 1)
            if b[i] != 58:
                break
            i = _space(b, i + 1)
            if key == _OP:
                if b[i] != 34 or b[i + 2] != 34:
                    break
                code = b[i + 1]
                i += 3
            elif _is_null(b, i):
                i += 4
            elif key == _AFTER or key == _BEFORE:
                if b[i] != 123:
                    break
                at = i
                i = np.int64(-1)
                if images > 0:
                    _, i = _like(b, at, image, images)
                if i < 0:
                    _, i, images = _note(b, at, image, False)
                if key == _AFTER:
                    after_at, after_end = at, i
                else:
                    before[r, 0], before[r, 1] = at, i
            elif key == _SOURCE:
                if b[i] != 123:
                    break
                at = i
                i = np.int64(-1)
                if noted > 0:
                    source_us, i = _like(b, at, pairs, noted)
                if i < 0:
                    source_us, i, noted = _note(b, at, pairs, True)
            elif key == _TS_MS:
                ms, i = _whole(b, i)
            elif key == _TS_US:
                us, i = _whole(b, i)
            else:
                i = skip_value(b, i)
            if i < 0:
                break
            i = _space(b, i)
            if b[i] == 125:
                good = True
                i += 1
                break
            if b[i] != 44:
                break
            i = _space(b, i + 1)
        if good and schema.shape[0] > 0:
            i = _space(b, i)
            good = b[i] == 125
            i += 1
        if not good or i > end or _space(b, i) < end:
            continue
        when = source_us if source_us != _NONE else _micros(us, ms)
        if when < MIN_TIME or when > MAX_TIME:
            continue
        if code == 99 or code == 117 or code == 114:
            row[r, 0], row[r, 1] = after_at, after_end
        elif code == 100:
            row[r, 0], row[r, 1] = before[r, 0], before[r, 1]
        else:
            continue
        if row[r, 0] < 0:
            row[r, 0], row[r, 1] = 0, 0
            continue
        op[r] = code
        time[r] = when


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
        lengths[r] = 0
