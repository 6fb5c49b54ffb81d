"""Spans from the trace that an input began, through tiers and model calls, to the header of a webhook.

Without an exporter (OTEL_EXPORTER_OTLP_ENDPOINT) spans cost next to nothing and go nowhere, but trace ids are passed on all
the same. Model calls follow the GenAI semantic conventions; neither prompts nor answers nor a flag's content is ever an attribute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Value = str | int | float | bool
_PROPAGATOR = TraceContextTextMapPropagator()
_provider = TracerProvider(shutdown_on_exit=False)
_exporting = False


def configure(application: str, processor: SpanProcessor | None = None, environment: Mapping[str, str] = os.environ) -> None:
    """Export spans from here on: to ``processor``, else where OTEL_EXPORTER_OTLP_ENDPOINT says, else nowhere."""
    global _provider, _exporting
    _provider = TracerProvider(resource=Resource.create({"service.name": "tocsin-respond", "tocsin.application": application}))
    if processor is None and (
        environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    ):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        processor = BatchSpanProcessor(OTLPSpanExporter())
    _exporting = processor is not None
    if processor is not None:
        _provider.add_span_processor(processor)


def close() -> None:
    """Send what waits."""
    _provider.shutdown()


def exporting() -> bool:
    """Whether anybody sees the spans."""
    return _exporting


def past(name: str, traceparent: str, start: int, end: int, **attributes: Value) -> None:
    """A span that is over, of which only its times (microseconds) are known."""
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    tracer = _provider.get_tracer("tocsin")
    tracer.start_span(name, _parent(traceparent), attributes=given, start_time=start * 1000).end(end * 1000)


@contextmanager
def span(name: str, traceparent: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: Value) -> Iterator[Span]:
    """A span under the open one, else under the one that ``traceparent`` names; attributes have ``__`` for dots."""
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    tracer = _provider.get_tracer("tocsin")
    opened = tracer.start_as_current_span(
        name, _parent(traceparent), kind, attributes=given, record_exception=False, set_status_on_exception=False
    )  # an error's text may hold what is in a flag
    with opened as found:
        try:
            yield found
        except Exception as error:
            failed(found, type(error).__name__)
            raise


@contextmanager
def model_call(model: str, endpoint: str, traceparent: str, *, most_out: int) -> Iterator[Span]:
    """A span of one call of a model (GenAI semantic conventions: inference)."""
    given: dict[str, Value] = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model,
             "gen_ai.request.max_tokens": most_out, "server.address": endpoint}  # fmt: skip
    with span(f"chat {model}", traceparent, SpanKind.CLIENT) as found:
        for key, value in given.items():
            found.set_attribute(key, value)
        yield found


def model_answered(found: Span, *, tokens_in: int, tokens_out: int, model: str = "", finish: str = "", error: str = "") -> None:
    """What came of a model call."""
    found.set_attribute("gen_ai.usage.input_tokens", tokens_in)
    found.set_attribute("gen_ai.usage.output_tokens", tokens_out)
    if model:
        found.set_attribute("gen_ai.response.model", model)
    if finish:
        found.set_attribute("gen_ai.response.finish_reasons", [finish])
    if error:
        failed(found, error)


def failed(found: Span, reason: str) -> None:
    """It did not go well, and why, as a name."""
    found.set_attribute("error.type", reason)
    found.set_status(Status(StatusCode.ERROR, reason))


def carried(found: Span, otherwise: str) -> str:
    """The traceparent that names a span, for whoever is called from it; ``otherwise`` where it has no id."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, trace.set_span_in_context(found))
    return headers.get("traceparent", otherwise)


def _parent(traceparent: str) -> Context | None:
    if trace.get_current_span().get_span_context().is_valid or not traceparent:
        return None
    return _PROPAGATOR.extract({"traceparent": traceparent})
