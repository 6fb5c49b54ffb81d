"""The machine of sequences on arrays: what ``matcher`` does, for programs that need neither ``ordered`` nor time-outs.

``program`` is the tuple of a ``Layout``'s arrays, ``state`` that of ``fastmatcher``'s, ``given`` that of the rows in hand.
"""

from __future__ import annotations

import numba as nb

from dataflows.operators.sequences import kernels_back as b
from dataflows.operators.sequences import layout as p
from dataflows.operators.sequences.kernels_attempts import (
    M_COMPLETE,
    M_CROWDED,
    M_EVENT,
    M_EVENTS,
    M_FREE,
    M_FRESH,
    M_HEAD,
    M_NODES,
    M_ROOT,
    M_RUNS,
    M_SERIAL,
    M_TAIL,
    Q_DUE,
    Q_SLOT,
    Q_START,
    R_BITS,
    R_NEXT,
    R_NODE,
    R_RANK,
    R_SIBLING,
    R_SLOT,
    R_START,
    R_STATE,
    R_TIME,
    drop,
    over,
)
from dataflows.operators.sequences.kernels_emit import before_in_order, complete_with, due, emit
from dataflows.operators.sequences.kernels_fits import any_holds, first_fit, guarded


@nb.njit(cache=True, nogil=True, _nrt=False)
def step(begin, places, program, state, given, out, queueing):  # type: ignore[no-untyped-def]
    """Candidate rows from ``begin`` on, deadlines before the rows at or after them; (the next candidate, matches in ``out``).

    It stops early where an array might have no room for the next event.
    """
    settings = program[0]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    slots, times = given[0], given[1]
    made = 0
    for at in range(begin, places.shape[0]):
        row = places[at]
        slot, time = slots[row], times[row]
        if given[3][row] & settings[p.P_BEGINS] == 0 and heads[slot] < 0:
            continue
        if queueing and meta[M_HEAD] < meta[M_TAIL] and queue[meta[M_HEAD], Q_DUE] <= time:
            made = due(time, program, state, given, out, made)
            if meta[M_HEAD] < meta[M_TAIL] and queue[meta[M_HEAD], Q_DUE] <= time:
                return at, made
        most = (counts[slot] + 1) * (settings[p.P_EDGES] + 1)
        room = meta[M_FREE] + runs.shape[0] - meta[M_RUNS] >= most and meta[M_NODES] + most <= nodes.shape[0]
        room = room and fresh.shape[0] >= most and made + most <= out.shape[0]
        if not room or meta[M_EVENTS] + 1 > place_of.shape[0] or meta[M_TAIL] + 1 > queue.shape[0]:
            return at, made
        made = _event(row, slot, time, program, state, given, out, made, queueing)
    return places.shape[0], made


@nb.njit(cache=True, nogil=True, _nrt=False)
def _event(row, slot, time, program, state, given, out, made, queueing):  # type: ignore[no-untyped-def]
    settings = program[0]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    rank = given[2][row]
    meta[M_SERIAL] += 1
    meta[M_EVENT], meta[M_FRESH], meta[M_COMPLETE], meta[M_ROOT] = -1, 0, 0, -1
    run, before = heads[slot], -1
    while run >= 0:
        following = runs[run, R_NEXT]
        if not over(run, time, settings, runs, nodes) and _attempt(run, row, time, rank, program, state, given):
            before = run
        else:
            drop(run, before, slot, heads, counts, runs, free, meta)
        run = following
    _begin(row, slot, time, rank, program, state, given)
    for at in range(meta[M_FRESH]):
        run = fresh[at]
        runs[run, R_NEXT] = heads[slot]
        heads[slot] = run
        counts[slot] += 1
        if queueing and runs[run, R_START] == meta[M_EVENT] and (
            meta[M_TAIL] == meta[M_HEAD] or queue[meta[M_TAIL] - 1, Q_START] != meta[M_EVENT]
        ):
            queue[meta[M_TAIL], Q_DUE], queue[meta[M_TAIL], Q_SLOT] = time + settings[p.P_WITHIN], slot
            queue[meta[M_TAIL], Q_START] = meta[M_EVENT]
            meta[M_TAIL] += 1
    while counts[slot] > settings[p.P_MOST]:
        crowd(slot, heads, counts, runs, free, nodes, meta)
    if meta[M_COMPLETE] > 0:
        made = emit(slot, time, -1, row, settings, program[6], state, out, made)
    return made


