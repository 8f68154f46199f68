"""How large is a difference, and is it small enough? Effect sizes and equivalence of means.

:func:`tost` judges any estimate with its own standard error and degrees of freedom, so that every
design-based difference of the house can be tested for equivalence; the others take plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile, upper_tail
from .linear import linear_estimate, someone, welch
from .result import Estimate
from .show import fmt
from .survey import Survey
from .verdict import Test

EFFECTS = ("hedges", "cohen", "glass", "superiority")


def tost(
    estimate: Estimate,
    *,
    margin: float | None = None,
    low: float | None = None,
    high: float | None = None,
    name: str = "",
) -> Test:
    """Two one-sided tests: does a difference lie between the two bounds?

    Parameters
    ----------
    estimate : Estimate
        A difference with its standard error, e.g. of :func:`cxlib.difference`.
    margin : float
        The bounds are ± margin, in the unit of the estimate; or give ``low`` and ``high``.

    Returns
    -------
    Test
        p is the larger of the two; under 5 % the difference lies inside. ``statistic`` is the t of
        the worse side. The effect is the difference with its 90 % interval, which lies inside the
        bounds exactly where p is under 5 %.

    References
    ----------
    Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15:657.
    """
    low, high = _bounds(margin, low, high)
    value, se, df = estimate.value, estimate.se, estimate.df
    if not (math.isfinite(se) and se > 0 and df > 0):
        raise CxError("no variation to test", got=f"standard error {se:g}, {df:g} df")
    above, below = (value - low) / se, (high - value) / se
    worst = min(above, below)
    half = t_quantile(0.90, df) * se
    told = fmt(low, estimate.unit), fmt(high, estimate.unit)
    return Test(
        name=name or f"{estimate.name or 'difference'}, between {told[0]} and {told[1]}",
        statistic=worst,
        df=df,
        p=upper_tail(worst, df),
        effect=replace(estimate, low=value - half, high=value + half, level=0.90),
        n=estimate.n,
        method="two one-sided t tests",
        source=estimate.source,
        origin=estimate.origin,
        cautions=estimate.cautions,
    )


def two_means(
    x: Sequence[float],
    y: Sequence[float],
    *,
    paired: bool = False,
    equal_variances: bool = False,
    level: float = 0.95,
    name: str = "",
    unit: str = "",
) -> Estimate:
    """The difference of two plain means, x minus y, with its t interval.

    Parameters
    ----------
    x, y : numbers
        NaN are left out (both of a pair) and counted.
    paired : bool
        x and y are pairs of the same respondents.
    equal_variances : bool
        Pool the variances (Student); otherwise Welch.

    Returns
    -------
    Estimate
        ``value / se`` is the t statistic on ``df``.

    Raises
    ------
    CxError
        Fewer than two numbers in a group; infinities or text.

    References
    ----------
    Welch (1947), Biometrika 34:28. Checked against R's ``t.test``.
    """
    x, y, left_out = _numbers(x, y, paired)
    if paired:
        gaps = x - y
        value, var, df = gaps.mean(), gaps.var(ddof=1) / len(gaps), len(gaps) - 1.0
    else:
        value = x.mean() - y.mean()
        parts = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
        var, df = sum(parts), len(x) + len(y) - 2.0
        if equal_variances:
            var = _pooled(x, y) * (1 / len(x) + 1 / len(y))
        elif var > 0:
            df = welch(math.sqrt(parts[0]), len(x) - 1, math.sqrt(parts[1]), len(y) - 1)
    se = math.sqrt(var)
    half = t_quantile(level, df) * se
    return Estimate(
        value=float(value),
        low=float(value - half),
        high=float(value + half),
        unit=unit,
        n=len(x) if paired else len(x) + len(y),
        level=level,
        se=se,
        n_excluded=left_out,
        df=float(df),
        kind="difference",
        name=name or "First mean − second",
        method="paired t interval" if paired else ("Student" if equal_variances else "Welch"),
    )


def tost_means(
    x: Sequence[float],
    y: Sequence[float],
    *,
    margin: float | None = None,
    low: float | None = None,
    high: float | None = None,
    paired: bool = False,
    equal_variances: bool = False,
) -> Test:
    """Two one-sided t tests: does the difference of two plain means lie between the bounds?

    See :func:`tost` and :func:`two_means`. Checked against statsmodels' ``ttost_ind`` and
    ``ttost_paired``.
    """
    gap = two_means(x, y, paired=paired, equal_variances=equal_variances)
    return tost(gap, margin=margin, low=low, high=high)


def effect_size(
    x: Sequence[float], y: Sequence[float], *, kind: str = "hedges", level: float = 0.95
) -> Estimate:
    """The difference of two plain groups on a scale without unit.

    Parameters
    ----------
    x, y : numbers
    kind : str
        ``"cohen"``: difference of means over the pooled standard deviation; ``"hedges"``: the same
        without its small-sample bias, × 1 − 3 / (4 n − 9); ``"glass"``: over the standard deviation
        of ``y``; ``"superiority"``: the chance that one of ``x`` exceeds one of ``y``, ties half.

    Returns
    -------
    Estimate
        Large-sample interval (Hedges and Olkin; for superiority DeLong's on the logit).

    References
    ----------
    Hedges and Olkin (1985); Vargha and Delaney (2000); DeLong et al. (1988). Checked against
    pingouin's ``compute_effsize``.
    """
    if kind not in EFFECTS:
        raise unknown("effect size", kind, EFFECTS)
    x, y, left_out = _numbers(x, y, False)
    n, m = len(x), len(y)
    if kind == "superiority":
        value, se, low, high = _superiority(x, y, level)
    else:
        sd = y.std(ddof=1) if kind == "glass" else math.sqrt(_pooled(x, y))
        if sd == 0:
            raise CxError("no spread to measure by", got="all answers alike")
        value = (x.mean() - y.mean()) / sd
        rest = 2 * (m - 1) if kind == "glass" else 2 * (n + m)
        se = math.sqrt(1 / n + 1 / m + value**2 / rest)
        shrink = 1 - 3 / (4 * (n + m) - 9) if kind == "hedges" else 1.0
        value, se = value * shrink, se * shrink
        half = t_quantile(level, math.inf) * se
        low, high = value - half, value + half
    return Estimate(
        value=float(value),
        low=float(low),
        high=float(high),
        unit="share" if kind == "superiority" else "",
        n=n + m,
        level=level,
        se=float(se),
        n_excluded=left_out,
        kind="effect size",
        name={
            "cohen": "Cohen's d",
            "hedges": "Hedges' g",
            "glass": "Glass's delta",
            "superiority": "Chance that the first exceeds the second",
        }[kind],
        method="large-sample interval",
    )


def standardised_difference(
    survey: Survey, question: str, *, group: str, level: float = 0.95, name: str = ""
) -> Estimate:
    """Difference of two groups' weighted means over their pooled weighted standard deviation.

    Parameters
    ----------
    group : str
        A question with two answers; the later answer minus the earlier.

    Returns
    -------
    Estimate
        Cohen's d in the population that the weights describe, with the design's standard error
        (Taylor linearisation of means and spreads).

    Raises
    ------
    CxError
        Not two groups; no spread; nobody answered.

    References
    ----------
    Influence functions: Deville (1999), Survey Methodology 25:193. For equal weights it is Cohen's
    d with n for n − 1.
    """
    numbers = survey.numbers(question)
    segments = survey.segments(group)
    finite = np.isfinite(numbers)
    groups = [inside & finite for inside in segments.values()]
    valid = np.any(groups, axis=0) if groups else np.zeros(len(numbers), bool)
    someone(survey, question, valid)
    masses = [float(survey.weights[rows].sum()) for rows in groups]
    if len(groups) != 2 or min(masses) <= 0:
        raise CxError(
            f"{group!r} does not make two groups",
            got=f"{len(groups)}: {', '.join(segments)}",
            want="two answers, each with respondents of positive weight",
        )
    value, influence = _standardised(numbers, survey.weights, groups, masses, question)
    return linear_estimate(
        survey,
        value,
        lambda: influence,
        n=int(valid.sum()),
        unit="",
        level=level,
        n_excluded=int(survey.looked_at.sum() - valid.sum()),
        kind="effect size",
        question=question,
        name=name or f"{question} by {group}: standardised difference",
        method="weighted Cohen's d, linearised variance",
    )


def _standardised(
    numbers: np.ndarray,
    weights: np.ndarray,
    groups: list[np.ndarray],
    masses: list[float],
    question: str,
) -> tuple[float, np.ndarray]:
    """Weighted Cohen's d and its weighted influence values."""
    means = [float(weights[g] @ numbers[g]) / m for g, m in zip(groups, masses, strict=True)]
    whole = sum(masses)
    centred = np.zeros(len(numbers))
    for rows, middle in zip(groups, means, strict=True):
        centred[rows] = numbers[rows] - middle
    inside = groups[0] | groups[1]
    var = float(weights[inside] @ centred[inside] ** 2) / whole
    if not var > 0:
        raise CxError("no spread to measure by", got=f"all answers to {question!r} alike")
    sd = math.sqrt(var)
    value = (means[1] - means[0]) / sd
    slope = np.where(groups[1], 1 / masses[1], 0.0) - np.where(groups[0], 1 / masses[0], 0.0)
    spread = np.where(inside, (centred**2 - var) / whole, 0.0)
    return value, weights * (slope * centred / sd - value * spread / (2 * var))


def _superiority(x: np.ndarray, y: np.ndarray, level: float) -> tuple[float, float, float, float]:
    """P(X > Y) + P(X = Y)/2 with DeLong's standard error and an interval on the logit."""
    from scipy.stats import rankdata

    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    over_y = (ranks[:n] - rankdata(x)) / m
    over_x = 1 - (ranks[n:] - rankdata(y)) / n
    value = float(over_y.mean())
    var = over_y.var(ddof=1) / n + over_x.var(ddof=1) / m
    if not 0 < value < 1 or var <= 0:
        edge = 1 - (1 - level) ** (1 / min(n, m))
        low, high = (0.0, edge) if value <= 0 else (1 - edge, 1.0) if value >= 1 else (0.0, 1.0)
        return value, math.sqrt(max(var, 0.0)), low, high
    centre = math.log(value / (1 - value))
    half = t_quantile(level, math.inf) * math.sqrt(var) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-edge)) for edge in (centre - half, centre + half))
    return value, math.sqrt(var), low, high


