"""Debezium change records to typed columns: kernels for what is plain, the strict reading for the rest, one verdict from both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding.decoded import (
    IS_CHANGE,
    IS_DELETE,
    IS_SNAPSHOT,
    IS_TRUNCATION,
    NO_TIME,
    TIME,
    UNCHANGED,
    Chunk,
    DeadRow,
    Decoded,
    RawRows,
    rows_from,
    rows_state,
)  # fmt: skip
from dataflows.decoding.framing import without_frame, without_frames
from dataflows.decoding.images import Envelopes, ImageScanner, look_at
from dataflows.decoding.json import raw_rows
from dataflows.decoding.moments import MAX_TIME, MIN_TIME
from dataflows.decoding.scanned import Scanned
from dataflows.decoding.strict import Bad
from dataflows.decoding.strict_debezium import TIME_FIELD, ChangeReader, ChangeRules
from models.application.resolved.sources import FieldSpec
from models.events.debezium import Change, change_id
from models.values.column import Column, different
from models.values.strings import Strings
from models.values.types import BOOL, INT, STRING, TIMESTAMP

_DELETE, _READ, _TRUNCATE = ord("d"), ord("r"), ord("t")


class DebeziumDecoder:
    """Decodes changes; besides the wanted fields come the time, and whether a row is a snapshot's, a deletion, a change."""

    def __init__(
        self, fields: Mapping[str, FieldSpec], wanted: frozenset[str], first: frozenset[str], rules: ChangeRules | None = None
    ) -> None:
        self.declared = fields
        self.wanted = wanted
        self.rules = rules or ChangeRules()
        self.reader = ChangeReader(fields, first, self.rules)
        self.compared = {name: spec.path[1] for name, spec in fields.items() if spec.path[0] == "__changed" and name in wanted}
        kept = wanted | frozenset(self.compared.values()) | frozenset(f"before.{name}" for name in self.compared.values())
        own = {n: s for n, s in fields.items() if n != TIME_FIELD and s.path[0] not in ("__before", "__changed", "__op")}
        before = {n: replace(s, path=s.path[1:]) for n, s in fields.items() if s.path[0] == "__before"}
        required = frozenset(name for name, spec in own.items() if not spec.type.optional)
        strict = frozenset(own) if before else frozenset() if self.rules.is_table else required
        self.row = ImageScanner(own, kept, strict)
        self.before = ImageScanner(before, kept, frozenset()) if before else None

    def decode(self, rows: RawRows) -> Decoded:
        """Decode whole records, in order."""
        chunk, rows = DebeziumChunk(rows, self.reader), without_frames(rows)
        look = look_at(rows, self.row)
        found = Envelopes.scan(rows, look) if self.row.plain else Envelopes(len(rows))
        image = self.row.flat(rows, found, look) if look.is_flat else self.row.scan(rows.data, found.row, found.unchanged, look)
        odd = image.odd | (found.op == 0)
        deleted = found.op == _DELETE
        before = None
        if self.before is not None:
            unseen = np.zeros(len(rows), np.int64)
            before = self.before.scan(rows.data, np.maximum(found.before, 0), unseen, look)
            odd |= before.odd & (found.before[:, 0] >= 0)
        if self.rules.is_table:
            image.known[np.ix_([name not in self.rules.key for name in image.scanner.declared], deleted)] = False
        elif not self.rules.whole_before:
            odd |= deleted
        return self._finish(rows, found, image, before, odd, chunk)

    def _finish(
        self, rows: RawRows, found: Envelopes, image: Scanned, before: Scanned | None, odd: NDArray[np.bool_], chunk: Chunk
    ) -> Decoded:
        """Read what is left strictly, and put all together."""
        dead: list[DeadRow] = []
        is_change = np.ones(len(rows), np.bool_)
        compared: dict[str, dict[int, Any]] = {name: {} for name in self.compared}
        for row in np.flatnonzero(odd).tolist():
            values, change, bad = self.reader.read(None if rows.is_null(row) else rows.bytes_at(row), rows.key(row))
            if bad is not None:
                dead.append(DeadRow(row, bad.reason, bad.field, bad.detail))
            is_change[row] = change.kind == "change" or self._ends(change, values)
            image.put(row, values)
            if before is not None:
                before.put(row, values)
            for name, answers in compared.items():
                answers[row] = values.get(name)
            found.op[row] = _DELETE if change.kind == "tombstone" else ord(change.op[:1] or "\0")
            found.time[row] = _time_or_none(change)
            found.unchanged[row] = self.reader.unchanged(change)
        columns = {n: c for n, c in image.columns().items() if n in self.declared}
        if before is not None:
            columns.update(before.columns())
            columns.update({name: self._changed(name, columns, found, answers) for name, answers in compared.items()})
        for name, spec in self.declared.items():
            if name == TIME_FIELD:
                columns[name] = Column(TIMESTAMP, found.time)
            elif spec.path == ("__op",):
                columns[name] = _ops(found.op)
            elif name in self.compared and before is None:
                columns[name] = Column(BOOL, np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_))
        columns = {name: column for name, column in columns.items() if name in self.wanted}
        columns[TIME] = Column(TIMESTAMP, found.time)
        columns[IS_SNAPSHOT] = Column(BOOL, found.op == _READ)
        columns[IS_DELETE] = Column(BOOL, found.op == _DELETE)
        columns[IS_CHANGE] = Column(BOOL, is_change)
        if self.rules.is_table:
            columns[UNCHANGED] = Column(INT, np.where(found.op == _DELETE, 0, found.unchanged))
            columns[IS_TRUNCATION] = Column(BOOL, found.op == _TRUNCATE)
        return Decoded(len(rows), columns, chunk, dead)

    def _ends(self, change: Change, values: dict[str, Any]) -> bool:
        """Whether a record that is no change ends rows of a table; puts a tombstone's key into ``values``."""
        if change.kind == "truncate":
            return self.rules.is_table
        if change.kind != "tombstone":
            return False
        key = change.key or {}
        if not self.rules.is_table or not self.rules.key or not all(self.declared[n].path[-1] in key for n in self.rules.key):
            return False
        read, bad = self.reader.key_values(change)
        values.update(read)
        return bad is None

    def _changed(self, name: str, columns: Mapping[str, Column], found: Envelopes, answers: Mapping[int, Any]) -> Column:
        of = self.compared[name]
        values = different(columns[of], columns[f"before.{of}"])
        valid = (found.before[:, 0] >= 0) & (found.op != _DELETE)
        for row, answer in answers.items():
            values[row], valid[row] = answer is True, answer is not None
        return Column(BOOL, values, valid)


