"""A message in the format of its endpoint."""

from __future__ import annotations

from agents.effects.formats import alertmanager, cloudevents, pagerduty, slack, template
from agents.effects.formats.rendered import Rendered
from agents.effects.message import Message
from agents.effects.target import Target


def render(message: Message, target: Target) -> Rendered:
    """The body that the endpoint takes.

    Raises:
        NotPossible: when the endpoint lacks what its format needs.
    """
    match target.format:
        case "slack":
            return slack.render(message)
        case "pagerduty":
            return pagerduty.render(message, next(iter(target.secrets), ""))
        case "alertmanager":
            return alertmanager.render(message)
        case "template":
            return template.render(message, target.template or "")
        case _:
            return cloudevents.render(message)
