"""Triggers over the rows of one pattern: edge, hold by count or time, clear. One row of int64 state a key."""

from __future__ import annotations

import numba as nb

from dataflows.operators.store import NEXT, NTH

EDGE, COUNTED, TIMED = range(3)
"""How a condition becomes a hit: at once, by ``hold: n of m``, by ``hold: 5m``."""
LAST, BITS, OLDEST, NEWEST, COUNT, EVENTS, DUE, NUMBER, WIDTH = range(9)
"""Columns of a key's state: its last event's time, the bits below, its chain of kept TRUE events, the number of its events,
the deadline of its run and the run's number."""
SEEN, TRUE, RAISED, RUN, PENDING = 1, 2, 4, 8, 16
MATCH, CLEARED, HELD = range(3)
"""What is raised: a hit at a row, the end of an episode, a hit at a deadline."""
KIND, SLOT, TIME, ROW, FIRST, EVIDENCE, RAISED_WIDTH = range(7)
"""Columns of what is raised; FIRST and EVIDENCE: a chain's first position and its length."""
HOW, HITS, OF, HOLD, TTL, CLEARS, EACH = range(7)
"""Columns of the pattern's settings."""
HEAD, TAIL, RUNS = range(3)
"""Columns of the deadline queue's ends; runs begin in order, so their deadlines are a queue."""


@nb.njit(cache=True, nogil=True)
def due(until, settings, state, queue, ends, out, made):  # type: ignore[no-untyped-def]
    """Raise the holds by time whose deadline is at or before ``until``; how many are raised now."""
    while ends[HEAD] < ends[TAIL] and queue[ends[HEAD], 0] <= until:
        deadline, slot, number = queue[ends[HEAD]]
        ends[HEAD] += 1
        key = state[slot]
        if not key[BITS] & PENDING or key[NUMBER] != number:
            continue
        key[BITS] &= ~PENDING
        held = key[COUNT] >= 2 and deadline - key[LAST] < settings[TTL] and not key[BITS] & RAISED
        if held:
            if settings[CLEARS]:
                key[BITS] |= RAISED
            _raise(out, made, HELD, slot, deadline, -1, key[OLDEST], key[COUNT])
            made += 1
        key[COUNT] = 0
    return made


@nb.njit(cache=True, nogil=True)
def step(slots, times, when, clear, settings, state, queue, ends, links, size, kept, out):  # type: ignore[no-untyped-def]
    """Rows in the total order; (how many are raised, how many rows are kept). ``kept`` takes their numbers."""
    made = 0
    keeping = 0
    for row in range(slots.shape[0]):
        time = times[row]
        if settings[HOW] == TIMED:
            made = due(time, settings, state, queue, ends, out, made)
        key = state[slots[row]]
        if not key[BITS] & SEEN or time - key[LAST] >= settings[TTL]:
            key[:] = 0
            key[BITS] = SEEN
        key[LAST] = time
        cleared = settings[CLEARS] and clear[row]
        if cleared:
            if key[BITS] & RAISED:
                _raise(out, made, CLEARED, slots[row], time, row, -1, 0)
                made += 1
            key[BITS] &= ~(RAISED | RUN | PENDING)
            key[COUNT] = 0
        if settings[HOW] == TIMED:
            if _run(key, slots[row], time, when[row], settings, queue, ends, links, size + keeping):
                kept[keeping] = row
                keeping += 1
            continue
        holds = when[row]
        if settings[HOW] == COUNTED:
            if _count(key, when[row], settings, links, size + keeping):
                kept[keeping] = row
                keeping += 1
            holds = holds and key[COUNT] >= settings[HITS]
        if _fires(key, holds, cleared, settings):
            _raise(out, made, MATCH, slots[row], time, row, key[OLDEST], key[COUNT] if settings[HOW] == COUNTED else 0)
            made += 1
    return made, keeping


@nb.njit(cache=True, nogil=True)
def mark(state, links, live):  # type: ignore[no-untyped-def]
    """Mark all events that a chain still holds."""
    for slot in range(state.shape[0]):
        at = state[slot, OLDEST]
        for _ in range(state[slot, COUNT]):
            live[at] = True
            at = links[at, NEXT]


@nb.njit(cache=True, nogil=True)
def move(state, moved):  # type: ignore[no-untyped-def]
    """Follow the events of chains to where they were moved."""
    for slot in range(state.shape[0]):
        if state[slot, COUNT] > 0:
            state[slot, OLDEST] = moved[state[slot, OLDEST]]
            state[slot, NEWEST] = moved[state[slot, NEWEST]]


@nb.njit(inline="always")
def _raise(out, made, kind, slot, time, row, first, evidence):  # type: ignore[no-untyped-def]
    out[made, KIND], out[made, SLOT], out[made, TIME] = kind, slot, time
    out[made, ROW], out[made, FIRST], out[made, EVIDENCE] = row, first, evidence


@nb.njit(inline="always")
def _fires(key, holds, cleared, settings):  # type: ignore[no-untyped-def]
    first = holds and not key[BITS] & TRUE
    key[BITS] = key[BITS] | TRUE if holds else key[BITS] & ~TRUE
    if settings[CLEARS]:
        if holds and not cleared and not key[BITS] & RAISED:
            key[BITS] |= RAISED
            return True
        return False
    return holds and (first or settings[EACH] == 1)


@nb.njit(inline="always")
def _chain(key, links, position):  # type: ignore[no-untyped-def]
    links[position, NEXT] = -1
    links[position, NTH] = key[EVENTS]
    if key[COUNT] == 0:
        key[OLDEST] = position
    else:
        links[key[NEWEST], NEXT] = position
    key[NEWEST] = position
    key[COUNT] += 1


@nb.njit(inline="always")
def _count(key, true, settings, links, position):  # type: ignore[no-untyped-def]
    """Move the window over the key's last events; whether this one is kept."""
    key[EVENTS] += 1
    while key[COUNT] > 0 and links[key[OLDEST], NTH] <= key[EVENTS] - settings[OF]:
        key[OLDEST] = links[key[OLDEST], NEXT]
        key[COUNT] -= 1
    if true:
        _chain(key, links, position)
    return true


@nb.njit(inline="always")
def _run(key, slot, time, true, settings, queue, ends, links, position):  # type: ignore[no-untyped-def]
    """Begin, go on with or end an unbroken run of TRUE; whether this event is kept."""
    if not true:
        key[BITS] &= ~(RUN | PENDING)
        key[COUNT] = 0
        return False
    if not key[BITS] & RUN:
        key[BITS] |= RUN | PENDING
        ends[RUNS] += 1
        key[DUE], key[NUMBER], key[COUNT] = time + settings[HOLD], ends[RUNS], 0
        queue[ends[TAIL], 0], queue[ends[TAIL], 1], queue[ends[TAIL], 2] = key[DUE], slot, ends[RUNS]
        ends[TAIL] += 1
    if not key[BITS] & PENDING:
        return False
    _chain(key, links, position)
    return True
