"""Random typed expressions, each as the language's text and as DuckDB's, where every step that fails or is infinite gives NULL."""

from __future__ import annotations

import random
from dataclasses import dataclass

from models.values.types import BOOL, DATE, FLOAT, INT, INTERVAL, STRING, TIMESTAMP, Kind, Type, decimal

COLUMNS: dict[str, Type] = {
    "a": INT, "b": INT, "x": FLOAT, "y": FLOAT, "d": decimal(18, 2), "e": decimal(9, 4), "s": STRING, "u": STRING,
    "t": TIMESTAMP, "v": TIMESTAMP, "day": DATE, "p": BOOL, "q": BOOL,
}  # fmt: skip
SQL = {Kind.INT: "BIGINT", Kind.FLOAT: "DOUBLE", Kind.STRING: "VARCHAR", Kind.TIMESTAMP: "BIGINT", Kind.DATE: "BIGINT",
       Kind.BOOL: "BOOLEAN"}  # fmt: skip
PATTERNS = ["a%", "%b", "_", "a_%", "", "%", "ß%", "x\\_y", "%é%"]
PARTS = ["year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "hour", "minute", "second"]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"]


@dataclass(frozen=True)
class Made:
    """One expression: as the language reads it, as DuckDB does, and its type. Moments and spans are microseconds in DuckDB."""

    text: str
    duck: str
    type: Type


