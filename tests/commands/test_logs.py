"""What a run logs: sentences for people, an object a line for machines, nothing else, and no secrets."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import typer

from dataflows.commands import logs
from dataflows.commands.logs import Log, LogFormat, LogLevel, format_of
from dataflows.connectors.notices import Notice
from dataflows.reading.promise import PromiseBroken, Violation


def made(form: LogFormat, level: LogLevel = LogLevel.INFO, **bound: Any) -> tuple[Log, io.StringIO]:
    written = io.StringIO()
    return Log(form, level, written, **bound), written


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in written.getvalue().splitlines()]
    assert all(list(line)[:4] == ["time", "level", "event", "message"] for line in found)
    return found


def test_a_line_is_an_object() -> None:
    """Time, level, event and message first; then the notice's fields, and those of every line."""
    log, written = made(LogFormat.JSON, worker=1)
    log.say(Notice("broker_back", "it is there", connection="main"))
    log.say("just text")
    first, second = lines(written)
    assert first.pop("time").endswith("Z")
    assert first == {"level": "info", "event": "broker_back", "message": "it is there", "connection": "main", "worker": 1}
    assert (second["event"], second["message"]) == ("message", "just text")


def test_people_read_the_sentence() -> None:
    """Without the fields, which it holds."""
    log, written = made(LogFormat.CONSOLE)
    log.say(Notice("broker_back", "it is there", "warning", connection="main"))
    assert written.getvalue().endswith("[warning  ] it is there\n")


def test_levels() -> None:
    for level, expected in ((LogLevel.DEBUG, 3), (LogLevel.INFO, 2), (LogLevel.WARNING, 1), (LogLevel.ERROR, 0)):
        log, written = made(LogFormat.JSON, level)
        log.say(Notice("a", "a", "debug"))
        log.say(Notice("b", "b"))
        log.say(Notice("c", "c", "warning"))
        assert len(lines(written)) == expected


def test_the_format_fits_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON for a live run outside a terminal, unless another is asked for."""
    for terminal, live, expected in ((True, True, "console"), (False, True, "json"), (False, False, "console")):
        monkeypatch.setattr(logs.sys.stderr, "isatty", lambda terminal=terminal: terminal)
        assert format_of(None, live=live) == expected
        assert format_of(LogFormat.JSON, live=live) == "json" and format_of(LogFormat.CONSOLE, live=live) == "console"


def test_what_ends_a_run_is_an_event() -> None:
    """A user's mistake without a stack trace, a defect with one in its field; a key of events is left out."""
    log, written = made(LogFormat.JSON)
    broken = PromiseBroken(Violation("payments", ("card",), "4111-1111", 0, 2))
    assert "4111-1111" in str(broken)
    for error, code in ((broken, 1), (OSError(28, "No space left on device", "flags.jsonl"), 3), (ZeroDivisionError("x"), 3)):
        with pytest.raises(typer.Exit) as found, log.fatal():
            raise error
        assert found.value.exit_code == code
    promise, disk, defect = lines(written)
    assert "4111-1111" not in written.getvalue() and "payments" in promise["message"]
    assert (disk["event"], disk["level"], disk["message"]) == ("fatal", "critical", "flags.jsonl: No space left on device")
    assert "traceback" not in promise and "traceback" not in disk and "ZeroDivisionError" in defect["traceback"]


def test_people_are_told_of_an_end_as_ever() -> None:
    log, written = made(LogFormat.CONSOLE)
    with pytest.raises(ZeroDivisionError), log.fatal():
        raise ZeroDivisionError
    assert written.getvalue() == ""


def test_libraries_are_events_too() -> None:
    """Warnings and worse, while the run lasts."""
    log, written = made(LogFormat.JSON)
    with log.libraries():
        logging.getLogger("some.library").warning("retrying %s", "soon")
        logging.getLogger("some.library").info("nothing")
    logging.getLogger("some.library").error("afterwards")
    (found,) = lines(written)
    assert (found["event"], found["level"], found["message"], found["library"]) == ("library", "warning", "retrying soon", "some.library")


def test_last_words() -> None:
    """Of a run that is ended at once: a sentence, or an event."""
    assert made(LogFormat.CONSOLE)[0].last_words("it is over") == "it is over\n"
    found = json.loads(made(LogFormat.JSON, worker=2)[0].last_words("it is over"))
    assert (found["event"], found["message"], found["exit_code"], found["worker"]) == ("fatal", "it is over", 3, 2)
