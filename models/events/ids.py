"""Identities that survive replay: UUIDv5 of canonical JSON (contracts: flag)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

NAMESPACE = uuid5(NAMESPACE_URL, "urn:tocsin:flag:v1")
_BEGUN = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_YEAR_ONE = 62_135_596_800_000_000


def canonical_json(value: Any) -> str:
    """RFC 8785 for what ids hold: objects with ASCII keys, arrays, strings, integers below 2^53, null.

    >>> canonical_json({"b": [1, "ä"], "a": None})
    '{"a":null,"b":[1,"ä"]}'
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def identifier(identity: str) -> str:
    """The UUIDv5 of an identity in Tocsin's name space, as text (RFC 9562, without the detour over an object).

    >>> identifier("a") == str(uuid5(NAMESPACE, "a"))
    True
    """
    hashed = _BEGUN.copy()
    hashed.update(identity.encode())
    digest = bytearray(hashed.digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def flag_id(
    application: str, pattern: str, major: int, kind: str, key: Any, anchor: Sequence[Any], deadline: int | None = None
) -> str:
    """A flag's id; ``anchor`` the ids (of a sequence: [step, id]) that identify it, ``deadline`` microseconds that released it."""
    single = len(anchor) == 1 and deadline is None and isinstance(anchor[0], str)
    what: Any = anchor[0] if single else [*anchor, *([] if deadline is None else [str(deadline)])]
    identity = {
        "application": application, "pattern": pattern, "major": major, "kind": kind, "key": key, "anchor": what, "revision": 0,
    }  # fmt: skip
    return identifier(canonical_json(identity))


class FlagIds:
    """Ids of one pattern's flags, as ``flag_id`` gives them: what is the same in all their identities is text once."""

    def __init__(self, application: str, pattern: str, major: int) -> None:
        whole = {"application": application, "kind": "\0", "key": "\0", "major": major, "pattern": pattern, "revision": 0}
        before, _, after = canonical_json(whole).partition('"key":"\\u0000","kind":"\\u0000"')
        self.before, self.after = f",{before[1:]}", after

    def id(self, kind: str, key: str, anchor: Sequence[Any], deadline: int | None) -> str:
        """The id; ``key`` is text, the other arguments as ``flag_id`` has them."""
        single = len(anchor) == 1 and deadline is None and isinstance(anchor[0], str)
        what: Any = anchor[0] if single else [*anchor, *([] if deadline is None else [str(deadline)])]
        anchored, keyed = canonical_json(what), canonical_json(key)
        return identifier(f'{{"anchor":{anchored}{self.before}"key":{keyed},"kind":"{kind}"{self.after}')


def sequence(time: int, revision: int = 0) -> str:
    """A text that sorts by time: microseconds since the year 1, and the revision."""
    return f"{time + _YEAR_ONE:020d}-{revision:06d}"


def trace_parent(flag: str) -> str:
    """A W3C trace context from the flag's id: trace id its 16 bytes, span id 8 bytes of its SHA-256."""
    trace = flag.replace("-", "")
    span = hashlib.sha256(bytes.fromhex(trace)).hexdigest()[:16]
    return f"00-{trace}-{span}-01"