@nb.njit(cache=True, nogil=True, _nrt=False)
def _attempt(run, row, time, rank, program, state, given):  # type: ignore[no-untyped-def]
    """Let an attempt see a row; whether it waits on."""
    states, lists = program[1], program[4]
    runs, nodes = state[2], state[4]
    number, node, bits = runs[run, R_STATE], runs[run, R_NODE], runs[run, R_BITS]
    following = rank == runs[run, R_RANK] + 1
    if not following:
        bits &= ~states[number, p.S_STRICT]
    first, last = states[number, p.S_EDGE], states[number, p.S_EDGE_END]
    shift = last - first + 1
    violated = 0
    for guard in range(states[number, p.S_GUARD], states[number, p.S_GUARD_END]):
        bit = shift + guard - states[number, p.S_GUARD]
        if bits >> bit & 1:
            ends, fits = guarded(guard, row, node, program, state, given)
            if ends:
                bits &= ~(1 << bit)
            elif fits:
                violated |= 1 << (guard - states[number, p.S_GUARD])
    for at in range(first, last):
        bit = 1 << (at - first)
        if bits & bit and not _try(run, at, row, time, rank, following, violated, program, state, given):
            bits &= ~bit
    if states[number, p.S_PENDING] and bits >> (shift - 1) & 1:
        bit = 1 << (shift - 1)
        broken = False
        for at in range(states[number, p.S_HELD], states[number, p.S_HELD_END]):
            broken = broken or violated >> lists[at] & 1 == 1
        soft = states[number, p.S_STOP_END] > states[number, p.S_STOP]
        if broken or any_holds(states[number, p.S_STOP], states[number, p.S_STOP_END], row, node, program, state, given):
            bits &= ~bit
        elif following and states[number, p.S_HARD_END] > states[number, p.S_HARD]:
            broken = any_holds(states[number, p.S_HARD], states[number, p.S_HARD_END], row, node, program, state, given)
            if broken or not soft:
                bits &= ~bit
            if not broken and not soft:
                complete_with(node, nodes, state[6], state[11])
    runs[run, R_BITS] = bits
    return bits & ((1 << shift) - 1) != 0



@nb.njit(cache=True, nogil=True, _nrt=False)
def _try(run, at, row, time, rank, following, violated, program, state, given):  # type: ignore[no-untyped-def]
    """Let an edge take the row if it can; whether it waits on."""
    edges, lists = program[2], program[4]
    runs, nodes = state[2], state[4]
    node = runs[run, R_NODE]
    for i in range(edges[at, p.E_GUARD], edges[at, p.E_GUARD_END]):
        if violated >> lists[i] & 1:
            return False
    if following and any_holds(edges[at, p.E_HARD], edges[at, p.E_HARD_END], row, node, program, state, given):
        return False
    if any_holds(edges[at, p.E_UNTIL], edges[at, p.E_UNTIL_END], row, node, program, state, given):
        return False
    if any_holds(edges[at, p.E_WATCH], edges[at, p.E_WATCH_END], row, node, program, state, given):
        return False
    arm = first_fit(edges[at, p.E_ARM], edges[at, p.E_ARM_END], row, node, program, state, given)
    stopped = any_holds(edges[at, p.E_STOP], edges[at, p.E_STOP_END], row, node, program, state, given)
    if arm < 0:
        return edges[at, p.E_CONTIGUITY] != 0 and not stopped
    if edges[at, p.E_GAP] >= 0 and time - nodes[node, b.N_TIME] >= edges[at, p.E_GAP]:
        return False
    if not any_holds(edges[at, p.E_ENTRY], edges[at, p.E_ENTRY_END], row, node, program, state, given):
        _take(at, arm, node, row, time, rank, runs[run, R_START], runs[run, R_TIME], runs[run, R_SLOT], program, state, given)
    return edges[at, p.E_CONTIGUITY] == 2 and not stopped


