"""A brute-force interpreter of the language: one sorted list of events, walked one by one. Slow, and meant to be obviously right.

Written from the language's description alone. It keeps everything that ever happened and looks back over all of it: no windows
that move, no queues, no state that is updated where it can be recomputed.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.application.resolved.application import Application
from models.application.resolved.facts import Feature, Rollup
from models.application.resolved.patterns import Pattern
from models.events.ids import canonical_json, flag_id
from models.expressions.text import time_text, to_text
from tests.laws.rolled import ends, selected

TTL = 90 * 86_400_000_000
_FACT = re.compile(r"(\w+)\[([^\]]*)\]")
Order = tuple[int, ...]
Key = tuple[Any, ...]


@dataclass(slots=True)
class Event:
    """An event of a stream, or a flag as one: its place in the total order, its id, and all that is known of it."""

    on: str
    id: str
    time: int
    order: Order
    known: dict[str, Any]


@dataclass(slots=True)
class Flag:
    """What a pattern raised."""

    pattern: str
    kind: str
    key: Key
    moment: int
    anchor: tuple[str, ...]
    deadline: int | None
    events: list[Event]
    order: Order
    values: dict[str, Any]
    episode: tuple[str, tuple[str, ...], int | None] = ("match", (), None)
    suppressed: int = 0

    @property
    def own(self) -> tuple[str, tuple[str, ...], int | None]:
        """What identifies it."""
        return self.kind, self.anchor, self.deadline


@dataclass(slots=True)
class Memory:
    """All that one pattern remembers of one key."""

    truths: list[tuple[Event, bool, bool]] = field(default_factory=list)
    """The key's events since its state last counted as absent, with whether ``when`` and ``clear`` were TRUE."""
    held: list[bool] = field(default_factory=list)
    raised: Flag | None = None
    is_raised: bool = False
    decided: Order | None = None
    """The first event of the last run whose deadline has passed."""


@dataclass(slots=True)
class Quiet:
    """All that the suppression of one pattern remembers of one key, the pattern's own or that of ``per``."""

    episode: Flag | None = None
    last_hit: int | None = None
    silent_until: int | None = None
    burst: list[Flag] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    suppressed: int = 0
    forgotten: int = 0


