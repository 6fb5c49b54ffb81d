"""Every event with its features and scores as of that event, in the order of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from dataflows.batches.batch import Batch
from dataflows.batches.frames import frame
from dataflows.engine import Engine, Result
from dataflows.matching import line_readers, turns_over
from dataflows.planning.plan import plan
from dataflows.planning.steps import Plan
from dataflows.reading.readers import file_readers, static_tables
from models.application.resolved.application import Application

_PARTITION, _OFFSET = "\0partition", "\0offset"
ON = "on"
"""The column that names an event's stream, where there are several."""


def featured(application: Application, stream: str) -> pl.DataFrame:
    """All accepted events of a stream: declared and derived fields, features and scores by name."""
    compiled = plan(application, features_of=[stream])
    engine = Engine(compiled, file_readers(compiled), static_tables(compiled))
    return _ordered(_whole(compiled, stream, _rows(engine.run(), [stream])[stream]))


def featured_together(application: Application, streams: Sequence[str]) -> pl.DataFrame:
    """All accepted events of several streams, one stream after another; ``on`` names the stream of each."""
    compiled = plan(application, features_of=streams)
    engine = Engine(compiled, file_readers(compiled), static_tables(compiled))
    rows = _rows(engine.run(), streams)
    return _one([_named(_ordered(_whole(compiled, stream, rows[stream])), stream) for stream in streams])


def featured_lines(application: Application, streams: Sequence[str], events: Path) -> pl.DataFrame:
    """All accepted events of a file of lines as ``match`` takes them, in the order of the lines.

    Raises:
        BadLine: for a line that is no event of a known stream and no move of the watermark.
        FileProblem: when the file cannot be read.
    """
    compiled = plan(application, features_of=streams)
    readers = line_readers(compiled)
    rows = _rows(turns_over(compiled, readers, events), streams)
    numbers = {reader.source: np.array(reader.numbers, np.int64) for reader in readers}
    frames = []
    for stream in streams:
        whole = _whole(compiled, stream, rows[stream])
        line = pl.Series(_OFFSET, numbers[stream][whole[_OFFSET].to_numpy()], pl.Int64)
        frames.append(_named(whole.with_columns(line), stream))
    return _one(frames).sort(_OFFSET).drop(_PARTITION, _OFFSET)


def _rows(results: Iterable[Result] | Iterator[Result], streams: Sequence[str]) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = {stream: [] for stream in streams}
    for result in results:
        for name, batch in result.rows:
            if name in found:
                found[name].append(batch)
    return found


def _whole(compiled: Plan, stream: str, batches: Sequence[Batch]) -> pl.DataFrame:
    """A stream's rows with their places."""
    columns = compiled.outputs[stream]
    names = _names(compiled.application, stream, columns)
    if not batches:
        places = {_PARTITION: pl.Series([], dtype=pl.Int32), _OFFSET: pl.Series([], dtype=pl.Int64)}
        return pl.DataFrame({**{_shown(name): [] for name in names}, **places})
    return pl.concat([_frame(batch, names) for batch in batches], rechunk=False)


def _ordered(whole: pl.DataFrame) -> pl.DataFrame:
    place = [_PARTITION, _OFFSET]
    if whole.height and not whole.select(pl.struct(place).is_sorted()).item():
        whole = whole.sort(place)
    return whole.drop(place)


def _one(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames under one another; a column that streams hold in different types is one for each, named STREAM.COLUMN."""
    types: dict[str, set[pl.DataType]] = {}
    for each in frames:
        for name, type_ in each.schema.items():
            if each.height:
                types.setdefault(name, set()).add(type_)
    split = {name for name, found in types.items() if len(found) > 1}
    renamed = [each.rename(_apart(each, split)) for each in frames if each.height]
    return pl.concat(renamed, how="diagonal") if renamed else frames[0]


def _apart(each: pl.DataFrame, split: set[str]) -> Mapping[str, str]:
    return {name: f"{each[ON][0]}.{name}" for name in each.columns if name in split}


def _named(whole: pl.DataFrame, stream: str) -> pl.DataFrame:
    taken = {ON: f"{stream}.{ON}"} if ON in whole.columns else {}
    return whole.rename(taken).select(pl.lit(stream).alias(ON), pl.all())


def _names(application: Application, stream: str, columns: frozenset[str]) -> list[str]:
    """Declared and derived fields, then features and scores in the order of the file."""
    spec = application.streams[stream]
    declared = [*spec.fields, *spec.derive]
    places = {fact: place for place, fact in enumerate([*application.features, *application.scores])}
    facts = [name for name in columns if name not in declared]
    return [*declared, *sorted(facts, key=lambda name: (places[name.partition("[")[0]], name))]


def _frame(batch: Batch, names: list[str]) -> pl.DataFrame:
    shown = frame({_shown(name): batch.columns[name] for name in names})
    return shown.with_columns(pl.Series(_PARTITION, batch.partition), pl.Series(_OFFSET, batch.offset))


def _shown(column: str) -> str:
    """A feature's column by its plain name: ``count_1h[card_id]`` is ``count_1h``, ``before[card_id].lat`` ``before.lat``."""
    name, bracket, rest = column.partition("[")
    return name + rest.partition("]")[2] if bracket else column
