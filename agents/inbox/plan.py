"""What is to become of a batch of flags: decided by expiry, silences, inhibition, rules, score or default, or a flow.

Pure: what the ledger knows (silences, episodes) and the time are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import orjson

from agents.flows.deciding import Case, Decided, decided
from agents.inbox.record import Flag
from agents.policy import HUMAN, Policy, hands_over
from agents.routing.columns import FlagColumns, names_of
from agents.routing.inhibition import Sources, inhibited
from agents.routing.routes import routed
from agents.routing.silences import Silence
from agents.tiers.default import ABSTAINED, EXPIRED, INHIBITED, NO_TIER, SILENCED, by_default, unanswered
from agents.tiers.outcome import Abstain, Decide
from agents.tiers.rules import by_rules
from models.application.respond.resolved import Responder
from models.events.decision import LIVE, decision_id
from models.expressions.expression import Expression
from models.expressions.text import time_text
from models.values.types import Type


class Score(Protocol):
    """The score tier of a responder."""

    def __call__(self, flags: FlagColumns) -> Sequence[Decide | Abstain]:
        """What the model says of each flag."""


@dataclass(slots=True)
class Planned:
    """By flag id: decisions, and rows of flows."""

    decisions: dict[str, list[Decided]] = field(default_factory=dict)
    flows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Planner:
    """Plans batches by one policy; ``scores``: the score tiers by responder."""

    def __init__(self, policy: Policy, scores: Mapping[str, Score] | None = None, conditions: Sequence[Expression] = ()) -> None:
        self.policy = policy
        self.scores = scores or {}
        self._names = names_of([*_conditions(policy), *conditions])

    def plan(self, flags: Sequence[Flag], silences: Sequence[Silence], sources: Sources, now: int) -> Planned:
        """What becomes of each flag; ``sources`` is brought up to date."""
        respond = self.policy.respond
        columns = FlagColumns([flag.event for flag in flags], self._with(silences))
        by = inhibited(respond.inhibit, respond.patterns, flags, columns, sources)
        quiet = self._quiet(silences, columns)
        planned, left = Planned(), []
        for row, flag in enumerate(flags):
            if quiet[row] is not None:
                self._end(planned, flag, None, unanswered(SILENCED, quiet[row] or ""), now)
            elif by[row] is not None:
                self._end(planned, flag, None, unanswered(INHIBITED, by[row] or ""), now)
            else:
                left.append(row)
        if left:
            self._route(planned, flags, columns, np.array(left, np.int64), now)
        return planned

    def _with(self, silences: Sequence[Silence]) -> dict[str, tuple[Type, Any]]:
        return {**self._names, **names_of([silence.matchers for silence in silences])} if silences else self._names

    def _quiet(self, silences: Sequence[Silence], columns: FlagColumns) -> list[str | None]:
        found: list[str | None] = [None] * len(columns.events)
        for silence in silences:
            for row in np.flatnonzero(columns.holds(silence.matchers)):
                found[row] = found[row] or silence.id
        return found

    def _route(self, planned: Planned, flags: Sequence[Flag], columns: FlagColumns, rows: Any, now: int) -> None:
        """Each responder's flags together."""
        by_responder: dict[str, list[int]] = {}
        for row, names in zip(rows, routed(self.policy.respond.routes, columns.take(rows)), strict=True):
            for name in names:
                by_responder.setdefault(name, []).append(int(row))
        for name, own in by_responder.items():
            responder = self.policy.respond.responders[name]
            self._answer(planned, responder, [flags[row] for row in own], columns.take(np.array(own, np.int64)), now)

    def _answer(self, planned: Planned, responder: Responder, flags: Sequence[Flag], columns: FlagColumns, now: int) -> None:
        """Expiry, then rules, then score; what is left becomes flows, or ends by default."""
        ruled = by_rules(responder.rules, columns)
        left = []
        for row, flag in enumerate(flags):
            found = ruled[row]
            if flag.expires is not None and flag.expires <= now and flag.runmode == LIVE and not (found and found.hard):
                found = by_default(responder, EXPIRED)
            if found is None:
                left.append(row)
            else:
                self._settle(planned, flag, responder, found, (), now)
        score = self.scores.get(responder.name)
        answers: Sequence[Decide | Abstain] = (
            score(columns.take(np.array(left, np.int64))) if score is not None and left else [Abstain("")] * len(left)
        )
        for row, answer in zip(left, answers, strict=True):
            if isinstance(answer, Decide):
                self._settle(planned, flags[row], responder, answer, (), now)
            else:
                self._go_on(planned, flags[row], responder, answer, now)

    def _go_on(self, planned: Planned, flag: Flag, responder: Responder, answer: Abstain, now: int) -> None:
        trail = ({"tier": "score", "outcome": "abstain", "reason": answer.reason, **answer.trail},) if answer.reason else ()
        stage = self.policy.next_stage(responder)
        if stage is not None:
            self._flow(planned, flag, responder, stage, trail, now)
            return
        some = bool(responder.rules) or responder.score is not None
        self._end(planned, flag, responder, by_default(responder, answer.reason or (ABSTAINED if some else NO_TIER)), now, trail)

    def _settle(self, planned: Planned, flag: Flag, responder: Responder, found: Decide, trail: Any, now: int) -> None:
        """A verdict ends the flag, or hands it to people."""
        if hands_over(responder, found.verdict):
            told = {"tier": found.tier, "outcome": "decide", "verdict": found.verdict, "at": time_text(now), **found.trail}
            self._flow(planned, flag, responder, HUMAN, (*trail, told), now)
        else:
            self._end(planned, flag, responder, found, now, trail)

    def _end(
        self, planned: Planned, flag: Flag, responder: Responder | None, found: Decide, now: int, trail: Any = ()
    ) -> None:
        case = Case(flag.runmode, flag.id, flag.pattern, _subject(flag), flag.lane, _trace(flag), tuple(trail), {"flag": flag.sha})
        planned.decisions.setdefault(flag.id, []).append(decided(self.policy, responder, case, found, now))

    def _flow(self, planned: Planned, flag: Flag, responder: Responder, stage: str, trail: Any, now: int) -> None:
        row = {
            "id": decision_id(flag.id, responder.name, 0, flag.runmode), "runmode": flag.runmode, "flag_id": flag.id,
            "responder": responder.name, "pattern": flag.pattern, "subject": _subject(flag), "stage": stage, "lane": flag.lane,
            "entered_at": now, "due_at": now, "deadline_at": _deadline(flag, responder, now), "policy_version": self.policy.version,
            "trail": orjson.dumps([*trail]).decode(), "traceparent": _trace(flag), "updated_at": now,
        }  # fmt: skip
        planned.flows.setdefault(flag.id, []).append(row)


def _deadline(flag: Flag, responder: Responder, now: int) -> int:
    own = now + responder.deadline
    return own if flag.expires is None or flag.runmode != LIVE else min(own, flag.expires)


def _conditions(policy: Policy) -> list[Expression]:
    respond = policy.respond
    found = [route.match for route in respond.routes if route.match is not None]
    for rule in respond.inhibit:
        found += [rule.source, rule.target]
    for responder in respond.responders.values():
        found += [each.when for each in responder.rules]
    return found


def _subject(flag: Flag) -> str:
    return str(flag.event.get("subject") or "")


def _trace(flag: Flag) -> str:
    return str(flag.event.get("traceparent") or "")
