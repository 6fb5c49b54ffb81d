"""Every YAML block of the documents passes check, and its tests pass: whole applications, and parts of a page's first one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dataflows.testing import run_tests
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FOUND = {path: re.findall(r"```yaml( part)?\n(.*?)```", path.read_text(), re.S) for path in PAGES}
BLOCKS = [
    pytest.param(path, part, block, id=f"{path.name}-{number}")
    for path, blocks in FOUND.items()
    for number, (part, block) in enumerate(blocks, 1)
]


@pytest.mark.parametrize(("path", "part", "block"), BLOCKS)
def test_block_passes_check_and_its_tests(path: Path, part: str, block: str, tmp_path: Path) -> None:
    """A part is a file that the page's first application includes."""
    whole = tmp_path / "app.yaml"
    if part:
        (tmp_path / "part.yaml").write_text(block)
        whole.write_text(FOUND[path][0][1] + "\ninclude: [part.yaml]\n")
    else:
        whole.write_text(block)
    results = list(run_tests(load(whole)))
    assert not [(result.test.name, result.problems) for result in results if not result.ok]
