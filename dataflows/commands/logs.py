"""``--log-level``, ``--log-format``: what a run tells of itself on standard error, for people or for machines."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, TextIO

import typer

from dataflows.commands.failures import OUTSIDE, UserError, told
from dataflows.connectors.notices import Notice


class LogLevel(StrEnum):
    """From which level on events are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """Sentences for people, or a JSON object a line for machines."""

    CONSOLE = "console"
    JSON = "json"


Levels = Annotated[LogLevel, typer.Option("--log-level", help="The least level that is logged.", envvar="TOCSIN_LOG_LEVEL")]
Formats = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="How: by default JSON for a live run outside a terminal.", envvar="TOCSIN_LOG_FORMAT"),
]
_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def format_of(wanted: LogFormat | None, *, live: bool) -> LogFormat:
    """What was asked for; else JSON for a live run whose standard error is no terminal."""
    if wanted is not None:
        return wanted
    return LogFormat.JSON if live and not sys.stderr.isatty() else LogFormat.CONSOLE


class Log:
    """Writes notices as lines; ``bound``: fields of every one. A text that is no notice is an event ``message``."""

    def __init__(self, form: LogFormat, level: LogLevel, to: TextIO | None = None, **bound: Any) -> None:
        import structlog

        self.form = form
        self.bound = bound
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
        self.logger = structlog.wrap_logger(
            structlog.WriteLogger(to or _Stderr()),  # type: ignore[arg-type]
            processors=[structlog.processors.add_log_level, stamp, _first, _shown(form)],
            wrapper_class=structlog.make_filtering_bound_logger(_NUMBERS[level]),
        ).bind(**bound)

    def say(self, message: str) -> None:
        """Write a line."""
        notice = message if isinstance(message, Notice) else Notice("message", message)
        if self.form == LogFormat.CONSOLE:
            self.logger.log(_NUMBERS[notice.level], str(notice))
        else:
            self.logger.log(_NUMBERS[notice.level], notice.event, message=str(notice), **notice.fields)

    def last_words(self, text: str) -> str:
        """The line of why a run is ended at once, for whoever cannot wait for it to be written."""
        if self.form == LogFormat.CONSOLE:
            return f"{text}\n"
        written = io.StringIO()
        Log(self.form, LogLevel.INFO, written, **self.bound).say(Notice("fatal", text, "critical", exit_code=OUTSIDE))
        return written.getvalue()

    @contextmanager
    def fatal(self) -> Iterator[None]:
        """What ends a run is an event too, for machines; people are told as by every command."""
        try:
            yield
        except (typer.Exit, typer.BadParameter, SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if self.form == LogFormat.CONSOLE:
                raise
            text, code, known = told(error)
            fields = {} if known else {"traceback": "".join(traceback.format_exception(error))}
            self.say(Notice("fatal", getattr(error, "logged", text), "critical", exit_code=code, **fields))
            raise typer.Exit(code) from None

    @contextmanager
    def of_worker(self) -> Iterator[None]:
        """What ends a worker process is told by its parent, in words that may be logged."""
        try:
            yield
        except Exception as error:
            if self.form == LogFormat.CONSOLE or not hasattr(error, "logged"):
                raise
            raise UserError(error.logged) from None

    @contextmanager
    def libraries(self) -> Iterator[None]:
        """Meanwhile what libraries log by Python's own means comes as events too."""
        handler = _Handler(self)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)


def log_of(wanted: LogFormat | None, level: LogLevel, worker: str | None, *, live: bool) -> Log:
    """The log of a run; a worker process writes to its parent's standard error, through the descriptor that ends its name."""
    form = format_of(wanted, live=live)
    if worker is None:
        return Log(form, level)
    number, *_, descriptor = worker.split("|")
    return Log(form, level, os.fdopen(int(descriptor), "w", buffering=1, encoding="utf-8"), worker=int(number))


class _Stderr:
    """Standard error as it is when something is written: bars take it over for a while."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = next(name for name, number in reversed(_NUMBERS.items()) if record.levelno >= number)
        self.log.say(Notice("library", record.getMessage(), level, library=record.name))  # type: ignore[arg-type]


def _first(logger: object, method: str, found: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Time, level, event and message before all fields."""
    names = ("time", "level", "event", "message")
    return {name: found.pop(name) for name in names if name in found} | dict(found)


def _shown(form: LogFormat) -> Any:
    import structlog

    if form == LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time", pad_event_to=0)
