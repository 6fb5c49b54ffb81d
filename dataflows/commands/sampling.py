"""A topic's last records as a sample for ``tocsin init``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflows.commands.brokers import patient
from dataflows.commands.failures import UserError

if TYPE_CHECKING:
    from dataflows.commands.logins import Login
    from dataflows.starting.start import Wishes
    from dataflows.starting.write import Starter


def of_topic(topic: str, login: Login, out: Path, wishes: Wishes) -> Starter:
    """A starter application for a topic.

    Raises:
        KafkaProblem: when the broker or the topic is not there.
        UserError: when the topic holds nothing that can be sampled.
    """
    from dataflows.connectors.files import FileProblem
    from dataflows.connectors.kafka.asking import Records
    from dataflows.connectors.kafka.connection import Connection
    from dataflows.starting.sample import ROWS
    from dataflows.starting.start import start

    topic = topic.removeprefix("main/")
    records = Records(Connection("main", login.used), topic, patient(), ROWS)
    lines = longest(records.to_the_end())
    records.close()
    if not lines:
        servers = login.used["bootstrap.servers"]
        raise UserError(f"topic {topic!r} ({servers}) holds no values; expected a sample of events to begin from")
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        path = Path(folder) / (topic.rpartition(".")[2] + ".jsonl")
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        try:
            return start(path, out, replace(wishes, topic=topic, settings=login.written))
        except FileProblem as error:
            raise UserError(str(error).replace(str(path), f"topic {topic!r}, row ")) from None


def longest(messages: Iterable[Any]) -> list[bytes]:
    """The values of the partition with most records, each on one line: disorder can only be seen within one."""
    found: dict[int, list[bytes]] = {}
    for message in messages:
        value = message.value()
        if value:
            found.setdefault(message.partition(), []).append(value.replace(b"\r", b" ").replace(b"\n", b" "))
    return max(found.values(), key=len, default=[])
