"""Erasure and retention: bodies go, ids, hashes and the audit's chains stay, and still verify."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, and_, delete, or_, select, update

from agents.audit.chain import Entry, append
from agents.audit.verify import PRUNED, pruned
from agents.ledger.schema import (
    attempt,
    audit,
    audit_head,
    blob,
    decision,
    effect,
    flow,
    inbox,
    llm_call,
    mask,
    task,
)  # fmt: skip
from models.application.respond.resolved import Retention

ERASED = "erased"
"""What stands in place of a subject and its key."""
_BATCH = 1_000
_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Erased:
    """What was emptied."""

    flags: int
    masks: int
    bodies: int
    tasks: int


def erase(connection: Connection, subject: str, by: str, application: str, now: int) -> Erased:
    """Empty what is kept of a subject (ENTITY/KEY): flags' bodies, what masks stand for, requests and answers of models, tasks.

    The audit keeps ids, versions, hashes and verdicts over masked forms, and says that this was done, under flags' ids only.
    """
    flags = list(connection.scalars(select(inbox.c.flag_id).where(inbox.c.subject == subject)))
    flows = list(connection.scalars(select(flow.c.id).where(flow.c.subject == subject)))
    emptied = _emptied(connection, inbox, inbox.c.subject == subject, body=None, subject=ERASED, key=ERASED)
    masks = connection.execute(delete(mask).where(or_(mask.c.subject == subject, mask.c.flow_id.in_(flows)))).rowcount
    bodies = _drop_bodies(connection, flows)
    tasks = _emptied(connection, task, task.c.subject == subject, context="{}", note="", subject=ERASED)
    for table in (flow, decision):
        _emptied(connection, table, table.c.subject == subject, subject=ERASED)
    _emptied(connection, effect, and_(effect.c.flag_id.in_(flags), effect.c.body.is_not(None), ~effect.c.open), body=None)
    append(connection, application, [Entry("erasure", "", flag, {"by": by}) for flag in sorted(set(flags))], now)
    return Erased(emptied, masks, bodies, tasks)


def prune(connection: Connection, retention: Retention, application: str, now: int) -> dict[str, int]:
    """Remove what is older than its retention; how many rows of what."""
    found: dict[str, int] = {}
    if retention.flags is not None:
        before = now - retention.flags
        found["flags"] = _prune_flags(connection, before)
    if retention.llm_bodies is not None:
        before = now - retention.llm_bodies
        found["llm_bodies"] = connection.execute(
            delete(blob).where(blob.c.created_at < before, blob.c.kind.in_(("request", "response")))
        ).rowcount
        found["masks"] = connection.execute(delete(mask).where(mask.c.created_at < before)).rowcount
    if retention.audit is not None:
        found["audit"] = _prune_audit(connection, now - retention.audit, application, now)
    return {name: count for name, count in found.items() if count}


def _prune_flags(connection: Connection, before: int) -> int:
    """Flags with all that belongs to them, once nothing of them is open."""
    busy = select(flow.c.flag_id).where(flow.c.open).union(select(effect.c.flag_id).where(effect.c.open))
    old = select(inbox.c.flag_id).where(inbox.c.received_at < before, inbox.c.flag_id.not_in(busy)).limit(_BATCH)
    ids = list(connection.scalars(old))
    if not ids:
        return 0
    connection.execute(delete(attempt).where(attempt.c.effect_key.in_(select(effect.c.key).where(effect.c.flag_id.in_(ids)))))
    calls = select(flow.c.id).where(flow.c.flag_id.in_(ids))
    connection.execute(delete(llm_call).where(llm_call.c.flow_id.in_(calls)))
    connection.execute(delete(mask).where(mask.c.flow_id.in_(calls)))
    for table in (effect, task, decision, flow, inbox):
        connection.execute(delete(table).where(table.c.flag_id.in_(ids)))
    return len(ids)


def _prune_audit(connection: Connection, before: int, application: str, now: int) -> int:
    """The beginnings of chains; a record says where each goes on, so that what is left still verifies."""
    before -= before % _DAY  # once a day at most
    total, marks = 0, pruned(connection)
    for chain in list(connection.scalars(select(audit_head.c.chain))):
        last = connection.execute(
            select(audit.c.seq, audit.c.hash)
            .where(audit.c.chain == chain, audit.c.at < before)
            .order_by(audit.c.seq.desc())
            .limit(1)
        ).one_or_none()
        if last is None:
            continue
        total += connection.execute(delete(audit).where(audit.c.chain == chain, audit.c.seq <= last.seq)).rowcount
        marks[chain] = (last.seq, last.hash)
    if total:  # earlier marks are said again: they may be among what went
        entries = [Entry(PRUNED, chain, "", {"chain": chain, "seq": seq, "hash": hash_}) for chain, (seq, hash_) in marks.items()]
        append(connection, application, entries, now)
    return total


def _drop_bodies(connection: Connection, flows: list[str]) -> int:
    """Requests and answers of these flows that no other flow's calls share."""
    columns = llm_call.c.request_sha, llm_call.c.response_sha
    own = _shas(connection.execute(select(*columns).where(llm_call.c.flow_id.in_(flows))))
    shared = or_(*(column.in_(own) for column in columns))
    others = _shas(connection.execute(select(*columns).where(llm_call.c.flow_id.not_in(flows), shared)))
    return connection.execute(delete(blob).where(blob.c.sha.in_(own - others))).rowcount


def _shas(rows: Iterable[Sequence[str]]) -> set[str]:
    return {sha for row in rows for sha in row if sha}


def _emptied(connection: Connection, table: Table, where: object, **values: object) -> int:
    return connection.execute(update(table).where(where).values(**values)).rowcount  # type: ignore[arg-type]
