"""Mask maps in the ledger, sealed."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from agents.ledger.connect import POSTGRESQL
from agents.ledger.schema import mask
from agents.llm.sealing import Sealer


def keep(connection: Connection, flow_id: str, subject: str, sealed: bytes, now: int) -> None:
    """Keep a flow's map, once."""
    insert = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
    row = {"flow_id": flow_id, "subject": subject, "sealed": sealed, "created_at": now}
    connection.execute(insert(mask).values(row).on_conflict_do_nothing())


def tokens_of(connection: Connection, flow_id: str, sealer: Sealer) -> dict[str, str]:
    """What a flow's tokens stand for; empty once it was erased, or if its key is gone."""
    sealed = connection.scalar(select(mask.c.sealed).where(mask.c.flow_id == flow_id))
    return {} if sealed is None else sealer.open(sealed) or {}
