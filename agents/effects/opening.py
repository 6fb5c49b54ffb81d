"""An outbox for an application: endpoints with their secrets, topics with their brokers or files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.effects.email import Mail
from agents.effects.outbox import LEASE, Outbox
from agents.effects.outcome import Outcome
from agents.effects.targets import targets
from agents.effects.topic import FilePublisher, KafkaPublisher, Publisher, Sent
from agents.effects.webhook import Webhooks
from agents.ledger.clock import Clock
from agents.ledger.ledger import Ledger
from agents.policy import Policy
from agents.telemetry.attempts import Attempts


@dataclass(frozen=True, slots=True)
class Topics:
    """``CONNECTION/TOPIC`` goes to the broker, a plain name to a file."""

    broker: Publisher
    files: Publisher

    async def publish(self, records: Sequence[Sent]) -> Sequence[Outcome]:
        """See ``Publisher``."""
        found: dict[int, Outcome] = {}
        for way, wanted in ((self.broker, True), (self.files, False)):
            places = [place for place, each in enumerate(records) if ("/" in each.target) == wanted]
            if places:
                found.update(zip(places, await way.publish([records[place] for place in places]), strict=True))
        return [found[place] for place in range(len(records))]


def outbox_of(
    ledger: Ledger, policy: Policy, clock: Clock, owner: str, *, environment: Mapping[str, str],
    connections: Mapping[str, Mapping[str, str]], folder: Path, lease: int = LEASE,
) -> Outbox:  # fmt: skip
    """The worker for effects. folder: of topics without a broker.

    Raises:
        ApplicationErrors, SecretError: for an endpoint whose address or secret is missing or wrong.
    """
    topics = Topics(KafkaPublisher(connections), FilePublisher(folder))
    return Outbox(
        ledger, clock, policy.application, targets(policy.respond.endpoints, environment), owner=owner, webhooks=Webhooks(),
        mail=Mail(), publisher=topics, observer=Attempts(), lease=lease,
    )  # fmt: skip
