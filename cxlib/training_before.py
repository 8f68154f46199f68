"""Before and after alone, and why it misleads: low scorers gain without any training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .errors import CxError, unknown
from .estimate import mean_of
from .interval import t_quantile, upper_tail
from .linear import someone
from .linear_scores import linear_estimate
from .result import Estimate
from .survey import Survey
from .verdict import Test

METHODS = ("t", "wilcoxon")
_TRAP = (
    "before and after alone: what else changed, and regression to the mean, are in it; "
    "hold it against others (did) and against regression_to_mean"
)


def before_after(
    survey: Survey,
    before: str,
    after: str,
    *,
    method: str = "t",
    exact: bool = False,
    correct: bool = True,
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Test:
    """The gain of the same respondents (or outlets) from before to after: a trap, shown as one.

    Parameters
    ----------
    before, after : str
        Numbers, one row a unit; rows without both are left out and counted.
    method : str
        ``"t"`` (paired, with the survey's weights and design) or ``"wilcoxon"`` (signed ranks, for
        a plain sample).
    exact, correct : bool
        Signed ranks: the exact distribution (no ties or zeros); continuity correction otherwise.

    Returns
    -------
    Test
        The effect is the mean gain, after minus before. Wilcoxon's statistic is V, the rank sum of
        the gains.

    Raises
    ------
    CxError
        Fewer than two pairs; no gain differs from another; ranks of a survey with a design.

    References
    ----------
    Checked against ``t.test(paired=TRUE)`` and ``wilcox.test(paired=TRUE)`` of R 4.2.2 (differences
    taken the other way round there change signs only). For two samples of different people see
    :func:`cxlib.two_means` and :func:`cxlib.wilcoxon_test`.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    gain = survey.numbers(after) - survey.numbers(before)
    title = name or f"{after} − {before}"
    valid = survey.looked_at & ~np.isnan(gain)
    if valid.sum() < 2:
        raise CxError("a gain needs two pairs", got=f"{int(valid.sum())} with both answers")
    effect = mean_of(survey, gain, after, level=level, name=title, claim=claim, unit=unit)
    effect = replace(effect, kind="difference").with_cautions(_TRAP)
    if method == "wilcoxon":
        statistic, p, words = _signed_ranks(survey, gain[valid], exact, correct)
    else:
        statistic, p, words = _t(effect)
    return Test(
        name=title,
        statistic=statistic,
        p=p,
        df=effect.df if method == "t" else math.nan,
        effect=effect,
        n=effect.n,
        method=words,
        source=survey.source,
        claim=claim,
        cautions=(_TRAP,),
        origin=survey.origin,
    )


def _t(effect: Estimate) -> tuple[float, float, str]:
    if not effect.se > 0 or effect.df < 1:
        raise CxError(
            "no variation to test",
            got=f"standard error {effect.se:g}, {effect.df:g} degrees of freedom",
            want="gains that differ, from two or more sampling units",
        )
    statistic = effect.value / effect.se
    return statistic, 2 * upper_tail(abs(statistic), effect.df), "paired t test of the design"


def _signed_ranks(
    survey: Survey, gain: np.ndarray, exact: bool, correct: bool
) -> tuple[float, float, str]:
    """V, p and how, without the gains of 0."""
    from scipy.stats import rankdata, wilcoxon

    if not survey.design.plain:
        raise CxError(
            "signed ranks know nothing of the design", got=survey.design.text(), want='method="t"'
        )
    moved = gain[gain != 0]
    if not len(moved):
        raise CxError("nobody changed: there are no ranks", got="all gains 0")
    ranks = rankdata(np.abs(moved))
    statistic = float(ranks[moved > 0].sum())
    if exact:
        if len(moved) < len(gain) or len(np.unique(ranks)) < len(ranks):
            raise CxError("the exact rank test needs gains without ties", do="leave exact out")
        return statistic, float(wilcoxon(moved, method="exact").pvalue), "exact signed-rank test"
    n = len(moved)
    far = statistic - n * (n + 1) / 4
    ties = np.unique(ranks, return_counts=True)[1].astype(float)
    var = n * (n + 1) * (2 * n + 1) / 24 - float((ties**3 - ties).sum()) / 48
    far -= math.copysign(0.5, far) if correct and far else 0.0
    p = min(1.0, 2 * upper_tail(abs(far) / math.sqrt(var), math.inf))
    how = "with" if correct else "without"
    return statistic, p, f"signed-rank test, normal approximation {how} continuity correction"


