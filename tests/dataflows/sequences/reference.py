"""What the language says of sequences, by brute force: every word of steps over every choice of events, checked one by one.

Written from the language's text and sharing nothing with the engine. A pattern is plain data as it stands in an application
file, but for conditions, which are ``Condition`` here. An attempt is a word (steps with all repetitions written out) whose first
steps have been given events; what may lie between two neighbours of a word is a condition on the events between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any


@dataclass(frozen=True)
class Event:
    """An event: its place among its key's, its time in milliseconds, and what conditions read."""

    place: int
    time: int
    name: str
    price: int | None


@dataclass(frozen=True)
class Condition:
    """``name in names``, and optionally a look-back: (kind, step, number)."""

    names: str
    back: tuple[str, str, int] | None = None

    def sql(self) -> str:
        """The condition as the language writes it."""
        mine = f"name in ({', '.join(repr(n) for n in self.names)})" if self.names else "name is null"
        if self.back is None:
            return mine
        kind, step, number = self.back
        return f"{mine} and " + {
            "ge_last": f"price >= last({step}.price)", "eq_first": f"price = first({step}.price)",
            "nth": f"price <> last({step}.price, {number})", "fewer": f"count({step}) < {number}",
            "sum": f"sum({step}.price) + price <= {number}", "max": f"price > max({step}.price)",
            "avg": f"price > avg({step}.price)", "new": f"(count({step}) = 0 or price >= last({step}.price))",
        }[kind]  # fmt: skip

    def holds(self, event: Event, taken: list[tuple[str, Event]]) -> bool:
        """Whether it is TRUE for an event after those taken."""
        if event.name not in self.names:
            return False
        if self.back is None:
            return True
        kind, step, number = self.back
        of = [each.price for name, each in taken if name == step]
        known = [price for price in of if price is not None]
        price = event.price
        if kind == "fewer":
            return len(of) < number
        if price is None:
            return kind == "new" and not of
        if kind == "ge_last":
            return bool(of) and of[-1] is not None and price >= of[-1]
        if kind == "new":
            return not of or (of[-1] is not None and price >= of[-1])
        if kind == "eq_first":
            return bool(of) and price == of[0]
        if kind == "nth":
            return len(of) > number and of[-1 - number] is not None and price != of[-1 - number]
        if kind == "sum":
            return sum(known) + price <= number
        if kind == "max":
            return bool(known) and price > max(known)
        return bool(known) and price > sum(known) / len(known)


@dataclass
class Loop:
    """One running of a loop (or of a group) within a word."""

    step: dict[str, Any]
    number: int
    watch: list[Condition]


@dataclass
class Take:
    """A letter of a word: a step that takes an event, and all that counts on the way to it from the letter before."""

    step: dict[str, Any]
    contiguity: str
    loops: list[Loop]
    entered: list[dict[str, Any]] = field(default_factory=list)
    nots: list[dict[str, Any]] = field(default_factory=list)
    guards: list[tuple[dict[str, Any], bool]] = field(default_factory=list)


END = {"name": "", "end": True}


class Words:
    """All words of a pattern of at most ``most`` letters; the last letter of each stands for the end."""

    def __init__(self, steps: list[dict[str, Any]], most: int) -> None:
        self.steps = steps
        self.most = most
        self.counter = count()

    def all(self) -> Iterator[list[Take]]:
        """Every word."""
        for tokens in self._row(self.steps, [], None, self.most):
            yield list(_letters([*tokens, ("take", Take(END, "any", []))]))

    def _row(self, steps: list[dict[str, Any]], loops: list[Loop], first: str | None, most: int) -> Iterator[list[Any]]:
        def from_(index: int, first: str | None, left: int) -> Iterator[list[Any]]:
            if index == len(steps):
                yield []
                return
            step = steps[index]
            if step.get("not"):
                for rest in from_(index + 1, first, left):
                    yield [("not", step), *rest]
                return
            behind = []
            for each in steps[index + 1 :]:
                if not each.get("not"):
                    break
                behind.append(each)
            for tokens in self._step(step, loops, first or step.get("contiguity", "relaxed"), behind, left):
                used = sum(kind == "take" for kind, _ in tokens)
                for rest in from_(index + 1, None, left - used):
                    yield [*tokens, *rest]

        yield from from_(0, first, most)

    def _step(
        self, step: dict[str, Any], loops: list[Loop], contiguity: str, behind: list[dict[str, Any]], most: int
    ) -> Iterator[list[Any]]:
        least, highest = step.get("times", (1, 1))
        if step.get("optional"):
            yield [("skip", (step, contiguity))]
        watch = [each["when"] for each in behind if each.get("contiguity", "relaxed") == "relaxed"] if highest != 1 else []
        loop = Loop(step, next(self.counter), watch)

        def repeat(done: int, left: int) -> Iterator[list[Any]]:
            if done >= least:
                yield [("left", (step, highest is None or done < highest))]
            if left <= 0 or (highest is not None and done == highest):
                return
            how = contiguity if done == 0 else step.get("loop", "relaxed")
            entered = [step] if done == 0 else []
            if "group" in step:
                for inner in self._row(step["group"], [*loops, loop], how, left):
                    used = sum(kind == "take" for kind, _ in inner)
                    if used:
                        at = next(i for i, (kind, _) in enumerate(inner) if kind == "take")
                        inner = [*inner]
                        old = inner[at][1]
                        inner[at] = ("take", Take(old.step, old.contiguity, old.loops, [*old.entered, *entered]))
                        for rest in repeat(done + 1, left - used):
                            yield [*inner, *rest]
            else:
                for rest in repeat(done + 1, left - 1):
                    yield [("take", Take(step, how, [*loops, loop], entered)), *rest]

        yield from repeat(0, most)


