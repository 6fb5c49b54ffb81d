"""How hits of a key become fewer: cooldown, debounce or batch, then a limit. All in event time; periods are [start, end)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from models.application.resolved import Pattern, Stream
from models.events.evidence import Evidence, evidence_from
from models.events.hit import Hit, hit_from, hit_state
from models.values.types import Kind, Type


@dataclass(slots=True)
class Burst:
    """Hits that wait to go out as one flag."""

    first: Hit
    last: Hit
    due: int
    order: int
    events: list[Evidence] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class _Key:
    until: int | None = None
    forget: int | None = None
    suppressed: int = 0
    burst: Burst | None = None
    passed: deque[int] = field(default_factory=deque)
    episode: Hit | None = None
    last_hit: int = 0


class Suppressor:
    """The suppression of one pattern; ``types`` are its stream's fields, for exact sums over evidence."""

    def __init__(self, pattern: Pattern, types: Mapping[str, Type]) -> None:
        self.pattern = pattern
        self.rules = pattern.suppress
        self.types = {name: type_ for name, type_ in types.items() if type_.is_number}
        self.keys: dict[int, _Key] = {}
        self.waiting: set[int] = set()
        self.order = 0
        self.suppressed = 0
        rules = pattern.suppress
        self.period = rules.cooldown or rules.debounce or rules.batch_over or rules.limit_over

    def hit(self, hit: Hit) -> Iterator[Hit]:
        """Take a hit; what goes out because of it."""
        if self.period is None:
            yield self.summed(hit)
            return
        key = self.keys.setdefault(hit.slot, _Key())
        self._episode(key, hit)
        if hit.kind == "cleared":
            yield self.summed(self._in_episode(key, hit))
        elif self.rules.debounce or self.rules.batch_over:
            yield from self._collect(key, hit)
        elif self.rules.cooldown:
            yield from self._cool(key, hit)
        else:
            yield from self._limited(key, self._in_episode(key, hit))

    def due(self, until: int) -> Iterator[Hit]:
        """Bursts whose time has come, in order of their deadlines."""
        if not self.waiting:
            return
        bursts = [
            (burst.due, burst.order, slot) for slot in self.waiting if (burst := self.keys[slot].burst) and burst.due <= until
        ]
        for _, _, slot in sorted(bursts):
            yield from self._release(self.keys[slot])

    def summed(self, hit: Hit, events: Sequence[Evidence] | None = None, count: int | None = None, most: int | None = None) -> Hit:
        """A hit with exact counts and sums over all its evidence, of which the last are kept."""
        found = list(hit.evidence if events is None else events)
        kept = found[-(most or self.pattern.evidence_last) :]
        return _with(hit, evidence=kept, evidence_count=len(found) if count is None else count, evidence_sum=self._sums(found))

    def evictable(self, slot: int, bound: int) -> bool:
        """Whether nothing kept under a slot can influence any flag from time ``bound`` on."""
        key = self.keys.get(slot)
        if key is None or self.period is None:
            return True
        over = self.rules.limit_over or 0
        return (
            key.burst is None
            and (key.until is None or key.until <= bound)
            and (not key.suppressed or key.forget is None or key.forget <= bound)
            and all(passed <= bound - over for passed in key.passed)
            and (key.episode is None or (self.pattern.clear is None and bound - key.last_hit >= self.period))
        )

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values."""
        keys = {}
        for slot, key in self.keys.items():
            burst = key.burst and {
                **{name: getattr(key.burst, name) for name in ("due", "order", "count")},
                "first": hit_state(key.burst.first), "last": hit_state(key.burst.last),
                "events": [asdict(event) for event in key.burst.events],
            }  # fmt: skip
            plain = {name: getattr(key, name) for name in ("until", "forget", "suppressed", "last_hit")}
            episode = key.episode and hit_state(key.episode)
            keys[slot] = {**plain, "burst": burst, "passed": list(key.passed), "episode": episode}
        return {"order": self.order, "suppressed": self.suppressed, "keys": keys}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.order, self.suppressed = state["order"], state["suppressed"]
        for slot, values in state["keys"].items():
            key = self.keys[slot] = _Key(**{**values, "passed": deque(values["passed"]), "burst": None, "episode": None})
            key.episode = values["episode"] and hit_from(values["episode"])
            if burst := values["burst"]:
                events = [evidence_from(event) for event in burst["events"]]
                key.burst = Burst(**{**burst, "first": hit_from(burst["first"]), "last": hit_from(burst["last"]), "events": events})
                self.waiting.add(slot)

    def _cool(self, key: _Key, hit: Hit) -> Iterator[Hit]:
        if key.until is not None and hit.moment < key.until:
            self._count(key)
            return
        assert self.rules.cooldown is not None
        hit = self._in_episode(key, hit)
        before, key.suppressed = self._remembered(key, hit.moment), 0
        key.until = hit.moment + self.rules.cooldown
        yield from self._limited(key, _with(hit, suppressed=before))

    def _collect(self, key: _Key, hit: Hit) -> Iterator[Hit]:
        rules = self.rules
        if key.burst is not None and hit.moment >= key.burst.due:
            yield from self._release(key)
        if key.burst is None:
            self.order += 1
            due = hit.moment + (rules.debounce or rules.batch_over or 0)
            key.burst = Burst(self._in_episode(key, hit), hit, due, self.order)
            self.waiting.add(hit.slot)
        burst = key.burst
        burst.events.extend(hit.evidence)
        burst.count += 1
        burst.last = hit
        if rules.debounce:
            latest = math.inf if rules.max_wait is None else burst.first.moment + rules.max_wait
            burst.due = int(min(hit.moment + rules.debounce, latest))
        elif rules.batch_max is not None and burst.count >= rules.batch_max:
            burst.due = hit.moment
            yield from self._release(key)

    def _release(self, key: _Key) -> Iterator[Hit]:
        burst = key.burst
        assert burst is not None
        key.burst = None
        self.waiting.discard(burst.first.slot)
        merged = burst.count - 1
        self.suppressed += merged
        most = self.rules.batch_max if self.rules.batch_over else None
        whole = self.summed(burst.first, burst.events, None, most)
        whole = _with(whole, moment=burst.due, completing=None if self.rules.debounce else burst.last.completing, row=-1)
        before, key.suppressed = self._remembered(key, burst.due), 0
        yield from self._limited(key, _with(whole, suppressed=before + merged), summed=True)

    def _limited(self, key: _Key, hit: Hit, *, summed: bool = False) -> Iterator[Hit]:
        rules = self.rules
        if rules.limit_count is not None and rules.limit_over is not None:
            while key.passed and key.passed[0] <= hit.moment - rules.limit_over:
                key.passed.popleft()
            if len(key.passed) >= rules.limit_count:
                key.until = key.passed[0] + rules.limit_over
                self._count(key, 1 + hit.suppressed)
                return
            key.passed.append(hit.moment)
            if not rules.cooldown and not summed:
                hit = _with(hit, suppressed=self._remembered(key, hit.moment))
                key.suppressed = 0
        yield hit if summed else self.summed(hit)

    def _count(self, key: _Key, hits: int = 1) -> None:
        self.suppressed += 1
        key.suppressed += hits
        assert self.period is not None
        key.forget = (key.until or 0) + self.period

    def _remembered(self, key: _Key, now: int) -> int:
        """Hits suppressed before; forgotten one period after their period's end."""
        return key.suppressed if key.forget is None or now < key.forget else 0

    def _episode(self, key: _Key, hit: Hit) -> None:
        """An episode lasts until the clear, or while its hits' gaps are smaller than the period."""
        assert self.period is not None
        new = key.episode is None or (self.pattern.clear is None and hit.moment - key.last_hit >= self.period)
        if new and hit.kind != "cleared":
            key.episode = hit
        key.last_hit = hit.moment

    def _in_episode(self, key: _Key, hit: Hit) -> Hit:
        first = key.episode or hit
        return _with(hit, episode=first.anchor, episode_deadline=first.deadline, episode_kind=first.kind)

    def _sums(self, events: Sequence[Evidence]) -> dict[str, Any]:
        sums: dict[str, Any] = {}
        for name, type_ in self.types.items():
            values = [event.fields[name] for event in events if event.fields.get(name) is not None]
            if type_.kind is Kind.FLOAT:
                sums[name] = math.fsum(values)
            elif type_.kind is Kind.DECIMAL:
                sums[name] = Decimal(sum(values)).scaleb(-type_.scale)
            else:
                sums[name] = sum(values)
        return sums


def numeric_types(stream: Stream) -> dict[str, Type]:
    """The types of a stream's declared and derived fields."""
    return {**{name: spec.type for name, spec in stream.fields.items()}, **{n: e.type for n, e in stream.derive.items()}}


def _with(hit: Hit, **changes: Any) -> Hit:
    return replace(hit, **changes)
