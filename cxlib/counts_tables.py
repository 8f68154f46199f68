"""Plain counts in several groups or strata: k samples, trend, pairs, Fisher, Mantel–Haenszel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile
from .multiplicity import p_adjust
from .result import Estimate
from .verdict import Test

HOMOGENEITY = ("breslow-day", "tarone", "woolf")


def equal_proportions(
    counts: Sequence[int],
    sizes: Sequence[int],
    *,
    against: Sequence[float] | float | None = None,
    correct: bool = False,
    level: float = 0.95,
) -> Test:
    """Chi-square test that the plain shares of k groups are equal, or equal given ones.

    Parameters
    ----------
    against : share, or one a group, optional
        Fixed shares instead of a common unknown one.
    correct : bool
        Continuity correction; for one or two groups only, as in R.

    Returns
    -------
    Test
        The effect is the difference (first minus second, Wald) for two groups, Cramér's V with the
        interval of its noncentral chi-square for more. Where all shares are 0 or all are 1 the
        statistic is 0 and p is 1.

    References
    ----------
    Fleiss, Levin and Paik (2003), ch. 9; Smithson (2003), Confidence Intervals, ch. 4. Checked
    against R's ``prop.test``.
    """
    from scipy.special import chdtrc

    x, n = _groups(counts, sizes)
    null = np.full(len(x), x.sum() / n.sum()) if against is None else _fixed(against, len(x))
    df = len(x) - 1 if against is None else len(x)
    if df == 0:
        raise CxError("one group has nothing to be equal to", want="two groups, or against=")
    yates = _yates(x, n, null, df) if correct else 0.0
    expected = np.column_stack([n * null, n * (1 - null)])
    seen = np.column_stack([x, n - x])
    some = expected > 0
    statistic = float(((abs(seen - expected) - yates)[some] ** 2 / expected[some]).sum())
    if len(x) == 2:
        effect = _wald_difference(x, n, level, yates)
    else:
        effect = _cramer_v(statistic, df, int(n.sum()), level)
    rough = "an expected count is under 5: the chi-square is rough"
    return Test(
        name=f"Equal shares in {len(x)} groups" if against is None else "Shares as given",
        statistic=statistic,
        df=float(df),
        p=float(chdtrc(df, statistic)),
        effect=effect,
        n=int(n.sum()),
        method=f"chi-square test of {len(x)} shares{', continuity correction' if yates else ''}",
        cautions=(rough,) if (expected < 5).any() else (),
    )


def trend_test(
    counts: Sequence[int],
    sizes: Sequence[int],
    *,
    scores: Sequence[float] | None = None,
    level: float = 0.95,
) -> Test:
    """Chi-square test for a linear trend in the plain shares of ordered groups.

    Parameters
    ----------
    scores : numbers, one a group, optional
        Their places on the axis; 1, 2, 3 … where not given.

    Returns
    -------
    Test
        One degree of freedom; the effect is the slope, in share points a score.

    References
    ----------
    Armitage (1955), Biometrics 11:375. Checked against R's ``prop.trend.test``.
    """
    from scipy.special import chdtrc

    x, n = _groups(counts, sizes)
    place = np.arange(1.0, len(x) + 1) if scores is None else np.asarray(scores, float)
    if place.shape != x.shape or not np.isfinite(place).all() or len(set(place.tolist())) < 2:
        raise CxError("a trend needs a score a group", got=place.tolist(), want="two that differ")
    centred = place - (n * place).sum() / n.sum()
    p, pooled = x / n, x.sum() / n.sum()
    spread = (n * centred**2).sum()
    slope = float((x * centred).sum() / spread)
    statistic = slope**2 * spread / (pooled * (1 - pooled)) if 0 < pooled < 1 else 0.0
    se = math.sqrt((centred**2 * n * p * (1 - p)).sum()) / spread
    half = t_quantile(level, math.inf) * se
    effect = Estimate(
        value=slope,
        low=slope - half,
        high=slope + half,
        unit="share points",
        n=int(n.sum()),
        level=level,
        se=se,
        kind="slope",
        name="Change of the share a step",
        method="weighted least squares, unpooled variance",
    )
    return Test(
        name=f"Trend of the share over {len(x)} groups",
        statistic=float(statistic),
        df=1.0,
        p=float(chdtrc(1, statistic)),
        effect=effect,
        n=int(n.sum()),
        method="chi-square test for trend in shares",
    )


def pairwise_proportions(
    counts: Sequence[int],
    sizes: Sequence[int],
    *,
    names: Sequence[str] = (),
    adjust: str = "holm",
    correct: bool = True,
    level: float = 0.95,
) -> tuple[Test, ...]:
    """Every pair of groups, each p corrected for the number of pairs.

    Parameters
    ----------
    adjust : str
        See :func:`cxlib.p_adjust`.

    Returns
    -------
    tuple of Test
        Pairs in the order (1, 2), (1, 3), (2, 3) …; intervals of the differences are unadjusted.

    References
    ----------
    Checked against R's ``pairwise.prop.test``.
    """
    x, n = _groups(counts, sizes)
    terms = [str(name) for name in names] or [str(place + 1) for place in range(len(x))]
    if len(terms) != len(x) or len(x) < 2:
        raise CxError("two groups and a name for each", got=f"{len(terms)} names, {len(x)} groups")
    pairs = [(i, j) for j in range(len(x)) for i in range(j)]
    tests = [
        equal_proportions((x[i], x[j]), (n[i], n[j]), correct=correct, level=level)
        for i, j in pairs
    ]
    adjusted = p_adjust([test.p for test in tests], method=adjust)
    return tuple(
        replace(
            test,
            name=f"{terms[i]} against {terms[j]}",
            p=float(p),
            method=f"{test.method}, {adjust}",
        )
        for (i, j), test, p in zip(pairs, tests, adjusted, strict=True)
    )


def fisher_test(table: Sequence[Sequence[int]], *, level: float = 0.95) -> Test:
    """Fisher's exact test of a 2 × 2 table, with the conditional odds ratio and exact interval.

    Returns
    -------
    Test
        ``statistic`` is the conditional maximum-likelihood odds ratio, 0 or infinite at an empty
        cell. Where a margin is empty nothing can be tested: p is 1 and there is no effect.

    References
    ----------
    Through scipy's ``fisher_exact`` and ``odds_ratio``. Checked against R's ``fisher.test``.
    """
    from scipy.stats import fisher_exact
    from scipy.stats.contingency import odds_ratio

    cells = table_of(table, square=True)
    if cells.shape != (2, 2):
        raise CxError("Fisher's test needs a 2 × 2 table", got=f"{cells.shape}")
    whole = cells.astype(int)
    n = int(whole.sum())
    told = {"name": "Association in a 2 × 2 table", "n": n, "method": "Fisher's exact test"}
    if not (whole.sum(0).all() and whole.sum(1).all()):
        empty = ("a row or column is empty: there is nothing to test",)
        return Test(statistic=1.0, p=1.0, cautions=empty, **told)
    ratio = odds_ratio(whole, kind="conditional")
    low, high = ratio.confidence_interval(confidence_level=level)
    effect = Estimate(
        value=float(ratio.statistic),
        low=float(low),
        high=float(high),
        unit="ratio",
        n=n,
        level=level,
        kind="odds-ratio",
        name="Odds ratio",
        method="conditional maximum likelihood, exact interval",
    )
    p = float(fisher_exact(whole).pvalue)
    return Test(statistic=effect.value, p=min(p, 1.0), effect=effect, **told)


def cochran_mantel_haenszel(
    tables: Sequence[Sequence[Sequence[int]]], *, correct: bool = False, level: float = 0.95
) -> Test:
    """Association of two classifications within strata.

    Parameters
    ----------
    tables : array, shape (strata, rows, columns)
        Plain counts, a table a stratum.
    correct : bool
        Continuity correction (2 × 2 tables only).

    Returns
    -------
    Test
        For 2 × 2 tables the effect is the common odds ratio of Mantel and Haenszel with the
        interval of Robins, Breslow and Greenland. Larger tables give the generalised statistic
        with (rows − 1)(columns − 1) degrees of freedom. Strata with an empty margin tell nothing
        and are left out.

    References
    ----------
    Mantel and Haenszel (1959); Robins, Breslow and Greenland (1986), Biometrics 42:311; Landis,
    Heyman and Koch (1978). Checked against R's ``mantelhaen.test``.
    """
    from scipy.special import chdtrc

    whole, kept = _strata(tables)
    if kept.shape[1:] == (2, 2):
        delta = abs(float((kept[:, 0, 0] - _expected(kept)).sum()))
        delta -= 0.5 if correct and delta >= 0.5 else 0.0
        statistic, df = delta**2 / float(_hypergeometric(kept).sum()), 1
        effect, cautions = _common_odds(kept, level)
    else:
        statistic, df = _generalised(kept)
        effect, cautions = None, ()
    left_out = len(whole) - len(kept)
    if left_out:
        cautions = (*cautions, f"strata with an empty margin, left out: {left_out}")
    return Test(
        name=f"Association within {len(whole)} strata",
        statistic=statistic,
        df=float(df),
        p=float(chdtrc(df, statistic)),
        effect=effect,
        n=int(whole.sum()),
        method=f"Cochran–Mantel–Haenszel test{', continuity correction' if correct else ''}",
        cautions=cautions,
    )


def homogeneous_odds(tables: Sequence[Sequence[Sequence[int]]], *, method: str = "tarone") -> Test:
    """Whether 2 × 2 tables of several strata share one odds ratio.

    Parameters
    ----------
    method : str
        ``"breslow-day"``, ``"tarone"`` (the same with Tarone's correction) or ``"woolf"`` (0.5
        added to the cells of a stratum with an empty cell).

    References
    ----------
    Breslow and Day (1980), Statistical Methods in Cancer Research I; Tarone (1985), Biometrika
    72:91; Woolf (1955). Checked against statsmodels' ``StratifiedTable``.
    """
    from scipy.special import chdtrc

    if method not in HOMOGENEITY:
        raise unknown("test of homogeneity", method, HOMOGENEITY)
    whole, kept = _strata(tables)
    if kept.shape[1:] != (2, 2) or len(kept) < 2:
        raise CxError("homogeneity needs two or more 2 × 2 tables", got=str(kept.shape))
    if method == "woolf":
        filled = kept + 0.5 * (kept == 0).any(axis=(1, 2))[:, None, None]
        log_odds = np.log(filled[:, 0, 0] * filled[:, 1, 1] / filled[:, 0, 1] / filled[:, 1, 0])
        weight = 1 / (1 / filled).sum(axis=(1, 2))
        statistic = (weight * (log_odds - (weight * log_odds).sum() / weight.sum()) ** 2).sum()
    else:
        statistic = _breslow_day(kept, tarone=method == "tarone")
    df = len(kept) - 1
    return Test(
        name=f"One odds ratio in {len(kept)} strata",
        statistic=float(statistic),
        df=float(df),
        p=float(chdtrc(df, statistic)),
        n=int(whole.sum()),
        method=f"{method.title()} test",
    )


def table_of(table: Sequence[Sequence[float]], *, square: bool = False) -> np.ndarray:
    """A checked table of counts as floats."""
    try:
        cells = np.asarray(table, float)
    except (TypeError, ValueError):
        raise CxError("a table is rows of counts of one length", got=repr(table)[:80]) from None
    fits = cells.ndim == 2 and min(cells.shape) >= 2
    if not fits or (square and cells.shape[0] != cells.shape[1]):
        raise CxError(
            f"this is not a {'square ' if square else ''}table",
            got=f"shape {cells.shape}",
            want="two or more rows and columns",
        )
    _checked(cells)
    return cells


def _checked(cells: np.ndarray) -> None:
    if not (np.isfinite(cells).all() and (cells >= 0).all()):
        raise CxError("counts are numbers from 0 up", got=repr(cells.tolist())[:80])
    if cells.sum() == 0:
        raise CxError("the table is empty", got="all counts 0")


def _groups(counts: Sequence[int], sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    try:
        x, n = np.asarray(counts, float), np.asarray(sizes, float)
    except (TypeError, ValueError):
        raise CxError("counts and sizes are numbers", got=f"{counts!r}, {sizes!r}") from None
    if x.ndim != 1 or x.shape != n.shape or not len(x):
        raise CxError("a count and a size for each group", got=f"{x.shape} and {n.shape}")
    if not ((n > 0) & np.isfinite(n) & (x >= 0) & (x <= n)).all():
        raise CxError("a count must lie between 0 and n", got=f"{x.tolist()} of {n.tolist()}")
    return x, n


def _fixed(against: Sequence[float] | float, groups: int) -> np.ndarray:
    null = np.broadcast_to(np.asarray(against, float), (groups,))
    if not ((null > 0) & (null < 1)).all():
        raise CxError("a share must lie between 0 and 1", got=null.tolist(), want="e.g. 0.32")
    return null


def _yates(x: np.ndarray, n: np.ndarray, null: np.ndarray, df: int) -> float:
    """R's continuity correction: at most one half, and no more than the gap itself."""
    if len(x) > 2:
        return 0.0
    if len(x) == 1:
        return min(0.5, float(abs(x - n * null)[0]))
    gap = abs(x[0] / n[0] - x[1] / n[1]) / (1 / n).sum()
    return min(0.5, float(gap)) if df == 1 else 0.5


