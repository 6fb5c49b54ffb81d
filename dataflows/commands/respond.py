"""``tocsin respond``: flags in, decisions and their effects out."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflows.commands.logs import Levels, LogLevel
from dataflows.commands.options import Application, Json, Overlays, Params, pairs

if TYPE_CHECKING:
    from agents.service import Service

Ledger = Annotated[
    str | None,
    typer.Option(envvar="TOCSIN_LEDGER", help="A path, or postgresql://…; by default ledger.db by the application.", metavar="URL"),
]

Listening = Annotated[
    str | None,
    typer.Option(
        help="Serve the API, /metrics, /healthz and /readyz; a port alone is on loopback.", metavar="[HOST:]PORT",
        envvar="TOCSIN_LISTEN",
    ),
]  # fmt: skip


def respond(
    application: Application,
    flags: Annotated[Path | None, typer.Option(help="Read flags from a file instead of their topic.", metavar="FILE")] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when all flags are read and nothing is due.")] = False,
    ledger: Ledger = None,
    decisions: Annotated[Path | None, typer.Option(help="Write all decisions to a file at the end.", metavar="FILE")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="What would have been decided: no effect, no live model.")] = False,
    listen: Listening = None,
    param: Params = None,
    with_: Overlays = None,
    as_json: Json = False,
    log_level: Levels = LogLevel.INFO,
    lease: Annotated[float, typer.Option(hidden=True, help="Seconds until another process may take over.")] = 30.0,
) -> None:
    """Answer flags: rules first, then a model, then people; every flag ends in one decision.

    Example: tocsin respond examples/card-fraud/app.yaml --flags examples/card-fraud/out/flags.jsonl --once
    """
    from agents.telemetry.logs import configure
    from dataflows.commands.responding import Options, opened, summary

    options = Options(
        application, flags, once or replay, ledger, replay, pairs(param, "--param"), tuple(with_ or ()), lease, listen
    )
    configure(level="warning" if options.once and log_level is LogLevel.INFO else log_level.value)
    started = time.perf_counter()
    with opened(options) as (service, source):
        asyncio.run(_run(service, source, once=options.once))
        summary(service, time.perf_counter() - started, decisions, as_json=as_json)


async def _run(service: Service, source: object, *, once: bool) -> None:
    """To the end, or until SIGTERM or Ctrl-C: then what is at work keeps its lease, and is taken up again."""
    import signal

    if once:
        await service.once(source)  # type: ignore[arg-type]
        return
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, main.cancel)
    try:
        await service.run(source)  # type: ignore[arg-type]
    except asyncio.CancelledError:
        return
