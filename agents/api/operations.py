"""Deliveries, endpoints, silences and budgets: what keeps a responder going."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from agents.api.context import PLAIN, Admin, Analyst, Here, Id, Most, Viewer, Word
from agents.api.pages import Cursor, Page, after, page
from agents.api.problems import Problem, responses
from agents.deliveries import deliveries, delivery, endpoints, retry, turn
from agents.llm.budget import left
from agents.routing.silences import matcher
from agents.silencing import add, expire, silences
from models.events.decision import LIVE
from models.expressions.compile import ExpressionError
from models.expressions.text import time_text

operations = APIRouter(prefix="/v1", tags=["operations"])
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=PLAIN)]
State = Literal["waiting", "ready", "done", "dead", "cancelled", "parked", "withheld", "silenced"]


class Endpoint(BaseModel):
    """An endpoint; ``effects`` counts by state."""

    name: str
    state: str
    reason: str
    failing_since: str | None
    effects: dict[str, int]


class Switch(BaseModel):
    """Whether an endpoint takes anything."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool


class Silence(BaseModel):
    """Flags that match are recorded and decided, and nothing leaves until it is over."""

    model_config = ConfigDict(extra="forbid")
    matchers: Text
    until: AwareDatetime
    comment: Text


class Budget(BaseModel):
    """What is left of a limit in its present window: money in units of its currency, calls, or tokens."""

    scope: str
    unit: str
    remaining: str
    total: str
    ends_at: str


@operations.get("/deliveries", responses=responses())
async def list_deliveries(
    here: Here,
    _: Viewer,
    state: State | None = None,
    endpoint: Word = None,
    flag: Word = None,
    limit: Most = 50,
    cursor: Cursor = None,
) -> Page:
    """What goes to endpoints and topics, the newest first."""
    place = after(cursor)
    rows = await here.ledger.read(
        lambda c: deliveries(c, state=state or "", target=endpoint or "", flag=flag or "", most=limit + 1, after=place)
    )
    return page(rows, limit, lambda row: (_micros(row["created_at"]), row["key"]), dict)


@operations.get("/deliveries/{key}", responses=responses(404))
async def show_delivery(here: Here, _: Viewer, key: Id) -> dict[str, Any]:
    """One delivery with its attempts."""
    found = await here.ledger.read(lambda c: delivery(c, key))
    if found is None:
        raise Problem(404, "no such delivery")
    return found


@operations.post("/deliveries/{key}/retry", responses=responses(404, 409))
async def retry_delivery(here: Here, caller: Analyst, key: Id) -> dict[str, Any]:
    """Try a dead or parked delivery again under the same key."""
    now = here.clock.now()
    again = await here.ledger.run(lambda c: retry(c, here.policy.application, caller.name, now, keys=[key]))
    found = await here.ledger.read(lambda c: delivery(c, key))
    if found is None:
        raise Problem(404, "no such delivery")
    if not again:
        raise Problem(409, f"the delivery is {found['state']}; expected dead or parked", current=found)
    here.wake()
    return found


@operations.get("/endpoints", responses=responses())
async def list_endpoints(here: Here, _: Viewer) -> list[Endpoint]:
    """All endpoints of the application, and others that still have deliveries."""
    rows = await here.ledger.read(lambda c: endpoints(c, [*here.policy.respond.endpoints]))
    return [Endpoint(**row) for row in rows]


@operations.post("/endpoints/{name}", responses=responses(404))
async def switch_endpoint(here: Here, caller: Admin, name: Id, given: Switch) -> Endpoint:
    """Switch an endpoint on or off."""
    if name not in here.policy.respond.endpoints:
        raise Problem(404, "no such endpoint")
    now = here.clock.now()
    await here.ledger.run(lambda c: turn(c, name, given.enabled, caller.name, here.policy.application, now))
    here.wake()
    [found] = [row for row in await here.ledger.read(lambda c: endpoints(c, [name])) if row["name"] == name]
    return Endpoint(**found)


@operations.get("/silences", responses=responses())
async def list_silences(here: Here, _: Viewer, over: bool = False) -> list[dict[str, Any]]:
    """Silences that last or are to come; ``over``: those that are over too."""
    return await here.ledger.read(lambda c: silences(c, here.clock.now(), every=over))


@operations.post("/silences", status_code=201, responses=responses())
async def add_silence(here: Here, caller: Analyst, given: Silence, response: Response) -> dict[str, Any]:
    """Silence flags that meet a condition, in the language of routes."""
    now = here.clock.now()
    try:
        until = int(given.until.astimezone(UTC).timestamp() * 1_000_000)
    except (OverflowError, ValueError):
        raise Problem(422, "until: expected a time of this era") from None
    if until <= now:
        raise Problem(422, "until: expected a time to come")
    try:
        matcher(given.matchers, here.policy.respond)
    except ExpressionError as error:
        raise Problem(422, f"matchers: {error}") from None
    name = here.policy.application
    id_ = await here.ledger.run(
        lambda c: add(c, name, matchers=given.matchers, until=until, author=caller.name, comment=given.comment, now=now)
    )
    response.headers["location"] = f"/v1/silences/{id_}"
    return next(row for row in await here.ledger.read(lambda c: silences(c, now)) if row["id"] == id_)


@operations.delete("/silences/{silence}", status_code=204, responses=responses(404))
async def end_silence(here: Here, caller: Analyst, silence: Id) -> None:
    """End a silence now."""
    now, name = here.clock.now(), here.policy.application
    lasting = await here.ledger.read(lambda c: [row["id"] for row in silences(c, now)])
    if silence not in lasting or not await here.ledger.run(lambda c: expire(c, name, silence, caller.name, now)):
        raise Problem(404, "no silence of this id lasts")


@operations.get("/budgets", responses=responses())
async def list_budgets(here: Here, _: Viewer) -> list[Budget]:
    """What is left in the present windows."""
    rows = await here.ledger.read(lambda c: left(c, LIVE, here.clock.now()))
    return [
        Budget(scope=row.scope, unit=row.unit, remaining=_amount(row.unit, row.remaining), total=_amount(row.unit, row.total),
               ends_at=time_text(row.ends_at))
        for row in rows
    ]  # fmt: skip


def _amount(unit: str, value: int) -> str:
    """Calls and tokens as they are; money in units of its currency, exactly."""
    if unit in ("calls", "tokens"):
        return str(value)
    sign, value = ("-", -value) if value < 0 else ("", value)
    return f"{sign}{value // 10**9}.{value % 10**9:09d}"


def _micros(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime.fromtimestamp(0, UTC)) // datetime.resolution
