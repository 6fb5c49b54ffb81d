"""A sink whose snapshots are timed: they are what an epoch waits for."""

from __future__ import annotations

from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflows.monitoring.observed import Observed


class Timed(FixedPartitionedSink[Any, Any]):
    """Another sink, observed."""

    def __init__(self, sink: FixedPartitionedSink[Any, Any], observed: Observed) -> None:
        self.sink = sink
        self.observed = observed

    def list_parts(self) -> list[str]:
        """The sink's."""
        return self.sink.list_parts()

    def part_fn(self, item_key: str) -> int:
        """The sink's."""
        return self.sink.part_fn(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> StatefulSinkPartition[Any, Any]:
        """The sink's, timed."""
        return _Part(self.sink.build_part(step_id, for_part, resume_state), self.observed)


class _Part(StatefulSinkPartition[Any, Any]):
    def __init__(self, part: StatefulSinkPartition[Any, Any], observed: Observed) -> None:
        self.part = part
        self.observed = observed

    def write_batch(self, values: list[Any]) -> None:
        self.part.write_batch(values)

    def snapshot(self) -> Any:
        begun = self.observed.clock()
        state = self.part.snapshot()
        self.observed.snapshot(begun)
        return state

    def close(self) -> None:
        self.part.close()
