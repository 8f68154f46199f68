"""The inside of Cox regression: the partial likelihood, its score and information, the fit.

All sums over risk sets are cumulated sums over unique event times: a row is at risk for a run of
event times, so that a whole step of Newton's method is a few counts and matrix products. Our own,
for the peers' loops over rows are slow, and none joins Efron's ties, left truncation, strata,
weights and influence values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .regression_model import Predictors, split_terms, variable
from .survey import Survey
from .survival_data import Times, grid, groups, read_times

TIES = ("efron", "breslow")


@dataclass(frozen=True, eq=False)
class Cox:
    """Rows, covariates and event times of a Cox regression.

    Attributes
    ----------
    x : float array, shape (p, n), centred and scaled; ``scale`` has shape (p,). Rows come in the
        order of ``high``, the last first
    columns : (term, name) of every column
    home : int array, shape (n,): the stratum of each row
    time : float array, shape (K,): the event times, stratum after stratum
    low, high : int arrays, shape (n,): the row is at risk for event times low ≤ k < high
    dead : int array, shape (D,): rows with an event; ``at``, shape (D,), their event times
    tied : float array, shape (D,): Efron's fraction of the tied events that are taken out
    """

    told: Times
    x: np.ndarray
    scale: np.ndarray
    columns: tuple[tuple[str, str], ...]
    home: np.ndarray
    time: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dead: np.ndarray
    at: np.ndarray
    tied: np.ndarray
    ties: str

    @cached_property
    def weight(self) -> np.ndarray:
        """Weights of mean 1, shape (n,)."""
        return self.told.weight / self.told.weight.mean()

    @cached_property
    def first(self) -> np.ndarray:
        """Where the events of each time start among all events, shape (K,)."""
        return np.searchsorted(self.at, np.arange(len(self.time)), "left")

    @cached_property
    def count(self) -> np.ndarray:
        """Events at each time, unweighted, shape (K,)."""
        return np.diff(np.append(self.first, len(self.at)))

    @cached_property
    def mean_weight(self) -> np.ndarray:
        """The mean weight of the events at each time, shape (K,)."""
        return self.at_event(self.weight[self.dead]) / self.count

    @cached_property
    def left(self) -> np.ndarray:
        """Weighted sums of the covariates of those with an event, shape (p, K)."""
        return self.at_event(self.weight[self.dead] * self.gone)

    @cached_property
    def gone(self) -> np.ndarray:
        """The covariates of those with an event, shape (p, D)."""
        return np.ascontiguousarray(self.x[:, self.dead])

    @cached_property
    def _followed(self) -> np.ndarray:
        """How many rows are followed up to each event time or beyond, whenever they entered."""
        return np.searchsorted(-self.high, -np.arange(len(self.time)), "left")

    @cached_property
    def _entered(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows by the event time before which they entered, last first, and counts of them."""
        if not self.low.any():
            return None
        order = np.argsort(-self.low, kind="stable")
        return order, np.searchsorted(-self.low[order], -np.arange(len(self.time)), "left")

    def at_risk(self, values: np.ndarray) -> np.ndarray:
        """Sums over the risk sets: (m, n) → (m, K)."""
        total = np.cumsum(values, axis=1)[:, self._followed - 1]
        if self._entered is not None:
            order, later = self._entered
            sums = np.cumsum(values[:, order], axis=1)
            total -= np.where(later > 0, sums[:, later - 1], 0.0)
        return total

    def at_event(self, values: np.ndarray) -> np.ndarray:
        """Sums over the events at each time: (…, D) → (…, K)."""
        return np.add.reduceat(values, self.first, axis=-1)

    def during(self, rates: np.ndarray) -> np.ndarray:
        """Sums of rates (…, K) over the event times at which each row is at risk, (…, n)."""
        passed = np.concatenate([np.zeros((*rates.shape[:-1], 1)), np.cumsum(rates, axis=-1)], -1)
        return passed[..., self.high] - passed[..., self.low]


def cox(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    *,
    entry: str | None,
    strata: str | Sequence[str],
    equals: Any,
    ties: str,
    reference: Mapping[str, Any] | None,
    categorical: Collection[str],
) -> Cox:
    """The model, checked."""
    if ties not in TIES:
        raise unknown("way with ties", ties, TIES)
    within = [strata] if isinstance(strata, str) else list(strata)
    told, predictors = covariates_of(
        survey, duration, event, covariates, entry, equals, reference, categorical, within
    )
    if not told.event.any():
        raise CxError("nobody was seen to leave", got=f"{told.n:,} rows without an event")
    home = np.zeros(told.n, np.int64)
    for question in within:
        own, names = groups(survey, question, told.rows)
        home = np.unique(home * len(names) + own, return_inverse=True)[1]
    columns = predictors.columns[1:]
    x, scale = standardised(predictors.matrix()[:, 1:], columns, told.weight)
    time, low, high = _blocks(told, home)
    order = np.argsort(-high, kind="stable")
    told, home, low, high = told.part(order), home[order], low[order], high[order]
    dead = np.flatnonzero(told.event)[::-1]
    at = high[dead] - 1
    first = np.searchsorted(at, at, "left")
    count = np.bincount(at, minlength=len(time))[at]
    tied = (np.arange(len(at)) - first) / count if ties == "efron" else np.zeros(len(at))
    x = np.ascontiguousarray(x[order].T)
    return Cox(told, x, scale, columns, home, time, low, high, dead, at, tied, ties)


