"""The state of a sequence machine as arrays and plain values, and back: shared histories stay shared."""

from __future__ import annotations

import heapq
import weakref
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflows.operators.sequences.matcher import Counters, Key, Match, Node, Run, Start

if TYPE_CHECKING:
    from dataflows.operators.sequences.machine import SequenceMachine


def sequence_state(machine: SequenceMachine) -> dict[str, Any]:
    """All state, between two batches."""
    return _Saver(machine).save()


def restore_sequence(machine: SequenceMachine, state: Mapping[str, Any]) -> None:
    """Take over what ``sequence_state`` gave."""
    _Restorer(machine, state).restore()


class _Saver:
    def __init__(self, machine: SequenceMachine) -> None:
        self.machine = machine
        self.kept: dict[int, tuple[int, list[int]]] = {}
        self.nodes: dict[int, tuple[int, list[int]]] = {}
        self.starts: dict[int, tuple[int, dict[str, Any]]] = {}
        self.runs: dict[int, tuple[int, list[int]]] = {}

    def save(self) -> dict[str, Any]:
        matcher, machine = self.machine.matcher, self.machine
        keys = {
            slot: {"runs": [self._run(run) for run in key.runs], "held": [self._match(match) for match in key.held]}
            for slot, key in matcher.keys.items()
        }
        queue = [(due, isinstance(what, Run), self._run(what) if isinstance(what, Run) else self._start(what))
                 for due, what in matcher.queue if (what.bits if isinstance(what, Run) else what.live)]  # fmt: skip
        repeating = {slot: [self._match(match) for match in matches] for slot, matches in matcher.repeating.items()}
        held = {number: self._kept(kept) for number, kept in machine.held.items()}
        return {
            "keys": keys, "queue": queue, "repeating": repeating, "held": held, "number": machine.number,
            "guarded": machine.guarded, "counters": [matcher.counters.crowded, matcher.counters.missed],
            "kept": [values for _, values in self.kept.values()], "nodes": [values for _, values in self.nodes.values()],
            "starts": [values for _, values in self.starts.values()], "runs": [values for _, values in self.runs.values()],
            "seen": machine.seen.copy(), "stores": [lane.store.snapshot() for lane in machine.lanes],
            "suppressor": machine.suppressor.snapshot(),
        }  # fmt: skip

    def _kept(self, kept: Any) -> int:
        if id(kept) not in self.kept:
            self.kept[id(kept)] = len(self.kept), [kept.lane, kept.number, kept.position]
        return self.kept[id(kept)][0]

    def _node(self, node: Node) -> int:
        chain: list[Node] = []
        at: Node | None = node
        while at is not None and id(at) not in self.nodes:
            chain.append(at)
            at = at.before
        for each in reversed(chain):
            before = -1 if each.before is None else self.nodes[id(each.before)][0]
            self.nodes[id(each)] = len(self.nodes), [before, each.arm, each.event, each.time, self._kept(each.what)]
        return self.nodes[id(node)][0]

    def _start(self, start: Start) -> int:
        if id(start) not in self.starts:
            values: dict[str, Any] = {"slot": start.slot, "event": start.event, "time": start.time, "live": start.live}
            self.starts[id(start)] = len(self.starts), values
            best = None if start.best is None else [self._run(start.best[0]), start.best[1]]
            values.update(matched=start.matched, best=best)
        return self.starts[id(start)][0]

    def _run(self, run: Run) -> int:
        if id(run) not in self.runs:
            values: list[int] = []
            self.runs[id(run)] = len(self.runs), values
            values.extend([self._start(run.start), run.state, self._node(run.node), run.bits, run.rank])
        return self.runs[id(run)][0]

    def _match(self, match: Match) -> dict[str, Any]:
        return {
            "slot": match.slot, "node": self._node(match.node), "start": self._start(match.start), "time": match.time,
            "deadline": match.deadline, "timeout": match.timeout, "repeat": match.repeat, "awaited": match.awaited,
        }  # fmt: skip


class _Restorer:
    def __init__(self, machine: SequenceMachine, state: Mapping[str, Any]) -> None:
        self.machine = machine
        self.state = state

    def restore(self) -> None:
        machine, matcher, state = self.machine, self.machine.matcher, self.state
        for lane, store in zip(machine.lanes, state["stores"], strict=True):
            lane.store.restore(store)
            lane.refs = []
        self.kept = [self._kept(*values) for values in state["kept"]]
        self.nodes: list[Node] = []
        for before, arm, event, time, kept in state["nodes"]:
            self.nodes.append(Node(None if before < 0 else self.nodes[before], arm, event, time, self.kept[kept]))
        self.starts = [Start(s["slot"], s["event"], s["time"], s["live"], s["matched"]) for s in state["starts"]]
        self.runs = [Run(self.starts[s], number, self.nodes[n], bits, rank) for s, number, n, bits, rank in state["runs"]]
        for start, values in zip(self.starts, state["starts"], strict=True):
            start.best = values["best"] and (self.runs[values["best"][0]], values["best"][1])
        matcher.keys = {
            slot: Key([self.runs[run] for run in key["runs"]], [self._match(match) for match in key["held"]])
            for slot, key in state["keys"].items()
        }
        matcher.queue = deque((due, self.runs[at] if is_run else self.starts[at]) for due, is_run, at in state["queue"])
        matcher.repeating = {slot: [self._match(match) for match in matches] for slot, matches in state["repeating"].items()}
        matcher.again = []
        for match in [match for matches in matcher.repeating.values() for match in matches]:
            matcher.order += 1
            heapq.heappush(matcher.again, (match.time, match.start.event, matcher.order, match))
        matcher.counters = Counters(*state["counters"])
        machine.number, machine.guarded, machine.seen = state["number"], state["guarded"], np.array(state["seen"], np.int64)
        machine.held = {number: self.kept[kept] for number, kept in state["held"].items()}
        machine.suppressor.restore(state["suppressor"])

    def _kept(self, lane: int, number: int, position: int) -> Any:
        kept = self.machine.kept(lane, number, position)
        self.machine.lanes[lane].refs.append(weakref.ref(kept))
        return kept

    def _match(self, values: Mapping[str, Any]) -> Match:
        return Match(values["slot"], self.nodes[values["node"]], self.starts[values["start"]], values["time"], values["deadline"],
                     values["timeout"], values["repeat"], tuple(values["awaited"]))  # fmt: skip
