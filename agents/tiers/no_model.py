"""The model's tier where no model can be asked: it says so, and everything else goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.policy import LLM, Policy
from agents.tiers.default import on_failure
from agents.tiers.outcome import Abstain, Outcome

NO_MODEL = "no_model"


class NoModel:
    """Answers every flow at once."""

    name = LLM
    slots = 64
    limited = True

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    async def work(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Outcome:
        """What the responder says of a failure."""
        responder = self.policy.responder(flow["responder"])
        return Abstain(NO_MODEL) if responder is None else on_failure(responder, NO_MODEL)
