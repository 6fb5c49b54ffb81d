"""Errors of the client as failures with their kinds."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
import openai

from agents.llm.failures import Failure

_QUOTA_REST = 600_000_000
"""Microseconds for which a model is not called whose account is empty."""
_LONGEST_WAIT = 86_400_000_000


def status_failure(error: openai.APIStatusError) -> Failure:
    """An answer with an error's status; a 4xx is not billed."""
    status, code = error.status_code, str(error.code or "")
    detail = f"HTTP {status} {code}".strip()
    wait = retry_after(error.response.headers)
    if status == 402 or code == "insufficient_quota":
        return Failure("budget", f"{detail}: the account is empty", _QUOTA_REST, unbilled=True)
    if status == 429:
        return Failure("rate_limit", detail, wait, unbilled=True)
    if status in (408, 409) or status >= 500:
        return Failure("unavailable", detail, wait)
    if status == 400 and "context" in f"{code} {error.message}".lower():
        return Failure("context", detail, unbilled=True)
    return Failure("rejected", detail, unbilled=True)


def connection_failure(error: Exception) -> Failure:
    """No answer, or none that came through whole; one that found no connection cost nothing."""
    cause = error.__cause__ or error
    if isinstance(cause, httpx2.TimeoutException):
        return Failure("timeout", "no answer in time")
    never_sent = isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol)
    return Failure("unavailable", f"{type(cause).__name__} at the endpoint", unbilled=never_sent)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Retry-After in seconds as microseconds, at most a day; None without one, or for a date."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        return None
    return int(min(max(seconds, 0.0) * 1e6, _LONGEST_WAIT)) if seconds == seconds else None
