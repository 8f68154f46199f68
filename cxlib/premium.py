"""Willingness to pay for a good experience, as stated in a survey or as shown by buying.

Stated percentages are read at their floors, so that nobody counts for more than they said; zeros
stay in. "Up to 25 %" becomes what can be tested: the share who state 25 % or more, and the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .benchmark import benchmark
from .errors import CxError, unknown
from .estimate import mean_of, quantile, share
from .interval import SHARE_METHODS
from .linear import Ask, answer
from .result import Curve, Estimate, Ranking
from .survey import Survey

#: Floors of the canonical tiers (none, under 5, 5–9, 10–14, 15–24, 25 % and more), as shares.
FLOORS: Mapping[float, float] = {0: 0.0, 1: 0.0, 2: 0.05, 3: 0.10, 4: 0.15, 5: 0.25}
#: The thresholds of the published tiers, as shares of the price.
THRESHOLDS = (0.05, 0.10, 0.15, 0.25)


def stated_premium(
    survey: Survey,
    question: str,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Curve:
    """The share who say that they would pay at least so much more.

    Parameters
    ----------
    question : str
        A percentage (0–100) asked of all, zeros included.
    thresholds : shares of the price (0–1)

    Returns
    -------
    Curve
        One share a threshold; its first point is "anything at all".

    Raises
    ------
    CxError
        Negative or text answers; nobody answered.
    """
    values = _percentages(survey, question)
    title = name or "Would pay at least so much more"
    points = [_any(survey, question, values, level, method, title, claim)]
    for threshold in thresholds:
        one = share(
            survey,
            question,
            at_least=_percent(threshold),
            level=level,
            method=method,
            name=title,
            claim=claim,
        )
        points.append(replace(one, term=f"≥\u00a0{_percent(threshold):g}\u00a0%", x=threshold))
    return Curve(
        name=title,
        estimates=tuple(points),
        claim=claim,
        by="would pay",
        axis="premium over the price, share",
    )


def _percentages(survey: Survey, question: str) -> np.ndarray:
    """Stated percentages, none of them negative."""
    values = survey.numbers(question)
    if (values[survey.looked_at] < 0).any():
        raise CxError(
            f"{question!r} has negative percentages",
            got=f"{int((values < 0).sum())} answers below 0",
            want="0 or more",
            do="declare them as missing codes in the study file",
        )
    return values


def _percent(threshold: float) -> float:
    return round(100 * threshold, 6)


def _any(
    survey: Survey,
    question: str,
    values: np.ndarray,
    level: float,
    method: str,
    title: str,
    claim: str,
) -> Estimate:
    positive = values[survey.looked_at & (values > 0)]
    least = float(positive.min()) if len(positive) else 1.0
    one = share(
        survey, question, at_least=least, level=level, method=method, name=title, claim=claim
    )
    return replace(one, term="anything", x=0.0)


def premium_mean(
    survey: Survey,
    question: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The mean stated premium of all who answered, zeros included; unit "share of price"."""
    return mean_of(
        survey,
        survey.numbers(question) / 100,
        question,
        by=by,
        level=level,
        name=name or "Mean premium",
        claim=claim,
        unit="share of price",
    )


def premium_median(
    survey: Survey, question: str, *, level: float = 0.95, name: str = "", claim: str = ""
) -> Estimate:
    """The median stated premium; unit "share of price"."""
    one = quantile(survey, question, level=level, name=name or "Median premium", claim=claim)
    return replace(
        one,
        value=one.value / 100,
        low=one.low / 100,
        high=one.high / 100,
        unit="share of price",
    )


