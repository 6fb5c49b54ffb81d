"""Clocks of keys that are expected to speak: started, restarted and stopped by events, flagged when they run out."""

from __future__ import annotations

import numba as nb

NOTHING, FITS, INSERTED, DELETED = range(4)
"""What a row is: no matter, an event that fits, a key that is expected from now on, one that no longer is."""
RUNNING, EXPECTED = 1, 2
BITS, STARTED, NUMBER, EVENT, REPEAT, WIDTH = range(6)
"""Columns of a key's state: the bits above, when its clock started, the clock's number, the event that started it (a position,
-2 - row of a row in hand, -1 for none), and how often it was flagged."""
SLOT, DUE, WHAT, TIMES, FIRST, RAISED_WIDTH = range(6)
"""Columns of what is raised: slot, deadline, the event, which flag of the silence it is, and the silence's first deadline."""
FOR, MOST, EXPECTS = range(3)
"""Settings: how long a silence is, how many flags it gives, whether only expected keys have clocks."""
HEAD, TAIL, CLOCKS = range(3)
"""The queue's ends, and how many clocks were started; clocks start in order, so their deadlines are a queue."""


@nb.njit(cache=True, nogil=True)
def due(until, settings, state, queue, ends, out, made):  # type: ignore[no-untyped-def]
    """Raise the clocks that run out at or before ``until``, as far as there is room; how many are raised now."""
    while ends[HEAD] < ends[TAIL] and queue[ends[HEAD], 0] <= until and made < out.shape[0] and ends[TAIL] < queue.shape[0]:
        deadline, slot, number = queue[ends[HEAD], 0], queue[ends[HEAD], 1], queue[ends[HEAD], 2]
        ends[HEAD] += 1
        key = state[slot]
        if not key[BITS] & RUNNING or key[NUMBER] != number:
            continue
        key[REPEAT] += 1
        out[made, SLOT], out[made, DUE], out[made, WHAT] = slot, deadline, key[EVENT]
        out[made, TIMES], out[made, FIRST] = key[REPEAT], key[STARTED] + settings[FOR]
        made += 1
        if key[REPEAT] < settings[MOST]:
            _wait(queue, ends, deadline + settings[FOR], slot, number)
        else:
            key[BITS] &= ~RUNNING
            key[EVENT] = -1
    return made


@nb.njit(cache=True, nogil=True)
def step(begin, slots, times, kinds, settings, state, queue, ends, out):  # type: ignore[no-untyped-def]
    """Rows in the total order from ``begin`` on, deadlines before the rows at or after them; (the next row, how many are raised).

    It stops early where ``out`` or ``queue`` has no room left.
    """
    made = 0
    for row in range(begin, slots.shape[0]):
        if ends[TAIL] + 2 > queue.shape[0]:
            return row, made
        made = due(times[row], settings, state, queue, ends, out, made)
        if ends[HEAD] < ends[TAIL] and queue[ends[HEAD], 0] <= times[row]:
            return row, made
        if ends[TAIL] + 2 > queue.shape[0]:
            return row, made
        key = state[slots[row]]
        kind = kinds[row]
        if kind == DELETED:
            key[BITS] = 0
            key[EVENT] = -1
        elif kind == INSERTED and not key[BITS] & EXPECTED:
            key[BITS] |= EXPECTED
            _start(key, slots[row], times[row], -1, settings, queue, ends)
        elif kind == FITS and (not settings[EXPECTS] or key[BITS] & EXPECTED):
            _start(key, slots[row], times[row], -2 - row, settings, queue, ends)
    return slots.shape[0], made


@nb.njit(inline="always")
def _start(key, slot, time, event, settings, queue, ends):  # type: ignore[no-untyped-def]
    ends[CLOCKS] += 1
    key[BITS] |= RUNNING
    key[STARTED], key[NUMBER], key[EVENT], key[REPEAT] = time, ends[CLOCKS], event, 0
    _wait(queue, ends, time + settings[FOR], slot, ends[CLOCKS])


@nb.njit(inline="always")
def _wait(queue, ends, deadline, slot, number):  # type: ignore[no-untyped-def]
    queue[ends[TAIL], 0], queue[ends[TAIL], 1], queue[ends[TAIL], 2] = deadline, slot, number
    ends[TAIL] += 1
