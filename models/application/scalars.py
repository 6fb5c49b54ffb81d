"""Where each character of a scalar stands in its file, whatever its style: plain, quoted, folded or literal."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Span:
    """A scalar's source: ``source[start:stop]`` with its quotes or block indicator; ``skip`` characters of its text come before."""

    source: str
    start: int
    stop: int
    whole: str | None = None
    skip: int = 0

    def place(self, text: str, at: int) -> tuple[int, int]:
        """Line and column, from 1, of character ``at`` of ``text``."""
        index = self._index(self.whole if self.whole is not None else text, self.skip + at)
        line_start = self.source.rfind("\n", 0, index) + 1
        return self.source.count("\n", 0, index) + 1, index - line_start + 1

    def part(self, text: str, start: int) -> Span:
        """The span of a piece of the text that begins at ``start``."""
        whole = self.whole if self.whole is not None else text
        return replace(self, whole=whole, skip=self.skip + start)

    def _index(self, text: str, at: int) -> int:
        """Walk text and source side by side: what the source has more (indentation, quotes, escapes) is passed over."""
        index = self._first()
        for character in text[:at]:
            if character.isspace():
                index += index < self.stop and self.source[index].isspace()
                continue
            while index < self.stop and self.source[index] != character:
                index += 1
            index += 1
        while index < self.stop - 1 and at < len(text) and not text[at].isspace() and self.source[index] != text[at]:
            index += 1
        return min(index, self.stop)

    def _first(self) -> int:
        """Where the text begins: after the opening quote, or on the line after a block indicator."""
        if self.source[self.start : self.start + 1] in ("|", ">"):
            return self.source.find("\n", self.start) + 1
        return self.start
