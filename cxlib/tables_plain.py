"""The textbook tests of tables and ranks, for plain counts and numbers without a survey's design.

Through scipy, with the settings of R's ``chisq.test``, ``wilcox.test`` and ``kruskal.test``; each
with the effect that it is about. For surveys see :func:`cxlib.independence` and
:func:`cxlib.rank_test`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .counts import two_proportions
from .errors import CxError
from .interval import t_quantile
from .result import Estimate
from .tables_tail import noncentrality
from .verdict import Test

# -- tables ----------------------------------------------------------------------------------------


def chisq_test(table: Any, *, correct: bool = False, level: float = 0.95, name: str = "") -> Test:
    """Pearson's chi-square test of independence for a table of plain counts.

    Parameters
    ----------
    table : array of counts, shape (r, c), or a DataFrame
    correct : bool
        Yates's continuity correction (2 × 2 only; elsewhere it changes nothing).

    Returns
    -------
    Test
        The effect is the first row's share of the first column less the second row's (2 × 2,
        Newcombe interval), else Cramér's V with an interval from the non-central chi-square.

    Raises
    ------
    CxError
        Not a table of numbers ≥ 0 with two rows and columns or more; an empty row or column.

    References
    ----------
    Agresti (2007), §2.4. Through scipy's ``chi2_contingency``; checked against R's ``chisq.test``.

    Examples
    --------
    >>> print(chisq_test([[762, 327, 468], [484, 239, 477]]))
    independence: 30.07 on 2 df, p < .001
      effect: Cramér's V: 0.104 (95 % interval 0.065 to 0.140; 2,757 respondents)
    """
    from scipy.stats import chi2_contingency

    counts = _counts(table)
    answer = chi2_contingency(counts, correction=correct)
    corrected = correct and counts.shape == (2, 2)
    return Test(
        name=name or "independence",
        statistic=float(answer.statistic),
        p=float(answer.pvalue),
        df=float(answer.dof),
        effect=_plain_effect(counts, level),
        n=round(counts.sum()),
        method=f"Pearson's chi-square test{', continuity correction' if corrected else ''}",
        cautions=thin(np.asarray(answer.expected_freq)),
    )


def expected_counts(table: Any) -> np.ndarray:
    """The counts that independence would lead one to expect; shape of the table."""
    counts = _counts(table)
    return np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()


def standardised_residuals(table: Any) -> np.ndarray:
    """How far each count lies from its expected one, in standard errors; shape of the table.

    Beyond ± 2 (± 3 in large tables) a cell departs from independence. Haberman (1973), Biometrics
    29:205; checked against ``chisq.test(…)$stdres`` of R.
    """
    counts = _counts(table)
    expected, n = expected_counts(counts), counts.sum()
    left = np.outer(1 - counts.sum(axis=1) / n, 1 - counts.sum(axis=0) / n)
    return (counts - expected) / np.sqrt(expected * left)


def _counts(table: Any) -> np.ndarray:
    want = "numbers of 0 or more, in two rows and two columns or more"
    try:
        counts = np.asarray(table, float)
    except (TypeError, ValueError):
        raise CxError("this is no table of counts", got=str(table)[:80], want=want) from None
    if counts.ndim != 2 or min(counts.shape, default=0) < 2:
        raise CxError("this is no table of counts", got=f"shape {counts.shape}", want=want)
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise CxError("this is no table of counts", got=counts.tolist(), want=want)
    for axis, line in ((1, "row"), (0, "column")):
        empty = np.flatnonzero(counts.sum(axis=axis) == 0)
        if len(empty):
            raise CxError(
                f"{line} {int(empty[0]) + 1} of the table is empty", do=f"leave the {line} out"
            )
    return counts


def _plain_effect(counts: np.ndarray, level: float) -> Estimate:
    n, whole = round(counts.sum()), bool((counts == np.round(counts)).all())
    if counts.shape == (2, 2) and whole:
        (a, b), (c, d) = counts.astype(int).tolist()
        return two_proportions((a, c), (a + b, c + d), method="newcomb", level=level)
    expected = expected_counts(counts)
    x2 = float(((counts - expected) ** 2 / expected).sum())
    df = float((counts.shape[0] - 1) * (counts.shape[1] - 1))
    low, high = noncentrality(x2 / df, df, math.inf, level)
    total = float(counts.sum())
    return replace(
        cramer(x2 / total, low, high, 1 / total, counts.shape),
        n=n,
        level=level,
        df=math.inf,
        method="Cramér's V, interval from the non-central chi-square",
    )


def cramer(phi2: float, low: float, high: float, scale: float, shape: tuple[int, ...]) -> Estimate:
    """Cramér's V from X²/n and the bounds of a non-centrality, ``scale`` of which is one of φ²."""
    most = min(shape) - 1
    first, value, second = (
        min(math.sqrt(part / most), 1.0) for part in (low * scale, phi2, high * scale)
    )
    return Estimate(
        value=value,
        low=min(first, value),
        high=max(second, value),
        unit="",
        n=0,
        kind="association",
        name="Cramér's V",
    )


def thin(expected: np.ndarray) -> tuple[str, ...]:
    """The caution for cells in which few respondents would be expected."""
    few = int((expected < 5).sum())
    return (f"{few} of {expected.size} cells hold fewer than 5 respondents",) if few else ()


# -- ranks -----------------------------------------------------------------------------------------


