"""What shapes a pattern, as one short hash that stands in its flags."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from models.application.features import FactReader
from models.application.nodes import Node
from models.application.resolved.patterns import Pattern
from models.application.resolved.places import By


def ruleset(pattern: Pattern, entry: Node, facts: FactReader, by: By) -> str:
    """sha256[:12] of the pattern as resolved, with every fact, parameter and list that shapes it."""
    plain = {key: value.plain() for key, value in entry.map.items() if key != "tests"}
    read = {name for name in facts.entries if any(column.startswith(f"{name}[") for column in pattern.reads)}
    shaping = {
        "pattern": plain,
        "by": [by.entity, by.fields],
        "when": pattern.when.canonical,
        "facts": {name: [facts.entries[name][1].plain(), facts.entries[name][2]] for name in sorted(read)},
        "params": {
            name: str(value.value) for name, value in sorted(facts.reader.params.items()) if f"${name}" in json.dumps(plain)
        },
        **_rollups(pattern, facts, read),
        "lists": {name: fact.sha256 for name, fact in sorted(facts.reader.facts.lists.items())},
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _rollups(pattern: Pattern, facts: FactReader, read: set[str]) -> dict[str, Any]:
    """The rollups and labels that a pattern stands on or reads through its facts, where there are any."""
    known = (facts.done.get(name) for name in sorted(read))
    waiting = [*pattern.streams, *(fact.of for fact in known if fact is not None and fact.of is not None)]
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in facts.rollups and name not in found and facts.flags.rollups is not None:
            found[name] = facts.flags.rollups.entries[name].plain()
            waiting.append(facts.rollups[name].of)
    return {"rollups": dict(sorted(found.items()))} if found else {}
