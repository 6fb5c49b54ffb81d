"""Every YAML block of the documents is an application that passes check, and its tests pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dataflows.testing import run_tests
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(), re.S), 1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_block_passes_check_and_its_tests(block: str, tmp_path: Path) -> None:
    """The block is a whole application."""
    path = tmp_path / "app.yaml"
    path.write_text(block)
    assert all(result.ok for result in run_tests(load(path)))
