"""Slack's incoming webhooks: a line for notifications and blocks for the channel.

Payload text is data: what Slack reads as markup (``&``, ``<``, ``>``) is escaped, so that no name
mentions a channel or hides a link.
"""

from __future__ import annotations

from typing import Any

import orjson

from agents.effects.formats.rendered import Rendered
from agents.effects.message import Message

_SIGNS = {"critical": "\U0001f534", "high": "\U0001f7e0", "medium": "\U0001f7e1", "low": "\U0001f535", "info": "⚪"}
_HEADER, _SECTION, _REASONS = 150, 2900, 5


def render(message: Message) -> Rendered:
    """The message as Slack takes it."""
    title = _escaped(f"{'cleared: ' if message.cleared else ''}{message.title}")
    sign = "\U0001f7e2" if message.cleared else _SIGNS.get(message.severity, "")
    text = f"{sign} {title}"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{sign} {message.title}"[:_HEADER]}},
        {"type": "section", "text": {"type": "mrkdwn", "text": _lines(message)[:_SECTION]}},
    ]
    if message.task.get("link"):
        button = {"type": "button", "text": {"type": "plain_text", "text": "Answer"}, "url": message.task["link"]}
        blocks.append({"type": "actions", "elements": [button]})
    return Rendered(orjson.dumps({"text": text, "blocks": blocks}))


def _lines(message: Message) -> str:
    data = message.flag.get("data", {})
    lines = [f"*{_escaped(message.action)}* · {_escaped(message.severity)} · {_escaped(str(message.flag.get('subject', '')))}"]
    if message.decision:
        lines.append(_escaped(f"decided {message.decision.get('verdict')} by {message.decision.get('tier')}"))
    for reason in list(data.get("reasons", []))[:_REASONS]:
        lines.append(_escaped(f"• {' '.join(str(reason.get('expression')).split())}: {reason.get('value')}"))
    if message.task.get("due"):
        lines.append(_escaped(f"answer by {message.task['due']}, level {message.task.get('level')}"))
    lines.append(f"`{_escaped(message.flag_id)}`")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
