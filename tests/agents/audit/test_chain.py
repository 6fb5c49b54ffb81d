"""No change of the audit goes unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update

from agents.audit.chain import Entry, append, hash_of
from agents.audit.verify import verify
from agents.ledger.ledger import Ledger
from agents.ledger.schema import audit, audit_head


def _write(ledger: Ledger, application: str, count: int, batch: int = 500) -> None:
    for begin in range(0, count, batch):
        entries = [
            Entry("decision", f"d{i}", f"f{i}", {"verdict": "block", "i": i}) for i in range(begin, min(begin + batch, count))
        ]
        ledger.writer.submit(lambda c, given=entries: append(c, application, given, 5)).result()


def _change(ledger: Ledger, operation: Callable[[Connection], Any]) -> None:
    ledger.writer.submit(operation).result()


def _problems(ledger: Ledger) -> list[str]:
    return ledger.look(verify).problems


def test_an_unchanged_audit_verifies(ledger: Ledger) -> None:
    for owner in ("one", "two"):
        _write(ledger, owner, 700)
    found = ledger.look(verify)
    assert found.problems == []
    assert found.records == 1400


def test_the_one_changed_row_of_ten_thousand_is_named(tmp_path: Any) -> None:
    ledger = Ledger(str(tmp_path / "ledger.db"))
    _write(ledger, "one", 10_000)
    [chain] = ledger.look(lambda c: c.scalars(select(audit_head.c.chain)).all())
    _change(ledger, lambda c: c.execute(update(audit).where(audit.c.ref == "d7333").values(body='{"verdict":"dismiss"}')))
    assert _problems(ledger) == [f"chain {chain}, record 7334: changed: decision of d7333, flag f7333"]
    ledger.close()


@pytest.mark.parametrize("column", ["kind", "ref", "flag_id", "at", "body", "prev_hash"])
def test_every_column_is_covered(ledger: Ledger, column: str) -> None:
    _write(ledger, "one", 20)
    _change(ledger, lambda c: c.execute(update(audit).where(audit.c.seq == 9).values({column: 6 if column == "at" else "x"})))
    assert _problems(ledger)


def test_a_changed_row_with_its_hash_made_anew_is_named(ledger: Ledger) -> None:
    _write(ledger, "one", 20)

    def forge(connection: Connection) -> None:
        row = dict(connection.execute(select(audit).where(audit.c.seq == 9)).mappings().one()) | {"body": "{}"}
        connection.execute(update(audit).where(audit.c.seq == 9).values(body="{}", hash=hash_of(row)))

    _change(ledger, forge)
    [problem] = _problems(ledger)
    assert "record 9: changed, its hash too" in problem


def test_rows_taken_out_of_the_middle_or_the_end(ledger: Ledger) -> None:
    _write(ledger, "one", 20)
    _change(ledger, lambda c: c.execute(delete(audit).where(audit.c.seq.in_((5, 6)))))
    assert "expected record 5; found 7: 2 are missing" in _problems(ledger)[0]
    _change(ledger, lambda c: c.execute(delete(audit).where(audit.c.seq > 10)))
    assert "expected its head at record 10; found record 20" in _problems(ledger)[-1]


def test_an_end_cut_off_with_its_head_is_missed_by_whoever_kept_the_heads(ledger: Ledger) -> None:
    _write(ledger, "one", 20)
    [(chain, _)] = (earlier := ledger.look(verify).heads).items()
    _write(ledger, "one", 20)
    assert ledger.look(lambda c: verify(c, earlier)).problems == []

    def cut(connection: Connection) -> None:
        connection.execute(delete(audit).where(audit.c.seq > 10))
        hash_ = connection.scalar(select(audit.c.hash).where(audit.c.chain == chain, audit.c.seq == 10))
        connection.execute(update(audit_head).values(seq=10, hash=hash_))

    if len(ledger.look(verify).heads) == 1:
        _change(ledger, cut)
        assert _problems(ledger) == []
        assert ledger.look(lambda c: verify(c, earlier)).problems == [
            f"chain {chain}: expected record 20, its last when it was last looked at; found 10 as its last"
        ]
    _change(ledger, lambda c: c.execute(delete(audit)))
    _change(ledger, lambda c: c.execute(delete(audit_head)))
    assert f"chain {chain}: expected record 20" in ledger.look(lambda c: verify(c, earlier)).problems[0]


def test_what_does_not_commit_is_not_in_the_chain(ledger: Ledger) -> None:
    def fails(connection: Connection) -> None:
        append(connection, "one", [Entry("decision", "d", "f", {})], 1)
        raise ValueError("after it")

    with pytest.raises(ValueError, match="after it"):
        ledger.writer.submit(fails, bulk=True).result()
    _write(ledger, "one", 3)
    assert ledger.look(verify).records == 3 and _problems(ledger) == []
