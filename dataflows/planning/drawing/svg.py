"""Figures as one SVG picture: boxes in columns by how far they are from the beginning, figures under one another."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from dataflows.planning.drawing.graph import Arrow, Box, Figure

_WIDE, _LINE, _PAD, _MOST = 7.0, 16, 10, 34
"""Pixels of a character and of a line; around text; characters of a line before it is broken."""
_BETWEEN, _APART, _TITLE, _MARGIN = 110, 22, 34, 20
"""Pixels between columns and between boxes of one; of a title; around everything."""
_OVER = 30
"""Pixels of an arrow over boxes."""
_FILL = {"box": "#eef2f7", "round": "#e7f3ec", "not": "#fdf1f0", "flag": "#fff6dd", "source": "#ffffff"}
_STYLE = (
    "text{font:12px sans-serif;fill:#1d2733}.title{font-weight:600;font-size:15px}.head{font-weight:600}"
    ".box{stroke:#5b6b7f}.not{stroke-dasharray:5 3}.flag{stroke-width:2}"
    "path{fill:none;stroke:#5b6b7f}.around{stroke-dasharray:4 3}.on{fill:#5b6b7f;font-size:11px}"
)


@dataclass(slots=True)
class _Placed:
    box: Box
    lines: list[str]
    column: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return max([len(self.lines[0]) * _WIDE * 1.15, *(len(line) * _WIDE for line in self.lines)]) + 2 * _PAD

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PAD


def svg(figures: Sequence[Figure]) -> str:
    """A whole SVG document."""
    parts: list[str] = []
    y, width = float(_MARGIN), 0.0
    for figure in figures:
        placed = _placed(figure, y + _TITLE)
        far = [arrow for arrow in figure.arrows if placed[arrow.end].column - placed[arrow.begin].column > 1]
        if far:  # room for arrows over the boxes between
            placed = _placed(figure, y + _TITLE + _OVER)
        title = escape(figure.title)
        parts.append(f'<text class="title" x="{_MARGIN}" y="{y + 18:g}">{title}</text>')
        parts += [part for arrow in figure.arrows for part in _arrow(arrow, placed)]
        parts += [part for each in placed.values() for part in _box(each)]
        y = max([each.y + each.height for each in placed.values()], default=y) + _APART * 2
        width = max([width, *(each.x + each.width for each in placed.values()), len(figure.title) * 9.0])
    size = f'width="{width + 2 * _MARGIN:g}" height="{y:g}" viewBox="0 0 {width + 2 * _MARGIN:g} {y:g}"'
    head = '<marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    head += '<path d="M0 0L8 4L0 8z" style="fill:#5b6b7f;stroke:none"/></marker>'
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{_STYLE}</style>", f"<defs>{head}</defs>", background]
    return "\n".join([*lines, *parts, "</svg>"]) + "\n"


def _placed(figure: Figure, top: float) -> dict[str, _Placed]:
    """Where every box stands."""
    placed = {box.name: _Placed(box, _wrapped(box.lines)) for box in figure.boxes}
    columns: dict[int, list[_Placed]] = {}
    for name, depth in _depths(figure).items():
        columns.setdefault(depth, []).append(placed[name])
    x = float(_MARGIN)
    tallest = max((_tall(column) for column in columns.values()), default=0.0)
    for depth in sorted(columns):
        y = top + (tallest - _tall(columns[depth])) / 2
        for each in columns[depth]:
            each.x, each.y, each.column = x, y, depth
            y += each.height + _APART
        into = [arrow for arrow in figure.arrows if arrow.begin in {each.box.name for each in columns[depth]}]
        text = max((len(arrow.text) for arrow in into), default=0) * 6.2
        x += max(each.width for each in columns[depth]) + max(_BETWEEN * 0.5, min(text + 30, _BETWEEN * 1.8))
    return placed


def _tall(column: Sequence[_Placed]) -> float:
    return sum(each.height for each in column) + _APART * (len(column) - 1)


def _depths(figure: Figure) -> dict[str, int]:
    """Each box's column: behind all that lead to it; arrows back to an earlier box do not count."""
    place = {box.name: at for at, box in enumerate(figure.boxes)}
    depths = dict.fromkeys(place, 0)
    for _ in figure.boxes:
        for arrow in figure.arrows:
            if place[arrow.begin] < place[arrow.end]:
                depths[arrow.end] = max(depths[arrow.end], depths[arrow.begin] + 1)
    return depths


def _wrapped(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, _MOST, break_long_words=True) or [""]]


def _box(placed: _Placed) -> Iterator[str]:
    shape = placed.box.shape
    corner = {"round": 10, "flag": 16}.get(shape, 3)
    place = f'x="{placed.x:g}" y="{placed.y:g}" width="{placed.width:g}" height="{placed.height:g}" rx="{corner}"'
    yield f'<rect class="box {shape}" {place} fill="{_FILL[shape]}"/>'
    for number, line in enumerate(placed.lines):
        style = ' class="head"' if number == 0 else ""
        yield f'<text{style} x="{placed.x + _PAD:g}" y="{placed.y + _PAD + 12 + number * _LINE:g}">{escape(line)}</text>'


def _arrow(arrow: Arrow, placed: dict[str, _Placed]) -> Iterator[str]:
    begin, end = placed[arrow.begin], placed[arrow.end]
    style = ' class="around"' if arrow.dashed else ""
    if end.x <= begin.x:  # back: below both boxes
        x1, x2 = begin.x + begin.width / 2, end.x + end.width / 2
        y1, y2 = begin.y + begin.height, end.y + end.height
        low = max(y1, y2) + _APART
        yield f'<path{style} d="M{x1:g} {y1:g}C{x1:g} {low:g} {x2:g} {low:g} {x2:g} {y2 + 2:g}" marker-end="url(#end)"/>'
        yield from _text(arrow.text, (x1 + x2) / 2, low + 4)
        return
    x1, y1, x2, y2 = begin.x + begin.width, begin.y + begin.height / 2, end.x, end.y + end.height / 2
    between = [each.y for each in placed.values() if begin.column < each.column < end.column]
    if between:
        over, text = min([*between, y1, y2]) - _OVER, (x1 + x2) / 2
        path = f"M{x1:g} {y1:g}C{x1 + 40:g} {over:g} {x1 + 60:g} {over + 12:g} {text:g} {over + 12:g}"
        yield f'<path{style} d="{path}S{x2 - 40:g} {over:g} {x2 - 2:g} {y2:g}" marker-end="url(#end)"/>'
        yield from _text(arrow.text, text, over + 7)
        return
    bend = (x2 - x1) / 2
    yield f'<path{style} d="M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2 - 2:g} {y2:g}" marker-end="url(#end)"/>'
    yield from _text(arrow.text, (x1 + x2) / 2, (y1 + y2) / 2 - 5)


def _text(text: str, x: float, y: float) -> Iterator[str]:
    if text:
        yield f'<text class="on" text-anchor="middle" x="{x:g}" y="{y:g}">{escape(text)}</text>'
