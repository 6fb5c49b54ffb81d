"""Responders: their tiers, and what their verdicts do."""

from __future__ import annotations

from typing import cast

from models.application.connections import topic_of
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.places import Position
from models.application.respond.resolved import DEFAULT, ESCALATE, Action, ActionKind, Endpoint, LlmTier, Responder, Team
from models.application.respond.texts import known, verdict
from models.application.respond.tiers import HUMAN, TierReader, ends

KINDS = ("webhook", "notify", "topic", "email")
_DEADLINE = 60_000_000


class ResponderReader:
    """Reads responders."""

    def __init__(self, reader: Reader, tiers: TierReader, teams: dict[str, Team], endpoints: dict[str, Endpoint]) -> None:
        self.reader = reader
        self.tiers = tiers
        self.teams = teams
        self.endpoints = endpoints

    def all(self, node: Node | None) -> dict[str, Responder]:
        """Responders by name."""
        return {name: self._responder(name, entry) for name, entry in self.reader.named(node, "responder")}

    def _responder(self, name: str, entry: Node) -> Responder:
        values = self.reader.section(entry, "responder")
        rules = self.tiers.rules(values.get("rules"))
        score, llm = self.tiers.score(values.get("score")), self.tiers.llm(values.get("llm"))
        human = self.tiers.human(values.get("human"))
        default = verdict(self.reader, values.get("default"), "default", human.default if human is not None else DEFAULT)
        deadline = self.reader.duration(values.get("deadline"), "deadline", _DEADLINE, least=1) or _DEADLINE
        if human is None:
            self._without_people(name, ends(rules, score, llm), llm)
        return Responder(
            name, rules, score, llm, human, default, deadline, self._actions(values.get("actions")), entry.position
        )  # fmt: skip

    def _without_people(self, name: str, found: list[tuple[str, Position]], llm: LlmTier | None) -> None:
        """What hands over to people needs some."""
        for decided, position in found:
            if decided == ESCALATE:
                expected = f"expected human in responder {name!r}; found none"
                self.reader.problems.add(position, f"{ESCALATE!r} hands over to people: {expected}")
        if llm is not None and llm.on_failure == HUMAN:
            self.reader.problems.add(
                llm.position, f"on_failure is human: expected human in responder {name!r}, or a verdict; found none"
            )

    def _actions(self, node: Node | None) -> dict[str, tuple[Action, ...]]:
        if node is None:
            return {}
        if not node.is_map:
            self.reader.problems.add(node.position, f"expected actions by verdict; found {node.shown()}")
            return {}
        found: dict[str, tuple[Action, ...]] = {}
        for name, entry in node:
            if name != DEFAULT:
                self.reader.name(name, node.keys[name], "verdict")
            if entry.kind != "list":
                self.reader.problems.add(entry.position, f"expected the actions of {name} as a list; found {entry.shown()}")
                continue
            found[name] = tuple(action for item in entry.items if (action := self._action(item)) is not None)
        return found

    def _action(self, node: Node, *, undoing: bool = False) -> Action | None:
        kinds = [kind for kind in KINDS if node.is_map and kind in node.map]
        if len(kinds) != 1:
            expected = f"expected an action as one of {', '.join(KINDS)}, such as {{webhook: ENDPOINT}}"
            self.reader.problems.add(node.position, f"{expected}; found {self._shown(node)}")
            return None
        [kind] = kinds
        self.reader.keys(node, "an action", (kind,) if undoing else (kind, "undo"))
        target, undo = node.map[kind], None if undoing else node.get("undo")
        if kind == "topic":
            name = "/".join(topic_of(self.reader, target)) if self.reader.connections else self.reader.text(target, "topic")
        else:
            what, names = ("team", self.teams) if kind == "notify" else ("endpoint", self.endpoints)
            name = known(self.reader, target, what, names)  # type: ignore[arg-type]
        taken = None if undo is None else self._action(undo, undoing=True)
        return Action(cast(ActionKind, kind), name, taken, node.position)

    def _shown(self, node: Node) -> str:
        return f"{{{', '.join(node.map)}}}" if node.is_map else node.shown()
