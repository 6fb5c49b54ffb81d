"""Which columns travel into each lane of each stage, and which fields decoding must keep: only those that somebody reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataflows.batches.evidence import CORRELATION, FLAG_ID
from dataflows.operators.per import HIT
from dataflows.planning.needs import fact_columns, fact_inputs, inputs_of, label_inputs, rollup_inputs
from dataflows.planning.steps import (
    SOURCE,
    Derive,
    Lookup,
    Scoring,
    Stage,
    Step,
    Storming,
    Suppression,
    Wave,
    flags_before_storm,
    hits_of,
    raises,
)
from models.application.resolved.application import Application
from models.application.resolved.facts import Feature, Rollup, Score
from models.application.resolved.patterns import Pattern

Targets = Mapping[tuple[int, str], Sequence[tuple[int, int]]]
Columns = dict[tuple[int, int], frozenset[str]]


def carried(
    application: Application,
    stages: Sequence[Stage],
    prelude: Mapping[str, Sequence[Step]],
    targets: Targets,
    outputs: Mapping[str, frozenset[str]],
    last: Mapping[str, int],
) -> tuple[Columns, dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """Columns into each (stage, lane), fields wanted from each source, columns that each pattern's flags carry of its rows.

    All of it is worked out from the last stage back.
    """
    columns: Columns = {}
    passed: dict[str, frozenset[str]] = {}
    for stage in reversed(stages):
        primary = _primary(application, stage, targets, columns, outputs, last, passed)
        for index, lane in enumerate(stage.lanes):
            if lane.table:
                columns[stage.index, index] = _table_columns(application, stage, lane.source)
            elif lane.primary:
                columns[stage.index, index] = frozenset(primary[lane.source])
            else:
                columns[stage.index, index] = frozenset({*lane.fields, *_fed(application, stage, lane.source, lane.fields)})
    wanted = {name: _wanted(application, name, prelude, targets, columns, outputs, last) for name in _sources(application)}
    return columns, wanted, passed


def _primary(
    application: Application,
    stage: Stage,
    targets: Targets,
    columns: Columns,
    outputs: Mapping[str, frozenset[str]],
    last: Mapping[str, int],
    passed: dict[str, frozenset[str]],
) -> dict[str, set[str]]:
    """What each stream's rows must have when they come into a stage."""
    needed = {s: {*f, *_onward(s, stage.index, targets, columns, outputs, last)} for s, f in stage.fields.items()}
    for step in reversed(stage.steps):
        for flags in raises(step, application.storm is not None):
            if flags in needed:
                if flags not in passed:
                    passed[flags] = frozenset(name for name in needed[flags] if not name.startswith(("flag.", "\0")))
                needed[_below(step)] |= passed[flags]
        if isinstance(step, Suppression):
            needed[hits_of(step.pattern.name)] |= {HIT, *step.pattern.suppress.per}
        elif isinstance(step, Storming):
            needed[flags_before_storm(step.pattern.name)] |= {HIT}
        for stream, columns_ in needed.items():
            _before(application, stage, step, stream, columns_)
    return needed


def _below(step: Step) -> str:
    """The rows that a step raises flags of."""
    return hits_of(step.pattern.name) if isinstance(step, Suppression) else step.on if isinstance(step, Pattern) else ""


def _onward(
    stream: str, origin: int, targets: Targets, columns: Columns, outputs: Mapping[str, frozenset[str]], last: Mapping[str, int]
) -> set[str]:
    """What is needed behind an origin; a stream's rows come out where no lane follows."""
    needed: set[str] = set()
    for target in targets.get((origin, stream), ()):
        needed |= columns[target]
    return needed | set(outputs.get(stream, ())) if last.get(stream) == origin else needed


def _before(application: Application, stage: Stage, step: Step, stream: str, needed: set[str]) -> None:
    """Turn what is needed after a step into what is needed before it."""
    if isinstance(step, Derive) and step.stream == stream:
        needed.discard(step.column)
        needed |= step.expression.reads
    elif isinstance(step, Lookup) and step.stream == stream:
        needed -= set(map(step.join.column, step.columns))
        needed |= step.reads
    elif isinstance(step, Wave | Scoring):
        _before_facts(stage, step, stream, needed)
    elif isinstance(step, Rollup):
        needed |= _rolled(step, stream, stage.fields[stream])
    elif isinstance(step, Pattern) and (stream, stage.fields[stream]) in (inputs := inputs_of(application, step)):
        needed |= inputs[stream, stage.fields[stream]]
        if application.stream(stream).pattern is not None:
            needed |= {FLAG_ID, CORRELATION}


def _before_facts(stage: Stage, step: Wave | Scoring, stream: str, needed: set[str]) -> None:
    facts: Sequence[Feature | Score] = step.features if isinstance(step, Wave) else step.scores
    for fact in facts:
        if stream in step.readers[fact.name]:
            needed -= set(fact_columns(fact, stage.fields[stream]))
    for fact in facts:
        if fact.of == stream and fact.by.fields == stage.fields[stream]:
            needed |= fact_inputs(fact)


def _fed(application: Application, stage: Stage, stream: str, fields: tuple[str, ...]) -> set[str]:
    needed: set[str] = set()
    for step in stage.steps:
        if isinstance(step, Rollup):
            needed |= _rolled(step, stream, fields)
        if isinstance(step, Pattern) and stage.fields.get(stream) != fields:
            needed |= inputs_of(application, step).get((stream, fields), frozenset())
        facts: Sequence[Feature | Score] = ()
        if isinstance(step, Wave):
            facts = step.features
        elif isinstance(step, Scoring):
            facts = step.scores
        for fact in facts:
            if fact.of == stream and fact.by.fields == fields:
                needed |= fact_inputs(fact)
    return needed


def _rolled(rollup: Rollup, stream: str, fields: tuple[str, ...]) -> frozenset[str]:
    """What a rollup, or a labelled stream, needs of rows keyed by fields."""
    needed = rollup_inputs(rollup) if (rollup.of, rollup.by.fields) == (stream, fields) else frozenset()
    label = rollup.label
    return needed | label_inputs(label) if label is not None and (label.source, (label.matches,)) == (stream, fields) else needed


def _table_columns(application: Application, stage: Stage, table: str) -> frozenset[str]:
    needed: set[str] = set()
    for step in stage.steps:
        if isinstance(step, Lookup) and step.join.table == table:
            needed |= set(step.columns)
    return frozenset(needed)


def _wanted(
    application: Application,
    name: str,
    prelude: Mapping[str, Sequence[Step]],
    targets: Targets,
    columns: Columns,
    outputs: Mapping[str, frozenset[str]],
    last: Mapping[str, int],
) -> frozenset[str]:
    needed = _onward(name, SOURCE, targets, columns, outputs, {} if name in application.tables else last)
    if name in application.tables:
        table = application.tables[name]
        # All fields: whether a snapshot's row is the one that is known depends on no reader.
        return frozenset(table.fields)
    stream = application.streams[name]
    for step in reversed(prelude[name]):
        if isinstance(step, Derive):
            needed.discard(step.column)
            needed |= step.expression.reads
        elif isinstance(step, Lookup):
            needed |= step.reads
    needed |= {stream.time} | ({stream.id} if stream.dedup and stream.id else set())
    if stream.where is not None:
        needed |= stream.where.reads
    return frozenset(field for field in needed if field in stream.fields)


def _sources(application: Application) -> list[str]:
    return [*application.tables, *application.streams]
