"""Mistakes in an application file: each with its place, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.application.errors import ApplicationErrors
from models.application.load import load, refuse_kafka

BASE = """tocsin: 1
name: shop
streams:
  tx:
    time: ts
    fields: {ts: timestamp, card: string, amount: float}
"""


def errors(tmp_path: Path, more: str, base: str = BASE) -> list[str]:
    """What check says."""
    path = tmp_path / "app.yaml"
    path.write_text(base + more)
    try:
        load(path)
    except ApplicationErrors as found:
        return [error.replace(str(tmp_path) + "/", "") for error in found.errors]
    return []


CASES = {
    "patern: {}\n": "app.yaml:7:1: unknown key of a application 'patern'",
    "patterns:\n  p: {by: card, when: amout > 1}\n": "app.yaml:8:23: unknown name 'amout' (did you mean amount?)",
    "patterns:\n  p: {by: crad, when: amount > 1}\n": "unknown field of tx 'crad'",
    "patterns:\n  p: {by: card, when: amount}\n": "'amount' gives float; expected bool",
    "patterns:\n  p: {by: card, when: in_list(card, a)}\n": "has no value: an expression was split here; put the expression in quotes",
    "patterns:\n  p: {by: card, when: amount > 1, tests: [{name: t, given: [{restart: 1h}], expect: []}]}\n":
        "expected {restart: true} and nothing beside it; found '1h'",
    "patterns:\n  p: {by: card}\n": "expected when: CONDITION; found none",
    "patterns:\n  p: {by: card, sequence: []}\n": "'sequence' is not in this version",
    "patterns:\n  p: {by: card, when: amount > 1, suppress: {cooldown: 5 minutes}}\n": "expected cooldown as a duration",
    "patterns:\n  p: {by: card, when: amount > 1, severity: hihg}\n": "found 'hihg' (did you mean high?)",
    "patterns:\n  P: {by: card, when: amount > 1}\n": "expected a pattern's name of a-z",
    "patterns:\n  select: {by: card, when: amount > 1}\n": "'select' is a reserved word of SQL",
    "patterns:\n  tx: {by: card, when: amount > 1}\n": "'tx' is both one of the streams and one of the patterns",
    "features:\n  a: {sum: b, by: card, over: 1h}\n  b: {sum: a, by: card, over: 1h}\n": "features read each other in a circle: a -> b -> a",
    "features:\n  a: {summ: amount, by: card}\n": "expected one aggregate of",
    "features:\n  a: {sum: card, by: card}\n": "sum takes a number; found string 'card'",
    "features:\n  amount: {sum: amount, by: card, over: 1h}\npatterns:\n  p: {by: card, when: amount > 1}\n": "is both field amount and feature",
    "scores:\n  s: {mad: amount, by: card}\n": "score 'mad' is not in this version",
    "rollups: {}\n": "'rollups' is not in this version",
    "storm: {max: 10, per: 1m}\n": "'storm' is not in this version",
    "calendars:\n  c: {tz: Europe/Berln}\n": "unknown time zone 'Europe/Berln'",
    "lists:\n  l: {file: nowhere.txt}\n": "nowhere.txt: cannot be read: No such file or directory",
    "params:\n  big: {value: 5, range: \"10..20\"}\n": "parameter 'big': expected a value in 10..20; found 5",
    "name: again\n": "app.yaml:7:1: key 'name' stands twice",
}  # fmt: skip


@pytest.mark.parametrize("more", CASES)
def test_mistake_is_named(more: str, tmp_path: Path) -> None:
    """Each mistake has its message."""
    assert any(CASES[more] in error for error in errors(tmp_path, more)), errors(tmp_path, more)


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    """Three mistakes, three lines, in the order of the file."""
    found = errors(tmp_path, "patterns:\n  p: {by: card, when: amout > 1}\n  q: {by: crad, when: amount > 1}\nrollups: {}\n")
    assert [error.split(":")[1] for error in found] == ["8", "9", "10"]


def test_kafka_passes_check_and_is_refused_by_run(tmp_path: Path) -> None:
    """A Kafka source is known to the language, and running on it is not in this version."""
    base = BASE.replace("    time: ts\n", "    from: {kafka: main/tx}\n    lateness: 5s\n    time: ts\n")
    path = tmp_path / "app.yaml"
    path.write_text(base)
    refused = refuse_kafka(load(path))
    assert len(refused) == 1
    assert "running on Kafka is not in this version; give a file with --input tx=FILE" in refused[0]


def test_a_join_on_an_unknown_field_is_named(tmp_path: Path) -> None:
    """A join needs a field that is there."""
    base = BASE.replace("    time: ts\n", "    time: ts\n    join: {owner: {table: people, on: crad}}\n")
    found = errors(tmp_path, "tables:\n  people: {key: id, fields: {id: string}}\n", base)
    assert len(found) == 1
    assert "app.yaml:6:12: unknown field in join 'crad'" in found[0]
    assert "(did you mean card?)" in found[0]


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    """Nothing is no application."""
    assert "the file is empty" in errors(tmp_path, "", "")[0]


PATTERN = "patterns:\n  p:\n    by: card\n    when: amount > 1\n    "


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("tests: [{given: [], expct: []}]\n", "unknown key of a test 'expct'"),
        ("tests: [{given: []}]\n", "expected expect as a list; found none"),
        ("tests: [{given: [], expect: [{kye: a}]}]\n", "unknown key of a expected flag 'kye'"),
        ("tests: [{given: [], expect: [{at: zz}]}]\n", "expected at as a duration such as 10s; found 'zz'"),
        ("tests: [{given: [], expect: [], refuse: x}]\n", "'refuse' is not in this version"),
        ("suppress: {limit: 5}\n", "expected limit as a mapping"),
        ("suppress: {limit: {count: 5}}\n", "expected limit as {count: COUNT, over: DURATION}; found less"),
        ("suppress: {batch: {ovr: 5m}}\n", "unknown key of a batch 'ovr'"),
        ("suppress: {max_wait: 5m}\n", "expected debounce beside max_wait"),
        ("suppress: {per: amount}\n", "'per' of suppress is not in this version"),
    ],
)
def test_a_test_or_a_suppression_that_would_do_nothing_is_refused(more: str, message: str, tmp_path: Path) -> None:
    """What is misspelt must not pass in silence."""
    assert any(message in error for error in errors(tmp_path, PATTERN + more)), errors(tmp_path, PATTERN + more)
