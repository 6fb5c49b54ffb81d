"""How many flows of each priority a stage may take: reserved slots for high ones, and one for what has waited long.

Lane 1 may use all slots; lane 2 leaves a quarter (at least one) free, lane 3 two quarters. Of several slots one takes first what
has waited longer than ``AGE`` in a lower lane, so that nothing starves; the reserved ones stay reserved.
"""

from __future__ import annotations

from collections.abc import Iterable

LANES = (1, 2, 3)
AGE = 60_000_000


def room(slots: int, running: Iterable[int]) -> dict[int, int]:
    """For each lane how many more flows it may take now; ``running``: the lanes of flows at work."""
    lanes = [*running]
    reserved = max(1, slots // 4)
    found = {}
    for lane in LANES:
        most = max(slots - (lane - 1) * reserved, 1)
        same_or_lower = sum(other >= lane for other in lanes)
        found[lane] = max(min(most - same_or_lower, slots - len(lanes)), 0)
    return found