def _wald_difference(x: np.ndarray, n: np.ndarray, level: float, yates: float) -> Estimate:
    p = x / n
    se = math.sqrt((p * (1 - p) / n).sum())
    half = t_quantile(level, math.inf) * se + yates * float((1 / n).sum())
    gap = float(p[0] - p[1])
    return Estimate(
        value=gap,
        low=max(gap - half, -1.0),
        high=min(gap + half, 1.0),
        unit="share points",
        n=int(n.sum()),
        level=level,
        se=se,
        kind="difference",
        name="First share − second",
        method=f"Wald interval{', continuity correction' if yates else ''}",
    )


def _cramer_v(statistic: float, df: int, n: int, level: float) -> Estimate:
    """Cramér's V of k groups by two answers, with the noncentral chi-square interval."""
    from scipy.special import chdtr, chndtrinc

    def bound(p: float) -> float:
        return float(chndtrinc(statistic, df, p)) if chdtr(df, statistic) > p else 0.0

    low, high = bound(0.5 + level / 2), bound(0.5 - level / 2)
    return Estimate(
        value=math.sqrt(statistic / n),
        low=min(math.sqrt(low / n), 1.0),
        high=min(math.sqrt(high / n), 1.0),
        unit="",
        n=n,
        level=level,
        kind="Cramér's V",
        name="Cramér's V",
        method="noncentral chi-square interval",
    )


