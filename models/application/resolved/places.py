"""Where something stands in a file, and the keys by which it counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in a file; line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class By:
    """An entity and the fields of a row that hold its key; both empty: one key for the whole stream."""

    entity: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """How column names write it."""
        return ",".join(self.fields)
