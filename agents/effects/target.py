"""An endpoint with its secrets read: what senders need of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Literal

from agents.effects.destinations import Network

Format = Literal["cloudevents", "slack", "pagerduty", "alertmanager", "template"]


@dataclass(frozen=True, slots=True)
class Target:
    """A place that messages go to. Its URL may hold a secret and is never shown.

    schedule: microseconds before each attempt; timeout: microseconds of one attempt; secrets: all of them sign, but where the
    format is pagerduty, whose first is the routing key.
    """

    name: str
    url: str = field(repr=False)
    format: Format = "cloudevents"
    secrets: tuple[str, ...] = field(default=(), repr=False)
    schedule: tuple[int, ...] = (0,)
    timeout: int = 15_000_000
    private: tuple[Network, ...] = ()
    template: str | None = None
    sender: str = ""
    recipients: tuple[str, ...] = ()

    @property
    def mail(self) -> bool:
        """Whether messages go by mail."""
        return self.url.startswith("smtp")

    @property
    def signs(self) -> bool:
        """Whether requests carry signatures."""
        return self.format != "pagerduty" and bool(self.secrets)


def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses and networks as written."""
    return tuple(ipaddress.ip_network(text) for text in texts)
