"""What happens, as it happens: flags, decisions, tasks, from any process, in the order in which this one learnt of them.

The last events are kept, so that who comes back goes on where they were. Who was away for longer, or was at another process, is
told ``resync``: read the lists again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select

from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import decision, inbox, task
from models.events.decision import LIVE
from models.expressions.text import time_text

KEPT = 10_000
OVERLAP = 10_000_000
"""Microseconds by which each look goes back: what was committed late is not missed."""
_POLL = 0.5
_IDLE = 60
_BATCH = 2_000


class Event(NamedTuple):
    """One happening; ``id`` is EPOCH-NUMBER."""

    id: str
    kind: str
    data: dict[str, Any]


@dataclass
class Feed:
    """One process's view of what happens in a ledger."""

    ledger: Ledger
    clock: Clock
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    _kept: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    _number: int = 0
    _seen: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    _since: int | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _followers: int = 0
    _left: int = 0
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Look every half second while somebody follows, and a minute longer."""
        while True:
            if self._followers or self._left:
                self._left = 0 if self._followers else self._left - 1
                await self.look()
                await asyncio.sleep(_POLL)
            else:
                self._woken.clear()
                await self._woken.wait()

    async def drain(self) -> bool:
        """Nothing is ever due here."""
        return False

    def wake(self) -> None:
        """It looks by itself."""

    async def look(self) -> None:
        """Take in what is new."""
        if self._since is None:
            self._since = self.clock.now()
        begin = self._since - OVERLAP
        now = self.clock.now()
        found = await self.ledger.read(lambda connection: _since(connection, begin))
        fresh = [(kind, key, data) for kind, key, data in found if (kind, key) not in self._seen]
        async with self._changed:
            for kind, key, data in fresh:
                self._number += 1
                self._seen[kind, key] = None
                self._kept.append(Event(f"{self.epoch}-{self._number}", kind, data))
            while len(self._seen) > 2 * KEPT:
                self._seen.popitem(last=False)
            self._since = now if len(found) < _BATCH else self._since
            if fresh:
                self._changed.notify_all()

    async def follow(self, last: str | None) -> AsyncIterator[Event | None]:
        """Events after the one whose id is ``last``, or from now on; None now and then, when nothing happens."""
        self._followers += 1
        self._woken.set()
        try:
            await self.look()
            at = self._place(last)
            if at is None:
                at = self._number
                yield Event(
                    f"{self.epoch}-{at}", "resync", {"reason": "what happened since is not kept here: read the lists again"}
                )
            while True:
                for event in self._after(at):
                    at = _number(event.id)
                    yield event
                async with self._changed:
                    if self._number > at:
                        continue
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 15)
                    quiet = self._number == at
                if quiet:
                    yield None
        finally:
            self._followers -= 1
            self._left = _IDLE * 2

    def _place(self, last: str | None) -> int | None:
        """After which number to go on; None: that cannot be known here."""
        if last is None:
            return self._number
        epoch, _, number = last.partition("-")
        if epoch != self.epoch or not (number.isascii() and number.isdecimal()):
            return None
        oldest = _number(self._kept[0].id) if self._kept else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else None

    def _after(self, number: int) -> list[Event]:
        return [event for event in self._kept if _number(event.id) > number]


def _number(id_: str) -> int:
    return int(id_.rpartition("-")[2])


def _since(connection: Connection, begin: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Happenings from a moment on: kind, what makes it one, and what is told."""
    found: list[tuple[int, str, str, dict[str, Any]]] = []
    flags = select(inbox.c.flag_id, inbox.c.received_at, inbox.c.pattern, inbox.c.severity, inbox.c.subject, inbox.c.kind)
    for row in connection.execute(
        flags.where(inbox.c.received_at >= begin, inbox.c.runmode == LIVE).order_by(inbox.c.received_at).limit(_BATCH)
    ):
        told = {"id": row.flag_id, "pattern": row.pattern, "severity": row.severity, "subject": row.subject, "kind": row.kind}
        found.append((row.received_at, "flag", row.flag_id, told))
    columns = decision.c.id, decision.c.flag_id, decision.c.decided_at, decision.c.verdict, decision.c.tier, decision.c.responder
    made = select(*columns).where(decision.c.decided_at >= begin, decision.c.runmode == LIVE).order_by(decision.c.decided_at)
    for row in connection.execute(made.limit(_BATCH)):
        told = {"id": row.id, "flag": row.flag_id, "verdict": row.verdict, "tier": row.tier, "responder": row.responder}
        found.append((row.decided_at, "decision", row.id, told))
    changed = func.coalesce(task.c.answered_at, task.c.opened_at)
    tasks = (
        select(task).where(or_(task.c.state == "open", changed >= begin), task.c.runmode == LIVE).order_by(task.c.opened_at.desc())
    )
    for row in connection.execute(tasks.limit(_BATCH)):
        told = {
            "id": row.id,
            "flag": row.flag_id,
            "state": row.state,
            "version": row.version,
            "team": row.team,
            "verdict": row.verdict,
        }
        told["due"] = None if row.due_at is None else time_text(row.due_at)
        found.append((row.answered_at or row.opened_at, "task", f"{row.id}/{row.version}", told))
    return [(kind, key, told) for _, kind, key, told in sorted(found, key=lambda each: each[:3])]
