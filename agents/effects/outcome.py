"""How one attempt went, and what that means for the effect and its endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal[
    "ok", "refused", "failed", "timeout", "tls", "dns", "connect", "private_address", "bad_url", "redirect", "gone", "throttled",
    "disabled", "not_live", "not_possible",
]  # fmt: skip

THROTTLING = frozenset({429, 502, 504})
_GONE = 410
_FINAL = frozenset({"gone", "disabled", "not_live", "not_possible"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt. status: HTTP's or SMTP's; retry_after: microseconds; detail: a short text for people, without secrets."""

    name: Name
    status: int | None = None
    retry_after: int | None = None
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the effect is done."""
        return self.name == "ok"

    @property
    def final(self) -> bool:
        """Whether trying again is of no use."""
        return self.name in _FINAL

    @property
    def counts(self) -> bool:
        """Whether it speaks against the endpoint."""
        return not self.ok and self.name not in ("disabled", "not_live", "not_possible")


OK = Outcome("ok")


def answered(status: int, after: int | None = None, detail: str = "") -> Outcome:
    """What an HTTP status means (Standard Webhooks: 2xx alone is success, 410 ends the endpoint, 429, 502, 504 slow it down).

    >>> [answered(status).name for status in (204, 302, 410, 429, 404, 500)]
    ['ok', 'redirect', 'gone', 'throttled', 'refused', 'failed']
    """
    if 200 <= status < 300:
        return Outcome("ok", status)
    if 300 <= status < 400:
        return Outcome("redirect", status, None, "redirects are not followed; name the final URL")
    if status == _GONE:
        return Outcome("gone", status, None, detail)
    if status in THROTTLING:
        return Outcome("throttled", status, after, detail)
    return Outcome("refused" if status < 500 else "failed", status, after, detail)
