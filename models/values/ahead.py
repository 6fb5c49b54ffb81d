"""A word to the cache ahead of time: for kernels that know which memory they come to soon."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

AHEAD = 12
"""How many rows ahead a kernel asks for the memory of a key."""


@intrinsic
def prefetch(context, array, row, line):  # type: ignore[no-untyped-def]
    """Ask for cache line ``line`` of an array's row; any number is allowed, also one outside of the array."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        whole = context.make_array(signature.args[0])(context, builder, args[0])
        word, small = ir.IntType(64), ir.IntType(32)
        place = builder.mul(args[1], builder.extract_value(whole.strides, 0))
        place = builder.add(place, builder.mul(args[2], word(64)))
        pointer = builder.inttoptr(builder.add(builder.ptrtoint(whole.data, word), place), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, small, small, small])
        builder.call(
            builder.module.declare_intrinsic("llvm.prefetch", [pointer.type], kind), [pointer, small(1), small(3), small(1)]
        )
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate
