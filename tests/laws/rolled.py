"""Rollups by brute force: which windows a key has had, from all of its events, told at their ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from models.application.resolved.facts import Feature, Rollup


def ends(rollup: Rollup, times: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(start, end) of all windows that a key's events (their times, in order) cause, as far as they are known."""
    window = rollup.window
    if window.kind == "session":
        first = times[0]
        for before, after in zip(times, [*times[1:], None], strict=True):
            if after is None or after - before >= window.step:
                yield first, before + window.step
                first = after if after is not None else 0
        return
    for end in sorted({end for time in times for end in _grid(rollup, time)}):
        last = max(time for time in times if time < end)
        if last >= end - window.size or (window.fill is not None and end - last < window.fill):
            yield end - window.size, end


def _grid(rollup: Rollup, time: int) -> Iterator[int]:
    """All ends of windows after a moment that an event of that moment may cause."""
    window = rollup.window
    number = (time - window.size) // window.step
    while number * window.step + window.size <= time + window.size + (window.fill or 0):
        end = number * window.step + window.size
        if end > time:
            yield end
        number += 1


def selected(measure: Feature, rows: Sequence[dict[str, Any]]) -> Any:
    """An aggregate of the rows of a window."""
    rows = [row for row in rows if measure.where is None or measure.where.row(row) is True]
    found = [1 if measure.value is None else measure.value.row(row) for row in rows]
    values = [value for value in found if value is not None]
    match measure.aggregate:
        case "count":
            return len(found)
        case "sum":
            return sum(values)
        case "distinct":
            return len(set(values))
        case "min" | "max":
            return (min if measure.aggregate == "min" else max)(values, default=None)
        case "mean":
            return sum(values) / len(values) if values else None
        case "first" | "last":
            return found[0 if measure.aggregate == "first" else -1] if found else None
    raise NotImplementedError(measure.aggregate)
