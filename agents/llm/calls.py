"""Calls in the ledger: the intent before a call is made, what came of it before it is used, and a flow's calls so far."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, and_, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agents.ledger.connect import POSTGRESQL
from agents.ledger.schema import blob, llm_call
from agents.ledger.writer import when_committed
from agents.llm.budget import Reserved, settle
from agents.llm.failures import Failure
from agents.llm.reply import Reply
from agents.llm.request import Request
from agents.telemetry.metrics import called
from models.events.decision import LIVE
from models.events.ids import canonical_json, identifier


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that is about to be made."""

    runmode: str
    flow_id: str
    number: int
    purpose: str
    endpoint: str
    request: Request
    prompt_sha: str
    reserved: tuple[Reserved, ...]
    reserved_nano: int
    price_version: str
    currency: str
    owner: str
    traceparent: str

    @property
    def id(self) -> str:
        """The call's id: of a flow's nth call."""
        return identifier(canonical_json({"flow": self.flow_id, "call": self.number}))


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call took."""

    tokens_in: int = 0
    tokens_out: int = 0
    nano: int = 0


def write_intent(connection: Connection, intent: Intent, now: int) -> None:
    """A row in state ``calling``, with all of the request; until its end is known it costs what was reserved."""
    body = orjson.dumps({"messages": intent.request.messages, "schema": intent.request.schema}).decode()
    schema_sha = store(connection, "schema", orjson.dumps(intent.request.schema).decode(), now)
    connection.execute(
        insert(llm_call).values(
            id=intent.id, runmode=intent.runmode, flow_id=intent.flow_id, number=intent.number, purpose=intent.purpose,
            state="calling", endpoint=intent.endpoint, model=intent.request.model,
            params=orjson.dumps({**intent.request.params, "body": store(connection, "request", body, now)}).decode(),
            prompt_sha=intent.prompt_sha, schema_sha=schema_sha, request_sha=intent.request.sha, price_version=intent.price_version,
            currency=intent.currency, reserved_nano=intent.reserved_nano, cost_nano=intent.reserved_nano,
            reservations=orjson.dumps([asdict(each) for each in intent.reserved]).decode(), owner=intent.owner, started_at=now,
            traceparent=intent.traceparent,
        )
    )  # fmt: skip


def write_result(
    connection: Connection, intent: Intent, reply: Reply | None, failure: Failure | None, spent: Spent | None, now: int, *,
    cached: bool = False, note: str = "",
) -> None:  # fmt: skip
    """What came of a call, and its budgets settled; ``spent`` None: nobody knows, so that all that was reserved is spent."""
    known = spent or Spent(nano=intent.reserved_nano)
    if spent is not None:
        needed = {"money": spent.nano, "tokens": spent.tokens_in + spent.tokens_out}
        settle(connection, intent.runmode, intent.reserved, needed, now)
    told: dict[str, Any] = {}
    if reply is not None:
        told = {
            "response_sha": store(connection, "response", orjson.dumps({"text": reply.text, "body": reply.body}).decode(), now),
            "model_returned": reply.model, "finish_reason": reply.finish_reason, "fingerprint": reply.fingerprint,
        }  # fmt: skip
    connection.execute(
        update(llm_call).where(llm_call.c.id == intent.id, llm_call.c.state == "calling").values(
            state="answered" if failure is None else "failed", outcome="ok" if failure is None else failure.kind,
            error=note or ("" if failure is None else orjson.dumps(asdict(failure)).decode()), cached=cached,
            tokens_in=known.tokens_in, tokens_out=known.tokens_out, cost_nano=known.nano, finished_at=now, **told,
        )
    )  # fmt: skip
    outcome = "cached" if cached else "ok" if failure is None else failure.kind
    if intent.runmode == LIVE:
        when_committed(lambda: called(intent.request.model, outcome, known.tokens_in, known.tokens_out, known.nano))


def give_up_open(connection: Connection, flow_id: str, now: int) -> None:
    """Calls that a process left open when it died: nobody knows what came of them, so that they count as spent."""
    failure = Failure("ambiguous", "the process ended during the call")
    connection.execute(
        update(llm_call).where(llm_call.c.flow_id == flow_id, llm_call.c.state == "calling").values(
            state="ambiguous", outcome=failure.kind, error=orjson.dumps(asdict(failure)).decode(), finished_at=now
        )
    )  # fmt: skip


def made(connection: Connection, flow_id: str) -> Sequence[RowMapping]:
    """A flow's calls in order, each with the ``response`` (JSON text) or None."""
    join = llm_call.outerjoin(blob, blob.c.sha == llm_call.c.response_sha)
    query = select(*llm_call.c, blob.c.body.label("response")).select_from(join).where(llm_call.c.flow_id == flow_id)
    return connection.execute(query.order_by(llm_call.c.number)).mappings().all()


def spent_by(connection: Connection, flow_id: str) -> Spent:
    """What a flow's calls took together."""
    columns = (llm_call.c.tokens_in, llm_call.c.tokens_out, llm_call.c.cost_nano)
    row = connection.execute(select(*(func.coalesce(func.sum(c), 0) for c in columns)).where(llm_call.c.flow_id == flow_id)).one()
    return Spent(*(int(value) for value in row))


def answered_before(connection: Connection, request_sha: str, since: int, runmode: str) -> str | None:
    """The response (JSON text) of an equal request that had an answer that counts, not older than ``since``."""
    join = llm_call.join(blob, blob.c.sha == llm_call.c.response_sha)
    equal = and_(
        llm_call.c.request_sha == request_sha, llm_call.c.outcome == "ok", llm_call.c.finished_at >= since,
        llm_call.c.runmode == runmode,
    )  # fmt: skip
    return connection.scalar(select(blob.c.body).select_from(join).where(equal).order_by(llm_call.c.finished_at.desc()).limit(1))


def store(connection: Connection, kind: str, body: str, now: int) -> str:
    """Keep a body under its sha256."""
    sha = hashlib.sha256(body.encode()).hexdigest()
    insert_once = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
    connection.execute(insert_once(blob).values(sha=sha, kind=kind, body=body, created_at=now).on_conflict_do_nothing())
    return sha


def failure_of(row: RowMapping) -> Failure | None:
    """Why a call gave no answer, None where it gave one."""
    if row["outcome"] == "ok":
        return None
    return Failure(**orjson.loads(row["error"]))
