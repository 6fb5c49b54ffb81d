"""The rules tier: conditions on flags in order; hard ones are looked at before the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.routing.columns import FlagColumns
from agents.tiers.outcome import Decide
from models.application.respond.resolved import Rule


def by_rules(rules: Sequence[Rule], flags: FlagColumns) -> list[Decide | None]:
    """What the first rule that holds decides of each flag; None: the rules abstain."""
    found: list[Decide | None] = [None] * len(flags.events)
    going = np.ones(len(found), np.bool_)
    for rule in sorted(rules, key=lambda rule: not rule.hard):
        hit = going & flags.holds(rule.when)
        if not hit.any():
            continue
        decided = Decide(rule.verdict, f"rule:{rule.name}", trail={"when": rule.when.text, "hard": rule.hard}, hard=rule.hard)
        for row in np.flatnonzero(hit):
            found[row] = decided
        going = going & ~hit
    return found
