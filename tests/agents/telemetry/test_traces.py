"""One trace from the flag to the webhook's header, received by a real OTLP sink; nothing of a flag's content in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from agents.effects.outbox import Outbox
from agents.effects.webhook import Webhooks
from agents.ledger.clock import FixedClock
from agents.ledger.ledger import Ledger
from agents.telemetry import logs, traces
from agents.telemetry.attempts import Attempts
from tests.agents.effects.ledgers import Topics, decide, target
from tests.agents.messages import NOW, flag
from tests.agents.receiver import Answer, receiving


@contextmanager
def _sink() -> Iterator[tuple[str, list[Any], list[bytes]]]:
    spans: list[Any] = []
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            bodies.append(body)
            found = ExportTraceServiceRequest.FromString(body)
            spans.extend(span for resource in found.resource_spans for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans, bodies
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def collected() -> Iterator[tuple[list[Any], list[bytes]]]:
    with _sink() as (url, spans, bodies):
        traces.configure("app", SimpleSpanProcessor(OTLPSpanExporter(url, compression=None)))
        yield spans, bodies
        traces.close()
        traces.configure("app", environment={})


def _attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_a_webhook_carries_the_trace_of_its_flag(tmp_path: Any, collected: tuple[list[Any], list[bytes]]) -> None:
    spans, bodies = collected
    ledger = Ledger(str(tmp_path / "ledger.db"))
    [key] = decide(ledger, 1, [("webhook", "bank", None)])

    async def main(url: str) -> None:
        webhooks = Webhooks()
        outbox = Outbox(ledger, FixedClock(NOW), "app", {"bank": target("bank", url)}, owner="me", webhooks=webhooks, mail=webhooks,
                        publisher=Topics(), observer=Attempts())  # fmt: skip
        await outbox.drain()
        await webhooks.close()

    with receiving(lambda request: Answer(503)) as receiver:
        asyncio.run(main(receiver.url))
    ledger.close()
    [span] = spans
    assert span.name == "webhook bank"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == ("1" * 32, "2" * 16)
    assert receiver.requests[0].headers["traceparent"] == f"00-{'1' * 32}-{span.span_id.hex()}-01"
    assert _attributes(span) == {
        "tocsin.endpoint": "bank", "tocsin.attempt": 1, "tocsin.effect.key": key, "tocsin.flag.id": "flag-1",
        "tocsin.decision.id": _attributes(span)["tocsin.decision.id"], "http.response.status_code": 503, "error.type": "failed",
    }  # fmt: skip
    content = [str(flag()["subject"]), str(flag()["data"]["pattern"]["title"]), "250.5"]
    assert not [text for text in content for body in bodies if text.encode() in body]


def test_model_calls_lie_within_their_tier_and_follow_the_genai_conventions(collected: tuple[list[Any], list[bytes]]) -> None:
    spans, _ = collected
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    with traces.span("tier llm", parent), traces.model_call("small", "http://127.0.0.1/v1", parent, most_out=50) as span:
        traces.model_answered(span, tokens_in=12, tokens_out=3, model="small-1", finish="stop")
    call, tier = spans
    assert (call.name, call.parent_span_id, tier.parent_span_id.hex()) == ("chat small", tier.span_id, "b" * 16)
    found = _attributes(call)
    assert (found["gen_ai.operation.name"], found["gen_ai.request.model"], found["gen_ai.response.model"]) == (
        "chat",
        "small",
        "small-1",
    )
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"], found["gen_ai.request.max_tokens"]) == (
        12,
        3,
        50,
    )


def test_without_an_exporter_the_trace_goes_on_all_the_same() -> None:
    traces.configure("app", environment={})
    assert not traces.exporting()
    with traces.span("x", f"00-{'c' * 32}-{'d' * 16}-01") as span:
        assert traces.carried(span, "").startswith(f"00-{'c' * 32}-")


def test_logs_keep_content_out(capfd: pytest.CaptureFixture[str]) -> None:
    import structlog

    logs.configure()
    try:
        with structlog.contextvars.bound_contextvars(flag="f-1"), traces.span("x", f"00-{'c' * 32}-{'d' * 16}-01"):
            structlog.get_logger().info("effect", outcome="ok", payload={"pan": "4111"}, url="https://hooks.example/secret")
        structlog.get_logger().debug("unseen")
    finally:
        structlog.reset_defaults()
    [line] = capfd.readouterr().err.splitlines()
    assert '"flag": "f-1"' in line and f'"trace_id": "{"c" * 32}"' in line
    assert "4111" not in line and "hooks.example" not in line
