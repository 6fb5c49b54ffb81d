"""Keys from the environment, or from a file beside the ledger that is made when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path


class KeyMissing(Exception):
    """There is no key, or none that can be used; the text says what is expected."""


def key_of(environment: Mapping[str, str], variable: str, file: Path | None, make: Callable[[], str]) -> str:
    """The variable's value, else what is in the file, which only its owner may read.

    Raises:
        KeyMissing: without a value and without a place for a file: processes on several machines need the same key.
    """
    if environment.get(variable, "").strip():
        return environment[variable].strip()
    if file is None:
        raise KeyMissing(f"{variable}: expected a key, the same in every process; found none")
    if not file.exists():
        _create(file, make())
    return file.read_text(encoding="utf-8").strip()


def _create(file: Path, key: str) -> None:
    """Write a key at once whole, unless another process was first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(key)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
