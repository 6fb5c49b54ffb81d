"""What is wrong with an application file, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.application.resolved.places import Position
from models.expressions.compile import suggest

Problem = tuple[Position | None, str]
"""Where (None: no place in a file) and what."""


class ApplicationErrors(Exception):
    """Everything wrong with an application file; ``errors`` are lines ``FILE:LINE:COL: what``, ``problems`` the same in parts."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        self.errors = [message if position is None else f"{position}: {message}" for position, message in problems]
        super().__init__("\n".join(self.errors))

    @classmethod
    def of(cls, position: Position | None, message: str) -> ApplicationErrors:
        """One problem."""
        return cls([(position, message)])


class Problems:
    """Collects errors and warnings while a file is read."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.warnings: list[str] = []

    def add(self, position: Position | None, message: str) -> None:
        """Note an error."""
        if (position, message) not in self.found:
            self.found.append((position, message))

    def unknown(self, position: Position | None, what: str, name: str, known: Iterable[str]) -> None:
        """Note a name that is none of the known ones."""
        names = [*known]
        near = suggest(name, names)
        expected = f"expected one of {', '.join(names)}" if names else "there is none"
        self.add(position, f"unknown {what} {name!r}; {expected}{near}")

    def warn(self, position: Position, message: str) -> None:
        """Note what is allowed, and most likely not meant."""
        text = f"{position}: {message}"
        if text not in self.warnings:
            self.warnings.append(text)

    def raise_if_any(self) -> None:
        """Raise what was found, in the order of the file."""
        if self.found:
            raise ApplicationErrors(sorted(self.found, key=_order))


def _order(problem: Problem) -> tuple[str, int, int]:
    """What has no place in a file first, then file by file from top to bottom."""
    position = problem[0]
    return ("", 0, 0) if position is None else (position.file, position.line, position.column)
