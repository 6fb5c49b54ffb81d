"""A sequence compiled: its states, and the edges by which an attempt may take its next event. No state of any key.

An attempt that has taken events stands in a state: where in the steps it is, and how often each loop around has run. Each edge
out of the state waits for one kind of event on its own: it takes it, or dies of an event that it may not pass over. So what the
language says of contiguity, greedy loops, ``until`` and ``not`` are conditions on edges, and nothing else decides a match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dataflows.operators.sequences.conditions import Condition, Conditions
from models.application.resolved.steps import SequenceSpec, Step

STRICT, RELAXED, ANY = range(3)
_CONTIGUITY = {"strict": STRICT, "relaxed": RELAXED, "any": ANY}
MAX_STATES = 20_000
"""More than these are refused: nested counts multiply."""


class ProgramTooLarge(ValueError):
    """A sequence whose counts multiply to too many states."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A greedy loop that an edge leaves or leaves out: no event that fits it may be taken or passed over by the edge.

    until: the condition (or -1) that ends the loop and with it the guard; entered: whether the attempt is in the loop; of one
    not entered, ``passing`` tells that events that fit and end it are passed over.
    """

    arms: tuple[int, ...]
    until: int
    entered: bool
    passing: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """A way to take the next event. Numbers are those of arms, conditions and guards (of the state).

    stops, strict_stops: crossed ``not`` steps; watches: those that watch inside a loop; untils: what ends the loops that the
    edge stays in; entries: what ends the loops that it enters; gap: microseconds (exclusive) since the last event, -1 for none.
    """

    arms: tuple[int, ...]
    target: int
    contiguity: int
    stops: tuple[int, ...] = ()
    strict_stops: tuple[int, ...] = ()
    watches: tuple[int, ...] = ()
    untils: tuple[int, ...] = ()
    entries: tuple[int, ...] = ()
    guards: tuple[int, ...] = ()
    gap: int = -1


@dataclass(frozen=True, slots=True)
class Pending:
    """A last ``not``: the match is complete when nothing has broken it until the end of ``within`` (strict: at the next event)."""

    stops: tuple[int, ...]
    strict_stops: tuple[int, ...]
    guards: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What an attempt may do next; ``accepts``: it is complete as it stands."""

    edges: tuple[Edge, ...]
    guards: tuple[Guard, ...]
    accepts: bool
    pending: Pending | None

    @property
    def strict(self) -> int:
        """The bits of edges that only the very next event can take."""
        return sum(1 << i for i, edge in enumerate(self.edges) if edge.contiguity == STRICT)

    @property
    def fresh(self) -> int:
        """All bits of an attempt that has just come here: edges, then pending, then guards."""
        n = len(self.edges)
        return (1 << n) - 1 | (1 << n if self.pending else 0) | ((1 << len(self.guards)) - 1) << n + 1


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled sequence. start: the state before the first event, whose edges begin attempts (it is no state of any).

    names: the step names of arms; kin: arms that ``all`` may exchange have one number; every_row: whether rows that fit nothing
    count too (a strict ``not`` at the end; strict steps where it matters at once that an attempt has ended).
    """

    spec: SequenceSpec
    conditions: tuple[Condition, ...]
    lanes: tuple[tuple[str, tuple[str, ...]], ...]
    arms: tuple[int, ...]
    names: tuple[str, ...]
    kin: tuple[int, ...]
    start: State
    states: tuple[State, ...]
    every_row: bool
    skip_arms: frozenset[int]

    @property
    def begins(self) -> frozenset[int]:
        """The conditions of which a row must fit one to begin an attempt."""
        return frozenset(self.arms[arm] for edge in self.start.edges for arm in edge.arms)


class _Carry(NamedTuple):
    """What an edge has crossed so far: (condition, strict) of each ``not``, and guards."""

    nots: tuple[tuple[int, bool], ...] = ()
    guards: tuple[Guard, ...] = ()


@dataclass(frozen=True, slots=True)
class _Move:
    """A way to take an event, before its target has a number; ``position`` None: the end of the steps is reached instead."""

    position: Any
    step: Step | None
    contiguity: int = RELAXED
    carry: _Carry = _Carry()
    entries: tuple[int, ...] = ()
    untils: tuple[int, ...] = ()
    watches: tuple[int, ...] = ()
    gap: int = -1


def compile_sequence(spec: SequenceSpec) -> Program:
    """Compile the steps of a pattern.

    Raises:
        ProgramTooLarge: when nested counts make too many states.
    """
    return _Compiler(spec).build()


@dataclass(slots=True)
class _Compiler:
    spec: SequenceSpec
    conditions: Conditions = field(default_factory=Conditions)
    arms: dict[str, int] = field(default_factory=dict)
    kin: list[int] = field(default_factory=list)

    def build(self) -> Program:
        """Number all arms and conditions, then every state that can be reached."""
        self._number_arms(self.spec.steps, None)
        root = Step("", steps=self.spec.steps)
        numbers: dict[Any, int] = {}
        moves: list[list[_Move]] = []
        starts = [move for move in self._row(root, 0, _Carry(), RELAXED) if move.position is not None]
        waiting = [self._around(root, move, 1) for move in starts]
        found = [move.position for move in waiting]
        while found:
            position = found.pop()
            if position in numbers:
                continue
            numbers[position] = len(numbers)
            if len(numbers) > MAX_STATES:
                raise ProgramTooLarge(f"more than {MAX_STATES} states")
            following = list(self._after(root, position, ()))
            moves.append(following)
            found.extend(move.position for move in following if move.position is not None)
        trailing = self.spec.steps[-1].negated and self.spec.kind == "sequence"
        states = tuple(self._state(following, numbers, trailing=trailing) for following in moves)
        start = self._state(waiting, numbers, trailing=False)
        strict = any(edge.contiguity == STRICT for state in states for edge in state.edges)
        arms = self._arm_conditions()
        settles = any(state.pending and state.pending.strict_stops for state in states)
        return Program(
            self.spec, tuple(self.conditions.found), tuple(self.conditions.lanes), arms, tuple(self.arms),
            tuple(self.kin), start, states, settles or (strict and (self.spec.ordered or self.spec.timeout)),
            frozenset(self.arms[name] for step in self.spec.walk() if step.name == self.spec.skip_to for name in step.names())
            | ({self.arms[self.spec.skip_to]} if self.spec.skip_to in self.arms else set()),
        )  # fmt: skip

    def _number_arms(self, steps: Sequence[Step], kin: int | None) -> None:
        for step in steps:
            for arm in step.arms if not step.negated else ():
                self.arms[arm.name] = len(self.arms)
                self.kin.append(self.arms[arm.name] if kin is None else kin)
            inner = len(self.arms) if step.any_order and kin is None else kin
            self._number_arms(step.steps, inner)

    def _arm_conditions(self) -> tuple[int, ...]:
        found = {arm.name: self.conditions.of_arm(arm) for step in self.spec.walk() if not step.negated for arm in step.arms}
        return tuple(found[name] for name in self.arms)

    def _state(self, moves: Sequence[_Move], numbers: dict[Any, int], *, trailing: bool) -> State:
        guards: list[Guard] = []

        def placed(carry: _Carry) -> tuple[int, ...]:
            for guard in carry.guards:
                if guard not in guards:
                    guards.append(guard)
            return tuple(guards.index(guard) for guard in carry.guards)

        edges: list[Edge] = []
        accepts, pending = False, None
        for move in moves:
            relaxed = tuple(stop for stop, strict in move.carry.nots if not strict)
            strictly = tuple(stop for stop, strict in move.carry.nots if strict)
            if move.position is None:
                if trailing:
                    pending = Pending(relaxed, strictly, placed(move.carry))
                accepts = accepts or not trailing
                continue
            assert move.step is not None
            edge = Edge(tuple(self.arms[arm.name] for arm in move.step.arms), numbers[move.position], move.contiguity, relaxed,
                        strictly, move.watches, move.untils, move.entries, placed(move.carry), move.gap)  # fmt: skip
            if edge not in edges:
                edges.append(edge)
        return State(tuple(edges), tuple(guards), accepts, pending)

    # Where an event can be taken next. A position: a leaf's count; (iteration, index, inner) in a group; (iteration, mask of
    # steps done, index, inner) in any order.

    def _enter(self, step: Step, contiguity: int) -> Iterator[_Move]:
        """Ways to take a step's first event."""
        until = self._until(step)
        if step.arms:
            yield _Move(1, step, contiguity, entries=until)
            return
        inner = self._first_of_any(step, contiguity) if step.any_order else self._row(step, 0, _Carry(), contiguity)
        for move in inner:
            if move.position is not None:
                moved = move if step.any_order else replace(move, position=(1, *move.position))
                yield replace(moved, entries=moved.entries + until)

    def _first_of_any(self, step: Step, contiguity: int, iteration: int = 1) -> Iterator[_Move]:
        for index, inner in enumerate(step.steps):
            if not inner.negated:
                for move in self._enter(inner, contiguity):
                    yield replace(move, position=(iteration, 0, index, move.position))

    def _row(self, group: Step, index: int, carry: _Carry, first: int | None) -> Iterator[_Move]:
        """Ways into the steps of a group from ``index`` on, positions (index, inner); and its end where that can be reached."""
        leading = first is not None
        for at in range(index, len(group.steps)):
            step = group.steps[at]
            if step.negated:
                carry = carry._replace(nots=(*carry.nots, (self.conditions.of_arm(step.arms[0]), step.contiguity == "strict")))
                continue
            contiguity = first if leading and first is not None else _CONTIGUITY[step.contiguity]
            leading = False
            for move in self._enter(step, contiguity):
                joined = _Carry((*carry.nots, *move.carry.nots), (*carry.guards, *move.carry.guards))
                yield replace(move, position=(at, move.position), carry=joined)
            if not step.optional:
                return
            if step.greedy and step.arms:
                carry = carry._replace(guards=(*carry.guards, self._guard(step, contiguity, entered=False)))
        yield _Move(None, None, carry=carry)

    def _after(self, step: Step, position: Any, behind: tuple[int, ...]) -> Iterator[_Move]:
        """Ways on from a position inside a step, and its end; ``behind``: the ``not`` steps that watch its loop."""
        if step.arms:
            yield from self._after_leaf(step, position, behind)
        elif step.any_order:
            yield from self._after_any(step, position, behind)
        else:
            yield from self._after_group(step, position, behind)

    def _after_leaf(self, step: Step, count: int, behind: tuple[int, ...]) -> Iterator[_Move]:
        more = step.most is None or count < step.most
        if more:
            following = min(count + 1, step.least if step.most is None else step.most)
            yield _Move(following, step, _CONTIGUITY[step.loop], untils=self._until(step), watches=behind, gap=_gap(step))
        if count >= step.least:
            guards = (self._guard(step, RELAXED, entered=True),) if step.greedy and more else ()
            yield _Move(None, None, carry=_Carry((), guards))

    def _after_group(self, step: Step, position: Any, behind: tuple[int, ...]) -> Iterator[_Move]:
        iteration, index, inner = position
        for move in self._after(step.steps[index], inner, self._behind(step, index)):
            if move.position is not None:
                yield self._around(step, replace(move, position=(index, move.position)), iteration, behind)
                continue
            for following in self._row(step, index + 1, move.carry, None):
                if following.position is not None:
                    yield self._around(step, following, iteration, behind)
                    continue
                if step.most is None or iteration < step.most:
                    for again in self._row(step, 0, following.carry, _CONTIGUITY[step.loop]):
                        if again.position is not None:
                            yield self._around(step, again, self._next(step, iteration), behind)
                if iteration >= step.least:
                    yield following

    def _after_any(self, step: Step, position: Any, behind: tuple[int, ...]) -> Iterator[_Move]:
        iteration, mask, index, inner = position
        for move in self._after(step.steps[index], inner, ()):
            if move.position is not None:
                yield self._inside_any(step, iteration, mask, index, move, behind)
                continue
            done = mask | 1 << index
            for other, each in enumerate(step.steps):
                if not each.negated and not done >> other & 1:
                    for entered in self._enter(each, _CONTIGUITY[each.contiguity]):
                        guarded = replace(entered, carry=move.carry)
                        yield self._inside_any(step, iteration, done, other, guarded, behind)
            if all(each.negated or each.optional or done >> other & 1 for other, each in enumerate(step.steps)):
                if step.most is None or iteration < step.most:
                    for again in self._first_of_any(step, _CONTIGUITY[step.loop], self._next(step, iteration)):
                        yield self._within_loop(step, replace(again, carry=move.carry), behind)
                if iteration >= step.least:
                    yield move

    def _inside_any(self, step: Step, iteration: int, mask: int, index: int, move: _Move, behind: tuple[int, ...]) -> _Move:
        """A move between the first and the last event of steps in any order, where their ``not`` steps watch."""
        nots = tuple(self.conditions.of_arm(each.arms[0]) for each in step.steps if each.negated)
        target = replace(move, position=(iteration, mask, index, move.position))
        ends = any(after.position is None for after in self._after_any(replace(step, most=1, least=1), target.position, ()))
        if ends:
            target = replace(target, carry=target.carry._replace(nots=(*target.carry.nots, *((each, False) for each in nots))))
        else:
            target = replace(target, watches=target.watches + nots)
        return self._within_loop(step, target, behind)

    def _around(self, step: Step, move: _Move, iteration: int, behind: tuple[int, ...] = ()) -> _Move:
        return self._within_loop(step, replace(move, position=(iteration, *move.position)), behind)

    def _within_loop(self, step: Step, move: _Move, behind: tuple[int, ...]) -> _Move:
        """What a loop around adds to a move inside it."""
        gaps = [gap for gap in (move.gap, _gap(step)) if gap >= 0]
        watches = move.watches + (behind if step.loops else ())
        return replace(move, untils=move.untils + self._until(step), watches=watches, gap=min(gaps, default=-1))

    def _next(self, step: Step, iteration: int) -> int:
        return min(iteration + 1, step.least if step.most is None else step.most)

    def _behind(self, group: Step, index: int) -> tuple[int, ...]:
        """The relaxed ``not`` steps directly behind a loop: they watch from its first event on."""
        found: list[int] = []
        if group.steps[index].loops:
            for step in group.steps[index + 1 :]:
                if not step.negated:
                    break
                if step.contiguity == "relaxed":
                    found.append(self.conditions.of_arm(step.arms[0]))
        return tuple(found)

    def _until(self, step: Step) -> tuple[int, ...]:
        return () if step.until is None else (self.conditions.of(step.until.on, step.until.by.fields, step.until.when),)

    def _guard(self, step: Step, contiguity: int, *, entered: bool) -> Guard:
        until = self._until(step)
        return Guard(tuple(self.arms[arm.name] for arm in step.arms), until[0] if until else -1, entered, contiguity == ANY)


def _gap(step: Step) -> int:
    return -1 if step.gap is None else step.gap
