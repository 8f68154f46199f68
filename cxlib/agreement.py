"""Do raters agree? Kappa, Fleiss' kappa, Krippendorff's alpha, intraclass correlation, Kendall's W.

Ratings are a table: a row an object (a visit, a call, an outlet), a column a rater. Before the
scores of mystery shoppers may judge a training, the shoppers must agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .agreement_measures import (
    Found,
    NoChance,
    cohen,
    conger,
    drawn_again,
    fleiss,
    icc,
    kendall,
    krippendorff,
)
from .agreement_ratings import Table, table_of
from .errors import CxError, unknown
from .result import Estimate, Ranking
from .verdict import Test

MEASUREMENTS = ("nominal", "ordinal", "interval", "ratio")
FORMS = ("agreement", "consistency", "one-way")
WEIGHTS = ("linear", "quadratic")
_SAME = {"equal": "linear", "squared": "quadratic"}
#: Tables of disagreement larger than this are refused.
MOST_VALUES = 2_000


def agreement(
    ratings: Any,
    *,
    method: str = "kappa",
    measurement: str = "nominal",
    weights: str | Sequence[Sequence[float]] | None = None,
    form: str = "agreement",
    average: bool = False,
    ties: bool = True,
    category: Any = None,
    categories: Sequence[Any] | None = None,
    counting: str = "values",
    level: float = 0.95,
    draws: int = 999,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """How far raters agree beyond chance.

    Parameters
    ----------
    ratings : table, shape (objects, raters)
        A DataFrame, an array, or rows of numbers or words; NaN, None and empty cells are missing.
    method : str
        ``"kappa"`` (two raters), ``"weighted-kappa"``, ``"fleiss"`` (several raters),
        ``"conger"`` (several, each with their own shares), ``"krippendorff"`` (missing allowed),
        ``"icc"``, ``"kendall-w"``.
    measurement : str
        Level of measurement for Krippendorff's alpha: ``"nominal"``, ``"ordinal"``,
        ``"interval"``, ``"ratio"`` (values of 0 or more).
    weights : str or matrix, optional
        Weighted kappa: ``"quadratic"`` (default; also "squared"), ``"linear"`` (also "equal"), by
        the place of the categories; or agreement weights, 1 on the diagonal, shape (k, k).
    form : str
        Intraclass correlation: ``"agreement"`` (two-way, rater effects count), ``"consistency"``
        (two-way, they do not), ``"one-way"``.
    average : bool
        Intraclass correlation of the raters' mean instead of one rater.
    ties : bool
        Correct Kendall's W for ties.
    category : optional
        This category against all others (kappa, fleiss, krippendorff).
    categories : sequence, optional
        All categories in order, also those that nobody used. Without: numbers by size, words by
        alphabet, an ordered pandas categorical by its order.
    counting : str
        Krippendorff's small-sample factor (n − 1)/n: n counts the pairable ``"values"``, as
        Krippendorff defines it, or their ``"pairs"``, as R's irr 0.84.1 does in tables of three or
        more raters without gaps (with gaps, and for two raters, it too counts values).
    draws, seed
        Of the bootstrap over objects (krippendorff, conger, kendall-w).

    Returns
    -------
    Estimate
        Unit ``"kappa"``, ``"alpha"``, ``"ICC"`` or ``"W"``; 1 is full agreement, 0 that of chance.
        ``n`` counts objects, ``n_excluded`` those left out: with a gap (krippendorff: with fewer
        than two ratings). ``method`` says whether the interval is analytic or drawn.

    Raises
    ------
    CxError
        Fewer than two objects or raters; words where numbers are needed; every rating the same
        (agreement cannot be told from chance); unknown method or category.

    References
    ----------
    Cohen (1968), Psychological Bulletin 70:213; Fleiss, Cohen and Everitt (1969), 72:323; Fleiss
    (1971), 76:378; Conger (1980), 88:322; Gwet (2008), BJMSP 61:29 for the variance; Krippendorff
    (2019), Content Analysis, ch. 12; McGraw and Wong (1996), Psychological Methods 1:30. Checked
    against ``kappa2``, ``kappam.fleiss``, ``kripp.alpha``, ``icc`` and ``kendall`` of R's irr, the
    Python package krippendorff, and statsmodels' ``cohens_kappa``.

    Examples
    --------
    >>> one = agreement([[1, 1], [2, 2], [1, 2], [2, 2]])
    >>> f"{one.value:.2f}"
    '0.50'
    """
    table = table_of(ratings, method, categories, category)
    if counting not in ("values", "pairs"):
        raise unknown("counting", counting, ("values", "pairs"))
    if not (isinstance(draws, int) and draws >= 0):
        raise CxError("draws are a whole number", got=repr(draws), want="0 or more, e.g. 999")
    found = _measured(table, method, measurement, weights, form, average, ties, level, draws, seed)
    if method == "krippendorff" and counting == "pairs":
        found = _by_pairs(table, found)
    return _estimate(table, found, method, measurement, form, average, level, name, claim)


def agreement_test(
    ratings: Any,
    *,
    method: str = "kappa",
    weights: str | Sequence[Sequence[float]] | None = None,
    form: str = "agreement",
    average: bool = False,
    ties: bool = True,
    category: Any = None,
    categories: Sequence[Any] | None = None,
    level: float = 0.95,
    draws: int = 999,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Test:
    """Is there any agreement beyond chance? The effect is the coefficient itself.

    Arguments and errors as :func:`agreement`. Kappas: z with the standard error under no agreement;
    ICC: F; Kendall's W: chi-square. Any agreement is a low bar: read the coefficient.

    Raises
    ------
    CxError
        Krippendorff's alpha and Conger's kappa, which have an interval only.
    """
    if method in ("krippendorff", "conger"):
        raise CxError(
            f"{method} has no test of its own",
            got=method,
            want="an interval: cx.agreement(...)",
            do="see whether the interval lies above 0",
        )
    table = table_of(ratings, method, categories, category)
    found = _measured(table, method, "nominal", weights, form, average, ties, level, draws, seed)
    if not math.isfinite(found.p):
        raise CxError("no agreement can be tested", got="one rater gave one and the same rating")
    effect = _estimate(table, found, method, "nominal", form, average, level, name, claim)
    return _as_test(effect, found, method)


def _as_test(effect: Estimate, found: Found, method: str) -> Test:
    words = {"icc": "F test", "kendall-w": "chi-square test"}.get(method, "z test")
    return Test(
        name=effect.name,
        statistic=found.statistic,
        p=found.p,
        df=found.df1,
        df2=found.df2,
        effect=effect,
        n=found.n,
        method=f"{words} of no agreement",
        claim=effect.claim,
        cautions=effect.cautions,
    )


def agreement_by_category(
    ratings: Any,
    *,
    method: str = "fleiss",
    categories: Sequence[Any] | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Each category against all others: on which do raters agree, and on which not?

    ``method`` is ``"fleiss"``, ``"kappa"`` or ``"krippendorff"``; the rest as :func:`agreement`.
    """
    if method not in ("fleiss", "kappa", "krippendorff"):
        raise unknown("method for categories", method, ("fleiss", "kappa", "krippendorff"))
    table = table_of(ratings, method, categories, None)
    used = [i for i in range(len(table.labels)) if (table.codes == i).any()]
    if len(used) < 2:
        raise _no_chance()
    title = name or "Agreement on each category"
    rows = [
        replace(
            _estimate(one, _plain(one, method, level), method, "nominal", "", False, level, "", ""),
            term=table.labels[i],
            name=title,
            claim=claim,
        )
        for i in used
        for one in [table.against(i)]
    ]
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by="category")


