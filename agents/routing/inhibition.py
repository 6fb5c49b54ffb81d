"""Inhibition: while a source's episode lasts, targets with equal values are decided ``default:inhibited``.

An episode begins with a source's flag and ends with its ``cleared`` flag (the same dedupkey) where the pattern tells that, else
after the pattern's suppress period, else after the flag's expiry, else after an hour; times are those of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from agents.inbox.record import Flag
from agents.ledger.connect import POSTGRESQL
from agents.ledger.schema import inhibition
from agents.routing.columns import FlagColumns
from models.application.resolved.patterns import Pattern
from models.application.respond.resolved import Inhibit
from models.events.flagvalues import json_value
from models.events.ids import canonical_json

HOUR = 3_600_000_000
Key = tuple[str, str, str, str]
"""Run mode, rule, equal values as JSON, dedupkey."""


@dataclass(slots=True)
class Sources:
    """What inhibits now, and what a batch changed of it."""

    active: dict[Key, tuple[str, int | None]]
    added: dict[Key, tuple[str, int, int | None]] = field(default_factory=dict)
    removed: set[Key] = field(default_factory=set)

    def add(self, key: Key, flag: str, since: int, until: int | None) -> None:
        """An episode goes on."""
        self.active[key] = (flag, until)
        self.added[key] = (flag, since, until)
        self.removed.discard(key)

    def remove(self, key: Key) -> None:
        """An episode has ended."""
        self.active.pop(key, None)
        self.added.pop(key, None)
        self.removed.add(key)

    def by(self, group: tuple[str, str, str], dedupkey: str, time: int) -> str | None:
        """The flag that inhibits a target of another episode at a time."""
        for (runmode, rule, equal, other), (flag, until) in self.active.items():
            if (runmode, rule, equal) == group and other != dedupkey and (until is None or time <= until):
                return flag
        return None


def inhibited(
    rules: Sequence[Inhibit], patterns: Mapping[str, Pattern], flags: Sequence[Flag], columns: FlagColumns, sources: Sources
) -> list[str | None]:
    """For each flag, in order, the id of the flag that inhibits it, or None."""
    found: list[str | None] = [None] * len(flags)
    matches = [(rule, columns.holds(rule.source), columns.holds(rule.target)) for rule in rules]
    if not any(source.any() or target.any() for _, source, target in matches):
        return found
    for row, flag in enumerate(flags):
        for number, (rule, source, target) in enumerate(matches):
            if not source[row] and not target[row]:
                continue
            group = (flag.runmode, str(number), _equal(rule, flag))
            dedupkey = str(flag.event.get("dedupkey") or flag.id)
            if target[row] and found[row] is None:
                found[row] = sources.by(group, dedupkey, flag.time)
            if source[row]:
                _source(sources, (*group, dedupkey), flag, patterns.get(flag.pattern))
    return found


def active(connection: Connection, since: int) -> Sources:
    """Episodes that have no end, or end after ``since``."""
    c = inhibition.c
    rows = connection.execute(select(inhibition).where(or_(c.until.is_(None), c.until >= since)))
    return Sources({(row.runmode, row.rule, row.equal, row.dedupkey): (row.flag_id, row.until) for row in rows})


def save(connection: Connection, sources: Sources) -> None:
    """Write what a batch changed."""
    c = inhibition.c
    insert = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
    for runmode, rule, equal, dedupkey in sources.removed:
        connection.execute(
            delete(inhibition).where(c.runmode == runmode, c.rule == rule, c.equal == equal, c.dedupkey == dedupkey)
        )
    for (runmode, rule, equal, dedupkey), (flag, since, until) in sources.added.items():
        row: dict[str, Any] = {"runmode": runmode, "rule": rule, "equal": equal, "dedupkey": dedupkey, "flag_id": flag}
        statement = insert(inhibition).values(**row, since=since, until=until)
        connection.execute(
            statement.on_conflict_do_update(index_elements=list(inhibition.primary_key), set_={"flag_id": flag, "until": until})
        )


def _source(sources: Sources, key: Key, flag: Flag, pattern: Pattern | None) -> None:
    if flag.event["data"]["pattern"].get("kind") == "cleared":
        sources.remove(key)
    else:
        sources.add(key, flag.id, flag.time, _until(flag, pattern))


def _until(flag: Flag, pattern: Pattern | None) -> int | None:
    if pattern is not None and pattern.on_clear:
        return None
    suppress = None if pattern is None else pattern.suppress
    period = None if suppress is None else suppress.cooldown or suppress.debounce or suppress.batch_over
    return flag.expires if period is None and flag.expires is not None else flag.time + (period or HOUR)


def _equal(rule: Inhibit, flag: Flag) -> str:
    return canonical_json([json_value(name.text)(flag.event) for name in rule.equal])


