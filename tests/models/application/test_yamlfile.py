"""Two readers of YAML, one tree: the fast one gives what the exact one gives, or leaves the file to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from models.application.yamlfile import _composed

ROOT = Path(__file__).parent.parent.parent.parent
FILES = [*sorted(ROOT.glob("examples/**/*.yaml")), *sorted(ROOT.glob("tests/cases/*.yaml"))]


def _flat(node: Any) -> Any:
    """Everything that is read off a node; where an empty value stands is a matter of taste."""
    kind, place = type(node).__name__, (node.start_mark.line, node.start_mark.column, node.start_mark.index)
    if kind == "ScalarNode":
        empty = node.start_mark.index == node.end_mark.index
        quoted = node.style in ("'", '"', "|", ">")
        return kind, () if empty else (*place, node.end_mark.index), node.value, quoted, node.tag.startswith("tag:yaml.org,2002:")
    if kind == "SequenceNode":
        return kind, place, bool(node.flow_style), [_flat(each) for each in node.value]
    return kind, place, bool(node.flow_style), [(_flat(key), _flat(value)) for key, value in node.value]


def _exact(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except YAMLError:
        return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whole_files(path: Path) -> None:
    """Values, places and quotes are the same, and the fast reader takes them."""
    text = path.read_text()
    assert _flat(_composed(text)) == _flat(_exact(text))
    assert isinstance(_composed(text), yaml.Node)


@given(st.sampled_from(FILES), st.integers(0, 10_000), st.integers(10, 300), st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from([*"{}[],:#'\"%- \n\t", ": ", " #", "\n  ", "- ", "\u2028", "a: b"])), max_size=3))
def test_damaged_pieces(path: Path, begin: int, length: int, changes: list[tuple[int, str]]) -> None:  # fmt: skip
    """What both take they take alike; what the exact one refuses by its rules and the other takes is odd in its indicators alone."""
    text = path.read_text()
    begin = text.rfind("\n", 0, begin % len(text)) + 1
    piece = text[begin : begin + length]
    for at, what in changes:
        piece = piece[: at % (len(piece) + 1)] + what + piece[at % (len(piece) + 1) :]
    exact = _exact(piece)
    try:
        found = _composed(piece)
    except YAMLError:
        assert exact is None
        return
    if exact is not None:
        assert _flat(found) == _flat(exact)


def test_deep_nesting_is_left_to_the_exact_reader() -> None:
    """It says so in words; nothing falls over."""
    for text in ("[" * 20_000, "- " * 20_000):
        with pytest.raises((YAMLError, RecursionError)):
            _composed(text)