def _plain(table: Table, method: str, level: float) -> Found:
    return _measured(table, method, "nominal", None, "agreement", False, True, level, 999, 1)


# -- the measure -----------------------------------------------------------------------------------


def _measured(
    table: Table,
    method: str,
    measurement: str,
    weights: Any,
    form: str,
    average: bool,
    ties: bool,
    level: float,
    draws: int,
    seed: int,
) -> Found:
    try:
        if method in ("kappa", "weighted-kappa"):
            return cohen(table.codes, len(table.labels), _weights(table, method, weights), level)
        if method == "fleiss":
            return fleiss(table.counts, level, False)
        if method == "krippendorff":
            return _krippendorff(table, measurement, level, draws, seed)
        if method == "icc":
            if form not in FORMS:
                raise unknown("form of the intraclass correlation", form, FORMS)
            return icc(
                table.numbers("an intraclass correlation")[table.codes], form, average, level
            )
        if method == "conger":
            k = len(table.labels)
            make = lambda rows: conger(table.codes[rows], k)  # noqa: E731
            return drawn_again(make, len(table.codes), level, draws, seed)
        return _concordance(table, ties, level, draws, seed)
    except NoChance:
        raise _no_chance() from None


def _no_chance() -> CxError:
    return CxError(
        "every rating is the same: agreement cannot be told from chance",
        got="one category",
        want="objects that differ",
        do="rate objects of more than one kind",
    )


