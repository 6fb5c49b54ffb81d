"""What a bad file does, on the real path from the file to flags, late events and dead letters: the rest of it goes through."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataflows.connectors import files
from dataflows.connectors.files import FileProblem
from dataflows.reading.deadlimit import TooManyDead
from dataflows.running import Job, run_here
from models.application.load import load

HOUR = 3_600_000
START = 1_700_000_000_000
APPLICATION = """tocsin: 1
name: bad
streams:
  tx:
    from: {{file: {name}}}
    time: ts
    id: id
    {options}
    fields: {{id: string, n: int, x: "float?", note: "string?", ts: "timestamp[ms]"}}
patterns:
  marked: {{on: tx, when: n = 7}}
flags:
  to: {{file: flags.jsonl}}
  late: {{file: late.jsonl}}
  dead_letters: {{file: dead.jsonl}}
"""


@dataclass
class Outcome:
    """What a run gave: rows read, ids of flagged events, (reason, offset) of dead letters, offsets of late events."""

    rows: int
    flags: list[str]
    dead: list[tuple[str, int]]
    late: list[int]
    values: list[bytes]
    details: list[str]


def _lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def run(folder: Path, content: bytes, options: str = "max_dead: 1.0", name: str = "tx.jsonl") -> Outcome:
    """Run over a file."""
    (folder / name).write_bytes(content)
    (folder / "app.yaml").write_text(APPLICATION.format(name=name, options=options))
    counts = run_here(Job(load(folder / "app.yaml"), 2, lambda: "now"))
    flags, dead, late = (
        [json.loads(line) for line in _lines_of(folder / f"{file}.jsonl")] for file in ("flags", "dead", "late")
    )
    return Outcome(
        counts.rows["tx"],
        [flag["causationid"] for flag in flags],
        [(letter["data"]["reason"], letter["data"]["offset"]) for letter in dead],
        [event["data"]["offset"] for event in late],
        [base64.b64decode(letter["data"]["value"]) for letter in dead],
        [letter["data"]["detail"] for letter in dead],
    )


def row(i: int, **changes: Any) -> bytes:
    """One row; every hundredth is marked."""
    values = {"id": f"t{i}", "n": 7 if i % 100 == 99 else 0, "ts": START + i, **changes}
    return json.dumps(values).encode()


def lines(n: int, **bad: bytes) -> bytes:
    """N rows, some replaced: ``r5`` is the row at 5."""
    return b"".join(bad.get(f"r{i}", row(i)) + b"\n" for i in range(n))


ROTTEN = [
    pytest.param(b'{"id": "t", "n": 1, "ts": 1', "syntax", id="cut"),
    pytest.param(b"\xff\xfe", "encoding", id="no UTF-8"),
    pytest.param(row(5, n="12"), "type", id="a number in quotes"),
    pytest.param(row(5, n=1.5), "type", id="a fraction for an int"),
    pytest.param(row(5, x="NaN"), "not_finite", id="NaN as text"),
    pytest.param(row(5).replace(b'"n": 0', b'"n": 0, "x": NaN'), "not_finite", id="NaN"),
    pytest.param(row(5).replace(b'"n": 0', b'"n": 0, "x": 1e999'), "not_finite", id="a float that is too large"),
    pytest.param(row(5, n=None), "missing", id="null in a required field"),
    pytest.param(row(5)[:-1] + b', "n": 2}', "duplicate_key", id="a key twice"),
    pytest.param(row(5, note="\ud800"), "encoding", id="a lone surrogate"),
    pytest.param(row(5, ts=300_000_000_000_000), "time_range", id="the year 11476"),
    pytest.param(row(5, ts=-99_999_999_999_999), "time_range", id="before the year 1"),
    pytest.param(b"[1, 2]", "syntax", id="no object"),
]


@pytest.mark.parametrize(("bad", "reason"), ROTTEN)
def test_one_rotten_row_is_a_dead_letter_and_the_others_go_through(tmp_path: Path, bad: bytes, reason: str) -> None:
    """9,999 of 10,000 give their flags; the rotten one comes out with its bytes and its place."""
    found = run(tmp_path, lines(10_000, r4321=bad), "max_ahead: 1h")
    assert (found.rows, found.dead, found.values, found.late) == (10_000, [(reason, 4321)], [bad], [])
    assert found.flags == [f"t{i}" for i in range(99, 10_000, 100)]


def test_an_event_in_the_year_9999_does_not_silence_the_others(tmp_path: Path) -> None:
    """Its time is not believed, since the rows behind it fall back; all others give their flags."""
    found = run(tmp_path, lines(10_000, r4321=row(4321, ts=253_402_300_000_000)), "")
    assert (found.dead, found.late) == ([("future_time", 4321)], [])
    assert found.flags == [f"t{i}" for i in range(99, 10_000, 100)]
    assert "days ahead of all times before it" in found.details[0]


@pytest.mark.parametrize("block", [300, 1_000, 8 << 20])
@pytest.mark.parametrize("places", [[0], [50], [0, 1, 2], [97, 98, 99], [10, 40, 41]])
def test_wrong_clocks_are_found_wherever_blocks_end(
    tmp_path: Path, block: int, places: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer depends on the partition's content alone; at the very end nothing is left to be silenced."""
    monkeypatch.setattr(files, "BLOCK", block)
    wrong = {f"r{i}": row(i, ts=253_402_300_000_000 + i) for i in places}
    found = run(tmp_path, lines(200, **wrong))
    assert (found.dead, found.late) == ([("future_time", i) for i in places], [])
    assert found.flags == ["t99", "t199"] if 99 not in places else ["t199"]