@dataclass(frozen=True, slots=True)
class DebeziumChunk:
    """Change records as JSON text, with their keys."""

    rows: RawRows
    reader: ChangeReader

    def fields(self, row: int) -> dict[str, Any]:
        """All declared fields, its op, and what is known of the image before."""
        found, declared = self._read(row)[0], self.reader.declared
        return {n: v for n, v in found.items() if n != TIME_FIELD and (v is not None or not declared[n].path[0].startswith("__"))}

    def raw(self, row: int) -> bytes:
        """The record's bytes."""
        return self.rows.bytes_at(row)

    def attributes(self, row: int) -> dict[str, str]:
        """The change's id, where its place in the database's log is known."""
        found = change_id(self._read(row)[1], self.reader.rules.key)
        return {} if found is None else {"id": found}

    def take(self, rows: NDArray[np.int64]) -> DebeziumChunk:
        """Only these records, with bytes of their own."""
        return DebeziumChunk(_own(self.rows, rows), self.reader)

    def snapshot(self) -> dict[str, Any]:
        """The records' bytes and keys."""
        return {**rows_state("debezium", self.rows), "keys": None if self.rows.keys is None else list(self.rows.keys)}

    @staticmethod
    def restored(state: Mapping[str, Any], reader: ChangeReader) -> DebeziumChunk:
        """The chunk that ``snapshot`` gave."""
        return DebeziumChunk(replace(rows_from(state), keys=state.get("keys")), reader)

    def _read(self, row: int) -> tuple[dict[str, Any], Change, Bad | None]:
        return self.reader.read(without_frame(self.raw(row)), self.rows.key(row))


def _own(rows: RawRows, chosen: NDArray[np.int64]) -> RawRows:
    """Only these rows, with bytes of their own."""
    own = raw_rows([rows.bytes_at(int(row)) for row in chosen])
    return own if rows.keys is None else replace(own, keys=[rows.keys[int(row)] for row in chosen])


def _time_or_none(change: Change) -> int:
    return change.time if change.time is not None and MIN_TIME <= change.time <= MAX_TIME else NO_TIME


def _ops(codes: NDArray[np.uint8]) -> Column:
    n = len(codes)
    return Column(STRING, Strings(codes, np.arange(n), (codes > 0).astype(np.int64)), None)
