"""The responder's metrics are those of the contract, counted once something is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, insert

from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import budget, task
from agents.ledger.writer import when_committed
from agents.telemetry import metrics
from tests.agents.effects.ledgers import change, decide
from tests.agents.messages import NOW

NAMES = {
    "tocsin_decisions_total": {"tier", "verdict"}, "tocsin_llm_calls_total": {"model", "outcome"},
    "tocsin_llm_tokens_total": {"model", "direction"}, "tocsin_llm_cost_total": {"model"}, "tocsin_budget_remaining": {"scope"},
    "tocsin_breaker_state": {"target"}, "tocsin_tasks_open": {"level"}, "tocsin_webhook_attempts_total": {"endpoint", "outcome"},
    "tocsin_retry_depth": set(),
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Any) -> Iterator[Ledger]:
    found = Ledger(str(tmp_path / "ledger.db"))
    yield found
    found.close()


def _samples(ledger: Ledger) -> dict[tuple[str, tuple[str, ...]], float]:
    text = metrics.exposed(ledger, FixedClock(NOW)).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples if not sample.name.endswith("_created")
    }  # fmt: skip


def test_names_and_labels_are_the_contract_s(ledger: Ledger) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(
            insert(budget).values(
                runmode="live", scope="all:money/day", window=0, unit="EUR", ends_at=NOW * 2, total=5, remaining=2_500_000_000
            )
        )
        connection.execute(insert(task).values(id="t", runmode="live", flow_id="f", flag_id="g", state="open", level=1))

    change(ledger, fill)
    decide(ledger, 1, [("webhook", "bank", None)], attempts=1)
    metrics.decided("rule:x", "block")
    metrics.called("m", "ok", 10, 5, 2_000_000)
    metrics.attempted("bank", "ok")
    metrics.breaker("bank", "open")
    text = metrics.exposed(ledger, FixedClock(NOW)).decode()
    found = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text) for sample in family.samples if not sample.name.endswith("_created")
    }  # fmt: skip
    assert found == NAMES
    samples = _samples(ledger)
    assert samples["tocsin_budget_remaining", ("all:money/day",)] == 2.5
    assert samples["tocsin_retry_depth", ()] == 1 and samples["tocsin_tasks_open", ("1",)] == 1


def test_only_what_is_committed_counts(ledger: Ledger) -> None:
    done: list[str] = []

    def one(name: str) -> Any:
        def operation(connection: Connection) -> None:
            when_committed(lambda: done.append(name))
            if name == "fails":
                raise ValueError(name)

        return operation

    async def main() -> None:
        await asyncio.gather(*(ledger.run(one(name)) for name in ("a", "fails", "b")), return_exceptions=True)

    asyncio.run(main())
    assert sorted(done) == ["a", "b"]
