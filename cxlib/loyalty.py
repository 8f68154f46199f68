"""Loyalty loss: what people say they would do after a bad experience, and what they did.

Stated loss comes from one question, exclusive or cumulative; done loss and excess loss from records
of who stayed; revenue at risk puts the customers' own spending on the excess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .estimate import mean_of, share
from .linear import linear_estimate
from .result import Curve, Estimate, Ranking
from .survey import Survey
from .survey_codes import numeric


def loyalty_loss(
    survey: Survey,
    question: str,
    *,
    coding: str = "cumulative",
    codes: Sequence[float] = (1, 2, 3),
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Curve:
    """The stated loss curve: who would leave after one, two or three, more bad experiences.

    Parameters
    ----------
    question : str
        Codes in the order of patience; the code for "would not stop" is none of ``codes``.
    coding : str
        ``"cumulative"`` (up to that many) or ``"exclusive"`` (exactly that many). Published figures
        use both: never compare across.
    codes : numbers
        The codes that mean leaving, the least patient first.

    Returns
    -------
    Curve
        Shares of all who answered, don't-knows in the base. ``curve[0]`` is the share who would
        leave after one bad experience under either coding.

    Raises
    ------
    CxError
        Unknown question or coding; nobody answered.
    """
    if coding not in ("cumulative", "exclusive"):
        raise unknown("coding", coding, ("cumulative", "exclusive"))
    labels = survey.codebook.get(question).labels
    title = name or f"Would leave, {coding}"
    points = []
    for place, code in enumerate(codes):
        counted = list(codes[: place + 1]) if coding == "cumulative" else [code]
        one = share(
            survey,
            question,
            equals=counted,
            keep=("dk",),
            level=level,
            method=method,
            name=title,
            claim=claim,
        )
        points.append(replace(one, term=labels.get(float(code), f"{code:g}"), x=float(place + 1)))
    return Curve(
        name=title, estimates=tuple(points), claim=claim, by="after", axis="bad experiences"
    )


def leave_after_one(
    survey: Survey,
    question: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The share who say that they would leave after one bad experience (code 1).

    Don't-knows stay in the base: they did not say that they would leave. See
    :func:`loyalty_loss` for the whole curve.
    """
    return share(
        survey,
        question,
        equals=1,
        keep=("dk",),
        by=by,
        level=level,
        method=method,
        name=name or "Would leave after one bad experience",
        claim=claim,
    )


