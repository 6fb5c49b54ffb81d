"""Putting a responder together from options, and what it says at its end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from agents.audit.pruning import Pruner
from agents.effects.opening import outbox_of
from agents.effects.signing import SecretError
from agents.flows.pump import Pump
from agents.human.links import Links
from agents.inbox.files import FileInput, identity
from agents.inbox.intake import Intake, next_offset
from agents.inbox.kafka import KafkaInput
from agents.inbox.plan import Planner
from agents.ledger.clock import SystemClock
from agents.ledger.keyfile import KeyMissing
from agents.ledger.ledger import Ledger
from agents.llm.build import askers, key_file
from agents.policy import Policy, policy_of
from agents.reports import decisions_of, tally
from agents.service import Service, Worker, process_name
from agents.telemetry import traces
from agents.tiers.human import HumanStage
from agents.tiers.llm import LlmStage
from agents.tiers.score import conditions, scorers
from dataflows.commands.failures import UserError
from dataflows.commands.serving import serving
from models.application.load import load
from models.application.resolved.application import Application


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    application: Path
    flags: Path | None
    once: bool
    ledger: str | None
    replay: bool
    params: Mapping[str, str]
    overlays: tuple[Path, ...]
    lease: float
    listen: str | None = None


@contextmanager
def opened(options: Options) -> Iterator[tuple[Service, FileInput | KafkaInput]]:
    """A service and its input; both are let go of at the end.

    Raises:
        UserError: for an application without responders, or flags that cannot be read.
    """
    application = load(options.application, overlays=options.overlays, params=options.params)
    policy = policy_of(application)
    if policy is None:
        raise UserError(f"{options.application}: expected a section respond with responders; found none")
    ledger = Ledger(options.ledger or str(options.application.parent / "ledger.db"))
    try:
        clock = SystemClock()
        scores = scorers(policy.respond)
        planner = Planner(policy, scores, conditions(scores))
        runmode = f"backtest:{datetime.now(UTC):%Y%m%dT%H%M%S%f}" if options.replay else None
        intake = Intake(ledger, planner, clock, runmode)
        workers = _workers(application, ledger, policy, options)
        service = Service(ledger, policy, clock, intake, workers)
        for worker in workers:
            if isinstance(worker, Pump):
                worker.on_change = service.wake  # a flow that ended has effects
        traces.configure(policy.application)
        if options.listen and not options.once:
            workers += serving(options.listen, service)
        source = _input(application, options, ledger, runmode)
        try:
            yield service, source
        finally:
            source.close()
            traces.close()
    finally:
        ledger.close()


def write_decisions(service: Service, path: Path) -> None:
    """All decisions of the ledger, a line each; the file is there whole or not at all."""
    runmode, name = service.intake.runmode or "live", service.policy.application
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        service.ledger.look(lambda c: [file.write(line + "\n") for line in decisions_of(c, runmode, name)])
    part.replace(path)


def summary(service: Service, seconds: float, decisions: Path | None, *, as_json: bool) -> None:
    """Say what became of the flags, by tier and verdict; write all decisions where that is wanted."""
    runmode = service.intake.runmode or "live"
    if decisions is not None:
        write_decisions(service, decisions)
    found = service.ledger.look(lambda c: tally(c, runmode))
    if as_json:
        typer.echo(json.dumps({"taken": {n: getattr(service.taken, n) for n in service.taken.__slots__}, **found}))
        return
    taken = service.taken
    typer.echo(f"{taken.flags} flags in {seconds:.1f} s, {taken.repeated} known before, {taken.dead} dead letters", err=True)
    for row in found["decisions"]:
        typer.echo(f"  {row['count']:>8}  {row['verdict']:<12} {row['tier']}", err=True)
    for row in found["open"]:
        typer.echo(f"  {row['count']:>8}  open         {row['stage']}", err=True)


def _workers(application: Application, ledger: Ledger, policy: Policy, options: Options) -> list[Worker]:
    """Pumps of the stages: a model's, which says so where there is none, and people's."""
    owner, clock = process_name(), SystemClock()
    try:
        links = Links.from_environment(os.environ, key_file(ledger, "link.key"))
        models = askers(application, ledger, clock, os.environ, recorded=options.replay)
    except KeyMissing as error:
        raise UserError(str(error)) from None
    stages = (LlmStage(policy, models), HumanStage(ledger, policy, clock, links))
    workers: list[Worker] = [Pump(ledger, policy, clock, owner, stage, int(options.lease * 1_000_000)) for stage in stages]
    if not options.replay:  # a replay has nothing that could send
        workers += [_outbox(application, ledger, policy, owner, options), Pruner(ledger, policy, clock, owner)]
    return workers


def _outbox(application: Application, ledger: Ledger, policy: Policy, owner: str, options: Options) -> Worker:
    """The effects' worker; topics without a broker are files beside the flags."""
    flags = options.flags or (Path(application.outputs.to) if isinstance(application.outputs.to, str) else options.application)
    try:
        return outbox_of(
            ledger, policy, SystemClock(), owner, environment=os.environ, connections=application.connections, folder=flags.parent,
            lease=int(options.lease * 1_000_000),
        )  # fmt: skip
    except SecretError as error:
        raise UserError(str(error)) from None


def _input(application: Application, options: Options, ledger: Ledger, runmode: str | None) -> FileInput | KafkaInput:
    """A file, or where the application's flags go."""
    path, topic = options.flags, application.outputs.to
    if path is None and isinstance(topic, tuple):
        settings = application.connections[topic[0]]
        group = f"{application.name}-respond"
        clock = SystemClock()
        return KafkaInput(
            ledger, settings, topic[1], group, whole=options.once, runmode=runmode or "live", now=clock.now
        )  # fmt: skip
    if path is None:
        path = Path(application.outputs.to) if isinstance(application.outputs.to, str) else None
    if path is None:
        raise UserError(f"{options.application}: expected --flags FILE, or flags.to; found neither")
    try:
        known = ledger.look(lambda c: next_offset(c, runmode or "live", identity(path), 0))
        return FileInput(path, known or 0, whole=options.once)
    except OSError as error:
        raise UserError(f"--flags: {path}: cannot be read: {error.strerror or error}") from None
