"""What a run that goes on knows of its partitions before it begins: their names, and where a new one joins."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dataflows.batches.batch import AFTER_ALL, BEFORE_ALL
from dataflows.connectors.notices import Notice
from dataflows.engine import fed_by
from dataflows.planning.steps import SOURCE, Plan
from dataflows.reading.filestate import file_bound, file_place
from dataflows.reading.recordstate import offset_of, reader_bounds


@dataclass(frozen=True, slots=True)
class Resumed:
    """Saved snapshots of the source's partitions by name; none for a run that begins.

    begin: the time of the records at which the first run began (microseconds), None where it was the first offsets.
    """

    parts: Mapping[str, bytes] = field(default_factory=dict)
    begin: int | None = None

    def write(self, path: Path) -> None:
        """Leave it to worker processes."""
        parts = {name: base64.b64encode(data).decode() for name, data in self.parts.items()}
        path.write_text(json.dumps({"parts": parts, "begin": self.begin}))

    @staticmethod
    def read(path: Path) -> Resumed:
        """What ``write`` left."""
        found = json.loads(path.read_text())
        return Resumed({name: base64.b64decode(text) for name, text in found["parts"].items()}, found["begin"])

    @property
    def topics(self) -> list[str]:
        """Names of topics' partitions."""
        return [name for name in self.parts if "/" in name]

    @property
    def files(self) -> list[str]:
        """Names of files' partitions."""
        return [name for name in self.parts if "/" not in name]

    def file(self, name: str) -> tuple[str, str]:
        """The source of a file's partition, and the file that was read last."""
        return file_place(self.parts[name])

    def told(self, path: Path) -> Notice:
        """Where a run goes on."""
        offsets = {name: offset for name in self.topics if (offset := offset_of(self.parts[name])) is not None}
        text = f"{path}: goes on from saved state, with {len(self.parts)} partition(s)"
        return Notice("resumed", text, state=str(path), partitions=len(self.parts), offsets=offsets)

    def joined(self, plan: Plan) -> dict[str, int]:
        """For each source the time (microseconds) from which a partition that this run sees first may have events.

        It is behind the watermark of every stage that the source feeds: nothing may come before what was released.
        """
        bounds = self._bounds(plan)
        feeding: dict[int, list[str]] = {}
        for (origin, source), targets in plan.targets.items():
            for stage in {stage for stage, _ in targets} if origin == SOURCE else ():
                feeding.setdefault(stage, []).append(source)
        found = {}
        for source in plan.sources:
            marks = [min(bounds.get(each, BEFORE_ALL) for each in feeding[stage]) for stage in fed_by(plan, source)]
            newest = max(marks, default=BEFORE_ALL)
            if BEFORE_ALL < newest < AFTER_ALL:
                found[source] = newest + 1
        return found

    def _bounds(self, plan: Plan) -> dict[str, int]:
        """The smallest bound of each source's partitions."""
        found: dict[str, int] = {}
        for name, data in self.parts.items():
            bounds = reader_bounds(data, plan.application) if "/" in name else [file_bound(data, plan.application)]
            for source, bound in bounds:
                found[source] = min(bound, found.get(source, AFTER_ALL))
        return found