def covariates_of(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    entry: str | None,
    equals: Any,
    reference: Mapping[str, Any] | None,
    categorical: Collection[str],
    also: Sequence[str] = (),
) -> tuple[Times, Predictors]:
    """The rows and their predictors, numbers as they are and text by level."""
    terms = split_terms(survey, covariates)
    questions = list(dict.fromkeys(question for term in terms for question in term))
    for question in questions:
        if question in (duration, event, entry):
            raise CxError(f"{question!r} cannot predict itself", do="take it out of the covariates")
    chosen = dict(reference or {})
    for question in (*chosen, *categorical):
        if question not in questions:
            raise unknown("covariate", question, questions)
    told = read_times(survey, duration, event, entry=entry, equals=equals, also=[*questions, *also])
    rows = np.zeros(len(survey.frame), bool)
    rows[told.rows] = True
    variables = {
        question: variable(survey, question, rows, chosen.get(question), question in categorical)
        for question in questions
    }
    return told, Predictors(terms, variables, told.n)


def standardised(
    x: np.ndarray, columns: Sequence[tuple[str, str]], weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Columns less their weighted means, over their spread, and the spreads.

    Raises
    ------
    CxError
        A column that does not vary, is a combination of others, or holds numbers out of all size.
    """
    n, p = x.shape
    if p == 0:
        raise CxError("a model needs a covariate", want="at least one question")
    if p >= n:
        raise CxError("more coefficients than respondents", got=f"{p} for {n}", want="fewer")
    size = np.abs(x).max(axis=0)
    for i in np.flatnonzero((size > 1e50) | ((size > 0) & (size < 1e-50))):
        raise CxError(
            f"the numbers of {columns[i][1]!r} are too large or too small to work with",
            got=f"{size[i]:.3g}",
            do="rescale them in the study file",
        )
    centred = x - np.average(x, axis=0, weights=weight)
    scale = np.sqrt((centred**2).mean(axis=0))
    flat = np.flatnonzero((np.ptp(x, axis=0) == 0) | (scale <= 1e-13 * size))
    if len(flat):
        raise CxError(
            f"the covariate {columns[flat[0]][1]!r} does not vary",
            got="one value for everybody",
            want="at least two values",
            do="take it out of the covariates",
        )
    z = centred / scale
    r = np.linalg.qr(z, mode="r")
    lost = np.flatnonzero(np.abs(np.diag(r)) <= 1e-9 * np.sqrt(n))
    if len(lost):
        raise CxError(
            f"the covariate {columns[lost[0]][1]!r} is a combination of those before it",
            got="perfect collinearity",
            want="covariates that each carry something of their own",
            do=f"take {columns[lost[0]][0]!r} out, or take out what it is made of",
        )
    return z, scale


def _blocks(told: Times, home: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Event times stratum after stratum, and each row's run of them."""
    if not home.any():
        time, high = grid(told.exit, told.event)
        low = np.zeros(told.n, np.int64)
        if told.entry is not None:
            low = np.searchsorted(time, told.entry, "right")
        return time, low, high
    times, offset = [], 0
    low, high = np.empty(told.n, np.int64), np.empty(told.n, np.int64)
    order = np.argsort(home, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(home))[:-1]):
        own = told.part(rows)
        time, reached = grid(own.exit, own.event)
        start = 0 if own.entry is None else np.searchsorted(time, own.entry, "right")
        low[rows], high[rows] = start + offset, reached + offset
        times.append(time)
        offset += len(time)
    return np.concatenate(times), low, high