def _pooled(x: np.ndarray, y: np.ndarray) -> float:
    within = x.var(ddof=1) * (len(x) - 1) + y.var(ddof=1) * (len(y) - 1)
    return float(within / (len(x) + len(y) - 2))


def _numbers(
    x: Sequence[float], y: Sequence[float], paired: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Both as finite floats, and how many were left out because they are missing."""
    try:
        x, y = np.asarray(x, float).ravel(), np.asarray(y, float).ravel()
    except (TypeError, ValueError):
        raise CxError("means need numbers", got="text or mixed types") from None
    if np.isinf(x).any() or np.isinf(y).any():
        raise CxError("an infinite answer has no mean", got="an infinity")
    if paired and len(x) != len(y):
        raise CxError("pairs need as many of one as of the other", got=f"{len(x)} and {len(y)}")
    keep_x, keep_y = ~np.isnan(x), ~np.isnan(y)
    if paired:
        keep_x = keep_y = keep_x & keep_y
    left_out = int((~keep_x).sum() + (0 if paired else (~keep_y).sum()))
    x, y = x[keep_x], y[keep_y]
    if min(len(x), len(y)) < 2:
        raise CxError("each group needs two answers", got=f"{len(x)} and {len(y)}")
    return x, y, left_out


def _bounds(margin: float | None, low: float | None, high: float | None) -> tuple[float, float]:
    if margin is not None and low is None and high is None:
        low, high = -margin, margin
    if low is None or high is None:
        raise CxError("what counts as the same is not declared", want="margin=, or low= and high=")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise CxError("the bounds are not in order", got=f"{low} and {high}", want="low < high")
    return float(low), float(high)
