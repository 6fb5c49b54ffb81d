"""Whatever stands in a file, check answers in words: parts of a good application replaced by what does not belong there."""

from __future__ import annotations

import copy
import io
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.application.errors import ApplicationErrors
from models.application.load import load

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "language.md"
BLOCKS = re.findall(r"```yaml(?: part)?\n(.*?)```", PAGE.read_text(), re.S)
STRANGE: list[Any] = [None, "x y", 5, [], {}, {"a": "b"}, ["z"], True, "1h", "a > (", "{a", -1.5, ["a", {"b": 1}]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values within a value."""
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


def whole() -> dict[str, Any]:
    """All blocks of the language's page in one application."""
    yaml = YAML(typ="safe", pure=True)
    found: dict[str, Any] = {}
    for block in BLOCKS:
        for section, value in yaml.load(block).items():
            if isinstance(value, dict):
                found.setdefault(section, {}).update(value)
            elif isinstance(value, list):
                found.setdefault(section, []).extend(value)
            else:
                found[section] = value
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_strange_value_is_an_error_in_words(seed: int, tmp_path: Path) -> None:
    """No other exception, wherever it stands; a key that is gone neither."""
    application, yaml, chance = whole(), YAML(typ="safe", pure=True), random.Random(seed)
    file = tmp_path / "app.yaml"
    for place in chance.sample(list(places(application)), 12):
        changed = copy.deepcopy(application)
        target = changed
        for key in place[:-1]:
            target = target[key]
        if chance.random() < 0.2:
            del target[place[-1]]
        else:
            target[place[-1]] = chance.choice(STRANGE)
        text = io.StringIO()
        yaml.dump(changed, text)
        file.write_text(text.getvalue())
        try:
            load(file)
        except ApplicationErrors as found:
            assert found.errors
