"""A disk without room: one clear line, with what to do, for the output files and for the saved state."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from agents.ledger.connect import unusable
from dataflows.connectors.jsonlines import JsonLines, WriteFailed
from dataflows.state.directory import StateProblem, broken_state, has_state, opened
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent
APPLICATION = """tocsin: 1
name: a
streams: {s: {from: {file: s.jsonl}, time: ts, fields: {ts: "timestamp[s]", u: string}}}
features: {seen: {count: true, by: u, over: 1h}}
patterns: {each_one: {by: u, when: seen > 0}}
flags: {to: {file: flags.jsonl}}
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_file_without_room_says_so() -> None:
    """The file, the cause, the cure; kept for a runtime that loses it."""
    sink = JsonLines(Path("/dev/full"), ordered=False)
    writer = sink.build_part("flags", "0", None)
    writer.write_batch([b"x" * 100])
    with pytest.raises(WriteFailed) as found:
        writer.snapshot()
    assert str(found.value) == (
        "/dev/full: cannot be written: No space left on device. Free room on its disk; a run with --state goes on from its last epoch"
    )
    assert sink.failed is found.value and found.value.code == 3
    with pytest.raises(WriteFailed):
        writer.close()


def test_a_file_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "there.unsorted").mkdir()
    with pytest.raises(WriteFailed, match="there.unsorted: cannot be written: Is a directory. Name another file"):
        JsonLines(tmp_path / "there").build_part("flags", "0", None)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_run_that_may_not_write_more(processes: str, tmp_path: Path) -> None:
    """Exit code 3 and one line; of two processes the runtime may abort the one that failed, before it can say why."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    (tmp_path / "s.jsonl").write_text("".join(f'{{"ts": {row}, "u": "u{row % 50}"}}\n' for row in range(1_000)))
    done = subprocess.run(
        [sys.executable, "-m", "dataflows", "run", str(tmp_path / "app.yaml"), "--processes", processes], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    why = f"{tmp_path}/flags.jsonl.unsorted: cannot be written: File too large. Free room on its disk"
    assert line.startswith(why) or (processes == "2" and "a run with --state goes on from its last epoch" in line)


def test_a_state_without_room_says_so(tmp_path: Path) -> None:
    """By what the runtime says of SQLite; its panics alone are not always about the state."""
    full = RuntimeError('called `Result::unwrap()` on an `Err` value: SqliteFailure(Error { code: DiskFull }, Some("database or disk is full"))')
    found = broken_state(full, tmp_path, alone=False)
    assert found is not None and found.code == 3
    assert str(found) == f"{tmp_path}: state cannot be saved: the disk is full. Free room on it; the same command then goes on"
    odd = broken_state(RuntimeError("SqliteFailure(NotADatabase)"), tmp_path, alone=False)
    assert odd is not None and str(odd).endswith("SqliteFailure(NotADatabase). Is the disk full, a file damaged?")
    assert broken_state(full, None, alone=True) is None
    assert broken_state(RuntimeError("another"), tmp_path, alone=True) is None


def test_a_state_that_cannot_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime panics where it makes its files; what it says of the disk is told, and nothing is taken for saved."""

    class PanicException(BaseException):
        pass

    def full(*_: object) -> None:
        raise PanicException('called `Result::unwrap()` on an `Err` value: SqliteFailure(Error { code: DiskFull }, Some("disk is full"))')

    (tmp_path / "app.yaml").write_text(APPLICATION)
    monkeypatch.setattr("bytewax.recovery.init_db_dir", full)
    with pytest.raises(StateProblem) as found, opened(tmp_path / "state", load(tmp_path / "app.yaml"), 16):
        pass
    assert str(found.value).endswith("state: state cannot be saved: the disk is full. Free room on it; the same command then goes on")
    assert found.value.code == 3 and not has_state(tmp_path / "state")


def test_a_ledger_that_may_not_grow(tmp_path: Path) -> None:
    """Exit code 3 and one line, by the command itself."""
    (tmp_path / "app.yaml").write_text(APPLICATION + "respond: {responders: {r: {default: watch}}}\n")
    (tmp_path / "flags.jsonl").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "dataflows", "respond", str(tmp_path / "app.yaml"), "--flags", str(tmp_path / "flags.jsonl"), "--once"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("the ledger: ") and line.endswith("what was committed is kept, and the same command goes on from there")


def test_a_full_ledger_is_named_also_among_other_failures() -> None:
    full = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    assert unusable(ExceptionGroup("tasks", [full])) == (
        "the ledger: database or disk is full. Free room on its disk; what was committed is kept, and the same command goes on from there"
    )
    assert unusable(ValueError("x")) is None
