"""The human tier: a task for one team after another, until somebody answers or the default ends it.

A flow that waits for people is a row with ``due_at``; this stage sees it only when a time is over. Its state is the level it is in
and whether that level was warned. A replay asks nobody: people answer as they did live, or the default ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select

from agents.human.hours import after
from agents.human.links import Links
from agents.human.notices import Notice, notify
from agents.human.tasks import expire, hand_on, open_task, warned
from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import decision
from agents.policy import HUMAN, Policy
from agents.tiers.outcome import Abstain, Decide, Outcome, Wait
from models.application.respond.resolved import HumanTier, Responder
from models.events.decision import LIVE, decision_id

TIMEOUT = "human_timeout"
NO_RECORDING = "no_recording"


@dataclass
class HumanStage:
    """Opens tasks and hands them on; answers come from elsewhere (``agents.human.answers``)."""

    ledger: Ledger
    policy: Policy
    clock: Clock
    links: Links | None = None
    name: str = HUMAN
    slots: int = 64
    limited: bool = False

    async def work(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Outcome:
        """See ``Stage``: what the end of a flow's waiting comes to."""
        responder = self.policy.responder(flow["responder"])
        if responder is None or responder.human is None:
            return Abstain("no_people")
        if flow["runmode"] != LIVE:
            return await self.ledger.read(lambda connection: _as_live(connection, flow, responder))
        state, now = orjson.loads(flow["state"]), self.clock.now()
        if "level" not in state:
            return self._enter(flow, flag, responder, 0, now)
        if now < state["due"]:
            return self._warn(flow, responder.human, state, now)
        if state["level"] + 1 < len(responder.human.levels):
            return self._enter(flow, flag, responder, state["level"] + 1, now)
        verdict = responder.human.default
        return Decide(verdict, f"default:{TIMEOUT}", along=lambda connection: expire(connection, flow["id"], verdict, now))

    def _enter(self, flow: Mapping[str, Any], flag: Mapping[str, Any], responder: Responder, level: int, now: int) -> Wait:
        """A level's time begins: its team has the task and is told."""
        tier = responder.human
        assert tier is not None
        within = tier.levels[level].within
        warn, due = after(now, within // 2, tier.quiet_hours), after(now, within, tier.quiet_hours)

        def along(connection: Connection) -> None:
            if level:
                hand_on(connection, flow["id"], tier, level, warn, due)
            else:
                open_task(connection, flow, flag, responder, level, warn, due, now)
            notify(connection, self.policy.respond, self.links, flow, Notice(tier.levels[level].to, level, due), now)

        return Wait(warn, {"level": level, "due": due}, along)

    def _warn(self, flow: Mapping[str, Any], tier: HumanTier, state: Mapping[str, Any], now: int) -> Wait:
        """Half of a level's time is over: its team is told again, once."""
        level, due = state["level"], state["due"]
        notice = Notice(tier.levels[level].to, level, due, early=True)

        def along(connection: Connection) -> None:
            if not state.get("warned"):
                warned(connection, flow["id"])
                notify(connection, self.policy.respond, self.links, flow, notice, now)

        return Wait(due, {**state, "warned": True}, along)


def _as_live(connection: Connection, flow: Mapping[str, Any], responder: Responder) -> Decide:
    """What people decided of the same flag live."""
    assert responder.human is not None
    same = decision.c.id == decision_id(flow["flag_id"], flow["responder"])
    verdict = connection.scalar(select(decision.c.verdict).where(same, decision.c.tier == HUMAN))
    return Decide(responder.human.default, f"default:{NO_RECORDING}") if verdict is None else Decide(verdict, HUMAN)
