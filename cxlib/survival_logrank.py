"""Whether groups leave at different paces: the log-rank test and its weighted kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile
from .result import Estimate
from .survey import Survey
from .survival import degrees, design_errors
from .survival_data import Times, grid, groups, read_times
from .survival_terms import tail
from .tally import variance
from .verdict import Test

WEIGHTINGS = ("log-rank", "gehan", "tarone-ware", "peto")


@dataclass(frozen=True, eq=False)
class Paces:
    """Observed and expected events of G groups, weighted along time.

    Attributes
    ----------
    labels : tuple of str
    n : int array, shape (G,)
    observed, expected : float arrays, shape (G,)
    covariance : float array, shape (G, G): of observed − expected, hypergeometric
    scores : float array, shape (n, G): each respondent's part of observed − expected
    """

    told: Times
    labels: tuple[str, ...]
    code: np.ndarray
    n: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    covariance: np.ndarray
    scores: np.ndarray


def logrank(
    survey: Survey,
    duration: str,
    event: str,
    by: str,
    *,
    entry: str | None = None,
    equals: Any = None,
    weighting: str = "log-rank",
    rho: float = 0.0,
    gamma: float = 0.0,
    strata: str | Sequence[str] = (),
    level: float = 0.95,
    robust: bool | None = None,
    name: str = "",
    claim: str = "",
) -> Test:
    """Whether the groups of ``by`` leave at the same pace.

    Parameters
    ----------
    weighting : str
        ``"log-rank"`` (all times alike), ``"gehan"`` (by the number at risk; Wilcoxon's),
        ``"tarone-ware"`` (its square root) or ``"peto"`` (a smoothed curve of all).
    rho, gamma : float
        Fleming and Harrington's weights S(t−)^rho (1 − S(t−))^gamma on top: rho = 1 looks at early
        differences (R's ``survdiff(rho = 1)``), gamma = 1 at late ones.
    strata : str or sequence of str
        Compare within the answers to these questions only.
    robust : bool, optional
        True: weighted counts with design-based errors. False: unweighted, hypergeometric variance.
        By default the former where a design is declared.

    Returns
    -------
    Test
        Chi-squared statistic on groups − 1 degrees of freedom; with a design p is from F with the
        design's degrees of freedom (``df2``). The effect is the one-step hazard ratio (unit
        "ratio") of the second of two groups against the first, or of the group that differs most
        against the others.

    Raises
    ------
    CxError
        As :func:`cxlib.retention_curve`; fewer than two groups; no event; at no event time are two
        groups at risk.

    References
    ----------
    Mantel (1966); Harrington and Fleming (1982), Biometrika 69:553; Peto et al. (1977) for the
    one-step ratio; Rader, Lipsitz et al. (2015) for surveys. Checked against ``survdiff`` of R
    survival 3.5.3, ``svylogrank`` of R survey 4.1.1 and ``logrank_test`` of lifelines 0.30.3.
    """
    if weighting not in WEIGHTINGS:
        raise unknown("weighting", weighting, WEIGHTINGS)
    robust = design_errors(survey, robust)
    found = paces(
        survey,
        duration,
        event,
        by,
        entry=entry,
        equals=equals,
        shape=(weighting, rho, gamma),
        strata=[strata] if isinstance(strata, str) else list(strata),
        weighted=robust,
    )
    cov = variance(survey, found.told.spread(found.scores)) if robust else found.covariance
    words = {"name": name or f"Leaving by {by}", "claim": claim}
    words["method"] = _told(weighting, rho, gamma, strata, robust)
    return _test(found, cov, level, robust, **words)


def _test(found: Paces, cov: np.ndarray, level: float, robust: bool, **words: str) -> Test:
    survey = found.told.survey
    gap, df = found.observed - found.expected, len(found.labels) - 1
    if not np.diag(found.covariance).max() > 0 or not np.diag(cov).max() > 0:
        raise CxError(
            "nothing to compare between the groups",
            got="no event time at which two groups are followed and not all leave",
            want="groups that are followed over the same times",
        )
    statistic = float(gap @ np.linalg.pinv(cov, rcond=1e-10, hermitian=True) @ gap)
    freedom = degrees(found.told, robust)
    return Test(
        statistic=statistic,
        p=tail(statistic, df, freedom),
        df=float(df),
        df2=freedom if robust else math.nan,
        effect=_one_step(found, cov, level, freedom, words["claim"]),
        n=found.told.n,
        source=survey.source,
        origin=survey.origin,
        **words,
    )


def _told(weighting: str, rho: float, gamma: float, strata: Any, robust: bool) -> str:
    words = weighting if weighting == "log-rank" else f"{weighting} weighted log-rank"
    if rho or gamma:
        words = f"Fleming–Harrington ({rho:g}, {gamma:g}) {words}"
    within = f" within {strata if isinstance(strata, str) else ', '.join(strata)}" if strata else ""
    kind = "design-based variance" if robust else "hypergeometric variance"
    return f"{words} test{within}, {kind}"


def paces(
    survey: Survey,
    duration: str,
    event: str,
    by: str,
    *,
    entry: str | None,
    equals: Any,
    shape: tuple[str, float, float],
    strata: Sequence[str],
    weighted: bool,
) -> Paces:
    """Observed and expected events, summed over the strata."""
    told = read_times(survey, duration, event, entry=entry, equals=equals, also=[by, *strata])
    code, labels = groups(survey, by, told.rows)
    if len(labels) < 2:
        raise CxError(f"{by!r} makes no groups to compare", got=labels[0], want="two answers")
    if not told.event.any():
        raise CxError("nobody was seen to leave", got=f"{told.n:,} rows without an event")
    home = np.zeros(told.n, np.int64)
    for question in strata:
        own, names = groups(survey, question, told.rows)
        home = np.unique(home * len(names) + own, return_inverse=True)[1]
    g = len(labels)
    total = np.zeros((2, g))
    covariance, scores = np.zeros((g, g)), np.zeros((told.n, g))
    for stratum in range(int(home.max()) + 1):
        inside = np.flatnonzero(home == stratum)
        part = told.part(inside)
        if part.event.any():
            sums, cov, own_scores = _within(part, code[inside], g, shape, weighted)
            total += sums
            covariance += cov
            scores[inside] = own_scores
    n = np.bincount(code, minlength=g)
    return Paces(told, labels, code, n, total[0], total[1], covariance, scores)


def _within(
    told: Times, code: np.ndarray, g: int, shape: tuple[str, float, float], weighted: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One stratum: (observed, expected), their covariance, and weighted scores of the rows."""
    time, high = grid(told.exit, told.event)
    k = len(time)
    weight = told.weight if weighted else np.ones(told.n)
    low = np.zeros(told.n, np.int64)
    if told.entry is not None:
        low = np.searchsorted(time, told.entry, "right")
    hit = told.event
    change = np.bincount(code * (k + 1) + high, weight, g * (k + 1))
    change -= np.bincount(code * (k + 1) + low, weight, g * (k + 1))
    at_risk = np.cumsum(change.reshape(g, k + 1)[:, ::-1], axis=1)[:, ::-1][:, 1:]
    at_risk[:, :] = np.where(at_risk > 1e-12 * weight.sum(), at_risk, 0.0)
    own = np.bincount(code[hit] * k + high[hit] - 1, weight[hit], g * k).reshape(g, k)
    n, d = at_risk.sum(axis=0), own.sum(axis=0)
    factor = _factor(n, d, shape)
    part = at_risk / n
    observed, expected = (factor * own).sum(axis=1), (factor * part * d).sum(axis=1)
    spare = np.maximum(n - d, 0.0) / (n if weighted else np.maximum(n - 1, 1.0))
    each = factor**2 * d * spare
    cov = np.diag((part * each).sum(axis=1)) - (part * each) @ part.T
    rate = factor * d / n
    passed = np.concatenate([[0.0], np.cumsum(rate)])
    mixed = np.concatenate([np.zeros((g, 1)), np.cumsum(part * rate, axis=1)], axis=1)
    scores = (mixed[:, high] - mixed[:, low]).T
    scores[np.arange(told.n), code] -= passed[high] - passed[low]
    at = high[hit] - 1
    scores[hit] -= (factor * part)[:, at].T
    scores[np.flatnonzero(hit), code[hit]] += factor[at]
    return np.array([observed, expected]), cov, scores * weight[:, None]


def _factor(n: np.ndarray, d: np.ndarray, shape: tuple[str, float, float]) -> np.ndarray:
    """The weight of each event time."""
    weighting, rho, gamma = shape
    factor = np.ones(len(n))
    if weighting == "gehan":
        factor = n.astype(float)
    elif weighting == "tarone-ware":
        factor = np.sqrt(n)
    elif weighting == "peto":
        factor = np.cumprod(1 - d / (n + 1))
    if rho or gamma:
        before = np.concatenate([[1.0], np.maximum(np.cumprod(1 - d / n), 0.0)[:-1]])
        for base, power in ((before, rho), (1 - before, gamma)):
            safe = np.where(base > 0, base, 1.0)
            factor = factor * np.where(base > 0, safe**power, float(power == 0))
    return factor


def _one_step(found: Paces, cov: np.ndarray, level: float, df: float, claim: str) -> Estimate:
    """exp((O − E) / V) of one group against the others, with its interval."""
    gap, spread = found.observed - found.expected, np.sqrt(np.diag(cov))
    two = len(gap) == 2
    at = 1 if two else int(np.argmax(np.abs(gap) / np.where(spread > 0, spread, np.inf)))
    information = float(found.covariance[at, at])
    value, se = float(gap[at]) / information, float(spread[at]) / information
    ratio = math.exp(min(value, 700.0))
    half = t_quantile(level, df) * se
    others = found.labels[0] if two else "the others"
    return Estimate(
        value=ratio,
        low=math.exp(max(value - half, -700.0)),
        high=math.exp(min(value + half, 700.0)),
        se=ratio * se,
        unit="ratio",
        n=found.told.n,
        level=level,
        df=df,
        kind="hazard ratio",
        name=f"Hazard ratio, {found.labels[at]} against {others}",
        claim=claim,
        method="one-step hazard ratio from the log-rank score",
        source=found.told.survey.source,
        origin=found.told.survey.origin,
    )
