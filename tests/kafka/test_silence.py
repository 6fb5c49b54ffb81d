"""Laws 2 and 3 with bounds that silence announces, under a clock that the test moves: kills and gaps change no flag."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from models.application.resolved.application import Application
from tests.kafka.clockwork import Logs, Saved, Work, Written, drive, loaded
from tests.kafka.parts import SECOND, Clock
from tests.laws.worlds import examples

TEXT = """streams:
  pays:
    from: {kafka: main/pays}
    time: ts
    lateness: 2s
    idle_after: 3s
    id: id
    join: {owner: {table: owners, on: card}}
    fields: {id: string, ts: "timestamp[us]", card: string, shop: int, amount: int}
    derive: {home: owner.home}
  logins:
    from: {kafka: main/logins}
    time: ts
    lateness: 0s
    idle_after: 1s
    fields: {ts: "timestamp[us]", card: string}
tables:
  owners:
    from: {kafka: main/owners}
    format: debezium
    key: card
    idle_after: 2s
    fields: {card: string, home: string}
features:
  n: {count: true, of: pays, by: card, over: 10s}
  here: {sum: amount, of: pays, by: shop, over: 6s}
patterns:
  taken: {on: pays, by: card, when: amount >= 0}
  sold: {on: pays, by: shop, when: here >= 0}
  abroad: {on: pays, by: card, when: home = 'FR' and n > 1, suppress: {cooldown: 5s}}
  burst: {on: pays, by: card, when: amount > 4, suppress: {debounce: 3s}}
  held: {on: pays, by: shop, when: amount > 2, hold: 4s}
  quiet: {on: logins, by: card, absence: {for: 6s}}
  stolen:
    by: card
    sequence: [{login: {on: logins}}, {pay: {on: pays, when: amount > 3}}]
    within: 8s
    on_timeout: flag
"""
PARTITIONS = {"pays": 3, "logins": 2, "owners": 1}
Happening = list[Callable[[], None]]


def happenings(dice: random.Random, logs: Logs, clock: Clock, *, prompt: bool, n: int = 40) -> Happening:
    """What happens one after another: records, silence; ``prompt``: no producer is further behind than its stream's lateness."""

    def pay(number: int, partition: int, behind: int, card: int, amount: int) -> None:
        row = {"id": f"p{number}", "ts": clock.now - behind, "card": f"c{card}", "shop": card % 2, "amount": amount}
        logs.send("pays", partition, json.dumps(row).encode(), clock.now)

    def login(partition: int, behind: int, card: int) -> None:
        logs.send("logins", partition, json.dumps({"ts": clock.now - behind, "card": f"c{card}"}).encode(), clock.now)

    def change(card: int, home: str) -> None:
        row = {"card": f"c{card}", "home": home}
        record = {"op": "u", "before": None, "after": row, "source": {"ts_us": clock.now}, "ts_ms": clock.now // 1000}
        logs.send("owners", 0, json.dumps(record).encode(), clock.now)

    def wait(micros: int) -> None:
        clock.now += micros

    found: Happening = []
    for number in range(n):
        late = 0 if prompt else dice.choice([0, 0, 4, 9]) * SECOND
        kind = dice.choice(["pay", "pay", "pay", "login", "change"])
        if kind == "pay":
            behind = late + dice.randint(0, 2) * SECOND
            found.append(partial(pay, number, dice.randrange(3), behind, dice.randrange(3), dice.randrange(7)))
        elif kind == "login":
            found.append(partial(login, dice.randrange(2), late, dice.randrange(3)))
        else:
            found.append(partial(change, dice.randrange(3), dice.choice(["DE", "FR"])))
        found.append(partial(wait, dice.choice([1, 200_000, SECOND, SECOND, 6 * SECOND])))
    return found


@cache
def application() -> Application:
    """Loaded once."""
    with tempfile.TemporaryDirectory() as folder:
        return loaded(Path(folder), TEXT)


def lived(seed: int, *, prompt: bool, kill: float) -> tuple[Written, Logs, Clock]:
    """What a live run wrote in a world of a seed, and what the topics hold in the end."""
    dice, clock = random.Random(seed), Clock()
    logs = Logs({(topic, number): [] for topic, count in PARTITIONS.items() for number in range(count)})
    happen = happenings(dice, logs, clock, prompt=prompt)
    written = drive(application(), logs, clock, happen, random.Random(seed + 1), kill)
    return written, logs, clock


def replayed(logs: Logs, clock: Clock) -> Written:
    """What a run over what the topics hold writes."""
    written = Written()
    Work(application(), logs, clock, Saved(), written, end=True).finish()
    return written


@settings(max_examples=examples(6))
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.15, 0.4]))
def test_kills_change_nothing_where_nobody_is_late(seed: int, kill: float) -> None:
    """Killed or not, with bounds announced all the time: the flags of an undisturbed run, byte for byte, and nothing is late."""
    written, logs, clock = lived(seed, prompt=True, kill=kill)
    undisturbed = lived(seed, prompt=True, kill=0.0)[0]
    assert written.flags == undisturbed.flags == replayed(logs, clock).flags
    assert not written.late and not undisturbed.late


