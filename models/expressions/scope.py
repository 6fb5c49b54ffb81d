"""What names mean where an expression stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from models.values.types import Type


@dataclass(frozen=True, slots=True)
class Symbol:
    """A column of the row's environment."""

    column: str
    type: Type


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter's value, stored as its type says."""

    value: Any
    type: Type


@dataclass(frozen=True, slots=True)
class Unknown:
    """No column; ``why`` says more than that the name is unknown (ambiguous, not in this version), if there is more."""

    why: str = ""


class Scope(Protocol):
    """Resolves names; given by whoever compiles an expression."""

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        """A dotted name, with the role in brackets if one was written."""

    def param(self, name: str) -> Constant | None:
        """A parameter written ``$name``."""

    def names(self) -> Iterable[str]:
        """All names, for suggestions."""
