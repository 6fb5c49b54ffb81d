"""Mask maps at rest: encrypted with a key from the environment or a file beside the ledger (Fernet: AES-CBC with HMAC)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from agents.ledger.keyfile import KeyMissing, key_of

VARIABLE = "TOCSIN_MASK_KEY"


class Sealer:
    """Seals with the first key, opens with any: a new one is put in front of the old."""

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys])
        except ValueError as error:
            raise KeyMissing(
                f"{VARIABLE}: expected 32 bytes in URL-safe base64 (several: comma between); found something else"
            ) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], file: Path | None) -> Sealer:
        """Keys of TOCSIN_MASK_KEY; without it that of a file, which is made (readable by its owner alone) if it is not there.

        Raises:
            KeyMissing: for a key that is none, or neither a variable nor a file.
        """
        return cls(key_of(environment, VARIABLE, file, lambda: Fernet.generate_key().decode()).split(","))

    def seal(self, tokens: Mapping[str, str]) -> bytes:
        """A map, encrypted."""
        return self._fernet.encrypt(json.dumps(dict(tokens), ensure_ascii=False).encode())

    def open(self, sealed: bytes) -> dict[str, str] | None:
        """A map, None if it was sealed with a key that is not here any more."""
        try:
            found: dict[str, str] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            return None
        return found
