"""Canonical bytes of keys, and their hash: what makes two keys the same, for the whole life of a state."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from models.expressions.text import to_json
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import Kind, Type

_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(x) for x in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
)


def canonical(columns: Sequence[Column]) -> Strings:
    """The canonical bytes of each row's key: one string as it stands; else each part as 8 bytes, or length and text."""
    if len(columns) == 1 and isinstance(columns[0].values, Strings):
        return columns[0].values
    parts = [_fixed(column) for column in columns]
    if len(parts) == 1 and not isinstance(parts[0], Strings):
        n = len(parts[0])
        data = np.ascontiguousarray(parts[0]).view(np.uint8)
        return Strings(data, np.arange(n) * 8, np.full(n, 8))
    return _joined(parts)


def key_values(data: bytes, types: Sequence[Type]) -> list[Any]:
    """The stored values of a key's canonical bytes."""
    if len(types) == 1 and types[0].kind is Kind.STRING:
        return [data.decode()]
    values: list[Any] = []
    at = 0
    for type_ in types:
        if type_.kind is Kind.STRING:
            (size,) = struct.unpack_from("<q", data, at)
            values.append(data[at + 8 : at + 8 + size].decode())
            at += 8 + size
            continue
        values.append(struct.unpack_from("<d" if type_.kind is Kind.FLOAT else "<q", data, at)[0])
        if type_.kind is Kind.BOOL:
            values[-1] = bool(values[-1])
        at += 8
    return values


def key_text(values: Sequence[Any], types: Sequence[Type]) -> str:
    """A key as text: one value as it stands, several as a JSON array."""
    shown = [to_json(type_, value) for value, type_ in zip(values, types, strict=True)]
    if len(shown) == 1:
        return shown[0] if isinstance(shown[0], str) else json.dumps(shown[0])
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")) if shown else ""


def hashes(strings: Strings) -> NDArray[np.uint64]:
    """xxh64 (seed 0) of each row's bytes, uint64[n]."""
    out = np.empty(len(strings), np.uint64)
    hash_spans(strings.data, strings.start, strings.length, out)
    return out


def _fixed(column: Column) -> Any:
    if isinstance(column.values, Strings):
        return column.values
    if column.type.kind is Kind.FLOAT:
        return (column.values + 0.0).view(np.int64)
    return column.values.astype(np.int64)


def _joined(parts: Sequence[Any]) -> Strings:
    rows = len(parts[0])
    pieces: list[bytes] = []
    for row in range(rows):
        piece = b""
        for part in parts:
            if isinstance(part, Strings):
                data = part.bytes_at(row)
                piece += struct.pack("<q", len(data)) + data
            else:
                piece += struct.pack("<q", int(part[row]))
        pieces.append(piece)
    length = np.array([len(piece) for piece in pieces], np.int64)
    stop = np.cumsum(length, dtype=np.int64)
    return Strings(np.frombuffer(b"".join(pieces), np.uint8), stop - length, length)


@nb.njit(cache=True, inline="always")
def _rotate(x, bits):  # type: ignore[no-untyped-def]
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@nb.njit(cache=True, inline="always")
def _word(b, i):  # type: ignore[no-untyped-def]
    x = np.uint64(0)
    for k in range(8):
        x |= np.uint64(b[i + k]) << np.uint64(8 * k)
    return x


@nb.njit(cache=True, inline="always")
def _mix(acc, word):  # type: ignore[no-untyped-def]
    return _rotate(acc + word * _P2, 31) * _P1


@nb.njit(cache=True)
def xxh64(b, start, size):  # type: ignore[no-untyped-def]
    """XXH64 with seed 0 of one span (Collet's specification)."""
    i, end = start, start + size
    if size >= 32:
        v1, v2, v3, v4 = _P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1
        while i + 32 <= end:
            v1, v2 = _mix(v1, _word(b, i)), _mix(v2, _word(b, i + 8))
            v3, v4 = _mix(v3, _word(b, i + 16)), _mix(v4, _word(b, i + 24))
            i += 32
        h = _rotate(v1, 1) + _rotate(v2, 7) + _rotate(v3, 12) + _rotate(v4, 18)
        for v in (v1, v2, v3, v4):
            h = (h ^ _mix(np.uint64(0), v)) * _P1 + _P4
    else:
        h = _P5
    h += np.uint64(size)
    while i + 8 <= end:
        h = _rotate(h ^ _mix(np.uint64(0), _word(b, i)), 27) * _P1 + _P4
        i += 8
    if i + 4 <= end:
        word = np.uint64(0)
        for k in range(4):
            word |= np.uint64(b[i + k]) << np.uint64(8 * k)
        h = _rotate(h ^ (word * _P1), 23) * _P2 + _P3
        i += 4
    while i < end:
        h = _rotate(h ^ (np.uint64(b[i]) * _P5), 11) * _P1
        i += 1
    h = (h ^ (h >> np.uint64(33))) * _P2
    h = (h ^ (h >> np.uint64(29))) * _P3
    return h ^ (h >> np.uint64(32))


@nb.njit(cache=True, nogil=True)
def hash_spans(b, start, length, out):  # type: ignore[no-untyped-def]
    """xxh64 of each span."""
    for row in range(start.shape[0]):
        out[row] = xxh64(b, start[row], length[row])
