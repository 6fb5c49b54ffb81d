"""Standard Webhooks signatures: HMAC-SHA256 over ``id.timestamp.body`` (standard-webhooks specification 1.0.0).

Around the library's signer: it takes any time for UTC, and its verifier reads the clock and raises whatever a malformed token
breaks on. Here the moment is given and every request gets a verdict.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from standardwebhooks import Webhook

Verdict = Literal["ok", "missing", "malformed", "too_old", "too_new", "no_match"]
TOLERANCE = 300_000_000
"""Microseconds by which a timestamp may differ from now."""
PREFIX = "whsec_"
_SECOND = 1_000_000
_LEAST, _MOST = 24, 64


class SecretError(Exception):
    """A signing secret that is none; the text never shows it."""


def check_secret(secret: str, endpoint: str) -> str:
    """The secret itself.

    Raises:
        SecretError: unless it is base64 of 24 to 64 bytes, with or without ``whsec_``.
    """
    cure = "make one with: openssl rand -base64 32"
    try:
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        raise SecretError(f"endpoint {endpoint!r}: expected its secret as {PREFIX}BASE64; found something else; {cure}") from None
    if not _LEAST <= size <= _MOST:
        raise SecretError(f"endpoint {endpoint!r}: expected a secret of {_LEAST} to {_MOST} bytes; found {size}; {cure}")
    return secret


def signed(secrets: Sequence[str], message: str, now: int, body: bytes) -> dict[str, str]:
    """Headers that sign a body with every secret, so that the receiver may hold any of them while they are rotated.

    message: the id, equal on every attempt; now: microseconds since 1970.
    """
    moment = datetime.fromtimestamp(now // _SECOND, UTC)
    text = body.decode()
    signatures = " ".join(Webhook(secret).sign(message, moment, text) for secret in secrets)
    headers = {"webhook-id": message, "webhook-timestamp": str(now // _SECOND)}
    return {**headers, "webhook-signature": signatures} if signatures else headers


def verify(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: int, tolerance: int = TOLERANCE) -> Verdict:
    """Whether a request was signed with one of the secrets; never raises, whatever came.

    headers: with names in lower case; now, tolerance: microseconds.
    """
    message, stamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message and stamp and given):
        return "missing"
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        return "malformed"
    moment = int(stamp) * _SECOND
    if abs(now - moment) > tolerance:
        return "too_old" if moment < now else "too_new"
    try:
        expected = signed(secrets, message, moment, body).get("webhook-signature", "").split()
    except UnicodeDecodeError:
        return "malformed"
    pairs = [(ours, theirs) for ours in expected for theirs in given.split()]
    matches = [hmac.compare_digest(ours.encode(), theirs.encode()) for ours, theirs in pairs]
    return "ok" if any(matches) else "no_match"
