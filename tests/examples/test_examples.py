"""Every example's inline tests pass."""

from pathlib import Path

import pytest

from dataflows.testing import run_tests
from models.application.load import load

ROOT = Path(__file__).parent.parent.parent / "examples"
EXAMPLES = [*sorted(ROOT.glob("*/app.yaml")), *sorted(ROOT.glob("typologies/*.yaml"))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_inline_tests_pass(path: Path) -> None:
    """Each test of the example finds what it expects, and nothing else."""
    results = list(run_tests(load(path)))
    assert results
    assert not [(result.test.name, result.problems) for result in results if not result.ok]


@pytest.mark.parametrize("path", sorted(ROOT.glob("typologies/*.yaml")), ids=lambda path: path.stem)
def test_each_pattern_is_shown_to_fire_and_to_keep_silent(path: Path) -> None:
    """What a pattern must not flag is half of what it means."""
    loaded = load(path)
    for pattern in loaded.patterns:
        tests = [test for test in loaded.tests if test.pattern == pattern]
        assert {bool(test.expect) for test in tests} == {True, False}, pattern
