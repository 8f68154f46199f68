"""The answers to van Westendorp's questions, their cumulative curves, and where these cross."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import CxError
from .pricing_sets import Gap, PricePoint, Spans, crossing_set, gap
from .survey import Survey

ROLES = ("too cheap", "cheap", "expensive", "too expensive")


@dataclass(frozen=True, eq=False)
class Prices:
    """The respondents whose prices are used, and where their prices stand among all prices.

    ``prices`` has shape (n, 4), in the order of :data:`ROLES`, NaN where a role was not asked;
    ``place`` the places in ``grid``; ``weights`` are over their largest;
    ``df`` are the degrees of freedom of the design among all who answered, in whatever segment.
    """

    survey: Survey
    questions: tuple[str, ...]
    rows: np.ndarray
    prices: np.ndarray
    grid: np.ndarray
    place: np.ndarray
    weights: np.ndarray
    n: int
    df: float
    cautions: tuple[str, ...]
    currency: str

    @property
    def axis(self) -> str:
        """The name of the price axis."""
        return price_axis(self.currency)

    def some(self, count: int) -> np.ndarray:
        """That many of the named prices, evenly over all of them."""
        places = np.linspace(0, len(self.grid) - 1, max(count, 2))
        return self.grid[np.unique(np.round(places).astype(int))]

    def has(self, *roles: str) -> bool:
        """Whether all these questions were asked."""
        return all(self.questions[ROLES.index(role)] for role in roles)


# ── the answers ──────────────────────────────────────────────────────────────────────────────────


def price_axis(currency: str) -> str:
    """The name of a price axis."""
    return f"price, {currency}" if currency else "price"


def asked_prices(
    survey: Survey, questions: Sequence[str | None], keep: bool, currency: str
) -> Prices:
    """Those whose prices are in order (or all), their prices to the cent, and all that were named.

    Raises
    ------
    CxError
        Answers that are no prices; nobody has all four in order; two units.
    """
    given = [i for i, question in enumerate(questions) if question is not None]
    told = np.column_stack([_money(survey, questions[i]) for i in given])
    answered = ~np.isnan(told).any(axis=1)
    ordered = answered & (np.diff(told, axis=1) > 0).all(axis=1)
    used = answered if keep else ordered
    rows = _used(survey, answered, used)
    grid, place = np.unique(_to_the_cent(told[rows]), return_inverse=True)
    places = np.full((len(rows), len(questions)), -1)
    places[:, given] = place.reshape(len(rows), -1)
    prices = np.full(places.shape, np.nan)
    prices[:, given] = grid[places[:, given]]
    return Prices(
        survey,
        tuple(question or "" for question in questions),
        rows,
        prices,
        grid,
        places,
        survey.weights[rows] / survey.weights[rows].max(),
        int((used & survey.looked_at).sum()),
        survey.df_of(used),
        _out_of_order(survey.looked_at & answered, ordered, keep),
        currency or _currency(survey, [questions[i] for i in given]),
    )


def _used(survey: Survey, answered: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The rows that count, in order; an error where there are none."""
    answered, used = answered & survey.looked_at, used & survey.looked_at
    if not used.any():
        raise CxError(
            "nobody named four prices in rising order"
            if answered.any()
            else "nobody answered all the price questions",
            got=f"{int(survey.looked_at.sum()):,} asked, {int(answered.sum()):,} answered all",
            want="too cheap < cheap < expensive < too expensive",
            do="check which question is which, and the missing codes in the codebook",
        )
    rows = np.flatnonzero(used & (survey.weights > 0))
    if not len(rows):
        raise CxError("nobody with these answers carries weight", want="weights above 0")
    return rows


def _out_of_order(answered: np.ndarray, ordered: np.ndarray, keep: bool) -> tuple[str, ...]:
    """A caution where many named prices out of order."""
    if (answered & ~ordered).sum() <= answered.sum() / 10:
        return ()
    done = "are kept" if keep else "are left out"
    return (f"more than one in ten named prices out of order; they {done}",)


def _currency(survey: Survey, questions: Sequence[str]) -> str:
    """The unit that the codebook gives the questions."""
    units = {survey.codebook.get(question).unit for question in questions} - {""}
    if len(units) > 1:
        raise CxError("the prices have different units", got=", ".join(sorted(units)))
    return next(iter(units), "")


def _money(survey: Survey, question: str) -> np.ndarray:
    """The prices in a question."""
    values = survey.numbers(question)
    below = int((values[survey.looked_at] < 0).sum())
    if below:
        raise CxError(
            f"{question!r} has negative prices",
            got=f"{below:,} answers below 0",
            want="0 or more",
            do="declare them as missing codes in the study file",
        )
    return values


def _to_the_cent(prices: np.ndarray) -> np.ndarray:
    """Prices to the cent, so that 35.07 and 35.070000000000003 are one price.

    Where that would move a price by more than a thousandth (0.0312 a kilowatt-hour) all stay.
    """
    down, up = np.floor(100 * prices) / 100, np.ceil(100 * prices) / 100
    even = np.floor(100 * prices) % 2 == 0
    nearer = (prices - down < up - prices) | ((prices - down == up - prices) & even)
    cents = np.where(nearer, down, up)
    return cents if (np.abs(cents - prices) <= 1e-3 * prices).all() else prices


# ── curves and their crossings ───────────────────────────────────────────────────────────────────


def _cumulative(asked: Prices, role: str, first: str) -> np.ndarray:
    """The weighted share whose price is at most each price of the grid."""
    place = asked.place[:, ROLES.index(role)]
    sums = np.cumsum(np.bincount(place, asked.weights, len(asked.grid)))
    shares = sums / sums[-1]
    if first == "zero":
        shares[: place.min() + 1] = 0.0
    return shares


