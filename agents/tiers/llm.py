"""The model's tier: a verdict among those that the responder lists, or what it says for the failure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from agents.llm.asking import Asker, Judged
from agents.llm.dialogue import Wait as Later
from agents.llm.failures import Failure
from agents.policy import LLM, Policy
from agents.tiers.default import NO_MODEL, on_failure
from agents.tiers.outcome import Abstain, Decide, Outcome, Wait

log = structlog.get_logger("tocsin.respond")


class LlmStage:
    """Asks the model of each flow's responder; ``askers`` by responder, without those that have no key."""

    name = LLM
    limited = True

    def __init__(self, policy: Policy, askers: Mapping[str, Asker]) -> None:
        self.policy, self.askers = policy, askers
        self.slots = sum(asker.tier.slots for asker in askers.values()) or 64
        self._places = {name: asyncio.Semaphore(asker.tier.slots) for name, asker in askers.items()}

    async def work(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Outcome:
        """See ``Stage``."""
        responder = self.policy.responder(flow["responder"])
        if responder is None or flow["responder"] not in self.askers:
            return Abstain(NO_MODEL) if responder is None else on_failure(responder, NO_MODEL)
        async with self._places[flow["responder"]]:
            found = await self.askers[flow["responder"]].ask(flow, flag)
        if isinstance(found, Later):
            return Wait(found.until)
        if isinstance(found, Judged):
            return _decided(found)
        log.warning("llm_failed", flow=flow["id"], responder=flow["responder"], kind=found.kind)
        return _told(on_failure(responder, found.kind), found)


def _decided(found: Judged) -> Decide:
    """What the audit keeps is the masked form."""
    told = {
        "model": found.model, "reason_codes": [*found.reason_codes], "evidence": [*found.evidence], "confidence": found.confidence,
        "sentence": found.masked,
    }  # fmt: skip
    return Decide(found.verdict, LLM, found.reason_codes, found.evidence, found.confidence, told)


def _told(outcome: Decide | Abstain, failure: Failure) -> Decide | Abstain:
    """With the failure in the trail."""
    told = {"failure": failure.kind, "detail": failure.detail}
    if isinstance(outcome, Abstain):
        return Abstain(outcome.reason, {**outcome.trail, **told})
    return Decide(outcome.verdict, outcome.tier, trail={**outcome.trail, **told})
