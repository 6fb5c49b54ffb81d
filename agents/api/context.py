"""What every call has at hand, and who may make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import StringConstraints

from agents.api.feed import Feed
from agents.api.problems import Problem
from agents.api.tokens import Caller, Role, Tokens
from agents.human.links import Links
from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.policy import Policy

_bearer = HTTPBearer(auto_error=False, description="A token of TOCSIN_API_TOKENS.")
PLAIN = r"^[^\x00-\x1f\x7f]*$"
Id = Annotated[str, Path(min_length=1, max_length=200, pattern=PLAIN)]
Word = Annotated[str | None, Query(min_length=1, max_length=200, pattern=PLAIN)]
Most = Annotated[int, Query(ge=1, le=500, description="At most so many.")]
Line = Annotated[str, StringConstraints(max_length=200, pattern=PLAIN)]


@dataclass(frozen=True, slots=True)
class Context:
    """One process's ledger and policy; ``wake`` tells its workers that something was written."""

    ledger: Ledger
    policy: Policy
    clock: Clock
    tokens: Tokens
    feed: Feed
    wake: Callable[[], None] = lambda: None
    links: Links | None = None


def _context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def _caller(
    context: Annotated[Context, Depends(_context)], given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    found = None if given is None else context.tokens.caller(given.credentials)
    if found is None:
        raise Problem(401, "expected a bearer token that is known", headers={"www-authenticate": "Bearer"})
    return found


def _allowed(role: Role) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.may(role):
            raise Problem(403, f"expected the role {role}; {caller.name} is {caller.role}")
        return caller

    return check


def understood(request: Request) -> None:
    """No query parameter twice, and none that means nothing here: a slip must not look like an answer."""
    names = [name for name, _ in request.query_params.multi_items()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Problem(422, f"{', '.join(twice)[:200]}: expected once; found several times")
    path = request.app.openapi()["paths"].get(request.scope["route"].path)
    if path is None:  # a signed link
        return
    described = path[request.method.lower()].get("parameters", [])
    known = {each["name"] for each in described if each["in"] == "query"}
    if unknown := sorted(set(names) - known):
        raise Problem(422, f"{', '.join(unknown)[:200]}: expected one of {', '.join(sorted(known)) or 'no parameters'}")


Here = Annotated[Context, Depends(_context)]
Viewer = Annotated[Caller, Depends(_allowed("viewer"))]
Analyst = Annotated[Caller, Depends(_allowed("analyst"))]
Admin = Annotated[Caller, Depends(_allowed("admin"))]
