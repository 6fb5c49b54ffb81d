"""What a run counted, by stream, pattern and reason; counts of several processes add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.reading.judge import Judged


@dataclass(slots=True)
class Counts:
    """Counters of one process, by source or pattern; ``late``, ``dead`` and ``other`` by ``SOURCE REASON``.

    violations: by stream, sampled keys that lie in two partitions against its ``partitioned_by``;
    reached: the bound (microseconds) that each source has come to, while it is read.
    """

    rows: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    filtered: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    guarded: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    reached: dict[str, int] = field(default_factory=dict)

    def judged(self, source: str, judged: Judged) -> None:
        """Count one read."""
        self.rows[source] += judged.rows
        self.bytes[source] += judged.bytes
        self.filtered[source] += judged.filtered
        self.duplicates[source] += judged.duplicates
        for late in judged.late:
            self.late[f"{source} {late.reason}"] += 1
        for reason, count in Counter(row.reason for row in judged.dead).items():
            self.dead[f"{source} {reason}"] += count
        for name, count in judged.counts.items():
            self.other[f"{source} {name}"] += count
        if BEFORE_ALL < judged.bound < AFTER_ALL:
            self.reached[source] = judged.bound

    def add(self, other: Mapping[str, Mapping[str, int]]) -> None:
        """Add what another process counted."""
        for name, counter in other.items():
            if name == "reached":
                for source, bound in counter.items():
                    self.reached[source] = min(bound, self.reached.get(source, bound))
            else:
                getattr(self, name).update(counter)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Plain numbers, zeros left out; may be called while another thread counts."""
        found = {each.name: dict(getattr(self, each.name)) for each in fields(self)}
        return {name: {key: n for key, n in counter.items() if n} for name, counter in found.items()}
