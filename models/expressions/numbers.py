"""Arithmetic of stored numbers, one value at a time: NULL (None) where SQL would fail or overflow."""

from __future__ import annotations

import math
from collections.abc import Callable

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
DECIMAL_LIMIT = 10**18


def fit_int(value: int) -> int | None:
    """The value if it fits 64 bits."""
    return value if INT_MIN <= value <= INT_MAX else None


def fit_decimal(value: int) -> int | None:
    """The unscaled value if it has at most 18 digits."""
    return value if -DECIMAL_LIMIT < value < DECIMAL_LIMIT else None


def finite(value: float) -> float | None:
    """The value unless it is NaN or infinite."""
    return value if math.isfinite(value) else None


def remainder(a: int, b: int) -> int | None:
    """A % b with the dividend's sign; NULL by zero, and where the quotient overflows."""
    if b == 0 or (b == -1 and a == INT_MIN):
        return None
    return int(math.copysign(1, a)) * (abs(a) % abs(b))


def float_remainder(a: float, b: float) -> float | None:
    """Remainder with the dividend's sign; NULL by zero."""
    return None if b == 0 else finite(math.fmod(a, b))


def divide(a: float, b: float) -> float | None:
    """A / b as floats; NULL by zero."""
    return None if b == 0 else finite(a / b)


def round_half_away(value: float, digits: int) -> float | None:
    """Round to digits after the point, halves away from zero, as DuckDB does: through scaling by a power of ten."""
    if digits < -308 or digits > 308:
        return value if digits > 0 else 0.0
    power = 10.0 ** abs(digits)
    scaled = value * power if digits >= 0 else value / power
    if not math.isfinite(scaled):
        return value
    whole = math.floor(abs(scaled))
    rounded = math.copysign(whole + (1.0 if abs(scaled) - whole >= 0.5 else 0.0), scaled)
    return finite(rounded / power if digits >= 0 else rounded * power)


def round_half_even(value: float) -> int | None:
    """Round to a whole 64-bit number, halves to the even one, as DuckDB's cast does."""
    return fit_int(round(value)) if math.isfinite(value) else None


def rescale(value: int, drop: int) -> int:
    """Divide by 10^drop, halves away from zero (multiply where ``drop`` is negative)."""
    if drop <= 0:
        return int(value * 10**-drop)
    whole, rest = divmod(abs(value), 10**drop)
    rounded = whole + (1 if rest * 2 >= 10**drop else 0)
    return int(-rounded if value < 0 else rounded)


def guarded(function: Callable[..., float]) -> Callable[..., float | None]:
    """A float function that gives NULL for what is not defined, too large or not a number."""

    def call(*args: float) -> float | None:
        try:
            return finite(function(*args))
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return call
