"""The inside of a regression: predictors as columns, the weighted fit, and what makes it fail.

Public functions stand in :mod:`cxlib.regression`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .survey import Survey, matches
from .survey_codes import numeric
from .tables import answered, categories

FAMILIES = ("gaussian", "binomial", "probit")

#: A text column with more answers than this is no predictor.
MANY_LEVELS = 50


# -- predictors ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Variable:
    """One predictor over the rows used: its numbers, or the codes and labels of its levels.

    The first of ``levels`` is the reference; ``values`` then holds their positions.
    """

    name: str
    values: np.ndarray
    levels: tuple[str, ...] = ()

    def block(self, held: str | int = "") -> np.ndarray:
        """Its columns, shape (rows, m); ``held`` puts all rows at one level, or ``"slope"``."""
        if held == "slope":
            return np.ones((len(self.values), 1))
        if not self.levels:
            return self.values[:, None]
        at = np.full(len(self.values), held) if isinstance(held, int) else self.values
        return (at[:, None] == np.arange(1, len(self.levels))).astype(float)

    @property
    def names(self) -> tuple[str, ...]:
        """What its columns are called."""
        return tuple(f"{self.name}: {level}" for level in self.levels[1:]) or (self.name,)


@dataclass(frozen=True, eq=False)
class Predictors:
    """The terms of a model and the variables that they are made of."""

    terms: tuple[tuple[str, ...], ...]
    variables: Mapping[str, Variable]
    n: int

    def matrix(self, name: str = "", held: str | int = "") -> np.ndarray:
        """Intercept and columns, shape (n, p); see :meth:`Variable.block` for ``held``.

        With ``held="slope"``: the derivative of every column by the variable ``name``.
        """
        slope = held == "slope"
        parts = [np.full((self.n, 1), 0.0 if slope else 1.0)]
        for term in self.terms:
            block = np.ones((self.n, 1))
            for one in term:
                own = self.variables[one].block(held if one == name else "")
                block = (own[:, :, None] * block[:, None, :]).reshape(self.n, -1)
            parts.append(block * 0.0 if slope and name not in term else block)
        return np.hstack(parts)

    @cached_property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(term, column name) of every column of the matrix."""
        found = [("(Intercept)", "(Intercept)")]
        for term in self.terms:
            names = [""]
            sign = " × " if any(self.variables[one].levels for one in term) else ":"
            for one in term:
                own = self.variables[one].names
                names = [f"{old}{sign}{new}" if old else new for new in own for old in names]
            found += [(":".join(term), name) for name in names]
        return tuple(found)


