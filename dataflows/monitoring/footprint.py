"""How many bytes state takes, read while another thread works on it: arrays exactly, objects by a sample of each collection."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Collection
from itertools import islice
from typing import Any

import numpy as np

from models.application.resolved.patterns import Pattern

_SAMPLE = 32
_PLAIN = (int, float, str, bytes, bool, type(None))


def footprint(value: Any) -> int:
    """Bytes of a value and all it holds.

    >>> footprint({"a": np.zeros(1000, np.int64)}) > 8000
    True
    """
    return _size(value, set())


def _size(value: Any, seen: set[int]) -> int:
    if isinstance(value, _PLAIN):
        return sys.getsizeof(value)
    if id(value) in seen or isinstance(value, (type, Pattern)) or callable(value):
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    own = getattr(value, "nbytes", None)
    if isinstance(own, int):
        return own
    if isinstance(value, dict):
        return sys.getsizeof(value) + _some(value.keys(), seen) + _some(value.values(), seen)
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return sys.getsizeof(value) + _some(value, seen)
    return sys.getsizeof(value) + sum(_size(part, seen) for part in _parts(value))


def _some(values: Collection[Any], seen: set[int]) -> int:
    """All of a few, else as many times the sample's mean; taken in one step, since another thread may change the collection."""
    total = len(values)
    some = list(islice(values, _SAMPLE))
    size = sum(_size(each, seen) for each in some)
    return size if total <= len(some) or not some else size * total // len(some)


def _parts(value: Any) -> list[Any]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    found = [getattr(value, name, None) for name in slots]
    return found + list(getattr(value, "__dict__", {}).values())
