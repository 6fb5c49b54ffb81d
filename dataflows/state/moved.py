"""Partition counts as part of a state: a stage that is divided by partition has its keys where they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dataflows.planning.partitioned import kept_together
from dataflows.planning.steps import Plan
from dataflows.reading.reader import Reader
from dataflows.reading.records import RecordReader
from dataflows.runtime.source import part_name
from dataflows.state.resumed import Resumed


def keys_moved(plan: Plan, readers: Sequence[Reader], resumed: Resumed) -> str | None:
    """Why a saved state does not fit the partitions that there are: of a stream that is ``partitioned_by`` their number changed."""
    kept = kept_together(plan)
    topics: dict[str, set[str]] = {}
    for reader in readers:
        if isinstance(reader, RecordReader):
            topics.setdefault(_topic(part_name(reader)), set()).add(reader.source)
    now = Counter(source for source, _ in {(reader.source, part_name(reader)) for reader in readers})
    before = _saved(topics, resumed)
    for source in sorted(kept & before.keys()):
        if before[source] != now[source]:
            return (
                f"stream {source}: expected {before[source]} partition(s), as in the saved state; found {now[source]}: keys have "
                "moved: rebuild by replay, or remove `partitioned_by`"
            )
    return None


def _saved(topics: Mapping[str, set[str]], resumed: Resumed) -> Counter[str]:
    of_topics = [source for name in resumed.topics for source in topics.get(_topic(name), ())]
    return Counter([*of_topics, *(resumed.file(name)[0] for name in resumed.files)])


def _topic(name: str) -> str:
    return name.rpartition("/")[0]