def wilcoxon_test(
    first: Sequence[float],
    second: Sequence[float],
    *,
    correct: bool = True,
    exact: bool = False,
    level: float = 0.95,
    name: str = "",
) -> Test:
    """Wilcoxon's rank sum test (Mann–Whitney) of two independent samples of numbers.

    Parameters
    ----------
    first, second : sequences of numbers; missing ones (NaN) are left out and counted
    correct : bool
        Continuity correction of the normal approximation.
    exact : bool
        The exact distribution instead; for samples without ties.

    Returns
    -------
    Test
        ``statistic`` is R's W: how many pairs the first sample wins, ties half. The effect is the
        chance that a member of the first exceeds one of the second, ties half (unit "share", 0–1).

    Raises
    ------
    CxError
        An empty sample; infinities; all values equal; ties where ``exact`` is asked for.

    References
    ----------
    The effect's interval is method 5 of Newcombe (2006), Statistics in Medicine 25:559. Through
    scipy's ``mannwhitneyu``; checked against R's ``wilcox.test(exact=FALSE, correct=TRUE)``.

    Examples
    --------
    >>> test = wilcoxon_test([1, 2, 3, 4], [3, 5, 6, 7])
    >>> test.statistic, f"{test.p:.3f}", f"{test.effect.value:.3f}"
    (1.5, '0.081', '0.094')
    """
    from scipy.stats import mannwhitneyu

    (x, y), lost = _samples([first, second])
    if exact and len(np.unique(np.concatenate([x, y]))) < len(x) + len(y):
        raise CxError("the exact rank test needs values without ties", do="leave exact out")
    answer = mannwhitneyu(x, y, use_continuity=correct, method="exact" if exact else "asymptotic")
    value = float(answer.statistic) / (len(x) * len(y))
    low, high = _superiority_bounds(value, len(x), len(y), t_quantile(level, math.inf))
    effect = Estimate(
        value=value,
        low=low,
        high=high,
        unit="share",
        n=len(x) + len(y),
        n_excluded=lost,
        level=level,
        kind="superiority",
        name="first above second",
        method="probability of superiority, Newcombe's method 5",
    )
    told = "exact" if exact else f"normal{', continuity correction' if correct else ''}"
    return Test(
        name=name or "rank sum",
        statistic=float(answer.statistic),
        p=float(answer.pvalue),
        effect=effect,
        n=effect.n,
        method=f"Wilcoxon rank sum test, {told}",
    )


def kruskal_test(*groups: Sequence[float], level: float = 0.95, name: str = "") -> Test:
    """Kruskal and Wallis's rank test of two or more independent samples of numbers.

    Returns
    -------
    Test
        The effect is the share of the ranks' variance that lies between the groups (unit "share of
        variance", 0–1), with an interval from the non-central chi-square.

    Raises
    ------
    CxError
        Fewer than two groups; an empty group; infinities; all values equal.

    References
    ----------
    Kruskal and Wallis (1952), JASA 47:583. Through scipy's ``kruskal``; checked against R's
    ``kruskal.test``.
    """
    from scipy.stats import kruskal

    samples, lost = _samples(list(groups))
    answer = kruskal(*samples)
    statistic, df, n = float(answer.statistic), len(samples) - 1, sum(map(len, samples))
    low, high = noncentrality(statistic / df, df, math.inf, level)
    value = min(statistic / (n - 1), 1.0)
    effect = Estimate(
        value=value,
        low=min(low / (n - 1), value),
        high=max(min(high / (n - 1), 1.0), value),
        unit="share of variance",
        n=n,
        n_excluded=lost,
        level=level,
        kind="association",
        name="variance of ranks between the groups",
        method="H / (n − 1), interval from the non-central chi-square",
    )
    return Test(
        name=name or "ranks by group",
        statistic=statistic,
        p=float(answer.pvalue),
        df=float(df),
        effect=effect,
        n=n,
        method="Kruskal–Wallis test, corrected for ties",
    )


def _samples(groups: Sequence[Sequence[float]]) -> tuple[list[np.ndarray], int]:
    """The groups as arrays without NaN, and how many were left out."""
    want = "two or more groups of finite numbers, not all of them equal"
    try:
        raw = [np.asarray(group, float).ravel() for group in groups]
    except (TypeError, ValueError):
        raise CxError("these are no samples of numbers", want=want) from None
    kept = [group[~np.isnan(group)] for group in raw]
    if len(kept) < 2 or not all(map(len, kept)):
        raise CxError("a rank test needs groups", got=[len(group) for group in kept], want=want)
    whole = np.concatenate(kept)
    if np.isinf(whole).any() or whole.min() == whole.max():
        got = "an infinity" if np.isinf(whole).any() else f"only {whole[0]:g}"
        raise CxError("these samples cannot be ranked", got=got, want=want)
    return kept, sum(map(len, raw)) - len(whole)


def _superiority_bounds(value: float, m: int, n: int, z: float) -> tuple[float, float]:
    """Where the distance of a superiority from its estimate reaches z of its own standard error."""
    from scipy.optimize import brentq

    half = (m + n) / 2 - 1

    def distance(p: float) -> float:
        spread = p * (1 - p) * (1 + half * ((1 - p) / (2 - p) + p / (1 + p))) / (m * n)
        return (value - p) ** 2 - z**2 * spread

    low = 0.0 if value <= 0 else brentq(distance, 0.0, min(value, 1 - 1e-12))
    high = 1.0 if value >= 1 else brentq(distance, max(value, 1e-12), 1.0)
    return float(low), float(high)
