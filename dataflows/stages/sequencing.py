"""The machine of a sequence pattern, made from a plan: what it keeps of each lane, and how it shows it."""

from __future__ import annotations

from functools import lru_cache

from dataflows.batches.evidence import CORRELATION, FLAG_ID, EvidenceMaker
from dataflows.batches.held import ChunkOf
from dataflows.operators.sequences.fastmachine import FastSequenceMachine
from dataflows.operators.sequences.layout import Layout, layout
from dataflows.operators.sequences.lookback import Reader
from dataflows.operators.sequences.machine import Lane, SequenceMachine
from dataflows.operators.sequences.program import Program, compile_sequence
from dataflows.operators.store import EventStore
from dataflows.operators.suppress import numeric_types
from dataflows.planning.needs import inputs_of
from dataflows.planning.steps import Plan
from models.application.resolved.application import Application
from models.application.resolved.patterns import Pattern
from models.application.resolved.steps import SequenceSpec
from models.events.columns import column_types
from models.values.types import FLOAT, Type


def sequence_machine(plan: Plan, pattern: Pattern, evidence: EvidenceMaker, chunk_of: ChunkOf) -> SequenceMachine:
    """The machine of a pattern for one shard."""
    assert pattern.sequence is not None
    application, program = plan.application, _compiled(pattern.sequence)
    inputs = inputs_of(application, pattern)
    lanes = []
    passed = plan.passed.get(pattern.name, frozenset())
    for stream, fields in program.lanes:
        names = {*inputs[stream, fields], *(passed if stream == pattern.on and fields == pattern.by.fields else ())}
        if application.stream(stream).pattern is not None:
            names |= {FLAG_ID, CORRELATION}
        lanes.append(Lane(sorted(names), EventStore(plan.depth(stream), chunk_of), evidence.reader(pattern, (stream, fields)), []))
    types = _passed_types(application, pattern, passed)
    summed, reader = _summed(application, program), _reader(application, pattern, program)
    arrays = _arrays(application, pattern, program)
    if arrays is None:
        return SequenceMachine(pattern, program, summed, lanes, reader, types)
    return FastSequenceMachine(pattern, program, summed, lanes, reader, types, arrays)


def _arrays(application: Application, pattern: Pattern, program: Program) -> Layout | None:
    """The program as arrays, where its lanes are different streams and its look-backs need numbers of one type alone."""
    streams = [stream for stream, _ in program.lanes]
    if len(set(streams)) < len(streams):
        return None
    fields: dict[str, Type] = {}
    mixed: set[str] = set()
    for name in streams:
        for column, type_ in numeric_types(application.stream(name)).items():
            if fields.setdefault(column, type_).required() != type_.required():
                mixed.add(column)
    return layout(program, {name: type_ for name, type_ in fields.items() if name not in mixed})


@lru_cache(256)
def _compiled(spec: SequenceSpec) -> Program:
    return compile_sequence(spec)


def _summed(application: Application, program: Program) -> dict[str, Type]:
    """Types of the fields that evidence is summed over: of a name that means two types, none."""
    found: dict[str, Type] = {}
    clashing: set[str] = set()
    for stream, _ in program.lanes:
        for name, type_ in numeric_types(application.stream(stream)).items():
            if found.setdefault(name, type_).required() != type_.required():
                clashing.add(name)
    return {name: type_ for name, type_ in found.items() if name not in clashing}


def _reader(application: Application, pattern: Pattern, program: Program) -> Reader:
    assert pattern.sequence is not None
    types = {
        (arm.name, name): type_ for arm in pattern.sequence.arms() if arm.name in program.names
        for name, type_ in numeric_types(application.stream(arm.on)).items()
    }  # fmt: skip
    return Reader(program.names, types)


def _passed_types(application: Application, pattern: Pattern, passed: frozenset[str]) -> dict[str, Type]:
    stream = application.stream(pattern.on)
    types = {**column_types(application, stream), **fact_types(application)}
    return {name: types[name if name in types else name.partition("[")[0]] for name in passed}


def fact_types(application: Application) -> dict[str, Type]:
    """The types of features and scores by name."""
    return {**{name: feature.type for name, feature in application.features.items()}, **dict.fromkeys(application.scores, FLOAT)}
