"""The machine that a run begins on: Python, compiled kernels, memory."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from dataflows.doctor.findings import Finding, fault, ok, warning

_ROOT = Path(__file__).parent.parent.parent
_OLDEST, _BEYOND = (3, 11), (3, 13)
_LEAST, _GOOD = 384 << 20, 1 << 30
"""Bytes of memory without which a run cannot begin, and from which on it has room for state."""
_CGROUP = Path("/sys/fs/cgroup")
_KERNEL = re.compile(r"^@nb\.njit\(.*cache=True", re.M)


def machine(python: tuple[int, int] = (sys.version_info[0], sys.version_info[1])) -> Iterator[Finding]:
    """Python, kernels and memory."""
    yield interpreter(python)
    yield kernels(_ROOT)
    yield memory(_free(_CGROUP))


def interpreter(version: tuple[int, int]) -> Finding:
    """Whether the runtime exists for this Python."""
    text = f"Python {version[0]}.{version[1]}"
    if _OLDEST <= version < _BEYOND:
        return ok("python", text)
    wrong = f"expected Python 3.11 or 3.12, for which the runtime exists; found {text}"
    return fault("python", wrong, "start it with one of these")


def kernels(root: Path, caches: Sequence[Path] | None = None) -> Finding:
    """Whether the kernels were compiled for the sources as they are: otherwise the first run does it, for minutes."""
    packages = [root / name for name in ("dataflows", "models")]
    files = [path for each in packages for path in sorted(each.rglob("*.py")) if _KERNEL.search(path.read_text(encoding="utf-8"))]
    shared = _caches() if caches is None else caches
    cold = [path for path in files if not _compiled(path, shared)]
    if not cold:
        return ok("kernels", f"compiled ({len(files)} files)")
    text = f"{len(cold)} of {len(files)} files with kernels are not compiled, such as {cold[0].relative_to(root)}"
    if not any(_writable(folder) for folder in (cold[0].parent / "__pycache__", *shared)):
        cure = "set NUMBA_CACHE_DIR to a folder that can be written, then run tocsin warm"
        return fault("kernels", f"{text}, and there is no place to keep them: every start would compile them for minutes", cure)
    return warning("kernels", text, "run tocsin warm; else the first run compiles them before it takes an event")


def memory(free: int) -> Finding:
    """Whether there is room for a run; ``free``: bytes."""
    text = f"{_megabytes(free)} are free"
    if free < _LEAST:
        return fault("memory", f"{text}; expected at least {_megabytes(_LEAST)}", "raise the limit, or free memory")
    if free < _GOOD:
        return warning("memory", text, f"{_megabytes(_GOOD)} leave room for state; watch tocsin_state_bytes")
    return ok("memory", text)


def _free(cgroup: Path) -> int:
    """Memory that this process may still take: of the machine, or of its container where that has less."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((cgroup / "memory.max").read_text())
        return min(free, limit - int((cgroup / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or no limit
        return free


def _megabytes(number: int) -> str:
    return f"{number >> 20:,} MB"


def _caches() -> list[Path]:
    """Where numba keeps what it compiled, beside the folders of the sources."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    return [Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "numba"]


def _compiled(path: Path, caches: Sequence[Path]) -> bool:
    name = f"{path.stem}.*.py{sys.version_info[0]}{sys.version_info[1]}.nbi"
    found = [*(path.parent / "__pycache__").glob(name), *(each for folder in caches for each in folder.rglob(name))]
    return bool(found) and max(each.stat().st_mtime for each in found) >= path.stat().st_mtime


def _writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
