"""Yes/no answers to bids, read as the two ends between which a willingness to pay lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import CxError
from .linear import someone
from .survey import Survey, matches
from .survey_codes import numeric

_ASKED_NOT_ANSWERED = ("seen_unanswered", "dk", "refused")


@dataclass(frozen=True, eq=False)
class Asked:
    """Answers to bids as the ends of what people would pay.

    Attributes
    ----------
    low, high : float array, shape (rows,): −inf / inf where an answer leaves the end open
    answered : bool array, shape (rows,): looked at or not
    offered : float array, shape (rows, 1 or 2): the bids
    unit : str: of the bids, an ISO currency code where the codebook knows it
    term, way : str: the bid's name, and "single-bounded", "double-bounded" …
    """

    survey: Survey
    answer: str
    low: np.ndarray
    high: np.ndarray
    answered: np.ndarray
    offered: np.ndarray
    unit: str
    term: str
    way: str

    @property
    def valid(self) -> np.ndarray:
        """Who is looked at and answered."""
        return self.answered & self.survey.looked_at

    @property
    def top(self) -> float:
        """The highest bid that was offered."""
        return float(self.offered[self.valid].max())

    def over_rows(self, values: np.ndarray) -> np.ndarray:
        """Values of the valid rows over all rows, 0 elsewhere."""
        out = np.zeros(len(self.valid))
        out[self.valid] = values
        return out

    def about(self, name: str, claim: str) -> dict[str, Any]:
        """What every estimate of these answers tells alike."""
        n = int(self.valid.sum())
        return {
            "n": n,
            "n_excluded": len(self.survey) - n,
            "source": self.survey.source,
            "origin": self.survey.origin,
            "question": self.answer,
            "name": name,
            "claim": claim,
        }

    def ends(self) -> np.ndarray:
        """All finite ends of valid answers."""
        both = np.concatenate([self.low[self.valid], self.high[self.valid]])
        return both[np.isfinite(both)]


def read_answers(
    survey: Survey,
    answer: str,
    bid: str | Sequence[str],
    second: str | None,
    follow_up: str | None,
    yes: Any,
) -> Asked:
    """The format that the columns are in, read as ends of what people would pay."""
    pair = not isinstance(bid, str)
    if pair and (len(bid) != 2 or second is None or follow_up is not None):
        raise CxError(
            "two bids a person are the one-and-a-half-bounded format",
            got=f"bid={tuple(bid)!r}, second={second!r}, follow_up={follow_up!r}",
            want='bid=("low", "high"), second="the second answer", no follow_up',
        )
    if not pair and (second is None) != (follow_up is None):
        raise CxError(
            "a follow-up needs its answer and its bid",
            got=f"second={second!r}, follow_up={follow_up!r}",
            want="both, or neither",
        )
    first = _yes(survey, answer, yes)
    columns = list(bid) if pair else [bid] if follow_up is None else [bid, follow_up]
    bids = [survey.numbers(column) for column in columns]
    answered = ~np.isnan(first) & (survey.weights > 0)
    for amounts in bids:
        answered &= ~np.isnan(amounts)
    if pair:
        low, high, answered = _one_and_a_half(survey, first, bids, second, yes, answered)
    elif second is None:
        low, high = np.where(first == 1, bids[0], -np.inf), np.where(first == 1, np.inf, bids[0])
    else:
        low, high, answered = _double(survey, first, bids, second, yes, answered)
    someone(survey, answer, answered & survey.looked_at)
    way = "one-and-a-half-bounded" if pair else "single-bounded" if second is None else None
    offered, unit, term = np.column_stack(bids), _unit(survey, columns), "bid" if pair else bid
    return Asked(survey, answer, low, high, answered, offered, unit, term, way or "double-bounded")


def _one_and_a_half(
    survey: Survey,
    first: np.ndarray,
    bids: list[np.ndarray],
    second: str,
    yes: Any,
    valid: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An empty second answer was not asked: a yes was then to the high bid, a no to the low one."""
    lower, upper = bids
    _sides(valid & survey.looked_at & (upper <= lower), "the high bid is not above the low one")
    then = _yes(survey, second, yes)
    kept = survey.answers(second, keep=_ASKED_NOT_ANSWERED).notna().to_numpy()
    valid = valid & ~(kept & np.isnan(then))
    none = np.isnan(then)
    above = (first == 1) & (none | (then == 1))
    below = (first == 0) & (none | (then == 0))
    low = np.where(above, upper, np.where(below, -np.inf, lower))
    high = np.where(above, np.inf, np.where(below, lower, upper))
    return low, high, valid


