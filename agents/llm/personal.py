"""Personal data in free text, found by form and, where there is one, by checksum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TELLING = re.compile(r"(?:\d\D*){4}|@")
"""What every kind below has in it: most texts are done with after looking for it."""
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
_DIGITS = re.compile(r"\d+(?:[ ./_-]{1,2}\d+)*")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}")
_PHONE = re.compile(r"(?<![\w.])(?:(?:\+|00)[1-9]\d{0,2}|0[1-9]\d{1,4}(?=[ /()-]))(?:[ ./()-]{0,2}\d){6,12}(?![\w])")
_CARD_STARTS = "2345689"
_SHORTEST_CARD, _LONGEST_CARD = 13, 19


@dataclass(frozen=True, slots=True)
class Found:
    """A piece [start, end) of a text and what it is: EMAIL, IBAN, CARD or PHONE."""

    start: int
    end: int
    kind: str


def personal(text: str) -> list[Found]:
    """What is personal in a text, from left to right, without overlaps; the earlier kinds of ``Found`` win."""
    taken: list[Found] = []
    if _TELLING.search(text) is None:
        return taken
    for found in _all(text):
        if all(found.end <= other.start or found.start >= other.end for other in taken):
            taken.append(found)
    return sorted(taken, key=lambda found: found.start)


def _all(text: str) -> Iterator[Found]:
    yield from (Found(*match.span(), "EMAIL") for match in _EMAIL.finditer(text))
    yield from _ibans(text)
    yield from _cards(text)
    yield from (Found(*match.span(), "PHONE") for match in _PHONE.finditer(text))


def _ibans(text: str) -> Iterator[Found]:
    """What a word begins with and mod 97 confirms: the longest that ends where a word or a group of it does."""
    for match in _IBAN.finditer(text):
        start = match.start()
        for end in range(match.end(), start + 14, -1):
            if text[end - 1].isalnum() and (end == len(text) or not text[end].isalnum()) and is_iban(text[start:end]):
                yield Found(start, end, "IBAN")
                break


def is_iban(text: str) -> bool:
    """Whether ISO 13616's mod 97 gives 1; blanks and hyphens do not count.

    >>> is_iban("DE89 3704 0044 0532 0130 00")
    True
    """
    plain = re.sub(r"[ -]", "", text).upper()
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def _cards(text: str) -> Iterator[Found]:
    """Runs of whole groups of digits that have a card number's length, start and check digit."""
    for match in _DIGITS.finditer(text):
        groups = [(g.start() + match.start(), g.end() + match.start()) for g in re.finditer(r"\d+", match[0])]
        i = 0
        while i < len(groups):
            last = _card_from(text, groups, i)
            if last is None:
                i += 1
            else:
                yield Found(groups[i][0], groups[last][1], "CARD")
                i = last + 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The group with which the longest card number that begins with group ``first`` ends."""
    digits, found = "", None
    for i in range(first, len(groups)):
        digits += text[groups[i][0] : groups[i][1]]
        if len(digits) > _LONGEST_CARD:
            break
        if is_card(digits):
            found = i
    return found


def is_card(digits: str) -> bool:
    """Whether digits may be a card number: 13 to 19 of them, a start that is in use, Luhn's check digit (ISO/IEC 7812-1).

    >>> is_card("4111111111111111")
    True
    """
    if not _SHORTEST_CARD <= len(digits) <= _LONGEST_CARD or digits[0] not in _CARD_STARTS or not digits.isascii():
        return False
    doubled = [int(digit) * (2 if i % 2 else 1) for i, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
