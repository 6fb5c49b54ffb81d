"""What a tier may say of a flag, and what a stage of flows is: the interface between tiers and the pump.

A tier decides, abstains (the next tier is asked), or waits (it is asked again at a moment). ``along`` is run in the very
transaction that writes the outcome, after the fence was checked: rows that must change with the flow, such as a task, are
written there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

Along = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Decide:
    """A verdict. ``tier``: rule:NAME, score, llm, human or default:REASON; ``trail``: what the audit keeps of it."""

    verdict: str
    tier: str
    reason_codes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    trail: Mapping[str, Any] = field(default_factory=dict)
    along: Along | None = None
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Abstain:
    """No verdict, and why; the default tier ends with this reason where no further tier decides."""

    reason: str
    trail: Mapping[str, Any] = field(default_factory=dict)
    along: Along | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at ``until`` (microseconds); ``state`` replaces what the flow keeps for its stage."""

    until: int
    state: Mapping[str, Any] | None = None
    along: Along | None = None


Outcome = Decide | Abstain | Wait


class Stage(Protocol):
    """A tier that flows wait in. ``name`` is the contract over releases; ``slots``: how many flows it works on at once.

    ``limited``: the responder's deadline ends it (a model), or not (people).
    """

    name: str
    slots: int
    limited: bool

    async def work(self, flow: Mapping[str, Any], flag: Mapping[str, Any]) -> Outcome:
        """What becomes of a claimed flow (a row of ``schema.flow``), whose flag is a structured CloudEvent.

        Raises:
            Lost: when another process took the flow; nothing is written then.
        """
