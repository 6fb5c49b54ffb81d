"""Readers of partitions: blocks of a file decoded and judged, one read at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dataflows.batch import AFTER_ALL
from dataflows.changes import ChangeJudge
from dataflows.connectors.files import Block, FileBlocks, partitions_of
from dataflows.decoding.cloudevents import CloudEventsDecoder
from dataflows.decoding.csv import CsvDecoder
from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.decoded import Decoded, Decoder, RawRows
from dataflows.decoding.json import JsonDecoder
from dataflows.decoding.parquet import ParquetReader
from dataflows.engine import Reader
from dataflows.judge import Judge, Judged
from dataflows.steps import Plan
from models.application.resolved import Application, FileInput, Stream, Table


class FileReader:
    """One file partition: blocks decoded and judged in order."""

    def __init__(
        self, source: str, partition: int, number: int, judge: Judge | ChangeJudge, blocks: Iterator[tuple[Block, Decoded]]
    ) -> None:
        self.source = source
        self.partition = partition
        self.number = number
        self.judge = judge
        self.blocks = blocks
        self.done = False
        self.topic = ""

    @property
    def bound(self) -> int:
        """The partition's bound in microseconds; after everything once it is read."""
        return AFTER_ALL if self.done else self.judge.bound

    def read(self) -> Judged:
        """The next block's rows; at the end an empty answer that says so."""
        found = next(self.blocks, None)
        if found is None:
            self.done = True
            self.judge.limit.end(self.topic)
            return Judged(None, AFTER_ALL, done=True)
        block, decoded = found
        self.topic = block.file
        judged = self.judge.judge(block.rows, decoded, block.file, block.first_row, self.number)
        judged.bytes = block.bytes_read
        return judged


def file_readers(plan: Plan) -> list[Reader]:
    """A reader for every partition of every source, in the order of partitions."""
    readers: list[Reader] = []
    for place, name in enumerate(plan.sources):
        readers.extend(_readers_of(plan, name, place, len(readers)))
    return readers


def _readers_of(plan: Plan, name: str, place: int, first: int) -> Iterator[Reader]:
    application = plan.application
    source: Stream | Table = application.streams[name] if name in application.streams else application.tables[name]
    if not isinstance(source.input, FileInput):
        return
    max_dead = application.max_dead.get(name, 0.05)
    for number, paths in enumerate(partitions_of(source.input)):
        partition = first + number
        judge: Judge | ChangeJudge
        if isinstance(source, Stream):
            judge = Judge(source, place, partition, max_dead)
            blocks = _decoded(application, source, paths, plan.wanted[name], judge.first)
        else:
            judge = ChangeJudge(source, place, partition, max_dead)
            blocks = _decoded(application, source, paths, plan.wanted[name], frozenset())
        yield FileReader(name, partition, number, judge, blocks)


def _decoded(
    application: Application, source: Stream | Table, paths: Sequence[str], wanted: frozenset[str], first: frozenset[str]
) -> Iterator[tuple[Block, Decoded]]:
    if source.format == "parquet":
        yield from _typed(source, paths, wanted, first)
        return
    decoder = decoder_of(source, wanted, first)
    for block in FileBlocks(paths, source.format):
        yield block, decoder.decode(block.rows)


def _typed(
    source: Stream | Table, paths: Sequence[str], wanted: frozenset[str], first: frozenset[str]
) -> Iterator[tuple[Block, Decoded]]:
    for read in ParquetReader(paths, source.fields, wanted, first):
        yield Block(RawRows.typed(read.offsets), read.file, read.first_row, read.bytes_read), read.decoded


def decoder_of(source: Stream | Table, wanted: frozenset[str], first: frozenset[str]) -> Decoder:
    """The decoder of a source's format."""
    options: dict[str, Any] = {}
    if source.format == "debezium":
        if isinstance(source, Table):
            options = {"key": source.key}
        return DebeziumDecoder(source.fields, wanted, first, **options)
    decoders: dict[str, Any] = {"json": JsonDecoder, "csv": CsvDecoder, "cloudevents": CloudEventsDecoder}
    decoder: Decoder = decoders[source.format](source.fields, wanted, first)
    return decoder
