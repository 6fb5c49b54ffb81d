"""How a source's changes are read strictly: by its fields, its key, and what its image before holds."""

from __future__ import annotations

from dataflows.decoding.strict_debezium import TIME_FIELD, ChangeReader, ChangeRules
from models.application.resolved.sources import Stream, Table


def change_reader(source: Stream | Table) -> ChangeReader:
    """The strict reading of a source's changes."""
    return ChangeReader(source.fields, frozenset(), change_rules(source))


def change_rules(source: Stream | Table) -> ChangeRules:
    """What of a source's changes counts: as versions of a table, or as events of a stream."""
    if isinstance(source, Table):
        return ChangeRules(tuple(source.key), timed=source.time is None)
    return ChangeRules(source.key, timed=source.time == TIME_FIELD, whole_before=source.before_full, is_table=False)
