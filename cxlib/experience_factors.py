"""Confirmatory factor analysis: do items measure what they are said to measure?

The likelihood and its maximum stand in :mod:`cxlib.experience_cfa`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from .errors import CxError, unknown
from .experience_cfa import FactorModel, checked, fitted
from .experience_moments import moments
from .interval import t_quantile
from .result import Estimate, Ranking
from .survey import Survey
from .tally import variance
from .verdict import Test

ERRORS = ("design", "model")


def cfa(
    survey: Survey,
    factors: Mapping[str, Sequence[str]],
    *,
    standardised: bool = False,
    errors: str = "design",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Confirmatory factor analysis: loadings, factor (co)variances and residual variances.

    Parameters
    ----------
    survey : Survey
        Rows with an answer to every item count.
    factors : mapping of factor to its items
        An item belongs to one factor; the first item's loading is 1 and gives the factor its unit.
        Factors correlate.
    standardised : bool
        Items and factors of variance 1 instead.
    errors : str
        ``"design"``: from the sampling design, whatever the distribution and whether or not the
        model is right (sandwich); ``"model"``: from the normal likelihood's expected information,
        only where no design is declared.

    Returns
    -------
    Ranking
        Terms ``"visual =~ x1"``, ``"visual ~~ speed"``, ``"x1 ~~ x1"``. The loading that is set to
        1 has a standard error of 0. Units are the items'. Intervals: Student's t with the design's
        degrees of freedom (normal with ``"model"``).

    Raises
    ------
    CxError
        Unknown item, an item twice, a factor alone with fewer than three items (two among others),
        items that do not vary or make each other up, no maximum.

    References
    ----------
    Jöreskog (1969), Psychometrika 34:183. Checked against ``cfa()`` of R lavaan 0.6.14
    (``estimator = "ML"``; with ``"design"`` against ``"MLR"``, whose errors are a factor
    √((n − 1)/n) smaller).
    """
    model = _model(survey, factors, errors)
    terms, of = _quantities(model, tuple(factors), standardised)
    title = name or f"Factor model of {', '.join(factors)}"
    told = {"name": title, "claim": claim, "kind": "factor model"}
    estimates = _estimates(model, terms, of, errors, level, told)
    estimates = [e.with_cautions(*_improper(model)) for e in estimates]
    return Ranking(name=title, estimates=tuple(estimates), claim=claim, by="parameter")


