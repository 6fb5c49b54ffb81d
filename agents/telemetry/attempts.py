"""Attempts at endpoints, counted and traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from opentelemetry.trace import SpanKind

from agents.effects.outcome import Outcome
from agents.effects.work import Work
from agents.telemetry import metrics, traces


class Attempts:
    """What the outbox tells of its attempts."""

    def attempted(self, endpoint: str, outcome: str) -> None:
        """An attempt is over."""
        metrics.attempted(endpoint, outcome)

    def breaker(self, target: str, state: str) -> None:
        """An endpoint's breaker changed."""
        metrics.breaker(target, state)

    @contextmanager
    def around(self, work: Work, target: str) -> Iterator[tuple[Work, list[Outcome]]]:
        """A span about an attempt, whose id the message carries on; the list takes how it went."""
        row, came = work.row, list[Outcome]()
        ids = {"tocsin__effect__key": row["key"], "tocsin__flag__id": row["flag_id"], "tocsin__decision__id": row["decision_id"]}
        with traces.span(
            f"{row['kind']} {target}", row["traceparent"], SpanKind.PRODUCER, tocsin__endpoint=target,
            tocsin__attempt=row["attempts"] + 1, **ids,
        ) as span:  # fmt: skip
            yield replace(work, message=replace(work.message, traceparent=traces.carried(span, row["traceparent"]))), came
            for outcome in came:
                if outcome.status is not None:
                    span.set_attribute("http.response.status_code", outcome.status)
                if not outcome.ok:
                    traces.failed(span, outcome.name)
