"""Saved state as bytes: arrays and plain values, in MessagePack. Reading it runs no code of whoever wrote it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec.msgpack import Ext

_ARRAY, _TUPLE = 1, 2


class UnknownState(Exception):
    """Saved state that this version cannot read."""


def packed(state: Any) -> bytes:
    """``state`` as bytes.

    It may hold None, numbers, text, bytes, lists, tuples, arrays of any dtype but object, and mappings by text, numbers or tuples.

    Raises:
        TypeError: for a value of another type.
    """
    return _ENCODER.encode(_plain(state))


def unpacked(data: bytes) -> Any:
    """What ``packed`` was given, its arrays free to be written to.

    Raises:
        UnknownState: for bytes that it did not make.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise UnknownState(f"saved state cannot be read: {error}. Start with another --state") from None


def versioned(version: int, what: str, state: Any) -> bytes:
    """``packed`` with a version; ``what`` is saved."""
    return packed({"version": version, "what": what, "state": state})


def of_version(version: int, what: str, data: bytes) -> Any:
    """What ``versioned`` was given.

    Raises:
        UnknownState: when it was saved as something else, or by another version.
    """
    found = unpacked(data)
    if not isinstance(found, dict) or (found.get("version"), found.get("what")) != (version, what):
        given = f"{found.get('what')} {found.get('version')}" if isinstance(found, dict) else "something else"
        raise UnknownState(f"expected saved state of {what}, version {version}; found {given}. Start with another --state")
    return found["state"]


def _plain(value: Any) -> Any:
    """The value with arrays and tuples, which MessagePack does not know, as extensions."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):
        return Ext(_TUPLE, _ENCODER.encode([_plain(each) for each in value]))
    if isinstance(value, np.ndarray):
        return _array(value)
    return value


def _array(array: np.ndarray[Any, Any]) -> Ext:
    if array.dtype.hasobject:
        raise TypeError(f"expected an array of numbers; found one of {array.dtype}")
    head = _ENCODER.encode((array.dtype.str, array.shape))
    return Ext(_ARRAY, len(head).to_bytes(2, "little") + head + array.tobytes())


def _from(code: int, data: memoryview) -> Any:
    if code == _TUPLE:
        return tuple(_DECODER.decode(data))
    if code != _ARRAY:
        raise ValueError(f"expected extension {_ARRAY} or {_TUPLE}; found {code}")
    stop = 2 + int.from_bytes(data[:2], "little")
    dtype, shape = msgspec.msgpack.decode(data[2:stop])
    return np.frombuffer(data[stop:], np.dtype(dtype)).reshape(shape).copy()


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(ext_hook=_from)
