"""Eight bytes at a time: loads, and how far a string runs plain."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES = np.uint64(0x2020202020202020)


@intrinsic
def load64(typing: Any, array: Any, at: Any) -> Any:
    """The eight bytes of a uint8[n] array from ``at`` on, as a little-endian uint64."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes_ = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(bytes_.data, [args[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.int64), code


@intrinsic
def trailing_zeros(typing: Any, value: Any) -> Any:
    """Zero bits below the lowest one of a uint64 that is not 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), code


@nb.njit(cache=True)
def plain_run(b, i):  # type: ignore[no-untyped-def]
    """The first place from ``i`` on whose byte is a quote, a backslash, a control character or beyond ASCII.

    At least 8 readable bytes follow every place up to the first such one (Mycroft, 1987, for the test of a word's bytes).
    """
    while True:
        word = load64(b, i)
        quote, slash = word ^ _QUOTES, word ^ _BACKSLASHES
        found = ((quote - _ONES) & ~quote | (slash - _ONES) & ~slash | (word - _SPACES) & ~word | word) & _HIGH
        if found != 0:
            return i + np.int64(trailing_zeros(found) >> np.uint64(3))
        i += 8
