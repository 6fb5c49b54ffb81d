"""What is wrong with an application file, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.application.resolved import Position
from models.expressions.compile import suggest


class ApplicationErrors(Exception):
    """Everything wrong with an application file; ``errors`` are lines ``FILE:LINE:COL: what``."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


class Problems:
    """Collects errors and warnings while a file is read."""

    def __init__(self) -> None:
        self.found: list[tuple[Position, str]] = []
        self.warnings: list[str] = []

    def add(self, position: Position, message: str) -> None:
        """Note an error."""
        if (position, message) not in self.found:
            self.found.append((position, message))

    def unknown(self, position: Position, what: str, name: str, known: Iterable[str]) -> None:
        """Note a name that is none of the known ones."""
        names = [*known]
        near = suggest(name, names)
        self.add(position, f"unknown {what} {name!r}; expected one of {', '.join(names) or 'none'}{near}")

    def raise_if_any(self) -> None:
        """Raise what was found, in the order of the file."""
        if self.found:
            ordered = sorted(self.found, key=lambda item: (item[0].file, item[0].line, item[0].column))
            raise ApplicationErrors([f"{position}: {message}" for position, message in ordered])
