"""A drawing before it has a form: figures of boxes and arrows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Shape = Literal["box", "round", "not", "flag", "source"]


@dataclass(frozen=True, slots=True)
class Box:
    """A box with lines of text. round: a step; not: what must not come; source: where rows come from; flag: what goes out."""

    name: str
    lines: tuple[str, ...]
    shape: Shape = "box"


@dataclass(frozen=True, slots=True)
class Arrow:
    """From box to box; dashed: a way around."""

    begin: str
    end: str
    text: str = ""
    dashed: bool = False


@dataclass(slots=True)
class Figure:
    """A picture with a title, read from left to right."""

    title: str
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    def box(self, name: str, *lines: str, shape: Shape = "box") -> str:
        """Add a box; its name."""
        self.boxes.append(Box(name, tuple(" ".join(line.split()) for line in lines if line), shape))
        return name

    def arrow(self, begin: str, end: str, text: str = "", *, dashed: bool = False) -> None:
        """Add an arrow."""
        arrow = Arrow(begin, end, text, dashed)
        if arrow not in self.arrows:
            self.arrows.append(arrow)
