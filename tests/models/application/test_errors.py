"""Mistakes over several files, all at once; files that cannot be read; what ``run`` refuses though ``check`` takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.application.errors import ApplicationErrors
from models.application.load import load

BASE = """tocsin: 1
name: shop
connections:
  main: {kafka: {bootstrap.servers: "${TOCSIN_TEST_BROKERS:-127.0.0.1:9092}"}}
streams:
  tx:
    time: ts
    fields: {ts: timestamp, card: string, amount: float}
"""


def errors(tmp_path: Path, text: str, **more: object) -> list[str]:
    """What check says of a file."""
    path = tmp_path / "app.yaml"
    path.write_text(text)
    return errors_of(path, tmp_path, **more)


def errors_of(path: Path, tmp_path: Path, **more: object) -> list[str]:
    """What check says of a path."""
    with pytest.raises(ApplicationErrors) as found:
        load(path, **more)  # type: ignore[arg-type]
    return [error.replace(f"{tmp_path}/", "") for error in found.value.errors]


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    """Three mistakes, three lines, in the order of the file."""
    more = "patterns:\n  p: {by: card, when: amout > 1}\n  q: {by: crad, when: amount > 1}\ninbound: {}\n"
    assert [error.split(":")[1] for error in errors(tmp_path, BASE + more)] == ["10", "11", "12"]


def test_kafka_needs_a_known_connection_and_lateness(tmp_path: Path) -> None:
    """The only connection may be left out; another name is a mistake."""
    found = errors(tmp_path, BASE.replace("    time: ts\n", "    from: {kafka: man/tx}\n    time: ts\n"))
    assert len(found) == 2
    assert "stream 'tx' reads Kafka: expected lateness; found none" in found[0]
    assert found[1] == "app.yaml:7:19: unknown connection 'man'; expected one of main (did you mean main?)"


def test_a_name_defined_twice_over_includes_names_both_places(tmp_path: Path) -> None:
    """Nothing is shadowed; errors of an included file stand at its own lines."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.yaml").write_text("patterns:\n  p: {by: card, when: amount > 1}\n")
    (tmp_path / "parts" / "b.yaml").write_text("patterns:\n  p: {by: card, when: amount > 2}\n  q: {by: card, when: amout > 2}\nname: x\n")
    found = errors(tmp_path, BASE + "include: [parts/*.yaml]\n")
    assert found[0] == "parts/b.yaml:2:3: 'p' is defined twice: also at parts/a.yaml:2:3; rename one"
    assert found[1] == "parts/b.yaml:3:23: unknown name 'amout' (did you mean amount?)"
    assert found[2].startswith("parts/b.yaml:4:1: unknown section of an included file 'name'; expected one of")


def test_included_files_may_hold_any_section(tmp_path: Path) -> None:
    """Features, patterns, tests and outputs in a file of their own; its paths are relative to it."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.yaml").write_text(
        "features: {n: {count: true, by: card, over: 1h}}\npatterns: {p: {by: card, when: n > 1}}\n"
        "flags: {to: {file: out.jsonl}}\nlists: {bad: {file: bad.txt}}\n"
        "tests: [{given: [{at: 0s, card: a}], expect: []}]\n"
    )
    (tmp_path / "parts" / "bad.txt").write_text("x\n")
    path = tmp_path / "app.yaml"
    path.write_text(BASE + "include: [parts/a.yaml]\n")
    found = load(path)
    assert list(found.patterns) == ["p"] and len(found.tests) == 1
    assert found.outputs.to == str(tmp_path / "parts" / "out.jsonl")


def test_an_overlay_may_not_touch_patterns(tmp_path: Path) -> None:
    """It lays connections, flags and params over those of the file."""
    overlay = tmp_path / "prod.yaml"
    overlay.write_text("patterns: {}\n")
    found = errors(tmp_path, BASE, overlays=[overlay])
    assert found == ["prod.yaml:1:1: unknown section of an overlay (it may not touch others) 'patterns'; expected one of connections, flags, params"]
    overlay.write_text("params: {big: 7}\nflags: {to: {file: f.jsonl}}\nconnections: {main: {kafka: {bootstrap.servers: b}}}\n")
    path = tmp_path / "app.yaml"
    path.write_text(BASE + "params: {big: 5, small: 1}\n")
    loaded = load(path, overlays=[overlay])
    assert loaded.params == {"big": 7, "small": 1}
    assert loaded.outputs.to == str(tmp_path / "f.jsonl")


def test_parameters_and_inputs_of_the_command_line_are_checked(tmp_path: Path) -> None:
    """A wrong name or value has no place in the file."""
    text = BASE + 'params: {big: {value: 5, range: "1..9"}}\n'
    assert errors(tmp_path, text, params={"bgi": "7"}) == ["unknown parameter in --param 'bgi'; expected one of big (did you mean big?)"]
    assert errors(tmp_path, text, params={"big": "x"}) == ["--param: expected parameter 'big' as a number or duration; found 'x'"]
    assert errors(tmp_path, text, params={"big": "70"}) == ["app.yaml:9:33: parameter 'big': expected a value in 1..9; found 70"]
    assert errors(tmp_path, text, inputs={"ty": "f"}) == ["unknown stream or table in --input 'ty'; expected one of tx"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing file, a directory, another encoding."""
    assert errors_of(tmp_path / "no.yaml", tmp_path) == ["no.yaml: cannot be read: No such file or directory"]
    (tmp_path / "folder").mkdir()
    assert errors_of(tmp_path / "folder", tmp_path) == ["folder: is a directory; expected an application file such as folder/app.yaml"]
    (tmp_path / "latin.yaml").write_bytes(b"tocsin: 1\nname: caf\xe9\n")
    assert errors_of(tmp_path / "latin.yaml", tmp_path) == ["latin.yaml:2:10: cannot be read: expected UTF-8; found byte 0xe9"]
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    assert errors_of(tmp_path / "deep.yaml", tmp_path) == ["deep.yaml:1:1: not an application: it is nested too deeply"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "app.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.encode())
    assert load(path).name == "shop"


def test_secrets_do_not_reach_the_application_s_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an application travels; what connections hold does not."""
    monkeypatch.setenv("TOCSIN_TEST_BROKERS", "secret-host")
    path = tmp_path / "app.yaml"
    path.write_text(BASE)
    assert "secret-host" not in load(path).text


def test_a_connection_s_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    """Environment variables and secret files work in connections."""
    text = BASE.replace("${TOCSIN_TEST_BROKERS:-127.0.0.1:9092}", "${TOCSIN_TEST_NONE}")
    assert errors(tmp_path, text) == ["app.yaml:4:37: expected the environment variable TOCSIN_TEST_NONE; it is not set"]