@nb.njit(cache=True, nogil=True, _nrt=False)
def _begin(row, slot, time, rank, program, state, given):  # type: ignore[no-untyped-def]
    states, edges, lists, start = program[1], program[2], program[4], program[0][p.P_START]
    for at in range(states[start, p.S_EDGE], states[start, p.S_EDGE_END]):
        arm = first_fit(edges[at, p.E_ARM], edges[at, p.E_ARM_END], row, -1, program, state, given)
        if arm < 0 or any_holds(edges[at, p.E_ENTRY], edges[at, p.E_ENTRY_END], row, -1, program, state, given):
            continue
        barred = False
        for i in range(edges[at, p.E_GUARD], edges[at, p.E_GUARD_END]):
            ends, fits = guarded(states[start, p.S_GUARD] + lists[i], row, -1, program, state, given)
            barred = barred or (fits and not ends)
        if not barred:
            _take(at, arm, -1, row, time, rank, -1, time, slot, program, state, given)


@nb.njit(cache=True, nogil=True, _nrt=False)
def _take(at, arm, before, row, time, rank, start, start_time, slot, program, state, given):  # type: ignore[no-untyped-def]
    """Make the node and the attempt of a taken event, each once."""
    states, edges = program[1], program[2]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    if meta[M_EVENT] < 0:
        event = meta[M_EVENTS]
        meta[M_EVENT], meta[M_EVENTS] = event, event + 1
        place_of[event] = row
        for column in range(kept.shape[1]):
            kept[event, column], kept_valid[event, column] = given[4][row, column], given[5][row, column]
    serial = meta[M_SERIAL]
    if before < 0:
        child = meta[M_ROOT]
    else:
        child = nodes[before, b.N_CHILD] if nodes[before, b.N_STAMP] == serial else -1
    older = child
    while child >= 0 and nodes[child, b.N_ARM] != arm:
        child = nodes[child, b.N_SIBLING]
    if child < 0:
        child = meta[M_NODES]
        meta[M_NODES] += 1
        nodes[child, b.N_BEFORE], nodes[child, b.N_ARM] = before, arm
        nodes[child, b.N_EVENT], nodes[child, b.N_TIME] = meta[M_EVENT], time
        nodes[child, b.N_STAMP], nodes[child, b.N_CHILD], nodes[child, b.N_SIBLING], nodes[child, b.N_RUN] = 0, -1, older, -1
        nodes[child, b.N_DONE] = 0
        if before < 0:
            meta[M_ROOT] = child
        else:
            nodes[before, b.N_STAMP], nodes[before, b.N_CHILD] = serial, child
    target = edges[at, p.E_TARGET]
    run = nodes[child, b.N_RUN]
    while run >= 0:
        if runs[run, R_STATE] == target:
            return
        run = runs[run, R_SIBLING]
    if states[target, p.S_ACCEPTS]:
        complete_with(child, nodes, meta, complete)
    if states[target, p.S_FRESH] == 0:
        return
    if meta[M_FREE] > 0:
        meta[M_FREE] -= 1
        run = free[meta[M_FREE]]
    else:
        run = meta[M_RUNS]
        meta[M_RUNS] += 1
    runs[run, R_STATE], runs[run, R_NODE], runs[run, R_BITS], runs[run, R_RANK] = target, child, states[target, p.S_FRESH], rank
    runs[run, R_START], runs[run, R_TIME] = meta[M_EVENT] if start < 0 else start, start_time
    runs[run, R_SLOT], runs[run, R_SIBLING] = slot, nodes[child, b.N_RUN]
    nodes[child, b.N_RUN] = run
    fresh[meta[M_FRESH]] = run
    meta[M_FRESH] += 1



@nb.njit(cache=True, nogil=True, _nrt=False)
def crowd(slot, heads, counts, runs, free, nodes, meta):  # type: ignore[no-untyped-def]
    """Drop the attempt with the oldest start; of several the first by event list."""
    run, before = heads[slot], -1
    oldest, ahead = -1, -1
    while run >= 0:
        if oldest < 0 or runs[run, R_START] < runs[oldest, R_START] or (
            runs[run, R_START] == runs[oldest, R_START] and before_in_order(runs[run, R_NODE], runs[oldest, R_NODE], nodes)
        ):
            oldest, ahead = run, before
        before = run
        run = runs[run, R_NEXT]
    drop(oldest, ahead, slot, heads, counts, runs, free, meta)
    meta[M_CROWDED] += 1
