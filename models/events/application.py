"""The control event that says which application a run works by (contracts: control events)."""

from __future__ import annotations

from typing import Any

from models.application.resolved.application import Application
from models.events.ids import identifier

TYPE = "tocsin.application.v1"


def application_event(application: Application, position: str | None, recorded: str) -> dict[str, Any]:
    """A run's start: ``position`` in the order of events from which it holds (None: from the first), wall-clock time ``recorded``.

    The text is the application as written: variables and secrets are not filled in.
    """
    identity = f"{TYPE} {application.name} {application.sha256} {position}"
    source = f"{application.outputs.source_prefix}/{application.name}"
    return {
        "specversion": "1.0", "id": identifier(identity), "source": source, "type": TYPE, "subject": application.name,
        "datacontenttype": "application/json", "partitionkey": f"{TYPE}/{application.name}", "recordedtime": recorded,
        "data": {
            "application": {"name": application.name, "version": application.version}, "position": position,
            "sha256": application.sha256, "text": application.text, "models": {},
        },
    }  # fmt: skip