def cfa_fit(
    survey: Survey,
    factors: Mapping[str, Sequence[str]],
    *,
    errors: str = "design",
    level: float = 0.90,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """How well the factor model fits: CFI, TLI, RMSEA with its interval, SRMR.

    With ``errors="design"`` the first three rest on the scaled chi-square of :func:`cfa_test` (and
    the equally scaled one of the model without factors). Only RMSEA has an interval, at ``level``
    (90 % by custom). Arguments and errors as :func:`cfa`; a model without degrees of freedom fits
    by construction and is refused. Checked against ``fitMeasures()`` of R lavaan 0.6.14.
    """
    model = _model(survey, factors, errors)
    title = name or f"Fit of the factor model of {', '.join(factors)}"
    chi, base = _chi_squares(model, errors)
    told = {"name": title, "claim": claim}
    rmsea = _rmsea(model, chi, level, told)
    worse, none = max(chi - model.df, 0.0), model.p * (model.p - 1) // 2
    cfi = 1 - worse / max(base - none, worse, 1e-300) if worse else 1.0
    tli = 1 - (chi / model.df - 1) / (base / none - 1) if base > none else 1.0
    gap = np.tril(model.made.correlation - model.implied(model.theta))
    srmr = math.sqrt(float((gap**2).sum()) / (model.p * (model.p + 1) / 2))
    rows = [
        replace(rmsea, term=term, value=value, low=math.nan, high=math.nan, method=method)
        for term, value, method in (
            ("CFI", cfi, "comparative fit index"),
            ("TLI", tli, "Tucker–Lewis index"),
            ("SRMR", srmr, "standardised root mean square residual"),
        )
    ]
    return Ranking(name=title, estimates=(*rows[:2], rmsea, rows[2]), claim=claim, by="index")


def cfa_test(
    survey: Survey,
    factors: Mapping[str, Sequence[str]],
    *,
    errors: str = "design",
    level: float = 0.90,
    name: str = "",
    claim: str = "",
) -> Test:
    """Chi-square test of a factor model against the covariances as they are.

    With ``errors="design"`` the statistic is divided by the mean of the design's weights in its
    distribution (Satorra and Bentler), so that clusters, weights and skewed items count. The effect
    is RMSEA with its interval at ``level``. Arguments and errors as :func:`cfa`.

    References
    ----------
    Satorra and Bentler (1994); for complex samples Oberski (2014), J. Statistical Software 57(1).
    Checked against R lavaan 0.6.14 (``"ML"``; ``"MLM"`` up to n/(n − 1)).
    """
    from scipy.special import chdtrc

    model = _model(survey, factors, errors)
    title = name or f"Factor model of {', '.join(factors)}: exact fit"
    chi, _ = _chi_squares(model, errors)
    scaled = ", scaled by the design" if errors == "design" else ""
    return Test(
        name=title,
        statistic=chi,
        df=float(model.df),
        p=float(chdtrc(model.df, chi)),
        effect=_rmsea(model, chi, level, {"name": title, "claim": claim}),
        n=model.made.n,
        method=f"likelihood ratio chi-square{scaled}",
        source=survey.source,
        claim=claim,
        origin=survey.origin,
    )


def _model(survey: Survey, factors: Mapping[str, Sequence[str]], errors: str) -> FactorModel:
    """The fitted model, its request checked."""
    if errors not in ERRORS:
        raise unknown("kind of errors", errors, ERRORS)
    if errors == "model" and not survey.design.plain:
        raise CxError(
            "model standard errors know nothing of the design",
            got=survey.design.text(),
            want='errors="design", or a survey without weights, strata and clusters',
        )
    items = checked(factors)
    return fitted(moments(survey, items, missing="listwise", unbiased=False), factors)


def _quantities(
    model: FactorModel, names: tuple[str, ...], standardised: bool
) -> tuple[list[str], Callable[[np.ndarray], np.ndarray]]:
    """The reported parameters: their terms, and how they follow from the model's own."""
    items, owner, p = model.made.items, model.owner, model.p
    marker = np.array([places[0] for places in model.factors.values()])
    terms = [f"{names[owner[i]]} =~ {items[i]}" for i in range(p)]
    m = len(names)
    every = [(a, b) for a in range(m) for b in range(a, m)]
    terms += [f"{names[a]} ~~ {names[b]}" for a, b in every]
    terms += [f"{item} ~~ {item}" for item in items]
    sd = np.sqrt(np.diag(model.made.covariance))

    def of(theta: np.ndarray) -> np.ndarray:
        loadings, phi, residual = model.parts(theta)
        own = loadings[np.arange(p), owner]
        if standardised:
            size = np.sqrt(np.diag(model.implied(theta)))
            shown = [phi[a, b] for a, b in every]
            return np.concatenate([own / size, shown, residual / size**2])
        unit = (own * sd)[marker]
        shown = [phi[a, b] * unit[a] * unit[b] for a, b in every]
        return np.concatenate([own * sd / unit[owner], shown, residual * sd**2])

    return terms, of


def parameter_scores(model: FactorModel) -> np.ndarray:
    """Influence scores of the model's own parameters, shape (rows, K)."""
    sd = np.sqrt(np.diag(model.made.covariance))
    each = [model.made.scores(one / np.outer(sd, sd)) for one in model.gradients()]
    return np.column_stack(each)


def _estimates(
    model: FactorModel,
    terms: Sequence[str],
    of: Callable[[np.ndarray], np.ndarray],
    errors: str,
    level: float,
    told: Mapping[str, str],
) -> list[Estimate]:
    """Estimates of functions of the parameters, with either kind of errors."""
    made = model.made
    values, jacobian = of(model.theta), model.jacobian(of)
    fixed = np.abs(jacobian).max(axis=1) < 1e-8 * np.abs(values)
    jacobian[fixed] = 0.0
    if errors == "design":
        scores = parameter_scores(model)
        told = {**told, "method": "maximum likelihood, linearised variance"}
        return [
            made.estimate(value, scores @ row, level=level, term=term, **told)
            for term, value, row in zip(terms, values, jacobian, strict=True)
        ]
    inverse = 2 / made.n * np.linalg.inv(model.gradient(model.theta)[1])
    z, method = t_quantile(level, math.inf), "maximum likelihood, expected information"
    rows = []
    for term, value, row in zip(terms, values, jacobian, strict=True):
        se = math.sqrt(max(float(row @ inverse @ row), 0.0))
        blank = _blank(model, told, level, method)
        low, high = float(value - z * se), float(value + z * se)
        rows.append(replace(blank, value=float(value), low=low, high=high, se=se, term=term))
    return rows


def _improper(model: FactorModel) -> list[str]:
    """What makes a solution improper, in words."""
    _, phi, residual = model.parts(model.theta)
    bad = [item for item, v in zip(model.made.items, residual, strict=True) if v < 0]
    found = [f"improper solution: a residual variance below 0 ({', '.join(bad)})"] if bad else []
    if np.linalg.eigvalsh(phi)[0] <= 0:
        found.append("improper solution: the factors' correlations cannot be true together")
    return found


def _blank(model: FactorModel, told: Mapping[str, str], level: float, method: str) -> Estimate:
    """An estimate without its numbers."""
    survey, n = model.made.survey, model.made.n
    return Estimate(
        value=math.nan,
        low=math.nan,
        high=math.nan,
        unit="",
        n=n,
        n_excluded=len(survey) - n,
        level=level,
        method=method,
        source=survey.source,
        origin=survey.origin,
        **told,
    )


def _chi_squares(model: FactorModel, errors: str) -> tuple[float, float]:
    """The statistic of the model and that of the model of no correlations, scaled if asked."""
    if model.df < 1:
        raise CxError(
            "this factor model fits by construction",
            got=f"{len(model.theta)} parameters for as many covariances",
            want="four items or more, or two factors",
        )
    made, p = model.made, model.p
    chi = made.n * max(model.fit_function(model.theta), 0.0)
    base = -made.n * float(np.linalg.slogdet(made.correlation)[1])
    if errors == "model":
        return chi, base
    own = _scaling(model, model.implied(model.theta), model.derivatives(model.theta))
    diagonal = np.eye(p)[:, :, None] * np.eye(p)[:, None, :]
    return chi / own, base / _scaling(model, np.eye(p), diagonal)


def _scaling(model: FactorModel, sigma: np.ndarray, moves: np.ndarray) -> float:
    """The mean weight of the chi-squares that the statistic is made of under the design."""
    made, p = model.made, model.p
    sd = np.sqrt(np.diag(made.covariance))
    whiten = np.linalg.inv(np.linalg.cholesky(sigma))
    low = np.tril_indices(p)
    weight = np.where(low[0] == low[1], math.sqrt(0.5), 1.0)
    basis = np.column_stack([(whiten @ one @ whiten.T)[low] * weight for one in moves])
    free = np.linalg.qr(basis, mode="complete")[0][:, basis.shape[1] :]
    total = 0.0
    for column in free.T:
        gradient = np.zeros((p, p))
        gradient[low] = column * weight
        gradient = whiten.T @ ((gradient + gradient.T) / 2) @ whiten / np.outer(sd, sd)
        total += float(variance(made.survey, made.scores(gradient)))
    scale = made.n * total / free.shape[1]
    if not scale > 0:
        raise CxError("no variation to test", got="no variance between sampling units")
    return scale


def _rmsea(model: FactorModel, chi: float, level: float, told: Mapping[str, str]) -> Estimate:
    """Root mean square error of approximation, its interval from the non-central chi-square."""
    from scipy.optimize import brentq
    from scipy.special import chdtr, chndtr

    n, df = model.made.n, float(model.df)

    def bound(p: float) -> float:
        if chdtr(df, chi) <= p:
            return 0.0
        top = chi + 10.0
        while chndtr(chi, df, top) > p:
            top *= 2
        return float(brentq(lambda nc: chndtr(chi, df, nc) - p, 1e-12, top, xtol=1e-10))

    t_quantile(level, math.inf)
    method = "root mean square error of approximation, non-central chi-square interval"
    value, low, high = (
        math.sqrt(nc / (n * df))
        for nc in (max(chi - df, 0.0), bound((1 + level) / 2), bound((1 - level) / 2))
    )
    blank = _blank(model, told, level, method)
    kind, high = "fit index", max(high, value)
    return replace(blank, kind=kind, term="RMSEA", value=value, low=min(low, value), high=high)
