"""A broker in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataflows.connectors.kafka.embedded import Broker


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """One broker for the tests of a process."""
    found = Broker().start()
    yield found
    found.stop()
