"""``tocsin plan --draw``: every pattern's steps are in the picture, nothing lies on anything else, and no text breaks its form."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dataflows.commands.app import command
from dataflows.planning.drawing.figures import figures
from dataflows.planning.drawing.mermaid import mermaid
from dataflows.planning.drawing.svg import svg
from dataflows.planning.plan import plan
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent
FILES = [*sorted(ROOT.glob("examples/**/*.yaml")), *sorted(ROOT.glob("tests/cases/*.yaml"))]
APPLICATION = """tocsin: 1
name: drawn
streams:
  tx: {time: ts, fields: {ts: timestamp, card: string, kind: string, amount: int}}
  logins: {time: ts, fields: {ts: timestamp, card: string, ok: bool}}
tables:
  hosts: {format: debezium, key: card, fields: {card: string}}
patterns:
  seq:
    on: tx
    by: card
    sequence:
      - start:
          when: kind = '<a> & "b"#1'
      - maybe: {when: kind = 'm', optional: true}
      - many: {when: kind = 'b', times: "2..5", gap: 30s, until: kind = 'stop'}
      - g: {times: "1..", group: [{x: {on: logins, when: ok}}, {z: {when: kind = 'z', contiguity: strict}}]}
      - c: {any_of: {one: {when: amount > 5}, two: {on: logins, when: not ok}}}
      - none: {when: kind = 'n', not: true}
    within: 10m
    on_timeout: flag
    guard: amount < 3
  pair:
    on: tx
    by: card
    all: {p: {when: kind = 'p'}, q: {on: logins}, no: {when: kind = 'x', not: true}}
    within: 5m
    emit: ordered
    suppress: {cooldown: 1h, limit: {count: 2, over: 1d}}
  silent: {on: logins, by: card, absence: {for: 15m, after: each, expect: hosts}}
  held: {on: pair, by: card, when: amount > 1, hold: 2 of 3, title: "{amount}"}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application with every kind of step."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    return tmp_path / "app.yaml"


def test_boxes_and_arrows_of_a_sequence(app: Path) -> None:
    """Contiguity on arrows, ways around optional steps, loops back, what ends it, and the time-out."""
    found = {figure.title: figure for figure in figures(plan(load(app)))}
    seq = found["seq by card"]
    heads = {box.name: box.lines[0] for box in seq.boxes}
    assert heads["step many"] == "many × 2 to 5, greedy" and heads["step none"] == "no none" and heads["step maybe"] == "maybe (optional)"
    arrows = {(arrow.begin, arrow.end): arrow for arrow in seq.arrows}
    assert arrows["step start", "step many"].dashed and not arrows["step maybe", "step many"].dashed
    assert arrows["step x", "step z"].text == "the very next"
    assert arrows["step z", "step x"].dashed and arrows["step z", "step x"].text == "g × 1 or more"
    assert ("step one", "step none") in arrows and ("step two", "step none") in arrows
    assert arrows["first", "timeout"].text == "after 10m"
    assert [box.lines[0] for box in found["pair by card"].boxes][-2:] == ["suppress", "flag: medium"]
    assert "nothing for 15m" in [box.lines[0] for box in found["silent by card"].boxes]
    assert "hold: 2 of 3" in found["held by card"].boxes[1].lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_can_be_drawn(path: Path) -> None:
    """The SVG is XML and its boxes do not lie on one another; the Mermaid text has every box and arrow."""
    drawn = figures(plan(load(path)))
    root = ElementTree.fromstring(svg(drawn))
    boxes = [
        tuple(float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("class")
    ]  # fmt: skip
    assert len(boxes) == sum(len(figure.boxes) for figure in drawn)
    for at, (x, y, width, height) in enumerate(boxes):
        assert x + width <= float(root.get("width", "0")) and y + height <= float(root.get("height", "0"))
        for left, top, wide, high in boxes[at + 1 :]:
            assert x + width <= left or left + wide <= x or y + height <= top or top + high <= y
    text = mermaid(drawn)
    assert len(re.findall(r"-->|-\.->", text)) == sum(len(figure.arrows) for figure in drawn)
    assert len(re.findall(r'^ *f\d+_\d+[\[({]', text, re.M)) == len(boxes)


def test_texts_do_not_break_their_form(app: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Quotes and angle brackets of conditions are entities in both forms; ``--out`` writes a file."""
    assert command(["plan", str(app), "--draw"]) == 0
    text = capfd.readouterr().out
    assert text.startswith("flowchart LR\n") and "kind = '#60;a#62; #38; #34;b#34;#35;1'" in text
    assert command(["plan", str(app), "--draw", "--format", "svg", "--out", str(tmp_path / "x" / "plan.svg")]) == 0
    drawn = (tmp_path / "x" / "plan.svg").read_text()
    assert "kind = '&lt;a&gt; &amp; " in drawn and ElementTree.fromstring(drawn) is not None


def test_the_plan_tells_of_steps_and_of_the_longest_wait(app: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A sequence's steps, and how long ``emit: ordered`` may hold a match."""
    assert command(["plan", str(app)]) == 0
    text = capfd.readouterr().out
    assert "pattern seq: sequence of start, maybe, many, g, c, no none within 10m" in text
    assert "all of p, q, no no within 5m; a match waits up to 5m for attempts that began before it (emit: ordered)" in text
    assert "pattern silent: no event on logins for 15m" in text
