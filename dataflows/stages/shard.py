"""One stage on one shard: rows in the total order through the stage's steps. Pure: items in, outcomes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataflows.operators.per import PerMachine
from dataflows.operators.reorder import Chunk
from dataflows.operators.storm import StormMachine
from dataflows.stages.items import Item, Outcome
from dataflows.stages.passing import passed
from dataflows.stages.shardstate import Machine, ShardState

NOTHING = Chunk(np.zeros(0, np.int64), ())
"""No rows: a pass for deadlines alone."""


class Shard(ShardState):
    """The state of one stage for the keys of one shard, and how items change it."""

    def take(self, items: Sequence[Item]) -> Outcome:
        """Take rows and bounds; give all that has become certain."""
        for item in items:
            self.reorder.add(*item)
            self.changed |= item.batch is not None
        bound = self.reorder.watermark
        chunk = self.reorder.release()
        outcome = Outcome(bound)
        machines = [*self._all_machines(), *self.rollups.values(), *self.labels.values()]
        if chunk is None and any(machine.ripe(bound.time) for machine in machines):
            chunk = NOTHING
        if chunk is not None:
            before = len(self.keys)
            passed(self, chunk, outcome)
            self.evict(bound.time, len(chunk), len(self.keys) - before)
        self._suppressed(outcome)
        self.changed |= chunk is not None or bool(outcome.hits)
        return outcome

    def _all_machines(self) -> list[Machine | PerMachine | StormMachine]:
        return [*self.machines.values(), *self.suppressions.values(), *self.storms.values()]

    def _suppressed(self, outcome: Outcome) -> None:
        for machine in self._all_machines():
            name = machine.pattern.name
            news = self._news(f"{type(machine).__name__} {name}", machine.suppressed)
            outcome.suppressed[name] = outcome.suppressed.get(name, 0) + news
        for name, raising in self.machines.items():
            outcome.guarded[name] = self._news(f"guarded {name}", raising.guarded)
        for name, labels in self.labels.items():
            source = labels.label.source
            outcome.late_labels[source] = outcome.late_labels.get(source, 0) + self._news(f"late {name}", labels.late)

    def _news(self, what: str, count: int) -> int:
        """How much a count has grown since it was last told."""
        before, self.told[what] = self.told.get(what, 0), count
        return count - before
