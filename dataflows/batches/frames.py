"""Typed columns as Polars frames: for output and for people."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from models.values.column import Column
from models.values.strings import Strings
from models.values.types import Kind, Type


def frame(columns: Mapping[str, Column]) -> pl.DataFrame:
    """Columns under their names."""
    return pl.DataFrame({name: series(column) for name, column in columns.items()})


def series(column: Column) -> pl.Series:
    """One column, NULLs and exact types kept."""
    if isinstance(column.values, Strings):
        return _strings(column)
    if column.type.kind is Kind.LIST:
        return pl.Series(column.to_list())
    array = pa.array(column.values, mask=None if column.valid is None else ~column.valid)
    return _typed(pl.Series(pl.from_arrow(array)), column.type)


def _typed(raw: pl.Series, type_: Type) -> pl.Series:
    match type_.kind:
        case Kind.TIMESTAMP:
            return raw.cast(pl.Datetime("us", "UTC"))
        case Kind.INTERVAL:
            return raw.cast(pl.Duration("us"))
        case Kind.DATE:
            return raw.cast(pl.Int32).cast(pl.Date)
        case Kind.DECIMAL:
            unscaled = raw.cast(pl.Decimal(38, 0))
            return (unscaled / pl.Series([10**type_.scale]).cast(pl.Decimal(38, 0))).cast(pl.Decimal(38, type_.scale))
    return raw


def _strings(column: Column) -> pl.Series:
    compact = column.values.compact()
    offsets = np.append(compact.start, len(compact.data)).astype(np.int64)
    validity = None if column.valid is None else pa.py_buffer(np.packbits(column.valid, bitorder="little"))
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(compact.data)]
    array = pa.LargeStringArray.from_buffers(len(column), buffers[1], buffers[2], buffers[0])
    return pl.Series(pl.from_arrow(array))
