"""The Bytewax shim of a stage: names of shards, and one shard as the logic behind its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from bytewax.operators import StatefulBatchLogic

from dataflows.monitoring.observed import Observed
from dataflows.reading.promise import PromiseCheck, Sampled, Violation
from dataflows.stages.items import Item, Outcome
from dataflows.stages.shard import Shard
from models.values.packed import of_version, versioned

VERSION = 1

_BALANCE = 64
"""Names are chosen so that Bytewax spreads them evenly over every worker count that divides this."""


class Logic(StatefulBatchLogic[Item, Outcome, bytes]):
    """One shard of one stage; Bytewax calls it with all items of an activation. ``saves``: whether snapshots are kept.

    made: the shard to which a sender sends: Bytewax does not say whose logic it asks for, the first item does.
    """

    def __init__(
        self, made: Callable[[int], Shard], observed: Observed, state: bytes | None = None, *, saves: bool = False
    ) -> None:
        self.made = made
        self.observed = observed
        self.shard: Shard | None = None
        self.saves = saves
        self.saved = state

    def on_batch(self, values: list[Item]) -> tuple[Iterable[Outcome], bool]:
        """Take rows and bounds; one outcome."""
        if self.shard is None:
            self.shard = self._begun(values[0].sender)
        begun = self.observed.clock()
        outcome = self.shard.take(values)
        self.seconds.add(self.observed.clock() - begun)
        return [outcome], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """All state. Bounds alone make no new one: after a restart every sender tells its bound again."""
        begun = self.observed.clock()
        saved = self._saved() if self.saves else b""
        self.observed.snapshot(begun)
        return saved

    def _begun(self, sender: int) -> Shard:
        shard = self.made(sender)
        self.seconds = self.observed.shard(shard.stage.index, shard)
        if self.saved:
            shard.restore(of_version(VERSION, "a shard", self.saved))
        return shard

    def _saved(self) -> bytes:
        if self.shard is not None and (not self.saved or self.shard.changed):
            self.saved = versioned(VERSION, "a shard", self.shard.snapshot())
            self.shard.changed = False
        return self.saved or b""


def keys_in(saved: bytes) -> int:
    """How many keys a shard's snapshot holds; none where it was never used."""
    if not saved:
        return 0
    keys = of_version(VERSION, "a shard", saved)["keys"]
    return len(keys["spans"]) - len(keys["free"])


class CheckLogic(StatefulBatchLogic[Sampled, Violation, bytes]):
    """The check shard: sampled keys of all stages that are divided by partition. ``saves``: whether snapshots are kept."""

    def __init__(self, check: PromiseCheck, state: bytes | None = None, *, saves: bool = False) -> None:
        self.check = check
        self.saves = saves
        if state:
            check.restore(of_version(VERSION, "the check of partitions", state))

    def on_batch(self, values: list[Sampled]) -> tuple[Iterable[Violation], bool]:
        """Take sampled keys; the violations that they are."""
        found = [self.check.take(sample) for sample in values]
        return [violation for violation in found if violation is not None], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """All keys seen."""
        return versioned(VERSION, "the check of partitions", self.check.snapshot()) if self.saves else b""


def worker_of(name: str, workers: int) -> int:
    """The worker to which Bytewax sends a key."""
    return siphash13(name.encode() + b"\xff") % workers


@cache
def shard_names(shards: int) -> tuple[str, ...]:
    """A Bytewax key for each shard; shard s goes to worker s % workers where workers divides 64.

    Bytewax sends a key to the worker ``SipHash-1-3(key + 0xff, zero keys) % workers``; a wrong prediction costs balance, never
    correctness.
    """
    return tuple(_salted(shard) for shard in range(shards))


def _salted(shard: int) -> str:
    salt = 0
    while siphash13(f"{shard}.{salt}".encode() + b"\xff") % _BALANCE != shard % _BALANCE:
        salt += 1
    return f"{shard}.{salt}"


def siphash13(data: bytes) -> int:
    """SipHash-1-3 with zero keys (Aumasson and Bernstein, 2012), as Rust's DefaultHasher computes it."""
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    end = len(data) - len(data) % 8
    for at in range(0, end, 8):
        _mix(v, int.from_bytes(data[at : at + 8], "little"))
    _mix(v, int.from_bytes(data[end:], "little") | (len(data) & 0xFF) << 56)
    v[2] ^= 0xFF
    for _ in range(3):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _mix(v: list[int], word: int) -> None:
    v[3] ^= word
    _round(v)
    v[0] ^= word


def _round(v: list[int]) -> None:
    mask = (1 << 64) - 1

    def turn(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (64 - bits))) & mask

    v[0] = (v[0] + v[1]) & mask
    v[1] = turn(v[1], 13) ^ v[0]
    v[0] = turn(v[0], 32)
    v[2] = (v[2] + v[3]) & mask
    v[3] = turn(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & mask
    v[3] = turn(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & mask
    v[1] = turn(v[1], 17) ^ v[2]
    v[2] = turn(v[2], 32)
