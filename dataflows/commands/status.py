"""``tocsin status``: how a run is, and who holds it up."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflows.commands.events import SUFFIXES
from dataflows.commands.failures import OUTSIDE, UserError
from dataflows.commands.listening import address
from dataflows.commands.options import Given, Inputs, Json, Overlays, Params

_PATIENCE = 5


class NoAnswer(UserError):
    """Nobody answers there."""

    code = OUTSIDE


def status(
    at: Annotated[
        list[str],
        typer.Argument(
            help="Where `tocsin run --listen` answers, of several processes all; or an application, with --state.",
            metavar="[HOST:]PORT...|APPLICATION", show_default=False, envvar="TOCSIN_LISTEN",
        ),
    ],
    state: Annotated[
        Path | None, typer.Option(help="The state that a stopped run of the application saved here.", metavar="DIR")
    ] = None,
    param: Params = None,
    input: Inputs = None,  # noqa: A002 - the option's name
    with_: Overlays = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell how far an application is, running or stopped, and which partition holds its watermark back.

    Example: tocsin status 9090
    """
    if state is None and Path(at[0]).suffix in SUFFIXES:
        raise typer.BadParameter("expected --state DIR beside an application; of one that runs, expected its [HOST:]PORT")
    if state is not None and len(at) != 1:
        raise typer.BadParameter("expected one application beside --state")
    found = [_saved(Path(at[0]), state, Given(with_, param, input))] if state is not None else [_status(text) for text in at]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for each in found:
        if state is not None:
            _show_saved(each)
        else:
            _show(each)


def _saved(path: Path, state: Path, given: Given) -> dict[str, Any]:
    """What a stopped run saved; how far it is behind, where the brokers answer."""
    from dataflows.commands.brokers import application_of, patient
    from dataflows.connectors.kafka.asking import ends_of
    from dataflows.connectors.kafka.connection import connection_of
    from dataflows.connectors.kafka.reasons import KafkaProblem
    from dataflows.state.told import facts_of_state

    application = application_of(path, given)

    def ends(name: str, places: list[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        try:
            return ends_of(connection_of(application.connections, name), places, patient())
        except KafkaProblem as error:
            typer.echo(f"{error}; how far behind it is cannot be told", err=True)
            return {}

    return facts_of_state(state, application, ends)


def _show_saved(found: dict[str, Any]) -> None:
    from dataflows.commands.console import out, table

    when = "nothing yet" if found["saved_at"] is None else f"last saved {found['saved_at']}"
    over = "; it has read all of its input" if found["ended"] else ""
    out.print(f"{found['state']}: {found['application']}, goes on with epoch {found['epoch']}, {when}{over}", soft_wrap=True)
    rows = [(s["stage"], s["watermark"] or "–", s["holder"] or "–", s["keys"], s["state_bytes"]) for s in found["stages"]]
    out.print()
    table("", ("stage", "has reached", "held by", "keys", "bytes of state"), rows, right=("keys", "bytes of state"))
    out.print()
    table("", ("partition", "its bound"), [(f"{p['stream']}, {p['partition']}", p["bound"] or "–") for p in found["partitions"]])
    if found["offsets"]:
        offsets = [
            (f"{each['topic']}/{each['partition']}", *("–" if each[name] is None else each[name] for name in ("offset", "lag")))
            for each in found["offsets"]
        ]
        out.print()
        table("", ("topic's partition", "next offset", "records not read"), offsets, right=("next offset", "records not read"))
    if found["files"]:
        out.print()
        files = [(each["source"], each["file"], each["rows"]) for each in found["files"]]
        table("", ("source", "file", "rows read"), files, right=("rows read",))


def _status(text: str) -> dict[str, Any]:
    from dataflows.monitoring.reading_metrics import facts_of

    host, port = address(text)
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _, metrics = _get(base, "/metrics")
    healthy, health = _get(base, "/healthz")
    ready, readiness = _get(base, "/readyz")
    facts = facts_of(metrics)
    return {
        "at": f"{host}:{port}", "healthy": healthy == 200, "health": health.strip(), "ready": ready == 200,
        "readiness": readiness.strip(), **facts,
    }  # fmt: skip


def _get(base: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(base + path, timeout=_PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        cure = "Expected a run with --listen on this address"
        raise NoAnswer(f"{base}: nobody answers: {getattr(reason, 'strerror', None) or reason}. {cure}") from None


def _show(found: dict[str, Any]) -> None:
    from dataflows.commands.console import out, table

    out.print(f"{found['at']}: {found['health']}, {found['readiness']}", soft_wrap=True)
    if found["epoch_age"] is not None:
        out.print(f"an epoch was completed {found['epoch_age']:.1f} s ago; {sum(found['events'].values()):,} rows, "
                  f"{sum(found['flags'].values()):,} flags")  # fmt: skip
    rows = [
        (stage["stage"], stage["watermark"] or "–", stage["holder"] or "–", stage["keys"], stage["state_bytes"])
        for stage in found["stages"]
    ]
    out.print()
    table("", ("stage", "has reached", "held by", "keys", "bytes of state"), rows, right=("keys", "bytes of state"))
    out.print()
    partitions = [
        (f"{part['stream']}/{part['partition']}", part["bound"], "holds" if part["holds"] else "") for part in found["partitions"]
    ]
    table("", ("partition", "its bound", ""), partitions)
    behind = [(f"{lag['topic']}/{lag['partition']}", lag["records"]) for lag in found["lag"]]
    if behind:
        out.print()
        table("", ("topic's partition", "records not read"), behind, right=("records not read",))
    for kind, count in found["errors"].items():
        out.print(f"errors {kind}: {count:,}")