def _letters(tokens: list[Any]) -> Iterator[Take]:
    nots: list[dict[str, Any]] = []
    guards: list[tuple[dict[str, Any], bool]] = []
    passing: dict[str, bool] = {}
    for kind, what in tokens:
        if kind == "not":
            nots.append(what)
        elif kind == "skip" and is_greedy(what[0]):
            guards.append((what[0], False))
            passing[what[0]["name"]] = what[1] == "any"
        elif kind == "left" and what[1] and is_greedy(what[0]):
            guards.append((what[0], True))
        elif kind == "take":
            take = Take(what.step, what.contiguity, what.loops, what.entered, nots, [
                ({**step, "passing": passing.get(step["name"], False)}, entered) for step, entered in guards
            ])  # fmt: skip
            yield take
            nots, guards = [], []


def is_greedy(step: dict[str, Any]) -> bool:
    """Loops are greedy unless they say otherwise; groups never are."""
    return "group" not in step and bool(step.get("greedy", step.get("times", (1, 1))[1] != 1))


@dataclass(frozen=True)
class Flag:
    """What the pattern says: kind, when it is said (milliseconds), which step took which events, by place, in order."""

    kind: str
    time: int
    events: tuple[tuple[str, int], ...]
    deadline: bool = False


@dataclass(frozen=True)
class _Attempt:
    taken: tuple[tuple[str, Event], ...]

    @property
    def start(self) -> int:
        return self.taken[0][1].place

    @property
    def order(self) -> tuple[Any, ...]:
        return [*(event.place for _, event in self.taken), float("inf")], [name for name, _ in self.taken]  # type: ignore[return-value]


Moment = tuple[int, int, int]
"""(time, 0 for deadlines and 1 for events, place of the start or of the event)."""
NEVER: Moment = (1 << 60, 0, 0)