def crossing_point(
    asked: Prices,
    pair: tuple[str, str],
    crossing: str,
    interpolate: float,
    first: str,
    level: float,
    term: str,
) -> PricePoint:
    """One price point with its set."""
    grid, rising = asked.grid, [_cumulative(asked, role, first) for role in pair]
    # As drawn: "cheap" and "too cheap" fall, the others rise; a turned curve is turned twice.
    upper = 1 - (1 - rising[0]) if pair[0] == "cheap" else rising[0]
    lower = 1 - rising[1]
    if interpolate:
        fine = even_axis(grid, interpolate)
        upper, lower, grid = _joined(grid, upper, fine), _joined(grid, lower, fine), fine
    value = _cross(grid, upper - lower, crossing, _exact(asked.weights))
    places = [asked.place[:, ROLES.index(role)] for role in pair]
    g = gap(asked.survey, asked.rows, (places[0], places[1]), asked.grid, asked.df)
    told = "weighted" if not asked.survey.design.plain else "unweighted"
    spans = crossing_set(g, level)
    if first == "zero":
        spans = _started_at_zero(spans, asked.grid, {int(place.min()) for place in places})
    return price_point(
        asked,
        value,
        spans,
        level=level,
        term=term,
        n_eff=_effective(asked, g, value),
        question=asked.questions[ROLES.index(pair[0])],
        method=f"crossing of {told} cumulative curves; set by inverting the design-based sign test",
    )


def _started_at_zero(spans: Spans, grid: np.ndarray, starts: set[int]) -> Spans:
    """A set that ends where a curve starts goes on to the next price: the curve is 0 until then."""
    low, high = spans[-1]
    for k in starts:
        if high == grid[k] and k + 1 < len(grid):
            return (*spans[:-1], (low, float(grid[k + 1])))
    return spans


def _exact(weights: np.ndarray) -> bool:
    """Whether all weights are equal, up to halving: then all sums are exact."""
    mantissa, _ = np.frexp(weights)
    return bool((mantissa == mantissa[0]).all())


def _cross(grid: np.ndarray, gap: np.ndarray, crossing: str, exact: bool) -> float:
    """Where the difference of the curves changes its sign, joined by straight lines.

    Sums of unequal weights are compared with room for rounding error; quotients of counts as they
    stand, as the peer does.
    """
    if not exact:
        gap = np.where(np.abs(gap) < 1e-12, 0.0, gap)
    turns = np.flatnonzero(np.diff(np.sign(gap)) != 0)
    left, right = gap[turns], gap[turns + 1]
    prices = grid[turns] - left * (grid[turns + 1] - grid[turns]) / (right - left)
    if gap[0] >= 0 or not len(prices):
        prices = np.append(grid[0], prices)
    reduce = {"max": np.max, "mean": np.mean}.get(crossing, np.min)
    return float(reduce(prices))


def even_axis(grid: np.ndarray, step: float) -> np.ndarray:
    """An even price axis from the lowest to the highest price."""
    if not (math.isfinite(step) and step > 0):
        raise CxError("a step of the price axis is a number above 0", got=step, want="e.g. 0.01")
    count = math.floor((grid[-1] - grid[0]) / step + 1e-10)
    if count > 1_000_000:
        raise CxError(
            "the step is too fine for these prices",
            got=f"{count:,} steps from {grid[0]:g} to {grid[-1]:g}",
            want="at most 1,000,000",
        )
    fine = grid[0] + np.arange(count + 1) * step
    return fine[fine <= grid[-1]]


def _joined(grid: np.ndarray, shares: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A curve between its prices: on the straight line from one to the next."""
    if len(grid) == 1:
        return np.full(len(at), shares[0])
    k = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    part = (at - grid[k]) / (grid[k + 1] - grid[k])
    between = shares[k] + (shares[k + 1] - shares[k]) * part
    between = np.where(at == grid[k + 1], shares[k + 1], between)
    return np.where(at == grid[k], shares[k], between)


def _effective(asked: Prices, g: Gap, value: float) -> float:
    """Respondents over the design effect of the difference at the crossing."""
    if asked.survey.design.plain:
        return float(asked.n)
    k = int(np.clip(np.searchsorted(g.grid, value), 0, len(g.grid) - 1))
    return float(g.spread[k] / g.var[k]) if g.var[k] > 0 and g.spread[k] > 0 else float(asked.n)


def price_point(asked: Prices, value: float, spans: Spans, **told: Any) -> PricePoint:
    """A price point; its set always holds the point itself."""
    cautions, n = list(asked.cautions), told.pop("n", asked.n)
    low, high = min(spans[0][0], value), max(spans[-1][1], value)
    spans = ((min(spans[0][0], value), spans[0][1]), *spans[1:])
    spans = (*spans[:-1], (spans[-1][0], max(spans[-1][1], value)))
    if not math.isfinite(high):
        cautions.append("too few respondents to bound the price")
    elif min(told["n_eff"], n) < 30:
        cautions.append(f"unreliable: the effective base is only {min(told['n_eff'], n):.0f}")
    return PricePoint(
        value=value,
        low=low,
        high=high,
        may_be=spans,
        unit=asked.currency,
        n=n,
        n_excluded=len(asked.survey) - n,
        df=asked.df,
        source=asked.survey.source,
        origin=asked.survey.origin,
        kind="price",
        cautions=tuple(cautions),
        **told,
    )
