"""What a sequence, all, any or absence pattern looks for, checked and resolved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from models.expressions.expression import Expression

if TYPE_CHECKING:
    from models.application.resolved.places import By, Position

Contiguity = Literal["strict", "relaxed", "any"]
AfterMatch = Literal["past_last", "none", "to_next", "to_first", "to_last"]


@dataclass(frozen=True, slots=True)
class Arm:
    """What fills a step: an event of a stream, under a role, that fits ``when`` (None: any event). A plain step has one arm."""

    name: str
    on: str
    by: By
    when: Expression | None


@dataclass(frozen=True, slots=True)
class Until:
    """The condition that ends a loop, over events of one stream under one role."""

    on: str
    by: By
    when: Expression


@dataclass(frozen=True, slots=True)
class Step:
    """One element of a sequence.

    arms: of a step that takes one event a time; steps: of a group, or of ``all_of`` (``any_order``), which have no arms;
    least, most: how often it repeats (most None: without end); gap: microseconds between neighbours in its loop; repeat:
    microseconds between further flags of a last ``not``.
    """

    name: str
    arms: tuple[Arm, ...] = ()
    steps: tuple[Step, ...] = ()
    any_order: bool = False
    least: int = 1
    most: int | None = 1
    optional: bool = False
    greedy: bool = False
    until: Until | None = None
    contiguity: Contiguity = "relaxed"
    loop: Contiguity = "relaxed"
    gap: int | None = None
    negated: bool = False
    repeat: int | None = None
    position: Position | None = None

    @property
    def loops(self) -> bool:
        """Whether it may take more than once."""
        return self.most != 1

    def walk(self) -> Iterator[Step]:
        """This step and all inside it."""
        yield self
        for step in self.steps:
            yield from step.walk()

    def names(self) -> Iterator[str]:
        """The names under which its events are shown."""
        for step in self.walk():
            yield from (arm.name for arm in step.arms)


@dataclass(frozen=True, slots=True)
class SequenceSpec:
    """Steps and how matches of them count.

    within: microseconds from the first to the last event (exclusive); gap: the same between neighbours; skip_to: the step of
    to_first and to_last; ordered: ``emit: ordered``; timeout: ``on_timeout: flag``.
    """

    kind: Literal["sequence", "all", "any"]
    steps: tuple[Step, ...]
    within: int | None = None
    gap: int | None = None
    timeout: bool = False
    after: AfterMatch = "past_last"
    skip_to: str | None = None
    ordered: bool = False
    having: Expression | None = None
    max_partial: int = 10_000

    def walk(self) -> Iterator[Step]:
        """All steps, those inside groups too, in the order of the file."""
        for step in self.steps:
            yield from step.walk()

    def arms(self) -> Iterator[Arm]:
        """All arms, in the order of the file."""
        for step in self.walk():
            yield from step.arms


@dataclass(frozen=True, slots=True)
class AbsenceSpec:
    """A key that falls silent: a flag ``time`` microseconds after its last fitting event.

    each: a further flag for every further ``time``, ten in all; expect: the table whose keys are expected from their insert on.
    """

    time: int
    each: bool = False
    expect: str | None = None
