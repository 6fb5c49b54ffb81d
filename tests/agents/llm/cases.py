"""A responder's model tier, flows and an asker, as tests need them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpx2Client
from sqlalchemy import Connection, insert, select

from agents.ledger.claims import claim
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import flow, llm_call
from agents.llm.asking import Asker
from agents.llm.gateway import LiveGateway
from agents.llm.prices import Prices
from agents.llm.sealing import Sealer
from models.application.resolved.places import Position
from models.application.respond.environment import EnvText
from models.application.respond.flagscope import FlagName
from models.application.respond.resolved import Budget, Limit, LlmTier, Price, Prompt
from tests.agents.llm.flags import MARKS

AT = 1_704_067_200_000_000
MINUTE = 60_000_000
HERE = Position("app.yaml", 1, 1)
PRICES = Prices({"small": Price(400, 1600), "spare": Price(800, 3200)}, "EUR")
KEY = "kQeqJ6JQ3kq9l0m7x2oS8b1n5c4v3z6yT0rWfGhJkLM="
_numbers = itertools.count(1)


def money(nano: int, window: Any = "day") -> Limit:
    return Limit("money", nano, window, "EUR")


def make_tier(*limits: Limit, **given: Any) -> LlmTier:
    budget = Budget(limits, given.pop("per_pattern", {}), given.pop("tokens_per_call", None), given.pop("timeout", 30_000_000))
    fields = tuple(FlagName(name, None) for name in given.pop("fields", ("amount", "country", "note", "holder")))
    defaults: dict[str, Any] = {
        "model": EnvText("small", HERE), "fallback": None, "url": None, "key": None, "prompt": Prompt("p.md", "Judge the case.", "sha"),
        "verdicts": ("dismiss", "block", "escalate"), "reason_codes": ("travel", "unclear"), "on_failure": "human",
        "requests_per_minute": None, "tokens_per_minute": None, "slots": 4, "cache": 0, "position": HERE,
    }  # fmt: skip
    return LlmTier(fields=fields, budget=budget, **{**defaults, **given})


def add_flow(
    connection: Connection, flag_id: str, *, runmode: str = "live", deadline: int | None = AT + MINUTE, id_: str | None = None
) -> str:
    """A flow in stage llm; its id."""
    id_ = id_ or f"flow-{next(_numbers):06d}"
    connection.execute(
        insert(flow).values(
            id=id_, runmode=runmode, flag_id=flag_id, responder="takeover", pattern="travel", subject="card_id/c1", stage="llm",
            entered_at=AT, due_at=AT, deadline_at=deadline,
        )
    )  # fmt: skip
    return id_


def claimed(connection: Connection, id_: str, owner: str = "one", now: int = AT) -> Any:
    """The flow, claimed."""
    (row,) = claim(connection, flow, owner=owner, now=now, lease=MINUTE, most=1, where=flow.c.id == id_)
    return dict(row)


def live(url: str, clock: FixedClock) -> LiveGateway:
    http = DefaultAsyncHttpx2Client(follow_redirects=False)
    return LiveGateway(AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http), clock.now)


def make_asker(ledger: Ledger, gateway: Any, clock: FixedClock, tier: LlmTier | None = None, **given: Any) -> Asker:
    defaults: dict[str, Any] = {
        "models": ("small",),
        "everyone": Budget(),
        "prices": PRICES,
        "marks": MARKS,
        "sealer": Sealer([KEY]),
    }
    return Asker("takeover", tier or make_tier(), gateway=gateway, ledger=ledger, clock=clock, **{**defaults, **given})


def calls(ledger: Ledger) -> list[dict[str, Any]]:
    """All calls of a ledger, in order."""
    query = select(llm_call).order_by(llm_call.c.flow_id, llm_call.c.number)
    return [dict(row) for row in ledger.look(lambda c: c.execute(query).mappings().all())]


def sqlite(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger.db"))


def outcomes(rows: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["purpose"], row["outcome"]) for row in rows]
