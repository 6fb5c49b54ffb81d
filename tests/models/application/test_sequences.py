"""Mistakes in steps: each one error at its line, and what is worth a warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.application.errors import ApplicationErrors
from models.application.load import load

BASE = """tocsin: 1
name: shop
streams:
  tx:
    time: ts
    fields: {ts: timestamp, card: string, amount: float, ok: bool}
  other:
    time: ts
    fields: {ts: timestamp, card: string, who: string}
patterns:
  p:
    on: tx
    by: card
    sequence:
"""


def told(text: str, tmp_path: Path, base: str = BASE) -> list[str]:
    """What check says of steps (after ``sequence:``, indented) and keys beside them."""
    path = tmp_path / "app.yaml"
    lines = "".join(f"      {line}\n" if line.startswith("- ") else f"    {line}\n" for line in text.split("\n"))
    path.write_text(base + lines)
    try:
        return [warning.replace(f"{path}:", "") for warning in load(path).warnings]
    except ApplicationErrors as found:
        return [error.replace(f"{path}:", "") for error in found.errors]


ERRORS = {
    "- a: {not: true}\n- b: {}": ["15: 'not' cannot be the first step; to ask that something did not happen before, use a count feature"],
    "- a: {}\n- b: {optional: true}\n- c: {not: true}\nwithin: 1h": ["17: 'not' cannot stand after the optional step 'b'"],
    "- a: {}\n- b: {not: true, times: 2}\n- c: {}": ["16: a 'not' step takes no event, so it has no times"],
    "- a: {}\n- b: {not: true}": ["16: a last 'not' needs within"],
    "- a: {}\n- b: {not: true, contiguity: strict}\n- c: {optional: true}": ["16: a strict 'not' before optional steps only"],
    "- a: {}\n- g: {group: [{b: {}}, {c: {not: true}}]}\n- d: {}": ["16: 'not' cannot be the last step of a group"],
    "- a: {}\n- b: {times: \"2..\", greedy: true}\nwithin: 1h": ["16: greedy on the last step, which completes at every count"],
    "- g: {group: [{a: {}}], times: 2, greedy: true}\n- b: {}": ["15: greedy on a group, which is never greedy"],
    "- a: {until: ok}\n- b: {}": ["15: 'until' ends a loop"],
    "- a: {gap: 5s}\n- b: {}": ["15: 'gap' bounds neighbours in a loop"],
    "- a: {loop: any}\n- b: {}": ["15: 'loop' says how repetitions follow each other"],
    "- a: {}\n- b: {when: amount > c.amount}": ["16: unknown name 'c.amount'"],
    "- a: {}\n- b: {when: amount > last(c.amount)}": ["16: unknown step 'c'; expected one of a, b"],
    "- a: {when: amount > b.amount}\n- b: {}": ["15: step 'b' comes after 'a': a condition looks back, never ahead"],
    "- a: {}\n- b: {when: amount > a.amout}": ["16: unknown field 'amout' of step a, which stands on tx"],
    "- a: {}\n- n: {not: true}\n- b: {when: amount > n.amount}": ["17: step 'n' is a 'not', which takes no event"],
    "- a: {}\n- b: {when: a = 1}": ["16: 'a' is a step; expected a.FIELD or count(a)"],
    "- a: {}\n- b: {when: sum(a.card) > 1}": ["16: sum() takes a number; found a.card of string"],
    "- a: {}\n- b: {when: count(a.card) > 1}": ["16: expected count(STEP); found 'COUNT(a.card)'"],
    "- a: {}\n- b: {when: first(amount) > 1}": ["16: expected first(STEP.FIELD); found 'FIRST(amount)'"],
    "- g: {group: [{a: {optional: true}}], times: 2}\n- b: {}": ["15: every step of the repeated group 'g' is optional"],
    "- a: {}\n- a: {}": ["16: step 'a' stands twice"],
    "- a: {}\n- g: {any_of: {a: {}, b: {}}}": ["16: step 'a' stands twice"],
    "- a: {times: 0}\n- b: {}": ["15: expected times of at least 1; for none or more write optional: true"],
    "- a: {times: \"3..2\"}\n- b: {}": ["15: expected times as LEAST..MOST"],
    "- a: {times: many}\n- b: {}": ["15: expected times as 3, \"3..\" or \"3..5\"; found 'many'"],
    "- a: {contiguity: loose}\n- b: {}": ["15: expected contiguity as one of strict, relaxed, any; found 'loose'"],
    "- a: {}\n- n: {not: true, contiguity: any}\n- b: {}": ["16: 'not' is strict or relaxed; found any"],
    "- a: {}\n- b: {repeat: 1s}": ["16: 'repeat' is for a last 'not' step"],
    "- a: {}\n- n: {not: true, repeat: 1s}\n- b: {}": ["16: 'repeat' is for a last 'not' step"],
    "- a: {on: txx}\n- b: {}": ["15: unknown stream, rollup or pattern 'txx'; expected one of tx, other, p"],
    "- a: {by: amount}\n- b: {by: crad}": ["16: unknown field of tx (by of step b) 'crad'"],
    "- g: {any_of: {a: {times: 2}}}\n- b: {}": ["15: an arm of any_of has on, by and when; found 'times' in 'a'"],
    "- g: {group: [{a: {}}], any_of: {c: {}}}\n- b: {}": ["15: expected one of group, any_of, all_of in step 'g'"],
    "- g: {group: [{a: {}}], when: ok}\n- b: {}": ["15: 'when' stands in the steps of group"],
    "- a": ["15: expected one step as {NAME: step}; found 'a'"],
    "- a: {whn: ok}": ["15: unknown key of a step 'whn'"],
    "- a: {}\n- b: {}\non_timeout: flag": ["17: expected within beside on_timeout: flag"],
    "- a: {}\n- b: {}\nafter_match: {to_first: c}": ["17: unknown step 'c'; expected one of a, b"],
    "- a: {}\n- b: {}\nafter_match: last": ["17: expected after_match as one of past_last, none, to_next"],
    "- a: {}\n- b: {}\nafter_match: {to: a}": ["17: expected after_match as past_last, none, to_next, {to_first: STEP}"],
    "- a: {}\n- b: {}\nwithin: 0s": ["17: expected within as a duration of more than 0s"],
    "- a: {}\n- b: {}\nhaving: c.amount > 1": ["17: unknown name 'c.amount'"],
    "- a: {}\n- b: {}\nwhen: ok": ["17: 'when' belongs to the steps"],
    "- a: {}\n- b: {}\nhold: 5m": ["17: 'hold' belongs to a condition pattern"],
    "- a: {}\n- b: {}\ntitle: '{a.amout}'": ["17: unknown field 'amout' of step a"],
}  # fmt: skip


@pytest.mark.parametrize("text", ERRORS)
def test_an_illegal_construct_is_one_error_at_its_line(text: str, tmp_path: Path) -> None:
    """Each with its place, and nothing else."""
    found = told(text, tmp_path)
    assert len(found) == len(ERRORS[text]), found
    for error, wanted in zip(found, ERRORS[text], strict=True):
        line, message = wanted.split(": ", 1)
        assert error.startswith(f"{line}:") and error.split(": ", 1)[1].startswith(message), (error, wanted)


KINDS = {
    "    any: {a: {not: true}, b: {}}\n": "'not' directly in any says nothing",
    "    absence: {after: each}\n": "expected absence as {for: DURATION}; found no for",
    "    absence: {for: 5m, expect: people}\n": "unknown table 'people'",
    "    absence: {for: 5m}\n    within: 5m\n": "'within' belongs to a sequence; expected it beside sequence, all or any",
    "    all: {a: {}, b: {not: true, contiguity: strict}}\n": "'not' in any order watches all the time; remove 'contiguity'",
    "    sequence: [{a: {}}]\n    all: {b: {}}\n": "expected one of sequence, all, any, absence; found sequence and all",
    "    sequence: []\n": "expected sequence as a list of {NAME: step}; found a list",
    "    all: []\n": "expected all as {NAME: step, ...}; found a list",
    "    when: ok\n    having: ok\n": "'having' belongs to a sequence",
}


@pytest.mark.parametrize("text", KINDS)
def test_what_other_kinds_may_not_say(text: str, tmp_path: Path) -> None:
    """All, any and absence have rules of their own."""
    found = told("", tmp_path, BASE.replace("    sequence:\n", text))
    assert any(KINDS[text] in error for error in found), found


def test_steps_on_each_others_flags_are_a_circle(tmp_path: Path) -> None:
    """Two patterns whose steps need each other."""
    circle = BASE.replace("    on: tx\n", "").replace("    sequence:\n", "    sequence: [{a: {on: q}}, {b: {on: tx}}]\n    within: 1h\n")
    circle += "  q:\n    by: card\n    sequence: [{c: {on: tx}}, {d: {on: p}}]\n    within: 1h\n"
    assert any("in a circle: p -> q -> p" in error for error in told("", tmp_path, circle))


WARNINGS = {
    "- a: {}\n- b: {}": ["no within: a match that began never runs out"],
    "- a: {}\n- b: {times: \"2..\"}": ["no within", "the last step 'b' completes at every count from its least, so under past_last it stops at 2"],
}  # fmt: skip


@pytest.mark.parametrize("text", WARNINGS)
def test_what_is_costly_or_surprising_is_said(text: str, tmp_path: Path) -> None:
    """Warnings, in order."""
    found = told(text, tmp_path)
    assert len(found) == len(WARNINGS[text])
    for warning, wanted in zip(found, WARNINGS[text], strict=True):
        assert wanted in warning
