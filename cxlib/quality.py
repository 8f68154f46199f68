"""May this sample be trusted? Missing answers, straight-lining, speeding, duplicates, weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from .codebook import REASONS
from .errors import CxError
from .interval import share_interval
from .result import Estimate, Ranking
from .survey import Survey
from .weighting import design_effect, n_kish, weight_range


def missingness(
    survey: Survey, questions: Iterable[str] = (), *, most: int = 0, name: str = ""
) -> Ranking:
    """The share of those shown a question who gave no valid answer, a question.

    All questions of the codebook by default; ``most`` keeps only so many of the largest shares.
    Respondents to whom a question was not shown (an empty cell) are not in its base. Unweighted: it
    describes the file.
    """
    title = name or "Shown, but not answered"
    rows = []
    for question in questions or asked(survey):
        valid = int(survey.valid(question).sum())
        gone = survey.reasons(question)
        unanswered = sum(count for why, count in gone.items() if why != "not_shown")
        if not valid + unanswered:
            continue
        rows.append(
            _plain(
                survey, unanswered, valid + unanswered, title, question, gone.get("not_shown", 0)
            )
        )
    if not rows:
        raise CxError("no question was shown to anybody", want="questions of this survey")
    rows.sort(key=lambda row: -row.value)
    return Ranking(name=title, estimates=tuple(rows[: most or None]), by="question")


def missing_reasons(survey: Survey, questions: Iterable[str] = (), *, most: int = 15):
    """Why answers are missing: a data frame of shares (0–1), a row a question, a column a reason.

    Of all looked at, unweighted; the ``most`` questions with most missing answers.
    """
    import pandas as pd

    rows = {q: survey.reasons(q) for q in questions or asked(survey)}
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna(0.0) / len(survey)
    kept = [reason for reason in REASONS if reason in frame]
    gaps = frame.drop(columns="not_shown", errors="ignore").sum(axis=1)
    order = gaps.sort_values(ascending=False, kind="stable").index[:most]
    return frame.loc[order, kept]


#: Types of questions whose answers are codes on a scale that the codebook knows.
_CODED = ("single", "multi", "yes/no", "rating", "agree", "number")


def off_the_scale(survey: Survey, question: str) -> CxError | None:
    """The error for answers that the codebook does not know, or None.

    Text where the codebook has codes, and numbers outside the scale. A code such as 999 for "do not
    know" would otherwise be counted as an answer.
    """
    about = survey.codebook.get(question)
    if question not in survey or about.type not in _CODED:
        return None
    column = survey.answers(question).dropna()
    values = pd.to_numeric(column, errors="coerce")
    words = list(dict.fromkeys(column[values.isna()].astype(str)))
    labels = about.labels or {}
    coded = about.low is not None or any(not isinstance(code, str) for code in labels)
    meant = ", ".join(f"{code:g} {name}" for code, name in list(labels.items())[:6])
    if words and coded:
        return CxError(
            f"{question!r} holds text where the codebook has codes",
            got=f"{len(column[values.isna()]):,} answers, e.g. {', '.join(map(repr, words[:4]))}",
            want=meant or f"numbers from {about.low:g} to {about.high:g}",
            do=f'say under [recode.{question}] which code each stands for, e.g. "{words[0]}" = 1',
        )
    if about.low is None or words:
        return None
    outside = values[(values < about.low) | (values > about.high)]
    if outside.empty:
        return None
    odd = ", ".join(f"{value:g}" for value in sorted(outside.unique())[:5])
    return CxError(
        f"{question!r} has answers outside its scale",
        got=f"{len(outside):,} answers: {odd}",
        want=f"{about.low:g} to {about.high:g}" + (f" ({meant})" if meant else ""),
        do=f"declare them under [questions.{question}], e.g. "
        f'missing = {{ {odd.partition(",")[0]} = "dk" }}, or give scale and labels of your own',
    )


def asked(survey: Survey) -> tuple[str, ...]:
    """The questions that people answered: columns that the codebook knows, paradata left out."""
    skip = ("id", "paradata", "experiment")
    known = [q.name for q in survey.codebook if q.name in survey and q.type not in skip]
    return tuple(known or map(str, survey.frame.columns))


def straight_lining(survey: Survey, items: Sequence[str], *, name: str = "") -> Estimate:
    """The share who gave the same answer to every item of a battery (at least three answered).

    Unweighted. A few people honestly feel the same about everything: it is a sign, not a proof.
    """
    if len(items) < 3:
        raise CxError(
            "straight-lining needs a battery", got=f"{len(items)} items", want="3 or more"
        )
    answers = np.column_stack([survey.numbers(item) for item in items])
    known = (~np.isnan(answers)).sum(axis=1)
    base = (known >= 3) & survey.looked_at
    if not base.any():
        raise CxError("nobody answered three items of the battery", got=", ".join(items))
    low, high = _ends(answers[base])
    same = int((low == high).sum())
    return _plain(survey, same, int(base.sum()), name or "Same answer to every item", "", 0)


def _ends(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.where(np.isnan(answers), math.inf, answers).min(axis=1),
        np.where(np.isnan(answers), -math.inf, answers).max(axis=1),
    )


def speeding(survey: Survey, duration: str, *, floor: float = 1 / 3, name: str = "") -> Estimate:
    """The share who were faster than ``floor`` times the median duration. Unweighted."""
    if not 0 < floor < 1:
        raise CxError("the floor is a part of the median", got=floor, want="between 0 and 1")
    seconds = survey.numbers(duration)
    known = ~np.isnan(seconds) & survey.looked_at
    if not known.any():
        raise CxError(f"{duration!r} is empty", want="seconds a respondent")
    limit = floor * float(np.median(seconds[known]))
    fast = int((seconds[known] < limit).sum())
    return _plain(
        survey, fast, int(known.sum()), name or f"Faster than {limit:,.0f} seconds", "", 0
    )


def duplicates(survey: Survey, *, but: Iterable[str] = ()) -> Estimate:
    """The share of rows that repeat an earlier row in every column (but those named)."""
    columns = [column for column in survey.frame.columns if column not in set(but)]
    again = survey.frame.duplicated(subset=columns).to_numpy() & survey.looked_at
    return _plain(survey, int(again.sum()), len(survey), "Rows that repeat an earlier row", "", 0)


def weights(survey: Survey) -> Ranking:
    """What weighting costs: Kish's effective n and design effect, and the range of the weights.

    These describe the file, exactly: they have no sampling interval.
    """
    low, high = weight_range(survey)
    rows = (
        ("effective n (Kish)", n_kish(survey), "respondents"),
        ("design effect of the weights", design_effect(survey), "ratio"),
        ("smallest weight over the mean", low, "ratio"),
        ("largest weight over the mean", high, "ratio"),
    )
    return Ranking(
        name="What the weights cost",
        estimates=tuple(
            Estimate(
                value=value,
                low=math.nan,
                high=math.nan,
                unit=unit,
                n=len(survey),
                term=term,
                name="What the weights cost",
                kind="description",
                method="exact for these weights",
                source=survey.source,
                origin=survey.origin,
            )
            for term, value, unit in rows
        ),
        by="measure",
    )


def _plain(survey: Survey, count: int, n: int, name: str, term: str, excluded: int) -> Estimate:
    """A share of rows with Wilson's interval, unweighted."""
    interval = share_interval(
        count / n,
        count / n * (1 - count / n) / n,
        n=n,
        n_eff=float(n),
        df=math.inf,
        level=0.95,
        method="wilson",
        plain=True,
    )
    return replace(
        Estimate(
            value=count / n, low=interval.low, high=interval.high, unit="share", n=n, name=name
        ),
        se=interval.se,
        n_eff=float(n),
        n_excluded=excluded,
        term=term,
        question=term,
        kind="data quality",
        method="unweighted share, Wilson interval",
        source=survey.source,
        origin=survey.origin,
    )
