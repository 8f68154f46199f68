"""The formulas of agreement: each takes ratings and gives a value with its uncertainty.

Public functions stand in :mod:`cxlib.agreement`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .errors import CxError
from .interval import t_quantile


class Found(NamedTuple):
    """A coefficient with its interval, and its test against no agreement (NaN where none)."""

    value: float
    low: float
    high: float
    se: float
    n: int
    df: float
    told: str
    statistic: float = math.nan
    p: float = math.nan
    df1: float = math.nan
    df2: float = math.nan
    cautions: tuple[str, ...] = ()


class NoChance(Exception):
    """Every rating is the same: what chance would give cannot be told from agreement."""


def _around(value: float, se: float, df: float, level: float) -> tuple[float, float]:
    half = t_quantile(level, df) * se
    return max(value - half, -1.0), min(value + half, 1.0)


# -- kappa -----------------------------------------------------------------------------------------


def cohen(codes: np.ndarray, k: int, weights: np.ndarray, level: float) -> Found:
    """Cohen's (weighted) kappa of two raters; ``codes`` has shape (n, 2), ``weights`` (k, k)."""
    from scipy.special import ndtr

    n = len(codes)
    cells = np.bincount(codes[:, 0] * k + codes[:, 1], minlength=k * k).reshape(k, k) / n
    one, two = cells.sum(1), cells.sum(0)
    seen, chance = float((cells * weights).sum()), float(one @ weights @ two)
    if chance > 1 - 1e-12:
        raise NoChance
    value = (seen - chance) / (1 - chance)
    means = (weights @ two)[:, None] + (one @ weights)[None, :]
    null = float((np.outer(one, two) * (weights - means) ** 2).sum()) - chance**2
    own = float((cells * (weights - means * (1 - value)) ** 2).sum())
    own -= (value - chance * (1 - value)) ** 2
    scale = 1 / (math.sqrt(n) * (1 - chance))
    se, se_null = (math.sqrt(var) * scale if var > 1e-14 else 0.0 for var in (own, null))
    z = value / se_null if se_null else math.nan
    low, high = _around(value, se, math.inf, level)
    told = "Fleiss–Cohen–Everitt standard error, normal interval"
    p = 2 * float(ndtr(-abs(z))) if se_null else math.nan
    return Found(value, low, high, se, n, math.inf, told, z, p)


def fleiss(counts: np.ndarray, level: float, exact: bool) -> Found:
    """Fleiss' kappa from how many raters chose each category, shape (n, k)."""
    from scipy.special import ndtr

    n, r = len(counts), int(counts[0].sum())
    share = counts.sum(0) / (n * r)
    chance = float(share @ share)
    if chance > 1 - 1e-12:
        raise NoChance
    own = ((counts**2).sum(1) - r) / (r * (r - 1))
    value = (float(own.mean()) - chance) / (1 - chance)
    part = (own - chance - 2 * (1 - value) * (counts @ share / r - chance)) / (1 - chance)
    se = math.sqrt(float(((part - value) ** 2).sum()) / (n * (n - 1)))
    se = se if se > 1e-12 else 0.0
    low, high = _around(value, se, n - 1, level)
    told = "linearised variance over objects (Gwet), t interval"
    spread = share * (1 - share)
    total = float(spread.sum())
    null = total**2 - float((spread * (1 - 2 * share)).sum())
    z = value / (math.sqrt(2 * null / (n * r * (r - 1))) / total) if null > 0 else math.nan
    p = 2 * float(ndtr(-abs(z))) if null > 0 else math.nan
    return Found(value, low, high, se, n, n - 1.0, told, z, p)


def conger(codes: np.ndarray, k: int) -> float:
    """Conger's exact kappa of several raters: each rater's own shares make the chance."""
    n, r = codes.shape
    hits = codes[:, :, None] == np.arange(k)
    counts, share = hits.sum(1), hits.mean(0)
    seen = float(((counts**2).sum(1) - r).mean()) / (r * (r - 1))
    chance = float((share.mean(0) ** 2).sum() - share.var(0, ddof=1).sum() / r)
    if chance > 1 - 1e-12:
        raise NoChance
    return (seen - chance) / (1 - chance)


