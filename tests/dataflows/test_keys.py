"""Key tables: slots of keys that come, go and come back, against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.operators import keys as module
from dataflows.operators.canonical import hashes
from dataflows.operators.keys import KeyTable
from models.values.strings import strings_of

NAMES = st.lists(st.integers(0, 400).map(lambda i: f"key {i}" * (1 + i % 3)), max_size=60)


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, st.sets(st.integers(0, 400)), st.booleans()), max_size=12))
def test_slots_are_those_of_a_dictionary(steps: list[tuple[list[str], set[int], bool]]) -> None:
    """Insertion, removal and restoring: every key has one slot of its own, and slots of removed keys are used again."""
    module._SLACK, before = 64, module._SLACK
    try:
        table, slots = KeyTable(), {}
        most = 0
        for names, removed, restored in steps:
            strings = strings_of(names)
            for name, slot in zip(names, table.slots(strings, hashes(strings)).tolist(), strict=True):
                assert slots.setdefault(name, slot) == slot
            most = max(most, len(slots))
            assert len(table) == len(slots) == len(set(slots.values()))
            gone = {name: slot for name, slot in slots.items() if slot in removed}
            table.remove(np.array(list(gone.values()), np.int64))
            slots = {name: slot for name, slot in slots.items() if name not in gone}
            if restored:
                state, table = table.snapshot(), KeyTable()
                table.restore(state)
            assert {name: table.key(slot).decode() for name, slot in slots.items()} == {name: name for name in slots}
            known = strings_of(list(slots))
            assert table.find(known, hashes(known)).tolist() == list(slots.values())
            unknown = strings_of(list(gone))
            assert table.find(unknown, hashes(unknown)).tolist() == [-1] * len(gone)
        assert table.used <= most
    finally:
        module._SLACK = before
