"""How hits of a key become fewer: cooldown, debounce or batch, then a limit. All in event time; periods are [start, end)."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Stream
from models.events.evidence import Evidence
from models.events.hit import Hit, Kind, deadline_order, hit_from, hit_state
from models.values.types import Kind as Kind_
from models.values.types import Type

_EVIDENCE = Hit._fields.index("evidence")
NEVER = 2**63 - 1
"""A deadline that never comes."""
Show = Callable[[list[Any]], list[Evidence]]
"""From what a burst keeps of its events to their evidence, each once."""


class Offer(Protocol):
    """A hit that may go out; nothing of its events is read before that is sure."""

    @property
    def slot(self) -> int:
        """The key's slot."""

    @property
    def moment(self) -> int:
        """When it would go out, in microseconds of event time."""

    @property
    def kind(self) -> Kind:
        """What kind of hit it is."""

    @property
    def values(self) -> Mapping[str, Any] | None:
        """What title and severity read, where a deadline completed it."""

    def hit(self) -> Hit:
        """The hit with all its evidence."""

    def keep(self) -> list[Any]:
        """Its events as a burst keeps them: what orders them and ``Show`` reads."""


@dataclass(slots=True)
class Burst:
    """Hits that wait to go out as one flag; ``events`` as ``Offer.keep`` gives them, ``values`` those of the last hit."""

    first: Hit
    due: int
    number: int
    events: list[Any]
    count: int = 0
    values: Mapping[str, Any] | None = None


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

    def __init__(self, pattern: Pattern, types: Mapping[str, Type], show: Show) -> None:
        self.pattern = pattern
        self.rules = pattern.suppress
        self.sums = [(name, _sum_of(type_)) for name, type_ in types.items() if type_.is_number]
        self.show = show
        self.keys: dict[int, _Key] = {}
        self.waiting: list[tuple[int, tuple[int, ...], int, int]] = []
        self.bursts = 0
        self.suppressed = 0
        rules = pattern.suppress
        self.period = rules.cooldown or rules.debounce or rules.batch_over or rules.limit_over

    def take(self, offer: Offer) -> Iterator[Hit]:
        """Take a hit; what goes out because of it."""
        if self.period is None:
            yield self.summed(offer.hit())
            return
        key = self.keys.setdefault(offer.slot, _Key())
        if offer.kind == "cleared":
            yield self.summed(offer.hit())
            return
        self._episode(key, offer)
        if self.rules.debounce or self.rules.batch_over:
            yield from self._collect(key, offer)
        elif self.rules.cooldown:
            yield from self._cool(key, offer)
        else:
            yield from self._limited(key, offer.moment, 0, lambda: self.summed(self._in_episode(key, offer.hit())))

    @property
    def next_due(self) -> int:
        """The first deadline that may wait."""
        return self.waiting[0][0] if self.waiting else NEVER

    def due(self, until: int) -> Iterator[Hit]:
        """Bursts whose time has come, in order of their deadlines, then of their first events."""
        while self.waiting and self.waiting[0][0] <= until:
            _, order, slot, number = heapq.heappop(self.waiting)
            key = self.keys.get(slot)
            if key is None or key.burst is None or key.burst.number != number:
                continue
            if key.burst.due > until:
                heapq.heappush(self.waiting, (key.burst.due, order, slot, number))
            else:
                yield from self._release(key, None)

    def summed(self, hit: Hit, most: int | None = None) -> Hit:
        """A hit with exact counts and sums over all its evidence, of which the last are kept."""
        found = hit.evidence
        kept = found[-(most or self.pattern.evidence_last) :]
        return Hit._make((*hit[:_EVIDENCE], kept, len(found), self._sums(found), *hit[_EVIDENCE + 3 :]))

    def _cool(self, key: _Key, offer: Offer) -> Iterator[Hit]:
        assert self.rules.cooldown is not None
        if key.until is not None and offer.moment < key.until:
            self._count(key, 1, key.until + self.rules.cooldown)
            return
        before, key.suppressed = self._remembered(key, offer.moment), 0
        key.until = offer.moment + self.rules.cooldown
        yield from self._limited(key, offer.moment, before, lambda: self.summed(self._in_episode(key, offer.hit())))

    def _collect(self, key: _Key, offer: Offer) -> Iterator[Hit]:
        rules = self.rules
        if key.burst is None:
            hit = self._in_episode(key, offer.hit())
            self.bursts += 1
            due = offer.moment + min(rules.debounce or rules.batch_over or 0, rules.max_wait or NEVER)
            key.burst = Burst(hit, due, self.bursts, [])
            heapq.heappush(self.waiting, (due, hit.order, offer.slot, self.bursts))
        burst = key.burst
        burst.events.extend(event for event in offer.keep() if not burst.events or event > burst.events[-1])
        burst.count, burst.values = burst.count + 1, offer.values
        if rules.debounce:
            latest = math.inf if rules.max_wait is None else burst.first.moment + rules.max_wait
            burst.due = int(min(offer.moment + rules.debounce, latest))
        elif rules.batch_max is not None and burst.count >= rules.batch_max:
            burst.due = offer.moment
            yield from self._release(key, offer.hit())

    def _release(self, key: _Key, last: Hit | None) -> Iterator[Hit]:
        """One flag for a burst: at its deadline, or with the ``last`` hit that it had room for."""
        burst = key.burst
        assert burst is not None
        key.burst = None
        merged = burst.count - 1
        self.suppressed += merged
        before, key.suppressed = self._remembered(key, burst.due), 0
        yield from self._limited(key, burst.due, before + merged, lambda: self._whole(burst, last))

    def _whole(self, burst: Burst, last: Hit | None) -> Hit:
        whole = _with(burst.first, evidence=self.show(burst.events), moment=burst.due, time=None)
        if last is None:
            first = burst.first.evidence[0].order if burst.first.evidence else burst.first.order
            order = deadline_order(burst.due, self.pattern.place, first)
            at = burst.events[-1] if burst.events else -1
            whole = _with(whole, completing=None, row=-1, at=at, order=order, values=burst.values)
        else:
            whole = _with(whole, completing=last.completing, row=last.row, at=last.at, order=last.order, values=last.values)
        return self.summed(whole, self.rules.batch_max if self.rules.batch_over else None)

    def _limited(self, key: _Key, moment: int, before: int, hit: Callable[[], Hit]) -> Iterator[Hit]:
        """Let a hit pass unless too many did; ``before``: how many were suppressed since the last flag."""
        rules = self.rules
        if rules.limit_count is not None and rules.limit_over is not None:
            while key.passed and key.passed[0] <= moment - rules.limit_over:
                key.passed.popleft()
            if len(key.passed) >= rules.limit_count:
                self._count(key, 1 + before, key.passed[0] + 2 * rules.limit_over)
                return
            key.passed.append(moment)
            if not (rules.cooldown or rules.debounce or rules.batch_over):
                before, key.suppressed = self._remembered(key, moment), 0
        found = hit()
        yield _with(found, suppressed=before) if before else found

    def _count(self, key: _Key, hits: int, forget: int) -> None:
        """Count suppressed hits, until one period after their period's end."""
        self.suppressed += 1
        key.suppressed += hits
        key.forget = forget if key.forget is None else max(key.forget, forget)

    def _remembered(self, key: _Key, now: int) -> int:
        return key.suppressed if key.forget is None or now < key.forget else 0

    def _episode(self, key: _Key, offer: Offer) -> None:
        """An episode lasts until the clear, or while its hits' gaps are smaller than the period."""
        assert self.period is not None
        if self.pattern.clear is not None or key.episode is None or offer.moment - key.last_hit >= self.period:
            # With a clear every hit begins one: the next can only come after the clear.
            key.episode = _with(offer.hit(), evidence=(), values=None)
        key.last_hit = offer.moment

    def _in_episode(self, key: _Key, hit: Hit) -> Hit:
        first = key.episode or hit
        return _with(hit, episode=first.anchor, episode_deadline=first.deadline, episode_kind=first.kind)

    def _sums(self, events: Sequence[Evidence]) -> dict[str, Any]:
        fields = [event.fields for event in events]
        return {name: total([each[name] for each in fields if each.get(name) is not None]) for name, total in self.sums}

    def mark(self, live: NDArray[np.bool_]) -> None:
        """Mark the kept events of bursts, where they are positions in a store."""
        for burst in self.open_bursts():
            live[burst.events] = True

    def move(self, moved: NDArray[np.int64]) -> None:
        """Follow kept events to where they were moved."""
        for burst in self.open_bursts():
            burst.events = moved[burst.events].tolist()

    def open_bursts(self) -> Iterator[Burst]:
        """The bursts that wait."""
        for _, _, slot, number in self.waiting:
            key = self.keys.get(slot)
            if key is not None and key.burst is not None and key.burst.number == number:
                yield key.burst

    def snapshot(self) -> dict[str, Any]:
        """All state as plain values."""
        keys = {}
        for slot, key in self.keys.items():
            burst = key.burst and {
                **_plain(key.burst, "due", "number", "events", "count", "values"), "first": hit_state(key.burst.first),
            }  # fmt: skip
            episode = key.episode and hit_state(key.episode)
            plain = _plain(key, "until", "forget", "suppressed", "last_hit")
            keys[slot] = {**plain, "burst": burst, "passed": list(key.passed), "episode": episode}
        return {"bursts": self.bursts, "suppressed": self.suppressed, "keys": keys}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.bursts, self.suppressed, self.waiting, self.keys = state["bursts"], state["suppressed"], [], {}
        for slot, values in state["keys"].items():
            key = self.keys[slot] = _Key(**{**values, "passed": deque(values["passed"]), "burst": None, "episode": None})
            key.episode = values["episode"] and hit_from(values["episode"])
            if burst := values["burst"]:
                key.burst = Burst(**{**burst, "first": hit_from(burst["first"]), "events": list(burst["events"])})
                self.waiting.append((key.burst.due, key.burst.first.order, slot, key.burst.number))
        heapq.heapify(self.waiting)

    def evictable(self, slots: NDArray[np.int64], bound: int) -> NDArray[np.bool_]:
        """bool[m]: whether nothing kept under a slot counts at ``bound`` or later."""
        free = np.ones(len(slots), np.bool_)
        for row, slot in enumerate(slots.tolist() if self.keys else ()):
            key = self.keys.get(slot)
            free[row] = key is None or self._over(key, bound)
        return free

    def evict(self, slots: NDArray[np.int64]) -> None:
        """Forget all that is kept under slots."""
        for slot in self.keys.keys() & set(slots.tolist()) if self.keys else ():
            del self.keys[slot]

    def _over(self, key: _Key, bound: int) -> bool:
        over = self.rules.limit_over
        passed = bool(key.passed) and over is not None and key.passed[-1] > bound - over
        silent = self.period is not None and bound - key.last_hit >= self.period
        remembered = key.suppressed > 0 and (key.forget is None or key.forget > bound)
        return silent and not (passed or remembered or key.burst or (key.until or bound) > bound)


def numeric_types(stream: Stream) -> dict[str, Type]:
    """The types of a stream's declared and derived fields."""
    return {**{name: spec.type for name, spec in stream.fields.items()}, **{n: e.type for n, e in stream.derive.items()}}


def _sum_of(type_: Type) -> Callable[[list[Any]], Any]:
    if type_.kind is Kind_.FLOAT:
        return math.fsum
    return (lambda values: Decimal(sum(values)).scaleb(-type_.scale)) if type_.kind is Kind_.DECIMAL else sum


def _plain(state: object, *names: str) -> dict[str, Any]:
    return {name: getattr(state, name) for name in names}


def _with(hit: Hit, **changes: Any) -> Hit:
    return hit._replace(**changes)
