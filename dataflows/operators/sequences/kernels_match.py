"""The machine of sequences on arrays: what ``matcher`` does, for programs that need neither ``ordered`` nor time-outs.

``program`` is the tuple of a ``Layout``'s arrays, ``state`` that of ``fastmatcher``'s, ``given`` that of the rows in hand.
"""

from __future__ import annotations

import numba as nb

from dataflows.operators.sequences import kernels_back as b
from dataflows.operators.sequences import layout as p
from dataflows.operators.sequences.kernels_back import truth

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
                    _complete(runs[run, R_NODE], nodes, meta, complete)
                _drop(run, before, slot, heads, counts, runs, free, meta)
            else:
                before = run
            run = following
        if meta[M_COMPLETE] > 0:
            made = _emit(slot, deadline, deadline, -1, settings, program[6], state, out, made)
    return made


@nb.njit(cache=True, nogil=True, _nrt=False)
def expire(bound, program, state):  # type: ignore[no-untyped-def]
    """Drop all attempts that have run out at ``bound`` (programs without a queue)."""
    settings = program[0]
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for slot in range(heads.shape[0]):
        run, before = heads[slot], -1
        while run >= 0:
            following = runs[run, R_NEXT]
            if _over(run, bound, settings, runs, nodes):
                _drop(run, before, slot, heads, counts, runs, free, meta)
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
            if not _over(run, bound, settings, runs, nodes):
                out[i] = False
            run = runs[run, R_NEXT]


@nb.njit(cache=True, nogil=True, _nrt=False)
def clear(slots, state):  # type: ignore[no-untyped-def]
    """Drop all attempts of slots."""
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    for i in range(slots.shape[0]):
        if slots[i] < heads.shape[0]:
            while heads[slots[i]] >= 0:
                _drop(heads[slots[i]], -1, slots[i], heads, counts, runs, free, meta)


@nb.njit(cache=True, nogil=True, _nrt=False)
def _holds(condition, row, node, program, state, given):  # type: ignore[no-untyped-def]
    if not given[3][row] >> condition & 1:
        return False
    begin = program[7][condition]
    if begin < 0:
        return True
    code, floats, sets, stack = program[8], program[9], program[10], program[11]
    return truth(begin, row, node, code, floats, sets, stack, state[4], state[7], state[12], state[8], given[4], given[6], given[5])


@nb.njit(cache=True, nogil=True, _nrt=False)
def _any(begin, end, row, node, program, state, given):  # type: ignore[no-untyped-def]
    found = False
    for at in range(begin, end):
        found = found or _holds(program[4][at], row, node, program, state, given)
    return found


@nb.njit(cache=True, nogil=True, _nrt=False)
def _fits(begin, end, row, node, program, state, given):  # type: ignore[no-untyped-def]
    """The first arm that a row fits, or -1."""
    for at in range(begin, end):
        arm = program[4][at]
        if _holds(program[5][arm], row, node, program, state, given):
            return arm
    return -1


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
        if not _over(run, time, settings, runs, nodes) and _attempt(run, row, time, rank, program, state, given):
            before = run
        else:
            _drop(run, before, slot, heads, counts, runs, free, meta)
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
        _crowd(slot, heads, counts, runs, free, nodes, meta)
    if meta[M_COMPLETE] > 0:
        made = _emit(slot, time, -1, row, settings, program[6], state, out, made)
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
            ends, fits = _guarded(guard, row, node, program, state, given)
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
        if broken or _any(states[number, p.S_STOP], states[number, p.S_STOP_END], row, node, program, state, given):
            bits &= ~bit
        elif following and states[number, p.S_HARD_END] > states[number, p.S_HARD]:
            broken = _any(states[number, p.S_HARD], states[number, p.S_HARD_END], row, node, program, state, given)
            if broken or not soft:
                bits &= ~bit
            if not broken and not soft:
                _complete(node, nodes, state[6], state[11])
    runs[run, R_BITS] = bits
    return bits & ((1 << shift) - 1) != 0


@nb.njit(cache=True, nogil=True, _nrt=False)
def _guarded(guard, row, node, program, state, given):  # type: ignore[no-untyped-def]
    """Whether a row ends a guard, and whether it fits the guarded loop."""
    guards = program[3]
    fits = _fits(guards[guard, p.G_ARM], guards[guard, p.G_ARM_END], row, node, program, state, given) >= 0
    if guards[guard, p.G_UNTIL] < 0 or not (fits or guards[guard, p.G_ENTERED]):
        return False, fits
    if not _holds(guards[guard, p.G_UNTIL], row, node, program, state, given):
        return False, fits
    return guards[guard, p.G_ENTERED] == 1 or guards[guard, p.G_PASSING] == 0, False


