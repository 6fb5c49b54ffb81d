"""Who banks and where: customers with habits, terminals and cards on one plane of 100 by 100 kilometres.

The first draws follow the Fraud Detection Handbook's simulator: a place from U(0, 100) each way, a mean amount from U(5, 100) with
half of it as deviation, and a rate from U(0, 4) payments a day; a customer pays at the terminals nearer than 5. The plane lies
around the point where Germany, the Netherlands and Belgium meet, so that countries and distances come of themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
RADIUS = 5.0
COUNTRIES = ("DE", "NL", "BE", "US", "BR", "TH", "NG", "AU", "ES", "IT", "GR")
CITIES = (
    ("US", 40.71, -74.01), ("BR", -23.55, -46.63), ("TH", 13.76, 100.50), ("NG", 6.52, 3.38), ("AU", -33.87, 151.21),
    ("ES", 40.42, -3.70), ("IT", 41.90, 12.50), ("GR", 37.98, 23.73),
)  # fmt: skip
"""Country, latitude and longitude of the cities where people travel, and where stolen cards turn up."""
CITY_TERMINALS = 25


@dataclass(frozen=True, slots=True)
class Size:
    """How large a bank, and how long: days from ``start`` (milliseconds since 1970)."""

    customers: int = 5000
    terminals: int = 10000
    days: int = 183
    start: int = 1_522_540_800_000

    @property
    def end(self) -> int:
        """The first millisecond after the last day."""
        return self.start + self.days * DAY_MS


@dataclass(frozen=True, slots=True)
class Bank:
    """Customers, their cards, and terminals; those of cities come after those of the plane.

    ``near`` holds the terminals within each customer's reach, one customer after the other, from ``reach_start`` on. A card's
    owner is ``owner[card]``; the first cards are the customers' own, the others spare ones, of which some are ``dormant``.
    """

    size: Size
    home: NDArray[np.int64]
    mean: NDArray[np.float64]
    rate: NDArray[np.float64]
    near: NDArray[np.int64]
    reach: NDArray[np.int64]
    reach_start: NDArray[np.int64]
    owner: NDArray[np.int64]
    dormant: NDArray[np.bool_]
    terminal_country: NDArray[np.int64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    def terminals_of(self, customer: int) -> NDArray[np.int64]:
        """The terminals within a customer's reach."""
        start = self.reach_start[customer]
        return self.near[start : start + self.reach[customer]]


def make_bank(size: Size, random: np.random.Generator) -> Bank:
    """Draw a bank; a customer with no terminal within reach (only in small banks) gets the nearest one."""
    place = random.uniform(0, 100, (size.customers, 2))
    mean, rate = random.uniform(5, 100, size.customers), random.uniform(0, 4, size.customers)
    terminal = random.uniform(0, 100, (size.terminals, 2))
    near = [_near(terminal, x, y) for x, y in place]
    reach = np.array([len(found) for found in near])
    city = np.array([[COUNTRIES.index(country), lat, lon] for country, lat, lon in CITIES]).repeat(CITY_TERMINALS, 0)
    scatter = random.uniform(-0.05, 0.05, (len(city), 2))
    spare = np.flatnonzero(random.random(size.customers) < 0.3)
    owner = np.concatenate([np.arange(size.customers), spare])
    dormant = np.zeros(len(owner), np.bool_)
    dormant[size.customers :] = random.random(len(spare)) < 0.5
    return Bank(
        size, _country(place), mean, rate, np.concatenate(near), reach, np.cumsum(reach) - reach, owner, dormant,
        np.concatenate([_country(terminal), city[:, 0].astype(np.int64)]),
        np.round(np.concatenate([50.30 + terminal[:, 1] * 0.009, city[:, 1] + scatter[:, 0]]), 4),
        np.round(np.concatenate([5.30 + terminal[:, 0] * 0.0142, city[:, 2] + scatter[:, 1]]), 4),
    )  # fmt: skip


def city_terminal(size: Size, city: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """A terminal of each city."""
    return size.terminals + city * CITY_TERMINALS + random.integers(CITY_TERMINALS, size=len(city))


def _near(terminal: NDArray[np.float64], x: float, y: float) -> NDArray[np.int64]:
    distance = (terminal[:, 0] - x) ** 2 + (terminal[:, 1] - y) ** 2
    found = np.flatnonzero(distance < RADIUS**2)
    return found if len(found) else np.array([distance.argmin()])


def _country(place: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(place[:, 0] > 50, 0, np.where(place[:, 1] > 51, 1, 2))
