"""Every event of a stream with its features and scores, in the order of the input."""

from __future__ import annotations

import polars as pl

from dataflows.batch import Batch
from dataflows.engine import Engine
from dataflows.frames import frame
from dataflows.plan import plan
from dataflows.readers import file_readers, static_tables
from models.application.resolved import Application

_PARTITION, _OFFSET = "\0partition", "\0offset"


def featured(application: Application, stream: str) -> pl.DataFrame:
    """All accepted events of a stream: declared and derived fields, features and scores by name."""
    compiled = plan(application, features_of=[stream])
    engine = Engine(compiled, file_readers(compiled), static_tables(compiled))
    batches: list[Batch] = []
    for result in engine.run():
        batches.extend(batch for name, batch in result.rows if name == stream)
    if not batches:
        return pl.DataFrame({name: [] for name in sorted(compiled.outputs[stream])})
    names = _names(application, stream, compiled.outputs[stream])
    frames = [_frame(batch, names) for batch in batches]
    whole = pl.concat(frames, rechunk=False)
    place = [_PARTITION, _OFFSET]
    if not whole.select(pl.struct(place).is_sorted()).item():
        whole = whole.sort(place)
    return whole.drop(place)


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
