"""Cox regression: hazard ratios, tests of the model, proportionality, concordance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile
from .linear_scores import Linear
from .result import Estimate, Ranking
from .survey import Survey
from .survival import degrees, design_errors
from .survival_concordance import pairs
from .survival_cox import Cox, Fit, cox, fit
from .survival_data import grid
from .survival_terms import Logs, about, check_scale, tail
from .tally import variance
from .verdict import Test

TESTS = ("likelihood ratio", "wald", "score")
TRANSFORMS = ("km", "rank", "identity", "log")


def hazard_ratio(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    *,
    entry: str | None = None,
    strata: str | Sequence[str] = (),
    equals: Any = None,
    ties: str = "efron",
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    scale: str = "ratio",
    robust: bool | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """How much faster those with a covariate leave: Cox's proportional hazards.

    Parameters
    ----------
    duration, event, entry, equals
        As :func:`cxlib.retention_curve`. A covariate that changes (a complaint, an incident) is one
        row for each stretch of a customer's time, ``entry`` to ``duration``, with the value that
        held from the start of the stretch; name the customer's id as the survey's cluster.
    covariates : str or sequence of str
        Questions, and interactions as ``"a:b"``; text and single choices enter by level against the
        first, or against ``reference``; ``categorical`` names numbers that do too.
    strata : str or sequence of str
        Questions whose answers may each have a baseline hazard of their own.
    ties : str
        ``"efron"`` or ``"breslow"``.
    scale : str
        ``"ratio"``: hazard ratios (unit "ratio"); ``"log"``: coefficients (unit "log hazard").
    robust : bool, optional
        True: design-based (sandwich) errors; False: from the likelihood, weights scaled to
        mean 1. By default the former where a design is declared.

    Returns
    -------
    Ranking
        One estimate a coefficient; intervals are made on the log scale.

    Raises
    ------
    CxError
        As :func:`cxlib.retention_curve`; no events; collinear or constant covariates; a covariate
        that separates those who leave from the others.

    References
    ----------
    Cox (1972), JRSS B 34:187; Efron (1977), JASA 72:557; Binder (1992), Biometrika 79:139 and Lin
    and Wei (1989) for the errors. Checked against ``coxph`` of R survival 3.5.3, ``svycoxph`` of R
    survey 4.1.1 and ``CoxPHFitter`` of lifelines 0.30.3.
    """
    check_scale(scale)
    robust = design_errors(survey, robust)
    model = cox(
        survey,
        duration,
        event,
        covariates,
        entry=entry,
        strata=strata,
        equals=equals,
        ties=ties,
        reference=reference,
        categorical=categorical,
    )
    found = fit(model)
    title = name or f"{'Hazard ratio' if scale == 'ratio' else 'Log hazard'} of {event}"
    estimates = _estimates(found, scale, robust, level, title, claim, event)
    return Ranking(name=title, estimates=estimates, claim=claim, by="covariate")


def _estimates(
    found: Fit, scale: str, robust: bool, level: float, name: str, claim: str, question: str
) -> tuple[Estimate, ...]:
    told = found.model.told
    cov = variance(told.survey, told.spread(found.influence)) if robust else found.covariance
    kind = "design-based errors" if robust else "errors from the likelihood"
    way = f"Cox regression, {found.model.ties.capitalize()}'s ties, {kind}"
    logs = Logs(told, found.coefficients, cov, found.influence, degrees(told, robust))
    terms = [term for _, term in found.model.columns]
    unit = "ratio" if scale == "ratio" else "log hazard"
    like = about(told, level, way, name, "hazard ratio", claim, question)
    return logs.estimates(terms, [unit] * len(terms), scale, like)


def hazard_test(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    *,
    method: str = "",
    entry: str | None = None,
    strata: str | Sequence[str] = (),
    equals: Any = None,
    ties: str = "efron",
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    robust: bool | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Whether the covariates of a Cox regression together say anything about leaving.

    Parameters
    ----------
    method : str
        ``"likelihood ratio"`` (the default where no design is declared), ``"score"`` or ``"wald"``
        (the only one with a design; p is then from F).

    Returns
    -------
    Test
        Chi-squared on as many degrees of freedom as coefficients; the effect is the concordance.

    References
    ----------
    Checked against ``summary(coxph)`` of R survival 3.5.3.
    """
    robust = design_errors(survey, robust)
    method = method or ("wald" if robust else "likelihood ratio")
    if method not in TESTS:
        raise unknown("test", method, TESTS)
    if robust and method != "wald":
        raise CxError(f"no {method} test with a design", want='"wald", or robust=False')
    model = cox(
        survey,
        duration,
        event,
        covariates,
        entry=entry,
        strata=strata,
        equals=equals,
        ties=ties,
        reference=reference,
        categorical=categorical,
    )
    found = fit(model)
    return _whole(found, method, robust, level, name, claim)