def leaving_risk(
    survey: Survey,
    stayed: str,
    *,
    exposure: str | None = None,
    exposed: bool = True,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The share who left, of all or of those with (or without) the exposure.

    ``stayed`` is 1 for customers who stayed and 0 for those who left; ``exposure`` is 1 or 0.
    """
    part = survey if exposure is None else survey.where(**{exposure: 1 if exposed else 0})
    one = share(part, stayed, equals=0, level=level, name=name or "Left", claim=claim)
    return replace(one, origin=survey.origin)


def excess_loss(
    survey: Survey,
    stayed: str,
    exposure: str,
    *,
    within: Sequence[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """How much more often the exposed left than comparable customers without the exposure.

    Parameters
    ----------
    stayed, exposure : str
        0/1 questions: stayed a customer; had the bad experience.
    within : sequence of str
        Questions whose answers make the cells of comparison (numbers with more than 12 different
        answers are cut at their quintiles). Without any, the crude difference.

    Returns
    -------
    Estimate
        Unit "share points" (0–1): the leaving risk of the exposed minus the risk they would have
        had in the same cells without the exposure (directly standardised to the exposed).

    Raises
    ------
    CxError
        A question is not 0/1; nobody, or everybody, was exposed.

    References
    ----------
    Direct standardisation with linearised variance; Hernán and Robins (2020), Causal Inference,
    §2.3. Not causal unless the cells hold all that drives both exposure and leaving.
    """
    cells = _cells(survey, stayed, exposure, within)
    weight, left, hit, cell = cells.weight, cells.left, cells.exposed, cells.cell
    mass = weight[hit].sum()
    risk = (weight * left)[hit].sum() / mass
    portion = cells.mass1 / mass
    expected = float((portion * cells.risk0).sum())

    def scores() -> np.ndarray:
        own = np.where(hit, weight * (left - risk) / mass, 0.0)
        mix = np.where(hit, weight * (cells.risk0[cell] - expected) / mass, 0.0)
        others = np.where(
            ~hit, weight * portion[cell] / cells.mass0[cell] * (left - cells.risk0[cell]), 0.0
        )
        return cells.spread_out(own - mix - others)

    return linear_estimate(
        survey,
        float(risk - expected),
        scores,
        n=int(len(left)),
        unit="share points",
        level=level,
        kind="excess loss",
        name=name or "Excess leaving after a bad experience",
        claim=claim,
        question=stayed,
        n_excluded=len(survey) - len(left),
        method=_standardised(within) + ", linearised variance",
        cautions=cells.cautions,
    )


def revenue_at_risk(
    survey: Survey,
    spend: str,
    stayed: str,
    exposure: str,
    *,
    within: Sequence[str] = (),
    per_customer: bool = False,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The part of a year's revenue that the excess leaving after bad experiences puts at risk.

    Σ weight × spend × excess leaving probability of the customer's cell, over the exposed; gross:
    nothing is taken off for margins, for customers won back, or for those who would come anyway.

    Parameters
    ----------
    spend : str
        12-month spending with the firm, in money, ≥ 0.
    per_customer : bool
        Give money a customer (of all customers) instead of the share of revenue.

    Returns
    -------
    Estimate
        Unit "share of revenue" (0–1), or the ISO code of the spending question.

    Raises
    ------
    CxError
        As :func:`excess_loss`; spending is negative, or all zero.
    """
    cells = _cells(survey, stayed, exposure, within, also=spend)
    weight, money = cells.weight, cells.also
    if (money < 0).any() or not (weight * money).sum() > 0:
        raise CxError(
            f"{spend!r} cannot be revenue",
            got="negative amounts" if (money < 0).any() else "no spending at all",
            want="amounts of 0 or more",
        )
    reference = weight if per_customer else weight * money
    at_stake = np.bincount(cells.cell, weight * money * cells.exposed, len(cells.risk1))
    value = float((at_stake * (cells.risk1 - cells.risk0)).sum() / reference.sum())
    unit = survey.codebook.get(spend).unit or "money"
    return linear_estimate(
        survey,
        value,
        lambda: _revenue_scores(cells, at_stake, reference, value),
        n=len(cells.left),
        unit=unit if per_customer else "share of revenue",
        level=level,
        kind="revenue at risk",
        name=name or "Revenue at risk",
        claim=claim,
        question=spend,
        n_excluded=len(survey) - len(cells.left),
        method=f"spend × excess leaving, {_standardised(within)}, linearised variance",
        cautions=cells.cautions,
    )


def _revenue_scores(
    cells: _Cells, at_stake: np.ndarray, reference: np.ndarray, value: float
) -> np.ndarray:
    """Influence of each customer: on the spending at stake, and on the excess of their cell."""
    weight, cell, hit = cells.weight, cells.cell, cells.exposed
    own = weight * cells.also * hit * (cells.risk1 - cells.risk0)[cell]
    up = np.where(hit, (at_stake / cells.mass1)[cell] * weight, 0.0)
    down = np.where(~hit, (at_stake / cells.mass0)[cell] * weight, 0.0)
    errors = up * (cells.left - cells.risk1[cell]) - down * (cells.left - cells.risk0[cell])
    return cells.spread_out((own + errors - value * reference) / reference.sum())


def reason_contrast(
    survey: Survey,
    people: Sequence[str],
    others: Sequence[str],
    *,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The share who name any of ``people`` as a reason minus the share who name any of ``others``.

    Both shares are of the same respondents, so the interval knows their covariance; unit "share
    points" (0–1). Items are 0/1; only those with an answer to every item are in the base.
    """
    first, second = _any_of(survey, people), _any_of(survey, others)
    one = mean_of(
        survey,
        first - second,
        people[0],
        level=level,
        name=name or "People reasons minus other reasons",
        claim=claim,
        unit="share points",
    )
    return replace(one, kind="difference", method="difference of shares, linearised variance")


def _any_of(survey: Survey, items: Sequence[str]) -> np.ndarray:
    answers = np.column_stack([_binary(survey, item) for item in items])
    return np.where(np.isnan(answers).any(axis=1), np.nan, (answers == 1).any(axis=1))


@dataclass(frozen=True, eq=False)
class _Cells:
    """Rows with all answers, cut into cells that have members on both sides of the exposure."""

    rows: np.ndarray
    size: int
    weight: np.ndarray
    left: np.ndarray
    exposed: np.ndarray
    cell: np.ndarray
    also: np.ndarray
    mass1: np.ndarray
    mass0: np.ndarray
    risk1: np.ndarray
    risk0: np.ndarray
    cautions: tuple[str, ...]

    def spread_out(self, scores: np.ndarray) -> np.ndarray:
        """Scores of these rows over all rows of the survey."""
        out = np.zeros(self.size)
        out[self.rows] = scores
        return out


def _cells(
    survey: Survey, stayed: str, exposure: str, within: Sequence[str], also: str = ""
) -> _Cells:
    outcome, hit = _binary(survey, stayed), _binary(survey, exposure)
    extra = survey.numbers(also) if also else np.zeros(len(outcome))
    valid = survey.looked_at & ~np.isnan(outcome) & ~np.isnan(hit) & ~np.isnan(extra)
    for question in within:
        valid &= survey.answers(question).notna().to_numpy()
    rows = np.flatnonzero(valid & (survey.weights > 0))
    exposed = hit[rows] == 1
    if not exposed.any() or exposed.all():
        raise CxError(
            f"{exposure!r} does not split the customers",
            got="nobody exposed" if not exposed.any() else "everybody exposed",
            want="some customers with and some without it",
        )
    cell = _cell_codes(survey, within, rows)
    both = (np.bincount(cell, exposed) > 0) & (np.bincount(cell, ~exposed) > 0)
    keep = both[cell]
    if not keep.any():
        raise CxError("no cell has customers on both sides", want="coarser cells of comparison")
    lost = int((exposed & ~keep).sum())
    rows, exposed = rows[keep], exposed[keep]
    cell = np.unique(cell[keep], return_inverse=True)[1]
    weight, left = survey.weights[rows], 1.0 - outcome[rows]
    mass1, mass0 = np.bincount(cell, weight * exposed), np.bincount(cell, weight * ~exposed)
    return _Cells(
        rows=rows,
        size=len(outcome),
        weight=weight,
        left=left,
        exposed=exposed,
        cell=cell,
        also=extra[rows],
        mass1=mass1,
        mass0=mass0,
        risk1=np.bincount(cell, weight * exposed * left) / mass1,
        risk0=np.bincount(cell, weight * ~exposed * left) / mass0,
        cautions=(f"{lost:,} with {exposure} had no counterpart: left out",) if lost else (),
    )


def _cell_codes(survey: Survey, within: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """A number for each combination of the (banded) answers to ``within``."""
    keys = [_banded(survey, question, rows) for question in within]
    if not keys:
        return np.zeros(len(rows), np.int64)
    return pd.factorize(pd.Series(list(zip(*keys, strict=True))))[0]


def _binary(survey: Survey, question: str) -> np.ndarray:
    values = survey.numbers(question)
    odd = np.unique(values[survey.looked_at & ~np.isnan(values) & ~np.isin(values, (0, 1))])
    if len(odd):
        raise CxError(
            f"{question!r} is not a yes/no question",
            got=f"answers {', '.join(f'{code:g}' for code in odd[:5])}",
            want="0 and 1",
            do="recode it in the study file",
        )
    return values


def _banded(survey: Survey, question: str, rows: np.ndarray) -> np.ndarray:
    """The answers as labels of cells; many different numbers are cut at their quintiles."""
    column = survey.answers(question).iloc[rows]
    if not numeric(column) or column.nunique() <= 12:
        return column.astype(str).to_numpy()
    return pd.qcut(column, 5, labels=False, duplicates="drop").astype(str).to_numpy()


def _standardised(within: Sequence[str]) -> str:
    return f"standardised on {', '.join(within)}" if within else "crude"
