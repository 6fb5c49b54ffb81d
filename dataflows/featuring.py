"""Every event of a stream with its features and scores, in the order of the input."""

from __future__ import annotations

import polars as pl

from dataflows.batch import Batch, concat_batches
from dataflows.engine import Engine
from dataflows.frames import frame
from dataflows.plan import plan
from dataflows.readers import file_readers, static_tables
from models.application.resolved import Application


def featured(application: Application, stream: str) -> pl.DataFrame:
    """All accepted events of a stream: declared and derived fields, features and scores by name."""
    compiled = plan(application, features_of=[stream])
    engine = Engine(compiled, file_readers(compiled), static_tables(compiled))
    batches: list[Batch] = []
    for result in engine.run():
        batches.extend(batch for name, batch in result.rows if name == stream)
    if not batches:
        return pl.DataFrame({name: [] for name in sorted(compiled.outputs[stream])})
    whole = concat_batches(batches)
    order = pl.DataFrame({"partition": whole.partition, "offset": whole.offset})
    if not order["offset"].is_sorted():
        whole = whole.take(order.with_row_index().sort("partition", "offset")["index"].to_numpy())
    spec = application.streams[stream]
    declared = [*spec.fields, *spec.derive]
    facts = [name for name in compiled.outputs[stream] if name not in declared]
    places = {fact: place for place, fact in enumerate([*application.features, *application.scores])}
    facts.sort(key=lambda name: (places[name.partition("[")[0]], name))
    return frame({_shown(name): whole.columns[name] for name in [*declared, *facts]})


def _shown(column: str) -> str:
    """A feature's column by its plain name: ``count_1h[card_id]`` is ``count_1h``, ``before[card_id].lat`` ``before.lat``."""
    name, bracket, rest = column.partition("[")
    return name + rest.partition("]")[2] if bracket else column
