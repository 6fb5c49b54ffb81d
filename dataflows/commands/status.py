"""``tocsin status``: how a run is, and who holds it up."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer

from dataflows.commands.failures import OUTSIDE, UserError
from dataflows.commands.listening import address
from dataflows.commands.options import Json

_PATIENCE = 5


class NoAnswer(UserError):
    """Nobody answers there."""

    code = OUTSIDE


def status(
    at: Annotated[list[str], typer.Argument(help="Where `tocsin run --listen` answers; several processes: all of theirs.",
                                            metavar="[HOST:]PORT...", show_default=False, envvar="TOCSIN_LISTEN")],
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell how far a running application is, and which partition holds its watermark back.

    Example: tocsin status 9090
    """
    found = [_status(text) for text in at]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for each in found:
        _show(each)


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
