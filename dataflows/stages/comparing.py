"""What a change changed, told by a table that takes the same records: its row against the one that the table held before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dataflows.operators.versions import Versions
from models.values.column import Column, different
from models.values.strings import Strings
from models.values.types import BOOL

_DELETE, _READ = ord("d"), ord("r")


class Compared:
    """Events of a stream of changes beside their table.

    records: int64[n], see ``trace.record_of``; references: int64[n], the table's rows as of the events; op: the changes' kinds.
    A change that the table takes later than the stream, since it was late there, is compared with the row as of the event.
    """

    def __init__(self, versions: Versions, records: NDArray[np.int64], references: NDArray[np.int64], op: Column) -> None:
        assert versions.trace is not None
        self.versions = versions
        self.row, prior = versions.trace.find(records)
        self.before = np.where(self.row >= 0, prior, references)
        self.valid = (self.before >= 0) & ~np.isin(_letters(op), (_DELETE, _READ))

    def column(self, name: str, own: Column) -> Column:
        """Whether a field, ``own`` of the events, changed; NULL without a row before, of deletions, and of a snapshot's rows."""
        before = self.versions.read(name, self.before)
        taken = different(self.versions.read(name, self.row), before)
        return Column(BOOL, np.where(self.row >= 0, taken, different(own, before)), self.valid)


def _letters(op: Column) -> NDArray[np.uint8]:
    strings = op.values
    assert isinstance(strings, Strings)
    if not len(strings.data):
        return np.zeros(len(op), np.uint8)
    first = strings.data[np.minimum(strings.start, len(strings.data) - 1)]
    return np.where(strings.length > 0, first, 0).astype(np.uint8)
