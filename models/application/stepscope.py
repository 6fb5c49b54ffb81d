"""What names mean in the conditions of steps: the event's own columns, and events that earlier steps took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from models.application.resolved.places import Position
from models.application.resolved.sources import Stream
from models.application.scopes import RowScope
from models.expressions.scope import Constant, Symbol, Unknown
from models.values.types import FLOAT, INT, Kind, Type, decimal

PREFIX = "step:"
"""How columns that look back begin: ``step:FUNCTION:ARM,…:FIELD:N``."""
_NUMBERS = frozenset({"sum", "avg"})


@dataclass(frozen=True, slots=True)
class Named:
    """A step's name: the arms (with their streams) it stands for, the repeated groups around it, and where it stands."""

    arms: tuple[tuple[str, Stream], ...]
    repeats: tuple[str, ...]
    position: Position
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LookBack:
    """A reading of earlier events: ``function`` of ``field`` over the events that ``arms`` took; last n from the end."""

    function: str
    arms: tuple[str, ...]
    field: str
    n: int

    @property
    def column(self) -> str:
        """Its column."""
        return f"{PREFIX}{self.function}:{','.join(self.arms)}:{self.field}:{self.n}"


def look_back(column: str) -> LookBack:
    """The reading that a column stands for."""
    _, function, arms, rest = column.split(":", 3)
    field, _, n = rest.rpartition(":")
    return LookBack(function, tuple(arms.split(",")), field, int(n))


@dataclass(slots=True)
class StepScope:
    """Names in a step's condition. ``here``: the step that reads and the repeated groups around it; None: the whole match."""

    rows: RowScope | None
    named: Mapping[str, Named]
    params: Mapping[str, Constant]
    here: tuple[str, tuple[str, ...]] | None

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        """A name's column; one that means two things is an error naming both."""
        own = Unknown() if self.rows is None else self.rows.lookup(parts, role)
        if role is not None or len(parts) < 2 or parts[0] not in self.named:
            if len(parts) == 1 and parts[0] in self.named and isinstance(own, Unknown) and not own.why:
                return Unknown(f"{parts[0]!r} is a step; expected {parts[0]}.FIELD or count({parts[0]})")
            return own
        back = self.step("last", parts, 0)
        if isinstance(own, Symbol):
            return Unknown(f"{'.'.join(parts)!r} is both a name of the event and step {parts[0]}; rename one")
        return back

    def param(self, name: str) -> Constant | None:
        """A parameter."""
        return self.params.get(name)

    def names(self) -> Iterable[str]:
        """Everything that can be named here."""
        own = [] if self.rows is None else [*self.rows.names()]
        back = [f"{name}.{field}" for name, step in self.named.items() for _, stream in step.arms for field in _types(stream)]
        return [*own, *back]

    def step(self, function: str, parts: tuple[str, ...], n: int) -> Symbol | Unknown:
        """The column of ``function(step.field)``."""
        name = parts[0]
        why = self._hidden(name)
        if why:
            return Unknown(why)
        arms = self.named[name].arms
        names = tuple(arm for arm, _ in arms)
        if function == "count":
            return Symbol(LookBack("count", names, "", 0).column, INT)
        field = ".".join(parts[1:])
        types = []
        for arm, stream in arms:
            if field not in _types(stream):
                known = ", ".join(name for name in _types(stream) if not name.startswith("__"))
                return Unknown(f"unknown field {field!r} of step {arm}, which stands on {stream.name}; expected one of {known}")
            types.append(_types(stream)[field].required())
        if len({replace(type_, unit="") for type_ in types}) > 1:
            return Unknown(f"{name}.{field} has several types; name one of the steps {', '.join(names)}")
        result = _result(function, types[0])
        if isinstance(result, str):
            return Unknown(f"{result}; found {name}.{field} of {types[0]}")
        return Symbol(LookBack(function, names, field, n).column, result)

    def _hidden(self, name: str) -> str:
        """Why a step cannot be read here."""
        if name not in self.named:
            return f"unknown step {name!r}; expected one of {', '.join(self.named)}"
        target = self.named[name]
        if target.negated:
            return f"step {name!r} is a 'not', which takes no event to look back at"
        if self.here is None or name == self.here[0] or not target.arms:
            return ""
        own = self.named.get(self.here[0])
        mine, theirs = [*self.named].index(self.here[0]) if own else len(self.named), [*self.named].index(name)
        if theirs > mine and not set(self.here[1]) & set(target.repeats):
            return f"step {name!r} comes after {self.here[0]!r}: a condition looks back, never ahead"
        return ""


def _types(stream: Stream) -> dict[str, Type]:
    return {**{name: spec.type for name, spec in stream.fields.items()}, **{n: e.type for n, e in stream.derive.items()}}


def _result(function: str, type_: Type) -> Type | str:
    if function in _NUMBERS and not type_.is_number:
        return f"{function}() takes a number"
    if function in ("min", "max") and type_.kind in (Kind.LIST, Kind.BOOL):
        return f"{function}() takes a value with an order"
    if function == "avg":
        return replace(FLOAT, optional=True)
    if function == "sum" and type_.kind is Kind.DECIMAL:
        return replace(decimal(18, type_.scale), optional=True)
    return replace(type_, optional=True)
