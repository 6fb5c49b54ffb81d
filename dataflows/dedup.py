"""Repeated ids within one partition: the first is kept, the same id again within a time is not."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


class Dedup:
    """Remembers kept ids for ``within`` microseconds of event time."""

    def __init__(self, within: int) -> None:
        self.within = within
        self.kept: OrderedDict[Any, int] = OrderedDict()

    def keep(self, id_: Any, time: int) -> bool:
        """Whether an event is new; a null id is never a repetition."""
        if id_ is None:
            return True
        before = self.kept.get(id_)
        if before is not None and abs(time - before) < self.within:
            return False
        self.kept[id_] = time
        self.kept.move_to_end(id_)
        return True

    def forget(self, bound: int) -> None:
        """Drop ids that nothing at or after the bound can repeat."""
        while self.kept:
            id_, time = next(iter(self.kept.items()))
            if bound - time < self.within:
                return
            del self.kept[id_]
