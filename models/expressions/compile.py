"""SQL text to a typed tree: parsed once by sqlglot, every problem with its place in the text."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from models.expressions import arithmetic, coerce
from models.expressions.calls import CALLS
from models.expressions.expression import Expression
from models.expressions.facts import Facts
from models.expressions.grammar import parse
from models.expressions.like import like
from models.expressions.scope import Scope, Unknown
from models.expressions.syntax import Problem, is_call, place_of, syntax_problem
from models.expressions.times import PARTS, UNITS, extractor
from models.expressions.tree import Node
from models.values.types import BOOL, FLOAT, INT, INTERVAL, NULL, STRING, Kind, decimal, parse_type

_STEPS = frozenset({"first", "last", "count", "sum", "avg", "min", "max", "geo"})
_NAMED = {
    exp.Round: "round", exp.Floor: "floor", exp.Ceil: "ceil", exp.Abs: "abs", exp.Sqrt: "sqrt", exp.Ln: "ln", exp.Exp: "exp",
    exp.Pow: "power", exp.Length: "length", exp.Lower: "lower", exp.Upper: "upper", exp.Trim: "trim",
    exp.Substring: "substring", exp.StartsWith: "starts_with", exp.EndsWith: "ends_with", exp.Contains: "contains",
    exp.RegexpLike: "regexp_matches",
}  # fmt: skip
_BINARY = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_COMPARE = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_OTHERS = ("in_list", "in_calendar", "coalesce", "nullif", "greatest", "least", "concat", "extract", "cast", "changed")


class ExpressionError(Exception):
    """An expression that cannot be compiled; ``problems`` holds all that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = list(problems)


def compile_expression(text: str, scope: Scope, facts: Facts | None = None, expect: Kind | None = None) -> Expression:
    """Compile an expression; ``expect`` is the kind that it must give.

    Raises:
        ExpressionError: with every problem found.
    """
    try:
        parsed = parse(text)
    except SqlglotError as error:
        found = getattr(error, "errors", None) or [{}]
        raise ExpressionError([syntax_problem(text, found[0])]) from None
    compiler = _Compiler(scope, facts or Facts(), text)
    root = compiler.visit(parsed)
    if not compiler.problems and expect is not None and root.type.kind not in (expect, Kind.NULL):
        number = expect is Kind.FLOAT and root.type.is_number
        if not number:
            compiler.problems.append(Problem(f"{text!r} gives {root.type.required()}; expected {expect.value}"))
    if compiler.problems:
        raise ExpressionError(compiler.problems)
    return Expression(text, root)


