"""The bank: deterministic, faithful to the published recipe, and labelled truthfully."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dataflows.generate.bank import RADIUS, Bank, Size, make_bank
from dataflows.generate.envelopes import Envelopes, precise
from dataflows.generate.episodes import KINDS_OF_STORY
from dataflows.generate.payments import KINDS, Payments
from dataflows.generate.recipe import defraud, ordinary
from dataflows.generate.score import KindScore, score
from dataflows.generate.write import FILES, generate_bank

SMALL = Size(200, 400, 12)
KEYS = {"payments": "payment_id", "logins": "login_id", "transfers": "transfer_id"}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    generate_bank(folder, SMALL, seed=3, episodes=4)
    return folder


@pytest.fixture(scope="module")
def published() -> tuple[Bank, Payments, int]:
    """The published size: 5,000 customers, 10,000 terminals, 183 days."""
    draws = [np.random.default_rng([7, part]) for part in range(3)]
    bank = make_bank(Size(), draws[0])
    payments = ordinary(bank, draws[1])
    plain_cents = payments.cents.copy()
    defraud(payments, bank, draws[2])
    return bank, payments, int(plain_cents.sum())


def test_the_same_seed_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    """All files; and another seed gives others."""
    generate_bank(tmp_path / "again", SMALL, seed=3, episodes=4)
    generate_bank(tmp_path / "other", SMALL, seed=4, episodes=4)
    assert digests(tmp_path / "again") == digests(small)
    assert not set(digests(tmp_path / "other").values()) & set(digests(small).values())


def test_counts_and_times_are_those_of_the_recipe(published: tuple[Bank, Payments, int]) -> None:
    """Mean rate 2 a day, those outside the day dropped; times of day symmetric about noon, in whole seconds."""
    bank, payments, _ = published
    inside = math.erf(43_200 / 20_000 / math.sqrt(2))
    assert len(payments) == pytest.approx(float(bank.rate.sum()) * 183 * inside, rel=0.005)
    second = (payments.ts - Size().start) % 86_400_000 / 1000
    assert (second == second.astype(int)).all()
    assert second.min() > 0
    assert second.mean() == pytest.approx(43_200, abs=100)
    z = 43_200 / 20_000
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    assert second.std() == pytest.approx(20_000 * math.sqrt(1 - 2 * z * density / inside), rel=0.01)


def test_amounts_are_those_of_the_recipe(published: tuple[Bank, Payments, int]) -> None:
    """N(m, m / 2), below zero anew from U(0, 2m): on average m (P(Z > -2) + pdf(2) / 2 + P(Z < -2))."""
    bank, payments, cents = published
    factor = 1 + math.exp(-2) / math.sqrt(2 * math.pi) / 2
    expected = bank.mean[payments.customer].mean() * factor
    assert cents / 100 / len(payments) == pytest.approx(expected, rel=0.005)
    assert (bank.mean.min(), bank.mean.max()) == pytest.approx((5, 100), abs=0.5)
    assert payments.cents.min() >= 0


def test_customers_pay_within_their_reach(published: tuple[Bank, Payments, int]) -> None:
    """At about pi r^2 terminals of a hundredth each, fewer at the edges."""
    bank, payments, _ = published
    assert bank.reach.mean() == pytest.approx(math.pi * RADIUS**2, rel=0.06)
    some = np.random.default_rng(0).integers(len(payments), size=500)
    assert all(payments.terminal[row] in bank.terminals_of(int(payments.customer[row])) for row in some)


def test_frauds_are_as_many_as_published(published: tuple[Bank, Payments, int]) -> None:
    """The published run ends with 973, 9,077 and 4,631 payments of the three scenarios among 1,754,155."""
    _, payments, _ = published
    counted = Counter(payments.kind.tolist())
    share = len(payments) / 1_754_155
    assert counted[0] == pytest.approx(973 * share, rel=0.25)
    assert counted[1] == pytest.approx(9_077 * share, rel=0.08)
    assert counted[2] == pytest.approx(4_631 * share, rel=0.08)
    assert (payments.cents[payments.kind == 0] > 22_000).all()
    spans = pl.DataFrame({"kind": payments.kind, "episode": payments.episode, "ts": payments.ts}).filter(pl.col("kind") > 0)
    days = spans.group_by("kind", "episode").agg(days=(pl.col("ts").max() - pl.col("ts").min()) / 86_400_000)
    assert days.filter(pl.col("kind") == 1)["days"].max() < 28  # type: ignore[operator]
    assert days.filter(pl.col("kind") == 2)["days"].max() < 14  # type: ignore[operator]


def test_labels_name_events_that_are_there(small: Path) -> None:
    """Each label's id stands in its stream at its time; an episode has one kind; every kind of story is told four times."""
    labels = pl.read_csv(small / "labels.csv")
    for stream, key in KEYS.items():
        own = labels.filter(pl.col("stream") == stream)
        events = pl.read_ndjson(small / FILES[stream], infer_schema_length=None)
        assert own.join(events, left_on=["id", "ts"], right_on=[key, "ts"], how="inner").height == own.height
    assert labels.group_by("episode").agg(pl.col("kind").n_unique())["kind"].max() == 1
    told = labels.group_by("kind").agg(pl.col("episode").n_unique())
    assert {kind: n for kind, n in told.iter_rows() if kind in KINDS_OF_STORY} == dict.fromkeys(KINDS_OF_STORY, 4)
    assert set(told["kind"]) <= set(KINDS)


