"""Reading of sequence, all and any patterns: every step checked, every illegal construct one error at its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from models.application.features import FactReader, by_of
from models.application.nodes import Node
from models.application.reader import Reader
from models.application.resolved.places import By, Position
from models.application.resolved.sources import Stream
from models.application.resolved.steps import Arm, SequenceSpec, Step, Until
from models.application.scopes import RowScope
from models.application.stepcheck import check_steps
from models.application.stepscope import Named, StepScope
from models.expressions.expression import Expression
from models.values.types import Kind

_TIMES = re.compile(r"(\d+)(\.\.(\d+)?)?")
_WORDS = ("strict", "relaxed", "any")
_STRATEGIES = ("past_last", "none", "to_next")


@dataclass(slots=True)
class Home:
    """Where steps stand unless they say otherwise: the pattern's stream and entity."""

    on: Stream | None
    by: By


@dataclass(slots=True)
class _Draft:
    """A step as written, its parts in order; ``path`` names the steps around it, ``repeats`` those that repeat."""

    name: str
    node: Node
    position: Position
    values: dict[str, Node]
    parts: list[_Draft] = field(default_factory=list)
    kind: str = "one"
    home: Home | None = None
    repeats: tuple[str, ...] = ()


class SequenceReader:
    """Reads the steps of one pattern. ``others``: names of the other patterns, for conditions."""

    def __init__(self, facts: FactReader, home: Home, others: frozenset[str]) -> None:
        self.facts = facts
        self.reader: Reader = facts.reader
        self.problems = facts.reader.problems
        self.home = home
        self.others = others
        self.named: dict[str, Named] = {}
        self.seen: dict[str, Position] = {}

    def read(self, entry: Node, values: Mapping[str, Node]) -> SequenceSpec | None:
        """The steps of a pattern, None where they cannot be made out."""
        kind = next(key for key in ("sequence", "all", "any") if key in values)
        before = len(self.problems.found)
        drafts = self._drafts(values[kind], kind)
        if not drafts or len(self.problems.found) > before:
            return None
        steps = tuple(self._step(draft, last=draft is drafts[-1]) for draft in drafts)
        if kind == "sequence":
            whole = steps
        elif kind == "all":
            whole = (Step(kind, steps=steps, any_order=True, position=values[kind].position),)
        else:
            whole = (Step(kind, arms=tuple(arm for step in steps for arm in step.arms), position=values[kind].position),)
            for step in steps:
                if step.negated and step.position:
                    self.problems.add(step.position, "'not' directly in any says nothing; expected a condition that holds")
        spec = self._spec(kind, whole, entry, values)  # type: ignore[arg-type]
        check_steps(self.problems, spec, entry.position)
        return spec

    def scope(self) -> StepScope:
        """What names mean in titles, guards and ``having``: the pattern's own stream, and all steps."""
        return StepScope(self._rows(self.home), self.named, self.reader.params, None)

    def _spec(self, kind: str, steps: tuple[Step, ...], entry: Node, values: Mapping[str, Node]) -> SequenceSpec:
        reader = self.reader
        within, gap = self._within(values.get("within"))
        after, to = self._after(values.get("after_match"))
        having = reader.expression(values["having"], self.scope(), Kind.BOOL) if "having" in values else None
        timeout = reader.choice(values.get("on_timeout"), "on_timeout", ("none", "flag"), "none") == "flag"
        if timeout and within is None and gap is None:
            self.problems.add(values["on_timeout"].position, "expected within beside on_timeout: flag; found none")
        return SequenceSpec(
            kind, steps, within, gap, timeout, after, to,  # type: ignore[arg-type]
            reader.choice(values.get("emit"), "emit", ("eager", "ordered"), "eager") == "ordered", having,
            reader.integer(values.get("max_partial"), "max_partial", 10_000, 1),
        )  # fmt: skip

    def _within(self, node: Node | None) -> tuple[int | None, int | None]:
        if node is None:
            return None, None
        if node.is_map:
            inner = self.reader.section(node, "within")
            return None, self._positive(inner.get("gap"), "within.gap")
        return self._positive(node, "within"), None

    def _positive(self, node: Node | None, what: str) -> int | None:
        return self.reader.duration(node, what, least=1)

    def _after(self, node: Node | None) -> tuple[str, str | None]:
        if node is None:
            return "past_last", None
        if not node.is_map:
            return self.reader.choice(node, "after_match", _STRATEGIES, "past_last"), None
        for key in ("to_first", "to_last"):
            if key in node.map and len(node.map) == 1:
                name = self.reader.text(node.map[key], key)
                if name not in self.named:
                    self.problems.unknown(node.map[key].position, "step", name, self.named)
                return key, name
        choices = "past_last, none, to_next, {to_first: STEP} or {to_last: STEP}"
        self.problems.add(node.position, f"expected after_match as {choices}; found {node.shown()}")
        return "past_last", None

    # The names of all steps are known before the first condition is read.

    def _drafts(self, node: Node, kind: str, home: Home | None = None, repeats: tuple[str, ...] = ()) -> list[_Draft]:
        found: list[_Draft] = []
        for name, value, position in self._entries(node, kind):
            draft = self._draft(name, value, position, home or self.home, repeats)
            if draft is not None:
                found.append(draft)
        return found

    def _entries(self, node: Node, kind: str) -> Iterator[tuple[str, Node, Position]]:
        found = False
        form = "a list of {NAME: step}" if kind in ("sequence", "group") else "{NAME: step, ...}"
        if kind in ("sequence", "group"):
            items = node.items if node.kind == "list" else []
            wrong = [item for item in items if not (item.is_map and len(item.map) == 1)]
            for item in wrong:
                self.problems.add(item.position, f"expected one step as {{NAME: step}}; found {item.shown()}")
            found = bool(wrong)
            pairs = [(name, value, item.keys[name]) for item in items if item not in wrong for name, value in item]
        else:
            pairs = [(name, value, node.keys[name]) for name, value in node] if node.is_map else []
        if not pairs and not found:
            self.problems.add(node.position, f"expected {kind} as {form}; found {node.shown()}")
        yield from pairs

    def _draft(self, name: str, node: Node, position: Position, home: Home, repeats: tuple[str, ...]) -> _Draft | None:
        self.reader.name(name, position, "step")
        if name in self.seen:
            self.problems.add(position, f"step {name!r} stands twice: also at {self.seen[name]}; rename one")
        self.seen.setdefault(name, position)
        if node.kind == "scalar" and node.text is None:
            node = Node(position, "map")
        values = self.reader.section(node, "step")
        kinds = [key for key in ("group", "any_of", "any", "all_of", "all") if key in values]
        if len(kinds) > 1:
            self.problems.add(position, f"expected one of group, any_of, all_of in step {name!r}; found {' and '.join(kinds)}")
        draft = _Draft(name, node, position, values, repeats=repeats)
        draft.home = self._home(values, home)
        if not kinds:
            self._name_arm(draft)
            return draft
        draft.kind = {"any": "any_of", "all": "all_of"}.get(kinds[0], kinds[0])
        if "when" in values:
            self.problems.add(values["when"].position, f"'when' stands in the steps of {kinds[0]}, not beside it")
        again = (name,) if "times" in values else ()
        draft.parts = self._drafts(values[kinds[0]], kinds[0], draft.home, repeats + again)
        if draft.kind == "any_of":
            self._flat(draft)
        arms = tuple(arm for part in draft.parts if part.name in self.named for arm in self.named[part.name].arms)
        self.named[name] = Named(arms, repeats + again, position)
        return draft

    def _flat(self, draft: _Draft) -> None:
        """Arms of any_of: what they may say, and nested ones in their place."""
        flat: list[_Draft] = []
        for part in draft.parts:
            flat.extend(part.parts if part.kind == "any_of" else [part])
        for part in flat:
            for key in part.values:
                if key not in ("on", "by", "when") or part.kind != "one":
                    self.problems.add(part.position, f"an arm of any_of has on, by and when; found {key!r} in {part.name!r}")
        draft.parts = flat

    def _home(self, values: Mapping[str, Node], home: Home) -> Home:
        on, by = home.on, home.by
        if "on" in values:
            name = self.reader.text(values["on"], "on")
            on = self.facts.flags.stream(name)
            if on is None and not self.facts.flags.knows(name):
                self.problems.unknown(values["on"].position, "stream, rollup or pattern", name, self.facts.flags.names())
        if "by" in values:
            by = by_of(self.reader, values["by"])
            if by.entity != self.home.by.entity and len(by.fields) == len(self.home.by.entity):
                by = By(self.home.by.entity, by.fields) if by.entity == by.fields else by
            if by.entity != self.home.by.entity:
                wanted = ", ".join(self.home.by.entity) or "none"
                self.problems.add(values["by"].position, f"expected the pattern's entity, {wanted}; found {', '.join(by.entity)}")
        return Home(on, by)

    def _name_arm(self, draft: _Draft) -> None:
        home = draft.home
        assert home is not None
        if home.on is None:
            if "on" not in draft.values:
                streams = ", ".join(self.facts.streams) or "none"
                self.problems.add(draft.position, f"expected on: STREAM in step {draft.name!r}, one of {streams}; found none")
            return
        known = [*home.on.fields, *home.on.derive]
        for name in home.by.fields:
            if name not in known:
                node = draft.values.get("by") or draft.node
                self.problems.unknown(node.position, f"field of {home.on.name} (by of step {draft.name})", name, known)
        self.named[draft.name] = Named(((draft.name, home.on),), draft.repeats, draft.position, negated="not" in draft.values)

    # Conditions.

    def _step(self, draft: _Draft, *, last: bool) -> Step:
        reader, values = self.reader, draft.values
        least, most = self._times(values.get("times"))
        loops = most != 1
        negated = "not" in values and reader.boolean(values["not"], "not")
        if draft.kind in ("group", "all_of"):
            parts = tuple(self._step(part, last=last and part is draft.parts[-1]) for part in draft.parts)
            arms: tuple[Arm, ...] = ()
        else:
            parts = ()
            arms = tuple(self._arm(part) for part in (draft.parts if draft.kind == "any_of" else [draft]))
        greedy = reader.boolean(values["greedy"], "greedy") if "greedy" in values else loops
        step = Step(
            draft.name, arms, parts, draft.kind == "all_of", least, most,
            "optional" in values and reader.boolean(values["optional"], "optional"), greedy and not parts,
            self._until(draft), reader.choice(values.get("contiguity"), "contiguity", _WORDS, "relaxed"),  # type: ignore[arg-type]
            reader.choice(values.get("loop"), "loop", _WORDS, "relaxed"),  # type: ignore[arg-type]
            self._positive(values.get("gap"), "gap"), negated, self._positive(values.get("repeat"), "repeat"), draft.position,
        )  # fmt: skip
        self._check(draft, step, last=last)
        return step

    def _check(self, draft: _Draft, step: Step, *, last: bool) -> None:
        """What a step's own keys may not say together."""
        values, add = draft.values, self.problems.add
        if step.negated:
            for key in ("times", "optional", "greedy", "until", "loop", "gap"):
                if key in values:
                    add(values[key].position, f"a 'not' step takes no event, so it has no {key}; remove {key!r}")
            if step.steps:
                add(draft.position, "'not' stands on a single step; found a group; expected when: CONDITION beside not: true")
        elif "repeat" in values:
            add(values["repeat"].position, "'repeat' is for a last 'not' step; found it on a step that takes events")
        if "greedy" in values and (step.steps or last) and not step.negated:
            what = "a group, which is never greedy" if step.steps else "the last step, which completes at every count"
            add(values["greedy"].position, f"greedy on {what}; remove 'greedy'")
        if "until" in values and not step.loops:
            add(values["until"].position, "'until' ends a loop; expected times with a range beside it, such as times: \"1..\"")
        if "gap" in values and not step.loops:
            add(values["gap"].position, "'gap' bounds neighbours in a loop; expected times beside it")
        if "loop" in values and not step.loops:
            add(values["loop"].position, "'loop' says how repetitions follow each other; expected times beside it")

    def _times(self, node: Node | None) -> tuple[int, int | None]:
        if node is None:
            return 1, 1
        text = self.reader.text(node, "times")
        if text.startswith("$") and text[1:] in self.reader.params:
            text = str(self.reader.params[text[1:]].value)
        found = _TIMES.fullmatch(text)
        if found is None:
            self.problems.add(node.position, f'expected times as 3, "3.." or "3..5"; found {node.shown()}')
            return 1, 1
        least = int(found[1])
        most = least if found[2] is None else None if found[3] is None else int(found[3])
        if least < 1:
            cure = 'for none or more write optional: true beside times: "1.."'
            self.problems.add(node.position, f"expected times of at least 1; {cure}")
        elif most is not None and most < least:
            self.problems.add(node.position, f"expected times as LEAST..MOST with LEAST <= MOST; found {node.shown()}")
        return max(least, 1), most

    def _arm(self, draft: _Draft) -> Arm:
        home = draft.home
        assert home is not None and home.on is not None
        when = self._condition(draft, draft.values["when"]) if "when" in draft.values else None
        return Arm(draft.name, home.on.name, home.by, when)

    def _until(self, draft: _Draft) -> Until | None:
        if "until" not in draft.values:
            return None
        home = draft.home
        assert home is not None
        first = next((arm for arm in self.named[draft.name].arms), None)
        stream = home.on or (first[1] if first else None)
        if stream is None:
            return None
        when = self._condition(replace(draft, home=Home(stream, home.by)), draft.values["until"])
        return None if when is None else Until(stream.name, home.by, when)

    def _condition(self, draft: _Draft, node: Node) -> Expression | None:
        assert draft.home is not None
        scope = StepScope(self._rows(draft.home), self.named, self.reader.params, (draft.name, draft.repeats))
        return self.reader.expression(node, scope, Kind.BOOL)

    def _rows(self, home: Home) -> RowScope | None:
        return None if home.on is None else self.facts.scope(home.on, home.by, self.others)


def conditions_of(spec: SequenceSpec) -> list[Expression]:
    """All conditions of all steps, and ``having``."""
    found = [arm.when for arm in spec.arms()] + [step.until.when for step in spec.walk() if step.until] + [spec.having]
    return [each for each in found if each is not None]
