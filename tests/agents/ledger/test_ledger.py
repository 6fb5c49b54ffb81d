"""Migrations make what the schema says; writes, claims and fences hold on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select, text

from agents.ledger.claims import Lost, claim, held, renew, take_over
from agents.ledger.connect import LedgerError, ledger_url
from agents.ledger.ledger import Ledger
from agents.ledger.schema import bucket, flow, metadata

SECOND = 1_000_000


def test_migrations_make_the_schema(ledger: Ledger) -> None:
    differences = ledger.look(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert not differences


def test_opening_again_changes_nothing_and_a_newer_ledger_is_refused(ledger: Ledger) -> None:
    url = ledger.url.render_as_string(hide_password=False)
    Ledger(url).close()
    ledger.writer.submit(lambda c: c.execute(text("UPDATE alembic_version SET version_num = 'later'"))).result()
    with pytest.raises(LedgerError, match="revision 'later', which this release does not know"):
        Ledger(url)


@pytest.mark.parametrize("given", ["mysql://u@h/d", "oracle://u@h/d"])
def test_other_databases_are_refused(given: str) -> None:
    with pytest.raises(LedgerError, match="expected sqlite or postgresql"):
        ledger_url(given)


def _add(name: str) -> Any:
    return lambda c: c.execute(insert(bucket).values(name=name, level=0, at=0))


def test_one_that_fails_leaves_the_others(ledger: Ledger) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*(ledger.run(_add(f"n{i % 40}")) for i in range(60)), return_exceptions=True)

    found = asyncio.run(main())
    assert sum(isinstance(value, Exception) for value in found) == 20
    assert ledger.look(lambda c: c.scalar(select(func.count()).select_from(bucket))) == 40


def test_a_bulk_operation_that_fails_is_undone_whole(ledger: Ledger) -> None:
    def two(connection: Connection) -> None:
        _add("a")(connection)
        raise ValueError("after the first")

    with pytest.raises(ValueError, match="after the first"):
        asyncio.run(ledger.bulk(two))
    assert ledger.look(lambda c: c.scalar(select(func.count()).select_from(bucket))) == 0


def _flows(*lanes: int) -> Any:
    rows = [{"id": f"f{i}", "stage": "llm", "lane": lane, "due_at": i} for i, lane in enumerate(lanes)]
    return lambda c: c.execute(insert(flow), rows)


def _claim(ledger: Ledger, owner: str, most: int, now: int = SECOND, lease: int = 3600 * SECOND) -> list[Any]:
    return ledger.writer.submit(lambda c: claim(c, flow, owner=owner, now=now, lease=lease, most=most)).result()


def test_claims_take_lanes_in_order_and_nothing_twice(ledger: Ledger) -> None:
    ledger.writer.submit(_flows(2, 1, 3, 1)).result()
    assert [row["id"] for row in _claim(ledger, "a", 3)] == ["f1", "f3", "f0"]
    assert [row["id"] for row in _claim(ledger, "b", 3)] == ["f2"]
    assert _claim(ledger, "c", 3) == []


def test_a_fence_keeps_out_who_lost_the_lease(ledger: Ledger) -> None:
    ledger.writer.submit(_flows(1)).result()
    [mine] = _claim(ledger, "a", 1, lease=-1)  # over at once, as if a had slept
    [theirs] = _claim(ledger, "b", 1, now=2 * SECOND)
    assert theirs["fence"] == mine["fence"] + 1
    with pytest.raises(Lost, match="flow f0: the lease was lost"):
        ledger.writer.submit(lambda c: held(c, flow, mine, stage="human")).result()
    with pytest.raises(Lost):
        ledger.writer.submit(lambda c: renew(c, flow, mine, now=SECOND, lease=SECOND)).result()
    ledger.writer.submit(lambda c: held(c, flow, theirs, stage="human")).result()
    assert ledger.look(lambda c: c.scalar(select(flow.c.stage))) == "human"


def test_taking_over_makes_the_holder_lose(ledger: Ledger) -> None:
    ledger.writer.submit(_flows(1)).result()
    [mine] = _claim(ledger, "a", 1)
    taken = ledger.writer.submit(lambda c: take_over(c, flow, "f0", owner="b")).result()
    assert taken is not None
    with pytest.raises(Lost):
        ledger.writer.submit(lambda c: held(c, flow, mine, stage="human")).result()
    assert ledger.writer.submit(lambda c: take_over(c, flow, "nobody", owner="b")).result() is None
