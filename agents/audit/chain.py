"""Appending to the audit trail: each record's hash covers it and the hash before, so that no change goes unseen.

There is a chain for each writer's place, so that writers do not wait for each other; every chain begins at 1 and has no gap.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agents.ledger.connect import POSTGRESQL
from agents.ledger.rows import insert_rows
from agents.ledger.schema import audit, audit_head
from models.events.ids import canonical_json


@dataclass(frozen=True, slots=True)
class Entry:
    """A record. kind: decision, human, silence, endpoint …; ref: what it is about; body: masked forms only."""

    kind: str
    ref: str
    flag_id: str
    body: Mapping[str, Any]


def append(connection: Connection, application: str, entries: Sequence[Entry], now: int) -> None:
    """Add records in the transaction of what they tell of; ``now`` in microseconds."""
    if not entries:
        return
    chain = f"{application}/{threading.current_thread().name.rpartition('-')[2]}"
    seq, before = _head(connection, chain)
    rows: list[dict[str, Any]] = []
    for entry in entries:
        seq += 1
        row = {"chain": chain, "seq": seq, "kind": entry.kind, "ref": entry.ref, "flag_id": entry.flag_id, "at": now,
               "body": canonical_json(entry.body), "prev_hash": before}  # fmt: skip
        before = row["hash"] = hash_of(row)
        rows.append(row)
    insert_rows(connection, audit, rows)
    connection.execute(update(audit_head).where(audit_head.c.chain == chain).values(seq=seq, hash=before))


def hash_of(row: Mapping[str, Any]) -> str:
    """The sha256 of a record, with its place and the hash before it."""
    head = f"{row['chain']}\n{row['seq']}\n{row['kind']}\n{row['ref']}\n{row['flag_id']}\n{row['at']}\n{row['prev_hash']}\n"
    return hashlib.sha256((head + row["body"]).encode()).hexdigest()


def _head(connection: Connection, chain: str) -> tuple[int, str]:
    """The chain's last record, locked until the transaction ends."""
    query = select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.chain == chain).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        insert_once = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
        connection.execute(insert_once(audit_head).values(chain=chain, seq=0, hash="").on_conflict_do_nothing())
        found = connection.execute(query).one()
    return int(found.seq), str(found.hash)
