"""What is told of brokers: that one is waited for, that it answers, and what a client logs of itself."""

from __future__ import annotations

from typing import Any

from dataflows.connectors.kafka.connection import Connection
from dataflows.connectors.notices import Notice


def waiting(connection: Connection, cause: str, more: str = "", **fields: Any) -> Notice:
    """A broker is waited for; ``cause`` says why, ``more`` what waits."""
    return Notice(
        "broker_waiting", f"{cause}; waiting{more}", "warning", connection=connection.name, servers=connection.servers, **fields
    )


def answers(connection: Connection, text: str) -> Notice:
    """A broker that was waited for is there."""
    where = f"connection {connection.name!r} ({connection.servers})"
    return Notice("broker_back", f"{where}: {text}", connection=connection.name, servers=connection.servers)


def client_line(connection: str, level: int, line: str) -> Notice:
    """A line of a client's own log; what a user needs to know of it comes as an error too."""
    severity = "error" if level >= 40 else "warning" if level >= 30 else "info" if level >= 20 else "debug"
    return Notice("kafka_client", f"connection {connection!r}: {line}", "debug", connection=connection, severity=severity)
