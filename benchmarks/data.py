"""Files of events for the benchmarks, made whole columns at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

START = 1_700_000_000_000
"""The first event's time, in milliseconds."""


def events(path: Path, n: int, cards: int = 200_000) -> None:
    """Write n events of about 100 bytes, ten milliseconds apart (workload W1)."""
    random = np.random.default_rng(0)
    card, cents = random.integers(0, cards, n), np.minimum(random.exponential(6_000, n).astype(np.int64), 99_999)
    country, device = random.integers(0, 30, n), random.integers(0, 90_000, n)
    with path.open("w", encoding="ascii") as file:
        for i, (c, a, k, d) in enumerate(zip(card.tolist(), cents.tolist(), country.tolist(), device.tolist(), strict=True)):
            file.write(
                f'{{"tx_id":"t{i:07d}","card":"c{c:06d}","amount":{a // 100}.{a % 100:02d},"country":{k},'
                f'"device":"d{d:05d}","ts":{START + i * 10}}}\n'
            )


def later(path: Path, to: Path, milliseconds: int) -> None:
    """Write the same events again, later; their times are the last thing in each line."""
    data = np.fromfile(path, np.uint8)
    places = (np.flatnonzero(data == 10) - 14)[:, None] + np.arange(13)
    times = (data[places] - 48).astype(np.int64) @ 10 ** np.arange(12, -1, -1)
    data[places] = digits(times + milliseconds, 13)
    data.tofile(to)


def small(path: Path, cards: NDArray[np.int64], times: NDArray[np.int64]) -> None:
    """Write events of a card (a number below ten million) and an amount at given milliseconds, 47 bytes each."""
    line = np.frombuffer(b'{"card":"c0000000","amount":123.45,"ts":%d}\n' % START, np.uint8)
    rows = np.tile(line, (len(cards), 1))
    rows[:, 10:17] = digits(cards, 7)
    rows[:, 40:53] = digits(times, 13)
    with path.open("ab") as file:
        rows.tofile(file)


def digits(numbers: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Numbers as decimal digits, uint8[n, width]."""
    return (numbers[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + 48).astype(np.uint8)
