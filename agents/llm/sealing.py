"""Mask maps at rest: encrypted with a key from the environment or a file beside the ledger (Fernet: AES-CBC with HMAC)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

VARIABLE = "TOCSIN_MASK_KEY"


class SealError(Exception):
    """A key that is none; the text says what is expected."""


class Sealer:
    """Seals with the first key, opens with any: a new one is put in front of the old."""

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys])
        except ValueError as error:
            raise SealError(
                f"{VARIABLE}: expected 32 bytes in URL-safe base64 (several: comma between); found something else"
            ) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], file: Path | None) -> Sealer:
        """Keys of TOCSIN_MASK_KEY; without it that of a file, which is made (readable by its owner alone) if it is not there.

        Raises:
            SealError: for a key that is none, or neither a variable nor a file.
        """
        if environment.get(VARIABLE):
            return cls(environment[VARIABLE].split(","))
        if file is None:
            raise SealError(f"{VARIABLE}: expected a key for mask maps, the same in every process; found none")
        if not file.exists():
            _create(file, Fernet.generate_key())
        return cls([file.read_text().strip()])

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


def _create(file: Path, key: bytes) -> None:
    """Write a key unless another process was first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as out:
        out.write(key)
