"""How commands fail: a line of words and an exit code, never a stack trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dataflows.commands.app import command

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "card-fraud" / "app.yaml"


def started(*arguments: str, **more: object) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "dataflows", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, cwd=ROOT, **more,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tabs.yaml", b"tocsin: 1\nstreams:\n\ttx: {}\n", "tabs.yaml:3:1: not YAML: a tab; expected spaces"),
        ("no.yaml", None, "no.yaml: cannot be read: No such file or directory"),
        ("folder", b"", "folder: is a directory; expected an application file such as"),
        ("latin.yaml", "name: café".encode("latin-1"), "latin.yaml:1:10: cannot be read: expected UTF-8; found byte 0xe9"),
        ("utf16.yaml", "tocsin: 1".encode("utf-16"), "utf16.yaml:1:1: cannot be read: expected UTF-8"),
        ("list.yaml", b"- 1\n", "list.yaml:1:1: expected an application; found a list"),
        ("text.yaml", b"hello", "text.yaml:1:1: expected an application; found 'hello'"),
        ("empty.yaml", b"# nothing\n", "empty.yaml:1:1: the file is empty; expected an application"),
        ("two.yaml", b"a: 1\n---\nb: 1\n", "two.yaml:2:1: not YAML"),
        ("binary.yaml", bytes(range(1, 32)), "binary.yaml:1:1: not YAML"),
    ],
)
@pytest.mark.parametrize("name_of_command", ["check", "plan", "run"])
def test_an_application_that_is_none(
    name: str, content: bytes | None, message: str, name_of_command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Unreadable, not YAML, tabs, another encoding, a directory."""
    if name == "folder":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    assert command([name_of_command, str(tmp_path / name)]) == 1
    err = capfd.readouterr().err
    assert message in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc", "x"], "No such command 'chekc'"),
        (["check"], "Missing argument"),
        (["check", "--no-such-option", "x"], "No such option"),
        (["run", str(EXAMPLE), "--shards", "many"], "unable to parse string as an integer"),
        (["run", str(EXAMPLE), "--param", "x"], "expected NAME=VALUE; found 'x'"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and where help is."""
    assert command(arguments) == 2
    err = capfd.readouterr().err
    assert message in " ".join(err.replace("│", " ").split()) and "Traceback" not in err


def test_without_arguments_the_commands_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """All of them, with a line each."""
    command([])
    out, err = capfd.readouterr()
    assert all(name in out + err for name in ("init", "check", "plan", "test", "run", "match", "features", "why", "schema", "demo"))


def test_a_reader_that_goes_away_is_no_failure() -> None:
    """`tocsin schema --application | head -1` ends in silence."""
    process = started("schema", "--application")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    words = process.stderr.read()
    process.wait(60)
    assert "Traceback" not in words and "Exception" not in words


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupted_run_ends_in_a_word(tmp_path: Path, processes: str) -> None:
    """Control-C: exit code 130, no stack trace, no worker left behind."""
    pipe = tmp_path / "tx.jsonl"
    os.mkfifo(pipe)
    (tmp_path / "app.yaml").write_text(
        "tocsin: 1\nname: shop\nstreams:\n  tx:\n    from: {file: tx.jsonl}\n    time: ts\n    fields: {ts: timestamp}\n"
        "patterns: {p: {when: ts is null}}\nflags: {to: {file: flags.jsonl}}\n"
    )
    process = started("run", str(tmp_path / "app.yaml"), "--processes", processes, start_new_session=True)
    with pipe.open("wb"):  # opened by the run: it waits for rows now
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "interrupted" and "Traceback" not in err


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Something outside failed: exit code 3."""
    (tmp_path / "file").write_text("")
    (tmp_path / "app.yaml").write_text(
        "tocsin: 1\nname: shop\nstreams:\n  tx:\n    from: {file: tx.jsonl}\n    time: ts\n    fields: {ts: timestamp}\n"
        "flags: {to: {file: file/flags.jsonl}}\n"
    )
    (tmp_path / "tx.jsonl").write_text('{"ts": "2024-01-01T00:00:00Z"}\n')
    assert command(["run", str(tmp_path / "app.yaml")]) == 3
    err = capfd.readouterr().err
    assert "file" in err and "Traceback" not in err


def test_help_and_check_need_no_kernels() -> None:
    """What answers at once imports neither numba nor Polars nor the runtime."""
    code = (
        "import sys; from dataflows.commands.app import command\n"
        f"for words in (['--help'], ['run', '--help'], ['check', {str(EXAMPLE)!r}]): assert command(words) == 0\n"
        "print([name for name in ('numba', 'numpy', 'polars', 'bytewax', 'pyarrow', 'rich.progress') if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60, check=True
    )
    assert done.stderr.strip() == "[]"
