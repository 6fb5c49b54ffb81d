"""What ended an attempt, in plain words: each way that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dataflows.tracing.telling import lines, story

PROBES = """  p:
    on: tx
    by: card
    sequence:
      - probe: {when: amount < 5, times: 3}
      - cash: {when: amount > 200}
    within: 10m
"""
TRIES = [("12:00:00", "a", None, 1), ("12:01:00", "a", None, 2), ("12:02:00", "a", None, 3)]


def test_a_sequence_that_ran_out_of_time(tmp_path: Path) -> None:
    """How far it came, and the event that came nearest to what it waited for."""
    found = story(tmp_path, PROBES, [*TRIES, ("12:03:00", "b", None, 900), ("12:04:10", "a", None, 180), ("12:30:00", "b", None, 1)])
    assert lines(found)[0] == "probe 3 of 3; cash: 180 > 200 is false at 12:04:10; out of time at 12:10:00 (within 10m)"
    assert lines(found)[1:] == [
        "probe 2 of 3; probe: 180 < 5 is false at 12:04:10; out of time at 12:11:00 (within 10m)",
        "probe 1 of 3; probe: 180 < 5 is false at 12:04:10; out of time at 12:12:00 (within 10m)",
    ]
    assert [taken.event.id for taken in found.attempts[0].taken] == ["t0", "t1", "t2"]
    assert found.events == 4 and found.attempts[0].waits == ["cash"]


def test_a_match_ends_other_attempts(tmp_path: Path) -> None:
    """The flag, and what it dropped."""
    found = story(tmp_path, PROBES, [*TRIES, ("12:04:00", "a", None, 900)])
    assert found.attempts[0].flag is not None and lines(found)[0] == f"probe 3 of 3; cash 1 of 1; flag {found.attempts[0].flag} at 12:04:00"
    assert [each.ending and each.ending.how for each in found.attempts] == ["flag", "skip", "skip"]
    assert "dropped by the match at 12:04:00 (after_match: past_last)" in lines(found)[1]


STEPS = """  p:
    on: tx
    by: card
    sequence: [{{one: {{when: kind = 'a'}}}}, {step}]
    within: 10m
