"""Estimates from a survey, each with a design-based interval: every interval of the house starts
here.

All are functions of weighted sums, and their standard errors come from linearisation between the
primary sampling units (Taylor). Intervals use Student's t with the design's degrees of freedom.
Checked against R's ``survey`` (svymean, svytotal, svyratio, svyciprop, svyquantile, svyby).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os.path import commonprefix
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import SHARE_METHODS, t_quantile
from .linear import Ask, answer, linear_estimate, ranking, someone
from .result import Estimate, Ranking
from .survey import Survey, matches, need_survey
from .survey_codes import numeric

NPS_METHODS = ("auto", "linearised", "wald", "adjusted-wald")


def share(
    survey: Survey,
    question: str,
    *,
    equals: Any = None,
    at_least: float | None = None,
    by: str | None = None,
    level: float = 0.95,
    method: str = "logit",
    keep: Iterable[str] = (),
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The weighted share of valid answers that equal a code, or reach a threshold.

    Parameters
    ----------
    survey : Survey
    question : str
    equals : code or collection of codes
        The answers that count. A code that neither occurs nor stands in the codebook is an error.
    at_least : float
        Instead of ``equals``: numbers from here on count.
    by : str, optional
        A question; gives a :class:`Ranking`, one estimate an answer.
    level : float
        Confidence of the interval.
    method : str
        ``"logit"`` (default), ``"beta"`` (Korn–Graubard; for shares near 0 or 1 or small effective
        samples), ``"wilson"``, ``"clopper-pearson"``, ``"asin"``, ``"likelihood"``, ``"mean"``.
        Where the share is exactly 0 or 1 the logit does not exist and Korn–Graubard stands in.
    keep : collection of str
        Missing reasons that stay in the base as answers that do not count, e.g. ``("dk",)``.

    Returns
    -------
    Estimate, or Ranking with ``by=``
        Unit "share" (0–1).

    Raises
    ------
    CxError
        Unknown question, code or method; nobody answered; text where numbers belong.

    References
    ----------
    Korn and Graubard (1998), Survey Methodology 24:193. Checked against ``svyciprop`` of R survey.

    Examples
    --------
    >>> import pandas as pd
    >>> s = Survey(pd.DataFrame({"leave": [1, 2, 1, 4, 2, 2, 1, 3]}))
    >>> round(share(s, "leave", equals=1).value, 3)
    0.375
    """
    need_survey(survey)
    _method(method, SHARE_METHODS, "a share")
    hit, codes = _counts(survey, question, equals, at_least)
    answered = survey.answers(question, keep=keep).notna().to_numpy()
    ask = Ask(
        survey,
        (hit & answered).astype(float),
        np.ones(len(hit)),
        answered,
        question,
        "share",
        "share",
        name or _share_name(survey, question, codes, at_least),
        claim,
        level,
        method,
        survey.codebook.get(question).meaning(equals=codes, at_least=at_least),
    )
    return answer(ask, by)


def shares(
    survey: Survey,
    questions: Sequence[str],
    *,
    equals: Any = 1,
    level: float = 0.95,
    method: str = "logit",
    name: str = "",
    claim: str = "",
) -> Ranking:
    """The share of each item of a multi-answer question, the largest first.

    Items are named by their wording in the codebook (less the question they share), else by their
    column. Errors as :func:`share`.
    """
    wordings = [survey.codebook.get(question).wording or question for question in questions]
    stem = commonprefix(wordings).rpartition("? ")
    rows = [
        replace(
            share(survey, question, equals=equals, level=level, method=method, claim=claim),
            name=name or "Share who named it",
            term=wording.removeprefix(stem[0] + stem[1]),
        )
        for question, wording in zip(questions, wordings, strict=True)
    ]
    rows.sort(key=lambda e: -e.value)
    return ranking(rows, name or "Share who named it", claim, "item")


def top_box(survey: Survey, question: str, *, boxes: int = 2, **options: Any) -> Estimate | Ranking:
    """The share who give one of the best answers of a scale (top-two-box by default).

    The scale's ends come from the codebook; ``options`` are those of :func:`share`.
    """
    high = survey.codebook.get(question).high
    if high is None:
        raise CxError(
            f"the scale of {question!r} is not known",
            want="its ends in the codebook",
            do=f"write scale = [low, high] under [questions.{question}] in the study file",
        )
    return share(survey, question, at_least=high - boxes + 1, **options)


