"""Readers of partitions: blocks of a file decoded and judged, one read at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dataflows.batches.batch import AFTER_ALL
from dataflows.connectors.csvfiles import csv_blocks
from dataflows.connectors.files import KEPT, LONGEST, Block, Mark, behind, line_blocks, partitions_of
from dataflows.connectors.kafka.registries import Registries
from dataflows.decoding.avro import Ask, AvroDecoder
from dataflows.decoding.changereading import change_rules
from dataflows.decoding.cloudevents import CloudEventsDecoder
from dataflows.decoding.csv import CsvDecoder
from dataflows.decoding.debezium import DebeziumDecoder
from dataflows.decoding.decoded import DeadRow, Decoded, Decoder, Reason
from dataflows.decoding.json import JsonDecoder
from dataflows.planning.steps import Plan
from dataflows.reading.changes import ChangeJudge
from dataflows.reading.filestate import file_state, from_file_state
from dataflows.reading.judge import Judge, Judged
from dataflows.reading.outliers import LOOK, as_dead, not_believed
from dataflows.reading.prelude import StaticTable
from dataflows.reading.reader import Reader
from dataflows.reading.records import Place, RecordReader
from models.application.resolved.sources import FileInput, KafkaInput, Stream, Table
from models.values.column import Column, concat


class FileReader:
    """One file partition: blocks decoded and judged in order. ``blocks_from``: those from a mark on, to go on from saved state."""

    def __init__(
        self, source: str, partition: int, number: int, judge: Judge | ChangeJudge, blocks: Iterator[tuple[Block, Decoded]],
        blocks_from: Callable[[Mark], Iterator[tuple[Block, Decoded]]] | None = None,
    ) -> None:  # fmt: skip
        self.source = source
        self.partition = partition
        self.number = number
        self.judge = judge
        self.blocks = blocks
        self.blocks_from = blocks_from
        self.ahead: deque[tuple[Block, Decoded]] = deque()
        self.done = False
        self.mark = Mark()

    @property
    def bound(self) -> int:
        """The partition's bound in microseconds; after everything once it is read."""
        return AFTER_ALL if self.done else self.judge.bound

    def read(self) -> Judged:
        """The next block's rows; at the end an empty answer that says so."""
        found = self.ahead.popleft() if self.ahead else next(self.blocks, None)
        if found is None:
            self.done = True
            self.judge.limit.end(self.mark.file)
            return Judged(None, AFTER_ALL, done=True)
        block, decoded = found[0], self._believed(found[1])
        n = len(block.rows)
        self.mark = Mark(self.mark.rows + n, block.file, block.first_row + n)
        judged = self.judge.judge(block.rows, decoded, block.file, block.first_row, self.number)
        judged.bytes = block.bytes_read
        return judged

    def snapshot(self) -> bytes:
        """Where to go on, and what the judge knows."""
        return file_state(self.source, self.mark, self.done, self.judge.snapshot())

    def restore(self, data: bytes) -> None:
        """Go on from what ``snapshot`` gave."""
        assert self.blocks_from is not None
        self.mark, judge = from_file_state(data)
        self.judge.restore(judge)
        self.blocks = self.blocks_from(self.mark)

    def _believed(self, decoded: Decoded) -> Decoded:
        """The rows with those dead whose time lies far ahead of all others."""
        time, valid = self.judge.times(decoded)
        rows = not_believed(time, valid, self.judge.newest, self.judge.max_ahead, None)
        if rows is None:
            rows = not_believed(time, valid, self.judge.newest, self.judge.max_ahead, self._following())
        if rows is None or not len(rows):
            return decoded
        dead = [*decoded.dead, *as_dead(rows, self.judge.time_field, self.judge.max_ahead)]
        return replace(decoded, dead=sorted(dead, key=lambda row: row.row))

    def _following(self) -> NDArray[np.int64]:
        """Times of the next rows: as many as decide whether a time is believed, or all that are left."""
        found: list[NDArray[np.int64]] = []
        place = 0
        while sum(len(part) for part in found) < LOOK:
            if place == len(self.ahead):
                block = next(self.blocks, None)
                if block is None:
                    break
                self.ahead.append(block)
            time, valid = self.judge.times(self.ahead[place][1])
            found.append(time[valid])
            place += 1
        return np.concatenate([np.zeros(0, np.int64), *found])


_BEGIN = Mark()
TopicsOf = Callable[[KafkaInput], list[list[Place]]]
"""The partitions of an input's topics, by topic."""


def file_readers(plan: Plan) -> list[Reader]:
    """A reader for every partition of every file, in the order of partitions."""
    return all_readers(plan, lambda input_: [])


