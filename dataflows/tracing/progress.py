"""Records of a matcher as attempts: of each first event the way that came furthest, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dataflows.operators.sequences.matcher import Node
from dataflows.operators.sequences.program import Program
from dataflows.tracing.attempts import Attempt, Ending, Identity, Progress, Taken
from dataflows.tracing.matching import Record, Way


def attempts_of(
    program: Program, records: Iterable[Record], taken: Mapping[int, Taken], hits: Mapping[int, Identity],
    endings: Mapping[Identity, Ending],
) -> Iterator[Attempt]:  # fmt: skip
    """Attempts in the order of their first events: one for each match, else the one that came furthest."""
    for record in records:
        ways = [way for way in record.ways if not way.went_on or _open(way)]
        matches = [match for match in record.matches if not match.timeout and match.repeat == 1]
        for match in matches:
            who = hits[id(match.node)]
            attempt = _attempt(program, record, match.node, taken)
            attempt.hit, attempt.ending = who, endings.get(who)
            yield attempt
        if not matches:
            yield _unmatched(program, record, ways, taken, hits, endings)


def _unmatched(
    program: Program, record: Record, ways: Sequence[Way], taken: Mapping[int, Taken], hits: Mapping[int, Identity],
    endings: Mapping[Identity, Ending],
) -> Attempt:  # fmt: skip
    way = min(ways or record.ways, key=_rank)
    attempt = _attempt(program, record, way.node, taken)
    attempt.others = len({id(other.node) for other in ways if other.node is not way.node})
    attempt.waits = _waits(program, way)
    attempt.near = [miss for _, _, miss in way.near if miss.step in attempt.waits]
    attempt.ending = record.having.get(id(way.node)) or way.ending or Ending("open", None, "still open")
    if record.matches:
        attempt.hit = hits[id(record.matches[0].node)]
        attempt.ending = endings.get(attempt.hit, attempt.ending)
    return attempt


def _open(way: Way) -> bool:
    return way.ending is None and bool(way.run.bits)


def _rank(way: Way) -> tuple[int, int, list[int]]:
    events = way.node.events()
    return -len({arm for _, arm in events}), -len(events), [event for event, _ in events]


def _attempt(program: Program, record: Record, last: Node, taken: Mapping[int, Taken]) -> Attempt:
    nodes = []
    node: Node | None = last
    while node is not None:
        nodes.append(node)
        node = node.before
    attempt = Attempt(record.start.time, [taken[id(each)] for each in reversed(nodes)])
    counts = [program.names[each.arm] for each in nodes]
    for step in program.spec.walk():
        names = [arm.name for arm in step.arms]
        if step.negated or not names:
            continue
        count = sum(name in names for name in counts)
        name = names[0] if len(names) == 1 else " or ".join(names)
        attempt.progress.append(Progress(name, count, step.least, step.most, step.optional or program.spec.kind == "any"))
    return attempt


def _waits(program: Program, way: Way) -> list[str]:
    """The steps that a way still waited for when it ended."""
    if way.run.state < 0 or way.run.state >= len(program.states):
        return []
    state = program.states[way.run.state]
    arms = [arm for i, edge in enumerate(state.edges) if way.bits >> i & 1 for arm in edge.arms]
    return list(dict.fromkeys(program.names[arm] for arm in arms))