def _weights(table: Table, method: str, weights: Any) -> np.ndarray:
    k = len(table.labels)
    if method == "kappa":
        if weights is not None:
            raise CxError("plain kappa has no weights", do='take method="weighted-kappa"')
        return np.eye(k)
    if k < 2:
        raise NoChance
    kind = "quadratic" if weights is None else weights
    if isinstance(kind, str):
        kind = _SAME.get(kind, kind)
        if kind not in WEIGHTS:
            raise unknown("weights of kappa", kind, (*WEIGHTS, *_SAME))
        gap = np.abs(np.subtract.outer(np.arange(k), np.arange(k))) / (k - 1)
        return 1 - (gap if kind == "linear" else gap**2)
    try:
        own = np.asarray(kind, float)
    except (TypeError, ValueError):
        own = np.empty(0)
    fine = own.shape == (k, k) and np.isfinite(own).all() and np.allclose(np.diag(own), 1)
    if not (fine and own.max() <= 1 and np.allclose(own, own.T)):
        raise CxError(
            "these are no agreement weights",
            got=f"shape {own.shape}",
            want=f"{k} × {k} numbers up to 1, the same both ways, 1 on the diagonal",
        )
    return own


def _krippendorff(table: Table, measurement: str, level: float, draws: int, seed: int) -> Found:
    if measurement not in MEASUREMENTS:
        raise unknown("level of measurement", measurement, MEASUREMENTS)
    if len(table.labels) > MOST_VALUES:
        raise CxError(
            "too many different ratings",
            got=f"{len(table.labels):,}",
            want=f"at most {MOST_VALUES:,}",
            do="round them",
        )
    places = np.arange(len(table.labels), dtype=float)
    values = places
    if measurement in ("interval", "ratio"):
        values = table.numbers(f"alpha at the {measurement} level")
    if measurement == "ratio" and values.min() < 0:
        raise CxError("a ratio scale has no negative values", got=f"{values.min():g}")
    if measurement == "interval" and np.ptp(values) > 0:
        values = (values - values.min()) / np.ptp(values)
    return krippendorff(table.counts, values, measurement, level, draws, seed)


def _by_pairs(table: Table, found: Found) -> Found:
    """The coefficient with n counted in pairs where no rating is missing."""
    n, r = table.codes.shape
    if (table.codes < 0).any():
        return found
    scale = (1 - 1 / (n * r * (r - 1))) / (1 - 1 / (n * r))
    value, low, high = (1 - (1 - one) * scale for one in (found.value, found.low, found.high))
    return found._replace(value=value, low=low, high=high, se=found.se * scale)


def _concordance(table: Table, ties: bool, level: float, draws: int, seed: int) -> Found:
    from scipy.special import chdtrc

    n = len(table.codes)
    value, statistic = kendall(table.codes, ties)
    found = drawn_again(lambda rows: kendall(table.codes[rows], True)[0], n, level, draws, seed)
    low, high = min(found.low, value), max(found.high, value)
    p = float(chdtrc(n - 1, statistic))
    return found._replace(value=value, low=low, high=high, statistic=statistic, p=p, df1=n - 1.0)


_NAMES = {
    "kappa": ("Cohen's kappa", "kappa"),
    "weighted-kappa": ("weighted kappa", "kappa"),
    "fleiss": ("Fleiss' kappa", "kappa"),
    "conger": ("Conger's kappa", "kappa"),
    "krippendorff": ("Krippendorff's alpha", "alpha"),
    "icc": ("intraclass correlation", "ICC"),
    "kendall-w": ("Kendall's W", "W"),
}


def _estimate(
    table: Table,
    found: Found,
    method: str,
    measurement: str,
    form: str,
    average: bool,
    level: float,
    name: str,
    claim: str,
) -> Estimate:
    words, unit = _NAMES[method]
    if method == "krippendorff":
        words += f", {measurement}"
    if method == "icc":
        words += f", {form}, {'mean of the raters' if average else 'one rater'}"
    by_order = method in ("weighted-kappa", "kendall-w") or measurement == "ordinal"
    cautions = found.cautions + (table.cautions if by_order else ())
    if found.low == found.high == 1:
        cautions += ("the raters never differ: the interval has no width",)
    if found.n < 30:
        cautions += (f"only {found.n} objects: the interval is rough",)
    raters = table.codes.shape[1]
    return Estimate(
        value=float(found.value),
        low=float(found.low),
        high=float(found.high),
        unit=unit,
        n=found.n,
        level=level,
        se=float(found.se),
        n_excluded=table.lost,
        df=found.df,
        kind="agreement",
        name=name or f"{words[0].upper()}{words[1:]}",
        claim=claim,
        method=f"{words}, {raters} raters, {found.told}",
        cautions=cautions,
    )
