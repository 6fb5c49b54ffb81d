"""Lines of ``match`` and ``features``: an event of a stream, a row of a table, or a move of the watermark."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dataflows.connectors.files import FileProblem, opened
from models.expressions.compile import suggest
from models.expressions.times import parse_moment
from models.values.types import UNITS


class BadLine(Exception):
    """A line that is no event of a known stream and no move of the watermark; says which and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """An event's stream, reference and bytes; or the time that the watermark moves to, as written."""

    number: int
    on: str
    ref: Any
    data: bytes
    advance_to: Any = None


class _Head(msgspec.Struct):
    on: str | None = None
    ref: int | str | None = None
    advance_to: int | str | None = None


_decode = msgspec.json.Decoder(_Head).decode


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """A file's lines that are not blank, each with its number from 1; unpacked where the name ends in .gz.

    Raises:
        FileProblem: when the file cannot be read.
    """
    try:
        with opened(path) as file:
            for number, line in enumerate(io.BufferedReader(file, 1 << 20), 1):  # type: ignore[type-var]
                if line := line.strip():
                    yield number, line
    except (OSError, EOFError) as error:
        raise FileProblem(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def line_of(data: bytes, number: int, file: str, known: Sequence[str], streams: Sequence[str]) -> Line:
    """Read a line's ``on``, ``ref`` and ``advance_to``; ``number`` counts from 1 and is the reference where none is given.

    Raises:
        BadLine: when it is no JSON object, or names no stream or table of the application.
    """
    try:
        head = _decode(data)
    except msgspec.DecodeError as error:
        raise BadLine(
            f'{file}:{number}: expected {{"on": STREAM, …}} or {{"advance_to": TIME}}; found no such JSON: {error}'
        ) from None
    if head.advance_to is not None:
        return Line(number, "", number, b"", head.advance_to)
    on = head.on if head.on is not None else streams[0] if len(streams) == 1 else None
    if on is None:
        raise BadLine(f'{file}:{number}: expected "on": one of {", ".join(known)}; found none')
    if on not in known:
        raise BadLine(f"{file}:{number}: unknown stream or table {on!r}; expected one of {', '.join(known)}{suggest(on, known)}")
    return Line(number, on, number if head.ref is None else head.ref, data)


def time_in(time: int | str, unit: str, file: str, number: int) -> int:
    """A time as written, in microseconds; numbers are in ``unit`` (empty: there is none, and a number is never guessed).

    Raises:
        BadLine: for a text that is no RFC 3339, or a number where the streams have no common unit.
    """
    if isinstance(time, int):
        if not unit:
            raise BadLine(f"{file}:{number}: expected advance_to as RFC 3339, since the streams have no common unit; found {time}")
        return time // 1000 if unit == "ns" else time * UNITS[unit]
    try:
        return parse_moment(time)
    except ValueError:
        raise BadLine(f"{file}:{number}: expected advance_to as a moment such as 2024-01-01T00:00:00Z; found {time!r}") from None
