"""Personal data as tokens such as ``<CARD_1>``: the same value is the same token in one flag, and says nothing about the value."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.llm.cleaning import cleaned
from agents.llm.marks import Marks
from agents.llm.personal import is_card, personal

TOKEN = re.compile(r"<[A-Z]+_\d+>")
_SHORTEST = 3
"""Letters of a marked value that is looked for in other texts as well; shorter ones are in many words."""
_TELLING = 6
"""Digits of a marked number that is looked for among other numbers as well."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A flag in which tokens stand for personal data, and what they stand for."""

    flag: dict[str, Any]
    tokens: Mapping[str, str]


def mask(flag: Mapping[str, Any], marks: Marks) -> Masked:
    """A flag, cleaned and masked: marked values wherever they stand, and what free text shows to be personal."""
    masker = _Masker()
    result = cleaned(copy.deepcopy(dict(flag)))
    data = result.get("data", {})
    for path, kind in marks.values(data):
        holder = data
        for step in path[:-1]:
            holder = holder[step]
        if holder[path[-1]] is not None:
            holder[path[-1]] = masker.marked(kind, holder[path[-1]])
    return Masked(masker.walk(result), {token: value for value, token in masker.tokens.items()})


def unmask(text: str, tokens: Mapping[str, str]) -> str:
    """A text with the values back in the places of their tokens; a token that is unknown stays."""
    return TOKEN.sub(lambda match: tokens.get(match[0], match[0]), text)


def unknown_tokens(text: str, tokens: Mapping[str, str]) -> list[str]:
    """Tokens in a text that stand for nothing."""
    return sorted({token for token in TOKEN.findall(text) if token not in tokens})


@dataclass(slots=True)
class _Masker:
    tokens: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    known: list[tuple[re.Pattern[str], str]] = field(default_factory=list)

    def token(self, kind: str, value: str) -> str:
        """The token of a value, a new one if it is new."""
        if value not in self.tokens:
            word = re.sub(r"[^A-Z]", "", kind.upper()) or "VALUE"
            self.counts[word] = self.counts.get(word, 0) + 1
            self.tokens[value] = f"<{word}_{self.counts[word]}>"
        return self.tokens[value]

    def marked(self, kind: str, value: Any) -> Any:
        """A marked value's token; its text, and the parts of a name, are looked for everywhere else."""
        if isinstance(value, dict):
            return {name: self.marked(kind, item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.marked(kind, item) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        text = str(value)
        if text in self.tokens or not text:
            return self.tokens.get(text, text)
        token = self.token(kind, text)
        parts = [text, *(text.split() if "name" in kind.lower() else ())]
        for part in sorted({part.strip(".,;") for part in parts}, key=len, reverse=True):
            if len(part) >= _SHORTEST:
                flexible = r"[\s,._-]*".join(re.escape(piece) for piece in part.split())
                self.known.append((re.compile(rf"(?<!\w){flexible}(?!\w)", re.IGNORECASE), token))
        self.known.sort(key=lambda each: -len(each[0].pattern))
        return token

    def walk(self, value: Any) -> Any:
        """A JSON value with all that is personal replaced."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.walk(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self.number(value)
        return value

    def number(self, value: int) -> Any:
        """A number, unless it is long enough to tell whose it is and a card's or marked elsewhere."""
        text = str(value)
        if len(text) >= _TELLING and text in self.tokens:
            return self.tokens[text]
        return self.token("CARD", text) if is_card(text) else value

    def text(self, text: str) -> str:
        """A text, marked values first."""
        if TOKEN.fullmatch(text):
            return text
        for pattern, token in self.known:
            text = pattern.sub(token, text)
        result, at = [], 0
        for found in personal(text):
            result += [text[at : found.start], self.token(found.kind, text[found.start : found.end])]
            at = found.end
        return "".join([*result, text[at:]])
