"""Rows of a batch as evidence: everything about one event, made only when a pattern asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataflows.batches.batch import Batch
from models.application.resolved.application import Application
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Stream
from models.events.evidence import Evidence
from models.expressions.text import to_text
from models.values.column import Column

FLAG_ID = "\0flag.id"
"""The column of a derived stream with the flag's id."""
CORRELATION = "\0flag.correlation"
"""The column of a derived stream with the flag's correlation id."""


Read = Callable[[Batch, Mapping[str, Column], int], Evidence]
"""The evidence of a row of a batch with its columns."""


class EvidenceMaker:
    """Makes evidence of an application's events. ``numbers``: for each partition index its number in its input."""

    def __init__(self, application: Application, numbers: Mapping[int, int]) -> None:
        self.application = application
        self.numbers = numbers

    def reader(self, pattern: Pattern, lane: tuple[str, tuple[str, ...]] | None = None) -> Read:
        """A function from a row of a batch with its columns to its evidence for a pattern; ``lane``: (stream, key's fields)."""
        name, by = lane or (pattern.on, pattern.by.fields)
        stream, numbers, role = self.application.stream(name), self.numbers, ",".join(by)
        further, reads, raised = (*stream.derive, *stream.shown), tuple(pattern.reads), stream.pattern is not None

        def read(batch: Batch, columns: Mapping[str, Column], row: int) -> Evidence:
            fields = batch.rows.fields(row)
            for name in further:
                fields[name] = columns[name].at(row)
            values = {
                name: fields[name] if name in fields and not (raised and name in columns) else columns[name].at(row)
                for name in reads if name in fields or name in columns
            }  # fmt: skip
            attributes = batch.rows.attributes(row)
            time, partition = int(batch.time[row]), int(batch.partition[row])
            order = (time, partition, int(batch.offset[row]))
            return Evidence(
                columns[FLAG_ID].at(row) if raised else event_id(stream, fields, attributes),
                stream.name,
                attributes["topic"],
                numbers[partition] if partition in numbers else int(attributes["partition"]),
                int(attributes["offset"]),
                time,
                role,
                fields,
                values,
                attributes,
                columns[CORRELATION].at(row) if raised else _correlation(stream, fields, attributes),
                order if batch.order is None else (*order, *batch.order[row].tolist()),
            )

        return read


def event_id(stream: Stream, fields: Mapping[str, Any], attributes: Mapping[str, str]) -> str:
    """An event's id: its id field, its producer's id, or its place (contracts: ids of input events)."""
    if stream.id is not None and fields.get(stream.id) is not None:
        return to_text(stream.fields[stream.id].type, fields[stream.id])
    if attributes.get("id"):
        source = attributes.get("source")
        return f"{source}{attributes['id']}" if source and stream.format == "cloudevents" else attributes["id"]
    if stream.input is not None and hasattr(stream.input, "topics"):
        return f"{attributes['topic']}/{attributes['partition']}/{attributes['offset']}"
    return f"{attributes['topic']}/{attributes['offset']}"


def _correlation(stream: Stream, fields: Mapping[str, Any], attributes: Mapping[str, str]) -> str | None:
    if stream.correlation is None:
        return attributes.get("correlationid")
    if stream.correlation.startswith("header:"):
        return attributes.get(stream.correlation)
    found = fields.get(stream.correlation)
    return None if found is None else to_text(stream.fields[stream.correlation].type, found)
