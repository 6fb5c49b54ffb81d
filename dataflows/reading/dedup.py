"""Repeated ids within one partition: the first is kept, the same id again within a time is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any


class Dedup:
    """Remembers kept ids for ``within`` microseconds of event time."""

    def __init__(self, within: int) -> None:
        self.within = within
        self.kept: dict[Any, list[int]] = {}
        self.order: deque[tuple[Any, int]] = deque()

    def keep(self, id_: Any, time: int) -> bool:
        """Whether an event is new; a null id is never a repetition."""
        if id_ is None:
            return True
        times = self.kept.setdefault(id_, [])
        if any(abs(time - before) < self.within for before in times):
            return False
        times.append(time)
        self.order.append((id_, time))
        return True

    def forget(self, bound: int) -> None:
        """Drop ids that nothing at or after the bound can repeat, in the order in which they were kept."""
        while self.order and bound - self.order[0][1] >= self.within:
            id_, time = self.order.popleft()
            self.kept[id_].remove(time)
            if not self.kept[id_]:
                del self.kept[id_]

    def snapshot(self) -> dict[str, Any]:
        """Kept ids and their times, as plain values."""
        return {"ids": [id_ for id_, _ in self.order], "times": [time for _, time in self.order]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.kept.clear()
        self.order = deque(zip(state["ids"], state["times"], strict=True))
        for id_, time in self.order:
            self.kept.setdefault(id_, []).append(time)
