"""Chunks of rows read back from their snapshots, each by whoever decoded it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dataflows.batches.held import PlainChunk
from dataflows.connectors.kafka.records import RecordChunk
from dataflows.decoding.avro import AvroChunk
from dataflows.decoding.changereading import change_reader
from dataflows.decoding.cloudevents import EventChunk, EventReader
from dataflows.decoding.csv import CsvChunk
from dataflows.decoding.debezium import DebeziumChunk
from dataflows.decoding.decoded import Chunk, rows_from
from dataflows.decoding.json import JsonChunk
from dataflows.decoding.origin import Located
from dataflows.decoding.plain import RowReader
from dataflows.stages.rollingup import RollupChunk
from models.application.resolved.sources import Stream, Table


def chunk_from(state: Mapping[str, Any], source: Stream | Table) -> Chunk:
    """The chunk whose ``snapshot`` this is; ``source`` says how its bytes are read."""
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
            from dataflows.connectors.typed import FrameChunk

            return FrameChunk.restored(state, source.fields)
        case "avro":
            return AvroChunk.restored(state, source.fields)
        case "csv":
            return CsvChunk(rows_from(state), RowReader(source.fields))
        case "cloudevents":
            return EventChunk(rows_from(state), EventReader(source.fields, frozenset()))
        case "debezium":
            return DebeziumChunk.restored(state, change_reader(source))
    return JsonChunk(rows_from(state), RowReader(source.fields))
