"""What kernels need of the machine beyond Python: the bits of floats."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def float_of(context, bits):  # type: ignore[no-untyped-def]
    """The float with these bits."""
    return types.float64(types.int64), lambda _, builder, __, args: builder.bitcast(args[0], ir.DoubleType())


@intrinsic
def bits_of(context, value):  # type: ignore[no-untyped-def]
    """The bits of a float."""
    return types.int64(types.float64), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(64))
