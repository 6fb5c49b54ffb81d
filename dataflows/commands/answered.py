"""The second half of ``tocsin why FLAG``: what became of a flag, from the responder's ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dataflows.commands.ledgers import LEDGER, ledger_at

_HIDDEN = frozenset({"tier", "outcome", "verdict", "reason", "at"})
_NANO = 10**9


def answered(flag: str, url: str | None) -> Iterator[str]:
    """Lines about routes, tiers, spend, people and effects; none without a ledger here, or where it does not know the flag.

    Raises:
        UserError: for a ledger that was named and cannot be opened.
    """
    from agents.audit.story import story

    if url is None and not Path(LEDGER).is_file():
        return
    with ledger_at(url or LEDGER) as ledger:
        found = ledger.look(lambda connection: story(connection, flag))
    if found is None:
        if url is not None:
            yield "  no responder has seen it"
        return
    yield f"  received {found.received_at}"
    for answer in found.answers:
        yield f"  {_named(answer)} decided {answer['verdict']} by {answer['tier']} at {answer['decided_at']}"
        yield from _way(answer)
        yield f"    decision {answer['decision']}, policy {answer['policy_version']}"
    for waiting in found.open:
        parked = f", parked: {waiting['parked']}" if waiting["parked"] else ""
        yield f"  {_named(waiting)} waits in tier {waiting['stage']} until {waiting['due_at']}{parked}"
        yield from _way(waiting)
    if found.effects:
        yield "  effects"
        yield from (f"    {_effect(effect)}" for effect in found.effects)


def _named(answer: Mapping[str, Any]) -> str:
    return str(answer["responder"] or "the inbox")


def _way(answer: Mapping[str, Any]) -> Iterator[str]:
    """What each tier said, what models took, whom it was put to."""
    for step in answer["trail"]:
        said = step.get("verdict") or step.get("reason") or ""
        more = ", ".join(
            f"{name} {value}" for name, value in step.items() if name not in _HIDDEN and value not in ("", None, [], {})
        )
        yield f"    {step.get('tier', '')}: {step.get('outcome', '')} {said}".rstrip() + (f" ({more})" if more else "")
    for call in answer["calls"]:
        cost = f"{call['cost_nano'] / _NANO:.6f} {call['currency']}".strip()
        again = ", from the cache" if call["cached"] else ""
        tokens = f"{call['tokens_in']} + {call['tokens_out']} tokens"
        yield f"    model {call['model']} {call['purpose']}: {call['outcome']}, {tokens}, {cost}{again}"
    for task in answer["tasks"]:
        by = f" by {task['answered_by']}" if task["answered_by"] else ""
        yield f"    task of {task['team']}, level {task['level']}: {task['state']} {task['verdict']}{by}".rstrip()


def _effect(effect: Mapping[str, Any]) -> str:
    tries = ", ".join(f"{each['outcome']} {each['status'] or ''}".strip() for each in effect["attempts"])
    undoes = f", undoes {effect['undoes']}" if effect["undoes"] else ""
    return f"{effect['kind']} {effect['target']}: {effect['state']}{f' ({tries})' if tries else ''}{undoes}, key {effect['key']}"
