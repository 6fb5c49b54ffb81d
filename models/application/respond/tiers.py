"""The tiers of a responder: rules, score, model, people."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.places import Position
from models.application.respond.budgets import BudgetReader
from models.application.respond.flagscope import FlagName, FlagScope
from models.application.respond.resolved import (
    HumanTier,
    Level,
    LlmTier,
    Prompt,
    QuietHours,
    Rule,
    ScoreTier,
    Team,
)
from models.application.respond.texts import env_text, known, verdict, verdicts
from models.expressions.compile import suggest
from models.expressions.expression import constant
from models.values.types import Kind

_MODEL = re.compile(r"[a-z][a-z0-9_-]*@\d+(\.\d+)*")
_THRESHOLD = re.compile(r"([a-z][a-z0-9_]*)_(below|above)")
HUMAN = "human"


class TierReader:
    """Reads tiers; names in expressions are a flag's."""

    def __init__(self, reader: Reader, scope: FlagScope, teams: dict[str, Team], budgets: BudgetReader) -> None:
        self.reader = reader
        self.scope = scope
        self.teams = teams
        self.budgets = budgets

    def rules(self, node: Node | None) -> tuple[Rule, ...]:
        """Rules in the order of the file."""
        found = []
        for name, entry in self.reader.named(node, "rule"):
            values = self.reader.section(entry, "rule")
            for key in ("when", "verdict"):
                if key not in values:
                    self.reader.incomplete(entry, "rule", f"expected {key} of rule {name!r}; found none")
            when = self.reader.expression(values["when"], self.scope, Kind.BOOL) if "when" in values else None
            decided = verdict(self.reader, values.get("verdict"), "verdict")
            hard = self.reader.boolean(values.get("hard"), "hard")
            found.append(Rule(name, when or constant(False), decided, hard, entry.position))
        return tuple(found)

    def score(self, node: Node | None) -> ScoreTier | None:
        """The score tier: a model and the band that goes on."""
        if node is None:
            return None
        thresholds = tuple(name for name in node.map if _THRESHOLD.fullmatch(name)) if node.is_map else ()
        values = self.reader.section(node, "score tier", extra=thresholds)
        model = self.reader.text(values.get("model"), "model")
        if node.is_map and "model" not in node.map and {*node.map} == {*thresholds}:
            self.reader.problems.add(node.position, "expected model as NAME@VERSION; found none")
        elif model and not _MODEL.fullmatch(model):
            self.reader.problems.add(values["model"].position, f"expected model as NAME@VERSION, such as risk@2; found {model!r}")
        found: dict[str, tuple[str, float]] = {}
        for name in thresholds:
            named = _THRESHOLD.fullmatch(name)
            if named is None or name not in values:
                continue
            if named[2] in found:
                self.reader.problems.add(node.keys[name], f"expected one VERDICT_{named[2]}; found {name!r} too")
            found[named[2]] = (named[1], self.reader.number(values[name], name, 0.0))
        below, above = found.get("below"), found.get("above")
        if below and above and below[1] >= above[1]:
            found_both = f"found {below[1]} and {above[1]}"
            self.reader.problems.add(node.position, f"expected {below[0]}_below under {above[0]}_above; {found_both}")
        if node.is_map and not found:
            expected = "expected VERDICT_below or VERDICT_above, such as dismiss_below: 0.1; found neither"
            self.reader.incomplete(node, "score tier", expected)
        return ScoreTier(model, below, above, node.position)

    def llm(self, node: Node | None) -> LlmTier | None:
        """The model's tier."""
        if node is None:
            return None
        reader, values = self.reader, self.reader.section(node, "llm")
        for key in ("model", "prompt", "fields", "verdicts", "reason_codes"):
            if node.is_map and key not in values:
                reader.incomplete(node, "llm", f"expected {key} of llm; found none")
        model = env_text(reader, values.get("model"), "model") or env_text(reader, Node(node.position, "scalar", ""), "model")
        assert model is not None

        def count(key: str) -> int | None:
            return reader.integer(values[key], key, 1, 1) if key in values else None

        return LlmTier(
            model, env_text(reader, values.get("fallback"), "fallback"), env_text(reader, values.get("url"), "url"),
            env_text(reader, values.get("key"), "key"), self._prompt(values.get("prompt")), self._fields(values.get("fields")),
            verdicts(reader, values.get("verdicts"), "verdicts"), reader.names(values.get("reason_codes"), "reason_codes"),
            self.budgets.budget(values.get("budget")), verdict(reader, values.get("on_failure"), "on_failure", HUMAN),
            count("requests_per_minute"), count("tokens_per_minute"), count("slots") or 4,
            reader.duration(values.get("cache"), "cache", 0) or 0, node.position,
        )  # fmt: skip

    def human(self, node: Node | None) -> HumanTier | None:
        """People, level by level."""
        if node is None:
            return None
        values = self.reader.section(node, "human")
        levels = self._levels(node, values.get("levels"))
        default = verdict(self.reader, values.get("default"), "default")
        if node.is_map and "default" not in values:
            self.reader.incomplete(node, "human", "expected default: the verdict when nobody answers; found none")
        chosen = verdicts(self.reader, values.get("verdicts"), "verdicts")
        return HumanTier(levels, default, chosen, self._quiet(values.get("quiet_hours")), node.position)

    def _levels(self, node: Node, given: Node | None) -> tuple[Level, ...]:
        if given is None or given.kind != "list" or not given.items:
            if node.is_map:
                self.reader.incomplete(node, "human", "expected levels as a list of {to: TEAM, within: DURATION}; found none")
            return ()
        found = []
        for entry in given.items:
            values = self.reader.section(entry, "level")
            for key in ("to", "within"):
                if entry.is_map and key not in values:
                    self.reader.incomplete(entry, "level", f"expected {key} of a level; found none")
            within = self.reader.duration(values.get("within"), "within", least=1)
            found.append(Level(known(self.reader, values.get("to"), "team", self.teams), within or 1))
        return tuple(found)

    def _quiet(self, node: Node | None) -> QuietHours | None:
        if node is None:
            return None
        if not node.is_map or len(node.map) != 1 or not {"in", "not_in"} & set(node.map):
            expected = "expected quiet_hours as {in: CALENDAR} or {not_in: CALENDAR}"
            self.reader.problems.add(node.position, f"{expected}; found {node.shown()}")
            return None
        [(word, entry)] = node.map.items()
        calendars = self.reader.facts.calendars
        name = known(self.reader, entry, "calendar", calendars)
        return QuietHours(calendars[name], word == "in") if name in calendars else None

    def _prompt(self, node: Node | None) -> Prompt:
        if node is None:
            return Prompt("", "", "")
        path = Path(self.reader.path(node, self.reader.text(node, "prompt")))
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.reader.problems.add(node.position, f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}")
            text = ""
        return Prompt(str(path), text, hashlib.sha256(text.encode()).hexdigest())

    def _fields(self, node: Node | None) -> tuple[FlagName, ...]:
        items = [] if node is None else node.items if node.kind == "list" else [node]
        found = []
        for item in items:
            name = self.reader.text(item, "fields")
            part = self.scope.part(name)
            if part is None and name:
                self.reader.problems.add(item.position, f"unknown name {name!r}{suggest(name, self.scope.names())}")
            elif part is not None:
                found.append(part)
        return tuple(found)


def ends(rules: tuple[Rule, ...], score: ScoreTier | None, llm: LlmTier | None) -> list[tuple[str, Position]]:
    """The verdicts that tiers may give, each with the tier's place: to check what escalates."""
    found = [(rule.verdict, rule.position) for rule in rules]
    if score is not None:
        found += [(bound[0], score.position) for bound in (score.below, score.above) if bound is not None]
    if llm is not None:
        found += [(each, llm.position) for each in llm.verdicts]
    return found
