"""Intervals as functions of a value, its design variance and its degrees of freedom.

Nothing here sees a survey: these are the formulas, each with its reference, and
:mod:`cxlib.estimate` feeds them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .errors import CxError

SHARE_METHODS = (
    "logit",
    "xlogit",
    "mean",
    "beta",
    "korn-graubard",
    "asin",
    "likelihood",
    "wilson",
    "clopper-pearson",
)


class Interval(NamedTuple):
    """An interval with the standard error and degrees of freedom that it used."""

    low: float
    high: float
    se: float
    df: float
    method: str
    cautions: tuple[str, ...] = ()


def t_quantile(level: float, df: float) -> float:
    """The two-sided quantile of Student's t (normal where ``df`` is infinite).

    Under one degree of freedom (a segment inside one unit a stratum) it is that of one.
    """
    from scipy.special import ndtri, stdtrit

    if not 0 < level < 1:
        raise CxError(
            "a confidence level lies between 0 and 1",
            got=level,
            want="a number such as 0.95",
            do="95 % is written 0.95",
        )
    p = 0.5 + level / 2
    return float(ndtri(p)) if math.isinf(df) else float(stdtrit(max(df, 1.0), p))


def upper_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t (normal where ``df`` is infinite)."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-t)) if math.isinf(df) else float(stdtr(max(df, 1.0), -t))


def mean_interval(value: float, var: float, df: float, level: float) -> Interval:
    """value ± t·se."""
    se = math.sqrt(var)
    half = t_quantile(level, df) * se
    told = "linearised variance, t interval"
    return Interval(value - half, value + half, se, df, told)


def share_interval(
    p: float,
    var: float,
    *,
    n: int,
    n_eff: float,
    df: float,
    level: float,
    method: str,
    plain: bool = False,
) -> Interval:
    """The interval of a share.

    Parameters
    ----------
    p, var : float
        The share and its design variance.
    n, n_eff, df : respondents, effective respondents, design degrees of freedom.
    method : str
        One of :data:`SHARE_METHODS`.
    plain : bool
        A simple random sample: Wilson and Clopper–Pearson use the normal and the exact binomial.

    References
    ----------
    Logit, asin, mean, beta, likelihood: as ``svyciprop`` of R survey. Korn and Graubard (1998);
    Franco et al. (2019), JSSAM 7:334 for Wilson with an effective sample.
    """
    p = min(max(p, 0.0), 1.0)
    se = math.sqrt(var)
    method = {"xlogit": "logit", "korn-graubard": "beta"}.get(method, method)
    edge = p <= 0 or p >= 1 or se == 0
    cautions = []
    if edge and method in {"logit", "asin", "likelihood", "mean"}:
        why = "no variation between sampling units" if 0 < p < 1 else "everybody or nobody"
        cautions.append(f"{why}: the {method} interval does not exist, beta instead")
        method = "beta"
    cautions += _presentation(p, n, n_eff, df, level)
    low, high = _share_bounds(p, se, n, n_eff, df, level, method, plain)
    words = {
        "logit": "logit interval",
        "mean": "t interval",
        "beta": "Korn–Graubard interval",
        "asin": "arcsine interval",
        "likelihood": "likelihood interval",
        "wilson": "Wilson interval",
        "clopper-pearson": "Clopper–Pearson interval",
    }
    told = f"weighted share, {words[method]}" if not plain else f"share, {words[method]}"
    return Interval(low, high, se, df, told, tuple(cautions))


def _share_bounds(
    p: float,
    se: float,
    n: int,
    n_eff: float,
    df: float,
    level: float,
    method: str,
    plain: bool,
) -> tuple[float, float]:
    t = t_quantile(level, df)
    if method == "logit":
        centre, half = math.log(p / (1 - p)), t * se / (p * (1 - p))
        return _expit(centre - half), _expit(centre + half)
    if method == "mean":
        return p - t * se, p + t * se
    if method == "asin":
        centre, half = math.asin(math.sqrt(p)), t * se / (2 * math.sqrt(p * (1 - p)))
        return (
            math.sin(max(centre - half, 0.0)) ** 2,
            math.sin(min(centre + half, math.pi / 2)) ** 2,
        )
    if method == "likelihood":
        return _likelihood_bounds(p, p * (1 - p) / se**2 * (n - 1) / n, t)
    if method == "wilson":
        return wilson(p, n_eff, t_quantile(level, math.inf if plain else df))
    size = p * (1 - p) / se**2 if method == "beta" and se > 0 else n_eff
    if not plain:
        size *= (t_quantile(level, n - 1) / t) ** 2 if n > 1 else 1.0
    return exact_bounds(p * size, size, level)


def wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score interval (1927), for real n too."""
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return (0.0 if p == 0 else low), (1.0 if p == 1 else high)


