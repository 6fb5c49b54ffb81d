"""What a trace reads: files to their end, topics to what they hold now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dataflows.connectors.kafka.live import Live
from dataflows.planning.steps import Plan
from dataflows.reading.alignment import Alignment
from dataflows.reading.judge import Judged
from dataflows.reading.reader import Reader
from dataflows.reading.readers import all_readers, file_readers
from dataflows.reading.records import RecordReader
from models.application.resolved.application import Outputs

if TYPE_CHECKING:
    from dataflows.runtime.topology import Topology


def files(plan: Plan) -> tuple[list[Reader], Iterator[tuple[Reader, Judged]]]:
    """All files, always the partition that is furthest behind."""
    readers = file_readers(plan)
    return readers, _in_step(readers)


def topics(live: Live) -> Callable[[Plan], tuple[list[Reader], Iterator[tuple[Reader, Judged]]]]:
    """Topics to what they hold now (and files to their end), as a run on them would know it: time does not end there."""

    def read(plan: Plan) -> tuple[list[Reader], Iterator[tuple[Reader, Judged]]]:
        from dataflows.runtime.topology import Topology

        topology = Topology(replace(plan.application, outputs=Outputs()), live)
        topology.ask()
        readers = all_readers(plan, topology.places)
        return readers, _records(topology, readers, live)

    return read


def _in_step(readers: Sequence[Reader]) -> Iterator[tuple[Reader, Judged]]:
    while open_ := [reader for reader in readers if not reader.done]:
        reader = min(open_, key=lambda each: (each.bound, each.partition))
        yield reader, reader.read()


def _records(topology: Topology, readers: Sequence[Reader], live: Live) -> Iterator[tuple[Reader, Judged]]:
    by_place = {(reader.source, reader.partition): reader for reader in readers}
    alignment = Alignment()
    parts = [opened(alignment, None) for opened in topology.parts(readers).values()]
    yield from _in_step([reader for reader in readers if not isinstance(reader, RecordReader)])
    try:
        while parts:
            for part in list(parts):
                try:
                    turns = list(part.next_batch())
                except StopIteration:
                    parts.remove(part)
                    continue
                for source, partition, judged in turns:
                    reader = by_place[source, partition]
                    reader.done = False  # the log ends here, not time
                    if not judged.done:
                        yield reader, judged
    finally:
        topology.close()
    for reader in readers:
        if isinstance(reader, RecordReader):
            # A live run announces so much for a partition that stays silent.
            reader.judge.announce(live.clock() - reader.lateness - max(reader.idle_after, reader.wait))
            yield reader, Judged(None, reader.bound)
