"""Eight bytes at a time: loads, stores, and which byte of a word comes first."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def load64(typing: Any, array: Any, at: Any) -> Any:
    """The eight bytes of a uint8[n] array from ``at`` on, as a little-endian uint64."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes_ = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(bytes_.data, [args[1]])
        return builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()), align=1)

    return types.uint64(array, types.int64), code


@intrinsic
def byte_at(typing: Any, array: Any, at: Any) -> Any:
    """One byte of a uint8[n] array, as a number that is never negative: ``array[at]`` without a look at the sign of ``at``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes_ = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.zext(builder.load(builder.gep(bytes_.data, [args[1]])), ir.IntType(64))

    return types.int64(array, types.int64), code


@intrinsic
def store64(typing: Any, array: Any, at: Any, word: Any) -> Any:
    """Write a uint64 as the eight bytes of a uint8[n] array from ``at`` on, little-endian."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes_ = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(bytes_.data, [args[1]]), ir.IntType(64).as_pointer())
        builder.store(args[2], place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), code


@intrinsic
def trailing_zeros(typing: Any, value: Any) -> Any:
    """Zero bits below the lowest one of a uint64 that is not 0."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), code
