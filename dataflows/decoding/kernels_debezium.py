"""The fast reading of Debezium's JSON envelopes: where the images of a row lie in the bytes, its op and its time.

One pass over the bytes, giving up on every record that is not provably plain; the images are then read as rows of JSON.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from dataflows.decoding.kernels_noted import MAX_TIME, MIN_TIME, NONE, like, micros, note, whole
from dataflows.decoding.kernels_skip import is_null, skip_value, space
from models.values.words import load64

_AFTER, _BEFORE, _OP, _SOURCE, _TS_MS, _TS_US, _TS_NS, _TRANSACTION = 1, 2, 4, 8, 16, 32, 64, 128


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
        i = space(b, i)
        if i >= end or b[i] != 123:
            continue
        after_at, after_end = np.int64(-1), np.int64(-1)
        source_us, us, ms = NONE, NONE, NONE
        code = np.uint8(0)
        seen = 0
        good = False
        i = space(b, i + 1)
        while b[i] == 34:
            k0 = i + 1
            i = k0
            while 97 <= b[i] <= 122 or b[i] == 95:
                i += 1
            key = _key_of(b, k0, i - k0) if b[i] == 34 else 0
            if key == 0 or seen & key:
                break
            seen |= key
            i = space(b, i + 1)
            if b[i] != 58:
                break
            i = space(b, i + 1)
            if key == _OP:
                if b[i] != 34 or b[i + 2] != 34:
                    break
                code = b[i + 1]
                i += 3
            elif is_null(b, i):
                i += 4
            elif key == _AFTER or key == _BEFORE:
                if b[i] != 123:
                    break
                at = i
                i = np.int64(-1)
                if images > 0:
                    _, i = like(b, at, image, images)
                if i < 0:
                    _, i, images = note(b, at, image, False)
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
                    source_us, i = like(b, at, pairs, noted)
                if i < 0:
                    source_us, i, noted = note(b, at, pairs, True)
            elif key == _TS_MS:
                ms, i = whole(b, i)
            elif key == _TS_US:
                us, i = whole(b, i)
            else:
                i = skip_value(b, i)
            if i < 0:
                break
            i = space(b, i)
            if b[i] == 125:
                good = True
                i += 1
                break
            if b[i] != 44:
                break
            i = space(b, i + 1)
        if not good or not _ends(b, i, end, schema.shape[0] > 0):
            continue
        when = source_us if source_us != NONE else micros(us, ms)
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


@nb.njit(cache=True, inline="always")
def _ends(b, i, stop, framed):  # type: ignore[no-untyped-def]
    """Whether nothing but a frame's brace comes before the record's end."""
    if framed:
        i = space(b, i)
        if b[i] != 125:
            return False
        i += 1
    return i <= stop and space(b, i) >= stop


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
