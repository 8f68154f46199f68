"""What a choice model tells: its parameters, and willingness to pay, as functions of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .choice_logit import Fit, Plan
from .errors import CxError


@dataclass(frozen=True)
class Quantity:
    """Something to tell: a function of the parameters, shape (…, P) → (…).

    ``ratio`` holds the places of numerator and denominator of −a/b where it is one (for Fieller);
    ``money`` is what it is over, if that can change its sign (for Krinsky–Robb).
    """

    term: str
    value: Callable[[np.ndarray], np.ndarray]
    unit: str = ""
    ratio: tuple[int, int] | None = None
    money: Callable[[np.ndarray], np.ndarray] | None = None

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """The gradient, exact to rounding, by complex steps."""
        steps = np.diag(1e-30j * np.maximum(np.abs(theta), 1e-8))
        return np.imag(self.value(theta + steps)) / np.imag(np.diag(steps))


def _at(place: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda theta: theta[..., place]


def _spread_of(fit: Fit, i: int) -> Callable[[np.ndarray], np.ndarray]:
    """The standard deviation (or half range) of random coefficient i, always positive."""
    mixing = fit.mixing
    places = [mixing.columns + at for at, (row, _) in enumerate(mixing.pairs) if row == i]
    return lambda theta: np.sqrt((theta[..., places] ** 2).sum(axis=-1))


def _prefix(shape: str) -> str:
    return "sd." if shape in ("normal", "log-normal") else "spread."


def parameters(fit: Fit, plan: Plan, unit: str) -> list[Quantity]:
    """What was estimated, in the space asked for."""
    tasks, mixing, space = fit.tasks, fit.mixing, plan.space
    names = ("scale", *tasks.names[1:]) if space == "wtp" else tasks.names
    units = ["" if space == "preference" or k == 0 else unit for k in range(len(names))]
    if mixing is None:
        if space == "preference":
            return [Quantity(one, _at(k)) for k, one in enumerate(names)]
        scale = Quantity("scale", lambda theta: -theta[..., 0])
        return [scale, *payments(fit, plan, unit)]
    told = [Quantity(one, _at(k), units[k]) for k, one in enumerate(names)]
    for i, (column, shape) in enumerate(zip(mixing.random, mixing.shapes, strict=True)):
        told.append(Quantity(_prefix(shape) + names[column], _spread_of(fit, i), units[column]))
    if plan.correlated:
        told += _correlations(fit, names)
    return told


def _correlations(fit: Fit, names: Sequence[str]) -> list[Quantity]:
    """Of the (logs of the) random coefficients, from their Cholesky factor."""
    mixing = fit.mixing
    place = {pair: mixing.columns + at for at, pair in enumerate(mixing.pairs)}
    told = []
    for i in range(len(mixing.random)):
        for j in range(i):
            both = [(place[i, m], place[j, m]) for m in range(j + 1)]
            si, sj = _spread_of(fit, i), _spread_of(fit, j)

            def value(theta, both=both, si=si, sj=sj):
                return sum(theta[..., a] * theta[..., b] for a, b in both) / (si(theta) * sj(theta))

            term = f"cor.{names[mixing.random[j]]}:{names[mixing.random[i]]}"
            told.append(Quantity(term, value))
    return told


def payments(fit: Fit, plan: Plan, unit: str) -> list[Quantity]:
    """Willingness to pay: means, and how far people differ."""
    tasks, mixing = fit.tasks, fit.mixing
    random = {} if mixing is None else dict(zip(mixing.random, mixing.shapes, strict=True))
    money = _money(fit, plan, random)
    plain = mixing is None or (plan.space == "preference" and random.get(0) != "log-normal")
    told = []
    for k in range(1, len(tasks.names)):
        shape = random.get(k, "")
        spread = _spread_of(fit, mixing.random.index(k)) if shape else None
        name = tasks.names[k]
        if shape == "log-normal":
            told += _log_normal(k, name, spread, money, unit)
            continue
        ratio = (k, 0) if plain else None
        told.append(Quantity(name, _over(_at(k), money), unit, ratio, money))
        if shape:
            told.append(
                Quantity(_prefix(shape) + name, _over(spread, money, True), unit, None, money)
            )
    return told


def _money(fit: Fit, plan: Plan, random: Mapping[int, str]) -> Callable[[np.ndarray], np.ndarray]:
    """Minus the weight of money: what willingness to pay is over; 1 in WTP space."""
    if fit.mixing is not None and plan.space == "wtp":
        return lambda theta: np.ones_like(theta[..., 0])
    if random.get(0) == "log-normal":
        return lambda theta: np.exp(theta[..., 0])
    if fit.theta[0] == 0:
        raise CxError("the price has no weight at all", got="a coefficient of 0")
    return lambda theta: -theta[..., 0]


def _over(
    top: Callable[[np.ndarray], np.ndarray],
    money: Callable[[np.ndarray], np.ndarray],
    size: bool = False,
) -> Callable[[np.ndarray], np.ndarray]:
    """Their ratio; a size is positive whatever the sign of the price's weight."""

    def value(theta: np.ndarray) -> np.ndarray:
        under = money(theta)
        return top(theta) / (under * np.sign(under.real) if size else under)

    return value


def _log_normal(
    k: int,
    name: str,
    spread: Callable[[np.ndarray], np.ndarray],
    money: Callable[[np.ndarray], np.ndarray],
    unit: str,
) -> list[Quantity]:
    """Mean and median: a log-normal's mean rests on its long tail."""
    mean = _over(lambda theta: np.exp(theta[..., k] + spread(theta) ** 2 / 2), money)
    median = _over(lambda theta: np.exp(theta[..., k]), money)
    return [
        Quantity(name, mean, unit, None, money),
        Quantity(f"median.{name}", median, unit, None, money),
    ]
