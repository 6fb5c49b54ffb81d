"""Asking a model about a flag, durably: every call's intent is written before it and its answer before it is used."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry.trace import Span
from sqlalchemy import Connection, RowMapping

from agents.ledger.claims import renew
from agents.ledger.clock import Clock
from agents.ledger.killpoint import mark as passed
from agents.ledger.ledger import Ledger
from agents.ledger.schema import flow as flow_table
from agents.llm.answer import Answer, Choices, read_answer
from agents.llm.budget import OutOfBudget, Scope, reserve, scopes
from agents.llm.calls import (
    Intent,
    Spent,
    answered_before,
    failure_of,
    give_up_open,
    made,
    write_intent,
    write_result,
)
from agents.llm.dialogue import Answered, Ask, Call, Wait, next_step
from agents.llm.failures import Failure
from agents.llm.maps import keep
from agents.llm.marks import Marks
from agents.llm.masking import Masked, mask, unmask
from agents.llm.payload import Payload, payload
from agents.llm.prices import Prices
from agents.llm.prompt import Composed, compose, prompt_sha, repair
from agents.llm.reply import Reply, Usage
from agents.llm.request import Gateway, Request
from agents.llm.sealing import Sealer
from agents.telemetry.traces import model_answered, model_call
from models.application.respond.resolved import Budget, LlmTier
from models.events.ids import canonical_json

PARAMS: Mapping[str, Any] = {"temperature": 0, "seed": 7}
_TOKENS_PER_CALL = 4000
_TIMEOUT = 30_000_000
_LEASE = 30_000_000
"""Microseconds that a flow is held beyond a call's end."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A model's answer, in this house's terms: ids of events, and no tokens in the sentence. ``masked``: as the model wrote it."""

    verdict: str
    reason_codes: tuple[str, ...]
    evidence: tuple[str, ...]
    confidence: float
    sentence: str
    masked: str
    model: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for one responder. ``models``: the one meant, then those to fall back on; ``nonce``: a mark nobody can guess."""

    responder: str
    tier: LlmTier
    models: tuple[str, ...]
    everyone: Budget
    prices: Prices
    marks: Marks
    sealer: Sealer
    gateway: Gateway
    ledger: Ledger
    clock: Clock
    nonce: Callable[[], str] = lambda: secrets.token_hex(8)

    async def ask(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Judged | Wait | Failure:
        """A claimed flow's flag, judged; or why not; or when to ask again.

        Raises:
            Lost: if another process took the flow.
        """
        return await _Case(self, flow, flag).run()


class _Case:
    """One flag with a model."""

    def __init__(self, asker: Asker, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> None:
        self.asker, self.flow, self.tier = asker, flow, asker.tier
        self.choices = Choices(self.tier.verdicts, self.tier.reason_codes)
        self.masked: Masked = mask(flag, asker.marks)
        self.payload: Payload = payload(self.masked.flag, [name.text for name in self.tier.fields])
        self.scopes: tuple[Scope, ...] = scopes(asker.everyone, asker.responder, self.tier.budget, flow["pattern"])
        self.made = 0

    async def run(self) -> Judged | Wait | Failure:
        calls = [self._call_of(row) for row in await self.asker.ledger.run(self._begin)]
        self.made = len(calls)
        deadline = self.flow["deadline_at"] or self._now() + _TIMEOUT
        while True:
            step = next_step(calls, self.asker.models, self._now(), deadline)
            if isinstance(step, Answered):
                return self._judged(step.call)
            if not isinstance(step, Ask):
                return step
            calls.append(await self._ask(step, deadline))

    def _now(self) -> int:
        return self.asker.clock.now()

    def _begin(self, connection: Connection) -> Sequence[RowMapping]:
        """The flow's calls so far; what an earlier owner left open is given up; the mask map is kept."""
        now = self._now()
        renew(connection, flow_table, self.flow, now=now, lease=_LEASE)
        give_up_open(connection, self.flow["id"], now)
        keep(connection, self.flow["id"], self.flow["subject"], self.asker.sealer.seal(self.masked.tokens), now)
        return made(connection, self.flow["id"])

    def _call_of(self, row: RowMapping) -> Call:
        text = orjson.loads(row["response"])["text"] if row["response"] else ""
        return Call(row["model"], row["purpose"], failure_of(row), text, row["finished_at"] or 0)

    async def _ask(self, step: Ask, deadline: int) -> Call:
        """Make one call, or say why it was not made."""
        composed = self._compose(step)
        if isinstance(composed, Failure):
            return self._refused(step, composed)
        request = self._request(step, composed)
        if step.purpose == "ask" and (known := await self._cached(request)) is not None:
            return await self._answered_from_cache(step, request, known)
        gateway = self.asker.gateway
        seconds = min(self.tier.budget.timeout or _TIMEOUT, deadline - self._now()) / 1e6
        if failure := await gateway.admit(step.model, composed.most_in + composed.most_out, seconds):
            return self._refused(step, failure)
        try:
            intent = await self.asker.ledger.run(lambda connection: self._intend(connection, step, request, seconds))
        except OutOfBudget as error:
            gateway.leave(step.model)
            return self._refused(step, Failure("budget", str(error), unbilled=True))
        except BaseException:
            gateway.leave(step.model)
            raise
        self.made += 1
        passed("llm-intent")
        with model_call(request.model, gateway.endpoint, self.flow["traceparent"], most_out=request.most_out) as span:
            result = await gateway.ask(request, seconds)
            _told(span, result)
        passed("llm-answer")
        return await self._keep(step, intent, composed, result)

    def _compose(self, step: Ask) -> Composed | Failure:
        talk: tuple[dict[str, str], ...] = ()
        if step.repairs is not None and step.repairs.failure is not None:
            talk = repair(step.repairs.text, step.repairs.failure.detail)
        tokens = self.tier.budget.tokens_per_call or _TOKENS_PER_CALL
        return compose(self.tier.prompt.text, self.choices, self.payload, self.asker.nonce(), tokens, talk)

    def _request(self, step: Ask, composed: Composed) -> Request:
        schema = self.choices.schema(composed.payload.evidence)
        decides = {
            "endpoint": self.asker.gateway.endpoint, "model": step.model, "params": {**PARAMS, "most": composed.most_out},
            "prompt": prompt_sha(self.tier.prompt.text), "schema": schema, "case": composed.payload.shown,
            "talk": list(composed.messages[2:]),
        }  # fmt: skip
        sha = hashlib.sha256(canonical_json(decides).encode()).hexdigest()
        case = (self.flow["flag_id"], self.flow["responder"])
        return Request(step.model, composed.messages, schema, PARAMS, composed.most_in, composed.most_out, sha, step.purpose, case)

    def _intend(self, connection: Connection, step: Ask, request: Request, seconds: float) -> Intent:
        """Hold the flow for the call, reserve what it may cost, write that it is made: all or nothing."""
        now = self._now()
        renew(connection, flow_table, self.flow, now=now, lease=int(seconds * 1e6) + _LEASE)
        most = self.asker.prices.cost(request.model, request.most_in, request.most_out)
        needs = {"money": most, "calls": 1, "tokens": request.most_in + request.most_out}
        intent = self._intent(step, request, reserve(connection, self.flow["runmode"], self.scopes, needs, now), most)
        write_intent(connection, intent, now)
        return intent

    def _intent(self, step: Ask, request: Request, reserved: Any = (), most: int = 0) -> Intent:
        asker, flow = self.asker, self.flow
        return Intent(
            flow["runmode"], flow["id"], self.made + 1, step.purpose, asker.gateway.endpoint, request,
            prompt_sha(self.tier.prompt.text), tuple(reserved), most, asker.prices.version, asker.prices.currency, flow["owner"],
            flow["traceparent"],
        )  # fmt: skip

    async def _keep(self, step: Ask, intent: Intent, composed: Composed, result: Reply | Failure) -> Call:
        """Judge what came, and write it down before anyone uses it."""
        reply = result if isinstance(result, Reply) else None
        failure = result if isinstance(result, Failure) else self._problem(result, composed)
        spent = self._spent(intent, reply, failure)

        def write(connection: Connection) -> None:
            renew(connection, flow_table, self.flow, now=self._now(), lease=_LEASE)
            write_result(connection, intent, reply, failure, spent, self._now(), note=self._note(reply))

        await self.asker.ledger.run(write)
        passed("llm-kept")
        return Call(step.model, step.purpose, failure, "" if reply is None else reply.text, self._now())

    def _problem(self, reply: Reply, composed: Composed) -> Failure | None:
        if reply.failure is not None:
            return reply.failure
        mark = composed.messages[1]["content"].partition("\n")[0]
        found = read_answer(reply.text, self.choices, composed.payload.evidence, self.masked.tokens, mark)
        return found if isinstance(found, Failure) else None

    def _spent(self, intent: Intent, reply: Reply | None, failure: Failure | None) -> Spent | None:
        """What a call took by the endpoint's count; nothing where it surely was not billed; None where nobody knows."""
        usage: Usage | None = None if reply is None else reply.usage
        if usage is not None:
            cost = self.asker.prices.cost(intent.request.model, usage.tokens_in, usage.tokens_out)
            return Spent(usage.tokens_in, usage.tokens_out, cost)
        return Spent() if failure is not None and failure.unbilled else None

    def _note(self, reply: Reply | None) -> str:
        return "the endpoint's usage cannot be true; charged as reserved" if reply is not None and reply.usage is None else ""

    async def _cached(self, request: Request) -> str | None:
        if not self.tier.cache or self.asker.gateway.mode != "live":
            return None
        since = self._now() - self.tier.cache
        return await self.asker.ledger.read(lambda c: answered_before(c, request.sha, since, self.flow["runmode"]))

    async def _answered_from_cache(self, step: Ask, request: Request, known: str) -> Call:
        found = orjson.loads(known)
        reply = Reply(found["body"], found["text"], usage=Usage(0, 0))
        intent = self._intent(step, request)

        def write(connection: Connection) -> None:
            now = self._now()
            renew(connection, flow_table, self.flow, now=now, lease=_LEASE)
            write_intent(connection, intent, now)
            write_result(connection, intent, reply, None, Spent(), now, cached=True)

        await self.asker.ledger.run(write)
        self.made += 1
        return Call(step.model, step.purpose, None, reply.text, self._now())

    def _refused(self, step: Ask, failure: Failure) -> Call:
        return Call(step.model, step.purpose, failure, "", self._now(), refused=True)

    def _judged(self, call: Call) -> Judged | Failure:
        found = read_answer(call.text, self.choices, self.payload.evidence, self.masked.tokens)
        if isinstance(found, Failure):  # the responder changed since the answer was kept
            return found
        return self._translated(found, call)

    def _translated(self, answer: Answer, call: Call) -> Judged:
        tokens = self.masked.tokens
        evidence = tuple(unmask(self.payload.evidence[name], tokens) for name in dict.fromkeys(answer.evidence))
        codes = tuple(dict.fromkeys(answer.reason_codes))
        sentence = unmask(answer.sentence, tokens)
        return Judged(answer.verdict, codes, evidence, answer.confidence, sentence, answer.sentence, call.model)


def _told(span: Span, result: Reply | Failure) -> None:
    """What came of a call, on its span: counts and names, nothing of its content."""
    if isinstance(result, Failure):
        model_answered(span, tokens_in=0, tokens_out=0, error=result.kind)
        return
    usage = result.usage
    tokens = (0, 0) if usage is None else (usage.tokens_in, usage.tokens_out)
    error = "" if result.failure is None else result.failure.kind
    model_answered(span, tokens_in=tokens[0], tokens_out=tokens[1], model=result.model, finish=result.finish_reason, error=error)
