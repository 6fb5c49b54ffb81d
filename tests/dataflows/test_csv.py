"""CSV: records and cells as RFC 4180 has them, each scalar by the declared type."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.connectors.csvfiles import csv_blocks
from dataflows.connectors.files import FileProblem
from dataflows.decoding.csv import CsvDecoder
from dataflows.decoding.decoded import Reason
from models.application.resolved.sources import FieldSpec
from models.values.types import parse_type

FIELDS = {n: FieldSpec(n, parse_type(t), (n,)) for n, t in {"s": "string?", "i": "int?", "d": "decimal(6,2)?", "b": "bool?"}.items()}
DECODER = CsvDecoder(FIELDS, frozenset(FIELDS), frozenset())


def read(path: Path) -> tuple[list[tuple[Any, ...]], list[tuple[int, Reason]]]:
    """Rows and dead letters of a file."""
    rows: list[tuple[Any, ...]] = []
    dead: list[tuple[int, Reason]] = []
    for block in csv_blocks([path]):
        found = DECODER.decode(block.rows)
        dead.extend((len(rows) + row.row, row.reason) for row in found.dead)
        rows.extend(zip(*(found.columns[name].to_list() for name in FIELDS), strict=True))
    return rows, dead


def test_cells_are_read_by_their_types(tmp_path: Path) -> None:
    """An empty unquoted cell is null, a quoted one is text; newlines, commas and quotes stand in quotes; a mark is no name."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfs,i,d,b\r\n"a,\n""b""",1,1.5,true\r\n,,,\n"",-2,0.10,false\n\n')
    assert read(path) == ([('a,\n"b"', 1, 150, True), (None, None, None, None), ("", -2, 10, False)], [])


def test_kept_rows_are_read_as_csv(tmp_path: Path) -> None:
    """Rows that outlive their block, for evidence, stay what they were."""
    path = tmp_path / "a.csv"
    path.write_text("s,i,d,b\na,1,1.5,true\nb,2,2.5,false\n")
    chunk = DECODER.decode(next(iter(csv_blocks([path]))).rows).chunk.take(np.array([1]))
    assert chunk.fields(0) == {"s": "b", "i": 2, "d": 250, "b": False}


def test_a_stray_quote_spoils_its_own_row_alone(tmp_path: Path) -> None:
    """So do a cell too many and a value of another type."""
    path = tmp_path / "a.csv"
    path.write_bytes(b's,i,d,b\n5" pipe,1,1,true\nx,2,2,true\ny,3,3\nz,1.5,1,true\nz,4,4,yes\n"w"x,5,5,true\nv,6,6,false\n')
    rows, dead = read(path)
    assert dead == [(0, Reason.SYNTAX), (2, Reason.SYNTAX), (3, Reason.TYPE), (4, Reason.TYPE), (5, Reason.SYNTAX)]
    assert [rows[1], rows[6]] == [("x", 2, 200, True), ("v", 6, 600, False)]


def test_a_cut_gzip_is_named(tmp_path: Path) -> None:
    """With its cure."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"s,i,d,b\n" + b"x,1,1,true\n" * 1000)[:-10])
    with pytest.raises(FileProblem, match=r"a\.csv\.gz: cannot be read: .*Check that the file"):
        read(path)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(st.text(st.sampled_from('ab,"\n\r é'), max_size=6), min_size=4, max_size=4), max_size=6))
def test_what_the_standard_library_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    """Any text in any cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["s", "i", "d", "b"], *[[row[0], "1", "2", "true"] for row in rows]])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    assert read(path) == ([(row[0], 1, 200, True) for row in rows], [])
