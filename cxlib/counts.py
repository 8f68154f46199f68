"""Plain counts: exact and score tests, two proportions, equivalence.

The textbook methods, through scipy and statsmodels; for survey estimates see
:mod:`cxlib.hypothesis`, for power and sample size :mod:`cxlib.power`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import exact_bounds, t_quantile, upper_tail, wilson
from .result import Estimate
from .verdict import Test

ALTERNATIVES = ("two-sided", "greater", "less")
TEST_METHODS = ("score", "wald", "agresti-caffo")
#: What :func:`two_proportions` can compare, and by which methods.
INTERVALS = {
    "diff": ("wald", "agresti-caffo", "newcomb", "score"),
    "ratio": ("log", "log-adjusted", "score"),
    "odds-ratio": ("logit", "logit-adjusted", "score"),
}


def exact_test(
    count: int, n: int, against: float, *, alternative: str = "two-sided", level: float = 0.95
) -> Test:
    """Exact binomial test of a count against a fixed share, with the Clopper–Pearson interval.

    References
    ----------
    Clopper and Pearson (1934). Checked against R's ``binom.test``.
    """
    from scipy.stats import binomtest

    _count(count, n, against, alternative)
    p = float(binomtest(count, n, against, alternative).pvalue)
    low, high = exact_bounds(count, n, level)
    effect = _plain_share(count, n, low, high, level, "Clopper–Pearson interval")
    return Test(
        name=f"{count} of {n} against {against:g}",
        statistic=float(count),
        df=float(n),
        p=p,
        effect=effect,
        n=n,
        method="exact binomial test",
    )


def score_test(
    count: int,
    n: int,
    against: float,
    *,
    correct: bool = False,
    alternative: str = "two-sided",
    level: float = 0.95,
) -> Test:
    """Chi-square (score) test of a count against a fixed share, with Wilson's interval.

    ``correct`` applies the continuity correction to both. Checked against R's ``prop.test``.
    """
    from scipy.stats import chi2

    _count(count, n, against, alternative)
    yates = min(0.5, abs(count - n * against)) if correct else 0.0
    gap = abs(count - n * against) - yates
    statistic = gap**2 / (n * against * (1 - against))
    z = math.copysign(math.sqrt(statistic), count / n - against)
    p = float(chi2.sf(statistic, 1))
    if alternative != "two-sided":
        p = upper_tail(z if alternative == "greater" else -z, math.inf)
    z_level = t_quantile(level, math.inf)
    low, high = (
        _corrected_wilson(count / n, n, z_level, yates)
        if correct
        else wilson(count / n, n, z_level)
    )
    effect = _plain_share(count, n, low, high, level, "Wilson interval")
    return Test(
        name=f"{count} of {n} against {against:g}",
        statistic=statistic,
        df=1.0,
        p=p,
        effect=effect,
        n=n,
        method=f"score test{', continuity correction' if correct else ''}",
    )


def _corrected_wilson(p: float, n: int, z: float, yates: float) -> tuple[float, float]:
    """Wilson's interval with the continuity correction of R's prop.test."""
    middle = z**2 / (2 * n)
    up, down = p + yates / n, p - yates / n
    high = (up + middle + z * math.sqrt(up * (1 - up) / n + z**2 / (4 * n**2))) / (1 + z**2 / n)
    low = (down + middle - z * math.sqrt(down * (1 - down) / n + z**2 / (4 * n**2))) / (
        1 + z**2 / n
    )
    return max(low, 0.0), min(high, 1.0)


def two_proportions(
    counts: tuple[int, int],
    sizes: tuple[int, int],
    *,
    compare: str = "diff",
    method: str = "newcomb",
    level: float = 0.95,
) -> Estimate:
    """Two independent plain shares: their difference, ratio or odds ratio with an interval.

    Parameters
    ----------
    counts, sizes : two ints each
    compare : str
        ``"diff"`` (unit "share points"), ``"ratio"`` or ``"odds-ratio"``.
    method : str
        diff: ``"wald", "agresti-caffo", "newcomb", "score"``; ratio: ``"log", "log-adjusted",
        "score"``; odds-ratio: ``"logit", "logit-adjusted", "score"``.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17:873. Through statsmodels'
    ``confint_proportions_2indep``. Where a count is 0 and the ratio lies outside the interval of an
    adjusted method, the value is that method's own.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    _two(counts, sizes)
    if method not in INTERVALS.get(compare, ()):
        known = [f"{what} {how}" for what, hows in INTERVALS.items() for how in hows]
        raise unknown("comparison of two shares", f"{compare} {method}", known)
    low, high = _quiet(
        confint_proportions_2indep,
        *_interleaved(counts, sizes),
        compare=compare,
        method=method,
        alpha=1 - level,
    )
    return Estimate(
        value=_contrast(counts[0] / sizes[0], counts[1] / sizes[1], compare),
        low=low,
        high=high,
        unit="share points" if compare == "diff" else "ratio",
        n=sum(sizes),
        level=level,
        kind="difference" if compare == "diff" else compare,
        name=f"{counts[0]}/{sizes[0]} against {counts[1]}/{sizes[1]}",
        method=f"{method} interval of a {compare}",
    )


def _contrast(p1: float, p2: float, compare: str) -> float:
    """A difference, ratio or odds ratio of two shares; infinite where it divides by 0."""
    if compare == "diff":
        return p1 - p2
    below = p2 if compare == "ratio" else (1 - p1) * p2
    above = p1 if compare == "ratio" else p1 * (1 - p2)
    return above / below if below else math.inf