class Interpreter:
    """Runs an application over events that are all known from the start."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.patterns = [pattern for pattern in application.patterns.values() if pattern.mode != "off"]
        self.past: list[Event] = []
        self.memory: dict[tuple[str, Key], Memory] = {}
        self.quiet: dict[tuple[str, Key], Quiet] = {}
        self.flags: list[Flag] = []
        self.raised: dict[Order, int] = {}
        self.future: list[tuple[Order, int, Event]] = []
        self.told: set[tuple[str, Key, int]] = set()

    def run(self, events: Iterable[Event]) -> list[Flag]:
        """All flags, in the order in which they are raised."""
        for event in events:
            self._enter(event)
        while True:
            waiting = min(self._deadlines(), default=None, key=lambda deadline: deadline[:3])
            if waiting is not None and (not self.future or waiting[0] <= self.future[0][2].time):
                self._deadline(waiting[0], waiting[2], waiting[3], waiting[4])
            elif self.future:
                self._event(self.future.pop(0)[2])
            else:
                return self.flags

    def _enter(self, event: Event) -> None:
        bisect.insort(self.future, (event.order, len(self.flags) + len(self.future), event))

    # Events

    def _event(self, event: Event) -> None:
        self.past.append(event)
        for column, expression in self._stream(event.on).derive.items():
            event.known[column] = expression.row(event.known)
        for column in self._facts_read():
            if column not in event.known:
                self._fact(event, event.time, column, event)
        for pattern in self.patterns:
            if pattern.on == event.on:
                key = tuple(event.known.get(name) for name in pattern.by.fields)
                if None not in key:
                    self._truth(pattern, key, event)

    def _truth(self, pattern: Pattern, key: Key, event: Event) -> None:
        memory = self.memory.setdefault((pattern.name, key), Memory())
        if memory.truths and event.time - memory.truths[-1][0].time >= TTL:
            memory.truths, memory.held, memory.is_raised, memory.raised, memory.decided = [], [], False, None, None
        true = pattern.when.row(event.known) is True
        clears = pattern.clear is not None and pattern.clear.row(event.known) is True
        memory.truths.append((event, true, clears))
        if clears and memory.is_raised:
            memory.is_raised = False
            if pattern.on_clear and memory.raised is not None:
                cleared = self._flag(pattern, "cleared", key, [event], event)
                cleared.episode = memory.raised.episode
                self._out(pattern, cleared)
            memory.raised = None
        if pattern.hold is not None and pattern.hold.time is not None:
            return
        holds, events = true, [event]
        if pattern.hold is not None:
            window = _since_clear(memory.truths[-pattern.hold.of :])
            events = [each for each, is_true, _ in window if is_true]
            holds = true and len(events) >= pattern.hold.count
        before = bool(memory.held) and memory.held[-1]
        memory.held.append(holds)
        if pattern.clear is not None:
            fires = holds and not memory.is_raised and not clears
        else:
            fires = holds and (pattern.trigger == "each" or not before)
        if fires:
            self._hit(pattern, memory, self._flag(pattern, "match", key, events, event))

    # Deadlines

    def _deadlines(self) -> Iterator[tuple[int, int, Order, Pattern | Rollup, Key]]:
        """(deadline, place in the file, order of the attempt's first event, pattern, key) of all that wait."""
        for rollup in self.application.rollups.values():
            for key, events in self._keyed(rollup).items():
                for start, end in ends(rollup, [event.time for event in events]):
                    if (rollup.name, key, end) not in self.told:
                        inside = [event for event in events if start <= event.time < end]
                        last = max(event.order for event in events if event.time < end)
                        yield end, rollup.place, inside[0].order if inside else last, rollup, key
                        break
        for pattern in self.patterns:
            for (name, key), quiet in self.quiet.items():
                if name == pattern.name and quiet.burst:
                    # Before the hit of a hold at the same moment: that hit belongs to the next burst.
                    yield _due(pattern, quiet.burst), pattern.place, (-1, *quiet.burst[0].events[0].order), pattern, key
            for (name, key), memory in self.memory.items():
                if name == pattern.name and pattern.hold is not None and pattern.hold.time is not None:
                    run = _run(memory)
                    if run and run[0].order != memory.decided:
                        yield run[0].time + pattern.hold.time, pattern.place, run[0].order, pattern, key

    def _keyed(self, rollup: Rollup) -> dict[Key, list[Event]]:
        found: dict[Key, list[Event]] = {}
        for event in self.past:
            key = tuple(event.known.get(name) for name in rollup.by.fields)
            if event.on == rollup.of and None not in key:
                found.setdefault(key, []).append(event)
        return found

    def _roll_up(self, rollup: Rollup, key: Key, moment: int, order: Order) -> None:
        """The row of a window that ends now, among what the moment's deadlines raise."""
        self.told.add((rollup.name, key, moment))
        events = self._keyed(rollup)[key]
        start = next(start for start, end in ends(rollup, [event.time for event in events]) if end == moment)
        rows = [event.known for event in events if start <= event.time < moment]
        known = {**dict(zip(rollup.by.entity, key, strict=True)), "start": start, "end": moment}
        known.update({measure.name: selected(measure, rows) for measure in rollup.select})
        types = [self._stream(rollup.name).fields[name].type for name in rollup.by.entity]
        text = to_text(types[0], key[0]) if len(key) == 1 else canonical_json(list(key)) if key else ""
        id_ = f"{rollup.name}/{text}/{time_text(start)}/{time_text(moment)}"
        self._enter(Event(rollup.name, id_, moment, (moment, -1, rollup.place, *order, rollup.place, 0), known))

    def _deadline(self, moment: int, order: Order, pattern: Pattern | Rollup, key: Key) -> None:
        if isinstance(pattern, Rollup):
            self._roll_up(pattern, key, moment, order)
            return
        if order[0] == -1:
            self._release(pattern, self.quiet[pattern.name, key], moment, None)
            return
        memory = self.memory[pattern.name, key]
        run = _run(memory)
        memory.decided = run[0].order
        if len(run) < 2 or moment - memory.truths[-1][0].time >= TTL or memory.is_raised:
            return
        order = (moment, -1, pattern.place, *run[0].order)
        values = {**run[-1].known, **self._as_of(pattern, key, moment)}
        flag = Flag(pattern.name, "match", key, moment, (run[0].id,), moment, run, order, values)
        flag.episode = flag.own
        self._hit(pattern, memory, flag)

    def _as_of(self, pattern: Pattern, key: Key, moment: int) -> dict[str, Any]:
        """Features of the pattern's own entity, as of a moment before any of its events."""
        probe = Event("", "", moment, (), dict(zip(pattern.by.fields, key, strict=True)))
        found = {}
        for column in self._facts_read():
            match = _FACT.fullmatch(column)
            assert match is not None
            fact = self.application.features[match[1]]
            if column in pattern.reads and fact.by.entity == pattern.by.entity and match[2] == pattern.by.role:
                self._fact(probe, moment, column, None)
                found[column] = probe.known[column]
        return found

    # Hits to flags

    def _flag(self, pattern: Pattern, kind: str, key: Key, events: list[Event], event: Event) -> Flag:
        flag = Flag(pattern.name, kind, key, event.time, (event.id,), None, events, event.order, event.known)
        flag.episode = flag.own
        return flag

    def _hit(self, pattern: Pattern, memory: Memory, flag: Flag) -> None:
        memory.is_raised = pattern.clear is not None
        memory.raised = None
        if pattern.active is not None and pattern.active.calendar.contains(flag.moment) != pattern.active.inside:
            return
        if pattern.guard is not None and pattern.guard.row(flag.values) is not True:
            return
        memory.raised = flag
        rules = pattern.suppress
        period = rules.cooldown or rules.debounce or rules.batch_over or rules.limit_over
        per = tuple(flag.events[-1].known.get(name) for name in rules.per) if rules.per else flag.key
        if period is None or None in per:
            self._out(pattern, flag)
            return
        self._suppress(pattern, self.quiet.setdefault((pattern.name, per), Quiet()), flag, period)

    def _suppress(self, pattern: Pattern, memory: Quiet, flag: Flag, period: int) -> None:
        rules = pattern.suppress
        new = memory.episode is None or memory.last_hit is None or flag.moment - memory.last_hit >= period
        if pattern.clear is not None or new:
            memory.episode = flag
        memory.last_hit = flag.moment
        assert memory.episode is not None
        flag.episode = memory.episode.own
        if rules.cooldown:
            if memory.silent_until is not None and flag.moment < memory.silent_until:
                self._suppressed(memory, 1, memory.silent_until + rules.cooldown)
                return
            memory.silent_until = flag.moment + rules.cooldown
            flag.suppressed = self._recalled(memory, flag.moment)
        elif rules.debounce or rules.batch_over:
            memory.burst.append(flag)
            if rules.batch_max is not None and len(memory.burst) == rules.batch_max:
                self._release(pattern, memory, flag.moment, flag)
            return
        self._limited(pattern, memory, flag)

    def _release(self, pattern: Pattern, memory: Quiet, moment: int, last: Flag | None) -> None:
        """One flag for a burst: at its deadline, or with the ``last`` hit that it has room for."""
        burst, memory.burst = memory.burst, []
        events: list[Event] = []
        for hit in burst:
            events += [event for event in hit.events if event not in events]
        events.sort(key=lambda event: event.order)
        first = burst[0]
        order = last.order if last is not None else (moment, -1, pattern.place, *first.events[0].order)
        values = burst[-1].values
        whole = Flag(pattern.name, "match", first.key, moment, first.anchor, first.deadline, events, order, values, first.episode)
        whole.suppressed = len(burst) - 1 + self._recalled(memory, moment)
        self._limited(pattern, memory, whole)

    def _limited(self, pattern: Pattern, memory: Quiet, flag: Flag) -> None:
        rules = pattern.suppress
        if rules.limit_count is not None and rules.limit_over is not None:
            recent = [moment for moment in memory.passed if flag.moment - rules.limit_over < moment <= flag.moment]
            if len(recent) >= rules.limit_count:
                # Its period ends when there is room again.
                self._suppressed(memory, 1 + flag.suppressed, recent[0] + 2 * rules.limit_over)
                return
            memory.passed.append(flag.moment)
            if not (rules.cooldown or rules.debounce or rules.batch_over):
                flag.suppressed = self._recalled(memory, flag.moment)
        self._out(pattern, flag)

    def _suppressed(self, memory: Quiet, hits: int, forgotten: int) -> None:
        memory.suppressed += hits
        memory.forgotten = max(memory.forgotten, forgotten)

    def _recalled(self, memory: Quiet, moment: int) -> int:
        count, memory.suppressed = memory.suppressed, 0
        return count if moment < memory.forgotten else 0

    def _out(self, pattern: Pattern, flag: Flag) -> None:
        self.flags.append(flag)
        if pattern.name not in self.application.flags_of:
            return
        n = self.raised.get((pattern.place, *flag.order), 0)
        self.raised[(pattern.place, *flag.order)] = n + 1
        last = flag.events[-1]
        facts = {name: value for name, value in flag.values.items() if _FACT.fullmatch(name) and name in pattern.reads}
        plain = {name: value for name, value in last.known.items() if not _FACT.fullmatch(name)}
        known = {**plain, **facts, "flag.severity": self.severity(pattern, flag), "flag.kind": flag.kind, "flag.steps": ()}
        order = (*flag.order, pattern.place, n)
        self._enter(Event(pattern.name, self.id_of(flag), flag.moment, order, known))

    def id_of(self, flag: Flag) -> str:
        """A flag's id."""
        pattern = self.application.patterns[flag.pattern]
        major = int(pattern.version.split(".")[0])
        return flag_id(self.application.name, pattern.name, major, flag.kind, self.key_text(flag), flag.anchor, flag.deadline)

    def key_text(self, flag: Flag) -> str:
        """A flag's key as text."""
        fields = self.application.patterns[flag.pattern].by.fields
        stream = self._stream(self.application.patterns[flag.pattern].on)
        if len(fields) == 1:
            return to_text(stream.fields[fields[0]].type, flag.key[0])
        return canonical_json(list(flag.key)) if fields else ""

    def severity(self, pattern: Pattern, flag: Flag) -> str:
        """The first level whose condition holds."""
        for level, condition in pattern.severity:
            if condition is None or condition.row(flag.values) is True:
                return level
        return "medium"

    def title(self, flag: Flag) -> str:
        """A flag's title."""
        parts = self.application.patterns[flag.pattern].title.parts
        title = "".join(part if isinstance(part, str) else to_text(part.type, part.row(flag.values)) for part in parts)
        return title if flag.kind == "match" else f"{flag.kind}: {title}"

    # Features

    def _facts_read(self) -> list[str]:
        """All columns of features that a pattern reads."""
        return sorted({column for pattern in self.patterns for column in pattern.reads if _FACT.fullmatch(column)})

    def _fact(self, event: Event, moment: int, column: str, current: Event | None) -> None:
        """A feature's value at a moment for the key that ``event`` holds."""
        match = _FACT.fullmatch(column)
        assert match is not None
        feature = self.application.features[match[1]]
        key = [event.known.get(name) for name in match[2].split(",")] if match[2] else []
        event.known[column] = None
        if None in key or (current is not None and any(name not in event.known for name in match[2].split(",") if name)):
            return
        event.known[column] = _aggregate(feature, self._window(feature, key, moment, current))

    def _window(self, feature: Feature, key: Sequence[Any], moment: int, current: Event | None) -> list[Any]:
        found = []
        oldest = None if feature.over is None else moment - feature.over - feature.delay
        for row in self.past:
            mine = row.on == feature.of and [row.known.get(name) for name in feature.by.fields] == list(key)
            inside = row.time <= moment - feature.delay and (oldest is None or row.time > oldest)
            passes = mine and (feature.where is None or feature.where.row(row.known) is True)
            if passes and inside and not (feature.exclude_current and row is current):
                found.append(1 if feature.value is None else feature.value.row(row.known))
        return [value for value in found if value is not None]

    def _stream(self, name: str) -> Any:
        return self.application.stream(name)


def _aggregate(feature: Feature, values: list[Any]) -> Any:
    match feature.aggregate:
        case "count":
            return len(values)
        case "sum":
            return sum(values)
        case "distinct":
            return len(set(values))
        case "max":
            return max(values, default=None)
    raise NotImplementedError(feature.aggregate)


def _since_clear(truths: Sequence[tuple[Event, bool, bool]]) -> Sequence[tuple[Event, bool, bool]]:
    """From the last clearing event on: it empties what was before it."""
    for place in range(len(truths) - 1, -1, -1):
        if truths[place][2]:
            return truths[place:]
    return truths


def _run(memory: Memory) -> list[Event]:
    """The unbroken run of TRUE up to the key's last event."""
    run: list[Event] = []
    for event, true, _ in reversed(_since_clear(memory.truths)):
        if not true:
            break
        run.insert(0, event)
    return run


def _due(pattern: Pattern, burst: Sequence[Flag]) -> int:
    rules = pattern.suppress
    if rules.batch_over:
        return burst[0].moment + rules.batch_over
    assert rules.debounce is not None
    last = burst[-1].moment + rules.debounce
    return last if rules.max_wait is None else min(last, burst[0].moment + rules.max_wait)
