"""Tables of a survey: the shares of all cells, and tests of whether two questions hang together.

The test is design-based (Rao and Scott), and ends in a :class:`~cxlib.verdict.Test` with an effect:
a difference of shares where the table is 2 × 2, else Cramér's V. Design-based rank tests stand in
:mod:`cxlib.tables_ranks`, the textbook tests of plain counts and numbers in
:mod:`cxlib.tables_plain`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from .errors import CxError, unknown
from .linear import Ask, answer, difference, ranking
from .result import Estimate, Ranking
from .survey import Survey
from .tables_plain import cramer, thin
from .tables_tail import noncentrality, weighted_f_tail
from .tally import variance
from .verdict import Test

STATISTICS = ("F", "Chisq", "Wald", "adjWald", "lincom", "saddlepoint")

#: Above this many, a table is no longer read cell by cell (and an identifier was probably meant).
MANY_CELLS = 400


# -- cells -----------------------------------------------------------------------------------------


def cells(
    survey: Survey,
    questions: str | Sequence[str],
    *,
    simultaneous: bool = False,
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Ranking:
    """The weighted share of every cell of one question, or of several crossed.

    Parameters
    ----------
    survey : Survey
    questions : str or sequence of str
        One question, or the questions whose combinations of answers are the cells.
    simultaneous : bool
        Make the intervals hold together: each has the level 1 − (1 − level) / cells (Bonferroni).
    level, method
        As for :func:`cxlib.share`.

    Returns
    -------
    Ranking
        One estimate a cell, unit "share" (0–1), empty cells too; they add up to 1. The first
        question varies fastest; terms are the labels joined by " × ". The base is everybody with an
        answer to all the questions.

    Raises
    ------
    CxError
        Unknown question; nobody answered all; more than 400 cells.

    References
    ----------
    Goodman (1965), Technometrics 7:247, for simultaneous intervals. Checked against ``svymean`` of
    an interaction in R survey.

    Examples
    --------
    >>> import pandas as pd
    >>> s = Survey(pd.DataFrame({"a": [1, 1, 2, 2], "b": [0, 1, 1, 1]}))
    >>> [f"{cell.value:.2f}" for cell in cells(s, ["a", "b"])]
    ['0.25', '0.00', '0.25', '0.50']
    """
    asked = [questions] if isinstance(questions, str) else list(questions)
    if not asked:
        raise CxError("a table needs a question", got="none", want="one or more questions")
    valid = answered(survey, asked)
    parts = [categories(survey, question, valid) for question in asked]
    count = math.prod(len(labels) for _, labels in parts)
    _few_enough(count, " × ".join(asked))
    code, terms = np.zeros(len(valid), np.int64), [""]
    for own, labels in reversed(parts):
        code = code * len(labels) + own
        terms = [f"{label} × {old}" if old else label for old in terms for label in labels]
    title = name or " × ".join(asked)
    each = 1 - (1 - level) / count if simultaneous else level
    estimates = [
        _share_of(survey, code == number, valid, " × ".join(asked), title, claim, each, method)
        for number in range(count)
    ]
    told = f", simultaneous over {count} cells (Bonferroni)" if simultaneous else ""
    kept = [
        replace(one, term=term, kind="cell", level=level, method=one.method + told)
        for one, term in zip(estimates, terms, strict=True)
    ]
    return ranking(kept, title, claim, " × ".join(asked))


def answered(survey: Survey, questions: Sequence[str]) -> np.ndarray:
    """Who is looked at, carries weight and answered all the questions; bool, shape (rows,)."""
    valid = survey.looked_at & (survey.weights > 0)
    for question in questions:
        valid = valid & survey.valid(question)
    if not valid.any():
        raise CxError(
            "nobody answered all of these questions",
            got=f"{', '.join(questions)}; {len(survey):,} respondents",
            want="at least one respondent with an answer to each",
            do="check the segment, and the missing codes in the codebook",
        )
    return valid


def categories(survey: Survey, question: str, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Codes 0, 1, … (−1 outside the rows) and labels of the answers that occur in the rows."""
    column = survey.answers(question)[rows]
    try:
        _few_enough(column.nunique(), question)
    except TypeError:
        raise CxError(f"{question!r} holds lists, not answers", want="one value a cell") from None
    segments = replace(survey, mask=rows).segments(question)
    code = np.full(len(rows), -1, np.int64)
    for number, inside in enumerate(segments.values()):
        code[inside] = number
    return code, [label.strip() or "(empty)" for label in segments]


def _few_enough(count: int, what: str) -> None:
    if count > MANY_CELLS:
        raise CxError(
            f"too many different answers to {what}",
            got=f"{count:,}",
            want=f"at most {MANY_CELLS}",
            do="cut the numbers into bands, or merge answers in the study file",
        )


