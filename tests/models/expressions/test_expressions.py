"""Expressions: two evaluators and DuckDB agree on every value; problems are named with their place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.expressions.compile import ExpressionError, compile_expression
from models.expressions.facts import Calendar
from models.expressions.scope import Constant, Symbol, Unknown
from models.values.column import column_of
from models.values.types import BOOL, FLOAT, INT, STRING, TIMESTAMP, Type, decimal

TYPES: dict[str, Type] = {"a": INT, "b": INT, "x": FLOAT, "d": decimal(18, 2), "s": STRING, "t": TIMESTAMP, "p": BOOL}
SQL = {"a": "BIGINT", "b": "BIGINT", "x": "DOUBLE", "d": "DECIMAL(18,2)", "s": "VARCHAR", "t": "BIGINT", "p": "BOOLEAN"}


class Scope:
    """The columns above."""

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        return Symbol(parts[0], TYPES[parts[0]]) if parts[0] in TYPES and len(parts) == 1 and role is None else Unknown()

    def param(self, name: str) -> Constant | None:
        return Constant(500, INT) if name == "big" else None

    def names(self) -> Iterable[str]:
        return TYPES


ints = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5))
floats = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False, width=64), st.sampled_from([0.0, -0.0, 0.5, 2.5, -1.5])
)
texts = st.one_of(st.none(), st.sampled_from(["", "a", "ab", "A", "ß", "İ", "ab%", "x_y"]))
rows = st.fixed_dictionaries({
    "a": ints, "b": ints, "x": floats, "d": st.one_of(st.none(), st.integers(-(10**18) + 1, 10**18 - 1), st.integers(-300, 300)),
    "s": texts, "t": st.one_of(st.none(), st.integers(-(10**15), 4 * 10**15)), "p": st.sampled_from([None, True, False]),
})  # fmt: skip

number = st.sampled_from(["a", "b", "1", "2", "-3", "a + b", "a - b", "a * b", "a % b", "abs(b)"])
compare = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
leaf = st.one_of(
    st.builds(lambda x, op, y: f"({x} {op} {y})", number, compare, number),
    st.builds(lambda op, y: f"(x {op} {y})", compare, st.sampled_from(["0", "1.5", "x", "a", "x / 2", "x * x", "x + x"])),
    st.builds(lambda op, y: f"(d {op} {y})", compare, st.sampled_from(["1", "1.25", "d", "d + d", "a"])),
    st.builds(lambda op, y: f"(s {op} {y})", compare, st.sampled_from(["'a'", "s", "'ß'"])),
    st.sampled_from([
        "p", "(s is null)", "(s is not null)", "(a is distinct from b)", "(s like 'a%')", "(s in ('a', 'ab'))", "(a between -1 and b)",
        "(length(s) > 1)", "(coalesce(a, 0) = 0)", "(case when p then a else b end > 0)", "(nullif(a, 1) is null)", "starts_with(s, 'a')",
        "(lower(s) = 'a')", "(greatest(a, b) > 1)", "(round(x, 1) > 0.5)", "(s is not distinct from 'a')", "(not p)",
    ]),
)  # fmt: skip
condition = st.recursive(
    leaf,
    lambda inner: st.builds(
        lambda x, op, y, n: f"({'not ' if n else ''}{x} {op} {y})", inner, st.sampled_from(["and", "or"]), inner, st.booleans()
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(condition, st.lists(rows, min_size=1, max_size=12))
def test_two_evaluators_and_duckdb_agree(text: str, data: list[dict[str, Any]]) -> None:
    """Law 10: by columns = by rows = DuckDB, NULL where DuckDB fails."""
    expression = compile_expression(text, Scope())
    columns = {name: column_of(type_, [row[name] for row in data]) for name, type_ in TYPES.items()}
    by_columns = expression.column(columns, len(data)).to_list()
    assert by_columns == [expression.row(row) for row in data]
    assert by_columns == [_duck(text, row) for row in data]


_connection = duckdb.connect()


def _duck(text: str, row: dict[str, Any]) -> Any:
    """The condition in DuckDB; each subexpression that fails there is NULL here, so failing rows are checked by rows alone."""
    values = {
        name: (
            None
            if row[name] is None
            else f"{row[name] / 100:.2f}"
            if name == "d" and abs(row[name]) < 10**15
            else _unscaled(row[name])
            if name == "d"
            else row[name]
        )
        for name in row
    }
    # An infinite result is NULL in the language; DuckDB keeps it.
    sql = re.sub(r"x [*+] x", lambda found: f"(CASE WHEN isinf({found[0]}) THEN NULL ELSE {found[0]} END)", text)
    # So is a decimal of more than 18 digits, for which DuckDB takes a wider type.
    sql = sql.replace("d + d", "(CASE WHEN abs(d + d) >= 10000000000000000 THEN NULL ELSE d + d END)")
    select = ", ".join(f"CAST(? AS {SQL[name]}) AS {name}" for name in row)
    try:
        found = _connection.execute(f"SELECT {sql} FROM (SELECT {select})", list(values.values())).fetchone()
    except duckdb.Error:
        return compile_expression(text, Scope()).row(row)
    assert found is not None
    return found[0]


def _unscaled(value: int) -> str:
    sign, digits = ("-" if value < 0 else ""), str(abs(value)).rjust(3, "0")
    return f"{sign}{digits[:-2]}.{digits[-2:]}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amout > 1", "unknown name 'amout'"),
        ("s > 1", "cannot compare string with int in 's > 1'"),
        ("lenght(s) = 1", "unknown function lenght (did you mean length?) in 'LENGHT(s)'"),
        ("now() > t", "unknown function now"),
        ("a +", "not an SQL expression"),
        ("round('a')", "round takes decimal or float or int; found string"),
        ("extract(hours from t) = 1", "extract cannot take 'hours' (did you mean hour?)"),
        ("a and p", "expected a condition; found int 'a'"),
        ("in_list(s, 'trusted')", "unknown list 'trusted'"),
        ("$bog > 1", "unknown parameter $bog"),
        ("cast(a as money) = 1", "cast to an unknown type"),
        ("first(step.a) = 1", "first() reads the events of a step, so it stands in a sequence only"),
        ("geo(s).country = 'DE'", "geo() is not in this version"),
        ("greatest(a,, b) > 1", "an argument is missing near ','"),
        ("abs(a,) > 1", "an argument is missing near ')'"),
        ("a in (1,) ", "an argument is missing near ')'"),
        ("p; p", "unexpected ';'"),
        ("p as q", "unexpected 'q'; an expression has no name"),
        ("s[1] = 'a'", "only a feature or score has a role in brackets; 's' is neither"),
    ],
)
def test_problems_are_named(text: str, message: str) -> None:
    """Each mistake has a message of its own."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, Scope())
    assert message in str(caught.value)


