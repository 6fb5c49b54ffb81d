"""What a process's metrics are read off: counters, the live parts of its dataflow, and a few spreads.

Gauges are computed when somebody asks; a batch pays for two looks at a clock and an addition.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dataflows.batches.batch import AFTER_ALL, OPEN
from dataflows.engine import stage_of
from dataflows.monitoring.counts import Counts
from dataflows.monitoring.footprint import footprint
from dataflows.operators.machine import PatternMachine
from dataflows.reading.judge import Judged
from dataflows.stages.shard import Shard

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ROWS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0)

Lag = Callable[[], Iterable[tuple[str, int, int]]]
"""Records not read yet, by topic and partition."""


class Spread:
    """How many values fell at or below each edge, and their sum."""

    __slots__ = ("edges", "counts", "sum")

    def __init__(self, edges: Sequence[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Observed:
    """One process. ``clock``: seconds since 1970, standing still where nobody measures; times of events are microseconds.

    places: (stream or table, partition's number) by the partition's place in the plan; stages: how many there are; shards: those
    of this process by stage; bounds: by (stream or table, partition's number); epoch_at: when an epoch was last completed;
    epochs: how many were in this process; down: since when a client, by its name, has no broker.
    """

    counts: Counts
    clock: Callable[[], float]
    places: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    stages: int = 0
    lags: list[Lag] = field(default_factory=list)
    shards: dict[int, list[Shard]] = field(default_factory=dict)
    bounds: dict[tuple[str, int], int] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    down: dict[str, float] = field(default_factory=dict)
    epoch_at: float | None = None
    epochs: int = 0
    batch_rows: Spread = field(default_factory=lambda: Spread(ROWS))
    batch_seconds: dict[int, Spread] = field(default_factory=dict)
    flag_latency: dict[str, Spread] = field(default_factory=dict)
    snapshot_seconds: Spread = field(default_factory=lambda: Spread(SECONDS))

    def begin(self, places: Mapping[int, tuple[str, int]], stages: int) -> None:
        """Note what is about to run."""
        self.places, self.stages = places, stages

    def read(self, partition: int, judged: Judged) -> None:
        """Note one read of a partition."""
        if judged.rows:
            self.batch_rows.add(judged.rows)
        if partition in self.places:
            self.bounds[self.places[partition]] = AFTER_ALL if judged.done else judged.bound

    def shard(self, stage: int, shard: Shard) -> Spread:
        """Note a shard of this process; where the time of its batches goes."""
        self.shards.setdefault(stage, []).append(shard)
        return self.batch_seconds.setdefault(stage, Spread(SECONDS))

    def flagged(self, pattern: str, time: int) -> None:
        """Note a flag that is about to be written."""
        if pattern not in self.flag_latency:
            self.flag_latency[pattern] = Spread(SECONDS)
        self.flag_latency[pattern].add(max(0.0, self.clock() - time / 1e6))

    def epoch(self, number: int) -> None:
        """Note that a partition of the source has completed so many epochs, whatever happened in them."""
        self.epoch_at = self.clock()
        self.epochs = max(self.epochs, number)

    def snapshot(self, begun: float) -> None:
        """Note that a snapshot that began at a moment of the clock is done."""
        self.epoch_at = self.clock()
        self.snapshot_seconds.add(self.epoch_at - begun)

    def failed(self, kind: str) -> None:
        """Note an error of an outside system."""
        self.errors[kind] += 1

    def reached(self, client: str, there: bool) -> None:
        """Note whether a client of an outside system has it."""
        if there:
            self.down.pop(client, None)
        else:
            self.down.setdefault(client, self.clock())

    def watermark(self, stage: int) -> int | None:
        """The time that all shards of a stage in this process have reached; None where none has heard of everybody."""
        found = [shard.reorder.watermark for shard in self.shards.get(stage, ())]
        return min(found).time if found and min(found) > OPEN else None

    def holder(self, stage: int) -> tuple[str, int] | None:
        """Who holds a stage back: a source's partition, or a shard of an earlier stage (``stage N``)."""
        heard = [(bound, sender) for shard in self.shards.get(stage, ()) for sender, bound in list(shard.reorder.bounds.items())]
        if not heard:
            return None
        bound, sender = min(heard)
        if bound.time >= AFTER_ALL:
            return None
        return self.places[sender] if sender in self.places else self._upstream(sender)

    def keys(self, stage: int) -> int:
        """Keys with state."""
        return sum(len(shard.keys) for shard in self.shards.get(stage, ()))

    def partial(self) -> Counter[str]:
        """Partial matches of sequences, and clocks of absences, by pattern."""
        found: Counter[str] = Counter()
        for shard in [shard for shards in list(self.shards.values()) for shard in shards]:
            for name, machine in shard.machines.items():
                if not isinstance(machine, PatternMachine):
                    found[name] += machine.partial
        return found

    def state_bytes(self, stage: int) -> int:
        """Bytes of state: exact for arrays, by sample for what is kept as objects."""
        return sum(footprint((shard.keys, shard.operators(), shard.reorder)) for shard in self.shards.get(stage, ()))

    def _upstream(self, sender: int) -> tuple[str, int]:
        stage, shard = stage_of(sender)
        return self.holder(stage) or (f"stage {stage + 1}", shard)