def premium_share_sensitivity(
    survey: Survey,
    question: str,
    *,
    threshold: float = 0.10,
    half_width: float = 0.025,
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Ranking:
    """How far the share who would pay at least so much more hangs on round answers.

    People round: a stated 10 % stands for anything from 7.5 up to (not including) 12.5 %. The share
    at the threshold is shown as stated, if all answers within half a step below had meant it, if
    all within half a step from it on had meant less, and so is the share of that heap.

    Parameters
    ----------
    question : str
        A percentage (0–100) asked of all, zeros included.
    threshold, half_width : shares of the price (0–1)
        The round figure and half the step of rounding.

    Returns
    -------
    Ranking
        Four shares: as stated, the heap counted in, the heap counted out, the heap itself.

    Raises
    ------
    CxError
        Negative or text answers; a half width that is not between 0 and the threshold.
    """
    if not 0 < half_width < threshold:
        raise CxError(
            "half a step of rounding lies between 0 and the threshold",
            got=f"half_width {half_width:g}, threshold {threshold:g}",
            want="e.g. 0.025 for a stated 10 %",
        )
    if method not in SHARE_METHODS:
        raise unknown("method for a share", method, SHARE_METHODS)
    values = _percentages(survey, question)
    low, high = _percent(threshold - half_width), _percent(threshold + half_width)
    stated = _percent(threshold)
    above = values >= low
    readings = {
        f"{stated:g} % or more, as stated": values >= stated,
        f"{low:g} % or more: all who rounded up counted": above,
        f"{high:g} % or more: all who rounded down left out": values >= high,
        f"from {low:g} to under {high:g} %: the heap at {stated:g}": above & (values < high),
    }
    title = name or f"Would pay at least {stated:g} % more, whatever a round answer means"
    told = (question, "share", "share", title, claim, level, method)
    given, ones = ~np.isnan(values), np.ones(len(values))
    rows = [answer(Ask(survey, hit * 1.0, ones, given, *told), None) for hit in readings.values()]
    return Ranking(
        name=title,
        estimates=tuple(replace(e, term=term) for e, term in zip(rows, readings, strict=True)),
        claim=claim,
        by="reading",
    )


def premium_floor_mean(
    survey: Survey,
    tier: str,
    *,
    floors: Mapping[float, float] = FLOORS,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The lower-bound mean premium from tiers: each person at the floor of the tier they chose.

    Parameters
    ----------
    tier : str
        A question whose codes are tiers.
    floors : code → share of the price

    Returns
    -------
    Estimate
        Unit "share of price" (0–1).

    Raises
    ------
    CxError
        An answer without a floor; nobody answered.
    """
    codes = survey.numbers(tier)
    strange = set(np.unique(codes[~np.isnan(codes) & survey.looked_at])) - set(floors)
    if strange:
        raise CxError(
            f"{tier!r} has tiers without a floor",
            got=", ".join(f"{code:g}" for code in sorted(strange)),
            want=f"one of {', '.join(f'{code:g}' for code in floors)}",
        )
    floored = np.full(len(codes), np.nan)
    for code, floor in floors.items():
        floored[codes == code] = floor
    one = mean_of(
        survey,
        floored,
        tier,
        level=level,
        name=name or "Lower-bound mean premium",
        claim=claim,
        unit="share of price",
    )
    return replace(one, method="mean of tier floors, linearised variance, t interval")


def hypothetical_bias(
    premium: Estimate,
    factors: Sequence[str] = ("hypbias_schmidt", "hypbias_murphy", "hypbias_list"),
) -> Ranking:
    """What a stated premium comes to if people overstate as published studies found.

    The factor multiplies total willingness to pay, not the premium, so two readings are shown: the
    premium divided by the factor, and the total (1 + premium) divided by it, less 1. The second can
    be negative: then nothing of the premium survives.

    Parameters
    ----------
    premium : Estimate
        Unit "share of price".
    factors : ids of published ratios of hypothetical to real payment

    Returns
    -------
    Ranking
        Scenarios, not estimates: their intervals carry only our sampling error.
    """
    if isinstance(premium, Ranking) or premium.unit != "share of price":
        raise CxError(
            "a bias factor applies to a premium",
            got=getattr(premium, "unit", type(premium).__name__),
            want="an estimate in shares of the price",
        )
    rows = [replace(premium, term="as stated", name="Premium under hypothetical bias")]
    for key in factors:
        ratio = benchmark(key).value
        cite = f"{benchmark(key).publisher}, × {ratio:g}"
        rows.append(_scaled(rows[0], ratio, 0.0, f"premium ÷ factor ({cite})"))
        rows.append(_scaled(rows[0], ratio, 1.0, f"total ÷ factor ({cite})"))
    return Ranking(
        name="Premium under hypothetical bias",
        estimates=tuple(rows),
        claim=premium.claim,
        by="reading",
    )


def _scaled(premium: Estimate, ratio: float, total: float, term: str) -> Estimate:
    def down(value: float) -> float:
        return (total + value) / ratio - total

    scenario = "a scenario: only our sampling error is in the interval"
    nothing = ("below zero: under this reading nothing of the premium is left",)
    return replace(
        premium,
        value=down(premium.value),
        low=down(premium.low),
        high=down(premium.high),
        se=premium.se / ratio,
        term=term,
        kind="scenario",
        linear=None,
        cautions=(scenario, *(nothing if down(premium.value) < 0 else ())),
    )


def buyers_by_premium(
    survey: Survey,
    bought: str,
    premium: str,
    *,
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Curve:
    """The share who bought at each premium that was offered.

    Parameters
    ----------
    bought : str
        0/1.
    premium : str
        The premium each respondent was offered, as a share of the price; best at random.

    Returns
    -------
    Curve
        ``x`` is the premium.
    """
    parts = share(
        survey,
        bought,
        equals=1,
        by=premium,
        level=level,
        method=method,
        name=name or "Bought at this premium",
        claim=claim,
    )
    points = tuple(
        replace(e, x=float(e.term), term=f"{100 * float(e.term):.3g} %") for e in parts.estimates
    )
    return Curve(
        name=parts.name,
        estimates=points,
        claim=claim,
        by="premium",
        axis="premium over the price, share",
    )
