"""The images of rows inside change records, found and read by kernels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dataflows.decoding import kernels_json
from dataflows.decoding.decoded import RawRows
from dataflows.decoding.kernels_captured import decimals_of_text, drop_unavailable
from dataflows.decoding.kernels_debezium import scan_envelopes
from dataflows.decoding.moments import MAX_DATE, MAX_TIME, MIN_DATE, MIN_TIME
from dataflows.decoding.scanned import Scanned, Scanner
from dataflows.decoding.strict import Bad, Number
from dataflows.decoding.strict_debezium import MOST_KEPT, parse_record
from models.application.resolved.sources import FieldSpec
from models.events.debezium import Shape, read_change, shapes_of
from models.values.types import INT, STRING, UNITS, Kind

_LOOKED_AT = 8
_FLAT = {
    name: FieldSpec(name, replace(type_, optional=True), (name,))
    for name, type_ in {
        "__op": STRING, "__deleted": STRING, "__source_ts_us": INT, "__source_ts_ms": INT, "__ts_ms": INT,
    }.items()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """What the first records of a block look like: only speed depends on it, since all that looks otherwise is read strictly.

    schema: the bytes of their schema; texts, days: fields whose decimals are text, whose dates are numbers.
    """

    is_flat: bool = False
    schema: bytes = b""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()


def look_at(rows: RawRows, scanner: ImageScanner) -> Look:
    """Look at the first records."""
    found, texts, days = Look(), set(), set()
    for row in range(min(len(rows), _LOOKED_AT)):
        raw = rows.bytes_at(row)
        try:
            record = parse_record(raw)
            change = read_change(record, lambda text: None)
            shapes = shapes_of(change.schema)
        except (Bad, ValueError, TypeError, AttributeError, KeyError):
            continue
        if change.kind != "change" or change.row is None:
            continue
        for name, spec in scanner.declared.items():
            value = change.row.get(spec.path[0])
            if spec.type.kind is Kind.DECIMAL and type(value) is str:
                texts.add(name)
            elif spec.type.kind is Kind.DATE and isinstance(value, Number):
                days.add(name)
        is_flat = change.row is record
        found = Look(is_flat, _schema_bytes(raw) if change.schema else b"", shapes, frozenset(texts), frozenset(days))
    return found


def _schema_bytes(raw: bytes) -> bytes:
    if not raw.startswith(b'{"schema":{') or not raw.isascii():
        return b""
    _, end = json.JSONDecoder().raw_decode(raw.decode("ascii"), 10)
    return raw[10:end]


class Envelopes:
    """Where the images of n records lie.

    op: uint8[n], 0 where a record must be read strictly; row, before: int64[n, 2]; time: int64[n] microseconds; unchanged:
    int64[n], a bit for each field of the row (in their order) whose value was not captured since it did not change.
    """

    def __init__(self, n: int) -> None:
        self.op = np.zeros(n, np.uint8)
        self.row = np.zeros((n, 2), np.int64)
        self.before = np.full((n, 2), -1, np.int64)
        self.time = np.zeros(n, np.int64)
        self.unchanged = np.zeros(n, np.int64)

    @staticmethod
    def scan(rows: RawRows, look: Look) -> Envelopes:
        """Find the images of records like those looked at."""
        found = Envelopes(len(rows))
        if not look.is_flat:
            schema = np.frombuffer(look.schema, np.uint8)
            scan_envelopes(rows.data, rows.start, rows.stop, schema, found.op, found.row, found.before, found.time)
        return found


class ImageScanner:
    """Reads images of one kind: the row, or the row before. strict: fields that are read strictly where they are not captured."""

    def __init__(self, declared: Mapping[str, FieldSpec], wanted: frozenset[str], strict: frozenset[str]) -> None:
        self.declared = declared
        self.strict = strict
        self.scanner = Scanner(declared, wanted)
        self.flat_scanner = Scanner({**declared, **_FLAT}, wanted | frozenset(_FLAT))
        self.plain = self.scanner.plain and self.flat_scanner.plain

    def scan(self, data: NDArray[np.uint8], spans: NDArray[np.int64], unchanged: NDArray[np.int64], look: Look) -> Scanned:
        """Read the images at ``spans`` (int64[n, 2]); ``unchanged`` (int64[n]) gets a bit for each field not captured."""
        start, stop = np.ascontiguousarray(spans[:, 0]), np.ascontiguousarray(spans[:, 1])
        return self._scan(self.scanner, data, start, stop, unchanged, look)

    def flat(self, rows: RawRows, found: Envelopes, look: Look) -> Scanned:
        """Read flattened records, which are images themselves; their op and time come with them."""
        image = self._scan(self.flat_scanner, rows.data, rows.start, rows.stop, found.unchanged, look)
        place = {name: row for row, name in enumerate(image.scanner.declared)}
        op, deleted = place["__op"], place["__deleted"]
        codes = np.where(image.lengths[op] == 1, rows.data[image.ints[op]], 0).astype(np.uint8)
        codes[~image.known[op]] = ord("u")
        codes[~np.isin(codes, np.frombuffer(b"cudr", np.uint8))] = 0
        is_deleted = image.known[deleted] & (image.lengths[deleted] == 4) & _starts(rows, image.ints[deleted], b"true")
        is_kept = image.known[deleted] & (image.lengths[deleted] == 5) & _starts(rows, image.ints[deleted], b"false")
        codes[is_deleted & (codes > 0)] = ord("d")
        codes[(image.known[deleted] & ~is_deleted & ~is_kept) | ~(image.known[deleted] | image.known[op]) | image.odd] = 0
        time = np.full(len(rows), MAX_TIME + 1, np.int64)
        for name, factor in (("__ts_ms", 1000), ("__source_ts_ms", 1000), ("__source_ts_us", 1)):
            values, known = image.ints[place[name]], image.known[place[name]]
            fits = (values >= MIN_TIME // factor) & (values <= MAX_TIME // factor)
            time[known] = np.where(fits, values * factor, MAX_TIME + 1)[known]
        codes[time > MAX_TIME] = 0
        found.op[:], found.time[:] = codes, time
        return image

    def _scan(
        self, scanner: Scanner, data: NDArray[np.uint8], start: NDArray[np.int64], stop: NDArray[np.int64],
        unchanged: NDArray[np.int64], look: Look,
    ) -> Scanned:  # fmt: skip
        kinds, units = scanner.kinds.copy(), scanner.units.copy()
        specs = list(scanner.declared.values())
        for place, spec in enumerate(specs):
            if spec.name.removeprefix("before.") in look.texts:
                kinds[place] = kernels_json.STRING
            elif spec.name.removeprefix("before.") in look.days:
                kinds[place] = kernels_json.INT
            shape = look.shapes.get(spec.path[-1])
            if shape is not None and shape.unit and spec.type.kind is Kind.TIMESTAMP:
                units[place] = UNITS[shape.unit]
        found = scanner.scan(data, start, stop, kinds, units)
        for place, spec in enumerate(specs):
            self._settle(found, place, spec, int(kinds[place]), look.shapes.get(spec.path[-1], Shape()), unchanged)
        return found

    def _settle(
        self, found: Scanned, place: int, spec: FieldSpec, kind: int, shape: Shape, unchanged: NDArray[np.int64]
    ) -> None:
        """Turn what was read in another form into the declared one."""
        values, lengths, known = found.ints[place], found.lengths[place], found.known[place]
        if kind == kernels_json.STRING:
            bit = np.int64(1 << place if place < MOST_KEPT else 0)
            drop_unavailable(found.data, values, lengths, known, spec.name in self.strict, found.odd, unchanged, bit)
        if spec.type.kind is Kind.DECIMAL and kind == kernels_json.STRING:
            given = spec.type.scale if shape.scale is None else shape.scale
            encoded = 1 if shape.scale is not None else -1 if shape.is_text else 0
            if not 0 <= given <= 18:
                found.odd |= known
                return
            scale, precision = spec.type.scale, spec.type.precision
            decimals_of_text(found.data, values, lengths, known, found.odd, encoded, given, scale, precision)
        elif spec.type.kind is Kind.DATE and kind == kernels_json.INT:
            found.odd |= known & ((values < MIN_DATE) | (values > MAX_DATE))


def _starts(rows: RawRows, at: NDArray[np.int64], word: bytes) -> NDArray[np.bool_]:
    same = np.ones(len(at), np.bool_)
    for place, letter in enumerate(word):
        same &= rows.data[np.minimum(at + place, len(rows.data) - 1)] == letter
    return same
