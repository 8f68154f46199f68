"""Weibull regression of times: by what factor a covariate stretches the time as a customer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .errors import CxError
from .result import Estimate, Ranking
from .survey import Survey
from .survival import degrees, design_errors
from .survival_cox import covariates_of, standardised
from .survival_data import Times, read_times
from .survival_terms import Logs, about, check_scale, tail
from .tally import variance
from .verdict import Test


@dataclass(frozen=True, eq=False)
class Weibull:
    """log T = x'b + σ·(log of an exponential), at its highest likelihood.

    Attributes
    ----------
    z : float array, shape (n, p + 1): a 1 and the standardised covariates
    back : float array, shape (p + 2, p + 2): from the fitted parameters to those of the data
    theta : float array, shape (p + 2,): fitted coefficients, then log σ
    """

    told: Times
    names: tuple[str, ...]
    z: np.ndarray
    back: np.ndarray
    centre: float
    theta: np.ndarray
    log_likelihood: float
    null: float

    @cached_property
    def coefficients(self) -> np.ndarray:
        """Intercept, slopes of log time, log σ, in the units of the data."""
        made = self.back @ self.theta
        made[0] += self.centre
        return made

    @cached_property
    def weight(self) -> np.ndarray:
        return self.told.weight / self.told.weight.mean()

    @cached_property
    def information(self) -> np.ndarray:
        return _likelihood(self, self.theta)[2]

    @cached_property
    def covariance(self) -> np.ndarray:
        """From the likelihood, of :attr:`coefficients`."""
        return self.back @ np.linalg.inv(self.information) @ self.back.T

    @cached_property
    def influence(self) -> np.ndarray:
        """Weighted influence values of :attr:`coefficients`, shape (n, p + 2)."""
        rows = _likelihood(self, self.theta)[3]
        return np.linalg.solve(self.information, rows.T).T @ self.back.T


def time_ratio(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str] = (),
    *,
    entry: str | None = None,
    equals: Any = None,
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    scale: str = "ratio",
    robust: bool | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """By what factor covariates stretch the time until leaving: accelerated failure, Weibull.

    Parameters
    ----------
    duration, event, entry, equals, covariates, reference, categorical, robust
        As :func:`cxlib.hazard_ratio`; times must be over 0, and covariates may be none.
    scale : str
        ``"ratio"``: factors of time (the first is the time scale of the reference, in the unit of
        ``duration``; the last, "scale", is σ: 1 over the Weibull shape). ``"log"``: their
        logarithms, "(Intercept)" first and "log(scale)" last.

    Returns
    -------
    Ranking
        Intervals are made on the log scale.

    Raises
    ------
    CxError
        As :func:`cxlib.hazard_ratio`; a time of 0.

    References
    ----------
    Kalbfleisch and Prentice (2002), §3.6. Checked against ``survreg(dist = "weibull")`` of R
    survival 3.5.3 and ``WeibullFitter`` of lifelines 0.30.3.
    """
    check_scale(scale)
    robust = design_errors(survey, robust)
    found = weibull(survey, duration, event, covariates, entry, equals, reference, categorical)
    title = name or f"{'Time ratio' if scale == 'ratio' else 'Log time'} until {event}"
    made = _estimates(found, scale, robust, level, title, claim, duration)
    return Ranking(name=title, estimates=made, claim=claim, by="covariate")


def time_ratio_test(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    *,
    entry: str | None = None,
    equals: Any = None,
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Whether the covariates of a Weibull regression together say anything: likelihood ratio.

    With weights the likelihood is weighted; for a design's own test see :func:`time_ratio`.
    """
    found = weibull(survey, duration, event, covariates, entry, equals, reference, categorical)
    statistic = max(2 * (found.log_likelihood - found.null), 0.0)
    df = len(found.names) - 2
    effects = _estimates(found, "ratio", False, level, "Time ratio", claim, duration)[1:-1]
    told = max(effects, key=lambda e: abs(math.log(max(e.value, 1e-300))) / max(e.se, 1e-300))
    return Test(
        name=name or f"Time until {event} on {', '.join(found.names[1:-1])}",
        statistic=statistic,
        p=tail(statistic, df, math.inf),
        df=float(df),
        effect=told,
        n=found.told.n,
        method="likelihood ratio test of a Weibull regression",
        source=survey.source,
        claim=claim,
        origin=survey.origin,
    )


def _estimates(
    found: Weibull, scale: str, robust: bool, level: float, name: str, claim: str, question: str
) -> tuple[Estimate, ...]:
    told = found.told
    cov = variance(told.survey, told.spread(found.influence)) if robust else found.covariance
    kind = "design-based errors" if robust else "errors from the likelihood"
    way = f"Weibull accelerated failure times, {kind}"
    logs = Logs(told, found.coefficients, cov, found.influence, degrees(told, robust))
    like = about(told, level, way, name, "time ratio", claim, question)
    many = len(found.names)
    if scale == "log":
        return logs.estimates(found.names, ["log ratio"] * many, scale, like)
    units = [told.unit, *["ratio"] * (many - 1)]
    return logs.estimates((*found.names[:-1], "scale"), units, scale, like)


