"""Which flags of a run that begins in the middle are those of a run over everything (language: settling).

Two bounds are worked out from the application: from when all that a pattern reads lies behind the run's begin, and how long a key
must be without hits for what was suppressed before to count no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.batches.batch import AFTER_ALL
from dataflows.planning.needs import Node, inputs_of, nodes_of
from models.application.resolved.application import Application
from models.application.resolved.facts import Feature, Score
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import FileInput

NEVER = AFTER_ALL
"""Microseconds of a memory without an end."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a pattern's hits depend on: ``reads``, how far back what it reads goes, and ``hits``, how long past hits count (µs)."""

    reads: int
    hits: int


def settling_of(application: Application, whole: int) -> dict[str, tuple[int, int]]:
    """For each pattern from when on its condition is certain, and how long a key must be without hits to be settled.

    ``whole``: from when on (microseconds) the run's streams lack no event; tables lack nothing.
    """
    graph = _Graph(application)
    found = {name: graph.memory(pattern) for name, pattern in application.patterns.items() if pattern.mode != "off"}
    return {name: (plus(whole, memory.reads), memory.hits) for name, memory in found.items()}


def whole_from(application: Application, begin: int) -> int:
    """From when on nothing is missing, of a run that begins at records of a time (microseconds).

    A record before it has no event later than ``max_ahead`` after it, or is a dead letter; and a repeated id counts for ``dedup``.
    """
    found = begin
    for stream in application.streams.values():
        if not isinstance(stream.input, FileInput):
            found = max(found, plus(begin, NEVER if stream.max_ahead is None else stream.max_ahead, stream.dedup or 0))
    return found


def plus(*times: int) -> int:
    """A sum of microseconds that stays at ``NEVER``."""
    return min(sum(times), NEVER)


class _Graph:
    def __init__(self, application: Application) -> None:
        self.application = application
        self.giving: dict[tuple[str, str], Node] = {
            (node.stream, column): node for node in nodes_of(application, frozenset()) for column in node.gives
        }
        self.known: dict[tuple[str, str], int] = {}

    def memory(self, pattern: Pattern) -> Memory:
        rules = pattern.suppress
        bounded = (
            pattern.sequence is None and pattern.absence is None and pattern.trigger == "each" and pattern.clear is None
            and pattern.hold is None and not rules.per and self.application.storm is None
        )  # fmt: skip
        if not bounded:
            return Memory(NEVER, NEVER)
        reads = max(self._column(stream, column) for (stream, _), columns in inputs_of(self.application, pattern).items()
                    for column in columns)  # fmt: skip
        # A count of suppressed hits is remembered for one more period.
        hits = 2 * sum(time or 0 for time in (rules.cooldown, rules.debounce, rules.batch_over, rules.limit_over))
        return Memory(reads, hits)

    def _column(self, stream: str, column: str) -> int:
        """How far back a column's value goes."""
        if stream not in self.application.streams:  # rows that are themselves worked out: flags, windows of rollups
            return NEVER
        place = (stream, column)
        if place not in self.known:
            node = self.giving.get(place)
            self.known[place] = 0 if node is None else plus(_own(node), self._inputs(node))
        return self.known[place]

    def _inputs(self, node: Node) -> int:
        own = [self._column(node.stream, column) for column in node.needs]
        return max([0, *own, *(self._column(feed.stream, column) for feed in node.feeds for column in feed.needs)])


def _own(node: Node) -> int:
    step = node.step
    if isinstance(step, Feature):
        return NEVER if step.over is None else step.over + step.delay + (step.every or 0)
    if isinstance(step, Score) and step.kind == "zscore":
        return NEVER if step.over is None or step.learn_below is not None else step.over + step.delay
    return 0
