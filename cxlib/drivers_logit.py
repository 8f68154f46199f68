"""Driver shares of a yes/no outcome: Shapley's of McFadden's pseudo-R², and Johnson's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .drivers_data import groups_of, predictors, standardised
from .drivers_game import contrast, roots
from .drivers_shares import Told, percentiles
from .errors import CxError
from .linear_scores import Linear, linear_estimate
from .regression_model import Model, fit, model
from .replicates import make_replicates
from .result import Estimate, Ranking
from .survey import Survey

#: Exact up to this many predictors or groups; each subset is a fit of its own.
MOST = 12
#: The most fits that bootstraps may ask for.
FITS = 100_000


def logit_drivers(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    groups: Any,
    equals: Any,
    told: Told,
    categorical: Collection[str],
    bootstrap: int,
    seed: int,
) -> Ranking:
    """Shares of McFadden's pseudo-R², 1 − log L / log L₀, the scale on which fits add up.

    Of the pseudo-R² it alone is linear in the log-likelihood, so that a share is a share of what
    the predictors tell about the outcome. Each subset's log-likelihood is at its maximum, where a
    change of weights moves it by the row's own part only: the influence scores need no derivative
    of the coefficients.
    """
    made = _model(survey, outcome, among, equals, categorical)
    players = _players(made, groups_of(among, groups))
    if len(players) > MOST:
        raise CxError(
            "too many predictors for a yes/no outcome",
            got=f"{len(players)}: {2 ** len(players):,} logistic fits",
            want=f"at most {MOST}",
            do="group them (groups=), or family='gaussian' for a linear probability model",
        )
    weights = contrast(told.method, len(players))
    w = made.w / made.w.sum()
    starts, own = {}, list(players.values())
    value, scores = _shares(made, own, weights, w, starts)
    if told.relative:
        whole = float(value.sum())
        if not whole > 0:
            raise CxError("the predictors explain nothing: there is nothing to divide")
        scores = (scores - value / whole * scores.sum(axis=1, keepdims=True)) / whole
        value = value / whole

    def again(drawn: np.ndarray) -> np.ndarray:
        found = _shares(made, own, weights, drawn, starts)[0]
        return found / found.sum() if told.relative else found

    fits = 2 ** len(players)
    moved = _bootstrapped(made, again, bootstrap, seed, fits) - value if bootstrap else None
    words = {"shapley": "Shapley shares of", "last": "added last to", "first": "alone:"}
    method = f"{words[told.method]} McFadden's pseudo-R² of a logistic regression"
    return _ranking(
        made, tuple(players), value, made.spread(w[:, None] * scores), moved, told, method
    )


def logit_weights(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    groups: Any,
    equals: Any,
    told: Told,
    categorical: Collection[str],
    bootstrap: int,
    seed: int,
) -> Ranking:
    """Johnson's weights for a logistic regression (Tonidandel and LeBreton 2010).

    The outcome is regressed on the orthogonal columns nearest to the predictors; coefficients are
    scaled so that their squares add up to the squared correlation of outcome and fitted chance.
    Intervals are from bootstraps (200 unless told).
    """
    made = _model(survey, outcome, among, equals, categorical)
    named = groups_of(among, groups)
    if made.x.shape[1] != len(list(among)) + 1:
        raise CxError("Johnson's weights need one column a predictor", do='method="shapley"')
    order = list(made.terms)
    x = made.x[:, [order.index(name) for name in among]]
    place = {name: i for i, name in enumerate(among)}

    def found(w: np.ndarray) -> np.ndarray:
        own = _tonidandel(x, made.y, w / w.sum(), among, outcome)
        each = np.array([own[[place[one] for one in part]].sum() for part in named.values()])
        return each / each.sum() if told.relative else each

    value = found(made.w)
    moved = _bootstrapped(made, found, bootstrap or 200, seed, 1) - value
    method = "Johnson's relative weights of a logistic regression"
    return _ranking(made, tuple(named), value, None, moved, told, method)


def _model(
    survey: Survey, outcome: str, among: Sequence[str], equals: Any, categorical: Collection[str]
) -> Model:
    """The logistic model, checked; a perfect separation of the whole is an error here."""
    names = predictors(survey, outcome, among)
    made = model(
        survey,
        outcome,
        names,
        family="binomial",
        equals=equals,
        reference=None,
        categorical=categorical,
    )
    fit(made, 1e-10)
    return made


def _players(made: Model, named: dict[str, tuple[str, ...]]) -> dict[str, list[int]]:
    """Group → columns of the model."""
    return {
        name: [i for i, term in enumerate(made.terms) if term in own] for name, own in named.items()
    }


def _shares(
    made: Model,
    players: Sequence[Sequence[int]],
    weights: np.ndarray,
    w: np.ndarray,
    starts: dict[int, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Shares, shape (P,), and influence values, shape (n, P); ``w`` adds up to 1.

    ``starts`` remembers coefficients by subset, and is filled.
    """
    x = made.x / np.maximum(np.abs(made.x).max(axis=0), 1e-300)
    total, rows = np.zeros(weights.shape[1]), np.zeros((len(w), weights.shape[1]))
    null, null_rows = 0.0, np.zeros(len(w))
    for mask in np.flatnonzero((weights != 0).any(axis=1) | (np.arange(len(weights)) == 0)):
        mask = int(mask)
        inside = [0, *(c for j, player in enumerate(players) if mask >> j & 1 for c in player)]
        start = starts.get(mask)
        if start is None:
            start = np.zeros(x.shape[1])
            start[:] = starts.get(mask & (mask - 1), start)
        beta, each = _logit(x[:, inside], made.y, w, start[inside])
        starts.setdefault(mask, np.zeros(x.shape[1]))[inside] = beta
        whole = float(w @ each)
        if not mask:
            null, null_rows = whole, each
        total += weights[mask] * whole
        rows += each[:, None] * weights[mask]
    if not null < 0:
        return np.full(len(total), np.nan), rows
    return -total / null, -rows / null + np.outer(null_rows, total) / null**2


