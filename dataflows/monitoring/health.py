"""What a run answers over HTTP: ``/metrics``, ``/healthz`` (epochs complete) and ``/readyz`` (everything is heard of)."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

from prometheus_client.exposition import choose_encoder

from dataflows.monitoring.metrics import Metrics
from dataflows.monitoring.observed import Observed

STALLED = 60.0
"""Seconds without a completed epoch after which a run counts as stalled."""
MISSED = 30.0
"""Seconds without a broker after which a run counts as not ready."""


class Health(NamedTuple):
    """Whether all is well, and why."""

    ok: bool
    reason: str


def health(observed: Observed, stalled: float = STALLED) -> Health:
    """Alive while epochs complete, before the first one, and while a broker is waited for: a new start would not bring it back."""
    if observed.down:
        return Health(True, f"waiting: {_missed(observed)}")
    if observed.epoch_at is None:
        return Health(True, "starting")
    age = observed.clock() - observed.epoch_at
    if age > stalled:
        return Health(False, f"stalled: the last epoch was completed {age:.0f} s ago; expected at most {stalled:.0f} s")
    return Health(True, "running")


def readiness(observed: Observed) -> Health:
    """Ready once every stage has heard of all that feeds it and an epoch was completed; not while a broker is missed for long."""
    if observed.epoch_at is None:
        return Health(False, "starting: no epoch has been completed yet")
    if observed.down and observed.clock() - min(observed.down.copy().values()) > MISSED:
        return Health(False, f"waiting: {_missed(observed)}")
    for stage in range(observed.stages):
        if stage in observed.shards and observed.watermark(stage) is None:
            holder = observed.holder(stage)
            who = "something" if holder is None else f"{holder[0]}, partition {holder[1]},"
            return Health(False, f"starting: stage {stage + 1} waits for {who} to be read")
    return Health(True, "ready")


def _missed(observed: Observed) -> str:
    """Which client has had no broker for longest."""
    client, since = min(observed.down.copy().items(), key=lambda item: item[1], default=("", observed.clock()))
    return f"{client} has had no broker for {observed.clock() - since:.0f} s"


class Server:
    """Answers in a thread of its own; ``port`` is the one that it got where 0 was asked for.

    Raises:
        OSError: when the address cannot be listened on.
    """

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self.http = ThreadingHTTPServer((host, port), _handler(metrics))
        self.http.daemon_threads = True
        self.port: int = self.http.server_address[1]
        self.thread = Thread(target=self.http.serve_forever, args=(0.05,), name="metrics", daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop answering."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def _handler(metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    checks: dict[str, Callable[[], Health]] = {
        "/healthz": lambda: health(metrics.observed),
        "/readyz": lambda: readiness(metrics.observed),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the base class names it
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, kind = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, kind, encode(metrics.registry))
            elif path in checks:
                found = checks[path]()
                self._answer(200 if found.ok else 503, "text/plain; charset=utf-8", found.reason.encode() + b"\n")
            else:
                self._answer(404, "text/plain; charset=utf-8", b"expected /metrics, /healthz or /readyz\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Scrapes are not logged."""

    return Handler
