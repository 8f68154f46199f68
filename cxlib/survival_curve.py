"""The Kaplan–Meier curve of one group: values, variances of its logarithm, intervals.

Our own sums by unique time: a million rows go through a handful of counts, and the design-based
variance at every event time follows from cumulated sums, without a matrix of rows by times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import tally as engine
from .errors import unknown
from .interval import exact_bounds, t_quantile
from .survival_data import Jumps, Risk, Times, risk_table

METHODS = ("log-log", "log", "logit", "plain")

#: Cells of one block of sampling units by event times.
BLOCK = 4_000_000


@dataclass(frozen=True, eq=False)
class Kept:
    """The curve of one group: who is still there.

    Attributes
    ----------
    risk : Risk
    surv : float array, shape (K,): the share still there after each event time
    robust : bool
        Whether the variance is that of the design; Greenwood's otherwise.
    df : float
        Degrees of freedom of the intervals.
    """

    risk: Risk
    robust: bool
    df: float

    @cached_property
    def surv(self) -> np.ndarray:
        return np.cumprod(1 - self.risk.hazard)

    @cached_property
    def jumps(self) -> Jumps:
        """Influence on −log S: 1/(n − d) at an own event, less d/(n(n − d)) while at risk."""
        left = self.risk.at_risk - self.risk.events
        some = left > 0
        own = np.where(some, 1 / np.where(some, left, 1.0), 0.0)
        return Jumps(self.risk, own, own * self.risk.hazard)

    @cached_property
    def log_variance(self) -> np.ndarray:
        """The variance of log S after each event time, shape (K,)."""
        if not self.robust:
            return np.cumsum(self.jumps.rate)
        survey = self.risk.told.survey
        if len(survey.stages) == 1 and survey.design.linear:
            return _single_stage(self)
        return np.array([self.variance_after(k + 1) for k in range(len(self.surv))])

    def scores(self, k: int) -> np.ndarray:
        """Weighted influence values on S after k event times, over all rows of the survey."""
        told = self.risk.told
        level = self.surv[k - 1] if k else 1.0
        return told.spread(-level * told.weight * self.jumps.upto(k))

    def variance_after(self, k: int) -> float:
        """The design variance of log S after k event times."""
        told = self.risk.told
        z = told.spread(told.weight * self.jumps.upto(k))
        return float(engine.variance(told.survey, z))

    def after(self, times: np.ndarray) -> np.ndarray:
        """How many event times have passed at each time, itself included."""
        return np.searchsorted(self.risk.time, times, "right")

    def area(self, tau: float) -> tuple[float, np.ndarray]:
        """∫ S from 0 to tau, and the part of it after each event time, shape (K,)."""
        inside = np.minimum(self.risk.time, tau)
        widths = np.diff(np.concatenate([inside, [tau]]))
        after = np.cumsum((self.surv * widths)[::-1])[::-1]
        first = float(inside[0]) if len(inside) else tau
        return first + float(after[0] if len(after) else 0.0), after


def kept(told: Times, *, robust: bool, df: float) -> Kept:
    """The curve of one group."""
    return Kept(risk_table(told), robust, df)


def _single_stage(curve: Kept) -> np.ndarray:
    """Design variances of log S at all event times from sums by unit, stratum and time."""
    risk, told = curve.risk, curve.risk.told
    survey = told.survey
    stage = survey.stages[0]
    if not len(risk.time):
        return np.zeros(0)
    strata = len(stage.units)
    stratum = stage.stratum[told.rows]
    present = (np.bincount(stratum, minlength=strata) > 0)[None, :]
    sums = _element_sums if stage.element_units else _unit_sums
    first, second = sums(curve, stage, stratum if strata > 1 else np.zeros(told.n, np.int64))
    return engine.between_units(first, second, stage, survey.design.lonely, present)


def _parts(curve: Kept) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cumulated rate G (K + 1), each row's finished value, and its G at entry (or zeros)."""
    risk, told = curve.risk, curve.risk.told
    passed = np.concatenate([[0.0], np.cumsum(curve.jumps.rate)])
    before = np.zeros(told.n) if risk.low is None else passed[risk.low]
    own = np.concatenate([[0.0], curve.jumps.own])[np.where(told.event, risk.high, 0)]
    return passed, told.weight * (own - (passed[risk.high] - before)), before


