"""An API over a ledger with a flag, a decision, deliveries, a silence and an open task, called without a socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import Connection, insert

from agents.api.app import api
from agents.api.context import Context
from agents.api.feed import Feed
from agents.api.tokens import Tokens
from agents.human.links import Links
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import budget, flow, task
from agents.policy import Policy, policy_of
from agents.silencing import add
from models.application.load import load
from tests.agents.effects.ledgers import SECOND, change, decide
from tests.agents.messages import NOW

APPLICATION = """tocsin: 1
name: bank
streams: {tx: {time: ts, fields: {ts: timestamp, user: string, amount: int}}}
patterns: {big: {on: tx, by: user, when: amount > 100}}
endpoints: {bank: {url: "https://bank.example/hook"}}
teams: {analysts: {notify: [bank]}}
respond:
  responders:
    review:
      human: {levels: [{to: analysts, within: 15m}], default: dismiss, verdicts: [block, dismiss]}
      actions: {block: [{webhook: bank}]}
"""
TOKENS = "vera:viewer:viewer-token-000000,ana:analyst:analyst-token-00000,ada:admin:admin-token-0000000"
AS = {name: {"authorization": f"Bearer {token}"} for name, _, token in (each.split(":") for each in TOKENS.split(","))}


def policy(folder: Path) -> Policy:
    """Of the application above."""
    (folder / "app.yaml").write_text(APPLICATION)
    found = policy_of(load(folder / "app.yaml"))
    assert found is not None
    return found


def filled(folder: Path) -> Ledger:
    """A ledger with something of everything; the task is ``t-1``."""
    ledger = Ledger(str(folder / "ledger.db"))
    decide(ledger, 1, [("webhook", "bank", None)], state="dead", open=False, error="gone")
    decide(ledger, 2, [("webhook", "bank", None)])
    with_flow = {"runmode": "live", "flag_id": "flag-3", "responder": "review", "pattern": "big", "subject": "user/u"}

    def write(connection: Connection) -> None:
        connection.execute(insert(flow).values(id="d-3", stage="human", due_at=NOW * 2, trail="[]", **with_flow))
        connection.execute(insert(task).values(id="t-1", flow_id="d-3", level=1, team="analysts", verdicts=json.dumps(["block", "dismiss"]),
                                               opened_at=NOW, due_at=NOW + 900 * SECOND, **with_flow))  # fmt: skip
        connection.execute(insert(budget).values(runmode="live", scope="all:money/day", window=NOW - 5, unit="EUR", ends_at=NOW * 2,
                                                 total=10**10, remaining=2_500_000_000))  # fmt: skip
        add(connection, "bank", matchers="pattern = 'big'", until=NOW * 2, author="ana", comment="planned", now=NOW)

    change(ledger, write)
    decide(ledger, 3, [])
    from agents.ledger.schema import decision

    change(ledger, lambda c: c.execute(decision.delete().where(decision.c.flag_id == "flag-3")))
    return ledger


def application(folder: Path, ledger: Ledger, clock: FixedClock | None = None) -> FastAPI:
    """The API."""
    clock = clock or FixedClock(NOW)
    tokens = Tokens.from_environment({"TOCSIN_API_TOKENS": TOKENS}, None)
    links = Links("https://tocsin.example", b"k" * 32)
    return api(Context(ledger, policy(folder), clock, tokens, Feed(ledger, clock), links=links))


def call(app: FastAPI, method: str, path: str, who: str | None = "ada", **given: Any) -> httpx2.Response:
    """One request."""

    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://tocsin.test") as client:
            headers = {**(AS[who] if who else {}), **given.pop("headers", {})}
            return await client.request(method, path, headers=headers, **given)

    return asyncio.run(main())
