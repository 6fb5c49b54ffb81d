"""A hit: a pattern that held for a key, before it is a flag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from models.events.evidence import Evidence, evidence_from, evidence_state

Kind = Literal["match", "timeout", "cleared", "storm"]


class Hit(NamedTuple):
    """What a pattern's state machine releases; everything that a flag's content and identity need.

    moment: microseconds, when it is released (event time); deadline: set where a deadline released it, and part of the
    anchor; anchor: ids that identify it (condition: the completing event's id; hold by time: its first event's id);
    evidence: the last ones kept, in order; completing: the event that completed it, None where only a deadline did;
    episode: ids of the first hit of its episode (for the dedup key), with that hit's deadline; row, at: the batch's row, or the
    kept event, that its derived row takes its fields from; order: what it is released by, as a place in the total order;
    values: where a deadline released it, or it has several events, what guard, title and severity read; key: the pattern's key,
    where ``slot`` is another's (``suppress: {per: ..}``); late: why it is held back from the flags; time: the flag's time where
    it is not the moment; missing: the steps that an attempt that ran out still waited for. Of a sequence the anchor holds
    [step, event id] of each event in order. A key that never spoke has no events at all.
    """

    kind: Kind
    slot: int
    moment: int
    anchor: tuple[Any, ...]
    evidence: Sequence[Evidence]
    evidence_count: int
    evidence_sum: Mapping[str, int | float | Decimal]
    first: Evidence | None
    completing: Evidence | None
    deadline: int | None = None
    episode: tuple[Any, ...] = ()
    episode_deadline: int | None = None
    episode_kind: Kind = "match"
    suppressed: int = 0
    repeat: int = 1
    settled: bool = True
    row: int = -1
    at: Any = -1
    order: tuple[int, ...] = ()
    values: Mapping[str, Any] | None = None
    key: bytes = b""
    late: str = ""
    time: int | None = None
    missing: tuple[str, ...] = ()

    @property
    def shown_time(self) -> int:
        """The time that the flag shows."""
        return self.moment if self.time is None else self.time


def deadline_order(deadline: int, place: int, first: Sequence[int]) -> tuple[int, ...]:
    """The place in the total order of what a deadline raises.

    It is before all events of its moment, by place in the file, then by the ``first`` event's order.
    """
    return deadline, -1, place, *first


def hit_state(hit: Hit) -> dict[str, Any]:
    """A hit as plain values; it has no sums yet."""
    evidence = [evidence_state(event) for event in hit.evidence]
    first, completing = (event and evidence_state(event) for event in (hit.first, hit.completing))
    return {**hit._asdict(), "evidence": evidence, "first": first, "completing": completing}


def hit_from(state: Mapping[str, Any]) -> Hit:
    """The hit that ``hit_state`` gave."""
    evidence = tuple(evidence_from(event) for event in state["evidence"])
    completing = state["completing"] and evidence_from(state["completing"])
    first = state["first"] and evidence_from(state["first"])
    plain = {"evidence": evidence, "first": first, "completing": completing, "order": tuple(state["order"])}
    return Hit(**{**state, **plain})