def _logit(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a weighted logistic regression, and each row's log-likelihood (Newton).

    Where the outcome is separated the log-likelihood ends near 0, its limit.
    """
    each, flat = _log_likelihood(x @ beta, y), _log_likelihood(np.zeros(len(y)), y)
    if not float(w @ each) >= float(w @ flat):
        beta, each = np.zeros(len(beta)), flat
    for _ in range(60):
        p = _chance(x @ beta)
        information = (x * (w * p * (1 - p))[:, None]).T @ x
        step = np.linalg.lstsq(information, x.T @ (w * (y - p)), rcond=1e-14)[0]
        before = float(w @ each)
        for _ in range(40):
            tried = _log_likelihood(x @ (beta + step), y)
            if float(w @ tried) >= before:
                break
            step = step / 2
        else:
            break
        beta, each = beta + step, tried
        if float(w @ each) - before <= 1e-13 * abs(before) or float(w @ each) > -1e-12:
            break
    return beta, each


def _chance(eta: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(eta)


def _log_likelihood(eta: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, np.where(y > 0, -eta, eta))


def _tonidandel(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, names: Sequence[str], outcome: str
) -> np.ndarray:
    used = w > 0
    if np.ptp(y[used]) == 0:
        return np.full(x.shape[1], np.nan)
    try:
        z = standardised(np.column_stack([x, y])[used], w[used], names, outcome)
    except CxError:
        return np.full(x.shape[1], np.nan)
    own, y, w = z[:, :-1], y[used], w[used]
    root, inverse_root, _ = (one[0] for one in roots((own.T @ (w[:, None] * own))[None]))
    near = np.column_stack([np.ones(len(own)), own @ inverse_root])
    beta, _ = _logit(near, y, w, np.zeros(near.shape[1]))
    p = _chance(near @ beta)
    squares, middle = beta[1:] ** 2, p - w @ p
    spread = float(w @ middle**2)
    if not squares.sum() > 0 or not spread > 0:
        return np.zeros(x.shape[1])
    r2 = float(w @ (middle * z[:, -1])) ** 2 / spread
    return root**2 @ (squares * r2 / squares.sum())


def _bootstrapped(
    made: Model, again: Callable[[np.ndarray], np.ndarray], number: int, seed: int, fits: int
) -> np.ndarray:
    """Shares under Rao and Wu's bootstrap of primary units, shape (R, K)."""
    if number * fits > FITS:
        raise CxError(
            "too many logistic fits",
            got=f"{number:,} bootstraps × {fits:,} subsets",
            want=f"at most {FITS:,}",
            do="bootstrap=0 gives the linearised interval",
        )
    survey = made.survey
    if survey.design.replicates is not None:
        survey = replace(survey, design=replace(survey.design, replicates=None))
    drawn = make_replicates(survey, "bootstrap", replicates=number, seed=seed).design.replicates
    out = []
    for r in range(number):
        w = drawn.weights(r)[made.rows]
        some = w > 0
        varies = some.any() and np.ptp(made.y[some]) > 0
        out.append(again(w / w.sum()) if varies else None)
    empty = np.full(len(again(made.w / made.w.sum())), np.nan)
    return np.array([empty if one is None else one for one in out])


def _ranking(
    made: Model,
    terms: Sequence[str],
    value: np.ndarray,
    scores: np.ndarray | None,
    moved: np.ndarray | None,
    told: Told,
    method: str,
) -> Ranking:
    survey, df = made.survey, made.survey.df_of(made.rows)
    about: dict[str, Any] = {
        "n": made.n,
        "unit": "share" if told.relative else "R²",
        "level": told.level,
        "n_excluded": len(survey) - made.n,
        "kind": "driver",
        "name": told.name,
        "claim": told.claim,
        "question": made.outcome,
        "df": df,
    }
    estimates = []
    for place, term in enumerate(terms):
        own = float(value[place])

        def make(place: int = place) -> np.ndarray:
            return scores[:, place]

        if moved is None:
            words = f"{method} = {value.sum():.4g}, linearised variance, t interval"
            one = linear_estimate(survey, own, make, term=term, method=words, **about)
            estimates.append(replace(one, low=max(one.low, min(0.0, own))))
            continue
        seen = moved[np.isfinite(moved[:, place]), place]
        spread = percentiles(own, seen, len(moved), told.level, ())
        spread |= {"se": math.nan} if scores is None else {"linear": Linear(survey, make, df)}
        words = f"{method}, {len(moved):,} Rao–Wu bootstraps of primary units, percentiles"
        origin = {"source": survey.source, "origin": survey.origin}
        made_here = Estimate(value=own, term=term, method=words, **about, **spread, **origin)
        estimates.append(made_here)
    return Ranking(name=told.name, estimates=tuple(estimates), claim=told.claim, by="driver")
