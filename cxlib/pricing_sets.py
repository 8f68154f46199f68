"""Prices with the set of prices that the data allow: the shape, and how the sets are found.

A price point is no mean: people name round prices, so the curves that it comes from are steps and
the point jumps. Resampling such a point gives intervals that miss; here a test is inverted instead.
Where two cumulative curves cross: every price at which they do not differ significantly. Where a
curve is highest: every price that is not significantly below another one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import tally as engine
from .interval import t_quantile
from .result import Estimate, clean
from .show import fmt, fmt_interval
from .survey import Stage, Survey

Spans = tuple[tuple[float, float], ...]

_CELLS = 2_000_000  # of a table of clusters by prices, at a time
_ROUNDING = 1e-24  # of a squared difference of shares


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PricePoint(Estimate):
    """A price with its confidence set; ``low`` and ``high`` are the set's ends.

    Attributes
    ----------
    may_be : tuple of (low, high)
        The set itself: spans of prices, or single prices where both ends are the same.
    """

    may_be: Spans = ()

    @property
    def interval_text(self) -> str:
        """The set in words: one span, or several, or the prices in it."""
        if self.suppressed or len(self.may_be) < 2:
            return super().interval_text
        return "; ".join(
            fmt(low, self.unit) if low == high else fmt_interval(low, high, self.unit)
            for low, high in self.may_be
        )

    def records(self) -> list[dict[str, Any]]:
        """One record, with the set under ``"set"``."""
        record = super().records()[0]
        record["set"] = (
            None if self.suppressed else [[clean(low), clean(high)] for low, high in self.may_be]
        )
        return [record]


# ── where two cumulative curves cross ────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class Gap:
    """The difference F_a + F_b − 1 of a rising and a falling curve along the prices.

    Attributes
    ----------
    grid : prices in order, shape (K,)
    value, var : the difference and its design variance, shape (K,)
    step_var : the design variance of its steps, shape (K − 1,)
    spread : the variance of one answer's part in it, shape (K,)
    df : the design's degrees of freedom
    units : effective number of primary units, (Σ w)² / Σ w²
    """

    grid: np.ndarray
    value: np.ndarray
    var: np.ndarray
    step_var: np.ndarray
    spread: np.ndarray
    df: float
    units: float


def gap(
    survey: Survey,
    rows: np.ndarray,
    pair: tuple[np.ndarray, np.ndarray],
    grid: np.ndarray,
    df: float,
) -> Gap:
    """The difference of two curves with its variance, from cumulative sums a stratum or cluster.

    Parameters
    ----------
    survey : Survey
    rows : int array, shape (n,): the respondents
    pair : two int arrays, shape (n,)
        The place in ``grid`` of the price at which each curve counts the respondent.
    grid : prices in order, shape (K,)
    df : degrees of freedom of the design

    Notes
    -----
    A respondent's part in the difference is −1 below both prices, 0 between them and 1 above both,
    so all K variances follow from a few cumulative sums. Multi-stage designs, calibrated and
    replicate weights need one pass a price.
    """
    weights = survey.weights[rows]
    weights = weights / weights.sum()
    low, high = np.minimum(*pair), np.maximum(*pair)
    size = len(grid)
    steps = np.bincount(low, weights, size) + np.bincount(high, weights, size)
    value = np.cumsum(steps) - 1
    parts = _Parts(survey, rows, weights, low, high, value, steps)
    var, step_var = _variances(parts, size)
    squares = 1 - np.cumsum(np.bincount(low, weights, size) - np.bincount(high, weights, size))
    mass = np.bincount(survey.stages[0].unit[rows], weights)
    return Gap(
        grid,
        value,
        var,
        step_var,
        np.maximum(squares - value**2, 0.0),
        df,
        1 / float((mass**2).sum()),
    )


@dataclass(frozen=True, eq=False)
class _Parts:
    """What the variances of a gap are made of: see :func:`gap`; weights add up to 1."""

    survey: Survey
    rows: np.ndarray
    weights: np.ndarray
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    steps: np.ndarray


def _variances(p: _Parts, size: int) -> tuple[np.ndarray, np.ndarray]:
    stages = p.survey.stages
    if len(stages) > 1 or not p.survey.design.linear:
        return _price_by_price(p, size)
    stage, lonely = stages[0], p.survey.design.lonely
    moments = _of_elements if stage.element_units else _of_clusters
    first, second, step_first, step_second = moments(p, stage, size)
    present = np.bincount(stage.stratum[p.rows], minlength=len(stage.units)) > 0
    return (
        engine.between_units(first.T, second.T, stage, lonely, present),
        engine.between_units(step_first.T, step_second.T, stage, lonely, present)[1:],
    )


def _of_elements(p: _Parts, stage: Stage, size: int) -> tuple[np.ndarray, ...]:
    """Sums and sums of squares a stratum and price where every row is a unit of its own."""
    strata = len(stage.units)
    where, w = stage.stratum[p.rows], p.weights

    def table(place: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.bincount(where * size + place, weight, strata * size).reshape(strata, size)

    mass = np.bincount(where, w, strata)[:, None]
    squared = np.bincount(where, w**2, strata)[:, None]
    steps = table(p.low, w) + table(p.high, w)
    at_low, at_high = table(p.low, w**2), table(p.high, w**2)
    at_both = table(p.low, np.where(p.low == p.high, w**2, 0.0))
    linear = np.cumsum(at_low + at_high, axis=1) - squared
    square = squared - np.cumsum(at_low - at_high, axis=1)
    return (
        np.cumsum(steps, axis=1) - mass - p.value * mass,
        square - 2 * p.value * linear + p.value**2 * squared,
        steps - p.steps * mass,
        at_low + at_high + 2 * at_both - 2 * p.steps * (at_low + at_high) + p.steps**2 * squared,
    )


def _of_clusters(p: _Parts, stage: Stage, size: int) -> tuple[np.ndarray, ...]:
    """The same from cluster totals, some prices at a time so that memory stays small."""
    units, strata = len(stage.unit_stratum), len(stage.units)
    order = np.argsort(stage.unit_stratum, kind="stable")
    starts = np.searchsorted(stage.unit_stratum[order], np.arange(strata))
    unit, w = stage.unit[p.rows], p.weights
    mass = np.bincount(unit, w, units)[:, None]
    width = max(1, _CELLS // units)
    found = [np.empty((strata, size)) for _ in range(4)]
    carried = -mass
    for start in range(0, size, width):
        stop = min(start + width, size)
        steps = np.zeros(units * (stop - start))
        for place in (p.low, p.high):
            inside = (place >= start) & (place < stop)
            cell = unit[inside] * (stop - start) + place[inside] - start
            steps += np.bincount(cell, w[inside], len(steps))
        steps = steps.reshape(units, -1)
        totals = carried + np.cumsum(steps, axis=1)
        carried = totals[:, -1:]
        here = slice(start, stop)
        centred = (totals - p.value[here] * mass)[order]
        moved = (steps - p.steps[here] * mass)[order]
        for target, table in zip(found, (centred, centred**2, moved, moved**2), strict=True):
            target[:, here] = np.add.reduceat(table, starts, axis=0)
    return tuple(found)


def _price_by_price(p: _Parts, size: int) -> tuple[np.ndarray, np.ndarray]:
    def scores(part: np.ndarray, centre: float) -> np.ndarray:
        full = np.zeros(len(p.survey.frame))
        full[p.rows] = p.weights * (part - centre)
        return full

    var, step_var = np.empty(size), np.empty(size)
    for k in range(size):
        part = (p.low <= k) * 1.0 + (p.high <= k) - 1
        step = (p.low == k) * 1.0 + (p.high == k)
        var[k] = engine.variance(p.survey, scores(part, p.value[k]))
        step_var[k] = engine.variance(p.survey, scores(step, p.steps[k]))
    return np.maximum(var, 0.0), np.maximum(step_var[1:], 0.0)


def crossing_set(g: Gap, level: float) -> Spans:
    """The prices at which the two curves do not differ significantly.

    Between two named prices the curves are joined by straight lines, as the point itself is; the
    upper end is the first named price at which the rising curve lies significantly above, so that
    the set holds the crossing of the steps as well. The test is the two-sided sign test in its
    score form (variance where the difference is 0), with design variance and degrees of freedom.

    Returns
    -------
    tuple of (low, high)
        From 0 to infinity where the respondents are too few to set a limit. Below the lowest
        named price all answers agree: the set never reaches there otherwise.
    """
    crit = _critical(g, level)
    if not math.isfinite(crit):
        return ((0.0, math.inf),)
    accepted = g.value**2 <= crit**2 * g.var + _ROUNDING
    above = ~accepted & (g.value > 0)
    points = np.unique(np.concatenate([g.grid, _boundaries(g, crit)]))
    middle = _inside((points[:-1] + points[1:]) / 2, g, crit)
    spans = [[a, b] for a, b, yes in zip(points[:-1], points[1:], middle, strict=True) if yes]
    spans += [[p, p] for p in g.grid[accepted]]
    merged: list[list[float]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    top = float(g.grid[np.argmax(above)])
    if not merged:
        merged = [[top, top]]
    merged[-1][1] = max(merged[-1][1], top)
    return tuple((float(low), float(high)) for low, high in merged)


def _critical(g: Gap, level: float) -> float:
    """The quantile for value²/var: of t, or of the score test where that is wider."""
    z = t_quantile(level, math.inf)
    if g.df <= 0 or g.units <= z**2:
        return math.inf
    return max(t_quantile(level, g.df), z / math.sqrt(1 - z**2 / g.units))


def _boundaries(g: Gap, crit: float) -> np.ndarray:
    """Prices between the named ones at which the joined-up test changes its mind."""
    step = np.diff(g.value)
    a = step**2 - crit**2 * g.step_var
    turn = (np.diff(g.var) - g.step_var) / 2
    b = 2 * (g.value[:-1] * step - crit**2 * turn)
    c = g.value[:-1] ** 2 - crit**2 * g.var[:-1]
    root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))
    real = b**2 - 4 * a * c >= 0
    pull = -(b + np.where(b >= 0, root, -root)) / 2
    found = []
    for top, bottom in ((pull, a), (c, pull)):
        usable = real & (bottom != 0)
        share = np.where(usable, top / np.where(usable, bottom, 1.0), -1.0)
        inside = (share > 0) & (share < 1)
        found.append((g.grid[:-1] + share * np.diff(g.grid))[inside])
    return np.concatenate(found)


def _inside(prices: np.ndarray, g: Gap, crit: float) -> np.ndarray:
    """Whether the joined-up difference is not significant at these prices."""
    k = np.clip(np.searchsorted(g.grid, prices, side="right") - 1, 0, len(g.grid) - 2)
    share = (prices - g.grid[k]) / (g.grid[k + 1] - g.grid[k])
    value = g.value[k] + share * (g.value[k + 1] - g.value[k])
    both = (g.var[k] + g.var[k + 1] - g.step_var[k]) / 2
    var = (1 - share) ** 2 * g.var[k] + 2 * share * (1 - share) * both + share**2 * g.var[k + 1]
    return value**2 <= crit**2 * np.maximum(var, 0.0) + _ROUNDING


# ── which of several is the highest ──────────────────────────────────────────────────────────────


def may_be_highest(
    values: np.ndarray, covariance: np.ndarray, df: float, level: float, *, draws: int = 4_000
) -> np.ndarray:
    """Which of K estimates may be the highest: those not significantly below any other.

    Each is held against all others at once: the largest of its K − 1 paired t values against the
    quantile of that maximum under equality, found by drawing from the joint distribution (always
    the same draws), and never above Bonferroni's. The true highest is kept with probability
    ``level``.

    Parameters
    ----------
    values, covariance : shapes (K,) and (K, K)

    Returns
    -------
    bool array, shape (K,)

    References
    ----------
    Multiple comparisons with the best: Hsu (1996), Multiple Comparisons, §4; the one-sided set is
    that of Gupta (1965), Technometrics 7:225, with the estimates' own covariance.
    """
    from scipy.special import stdtrit

    count = len(values)
    if count == 1:
        return np.ones(1, bool)
    scale = float(np.abs(covariance).max()) or 1.0
    own, vectors = np.linalg.eigh(covariance / scale)
    dice = np.random.default_rng(20_240_229)
    noise = dice.standard_normal((draws, count)) * np.sqrt(np.maximum(own, 0.0)) @ vectors.T
    df = df if df > 0 else 1.0
    noise /= np.sqrt(dice.chisquare(df, draws) / df)[:, None] if math.isfinite(df) else 1.0
    spread = np.sqrt(
        np.maximum(
            np.diag(covariance)[:, None] + np.diag(covariance)[None, :] - 2 * covariance, 0.0
        )
        / scale
    )
    most = float(stdtrit(min(df, 1e9), 1 - (1 - level) / (count - 1)))
    kept = np.empty(count, bool)
    for k in range(count):
        moves = spread[k] > 1e-9
        ahead = (values - values[k]) / math.sqrt(scale)
        if (ahead[~moves] > 1e-12).any():
            kept[k] = False
            continue
        if not moves.any():
            kept[k] = True
            continue
        drawn = ((noise[:, moves] - noise[:, [k]]) / spread[k][moves]).max(axis=1)
        bar = min(float(np.quantile(drawn, level)), most)
        kept[k] = bool((ahead[moves] / spread[k][moves]).max() <= bar)
    return kept
