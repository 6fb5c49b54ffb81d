"""What a model is shown."""

from __future__ import annotations

from typing import Any

from agents.llm.payload import payload
from tests.agents.llm.flags import flag

EVENTS = [{"amount": "12.00", "country": "DE", "pan": "secret"}, {"amount": "13.00"}]


def shown(*fields: str, **data: Any) -> dict[str, Any]:
    return payload(flag(*EVENTS, **data), fields).shown


def test_only_what_is_listed() -> None:
    assert shown("amount", "country") == {
        "evidence": [{"event": "e1", "amount": "12.00", "country": "DE"}, {"event": "e2", "amount": "13.00"}]
    }
    assert shown("pattern", "severity", "labels.team", "card_id") == {"pattern": "travel", "severity": "high", "card_id": "c1"}
    assert shown("nothing", "enrichment.customer.segment") == {}


def test_parts_by_their_names_in_conditions() -> None:
    data = {
        "enrichment": {"customer": {"segment": "private", "name": "x"}},
        "scores": {"amount_z": {"value": 3.5, "model": "zscore", "version": "1"}},
        "features": {"last_seen.country": "US", "usual": 4},
        "steps": {"first": ["ev-0"], "then": ["ev-1", "gone"]},
    }
    fields = ("enrichment.customer.segment", "scores.amount_z", "features.last_seen.country", "features.usual", "steps")
    assert shown(*fields, **data) == {
        "enrichment.customer.segment": "private", "scores.amount_z": 3.5, "features.last_seen.country": "US", "features.usual": 4,
        "steps": {"first": ["e1"], "then": ["e2"]},
    }  # fmt: skip
    assert shown("evidence") == {"evidence": [{"event": "e1", **EVENTS[0]}, {"event": "e2", **EVENTS[1]}]}


def test_ids_of_events_stay_here() -> None:
    found = payload(flag(*EVENTS), ("country",))
    assert found.evidence == {"e1": "ev-0"}
    assert payload(flag(*EVENTS), ("severity",)).evidence == {}


def test_long_texts_and_many_events_are_cut() -> None:
    assert len(shown("title", pattern={"title": "x" * 5000})["title"]) == 400
    found = payload(flag(*EVENTS), ("amount",)).shorter()
    assert found is not None
    assert found.shown == {"evidence": [{"event": "e2", "amount": "13.00"}], "events_left_out": 1}
    assert found.evidence == {"e2": "ev-1"} and found.shorter() is None