def _strata(tables: Sequence[Sequence[Sequence[int]]]) -> tuple[np.ndarray, np.ndarray]:
    """All tables, and those of strata that can tell something."""
    try:
        whole = np.asarray(tables, float)
    except (TypeError, ValueError):
        raise CxError("strata are tables of one shape", got=repr(tables)[:80]) from None
    if whole.ndim != 3 or min(whole.shape[1:]) < 2:
        raise CxError("strata are tables", got=f"shape {whole.shape}", want="(strata, 2, 2)")
    _checked(whole)
    whole = whole[:, whole.sum(axis=(0, 2)) > 0][:, :, whole.sum(axis=(0, 1)) > 0]
    rows, columns = (whole.sum(axis=2) > 0).sum(1), (whole.sum(axis=1) > 0).sum(1)
    kept = whole[(rows > 1) & (columns > 1)]
    if not len(kept):
        raise CxError("no stratum has two rows and two columns with cases")
    return whole, kept


def _expected(kept: np.ndarray) -> np.ndarray:
    return kept[:, 0].sum(1) * kept[:, :, 0].sum(1) / kept.sum(axis=(1, 2))


def _hypergeometric(kept: np.ndarray) -> np.ndarray:
    """Variance of a stratum's first cell, its margins given."""
    n = kept.sum(axis=(1, 2))
    return kept.sum(1).prod(1) * kept.sum(2).prod(1) / (n**2 * (n - 1))