class Reference:
    """One pattern on the events of one key."""

    def __init__(self, pattern: dict[str, Any], events: list[Event]) -> None:
        self.pattern = pattern
        self.steps = pattern["sequence"]
        self.events = events
        self.names = {step["name"]: i for i, step in enumerate(_leaves(self.steps))}
        self.complete: dict[tuple[Any, ...], tuple[Moment, _Attempt, bool]] = {}
        self.open: dict[_Attempt, Moment] = {}
        self.ended: dict[int, Moment] = {}

    def flags(self) -> list[Flag]:
        """Every flag, in order."""
        least = sum(_least(step) for step in self.steps)
        for word in Words(self.steps, len(self.events) + least).all():
            self._extend(word, ())
        return self._emit()

    # Which attempts there are.

    def _extend(self, word: list[Take], taken: tuple[tuple[str, Event], ...]) -> None:
        """Give the next letter of a word every event that it may take; note how long it could have waited."""
        letter = word[len(taken)]
        begin = taken[-1][1].place + 1 if taken else 0
        if letter.step.get("end"):
            self._end(letter, taken)
            return
        for place in range(begin, len(self.events)):
            event = self.events[place]
            if taken and self._deadline(taken) <= event.time:
                break
            if self._may_take(word, taken, event):
                self._extend(word, (*taken, (letter.step["name"], event)))
        if taken:
            until = self._waits(letter, word, taken)
            attempt = _Attempt(taken)
            self.open[attempt] = max(self.open.get(attempt, (-1, 0, 0)), until)

    def _may_take(self, word: list[Take], taken: tuple[tuple[str, Event], ...], event: Event) -> bool:
        letter, history = word[len(taken)], list(taken)
        begin = taken[-1][1].place + 1 if taken else event.place
        if not letter.step["when"].holds(event, history):
            return False
        if any(step.get("until") and step["until"].holds(event, history) for step in letter.entered):
            return False
        shared = _shared(word, len(taken))
        gaps = [loop.step["gap"] for loop in shared if "gap" in loop.step]
        if taken and any(event.time - taken[-1][1].time >= gap for gap in gaps):
            return False
        return self._passable(letter, word, taken, self.events[begin : event.place]) and self._at(letter, word, taken, event, begin)

    def _passable(self, letter: Take, word: list[Take], taken: tuple[tuple[str, Event], ...], between: list[Event]) -> bool:
        """Whether events may lie between the last event and the one that the letter takes."""
        history = list(taken)
        if letter.contiguity == "strict" and between and taken and not letter.step.get("end"):
            return False
        for event in between:
            if letter.contiguity == "relaxed" and letter.step["when"].holds(event, history):
                return False
            if any(each["when"].holds(event, history) for each in letter.nots if each.get("contiguity", "relaxed") == "relaxed"):
                return False
            if not self._inside(word, taken, event):
                return False
        strict = [each for each in letter.nots if each.get("contiguity") == "strict"]
        if between and any(each["when"].holds(between[0], history) for each in strict):
            return False
        return self._unguarded(letter, taken, between)

    def _at(self, letter: Take, word: list[Take], taken: tuple[tuple[str, Event], ...], event: Event, begin: int) -> bool:
        """What counts for the event that is taken, beside its own condition."""
        history = list(taken)
        strict = [each for each in letter.nots if each.get("contiguity") == "strict"]
        if event.place == begin and any(each["when"].holds(event, history) for each in strict):
            return False
        return self._inside(word, taken, event) and self._unguarded(letter, taken, self.events[begin : event.place + 1])

    def _inside(self, word: list[Take], taken: tuple[tuple[str, Event], ...], event: Event) -> bool:
        """What ends the loops in which both neighbours stand."""
        for loop in _shared(word, len(taken)):
            until = loop.step.get("until")
            if until is not None and until.holds(event, list(taken)):
                return False
            if any(each.holds(event, list(taken)) for each in loop.watch):
                return False
        return True

    def _unguarded(self, letter: Take, taken: tuple[tuple[str, Event], ...], events: list[Event]) -> bool:
        """No event is given away or passed over that a greedy loop, still open, would have taken."""
        history = list(taken)
        for step, entered in letter.guards:
            for event in events:
                fits = step["when"].holds(event, history)
                until = step.get("until") is not None and step["until"].holds(event, history)
                if until and (entered or (fits and not step["passing"])):
                    break
                if fits and not until:
                    return False
        return True

    def _deadline(self, taken: tuple[tuple[str, Event], ...]) -> int:
        within = self.pattern.get("within")
        if within is None:
            return NEVER[0]
        return int(taken[-1][1].time + within["gap"] if isinstance(within, dict) else taken[0][1].time + within)

    def _waits(self, letter: Take, word: list[Take], taken: tuple[tuple[str, Event], ...]) -> Moment:
        """The moment at which a letter stops waiting: its deadline, or an event."""
        begin, deadline = taken[-1][1].place + 1, self._deadline(taken)
        for event in self.events[begin:]:
            if event.time >= deadline:
                break
            if letter.step.get("end"):
                waits = self._passable(letter, word, taken, self.events[begin : event.place + 1])
            else:
                gone = letter.contiguity == "strict" or not self._passable(
                    letter, word, taken, self.events[begin : event.place + 1]
                )
                gaps = [loop.step["gap"] for loop in _shared(word, len(taken)) if "gap" in loop.step]
                fits = letter.step["when"].holds(event, list(taken))
                waits = not gone and not (fits and any(event.time - taken[-1][1].time >= gap for gap in gaps))
            if not waits:
                return (event.time, 1, event.place)
        return (deadline, 0, taken[0][1].place)

    def _end(self, letter: Take, taken: tuple[tuple[str, Event], ...]) -> None:
        if not taken:
            return
        attempt = _Attempt(taken)
        trailing = self.steps[-1].get("not")
        last = taken[-1][1]
        if not trailing:
            self._completed((last.time, 1, last.place), attempt, False)
            return
        only_strict = all(each.get("contiguity") == "strict" for each in letter.nots)
        following = self.events[last.place + 1 :]
        if only_strict and following and following[0].time < self._deadline(taken):
            moment = (following[0].time, 1, following[0].place)
            if not letter.nots[0]["when"].holds(following[0], list(taken)) and self._unguarded(letter, taken, following[:1]):
                self._completed(moment, attempt, False)
            self.open[attempt] = max(self.open.get(attempt, (-1, 0, 0)), moment)
            return
        until = self._waits(
            Take(END, "any", [], [], letter.nots, letter.guards), [*[Take(END, "any", [])] * len(taken), letter], taken
        )
        if until[1] == 0:
            self._completed(until, attempt, True)
        self.open[attempt] = max(self.open.get(attempt, (-1, 0, 0)), until)

    def _completed(self, moment: Moment, attempt: _Attempt, deadline: bool) -> None:
        having = self.pattern.get("having")
        if having is None or having(list(attempt.taken)):
            self.complete[attempt.taken] = (moment, attempt, deadline)

    # What is said of them.

    def _emit(self) -> list[Flag]:
        moments = {(event.time, 1, event.place) for event in self.events}
        moments |= {moment for moment, _, _ in self.complete.values()} | {m for m in self.open.values() if m[1] == 0}
        self.dropped: list[tuple[Moment, int, int]] = []
        found: list[Flag] = []
        held: list[tuple[Moment, _Attempt, bool]] = []
        for now in sorted(moments):
            if now >= NEVER:
                break
            if self.pattern.get("on_timeout"):
                found.extend(self._timeouts(now))
            held += [each for each in self.complete.values() if each[0] == now]
            held = [each for each in held if not self._is_dropped(each[1].start)]
            held.sort(key=lambda each: (each[1].start, self._order(each[1])))
            while held and not self._must_wait(held[0][1], now):
                moment, attempt, deadline = held.pop(0)
                self._drop(now, attempt)
                held = [each for each in held if not self._is_dropped(each[1].start)]
                time = moment[0] if deadline else attempt.taken[-1][1].time
                found.append(Flag("match", time, tuple((name, e.place) for name, e in attempt.taken), deadline))
        return found

    def _order(self, attempt: _Attempt) -> tuple[Any, ...]:
        events, names = attempt.order
        return events, [self.names[name] for name in names]

    def _is_dropped(self, start: int) -> bool:
        return any(low <= start <= high for _, low, high in self.dropped)

    def _drop(self, now: Moment, attempt: _Attempt) -> None:
        after = self.pattern.get("after_match", "past_last")
        places = [event.place for _, event in attempt.taken]
        if after == "past_last":
            self.dropped.append((now, 0, places[-1]))
        elif after == "to_next":
            self.dropped.append((now, places[0], places[0]))
        elif isinstance(after, dict):
            [(key, step)] = after.items()
            of = [event.place for name, event in attempt.taken if name == step]
            if of:
                self.dropped.append((now, 0, (of[0] if key == "to_first" else of[-1]) - 1))

    def _must_wait(self, attempt: _Attempt, now: Moment) -> bool:
        if self.pattern.get("emit") != "ordered" or self.pattern.get("after_match") == "none":
            return False
        return any(
            other.start < attempt.start and until > now and self._moment(other) <= now and not self._is_dropped(other.start)
            for other, until in self.open.items()
        )

    def _moment(self, attempt: _Attempt) -> Moment:
        last = attempt.taken[-1][1]
        return (last.time, 1, last.place)

    def _timeouts(self, now: Moment) -> Iterator[Flag]:
        if now[1] != 0:
            return
        start = now[2]
        mine = {attempt: until for attempt, until in self.open.items() if attempt.start == start}
        out = [
            attempt for attempt, until in mine.items() if until[1] == 0 and until <= now and (attempt.taken not in self.complete)
        ]
        if not any(mine[attempt] == now for attempt in out) or any(until > now for until in mine.values()):
            return
        if self._is_dropped(start) or any(each[1].start == start and each[0] <= now for each in self.complete.values()):
            return
        best = min(out, key=lambda a: (-len({name for name, _ in a.taken}), -len(a.taken), self._order(a)))
        yield Flag("timeout", now[0], tuple((name, event.place) for name, event in best.taken), True)


def _shared(word: list[Take], index: int) -> list[Loop]:
    """The loops in which a letter and the one before both stand."""
    if index == 0:
        return []
    before = {loop.number for loop in word[index - 1].loops}
    return [loop for loop in word[index].loops if loop.number in before]


def _leaves(steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        if "group" in step:
            yield from _leaves(step["group"])
        elif not step.get("not"):
            yield step


def _least(step: dict[str, Any]) -> int:
    inner = sum(_least(each) for each in step["group"]) if "group" in step else int(not step.get("not"))
    return int(step.get("times", (1, 1))[0]) * inner