def regression_to_mean(
    survey: Survey,
    score: str,
    *,
    reliability: float | Estimate,
    lowest: float | None = None,
    below: float | None = None,
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Estimate:
    """What low scorers gain at the next measurement with no training at all.

    A score of reliability r is part luck; who is picked for a low one is picked for bad luck too.
    The next score of the picked lies nearer to the mean by (1 − r) of their distance from it.

    Parameters
    ----------
    score : str
        Numbers, one row a unit (an outlet's score before).
    reliability : float or Estimate
        Between 0 and 1: the correlation of two measurements with nothing in between (e.g. that of
        :func:`cxlib.visit_reliability` or a test–retest). An Estimate brings its own error along.
    lowest : float
        The share of units that are picked, e.g. 0.25; or
    below : float
        Those with a lower score than this.

    Returns
    -------
    Estimate
        The expected gain, (1 − r)·(mean of all − mean of the picked), in the score's unit: take it
        off a gain from before to after, before anything is said for the training.

    Raises
    ------
    CxError
        No reliability between 0 and 1; nobody or everybody picked.

    References
    ----------
    Galton (1886); Davis (1976), American Journal of Epidemiology 104:493. The expectation is exact
    where true score and luck have elliptical (e.g. normal) distributions. The error counts the
    estimated cut too.

    Examples
    --------
    >>> import pandas as pd
    >>> s = Survey(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]}))
    >>> round(regression_to_mean(s, "x", reliability=0.6, lowest=0.25).value, 9)
    1.2
    """
    r, r_se = _reliability(reliability)
    if (lowest is None) == (below is None):
        raise CxError("who is picked is not declared", want="lowest=, or below=, one of them")
    x = survey.numbers(score)
    valid = survey.looked_at & ~np.isnan(x) & (survey.weights > 0)
    someone(survey, score, valid)
    weights = np.where(valid, survey.weights, 0.0)
    x, mass = np.where(valid, x, 0.0), float(weights.sum())
    middle = float(weights @ x) / mass
    low, influence = _picked(x, weights, valid, lowest, below, score)
    scores = weights * np.where(valid, (x - middle) - influence, 0.0) / mass
    value, own = (1 - r) * (middle - low), (1 - r) * scores
    one = linear_estimate(
        survey,
        value,
        lambda: own,
        n=int(valid.sum()),
        unit=unit,
        level=level,
        n_excluded=len(survey) - int(valid.sum()),
        kind="regression to the mean",
        name=name or f"{score}: gain of the lowest with no training",
        claim=claim,
        question=score,
        method=f"regression to the mean, reliability {r:.3g}, linearised variance",
    )
    return _widened(one, r_se * (middle - low)) if r_se else one


def _widened(one: Estimate, more: float) -> Estimate:
    """The same with the reliability's own error in it."""
    se = math.hypot(one.se, more)
    half = t_quantile(one.level, one.df) * se
    return replace(one, se=se, low=one.value - half, high=one.value + half, linear=None)


def _reliability(given: float | Estimate) -> tuple[float, float]:
    value, se = given, 0.0
    if isinstance(given, Estimate):
        value, se = given.value, given.se if math.isfinite(given.se) else 0.0
    try:
        r = float(value)
    except (TypeError, ValueError):
        r = math.nan
    if not 0 <= r <= 1:
        raise CxError("a reliability lies between 0 and 1", got=str(given), want="e.g. 0.6")
    return r, se


def _picked(
    x: np.ndarray,
    weights: np.ndarray,
    valid: np.ndarray,
    lowest: float | None,
    below: float | None,
    score: str,
) -> tuple[float, np.ndarray]:
    """The mean of the picked, and each row's influence on it (before weighting)."""
    mass = float(weights.sum())
    if below is not None:
        hit = valid & (x < below)
        share = float(weights[hit].sum()) / mass
        if not 0 < share < 1:
            raise CxError(
                f"{'nobody' if share <= 0 else 'everybody'} is picked",
                got=f"{score} below {below:g}",
                want="a cut inside the scores",
            )
        low = float(weights[hit] @ x[hit]) / (mass * share)
        return low, np.where(hit, (x - low) / share, 0.0)
    if not (isinstance(lowest, (int, float)) and 0 < lowest < 1):
        raise CxError("the share picked lies between 0 and 1", got=repr(lowest), want="e.g. 0.25")
    order = np.argsort(np.where(valid, x, np.inf), kind="stable")
    reach = np.cumsum(weights[order])
    cut = float(x[order][int(np.searchsorted(reach, lowest * mass * (1 - 1e-12)))])
    short = np.where(valid, np.minimum(x - cut, 0.0), 0.0)
    low = cut + float(weights @ short) / (mass * lowest)
    return low, np.where(valid, short / lowest + cut - low, 0.0)
