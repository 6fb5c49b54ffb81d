"""Texts with ``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}`` in them: resolved when a responder starts, never printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.application.errors import ApplicationErrors
from models.application.resolved.places import Position

_VARIABLE = re.compile(r"\$\{(?:file:([^}]+)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}")


@dataclass(frozen=True, slots=True, repr=False)
class EnvText:
    """A text as written; ``resolve`` gives what it stands for."""

    written: str
    position: Position

    def __repr__(self) -> str:
        return f"EnvText({self.written if self.is_open else '***'!r})"

    @property
    def is_open(self) -> bool:
        """Whether it refers to the environment or a file."""
        return "${" in self.written

    @property
    def is_well_formed(self) -> bool:
        """Whether each ``${`` begins a reference."""
        return "${" not in _VARIABLE.sub("", self.written)

    def resolve(self, environment: Mapping[str, str]) -> str:
        """The text with references filled in.

        Raises:
            ApplicationErrors: naming the variable or file that is missing.
        """
        return _VARIABLE.sub(lambda found: self._value(found, environment), self.written)

    def _value(self, found: re.Match[str], environment: Mapping[str, str]) -> str:
        if found[1] is not None:
            try:
                return Path(found[1]).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "not UTF-8"
                raise ApplicationErrors.of(self.position, f"{found[1]}: cannot be read: {why}") from None
        given = environment.get(found[2], found[3])
        if given is None:
            raise ApplicationErrors.of(self.position, f"expected the environment variable {found[2]}; it is not set")
        return given
