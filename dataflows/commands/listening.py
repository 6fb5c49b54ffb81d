"""``--listen``: where a run answers scrapes and probes."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.failures import UserError
from dataflows.connectors.notices import Notice

if TYPE_CHECKING:
    from dataflows.monitoring.observed import Observed
    from models.application.resolved.application import Application

LOOPBACK = "127.0.0.1"
Listen = Annotated[
    str | None,
    typer.Option(
        help="Answer /metrics, /healthz and /readyz; a port alone is on loopback, each process takes the next one.",
        metavar="[HOST:]PORT", envvar="TOCSIN_LISTEN",
    ),
]  # fmt: skip


def address(text: str) -> tuple[str, int]:
    """Host and port of ``[HOST:]PORT``.

    >>> address("9090"), address("0.0.0.0:9090"), address("[::1]:9090")
    (('127.0.0.1', 9090), ('0.0.0.0', 9090), ('::1', 9090))

    Raises:
        typer.BadParameter: for anything else.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"expected PORT or HOST:PORT, such as 9090; found {text!r}", param_hint="--listen")
    return host.strip("[]") or LOOPBACK, int(port)


@contextmanager
def listening(
    application: Application, listen: str | None, number: int, say: Callable[[str], None]
) -> Iterator[Callable[[Observed], None]]:
    """While a run lasts, its answers; yields what the run shall tell what it observes. ``number``: of the process, from 0."""
    from dataflows.monitoring.health import Server
    from dataflows.monitoring.metrics import Metrics

    servers: list[Server] = []
    host, port = address(listen) if listen else ("", 0)

    def observe(observed: Observed) -> None:
        if listen:
            try:
                servers.append(Server(Metrics(application, observed), host, port + number if port else 0))
            except (OSError, socket.gaierror) as error:
                where = f"--listen {host}:{port + number}"
                raise UserError(f"{where}: cannot be listened on: {error.strerror}; name a free port") from None
            at = f"http://{host}:{servers[0].port}"
            say(Notice("listening", f"metrics on {at}/metrics", url=at))

    try:
        yield observe
    finally:
        for server in servers:
            server.close()
