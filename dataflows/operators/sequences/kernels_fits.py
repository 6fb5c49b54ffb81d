"""Whether a row fits: conditions, the arms of edges, and guarded loops. Arguments as in ``kernels_match``."""

from __future__ import annotations

import numba as nb

from dataflows.operators.sequences import layout as p
from dataflows.operators.sequences.kernels_back import truth


@nb.njit(cache=True, nogil=True, _nrt=False)
def holds(condition, row, node, program, state, given):  # type: ignore[no-untyped-def]
    """Whether a condition holds for a row after the events of a node: of the row alone, then with what it looks back at."""
    if not given[3][row] >> condition & 1:
        return False
    begin = program[7][condition]
    if begin < 0:
        return True
    code, floats, sets, stack = program[8], program[9], program[10], program[11]
    return truth(begin, row, node, code, floats, sets, stack, state[4], state[7], state[12], state[8], given[4], given[6], given[5])


@nb.njit(cache=True, nogil=True, _nrt=False)
def any_holds(begin, end, row, node, program, state, given):  # type: ignore[no-untyped-def]
    """Whether any condition of a list holds."""
    found = False
    for at in range(begin, end):
        found = found or holds(program[4][at], row, node, program, state, given)
    return found


@nb.njit(cache=True, nogil=True, _nrt=False)
def first_fit(begin, end, row, node, program, state, given):  # type: ignore[no-untyped-def]
    """The first arm that a row fits, or -1."""
    for at in range(begin, end):
        arm = program[4][at]
        if holds(program[5][arm], row, node, program, state, given):
            return arm
    return -1


@nb.njit(cache=True, nogil=True, _nrt=False)
def guarded(guard, row, node, program, state, given):  # type: ignore[no-untyped-def]
    """Whether a row ends a guard, and whether it fits the guarded loop."""
    guards = program[3]
    fits = first_fit(guards[guard, p.G_ARM], guards[guard, p.G_ARM_END], row, node, program, state, given) >= 0
    if guards[guard, p.G_UNTIL] < 0 or not (fits or guards[guard, p.G_ENTERED]):
        return False, fits
    if not holds(guards[guard, p.G_UNTIL], row, node, program, state, given):
        return False, fits
    return guards[guard, p.G_ENTERED] == 1 or guards[guard, p.G_PASSING] == 0, False
