"""All state of one stage for the keys of one shard: what it is made of, its snapshots, and what leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.batches.evidence import CORRELATION, FLAG_ID, EvidenceMaker
from dataflows.decoding.decoded import Chunk
from dataflows.operators.absence import AbsenceMachine
from dataflows.operators.keys import KeyTable
from dataflows.operators.labels import LabelMachine
from dataflows.operators.machine import PatternMachine
from dataflows.operators.per import PerMachine
from dataflows.operators.reorder import Reorder
from dataflows.operators.rollup import RollupMachine
from dataflows.operators.sequences.machine import SequenceMachine
from dataflows.operators.settling import Settling
from dataflows.operators.storm import StormMachine
from dataflows.operators.suppress import numeric_types
from dataflows.operators.versions import Versions
from dataflows.operators.windows import Windows
from dataflows.operators.zscore import ZScores
from dataflows.planning.deadlines import deadline_reads
from dataflows.planning.needs import pattern_needs
from dataflows.planning.steps import (
    Lookup,
    Plan,
    Scoring,
    Stage,
    Storming,
    Suppression,
    Wave,
    hits_of,
    raises,
)
from dataflows.stages.dues import Dues
from dataflows.stages.eviction import ClockHand, Sweep
from dataflows.stages.flags import Flags
from dataflows.stages.kept import chunk_from
from dataflows.stages.rollingup import RollupRows
from dataflows.stages.sequencing import sequence_machine
from dataflows.stages.unseen import Unseen
from models.application.resolved.facts import Rollup
from models.application.resolved.patterns import Pattern

Machine = PatternMachine | SequenceMachine | AbsenceMachine


class Keyed(Protocol):
    """State by slot, of an operator of a stage."""

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """Whether nothing kept under each slot can influence any result from time ``bound`` on; bool[m]."""

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Make slots as if they had never been used."""


