"""A responder process on a ledger: works until no flow is open. Arguments: application file, ledger."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import func, select

from agents.flows.pump import Pump
from agents.ledger.clock import SystemClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import flow
from agents.llm.build import askers
from agents.policy import policy_of
from agents.tiers.llm import LlmStage
from models.application.load import load


async def respond(path: Path, url: str, environment: Mapping[str, str]) -> None:
    """Work until no flow is open."""
    application, ledger, clock = load(path), Ledger(url), SystemClock()
    policy = policy_of(application)
    assert policy is not None
    pump = Pump(ledger, policy, clock, f"worker-{os.getpid()}", LlmStage(policy, askers(application, ledger, clock, environment)))
    while ledger.look(lambda c: c.scalar(select(func.count()).select_from(flow).where(flow.c.open))):
        if not await pump.drain():
            await asyncio.sleep(0.05)
    ledger.close()


if __name__ == "__main__":
    asyncio.run(respond(Path(sys.argv[1]), sys.argv[2], os.environ))
