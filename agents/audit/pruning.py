"""Retention in the background: one process at a time removes what is too old, a little at once."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from sqlalchemy import Connection, and_, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from agents.audit.erase import prune
from agents.ledger.clock import Clock
from agents.ledger.connect import POSTGRESQL, lease_now
from agents.ledger.ledger import Ledger
from agents.ledger.schema import leader
from agents.policy import Policy

NAME = "pruning"
LEASE = 600_000_000
_PAUSE = 60.0
_BETWEEN = 0.2
log = structlog.get_logger("tocsin.retention")


class Pruner:
    """Removes by the policy's retention; a removal of many rows is many short transactions."""

    def __init__(self, ledger: Ledger, policy: Policy, clock: Clock, owner: str) -> None:
        self._ledger, self._policy, self._clock, self._owner = ledger, policy, clock, owner

    async def run(self) -> None:
        """Look every minute until cancelled."""
        while True:
            while await self.step():
                await asyncio.sleep(_BETWEEN)
            await asyncio.sleep(_PAUSE)

    async def drain(self) -> bool:
        """Nothing of a short run is ever too old."""
        return False

    def wake(self) -> None:
        """It looks by itself."""

    async def step(self) -> bool:
        """Remove one batch; whether there was anything, and this process is the one to do it."""
        found: dict[str, int] = await self._ledger.run(self._prune)
        if found:
            log.info("pruned", **found)
        return bool(found)

    def _prune(self, connection: Connection) -> dict[str, int]:
        now = self._clock.now()
        if not leads(connection, NAME, self._owner, now, LEASE):
            return {}
        return prune(connection, self._policy.respond.retention, self._policy.application, now)


def leads(connection: Connection, name: str, owner: str, now: int, lease: int) -> bool:
    """Whether a process does some work alone from now on, for ``lease`` microseconds or until it asks again."""
    leases = lease_now(connection, now)
    once: Any = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert(leader)
    connection.execute(once.values(name=name, owner="", fence=0, lease_until=0).on_conflict_do_nothing())
    free = and_(leader.c.name == name, or_(leader.c.owner == owner, leader.c.lease_until < leases))
    return connection.execute(update(leader).where(free).values(owner=owner, lease_until=leases + lease)).rowcount == 1
