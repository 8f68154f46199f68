"""Prices asked openly: van Westendorp's four questions, their crossings, and Newton–Miller–Smith.

At which price is it too cheap to be good, cheap, expensive, too expensive? The four cumulative
curves cross in four prices. No peer says how sure these are; here each has a confidence set. Demand
at given prices (Gabor–Granger) is in :mod:`cxlib.pricing_demand`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .errors import unknown
from .interval import SHARE_METHODS
from .linear import Ask, answer, ranking
from .pricing_answers import ROLES, Prices, asked_prices, crossing_point
from .pricing_demand import best_price, demand_curve, revenue_curve, segment_by_segment
from .pricing_intent import CALIBRATION, greatest, trial_curve
from .pricing_sets import PricePoint
from .result import Curve, Estimate, Ranking, Shown
from .show import fmt, table
from .survey import Survey

__all__ = [
    "PriceCurves",
    "PricePoint",
    "best_price",
    "demand_curve",
    "price_curves",
    "price_sensitivity",
    "revenue_curve",
    "trial_curve",
]

CROSSINGS = ("min", "max", "mean", "median")
#: Each point as the rising curve of the first role and the falling (or turned) one of the second.
POINTS: Mapping[str, tuple[str, str]] = {
    "marginal cheapness (PMC)": ("cheap", "too cheap"),
    "marginal expensiveness (PME)": ("too expensive", "expensive"),
    "indifference price (IDP)": ("expensive", "cheap"),
    "optimal price (OPP)": ("too expensive", "too cheap"),
}
#: The narrower range that some institutes use: where expensive meets too cheap, and so on.
NARROWER = POINTS | {
    "marginal cheapness (PMC)": ("expensive", "too cheap"),
    "marginal expensiveness (PME)": ("too expensive", "cheap"),
}


def price_sensitivity(
    survey: Survey,
    too_cheap: str | None,
    cheap: str,
    expensive: str,
    too_expensive: str,
    *,
    intent: tuple[str, str] | None = None,
    calibration: Mapping[float, float] = CALIBRATION,
    crossing: str = "min",
    acceptable: str = "original",
    interpolate: float = 0.0,
    first: str = "zero",
    intransitive: str = "drop",
    currency: str = "",
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Van Westendorp's price points, weighted, each with its confidence set.

    Parameters
    ----------
    too_cheap, cheap, expensive, too_expensive : str
        Questions that hold prices, ≥ 0. ``None`` for the first where it was not asked: then the
        points that need it are missing. Prices are read to the cent where that moves none of them
        by more than a thousandth.
    intent : two questions, optional
        Purchase intent at the cheap and at the expensive price (Newton, Miller and Smith): adds the
        price of the greatest reach and that of the greatest revenue.
    calibration : intent → chance to buy (0–1)
    crossing : str
        Where two curves run together for a while: the ``"min"``, ``"max"`` or ``"mean"`` of the
        ends; ``"median"`` is the lower one.
    acceptable : str
        ``"original"``: the range from not cheap × too cheap to not expensive × too expensive;
        ``"narrower"``: from expensive × too cheap to cheap × too expensive.
    interpolate : float
        A step of the price axis, e.g. 0.01, on which the curves are interpolated first; 0: none.
    first : str
        What the curves start with at the lowest price of a question: ``"zero"``, as the peer has
        it, or the ``"share"`` that named it (the plain cumulative distribution). The two differ
        only where many name the same lowest price.
    intransitive : str
        ``"drop"`` or ``"keep"`` respondents whose four prices are not in rising order.
    currency : str
        ISO code; by default the unit of the questions in the codebook.

    Returns
    -------
    Ranking of :class:`~cxlib.pricing_sets.PricePoint`
        Points of marginal cheapness and expensiveness, indifference and optimal price, in money;
        ``low`` and ``high`` are the ends of the confidence set ``may_be``. Respondents without four
        prices in order are in ``n_excluded``. With ``by=`` the terms start with the segment.

    Raises
    ------
    CxError
        Text, infinities or negative prices; nobody with four prices in order; one respondent or
        one cluster; an unknown option.

    Notes
    -----
    The set holds every price at which the difference of the two curves is not significant (paired,
    linearised variance, design degrees of freedom; score form), see
    :func:`cxlib.pricing_sets.crossing_set`. Between named prices the curves are straight lines. For
    reach and revenue it holds the prices that are not significantly below any other.

    References
    ----------
    van Westendorp (1976), ESOMAR congress; Newton, Miller and Smith (1993), ACR 20:342. Points
    checked against the R package ``pricesensitivitymeter`` 1.3.3 (``psm_analysis`` and
    ``psm_analysis_weighted``); the sets by simulation: no peer has any.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {"a": [2, 3, 4, 5], "b": [4, 5, 6, 7], "c": [6, 7, 9, 9], "d": [8, 9, 12, 11]}
    ... )
    >>> [round(e.value, 2) for e in price_sensitivity(Survey(frame), "a", "b", "c", "d")]
    [4.33, 8.5, 6.33, 5.0]
    """
    _check(crossing, acceptable, first, intransitive)
    title = name or "Price sensitivity"
    questions = (too_cheap, cheap, expensive, too_expensive)
    pairs = POINTS if acceptable == "original" else NARROWER

    def points(part: Survey) -> list[PricePoint]:
        asked = asked_prices(part, questions, intransitive == "keep", currency)
        found = [
            crossing_point(asked, pair, crossing, interpolate, first, level, term)
            for term, pair in pairs.items()
            if asked.has(*pair)
        ]
        if intent is not None:
            found += greatest(asked, intent, calibration, interpolate, level)
        return [replace(e, name=title, claim=claim) for e in found]

    if by is None:
        return ranking(points(survey), title, claim, "price point")
    told = segment_by_segment(survey, by, points)
    parts = [replace(e, term=f"{term}: {e.term}") for term, found in told for e in found]
    return ranking(parts, title, claim, by)


