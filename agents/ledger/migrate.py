"""Brings a ledger's tables to this release's form, one process at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from agents.ledger.connect import POSTGRESQL, LedgerError

_LOCK = 7_305_831_992_114
"""PostgreSQL's advisory lock for migrations; the number means nothing."""


def migrate(engine: Engine) -> None:
    """Run the migrations that are missing, in one transaction.

    Raises:
        LedgerError: if the ledger was written by a release that knows revisions which this one does not.
    """
    with engine.begin() as connection:
        if connection.dialect.name == POSTGRESQL:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config(connection)
        scripts = ScriptDirectory.from_config(config)
        found = MigrationContext.configure(connection).get_current_revision()
        if found == scripts.get_current_head():
            return
        known = {script.revision for script in scripts.walk_revisions()}
        if found is not None and found not in known:
            raise LedgerError(f"the ledger is at revision {found!r}, which this release does not know; expected one of "
                              f"{', '.join(sorted(known))}; use the release that wrote it, or a newer one")  # fmt: skip
        command.upgrade(config, "head")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
