"""Newton–Miller–Smith: from purchase intent at two prices to reach and revenue at every price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from . import tally as engine
from .errors import CxError
from .estimate import mean_of
from .pricing_answers import Prices, asked_prices, even_axis, price_point
from .pricing_sets import PricePoint, Spans, may_be_highest
from .result import Curve
from .show import fmt
from .survey import Survey

#: Purchase intent (5 certain … 1 certainly not) as a chance to buy.
CALIBRATION: Mapping[float, float] = {5: 0.7, 4: 0.5, 3: 0.3, 2: 0.1, 1: 0.0}
#: How many prices are held against each other for the set of the best.
CANDIDATES = 31


@dataclass(frozen=True, eq=False)
class Intent:
    """Those who named prices in order and told their chances to buy at the two middle ones.

    ``rows`` and ``weights`` have shape (n,), ``prices`` and ``place`` (n, 4), ``chances`` (n, 2).
    """

    rows: np.ndarray
    prices: np.ndarray
    place: np.ndarray
    chances: np.ndarray
    weights: np.ndarray

    def mean_chance(self, grid: np.ndarray) -> np.ndarray:
        """The weighted mean chance to buy at each named price; straight lines in between.

        Each chance is straight between the respondent's own prices, so that the mean follows from
        the sums of the lines' slopes and intercepts that start and end at each price.
        """
        worst, cheap, dear, most = self.prices.T
        at_cheap, at_dear = self.chances.T
        lines = (
            (0, 1, worst, at_cheap / (cheap - worst), 0.0),
            (1, 2, cheap, (at_dear - at_cheap) / (dear - cheap), at_cheap),
            (2, 3, most, -at_dear / (most - dear), 0.0),
        )
        slope, height = np.zeros(len(grid)), np.zeros(len(grid))
        for start, end, anchor, rise, level in lines:
            for total, part in ((slope, rise), (height, level - rise * anchor)):
                total += np.bincount(self.place[:, start], self.weights * part, len(grid))
                total -= np.bincount(self.place[:, end], self.weights * part, len(grid))
        mean = (np.cumsum(slope) * grid + np.cumsum(height)) / self.weights.sum()
        return np.maximum(mean, 0.0)

    def chance(self, at: np.ndarray) -> np.ndarray:
        """Each respondent's chance to buy at each price, shape (n, prices).

        Straight lines from 0 at "too cheap" over the two stated chances to 0 at "too expensive".
        """
        worst, cheap, dear, most = self.prices.T[:, :, None]
        at_cheap, at_dear = self.chances.T[:, :, None]
        return np.select(
            [at <= worst, at < cheap, at < dear, at < most],
            [
                0.0,
                at_cheap * ((at - worst) / (cheap - worst)),
                at_cheap + (at_dear - at_cheap) * ((at - cheap) / (dear - cheap)),
                at_dear - at_dear * ((at - dear) / (most - dear)),
            ],
            0.0,
        )


def greatest(
    asked: Prices,
    intent: tuple[str, str],
    calibration: Mapping[float, float],
    interpolate: float,
    level: float,
) -> list[PricePoint]:
    """The prices of the greatest reach and of the greatest revenue, each with its set."""
    known = with_intent(asked, intent, calibration)
    grid, reach = asked.grid, known.mean_chance(asked.grid)
    if interpolate:
        fine = even_axis(grid, interpolate)
        grid, reach = fine, np.interp(fine, grid, reach)
    if reach.max() <= 1e-12:
        raise CxError(
            "nobody would buy at any price",
            got="every stated intent means a chance of 0",
            want="somebody who might buy",
        )
    told = []
    for term, worth in (("greatest reach", 1.0), ("greatest revenue", grid)):
        values = reach * worth
        top = int(np.argmax(values >= values.max() * (1 - 1e-12)))
        told.append(
            price_point(
                asked,
                float(grid[top]),
                _may_be_best(asked, known, grid, top, worth, level),
                level=level,
                term=term,
                n=len(known.rows),
                n_eff=float(len(known.rows)),
                question=intent[0],
                method="highest mean chance to buy (Newton–Miller–Smith); "
                "set of prices not significantly below any other (max-t)",
            )
        )
    return told


def _may_be_best(
    asked: Prices,
    known: Intent,
    grid: np.ndarray,
    top: int,
    worth: np.ndarray | float,
    level: float,
) -> Spans:
    """The span of prices that may have the greatest value, between prices that cannot."""
    even = np.round(np.linspace(0, len(grid) - 1, CANDIDATES)).astype(int)
    places = np.unique(np.append(even, top))
    prices = grid[places]
    times = worth[places] if isinstance(worth, np.ndarray) else np.ones(len(places))
    survey, weights = asked.survey, asked.survey.weights[known.rows]
    chance = known.chance(prices) * times
    values = weights @ chance / weights.sum()
    scores = np.zeros((len(survey.frame), len(places)))
    scores[known.rows] = weights[:, None] * (chance - values) / weights.sum()
    kept = may_be_highest(values, engine.variance(survey, scores), asked.df, level)
    kept[places == top] = True
    first, last = int(kept.argmax()), len(kept) - 1 - int(kept[::-1].argmax())
    return ((float(prices[max(first - 1, 0)]), float(prices[min(last + 1, len(kept) - 1)])),)


def with_intent(
    asked: Prices, intent: tuple[str, str], calibration: Mapping[float, float]
) -> Intent:
    """Those of the respondents who told both intents, as chances to buy."""
    survey = asked.survey
    if len(intent) != 2 or not asked.has("too cheap"):
        raise CxError(
            "reach and revenue need all four prices and two intents",
            got=f"{len(intent)} intents, questions {', '.join(q or '–' for q in asked.questions)}",
            want='intent=("intent_cheap", "intent_expensive") and a too cheap price',
        )
    wrong = [c for c in calibration.values() if not 0 <= c <= 1]
    if wrong:
        raise CxError("a chance to buy lies between 0 and 1", got=wrong)
    chances = np.full((len(asked.rows), 2), np.nan)
    for i, question in enumerate(intent):
        answers = survey.numbers(question)[asked.rows]
        for code, chance in calibration.items():
            chances[answers == float(code), i] = chance
        strange = np.unique(answers[~np.isnan(answers) & np.isnan(chances[:, i])])
        if len(strange):
            raise CxError(
                f"{question!r} has intents without a chance to buy",
                got=", ".join(f"{code:g}" for code in strange[:5]),
                want=f"one of {', '.join(f'{float(code):g}' for code in calibration)}",
                do="give calibration={code: chance} for every code",
            )
    ordered = (np.diff(asked.prices, axis=1) > 0).all(axis=1)
    use = ordered & ~np.isnan(chances).any(axis=1)
    if not use.any():
        raise CxError("nobody told prices in order and both intents", got=", ".join(intent))
    parts = (asked.rows, asked.prices, asked.place, chances, asked.weights)
    return Intent(*(part[use] for part in parts))


def trial_curve(
    survey: Survey,
    too_cheap: str,
    cheap: str,
    expensive: str,
    too_expensive: str,
    *,
    intent: tuple[str, str],
    calibration: Mapping[float, float] = CALIBRATION,
    revenue: bool = False,
    points: int = CANDIDATES,
    currency: str = "",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Curve:
    """The mean chance to buy at each price (Newton, Miller and Smith), or revenue per 100 asked.

    Parameters
    ----------
    intent, calibration
        As in :func:`cxlib.price_sensitivity`, whose prices of greatest reach and revenue are the
        tops of these curves.
    revenue : bool
        Price × chance × 100 instead, in ``currency``.
    points : int
        At how many of the named prices the curve is read.

    Returns
    -------
    Curve
        Unit "share" (0–1) or money; ``x`` is the price; t intervals.

    Raises
    ------
    CxError
        As :func:`cxlib.price_sensitivity`; an intent without a chance in ``calibration``.
    """
    questions = (too_cheap, cheap, expensive, too_expensive)
    asked = asked_prices(survey, questions, False, currency)
    known = with_intent(asked, intent, calibration)
    title = name or ("Revenue per 100 asked" if revenue else "Would buy at this price")
    unit = asked.currency if revenue else "share"
    told = []
    for price in asked.some(points):
        column = np.full(len(survey.frame), np.nan)
        column[known.rows] = known.chance(price[None])[:, 0] * (100 * price if revenue else 1)
        one = mean_of(survey, column, intent[0], level=level, name=title, claim=claim, unit=unit)
        told.append(replace(one, x=float(price), term=fmt(price, asked.currency)))
    return Curve(name=title, estimates=tuple(told), claim=claim, by="price", axis=asked.axis)