# -- the likelihood --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class State:
    """The partial likelihood at some coefficients, and the sums that everything follows from.

    ``s1``, ``d1`` (p, K) are sums of r·x over the risk sets and over the events, r the relative
    hazard times the weight; ``a`` (2, K) sums 1/q and f/q, ``b`` (3, K) sums 1/q², f/q², f²/q²
    over the tied events, q = s0 − f·d0.
    """

    model: Cox
    beta: np.ndarray
    relative: np.ndarray
    log_likelihood: float
    s1: np.ndarray
    d1: np.ndarray
    a: np.ndarray
    b: np.ndarray

    def moments(self, g: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score (p,) and information (p, p), each event time weighted by ``g`` (K,)."""
        m = self.model
        mean = m.mean_weight if g is None else m.mean_weight * g
        own = m.left.sum(axis=1) if g is None else m.left @ g
        u = own - self.s1 @ (mean * self.a[0]) + self.d1 @ (mean * self.a[1])
        weight = m.during(mean * self.a[0])
        weight[m.dead] -= (mean * self.a[1])[m.at]
        squares = (m.x * (self.relative * m.weight * weight)) @ m.x.T
        b = mean * self.b
        cross = (self.s1 * b[1]) @ self.d1.T
        outer = (self.s1 * b[0]) @ self.s1.T - cross - cross.T
        return u, squares - outer - (self.d1 * b[2]) @ self.d1.T

    def residuals(self) -> np.ndarray:
        """Score residuals, shape (n, p), unweighted: each row's part of the score.

        References
        ----------
        Therneau and Grambsch (2000), Modeling Survival Data, §4.6 and §7.1.
        """
        m = self.model
        mean = m.mean_weight
        moved = mean * (self.b[0] * self.s1 - self.b[1] * self.d1)
        z = -self.relative * (m.x * m.during(mean * self.a[0]) - m.during(moved))
        back_moved = mean * (self.b[1] * self.s1 - self.b[2] * self.d1)
        centre = (self.a[0] * self.s1 - self.a[1] * self.d1) / m.count
        back = m.gone * (mean * self.a[1])[m.at] - back_moved[:, m.at]
        z[:, m.dead] += self.relative[m.dead] * back + m.gone - centre[:, m.at]
        return z.T


def state(model: Cox, beta: np.ndarray) -> State:
    """The likelihood's sums at ``beta``."""
    eta = beta @ model.x
    shift = float(eta.max())
    relative = np.exp(eta - shift)
    r = relative * model.weight
    own = r[model.dead]
    p = len(beta)
    risk, gone = np.empty((p + 1, len(r))), np.empty((p + 1, len(own)))
    risk[0], gone[0] = r, own
    np.multiply(model.x, r, out=risk[1:])
    np.multiply(model.gone, own, out=gone[1:])
    risk, gone = model.at_risk(risk), model.at_event(gone)
    f = model.tied
    q = 1 / np.maximum(np.maximum(risk[0], gone[0])[model.at] - f * gone[0, model.at], 1e-300)
    a = model.at_event(np.array([q, f * q]))
    b = model.at_event(np.array([q**2, f * q**2, (f * q) ** 2]))
    weight = model.weight[model.dead]
    told = float(weight @ (eta[model.dead] - shift) + model.mean_weight[model.at] @ np.log(q))
    return State(model, beta, relative, told, risk[1:], gone[1:], a, b)


@dataclass(frozen=True, eq=False)
class Fit:
    """Where the likelihood is highest; coefficients and covariance in the units of the data."""

    model: Cox
    null: State
    best: State
    information: np.ndarray

    @cached_property
    def coefficients(self) -> np.ndarray:
        return self.best.beta / self.model.scale

    @cached_property
    def covariance(self) -> np.ndarray:
        """From the likelihood, shape (p, p)."""
        inverse = np.linalg.inv(self.information)
        return inverse / np.outer(self.model.scale, self.model.scale)

    @cached_property
    def influence(self) -> np.ndarray:
        """Weighted influence values of the coefficients on the rows used, shape (n, p)."""
        m = self.model
        z = self.best.residuals() * m.weight[:, None]
        return np.linalg.solve(self.information, z.T).T / m.scale


def fit(model: Cox) -> Fit:
    """Newton's method, with halved steps where the likelihood would fall.

    Raises
    ------
    CxError
        A coefficient runs off to infinity (perfect separation), or the covariates do not vary
        among those at risk.
    """
    null = now = state(model, np.zeros(len(model.x)))
    for _ in range(50):
        u, information = now.moments()
        step = _step(model, u, information)
        for _ in range(30):
            new = state(model, now.beta + step)
            slack = 1e-12 * (1 + abs(now.log_likelihood))
            if np.isfinite(new.log_likelihood) and new.log_likelihood >= now.log_likelihood - slack:
                break
            step = step / 2
        now = new
        if np.abs(step).max() < 1e-7 * (1 + np.abs(now.beta).max()):
            information = now.moments()[1]
            _step(model, u, information)
            return Fit(model, null, now, information)
        if np.abs(now.beta).max() > 40:
            break
    raise _runaway(model, now)


def _step(model: Cox, u: np.ndarray, information: np.ndarray) -> np.ndarray:
    diagonal = np.diag(information)
    flat = np.flatnonzero(diagonal <= 1e-10 * model.weight[model.dead].sum() / len(model.dead))
    if len(flat):
        raise _runaway(model, None, int(flat[0]))
    scaled = information / np.sqrt(np.outer(diagonal, diagonal))
    if np.linalg.eigvalsh(scaled)[0] < 1e-12:
        raise CxError(
            "the covariates are combinations of each other among those at risk",
            got="an information matrix without an inverse",
            want="covariates that each carry something of their own",
        )
    return np.linalg.solve(information, u)


def _runaway(model: Cox, now: State | None, column: int | None = None) -> CxError:
    column = int(np.argmax(np.abs(now.beta))) if column is None else column
    return CxError(
        f"the covariate {model.columns[column][1]!r} separates those who leave from the others",
        got="a coefficient without bound (or no variation among those at risk)",
        want="events on both sides of every covariate",
        do="merge small groups, or take the covariate out",
    )
