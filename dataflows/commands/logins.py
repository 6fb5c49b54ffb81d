"""How ``init`` reaches a broker: a file of librdkafka's settings, and ``--set``; secrets are used and never written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from dataflows.commands.failures import UserError
from dataflows.commands.options import pairs


class Login(NamedTuple):
    """``used``: settings as a client takes them; ``written``: as an application shall hold them; unset: variables it will need."""

    used: dict[str, str]
    written: dict[str, str]
    unset: list[str]


def login(brokers: str, file: Path | None, given: list[str] | None) -> Login:
    """Settings of a file of ``KEY=VALUE`` lines, then those given; without addresses of brokers, ``brokers``.

    Raises:
        UserError: for a file that cannot be read, or a value that cannot be had.
    """
    from models.application.connections import filled, is_secret

    found = {**({} if file is None else _in_file(file)), **pairs(given, "--set")}
    settings = {"bootstrap.servers": f"${{BROKERS:-{brokers}}}", **found}
    used: dict[str, str] = {"bootstrap.servers": brokers}
    written, unset = {}, []
    for name, text in settings.items():
        if name in found:
            used[name], problems = filled(text)
            if problems:
                raise UserError(f"{name}: {problems[0]}")
        literal = is_secret(name) and not text.startswith("${")
        written[name] = f"${{{_variable(name)}:-}}" if literal else text
        unset += [_variable(name)] if literal else []
    return Login(used, written, unset)


def _variable(name: str) -> str:
    """The environment's name for a setting.

    >>> _variable("sasl.password")
    'SASL_PASSWORD'
    """
    return re.sub(r"\W", "_", name).upper()


def _in_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"{path}: cannot be read: {why}; expected lines of librdkafka's settings, KEY=VALUE") from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#!":
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"{path}:{number}: expected a setting of librdkafka, KEY=VALUE; found no =")
        found[name.strip()] = value.strip()
    return found
