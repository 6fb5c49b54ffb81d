"""Batches that wait, as arrays and plain values and back: rows keep their original bytes, and with them all that was in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import Batch, Rows
from dataflows.decoding.decoded import Chunk, rows_from
from models.application.resolved import Stream, Table
from models.values.column import column_from, column_state

SourceOf = Callable[[int], Stream | Table]
"""The stream or table with an index over all sources."""


@dataclass(frozen=True, slots=True)
class PlainChunk:
    """Rows as plain values: ``fields`` (stored values), ``raw`` (bytes) and ``attributes`` of each."""

    rows: Sequence[Mapping[str, Any]]

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields, as stored values."""
        return dict(self.rows[row]["fields"])

    def raw(self, row: int) -> bytes:
        """The row's original bytes."""
        raw: bytes = self.rows[row]["raw"]
        return raw

    def attributes(self, row: int) -> dict[str, str]:
        """What came with the row."""
        return dict(self.rows[row]["attributes"])

    def take(self, rows: NDArray[np.int64]) -> PlainChunk:
        """Only these rows."""
        return PlainChunk([self.rows[int(row)] for row in rows])

    def snapshot(self) -> dict[str, Any]:
        """All rows as plain values."""
        return {"form": "plain", "rows": [dict(row) for row in self.rows]}


def plain_rows(chunk: Chunk, n: int) -> dict[str, Any]:
    """The snapshot of a chunk of ``n`` rows that has nothing shorter than its values."""
    rows = [{"fields": chunk.fields(row), "raw": chunk.raw(row), "attributes": chunk.attributes(row)} for row in range(n)]
    return PlainChunk(rows).snapshot()


def batch_state(batch: Batch) -> dict[str, Any]:
    """A batch as arrays and plain values."""
    chunks, which, row = batch.rows.__getstate__()
    return {
        "source": batch.source,
        "time": batch.time.copy(),
        "partition": batch.partition.copy(),
        "offset": batch.offset.copy(),
        "columns": {name: column_state(column) for name, column in batch.columns.items()},
        "chunks": [chunk.snapshot() for chunk in chunks],
        "which": which,
        "row": row,
        "order": None if batch.order is None else batch.order.copy(),
    }


def batch_from(state: Mapping[str, Any], source_of: SourceOf) -> Batch:
    """The batch that ``batch_state`` gave."""
    source = source_of(state["source"])
    rows = Rows([chunk_from(chunk, source) for chunk in state["chunks"]], state["which"], state["row"])
    columns = {name: column_from(column) for name, column in state["columns"].items()}
    return Batch(state["source"], state["time"], state["partition"], state["offset"], columns, rows, state["order"])


def chunk_from(state: Mapping[str, Any], source: Stream | Table) -> Chunk:
    """The chunk whose ``snapshot`` this is; ``source`` says how its bytes are read."""
    # The decoders stand above the shards that keep their rows.
    from dataflows.connectors.kafka.records import RecordChunk
    from dataflows.connectors.typed import FrameChunk
    from dataflows.decoding.avro import AvroChunk
    from dataflows.decoding.cloudevents import EventChunk, EventReader
    from dataflows.decoding.csv import CsvChunk
    from dataflows.decoding.debezium import DebeziumChunk
    from dataflows.decoding.json import JsonChunk
    from dataflows.reading.origin import Located
    from dataflows.reading.readers import change_reader
    from dataflows.stages.rollingup import RollupChunk

    match state["form"]:
        case "rollup":
            return RollupChunk.restored(state)
        case "located":
            return Located(chunk_from(state["chunk"], source), state["topic"], state["partition"], state["numbers"])
        case "records":
            return RecordChunk(chunk_from(state["chunk"], source), state["headers"])
        case "plain":
            return PlainChunk(state["rows"])
        case "arrow":
            return FrameChunk.restored(state, source.fields)
        case "avro":
            return AvroChunk.restored(state, source.fields)
        case "csv":
            return CsvChunk(rows_from(state), source.fields)
        case "cloudevents":
            return EventChunk(rows_from(state), EventReader(source.fields, frozenset()))
        case "debezium":
            return DebeziumChunk.restored(state, change_reader(source))
    return JsonChunk(rows_from(state), source.fields)