def tost_proportions(
    counts: tuple[int, int],
    sizes: tuple[int, int],
    *,
    margin: float,
    method: str = "agresti-caffo",
) -> Test:
    """Two one-sided tests: do two plain shares differ by less than the margin?

    The p is the larger of the two; under 5 % the shares count as equivalent. Through statsmodels'
    ``tost_proportions_2indep``.
    """
    from statsmodels.stats.proportion import tost_proportions_2indep

    _two(counts, sizes)
    if not 0 < margin < 1:
        raise CxError("a margin must lie between 0 and 1", got=margin, want="e.g. 0.05")
    answer = _quiet(
        tost_proportions_2indep, *_interleaved(counts, sizes), -margin, margin, method=method
    )
    effect = two_proportions(counts, sizes, method="newcomb", level=0.90)
    worst = max((answer.results_larger, answer.results_smaller), key=lambda one: one.pvalue)
    return Test(
        name=f"{effect.name}, equivalent within {100 * margin:g} points",
        statistic=float(worst.statistic),
        p=float(answer.pvalue),
        effect=effect,
        n=sum(sizes),
        method=f"two one-sided tests, {method}",
    )


def two_proportions_test(
    counts: tuple[int, int],
    sizes: tuple[int, int],
    *,
    value: float = 0.0,
    method: str = "score",
    alternative: str = "two-sided",
    level: float = 0.95,
) -> Test:
    """Test of the difference of two independent plain shares.

    Parameters
    ----------
    counts, sizes : two ints each
    value : float
        The difference under the null hypothesis. A negative margin with ``alternative="greater"``
        tests that the first share is not worse by more than it (non-inferiority).
    method : str
        ``"score"`` (variance under the null hypothesis), ``"wald"`` or ``"agresti-caffo"``.
    alternative : str
        ``"two-sided"``, ``"greater"`` or ``"less"``.

    References
    ----------
    Miettinen and Nurminen (1985), Statistics in Medicine 4:213, for the score test. Through
    statsmodels' ``test_proportions_2indep``.
    """
    from statsmodels.stats.proportion import test_proportions_2indep

    _two(counts, sizes)
    if alternative not in ALTERNATIVES:
        raise unknown("alternative", alternative, ALTERNATIVES)
    if method not in TEST_METHODS:
        raise unknown("method for a test of two shares", method, TEST_METHODS)
    if not -1 < value < 1:
        raise CxError("a difference of shares lies between -1 and 1", got=value, want="e.g. -0.1")
    words = {"two-sided": "two-sided", "greater": "larger", "less": "smaller"}
    found = _quiet(
        test_proportions_2indep,
        *_interleaved(counts, sizes),
        value=value,
        compare="diff",
        method=method,
        alternative=words[alternative],
    )
    effect = two_proportions(counts, sizes, method="newcomb", level=level)
    if math.isnan(found.statistic):
        raise CxError(
            "no variation to test", got=effect.name, want="some of each answer in the two groups"
        )
    beyond = f", difference {alternative} than {value:g}" if alternative != "two-sided" else ""
    return Test(
        name=effect.name + beyond,
        statistic=float(found.statistic),
        p=float(found.pvalue),
        effect=effect,
        n=sum(sizes),
        method=f"{method} test of two shares, {alternative}",
    )


def _shares(*shares: float) -> None:
    for one in shares:
        if not 0 < one < 1:
            raise CxError("a share must lie between 0 and 1", got=one, want="e.g. 0.32")
    if len(set(shares)) < len(shares):
        raise CxError("two equal shares cannot be told apart", got=shares[0])


def _plain_share(
    count: int, n: int, low: float, high: float, level: float, method: str
) -> Estimate:
    return Estimate(
        value=count / n,
        low=low,
        high=high,
        unit="share",
        n=n,
        n_eff=float(n),
        level=level,
        name=f"{count} of {n}",
        kind="share",
        method=method,
    )


def _count(count: int, n: int, against: float, alternative: str) -> None:
    if alternative not in ALTERNATIVES:
        raise unknown("alternative", alternative, ALTERNATIVES)
    if not (n > 0 and 0 <= count <= n):
        raise CxError("a count must lie between 0 and n", got=f"{count} of {n}")
    _shares(against)


def _two(counts: tuple[int, int], sizes: tuple[int, int]) -> None:
    for count, n in zip(counts, sizes, strict=True):
        if not (n > 0 and 0 <= count <= n):
            raise CxError("a count must lie between 0 and n", got=f"{count} of {n}")


def _interleaved(counts: tuple[int, int], sizes: tuple[int, int]) -> tuple[int, ...]:
    return counts[0], sizes[0], counts[1], sizes[1]


def _quiet(function: Any, *args: Any, **options: Any) -> Any:
    """Call a library function whose 0/0 at an empty cell is an answer (NaN or an infinity)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        try:
            return function(*args, **options)
        except (ValueError, ZeroDivisionError) as error:
            raise _no_interval(f"counts and sizes {args[:4]}: {error}") from error


def _real(number: Any) -> float:
    """A root that the library found in the complex plane counts where it lies on the real line."""
    number = complex(number)
    return number.real if abs(number.imag) < 1e-9 * max(abs(number), 1.0) else math.nan


def _no_interval(got: str) -> CxError:
    return CxError(
        "this interval does not exist here",
        got=got,
        want="some of each answer in the two groups",
        do='take the method "newcomb" of a difference, or an adjusted one',
    )