"""


@pytest.mark.parametrize(
    ("step", "kinds", "how", "words"),
    [
        ("{two: {when: kind = 'b', contiguity: strict}}", "ax", "strict",
         "one 1 of 1; the very next event, at 12:01:00, does not fit: two: 'x' = 'b' is false"),
        ("{none: {when: kind = 'x', not: true}}, {two: {when: kind = 'b'}}", "axb", "not",
         "one 1 of 1; two: 'x' = 'b' is false at 12:01:00; none came at 12:01:00"),
        ("{none: {when: kind = 'x', not: true, contiguity: strict}}, {two: {when: kind = 'b'}}", "axb", "not",
         "one 1 of 1; two: 'x' = 'b' is false at 12:01:00; none came next, at 12:01:00"),
        ("{none: {when: kind = 'x', not: true}}", "ax", "came", "one 1 of 1; none came at 12:01:00, which may not"),
        ("{many: {when: kind = 'b', times: 2, gap: 30s}}", "abb", "gap",
         "one 1 of 1; many 1 of 2; the next event of the loop came 1m later, at 12:02:00; less than 30s is allowed"),
        ("{many: {when: kind = 'b', times: 3, until: kind = 'x'}}", "abbx", "until",
         "one 1 of 1; many 2 of 3; many: 'x' = 'b' is false at 12:03:00; until ended the loop at 12:03:00 before it had enough"),
        ("{two: {when: kind = 'b' and amount > first(one.amount)}}", "ab", "timeout",
         "one 1 of 1; two: 1 > 1 is false at 12:01:00; out of time at 12:10:00 (within 10m)"),
        ('{two: {when: "kind = \'b\' and amount > last(one.amount, 1)"}}', "ab", "timeout",
         "one 1 of 1; two: 1 > null is unknown at 12:01:00; out of time at 12:10:00 (within 10m)"),
        ("{two: {when: kind = 'b' and (amount > 5 or shop is not null)}}", "ab", "timeout",
         "one 1 of 1; two: 1 > 5 is false; null is null is true at 12:01:00; out of time at 12:10:00 (within 10m)"),
    ],
)  # fmt: skip
def test_what_ends_a_sequence(tmp_path: Path, step: str, kinds: str, how: str, words: str) -> None:
    """A strict step, a ``not`` on the way or at the end, a gap, ``until``, a look-back."""
    rows = [(f"12:0{minute}:00", "a", kind, 1) for minute, kind in enumerate(kinds)]
    found = story(tmp_path, STEPS.format(step=step), rows)
    assert lines(found)[0] == words
    assert found.attempts[0].ending is not None and found.attempts[0].ending.how == how


def test_greedy_having_room_and_gaps(tmp_path: Path) -> None:
    """A full greedy loop that may not pass an event over; ``having``; ``max_partial``; a gap between steps."""
    loop = "  p:\n    on: tx\n    by: card\n    sequence: [{one: {when: kind = 'a', times: 2..3}}, {two: {when: kind = 'b'}}]\n    within: 10m\n"
    rows = [(f"12:0{minute}:00", "a", kind, 1) for minute, kind in enumerate("aaxab")]
    strict = loop.replace("kind = 'b'", "kind = 'a' and amount > 5")
    found = story(tmp_path, strict, rows)
    assert found.attempts[0].ending is not None and found.attempts[0].ending.how in ("timeout", "greedy")
    having = loop.replace("    within", "    having: sum(one.amount) > 50\n    within")
    found = story(tmp_path, having, rows)
    assert lines(found)[0].endswith("two 1 of 1; having: 3 > 50 is false")
    room = loop.replace("    within: 10m", "    within: 10m\n    max_partial: 1")
    found = story(tmp_path, room, rows)
    assert "dropped for room: more than max_partial (1) attempts were open" in lines(found)[0]
    gap = loop.replace("within: 10m", "within: {gap: 90s}")
    found = story(tmp_path, gap, [("12:00:00", "a", "a"), ("12:01:00", "a", "a"), ("12:05:00", "a", "b")])
    assert lines(found)[0] == "one 2 of 2; two did not come; out of time at 12:02:30 (within 1m30s after its last event)"


def test_timeouts_that_are_flagged(tmp_path: Path) -> None:
    """``on_timeout: flag``: the attempt has its flag."""
    found = story(tmp_path, PROBES.replace("within: 10m", "within: 10m\n    on_timeout: flag"), TRIES[:1])
    assert found.attempts[0].flag is not None
    assert lines(found)[0].endswith(f"flag {found.attempts[0].flag} at 12:10:00")


@pytest.mark.parametrize(
    ("more", "time", "words"),
    [("guard: amount > 1000", "12:04:00", "guard: 900 > 1000 is false"),
     ("active: {in: office}", "20:04:00", "outside the active hours: the moment lies outside calendar 'office'"),
     ("active: {not_in: office}", "12:04:00", "inside the active hours: the moment lies inside calendar 'office'")],
)  # fmt: skip
def test_guard_and_hours(tmp_path: Path, more: str, time: str, words: str) -> None:
    """Of sequences and of conditions."""
    tries = [(time[:2] + each[0][2:], *each[1:]) for each in TRIES]
    found = story(tmp_path, PROBES + f"    {more}\n", [*tries, (time, "a", None, 900)])
    assert lines(found)[0] == f"probe 3 of 3; cash 1 of 1; {words}"
    found = story(tmp_path, f"  p: {{on: tx, by: card, when: amount > 200, {more}}}\n", [(time, "a", None, 900)])
    assert lines(found) == [words]


@pytest.mark.parametrize(
    ("suppress", "words"),
    [("cooldown: 1h", ["flag", "suppressed: the cooldown lasts until 13:00:00", "suppressed: the cooldown lasts until 13:00:00"]),
     ("debounce: 3m", ["flag", "in one flag of 3 hits at 12:05:00", "in one flag of 3 hits at 12:05:00"]),
     ("batch: {over: 10m, max: 3}", ["flag", "in one flag of 3 hits at 12:02:00", "in one flag with the hits before it at 12:02:00"]),
     ("limit: {count: 2, over: 1h}", ["flag", "flag", "suppressed: the limit of 2 flags in 1h was reached"]),
     ("cooldown: 1h, per: shop", ["flag", "suppressed: the cooldown lasts until 13:00:00", "flag"])],
)  # fmt: skip
def test_suppression(tmp_path: Path, suppress: str, words: list[str]) -> None:
    """Which hit became a flag, and what became of the others; also by another key, to which hits of other cards count."""
    rows = [("11:58:00", "b", None, 1, "s"), ("12:00:00", "a", None, 900, "s"), ("12:01:00", "a", None, 901, "s"),
            ("12:02:00", "a", None, 902, "r")]  # fmt: skip
    found = story(tmp_path, f"  p: {{on: tx, by: card, when: amount > 200, suppress: {{{suppress}}}}}\n", rows)
    told = [line.split(" ")[0] if line.startswith("flag") else line for line in lines(found)]
    if "per" in suppress:
        told[2] = told[2].split(" ")[0]
    assert [line if word != "flag" else "flag" for line, word in zip(told, words, strict=True)] == words


def test_storm(tmp_path: Path) -> None:
    """Flags of all keys count."""
    rows = [("12:00:00", "b", None, 900), ("12:00:10", "a", None, 900)]
    patterns = "  p: {on: tx, by: card, when: amount > 200}\nstorm: {max: 1, per: 1m}\n"
    assert lines(story(tmp_path, patterns, rows)) == ["held back by the storm limit: it went to the late output"]


@pytest.mark.parametrize(
    ("more", "amounts", "words"),
    [("trigger: edge", [900, 901, 1, 902], ["flag", "true already since 12:00:00: trigger: edge fires only at the first event",
                                            "1 > 200 is false", "flag"]),
     ("hold: 2 of 3", [900, 1, 1, 901, 902], ["true at 1 of the last 1 events; hold: 2 of 3", "1 > 200 is false", "1 > 200 is false",
                                              "true at 1 of the last 3 events; hold: 2 of 3", "flag"]),
     ("hold: 2m30s", [900, 901, 1], ["true since 12:00:00; hold: 2m30s is reached at 12:02:30",
                                     "true since 12:00:00; hold: 2m30s is reached at 12:02:30", "1 > 200 is false"]),
     ("clear: amount < 10", [900, 20, 901, 1, 902], ["flag", "20 > 200 is false", "raised since 12:00:00, and not cleared since",
                                                     "1 > 200 is false", "flag"])],
)  # fmt: skip
def test_conditions(tmp_path: Path, more: str, amounts: list[int], words: list[str]) -> None:
    """Every event, and why it did not fire."""
    rows = [(f"12:0{minute}:00", "a", None, amount) for minute, amount in enumerate(amounts)]
    found = story(tmp_path, f"  p: {{on: tx, by: card, when: amount > 200, {more}}}\n", rows)
    assert [line.split(" ")[0] if line.startswith("flag") else line for line in lines(found)] == words


def test_absence(tmp_path: Path) -> None:
    """What stopped a clock, and the silence that was flagged."""
    rows = [("12:00:00", "a"), ("12:03:00", "a"), ("12:09:00", "a")]
    found = story(tmp_path, "  p: {on: tx, by: card, absence: {for: 5m}}\n", rows)
    assert lines(found)[0] == "the next event came after 3m, at 12:03:00: less than 5m of silence"
    assert [each.ending and each.ending.how for each in found.attempts] == ["came", "flag", "flag"]


def test_all_and_any(tmp_path: Path) -> None:
    """Steps in any order; one of several."""
    all_ = "  p:\n    on: tx\n    by: card\n    all: {one: {when: kind = 'a'}, two: {when: kind = 'b'}}\n    within: 10m\n"
    found = story(tmp_path, all_, [("12:00:00", "a", "b"), ("12:01:00", "a", "x")])
    assert lines(found) == ["two 1 of 1; one: 'x' = 'a' is false at 12:01:00; out of time at 12:10:00 (within 10m)"]
    any_ = "  p:\n    on: tx\n    by: card\n    any: {one: {when: kind = 'a'}, two: {when: kind = 'b'}}\n    guard: amount > 5\n"
    found = story(tmp_path, any_, [("12:00:00", "a", "b", 1)])
    assert lines(found)[0].endswith("guard: 1 > 5 is false")


def test_what_stands_on_others(tmp_path: Path) -> None:
    """A pattern on another's flags, and one on a rollup's rows."""
    base = "  base: {on: tx, by: card, when: amount > 200, mode: part}\n"
    found = story(tmp_path, base + "  p: {on: base, by: card, when: amount > 1000}\n", [("12:00:00", "a", None, 900), ("12:01:00", "a", None, 9)])
    assert lines(found) == ["900 > 1000 is false"]
    rolled = "  p: {on: hourly, by: card, when: total > 100}\nrollups:\n  hourly: {of: tx, by: card, window: {tumbling: 1h}, select: {total: {sum: amount}}}\n"
    found = story(tmp_path, rolled, [("12:00:00", "a", None, 40), ("12:10:00", "a", None, 50), ("12:20:00", "b", None, 99)])
    assert lines(found) == ["90 > 100 is false"]


def test_late_events_and_other_entities(tmp_path: Path) -> None:
    """The key's late events are told; a feature of another entity counts everybody's events."""
    rows = [("12:00:00", "a", None, 1, "s"), ("12:00:10", "b", None, 1, "s"), ("12:00:20", "a", None, 1, "s"), ("12:00:12", "a"),
            ("12:00:13", "b")]  # fmt: skip
    found = story(tmp_path, "  p: {on: tx, by: card, when: shop_n > 3}\n", rows)
    assert lines(found) == ["1 > 3 is false", "3 > 3 is false"]
    assert [(late.offset, late.reason) for late, _ in found.late] == [(3, "lateness")]