def _common_odds(kept: np.ndarray, level: float) -> tuple[Estimate | None, tuple[str, ...]]:
    """The Mantel–Haenszel odds ratio with the interval of Robins, Breslow and Greenland."""
    n = kept.sum(axis=(1, 2))
    agree, differ = kept[:, 0, 0] * kept[:, 1, 1] / n, kept[:, 0, 1] * kept[:, 1, 0] / n
    up, down = float(agree.sum()), float(differ.sum())
    cautions: tuple[str, ...] = ()
    if up > 0 and down > 0:
        p = (kept[:, 0, 0] + kept[:, 1, 1]) / n
        var = (p * agree).sum() / (2 * up**2) + ((1 - p) * differ).sum() / (2 * down**2)
        var += (p * differ + (1 - p) * agree).sum() / (2 * up * down)
        half = t_quantile(level, math.inf) * math.sqrt(var)
        value, low, high = up / down, up / down * math.exp(-half), up / down * math.exp(half)
    elif up == down:
        return None, ("no stratum has cases on a diagonal: there is no common odds ratio",)
    else:
        value, low, high = (math.inf if up else 0.0), 0.0, math.inf
        cautions = ("one diagonal is empty in every stratum: the interval is unbounded",)
    effect = Estimate(
        value=value,
        low=low,
        high=high,
        unit="ratio",
        n=int(n.sum()),
        level=level,
        kind="odds-ratio",
        name="Common odds ratio",
        method="Mantel–Haenszel, Robins–Breslow–Greenland interval",
        cautions=cautions,
    )
    return effect, cautions


