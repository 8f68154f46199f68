"""Gabor–Granger: would you buy at this price? Demand, revenue, and the prices that may be best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import tally as engine
from .errors import CxError, unknown
from .interval import SHARE_METHODS, share_interval
from .linear import Ask, Linear, answer, ranking
from .pricing_answers import price_axis
from .pricing_sets import PricePoint, may_be_highest
from .result import Curve, Estimate, Ranking
from .show import fmt
from .survey import Survey

#: Prices at which a demand curve is read where the answers name more of them.
POINTS = 40


def demand_curve(
    survey: Survey,
    prices: Mapping[float, str] | str,
    *,
    at: Sequence[float] = (),
    implied: bool = False,
    isotonic: bool = False,
    currency: str = "",
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Curve:
    """The share who would buy at each price.

    Parameters
    ----------
    prices : price → question, or a question
        Questions that hold 1 (would buy) or 0; or one question with the highest price that the
        respondent would pay, 0 for none.
    at : prices, optional
        Where to read the curve of one such question: by default at every price named (at most 40 of
        them, evenly spread over the answers).
    implied : bool
        For ladders, where a price is not put to those whose answer follows: a yes at a higher price
        counts as yes, a no at a lower one as no. Never for designs that show each respondent some
        prices at random: there it would bias the curve.
    isotonic : bool
        Pool neighbouring prices until demand nowhere rises with the price (pooled adjacent
        violators, weighted by the bases); the intervals take the pools as given.
    currency : str
        ISO code, for the words.
    method : str
        As in :func:`cxlib.share`.

    Returns
    -------
    Curve
        Unit "share" (0–1); ``x`` is the price. For segments use ``survey.where()``.

    Raises
    ------
    CxError
        A price that is not a positive number, answers other than 0 and 1, negative prices, text;
        nobody answered.

    References
    ----------
    Gabor and Granger (1966), Economica 33:43. Each share is that of :func:`cxlib.share`.
    """
    points = _demand(survey, prices, at, implied, isotonic, level, method)
    title = name or "Would buy at this price"
    return Curve(
        name=title,
        estimates=tuple(
            replace(e, name=title, claim=claim, term=fmt(e.x, currency)) for e in points
        ),
        claim=claim,
        by="price",
        axis=price_axis(currency),
    )


def revenue_curve(
    survey: Survey,
    prices: Mapping[float, str] | str,
    *,
    at: Sequence[float] = (),
    implied: bool = False,
    isotonic: bool = False,
    currency: str = "",
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Curve:
    """Revenue per 100 respondents at each price: the price times those of 100 who would buy.

    Parameters, errors and reference as :func:`demand_curve`; each interval is that of the share,
    scaled. Unit: ``currency``.
    """
    points = _demand(survey, prices, at, implied, isotonic, level, method)
    title = name or "Revenue per 100 asked"
    return Curve(
        name=title,
        estimates=tuple(
            replace(_revenue(e, currency), name=title, claim=claim, term=fmt(e.x, currency))
            for e in points
        ),
        claim=claim,
        by="price",
        axis=price_axis(currency),
    )


def best_price(
    survey: Survey,
    prices: Mapping[float, str] | str,
    *,
    at: Sequence[float] = (),
    implied: bool = False,
    isotonic: bool = False,
    currency: str = "",
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> PricePoint | Ranking:
    """The price with the highest revenue, and the set of prices that may have it.

    A price leaves the set when its revenue lies significantly below that of any other: paired
    differences with their design-based covariance, corrected for all comparisons (see
    :func:`cxlib.pricing_sets.may_be_highest`). The set holds the best of the prices asked with
    probability ``level``; of prices in between it says nothing. With ``isotonic`` the price is
    chosen on pooled demand; the set rests on the answers as they are.

    Returns
    -------
    PricePoint, or Ranking with ``by=``
        ``may_be`` is the set; ``low`` and ``high`` are its ends.

    Raises
    ------
    CxError
        Fewer than two prices; nobody would buy at any; otherwise as :func:`demand_curve`.
    """
    title = name or "Price with the highest revenue"

    def one(part: Survey) -> PricePoint:
        points = _demand(part, prices, at, implied, False, level, "logit")
        shown = _demand(part, prices, at, implied, True, level, "logit") if isotonic else points
        return replace(_best(part, points, shown, currency, level), name=title, claim=claim)

    if by is None:
        return one(survey)
    parts = segment_by_segment(survey, by, one)
    return ranking([replace(e, term=term) for term, e in parts], title, claim, by)


def segment_by_segment(
    survey: Survey, by: str, one: Callable[[Survey], Any]
) -> list[tuple[str, Any]]:
    """``one`` of every segment; where none has an answer, the first one's error.

    Segments without any are left out; nothing else is: errors of the design are raised.
    """
    found, failed = [], None
    for term, rows in survey.segments(by).items():
        try:
            found.append((term, one(replace(survey, mask=rows))))
        except CxError as error:
            if "nobody" not in error.what:
                raise
            failed = failed or error
    if not found and failed is not None:
        raise failed
    return found


# ── the answers ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class _Asked:
    """Prices in order and the answers 1, 0 or NaN to each: shapes (K,) and (rows, K)."""

    prices: np.ndarray
    buys: np.ndarray
    questions: tuple[str, ...]


def _demand(
    survey: Survey,
    prices: Mapping[float, str] | str,
    at: Sequence[float],
    implied: bool,
    isotonic: bool,
    level: float,
    method: str,
) -> list[Estimate]:
    """One share a price, with its influence scores."""
    if method not in SHARE_METHODS:
        raise unknown("method for a share", method, SHARE_METHODS)
    asked = _one_question(survey, prices, at) if isinstance(prices, str) else _many(survey, prices)
    cautions = _against_the_grain(survey, asked)
    buys = _implied(asked.buys) if implied else asked.buys
    points = []
    for price, question, column in zip(asked.prices, asked.questions, buys.T, strict=True):
        answered = ~np.isnan(column)
        if not (answered & survey.looked_at).any():
            raise CxError(
                f"nobody answered at the price {price:g}",
                got=question,
                want="at least one answer at every price",
                do="leave the price out, or widen the segment",
            )
        hit, ones = np.nan_to_num(column), np.ones(len(column))
        told = (question, "share", "share", question, "", level, method)
        ask = Ask(survey, hit, ones, answered, *told)
        points.append(replace(answer(ask, None).with_cautions(*cautions), x=float(price)))
    return _pooled(points, buys, level, method) if isotonic else points


def _many(survey: Survey, prices: Mapping[float, str]) -> _Asked:
    """One question a price, its answers 0 or 1."""
    if not isinstance(prices, Mapping) or not prices:
        raise CxError(
            "a demand curve needs prices and the questions that asked for them",
            got=repr(prices)[:80],
            want='{4.99: "buy_499", 5.99: "buy_599"}, or one question with the highest price',
        )
    known = {_price(key): question for key, question in prices.items()}
    if len(known) < len(prices):
        raise CxError("the same price stands there twice", got=list(prices))
    ordered = sorted(known)
    columns = []
    for price in ordered:
        values = survey.numbers(known[price])
        strange = np.unique(values[survey.looked_at & ~np.isnan(values)])
        strange = strange[(strange != 0) & (strange != 1)]
        if len(strange):
            raise CxError(
                f"{known[price]!r} is not a question of yes or no",
                got=", ".join(f"{value:g}" for value in strange[:5]),
                want="1 for would buy, 0 for would not",
                do="recode the answers in the study file",
            )
        columns.append(values)
    return _Asked(
        np.array(ordered), np.column_stack(columns), tuple(known[price] for price in ordered)
    )


def _price(key: object) -> float:
    try:
        price = float(key)
    except (TypeError, ValueError):
        price = math.nan
    if not (math.isfinite(price) and price > 0):
        raise CxError("a price is a number above 0", got=repr(key), want="e.g. 4.99")
    return price


def _one_question(survey: Survey, question: str, at: Sequence[float]) -> _Asked:
    """One question with the highest price that the respondent would pay."""
    values = survey.numbers(question)
    told = values[survey.looked_at & ~np.isnan(values)]
    if (told < 0).any():
        raise CxError(
            f"{question!r} has negative prices",
            got=f"{int((told < 0).sum())} answers below 0",
            want="0 for would not buy at any price, or a price",
            do="declare them as missing codes in the study file",
        )
    if not len(told):
        raise CxError(f"nobody answered {question!r}", want="at least one answer")
    ordered = np.array(sorted({_price(one) for one in at})) if len(at) else np.unique(told)
    ordered = ordered[ordered > 0]
    if not len(ordered):
        raise CxError(
            "nobody would buy at any price", got=f"only 0 in {question!r}", want="prices above 0"
        )
    if len(ordered) > POINTS and not len(at):
        shares = np.linspace(0, 1, POINTS)
        ordered = np.unique(np.quantile(told[told > 0], shares, method="inverted_cdf"))
    buys = np.where(np.isnan(values)[:, None], np.nan, values[:, None] >= ordered)
    return _Asked(ordered, buys, (question,) * len(ordered))


def _implied(buys: np.ndarray) -> np.ndarray:
    """Answers that follow from others of the same respondent; contradictions stay missing."""
    yes_above = np.maximum.accumulate((buys == 1)[:, ::-1], axis=1)[:, ::-1]
    no_below = np.maximum.accumulate(buys == 0, axis=1)
    gap = np.isnan(buys)
    filled = np.where(gap & yes_above & ~no_below, 1.0, buys)
    return np.where(gap & no_below & ~yes_above, 0.0, filled)


def _against_the_grain(survey: Survey, asked: _Asked) -> tuple[str, ...]:
    """A caution where respondents refuse a price and accept a higher one."""
    rows = asked.buys[survey.looked_at]
    refused = np.maximum.accumulate(rows == 0, axis=1)
    crossed = ((rows == 1) & refused).any(axis=1)
    several = (~np.isnan(rows)).sum(axis=1) > 1
    if not crossed.any():
        return ()
    part = crossed.sum() / max(int(several.sum()), 1)
    words = "under 5 %" if part < 0.05 else f"{100 * part:.0f} %"
    return (f"{words} refused a price and accepted a higher one",)


# ── pooling, revenue, the best ───────────────────────────────────────────────────────────────────


def _pooled(points: list[Estimate], buys: np.ndarray, level: float, method: str) -> list[Estimate]:
    """Adjacent violators pooled: the shares nowhere rise; weights are the weighted bases."""
    survey = points[0].linear.survey
    inside = ~np.isnan(buys) & survey.looked_at[:, None]
    base = (survey.weights[:, None] * inside).sum(axis=0)
    blocks: list[list[int]] = []
    shares: list[float] = []
    for k, e in enumerate(points):
        blocks.append([k])
        shares.append(e.value)
        while len(shares) > 1 and shares[-1] > shares[-2]:
            merged = blocks[-2] + blocks[-1]
            blocks[-2:] = [merged]
            values = np.array([points[i].value for i in merged])
            shares[-2:] = [float(np.average(values, weights=base[merged]))]
    return [
        points[k] if len(block) == 1 else _of_pool(points, block, share, base, k, level, method)
        for block, share in zip(blocks, shares, strict=True)
        for k in block
    ]


def _of_pool(
    points: list[Estimate],
    block: list[int],
    share: float,
    base: np.ndarray,
    k: int,
    level: float,
    method: str,
) -> Estimate:
    """The estimate at one price of a pool: the pool's share, with the variance of their mix."""
    part = base[block] / base[block].sum()
    scores = sum(p * points[i].linear.scores for p, i in zip(part, block, strict=True))
    e = points[k]
    linear = Linear(e.linear.survey, lambda: scores, e.linear.df)
    var = max(linear.variance, 0.0)
    n_eff = share * (1 - share) / var if var > 0 else float(e.n)
    found = share_interval(
        share, var, n=e.n, n_eff=n_eff, df=e.df, level=level, method=method, plain=False
    )
    pooled = (*e.cautions, *found.cautions, "pooled with its neighbours: demand cannot rise")
    return replace(
        e,
        value=share,
        low=found.low,
        high=found.high,
        se=found.se,
        n_eff=n_eff,
        method=f"{found.method}, adjacent violators pooled",
        cautions=tuple(dict.fromkeys(pooled)),
        linear=linear,
    )


