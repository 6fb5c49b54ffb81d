"""One member of JSON objects cut out: its value apart, the object without it."""

from __future__ import annotations

import numba as nb

from dataflows.decoding.kernels_skip import skip_value
from dataflows.decoding.words import plain_run


@nb.njit(cache=True, inline="always")
def _space(b, i):  # type: ignore[no-untyped-def]
    while b[i] == 32 or b[i] == 9 or b[i] == 13 or b[i] == 10:
        i += 1
    return i


@nb.njit(cache=True, nogil=True)
def split_member(b, start, stop, name, value, out, out_start, out_stop):  # type: ignore[no-untyped-def]
    """Cut the member ``name`` out of objects.

    value: int64[n, 2], where its value stands in ``b``, (0, 0) where the row must be read strictly; out: bytes of the objects
    with ``null`` in its place, each at ``out[out_start[i]:out_stop[i]]``.
    """
    at = 0
    for r in range(start.shape[0]):
        value[r, 0], value[r, 1] = 0, 0
        out_start[r], out_stop[r] = at, at
        end = stop[r]
        i = _space(b, start[r])
        if i >= end or b[i] != 123:
            continue
        i = _space(b, i + 1)
        begin, behind = -1, -1
        while b[i] == 34:
            k0 = i + 1
            i = plain_run(b, k0)
            if b[i] != 34:
                break
            same = i - k0 == name.shape[0]
            if same:
                for k in range(name.shape[0]):
                    same &= b[k0 + k] == name[k]
            i = _space(b, i + 1)
            if b[i] != 58:
                break
            i = _space(b, i + 1)
            value_at = i
            i = skip_value(b, i)
            if i < 0:
                break
            if same:
                if begin >= 0:
                    break
                begin, behind = value_at, i
            i = _space(b, i)
            if b[i] != 44:
                break
            i = _space(b, i + 1)
        if i < 0 or begin < 0 or b[i] != 125 or i >= end or _space(b, i + 1) < end:
            continue
        value[r, 0], value[r, 1] = begin, behind
        for k in range(start[r], begin):
            out[at] = b[k]
            at += 1
        for k in range(4):
            out[at] = b"null"[k]
            at += 1
        for k in range(behind, end):
            out[at] = b[k]
            at += 1
        out[at] = 10
        out_stop[r] = at
        at += 1
    return at
