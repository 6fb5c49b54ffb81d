"""The ledger's tables, one statement set for SQLite and PostgreSQL.

Times are microseconds since 1970 UTC, money is in billionths of its currency (``nano``), JSON is text. ``runmode`` keeps replays
apart from live rows. A flow's id is the id of the decision in which it ends. What is claimed (flow, effect) has ``due_at``,
``owner``, ``fence`` and ``lease_until``; a change to it names owner and fence, so that one who lost the lease changes nothing.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()


def _text(name: str, default: str | None = "", *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=default is None and not key, server_default=None if key else default)


def _big(name: str, default: int | None = 0, *, key: bool = False) -> Column[int]:
    given, nullable = None if key or default is None else text(str(default)), default is None and not key
    return Column(name, BigInteger, primary_key=key, autoincrement=False, nullable=nullable, server_default=given)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _serial(name: str) -> Column[int]:
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _lease() -> tuple[Column[int], Column[str], Column[int], Column[int]]:
    return _big("due_at"), _text("owner"), _big("fence"), _big("lease_until")


def _open(table: str, *columns: str) -> Index:
    """An index of what is still to be done alone: what is done costs it nothing."""
    where = text("open")
    return Index(f"{table}_open", *columns, sqlite_where=where, postgresql_where=where)


inbox = Table(
    "inbox", metadata, _text("runmode", key=True), _text("flag_id", key=True),
    _text("body_sha"), _text("body", None), _text("pattern"), _text("kind"), _text("severity"), _big("priority", 2),
    _text("subject"), _text("key"), _text("dedupkey"), _text("correlation_id"), _text("traceparent"), _text("application"),
    _big("time"), _big("received_at"), _big("expires_at", None), _text("topic"), _big("partition"), _big("offset"),
    Index("inbox_received", "received_at"), Index("inbox_subject", "subject"),
)  # fmt: skip
"""Every flag once. ``body``: structured CloudEvents JSON, None once erased or pruned; ``body_sha`` stays."""

input_offset = Table(
    "input_offset", metadata, _text("runmode", key=True), _text("source", key=True), _big("partition", key=True),
    _big("next_offset"),
)  # fmt: skip
"""What of each input is in the inbox. ``source``: topic, or a file's path and first bytes' hash."""

flow = Table(
    "flow", metadata, _text("id", key=True), _text("runmode"), _text("flag_id"), _text("responder"), _text("pattern"),
    _text("subject"), _text("stage"), Column("open", Boolean, nullable=False, server_default=text("true")), _big("lane", 2),
    _big("entered_at"), *_lease(), _big("deadline_at", None), _big("attempts"), _text("policy_version"), _text("trail", "[]"),
    _text("state", "{}"), _text("parked"), _text("traceparent"), _big("updated_at"), _open("flow", "stage", "lane", "due_at"),
    Index("flow_flag", "runmode", "flag_id"),
)  # fmt: skip
"""A flag that the rules did not decide. ``trail``: outcomes of tiers so far (JSON list); ``state``: what its stage keeps (JSON);
``parked``: why nobody works on it (an unknown stage), else empty."""

decision = Table(
    "decision", metadata, _text("id", key=True), _text("runmode"), _text("flag_id"), _text("responder"), _big("revision"),
    _text("verdict"), _text("tier"), _text("pattern"), _text("subject"), _text("body", None), _text("policy_version"),
    _big("tokens_in"), _big("tokens_out"), _big("cost_nano"), _text("currency"), _big("decided_at"), _text("supersedes", None),
    _text("traceparent"), Index("decision_flag", "runmode", "flag_id"), Index("decision_decided", "decided_at"),
)  # fmt: skip
"""What was decided, once each. ``body``: the decision as contracts say, without the effects' present state."""

effect = Table(
    "effect", metadata, _text("key", key=True), _text("runmode"), _text("decision_id"), _text("flag_id"), _text("responder"),
    _text("action"), _text("kind"), _text("target"), _big("seq"), _text("undo", None), _text("undoes", None),
    _text("state", "ready"), Column("open", Boolean, nullable=False, server_default=text("true")), _big("lane", 2), *_lease(),
    _big("attempts"), _big("created_at"), _big("first_sent_at", None), _big("done_at", None), _big("status", None),
    _text("error"), _text("body", None), _text("traceparent"), _open("effect", "kind", "lane", "due_at"),
    Index("effect_decision", "decision_id"),
)  # fmt: skip
"""The outbox. ``state``: waiting (a lower seq of the decision is not done), ready, done, dead, cancelled, parked, silenced;
``open``: waiting or ready; ``undo``: the compensating action (JSON) or None; ``undoes``: key of the effect that this one undoes;
``body``: what is sent where that is not the decision itself."""

attempt = Table(
    "attempt", metadata, _serial("id"), _text("effect_key"), _big("number"), _big("at"), _text("outcome"), _big("status", None),
    _big("took"), _text("detail"), Index("attempt_effect", "effect_key"),
)  # fmt: skip
"""Each try of an effect: outcome is a name (ok, refused, timeout, tls, dns, private_address, redirect, gone, throttled, failed)."""

