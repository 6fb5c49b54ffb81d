"""State directories that a run cannot use: each is refused with its cause and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dataflows.commands.app import command
from dataflows.connectors.files import FileProblem
from dataflows.running import Job, NothingLeft, run_here
from dataflows.state import directory
from dataflows.state.directory import StateProblem, opened
from models.application.load import load

APPLICATION = """tocsin: 1
name: shop
streams:
  tx:
    from: {files: "tx-*.jsonl", as: partitions}
    time: ts
    lateness: 10s
    fields: {ts: "timestamp[s]", card: string}
features:
  n: {count: true, by: card, over: 1m}
patterns:
  busy: {by: card, when: n >= 2, suppress: {debounce: 5s}}
flags:
  to: {file: flags.jsonl}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An application over two files, and the state of a run of it that was drained before its end."""
    (tmp_path / "app.yaml").write_text(APPLICATION)
    for number in range(2):
        rows = [json.dumps({"ts": 1_700_000_000 + at, "card": f"c{number}"}) for at in range(9)]
        (tmp_path / f"tx-{number}.jsonl").write_text("\n".join(rows) + "\n")
    calls = iter(range(9))
    run(tmp_path, lambda: next(calls, 9) > 1)
    return tmp_path


def run(folder: Path, draining: Callable[[], bool] = lambda: False, shards: int = 2) -> None:
    """Run the application with its state."""
    run_here(Job(load(folder / "app.yaml"), shards, lambda: "now", state=folder / "state", draining=draining))


def test_a_run_goes_on_and_ends_once(shop: Path) -> None:
    """Both bursts, as without the stop; then nothing is left to do, and the command says so."""
    assert (shop / "flags.jsonl").read_text() == ""
    run(shop)
    flags = [json.loads(line) for line in (shop / "flags.jsonl").read_text().splitlines()]
    assert [(flag["partitionkey"], flag["data"]["evidence_count"]) for flag in flags] == [("c1", 8), ("c0", 8)]
    assert sorted(path.name for path in shop.glob("flags*")) == ["flags.jsonl"]
    with pytest.raises(NothingLeft, match="the saved run has read all of its input: nothing is left to do. Use another --state"):
        run(shop)
    assert command(["run", str(shop / "app.yaml"), "--state", str(shop / "state"), "--shards", "2"]) == 0


def test_a_change_that_shapes_no_state_goes_on(shop: Path) -> None:
    """Where flags go, and tests."""
    text = APPLICATION.replace("flags.jsonl", "./flags.jsonl").replace("debounce: 5s}", "debounce: 5s}, tests: []")
    (shop / "app.yaml").write_text(text)
    run(shop)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n >= 2", "n >= 3", r"this state was made by application 'shop' as it was before it was changed \(hash \w{12}; now \w{12}\)"),
        ("name: shop", "name: mart", r"this state was made by application 'shop' \(hash"),
    ],
)
def test_another_application_is_refused(old: str, new: str, message: str, shop: Path) -> None:
    """By its name, or by what shapes its state."""
    (shop / "app.yaml").write_text(APPLICATION.replace(old, new))
    with pytest.raises(StateProblem, match=message + r".*\. Run that application, or start with another --state"):
        run(shop)


def test_another_number_of_shards_is_refused(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With the number that it has; exit code 1."""
    assert command(["run", str(shop / "app.yaml"), "--state", str(shop / "state"), "--shards", "3"]) == 1
    err = capfd.readouterr().err
    assert "expected --shards 2, which is fixed for the life of a state; found 3. Run with --shards 2, or start with another" in err


