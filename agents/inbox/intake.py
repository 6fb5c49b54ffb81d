"""A batch of records into the ledger, in one transaction: inbox, what decides at once, flows, dead letters, offsets.

Whatever was there already is left as it is, so that a batch may come twice; the same id with another body is a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from agents.flows.deciding import write_decisions
from agents.inbox.plan import Planned, Planner
from agents.inbox.record import Flag, Poison, Record, read_record
from agents.ledger.clock import Clock
from agents.ledger.connect import POSTGRESQL
from agents.ledger.killpoint import mark
from agents.ledger.ledger import Ledger
from agents.ledger.rows import insert_rows
from agents.ledger.schema import dead_letter, flow, inbox, input_offset
from agents.routing import inhibition, silences
from agents.routing.inhibition import Sources
from agents.routing.silences import Silence

_DAY = 86_400_000_000


@dataclass(slots=True)
class Taken:
    """What a batch came to: flags by what became of them."""

    flags: int = 0
    decided: int = 0
    flows: int = 0
    repeated: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where an input is in the ledger."""

    source: str
    partition: int
    next_offset: int


class Intake:
    """Takes batches for one policy. ``runmode`` replaces that of live flags, for replays."""

    def __init__(self, ledger: Ledger, planner: Planner, clock: Clock, runmode: str | None = None) -> None:
        self.ledger = ledger
        self.planner = planner
        self.clock = clock
        self.runmode = runmode

    async def take(self, records: Sequence[Record], places: Sequence[Place]) -> Taken:
        """Record and plan a batch; it is safe to take it again."""
        flags, poison = self._read(records)
        now = self.clock.now()
        lasting, sources = await self.ledger.read(lambda c: self._known(c, flags, now))
        planned = self.planner.plan(flags, lasting, sources, now)
        mark("planned")
        try:
            taken = await self.ledger.bulk(lambda c: self._write(c, flags, poison, planned, sources, places, now))
        except IntegrityError:  # another process took some of these flags at the same moment: now they are known
            taken = await self.ledger.bulk(lambda c: self._write(c, flags, poison, planned, sources, places, now))
        mark("taken")
        return taken

    def _read(self, records: Sequence[Record]) -> tuple[list[Flag], list[Poison]]:
        """Flags, each id once, and what is none."""
        flags: dict[tuple[str, str], Flag] = {}
        poison: list[Poison] = []
        for record in records:
            found = read_record(record, self.runmode)
            if isinstance(found, Poison):
                poison.append(found)
            elif found is not None:
                first = flags.setdefault((found.runmode, found.id), found)
                if first.sha != found.sha:
                    poison.append(_conflict(found))
        return [*flags.values()], poison

    def _known(self, connection: Connection, flags: Sequence[Flag], now: int) -> tuple[tuple[Silence, ...], Sources]:
        """What silences and inhibits."""
        respond = self.planner.policy.respond
        lasting = silences.lasting(connection, respond, now)
        since = min((flag.time for flag in flags), default=now) - _DAY
        return lasting, inhibition.active(connection, since) if respond.inhibit else Sources({})

    def _write(
        self, connection: Connection, flags: Sequence[Flag], poison: list[Poison], planned: Planned, sources: Sources,
        places: Sequence[Place], now: int,
    ) -> Taken:  # fmt: skip
        known = _known_shas(connection, flags)
        new = [flag for flag in flags if (flag.runmode, flag.id) not in known]
        dead = poison + [_conflict(flag) for flag in flags if known.get((flag.runmode, flag.id), flag.sha) != flag.sha]
        insert_rows(connection, inbox, [_row(flag, now) for flag in new])
        mark("inbox")
        decisions = [each for flag in new for each in planned.decisions.get(flag.id, ())]
        write_decisions(connection, self.planner.policy, decisions, now)
        flows = [each for flag in new for each in planned.flows.get(flag.id, ())]
        insert_rows(connection, flow, flows)
        mark("flows")
        inhibition.save(connection, sources)
        _bury(connection, dead, self.runmode or "live", now)
        _advance(connection, self.runmode or "live", places)
        mark("offsets")
        return Taken(len(new), len(decisions), len(flows), len(flags) - len(new), len(dead))


def next_offset(connection: Connection, runmode: str, source: str, partition: int) -> int | None:
    """From where an input goes on, None for one never seen."""
    c = input_offset.c
    query = select(c.next_offset).where(c.runmode == runmode, c.source == source, c.partition == partition)
    found = connection.scalar(query)
    return None if found is None else int(found)


def _known_shas(connection: Connection, flags: Sequence[Flag]) -> dict[tuple[str, str], str]:
    """The bodies of those flags that are in the inbox already."""
    found: dict[tuple[str, str], str] = {}
    c = inbox.c
    for runmode in {flag.runmode for flag in flags}:
        ids = [flag.id for flag in flags if flag.runmode == runmode]
        query = select(c.flag_id, c.body_sha).where(and_(c.runmode == runmode, c.flag_id.in_(ids)))
        found.update({(runmode, id_): sha for id_, sha in connection.execute(query)})
    return found


def _row(flag: Flag, now: int) -> dict[str, Any]:
    event, record = flag.event, flag.record
    return {
        "runmode": flag.runmode, "flag_id": flag.id, "body_sha": flag.sha, "body": flag.text,
        "pattern": flag.pattern, "kind": event["data"]["pattern"].get("kind") or "", "severity": event.get("severity") or "",
        "priority": flag.lane, "subject": event.get("subject") or "", "key": event["partitionkey"],
        "dedupkey": event.get("dedupkey") or "", "correlation_id": event.get("correlationid") or "",
        "traceparent": event.get("traceparent") or "", "application": event["data"].get("application", {}).get("name") or "",
        "time": flag.time, "received_at": now, "expires_at": flag.expires, "topic": record.topic, "partition": record.partition,
        "offset": record.offset,
    }  # fmt: skip


def _conflict(flag: Flag) -> Poison:
    return Poison("conflict", f"flag {flag.id} is known with another body; expected the same or another id", flag.record, flag.id)


def _bury(connection: Connection, dead: Sequence[Poison], runmode: str, now: int) -> None:
    insert_once = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
    for each in dead:
        record = each.record
        headers = {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in record.headers}
        row = {
            "runmode": runmode, "reason": each.reason, "detail": each.detail, "topic": record.topic, "partition": record.partition,
            "offset": record.offset, "headers": orjson.dumps(headers).decode(), "key": record.key, "value": record.value,
            "flag_id": each.flag_id, "received_at": now,
        }  # fmt: skip
        connection.execute(insert_once(dead_letter).values(**row).on_conflict_do_nothing())


def _advance(connection: Connection, runmode: str, places: Sequence[Place]) -> None:
    insert_once = (postgresql if connection.dialect.name == POSTGRESQL else sqlite).insert
    for place in places:
        row = {"runmode": runmode, "source": place.source, "partition": place.partition, "next_offset": place.next_offset}
        statement = insert_once(input_offset).values(**row)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(input_offset.primary_key), set_={"next_offset": statement.excluded.next_offset}
            )
        )
