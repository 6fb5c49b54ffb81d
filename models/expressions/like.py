"""``like`` and ``ilike``: % is any text, _ any one character."""

from __future__ import annotations

from collections.abc import Callable

from models.expressions.calls import lower


def like(*, ignore_case: bool) -> Callable[[str, str], bool]:
    """A function of text and pattern. Walks both once, going back only to the last %: never exponential."""

    def matches(text: str, pattern: str) -> bool:
        if ignore_case:
            text, pattern = lower(text), lower(pattern)
        return _walk(text, pattern)

    return matches


def _walk(text: str, pattern: str) -> bool:
    t = p = 0
    star, mark = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "%":
            star, mark = p, t
            p += 1
        elif p < len(pattern) and (pattern[p] == "_" or pattern[p] == text[t]):
            t, p = t + 1, p + 1
        elif star >= 0:
            mark += 1
            t, p = mark, star + 1
        else:
            return False
    return pattern[p:].strip("%") == ""