def exact_bounds(count: float, n: float, level: float) -> tuple[float, float]:
    """Clopper–Pearson bounds, for real counts too."""
    from scipy.special import betaincinv

    alpha = 1 - level
    low = float(betaincinv(count, n - count + 1, alpha / 2)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - alpha / 2)) if n - count > 1e-12 else 1.0
    return low, high


def _likelihood_bounds(p: float, n: float, t: float) -> tuple[float, float]:
    """Where twice the drop of the scaled binomial log-likelihood reaches t²."""
    from scipy.optimize import brentq

    def drop(q: float) -> float:
        return 2 * n * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))) - t**2

    tiny = 1e-12
    low = brentq(drop, tiny, p, xtol=1e-14) if drop(tiny) > 0 else 0.0
    high = brentq(drop, p, 1 - tiny, xtol=1e-14) if drop(1 - tiny) > 0 else 1.0
    return float(low), float(high)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _presentation(p: float, n: int, n_eff: float, df: float, level: float) -> list[str]:
    """The presentation standard: when a share should carry a warning.

    Follows the criteria of the US National Center for Health Statistics (Parker et al. 2017):
    effective base under 30, Korn–Graubard width over 30 points or over 5 points and 130 % of the
    share, fewer than 8 degrees of freedom.
    """
    cautions = []
    size = min(n_eff, float(n))
    if size < 30:
        cautions.append(f"unreliable: the effective base is only {size:.0f}")
    else:
        low, high = exact_bounds(p * size, size, level)
        small = min(p, 1 - p)
        if high - low > 0.30:
            cautions.append("unreliable: the interval is wider than 30 points")
        elif high - low > 0.05 and high - low > 1.3 * small:
            cautions.append("near the end of the scale: the interval is wide beside the share")
        elif size * small < 10:
            cautions.append(
                "few cases on one side: a Korn–Graubard interval (method beta) is safer"
            )
    if df < 8:
        cautions.append(f"only {df:.0f} degrees of freedom: the design has few clusters")
    return cautions


def nps_interval(
    value: float,
    spread: float,
    var: float,
    *,
    n: int,
    n_eff: float,
    df: float,
    level: float,
    method: str,
) -> Interval:
    """The interval of a Net Promoter Score on the −1…1 scale.

    ``spread`` is p + d − (p − d)²; ``var`` the design variance. See :func:`cxlib.nps`.
    """
    if method == "linearised":
        return mean_interval(value, var, df, level)
    z = t_quantile(level, math.inf)
    if method == "wald":
        se = math.sqrt(spread / n)
        told = "multinomial variance, Wald interval"
        return Interval(value - z * se, value + z * se, se, math.inf, told)
    size = n_eff + 3
    second = spread + value**2
    promoters, detractors = (second + value) / 2, (second - value) / 2
    p, d = (promoters * n_eff + 0.75) / size, (detractors * n_eff + 0.75) / size
    se = math.sqrt((p + d - (p - d) ** 2) / size)
    centre = p - d
    return Interval(
        max(min(centre - z * se, value), -1.0),
        min(max(centre + z * se, value), 1.0),
        se,
        math.inf,
        "adjusted Wald interval",
        ("small effective base: adjusted Wald interval",) if n_eff < 30 else (),
    )
