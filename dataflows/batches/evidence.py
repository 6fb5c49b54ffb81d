"""Rows of a batch as evidence: everything about one event, made only when a pattern asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataflows.batches.batch import Batch
from models.application.resolved import Application, Pattern, Stream
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
        name, fields = lane or (pattern.on, pattern.by.fields)
        stream = self.application.stream(name)

        def read(batch: Batch, columns: Mapping[str, Column], row: int) -> Evidence:
            return self._evidence(pattern, stream, ",".join(fields), batch, columns, row)

        return read

    def _evidence(
        self, pattern: Pattern, stream: Stream, role: str, batch: Batch, columns: Mapping[str, Column], row: int
    ) -> Evidence:
        fields = batch.rows.fields(row)
        fields.update({name: columns[name].at(row) for name in (*stream.derive, *stream.shown)})
        values = {
            name: columns[name].at(row) if name in columns else fields[name]
            for name in pattern.reads if name in columns or name in fields
        }  # fmt: skip
        attributes = batch.rows.attributes(row)
        partition = int(batch.partition[row])
        further = () if batch.order is None else batch.order[row].tolist()
        return Evidence(
            id=event_id(stream, fields, attributes) if stream.pattern is None else columns[FLAG_ID].at(row),
            on=stream.name,
            topic=attributes["topic"],
            partition=self.numbers[partition] if partition in self.numbers else int(attributes["partition"]),
            offset=int(attributes["offset"]),
            time=int(batch.time[row]),
            role=role,
            fields=fields,
            values=values,
            attributes=attributes,
            correlation=_correlation(stream, fields, attributes) if stream.pattern is None else columns[CORRELATION].at(row),
            order=(int(batch.time[row]), partition, int(batch.offset[row]), *further),
        )


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