def _share_of(
    survey: Survey,
    hit: np.ndarray,
    valid: np.ndarray,
    question: str,
    name: str,
    claim: str,
    level: float,
    method: str,
) -> Estimate:
    """The share of the valid rows that are hit."""
    own = (hit & valid).astype(float)
    ones = np.ones(len(hit))
    return answer(
        Ask(survey, own, ones, valid, question, "share", "share", name, claim, level, method), None
    )


# -- two questions of a survey ---------------------------------------------------------------------


def independence(
    survey: Survey,
    row: str,
    column: str,
    *,
    statistic: str = "F",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Do two questions hang together? Design-based test of independence in their table.

    Parameters
    ----------
    survey : Survey
    row, column : str
        Two questions with at least two answers each.
    statistic : str
        ``"F"`` (default): Pearson's X² over the mean design effect, second-order corrected.
        ``"Chisq"``: first-order corrected. ``"lincom"`` and ``"saddlepoint"``: X² against the
        weighted sum of chi-squares that it follows under independence, over an estimated variance,
        by the saddlepoint method. ``"Wald"`` and ``"adjWald"``: on the weighted counts; they
        reject too often where the design has few clusters.
    level : float
        Confidence of the effect's interval.

    Returns
    -------
    Test
        ``df`` and ``df2`` are the numerator's and denominator's degrees of freedom; none for lincom
        and saddlepoint. X² counts all who are looked at, as R does. The effect is the difference
        between the rows in the share of the last column (2 × 2; unit "share points", 0–1), else
        Cramér's V (0–1).

    Raises
    ------
    CxError
        A question has one answer only; too few clusters or too many empty cells for the statistic.

    References
    ----------
    Rao and Scott (1984), Annals of Statistics 12:46; Thomas and Rao (1987), JASA 82:630 (adjWald);
    Kuonen (1999), Biometrika 86:929 (saddlepoint). V's interval inverts the non-central F (Smithson
    2003) with the Rao–Scott correction. Checked against ``svychisq`` of R survey 4.1.1, whose
    ``lincom`` is the saddlepoint too where CompQuadForm is not installed.
    """
    if statistic not in STATISTICS:
        raise unknown("statistic", statistic, STATISTICS)
    table = _Table(survey, row, column)
    wald = statistic in ("Wald", "adjWald")
    value, p, df, df2 = table.wald(statistic) if wald else table.rao_scott(statistic)
    return Test(
        name=name or f"{row} and {column}",
        statistic=value,
        p=p,
        df=df,
        df2=df2,
        effect=_association(table, level, claim),
        n=int(table.valid.sum()),
        method=_WORDS[statistic],
        source=survey.source,
        claim=claim,
        origin=survey.origin,
        cautions=thin(table.p * table.valid.sum()),
    )


_WORDS = {
    "F": "Rao–Scott F test, second-order correction",
    "Chisq": "Rao–Scott chi-square test, first-order correction",
    "Wald": "design-based Wald test of independence",
    "adjWald": "design-based Wald test of independence, adjusted",
    "lincom": "Pearson's X² against its weighted sum of chi-squares, by saddlepoint",
    "saddlepoint": "Pearson's X² against its weighted sum of chi-squares, by saddlepoint",
}


class _Table:
    """Cell shares of two questions and their design covariance; cells run down the columns."""

    def __init__(self, survey: Survey, row: str, column: str) -> None:
        self.survey = survey
        self.valid = answered(survey, (row, column))
        self.row, self.rows = categories(survey, row, self.valid)
        self.column, self.columns = categories(survey, column, self.valid)
        for question, labels in ((row, self.rows), (column, self.columns)):
            if len(labels) < 2:
                raise CxError(
                    f"{question!r} has one answer only: there is nothing to test",
                    got=labels[0],
                    want="at least two different answers among those who answered both",
                )
        r, c = len(self.rows), len(self.columns)
        _few_enough(r * c, f"{row} × {column}")
        self.weights = np.where(self.valid, survey.weights, 0.0)
        self.cell = np.where(self.valid, self.column * r + self.row, 0)
        self.mass = float(self.weights.sum())
        shares = np.bincount(self.cell, self.weights, r * c) / self.mass
        self.p = shares.reshape(c, r).T
        self.expected = np.outer(self.p.sum(axis=1), self.p.sum(axis=0))
        self.k = (r - 1) * (c - 1)
        self.df = survey.df_of(survey.looked_at)
        if self.df < 1:
            raise CxError(
                "the design leaves no degrees of freedom to test with",
                got=f"{self.df:g} (sampling units less strata)",
                want="1 or more",
            )

    @cached_property
    def phi2(self) -> float:
        """Pearson's X² over n."""
        return float(((self.p - self.expected) ** 2 / self.expected).sum())

    def rao_scott(self, statistic: str) -> tuple[float, float, float, float]:
        """Statistic, p, df and df2 from X² and the generalised design effects."""
        from scipy.special import chdtrc, fdtrc

        x2, effects = len(self.survey) * self.phi2, self.effects
        d0 = float(effects.sum() ** 2 / (effects**2).sum())
        scaled = x2 / float(effects.sum())
        if statistic == "F":
            return scaled, float(fdtrc(d0, d0 * self.df, scaled)), d0, d0 * self.df
        if statistic == "Chisq":
            return x2, float(chdtrc(self.k, x2 / effects.mean())), float(self.k), math.nan
        return x2, weighted_f_tail(x2, effects, d0 * self.df), math.nan, math.nan

    @cached_property
    def effects(self) -> np.ndarray:
        """Eigenvalues of the design covariance of the interactions against the multinomial one."""
        from scipy.linalg import eigh

        r, c = self.p.shape
        scores = np.empty((len(self.weights), r * c))
        flat = self.p.T.ravel()
        for k in range(r * c):
            scores[:, k] = self.weights * ((self.cell == k) - flat[k]) / self.mass
        covariance = variance(self.survey, scores)
        row, column = np.tile(np.arange(r), c), np.repeat(np.arange(c), r)
        main = np.column_stack(
            [np.ones(r * c), *(row == i for i in range(1, r)), *(column == j for j in range(1, c))]
        ).astype(float)
        both = [(row == i) & (column == j) for j in range(1, c) for i in range(1, r)]
        both = np.column_stack(both).astype(float)
        contrast = both - main @ np.linalg.lstsq(main, both, rcond=None)[0]
        inverse = np.divide(1.0, flat, out=np.zeros_like(flat), where=flat > 0)[:, None]
        simple = contrast.T @ (inverse * contrast) / len(self.survey)
        actual = (inverse * contrast).T @ covariance @ (inverse * contrast)
        try:
            effects = np.maximum(eigh(actual, simple, eigvals_only=True), 0.0)
        except np.linalg.LinAlgError:
            raise self._sparse() from None
        if not effects.sum() > 1e-12:
            tied = self.phi2 > min(r, c) - 1 - 1e-9
            raise CxError(
                "the two questions are tied perfectly: there is nothing left to test"
                if tied
                else "the table has no sampling variation to test against",
                got="each answer to one gives the answer to the other"
                if tied
                else "a design variance of 0",
                do="" if tied else "check the population sizes and the rule for lonely strata",
            )
        return effects

    def _sparse(self) -> CxError:
        empty = int((self.p == 0).sum())
        return CxError(
            "the table is too sparse for this test",
            got=f"{empty} of {self.p.size} cells empty, {self.df:g} degrees of freedom",
            want="few empty cells, and more clusters than cells",
            do='merge answers in the study file, or take statistic="F"',
        )

    def wald(self, statistic: str) -> tuple[float, float, float, float]:
        """Statistic, p, df and df2 of the Wald test on weighted counts less expected ones."""
        from scipy.special import fdtrc

        top, side = self.p.sum(axis=0), self.p.sum(axis=1)
        use = [(i, j) for j in range(1, len(top)) for i in range(1, len(side))]
        gap = np.array([self.p[i, j] - side[i] * top[j] for i, j in use])
        scores = np.empty((len(self.weights), len(use)))
        for place, (i, j) in enumerate(use):
            inside = ((self.row == i) - side[i]) * ((self.column == j) - top[j])
            scores[:, place] = self.weights * inside / self.mass
        covariance = variance(self.survey, scores)
        ddf = self.df - self.k + 1 if statistic == "adjWald" else self.df
        if ddf < 1 or not np.linalg.cond(covariance) < 1e12:
            raise self._sparse()
        value = float(gap @ np.linalg.solve(covariance, gap)) / self.k * ddf / self.df
        return value, float(fdtrc(self.k, ddf, value)), float(self.k), ddf