class ShardState:
    """The operators of a stage and the table of their keys.

    senders: who sends to it; evidence shows rows of hits; sweep: which slots are looked at for eviction after a batch; changed:
    whether more than bounds came in since somebody set it to False; settling: of a run that begins in the middle (``Settling``).
    """

    def __init__(
        self, plan: Plan, stage: Stage, senders: Iterable[int], evidence: EvidenceMaker, sweep: Sweep | None = None,
        settling: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:  # fmt: skip
        self.sweep = sweep or ClockHand()
        self.plan = plan
        self.stage = stage
        self.evidence = evidence
        self.reorder = Reorder(senders)
        self.keys = KeyTable()
        self.told: dict[str, int] = {}
        self.changed = True
        application = plan.application
        self.windows = {id(step): Windows(step.features) for step in stage.steps if isinstance(step, Wave)}
        self.scores = {id(step): ZScores(step.scores) for step in stage.steps if isinstance(step, Scoring)}
        labelled = [step for step in stage.steps if isinstance(step, Rollup) and step.label is not None]
        self.labels = {rollup.name: self._labels(rollup) for rollup in labelled}
        rollups = [step for step in stage.steps if isinstance(step, Rollup) and step.label is None]
        self.rollups = {rollup.name: RollupMachine(rollup, plan.depth(rollup.of)) for rollup in rollups}
        self.rollup_rows = {rollup.name: RollupRows(plan, rollup, self.keys) for rollup in rollups}
        self.machines = {step.name: self._machine(step) for step in stage.steps if isinstance(step, Pattern)}
        names = [step.name for step in stage.steps if isinstance(step, Pattern)] if settling is not None else []
        self.settling = {name: Settling(*settling[name]) for name in names} if settling is not None else {}
        self.suppressions = {
            step.pattern.name: self._suppression(step.pattern) for step in stage.steps if isinstance(step, Suppression)
        }  # fmt: skip
        self.storms = {
            step.pattern.name: StormMachine(step.pattern, application.storm)
            for step in stage.steps if isinstance(step, Storming) and application.storm is not None
        }  # fmt: skip
        self.flags = {
            step.name if isinstance(step, Pattern) else step.pattern.name: self._flags(step)
            for step in stage.steps if isinstance(step, Pattern | Suppression)
        }  # fmt: skip
        self.reads_at_deadlines = {id(step): deadline_reads(stage, step) for step in stage.steps if isinstance(step, Wave)}
        expecting = [step for step in stage.steps if isinstance(step, Pattern) and step.absence and step.absence.expect]
        self.unseen = {pattern.name: Unseen(plan, pattern, self.keys) for pattern in expecting}
        asked = [pattern for found in self.reads_at_deadlines.values() for pattern, _ in found]
        self.dues = {pattern.name: Dues(pattern) for pattern in asked if pattern.hold is None}
        self.tables = {lane.source: self._versions(index, lane.source) for index, lane in enumerate(stage.lanes) if lane.table}

    def _versions(self, lane: int, table: str) -> Versions:
        fields, wanted = self.plan.application.tables[table].fields, self.plan.columns[self.stage.index, lane]
        lookups = [step for step in self.stage.steps if isinstance(step, Lookup) and step.join.table == table]
        types = {name: spec.type for name, spec in fields.items() if name in wanted}
        return Versions(types, {n: at for at, n in enumerate(fields)}, traced=any(step.join.compares for step in lookups))

    def _labels(self, rollup: Rollup) -> LabelMachine:
        assert rollup.label is not None
        type_ = self.plan.application.stream(rollup.name).fields[rollup.label.name].type
        return LabelMachine(rollup, self.plan.depth(rollup.of), type_, self._chunk)

    def _machine(self, pattern: Pattern) -> Machine:
        if pattern.sequence is not None:
            return sequence_machine(self.plan, pattern, self.evidence, self._chunk)
        plan, stream = self.plan, self.plan.application.stream(pattern.on)
        rows = raises(pattern, plan.application.storm is not None)
        names = {*pattern_needs(plan.application, pattern), *(column for name in rows for column in plan.passed.get(name, ()))}
        if stream.pattern is not None:
            names |= {FLAG_ID, CORRELATION}
        kind = PatternMachine if pattern.absence is None else AbsenceMachine
        return kind(pattern, numeric_types(stream), plan.depth(pattern.on), names, self.evidence.reader(pattern), self._chunk)

    def _suppression(self, pattern: Pattern) -> PerMachine:
        plan, types = self.plan, numeric_types(self.plan.application.stream(pattern.on))
        rows = raises(Suppression(pattern), plan.application.storm is not None)
        names = {column for name in rows for column in plan.passed.get(name, ())}
        return PerMachine(pattern, types, plan.depth(hits_of(pattern.name)), names, self._chunk)

    def _flags(self, step: Pattern | Suppression) -> list[Flags]:
        """What makes rows of a pattern's flags, or of its hits where a later stage suppresses them."""
        pattern = step if isinstance(step, Pattern) else step.pattern
        names = [name for name in raises(step, self.plan.application.storm is not None) if name in self.plan.passed]
        return [Flags(self.plan, pattern, name, self.keys) for name in names]

    def operators(self) -> dict[str, Keyed]:
        """All state by slot, by names that are the same in every run of the plan."""
        found: dict[str, Keyed] = {f"table {name}": versions for name, versions in self.tables.items()}
        for place, step in enumerate(self.stage.steps):
            if isinstance(step, Wave):
                found[f"features {place}"] = self.windows[id(step)]
            elif isinstance(step, Scoring):
                found[f"scores {place}"] = self.scores[id(step)]
        found.update({f"rollup {name}": machine for name, machine in self.rollups.items()})
        found.update({f"dues {name}": dues for name, dues in sorted(self.dues.items())})
        found.update({f"label {name}": machine for name, machine in self.labels.items()})
        found.update({f"pattern {name}": machine for name, machine in self.machines.items()})
        found.update({f"settling {name}": settling for name, settling in self.settling.items()})
        found.update({f"suppression {name}": machine for name, machine in self.suppressions.items()})
        found.update({f"storm {name}": machine for name, machine in self.storms.items()})
        return found

    def snapshot(self) -> dict[str, Any]:
        """All state as arrays and plain values."""
        operators = {name: operator.snapshot() for name, operator in self.operators().items()}
        return {"keys": self.keys.snapshot(), "reorder": self.reorder.snapshot(), "told": dict(self.told), "operators": operators}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.keys.restore(state["keys"])
        self.reorder.restore(state["reorder"], self._chunk)
        self.told = dict(state["told"])
        for name, operator in self.operators().items():
            operator.restore(state["operators"][name])

    def _chunk(self, state: Mapping[str, Any], index: int) -> Chunk:
        application, name = self.plan.application, self.plan.sources[index]
        return chunk_from(state, application.streams[name] if name in application.streams else application.tables[name])

    def evict(self, bound: int, rows: int, new: int) -> None:
        """Free slots under which nothing counts any more; no result changes by it."""
        if bound in (BEFORE_ALL, AFTER_ALL):
            return
        slots = self.sweep.slots(self.keys.used, rows, new)
        slots = slots[self.keys.taken(slots)]
        operators = self.operators().values()
        for operator in operators:
            slots = slots[operator.evictable(slots, bound)]
        if not len(slots):
            return
        for operator in operators:
            operator.evict(slots)
        self.keys.remove(slots)