def _whole(found: Fit, method: str, robust: bool, level: float, name: str, claim: str) -> Test:
    """The test of all coefficients."""
    model, told = found.model, found.model.told
    statistic = _statistic(found, method, robust)
    df, freedom = len(model.columns), degrees(told, robust)
    return Test(
        name=name or f"Leaving on {', '.join(dict.fromkeys(t for t, _ in model.columns))}",
        statistic=statistic,
        p=tail(statistic, df, freedom),
        df=float(df),
        df2=freedom if robust else math.nan,
        effect=_concordance(found, level, robust, claim),
        n=told.n,
        method=f"{method} test of a Cox regression",
        source=told.survey.source,
        claim=claim,
        origin=told.survey.origin,
    )


def _statistic(found: Fit, method: str, robust: bool) -> float:
    if method == "likelihood ratio":
        return max(2 * (found.best.log_likelihood - found.null.log_likelihood), 0.0)
    if method == "score":
        u, information = found.null.moments()
        return float(u @ np.linalg.solve(information, u))
    told = found.model.told
    beta = found.coefficients
    cov = found.covariance
    if robust:
        cov = variance(told.survey, told.spread(found.influence))
    size = np.sqrt(np.maximum(np.diag(cov), 1e-300))
    scaled = np.linalg.pinv(cov / np.outer(size, size), rcond=1e-12, hermitian=True)
    return float((beta / size) @ scaled @ (beta / size))


def concordance(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    *,
    entry: str | None = None,
    strata: str | Sequence[str] = (),
    equals: Any = None,
    ties: str = "efron",
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    robust: bool | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The share of pairs of customers in which the one with the higher hazard left first.

    Returns
    -------
    Estimate
        Unit "share": ½ is guessing. Pairs tied on the hazard count by half; those tied on the time
        of an event do not count. The coefficients are taken as given in its interval.

    References
    ----------
    Harrell et al. (1982); variance by the infinitesimal jackknife, as ``concordance(coxph)`` of R
    survival 3.5.3.
    """
    robust = design_errors(survey, robust)
    model = cox(
        survey,
        duration,
        event,
        covariates,
        entry=entry,
        strata=strata,
        equals=equals,
        ties=ties,
        reference=reference,
        categorical=categorical,
    )
    one = _concordance(fit(model), level, robust, claim)
    return one.called(name) if name else one


def _concordance(found: Fit, level: float, robust: bool, claim: str) -> Estimate:
    model, told = found.model, found.model.told
    eta = found.best.beta @ model.x
    # equal covariates give equal hazards, whatever rounding does
    eta = np.round(eta, 12)
    good, whole = _pairs(model, eta)
    mass = float((model.weight * whole).sum()) / 2
    if not mass > 0:
        raise CxError(
            "no two customers can be compared",
            got="no event with anybody followed beyond it",
            want="longer follow-up",
        )
    value = float((model.weight * good).sum()) / 2 / mass
    influence = model.weight * (good - value * whole) / mass
    df = degrees(told, robust)
    var = float((influence**2).sum())
    if robust:
        var = float(variance(told.survey, told.spread(influence)))
    half = t_quantile(level, df) * math.sqrt(var)
    return Estimate(
        value=value,
        low=max(value - half, 0.0),
        high=min(value + half, 1.0),
        unit="share",
        n=told.n,
        level=level,
        se=math.sqrt(var),
        df=df,
        method="concordance of a Cox regression, infinitesimal jackknife",
        source=told.survey.source,
        name="Concordance",
        kind="concordance",
        claim=claim,
        origin=told.survey.origin,
        linear=Linear(told.survey, lambda: told.spread(influence), df),
    )


def _pairs(model: Cox, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's concordant pairs and pairs, within its stratum."""
    told = model.told
    good, whole = np.zeros(told.n), np.zeros(told.n)
    order = np.argsort(model.home, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(model.home))[:-1]):
        part = told.part(rows)
        good[rows], whole[rows] = pairs(
            part.exit, part.event, eta[rows], model.weight[rows], part.entry
        )
    return good, whole