def _association(table: _Table, level: float, claim: str) -> Estimate:
    """The effect of a survey's table: a difference of shares, or Cramér's V."""
    n, survey = int(table.valid.sum()), table.survey
    if table.p.shape == (2, 2):
        return replace(_two_shares(table, level, claim), n=n, n_excluded=len(survey) - n)
    scaled, _, ndf, ddf = table.rao_scott("F")
    low, high = noncentrality(scaled, ndf, ddf, level)
    effect = cramer(table.phi2, low, high, table.effects.sum() / ndf / len(survey), table.p.shape)
    return replace(
        effect,
        n=n,
        level=level,
        n_excluded=len(survey) - n,
        df=ddf,
        claim=claim,
        method="Cramér's V, interval from the non-central F with the Rao–Scott correction",
        source=survey.source,
        origin=survey.origin,
    )


def _two_shares(table: _Table, level: float, claim: str) -> Estimate:
    """The last column's share in the second row less that in the first."""
    last, name = table.column == 1, f"{table.columns[1]} by row"
    first, second = (
        _share_of(table.survey, last, table.valid & (table.row == i), name, name, "", level, "mean")
        for i in (0, 1)
    )
    what = f"{table.columns[1]}: {table.rows[1]} − {table.rows[0]}"
    one = difference(second, first, name=what, claim=claim)
    return replace(one, low=max(one.low, -1.0), high=min(one.high, 1.0))
