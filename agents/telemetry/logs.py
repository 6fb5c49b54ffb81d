"""Logs of a service: one JSON object a line, with the ids that lead from flag to webhook; nothing of a flag's content."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
import structlog.tracebacks
from structlog.typing import ExcInfo

_transformed = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
_KEPT_OUT = frozenset({"body", "data", "fields", "evidence", "payload", "prompt", "secret", "token", "url", "authorization"})
"""Names whose values are never logged, whoever passes them."""


def configure(*, level: str = "info") -> None:
    """Log to standard error from here on; ids bound with ``structlog.contextvars`` are on every line of their task."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            traced,
            withheld,
            structlog.processors.ExceptionRenderer(_traceback),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _traceback(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Which errors, and where: neither local variables nor texts, since flags are in them."""
    return [
        {"type": each["exc_type"], "frames": [f"{frame['filename']}:{frame['lineno']} {frame['name']}" for frame in each["frames"]]}
        for each in _transformed(exc_info)
    ]


def traced(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the ids of the span that is open."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"], event["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return event


def withheld(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Takes out what is no id and no state.

    >>> withheld(None, "", {"event": "effect", "key": "k", "payload": {"pan": "4111"}})
    {'event': 'effect', 'key': 'k'}
    """
    return {name: value for name, value in event.items() if name not in _KEPT_OUT}
