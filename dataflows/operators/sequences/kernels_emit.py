"""Complete matches: in order, without those that others drop, and those that only the end of ``within`` completes."""

from __future__ import annotations

import numba as nb

from dataflows.operators.sequences import kernels_back as b
from dataflows.operators.sequences import layout as p
from dataflows.operators.sequences.kernels_attempts import (
    M_COMPLETE,
    M_HEAD,
    M_MISSED,
    M_SERIAL,
    M_TAIL,
    O_DEADLINE,
    O_NODE,
    O_PLACE,
    O_SLOT,
    O_START,
    O_TIME,
    Q_DUE,
    Q_SLOT,
    Q_START,
    R_BITS,
    R_NEXT,
    R_NODE,
    R_START,
    R_STATE,
    drop,
)


@nb.njit(cache=True, nogil=True, _nrt=False)
def due(until, program, state, given, out, made):  # type: ignore[no-untyped-def]
    """Attempts that wait for nothing to come, at the end of their time; matches now in ``out`` (it stops where that is full)."""
    settings, states = program[0], program[1]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    while meta[M_HEAD] < meta[M_TAIL] and queue[meta[M_HEAD], Q_DUE] <= until:
        deadline, slot, start = queue[meta[M_HEAD], Q_DUE], queue[meta[M_HEAD], Q_SLOT], queue[meta[M_HEAD], Q_START]
        if counts[slot] + made > out.shape[0] or counts[slot] > complete.shape[0]:
            return made
        meta[M_HEAD] += 1
        meta[M_SERIAL] += 1
        meta[M_COMPLETE] = 0
        run, before = heads[slot], -1
        while run >= 0:
            following = runs[run, R_NEXT]
            if runs[run, R_START] == start:
                number = runs[run, R_STATE]
                edges = states[number, p.S_EDGE_END] - states[number, p.S_EDGE]
                if states[number, p.S_PENDING] and runs[run, R_BITS] >> edges & 1:
                    complete_with(runs[run, R_NODE], nodes, meta, complete)
                drop(run, before, slot, heads, counts, runs, free, meta)
            else:
                before = run
            run = following
        if meta[M_COMPLETE] > 0:
            made = emit(slot, deadline, deadline, -1, settings, program[6], state, out, made)
    return made


@nb.njit(inline="always")
def complete_with(node, nodes, meta, complete):  # type: ignore[no-untyped-def]
    """Note that the event at hand completes a match that ends in a node, once."""
    if nodes[node, b.N_DONE] != meta[M_SERIAL]:
        nodes[node, b.N_DONE] = meta[M_SERIAL]
        complete[meta[M_COMPLETE]] = node
        meta[M_COMPLETE] += 1


@nb.njit(cache=True, nogil=True, _nrt=False)
def emit(slot, time, deadline, row, settings, skips, state, out, made):  # type: ignore[no-untyped-def]
    """Give the complete matches that no other drops, in order; how many there are now."""
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    n = meta[M_COMPLETE]
    for i in range(1, n):
        at = i
        while at > 0 and before_in_order(complete[at], complete[at - 1], nodes):
            complete[at], complete[at - 1] = complete[at - 1], complete[at]
            at -= 1
    after = settings[p.P_AFTER]
    for i in range(n):
        node = complete[i]
        if node < 0:
            continue
        start = _root(node, nodes)
        out[made, O_SLOT], out[made, O_NODE], out[made, O_START], out[made, O_TIME] = slot, node, start, time
        out[made, O_DEADLINE], out[made, O_PLACE] = deadline, row
        made += 1
        if after == 0:
            continue
        low, high = 0, nodes[node, b.N_EVENT]
        if after == 2:
            low = high = start
        elif after > 2:
            high = _target(node, after == 3, skips, nodes) - 1
            if high == -2:
                meta[M_MISSED] += 1
                continue
        run, before = heads[slot], -1
        while run >= 0:
            following = runs[run, R_NEXT]
            if low <= runs[run, R_START] <= high:
                drop(run, before, slot, heads, counts, runs, free, meta)
            else:
                before = run
            run = following
        for j in range(i + 1, n):
            if complete[j] >= 0 and low <= _root(complete[j], nodes) <= high:
                complete[j] = -1
    return made


@nb.njit(cache=True, nogil=True, _nrt=False)
def _target(node, first, skips, nodes):  # type: ignore[no-untyped-def]
    """The first or last event that a skip target took, -1 if it took none."""
    found = -1
    while node >= 0:
        if skips[nodes[node, b.N_ARM]]:
            found = nodes[node, b.N_EVENT]
            if not first:
                return found
        node = nodes[node, b.N_BEFORE]
    return found


@nb.njit(cache=True, nogil=True, _nrt=False)
def _root(node, nodes):  # type: ignore[no-untyped-def]
    """The event that began a match."""
    while nodes[node, b.N_BEFORE] >= 0:
        node = nodes[node, b.N_BEFORE]
    return nodes[node, b.N_EVENT]


@nb.njit(cache=True, nogil=True, _nrt=False)
def before_in_order(a, c, nodes):  # type: ignore[no-untyped-def]
    """Whether one match comes before another: by event list, of a list and its prefix the longer first, then by steps."""
    m, n = _length(a, nodes), _length(c, nodes)
    longer = m > n
    prefix = m != n
    while m > n:
        a, m = nodes[a, b.N_BEFORE], m - 1
    while n > m:
        c, n = nodes[c, b.N_BEFORE], n - 1
    events, arms = 0, 0
    while a != c:
        # Walking back, the last difference seen is the first in order.
        if nodes[a, b.N_EVENT] != nodes[c, b.N_EVENT]:
            events = -1 if nodes[a, b.N_EVENT] < nodes[c, b.N_EVENT] else 1
        if nodes[a, b.N_ARM] != nodes[c, b.N_ARM]:
            arms = -1 if nodes[a, b.N_ARM] < nodes[c, b.N_ARM] else 1
        a, c = nodes[a, b.N_BEFORE], nodes[c, b.N_BEFORE]
    if events != 0:
        return events < 0
    return longer if prefix else arms < 0


@nb.njit(cache=True, nogil=True, _nrt=False)
def _length(node, nodes):  # type: ignore[no-untyped-def]
    found = 0
    while node >= 0:
        found += 1
        node = nodes[node, b.N_BEFORE]
    return found
