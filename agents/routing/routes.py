"""Which responders answer which flags: the first route that matches, and those after one that continues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.routing.columns import FlagColumns
from models.application.respond.resolved import Route


def routed(routes: Sequence[Route], flags: FlagColumns) -> list[list[str]]:
    """The responders of each flag, in the order of the routes, each once; a flag that no route matches takes the last."""
    n = len(flags.events)
    found: list[list[str]] = [[] for _ in range(n)]
    going = np.ones(n, np.bool_)
    for route in routes:
        hit = going if route.match is None else going & flags.holds(route.match)
        for row in np.flatnonzero(hit):
            if route.to not in found[row]:
                found[row].append(route.to)
        if not route.more:
            going = going & ~hit
    for each in found:
        if not each:
            each.append(routes[-1].to)
    return found