def _element_sums(curve: Kept, stage, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second moments by time and stratum where every row is a unit, shape (K, H)."""
    risk, told = curve.risk, curve.risk.told
    size, strata = len(risk.time) + 1, len(stage.units)
    passed, done, before = _parts(curve)
    key = stratum * size + risk.high
    low = None if risk.low is None else stratum * size + risk.low

    def upto(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(key, values, strata * size).reshape(strata, size)
        return np.cumsum(sums, axis=1)

    def alive(values: np.ndarray) -> np.ndarray:
        """Sums over the rows with low < k < high."""
        sums = np.bincount(key, values, strata * size)
        later = 0.0
        if low is not None:
            entered = np.bincount(low, values, strata * size)
            sums = sums - entered
            later = entered.reshape(strata, size)
        sums = sums.reshape(strata, size)
        return sums.sum(axis=1, keepdims=True) - np.cumsum(sums, axis=1) - later

    square = told.weight**2
    second = upto(done**2) + passed**2 * alive(square)
    if low is not None:
        second += alive(square * before**2) - 2 * passed * alive(square * before)
    first = np.zeros_like(second)
    if strata > 1:
        first = upto(done) - passed * alive(told.weight)
        first += alive(told.weight * before) if low is not None else 0.0
    return first[:, 1:].T, np.maximum(second[:, 1:].T, 0.0)


def _unit_sums(curve: Kept, stage, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second moments by time and stratum from totals a sampling unit, shape (K, H)."""
    risk, told = curve.risk, curve.risk.told
    size, strata = len(risk.time) + 1, len(stage.units)
    passed, done, before = _parts(curve)
    unit = stage.unit[told.rows]
    order = np.argsort(unit, kind="stable")
    unit, high, weight = unit[order], risk.high[order], told.weight[order]
    low = None if risk.low is None else risk.low[order]
    done, before = done[order], before[order]
    edges = np.flatnonzero(np.concatenate([[True], np.diff(unit) > 0]))
    place = np.cumsum(np.concatenate([[0], np.diff(unit) > 0]))
    home = stage.unit_stratum[unit[edges]]
    edges = np.append(edges, len(unit))
    first, second = np.zeros((strata, size)), np.zeros((strata, size))
    step = max(1, BLOCK // size)
    for start in range(0, len(home), step):
        end = min(start + step, len(home))
        rows = slice(edges[start], edges[end])
        own, many = place[rows] - start, end - start
        shape, key = (many, size), own * size + high[rows]
        total = np.bincount(key, done[rows], many * size)
        total = np.cumsum(total.reshape(shape), axis=1)
        for values, factor in ((weight[rows], passed), (-(weight * before)[rows], 1.0)):
            total -= factor * _alive(key, own, values, None if low is None else low[rows], shape)
        where = home[start:end]
        for h in np.unique(where):
            first[h] += total[where == h].sum(axis=0)
            second[h] += (total[where == h] ** 2).sum(axis=0)
    return first[:, 1:].T, second[:, 1:].T


def _alive(
    key: np.ndarray,
    own: np.ndarray,
    values: np.ndarray,
    low: np.ndarray | None,
    shape: tuple[int, int],
) -> np.ndarray:
    """Sums a unit over the rows with low < k < high, shape (units, K + 1)."""
    sums = np.bincount(key, values, shape[0] * shape[1]).reshape(shape)
    if low is None:
        return sums.sum(axis=1, keepdims=True) - np.cumsum(sums, axis=1)
    entered = np.bincount(own * shape[1] + low, values, shape[0] * shape[1]).reshape(shape)
    return np.cumsum(entered, axis=1) - entered - np.cumsum(sums, axis=1)


# -- intervals -------------------------------------------------------------------------------------


def bounds(
    surv: np.ndarray, log_variance: np.ndarray, df: float, level: float, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise intervals of S, as R's survfit; NaN where S is 0 or 1, but for "plain".

    References
    ----------
    Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, §1.4.
    """
    if method not in METHODS:
        raise unknown("kind of interval", method, METHODS)
    z = t_quantile(level, df)
    se = np.sqrt(log_variance)
    inner = (surv > 0) & (surv < 1)
    s = np.where(inner, surv, 0.5)
    half = z * se
    if method == "plain":
        low, high = surv - half * surv, surv + half * surv
        return np.clip(low, 0, 1), np.clip(high, 0, 1)
    if method == "log":
        low, high = s * np.exp(-half), np.minimum(s * np.exp(half), 1.0)
    elif method == "logit":
        centre = np.log(s / (1 - s))
        half = half / (1 - s)
        low, high = 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
    else:
        spread = np.exp(np.minimum(half / -np.log(s), 700.0))
        low, high = s**spread, s ** (1 / spread)
    return np.where(inner, low, np.nan), np.where(inner, high, np.nan)


def filled(
    surv: np.ndarray, low: np.ndarray, high: np.ndarray, n: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds where the curve is at 1 (the exact binomial's) or at 0 (the last upper bound)."""
    least = exact_bounds(n, n, level)[0]
    low = np.where(surv >= 1, least, np.where(surv <= 0, 0.0, low))
    high = np.where(surv >= 1, 1.0, high)
    gone = np.isnan(high)
    if gone.any():
        before = high[~gone]
        high = np.where(gone, before[-1] if len(before) else 1 - least, high)
    return low, high


def crossing(time: np.ndarray, level: np.ndarray, at: float) -> float:
    """When a falling step function reaches ``at``; the middle of a step that lies on it.

    Infinite where it never does. As R's survfit prints medians, with its tolerance.
    """
    tolerance = 1.5e-8
    inside = np.flatnonzero(level < at + tolerance)
    if not len(inside):
        return float("inf")
    first = inside[0]
    lower = np.flatnonzero(level < level[first])
    lower = lower[lower > first]
    if abs(level[first] - at) < tolerance and len(lower):
        return float(time[first] + time[lower[0]]) / 2
    return float(time[first])
