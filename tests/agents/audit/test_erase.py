"""What is too old goes, a little at once, and the audit still verifies."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from sqlalchemy import func, insert, select, update

from agents.audit.chain import Entry, append
from agents.audit.erase import prune
from agents.audit.pruning import Pruner, leads
from agents.audit.verify import verify
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import TABLES, audit, blob, decision, effect, inbox, mask
from models.application.respond.resolved import Retention
from tests.agents.effects.ledgers import DAY, change, decide, target, work
from tests.agents.messages import NOW
from tests.agents.receiver import receiving


def _count(ledger: Ledger, table: Any) -> int:
    return int(ledger.look(lambda c: c.scalar(select(func.count()).select_from(table))))


def test_old_flags_go_with_all_that_is_theirs_but_not_while_anything_is_open(ledger: Ledger) -> None:
    with receiving() as receiver:
        for number in range(3):
            decide(ledger, number, [("webhook", "bank" if number < 2 else "other", None)])
        work(ledger, FixedClock(NOW), [target("bank", receiver.url)])
    change(ledger, lambda c: c.execute(update(inbox).where(inbox.c.flag_id == "flag-1").values(received_at=NOW + DAY)))
    found = change(ledger, lambda c: prune(c, Retention(flags=DAY), "app", NOW + DAY + 1))
    assert found == {"flags": 1}
    assert [_count(ledger, table) for table in (inbox, decision, effect)] == [2, 2, 2]
    assert ledger.look(verify).problems == []


def test_the_audit_s_beginning_goes_and_the_rest_verifies(ledger: Ledger) -> None:
    for at in range(20):
        change(ledger, lambda c, at=at: append(c, "app", [Entry("decision", f"d{at}", f"f{at}", {})], at * DAY))
    found = change(ledger, lambda c: prune(c, Retention(audit=5 * DAY), "app", 15 * DAY))
    assert found == {"audit": 10}
    assert ledger.look(verify).problems == []
    change(ledger, lambda c: prune(c, Retention(audit=5 * DAY), "app", 18 * DAY))
    assert ledger.look(verify).problems == []
    change(ledger, lambda c: c.execute(update(audit).where(audit.c.ref == "d17").values(body='{"x":1}')))
    [problem] = ledger.look(verify).problems
    assert "decision of d17" in problem


def test_bodies_of_models_and_mask_maps_go_before_flags_do(ledger: Ledger) -> None:
    rows = [
        {"sha": f"{kind}{at}", "kind": kind, "body": "x", "created_at": at}
        for kind in ("request", "response", "prompt")
        for at in (1, NOW)
    ]
    change(ledger, lambda c: c.execute(insert(blob), rows))
    change(ledger, lambda c: c.execute(insert(mask).values(flow_id="f", sealed=b"x", created_at=1)))
    assert change(ledger, lambda c: prune(c, Retention(llm_bodies=DAY), "app", NOW)) == {"llm_bodies": 2, "masks": 1}
    assert sorted(ledger.look(lambda c: c.scalars(select(blob.c.sha)).all())) == [
        f"prompt{1}",
        f"prompt{NOW}",
        f"request{NOW}",
        f"response{NOW}",
    ]


def test_one_process_prunes_and_another_follows_it(ledger: Ledger) -> None:
    def asks(owner: str, now: int) -> bool:
        return bool(change(ledger, lambda c: leads(c, "pruning", owner, now, 60_000_000)))

    assert [asks("one", NOW), asks("two", NOW), asks("one", NOW)] == [True, False, True]
    if not ledger.postgresql:  # there leases go by the database's clock
        assert asks("two", NOW + DAY)


def test_the_worker_prunes_by_the_policy(ledger: Ledger) -> None:
    decide(ledger, 1, [])
    policy: Any = SimpleNamespace(application="app", respond=SimpleNamespace(retention=Retention(flags=DAY)))
    pruner = Pruner(ledger, policy, FixedClock(NOW + 2 * DAY), "me")
    assert [asyncio.run(pruner.step()), asyncio.run(pruner.step())] == [True, False]
    assert _count(ledger, inbox) == 0 and len(TABLES) > 10
