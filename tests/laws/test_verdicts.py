"""Law 10 for decoding: many mutated rows in one block, each with the verdict and the values of the strict reading."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.decoding.decoded import Reason
from dataflows.decoding.json import JsonDecoder, split_lines
from dataflows.decoding.strict import Bad, parse, values_of
from models.application.resolved.sources import FieldSpec
from models.values.types import parse_type
from tests.laws.worlds import examples

TYPES = {
    "s": "string", "o": "string?", "i": "int?", "f": "float?", "d": "decimal(6,2)?", "w": "decimal(18,0)?", "b": "bool?",
    "ms": "timestamp[ms]?", "ns": "timestamp[ns]?", "t": "timestamp?", "day": "date?",
}  # fmt: skip
FIELDS = {name: FieldSpec(name, parse_type(text), (name,)) for name, text in TYPES.items()}
FIRST = frozenset({"i", "ms"})
TOKENS = [
    "0", "-0", "00", "01", "1.", ".5", "-", "+1", "1e5", "1E-2", "1e400", "-1e-400", "0.10", "12.50", "1234.56", "99999.99", "1.005",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "999999999999999999", "1000000000000000000", "1.0", "1e2",
    "253402300799999", "253402300800000", "-62135596800000", "9007199254740993", "0.1", "123456789012345678901234567890", "5e-324",
    "true", "false", "null", "nul", "True", "NaN", "Infinity", "-Infinity", "[]", "[1,2]", "{}", '{"s": 1}', '{"a": [{}, "}"]}', '"12"',
    '""', '"x"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\n"', '"\\x"', '"\t"', '"é"', '"😀"', '"a\\"b"', '"\\u0000"',
    '"2024-02-29T23:59:59.5Z"', '"2024-02-29 23:59:59"', '"2023-02-29T00:00:00Z"', '"2024-02-29"', '"2024-01-01T00:00:00+01:00"',
    '"9999-12-31T23:59:59.999999999Z"', '"0001-01-01T00:00:00+00:01"', '"2024-12-31T23:59:60Z"', '"2024-1-01"', "",
]  # fmt: skip
JUNK = [b"", b"", b"", b" ", b'"', b"}", b"{", b"\\", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00", b"\x1f", b"\xef\xbb\xbf", b",", b":", b"e", b"-",
        b"0", b"\r", b"/**/"]  # fmt: skip


def strictly(raw: bytes) -> tuple[dict[str, Any], Reason | None, str | None]:
    """The strict reading's values, verdict and field at fault."""
    try:
        values, bad = values_of(parse(raw, frozenset(FIELDS)), FIELDS, FIRST)
    except Bad as error:
        return {}, error.reason, error.field
    return values, None if bad is None else bad.reason, None if bad is None else bad.field


def mutated(dice: random.Random) -> bytes:
    """One row: declared fields in any order, some twice, some unknown, values right or wrong, and now and then junk in it."""
    names = dice.choices([*FIELDS, "other", "S", "dé"], k=dice.randint(0, 8))
    names = names if dice.random() < 0.1 else list(dict.fromkeys(["s", *names]))
    dice.shuffle(names)
    space = dice.choice(["", " ", "  \t"])
    fitting = {"s": '"v"', "o": '"é"', "i": "7", "f": "0.5", "d": "1.25", "w": "123456789012345678", "b": "true", "ms": "1700000000000",
               "ns": "1700000000000000001", "t": '"2024-02-29T23:59:59.5Z"', "day": '"2024-02-29"'}  # fmt: skip
    pairs = []
    for name in names:
        value = fitting.get(name, "1") if dice.random() < 0.75 else dice.choice(TOKENS)
        shown = json.dumps(name) if dice.random() < 0.95 else f'"\\u{ord(name[0]):04x}{name[1:]}"'
        pairs.append(f"{shown}{space}:{space}{value}")
    raw = ("{" + f"{space},{space}".join(pairs) + "}").encode("utf-8", "surrogatepass")
    if dice.random() < 0.3:
        at, cut = dice.randint(0, len(raw)), dice.choice([0, 0, 1, 3])
        raw = raw[:at] + dice.choice(JUNK) + raw[at + cut :]
    return raw.replace(b"\n", b"")


@settings(max_examples=examples(60))
@given(st.integers(0, 2**31))
def test_every_row_of_a_block_is_judged_as_the_strict_reading_does(seed: int) -> None:
    """Sixty rows a block: reason, field at fault, and all values of good rows."""
    dice = random.Random(seed)
    wanted = frozenset(dice.sample(sorted(FIELDS), dice.randint(1, len(FIELDS)))) | FIRST
    rows = [row for row in (mutated(dice) for _ in range(60)) if row.strip()]
    decoded = JsonDecoder(FIELDS, wanted, FIRST).decode(split_lines(b"\n".join(rows) + b"\n"))
    assert decoded.n == len(rows)
    dead = {row.row: row for row in decoded.dead}
    for place, raw in enumerate(rows):
        values, reason, at_fault = strictly(raw)
        found = dead.get(place)
        assert (found and found.reason) == reason, raw
        assert (found and found.field) == at_fault, raw
        if reason is None:
            got = {name: decoded.columns[name].at(place) for name in sorted(wanted)}
            assert repr(got) == repr({name: values[name] for name in sorted(wanted)}), raw