def split_terms(survey: Survey, predictors: str | Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Terms as tuples of questions: ``"a:b"`` is an interaction unless a column is called so."""
    asked = [predictors] if isinstance(predictors, str) else list(predictors)
    terms = [(one,) if one in survey else tuple(one.split(":")) for one in asked]
    alone = {term[0] for term in terms if len(term) == 1}
    seen: set[frozenset[str]] = set()
    for term in terms:
        for question in term:
            if question not in survey:
                raise unknown("predictor", question, survey.frame.columns)
        if frozenset(term) in seen or len(set(term)) < len(term):
            raise CxError(f"the predictor {':'.join(term)!r} stands twice", do="name it once")
        seen.add(frozenset(term))
        missing = [question for question in term if question not in alone]
        if missing:
            raise CxError(
                f"the interaction {':'.join(term)!r} stands without its parts",
                got=f"no {', '.join(missing)} among the predictors",
                want="each part as a predictor of its own too",
                do=f"add {', '.join(repr(part) for part in missing)}",
            )
    return tuple(sorted(terms, key=len))


def variable(
    survey: Survey, question: str, rows: np.ndarray, reference: Any, as_levels: bool
) -> Variable:
    """A predictor over the rows: numbers as they are, text and single choices by level."""
    column = survey.answers(question)
    nominal = survey.codebook.get(question).type == "single"
    if not (as_levels or nominal or reference is not None) and _holds_numbers(column[rows]):
        return Variable(question, survey.numbers(question)[rows])
    count = column[rows].nunique()
    if count > MANY_LEVELS:
        raise CxError(
            f"{question!r} has too many different answers to be a predictor by level",
            got=f"{count:,}",
            want=f"at most {MANY_LEVELS}",
            do="merge answers in the study file, or leave it out",
        )
    code, labels = categories(survey, question, rows)
    if len(labels) < 2:
        raise _constant(question)
    first = 0
    if reference is not None:
        hit = matches(column, [reference], question) & rows
        if not hit.any():
            raise unknown(f"reference of {question!r}", reference, column[rows].unique())
        first = int(code[hit][0])
    order = [first, *(i for i in range(len(labels)) if i != first)]
    place = np.argsort(order)
    return Variable(question, place[code[rows]], tuple(labels[i] for i in order))


def _holds_numbers(column: pd.Series) -> bool:
    if numeric(column):
        return True
    if not (column.dtype == object or pd.api.types.is_string_dtype(column.dtype)):
        return False
    return bool(pd.to_numeric(column, errors="coerce").notna().all())


# -- the model -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Model:
    """A regression's rows, outcome and predictors; weights of mean 1 among those looked at.

    Attributes
    ----------
    survey : Survey
    rows : bool array over the survey's rows: those with all answers and weight
    y : float array, shape (n,); 0/1 for binary families
    x : float array, shape (n, p), the intercept first
    w : float array, shape (n,)
    event : str
        What a 1 means, for binary families.
    """

    survey: Survey
    family: str
    outcome: str
    event: str
    rows: np.ndarray
    y: np.ndarray
    x: np.ndarray
    w: np.ndarray
    predictors: Predictors

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def terms(self) -> tuple[str, ...]:
        """The term of every column."""
        return tuple(term for term, _ in self.predictors.columns)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the rows used over all rows of the survey, 0 elsewhere."""
        out = np.zeros((len(self.rows), *values.shape[1:]))
        out[self.rows] = values
        return out


def model(
    survey: Survey,
    outcome: str,
    predictors: str | Sequence[str],
    *,
    family: str,
    equals: Any,
    reference: Mapping[str, Any] | None,
    categorical: Collection[str],
) -> Model:
    """The model, checked: answers to all questions, no column a combination of others."""
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    terms = split_terms(survey, predictors)
    questions = list(dict.fromkeys(question for term in terms for question in term))
    if outcome in questions:
        raise CxError(f"{outcome!r} cannot predict itself", do="take it out of the predictors")
    chosen = dict(reference or {})
    for question in (*chosen, *categorical):
        if question not in questions:
            raise unknown("predictor", question, questions)
    rows = answered(survey, [outcome, *questions])
    variables = {
        question: variable(survey, question, rows, chosen.get(question), question in categorical)
        for question in questions
    }
    n = int(rows.sum())
    told = Predictors(terms, variables, n)
    weights = survey.weights[rows] / survey.weights[survey.looked_at].mean()
    y, event = _outcome(survey, outcome, rows, family, equals)
    x = told.matrix()
    for what, size in [
        (outcome, y),
        *((name, x[:, i]) for i, (_, name) in enumerate(told.columns)),
    ]:
        _ordinary(what, float(np.abs(size).max()))
    _independent(x, told)
    return Model(survey, family, outcome, event, rows, y, x, weights, told)


def _outcome(
    survey: Survey, outcome: str, rows: np.ndarray, family: str, equals: Any
) -> tuple[np.ndarray, str]:
    """The outcome as numbers, or as 0/1 with the name of what a 1 is."""
    if family == "gaussian" and equals is None:
        return survey.numbers(outcome)[rows], ""
    column = survey.answers(outcome)
    if equals is not None:
        many = isinstance(equals, (list, tuple, set, frozenset, np.ndarray, range))
        hit = matches(column, list(equals) if many else [equals], outcome)
        event = f"{outcome} = {', '.join(map(str, equals)) if many else equals}"
    elif _holds_numbers(column[rows]):
        values = survey.numbers(outcome)
        odd = np.unique(values[rows & ~np.isin(values, (0, 1))])
        if len(odd):
            raise CxError(
                f"{outcome!r} is not a yes/no outcome",
                got=f"answers {', '.join(f'{code:g}' for code in odd[:5])}",
                want="0 and 1, or equals= with the codes that count as 1",
            )
        hit, event = values == 1, outcome
    else:
        code, labels = categories(survey, outcome, rows)
        if len(labels) != 2:
            raise CxError(
                f"{outcome!r} is not a yes/no outcome",
                got=f"{len(labels)} answers: {', '.join(labels[:5])}",
                want="two answers, or equals= with those that count as 1",
            )
        hit, event = code == 1, f"{outcome} = {labels[1]}"
    y = hit[rows].astype(float)
    if y.min() == y.max():
        raise CxError(
            f"everybody has the same {outcome!r}: there is nothing to explain",
            got=f"{'all' if y[0] else 'none'} of {len(y):,} with {event}",
            want="some respondents with it and some without",
        )
    return y, event


def _ordinary(what: str, size: float) -> None:
    if size and not 1e-50 < size < 1e50:
        raise CxError(
            f"the numbers of {what!r} are too large or too small to work with",
            got=f"{size:.3g}",
            want="numbers of ordinary size",
            do="rescale them in the study file",
        )


def _independent(x: np.ndarray, predictors: Predictors) -> None:
    """A CxError that names the first predictor whose column the ones before it make up."""
    n, p = x.shape
    size = np.abs(x).max(axis=0)
    if p > n:
        raise CxError(
            "more coefficients than respondents", got=f"{p} for {n}", want="fewer predictors"
        )
    r = np.linalg.qr(x / np.where(size > 0, size, 1.0), mode="r")
    norms = np.sqrt((r**2).sum(axis=0))
    lost = np.flatnonzero(np.abs(np.diag(r)) <= 1e-9 * np.maximum(norms, 1e-300))
    if not len(lost):
        return
    column = int(lost[0])
    term, name = predictors.columns[column]
    if np.ptp(x[:, column]) == 0:
        raise _constant(name)
    raise CxError(
        f"the predictor {name!r} is a combination of those before it",
        got="perfect collinearity",
        want="predictors that each carry something of their own",
        do=f"take {term!r} out, or take out what it is made of",
    )


def _constant(name: str) -> CxError:
    return CxError(
        f"the predictor {name!r} does not vary",
        got="one value for everybody",
        want="at least two values among those who answered everything",
        do="take it out of the predictors",
    )


# -- the fit ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients, and what their covariance is made of.

    Attributes
    ----------
    beta : float array, shape (p,)
    bread : float array, shape (p, p): inverse of Σ w·x·x′ × (working weight)
    score : float array, shape (n, p): each respondent's part of the estimating equations
    eta, mu : float arrays, shape (n,)
    """

    beta: np.ndarray
    bread: np.ndarray
    score: np.ndarray
    eta: np.ndarray
    mu: np.ndarray


def link(family: str, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, its slope and the slope's slope at a linear predictor."""
    from scipy.special import expit, ndtr

    if family == "gaussian":
        return eta, np.ones_like(eta), np.zeros_like(eta)
    if family == "binomial":
        mu = expit(eta)
        slope = mu * expit(-eta)
        return mu, slope, slope * (1 - 2 * mu)
    slope = np.exp(-(eta**2) / 2) / math.sqrt(2 * math.pi)
    return ndtr(eta), slope, -eta * slope


def log_likelihood_of(family: str, y: np.ndarray, eta: np.ndarray, w: np.ndarray) -> float:
    """Weighted log-likelihood; for gaussian with the variance at its estimate."""
    from scipy.special import log_expit, log_ndtr

    if family == "gaussian":
        mass = float(w.sum())
        return -mass / 2 * (math.log(2 * math.pi * float((w * (y - eta) ** 2).sum()) / mass) + 1)
    sign = np.where(y > 0, eta, -eta)
    return float((w * (log_expit(sign) if family == "binomial" else log_ndtr(sign))).sum())


def fit(told: Model, tolerance: float = 1e-14) -> Fit:
    """Least squares, or iteratively reweighted least squares with halved steps.

    The steps end where the deviance changes by less than ``tolerance`` of itself.

    Raises
    ------
    CxError
        Perfect separation, naming the predictor; no convergence.
    """
    size = np.abs(told.x).max(axis=0)
    scaled = replace(told, x=told.x / size)
    found = _gaussian(scaled) if told.family == "gaussian" else _binary(scaled, tolerance)
    return replace(
        found,
        beta=found.beta / size,
        bread=found.bread / np.outer(size, size),
        score=found.score * size,
    )


def _solve(x: np.ndarray, w: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares by QR: coefficients and (x′wx)⁻¹."""
    from scipy.linalg.lapack import dtrtri  # unlike solve_triangular it starts no threads

    root = np.sqrt(w)
    q, r = np.linalg.qr(x * root[:, None])
    inverse, _ = dtrtri(r)
    return inverse @ (q.T @ (root * y)), inverse @ inverse.T


def _gaussian(told: Model) -> Fit:
    beta, bread = _solve(told.x, told.w, told.y)
    eta = told.x @ beta
    score = told.x * (told.w * (told.y - eta))[:, None]
    return Fit(beta, bread, score, eta, eta)


def _binary(told: Model, tolerance: float) -> Fit:
    """Iteratively reweighted least squares; weights and bread are those of the last step."""
    x, y, w = told.x, told.y, told.w
    eta = _inverse_link(told.family, (w * y + 0.5) / (w + 1))
    beta, old = None, log_likelihood_of(told.family, y, eta, w)
    for _ in range(100):
        mu, slope, _ = link(told.family, eta)
        work = w * slope**2 / np.maximum(mu * (1 - mu), 1e-300)
        if _rank_lost(x, work):
            break
        step, bread = _solve(x, work, eta + (y - mu) / np.maximum(slope, 1e-300))
        beta, eta, new = _damped(told, beta, step, old)
        done = abs(new - old) <= tolerance * (abs(new) + 0.05)
        old = new
        if done:
            break
    _separated(told, eta)
    mu, slope, _ = link(told.family, eta)
    if beta is None or _rank_lost(x, work):
        raise CxError("the regression does not converge", do="leave out predictors of few cases")
    score = x * (work * (y - mu) / np.maximum(slope, 1e-300))[:, None]
    return Fit(beta, bread, score, eta, mu)


def _inverse_link(family: str, p: np.ndarray) -> np.ndarray:
    from scipy.special import logit, ndtri

    return logit(p) if family == "binomial" else ndtri(p)


def _rank_lost(x: np.ndarray, w: np.ndarray) -> bool:
    root = np.sqrt(w)
    if not root.max() > 1e-8:
        return True
    r = np.abs(np.diag(np.linalg.qr(x * root[:, None], mode="r")))
    return bool(r.min() <= 1e-11 * r.max())


def _damped(
    told: Model, beta: np.ndarray | None, step: np.ndarray, old: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The step, halved until the likelihood does not fall."""
    for _ in range(30):
        eta = told.x @ step
        new = log_likelihood_of(told.family, told.y, eta, told.w)
        if beta is None or new >= old - 1e-12 * abs(old):
            break
        step = (step + beta) / 2
    return step, eta, new


def _separated(told: Model, eta: np.ndarray) -> None:
    """A CxError where some combination of predictors tells the outcome without error.

    A linear programme looks for a direction along which no respondent is misplaced (Konis 2007).
    It runs only where a fitted chance is extreme.
    """
    if np.abs(eta).max() < (12.0 if told.family == "binomial" else 5.0):
        return
    signed = told.x * np.where(told.y > 0, 1.0, -1.0)[:, None]
    terms = np.array(told.terms)
    kept = list(dict.fromkeys(told.terms))
    if not _separable(signed):
        return
    for term in kept[1:]:
        fewer = [one for one in kept if one != term]
        if _separable(signed[:, np.isin(terms, fewer)]):
            kept = fewer
    named = " with ".join(repr(term) for term in kept[1:])
    raise CxError(
        f"perfect separation: {named} tells {told.event!r} without error",
        got="no finite coefficient",
        want="respondents with and without it at every value",
        do="leave the predictor out, or merge its answers in the study file",
    )


def _separable(signed: np.ndarray) -> bool:
    """Whether a direction has no row below 0 and some above."""
    from scipy.optimize import linprog

    rows = np.unique(signed, axis=0)
    push = rows.sum(axis=0) / len(rows)
    answer = linprog(-push, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    return answer.status == 0 and -answer.fun > 1e-7 / len(rows)