def weibull(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    entry: str | None,
    equals: Any,
    reference: Mapping[str, Any] | None,
    categorical: Collection[str],
) -> Weibull:
    """The model, checked and fitted."""
    if covariates:
        told, predictors = covariates_of(
            survey, duration, event, covariates, entry, equals, reference, categorical
        )
        columns = predictors.columns[1:]
        raw = predictors.matrix()[:, 1:]
        x, spread = standardised(raw, columns, told.weight)
        middle = np.average(raw, axis=0, weights=told.weight)
    else:
        told = read_times(survey, duration, event, entry=entry, equals=equals)
        columns, x = (), np.empty((told.n, 0))
        spread = middle = np.empty(0)
    _possible(told)
    p = x.shape[1]
    back = np.eye(p + 2)
    back[1 : p + 1, 1 : p + 1] = np.diag(1 / spread)
    back[0, 1 : p + 1] = -middle / spread
    names = ("(Intercept)", *(name for _, name in columns), "log(scale)")
    z = np.column_stack([np.ones(told.n), x])
    centre = float(np.average(np.log(told.exit), weights=told.weight))
    blank = Weibull(told, names, z[:, :1], np.eye(2), centre, np.zeros(2), 0.0, 0.0)
    theta, null = _climb(blank, _start(blank))
    best = null
    model = Weibull(told, names, z, back, centre, np.zeros(p + 2), 0.0, null)
    if p:
        theta, best = _climb(model, np.concatenate([theta[:1], np.zeros(p), theta[1:]]))
    return Weibull(told, names, z, back, centre, theta, best, null)


def _possible(told: Times) -> None:
    if (told.exit <= 0).any():
        raise CxError(
            f"{told.duration!r} holds times of 0",
            got=f"{int((told.exit <= 0).sum()):,} of {told.n:,}",
            want="times over 0: a Weibull time is never 0",
            do="count a started month as half a month, or leave those rows out",
        )
    seen = np.unique(told.exit[told.event])
    if not len(seen):
        raise CxError("nobody was seen to leave", got=f"{told.n:,} rows without an event")
    if len(seen) == 1 and told.exit.max() <= seen[0]:
        raise CxError(
            "a Weibull curve needs events at different times",
            got=f"all at {seen[0]:g}",
            want="two times or more",
        )


def _start(model: Weibull) -> np.ndarray:
    """The exponential's scale, and σ = 1."""
    told, w = model.told, model.weight
    total = float((w * np.exp(np.log(told.exit) - model.centre)).sum())
    return np.array([math.log(total / float(w[told.event].sum())), 0.0])


def _likelihood(
    model: Weibull, theta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, score (m,), information (m, m), and each row's weighted score (n, m)."""
    told, w, x = model.told, model.weight, model.z
    log_sigma = theta[-1]
    sigma = math.exp(log_sigma)
    eta = x @ theta[:-1]
    y = np.log(told.exit) - model.centre
    v = (y - eta) / sigma
    e = np.exp(np.minimum(v, 500.0))
    hit = told.event.astype(float)
    total = float(w @ (hit * (v - log_sigma - np.log(told.exit)) - e))
    first, second = hit - e, e
    slope, bend, mixed = v * first + hit, v * v * e - v * first, v * e - first
    if told.entry is not None:
        v0 = (np.log(np.maximum(told.entry, 1e-300)) - model.centre - eta) / sigma
        e0 = np.where(told.entry > 0, np.exp(np.minimum(v0, 500.0)), 0.0)
        v0 = np.where(told.entry > 0, v0, 0.0)
        total += float(w @ e0)
        first, second = first + e0, second - e0
        slope, bend, mixed = slope + v0 * e0, bend - v0 * v0 * e0 - v0 * e0, mixed - v0 * e0 - e0
    rows = np.column_stack([x * (-first / sigma)[:, None], -slope]) * w[:, None]
    m = x.shape[1]
    information = np.empty((m + 1, m + 1))
    information[:m, :m] = (x * (w * second / sigma**2)[:, None]).T @ x
    information[:m, m] = information[m, :m] = x.T @ (w * mixed) / sigma
    information[m, m] = float(w @ bend)
    return total, rows.sum(axis=0), information, rows


def _climb(model: Weibull, theta: np.ndarray) -> tuple[np.ndarray, float]:
    """Newton's method, damped where the likelihood is not concave or would fall."""
    value, score, information, _ = _likelihood(model, theta)
    for _ in range(100):
        lowest = float(np.linalg.eigvalsh(information)[0])
        lift = max(0.0, 1e-8 * np.trace(information) - lowest)
        step = np.linalg.solve(information + lift * np.eye(len(theta)), score)
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        for _ in range(40):
            new = _likelihood(model, theta + step)
            if np.isfinite(new[0]) and new[0] >= value - 1e-12 * (1 + abs(value)):
                break
            step = step / 2
        theta = theta + step
        value, score, information, _ = new
        if np.abs(step).max() < 1e-10 * (1 + np.abs(theta).max()):
            return theta, value
        if np.abs(theta).max() > 60:
            break
    raise CxError(
        "the Weibull likelihood has no highest point",
        got="coefficients without bound",
        want="events at several times, on both sides of every covariate",
        do="merge small groups, or take a covariate out",
    )
