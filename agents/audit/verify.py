"""Looks for changes of the audit: each is named by its chain and number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from agents.audit.chain import hash_of
from agents.ledger.schema import audit, audit_head

PRUNED = "pruned"
"""A record of this kind says after which record a chain is kept: {chain, seq, hash} of the last one that was removed."""
_BATCH = 5_000

Head = tuple[int, str]
"""A record's number and hash."""


@dataclass(slots=True)
class Findings:
    """records: how many were looked at; problems: a line each; heads: each chain's last record as it was found."""

    records: int = 0
    problems: list[str] = field(default_factory=list)
    heads: dict[str, Head] = field(default_factory=dict)


def verify(connection: Connection, earlier: Mapping[str, Head] | None = None) -> Findings:
    """Every chain against its hashes and its head, and against heads that were kept elsewhere from an earlier look.

    Without the latter, an end that is cut off together with its head cannot be seen.
    """
    found, removed, known = Findings(), pruned(connection), _heads(connection)
    chains = set(connection.scalars(select(audit.c.chain).distinct())) | set(known) | set(earlier or {})
    for chain in sorted(chains):
        seen = (earlier or {}).get(chain)
        found.problems += _chain(connection, chain, known.get(chain), removed.get(chain, (0, "")), seen, found)
    return found


def _chain(
    connection: Connection, chain: str, head: Head | None, start: Head, earlier: Head | None, found: Findings
) -> Iterator[str]:
    last, before = start
    for row in _rows(connection, chain, last):
        found.records += 1
        if row["seq"] != last + 1:
            yield f"chain {chain}: expected record {last + 1}; found {row['seq']}: {row['seq'] - last - 1} are missing"
        elif row["prev_hash"] != before:
            yield f"chain {chain}, record {last}: changed, its hash too: record {row['seq']} had another before it"
        if hash_of(row) != row["hash"]:
            about = f"{row['kind']} of {row['ref'] or '(nothing)'}, flag {row['flag_id'] or '(none)'}"
            yield f"chain {chain}, record {row['seq']}: changed: {about}"
        last, before = row["seq"], row["hash"]
        if earlier is not None and earlier[0] == last and earlier[1] != before:
            yield f"chain {chain}, record {last}: had another hash when it was last looked at"
    found.heads[chain] = (last, before)
    if earlier is not None and earlier[0] > last:
        yield f"chain {chain}: expected record {earlier[0]}, its last when it was last looked at; found {last} as its last"
    if head != (last, before):
        yield f"chain {chain}: expected its head at record {last}; found {'none' if head is None else f'record {head[0]}'}"


def _rows(connection: Connection, chain: str, after: int) -> Iterator[dict[str, Any]]:
    while True:
        wanted = select(audit).where(audit.c.chain == chain, audit.c.seq > after).order_by(audit.c.seq).limit(_BATCH)
        rows = [dict(row) for row in connection.execute(wanted).mappings()]
        yield from rows
        if len(rows) < _BATCH:
            return
        after = rows[-1]["seq"]


def _heads(connection: Connection) -> dict[str, Head]:
    found = connection.execute(select(audit_head.c.chain, audit_head.c.seq, audit_head.c.hash)).all()
    return {chain: (seq, hash_) for chain, seq, hash_ in found}


def pruned(connection: Connection) -> dict[str, Head]:
    """The last removed record of each chain whose beginning was removed."""
    found: dict[str, Head] = {}
    for body in connection.scalars(select(audit.c.body).where(audit.c.kind == PRUNED)):
        read = _read(body)
        if read.keys() >= {"chain", "seq", "hash"}:
            chain = str(read["chain"])
            found[chain] = max(found.get(chain, (0, "")), (int(read["seq"]), str(read["hash"])))
    return found


def _read(body: str) -> dict[str, Any]:
    """A body that was changed may be anything; that is found where its hash is looked at."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