@nb.njit(cache=True, nogil=True, _nrt=False)
def _try(run, at, row, time, rank, following, violated, program, state, given):  # type: ignore[no-untyped-def]
    """Let an edge take the row if it can; whether it waits on."""
    edges, lists = program[2], program[4]
    runs, nodes = state[2], state[4]
    node = runs[run, R_NODE]
    for i in range(edges[at, p.E_GUARD], edges[at, p.E_GUARD_END]):
        if violated >> lists[i] & 1:
            return False
    if following and _any(edges[at, p.E_HARD], edges[at, p.E_HARD_END], row, node, program, state, given):
        return False
    if _any(edges[at, p.E_UNTIL], edges[at, p.E_UNTIL_END], row, node, program, state, given):
        return False
    if _any(edges[at, p.E_WATCH], edges[at, p.E_WATCH_END], row, node, program, state, given):
        return False
    arm = _fits(edges[at, p.E_ARM], edges[at, p.E_ARM_END], row, node, program, state, given)
    stopped = _any(edges[at, p.E_STOP], edges[at, p.E_STOP_END], row, node, program, state, given)
    if arm < 0:
        return edges[at, p.E_CONTIGUITY] != 0 and not stopped
    if edges[at, p.E_GAP] >= 0 and time - nodes[node, b.N_TIME] >= edges[at, p.E_GAP]:
        return False
    if not _any(edges[at, p.E_ENTRY], edges[at, p.E_ENTRY_END], row, node, program, state, given):
        _take(at, arm, node, row, time, rank, runs[run, R_START], runs[run, R_TIME], runs[run, R_SLOT], program, state, given)
    return edges[at, p.E_CONTIGUITY] == 2 and not stopped


@nb.njit(cache=True, nogil=True, _nrt=False)
def _begin(row, slot, time, rank, program, state, given):  # type: ignore[no-untyped-def]
    states, edges, lists, start = program[1], program[2], program[4], program[0][p.P_START]
    for at in range(states[start, p.S_EDGE], states[start, p.S_EDGE_END]):
        arm = _fits(edges[at, p.E_ARM], edges[at, p.E_ARM_END], row, -1, program, state, given)
        if arm < 0 or _any(edges[at, p.E_ENTRY], edges[at, p.E_ENTRY_END], row, -1, program, state, given):
            continue
        barred = False
        for i in range(edges[at, p.E_GUARD], edges[at, p.E_GUARD_END]):
            ends, fits = _guarded(states[start, p.S_GUARD] + lists[i], row, -1, program, state, given)
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
        _complete(child, nodes, meta, complete)
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


@nb.njit(inline="always")
def _complete(node, nodes, meta, complete):  # type: ignore[no-untyped-def]
    if nodes[node, b.N_DONE] != meta[M_SERIAL]:
        nodes[node, b.N_DONE] = meta[M_SERIAL]
        complete[meta[M_COMPLETE]] = node
        meta[M_COMPLETE] += 1


@nb.njit(inline="always")
def _over(run, time, settings, runs, nodes):  # type: ignore[no-untyped-def]
    """Whether an attempt has run out at a time."""
    if settings[p.P_WITHIN] >= 0 and time - runs[run, R_TIME] >= settings[p.P_WITHIN]:
        return True
    return settings[p.P_GAP] >= 0 and time - nodes[runs[run, R_NODE], b.N_TIME] >= settings[p.P_GAP]


@nb.njit(inline="always")
def _drop(run, before, slot, heads, counts, runs, free, meta):  # type: ignore[no-untyped-def]
    if before < 0:
        heads[slot] = runs[run, R_NEXT]
    else:
        runs[before, R_NEXT] = runs[run, R_NEXT]
    runs[run, R_SLOT] = -1
    free[meta[M_FREE]] = run
    meta[M_FREE] += 1
    counts[slot] -= 1


@nb.njit(cache=True, nogil=True, _nrt=False)
def _emit(slot, time, deadline, row, settings, skips, state, out, made):  # type: ignore[no-untyped-def]
    """Give the complete matches that no other drops, in order; how many there are now."""
    heads, counts, runs, free, nodes, queue, meta, kept, kept_valid, place_of, fresh, complete, _ = state
    n = meta[M_COMPLETE]
    for i in range(1, n):
        at = i
        while at > 0 and _before(complete[at], complete[at - 1], nodes):
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
                _drop(run, before, slot, heads, counts, runs, free, meta)
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
def _before(a, c, nodes):  # type: ignore[no-untyped-def]
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


@nb.njit(cache=True, nogil=True, _nrt=False)
def _crowd(slot, heads, counts, runs, free, nodes, meta):  # type: ignore[no-untyped-def]
    """Drop the attempt with the oldest start; of several the first by event list."""
    run, before = heads[slot], -1
    oldest, ahead = -1, -1
    while run >= 0:
        if oldest < 0 or runs[run, R_START] < runs[oldest, R_START] or (
            runs[run, R_START] == runs[oldest, R_START] and _before(runs[run, R_NODE], runs[oldest, R_NODE], nodes)
        ):
            oldest, ahead = run, before
        before = run
        run = runs[run, R_NEXT]
    _drop(oldest, ahead, slot, heads, counts, runs, free, meta)
    meta[M_CROWDED] += 1