def _double(
    survey: Survey,
    first: np.ndarray,
    bids: list[np.ndarray],
    second: str,
    yes: Any,
    valid: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    then = _yes(survey, second, yes)
    valid = valid & ~np.isnan(then)
    wrong = np.where(first == 1, bids[1] <= bids[0], bids[1] >= bids[0])
    _sides(
        valid & survey.looked_at & wrong,
        "the follow-up is not higher after a yes, or not lower after a no",
    )
    low = np.where(then == 1, bids[1], np.where(first == 1, bids[0], -np.inf))
    high = np.where(then == 0, bids[1], np.where(first == 0, bids[0], np.inf))
    return low, high, valid


def _sides(wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise CxError(
            f"bids that do not belong together: {what}",
            got=f"{int(wrong.sum()):,} respondents, the first in row {int(wrong.argmax()) + 1}",
            want="bids as they were offered",
            do="check which column holds the follow-up bid",
        )


def _yes(survey: Survey, question: str, yes: Any) -> np.ndarray:
    """1 for yes, 0 for the one other answer, NaN where there is none; shape (rows,)."""
    column = survey.answers(question)
    hit = matches(column, [yes], question)
    given = column.notna().to_numpy()
    others = column[given & ~hit & survey.looked_at].unique()
    text_without_yes = not numeric(column) and not hit.any() and given.any()
    if len(others) > 1 or text_without_yes:
        shown = ", ".join(sorted(str(code) for code in others)[:6])
        raise CxError(
            f"{question!r} is no yes/no question",
            got=f"besides {yes!r}: {shown}",
            want="a code for yes and one other for no",
            do="say which code is yes (yes=…), and declare the others as missing codes",
        )
    return np.where(given, hit.astype(float), np.nan)


def _unit(survey: Survey, columns: Sequence[str]) -> str:
    units = {survey.codebook.get(column).unit for column in columns} - {""}
    if len(units) > 1:
        raise CxError("the bids have different units", got=", ".join(sorted(units)), want="one")
    return units.pop() if units else ""


def not_positive(asked: Asked) -> CxError:
    return CxError(
        "a bid of 0 or less has no place on this curve",
        got=f"bids of {asked.answer!r} at or below 0",
        want="bids above 0",
        do='use distribution="logistic" or "normal", or declare the bids as missing',
    )


def confidence(level: float) -> None:
    if not 0 < level < 1:
        raise CxError("a level lies between 0 and 1", got=level, want="for example 0.95")


def covariate_columns(
    survey: Survey, covariates: Sequence[str]
) -> tuple[list[str], list[np.ndarray]]:
    """Numbers as they are, text as one 0/1 column an answer less the first; NaN where missing."""
    names, columns = [], []
    if isinstance(covariates, str):
        covariates = (covariates,)
    for question in covariates:
        answers = survey.answers(question)
        if numeric(answers):
            names.append(question)
            columns.append(survey.numbers(question))
            continue
        given = answers.notna().to_numpy()
        for code in sorted({str(one) for one in answers[given & survey.looked_at]})[1:]:
            names.append(f"{question}: {code}")
            hit = matches(answers, [code], question)
            columns.append(np.where(given, hit.astype(float), np.nan))
    return names, columns
