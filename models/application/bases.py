"""Checks of patterns that stand on other patterns: what they stand on is evaluated, and nothing needs itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.application.errors import Problems
from models.application.features import FactReader
from models.application.resolved.facts import Feature, Score
from models.application.resolved.patterns import Pattern


def check_bases(problems: Problems, patterns: Mapping[str, Pattern], facts: FactReader) -> None:
    """Report patterns on others that are off, live ones on shadows, and circles through features of flags."""
    rings: set[frozenset[str]] = set()
    for pattern in patterns.values():
        if pattern.position is None or pattern.mode == "off":
            continue
        for base in (patterns[name] for name in sorted(_below(pattern.streams, facts)) if name in patterns):
            _check_base(problems, pattern, base)
        ring = _ring(pattern.name, patterns, facts)
        if ring and frozenset(ring) not in rings:
            rings.add(frozenset(ring))
            problems.add(pattern.position, f"patterns and features need each other in a circle: {' -> '.join(ring)}")


def _check_base(problems: Problems, pattern: Pattern, base: Pattern) -> None:
    assert pattern.position is not None
    if base.mode == "off":
        problems.add(pattern.position, f"pattern {pattern.name!r} stands on {base.name!r}, which is off; expected another mode")
    elif base.mode == "shadow" and pattern.mode != "shadow":
        problems.add(pattern.position, f"pattern {pattern.name!r} stands on the shadow pattern {base.name!r}; "
                                       "expected mode: shadow, since a shadow feeds only shadows")  # fmt: skip


def _ring(name: str, patterns: Mapping[str, Pattern], facts: FactReader) -> list[str]:
    """A way from a pattern back to itself through a feature of its flags or a step on them, if there is one."""
    seen: set[str] = set()

    def walk(at: str, path: list[str]) -> list[str]:
        for needed in _needs(at, patterns, facts):
            if needed == name and any(step not in patterns or patterns[step].sequence is not None for step in path):
                return [*path, name]
            if needed not in seen and needed != name:
                seen.add(needed)
                if found := walk(needed, [*path, needed]):
                    return found
        return []

    return walk(name, [name])


def _needs(name: str, patterns: Mapping[str, Pattern], facts: FactReader) -> Iterable[str]:
    """What a pattern, feature or score is computed from, by name."""
    if name in patterns:
        yield from _named(patterns[name].reads)
        yield from sorted(name for name in patterns[name].streams if facts.flags.knows(name))
        return
    if name in facts.rollups:
        rollup = facts.rollups[name]
        yield from (column for measure in rollup.select for column in _read(measure))
        yield from [rollup.of] if facts.flags.knows(rollup.of) else []
        return
    fact = facts.done.get(name)
    if isinstance(fact, Feature | Score):
        yield from _read(fact)
        if fact.of is not None and facts.flags.knows(fact.of):
            yield fact.of


def _below(streams: Iterable[str], facts: FactReader) -> set[str]:
    """What streams are, rollups replaced by what is below them."""
    found: set[str] = set()
    for name in streams:
        while name in facts.rollups:
            name = facts.rollups[name].of
        found.add(name)
    return found


def _read(fact: Feature | Score) -> Iterable[str]:
    for expression in (fact.value, fact.where):
        if expression is not None:
            yield from _named(expression.reads)


def _named(columns: Iterable[str]) -> Iterable[str]:
    for column in columns:
        if column.startswith("pattern:"):
            yield column.removeprefix("pattern:")
        elif "[" in column:
            yield column.partition("[")[0]
