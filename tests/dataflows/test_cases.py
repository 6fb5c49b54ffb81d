"""Applications with inline tests, one a subject: everything that a page of the language says, as events and flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflows.testing import run_tests
from models.application.load import load

CASES = sorted((Path(__file__).parent.parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases(path: Path) -> None:
    """Every inline test of a file holds."""
    results = list(run_tests(load(path)))
    assert results
    for result in results:
        assert result.ok, (result.test.name, result.problems)
