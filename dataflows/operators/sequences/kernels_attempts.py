"""The attempts of all keys as arrays: their columns, and what is done with all of them at once.

``program`` is the tuple of a ``Layout``'s arrays, ``state`` that of ``fastmatcher``'s.
"""

from __future__ import annotations

import numba as nb

from dataflows.operators.sequences import kernels_back as b
from dataflows.operators.sequences import layout as p

R_STATE, R_NODE, R_BITS, R_RANK, R_START, R_TIME, R_NEXT, R_SLOT, R_SIBLING, R_WIDTH = range(10)
"""Columns of an attempt: state, last node, bits, its last row's number among its key's, start event and its time, the key's next
attempt, slot (-1: free), and the next attempt that the same event made of the same node."""
(M_RUNS, M_FREE, M_NODES, M_EVENTS, M_HEAD, M_TAIL, M_SERIAL, M_EVENT, M_FRESH, M_COMPLETE, M_ROOT, M_CROWDED, M_MISSED,
 M_WIDTH) = range(14)  # fmt: skip
"""Counters: attempts, free attempts, nodes and events in use; the queue's ends; the event's serial number, its number as a kept
event (-1: not taken), attempts and complete matches it made, the first node without a node before; what was dropped for room, and
skip targets that took no event."""
O_SLOT, O_NODE, O_START, O_TIME, O_DEADLINE, O_PLACE, O_WIDTH = range(7)
"""Columns of a match: slot, last node, start event, time, deadline (-1: none), and the place of the row that completed it."""
Q_DUE, Q_SLOT, Q_START, Q_WIDTH = range(4)
"""Columns of the queue of starts that wait for the end of ``within``."""


@nb.njit(cache=True, nogil=True, _nrt=False)
def expire(bound, program, state):  # type: ignore[no-untyped-def]
    """Drop all attempts that have run out at ``bound`` (programs without a queue)."""
    settings = program[0]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for slot in range(heads.shape[0]):
        run, before = heads[slot], -1
        while run >= 0:
            following = runs[run, R_NEXT]
            if over(run, bound, settings, runs, nodes):
                drop(run, before, slot, heads, counts, runs, free, meta)
            else:
                before = run
            run = following


@nb.njit(cache=True, nogil=True, _nrt=False)
def mark(state, live_nodes, live_events):  # type: ignore[no-untyped-def]
    """Mark all nodes and events that open attempts still hold."""
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for run in range(meta[M_RUNS]):
        if runs[run, R_SLOT] < 0:
            continue
        node = runs[run, R_NODE]
        while node >= 0 and not live_nodes[node]:
            live_nodes[node] = True
            live_events[nodes[node, b.N_EVENT]] = True
            node = nodes[node, b.N_BEFORE]


@nb.njit(cache=True, nogil=True, _nrt=False)
def move(state, moved_nodes, moved_events):  # type: ignore[no-untyped-def]
    """Put nodes and events where they have moved, in place and in order; the queue forgets starts without attempts."""
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for run in range(meta[M_RUNS]):
        if runs[run, R_SLOT] >= 0:
            runs[run, R_NODE] = moved_nodes[runs[run, R_NODE]]
            runs[run, R_START] = moved_events[runs[run, R_START]]
    for node in range(meta[M_NODES]):
        to = moved_nodes[node]
        if to >= 0:
            before = nodes[node, b.N_BEFORE]
            nodes[to, b.N_ARM], nodes[to, b.N_TIME] = nodes[node, b.N_ARM], nodes[node, b.N_TIME]
            nodes[to, b.N_EVENT] = moved_events[nodes[node, b.N_EVENT]]
            nodes[to, b.N_BEFORE] = moved_nodes[before] if before >= 0 else -1
            nodes[to, b.N_STAMP], nodes[to, b.N_DONE] = 0, 0
    for event in range(meta[M_EVENTS]):
        to = moved_events[event]
        if to >= 0:
            for column in range(kept.shape[1]):
                kept[to, column], kept_valid[to, column] = kept[event, column], kept_valid[event, column]
    tail = 0
    for at in range(meta[M_HEAD], meta[M_TAIL]):
        start = moved_events[queue[at, Q_START]]
        if start >= 0:
            queue[tail, Q_DUE], queue[tail, Q_SLOT], queue[tail, Q_START] = queue[at, Q_DUE], queue[at, Q_SLOT], start
            tail += 1
    meta[M_HEAD], meta[M_TAIL] = 0, tail


@nb.njit(cache=True, nogil=True, _nrt=False)
def idle(slots, bound, program, state, out):  # type: ignore[no-untyped-def]
    """Whether no attempt of each slot is open at ``bound``; bool[m]."""
    settings = program[0]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for i in range(slots.shape[0]):
        out[i] = True
        if slots[i] >= heads.shape[0]:
            continue
        run = heads[slots[i]]
        while run >= 0:
            if not over(run, bound, settings, runs, nodes):
                out[i] = False
            run = runs[run, R_NEXT]


@nb.njit(cache=True, nogil=True, _nrt=False)
def clear(slots, state):  # type: ignore[no-untyped-def]
    """Drop all attempts of slots."""
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for i in range(slots.shape[0]):
        if slots[i] < heads.shape[0]:
            while heads[slots[i]] >= 0:
                drop(heads[slots[i]], -1, slots[i], heads, counts, runs, free, meta)


@nb.njit(inline="always")
def over(run, time, settings, runs, nodes):  # type: ignore[no-untyped-def]
    """Whether an attempt has run out at a time."""
    if settings[p.P_WITHIN] >= 0 and time - runs[run, R_TIME] >= settings[p.P_WITHIN]:
        return True
    return settings[p.P_GAP] >= 0 and time - nodes[runs[run, R_NODE], b.N_TIME] >= settings[p.P_GAP]


@nb.njit(inline="always")
def drop(run, before, slot, heads, counts, runs, free, meta):  # type: ignore[no-untyped-def]
    """Take an attempt of a slot out, the one before it in the slot's list given; its place is free."""
    if before < 0:
        heads[slot] = runs[run, R_NEXT]
    else:
        runs[before, R_NEXT] = runs[run, R_NEXT]
    runs[run, R_SLOT] = -1
    free[meta[M_FREE]] = run
    meta[M_FREE] += 1
    counts[slot] -= 1