def proportionality(
    survey: Survey,
    duration: str,
    event: str,
    covariates: str | Sequence[str],
    *,
    term: str = "",
    transform: str = "km",
    entry: str | None = None,
    strata: str | Sequence[str] = (),
    equals: Any = None,
    ties: str = "efron",
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Whether the hazard ratios of a Cox regression stay the same over time.

    Parameters
    ----------
    term : str
        One covariate; all of them together otherwise.
    transform : str
        What of time the ratios may change with: ``"km"`` (1 − the retention curve just before),
        ``"rank"`` (among all exits), ``"identity"`` or ``"log"``.

    Returns
    -------
    Test
        Score test for covariate × transformed time. The effect is the slope (unit "log hazard" a
        unit of transformed time) of the term, of the one with the largest in absolute value of
        slope over standard error otherwise, one step from no slope. A small p says that one ratio
        for all times hides something. With a survey design the p takes the likelihood's variance:
        a diagnosis, no more.

    References
    ----------
    Grambsch and Therneau (1994), Biometrika 81:515, in the exact form of ``cox.zph`` since R
    survival 3.0 (checked against 3.5.3).
    """
    if transform not in TRANSFORMS:
        raise unknown("transform of time", transform, TRANSFORMS)
    model = cox(
        survey,
        duration,
        event,
        covariates,
        entry=entry,
        strata=strata,
        equals=equals,
        ties=ties,
        reference=reference,
        categorical=categorical,
    )
    return _proportional(model, term, transform, level, name, claim)


def _proportional(
    model: Cox, term: str, transform: str, level: float, name: str, claim: str
) -> Test:
    terms, told = list(dict.fromkeys(one for one, _ in model.columns)), model.told
    if term and term not in terms:
        raise unknown("covariate", term, terms)
    chosen = [i for i, (one, _) in enumerate(model.columns) if not term or one == term]
    found = fit(model)
    u, left = _slopes(found, _transformed(model, transform), chosen)
    statistic = float(u @ np.linalg.solve(left, u))
    return Test(
        name=name or f"Proportional hazards, {term or 'all covariates'}",
        statistic=statistic,
        p=tail(statistic, len(chosen), math.inf),
        df=float(len(chosen)),
        effect=_steepest(found, u, left, chosen, level),
        n=told.n,
        method=f"score test for covariate × time ({transform}), Grambsch–Therneau",
        source=told.survey.source,
        claim=claim,
        origin=told.survey.origin,
    )


def _slopes(found: Fit, g: np.ndarray, chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Score of the slopes over time, and its variance when the coefficients are known."""
    u, first = found.best.moments(g)
    second = found.best.moments(g**2)[1]
    u, first = u[chosen], first[:, chosen]
    left = second[np.ix_(chosen, chosen)] - first.T @ np.linalg.solve(found.information, first)
    if not (np.diag(left) > 1e-10 * np.maximum(np.diag(second)[chosen], 1e-300)).all():
        raise CxError(
            "proportionality cannot be tested",
            got="events at one time only, or too few of them",
            want="events at several times",
        )
    return u, left


def _transformed(model: Cox, transform: str) -> np.ndarray:
    """The event times on the scale of the test, centred, shape (K,)."""
    told = model.told
    count = model.count
    if transform == "identity":
        g = model.time.astype(float)
    elif transform == "log":
        if (model.time <= 0).any():
            raise CxError("the logarithm of time 0 is none", do='use transform="km" or "identity"')
        g = np.log(model.time)
    elif transform == "rank":
        order = np.sort(told.exit)
        lower = np.searchsorted(order, model.time, "left")
        g = (lower + np.searchsorted(order, model.time, "right") + 1) / 2
    else:
        time, high = grid(told.exit, told.event)
        k = len(time)
        low = np.zeros(told.n, np.int64)
        if told.entry is not None:
            low = np.searchsorted(time, told.entry, "right")
        change = np.bincount(high, minlength=k + 1) - np.bincount(low, minlength=k + 1)
        n = np.cumsum(change[::-1])[::-1][1:]
        d = np.bincount(high[told.event] - 1, minlength=k)
        surv = np.concatenate([[1.0], np.cumprod(1 - d / n)])
        g = 1 - surv[np.searchsorted(time, model.time, "left")]
    return g - np.average(g, weights=count)


def _steepest(
    found: Fit, u: np.ndarray, left: np.ndarray, chosen: list[int], level: float
) -> Estimate:
    """The slope over time that stands out most, one step from none."""
    told = found.model.told
    cov = np.linalg.inv(left)
    slope, se = cov @ u, np.sqrt(np.diag(cov))
    at = int(np.argmax(np.abs(slope) / se))
    scale = float(found.model.scale[chosen[at]])
    half = t_quantile(level, math.inf) * float(se[at])
    value = float(slope[at])
    return Estimate(
        value=value / scale,
        low=(value - half) / scale,
        high=(value + half) / scale,
        unit="log hazard",
        n=told.n,
        level=level,
        se=float(se[at]) / scale,
        name=f"Change of {found.model.columns[chosen[at]][1]} over time",
        kind="slope over time",
        method="one step of the score test",
        source=told.survey.source,
        origin=told.survey.origin,
    )


def log_likelihoods(found: Fit) -> tuple[float, float]:
    """The log partial likelihood without covariates and at the best coefficients."""
    return found.null.log_likelihood, found.best.log_likelihood
