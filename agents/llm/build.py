"""Askers of an application's responders, with what they need from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.llm.asking import Asker
from agents.llm.marks import Marks
from agents.llm.prices import Prices
from agents.llm.recorded import RecordedGateway
from agents.llm.request import Gateway
from agents.llm.sealing import Sealer
from models.application.errors import ApplicationErrors
from models.application.resolved.application import Application
from models.application.respond.environment import EnvText
from models.application.respond.resolved import LlmTier, Respond, Responder

KEY, ADDRESS = "OPENAI_API_KEY", "OPENAI_BASE_URL"
_ADDRESS = "https://api.openai.com/v1"


def askers(
    application: Application, ledger: Ledger, clock: Clock, environment: Mapping[str, str], *, recorded: bool = False
) -> dict[str, Asker]:
    """By responder; one whose model, endpoint or key is not in the environment has none. ``recorded``: no client and no key.

    Raises:
        ApplicationErrors: for a model without a price where money is limited.
        KeyMissing: without a key for mask maps on a ledger that is no file.
    """
    assert application.respond is not None
    found: dict[str, Asker] = {}
    gateways: dict[tuple[str, str, int | None, int | None], Gateway] = {}
    for responder in application.respond.responders.values():
        if responder.llm is None or not (models := _models(responder.llm, environment)):
            continue
        gateway = _gateway(responder.llm, ledger, clock, environment, gateways, recorded=recorded)
        if gateway is not None:
            _priced(application.respond, responder, models)
            sealer = Sealer.from_environment(environment, key_file(ledger, "mask.key"))
            respond = application.respond
            found[responder.name] = Asker(
                responder.name, responder.llm, models, respond.budget, Prices(respond.prices, respond.currency),
                Marks.of(application), sealer, gateway, ledger, clock,
            )  # fmt: skip
    return found


def key_file(ledger: Ledger, name: str) -> Path | None:
    """Where a key lies that nobody gave: beside a ledger that is a file; None for one that several machines may share."""
    return None if ledger.postgresql or not ledger.url.database else Path(ledger.url.database).with_name(name)


def _models(tier: LlmTier, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The model and its fallback, as far as the environment names them."""
    first = _given(tier.model, environment)
    return () if not first else tuple(dict.fromkeys(filter(None, (first, _given(tier.fallback, environment)))))


def _gateway(
    tier: LlmTier, ledger: Ledger, clock: Clock, environment: Mapping[str, str],
    made: dict[tuple[str, str, int | None, int | None], Gateway], *, recorded: bool,
) -> Gateway | None:  # fmt: skip
    """One for each endpoint, key and limits, so that responders share its breakers and limits."""
    address = (_given(tier.url, environment) if tier.url is not None else environment.get(ADDRESS)) or _ADDRESS
    if recorded:
        return RecordedGateway(ledger, address.rstrip("/") + "/")
    key = _given(tier.key, environment) if tier.key is not None else environment.get(KEY, "").strip()
    place = (address, key, tier.requests_per_minute, tier.tokens_per_minute)
    if not key:
        return None
    from agents.llm.gateway import LiveGateway, live_client  # half a second of imports that a start without a key does not need

    client = live_client({KEY: key, ADDRESS: address})
    assert client is not None
    return made.setdefault(place, LiveGateway(client, clock.now, tier.requests_per_minute, tier.tokens_per_minute))


def _priced(respond: Respond, responder: Responder, models: tuple[str, ...]) -> None:
    """Money cannot be limited where nobody knows what a model costs."""
    tier = responder.llm
    assert tier is not None
    limits = [*respond.budget.limits, *tier.budget.limits, *tier.budget.per_pattern.values()]
    missing = [model for model in models if model not in respond.prices]
    if missing and (respond.prices or any(limit.unit == "money" for limit in limits)):
        known = ", ".join(sorted(respond.prices)) or "none"
        raise ApplicationErrors.of(
            tier.model.position, f"model {missing[0]!r} has no price, so that its budget cannot be held; prices: {known}"
        )


def _given(text: EnvText | None, environment: Mapping[str, str]) -> str:
    """A text of the environment, "" where it is not set."""
    if text is None:
        return ""
    try:
        return text.resolve(environment).strip()
    except ApplicationErrors:
        return ""
