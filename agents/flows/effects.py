"""The effects of a decision, as rows of the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from models.application.respond.resolved import Action, Respond
from models.events.decision import LIVE, effect_key

WITHHELD = "withheld"
"""The state of effects that a replay would have had."""


def effect_rows(
    respond: Respond, actions: tuple[Action, ...], decision: str, common: dict[str, Any], now: int
) -> list[dict[str, Any]]:
    """One row an effect, in the order of the saga: the first is ready, the others wait for those before them.

    common: runmode, flag_id, responder, lane and traceparent of the decision. An action on an endpoint twice is one effect.
    """
    live = common["runmode"] == LIVE
    rows: dict[str, dict[str, Any]] = {}
    for action, name, target in _targets(respond, actions):
        key = effect_key(decision, name, target)
        if key in rows:
            continue
        state = WITHHELD if not live else "waiting" if rows else "ready"
        undo = None if action.undo is None else orjson.dumps({"kind": action.undo.kind, "target": action.undo.target}).decode()
        rows[key] = {
            **common, "key": key, "decision_id": decision, "action": name, "kind": action.kind, "target": target, "seq": len(rows),
            "undo": undo, "state": state, "open": live, "due_at": now, "created_at": now,
        }  # fmt: skip
    return [*rows.values()]


def _targets(respond: Respond, actions: tuple[Action, ...]) -> Iterator[tuple[Action, str, str]]:
    """Actions with their names and targets; telling a team is an effect for each of its endpoints."""
    for action in actions:
        if action.kind == "notify":
            for endpoint in respond.teams[action.target].notify:
                yield action, f"notify:{action.target}", endpoint
        else:
            yield action, action.kind, action.target