def test_streams_are_in_order_of_time(small: Path) -> None:
    """Each file's times never fall, and lie within the bank's days."""
    for stream in (*KEYS, "reports"):
        ts = pl.read_ndjson(small / FILES[stream], infer_schema_length=None)["ts"]
        assert ts.is_sorted()
        assert ts[0] >= SMALL.start
        assert ts[-1] < SMALL.end


@pytest.mark.parametrize("table", ["customers", "cards"])
def test_changes_continue_the_snapshot(small: Path, table: str) -> None:
    """A row's before-image is what it was; positions grow; a snapshot is marked at both ends."""
    rows: dict[str, object] = {}
    records = [json.loads(line) for line in (small / FILES[table]).read_text().splitlines()]
    marks = [record["source"]["snapshot"] for record in records if record["op"] == "r"]
    assert (marks[0], marks[-1], set(marks[1:-1])) == ("first_in_data_collection", "last_in_data_collection", {"true"})
    later = [record["source"]["lsn"] for record in records[len(marks) :]]
    assert later == sorted(set(later))
    for record in records:
        key = (record["after"] or record["before"])[f"{table[:-1]}_id"]
        assert record["before"] == (None if record["op"] in "rc" else rows[key])
        rows[key] = record["after"]


def test_decimals_are_written_as_debezium_does() -> None:
    """Unscaled, signed, big-endian, base64: 500.00, 1234.56 and -99999.99 as a connector wrote them."""
    assert [precise(cents) for cents in (50_000, 123_456, 0)] == ["AMNQ", "AeJA", "AA=="]


def test_a_deleted_row_ends(tmp_path: Path) -> None:
    """Its record has the whole row before and none after."""
    table = Envelopes("cards", "card_id", 0)
    table.snapshot([{"card_id": "c1"}])
    table.delete(5, "c1")
    assert [json.loads(line)["after"] for line in table.lines] == [{"card_id": "c1"}, None]
    assert not table.rows


def test_score_counts_episodes_and_flags(tmp_path: Path) -> None:
    """Two episodes, one found an hour after it began; two flags, one right."""
    (tmp_path / "labels.csv").write_text(
        "stream,id,ts,kind,episode\nlogins,l1,0,account_takeover,0\ntransfers,t1,60000,account_takeover,0\n"
        "transfers,t9,0,account_takeover,1\n"
    )
    flags = [flag("a", "account_takeover", "1970-01-01T01:00:00Z", "t1"), flag("b", "account_takeover", "1970-01-01T02:00:00Z", "l1")]
    (tmp_path / "flags.jsonl").write_text("\n".join(json.dumps(line) for line in flags) + "\n")
    assert score(tmp_path / "flags.jsonl", tmp_path / "labels.csv") == [KindScore("account_takeover", 2, 1, 2, 1, 1.0)]


def flag(id_: str, pattern: str, time: str, event: str) -> dict[str, object]:
    return {"id": id_, "time": time, "data": {"pattern": {"name": pattern}, "evidence": [{"on": "transfers", "id": event}]}}
