"""The same respondents twice: did the answers move? Counts, and whole surveys with their design.

McNemar for yes and no, Stuart–Maxwell, Bhapkar and Bowker for more categories, from plain tables;
:func:`marginal_homogeneity` asks the same of two questions of a survey. The difference of two
shares of one survey with its covariance is :func:`cxlib.difference`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import tally as engine
from .counts_tables import table_of
from .errors import CxError, unknown
from .interval import t_quantile, upper_tail
from .linear import someone
from .result import Estimate
from .survey import Survey
from .verdict import Test

MCNEMAR_METHODS = ("exact", "chi-square", "corrected")
HOMOGENEITY_METHODS = ("stuart-maxwell", "bhapkar")


def mcnemar(table: Sequence[Sequence[int]], *, method: str = "exact", level: float = 0.95) -> Test:
    """McNemar's test of a paired yes/no table: did as many change one way as the other?

    Parameters
    ----------
    table : 2 × 2 counts
        Rows the first answer, columns the second, in the same order.
    method : str
        ``"exact"`` (binomial on those who changed), ``"chi-square"``, or ``"corrected"`` (with
        continuity correction).

    Returns
    -------
    Test
        The effect is the paired difference of shares, first answer minus second, with the adjusted
        Wald interval of Bonett and Price. Where nobody changed p is 1.

    References
    ----------
    McNemar (1947); Bonett and Price (2012), JEBS 37:479. Checked against R's ``mcnemar.test`` and
    ``binom.test``.
    """
    from scipy.special import chdtrc
    from scipy.stats import binomtest

    if method not in MCNEMAR_METHODS:
        raise unknown("McNemar method", method, MCNEMAR_METHODS)
    cells = table_of(table, square=True)
    if cells.shape != (2, 2):
        raise CxError("McNemar's test needs a 2 × 2 table", got=str(cells.shape))
    there, back, n = cells[0, 1], cells[1, 0], cells.sum()
    changed = there + back
    if method == "exact":
        statistic, df = float(there), math.nan
        whole = round(there), round(changed)
        p = float(binomtest(*whole, 0.5).pvalue) if whole[1] else 1.0
    else:
        yates = min(1.0, abs(there - back)) if method == "corrected" else 0.0
        statistic = float((abs(there - back) - yates) ** 2 / changed) if changed else 0.0
        df, p = 1.0, float(chdtrc(1, statistic))
    return Test(
        name="First answer against second",
        statistic=statistic,
        df=df,
        p=p,
        effect=_paired_shares(there, back, n, level),
        n=round(n),
        method={
            "exact": "exact McNemar test",
            "chi-square": "McNemar test",
            "corrected": "McNemar test, continuity correction",
        }[method],
    )


def symmetry(table: Sequence[Sequence[int]]) -> Test:
    """Bowker's test: is every change as frequent as its opposite?

    Pairs of categories between which nobody moved carry no information and cost no degree of
    freedom.

    References
    ----------
    Bowker (1948), JASA 43:572. Checked against statsmodels' ``SquareTable.symmetry`` and R's
    ``mcnemar.test``.
    """
    from scipy.special import chdtrc

    cells = table_of(table, square=True)
    upper = np.triu_indices(len(cells), 1)
    there, back = cells[upper], cells.T[upper]
    some = there + back > 0
    statistic = float((((there - back) ** 2)[some] / (there + back)[some]).sum())
    df = int(some.sum())
    return Test(
        name="Symmetry of the changes",
        statistic=statistic,
        df=float(df),
        p=float(chdtrc(df, statistic)) if df else 1.0,
        n=round(cells.sum()),
        method="Bowker test",
    )


def homogeneity(table: Sequence[Sequence[int]], *, method: str = "stuart-maxwell") -> Test:
    """Do the two answers of the same respondents have the same distribution?

    Parameters
    ----------
    table : k × k counts
        Rows the first answer, columns the second. Categories that nobody left or entered carry no
        information and cost no degree of freedom.
    method : str
        ``"stuart-maxwell"`` or ``"bhapkar"`` (never smaller).

    Returns
    -------
    Test
        Chi-square with one degree of freedom fewer than there are categories. An infinite
        statistic (Bhapkar, where everybody moved the same way) has p 0.

    References
    ----------
    Stuart (1955), Biometrika 42:412; Bhapkar (1966), JASA 61:228. Checked against statsmodels'
    ``SquareTable.homogeneity``.
    """
    from scipy.special import chdtrc

    if method not in HOMOGENEITY_METHODS:
        raise unknown("method", method, HOMOGENEITY_METHODS)
    cells = table_of(table, square=True)
    n = float(cells.sum())
    moved = cells.sum(0) + cells.sum(1) - 2 * np.diag(cells) > 0
    gap = (cells.sum(1) - cells.sum(0))[moved]
    var = np.diag(cells.sum(0) + cells.sum(1)) - cells - cells.T
    statistic, df = _quadratic(gap, var[np.ix_(moved, moved)])
    if method == "bhapkar":
        statistic = statistic / (1 - statistic / n) if statistic < n * (1 - 1e-12) else math.inf
    return Test(
        name="Same distribution of both answers",
        statistic=statistic,
        df=float(df),
        p=float(chdtrc(df, statistic)) if df else 1.0,
        n=round(n),
        method="Stuart–Maxwell test" if method == "stuart-maxwell" else "Bhapkar test",
    )


def marginal_homogeneity(
    survey: Survey, first: str, second: str, *, level: float = 0.95, name: str = ""
) -> Test:
    """Do two questions of one survey have the same distribution of answers?

    Parameters
    ----------
    first, second : str
        Questions with the same codes. Respondents with a valid answer to both count.

    Returns
    -------
    Test
        A Wald test of all differences of shares with their design covariance, as F with (q,
        df − q + 1) degrees of freedom for q + 1 categories and df of the design. For two
        categories it is the paired t test, and the effect is the difference of the shares of the
        higher code, second minus first.

    Raises
    ------
    CxError
        Nobody answered both; all gave one answer; the design has too few clusters for the number of
        categories.

    References
    ----------
    Korn and Graubard (1990), The American Statistician 44:270. For a plain sample it is Bhapkar's
    test with n − 1 for n. Checked against ``svycontrast`` of R survey (see :func:`difference`).
    """
    codes, hits, valid = _answers(survey, first, second)
    weights = np.where(valid, survey.weights, 0.0)
    mass = float(weights.sum())
    if mass <= 0:
        raise CxError("nobody with a positive weight answered both", got=f"{first}, {second}")
    gap = weights @ hits / mass
    scores = weights[:, None] * (hits - gap) / mass
    var = np.atleast_2d(engine.variance(survey, scores))
    n = int(valid.sum())
    moved = (abs(hits) * weights[:, None]).sum(0) > 0
    wald, q = _quadratic(gap[moved], var[np.ix_(moved, moved)])
    spare = survey.df - q + 1
    if spare <= 0 or not math.isfinite(wald):
        raise CxError(
            "the design cannot carry this test",
            got=f"{survey.df:g} degrees of freedom for {q + 1} categories",
            want="more clusters, fewer categories, answers that vary",
        )
    statistic = wald * spare / (survey.df * q) if q else 0.0
    return Test(
        name=name or f"{second} against {first}",
        statistic=statistic,
        df=float(q),
        df2=float(spare),
        p=_f_tail(statistic, q, spare) if q else 1.0,
        effect=_moved(survey, gap, var, n, level, codes) if len(codes) == 2 else None,
        n=n,
        method="design-based Wald test of equal margins",
        source=survey.source,
        origin=survey.origin,
    )


def _answers(survey: Survey, first: str, second: str) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """The codes, the differences of their indicators (rows, codes), and who answered both."""
    one, two = survey.answers(first), survey.answers(second)
    valid = (one.notna() & two.notna()).to_numpy() & survey.looked_at
    someone(survey, first, valid)
    a, b = one.to_numpy(), two.to_numpy()
    codes = sorted({*a[valid].tolist(), *b[valid].tolist()}, key=lambda c: (str(type(c)), c))
    if len(codes) < 2:
        raise CxError("all gave one and the same answer", got=f"{codes[0]!r} to both questions")
    if len(codes) > 50:
        raise CxError("too many categories to compare", got=f"{len(codes)}", want="at most 50")
    hits = np.column_stack([(b == code).astype(float) - (a == code) for code in codes])
    return codes, np.where(valid[:, None], hits, 0.0), valid


def _moved(
    survey: Survey, gap: np.ndarray, var: np.ndarray, n: int, level: float, codes: list[Any]
) -> Estimate:
    value, se = float(gap[1]), math.sqrt(max(float(var[1, 1]), 0.0))
    half = t_quantile(level, survey.df) * se if se else 0.0
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        unit="share points",
        n=n,
        level=level,
        se=se,
        df=survey.df,
        kind="difference",
        name=f"Share of {codes[1]}, second − first",
        method="paired difference, linearised variance",
        source=survey.source,
        origin=survey.origin,
    )


def _paired_shares(there: float, back: float, n: float, level: float) -> Estimate:
    """The difference of paired shares with Bonett and Price's interval."""
    p, q = (there + 1) / (n + 2), (back + 1) / (n + 2)
    se = math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    half = t_quantile(level, math.inf) * se
    return Estimate(
        value=float((there - back) / n),
        low=max(p - q - half, -1.0),
        high=min(p - q + half, 1.0),
        unit="share points",
        n=round(n),
        level=level,
        se=se,
        kind="difference",
        name="First share − second, paired",
        method="Bonett–Price interval",
    )


def _quadratic(gap: np.ndarray, var: np.ndarray) -> tuple[float, int]:
    """gap' var⁻ gap over the space that var spans, and that space's dimension.

    The gaps add up to 0 in every group of categories that exchange respondents, so the rank is
    short of the number of categories by the number of such groups.
    """
    if not len(gap):
        return 0.0, 0
    values, vectors = np.linalg.eigh(var)
    kept = values > 1e-10 * max(values.max(), 1e-300)
    along = vectors.T @ gap
    if (abs(along[~kept]) > 1e-8 * max(float(np.linalg.norm(gap)), 1e-300)).any():
        return math.inf, int(kept.sum())
    return float((along[kept] ** 2 / values[kept]).sum()), int(kept.sum())


def _f_tail(statistic: float, df1: float, df2: float) -> float:
    """P(F > statistic); one numerator degree of freedom through t, exact in the far tail."""
    from scipy.special import fdtrc

    if df1 == 1:
        return 2 * upper_tail(math.sqrt(statistic), df2)
    return float(fdtrc(df1, df2, statistic))
