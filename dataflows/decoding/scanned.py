"""Declared fields over rows of JSON as matrices: filled by the kernel where a row is plain, by the strict reading elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding import kernels_json as kernels
from dataflows.decoding.recycled import POOL
from models.application.resolved.sources import FieldSpec
from models.values.column import Column
from models.values.strings import Strings
from models.values.types import UNITS, Kind, Type

_CODES = {
    Kind.STRING: kernels.STRING, Kind.BOOL: kernels.BOOL, Kind.INT: kernels.INT, Kind.FLOAT: kernels.FLOAT,
    Kind.DECIMAL: kernels.DECIMAL, Kind.TIMESTAMP: kernels.TIMESTAMP, Kind.DATE: kernels.DATE,
}  # fmt: skip
_MOST_FIELDS = 64


class Scanner:
    """What the kernel has to know of a source's fields."""

    def __init__(self, fields: Mapping[str, FieldSpec], wanted: frozenset[str]) -> None:
        self.declared = fields
        self.wanted = wanted
        self.places = {name: place for place, name in enumerate(fields) if name in wanted}
        specs = list(fields.values())
        self.plain = len(specs) <= _MOST_FIELDS and all(len(s.path) == 1 and s.type.kind in _CODES for s in specs)
        quoted = [b'"%s":' % spec.path[0].encode() for spec in specs]
        self.quoted = np.frombuffer(bytearray(b"".join(quoted) + bytes(8)), np.uint8)
        self.quoted_at = np.cumsum([0, *(len(name) for name in quoted)]).astype(np.int64)
        self.keeps = np.array([name in wanted for name in fields], np.bool_)
        types = [spec.type for spec in specs]
        self.kinds = np.array([_CODES.get(t.kind, -1) for t in types], np.int64)
        self.scales = np.array([t.scale for t in types], np.int64)
        self.precisions = np.array([t.precision for t in types], np.int64)
        self.units = np.array([UNITS[t.unit] if t.unit else -1 for t in types], np.int64)
        self.required = np.array([not t.optional for t in types], np.bool_)

    def scan(
        self, data: NDArray[np.uint8], start: NDArray[np.int64], stop: NDArray[np.int64],
        kinds: NDArray[np.int64] | None = None, units: NDArray[np.int64] | None = None,
    ) -> Scanned:  # fmt: skip
        """Read the objects at ``data[start[i]:stop[i]]``; rows that are not provably plain come out odd.

        kinds, units: int64[fields], in place of the declared ones.
        """
        found = Scanned(self, data, len(start))
        if self.plain:
            kernels.scan_rows(
                data, start, stop, self.quoted, self.quoted_at, self.kinds if kinds is None else kinds, self.keeps, self.scales,
                self.precisions, self.units if units is None else units, self.required,
                found.ints, found.ints.view(np.float64), found.lengths, found.known, found.odd,
            )  # fmt: skip
        return found


class Scanned:
    """Values of n rows.

    ints: int64[fields, n], the value of a wanted field or where its string starts (floats: the same bits); lengths: int64[fields,
    n], of strings; known: bool[fields, n]; odd: bool[n], rows still to be read strictly and ``put``.
    """

    def __init__(self, scanner: Scanner, data: NDArray[np.uint8], n: int) -> None:
        fields = len(scanner.declared)
        self.scanner = scanner
        self.data = data
        self.ints, self.lengths = POOL.empty((fields, n), np.int64), POOL.empty((fields, n), np.int64)
        self.known = POOL.empty((fields, n), np.bool_)
        for matrix in (self.ints, self.lengths, self.known):
            matrix.fill(0)
        self.odd = np.ones(n, np.bool_)
        self.extra = bytearray()
        self.lists: dict[int, dict[int, Any]] = {}

    def put(self, row: int, values: Mapping[str, Any]) -> None:
        """Write one row's stored values; fields that are not among them are NULL."""
        self.known[:, row] = False
        for name, value in values.items():
            place = self.scanner.places.get(name)
            if place is None or value is None:
                continue
            self.known[place, row] = True
            kind = self.scanner.declared[name].type.kind
            if kind is Kind.STRING:
                data = value.encode()
                self.ints[place, row], self.lengths[place, row] = len(self.data) + len(self.extra), len(data)
                self.extra += data
            elif kind is Kind.FLOAT:
                self.ints.view(np.float64)[place, row] = value
            elif kind is Kind.LIST:
                self.lists.setdefault(place, {})[row] = value
            else:
                self.ints[place, row] = value

    def columns(self) -> dict[str, Column]:
        """All wanted fields."""
        data = np.concatenate([self.data, np.frombuffer(bytes(self.extra), np.uint8)]) if self.extra else self.data
        declared = self.scanner.declared.items()
        return {n: self._column(place, s.type, data) for place, (n, s) in enumerate(declared) if n in self.scanner.wanted}

    def _column(self, place: int, type_: Type, data: NDArray[np.uint8]) -> Column:
        ints, known = self.ints[place], self.known[place]
        valid = None if known.all() else known
        if type_.kind is Kind.STRING:
            return Column(type_, Strings(data, ints, self.lengths[place]), valid)
        if type_.kind is Kind.FLOAT:
            return Column(type_, ints.view(np.float64), valid)
        if type_.kind is Kind.BOOL:
            return Column(type_, ints.astype(np.bool_), valid)
        if type_.kind is Kind.LIST:
            values = np.empty(len(ints), object)
            for row, value in self.lists.get(place, {}).items():
                values[row] = value
            return Column(type_, values, valid)
        return Column(type_, ints, valid)
