"""Law 10: generated expressions on extreme rows: by columns = by rows = DuckDB."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.expressions.compile import compile_expression
from models.expressions.scope import Constant, Symbol, Unknown
from models.values.column import column_of
from models.values.types import Kind, Type, parse_type
from tests.laws.worlds import examples
from tests.models.expressions.generated import COLUMNS, SQL, Made, Maker

ROWS = 30
EXTREME: dict[Kind, list[Any]] = {
    Kind.INT: [0, 1, -1, 2, -7, 10, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 10**16, -(10**16), 123_456_789_012_345_678],
    Kind.FLOAT: [0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 0.1, 0.285, 1e308, -1e308, 5e-324, 1e16, 9007199254740993.0, 3.0],
    Kind.STRING: ["", "a", "ab", "A", "ß", "İ", "ab%", "x_y", " a ", "é", "12", "-1.5", "b", "a\U0001f600b", "true"],
    Kind.TIMESTAMP: [0, 1, -1, 1_711_846_799_999_999, 1_711_846_800_000_000, 1_729_990_800_000_000, 1_730_000_000_000_000,
                     -62_135_596_800_000_000, 253_402_300_799_999_999, 951_782_400_000_000],
    Kind.DATE: [0, -1, 19_813, 11_016],
    Kind.BOOL: [True, False],
}  # fmt: skip
DECIMALS = {"d": [0, 1, -1, 50, -50, 125, 150, 250, 10**18 - 1, -(10**18) + 1, 10**17, 12_345],
            "e": [0, 5_000, -5_000, 12_500, 10**9 - 1, -(10**9) + 1, 1, 20_000]}  # fmt: skip


class Scope:
    """The generated columns."""

    def lookup(self, parts: tuple[str, ...], role: tuple[str, ...] | None) -> Symbol | Unknown:
        return Symbol(parts[0], COLUMNS[parts[0]]) if parts[0] in COLUMNS else Unknown()

    def param(self, name: str) -> Constant | None:
        return None

    def names(self) -> Iterable[str]:
        return COLUMNS


def extreme_rows(dice: random.Random) -> list[dict[str, Any]]:
    """Rows of edges, NULLs, and some values between them."""
    return [{name: _value(dice, name, type_) for name, type_ in COLUMNS.items()} for _ in range(ROWS)]


def _value(dice: random.Random, name: str, type_: Type) -> Any:
    if dice.random() < 0.1:
        return None
    return dice.choice(DECIMALS[name] if type_.kind is Kind.DECIMAL else EXTREME[type_.kind])


CONNECTION = duckdb.connect()
CONNECTION.execute("SET TimeZone = 'UTC'")


def by_duckdb(made: list[Made], data: list[dict[str, Any]]) -> list[list[Any]]:
    """Each expression over all rows, in DuckDB."""
    arrays = {name: _array(type_, [row[name] for row in data]) for name, type_ in COLUMNS.items()}
    rows = pa.table(arrays)  # noqa: F841 (DuckDB finds the table by its name)
    shown = ", ".join(f"{each.duck} AS c{place}" for place, each in enumerate(made))
    found = CONNECTION.execute(f"SELECT {shown} FROM (SELECT * FROM rows)").fetchall()
    return [[_stored(each.type, row[place]) for row in found] for place, each in enumerate(made)]


def _array(type_: Type, values: list[Any]) -> pa.Array:
    if type_.kind is Kind.DECIMAL:
        texts = [None if value is None else Decimal(value).scaleb(-type_.scale) for value in values]
        return pa.array(texts, pa.decimal128(type_.precision, type_.scale))
    kinds = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "VARCHAR": pa.string(), "BOOLEAN": pa.bool_()}
    return pa.array(values, kinds[SQL[type_.kind]])


def _stored(type_: Type, value: Any) -> Any:
    return int(value.scaleb(type_.scale)) if isinstance(value, Decimal) else value


def same(type_: Type, a: Any, b: Any) -> bool:
    """Equal; floats but for what mathematical libraries differ in."""
    if type_.kind is Kind.FLOAT and a is not None and b is not None:
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=0.0)
    return bool(a == b)


@settings(max_examples=examples(40))
@given(st.integers(0, 2**31))
def test_by_columns_by_rows_and_duckdb_agree(seed: int) -> None:
    """Twelve expressions on thirty rows."""
    maker, dice = Maker(seed), random.Random(seed)
    made = [maker.any(3) for _ in range(12)]
    data = extreme_rows(dice)
    columns = {name: column_of(type_, [row[name] for row in data]) for name, type_ in COLUMNS.items()}
    expected = by_duckdb(made, data)
    for each, wanted in zip(made, expected, strict=True):
        expression = compile_expression(each.text, Scope())
        by_columns = expression.column(columns, len(data)).to_list()
        by_rows = [expression.row(row) for row in data]
        for row, values in enumerate(zip(by_columns, by_rows, wanted, strict=True)):
            used = {name: data[row][name] for name in expression.reads}
            assert repr(values[0]) == repr(values[1]), f"by columns {values[0]!r}, by rows {values[1]!r}: {each.text} at {used}"
            assert same(each.type, values[1], values[2]), f"{values[1]!r}, DuckDB {values[2]!r}: {each.text} at {used}"


NUMBERS = ["12", "1.5", "2.5", "-2.5", "1e3", " 7 ", "1_000", "nan", "inf", "+5", ".5", "5.", "9223372036854775808", "1.2345",
           "9223372036854775807.4", "-9223372036854775808", "", "999999999.9994", "999999999.9996", "1e400", "--1", "1e", "１２",
           "t", "T", "FALSE", "true ", "yes", "N", "on", "1", "0"]  # fmt: skip
MOMENTS = ["2024-02-30", "2024-1-5", "2024-03-31T01:30:00+02:00", "2024-03-31 01:30", "2024-03-31", "2024-03-31T01:30:00Z",
           "2024-03-31T01:30:00.123456789Z", "20240331", "2024-W01-1", "2024-03-31T25:00:00", "0001-01-01", "9999-12-31 23:59:59.999999",
           "2024-03-31 01:30:00 UTC", "2024-03-31T01:30:00+0200", "2024-03-31 24:00:00", "2024-03-31T01", "2024-03-31 01:30:60",
           "x", ""]  # fmt: skip


@pytest.mark.parametrize("target", ["int", "float", "decimal(12,3)", "bool", "date", "timestamp"])
def test_text_is_read_as_duckdb_reads_it(target: str) -> None:
    """Casts of text: what is no number or moment, or does not fit, is NULL; so is what is infinite."""
    type_ = parse_type(target)
    expression = compile_expression(f"cast(s as {target})", Scope())
    for text in MOMENTS if target in ("date", "timestamp") else NUMBERS:
        names = {Kind.INT: "BIGINT", Kind.FLOAT: "DOUBLE", Kind.BOOL: "BOOLEAN", Kind.TIMESTAMP: "TIMESTAMPTZ"}
        cast = f"TRY(CAST(? AS {names.get(type_.kind, target)}))"
        shown = {"date": f"({cast} - DATE '1970-01-01')", "timestamp": f"epoch_us({cast})"}.get(target, cast)
        found = CONNECTION.execute(f"SELECT {shown}", [text]).fetchone()
        assert found is not None
        wanted = _stored(type_, found[0])
        assert expression.row({"s": text}) == (None if isinstance(wanted, float) and not math.isfinite(wanted) else wanted), text


def test_floats_become_decimals_as_in_duckdb() -> None:
    """Halves away from zero, unlike a cast to int; what does not fit is NULL."""
    expression = compile_expression("cast(x as decimal(12,3))", Scope())
    for x in [0.1425, -0.1425, 0.0005, 2.5, 0.285, 1e9, 1e300, -0.0004, 123456789.0005]:
        found = CONNECTION.execute("SELECT TRY(CAST(CAST(? AS DOUBLE) AS DECIMAL(12,3)))", [x]).fetchone()
        assert found is not None
        assert expression.row({"x": x}) == _stored(parse_type("decimal(12,3)"), found[0]), x
