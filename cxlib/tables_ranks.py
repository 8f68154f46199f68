"""Design-based rank tests: do the groups of a survey differ in where their answers stand?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .errors import CxError, unknown
from .interval import upper_tail
from .linear import linear_estimate
from .result import Estimate
from .survey import Survey
from .tables import answered, categories
from .tables_tail import noncentrality
from .tally import variance
from .verdict import Test

RANK_TESTS = ("wilcoxon", "vanderWaerden", "median", "KruskalWallis")
TIES = ("listed", "midrank")


def rank_test(
    survey: Survey,
    question: str,
    by: str,
    *,
    test: str = "wilcoxon",
    ties: str = "listed",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Do the answers to a question stand higher in one group than in another? By estimated ranks.

    Each answer gets its estimated rank in the population, as a share of it (0–1); the mean scores
    of the groups are compared with design-based standard errors.

    Parameters
    ----------
    survey : Survey
    question : str
        Numbers; only their order counts.
    by : str
        A question whose answers make the groups.
    test : str
        The score of a rank r in 0–1. ``"wilcoxon"`` and ``"KruskalWallis"``: r itself;
        ``"vanderWaerden"``: its normal quantile; ``"median"``: whether it lies above one half.
    ties : str
        ``"listed"``: tied answers get the plain mean of the ranks that they have in the order of
        the rows, as the peer does; where weights differ within ties, another order of the rows
        moves the result a little, and a caution says so. ``"midrank"``: the middle of the weight
        that the tie covers, whatever the order.
    level : float
        Confidence of the effect's interval.

    Returns
    -------
    Test
        Two groups: Student's t on the design's degrees of freedom less one. The effect is the
        second group's mean score minus the first's; for Wilcoxon with midranks that is P(second >
        first) + ½ P(tie) − ½ (unit "share points", 0–1), for the median test the difference in the
        shares above the median. More groups: a chi-square whose p comes from F on ``df`` and
        ``df2``; the effect is the share of the scores' variance between the groups (unit "share of
        variance", 0–1).

    Raises
    ------
    CxError
        Unknown question or test; fewer than two groups; all answers equal; too few clusters.

    References
    ----------
    Lumley and Scott (2013), Biometrika 100:831. Checked against ``svyranktest`` of R survey 4.1.1,
    which prints the chi-square of several groups as a parameter and their df as the statistic.
    """
    if test not in RANK_TESTS:
        raise unknown("rank test", test, RANK_TESTS)
    if ties not in TIES:
        raise unknown("rule for ties", ties, TIES)
    groups, cautions = _groups(survey, question, by, test, ties)
    shown = Test(
        name=name or f"{question} by {by}",
        statistic=0.0,
        p=1.0,
        n=int(groups.valid.sum()),
        method=f"design-based {'Wilcoxon' if test == 'wilcoxon' else test} rank test",
        source=survey.source,
        claim=claim,
        origin=survey.origin,
        cautions=cautions,
    )
    df = survey.df_of(groups.valid)
    if len(groups.labels) == 2:
        unit = "" if test == "vanderWaerden" else "share points"
        return _two(survey, shown, groups, df - 1, unit, level)
    return _several(survey, shown, groups, df - len(groups.labels) + 1, level)


@dataclass(frozen=True, eq=False)
class _Groups:
    """Mean rank scores of the groups, their influence scores, and how far the groups explain."""

    valid: np.ndarray
    labels: list[str]
    means: np.ndarray
    scores: np.ndarray
    explained: float


def _groups(
    survey: Survey, question: str, by: str, test: str, ties: str
) -> tuple[_Groups, tuple[str, ...]]:
    numbers, valid = survey.numbers(question), answered(survey, (question, by))
    group, labels = categories(survey, by, valid)
    if len(labels) < 2:
        raise CxError(
            f"{by!r} makes one group only", got=labels[0], want="at least two groups with answers"
        )
    ranks, loose = _ranks(numbers[valid], survey.weights[valid], ties)
    score = np.zeros(len(valid))
    score[valid] = _SCORES["wilcoxon" if test == "KruskalWallis" else test](ranks)
    weights, place = np.where(valid, survey.weights, 0.0), np.maximum(group, 0)
    mass = np.bincount(place, weights)
    means = np.bincount(place, weights * score) / mass
    scores = np.zeros((len(valid), len(labels)))
    for g in range(len(labels)):
        scores[:, g] = np.where(group == g, weights * (score - means[g]) / mass[g], 0.0)
    middle = float(mass @ means / mass.sum())
    total = float((weights * (score - middle) ** 2).sum())
    explained = float(mass @ (means - middle) ** 2) / total if total > 0 else 0.0
    caution = (
        "ties of unequal weight: their ranks follow the order of the rows, as in the peer; "
        'ties="midrank" does not'
    )
    return _Groups(valid, labels, means, scores, explained), (caution,) if loose else ()


