"""The section ``respond`` with ``teams`` and ``endpoints``: the page to read first of this package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.patterns import Pattern
from models.application.respond.budgets import BudgetReader, prices, retention
from models.application.respond.endpoints import endpoints, teams
from models.application.respond.flagscope import FlagName, FlagScope
from models.application.respond.resolved import Inhibit, Respond, Responder, Route
from models.application.respond.responders import ResponderReader
from models.application.respond.texts import known
from models.application.respond.tiers import TierReader
from models.expressions.compile import suggest
from models.values.types import Kind

REGISTRY = "models"
"""The folder beside the application file that holds trained models, unless ``respond.registry`` names another."""


def read_respond(
    reader: Reader, values: Mapping[str, Node], scope: FlagScope, patterns: Mapping[str, Pattern], text: str
) -> Respond | None:
    """How flags are answered; None where the file does not say. ``text``: the resolved application, without secrets."""
    known_endpoints = endpoints(reader, values.get("endpoints"))
    known_teams = teams(reader, values.get("teams"), known_endpoints)
    node = values.get("respond")
    if node is None:
        return None
    given = reader.section(node, "respond")
    budgets = BudgetReader(reader, tuple(patterns))
    tiers = TierReader(reader, scope, known_teams, budgets)
    responders = ResponderReader(reader, tiers, known_teams, known_endpoints).all(given.get("responders"))
    if node.is_map and not responders:
        reader.incomplete(node, "respond", "expected responders: at least one; found none")
    routes = _routes(reader, node, given.get("routes"), scope, responders)
    budget = budgets.budget(given.get("budget"))
    priced = prices(reader, given.get("prices"))
    _check_prices(reader, node, responders, priced, budgets.currency)
    folder = given.get("registry")
    registry = reader.path(folder or node, REGISTRY if folder is None else reader.text(folder, "registry"))
    return Respond(
        routes, _inhibit(reader, given.get("inhibit"), scope), responders, budget, priced, budgets.currency,
        retention(reader, given.get("retention")), known_teams, known_endpoints, registry, _version(reader, text, responders),
        patterns, scope, reader.facts,
    )  # fmt: skip


def _routes(
    reader: Reader, whole: Node, node: Node | None, scope: FlagScope, responders: Mapping[str, Responder]
) -> tuple[Route, ...]:
    """Routes in order; without any, everything goes to the only responder."""
    if node is None:
        if len(responders) > 1:
            reader.incomplete(whole, "respond", "expected routes, since there are several responders; found none")
        return tuple(Route(None, name, False, whole.position) for name in list(responders)[:1])
    if node.kind != "list" or not node.items:
        reader.problems.add(node.position, f"expected routes as a list; found {node.shown()}")
        return ()
    return tuple(_route(reader, entry, scope, responders) for entry in node.items)


def _route(reader: Reader, entry: Node, scope: FlagScope, responders: Mapping[str, Responder]) -> Route:
    values = reader.section(entry, "route")
    if entry.is_map and "to" not in values:
        reader.incomplete(entry, "route", "expected to: a responder; found none")
    match = reader.expression(values["match"], scope, Kind.BOOL) if "match" in values else None
    to = known(reader, values.get("to"), "responder", responders)
    return Route(match, to, reader.boolean(values.get("continue"), "continue"), entry.position)


def _inhibit(reader: Reader, node: Node | None, scope: FlagScope) -> tuple[Inhibit, ...]:
    if node is None:
        return ()
    if node.kind != "list":
        reader.problems.add(node.position, f"expected inhibit as a list; found {node.shown()}")
        return ()
    found = []
    for entry in node.items:
        values = reader.section(entry, "inhibition")
        sides = []
        for key in ("source", "target"):
            if entry.is_map and key not in values:
                reader.incomplete(entry, "inhibition", f"expected {key}: a condition on flags; found none")
            sides.append(reader.expression(values[key], scope, Kind.BOOL) if key in values else None)
        source, target = sides
        if source is not None and target is not None:
            found.append(Inhibit(source, target, _equal(reader, values.get("equal"), scope), entry.position))
    return tuple(found)


def _equal(reader: Reader, node: Node | None, scope: FlagScope) -> tuple[FlagName, ...]:
    found = []
    for name in reader.names(node, "equal"):
        part = scope.part(name)
        if part is None or part.type is None:
            assert node is not None
            reader.problems.add(node.position, f"unknown name {name!r}{suggest(name, scope.names())}")
        else:
            found.append(part)
    return tuple(found)


def _check_prices(
    reader: Reader, node: Node, responders: Mapping[str, Responder], known_prices: Mapping[str, Any], currency: str
) -> None:
    """A model that money limits must have a price; one named by the environment is looked at when a responder starts."""
    for responder in responders.values():
        for model in () if responder.llm is None or not currency else (responder.llm.model, responder.llm.fallback):
            if model is not None and model.written and not model.is_open and model.written not in known_prices:
                expected = f"expected prices of model {model.written!r}, since budgets are in {currency}; found none"
                reader.problems.add(model.position, expected)


def _version(reader: Reader, text: str, responders: Mapping[str, Responder]) -> str:
    """sha256[:12] of all that decides: the sections as resolved, prompts by their hash, lists by theirs."""
    whole = json.loads(text)
    sections = {name: whole.get(name) for name in ("respond", "teams", "endpoints", "lists", "calendars", "params")}
    prompts = {name: each.llm.prompt.sha256 for name, each in responders.items() if each.llm is not None}
    lists = {name: fact.sha256 for name, fact in reader.facts.lists.items()}
    found = json.dumps([sections, prompts, lists], sort_keys=True)
    return hashlib.sha256(found.encode()).hexdigest()[:12]
