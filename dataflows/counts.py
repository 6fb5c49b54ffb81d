"""What a run counted, by stream, pattern and reason; counts of several processes add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from dataflows.judge import Judged


@dataclass(slots=True)
class Counts:
    """Counters of one process: ``rows`` by source; others by (source, reason) or (pattern, kind)."""

    rows: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    filtered: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)

    def judged(self, source: str, judged: Judged) -> None:
        """Count one read."""
        self.rows[source] += judged.rows
        self.bytes[source] += judged.bytes
        self.filtered[source] += judged.filtered
        self.duplicates[source] += judged.duplicates
        self.late[source] += len(judged.late)
        for row in judged.dead:
            self.dead[f"{source} {row.reason}"] += 1
        for name, count in judged.counts.items():
            self.other[f"{source} {name}"] += count

    def add(self, other: Mapping[str, Mapping[str, int]]) -> None:
        """Add what another process counted."""
        for name, counter in other.items():
            getattr(self, name).update(counter)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Plain numbers, zeros left out."""
        return {name: {key: n for key, n in getattr(self, name).items() if n} for name in self.__slots__}
