"""Saved state as bytes: what goes in comes out, and nothing else is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.values.packed import UnknownState, of_version, packed, unpacked, versioned

PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
NAMES = st.text() | st.integers(-(2**63), 2**63 - 1) | st.tuples(st.text(), st.integers(0, 99))
ARRAYS = st.sampled_from([np.int64, np.uint8, np.float64, np.bool_, np.int32]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=2, min_side=0, max_side=5), elements={"allow_nan": False} if dtype is np.float64 else {})
)
STATES = st.recursive(
    PLAIN | ARRAYS,
    lambda parts: st.lists(parts) | st.lists(parts).map(tuple) | st.dictionaries(NAMES, parts),
    max_leaves=12,
)


def equal(a: Any, b: Any) -> bool:
    """Equal values of equal types, arrays by their elements."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and bool(a == b)


@given(STATES)
def test_what_goes_in_comes_out(state: Any) -> None:
    """Values, their types, arrays, tuples and the order of mappings."""
    assert equal(unpacked(packed(state)), state)


def test_arrays_may_be_written_to() -> None:
    """What is restored goes on."""
    array = unpacked(packed(np.zeros(3)))
    array[1] = 2
    assert array.tolist() == [0, 2, 0]


def test_objects_are_refused() -> None:
    """Neither instances nor arrays of objects."""
    with pytest.raises(TypeError):
        packed({"x": object()})
    with pytest.raises(TypeError, match="expected an array of numbers; found one of object"):
        packed(np.array([None], object))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xc7\x01\x05a", packed({"a": np.arange(3)})[:-1]])
def test_other_bytes_are_no_state(data: bytes) -> None:
    """One message with what to do."""
    with pytest.raises(UnknownState, match=r"^saved state cannot be read: .+\. Start with another --state$"):
        unpacked(data)


def test_versions_are_told() -> None:
    """What was saved, and by which version."""
    assert of_version(1, "a shard", versioned(1, "a shard", [1])) == [1]
    with pytest.raises(UnknownState, match="expected saved state of a shard, version 1; found a shard 2. Start with another --state"):
        of_version(1, "a shard", versioned(2, "a shard", [1]))
    with pytest.raises(UnknownState, match="found something else"):
        of_version(1, "a shard", packed(3))
