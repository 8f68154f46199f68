"""The simulated country: its customers, what happens to them, and how a survey reaches them.

Only uniform numbers are taken from the generator, and every block of the questionnaire has its own
stream: the same seed gives the same answers, and a block added later leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, ndtri

Array = np.ndarray
Columns = dict[str, Array]

#: Regions (the strata) and their shares of the population.
REGIONS = {"Dublin": 0.38, "South-West": 0.27, "Mid-East": 0.21, "West": 0.14}
#: Lower ends, in months, of the tenure bands within which failure happens at random.
TENURE_BANDS = (0, 12, 36, 96)
#: Floors, in percent, of the answers 0–5 to ``wtp_tier``.
TIER_FLOORS = (0.0, 0.0, 5.0, 10.0, 15.0, 25.0)
DRIVERS = ("people", "digital", "after", "mkt", "policy", "speed", "conv", "price", "prod")
# One value a sector, 1 to 12 of the questionnaire, then one a tenure band.
_SECTOR = np.array([0.16, 0.12, 0.10, 0.06, 0.05, 0.12, 0.08, 0.12, 0.07, 0.05, 0.04, 0.03])
_TENURE = np.array([90, 60, 36, 30, 40, 150, 70, 55, 55, 100, 120, 50.0])
_FAIL = np.array([-1.5, -1.1, -1.2, -1, -0.6, -1.3, -0.9, 0, -0.3, -0.9, -0.6, -0.9])
_LEAVE = np.array([-2, -1.6, -1.2, -1.2, -1.3, -2.6, -1.6, -1.2, -1.4, -2.2, -2.8, -1.7])
SPEND = np.array([2600, 600, 500, 500, 450, 180, 700, 600, 1500, 350, 150, 400.0])
EASE = np.array([1, 0.8, 0.9, 0.6, 0.2, -0.9, -0.2, -0.1, -0.1, -0.6, -1.4, 0.2])
_FAIL_BAND, _LEAVE_BAND = np.array([0.8, 0.25, -0.15, -0.5]), np.array([1, 0.4, -0.2, -0.8])
_REACH_BAND, _REGION = np.array([0.6, 0.75, 0.9, 1]), np.array([0.25, 0.05, -0.15, -0.35])


class Dice:
    """Random answers for ``n`` customers, made from uniform numbers alone."""

    def __init__(self, key: tuple[int, ...], n: int, skip: float = 1.0) -> None:
        self.n, self.skip = n, skip
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))

    def uniform(self) -> Array:
        return self._generator.random(self.n) + 2.0**-54

    def normal(self) -> Array:
        return ndtri(self.uniform())

    def chance(self, p: Array | float) -> Array:
        return self.uniform() < p

    def pick(self, shares: Iterable[float]) -> Array:
        """0, 1, 2 … with these shares, which sum to 1."""
        return np.searchsorted(np.cumsum(list(shares))[:-1], self.uniform(), side="right")

    def rate(self, centre: Array | float, spread: float, low: int, high: int) -> Array:
        """An answer on a scale of whole numbers: ``centre`` with normal noise, kept in range."""
        return np.clip(np.rint(centre + spread * self.normal()), low, high)

    def ask(self, answer: Array, shown: Array | None = None, skip: float = 0.015) -> Array:
        """What the file holds: NaN where the question was not shown, -99 where it was skipped."""
        held = np.where(self.chance(skip * self.skip), -99.0, answer)
        return held if shown is None else np.where(shown, held, np.nan)


@dataclass
class World:
    """Customers: ``know`` holds what is true of them, asked or not."""

    n: int
    key: tuple[int, ...]
    skip: float
    know: Columns = field(default_factory=dict)

    def __getitem__(self, name: str) -> Array:
        return self.know[name]

    def dice(self, block: int) -> Dice:
        return Dice((*self.key, block), self.n, self.skip)


def _customers(dice: Dice, region: Array) -> Columns:
    """Who the customers are, given the region: nothing here depends on the cluster."""
    age = 18 + np.floor(67 * dice.uniform() ** np.array([1.35, 1.15, 1.05, 0.9])[region])
    sector = dice.pick(_SECTOR)
    months = -_TENURE[sector] * (0.4 + age / 80) * np.log(dice.uniform())
    months = np.rint(np.minimum(np.minimum(months, 12 * (age - 16)), 600))
    tenure = np.where((months > 36) & dice.chance(0.7), np.rint(months / 12) * 12, months)
    income = dice.rate(5.3 + 1.2 * _REGION[region] / 0.25 - 0.004 * (age - 50) ** 2 / 4, 2.0, 1, 10)
    return {
        "age": age,
        "sector": sector,
        "tenure": tenure,
        "band": np.searchsorted(TENURE_BANDS, tenure, side="right") - 1,
        "income": income,
        "gender": dice.pick((0.487, 0.503, 0.01)) + 1,
        "edu": dice.rate(4.6 - 0.018 * (age - 45) + 1.5 * _REGION[region], 1.6, 0, 8),
        "work": dice.chance(0.27).astype(int),
    }


def _reach(know: Columns) -> Array:
    """How likely a customer is to be drawn and to answer, given the cluster."""
    return (0.35 + 0.45 * (know["age"] - 18) / 66) * _REACH_BAND[know["band"]]


def sample(n: int, seed: int) -> World:
    """A stratified two-stage sample: as many clusters and people in each region, weights known."""
    world = World(n, (seed,), 1.0)
    dice = world.dice(100)
    order = np.argsort(dice.uniform(), kind="stable")
    region, clusters = np.arange(n)[order] % len(REGIONS), max(10, round(n / 100))
    point = np.arange(n)[order] // len(REGIONS) % clusters
    know: Columns = {"region": region, "point": point}
    waiting = np.arange(n)
    while waiting.size:
        dice.n = waiting.size
        drawn = _customers(dice, region[waiting])
        came = dice.chance(_reach(drawn))
        for name, values in drawn.items():
            know.setdefault(name, np.zeros(n, values.dtype))[waiting[came]] = values[came]
        waiting = waiting[~came]
    weight = 1 / _reach(know)
    shares = np.array(list(REGIONS.values()))
    know["weight"] = weight * (n * shares / np.bincount(region, weight))[region]
    dice.n = clusters * len(REGIONS)
    for name in ("climate", "incidents", "market"):
        know[name] = dice.normal()[region * clusters + point]
    world.know = know
    return world


def population(n: int, key: tuple[int, ...]) -> World:
    """Customers drawn at random, each from a cluster of his own; all of them answer everything."""
    world = World(n, key, 0.0)
    dice = world.dice(100)
    region = dice.pick(REGIONS.values())
    world.know = {"region": region, "point": region * 0, **_customers(dice, region)}
    for name in ("climate", "incidents", "market"):
        world.know[name] = dice.normal()
    world.know["weight"] = np.ones(n)
    return world


def live(world: World) -> None:
    """What happens to the customers: experience, failure and recovery, what they feel and do."""
    dice, know = world.dice(101), world.know
    know["old"] = (know["age"] - 46) / 18
    know["here"] = _REGION[know["region"]]
    general = 0.97 * dice.normal() + 0.24 * know["climate"]
    for name in DRIVERS:
        know[f"is_{name}"] = 0.6 * general + 0.8 * dice.normal()
    know["contact"] = dice.chance(0.84)
    pull = dict(zip(DRIVERS, (0.34, 0.1, 0.1, 0.03, 0.1, 0.1, 0.08, 0.17, 0.22), strict=True))
    know["is_people"] = np.where(know["contact"], know["is_people"], 0.0)
    felt = sum(weight * know[f"is_{name}"] for name, weight in pull.items())
    know["felt"] = felt - 0.35 * np.maximum(0, -1 - know["is_prod"]) + 0.1 * know["old"]
    know["style"] = 0.25 * know["old"] + 0.97 * dice.normal()
    know["asked_by"] = dice.chance(0.5).astype(int)  # 0 nobody (self-completion), 1 an interviewer
    know["cheap_talk"] = dice.chance(0.5).astype(int)
    _fail(dice, know)
    know["now"] = know["felt"] + know["failed"] * know["hurt"]
    know["emotion"] = 0.75 * know["now"] + 0.35 * know["is_people"] + 0.45 * dice.normal()
    know["bond"] = 0.55 * know["felt"] + 0.35 * know["emotion"] + 0.2 * know["old"]
    know["bond"] += know["failed"] * know["sting"] + 0.35 * dice.normal()


def _fail(dice: Dice, know: Columns) -> None:
    """Failure and recovery, drawn for all (as it was, or as it would have been), and leaving."""
    sector, band = know["sector"], know["band"]
    odds = 0.15 + _FAIL[sector] + _FAIL_BAND[band] + 0.3 * know["incidents"]
    know["failed"] = dice.chance(expit(odds))
    know["severity"] = severity = dice.rate(3.7, 1.5, 1, 7)
    know["spoke"] = spoke = dice.chance(expit(-0.4 + 0.5 * (severity - 3.7) + 0.5 * know["style"]))
    luck = dice.normal() - 0.2 * (severity - 3.7)
    know["outcome"] = outcome = np.where(luck > 0.25, 1, np.where(luck > -0.6, 2, 3))
    kind = np.where(spoke, outcome, 0)  # 0 silent, 1 fully, 2 partly, 3 not resolved
    know["hurt"] = np.array([-0.6, 0.3, -0.45, -1.0])[kind] - 0.08 * (severity - 3.7)
    know["sting"] = np.array([-0.3, -0.25, -0.3, -0.45])[kind]
    base = _LEAVE[sector] + _LEAVE_BAND[band] - 0.3 * know["felt"] + 0.25 * know["market"]
    shift = np.array([0.9, 0.5, 0.9, 1.5])[kind] + 0.12 * (severity - 3.7) + 0.2 * EASE[sector]
    know["risk0"], know["risk1"] = expit(base), expit(base + shift)
    risk = np.where(know["failed"], know["risk1"], know["risk0"])
    know["left_us"] = dice.chance(risk)
