"""What to do next about a case, from the calls made so far: pure, so that a restart goes on where the crash was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agents.llm.failures import MALFORMED, OTHER_MODEL, PASSING, Failure

Purpose = Literal["ask", "repair"]

_TRIES = 2
_AMBIGUOUS = 2


@dataclass(frozen=True, slots=True)
class Call:
    """A call as far as it went. ``failure`` None: its ``text`` is the answer that counts; refused: it was never made."""

    model: str
    purpose: Purpose
    failure: Failure | None
    text: str = ""
    finished_at: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Call a model now; ``repairs``: the call whose answer it is to put right."""

    model: str
    purpose: Purpose = "ask"
    repairs: Call | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at a moment (microseconds)."""

    until: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The last call's answer counts."""

    call: Call


Next = Ask | Wait | Answered | Failure


def next_step(calls: Sequence[Call], models: Sequence[str], now: int, deadline: int) -> Next:
    """The step after ``calls``; models: the one meant, and those to fall back on; deadline: of the tier, microseconds.

    A model is tried twice where the failure may pass; an answer that cannot be used is put right once in all; a call that a crash
    left open is repeated once in all.
    """
    if not calls:
        return Ask(models[0]) if now < deadline else Failure("timeout", "the tier's time was over before a call")
    last = calls[-1]
    if last.failure is None:
        return Answered(last)
    failure = last.failure
    if failure.kind == "ambiguous":
        twice = sum(call.failure is not None and call.failure.kind == "ambiguous" for call in calls) >= _AMBIGUOUS
        return failure if twice else _ask_again(calls, now, deadline)
    if failure.kind in MALFORMED:
        repaired = any(call.purpose == "repair" for call in calls)
        return failure if repaired or now >= deadline else Ask(last.model, "repair", last)
    if failure.kind in PASSING and not last.refused and _tries(calls, last.model) < _TRIES:
        at = last.finished_at + (failure.retry_after or 0)
        if at < deadline and now < deadline:
            return Wait(at) if at > now else _ask_again(calls, now, deadline)
    return _other_model(calls, models, failure, now, deadline)


def _ask_again(calls: Sequence[Call], now: int, deadline: int) -> Next:
    """The last call once more, with the purpose that it had."""
    last = calls[-1]
    assert last.failure is not None
    if now >= deadline:
        return last.failure
    bad = next((c for c in reversed(calls) if c.failure is not None and c.failure.kind in MALFORMED), None)
    return Ask(last.model, last.purpose, bad if last.purpose == "repair" else None)


def _other_model(calls: Sequence[Call], models: Sequence[str], failure: Failure, now: int, deadline: int) -> Next:
    tried = {call.model for call in calls}
    left = [model for model in models if model not in tried]
    if failure.kind not in OTHER_MODEL or not left or now >= deadline:
        return failure
    return Ask(left[0])


def _tries(calls: Sequence[Call], model: str) -> int:
    return sum(call.model == model and call.purpose == "ask" and not call.refused for call in calls)
