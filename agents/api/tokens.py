"""Who calls: static tokens with roles, from the environment or a file; compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agents.ledger.keyfile import KeyMissing, key_of

Role = Literal["viewer", "analyst", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "analyst", "admin")
"""Each may do what those before it may."""
TOKENS, FILE = "TOCSIN_API_TOKENS", "TOCSIN_API_TOKENS_FILE"
_SHORTEST = 16


@dataclass(frozen=True, slots=True)
class Caller:
    """A token's name and role."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this role is enough."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Callers by the SHA-256 of their tokens; the tokens themselves are not kept."""

    callers: Mapping[bytes, Caller]

    def caller(self, token: str) -> Caller | None:
        """Whose token it is; each is compared in full, so that time tells nothing."""
        given, found = _digest(token), None
        for known, caller in self.callers.items():
            if hmac.compare_digest(known, given):
                found = caller
        return found

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], file: Path | None) -> Tokens:
        """TOCSIN_API_TOKENS as ``NAME:ROLE:TOKEN`` with commas between, or one a line of the file TOCSIN_API_TOKENS_FILE.

        Without either: an administrator's token in ``file``, made when it is first needed.

        Raises:
            KeyMissing: for what is no list of tokens, or when there is none and no place for one.
        """
        named = environment.get(FILE, "")
        if named:
            return cls(_read(_text(Path(named)).splitlines(), FILE))
        if environment.get(TOKENS, "").strip():
            return cls(_read(environment[TOKENS].split(","), TOKENS))
        token = key_of(environment, TOKENS, file, lambda: secrets.token_urlsafe(32))
        return cls({_digest(token): Caller("local", "admin")})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMissing(f"{FILE}: {path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def _read(lines: list[str], where: str) -> dict[bytes, Caller]:
    found: dict[bytes, Caller] = {}
    for number, line in enumerate((line.strip() for line in lines), 1):
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        role, _, token = rest.partition(":")
        if not name or role not in ROLES or len(token) < _SHORTEST:
            wanted = f"NAME:ROLE:TOKEN with a role of {', '.join(ROLES)} and a token of at least {_SHORTEST} characters"
            raise KeyMissing(f"{where}: entry {number}: expected {wanted}; found something else")
        found[_digest(token)] = Caller(name, next(each for each in ROLES if each == role))
    if not found:
        raise KeyMissing(f"{where}: expected NAME:ROLE:TOKEN; found no entry")
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
