"""A process that works on an outbox and is killed at a mark between two steps."""

from __future__ import annotations

import asyncio
import ipaddress

from agents.effects.outbox import Outbox
from agents.effects.target import Target
from agents.effects.topic import FilePublisher
from agents.effects.webhook import Webhooks
from agents.ledger import killpoint
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger


def work(ledger_url: str, receiver: str, folder: str, plan: str, now: int, owner: str) -> None:
    """Drain the outbox at a moment, unless the plan kills it before; silent about what it does."""
    import os
    from pathlib import Path

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    killpoint._PLAN = plan
    ledger = Ledger(ledger_url)
    allowed = (ipaddress.ip_network("127.0.0.0/8"),)
    target = Target("bank", receiver, schedule=(0, 1_000_000) + (1_000_000,) * 50, private=allowed)

    async def main() -> None:
        webhooks = Webhooks()
        outbox = Outbox(ledger, FixedClock(now), "app", {"bank": target}, owner=owner, webhooks=webhooks, mail=webhooks,
                        publisher=FilePublisher(Path(folder)))  # fmt: skip
        await outbox.drain()
        await webhooks.close()

    asyncio.run(main())
    ledger.close()