class _Compiler:
    def __init__(self, scope: Scope, facts: Facts, text: str) -> None:
        self.text = text
        self.scope = scope
        self.facts = facts
        self.problems: list[Problem] = []

    def visit(self, node: Any) -> Node:
        """A typed node; after a problem, a NULL that fits everywhere."""
        if isinstance(node, exp.Alias):
            return self._problem(node, f"not an SQL expression: unexpected {node.alias!r}; an expression has no name")
        if isinstance(node, exp.Paren):
            inner = self.visit(node.this)
            return Node(inner.op, inner.type, f"({inner.text})", inner.args, inner.value, inner.function)
        for kinds, handle in (
            (exp.Literal, self._literal), (exp.Boolean, self._boolean), (exp.Null, self._null), (exp.Column, self._column),
            (exp.Dot | exp.Bracket, self._reading), (exp.Placeholder | exp.Parameter, self._param),
            (exp.And | exp.Or, self._connective), (exp.Not, self._not), (exp.Is, self._is),
            (exp.NullSafeEQ | exp.NullSafeNEQ, self._distinct), (exp.Between, self._between), (exp.In, self._in),
            (exp.Like | exp.ILike, self._like), (exp.Case, self._case), (exp.Cast, self._cast), (exp.Neg, self._negate),
            (exp.Interval, self._interval), (exp.Extract, self._extract), (exp.Coalesce, self._coalesce),
            (exp.Nullif, self._nullif), (exp.Greatest | exp.Least, self._extreme), (exp.Concat, self._concat),
        ):  # fmt: skip
            if isinstance(node, kinds):
                return handle(node)
        if type(node) in _COMPARE or type(node) in _BINARY:
            return self._pair(node)
        return self._call(node)

    def _pair(self, node: Any) -> Node:
        told = len(self.problems)
        a, b = self.visit(node.this), self.visit(node.expression)
        if type(node) in _COMPARE:
            made, message = arithmetic.compare(_COMPARE[type(node)], a, b), f"cannot compare {a.type} with {b.type}"
        else:
            op = _BINARY[type(node)]
            made, message = arithmetic.combine(op, a, b), f"{op} is not defined for {a.type} and {b.type}"
        if made is None and len(self.problems) > told:
            return Node("literal", NULL, "")  # what is wrong inside is told already
        return self._made(made, node, message)

    def _problem(self, node: Any, message: str) -> Node:
        self.problems.append(Problem(message, place_of(node, self.text)))
        return Node("literal", NULL, node.sql("duckdb") if isinstance(node, exp.Expression) else "")

    def _made(self, made: Node | None, node: Any, message: str) -> Node:
        return self._problem(node, f"{message} in {node.sql('duckdb')!r}") if made is None else made

    def _condition(self, node: Any) -> Node:
        found = self.visit(node)
        if found.type.kind in (Kind.BOOL, Kind.NULL):
            return found
        return self._problem(node, f"expected a condition; found {found.type.required()} {found.text!r}")

    def _literal(self, node: Any) -> Node:
        text: str = node.this
        if node.is_string:
            return Node("literal", STRING, f"'{text}'", value=text)
        if text.isdigit():
            value = int(text)
            if value < 2**63:
                return Node("literal", INT, text, value=value)
        if "e" not in text.lower() and sum(c.isdigit() for c in text) <= 18:
            number = Decimal(text)
            scale = -int(number.as_tuple().exponent)
            return Node("literal", decimal(18, scale), text, value=int(number.scaleb(scale)))
        return Node("literal", FLOAT, text, value=float(text))

    def _boolean(self, node: Any) -> Node:
        return Node("literal", BOOL, str(bool(node.this)).lower(), value=bool(node.this))

    def _null(self, node: Any) -> Node:
        return Node("literal", NULL, "null")

    def _column(self, node: Any) -> Node:
        parts = tuple(part.name for part in node.parts)
        return self._name(node, parts, None)

    def _reading(self, node: Any) -> Node:
        """``feature[role]`` and ``feature[role].field``."""
        bracket, rest = (node.this, (node.expression.name,)) if isinstance(node, exp.Dot) else (node, ())
        if not isinstance(bracket, exp.Bracket) or not isinstance(bracket.this, exp.Column):
            name = bracket.name.lower() if isinstance(bracket, exp.Anonymous) else ""
            return self._problem(node, "geo() is not in this version" if name == "geo" else f"cannot read {node.sql()!r}")
        role = tuple(column.name for column in bracket.expressions)
        return self._name(node, tuple(part.name for part in bracket.this.parts) + rest, role)

    def _name(self, node: Any, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Node:
        found = self.scope.lookup(parts, role)
        name = ".".join(parts)
        if isinstance(found, Unknown):
            if role is not None and not found.why and not isinstance(self.scope.lookup(parts, None), Unknown):
                return self._problem(node, f"only a feature or score has a role in brackets; {name!r} is neither")
            return self._problem(node, found.why or f"unknown name {name!r}{suggest(name, self.scope.names())}")
        shown = name + (f"[{', '.join(role)}]" if role else "")
        return Node("column", found.type, shown, value=found.column)

    def _param(self, node: Any) -> Node:
        found = self.scope.param(node.name)
        if found is None:
            return self._problem(node, f"unknown parameter ${node.name}")
        return Node("literal", found.type, f"${node.name}", value=found.value)

    def _connective(self, node: Any) -> Node:
        op = "and" if isinstance(node, exp.And) else "or"
        a, b = self._condition(node.this), self._condition(node.expression)
        return Node(op, BOOL, f"{a.text} {op} {b.text}", (a, b))

    def _not(self, node: Any) -> Node:
        if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
            inner = self._is(node.this)
            return Node("not", BOOL, inner.text.replace(" is null", " is not null"), (inner,), function=lambda v: not v)
        inner = self._condition(node.this)
        return Node("not", BOOL, f"not {inner.text}", (inner,), function=lambda value: not value)

    def _is(self, node: Any) -> Node:
        a = self.visit(node.this)
        if isinstance(node.expression, exp.Null):
            return Node("is null", BOOL, f"{a.text} is null", (a,))
        b = self.visit(node.expression)
        return self._made(arithmetic.distinct(a, b, negated=True), node, f"cannot compare {a.type} with {b.type}")

    def _distinct(self, node: Any) -> Node:
        a, b = self.visit(node.this), self.visit(node.expression)
        made = arithmetic.distinct(a, b, negated=isinstance(node, exp.NullSafeEQ))
        return self._made(made, node, f"cannot compare {a.type} with {b.type}")

    def _between(self, node: Any) -> Node:
        value, low, high = self.visit(node.this), self.visit(node.args["low"]), self.visit(node.args["high"])
        least, most = arithmetic.compare(">=", value, low), arithmetic.compare("<=", value, high)
        if least is None or most is None:
            return self._problem(node, f"cannot compare {value.type} with {low.type} and {high.type} in {node.sql()!r}")
        return self._negated(node, Node("and", BOOL, f"{value.text} between {low.text} and {high.text}", (least, most)))

    def _in(self, node: Any) -> Node:
        value = self.visit(node.this)
        found: Node | None = None
        for item in node.expressions:
            equal = self._made(arithmetic.compare("=", value, self.visit(item)), node, f"cannot compare with {value.type}")
            found = equal if found is None else Node("or", BOOL, node.sql("duckdb"), (found, equal))
        if found is None:
            return self._problem(node, f"expected values after in; found none in {node.sql()!r}")
        return self._negated(node, found)

    def _negated(self, node: Any, made: Node) -> Node:
        if not node.args.get("negate"):
            return made
        return Node("not", BOOL, f"not {made.text}", (made,), function=lambda value: not value)

    def _like(self, node: Any) -> Node:
        text, pattern = self.visit(node.this), self.visit(node.expression)
        name = "ilike" if isinstance(node, exp.ILike) else "like"
        if {text.type.kind, pattern.type.kind} - {Kind.STRING, Kind.NULL}:
            return self._problem(node, f"{name} compares strings; found {text.type} and {pattern.type}")
        function = like(ignore_case=name == "ilike")
        return self._negated(node, Node(name, BOOL, f"{text.text} {name} {pattern.text}", (text, pattern), function=function))

    def _case(self, node: Any) -> Node:
        subject = node.args.get("this")
        conditions = [
            self._condition(exp.EQ(this=subject.copy(), expression=each.this)) if subject else self._condition(each.this)
            for each in node.args["ifs"]
        ]
        default = node.args.get("default")
        results = self._alike(node, [*(each.args["true"] for each in node.args["ifs"]), default or exp.Null()])
        args = [arg for pair in zip(conditions, results[:-1], strict=True) for arg in pair]
        return Node("case", results[0].type.required(), node.sql("duckdb"), (*args, results[-1]))

    def _alike(self, node: Any, items: Sequence[Any]) -> list[Node]:
        """All items in one type."""
        nodes = [self.visit(item) for item in items]
        for _ in range(2):
            for i in range(len(nodes) - 1):
                both = coerce.unified(nodes[i], nodes[i + 1], comparing=False)
                if both is None:
                    found = ", ".join(str(each.type.required()) for each in nodes)
                    return [self._problem(node, f"expected values of one type; found {found} in {node.sql()!r}")] * len(nodes)
                nodes[i], nodes[i + 1] = both
            nodes.reverse()
        return nodes

    def _cast(self, node: Any) -> Node:
        value, name = self.visit(node.this), node.to.sql("duckdb").lower().replace("timestamptz", "timestamp")
        name = {
            "varchar": "string",
            "text": "string",
            "boolean": "bool",
            "bigint": "int",
            "double": "float",
            "real": "float",
        }.get(name, name)
        try:
            target = parse_type(name.replace(" ", ""))
        except ValueError as error:
            return self._problem(node, f"cast to an unknown type: {error}")
        if value.op == "literal" and value.type.kind is Kind.STRING and target.kind in (Kind.TIMESTAMP, Kind.DATE):
            made = coerce.unified(value, Node("column", target, ""), comparing=True)
            return self._made(made[0] if made else None, node, f"{value.text} is no {target}")
        return self._made(coerce.cast(value, target), node, f"no cast from {value.type} to {target}")

    def _negate(self, node: Any) -> Node:
        value = self.visit(node.this)
        return self._made(arithmetic.negate(value), node, f"- is not defined for {value.type}")

    def _interval(self, node: Any) -> Node:
        unit = (node.args["unit"].name if node.args.get("unit") else "").lower().rstrip("s")
        text = node.this.name if node.this is not None else ""
        if unit not in UNITS or not text.lstrip("-").isdigit():
            return self._problem(node, f"expected interval 'N' with one of {', '.join(UNITS)}; found {node.sql()!r}")
        return Node("literal", INTERVAL, f"interval '{text}' {unit}", value=int(text) * UNITS[unit])

    def _extract(self, node: Any) -> Node:
        part, inner, zone = node.this.name.lower(), node.expression, "UTC"
        if isinstance(inner, exp.AtTimeZone):
            zone, inner = inner.args["zone"].name, inner.this
        value = self.visit(inner)
        if part not in PARTS:
            return self._problem(node, f"extract cannot take {part!r}{suggest(part, PARTS)}; expected one of {', '.join(PARTS)}")
        if value.type.kind not in (Kind.TIMESTAMP, Kind.DATE, Kind.NULL):
            return self._problem(node, f"extract takes a timestamp or date; found {value.type}")
        try:
            function = extractor(part, zone)
        except (KeyError, ValueError, OSError):
            return self._problem(node, f"unknown time zone {zone!r}")
        moment = value if value.type.kind is Kind.NULL else coerce.to_timestamp(value)
        return Node("extract", INT, node.sql("duckdb"), (moment,), value=f"{part} {zone}", function=function)

    def _coalesce(self, node: Any) -> Node:
        args = self._alike(node, [node.this, *node.expressions])
        return Node("coalesce", args[0].type.required(), node.sql("duckdb"), tuple(args))

    def _nullif(self, node: Any) -> Node:
        a, b = self.visit(node.this), self.visit(node.expression)
        equal = self._made(arithmetic.compare("=", a, b), node, f"cannot compare {a.type} with {b.type}")
        null = Node("literal", a.type, "null")
        return Node("case", a.type.required(), node.sql("duckdb"), (equal, null, a))

    def _extreme(self, node: Any) -> Node:
        args = self._alike(node, [node.this, *node.expressions])
        op = "greatest" if isinstance(node, exp.Greatest) else "least"
        return Node(op, args[0].type.required(), node.sql("duckdb"), tuple(args))

    def _concat(self, node: Any) -> Node:
        args = [self.visit(item) for item in node.expressions]
        texts = [arg if arg.type.kind in (Kind.STRING, Kind.NULL) else coerce.cast(arg, STRING) for arg in args]
        return Node("concat", STRING, node.sql("duckdb"), tuple(text for text in texts if text is not None))

    def _look_back(self, node: Any, name: str) -> Node:
        """``first(step.field)``, ``last(step.field, n)``, ``count(step)`` …: events that an earlier step took."""
        if name == "geo":
            return self._problem(node, "geo() is not in this version")
        step = getattr(self.scope, "step", None)
        if step is None:
            return self._problem(node, f"{name}() reads the events of a step, so it stands in a sequence only")
        given, offset = node.this, node.args.get("expression")
        parts = tuple(part.name for part in given.parts) if isinstance(given, exp.Column) else ()
        if (len(parts) == 1) != (name == "count") or not parts or (offset is not None and (name != "last" or not offset.is_int)):
            form = "count(STEP)" if name == "count" else "last(STEP.FIELD, N)" if name == "last" else f"{name}(STEP.FIELD)"
            return self._problem(node, f"expected {form}; found {node.sql('duckdb')!r}")
        found = step(name, parts, 0 if offset is None else int(offset.name))
        if isinstance(found, Unknown):
            return self._problem(node, found.why)
        return Node("column", found.type, node.sql("duckdb").lower(), value=found.column)

    def _call(self, node: Any) -> Node:
        name = _NAMED.get(type(node)) or (node.name.lower() if isinstance(node, exp.Anonymous) else type(node).__name__.lower())
        if name in ("in_list", "in_calendar"):
            return self._fact(node, name)
        if name == "changed":
            return self._name(node, (f"changed({node.expressions[0].name})",), None)
        if name in _STEPS:
            return self._look_back(node, name)
        call = CALLS.get(name)
        if call is None:
            known = [*CALLS, *_OTHERS]
            if not is_call(node, self.text):
                return self._problem(node, f"{node.sql('duckdb')!r} is not part of the language")
            return self._problem(node, f"unknown function {name}{suggest(name, known)} in {node.sql()!r}")
        given = node.expressions if isinstance(node, exp.Anonymous) else list(node.iter_expressions())
        args = [self.visit(each) for each in given]
        if not call.least <= len(args) <= len(call.kinds):
            return self._problem(node, f"{name} takes {call.least} to {len(call.kinds)} arguments; found {len(args)}")
        for arg, kinds in zip(args, call.kinds, strict=False):
            if arg.type.kind is not Kind.NULL and arg.type.kind not in kinds:
                wanted = " or ".join(sorted(kind.value for kind in kinds))
                return self._problem(node, f"{name} takes {wanted}; found {arg.type.required()} {arg.text!r}")
        types = [arg.type for arg in args]
        return Node(name, call.result(types), node.sql("duckdb").lower(), tuple(args), function=call.make(types))

    def _fact(self, node: Any, name: str) -> Node:
        if len(node.expressions) != 2 or not isinstance(node.expressions[1], exp.Literal):
            return self._problem(node, f"expected {name}(value, 'name'); found {node.sql('duckdb', normalize_functions='lower')!r}")
        value, wanted = self.visit(node.expressions[0]), node.expressions[1].name
        text = node.sql("duckdb").lower()
        known: Any = self.facts.lists if name == "in_list" else self.facts.calendars
        if wanted not in known:
            return self._problem(node, f"unknown {name[3:]} {wanted!r}{suggest(wanted, known)}")
        fact: Any = known[wanted]
        if name == "in_calendar":
            if value.type.kind not in (Kind.TIMESTAMP, Kind.NULL):
                return self._problem(node, f"in_calendar takes a timestamp; found {value.type}")
            return Node(name, BOOL, text, (value,), value=wanted, function=fact.contains)
        values = fact.values
        return Node(name, BOOL, text, (value,), value=f"{wanted} {fact.sha256}", function=lambda item: item in values)


def suggest(name: str, known: Any) -> str:
    """Say ``(did you mean …?)`` where a known name is near."""
    near = difflib.get_close_matches(name, [*known], 1, 0.6)
    return f" (did you mean {near[0]}?)" if near else ""