def _check(crossing: str, acceptable: str, first: str, intransitive: str) -> None:
    """Options that only take certain words."""
    for word, kind, known in (
        (crossing, "rule for curves that run together", CROSSINGS),
        (acceptable, "acceptable range", ("original", "narrower")),
        (first, "start of the curves", ("zero", "share")),
        (intransitive, "rule for prices out of order", ("drop", "keep")),
    ):
        if word not in known:
            raise unknown(kind, word, known)


class PriceCurves(tuple, Shown):
    """The four cumulative curves, shown as one table; otherwise a tuple of four :class:`Curve`."""

    def __str__(self) -> str:
        return "\n".join(str(curve) for curve in self)

    def records(self) -> list[dict]:
        """One record a curve and price."""
        return [record for curve in self for record in curve.records()]

    def to_html(self) -> str:
        """A row a price, a column a curve."""
        lead = self[0]
        head = ("Price", *(curve.by.capitalize() for curve in self))
        rows = [
            ("", (point.term, *(curve.estimates[i].value_text for curve in self)))
            for i, point in enumerate(lead.estimates)
        ]
        return f'<div class="cx cx-estimates">{table(head, rows, caption=lead.axis)}</div>'


def price_curves(
    survey: Survey,
    too_cheap: str | None,
    cheap: str,
    expensive: str,
    too_expensive: str,
    *,
    points: int = 61,
    intransitive: str = "drop",
    currency: str = "",
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> PriceCurves:
    """Van Westendorp's cumulative curves, who finds each price too cheap, and so on.

    Parameters
    ----------
    points : int
        At how many of the named prices the curves are read (evenly over the prices named).

    Returns
    -------
    PriceCurves: a tuple of Curve
        "Too cheap" and "cheap" fall (the share whose price lies above), "expensive" and "too
        expensive" rise (the share whose price is at most this one); unit "share", ``x`` the price,
        design-based intervals. Others and errors as :func:`price_sensitivity`.
    """
    _check("min", "original", "zero", intransitive)
    if method not in SHARE_METHODS:
        raise unknown("method for a share", method, SHARE_METHODS)
    questions = (too_cheap, cheap, expensive, too_expensive)
    asked = asked_prices(survey, questions, intransitive == "keep", currency)
    prices = asked.some(points)
    title = name or "Price sensitivity"
    return PriceCurves(
        Curve(
            name=f"{title}: {role}",
            estimates=tuple(
                _at(asked, role, price, level, method, f"{title}: {role}", claim)
                for price in prices
            ),
            claim=claim,
            by=role,
            axis=asked.axis,
        )
        for role, question in zip(ROLES, questions, strict=True)
        if question is not None
    )


def _at(
    asked: Prices, role: str, price: float, level: float, method: str, name: str, claim: str
) -> Estimate:
    """The share for whom a price is too cheap, cheap, expensive or too expensive."""
    column = ROLES.index(role)
    told = asked.prices[:, column]
    y = np.zeros(len(asked.survey.frame))
    y[asked.rows] = told > price if role.endswith("cheap") else told <= price
    valid = np.zeros(len(y), bool)
    valid[asked.rows] = True
    question = asked.questions[column]
    ask = Ask(
        asked.survey,
        y,
        np.ones(len(y)),
        valid,
        question,
        "share",
        "share",
        name,
        claim,
        level,
        method,
    )
    one = answer(ask, None)
    return replace(one, x=float(price), term=fmt(price, asked.currency), cautions=asked.cautions)
