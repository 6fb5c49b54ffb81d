"""A gateway that has no client and no key: it answers from calls that were made live, or says that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, and_, select

from agents.ledger.ledger import Ledger
from agents.ledger.schema import blob, flow, llm_call
from agents.llm.failures import Failure
from agents.llm.reply import Reply, Usage
from agents.llm.request import Request

_TOLD = ("ok", "schema", "semantic", "refusal", "length", "content_filter")
"""Outcomes of calls that had an answer."""


@dataclass(frozen=True, slots=True)
class RecordedGateway:
    """Looks for an equal request first, then for what the same flag was answered, whatever it was asked then."""

    ledger: Ledger
    endpoint: str = ""

    @property
    def mode(self) -> str:
        """See ``Gateway``."""
        return "recorded"

    def refuses(self, model: str) -> Failure | None:
        """Nothing is refused."""
        return None

    async def admit(self, model: str, tokens: int, seconds: float) -> Failure | None:
        """All are let through: no call is made."""
        return None

    def leave(self, model: str) -> None:
        """There is nothing to give back."""

    async def ask(self, request: Request, seconds: float) -> Reply | Failure:
        """The recorded answer."""
        found = await self.ledger.read(lambda connection: _recorded(connection, request))
        return found or Failure("no_recording", "no call was recorded for this request or flag", unbilled=True)


def _recorded(connection: Connection, request: Request) -> Reply | None:
    equal = llm_call.c.request_sha == request.sha
    case = and_(flow.c.flag_id == request.case[0], flow.c.responder == request.case[1], llm_call.c.purpose == request.purpose)
    told = and_(llm_call.c.runmode == "live", llm_call.c.outcome.in_(_TOLD))
    tables = llm_call.join(blob, blob.c.sha == llm_call.c.response_sha).join(flow, flow.c.id == llm_call.c.flow_id)
    for condition in (equal, case):
        query = select(*llm_call.c, blob.c.body).select_from(tables).where(told, condition)
        row = connection.execute(query.order_by(llm_call.c.finished_at.desc()).limit(1)).mappings().one_or_none()
        if row is not None:
            told_text = orjson.loads(row["body"])
            usage = Usage(row["tokens_in"], row["tokens_out"])
            reason = Failure(row["outcome"], "as recorded") if row["outcome"] in ("refusal", "length", "content_filter") else None
            return Reply(
                told_text["body"], told_text["text"], reason, usage, row["model_returned"], row["finish_reason"], row["fingerprint"]
            )
    return None
