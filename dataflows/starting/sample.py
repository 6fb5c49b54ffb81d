"""The first rows of a file, field by field: JSON lines, CSV, Parquet or Debezium changes, also packed with gzip."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataflows.connectors.files import FileProblem, opened
from models.events.debezium import read_change
from models.values.types import BOOL, DATE, FLOAT, INT, STRING, Type, decimal

ROWS = 20_000
"""Rows that are looked at."""


class Number(str):
    """A number as it was written."""

    __slots__ = ()


@dataclass(slots=True)
class Seen:
    """What was seen of one field: a value a row (None where it is missing or null); its type where the file says it."""

    path: tuple[str, ...]
    values: list[Any] = field(default_factory=list)
    type: Type | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Fields in the order of their first appearance. ``times``: a change's time by row, in microseconds, from its envelope."""

    format: str
    rows: int
    fields: Sequence[Seen]
    times: Sequence[int | None] = ()
    keys: Sequence[str] = ()
    full_before: bool = False
    whole: bool = True


def sample(path: Path) -> Sample:
    """Read the first rows of a file.

    Raises:
        FileProblem: when it cannot be read, is empty, or is of no known format.
    """
    name = path.name.removesuffix(".gz")
    read = {".parquet": _parquet, ".csv": _csv}.get(Path(name).suffix, _json)
    try:
        found = read(path)
    except (OSError, EOFError) as error:
        raise FileProblem(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not found.rows:
        raise FileProblem(f"{path}: the file is empty; expected a sample of events to begin from")
    return found


def _lines(path: Path, *, text: bool = True) -> Iterator[str]:
    with opened(path) as file:
        for number, line in enumerate(io.BufferedReader(file, 1 << 20), 1):  # type: ignore[type-var]
            if number > ROWS + 1:
                return
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise FileProblem(f"{path}:{number}: expected UTF-8; found other bytes") from None


def parsed(text: str) -> Any:
    """JSON with numbers as they are written."""
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number)


def _json(path: Path) -> Sample:
    records: list[Any] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or len(records) >= ROWS:
            continue
        try:
            records.append(parsed(line))
        except ValueError as error:
            raise FileProblem(
                f"{path}:{number}: expected a JSON object a line; found {line.strip()[:40]!r}: {error}. "
                "Known files end in .jsonl, .csv or .parquet, also with .gz"
            ) from None
    if records and all(_is_change(record) for record in records[:100]):
        return _changes(records)
    rows = [record for record in records if isinstance(record, dict)]
    if records and not rows:
        raise FileProblem(f"{path}:1: expected a JSON object a line; found {str(records[0])[:40]!r}")
    return Sample("json", len(rows), _fields(rows), whole=len(records) < ROWS)


def _is_change(record: Any) -> bool:
    if not isinstance(record, dict):
        return record is None
    if {"topic", "offset", "value"} <= record.keys():
        return True
    payload = record.get("payload", record) if "schema" in record else record
    if not isinstance(payload, dict):
        return payload is None
    return "__op" in payload or "__deleted" in payload or ("op" in payload and ("after" in payload or "before" in payload))


def _changes(records: Sequence[Any]) -> Sample:
    changes = [change for record in records if (change := read_change(record, parsed)).kind == "change" and change.row is not None]
    rows = [dict(change.row or {}) for change in changes if not change.is_delete]
    times = [change.time for change in changes if not change.is_snapshot]
    keys = next((list(change.key) for change in changes if change.key), [])
    updates = [change for change in changes if change.op in ("u", "d")]
    full = bool(updates) and all(change.before is not None and len(change.before) > len(keys or "x") for change in updates)
    return Sample("debezium", len(rows), _fields(rows), times, keys, full, whole=len(records) < ROWS)


def _fields(rows: Sequence[Mapping[str, Any]]) -> list[Seen]:
    found: dict[tuple[str, ...], Seen] = {}
    for place, row in enumerate(rows):
        for path, value in _leaves(row, ()):
            seen = found.setdefault(path, Seen(path))
            seen.values.extend([None] * (place - len(seen.values)))
            seen.values.append(value)
    for seen in found.values():
        seen.values.extend([None] * (len(rows) - len(seen.values)))
    inner = {path[:size] for path in found for size in range(1, len(path))}
    return [seen for path, seen in found.items() if path not in inner or any(value is not None for value in seen.values)]


def _leaves(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner and not any("." in key for key in (name, *inner)):
            yield from _leaves(inner, (*path, name))
        else:
            yield (*path, name), inner


def _csv(path: Path) -> Sample:
    try:
        rows = list(_take(csv.reader(_lines(path), strict=True), ROWS + 1))
    except csv.Error as error:
        raise FileProblem(f"{path}: expected CSV with a header line: {error}") from None
    if not rows:
        return Sample("csv", 0, [])
    header, body = rows[0], [row for row in rows[1:] if row]
    fields = [Seen((name,), [_cell(row[place]) if place < len(row) else None for row in body]) for place, name in enumerate(header)]
    return Sample("csv", len(body), fields, whole=len(body) < ROWS)


def _take(rows: Iterator[list[str]], count: int) -> Iterator[list[str]]:
    for _, row in zip(range(count), rows, strict=False):
        yield row


def _cell(text: str) -> Any:
    """A cell as the JSON value that it most likely is; a number with leading zeros is text."""
    if text == "":
        return None
    if text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    plain = digits.replace(".", "", 1).isascii() and digits.replace(".", "", 1).isdigit() and digits[0] != "." and digits[-1] != "."
    return Number(text) if plain and (digits == "0" or not digits.startswith("0") or digits.startswith("0.")) else text


def _parquet(path: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise FileProblem(f"{path}: cannot be read as Parquet: {error}") from None
    part = next(file.iter_batches(batch_size=ROWS), None)
    if part is None:
        return Sample("parquet", 0, [])
    fields = [seen for place, name in enumerate(part.schema.names) for seen in _columns(pa, (name,), part.column(place))]
    return Sample("parquet", part.num_rows, fields, whole=part.num_rows == file.metadata.num_rows)


def _columns(pa: Any, path: tuple[str, ...], array: Any) -> Iterator[Seen]:
    if pa.types.is_struct(array.type):
        for place, inner in enumerate(array.type):
            yield from _columns(pa, (*path, inner.name), array.field(place))
        return
    yield Seen(path, _plain(pa, array), _arrow_type(pa, array.type))


def _plain(pa: Any, array: Any) -> list[Any]:
    if pa.types.is_timestamp(array.type):
        return list(array.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist())
    return [Number(value) if type(value) in (int, float) else value for value in array.to_pylist()]


def _arrow_type(pa: Any, type_: Any) -> Type | None:
    found: list[tuple[Callable[[Any], bool], Type]] = [
        (pa.types.is_boolean, BOOL), (pa.types.is_integer, INT), (pa.types.is_floating, FLOAT), (pa.types.is_date, DATE),
        (pa.types.is_string, STRING), (pa.types.is_large_string, STRING),
    ]  # fmt: skip
    if pa.types.is_dictionary(type_):
        return _arrow_type(pa, type_.value_type)
    if pa.types.is_timestamp(type_):
        return TIMESTAMP_COLUMN
    if pa.types.is_decimal(type_):
        return decimal(type_.precision, type_.scale) if type_.precision <= 18 else None
    return next((ours for is_it, ours in found if is_it(type_)), None)


TIMESTAMP_COLUMN = Type(INT.kind.TIMESTAMP)
"""A column of moments, which carries its unit."""