def _generalised(kept: np.ndarray) -> tuple[float, int]:
    """The generalised statistic of tables larger than 2 × 2."""
    n = kept.sum(axis=(1, 2))
    rows, columns = kept.sum(2)[:, :-1], kept.sum(1)[:, :-1]
    size = rows.shape[1] * columns.shape[1]
    gap, var = np.zeros(size), np.zeros((size, size))
    for table, total, row, column in zip(kept, n, rows, columns, strict=True):
        gap += (table[:-1, :-1] - np.outer(row, column) / total).ravel()
        one = np.kron(
            np.diag(total * row) - np.outer(row, row),
            np.diag(total * column) - np.outer(column, column),
        )
        var += one / (total**2 * (total - 1))
    if np.linalg.matrix_rank(var) < size:
        raise CxError("the strata do not connect all rows and columns", want="fewer categories")
    return float(gap @ np.linalg.solve(var, gap)), size


def _breslow_day(kept: np.ndarray, tarone: bool) -> float:
    """Squared gaps from the counts that the common odds ratio expects, over their variance."""
    effect, _ = _common_odds(kept, 0.95)
    if effect is None or not 0 < effect.value < math.inf:
        raise CxError("there is no common odds ratio to compare with", got=str(effect))
    odds, row, column = effect.value, kept[:, 0].sum(1), kept[:, :, 0].sum(1)
    n = kept.sum(axis=(1, 2))
    a, b = 1 - odds, n - row - column + odds * (row + column)
    product = odds * row * column
    first = 2 * product / (b + np.sqrt(b**2 + 4 * a * product))
    cells = np.stack([first, row - first, column - first, n - row - column + first])
    var = 1 / (1 / cells).sum(0)
    gap = kept[:, 0, 0] - first
    statistic = float((gap**2 / var).sum())
    return statistic - float(gap.sum() ** 2 / var.sum()) if tarone else statistic
