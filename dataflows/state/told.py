"""A saved state in plain facts: how far its run had come, who held it back, how much it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.planning.explain import feeding
from dataflows.planning.plan import plan
from dataflows.reading.filestate import file_bound, file_place, file_rows
from dataflows.reading.recordstate import offset_of, reader_bounds
from dataflows.state.directory import StateProblem, fitting, has_state, in_use, manifest_of, recovery_of
from dataflows.state.saved import Saved, saved_whole
from models.application.resolved.application import Application
from models.expressions.text import time_text

Ends = Callable[[str, list[tuple[str, int]]], Mapping[tuple[str, int], int]]
"""Of a connection's partitions, by topic and number, the offset behind the last record; empty where nobody answers."""


class _Bound(NamedTuple):
    source: str
    partition: str
    bound: int


def facts_of_state(path: Path, application: Application, ends: Ends) -> dict[str, Any]:
    """What a stopped run left in a state directory; times are text.

    Raises:
        StateProblem: when there is no state, another application's, one that a run is using, or one that cannot be read.
    """
    if not has_state(path):
        raise StateProblem(f"{path}: no run has saved state here. Name the --state directory of one")
    if in_use(path):
        raise StateProblem(f"{path}: a run is using this state. Ask itself, started with --listen PORT: tocsin status PORT")
    manifest = manifest_of(path)
    fitting(manifest, path, application, manifest["shards"])
    try:
        saved = saved_whole(recovery_of(path))
    except ValueError as error:
        raise StateProblem(f"{path}: cannot be read: {error}. Start with another --state directory") from None
    bounds = [bound for name, data in sorted(saved.parts.items()) for bound in _bounds(name, data, application)]
    return {
        "state": str(path), "application": application.name, "ended": manifest["ended"], "epoch": saved.epoch, "saved_at": saved.at,
        "shards": manifest["shards"], "stages": list(_stages(application, saved, bounds)),
        "partitions": [{"stream": each.source, "partition": each.partition, "bound": _text(each.bound)} for each in bounds],
        "offsets": list(_offsets(saved, ends)), "files": list(_files(saved)),
    }  # fmt: skip


def _bounds(name: str, data: bytes, application: Application) -> Iterator[_Bound]:
    if "/" not in name:
        source, bound = file_bound(data, application)
        yield _Bound(source, str(int(name) & 0x3FFFFF), bound)
        return
    for source, bound in reader_bounds(data, application):
        yield _Bound(source, name.partition("/")[2], bound)


def _stages(application: Application, saved: Saved, bounds: list[_Bound]) -> Iterator[dict[str, Any]]:
    compiled = plan(application)
    for stage in compiled.stages:
        names = feeding(compiled, stage.index)
        slowest = min((each for each in bounds if each.source in names), key=lambda each: each.bound, default=None)
        keys, size = saved.stages.get(stage.index + 1, (0, 0))
        yield {
            "stage": stage.index + 1, "watermark": None if slowest is None else _text(slowest.bound),
            "holder": None if slowest is None or slowest.bound == AFTER_ALL else f"{slowest.source}, {slowest.partition}",
            "keys": keys, "state_bytes": size,
        }  # fmt: skip


def _offsets(saved: Saved, ends: Ends) -> Iterator[dict[str, Any]]:
    by_connection: dict[str, dict[tuple[str, int], int | None]] = {}
    for name, data in saved.parts.items():
        connection, _, place = name.partition("/")
        topic, slash, last = place.rpartition("/")
        if slash:
            by_connection.setdefault(connection, {})[topic, int(last)] = offset_of(data)
    for connection, offsets in by_connection.items():
        known = ends(connection, list(offsets))
        for (topic, number), offset in sorted(offsets.items()):
            end = known.get((topic, number))
            lag = None if end is None else max(0, end - (offset or 0))
            yield {"topic": topic, "partition": number, "offset": offset, "end": end, "lag": lag}


def _files(saved: Saved) -> Iterator[dict[str, Any]]:
    for name, data in sorted(saved.parts.items()):
        if "/" not in name:
            source, file = file_place(data)
            yield {"source": source, "file": file, "rows": file_rows(data)}


def _text(bound: int) -> str | None:
    """A bound as people read it; None before all and after all."""
    return time_text(bound) if BEFORE_ALL < bound < AFTER_ALL else None
