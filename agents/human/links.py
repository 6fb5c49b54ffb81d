"""Links that let who has them answer one task until it is due: signed (HMAC-SHA256), so that nothing in them can be changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from agents.ledger.keyfile import KeyMissing, key_of

KEY = "TOCSIN_LINK_KEY"
ADDRESS = "TOCSIN_URL"
_SHORTEST = 16


class BadLink(Exception):
    """A token that opens nothing: changed, signed by another key, or over."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows: to answer a task in a team's name until a moment (microseconds)."""

    task: str
    team: str
    until: int


@dataclass(frozen=True, slots=True)
class Links:
    """Makes links and reads their tokens. ``address``: where people reach the API, without a slash at its end."""

    address: str
    key: bytes = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], file: Path | None) -> Links | None:
        """With TOCSIN_URL, and TOCSIN_LINK_KEY or a key's file, which is made if it is not there; None without an address.

        Raises:
            KeyMissing: with an address, but no key and no place for one; or one that is too short.
        """
        address = environment.get(ADDRESS, "").rstrip("/")
        if not address:
            return None
        key = key_of(environment, KEY, file, lambda: secrets.token_urlsafe(32))
        if len(key) < _SHORTEST:
            raise KeyMissing(f"{KEY}: expected at least {_SHORTEST} characters; found {len(key)}")
        return cls(address, key.encode())

    def link(self, task: str, team: str, until: int) -> str:
        """Where a person answers."""
        return f"{self.address}/tasks/{quote(task)}?token={self.token(Grant(task, team, until))}"

    def token(self, grant: Grant) -> str:
        """A grant, signed."""
        body = _encoded(json.dumps([grant.task, grant.team, grant.until], separators=(",", ":")).encode())
        return f"{body}.{self._signature(body)}"

    def read(self, token: str, task: str, now: int) -> Grant:
        """The grant of a token for a task.

        Raises:
            BadLink: if it is none, another task's, or over.
        """
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            raise BadLink("expected the link as it was sent; its signature does not fit")
        found = Grant(*json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
        if found.task != task:
            raise BadLink("expected a link to this task; it is another's")
        if now >= found.until:
            raise BadLink("the link is over: the task was due")
        return found

    def _signature(self, body: str) -> str:
        return _encoded(hmac.new(self.key, f"tocsin-task.{body}".encode(), hashlib.sha256).digest())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
