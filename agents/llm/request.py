"""A request to a model, and what a gateway does with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agents.llm.failures import Failure
from agents.llm.reply import Reply


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``sha`` is that of all that decides the answer; ``params``: seed, temperature and the like.

    purpose: ask or repair; case: the ids of the flag and the responder, by which a recorded call is found.
    """

    model: str
    messages: tuple[dict[str, str], ...]
    schema: Mapping[str, Any]
    params: Mapping[str, Any]
    most_in: int
    most_out: int
    sha: str
    purpose: str = "ask"
    case: tuple[str, str] = ("", "")


class Gateway(Protocol):
    """Live or recorded."""

    @property
    def mode(self) -> str:
        """Live or recorded."""

    @property
    def endpoint(self) -> str:
        """The endpoint's address."""

    def refuses(self, model: str) -> Failure | None:
        """Why a model cannot be called now, without calling it."""

    async def admit(self, model: str, tokens: int, seconds: float) -> Failure | None:
        """Take a place for a call; whoever has one calls ``ask`` or ``leave``."""

    def leave(self, model: str) -> None:
        """Give the place back: there will be no call."""

    async def ask(self, request: Request, seconds: float) -> Reply | Failure:
        """One request, one attempt."""