def _revenue(e: Estimate, currency: str) -> Estimate:
    """A share at a price as revenue per 100 respondents."""
    scale, linear = 100 * e.x, e.linear
    remake = None if linear.remake is None else lambda: scale * linear.remake()
    return replace(
        e,
        value=scale * e.value,
        low=scale * e.low,
        high=scale * e.high,
        se=scale * e.se,
        unit=currency,
        kind="revenue",
        method=f"price × {e.method}",
        linear=Linear(linear.survey, lambda: scale * linear.scores, linear.df, remake),
    )


def _best(
    survey: Survey, points: list[Estimate], shown: list[Estimate], currency: str, level: float
) -> PricePoint:
    """The highest of the shown (perhaps pooled) points; the set comes from the points as asked."""
    if len(points) < 2:
        raise CxError("a best price needs prices to choose from", got=len(points), want="2 or more")
    told = [_revenue(e, currency) for e in points]
    values = np.array([e.value for e in told])
    top = int(np.argmax([e.x * e.value for e in shown]))
    first = told[top]
    if values.max() <= 0:
        raise CxError(
            "nobody would buy at any price",
            got=f"{len(points)} prices, no buyer at any",
            want="somebody who would buy at one of them",
        )
    covariance = engine.variance(survey, np.column_stack([e.linear.scores for e in told]))
    kept = may_be_highest(values, covariance, first.linear.df, level)
    kept[top] = True
    prices = np.array([e.x for e in told])
    cautions = [text for text in shown[top].cautions if "refused" in text or "pooled" in text]
    return PricePoint(
        value=float(prices[top]),
        low=float(prices[kept].min()),
        high=float(prices[kept].max()),
        may_be=tuple((float(price), float(price)) for price in prices[kept]),
        unit=currency,
        n=first.n,
        level=level,
        n_excluded=first.n_excluded,
        n_eff=first.n_eff,
        df=first.linear.df,
        method="highest revenue; set of prices not significantly below any other (max-t)",
        source=survey.source,
        kind="price",
        question=first.question,
        origin=survey.origin,
        cautions=(*cautions, *_at_the_end(kept)),
    )


def _at_the_end(kept: np.ndarray) -> tuple[str, ...]:
    """A caution where the set reaches the lowest or the highest price asked."""
    ends = [name for name, yes in (("lowest", kept[0]), ("highest", kept[-1])) if yes]
    if not ends:
        return ()
    named = " and the ".join(ends)
    return (f"the {named} price asked may be best: one beyond it may be better still",)
