"""Runs migrations on the connection that ``agents.ledger.migrate`` gives, inside its transaction."""

from alembic import context

from agents.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True, transactional_ddl=True
)
context.run_migrations()
