"""Flags, late events and dead letters as they were written: from a file of lines, or from a topic of either mode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dataflows.commands.brokers import application_of, patient
from dataflows.commands.failures import UserError
from dataflows.commands.options import Given

if TYPE_CHECKING:
    from dataflows.connectors.kafka.live import Live

Output = Literal["to", "late", "dead_letters"]
_WORDS = {"to": "flags", "late": "late events", "dead_letters": "dead letters"}
SUFFIXES = (".yaml", ".yml")


def place_of(path: Path, given: Given, output: Output) -> Path | tuple[Any, str]:
    """Where an application writes: a file, or a connection and a topic. A path that is no application is the file itself."""
    if path.suffix not in SUFFIXES:
        return path
    application = application_of(path, given)
    found = getattr(application.outputs, output)
    if found is None:
        raise UserError(f"{path}: expected flags: {{{output}: …}}, the place of its {_WORDS[output]}; found none")
    if isinstance(found, str):
        return Path(found)
    from dataflows.connectors.kafka.connection import connection_of

    return connection_of(application.connections, found[0]), found[1]


def events_at(
    place: Path | tuple[Any, str], last: int | None = None, follow: Live | None = None
) -> Iterator[dict[str, Any]]:
    """CloudEvents at a place, in its order; ``last``: from so many before the end of each partition; ``follow``: and on."""
    if isinstance(place, Path):
        if follow is not None:
            raise UserError(f"{place}: expected a topic to follow; found a file")
        yield from _in_file(place)
        return
    from dataflows.connectors.kafka.asking import Records

    records = Records(place[0], place[1], follow or patient(), last)
    try:
        for message in records.to_the_end() if follow is None else records.for_ever():
            event = event_of(message)
            if event is not None:
                yield event
    finally:
        records.close()


def _in_file(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    event = json.loads(line)
                    assert event["specversion"] and event["id"] and isinstance(event["data"], dict)
                except (ValueError, KeyError, TypeError, AssertionError):
                    found = line.strip()[:60]
                    raise UserError(f"{path}:{number}: expected a CloudEvent as `tocsin run` writes it; found {found!r}") from None
                yield event
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; name the file that `tocsin run` wrote") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: expected CloudEvents as JSON lines; found bytes that are not UTF-8") from None


def event_of(message: Any) -> dict[str, Any] | None:
    """A record's event; what is none, or is about the application itself, is passed over."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or []}
    try:
        data = json.loads(message.value() or b"null")
    except ValueError:
        return None
    if "ce_id" in headers:
        event = {name[3:]: value for name, value in headers.items() if name.startswith("ce_")}
        event["data"] = data
    elif isinstance(data, dict) and {"specversion", "id", "data"} <= data.keys():
        event = data
    else:
        return None
    return None if event.get("type") == "tocsin.application.v1" or not isinstance(event["data"], dict) else event
