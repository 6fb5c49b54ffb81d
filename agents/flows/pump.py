"""Moves the flows of one stage: claims no more than it has slots for, lets the tier work, writes what came of it.

Nothing about a flow is in memory but while it is worked on; a flow whose process died is taken by whoever claims it when its lease
has ended, and what the dead one may still do is refused by the fence.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, and_, select

from agents.flows.advance import advance
from agents.flows.lanes import AGE, LANES, room
from agents.ledger.claims import Lost, claim, held, renew
from agents.ledger.clock import Clock
from agents.ledger.killpoint import mark
from agents.ledger.ledger import Ledger
from agents.ledger.schema import flow, inbox
from agents.policy import Policy
from agents.telemetry.traces import span
from agents.tiers.default import TIMEOUT, on_failure
from agents.tiers.outcome import Abstain, Outcome, Stage

LEASE = 30_000_000
_POLL = 0.5
_SWEEP = 256
_PATIENCE = 5
"""How often a tier may fail at a flow before the next one is asked."""
_BACKOFF = 2_000_000
Row = dict[str, Any]
log = structlog.get_logger("tocsin.respond")


@dataclass
class Pump:
    """One stage of one process. ``on_change`` is called when a flow ended or went to another stage."""

    ledger: Ledger
    policy: Policy
    clock: Clock
    owner: str
    stage: Stage
    lease: int = LEASE
    on_change: Any = None
    lost: int = 0
    _running: dict[asyncio.Task[None], int] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Work until cancelled; what is at work then keeps its lease until it ends."""
        try:
            while True:
                self._woken.clear()
                if not await self.step():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), _POLL)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def drain(self) -> bool:
        """Work on all that is due now; whether there was anything."""
        some = False
        while await self.step() or self._running:
            some = True
            if self._running:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        return some

    def wake(self) -> None:
        """Something may have become due."""
        self._woken.set()

    async def step(self) -> bool:
        """Claim what there is room for and begin with it; whether anything was claimed."""
        late = await self.ledger.bulk(self._sweep) if self.stage.limited else 0
        rows: list[Row] = []
        if len(self._running) < self.stage.slots:
            rows = await self.ledger.bulk(self._claim)
        for row in rows:
            task = asyncio.create_task(self._one(row))
            self._running[task] = row["lane"]
            task.add_done_callback(self._done)
        return bool(rows or late)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("flow_failed", stage=self.stage.name, error=str(error))

    def _claim(self, connection: Connection) -> list[Row]:
        """First one that waits for long, then lane by lane into the room that each has."""
        running = [*self._running.values()]
        found: list[Row] = []
        if self.stage.slots > 1 and not found:
            old = and_(flow.c.lane > 1, flow.c.due_at <= self.clock.now() - AGE)
            found += self._of(connection, old, min(1, room(self.stage.slots, running)[3]))
        for lane in LANES:
            most = room(self.stage.slots, [*running, *(row["lane"] for row in found)])[lane]
            found += self._of(connection, flow.c.lane == lane, most)
        return found

    def _of(self, connection: Connection, where: Any, most: int) -> list[Row]:
        if most < 1:
            return []
        mine = and_(flow.c.stage == self.stage.name, flow.c.parked == "", where)
        now = self.clock.now()
        return claim(connection, flow, owner=self.owner, now=now, lease=self.lease, most=most, where=mine)

    def _sweep(self, connection: Connection) -> int:
        """End what waited beyond its deadline without taking a slot for it."""
        now = self.clock.now()
        late = and_(flow.c.stage == self.stage.name, flow.c.parked == "", flow.c.deadline_at <= now)
        found = claim(connection, flow, owner=self.owner, now=now, lease=self.lease, most=_SWEEP, where=late)
        for row in found:
            if self._known(connection, row):
                advance(connection, self.policy, row, self._timed_out(row), now)
        return len(found)

    async def _one(self, row: Row) -> None:
        mark("claimed")
        holding = asyncio.create_task(self._hold(row))
        try:
            flag = await self.ledger.run(lambda c: self._flag(c, row))
            if flag is None:
                return
            ids = {"tocsin__flag__id": row["flag_id"], "tocsin__responder": row["responder"]}
            with span(f"tier {self.stage.name}", row["traceparent"], **ids):
                outcome = await self._outcome(row, flag)
            mark("worked")
            await self.ledger.run(lambda c: advance(c, self.policy, row, outcome, self.clock.now()))
            mark("advanced")
        except Lost:
            self.lost += 1
            return
        except Exception as error:  # a tier's own defect must not lose the flag
            log.exception("tier_failed", stage=self.stage.name, flow=row["id"], error=type(error).__name__)
            await self.ledger.run(lambda c: self._again(c, row))
        finally:
            holding.cancel()
        if self.on_change is not None:
            self.on_change()

    async def _outcome(self, row: Row, flag: Mapping[str, Any]) -> Outcome:
        deadline = row["deadline_at"]
        if self.stage.limited and deadline is not None and deadline <= self.clock.now():
            return self._timed_out(row)
        return await self.stage.work(row, flag)

    def _timed_out(self, row: Row) -> Outcome:
        responder = self.policy.responder(row["responder"])
        return Abstain(TIMEOUT) if responder is None else on_failure(responder, TIMEOUT)

    async def _hold(self, row: Row) -> None:
        """Renew the lease while the tier works."""
        with contextlib.suppress(Lost):
            while True:
                await asyncio.sleep(self.lease / 3_000_000)
                await self.ledger.run(lambda c: renew(c, flow, row, now=self.clock.now(), lease=self.lease))

    def _flag(self, connection: Connection, row: Row) -> Mapping[str, Any] | None:
        """The flow's flag; None if nobody can work on it, which is written down."""
        if not self._known(connection, row):
            return None
        query = select(inbox.c.body).where(inbox.c.runmode == row["runmode"], inbox.c.flag_id == row["flag_id"])
        body = connection.scalar(query)
        if body is None:
            advance(connection, self.policy, row, Abstain("erased"), self.clock.now())
            return None
        found: Mapping[str, Any] = orjson.loads(body)
        return found

    def _known(self, connection: Connection, row: Row) -> bool:
        """Whether this release has the flow's responder; without it the flow is parked."""
        if self.policy.responder(row["responder"]) is not None:
            return True
        held(connection, flow, row, parked=f"unknown responder {row['responder']}", updated_at=self.clock.now())
        log.error("flow_parked", flow=row["id"], reason=f"unknown responder {row['responder']!r}")
        return False

    def _again(self, connection: Connection, row: Row) -> None:
        """Try later, or ask the next tier once it failed too often."""
        now, attempts = self.clock.now(), row["attempts"] + 1
        with contextlib.suppress(Lost):
            if attempts >= _PATIENCE:
                advance(connection, self.policy, row, Abstain("error"), now)
            else:
                held(connection, flow, row, attempts=attempts, due_at=now + _BACKOFF * 2**attempts, updated_at=now)
