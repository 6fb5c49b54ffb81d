"""A hit as a flag: a structured CloudEvent with everything that explains it (contracts: flag)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from models.application.resolved.application import Application
from models.application.resolved.patterns import Pattern
from models.application.resolved.sources import Stream
from models.events.columns import Shows, column_types, shows_of
from models.events.evidence import Evidence
from models.events.facts import Facts
from models.events.hit import Hit
from models.events.ids import FlagIds, canonical_json, sequence, trace_parent
from models.expressions.expression import Expression
from models.expressions.text import time_text, to_json, to_text
from models.values.types import Kind


class FlagBuilder:
    """Builds one pattern's flags. What all of them share is made once."""

    def __init__(self, application: Application, pattern: Pattern, runmode: str = "live") -> None:
        self.application = application
        self.pattern = pattern
        self.stream: Stream = application.stream(pattern.on)
        self.major = int(pattern.version.split(".")[0])
        self.types = column_types(application, self.stream)
        self.shows: dict[str, Shows] = {}
        self.entity = ",".join(pattern.by.entity)
        self.ids = FlagIds(application.name, pattern.name, self.major)
        self.head = {
            "source": f"{application.outputs.source_prefix}/{application.name}/{pattern.name}",
            "type": f"{application.outputs.type_prefix}.{pattern.name}.v{self.major}",
            "dataschema": f"urn:tocsin:schema:flag:v{self.major}",
            "runmode": "shadow" if pattern.mode == "shadow" else runmode,
        }
        fields = pattern.by.fields
        self.plain_key = fields[0] if len(fields) == 1 and self.types[fields[0]].kind is Kind.STRING else None
        self.facts = Facts(application, pattern)
        arms = {} if pattern.sequence is None else {arm.name: arm.when for arm in pattern.sequence.arms()}
        self.conditions: Mapping[str, Expression | None] = arms

    def id(self, hit: Hit, key: Sequence[Any]) -> str:
        """A flag's id alone."""
        return self._id(hit.kind, self._key(key)[0], hit.anchor, hit.deadline)

    def build(self, hit: Hit, key: Sequence[Any], recorded: str) -> dict[str, Any]:
        """The flag of a hit; ``key`` holds the stored values of the pattern's key, ``recorded`` the wall-clock time."""
        text, shown = ("", {}) if hit.kind == "storm" else self._key(key)
        id_ = self._id(hit.kind, text, hit.anchor, hit.deadline)
        event = hit.completing or (hit.evidence[-1] if hit.evidence else None)
        if event is None:
            hit = hit._replace(values={**(hit.values or {}), **dict(zip(self.pattern.by.fields, key, strict=True))})
        severity, head = self.severity(hit), self.head
        time, time_shown = hit.shown_time, time_text(hit.shown_time)
        flag: dict[str, Any] = {
            "specversion": "1.0",
            "id": id_,
            "source": head["source"],
            "type": head["type"],
            "subject": f"{self.entity}/{text}",
            "time": time_shown,
            "datacontenttype": "application/json",
            "dataschema": head["dataschema"],
            "correlationid": correlation(hit) or id_,
            "causationid": id_ if event is None else event.id,
            "traceparent": (event and event.attributes.get("traceparent")) or trace_parent(id_),
            "partitionkey": text,
            "sequence": sequence(time),
            "dedupkey": self._dedup_key(hit, text, id_),
            "severity": severity,
            "priority": self.pattern.priority,
            "ruleset": self.pattern.ruleset,
            "runmode": head["runmode"],
            "recordedtime": recorded,
        }
        if event is not None and event.attributes.get("tracestate"):
            flag["tracestate"] = event.attributes["tracestate"]
        if hit.late:
            flag["latereason"] = hit.late
        if not hit.settled:
            flag["settled"] = False
        if self.pattern.expires is not None:
            flag["expirytime"] = time_text(time + self.pattern.expires)
        flag["data"] = self._data(hit, event, severity, shown, time_shown)
        return flag

    def _key(self, key: Sequence[Any]) -> tuple[str, dict[str, Any]]:
        if self.plain_key is not None:
            return key[0], {self.plain_key: key[0]}
        types = [self.types[name] for name in self.pattern.by.fields]
        shown = [to_json(type_, value) for type_, value in zip(types, key, strict=True)]
        if len(key) == 1:
            text = to_text(types[0], key[0])
        else:
            text = canonical_json(shown) if shown else ""
        return text, dict(zip(self.pattern.by.fields, shown, strict=True))

    def _id(self, kind: str, key: str, anchor: Sequence[Any], deadline: int | None) -> str:
        return self.ids.id(kind, key, anchor, deadline)

    def _dedup_key(self, hit: Hit, key: str, id_: str) -> str:
        """The id that the first hit of the episode would have as a flag."""
        own = (hit.kind, hit.anchor, hit.deadline)
        if not hit.episode or (hit.episode_kind, hit.episode, hit.episode_deadline) == own:
            return id_
        return self._id(hit.episode_kind, key, hit.episode, hit.episode_deadline)

    def severity(self, hit: Hit) -> str:
        """The first level whose condition holds, else medium."""
        for level, condition in self.pattern.severity:
            if condition is None or condition.row(_values(hit)) is True:
                return level
        return "medium"

    def _data(self, hit: Hit, event: Evidence | None, severity: str, key: Mapping[str, Any], time: str) -> dict[str, Any]:
        pattern = self.pattern
        features, scores, enrichment = self.facts.shown(_values(hit))
        return {
            "pattern": {
                "name": pattern.name, "version": pattern.version, "kind": hit.kind, "title": self._title(hit),
                "severity": severity, "labels": dict(pattern.labels), "runbook": pattern.runbook,
                "description": pattern.description,
            },
            "application": {"name": self.application.name, "version": self.application.version},
            "key": key,
            "time": time,
            "window": self._window(hit),
            "steps": steps_of(hit) if pattern.sequence is not None else {},
            "evidence": [self._evidence(each) for each in hit.evidence],
            "evidence_count": hit.evidence_count,
            "evidence_sum": {name: value if type(value) is float else _number(value) for name, value in hit.evidence_sum.items()},
            "repeat": hit.repeat,
            "reasons": self._reasons(hit, event),
            "features": features,
            "scores": scores,
            "enrichment": enrichment,
            "suppressed": hit.suppressed,
            **({"missing": list(hit.missing)} if hit.kind == "timeout" else {}),
        }  # fmt: skip

    def _window(self, hit: Hit) -> dict[str, str]:
        """First and last evidence time; of a key that never spoke, the deadline."""
        first = hit.moment if hit.first is None else hit.first.time
        last = max([event.time for event in hit.evidence], default=hit.moment)
        start = time_text(first)
        return {"start": start, "end": start if first == last else time_text(last)}

    def _title(self, hit: Hit) -> str:
        """The pattern's title; what is no match says first what it is."""
        parts = self.pattern.title.parts
        title = (
            parts[0]
            if len(parts) == 1 and isinstance(parts[0], str)
            else "".join(part if isinstance(part, str) else to_text(part.type, part.row(_values(hit))) for part in parts)
        )
        return title if hit.kind == "match" else f"{hit.kind}: {title}"

    def _reasons(self, hit: Hit, event: Evidence | None) -> list[dict[str, Any]]:
        """The leaves of the condition that made the last event count."""
        sequence = self.pattern.sequence is not None
        condition = self.conditions[hit.anchor[-1][0]] if sequence else self.pattern.when
        if condition is None or event is None or hit.kind in ("cleared", "timeout", "storm"):
            return []
        return [
            {
                "expression": reason.expression,
                "value": to_json(reason.value_type, reason.value),
                "operator": reason.operator,
                "threshold": to_json(reason.threshold_type, reason.threshold),
                "holds": reason.holds,
            }
            for reason in condition.reasons(event.values)
        ]

    def _evidence(self, event: Evidence) -> dict[str, Any]:
        if event.on not in self.shows:
            self.shows[event.on] = shows_of(column_types(self.application, self.application.stream(event.on)))
        shows = self.shows[event.on]
        fields = {
            name: value if (show := shows[name]) is None else show(value) for name, value in event.fields.items() if name in shows
        }
        return {
            "id": event.id, "on": event.on, "topic": event.topic, "partition": event.partition, "offset": event.offset,
            "time": time_text(event.time), "role": event.role, "fields": fields,
        }  # fmt: skip

def steps_of(hit: Hit) -> dict[str, list[str]]:
    """The ids of the events that each step took, in order."""
    steps: dict[str, list[str]] = {}
    for name, id_ in hit.anchor:
        steps.setdefault(name, []).append(id_)
    return steps


def correlation(hit: Hit) -> str:
    """The first contributing event's correlation id, else its id."""
    return "" if hit.first is None else hit.first.correlation or hit.first.id


def _values(hit: Hit) -> Mapping[str, Any]:
    """What title and severity read: as of the deadline, or of the last event."""
    return hit.values if hit.values is not None else (hit.completing or hit.evidence[-1]).values


def _number(value: int | float | Decimal) -> Any:
    if isinstance(value, Decimal) or (isinstance(value, int) and abs(value) > 2**53):
        return str(value)
    return value