def all_readers(plan: Plan, topics_of: TopicsOf) -> list[Reader]:
    """A reader for every partition of every source, in the order of partitions."""
    readers: list[Reader] = []
    registries = Registries(plan.application.registries)
    for place, name in enumerate(plan.sources):
        readers.extend(_readers_of(plan, name, place, topics_of, registries))
    return readers


def partition_place(source: int, topic: int, number: int) -> int:
    """A partition's place in the total order: by source, then by topic in ``from``, then by number. New ones move no other."""
    return source << 22 | topic << 15 | number


def static_tables(plan: Plan) -> dict[str, StaticTable]:
    """Tables that never change, read whole."""
    found: dict[str, StaticTable] = {}
    for name, table in plan.application.tables.items():
        if not table.static or not isinstance(table.input, FileInput):
            continue
        parts: dict[str, list[Column]] = {field: [] for field in table.fields}
        for paths in partitions_of(table.input):
            for _, decoded in decoded_blocks(table, paths, frozenset(table.fields), frozenset()):
                for field, columns in parts.items():
                    columns.append(decoded.columns[field])
        found[name] = StaticTable({field: concat(columns) for field, columns in parts.items()}, table.key)
    return found


def decoded_blocks(
    source: Stream | Table, paths: Sequence[Path], wanted: frozenset[str], first: frozenset[str], mark: Mark = _BEGIN
) -> Iterator[tuple[Block, Decoded]]:
    """Blocks of a partition's files from a mark on, decoded."""
    if source.format == "parquet":
        from dataflows.connectors.typed import parquet_blocks  # with it come PyArrow's readers, a tenth of a second

        yield from parquet_blocks(paths, source.fields, wanted, mark)
        return
    decoder = decoder_of(source, wanted, first)
    for block in behind(csv_blocks(paths) if source.format == "csv" else line_blocks(paths), mark):
        yield block, _with_cut(decoder.decode(block.rows), block)


def _with_cut(decoded: Decoded, block: Block) -> Decoded:
    """Rows that are too long are dead letters, whatever their heads look like."""
    if not block.cut:
        return decoded
    detail = "expected a row of at most 16 MB ({LONGEST:,} bytes); found {size:,} bytes, of which the first {KEPT:,} are kept"
    cut = [DeadRow(row, Reason.SYNTAX, None, detail.format(LONGEST=LONGEST, KEPT=KEPT, size=n)) for row, n in block.cut.items()]
    return replace(decoded, dead=sorted([*cut, *(d for d in decoded.dead if d.row not in block.cut)], key=lambda d: d.row))


def decoder_of(source: Stream | Table, wanted: frozenset[str], first: frozenset[str], ask: Ask | None = None) -> Decoder:
    """The decoder of a source's format; ``ask`` gives the schemas of Avro."""
    if ask is not None:
        return AvroDecoder(source.fields, wanted, first, ask)
    match source.format:
        case "debezium":
            return DebeziumDecoder(source.fields, wanted, first, change_rules(source))
        case "cloudevents":
            return CloudEventsDecoder(source.fields, wanted, first)
        case "csv":
            return CsvDecoder(source.fields, wanted, first)
    return JsonDecoder(source.fields, wanted, first)


def _readers_of(plan: Plan, name: str, place: int, topics_of: TopicsOf, registries: Registries) -> Iterator[Reader]:
    application = plan.application
    source: Stream | Table = application.streams[name] if name in application.streams else application.tables[name]
    if isinstance(source.input, FileInput):
        for number, paths in enumerate(partitions_of(source.input)):
            judge, early = _judge(plan, source, place, partition_place(place, 0, number))
            blocks_from = partial(decoded_blocks, source, paths, plan.wanted[name], early)
            yield FileReader(name, judge.partition, number, judge, blocks_from(), blocks_from)
    elif isinstance(source.input, KafkaInput):
        for topic, places in enumerate(topics_of(source.input)):
            for each in places:
                judge, early = _judge(plan, source, place, partition_place(place, topic, each.number))
                ask = registries.of(source.input.connection) if source.format == "avro" else None
                decoder = decoder_of(source, plan.wanted[name], early, ask)
                wait = source.wait if isinstance(source, Table) else 0
                yield RecordReader(name, judge.partition, each.number, each, judge, decoder, source.idle_after, wait)


def _judge(plan: Plan, source: Stream | Table, place: int, partition: int) -> tuple[Judge | ChangeJudge, frozenset[str]]:
    max_dead = plan.application.max_dead.get(source.name, 0.05)
    if isinstance(source, Stream):
        judge = Judge(source, place, partition, max_dead)
        return judge, judge.first
    return ChangeJudge(source, place, partition, max_dead), frozenset()
