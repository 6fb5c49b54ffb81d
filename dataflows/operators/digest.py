"""One number a row that tells rows with different values apart: to see whether a row read again is the one that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.canonical import hashes
from models.values.column import Column
from models.values.strings import Strings, strings_of
from models.values.types import Kind

_STEP, _MIX, _NULL = np.uint64(0x9E3779B185EBCA87), np.uint64(0xFF51AFD7ED558CCD), np.uint64(0x27D4EB2F165667C5)


def digests(columns: Mapping[str, Column], n: int) -> NDArray[np.int64]:
    """64 bits of each row's values, int64[n], by the names' order; NULL differs from every value (mixing as in MurmurHash3)."""
    total = np.zeros(n, np.uint64)
    for name in sorted(columns):
        bits, valid = _bits(columns[name]), columns[name].valid
        if valid is not None:
            bits = np.where(valid, bits, _NULL)
        bits = (bits ^ (bits >> np.uint64(33))) * _MIX
        total = total * _STEP + (bits ^ (bits >> np.uint64(29)))
    return total.view(np.int64)


def _bits(column: Column) -> NDArray[np.uint64]:
    values: Any = column.values
    if column.type.kind is Kind.LIST:
        values = strings_of([repr(value) for value in values])
    if isinstance(values, Strings):
        return hashes(values)
    if column.type.kind is Kind.FLOAT:
        return np.asarray((values + 0.0).view(np.uint64))
    return np.asarray(values.astype(np.int64).view(np.uint64))