class Maker:
    """Makes expressions from dice; ``depth`` bounds how deep they nest."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def any(self, depth: int) -> Made:
        """An expression of any kind."""
        return self.of(self.dice.choice([Kind.BOOL, Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.DECIMAL, Kind.STRING, Kind.INTERVAL]), depth)

    def of(self, kind: Kind, depth: int) -> Made:
        """An expression of a kind."""
        if depth <= 0 or self.dice.random() < 0.15:
            return self._leaf(kind)
        choices = {
            Kind.INT: (self._int, self._int, self._chosen), Kind.FLOAT: (self._float, self._float, self._chosen),
            Kind.DECIMAL: (self._decimal, self._decimal, self._chosen), Kind.STRING: (self._string, self._chosen),
            Kind.BOOL: (self._bool,), Kind.TIMESTAMP: (self._timestamp,), Kind.INTERVAL: (self._interval,),
            Kind.DATE: (self._leaf_date,),
        }[kind]  # fmt: skip
        return self.dice.choice(choices)(kind, depth - 1)

    def _leaf(self, kind: Kind) -> Made:
        columns = [name for name, type_ in COLUMNS.items() if type_.kind is kind]
        if columns and (self.dice.random() < 0.7 or kind is Kind.DATE):
            name = self.dice.choice(columns)
            return Made(name, name, COLUMNS[name])
        match kind:
            case Kind.INT:
                text = str(self.dice.choice([0, 1, 2, 7, 100, 2**31, 2**63 - 1]))
                return Made(text, f"CAST({text} AS BIGINT)", INT)
            case Kind.FLOAT:
                text = self.dice.choice(["1e0", "5e-1", "1e10", "25e-1", "1e308"])
                return Made(text, f"CAST({text} AS DOUBLE)", FLOAT)
            case Kind.DECIMAL:
                text = self.dice.choice(["0.5", "1.25", "0.01", "99999.999", "2.0"])
                scale = len(text.partition(".")[2])
                return Made(text, f"CAST({text} AS DECIMAL(18,{scale}))", decimal(18, scale))
            case Kind.STRING:
                text = self.dice.choice(["a", "", "ß", "İ", "ab", "x_y", "12", "1.5", "é"])
                return Made(f"'{text}'", f"'{text}'", STRING)
            case Kind.INTERVAL:
                unit, size = self.dice.choice([("second", 10**6), ("hour", 3600 * 10**6), ("day", 86400 * 10**6)])
                return Made(f"interval '3' {unit}", f"CAST({3 * size} AS BIGINT)", INTERVAL)
            case Kind.TIMESTAMP:
                return Made("cast('2024-03-31T01:30:00Z' as timestamp)", "CAST(1711848600000000 AS BIGINT)", TIMESTAMP)
        text = self.dice.choice(["true", "false"])
        return Made(text, text, BOOL)

    def _leaf_date(self, kind: Kind, depth: int) -> Made:
        return self._leaf(kind)

    def _int(self, kind: Kind, depth: int) -> Made:
        choice = self.dice.randrange(8)
        if choice < 4:
            a, b, op = self.of(Kind.INT, depth), self.of(Kind.INT, depth), self.dice.choice("+-*%")
            return Made(f"({a.text} {op} {b.text})", f"TRY({a.duck} {op} {b.duck})", INT)
        if choice == 4:
            a = self.of(Kind.INT, depth)
            return Made(f"abs({a.text})", f"TRY(abs({a.duck}))", INT)
        if choice == 5:
            s = self.of(Kind.STRING, depth)
            return Made(f"length({s.text})", f"length({s.duck})", INT)
        if choice == 6:
            inner = self.of(self.dice.choice([Kind.FLOAT, Kind.DECIMAL, Kind.BOOL]), depth)
            return Made(f"cast({inner.text} as int)", f"TRY(CAST({inner.duck} AS BIGINT))", INT)
        t, part, zone = self.of(Kind.TIMESTAMP, depth), self.dice.choice(PARTS), self.dice.choice(ZONES)
        local = f"(make_timestamptz({t.duck}) AT TIME ZONE '{zone}')"
        duck = f"CASE WHEN {_in_range(t.duck)} THEN TRY(extract({part} FROM {local})) END"
        return Made(f"extract({part} from {t.text} at time zone '{zone}')", duck, INT)

    def _float(self, kind: Kind, depth: int) -> Made:
        choice = self.dice.randrange(8)
        if choice < 3:
            a, b, op = self._float_operand(depth), self.of(Kind.FLOAT, depth), self.dice.choice("+-*%")
            if self.dice.random() < 0.5:
                a, b = b, a
            return Made(f"({a.text} {op} {b.text})", _finite(f"CAST({a.duck} AS DOUBLE) {op} CAST({b.duck} AS DOUBLE)"), FLOAT)
        if choice == 3:
            a, b = self._float_operand(depth), self._float_operand(depth)
            return Made(f"({a.text} / {b.text})", _finite(f"CAST({a.duck} AS DOUBLE) / CAST({b.duck} AS DOUBLE)"), FLOAT)
        if choice == 4:
            a, name = self._float_operand(depth), self.dice.choice(["sqrt", "ln", "exp"])
            return Made(f"{name}({a.text})", _finite(f"{name}(CAST({a.duck} AS DOUBLE))"), FLOAT)
        a = self.of(Kind.FLOAT, depth)
        if choice == 5:
            name = self.dice.choice(["abs", "floor", "ceil"])
            return Made(f"{name}({a.text})", _finite(f"{name}({a.duck})"), FLOAT)
        if choice == 6:
            digits = self.dice.choice([0, 1, 2])
            return Made(f"round({a.text}, {digits})", _finite(f"round({a.duck}, {digits})"), FLOAT)
        b = self.of(Kind.INTERVAL, depth)
        return Made(f"seconds({b.text})", f"({b.duck} / 1000000)", FLOAT)

    def _float_operand(self, depth: int) -> Made:
        """A number that every evaluator turns into the same float: decimals beyond 2^53 are left out."""
        return self.of(self.dice.choice([Kind.FLOAT, Kind.INT]), depth)

    def _decimal(self, kind: Kind, depth: int) -> Made:
        choice = self.dice.randrange(6)
        a = self.of(Kind.DECIMAL, depth)
        if choice < 2:
            b, op = self.of(self.dice.choice([Kind.DECIMAL, Kind.INT]), depth), self.dice.choice("+-")
            scale = max(a.type.scale, b.type.scale)
            return Made(f"({a.text} {op} {b.text})", _fits(f"{_wide(a, scale)} {op} {_wide(b, scale)}", scale), decimal(18, scale))
        if choice == 2:
            b = self.of(self.dice.choice([Kind.DECIMAL, Kind.INT]), depth)
            scale = a.type.scale + b.type.scale
            if scale > 18:
                return a
            product = f"CAST({a.duck} AS DECIMAL(18,{a.type.scale})) * CAST({b.duck} AS DECIMAL(20,{b.type.scale}))"
            return Made(f"({a.text} * {b.text})", _fits(product, scale), decimal(18, scale))
        if choice == 3:
            b = self.of(Kind.DECIMAL, depth)
            scale = max(a.type.scale, b.type.scale)
            return Made(f"({a.text} % {b.text})", _fits(f"{_wide(a, scale)} % {_wide(b, scale)}", scale), decimal(18, scale))
        if choice == 4:
            name = self.dice.choice(["abs", "floor", "ceil", "round"])
            return Made(f"{name}({a.text})", _fits(f"{name}({_wide(a, a.type.scale)})", a.type.scale), a.type.required())
        b = self.of(self.dice.choice([Kind.INT, Kind.STRING, Kind.DECIMAL, Kind.FLOAT]), depth)
        return Made(f"cast({b.text} as decimal(12,3))", f"TRY(CAST({b.duck} AS DECIMAL(12,3)))", decimal(12, 3))

    def _string(self, kind: Kind, depth: int) -> Made:
        a = self.of(Kind.STRING, depth)
        choice = self.dice.randrange(5)
        if choice == 0:
            name = self.dice.choice(["lower", "upper", "trim"])
            return Made(f"{name}({a.text})", f"{name}({a.duck})", STRING)
        if choice == 1:
            start, size = self.dice.choice([-2, -1, 0, 1, 2]), self.dice.choice([0, 1, 5])
            return Made(f"substring({a.text}, {start}, {size})", f"substring({a.duck}, {start}, {size})", STRING)
        if choice == 2:
            b = self.of(Kind.STRING, depth)
            return Made(f"concat({a.text}, {b.text})", f"concat({a.duck}, {b.duck})", STRING)
        b = self.of(self.dice.choice([Kind.INT, Kind.BOOL, Kind.FLOAT]), 0)
        return Made(f"cast({b.text} as string)", f"CAST({b.duck} AS VARCHAR)", STRING)

    def _chosen(self, kind: Kind, depth: int) -> Made:
        """Values chosen by what is NULL or holds, all of one type."""
        a, b = self.of(kind, depth), self.of(kind, depth)
        if kind is Kind.DECIMAL and a.type.scale != b.type.scale:
            b = a
        type_ = a.type.required()
        choice = self.dice.randrange(4)
        if choice == 0:
            p = self.of(Kind.BOOL, depth)
            case = "case when {} then {} else {} end"
            return Made(case.format(p.text, a.text, b.text), case.format(p.duck, a.duck, b.duck), type_)
        if choice == 1:
            return Made(f"coalesce({a.text}, {b.text})", f"coalesce({a.duck}, {b.duck})", type_)
        if choice == 2:
            return Made(f"nullif({a.text}, {b.text})", f"nullif({a.duck}, {b.duck})", type_)
        name = self.dice.choice(["greatest", "least"])
        return Made(f"{name}({a.text}, {b.text})", f"{name}({a.duck}, {b.duck})", type_)

    def _timestamp(self, kind: Kind, depth: int) -> Made:
        t, i, op = self.of(Kind.TIMESTAMP, depth), self.of(Kind.INTERVAL, depth), self.dice.choice("+-")
        return Made(f"({t.text} {op} {i.text})", f"TRY({t.duck} {op} {i.duck})", TIMESTAMP)

    def _interval(self, kind: Kind, depth: int) -> Made:
        if self.dice.random() < 0.6:
            t, v = self.of(Kind.TIMESTAMP, depth), self.of(Kind.TIMESTAMP, depth)
            return Made(f"({t.text} - {v.text})", f"TRY({t.duck} - {v.duck})", INTERVAL)
        a, n = self.of(Kind.INTERVAL, depth), self.of(Kind.INT, depth)
        return Made(f"({a.text} * {n.text})", f"TRY({a.duck} * {n.duck})", INTERVAL)

    def _bool(self, kind: Kind, depth: int) -> Made:
        choice = self.dice.randrange(10)
        if choice < 3:
            return self._comparison(depth)
        if choice < 5:
            a, b, op = self.of(Kind.BOOL, depth), self.of(Kind.BOOL, depth), self.dice.choice(["and", "or"])
            return Made(f"({a.text} {op} {b.text})", f"({a.duck} {op} {b.duck})", BOOL)
        if choice == 5:
            a = self.of(Kind.BOOL, depth)
            return Made(f"(not {a.text})", f"(NOT {a.duck})", BOOL)
        if choice == 6:
            a, word = self.of(self.dice.choice(list(SQL)), depth), self.dice.choice(["is null", "is not null"])
            return Made(f"({a.text} {word})", f"({a.duck} {word})", BOOL)
        a = self.of(Kind.STRING, depth)
        if choice == 7:
            pattern, word = self.dice.choice(PATTERNS), self.dice.choice(["like", "not like", "ilike"])
            return Made(f"({a.text} {word} '{pattern}')", f"({a.duck} {word} '{pattern}')", BOOL)
        if choice == 8:
            b, name = self.of(Kind.STRING, depth), self.dice.choice(["starts_with", "ends_with", "contains"])
            return Made(f"{name}({a.text}, {b.text})", f"{name}({a.duck}, {b.duck})", BOOL)
        word = self.dice.choice(["in", "not in"])
        return Made(f"({a.text} {word} ('a', 'ß', '12'))", f"({a.duck} {word} ('a', 'ß', '12'))", BOOL)

    def _comparison(self, depth: int) -> Made:
        kinds = [(Kind.INT, Kind.INT), (Kind.FLOAT, Kind.FLOAT), (Kind.DECIMAL, Kind.DECIMAL), (Kind.DECIMAL, Kind.INT),
                 (Kind.STRING, Kind.STRING), (Kind.TIMESTAMP, Kind.TIMESTAMP), (Kind.INTERVAL, Kind.INTERVAL),
                 (Kind.BOOL, Kind.BOOL), (Kind.DATE, Kind.DATE)]  # fmt: skip
        left, right = self.dice.choice(kinds)
        a, b = self.of(left, depth), self.of(right, depth)
        ducks = [a.duck, b.duck]
        if Kind.DECIMAL in (left, right):
            scale = max(a.type.scale, b.type.scale)
            ducks = [_wide(a, scale), _wide(b, scale)]
        if self.dice.random() < 0.15:
            c = self.of(left, depth)
            third = _wide(c, max(scale, c.type.scale)) if Kind.DECIMAL in (left, right) else c.duck
            return Made(f"({a.text} between {b.text} and {c.text})", f"({ducks[0]} BETWEEN {ducks[1]} AND {third})", BOOL)
        op = self.dice.choice(["=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"])
        return Made(f"({a.text} {op} {b.text})", f"({ducks[0]} {op} {ducks[1]})", BOOL)


def _finite(duck: str) -> str:
    return f"CASE WHEN isfinite(TRY({duck})) THEN TRY({duck}) END"


def _wide(made: Made, scale: int) -> str:
    """A number with room for 18 digits before the point and ``scale`` after it."""
    return f"CAST({made.duck} AS DECIMAL(38,{scale}))"


def _fits(duck: str, scale: int) -> str:
    """A result of at most 18 digits, else NULL."""
    return f"TRY(CAST(TRY({duck}) AS DECIMAL(18,{scale})))"


def _in_range(duck: str) -> str:
    """Moments of years that both calendars know."""
    return f"({duck}) BETWEEN -9000000000000000000 AND 9000000000000000000"
