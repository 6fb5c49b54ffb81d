"""Programs that tests need and Python's packages do not have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path("~/.cache/tocsin-tests").expanduser()


def debian(program: str, package: str) -> str:
    """A program of the PATH, or out of Debian's package, which is unpacked beside the system; else the test is skipped."""
    if found := shutil.which(program):
        return found
    unpacked = CACHE / package / "usr" / "bin" / program
    if not unpacked.exists():
        if not shutil.which("apt-get"):
            pytest.skip(f"{program} is not on the PATH, and apt-get is not here to fetch Debian's package {package}")
        _unpack(package)
    return str(unpacked)


def _unpack(package: str) -> None:
    folder = CACHE / package
    folder.mkdir(parents=True, exist_ok=True)
    for command in (["apt-get", "download", package], ["apt-get", "update"], ["apt-get", "download", package]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if command[1] == "download" and done.returncode == 0:
            break
    else:
        pytest.skip(f"Debian's package {package} cannot be had: {done.stderr.strip()}")
    file = next(folder.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
    file.unlink()
