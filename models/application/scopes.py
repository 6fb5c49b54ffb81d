"""What names mean in a stream's expressions, and in a pattern's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from models.application.resolved.facts import Feature, Score
from models.application.resolved.places import By
from models.application.resolved.sources import Stream, Table
from models.expressions.compile import suggest
from models.expressions.scope import Constant, Symbol, Unknown
from models.values.types import BOOL, FLOAT, NULL, Type

Fact = Feature | Score


@dataclass(slots=True)
class RowScope:
    """Names in an expression over rows of one stream.

    fact: gives a feature or score by name, or None; by: the entity of the pattern that reads (its role is the default); alone: no
    table is read yet.
    """

    stream: Stream
    params: Mapping[str, Constant]
    tables: Mapping[str, Table] = field(default_factory=dict)
    derived: Mapping[str, Type] = field(default_factory=dict)
    fact: Callable[[str], Fact | None] = lambda _: None
    fact_names: Iterable[str] = ()
    patterns: frozenset[str] = frozenset()
    by: By | None = None
    alone: bool = False
    event_reads: set[tuple[str, str]] = field(default_factory=set)

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        """A name's column; one that means two things is an error naming both."""
        named = self._named(parts[0]) if role is None else []
        if len(parts) == 1 and len(named) > 1:
            return Unknown(f"{parts[0]!r} is both {' and '.join(named)}; rename one")
        meanings = {what: symbol for what, symbol in self._meanings(parts, role).items() if symbol is not None}
        if len(meanings) > 1:
            return Unknown(f"{'.'.join(parts)!r} is both {' and '.join(meanings)}; rename one")
        if meanings:
            return next(iter(meanings.values()))
        if self._is_broken(parts):
            return Symbol(".".join(parts), NULL)
        return Unknown(f"{parts[0]!r} is a join; expected {parts[0]}.COLUMN" if named == [f"join {parts[0]}"] else "")

    def param(self, name: str) -> Constant | None:
        """A parameter."""
        return self.params.get(name)

    def _named(self, name: str) -> list[str]:
        """Everything here that bears a name."""
        kinds = {
            "field": self.stream.fields, "derived field": self.derived, "join": self.stream.joins,
            "feature or score": self.fact_names, "pattern": self.patterns,
        }  # fmt: skip
        return [f"{kind} {name}" for kind, names in kinds.items() if name in names]

    def _is_broken(self, parts: tuple[str, ...]) -> bool:
        """Whether the name is that of something whose own mistake is told already."""
        join = self.stream.joins.get(parts[0]) if len(parts) == 2 else None
        return (join is not None and join.table not in self.tables) or (parts[0] in self.fact_names and self.fact(parts[0]) is None)

    def names(self) -> Iterable[str]:
        """Everything that can be named here."""
        joined = [
            f"{j.name}.{c}" for j in self.stream.joins.values() if j.table in self.tables for c in self.tables[j.table].fields
        ]
        return [*self.stream.fields, *self.derived, *joined, *self.fact_names, *self.patterns]

    def _meanings(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> dict[str, Symbol | Unknown | None]:
        name = ".".join(parts)
        if role is not None:
            return {f"feature {parts[0]}": self._fact(parts, role) if (why := self._no_role(parts[0], role)) is None else why}
        return {
            f"field {name}": self._field(name),
            f"comparison {name}": self._compared(name),
            f"derived field {name}": Symbol(name, self.derived[name]) if name in self.derived else None,
            f"join {parts[0]}": self._join(parts),
            f"feature or score {parts[0]}": self._fact(parts, None),
            f"pattern {name}": Symbol(f"pattern:{name}", BOOL) if name in self.patterns else None,
        }

    def _field(self, name: str) -> Symbol | Unknown | None:
        spec = self.stream.fields.get(name)
        before, _, field = name.partition(".")
        if spec is None and before == "before" and field in self.stream.fields and self.stream.format == "debezium":
            return Unknown(f"{name!r} needs whole images: expected before: full at stream {self.stream.name!r}")
        return None if spec is None else Symbol(name, spec.type)

    def _compared(self, name: str) -> Symbol | Unknown | None:
        join = self.stream.compared
        if join is None or not name.startswith("changed(") or name[8:-1] not in join.compares:
            return None
        if self.alone:
            cure = "use it in a pattern, or declare before: full"
            return Unknown(f"{name} compares with table {join.table!r} here, which where comes before: {cure}")
        return Symbol(name, Type(BOOL.kind, optional=True))

    def _join(self, parts: tuple[str, ...]) -> Symbol | None:
        join = self.stream.joins.get(parts[0]) if len(parts) == 2 else None
        table = None if join is None else self.tables.get(join.table)
        if table is None or parts[1] not in table.fields:
            return None
        type_ = table.fields[parts[1]].type
        return Symbol(f"{parts[0]}.{parts[1]}", Type(type_.kind, type_.precision, type_.scale, "", type_.item, optional=True))

    def _fact(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown | None:
        fact = self.fact(parts[0])
        if fact is None or len(parts) > 2:
            return None
        fields = role or self._role(fact)
        if fields is None:
            missing = ", ".join(fact.by.entity)
            return Unknown(
                f"{parts[0]!r} belongs to {missing}, which {self.stream.name!r} does not carry; name its role as {parts[0]}[field]"
            )
        column = f"{fact.name}[{','.join(fields)}]"
        if isinstance(fact, Feature) and fact.event:
            if len(parts) != 2 or parts[1] not in fact.event_types:
                return Unknown(f"{parts[0]!r} is a whole event; expected {parts[0]}.FIELD")
            self.event_reads.add((fact.name, parts[1]))
            return Symbol(f"{column}.{parts[1]}", fact.event_types[parts[1]])
        if len(parts) == 2:
            return None
        return Symbol(column, fact.type if isinstance(fact, Feature) else FLOAT)

    def _no_role(self, name: str, role: tuple[str, ...]) -> Unknown | None:
        """Why these fields cannot play the entity of a fact; None if they can."""
        fact = self.fact(name)
        if fact is None:
            return None
        carried = [*self.stream.fields, *self.derived]
        for field_ in role:
            if field_ not in carried:
                return Unknown(f"unknown field of {self.stream.name} {field_!r} as the role of {name!r}{suggest(field_, carried)}")
        if len(role) != len(fact.by.fields):
            return Unknown(f"{name!r} is by {', '.join(fact.by.entity) or 'nothing'}; found {len(role)} field(s) as its role")
        return None

    def _role(self, fact: Fact) -> tuple[str, ...] | None:
        """The fields of this stream that play the fact's entity: as the pattern says, else as the fact does, else by name."""
        if self.by is not None and self.by.entity == fact.by.entity:
            return self.by.fields
        if fact.of == self.stream.name:
            return fact.by.fields
        carried = {*self.stream.fields, *self.derived}
        return fact.by.entity if set(fact.by.entity) <= carried else None
