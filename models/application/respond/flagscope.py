"""What names mean in an expression over flags: routes, inhibition, rules, silences, a model's fields.

``severity``, ``pattern`` (its name), ``key.F``, ``labels.L``, ``scores.S`` (its value), ``features.F``, ``enrichment.JOIN.COLUMN``,
``evidence_sum.F`` …; any other bare name is a field of the newest piece of evidence that has it, or of the key. Types are those of
the application's patterns; a flag without a value, or with one of another type, reads as NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from models.application.resolved.application import Application
from models.application.resolved.patterns import Pattern
from models.events.columns import column_types
from models.expressions.scope import Constant, Symbol, Unknown
from models.values.types import FLOAT, INT, NULL, STRING, TIMESTAMP, Kind, Type, decimal

_PLAIN = {
    "pattern": STRING, "version": STRING, "kind": STRING, "title": STRING, "severity": STRING, "priority": INT,
    "application": STRING, "subject": STRING, "runmode": STRING, "dedupkey": STRING, "time": TIMESTAMP,
    "evidence_count": INT, "repeat": INT, "suppressed": INT,
}  # fmt: skip
WHOLE = frozenset({"steps", "reasons", "evidence", "window", "features", "scores", "enrichment", "key", "labels", "evidence_sum"})
"""Parts of a flag that a model may be shown whole."""
_MIXED = "is of different types in different patterns"


@dataclass(frozen=True, slots=True)
class FlagName:
    """A name of the scope: its column (``text``, dotted) and type; a whole part of the flag has the type None."""

    text: str
    type: Type | None


@dataclass(slots=True)
class FlagScope:
    """Resolves names over flags of an application's patterns; a lenient one knows them all, where what is wrong is told already."""

    types: Mapping[str, Type | str]
    params: Mapping[str, Constant] = field(default_factory=dict)
    lenient: bool = False

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        """A name's column."""
        name = ".".join(parts)
        if role is not None:
            name = f"{parts[0]}[{','.join(role)}]" + "".join(f".{part}" for part in parts[1:])
        if parts[0] == "labels" and len(parts) == 2 and name not in self.types:
            return Symbol(name, replace(STRING, optional=True))
        found = self.types.get(name)
        if isinstance(found, str):
            return Unknown(found)
        if found is None:
            if self.lenient:
                return Symbol(name, NULL)
            return Unknown(f"{name!r} is a part of the flag; expected one of its values" if name in WHOLE else "")
        return Symbol(name, found)

    def param(self, name: str) -> Constant | None:
        """A parameter."""
        return self.params.get(name)

    def names(self) -> Iterable[str]:
        """Everything that can be named."""
        return self.types.keys()

    def part(self, name: str) -> FlagName | None:
        """What a model may be shown, or None: a value, or a whole part."""
        if name in WHOLE:
            return FlagName(name, None)
        found = self.types.get(name, NULL if self.lenient else None)
        if isinstance(found, Type):
            return FlagName(name, found)
        return FlagName(name, replace(STRING, optional=True)) if name.startswith("labels.") else None


def flag_scope(application: Application, params: Mapping[str, Constant]) -> FlagScope:
    """The scope over flags of all patterns of an application."""
    found: dict[str, Type | str] = {}
    for pattern in application.patterns.values():
        for name, type_ in _of_pattern(application, pattern).items():
            found[name] = _both(name, found.get(name), replace(type_, optional=True))
    return FlagScope({**found, **_PLAIN}, params)


def _of_pattern(application: Application, pattern: Pattern) -> dict[str, Type]:
    own = column_types(application, application.stream(pattern.on))
    found: dict[str, Type] = {f"key.{name}": own[name] for name in pattern.by.fields if name in own}
    for stream in sorted(pattern.streams):
        types = column_types(application, application.stream(stream))
        found.update({name: type_ for name, type_ in types.items() if "." not in name})
        found.update({f"enrichment.{name}": type_ for name, type_ in types.items() if "." in name})
    found.update({f"evidence_sum.{name}": _summed(type_) for name, type_ in found.items() if "." not in name and type_.is_number})
    found.update({f"scores.{name}": FLOAT for name in application.scores})
    found.update({f"labels.{name}": STRING for name in pattern.labels})
    for feature in application.features.values():
        names = {f".{name}": type_ for name, type_ in feature.event_types.items()} if feature.event else {"": feature.type}
        found.update({f"features.{feature.name}{name}": type_ for name, type_ in names.items()})
    return found


def _summed(type_: Type) -> Type:
    return decimal(18, type_.scale) if type_.kind is Kind.DECIMAL else type_


def _both(name: str, known: Type | str | None, more: Type) -> Type | str:
    """One type for a name of several patterns: numbers meet, all else must agree."""
    if known is None or known == more:
        return more
    if isinstance(known, str):
        return known
    if known.kind is more.kind and known.kind is not Kind.DECIMAL:
        return replace(known, unit="")
    if not (known.is_number and more.is_number):
        return f"{name!r} {_MIXED}: {known.required()} and {more.required()}; expected a name that means one thing"
    if Kind.FLOAT in (known.kind, more.kind):
        return replace(FLOAT, optional=True)
    return replace(decimal(18, max(known.scale, more.scale)), optional=True)
