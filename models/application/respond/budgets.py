"""Budgets, prices and retention."""

from __future__ import annotations

from itertools import product
from typing import Literal

from models.application.nodes import Node
from models.application.reader import Reader
from models.application.respond.money import price_nano
from models.application.respond.resolved import Budget, Limit, Price, Retention
from models.application.respond.texts import amount, long_duration

_WINDOWS: tuple[Literal["hour", "day"], ...] = ("hour", "day")
_COUNTS: tuple[Literal["calls", "tokens"], ...] = ("calls", "tokens")


class BudgetReader:
    """Reads budgets, all of them in one currency."""

    def __init__(self, reader: Reader, patterns: tuple[str, ...]) -> None:
        self.reader = reader
        self.patterns = patterns
        self.currency = ""

    def budget(self, node: Node | None) -> Budget:
        """One budget."""
        if node is None:
            return Budget()
        values = self.reader.section(node, "budget")
        limits = [self._money(values[f"per_{window}"], window) for window in _WINDOWS if f"per_{window}" in values]
        for unit, window in product(_COUNTS, _WINDOWS):
            if (key := f"{unit}_per_{window}") in values:
                limits.append(Limit(unit, self.reader.integer(values[key], key, 0), window))
        tokens = self.reader.integer(values["tokens_per_call"], "tokens_per_call", 0, 1) if "tokens_per_call" in values else None
        timeout = self.reader.duration(values.get("timeout"), "timeout", least=1)
        return Budget(tuple(limit for limit in limits if limit), self._per_pattern(values.get("per_pattern")), tokens, timeout)

    def _money(self, node: Node, window: Literal["hour", "day"]) -> Limit | None:
        found = amount(self.reader, node, f"per_{window}")
        return None if found is None else Limit("money", found.nano, window, self._in(node, found.currency))

    def _per_pattern(self, node: Node | None) -> dict[str, Limit]:
        if node is None:
            return {}
        if not node.is_map:
            self.reader.problems.add(node.position, f"expected per_pattern as patterns with amounts; found {node.shown()}")
            return {}
        found: dict[str, Limit] = {}
        for name, entry in node:
            if name != "default" and name not in self.patterns:
                self.reader.problems.unknown(node.keys[name], "pattern", name, (*self.patterns, "default"))
            given = amount(self.reader, entry, f"per_pattern of {name}", windowed=True)
            if given is not None and given.window is not None:
                found[name] = Limit("money", given.nano, given.window, self._in(entry, given.currency))
        return found

    def _in(self, node: Node, currency: str) -> str:
        if self.currency and currency != self.currency:
            self.reader.problems.add(node.position, f"expected all budgets in one currency, {self.currency}; found {currency}")
        self.currency = self.currency or currency
        return currency


def prices(reader: Reader, node: Node | None) -> dict[str, Price]:
    """Prices by model, in the budgets' currency."""
    if node is None:
        return {}
    if not node.is_map:
        reader.problems.add(node.position, f"expected prices by model; found {node.shown()}")
        return {}
    found: dict[str, Price] = {}
    for name, entry in node:
        values = reader.section(entry, "price")
        found[name] = Price(*(_price(reader, name, entry, values, key) for key in ("input_per_million", "output_per_million")))
    return found


def _price(reader: Reader, model: str, entry: Node, values: dict[str, Node], key: str) -> int:
    if key not in values:
        reader.incomplete(entry, "price", f"expected {key} of model {model!r}; found none")
        return 0
    text = reader.text(values[key], key)
    found = price_nano(text)
    if found is None:
        reader.problems.add(values[key].position, f"expected {key} as a price such as 0.4; found {text!r}")
    return found or 0


def retention(reader: Reader, node: Node | None) -> Retention:
    """How long what is kept."""
    if node is None:
        return Retention()
    values = reader.section(node, "retention")
    return Retention(*(long_duration(reader, values.get(key), key) for key in ("flags", "llm_bodies", "audit")))
