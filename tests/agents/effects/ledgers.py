"""A ledger with flags, decisions and effects in it, and an outbox over it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select

from agents.effects.outbox import Outbox
from agents.effects.outcome import OK, Outcome
from agents.effects.target import Target
from agents.effects.topic import Sent
from agents.effects.webhook import Webhooks
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import attempt, decision, effect, inbox
from models.events.decision import decision_id, effect_key
from tests.agents.messages import NOW, SECRET, flag

SECOND = 1_000_000
DAY = 86_400 * SECOND
SCHEDULE = (0, 5 * SECOND, 60 * SECOND)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def target(name: str, url: str, **fields: Any) -> Target:
    """An endpoint on loopback."""
    return Target(name, url, **{"secrets": (SECRET,), "schedule": SCHEDULE, "private": LOOPBACK, "timeout": 10 * SECOND, **fields})


class Topics:
    """Keeps what is published; answers as it is told."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.records: list[Sent] = []
        self.outcomes = list(outcomes)

    async def publish(self, records: Sequence[Sent]) -> Sequence[Outcome]:
        """See ``Publisher``."""
        self.records += records
        return [self.outcomes.pop(0) if self.outcomes else OK for _ in records]


def decide(ledger: Ledger, number: int, actions: Sequence[tuple[str, str, tuple[str, str] | None]], **fields: Any) -> list[str]:
    """A decided flag with actions (kind, target, undo); the keys of its effects."""
    id_, runmode = f"flag-{number}", fields.pop("runmode", "live")
    event = flag() | {"id": id_, "dedupkey": id_}
    decided = decision_id(id_, "takeover", 0, runmode)
    body = {"id": decided, "flag": id_, "verdict": "block", "tier": "rule:sanctioned", "decided_at": event["time"]}
    rows = [
        {
            "key": effect_key(decided, kind, to), "runmode": runmode, "decision_id": decided, "flag_id": id_, "responder": "takeover",
            "action": kind, "kind": kind, "target": to, "seq": seq, "state": "waiting" if seq else "ready", "due_at": NOW, "created_at": NOW,
            "undo": json.dumps({"kind": undo[0], "target": undo[1]}) if undo else None, "traceparent": event["traceparent"], "lane": 2, **fields,
        }
        for seq, (kind, to, undo) in enumerate(actions)
    ]  # fmt: skip

    def write(connection: Connection) -> None:
        connection.execute(
            insert(inbox).values(
                runmode=runmode,
                flag_id=id_,
                body=json.dumps(event),
                dedupkey=id_,
                time=NOW,
                received_at=NOW,
                pattern="takeover",
                severity="high",
                kind="match",
            )
        )
        connection.execute(insert(decision).values(id=decided, runmode=runmode, flag_id=id_, responder="takeover", verdict="block",
                                                   tier="rule:sanctioned", body=json.dumps(body), decided_at=NOW))  # fmt: skip
        if rows:
            connection.execute(insert(effect), rows)

    ledger.writer.submit(write).result()
    return [row["key"] for row in rows]


def work(
    ledger: Ledger, clock: FixedClock, targets: Sequence[Target], *, topics: Topics | None = None, sender: Any = None, advance: Sequence[int] = (),
    owner: str = "me", lease: int = 60 * SECOND,
) -> int:  # fmt: skip
    """Attempt what is due now, and again after each advance of the clock; how many attempts that took."""

    async def main() -> int:
        webhooks = Webhooks()
        outbox = Outbox(ledger, clock, "app", {each.name: each for each in targets}, owner=owner, webhooks=sender or webhooks, mail=webhooks,
                        publisher=topics or Topics(), lease=lease)  # fmt: skip
        before = _tried(ledger)
        await outbox.drain()
        for step in advance:
            clock.advance(step)
            await outbox.drain()
        await webhooks.close()
        return _tried(ledger) - before

    return asyncio.run(main())


def _tried(ledger: Ledger) -> int:
    return int(ledger.look(lambda c: c.scalar(select(func.coalesce(func.sum(effect.c.attempts), 0)))))


def effects(ledger: Ledger) -> dict[str, Any]:
    """Rows of the outbox by key."""
    return ledger.look(lambda c: {row["key"]: row for row in c.execute(select(effect).order_by(effect.c.seq)).mappings()})


def states(ledger: Ledger, keys: Sequence[str]) -> list[str]:
    """The states of some effects."""
    rows = effects(ledger)
    return [rows[key]["state"] for key in keys]


def attempts(ledger: Ledger, key: str) -> list[str]:
    """How the attempts of an effect went."""
    return list(
        ledger.look(
            lambda c: c.scalars(select(attempt.c.outcome).where(attempt.c.effect_key == key).order_by(attempt.c.number)).all()
        )
    )


def change(ledger: Ledger, operation: Callable[[Connection], Any]) -> Any:
    """Run an operation."""
    return ledger.writer.submit(operation).result()