# -- Krippendorff ----------------------------------------------------------------------------------


def alpha(
    counts: np.ndarray, values: np.ndarray, measurement: str, times: np.ndarray
) -> np.ndarray:
    """Krippendorff's alpha of resampled objects.

    Parameters
    ----------
    counts : float array, shape (n, k): how often each object got each value
    values : float array, shape (k,), rising
    times : float array, shape (draws, n): how often each object is in a draw

    Returns
    -------
    float array, shape (draws,), NaN where a draw holds one value only.
    """
    many = counts.sum(1)
    total = times @ counts
    size = total.sum(1)
    per = times / (many - 1)
    if measurement == "nominal":
        inside = per @ (many**2 - (counts**2).sum(1))
        outside = size**2 - (total**2).sum(1)
    elif measurement == "ratio":
        top = values[:, None] + values[None, :]
        gap = np.where(top > 0, (values[:, None] - values) / np.where(top > 0, top, 1), 0) ** 2
        inside = per @ np.einsum("ij,jk,ik->i", counts, gap, counts)
        outside = np.einsum("ij,jk,ik->i", total, gap, total)
    else:
        score = np.broadcast_to(values - values.mean(), total.shape)
        if measurement == "ordinal":
            score = np.cumsum(total, axis=1) - total / 2 - size[:, None] / 2
        square, plain = (score**2) @ counts.T, score @ counts.T
        inside = (per * 2 * (many * square - plain**2)).sum(1)
        outside = 2 * (size * (total * score**2).sum(1) - ((total * score).sum(1)) ** 2)
    some = outside > 1e-12 * np.maximum(size, 1) ** 2 * _unit(measurement, values, size)
    safe = np.where(some, outside, 1.0)
    return np.where(some, 1 - (size - 1) * inside / safe, np.nan)


def _unit(measurement: str, values: np.ndarray, size: np.ndarray) -> np.ndarray | float:
    """What a disagreement is about as large as, so that rounding is not taken for one."""
    if measurement == "ordinal":
        return size**2
    return float(np.ptp(values)) ** 2 if measurement == "interval" else 1.0