def _above_half(ranks: np.ndarray) -> np.ndarray:
    return (ranks > 0.5).astype(float)


def _normal_quantile(ranks: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(ranks)


_SCORES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "wilcoxon": lambda ranks: ranks,
    "vanderWaerden": _normal_quantile,
    "median": _above_half,
}


def _ranks(values: np.ndarray, weights: np.ndarray, ties: str) -> tuple[np.ndarray, bool]:
    """Estimated ranks (0–1), and whether they depend on the order of the rows."""
    order = np.argsort(values, kind="stable")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    tied = np.bincount(place, weights)
    middle = np.cumsum(tied) - tied / 2
    spread = np.bincount(place, weights**2) - tied**2 / count
    loose = bool((spread > 1e-12 * tied**2).any())
    if ties == "listed":
        listed = np.empty(len(values))
        listed[order] = np.cumsum(weights[order]) - weights[order] / 2
        middle = np.bincount(place, listed) / count
    return middle[place] / weights.sum(), loose and ties == "listed"


def _two(survey: Survey, shown: Test, groups: _Groups, df: float, unit: str, level: float) -> Test:
    own = groups.scores[:, 1] - groups.scores[:, 0]
    effect = linear_estimate(
        survey,
        float(groups.means[1] - groups.means[0]),
        lambda: own,
        n=shown.n,
        unit=unit,
        level=level,
        df=df,
        n_excluded=len(survey) - shown.n,
        kind="difference",
        name=f"mean rank score: {groups.labels[1]} − {groups.labels[0]}",
        claim=shown.claim,
        method="difference of mean rank scores, linearised variance",
    )
    _something(effect.se**2, df)
    t = effect.value / effect.se
    return replace(shown, statistic=t, df=df, p=2 * upper_tail(abs(t), df), effect=effect)


def _several(survey: Survey, shown: Test, groups: _Groups, ddf: float, level: float) -> Test:
    from scipy.special import fdtrc

    gaps = groups.means[1:] - groups.means[0]
    covariance = variance(survey, groups.scores[:, 1:] - groups.scores[:, :1])
    _something(float(np.trace(covariance)), ddf)
    if not np.linalg.cond(covariance) < 1e12:
        raise CxError(
            "the groups cannot be told apart by this design",
            got=f"{len(groups.means)} groups, {ddf:g} degrees of freedom left",
            want="more clusters than groups",
            do="merge groups in the study file",
        )
    ndf, value = float(len(gaps)), groups.explained
    chisq = float(gaps @ np.linalg.solve(covariance, gaps))
    low, high = noncentrality(chisq / ndf, ndf, ddf, level)
    scale = value / chisq if chisq > 0 else 1 / shown.n
    effect = Estimate(
        value=value,
        low=min(low * scale, value),
        high=max(min(high * scale, 1.0), value),
        unit="share of variance",
        n=shown.n,
        n_excluded=len(survey) - shown.n,
        level=level,
        df=ddf,
        kind="association",
        name="variance of rank scores between the groups",
        claim=shown.claim,
        method="between-group share, interval from the non-central F of the test",
        source=survey.source,
        origin=survey.origin,
    )
    p = float(fdtrc(ndf, ddf, chisq / ndf))
    return replace(shown, statistic=chisq, df=ndf, df2=ddf, p=p, effect=effect)


def _something(spread: float, df: float) -> None:
    if not spread > 1e-24 or df < 1:
        raise CxError(
            "nothing to test ranks with",
            got=f"a variance of {spread:g}, {df:g} degrees of freedom",
            want="answers that differ within the groups, and more clusters than groups",
        )