llm_call = Table(
    "llm_call", metadata, _text("id", key=True), _text("runmode"), _text("flow_id"), _big("number"), _text("purpose", "ask"),
    _text("state", "calling"), _text("outcome"), _text("endpoint"), _text("model"), _text("model_returned"),
    _text("params", "{}"), _text("prompt_sha"), _text("schema_sha"), _text("request_sha"), _text("response_sha"),
    _text("finish_reason"), _text("fingerprint"), _text("price_version"), _text("currency"), _big("reserved_nano"),
    _text("reservations", "[]"), _big("tokens_in"), _big("tokens_out"), _big("cost_nano"), _flag("cached"), _text("owner"),
    _big("started_at"), _big("finished_at", None), _text("error"), _text("traceparent"),
    Index("llm_call_flow", "flow_id", "number", unique=True), Index("llm_call_request", "request_sha"),
)  # fmt: skip
"""A call of a model: written as ``calling`` before it is made, then ``answered`` or ``failed``; one found ``calling`` by a new
owner becomes ``ambiguous`` and stays spent. ``reservations``: [scope, window, nano or count] of what was reserved (JSON)."""

blob = Table(
    "blob", metadata, _text("sha", key=True), _text("kind"), _text("body"), _big("created_at"), Index("blob_created", "created_at"),
)  # fmt: skip
"""Bodies by their sha256: prompts, schemas, masked requests, raw answers."""

mask = Table(
    "mask", metadata, _text("flow_id", key=True), _text("subject"), Column("sealed", LargeBinary, nullable=False),
    _big("created_at"), Index("mask_subject", "subject"), Index("mask_created", "created_at"),
)  # fmt: skip
"""What masked tokens stand for, encrypted."""

budget = Table(
    "budget", metadata, _text("runmode", key=True), _text("scope", key=True), _big("window", key=True), _text("unit"),
    _big("ends_at"), _big("total"), _big("remaining"), _big("updated_at"),
)  # fmt: skip
"""What may still be spent of a scope in the window that begins at ``window``; unit: nano of a currency, or calls, or tokens."""

bucket = Table("bucket", metadata, _text("name", key=True), Column("level", Float, nullable=False), _big("at"))
"""Token buckets of rate limits that replicas share."""

task = Table(
    "task", metadata, _text("id", key=True), _text("runmode"), _text("flow_id"), _text("flag_id"), _text("responder"),
    _text("pattern"), _text("subject"), _text("severity"), _big("priority", 2), _text("state", "open"), _big("version", 1),
    _big("level"), _text("team"), _text("assignee"), _text("verdicts", "[]"), _text("context", "{}"), _big("opened_at"),
    _big("warn_at", None), _big("due_at", None), _flag("warned"), _text("verdict"), _text("answered_by"),
    _big("answered_at", None), _text("note"), _text("reason"), Index("task_flow", "flow_id"),
    Index("task_state", "state", "due_at"),
)  # fmt: skip
"""A question to people. ``state``: open, answered, expired, cancelled; ``version`` grows with every change and is the ETag."""

audit = Table(
    "audit", metadata, _text("chain", key=True), _big("seq", key=True), _text("kind"), _text("ref"), _text("flag_id"),
    _big("at"), _text("body"), _text("prev_hash"), _text("hash"), Index("audit_flag", "flag_id"),
)  # fmt: skip
"""Hash-chained records; ``hash`` covers all other columns. ``body`` is canonical JSON of masked forms."""

audit_head = Table("audit_head", metadata, _text("chain", key=True), _big("seq"), _text("hash"))
"""The last record of each chain; updating it is the lock for appending."""

silence = Table(
    "silence", metadata, _text("id", key=True), _text("matchers"), _big("starts_at"), _big("until"), _text("author"),
    _text("comment"), _big("created_at"), _big("expired_at", None), Index("silence_until", "until"),
)  # fmt: skip
"""``matchers``: a condition over a flag, in the language of routes."""

inhibition = Table(
    "inhibition", metadata, _text("runmode", key=True), _text("rule", key=True), _text("equal", key=True),
    _text("dedupkey", key=True), _text("flag_id"), _big("since"), _big("until", None),
)  # fmt: skip
"""Sources that inhibit now: from their flag until their episode ends. ``equal``: the values that targets must share (JSON)."""

endpoint = Table(
    "endpoint", metadata, _text("name", key=True), _text("state", "enabled"), _text("reason"), _big("failing_since", None),
    _big("last_ok_at", None), _big("changed_at"), _text("changed_by"),
)  # fmt: skip
"""``state``: enabled or disabled."""

dead_letter = Table(
    "dead_letter", metadata, _serial("id"), _text("runmode"), _text("reason"), _text("detail"), _text("topic"),
    _big("partition"), _big("offset"), _text("headers", "{}"), Column("key", LargeBinary, nullable=True),
    Column("value", LargeBinary, nullable=True), _text("flag_id"), _big("received_at"), _big("replayed_at", None),
    Index("dead_letter_place", "runmode", "topic", "partition", "offset", "reason", unique=True),
)  # fmt: skip
"""Flags that could not be taken, with their original bytes: syntax, encoding, missing, type, envelope, conflict (an id with another
body)."""

leader = Table("leader", metadata, _text("name", key=True), _text("owner"), _big("fence"), _big("lease_until"))
"""Work that one process at a time does: pruning, early warnings."""

policy = Table(
    "policy", metadata, _text("version", key=True), _text("application"), _text("text"), _big("since"), _text("models", "{}"),
)  # fmt: skip
"""The responder's policy by its version (sha256[:12] of the resolved text), as it was when it first decided."""

TABLES = tuple(metadata.sorted_tables)
