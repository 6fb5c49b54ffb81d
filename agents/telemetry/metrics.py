"""All metrics of the responder: this module alone holds their names (contracts: metrics).

Counters and breakers are this process's own; budgets, tasks and retries are read from the ledger when somebody asks, and are
therefore the same at each process.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from sqlalchemy import Connection, and_, func, select

from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.ledger.schema import budget, effect, task
from models.events.decision import LIVE

REGISTRY = CollectorRegistry(auto_describe=True)
_NANO = 1e9
_STATES = {"closed": 0, "half_open": 1, "open": 2}

_decisions = Counter("tocsin_decisions_total", "Decisions by the tier that made them.", ["tier", "verdict"], registry=REGISTRY)
_calls = Counter("tocsin_llm_calls_total", "Calls of models by how they ended.", ["model", "outcome"], registry=REGISTRY)
_tokens = Counter("tocsin_llm_tokens_total", "Tokens that models took and gave.", ["model", "direction"], registry=REGISTRY)
_cost = Counter("tocsin_llm_cost_total", "What models cost, in the application's currency.", ["model"], registry=REGISTRY)
_attempts = Counter(
    "tocsin_webhook_attempts_total", "Attempts at endpoints by outcome.", ["endpoint", "outcome"], registry=REGISTRY
)
_breakers = Gauge("tocsin_breaker_state", "0 closed, 1 half open, 2 open.", ["target"], registry=REGISTRY)


def decided(tier: str, verdict: str, count: int = 1) -> None:
    """Decisions were committed; ``tier`` as decisions have it."""
    _decisions.labels(tier, verdict).inc(count)


def called(model: str, outcome: str, tokens_in: int = 0, tokens_out: int = 0, cost_nano: int = 0) -> None:
    """A call of a model is over."""
    _calls.labels(model, outcome).inc()
    _tokens.labels(model, "in").inc(tokens_in)
    _tokens.labels(model, "out").inc(tokens_out)
    _cost.labels(model).inc(cost_nano / _NANO)


def attempted(endpoint: str, outcome: str) -> None:
    """An attempt at an endpoint is over."""
    _attempts.labels(endpoint, outcome).inc()


def breaker(target: str, state: str) -> None:
    """A breaker is closed, half_open or open."""
    _breakers.labels(target).set(_STATES[state])


class LedgerMetrics:
    """Gauges read from the ledger at each scrape."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        now = self._clock.now()
        yield from self._ledger.look(lambda connection: [_budgets(connection, now), _tasks(connection), _retries(connection)])


def exposed(ledger: Ledger, clock: Clock) -> bytes:
    """All of it in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(LedgerMetrics(ledger, clock))
    return generate_latest(REGISTRY) + generate_latest(registry)


def _budgets(connection: Connection, now: int) -> Metric:
    found = GaugeMetricFamily(
        "tocsin_budget_remaining", "What may still be spent in this window: money, calls or tokens.", labels=["scope"]
    )
    present = and_(budget.c.runmode == LIVE, budget.c.window <= now, budget.c.ends_at > now)
    for scope, unit, remaining in connection.execute(select(budget.c.scope, budget.c.unit, budget.c.remaining).where(present)):
        found.add_metric([scope], remaining if unit in ("calls", "tokens") else remaining / _NANO)
    return found


def _tasks(connection: Connection) -> Metric:
    found = GaugeMetricFamily("tocsin_tasks_open", "Tasks that wait for people, by level.", labels=["level"])
    wanted = select(task.c.level, func.count()).where(task.c.state == "open", task.c.runmode == LIVE).group_by(task.c.level)
    for level, count in connection.execute(wanted):
        found.add_metric([str(level)], count)
    return found


def _retries(connection: Connection) -> Metric:
    waiting = select(func.count()).select_from(effect).where(effect.c.open, effect.c.attempts > 0, effect.c.runmode == LIVE)
    return GaugeMetricFamily(
        "tocsin_retry_depth", "Effects that failed and will be tried again.", value=connection.scalar(waiting) or 0
    )
