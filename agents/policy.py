"""What a responder process knows of its application: sections, the path of tiers, the policy's version."""

from __future__ import annotations

from dataclasses import dataclass

from models.application.resolved.application import Application
from models.application.respond.resolved import ESCALATE, Respond, Responder

LLM, HUMAN = "llm", "human"
STAGES = (LLM, HUMAN)
"""Stages of flows in the order in which a flag passes them."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One application's way of answering flags."""

    application: str
    respond: Respond

    @property
    def version(self) -> str:
        """Of all that decides."""
        return self.respond.version

    def responder(self, name: str) -> Responder | None:
        """A responder, None for one that this release does not have."""
        return self.respond.responders.get(name)

    def next_stage(self, responder: Responder, after: str = "") -> str | None:
        """The stage that follows; None: the default tier."""
        following = STAGES[STAGES.index(after) + 1 :] if after else STAGES
        return next((stage for stage in following if _has(responder, stage)), None)


def policy_of(application: Application) -> Policy | None:
    """The policy of an application; None for one that says nothing of responders."""
    return None if application.respond is None else Policy(application.name, application.respond)


def hands_over(responder: Responder, verdict: str) -> bool:
    """Whether a verdict asks people instead of ending the flag."""
    return verdict == ESCALATE and responder.human is not None


def _has(responder: Responder, stage: str) -> bool:
    return (responder.llm if stage == LLM else responder.human) is not None