@settings(max_examples=examples(6))
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.15, 0.4]))
def test_live_is_a_replay_of_what_was_not_too_late(seed: int, kill: float) -> None:
    """Each event is taken by every stage or late in all; without what silence made late a replay gives the same flags."""
    written, logs, clock = lived(seed, prompt=False, kill=kill)
    silent = {place for place, (reason, _) in written.late.items() if reason == "idle"}
    replay = replayed(logs.without(silent), clock)
    assert replay.late == {place: told for place, told in written.late.items() if place not in silent}
    assert written.flags == replay.flags
    sent = {("pays", number, offset) for number in range(3) for offset, _, _ in logs.entries["pays", number]}
    taken = {name: _events(written, name) for name in ("taken", "sold")}
    assert taken["taken"] == taken["sold"] == sent - written.late.keys()


def _events(written: Written, pattern: str) -> set[tuple[str, int, int]]:
    """The events of which a pattern raised a flag."""
    flags = [json.loads(flag) for flag in written.flags.values()]
    return {
        (each["topic"], each["partition"], each["offset"])
        for flag in flags if flag["data"]["pattern"]["name"] == pattern for each in flag["data"]["evidence"]
    }  # fmt: skip


def test_the_laws_are_not_empty() -> None:
    """Over a few worlds bounds are announced, events are late for both reasons, and flags are written again after kills."""
    reasons: set[str] = set()
    again = 0
    for seed in range(6):
        written = lived(seed, prompt=False, kill=0.3)[0]
        reasons |= {reason for reason, _ in written.late.values()}
        again += written.again
    assert reasons == {"idle", "lateness"} and again > 20


def test_a_partition_that_is_idle_for_a_minute_holds_flags_up_for_no_longer_than_it_says() -> None:
    """A payment a second in one of three partitions: each is flagged once lateness, idle_after and an epoch have passed."""
    clock, written = Clock(), Written()
    logs = Logs({(topic, number): [] for topic, count in PARTITIONS.items() for number in range(count)})
    work, flagged = Work(application(), logs, clock, Saved(), written), []
    for number in range(60):
        logs.send("pays", 0, json.dumps({"id": f"p{number}", "ts": clock.now, "card": "c", "shop": 1, "amount": 1}).encode(), clock.now)
        for _ in range(2):
            work.fetch()
            for name in work.parts:
                work.read(name)
            work.save()
            clock.now += SECOND // 2
        flagged.append(len(_events(written, "taken")))
    assert not written.late
    # lateness 2 s and idle_after 3 s of the silent partitions, and an epoch until it is in effect
    assert flagged[10:] == [number - 5 for number in range(11, 61)]


def test_a_partition_that_was_added_joins_where_the_run_is() -> None:
    """Its events of before are late (new_partition), later ones are taken; the others lose nothing."""
    clock, written = Clock(), Written()
    logs = Logs({(topic, number): [] for topic, count in PARTITIONS.items() for number in range(count)})
    work = Work(application(), logs, clock, Saved(), written)

    def pay(name: str, partition: int, time: int) -> None:
        row = {"id": name, "ts": time, "card": "c", "shop": 1, "amount": 1}
        logs.send("pays", partition, json.dumps(row).encode(), clock.now)

    for number in range(20):
        pay(f"p{number}", number % 3, clock.now)
        work.fetch()
        for name in work.parts:
            work.read(name)
        saved = work.save()
        clock.now += SECOND
    logs.entries["pays", 3] = []
    pay("before", 3, clock.now - 60 * SECOND)
    pay("after", 3, clock.now)
    Work(application(), logs, clock, saved, written, end=True).finish()
    assert [(place, reason) for place, (reason, _) in written.late.items()] == [(("pays", 3, 0), "new_partition")]
    assert len(_events(written, "taken")) == 21
