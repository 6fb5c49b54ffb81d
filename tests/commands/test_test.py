"""``tocsin test``: what it says of tests that fail."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dataflows.commands.app import command

APPLICATION = """tocsin: 1
name: shop
streams:
  tx:
    time: time
    lateness: 1s
    fields: {time: "timestamp[ms]", card: string, amount: float}
features: {n: {count: true, by: card, over: 1h}}
patterns:
  many:
    by: card
    when: n >= 2
    title: "{n} on {card}"
    tests:
      - name: two make one flag
        given:
          - {at: 0s, card: a, amount: 1}
          - {at: 5s, card: a, amount: 1}
        expect: [{key: a, at: 5s, events: [2]}]
"""
NEAR = """      - name: near miss
        given:
          - {at: 0s, card: a, amount: 1}
          - {at: 5s, card: a, amount: 1}
        expect:
          - {key: a, at: 6s, events: [2], data: {features: {n: 3}}}
"""
WRONG = """      - name: wrong on both sides
        given:
          - {at: 0s, card: a, amount: 1, ref: first}
          - {at: 5s, card: a, amount: 1, ref: second}
          - {at: 0s, card: a, amount: 1, ref: behind}
        expect:
          - {key: b, kind: cleared, at: 9s, events: [first]}
        expect_late: [first]
"""
DEAD = """      - name: a value of another type is a dead letter
        given:
          - {at: 0s, card: a, amount: .nan, ref: bad}
          - {at: 1s, card: a, amount: 1}
        expect: []
        expect_dead: [bad]
"""
NOT_DEAD = """      - name: nothing is dead
        given: [{at: 1s, card: a, amount: 1, ref: good}]
        expect: []
        expect_dead: [good]
"""


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> object:
    """Runs tests of an application; exit code and output."""

    def tested(text: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "app.yaml").write_text(text)
        code = command(["test", str(tmp_path / "app.yaml"), *arguments])
        return code, capfd.readouterr().out.replace(f"{tmp_path}/", "")

    return tested


def test_what_passes_is_counted(run) -> None:
    """A line a file, and the sum."""
    code, out = run(APPLICATION + DEAD)
    assert (code, out.splitlines()[0]) == (0, "app.yaml: 2 passed")
    assert out.splitlines()[1].startswith("2 passed, 0 failed in ")


def test_a_near_miss_says_what_differs(run) -> None:
    """The nearest found flag stands beside the expected one, with each difference."""
    code, out = run(APPLICATION + NEAR)
    assert code == 1
    assert out.splitlines()[:5] == [
        "FAILED many: near miss  (app.yaml:20:9)",
        "  expected, not found: {key: a, at: 6s, events: [2], data: {features: {n: 3}}}",
        "    the nearest found: many of 'a' at 5s (2024-01-01T00:00:05Z), events [2]: 2 on a",
        "      at: expected 6s (2024-01-01T00:00:06Z); found 5s (2024-01-01T00:00:05Z)",
        "      data.features.n: expected 3; found 2",
    ]


def test_what_is_too_much_and_what_is_missing(run) -> None:
    """Flags, late events and dead letters."""
    code, out = run(APPLICATION + WRONG + NOT_DEAD)
    assert code == 1
    assert out.splitlines()[:6] == [
        "FAILED many: wrong on both sides  (app.yaml:20:9)",
        "  expected, not found: {key: b, kind: cleared, at: 9s, events: [first]}",
        "  found, not expected: many of 'a' at 5s (2024-01-01T00:00:05Z), events [second]: 2 on a",
        "  expected late ['first']; found ['behind']",
        "FAILED many: nothing is dead  (app.yaml:28:9)",
        "  expected dead ['good']; found []",
    ]


def test_results_for_machines(run, tmp_path: Path) -> None:
    """JSON, and JUnit for CI."""
    code, out = run(APPLICATION + NEAR, "--json", "--junit", str(tmp_path / "out" / "tests.xml"))
    found = json.loads(out)
    assert (code, found["passed"], found["failed"]) == (1, 1, 1)
    assert [each["name"] for each in found["tests"]] == ["many: two make one flag", "many: near miss"]
    suite = ElementTree.parse(tmp_path / "out" / "tests.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["two make one flag", "near miss"]
    assert suite[1][0].text is not None and "data.features.n: expected 3; found 2" in suite[1][0].text


def test_a_file_that_does_not_load_does_not_hide_the_others(run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its errors are told, the others' tests run."""
    (tmp_path / "bad.yaml").write_text(APPLICATION.replace("n >= 2", "m >= 2"))
    code, out = run(APPLICATION, str(tmp_path / "bad.yaml"))
    assert code == 1
    assert "app.yaml: 1 passed" in out
    assert "FAILED bad.yaml\n  bad.yaml:12:11: unknown name 'm'" in out
    assert "1 passed, 1 failed" in out


def test_an_application_without_tests_says_so(run) -> None:
    """Nothing failed, and nothing was shown."""
    code, out = run(APPLICATION.partition("    tests:")[0])
    assert (code, out.splitlines()[0]) == (0, "app.yaml: no tests; write some under tests: of a pattern")
