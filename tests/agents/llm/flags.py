"""Flags as tests need them."""

from __future__ import annotations

from typing import Any

from agents.llm.marks import Marks

MARKS = Marks({"payments": {"holder": "name", "pan": "card", "mail": "email", "account": "account"}}, {"last_mail": "email"})


def flag(*events: dict[str, Any], id_: str = "flag-1", **data: Any) -> dict[str, Any]:
    """A flag over payments with these fields."""
    evidence = [
        {"id": f"ev-{i}", "on": "payments", "topic": "payments", "partition": 0, "offset": i, "time": "2024-01-01T00:00:00Z",
         "role": "event", "fields": fields}
        for i, fields in enumerate(events or ({"amount": "12.00", "country": "DE"},))
    ]  # fmt: skip
    pattern = {
        "name": "travel",
        "version": "1",
        "kind": "match",
        "title": "far away",
        "severity": "high",
        "labels": {},
        "runbook": "",
        "description": "",
    }
    return {
        "specversion": "1.0", "id": id_, "source": "/tocsin/t/travel", "type": "tocsin.flag.travel.v1", "subject": "card_id/c1",
        "time": "2024-01-01T00:00:00Z", "partitionkey": "c1", "dedupkey": id_, "severity": "high", "priority": 2, "runmode": "live",
        "data": {
            "pattern": pattern, "application": {"name": "t", "version": "1"}, "key": {"card_id": "c1"}, "time": "2024-01-01T00:00:00Z",
            "window": {}, "steps": {"first": ["ev-0"]}, "evidence": evidence, "evidence_count": len(evidence), "evidence_sum": {},
            "repeat": 1, "reasons": [], "features": {}, "scores": {}, "enrichment": {}, "suppressed": 0, **data,
        },
    }  # fmt: skip


def card_number(digits: str) -> str:
    """Digits with their check digit (Luhn)."""
    total = 0
    for i, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if i % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def iban(country: str, account: str) -> str:
    """An account with its check digits (ISO 13616)."""
    number = int("".join(str(int(char, 36)) for char in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02d}{account}"
