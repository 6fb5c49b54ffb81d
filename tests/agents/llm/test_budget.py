"""Budgets hold, whoever spends at the same time."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from agents.ledger.ledger import Ledger
from agents.ledger.schema import metadata
from agents.llm.budget import OutOfBudget, left, reserve, scopes, settle
from models.application.respond.resolved import Budget, Limit
from tests.agents.llm.cases import AT, money

DAY = 86_400_000_000
CALLS = Limit("calls", 10, "hour")


def test_scopes_of_a_call() -> None:
    own = Budget((money(5), CALLS), {"default": money(1), "travel": money(3)})
    found = scopes(Budget((money(20),)), "takeover", own, "travel")
    assert [(scope.name, scope.limit.most) for scope in found] == [
        ("all:money/day", 20), ("takeover:money/day", 5), ("takeover:calls/hour", 10), ("takeover/travel:money/day", 3),
    ]  # fmt: skip
    assert scopes(Budget(), "takeover", own, "other")[-1].limit.most == 1
    assert scopes(Budget(), "takeover", Budget(), "other") == ()


def test_all_or_nothing_and_settled(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    wanted = scopes(Budget((money(100),)), "r", Budget((money(50), CALLS)), "p")

    def spend(amount: int, now: int = AT) -> object:
        def operation(connection: object) -> object:
            return reserve(connection, "live", wanted, {"money": amount, "calls": 1}, now)  # type: ignore[arg-type]

        return ledger.writer.submit(operation).result()

    def remaining(now: int = AT) -> dict[str, int]:
        return {row.scope: row.remaining for row in ledger.look(lambda c: left(c, "live", now))}

    taken = spend(30)
    with pytest.raises(OutOfBudget, match="r:money/day has 20 left and the call may take 30"):
        spend(30)
    assert remaining() == {"all:money/day": 70, "r:money/day": 20, "r:calls/hour": 9}
    ledger.writer.submit(lambda c: settle(c, "live", taken, {"money": 10, "tokens": 5}, AT)).result()  # type: ignore[arg-type]
    assert remaining() == {"all:money/day": 90, "r:money/day": 40, "r:calls/hour": 9}
    spend(50, AT + DAY)
    assert remaining(AT + DAY) == {"all:money/day": 50, "r:money/day": 0, "r:calls/hour": 9}
    wanted = scopes(Budget((money(100),)), "r", Budget((money(60), CALLS)), "p")
    spend(5, AT + DAY)
    assert remaining(AT + DAY)["r:money/day"] == 5, "a limit that was raised has more left at once"
    ledger.close()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40), st.booleans()), max_size=20), st.integers(10, 100))
def test_never_over(steps: list[tuple[int, int, bool]], total: int) -> None:
    engine = create_engine("sqlite://")
    wanted = scopes(Budget((money(total),)), "r", Budget((money(total // 2),)), "p")
    spent = 0
    with engine.begin() as connection:
        metadata.create_all(connection)
        for most, real, known in steps:
            try:
                taken = reserve(connection, "live", wanted, {"money": most}, AT)
            except OutOfBudget:
                assert spent + most > total // 2
                continue
            used = min(real, most) if known else most
            if known:
                settle(connection, "live", taken, {"money": used}, AT)
            spent += used
            rows = {row.scope: row.remaining for row in left(connection, "live", AT)}
            assert rows == {"all:money/day": total - spent, "r:money/day": total // 2 - spent}
            assert min(rows.values()) >= 0


def _spend(url: str, times: int, results: object) -> None:
    ledger = Ledger(url)
    wanted = scopes(Budget((money(10_000),)), "r", Budget((money(1_000), CALLS)), "p")
    futures = [ledger.writer.submit(lambda c: reserve(c, "live", wanted, {"money": 100, "calls": 1}, AT)) for _ in range(times)]
    results.put(sum(future.exception() is None for future in futures))  # type: ignore[attr-defined]
    ledger.close()


def test_two_processes(ledger_url: str, tmp_path: Path) -> None:
    Ledger(ledger_url).close()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_spend, args=(ledger_url, 50, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert results.get(timeout=60) + results.get(timeout=60) == 10
    for worker in workers:
        worker.join(30)
    ledger = Ledger(ledger_url)
    assert {row.scope: row.remaining for row in ledger.look(lambda c: left(c, "live", AT))} == {
        "all:money/day": 9_000, "r:money/day": 0, "r:calls/hour": 0,
    }  # fmt: skip
    ledger.close()
