"""Figures as text for Mermaid: one flowchart with a part for each figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dataflows.planning.drawing.graph import Box, Figure

_SHAPES = {"box": ("[", "]"), "round": ("(", ")"), "not": ("{{", "}}"), "flag": ("([", "])"), "source": ("[/", "/]")}


def mermaid(figures: Sequence[Figure]) -> str:
    """A whole Mermaid document."""
    lines = ["flowchart LR"]
    for number, figure in enumerate(figures):
        lines += [f"  {line}" for line in _figure(figure, number)]
    lines += ["  classDef not stroke-dasharray: 5 3", "  classDef flag stroke-width: 2px"]
    return "\n".join(lines) + "\n"


def _figure(figure: Figure, number: int) -> Iterator[str]:
    names = {box.name: f"f{number}_{place}" for place, box in enumerate(figure.boxes)}
    yield f"subgraph f{number} [{_quoted(figure.title)}]"
    yield "  direction LR"
    for box in figure.boxes:
        yield f"  {_box(box, names[box.name])}"
    for arrow in figure.arrows:
        line = "-.->" if arrow.dashed else "-->"
        text = f"|{_quoted(arrow.text)}|" if arrow.text else ""
        yield f"  {names[arrow.begin]} {line}{text} {names[arrow.end]}"
    yield "end"


def _box(box: Box, name: str) -> str:
    begin, end = _SHAPES[box.shape]
    text = "<br/>".join(_escaped(line) for line in box.lines)
    style = f":::{box.shape}" if box.shape in ("not", "flag") else ""
    return f'{name}{begin}"{text}"{end}{style}'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Characters that Mermaid or HTML would read, as entities in Mermaid's own form."""
    for character, entity in (("#", "#35;"), ("&", "#38;"), ("<", "#60;"), (">", "#62;"), ('"', "#34;"), ("`", "#96;")):
        text = text.replace(character, entity) if character != "#" else text.replace("#", "\0")
    return text.replace("\0", "#35;")