def mean(
    survey: Survey,
    question: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The weighted mean of a question's numbers, with a t interval.

    Unit: that of the question in the codebook. Errors as :func:`share`. Checked against
    ``svymean`` and ``svyby`` of R survey.
    """
    need_survey(survey)
    return mean_of(
        survey,
        survey.numbers(question),
        question,
        by=by,
        level=level,
        name=name or f"Mean of {question}",
        claim=claim,
    )


def mean_of(
    survey: Survey,
    values: np.ndarray,
    question: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
    unit: str | None = None,
) -> Estimate | Ranking:
    """:func:`mean` of numbers made from a question's answers (NaN where there is none)."""
    about = survey.codebook.get(question)
    ask = Ask(
        survey,
        np.nan_to_num(values),
        np.ones(len(values)),
        ~np.isnan(values),
        question,
        about.unit if unit is None else unit,
        "mean",
        name,
        claim,
        level,
        "mean",
        about.meaning(kind="mean"),
    )
    return answer(ask, by)


def ratio(
    survey: Survey,
    numerator: str,
    denominator: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The ratio of two weighted totals over those who answered both.

    Raises
    ------
    CxError
        The denominator's total is 0. Otherwise as :func:`share`. Checked against ``svyratio``.
    """
    need_survey(survey)
    y, x = survey.numbers(numerator), survey.numbers(denominator)
    ask = Ask(
        survey,
        np.nan_to_num(y),
        np.nan_to_num(x),
        ~np.isnan(y) & ~np.isnan(x),
        numerator,
        "ratio",
        "ratio",
        name or f"{numerator} / {denominator}",
        claim,
        level,
        "mean",
    )
    return answer(ask, by)


def total(
    survey: Survey, question: str, *, level: float = 0.95, name: str = "", claim: str = ""
) -> Estimate:
    """The weighted total of a question's numbers over those looked at, missing answers as 0.

    Unit: that of the question. Checked against ``svytotal`` (na.rm=TRUE).
    """
    need_survey(survey)
    values = survey.numbers(question)
    valid = ~np.isnan(values) & survey.looked_at
    someone(survey, question, valid)
    scores = np.where(valid, survey.weights * np.nan_to_num(values), 0.0)
    return linear_estimate(
        survey,
        float(scores.sum()),
        lambda: scores,
        n=int(valid.sum()),
        unit=survey.codebook.get(question).unit,
        level=level,
        kind="total",
        name=name or f"Total of {question}",
        claim=claim,
        question=question,
        n_excluded=len(survey) - int(valid.sum()),
        method="weighted total, linearised variance",
        df=survey.df_of(~np.isnan(values)),
    )


def nps(
    survey: Survey,
    question: str,
    *,
    by: str | None = None,
    level: float = 0.95,
    method: str = "auto",
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The Net Promoter Score: percent 9–10 minus percent 0–6, in points −100…100.

    Parameters
    ----------
    method : str
        ``"linearised"``: the mean of the scores +1/0/−1 with design-based variance.
        ``"wald"``: the multinomial variance [p + d − (p − d)²]/n and the normal quantile.
        ``"adjusted-wald"``: the same after adding ¾ promoter, 1½ passives and ¾ detractor.
        ``"auto"``: Wald where no design is declared, linearised otherwise, adjusted Wald where the
        effective base is under 30 or all answers fall in one group.

    Raises
    ------
    CxError
        An answer outside 0–10; otherwise as :func:`share`.

    References
    ----------
    Rocks (2016), The American Statistician 70:365. Checked against the R packages ``NPS`` (wald)
    and ``survey`` (linearised). Net Promoter Score is a trademark of its owners.
    """
    need_survey(survey)
    _method(method, NPS_METHODS, "an NPS")
    values = survey.numbers(question)
    valid = ~np.isnan(values) & survey.looked_at
    outside = valid & ((values < 0) | (values > 10))
    if outside.any():
        codes = ", ".join(f"{v:g}" for v in np.unique(values[outside])[:5])
        raise CxError(
            f"{question!r} has answers that a recommendation score cannot have",
            got=f"{int(outside.sum()):,} answers: {codes}",
            want="0 to 10",
            do="declare them as missing codes in the study file",
        )
    score = np.where(values >= 9, 1.0, np.where(values <= 6, -1.0, 0.0))
    ask = Ask(
        survey,
        np.where(valid, score, 0.0),
        np.ones(len(values)),
        ~np.isnan(values),
        question,
        "points",
        "nps",
        name or "Net Promoter Score",
        claim,
        level,
        method,
        survey.codebook.get(question).meaning(kind="nps"),
        100.0,
    )
    return answer(ask, by)


def quantile(
    survey: Survey,
    question: str,
    p: float = 0.5,
    *,
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """A weighted quantile with Woodruff's interval: the median by default.

    The quantile is the smallest answer at which the weighted distribution reaches ``p``; the
    interval inverts the interval of the distribution function there.

    Raises
    ------
    CxError
        ``p`` outside (0, 1); otherwise as :func:`share`.

    References
    ----------
    Woodruff (1952), JASA 47:635. Checked against ``svyquantile(interval.type="mean",
    qrule="math")`` of R survey.
    """
    if not 0 < p < 1:
        raise CxError("a quantile needs a probability between 0 and 1", got=p, want="0 < p < 1")
    need_survey(survey)
    title = name or _quantile_name(question, p)
    if by is None:
        return _quantile(survey, question, p, level, title, claim)
    valid = survey.valid(question)
    parts = [
        replace(_quantile(replace(survey, mask=rows), question, p, level, title, claim), term=term)
        for term, rows in survey.segments(by).items()
        if (rows & valid).any()
    ]
    return ranking(parts, title, claim, by)


def _quantile(
    survey: Survey, question: str, p: float, level: float, name: str, claim: str
) -> Estimate:
    values = survey.numbers(question)
    valid = ~np.isnan(values) & survey.looked_at
    someone(survey, question, valid)
    ordered, cumulative = _distribution(values[valid], survey.weights[valid])
    point = _inverse(ordered, cumulative, p)
    at = answer(_share_of(survey, question, values <= point, ~np.isnan(values), level), None)
    half = t_quantile(level, at.df) * at.se
    about = survey.codebook.get(question)
    return replace(
        at,
        value=point,
        low=_inverse(ordered, cumulative, at.value - half),
        high=_inverse(ordered, cumulative, at.value + half),
        se=math.nan,
        unit=about.unit,
        kind="quantile",
        name=name,
        claim=claim,
        method="weighted quantile, Woodruff interval",
        meaning=about.meaning(kind="median" if p == 0.5 else "quantile"),
        cautions=(),
        linear=None,
    )


def _share_of(
    survey: Survey, question: str, hit: np.ndarray, answered: np.ndarray, level: float
) -> Ask:
    """A plain share of rows, as other estimators need it."""
    return Ask(
        survey,
        hit.astype(float),
        np.ones(len(hit)),
        answered,
        question,
        "share",
        "share",
        question,
        "",
        level,
        "mean",
    )


def _method(method: str, known: Sequence[str], what: str) -> None:
    if method not in known:
        raise unknown(f"method for {what}", method, known)


def _counts(
    survey: Survey, question: str, equals: Any, at_least: float | None
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Which rows count, and the codes that do."""
    if (equals is None) == (at_least is None):
        raise CxError(
            "a share needs to know which answers count",
            got="both equals and at_least" if equals is not None else "neither",
            want="equals=CODE or [CODES], or at_least=NUMBER",
        )
    if at_least is not None:
        values = survey.numbers(question)
        return values >= at_least, ()
    many = isinstance(equals, (list, tuple, set, frozenset, np.ndarray, range))
    codes = tuple(equals) if many else (equals,)
    if not codes:
        raise CxError(
            "a share needs an answer that counts", got="equals=[]", want="one code or more"
        )
    column = survey.answers(question, keep=("dk", "na", "refused"))
    hit = matches(column, list(codes), question)
    labels = survey.codebook.get(question).labels
    for code in codes:
        if not hit.any() and not matches(column, [code], question).any():
            _known_code(question, code, column, labels)
    return hit, codes


def _known_code(question: str, code: Any, column: Any, labels: Any) -> None:
    """An error for a code that neither occurs nor stands in the codebook."""
    known = {str(label) for label in labels} | {f"{label:g}" for label in labels if labels}
    if numeric(column) and (not labels or f"{float(code):g}" in known):
        return
    seen = [str(value) for value in column.dropna().unique()[:50]]
    raise unknown(f"answer to {question!r}", code, [*known, *seen])


def _share_name(survey: Survey, question: str, codes: Sequence[Any], at_least: float | None) -> str:
    if at_least is not None:
        return f"{question} at least {at_least:g}"
    labels = survey.codebook.get(question).labels
    words = []
    for code in codes:
        try:
            words.append(labels.get(float(code)) or f"{float(code):g}")
        except (TypeError, ValueError):
            words.append(str(code))
    return f"{question}: {' or '.join(words)}"


def _quantile_name(question: str, p: float) -> str:
    return f"Median of {question}" if p == 0.5 else f"{100 * p:g} % quantile of {question}"


def _distribution(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ordered, inverse = np.unique(values, return_inverse=True)
    cumulative = np.cumsum(np.bincount(inverse, weights))
    if cumulative[-1] <= 0:
        raise CxError("nothing to rank", got="a weighted total of 0", want="positive weights")
    return ordered, cumulative / cumulative[-1]


def _inverse(ordered: np.ndarray, cumulative: np.ndarray, p: float) -> float:
    """The smallest value at which the distribution reaches p, with room for rounding error."""
    place = int(np.searchsorted(cumulative, p - 1e-12))
    return float(ordered[min(max(place, 0), len(ordered) - 1)])