def test_an_honest_gap_is_believed(tmp_path: Path) -> None:
    """Rows that stay after a jump of forty years are events; a clock at zero among them is late, and harms none."""
    later = b"".join(row(i, ts=START + 350_000 * HOUR + i) + b"\n" for i in range(100, 200))
    found = run(tmp_path, lines(100) + row(1, ts=0) + b"\n" + later)
    assert (found.dead, found.late) == ([], [100])
    assert found.flags == ["t99", "t199"]


def test_max_ahead_of_a_file_counts_from_the_rows_before(tmp_path: Path) -> None:
    """Declared, it is the distance that is not believed."""
    content = lines(200, r50=row(50, ts=START + 2 * HOUR))
    found = run(tmp_path, content, "max_ahead: 1h")
    assert (found.dead, found.late) == ([("future_time", 50)], [])
    assert run(tmp_path, content).late == list(range(51, 200))


def test_negative_times_are_times(tmp_path: Path) -> None:
    """1969 is a year as any other."""
    content = b"".join(row(i, ts=-1_000_000 + i) + b"\n" for i in range(100))
    assert run(tmp_path, content).flags == ["t99"]


def test_a_repeated_id_gives_the_first_ones_flag_id(tmp_path: Path) -> None:
    """Without dedup it is a second event; with it, it is dropped."""
    content = row(1, id="a", n=7) + b"\n" + row(2, id="a", n=7) + b"\n"
    assert run(tmp_path, content).flags == ["a", "a"]
    ids = [json.loads(line)["id"] for line in (tmp_path / "flags.jsonl").read_bytes().splitlines()]
    assert ids[0] == ids[1]
    assert run(tmp_path, content, "dedup: 1h").flags == ["a"]


def test_half_a_line_at_the_end_is_a_dead_letter(tmp_path: Path) -> None:
    """A last line without a newline counts if it is complete."""
    whole = lines(200)
    assert run(tmp_path, whole[:-1]).flags == ["t99", "t199"]
    cut = run(tmp_path, whole[:-4])
    assert (cut.rows, cut.flags, cut.dead) == (200, ["t99"], [("syntax", 199)])


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_rows(tmp_path: Path, content: bytes) -> None:
    """Nor have blank lines."""
    assert run(tmp_path, content) == Outcome(0, [], [], [], [], [])


def test_a_byte_order_mark_and_dos_line_ends_are_no_part_of_rows(tmp_path: Path) -> None:
    """Files from elsewhere are read as they are."""
    found = run(tmp_path, b"\xef\xbb\xbf" + lines(100).replace(b"\n", b"\r\n"))
    assert (found.rows, found.flags, found.dead) == (100, ["t99"], [])


def test_rows_span_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block may be smaller than a row."""
    monkeypatch.setattr(files, "BLOCK", 17)
    found = run(tmp_path, lines(200, r30=b"{"))
    assert (found.rows, found.flags, found.dead) == (200, ["t99", "t199"], [("syntax", 30)])


def test_a_row_of_5_mb_is_read(tmp_path: Path) -> None:
    """Large is not wrong."""
    found = run(tmp_path, lines(200, r99=row(99, note="x" * 5_000_000)))
    assert (found.rows, found.flags, found.dead) == (200, ["t99", "t199"], [])


@pytest.mark.parametrize("size", [17_000_000, 30_000_000])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_row_over_16_mb_is_a_dead_letter(tmp_path: Path, size: int, end: bytes) -> None:
    """Its head is kept; the rows before and behind it go through."""
    bad = row(5, note="x" * size)
    found = run(tmp_path, lines(100) + bad + end + (lines(100) if end else b""))
    assert (found.rows, found.flags, found.dead) == (201 if end else 101, ["t99", "t99"] if end else ["t99"], [("syntax", 100)])
    assert found.values == [bad[: files.KEPT]]
    assert f"found {len(bad):,} bytes" in found.details[0]


def test_a_whole_gzip_is_read_and_a_cut_one_is_named(tmp_path: Path) -> None:
    """What cannot be unpacked stops the run with the file's name and a cure."""
    packed = gzip.compress(lines(200))
    assert run(tmp_path, packed, name="tx.jsonl.gz").flags == ["t99", "t199"]
    for broken in (packed[:-20], b"no gzip", packed[:100] + b"\0" * 50 + packed[150:]):
        with pytest.raises(FileProblem, match=r"tx\.jsonl\.gz: cannot be read: .*Check that the file"):
            run(tmp_path, broken, name="tx.jsonl.gz")


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A folder in place of a file; no file at all."""
    (tmp_path / "tx.jsonl").mkdir()
    (tmp_path / "app.yaml").write_text(APPLICATION.format(name="tx.jsonl", options=""))
    with pytest.raises(FileProblem, match=r"tx\.jsonl: cannot be read: Is a directory\. Check that"):
        run_here(Job(load(tmp_path / "app.yaml"), 2, lambda: "now"))
    (tmp_path / "tx.jsonl").rmdir()
    with pytest.raises(FileProblem, match=r"tx\.jsonl: no such file; expected a file or a glob"):
        run_here(Job(load(tmp_path / "app.yaml"), 2, lambda: "now"))


def test_too_many_dead_letters_stop_the_run(tmp_path: Path) -> None:
    """A wrong schema must not drain a file in silence."""
    rotten = {f"r{i}": b"{" for i in range(0, 200, 10)}
    with pytest.raises(TooManyDead, match=r"20 of 200 rows are dead letters; expected at most 5%"):
        run(tmp_path, lines(200, **rotten), "")
