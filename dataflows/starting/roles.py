"""Which field is the event's time, which its id, which names an entity, and which is an amount; and how disordered times are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataflows.starting.inference import Guess, moments
from models.values.types import Kind

_TIMES = ("ts", "time", "timestamp", "event_time", "eventtime", "occurred_at", "datetime", "created_at", "at", "date")
_IDS = re.compile(r"(^|_)(id|uuid|guid|key|number|no|ref)$|[a-z]Id$|ID$", re.I)
_ENTITIES = (
    "card", "account", "customer", "user", "client", "member", "patient", "host", "service", "device", "sensor", "machine",
    "merchant", "terminal", "id",
)  # fmt: skip
_STEPS = (0, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Roles:
    """Fields by what they are for; ``disorder``: how far behind the newest time an event was at most (microseconds)."""

    time: Guess | None
    id: Guess | None
    by: Guess | None
    amount: Guess | None
    disorder: int


def roles(fields: Sequence[Guess], times: Sequence[int | None] = (), keys: Sequence[str] = ()) -> Roles:
    """Guess every role; ``times`` and ``keys`` are those of change records, where the format gives them."""
    time = _time(fields)
    ids = _id(fields)
    by = _named(fields, keys) or _entity(fields, ids)
    observed = times if times or time is None else moments(time)
    return Roles(time, ids, by, _amount(fields), disorder(observed))


def disorder(times: Iterable[int | None]) -> int:
    """How far an event was behind the newest before it, at most (microseconds)."""
    newest, most = None, 0
    for time in times:
        if time is not None:
            newest = time if newest is None else max(newest, time)
            most = max(most, newest - time)
    return most


def busiest(times: Sequence[int | None], keys: Sequence[object] | None, over: int) -> int:
    """The most events of one key within a time (microseconds)."""
    moments_: dict[object, list[int]] = {}
    for row, time in enumerate(times):
        key = None if keys is None else keys[row]
        if time is not None and (keys is None or key is not None):
            moments_.setdefault(key, []).append(time)
    most = 0
    for found in moments_.values():
        found.sort()
        first = 0
        for last, time in enumerate(found):
            while found[first] <= time - over:
                first += 1
            most = max(most, last - first + 1)
    return most


def lateness(disorder_: int) -> str:
    """A round duration that covers a disorder, with some room."""
    seconds = disorder_ / _SECOND
    if seconds == 0:
        return "0s"
    step = next((step for step in _STEPS if step >= seconds * 1.2), None)
    if step is None:
        return f"{int(seconds * 1.2) // 86400 + 1}d"
    return f"{step // 3600}h" if step >= 3600 else f"{step // 60}m" if step >= 60 else f"{step}s"


def _time(fields: Sequence[Guess]) -> Guess | None:
    found = [each for each in fields if each.type is not None and each.type.kind is Kind.TIMESTAMP and not each.type.optional]

    def rank(each: Guess) -> int:
        name = each.seen.path[-1].lower()
        return _TIMES.index(name) if name in _TIMES else len(_TIMES)

    return min(found, key=rank, default=None)


def _id(fields: Sequence[Guess]) -> Guess | None:
    """A required field that names every row apart."""
    found = [
        each
        for each in fields
        if each.type is not None and each.type.kind in (Kind.STRING, Kind.INT) and not each.type.optional
        if _IDS.search(each.seen.path[-1]) and len(set(each.seen.values)) == len(each.seen.values)
    ]
    return found[0] if found else None


def _named(fields: Sequence[Guess], names: Sequence[str]) -> Guess | None:
    return next((each for each in fields if names and each.seen.path == (names[0],) and each.type is not None), None)


def _entity(fields: Sequence[Guess], ids: Guess | None) -> Guess | None:
    """A field whose values come again: best one whose name says who, else the text with fewest values."""
    found: list[tuple[tuple[int, int], Guess]] = []
    for each in fields:
        if each is ids or each.type is None or each.type.optional or each.type.kind not in (Kind.STRING, Kind.INT):
            continue
        values = len(set(each.seen.values))
        name = each.seen.path[-1].lower()
        who = next((place for place, word in enumerate(_ENTITIES) if word in name), len(_ENTITIES))
        if 1 < values < len(each.seen.values) and (who < len(_ENTITIES) or each.type.kind is Kind.STRING):
            found.append(((who, values), each))
    return min(found, key=lambda item: item[0], default=(None, None))[1]


def _amount(fields: Sequence[Guess]) -> Guess | None:
    numbers = [each for each in fields if each.type is not None and each.type.kind in (Kind.DECIMAL, Kind.FLOAT)]
    named = [each for each in numbers if re.search("amount|price|total|value", each.seen.path[-1], re.I)]
    return next(iter(named + numbers), None)