def test_a_state_in_use_is_refused(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another run has it."""
    monkeypatch.setattr(directory, "_PATIENCE", 0.0)
    with opened(shop / "state", load(shop / "app.yaml"), 2), pytest.raises(StateProblem, match="another run uses this state. Stop it"):
        run(shop)


def test_an_unreadable_manifest_is_refused(shop: Path) -> None:
    """And one of another version."""
    manifest = shop / "state" / "state.json"
    whole = json.loads(manifest.read_text())
    manifest.write_text("{")
    with pytest.raises(StateProblem, match=r"state.json: cannot be read: .*\. Start with another --state"):
        run(shop)
    manifest.write_text(json.dumps({**whole, "version": 2}))
    with pytest.raises(StateProblem, match="this state has version 2; this version of Tocsin reads 1. Start with another --state"):
        run(shop)


def test_damaged_files_are_told(shop: Path) -> None:
    """The runtime's own files."""
    next((shop / "state" / "recovery").glob("part-*.sqlite3")).write_bytes(b"no database, whatever its name says " * 200)
    with pytest.raises(StateProblem, match=r"cannot be read: .*file is not a database\. Start with another --state"):
        run(shop)


def test_a_strange_directory_is_left_alone(tmp_path: Path, shop: Path) -> None:
    """A typo must not cost anybody's files."""
    job = Job(load(shop / "app.yaml"), 2, lambda: "now", state=shop)
    with pytest.raises(StateProblem, match=r"expected an empty directory or a saved state; found app.yaml, .*\. Name another --state"):
        run_here(job)


def test_a_making_cut_short_is_made_anew(shop: Path) -> None:
    """Killed before there was anything in it."""
    (shop / "state" / "state.json").unlink()
    run(shop)
    assert len((shop / "flags.jsonl").read_text().splitlines()) == 2


def test_files_that_changed_are_refused(shop: Path) -> None:
    """Renamed, cut, gone; and output that was removed."""
    rows = (shop / "tx-0.jsonl").read_text()
    (shop / "tx-0.jsonl").rename(shop / "tx-00.jsonl")
    with pytest.raises(FileProblem, match=r"tx-0.jsonl: the saved state has read it to row 9; there stands row 9 of tx-00.jsonl now"):
        run(shop)
    (shop / "tx-00.jsonl").rename(shop / "tx-0.jsonl")
    (shop / "tx-0.jsonl").write_text(rows.partition("\n")[0] + "\n")
    with pytest.raises(FileProblem, match="has read 9 rows of its partition, and there are 1 now. Rows must not be removed"):
        run(shop)
    (shop / "tx-0.jsonl").write_text(rows)
    (shop / "tx-1.jsonl").unlink()
    with pytest.raises(StateProblem, match=r"has read a partition of tx that is not there any more \(tx-1.jsonl\). Put its file back"):
        run(shop)


def test_output_that_was_removed_is_told(shop: Path) -> None:
    """What was written belongs to the state."""
    pending = shop / "flags.jsonl.unsorted"
    job = Job(load(shop / "app.yaml"), 2, lambda: "now", state=shop / "state")
    later = json.dumps({"ts": 1_700_000_900, "card": "c0"}) + "\n"
    for number in range(2):
        with (shop / f"tx-{number}.jsonl").open("a") as file:
            file.write(later)
    calls = iter(range(9))
    run_here(replace(job, draining=lambda: next(calls, 9) > 1))
    assert pending.stat().st_size
    pending.unlink()
    with pytest.raises(FileProblem, match="bytes, and 0 are there. What a run wrote must not be removed before it has ended"):
        run_here(job)


def test_a_partition_seen_first_joins_at_the_watermark(shop: Path) -> None:
    """A new file's events before what was released are late, with their own reason."""
    text = APPLICATION + "  late: {file: late.jsonl}\n"
    (shop / "app.yaml").write_text(text)
    rows = [json.dumps({"ts": 1_700_000_000 + at, "card": "new"}) for at in (-30, -2, 3)]
    (shop / "tx-2.jsonl").write_text("\n".join(rows) + "\n")
    run(shop)
    late = [json.loads(line)["data"] for line in (shop / "late.jsonl").read_text().splitlines()]
    assert [(each["reason"], each["offset"]) for each in late] == [("new_partition", 0), ("new_partition", 1)]