def krippendorff(
    counts: np.ndarray, values: np.ndarray, measurement: str, level: float, draws: int, seed: int
) -> Found:
    """Alpha with a percentile interval from objects drawn again."""
    n = len(counts)
    value = float(alpha(counts, values, measurement, np.ones((1, n)))[0])
    if math.isnan(value):
        raise NoChance
    rng = np.random.default_rng(seed)
    step = max(1, 4_000_000 // (n + len(values)))
    found: list[np.ndarray] = []
    for first in range(0, draws, step):
        size = min(step, draws - first)
        times = rng.multinomial(n, np.full(n, 1 / n), size).astype(float)
        found.append(alpha(counts, values, measurement, times))
    return _from_draws(value, np.concatenate(found) if found else np.empty(0), n, level, seed)


def _from_draws(value: float, found: np.ndarray, n: int, level: float, seed: int) -> Found:
    kept = found[np.isfinite(found)]
    if len(kept) < 20:
        told, why = "no interval: too few draws", ()
        if len(found):
            why = ("nearly all draws hold one and the same rating: no interval",)
        return Found(value, math.nan, math.nan, math.nan, n, math.inf, told, cautions=why)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    told = f"bootstrap of objects, {len(found):,} draws, seed {seed}, percentile interval"
    lost = len(found) - len(kept)
    why = (f"{lost:,} of {len(found):,} draws held one rating only: left out",) * (lost > 0)
    return Found(
        value,
        min(float(low), value),
        max(float(high), value),
        float(kept.std(ddof=1)),
        n,
        math.inf,
        told,
        cautions=why,
    )


def drawn_again(
    statistic: Callable[[np.ndarray], float], n: int, level: float, draws: int, seed: int
) -> Found:
    """Any coefficient of the chosen objects with a percentile interval; ``statistic(rows)``."""
    value = statistic(np.arange(n))
    rng = np.random.default_rng(seed)
    found = np.full(draws, np.nan)
    for draw in range(draws):
        try:
            found[draw] = statistic(rng.integers(0, n, n))
        except NoChance:
            continue
    return _from_draws(value, found, n, level, seed)


# -- intraclass correlation and concordance --------------------------------------------------------


def icc(x: np.ndarray, form: str, average: bool, level: float) -> Found:
    """Intraclass correlation of a full table; ``form`` is agreement, consistency or one-way."""
    from scipy.special import fdtrc, fdtri

    n, k = x.shape
    x = x - x.mean()
    rows, raters = x.mean(1), x.mean(0)
    if not np.ptp(x) > 0:
        raise NoChance
    between = k * float(rows @ rows) / (n - 1)
    columns = n * float(raters @ raters) / (k - 1)
    left = x - rows[:, None]
    error = float(((left - raters) ** 2).sum()) / ((n - 1) * (k - 1))
    df2 = float((n - 1) * (k - 1))
    if form == "one-way":
        error, df2 = float((left**2).sum()) / (n * (k - 1)), float(n * (k - 1))
    tiny = 1e-14 * (between + columns)
    error = error if error > tiny else 0.0
    extra = k / n * (columns - error) if form == "agreement" else 0.0
    base = between + (k - 1) * error + extra
    if base <= 0:
        raise NoChance
    single = (between - error) / base
    tail = (1 - level) / 2
    if form == "agreement" and single < 1:
        low, high = _mcgraw_wong(n, k, (between, columns, error), single, tail)
    elif error == 0:
        low = high = 1.0
    else:
        ratio = between / error
        lower = ratio / fdtri(n - 1, df2, 1 - tail)
        upper = ratio * fdtri(df2, n - 1, 1 - tail)
        low, high = ((f - 1) / (f + k - 1) for f in (lower, upper))
    _some_mean(single, k, average)
    value, low, high = (_of_mean(r, k) if average else r for r in (single, low, high))
    statistic = between / error if error else math.inf
    p = float(fdtrc(n - 1, df2, statistic)) if error else 0.0
    told = "F interval (McGraw and Wong)"
    return Found(value, low, high, math.nan, n, n - 1.0, told, statistic, p, n - 1.0, df2)


def _some_mean(single: float, k: int, average: bool) -> None:
    if average and math.isinf(_of_mean(single, k)):
        raise CxError(
            "the objects' means do not differ: their mean has no reliability",
            got="all means the same",
            want="objects that differ on average",
        )


def _of_mean(single: float, k: int) -> float:
    """Spearman and Brown: the reliability of a mean of k from that of one."""
    base = 1 + (k - 1) * single
    return k * single / base if base > 1e-12 else -math.inf


def _mcgraw_wong(
    n: int, k: int, squares: tuple[float, float, float], single: float, tail: float
) -> tuple[float, float]:
    """Bounds of the single-rater agreement coefficient, Satterthwaite's degrees of freedom."""
    from scipy.special import fdtri

    between, columns, error = squares
    a = k * single / (n * (1 - single))
    b = 1 + k * single * (n - 1) / (n * (1 - single))
    top = (a * columns + b * error) ** 2
    below = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    v = max(top / below, 0.1) if below > 0 else float((n - 1) * (k - 1))
    lower, upper = fdtri(n - 1, v, 1 - tail), fdtri(v, n - 1, 1 - tail)
    rest = k * columns + (k * n - k - n) * error
    low = n * (between - lower * error) / (lower * rest + n * between)
    high = n * (upper * between - error) / (rest + n * upper * between)
    return float(low), float(high)


def kendall(x: np.ndarray, ties: bool) -> tuple[float, float]:
    """Kendall's W and its chi-square; columns are raters. ``ties`` corrects for tied ranks."""
    from scipy.stats import rankdata

    n, k = x.shape
    ranks = rankdata(x, axis=0)
    sums = ranks.sum(1)
    spread = 12 * float(((sums - sums.mean()) ** 2).sum())
    tied = 0.0
    if ties:
        for column in x.T:
            same = np.unique(column, return_counts=True)[1].astype(float)
            tied += float((same**3 - same).sum())
    base = k**2 * (n**3 - n) - k * tied
    if base <= 0:
        raise NoChance
    value = spread / base
    return value, k * (n - 1) * value
