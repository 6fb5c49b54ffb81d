"""The default tier: whatever fails, or is nobody's, ends in a verdict with its reason."""

from __future__ import annotations

from agents.policy import HUMAN
from agents.tiers.outcome import Abstain, Decide
from models.application.respond.resolved import Responder

NO_TIER = "no_tier"
ABSTAINED = "abstained"
EXPIRED = "expired"
TIMEOUT = "timeout"
NO_MODEL = "no_model"
SILENCED = "silenced"
INHIBITED = "inhibited"


def by_default(responder: Responder, reason: str) -> Decide:
    """The responder's default verdict."""
    return Decide(responder.default, f"default:{reason}")


def unanswered(reason: str, by: str) -> Decide:
    """A flag that nobody is to answer: silenced, or inhibited, ``by`` what."""
    return Decide(reason, f"default:{reason}", trail={"by": by})


def on_failure(responder: Responder, reason: str) -> Decide | Abstain:
    """What a model's failure comes to: the next tier, or the verdict that the responder names for it."""
    llm = responder.llm
    if llm is None or llm.on_failure == HUMAN:
        return Abstain(reason)
    return Decide(llm.on_failure, f"default:{reason}")
