"""An application as a list of keyed stages: who needs what, by which key, in which order.

A stage holds all state of one key: tables joined by it, features, scores, patterns. A row passes the stages of its stream in
order; between two stages it is routed by the next key. A stream that only feeds a feature (or feeds it under another role)
enters a stage by a lane of its own, and ends there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflows.planning.carry import carried
from dataflows.planning.deadlines import features_at_deadlines, last_waves
from dataflows.planning.needs import RAISED, Key, Node, inputs_of, nodes_of, passed_facts, readings
from dataflows.planning.steps import (
    SOURCE,
    Derive,
    Lookup,
    Plan,
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
from models.application.resolved.sources import Stream


def plan(application: Application, *, features_of: Iterable[str] = ()) -> Plan:
    """Compile an application; of the streams in ``features_of`` every row comes out with all its features and scores."""
    outputs = {name: _outputs(application, application.streams[name]) for name in features_of}
    return _Planner(application, nodes_of(application, frozenset(outputs))).build(outputs)


class _Planner:
    def __init__(self, application: Application, nodes: list[Node]) -> None:
        self.application = application
        self.waiting = nodes
        self.have = {name: set(stream.fields) for name, stream in application.streams.items()}
        flags = [rows for name in application.patterns for rows in (name, hits_of(name), flags_before_storm(name))]
        self.have.update({rows: set() for rows in [*flags, *application.rollups]})
        self.prelude: dict[str, list[Step]] = {name: [] for name in application.streams}
        self.last = dict.fromkeys(application.streams, SOURCE)
        self.used = {node.stream for node in nodes} | {feed.stream for node in nodes for feed in node.feeds}
        self.stages: list[Stage] = []
        self.targets: dict[tuple[int, str], list[tuple[int, int]]] = {}

    def build(self, outputs: Mapping[str, frozenset[str]]) -> Plan:
        """Place all nodes, then work out who carries what."""
        while self._place_unkeyed(None):
            pass
        while self.waiting:
            self._add_stage()
        targets = {origin: tuple(found) for origin, found in self.targets.items()}
        prelude = {name: tuple(steps) for name, steps in self.prelude.items()}
        columns, wanted, passed = carried(self.application, self.stages, prelude, targets, outputs, self.last)
        return Plan(self.application, tuple(self.stages), prelude, targets, columns, wanted, outputs, dict(self.last), passed)

    def _place_unkeyed(self, stage: Stage | None) -> bool:
        """Place what takes a row alone and can be computed now; whether anything was."""
        ready = [
            node
            for node in self.waiting
            if node.key is None and node.needs <= self.have[node.stream] and (stage is None or node.stream in stage.fields)
        ]
        for node in ready:
            assert isinstance(node.step, Derive | Lookup)
            (self.prelude[node.stream] if stage is None else stage.steps).append(node.step)
            self._done(node, stage)
        return bool(ready)

    def _done(self, node: Node, stage: Stage | None) -> None:
        self.have[node.stream] |= node.gives
        self.waiting.remove(node)
        if stage is not None and isinstance(node.step, Rollup):
            self.last[node.stream] = stage.index
        if stage is None or not isinstance(node.step, Pattern | Suppression) or node.key is None:
            return
        # Rows of its flags (or hits) are there from now on, under the key by which it was evaluated.
        for name in raises(node.step, self.application.storm is not None):
            if name in self.used:
                flags = self.application.flags_of.get(name)
                self.have[name] |= {RAISED} if flags is None else {*flags.fields, *passed_facts(self.application, flags)}
                self.last[name] = stage.index
                stage.fields[name] = node.key.fields

    def _add_stage(self) -> None:
        before = {name: set(columns) for name, columns in self.have.items()}
        key = self._next_key(before)
        stage = Stage(len(self.stages), key.entity)
        while self._grow(stage, before) or self._place_unkeyed(stage):
            pass
        self.stages.append(stage)
        self._connect(stage)

    def _next_key(self, before: Mapping[str, set[str]]) -> Key:
        """The key with most to do: by facts before patterns, since a pattern that could wait may need a later fact's stage."""
        sizes: dict[Key, tuple[int, int]] = {}
        for node in self.waiting:
            if node.key is not None and self._ready(node, None, before):
                facts, patterns = sizes.get(node.key, (0, 0))
                is_pattern = isinstance(node.step, Pattern | Suppression | Storming)
                sizes[node.key] = (facts + (not is_pattern), patterns + is_pattern)
        if not sizes:
            names = ", ".join(sorted(node.name for node in self.waiting))
            raise AssertionError(f"nothing can be planned next of {names}: the checker let a cycle through")
        return max(sizes, key=lambda key: sizes[key])

    def _grow(self, stage: Stage, before: Mapping[str, set[str]]) -> bool:
        """Take in every node that the stage can hold now; whether there was any."""
        chosen: list[Node] = []
        for node in list(self.waiting):
            if node.key is not None and self._fits(stage, node.stream, node.key) and self._ready(node, stage, before):
                stage.fields[node.stream] = node.key.fields
                chosen.append(node)
        self._append(stage, chosen)
        for node in chosen:
            self._done(node, stage)
        return bool(chosen)

    def _fits(self, stage: Stage, stream: str, key: Key) -> bool:
        if stream in stage.fields:
            return stage.fields[stream] == key.fields
        return key.entity == stage.entity or key.fields in stage.fields.values()

    def _ready(self, node: Node, stage: Stage | None, before: Mapping[str, set[str]]) -> bool:
        if not node.needs <= self.have[node.stream]:
            return False
        for feed in node.feeds:
            inside = stage is not None and stage.fields.get(feed.stream) == feed.fields
            own = feed.stream == node.stream and node.key is not None and feed.fields == node.key.fields
            if not feed.needs <= (self.have if inside or own else before)[feed.stream]:
                return False
        return True

    def _append(self, stage: Stage, nodes: list[Node]) -> None:
        stage.steps.extend(node.step for node in nodes if isinstance(node.step, Lookup))
        features = {node.step.name: node.step for node in nodes if isinstance(node.step, Feature)}
        if features:
            stage.steps.append(Wave(tuple(features.values()), _readers(nodes, features)))
        scores = {node.step.name: node.step for node in nodes if isinstance(node.step, Score)}
        if scores:
            stage.steps.append(Scoring(tuple(scores.values()), _readers(nodes, scores)))
        for node in nodes:
            if isinstance(node.step, Pattern):
                self._learn_again(stage, node.step)
            if isinstance(node.step, Rollup | Pattern | Suppression | Storming):
                stage.steps.append(node.step)

    def _learn_again(self, stage: Stage, pattern: Pattern) -> None:
        """Have a pattern's stage keep the features that it reads as of deadlines, where no wave that knows its rows does."""
        here = last_waves(stage.steps, pattern)
        wanted = features_at_deadlines(pattern, self.application.features.values())
        missing = tuple(fact for fact in wanted if fact.name not in here)
        if missing:
            stage.steps.append(Wave(missing, {fact.name: () for fact in missing}))

    def _connect(self, stage: Stage) -> None:
        for step in stage.steps:
            if isinstance(step, Lookup):
                table = self.application.tables[step.join.table]
                self._target((SOURCE, table.name), stage.index, stage.lane(table.name, table.key, primary=False, table=True))
            elif isinstance(step, Wave):
                self._feed(stage, step.features)
            elif isinstance(step, Scoring):
                self._feed(stage, step.scores)
            elif isinstance(step, Rollup):
                self._learn(stage, step.of, step.by.fields)
                if step.label is not None:
                    self._learn(stage, step.label.source, (step.label.matches,))
            elif isinstance(step, Pattern):
                if step.absence is not None and step.absence.expect is not None:
                    table = self.application.tables[step.absence.expect]
                    self._target((SOURCE, table.name), stage.index, stage.lane(table.name, table.key, primary=False, table=True))
                for stream, fields in inputs_of(self.application, step):
                    if stage.fields.get(stream) != fields:
                        self._target((self.last[stream], stream), stage.index, stage.lane(stream, fields, primary=False))
        for stream, fields in stage.fields.items():
            lane = stage.lane(stream, fields, primary=True)
            if self.last[stream] != stage.index:
                self._target((self.last[stream], stream), stage.index, lane)
        for stream in stage.fields:
            self.last[stream] = stage.index

    def _feed(self, stage: Stage, facts: Iterable[Feature | Score]) -> None:
        for fact in facts:
            self._learn(stage, fact.of or "", fact.by.fields)

    def _learn(self, stage: Stage, stream: str, fields: tuple[str, ...]) -> None:
        """Rows of a stream by these fields, by a lane of their own where none has them."""
        if stage.fields.get(stream) != fields:
            self._target((self.last[stream], stream), stage.index, stage.lane(stream, fields, primary=False))

    def _target(self, origin: tuple[int, str], stage: int, lane: int) -> None:
        found = self.targets.setdefault(origin, [])
        if (stage, lane) not in found:
            found.append((stage, lane))


def _outputs(application: Application, stream: Stream) -> frozenset[str]:
    return frozenset([*stream.fields, *stream.derive, *readings(application, stream)])


def _readers(nodes: list[Node], facts: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(node.stream for node in nodes if node.name == name) for name in facts}
