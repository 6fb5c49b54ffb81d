"""The responder as one asyncio program: input, pumps of stages, and workers, in one task group.

A worker works until it is cancelled (``run``), or on all that is due now (``drain``); ``wake`` tells it that there may be
something to do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agents.flows.parking import park_unknown, take_up
from agents.flows.pump import Pump
from agents.inbox.intake import Intake, Place, Taken
from agents.inbox.record import Record
from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.policy import Policy

_COLLECTED = (100_000, 20, 50)
"""Flags are large trees without circles: looking for circles in them at every turn is most of the work."""


class Worker(Protocol):
    """Something that runs beside the input."""

    async def run(self) -> None:
        """Work until cancelled."""

    async def drain(self) -> bool:
        """Work on all that is due now; whether there was anything."""

    def wake(self) -> None:
        """There may be something to do."""


Take = Callable[[list[Record], list[Place]], Awaitable[Taken]]


class Input(Protocol):
    """Where flags come from."""

    async def run(self, take: Take) -> None:
        """Give batches to ``take`` until the input ends, or for ever."""


@dataclass
class Service:
    """One responder process."""

    ledger: Ledger
    policy: Policy
    clock: Clock
    intake: Intake
    workers: Sequence[Worker]
    taken: Taken = field(default_factory=Taken)

    async def once(self, source: Input, *, drain: bool = True) -> None:
        """Take the whole input, then (``drain``) do what is due until nothing is."""
        await self.begin()
        await source.run(self._take)
        while drain:
            if not any([await worker.drain() for worker in self.workers]):
                return

    async def run(self, source: Input) -> None:
        """Work until cancelled."""
        await self.begin()
        async with asyncio.TaskGroup() as group:
            for worker in self.workers:
                group.create_task(worker.run())
            await source.run(self._take)

    def wake(self) -> None:
        """Tell all workers that something changed."""
        for worker in self.workers:
            worker.wake()

    async def _take(self, records: list[Record], places: list[Place]) -> Taken:
        found = await self.intake.take(records, places)
        for name in Taken.__slots__:
            setattr(self.taken, name, getattr(self.taken, name) + getattr(found, name))
        self.wake()
        return found

    async def begin(self) -> None:
        """Flows of stages that no pump has are parked; those that one has again are taken up."""
        gc.freeze()  # what was there before lives as long as the process
        gc.set_threshold(*_COLLECTED)
        stages = [worker.stage.name for worker in self.workers if isinstance(worker, Pump)]
        now = self.clock.now()
        await self.ledger.run(lambda c: (park_unknown(c, stages, now), take_up(c, self.policy, stages, now)))


def process_name() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
