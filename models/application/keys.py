"""The keys of every section with a line about each: checker, suggestions and the editor's schema read this one table."""

from __future__ import annotations

SECTIONS: dict[str, dict[str, str]] = {
    "application": {
        "tocsin": "version of the language: 1",
        "name": "the application's name",
        "version": "of this application; in every flag",
        "include": "globs of files with any of these sections",
        "connections": "brokers",
        "params": "numbers one may tune",
        "streams": "events in",
        "tables": "changing or static rows to join",
        "features": "facts about an entity as of a moment",
        "scores": "anomaly scores",
        "calendars": "spans of working time",
        "lists": "named sets of values",
        "patterns": "what to flag",
        "flags": "where flags go",
        "storm": "a limit on each pattern's flags",
        "tests": "tests of several patterns",
        "rollups": "",
        "labels": "",
        "respond": "",
        "endpoints": "",
        "inbound": "",
        "teams": "",
    },
    "stream": {
        "from": "a file, files or Kafka topics",
        "format": "json, csv, parquet or debezium",
        "time": "field with event time",
        "lateness": "how far out of order a partition may be",
        "max_ahead": "how far a time may be in the future",
        "id": "field with the event's id",
        "dedup": "drop repeated ids within this time",
        "partitioned_by": "promise: keyed by these",
        "where": "what fails it is dropped",
        "correlation": "header:NAME or a field",
        "join": "tables to read as of the event",
        "fields": "typed fields",
        "derive": "fields computed from a row",
        "before": "full: changes carry whole before-images",
        "snapshot": "include: snapshot rows are events too",
        "max_dead": "share of rows that may be dead",
        "idle_after": "live only",
    },
    "table": {
        "from": "a file, files or a Kafka topic",
        "format": "debezium, json, csv or parquet",
        "key": "field or fields of the key",
        "fields": "typed fields",
        "time": "field with a change's time",
        "lateness": "how far out of order a partition may be",
        "valid_from": "field from which a snapshot row holds",
        "max_dead": "share of rows that may be dead",
        "refresh": "",
        "wait": "live only",
        "heartbeat": "live only",
        "idle_after": "live only",
    },
    "feature": {
        "of": "the stream it learns from",
        "by": "the entity",
        "over": "how far back, or a list of them",
        "where": "which events count",
        "delay": "how old events must be",
        "exclude_current": "leave out the current event",
        "every": "drop whole panes",
        "ttl": "forget a silent key",
        "q": "which quantile",
        "n": "which previous one",
        "skip_null": "take no NULLs",
    },
    "score": {
        "of": "the stream it learns from",
        "by": "the entity",
        "over": "how far back",
        "where": "which events count",
        "delay": "how old events must be",
        "exclude_current": "leave out the current event",
        "min_count": "NULL below it",
        "learn_below": "learn only what scores below",
        "ttl": "forget a silent key",
    },
    "pattern": {
        "on": "the stream",
        "by": "the entity",
        "when": "the condition",
        "guard": "a hit that fails it is no flag",
        "active": "in or not_in a calendar",
        "severity": "info to critical, or a map of conditions",
        "priority": "1 to 3",
        "expires": "how long the flag is of use",
        "title": "text with {values}",
        "evidence": "{last: N}",
        "mode": "live, shadow, part or off",
        "suppress": "cooldown, debounce, batch, limit, per",
        "tests": "inline tests",
        "version": "its whole part is in the flag's type",
        "description": "for people",
        "runbook": "what to do",
        "labels": "names and values",
        "trigger": "each or edge",
        "hold": "3 of 5, or a time",
        "clear": "ends the episode",
        "on_clear": "flag: say that it ended",
        "sequence": "",
        "all": "",
        "any": "",
        "absence": "",
        "enrich": "",
        "within": "",
        "on_timeout": "",
        "after_match": "",
        "emit": "",
        "having": "",
        "max_partial": "",
        "volatile": "",
    },
    "suppress": {
        "cooldown": "silence after a flag",
        "debounce": "one flag a burst",
        "max_wait": "the longest burst",
        "batch": "{over, max}: one flag with all",
        "limit": "{count, over}",
        "per": "another key",
    },
    "calendar": {"tz": "time zone", "hours": "HH:MM-HH:MM", "days": "mon to sun"},
    "list": {
        "file": "one value a line, or a CSV with a header",
        "key": "the CSV's column",
        "values": "the values themselves",
        "type": "of the values",
        "from": "",
        "default_ttl": "",
    },
    "flags": {
        "to": "flags",
        "late": "late events",
        "dead_letters": "rows that could not be read",
        "source_prefix": "of the source",
        "type_prefix": "of the type",
    },
    "param": {"value": "the number", "range": '"LOW..HIGH"', "step": "for tuning"},
}

LATER = {
    "application": frozenset({"rollups", "labels", "respond", "endpoints", "inbound", "teams"}),
    "table": frozenset({"refresh"}),
    "pattern": frozenset({"sequence", "all", "any", "absence", "enrich"}),
    "list": frozenset({"from", "default_ttl"}),
}
"""Keys that the language knows and this version does not do."""
_SEQUENCE_ONLY = frozenset({"within", "on_timeout", "after_match", "emit", "having", "max_partial"})


def not_in_this_version(what: str) -> str:
    """The one sentence about what is recognised and not done."""
    return f"{what} is not in this version"


def known(section: str) -> list[str]:
    """Keys that this version reads."""
    return [key for key, about in SECTIONS[section].items() if about and key not in LATER.get(section, ())]


def only_sequences(key: str) -> bool:
    """Whether a pattern's key has a meaning for sequences alone."""
    return key in _SEQUENCE_ONLY
