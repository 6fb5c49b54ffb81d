"""A program as typed arrays, for kernels: tables of states, edges and guards that point into one list of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.sequences.backcode import BackCode, compile_back
from dataflows.operators.sequences.program import Program, State
from models.values.types import Type

(S_EDGE, S_EDGE_END, S_GUARD, S_GUARD_END, S_ACCEPTS, S_PENDING, S_FRESH, S_STRICT, S_STOP, S_STOP_END, S_HARD, S_HARD_END,
 S_HELD, S_HELD_END, S_WIDTH) = range(15)  # fmt: skip
"""Columns of a state: its edges and guards; whether it accepts, or waits for a last ``not``; the bits of a fresh attempt and of
strict edges; of the last ``not`` the relaxed and strict conditions and the guards."""
(E_TARGET, E_CONTIGUITY, E_GAP, E_ARM, E_ARM_END, E_STOP, E_STOP_END, E_HARD, E_HARD_END, E_WATCH, E_WATCH_END, E_UNTIL,
 E_UNTIL_END, E_ENTRY, E_ENTRY_END, E_GUARD, E_GUARD_END, E_WIDTH) = range(18)  # fmt: skip
"""Columns of an edge, as ``program.Edge`` has them; pairs are the begin and end of a list."""
G_ARM, G_ARM_END, G_UNTIL, G_ENTERED, G_PASSING, G_WIDTH = range(6)
"""Columns of a guard."""
P_WITHIN, P_GAP, P_AFTER, P_MOST, P_EDGES, P_START, P_BEGINS, P_WIDTH = range(8)
"""Settings: microseconds (-1: none) of both forms of ``within``, the skip strategy, ``max_partial``, the most edges of a state,
the number of the state before the first event, and the bits of the conditions that may take it."""
AFTER = {"none": 0, "past_last": 1, "to_next": 2, "to_first": 3, "to_last": 4}
MAX_BITS = 62


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays of a program. conditions int64[c]: where a condition's look-back code begins, -1 for none."""

    settings: NDArray[np.int64]
    states: NDArray[np.int64]
    edges: NDArray[np.int64]
    guards: NDArray[np.int64]
    lists: NDArray[np.int64]
    arms: NDArray[np.int64]
    skips: NDArray[np.bool_]
    conditions: NDArray[np.int64]
    back: BackCode


def layout(program: Program, fields: dict[str, Type]) -> Layout | None:
    """The arrays of a program, or None where only the general machine can run it; ``fields``: types of what it looks back at."""
    spec = program.spec
    states = [*program.states, program.start]
    kin = len(set(program.kin)) < len(program.kin)
    repeat = any(step.repeat is not None for step in spec.walk())
    wide = any(len(state.edges) + 1 + len(state.guards) > MAX_BITS for state in states) or len(program.conditions) > MAX_BITS
    pending = any(state.pending for state in states)
    ordered = spec.ordered and spec.after != "none"
    if ordered or spec.timeout or spec.having is not None or kin or repeat or wide or (pending and spec.gap is not None):
        return None
    back = compile_back(program, fields)
    return None if back is None else _Packer(program, states, back).pack()


class _Packer:
    def __init__(self, program: Program, states: Sequence[State], back: BackCode) -> None:
        self.program = program
        self.states = states
        self.back = back
        self.lists: list[int] = []
        self.edges: list[list[int]] = []
        self.guards: list[list[int]] = []

    def pack(self) -> Layout:
        spec, program = self.program.spec, self.program
        rows = [self._state(state) for state in self.states]
        most = max(len(state.edges) for state in self.states)
        settings = [spec.within if spec.within is not None else -1, spec.gap if spec.gap is not None else -1, AFTER[spec.after],
                    spec.max_partial, most, len(self.states) - 1, sum(1 << condition for condition in program.begins)]  # fmt: skip
        skips = np.zeros(len(program.arms), np.bool_)
        skips[sorted(program.skip_arms)] = True
        return Layout(
            np.array(settings, np.int64), _table(rows, S_WIDTH), _table(self.edges, E_WIDTH), _table(self.guards, G_WIDTH),
            np.array([*self.lists, 0], np.int64), np.array(program.arms, np.int64), skips, self.back.begins, self.back,
        )  # fmt: skip

    def _state(self, state: State) -> list[int]:
        guards, edges = len(self.guards), len(self.edges)
        for guard in state.guards:
            self.guards.append([*self._list(guard.arms), guard.until, int(guard.entered), int(guard.passing)])
        for edge in state.edges:
            lists = (edge.arms, edge.stops, edge.strict_stops, edge.watches, edge.untils, edge.entries, edge.guards)
            pairs = [place for each in lists for place in self._list(each)]
            self.edges.append([edge.target, edge.contiguity, edge.gap, *pairs])
        pending = state.pending
        waits = (pending.stops, pending.strict_stops, pending.guards) if pending else ((), (), ())
        held = [place for each in waits for place in self._list(each)]
        return [edges, len(self.edges), guards, len(self.guards), int(state.accepts), int(pending is not None),
                state.fresh if state.edges or pending else 0, state.strict, *held]  # fmt: skip

    def _list(self, numbers: Sequence[int]) -> tuple[int, int]:
        begin = len(self.lists)
        self.lists.extend(numbers)
        return begin, len(self.lists)


def _table(rows: Sequence[Sequence[int]], width: int) -> NDArray[np.int64]:
    return np.array(rows, np.int64) if rows else np.zeros((0, width), np.int64)
