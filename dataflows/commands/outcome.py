"""What a test came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test went, or why a file has none (``place`` is then the file): ``problems`` in words, empty where all is well."""

    file: str
    place: str
    pattern: str
    name: str
    problems: tuple[str, ...]
    seconds: float