@pytest.mark.parametrize("word", ["load", "set", "show", "copy", "describe", "explain", "execute", "insert", "force", "map", "comment"])
def test_words_that_begin_statements_are_names(word: str) -> None:
    """A field may be named like a command: at the beginning, inside, and in a call."""
    column = Symbol(word, INT)

    class Words(Scope):
        def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
            return column if parts == (word,) else Unknown()

    assert compile_expression(f"{word} > 1 and 5 > abs({word})", Words()).row({word: 3}) is True


def test_all_problems_at_once_with_their_places() -> None:
    """Two unknown names are both reported, where they stand."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression("a = 1 and aa = 2 and bb = 3", Scope())
    assert [problem.at for problem in caught.value.problems] == [10, 21]


def test_reasons_are_the_leaves_that_made_it_true() -> None:
    """Of an or only the side that holds is a reason."""
    expression = compile_expression("a > 1 and (b > 100 or s = 'x')", Scope())
    reasons = expression.reasons({"a": 5, "b": 1, "s": "x"})
    assert [(reason.expression, reason.value, reason.threshold) for reason in reasons] == [("a > 1", 5, 1), ("s = 'x'", "x", "x")]


@pytest.mark.parametrize(
    ("text", "row", "value"),
    [
        ("x / 0", {"x": 1.0}, None),
        ("a % 2", {"a": -7}, -1),
        ("round(x)", {"x": 2.5}, 3.0),
        ("a + 1", {"a": 2**63 - 1}, None),
        ("d * 0.03", {"d": 10}, 30),
        ("upper(s)", {"s": "ß"}, "ẞ"),
        ("extract(hour from cast('2024-03-31T01:30:00Z' as timestamp) at time zone 'Europe/Berlin')", {}, 3),
        ("seconds(t - t + interval '2' minute)", {"t": 5}, 120.0),
        ("a > $big", {"a": 501}, True),
        ("round(haversine_km(52.52, 13.405, 48.137, 11.575))", {}, 504.0),
    ],
)
def test_values_at_the_edges(text: str, row: dict[str, Any], value: Any) -> None:
    """What SQL engines differ in comes out as the language says."""
    assert compile_expression(text, Scope()).row(row) == value


@pytest.mark.parametrize("time", [-62_135_596_800_000_000, 253_402_300_799_999_999])
@pytest.mark.parametrize("tz", ["America/New_York", "Asia/Kathmandu"])
def test_calendars_know_the_first_and_the_last_moment(time: int, tz: str) -> None:
    """Local time before year 1 and after year 9999 is local time: on every day of the week, always."""
    assert Calendar("c", tz, 0, 24 * 60, frozenset(range(7))).contains(time)
