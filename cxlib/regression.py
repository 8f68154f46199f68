"""Weighted linear and binary regression with design-based standard errors."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile
from .linear import Linear
from .regression_model import Fit, Model, fit, link, log_likelihood_of, model
from .result import Estimate, Ranking
from .survey import Survey
from .tables_tail import noncentrality
from .tally import variance
from .verdict import Test

ERRORS = ("design", "HC1", "model")
EFFECTS = ("coefficients", "marginal")


def regression(
    survey: Survey,
    outcome: str,
    predictors: str | Sequence[str],
    *,
    family: str = "gaussian",
    equals: Any = None,
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    effects: str = "coefficients",
    errors: str = "design",
    tolerance: float = 1e-8,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """How an outcome goes with several predictors at once: weighted regression.

    Parameters
    ----------
    survey : Survey
    outcome : str
        Numbers; for binary families 0/1 or two answers in words, of which the later counts as 1.
    predictors : str or sequence of str
        Questions, and interactions as ``"a:b"`` beside their parts. Numbers enter as they are; text
        and single choices by level, against a reference.
    family : str
        ``"gaussian"`` (linear), ``"binomial"`` (logistic) or ``"probit"``.
    equals : code or codes, optional
        The answers of the outcome that count as 1, the others as 0; with gaussian, a linear
        probability model.
    reference : mapping of question to code, optional
        The level that the others are held against; the first in order otherwise.
    categorical : collection of str
        Predictors of numbers that are to enter by level.
    effects : str
        ``"coefficients"``, or ``"marginal"``: by how much the mean (the chance) changes a unit of a
        predictor, or from its reference to a level, averaged over the respondents.
    errors : str
        ``"design"``: linearised, between primary units. Where no design is declared also ``"HC1"``
        (robust) and ``"model"`` (from the likelihood, as if the family were true).
    tolerance : float
        Logistic regression with design errors: the relative change of the deviance at which the
        steps end. The default is the peer's, at which standard errors are right to four digits or
        more (the coefficients to nine). Smaller is exact.

    Returns
    -------
    Ranking
        One estimate a coefficient, kind "coefficient", ``"(Intercept)"`` first; levels are called
        ``"question: label"``. Units: the outcome's; "log odds"; "probits"; for marginal effects of
        a binary outcome "share points" (0–1). Student's t with the design's degrees of freedom
        among those who answered everything, plus 1, less the number of coefficients.

    Raises
    ------
    CxError
        Unknown question; nobody answered all; a predictor that does not vary or is a combination of
        others; perfect separation; everybody has the same outcome; more coefficients than the
        design's degrees of freedom carry.

    References
    ----------
    Binder (1983), International Statistical Review 51:279; Lumley and Scott (2017), Statistical
    Science 32:265. Marginal effects with design errors count the sampling of the predictors too
    (Korn and Graubard 1999, §3.7). Checked against ``svyglm`` (gaussian, quasibinomial) of R survey
    4.1.1, and against ``OLS(…).fit(cov_type="HC1")``, ``Logit`` and ``Probit`` with
    ``get_margeff()`` of statsmodels.
    """
    if effects not in EFFECTS:
        raise unknown("kind of effects", effects, EFFECTS)
    told = model(
        survey,
        outcome,
        predictors,
        family=family,
        equals=equals,
        reference=reference,
        categorical=categorical,
    )
    loose = errors == "design" and family == "binomial"
    found = fit(told, tolerance if loose else 1e-14)
    solved = _Solved(told, found, errors)
    made = solved.coefficients() if effects == "coefficients" else solved.marginal()
    title = name or f"{told.event or outcome} on {', '.join(map(':'.join, told.predictors.terms))}"
    return _ranking(solved, made, title, claim, level, effects)


def regression_test(
    survey: Survey,
    outcome: str,
    predictors: str | Sequence[str],
    *,
    terms: str | Sequence[str] | None = None,
    family: str = "gaussian",
    equals: Any = None,
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Do some predictors of a regression matter at all? Wald F test of all their coefficients.

    Parameters
    ----------
    terms : str or sequence of str, optional
        Which of ``predictors`` to test together; all of them without.
    family, equals, reference, categorical
        As for :func:`regression`.

    Returns
    -------
    Test
        F on ``df`` and ``df2``. The effect is the share of the outcome's variance that these terms
        explain beyond the others (unit "share of variance", 0–1; for binary outcomes by Efron's
        R²), with an interval from the non-central F.

    Raises
    ------
    CxError
        As :func:`regression`; a term that is no predictor.

    References
    ----------
    Wald's test with the design's covariance; checked against ``regTermTest(method="Wald")`` of R
    survey 4.1.1. Efron (1978), JASA 73:113.
    """
    told = model(
        survey,
        outcome,
        predictors,
        family=family,
        equals=equals,
        reference=reference,
        categorical=categorical,
    )
    chosen = _columns(told, terms)
    solved = _Solved(told, fit(told, 1e-8 if family == "binomial" else 1e-14), "design")
    value, p = solved.wald(chosen)
    named = list(dict.fromkeys(told.terms[i] for i in chosen))
    return Test(
        name=name or f"{told.event or outcome} on {', '.join(named)}",
        statistic=value,
        p=p,
        df=float(len(chosen)),
        df2=solved.df,
        effect=_explained(solved, chosen, value, level, claim),
        n=told.n,
        method=f"Wald F test, {_WORDS[family]}, linearised variance",
        source=survey.source,
        claim=claim,
        origin=survey.origin,
    )


def log_likelihood(
    survey: Survey,
    outcome: str,
    predictors: str | Sequence[str],
    *,
    family: str = "gaussian",
    equals: Any = None,
    reference: Mapping[str, Any] | None = None,
    categorical: Collection[str] = (),
) -> Estimate:
    """The (weighted pseudo-) log-likelihood of a regression, weights scaled to the sample.

    For comparing models by hand; it has no interval. Arguments and errors as
    :func:`regression`. Checked against ``Probit(…).fit().llf`` of statsmodels.
    """
    told = model(
        survey,
        outcome,
        predictors,
        family=family,
        equals=equals,
        reference=reference,
        categorical=categorical,
    )
    value = log_likelihood_of(family, told.y, fit(told).eta, told.w / told.w.mean())
    if not math.isfinite(value):
        raise CxError("the fit is perfect: its likelihood has no bound", got=outcome)
    return Estimate(
        value=value,
        low=math.nan,
        high=math.nan,
        unit="",
        n=told.n,
        n_excluded=len(survey) - told.n,
        kind="log-likelihood",
        name=f"log-likelihood of {told.event or outcome}",
        method=_WORDS[family],
        source=survey.source,
        origin=survey.origin,
    )


_WORDS = {
    "gaussian": "weighted linear regression",
    "binomial": "weighted logistic regression",
    "probit": "weighted probit regression",
}


@dataclass(frozen=True, eq=False)
class _Made:
    """Quantities made of a fit: names, values, influence scores or a covariance, a unit."""

    names: tuple[str, ...]
    values: np.ndarray
    scores: np.ndarray | None
    covariance: np.ndarray
    unit: str


class _Solved:
    """A fit with the covariance that its standard errors come from."""

    def __init__(self, told: Model, found: Fit, errors: str) -> None:
        if errors not in ERRORS:
            raise unknown("kind of errors", errors, ERRORS)
        design = told.survey.design
        if errors != "design" and not design.plain:
            raise CxError(
                f"{errors} standard errors know nothing of the design",
                got=design.text(),
                want='errors="design", or a survey without weights, strata and clusters',
            )
        self.told, self.fit, self.errors = told, found, errors
        p = len(found.beta)
        self.df = told.survey.df_of(told.rows) + 1 - p
        if errors != "design":
            self.df = math.inf if errors == "model" and told.family != "gaussian" else told.n - p
        if self.df < 1:
            raise CxError(
                "the regression has more coefficients than the design can carry",
                got=f"{p} coefficients leave {self.df:g} degrees of freedom",
                want="sampling units less strata of at least the number of coefficients",
                do="take fewer predictors, or merge their answers",
            )
        self.scores = told.spread(found.score @ found.bread) if errors == "design" else None
        self.covariance = self._covariance()

    def _covariance(self) -> np.ndarray:
        told, found = self.told, self.fit
        if self.scores is not None:
            return variance(told.survey, self.scores)
        if self.errors == "HC1":
            meat = found.score.T @ found.score * (told.n / (told.n - len(found.beta)))
            return found.bread @ meat @ found.bread
        if told.family != "gaussian":
            return found.bread
        residual = told.y - found.mu
        return found.bread * float(residual @ residual) / (told.n - len(found.beta))

    def wald(self, chosen: list[int]) -> tuple[float, float]:
        """F and p of the hypothesis that these coefficients are all 0."""
        from scipy.special import fdtrc

        told, beta = self.told, self.fit.beta[chosen]
        left = float((told.w * (told.y - self.fit.mu) ** 2).sum())
        if not left > 1e-20 * float((told.w * told.y**2).sum()):
            raise CxError(
                "the fit is perfect: there is nothing left to test against", got=told.outcome
            )
        covariance = self.covariance[np.ix_(chosen, chosen)]
        scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
        correlation = covariance / np.outer(scale, scale)
        if not (np.diag(covariance) > 0).all() or not np.linalg.cond(correlation) < 1e12:
            raise CxError(
                "the design cannot tell these coefficients apart",
                got=f"{len(chosen)} coefficients, {self.df:g} degrees of freedom",
                want="more clusters than coefficients, and an outcome that varies",
            )
        z, ndf = beta / scale, float(len(chosen))
        value = float(z @ np.linalg.solve(correlation, z)) / ndf
        return value, float(fdtrc(ndf, self.df, value))

    def coefficients(self) -> _Made:
        own = self.told.survey.codebook.get(self.told.outcome).unit
        linear = "share points" if self.told.event else own
        unit = {"gaussian": linear, "binomial": "log odds", "probit": "probits"}[self.told.family]
        names = tuple(column for _, column in self.told.predictors.columns)
        return _Made(names, self.fit.beta, self.scores, self.covariance, unit)

    def marginal(self) -> _Made:
        """Average marginal effects: derivatives of numbers, differences of levels."""
        told, w = self.told, self.told.w / self.told.w.sum()
        names, each, gradients = [], [], []
        for variable in told.predictors.variables.values():
            for name, effect, gradient in self._effects(variable.name, w):
                names.append(name)
                each.append(effect)
                gradients.append(gradient)
        if not names:
            raise CxError("there is no predictor to have an effect", got="an intercept only")
        effects, gradient = np.column_stack(each), np.array(gradients)
        values = w @ effects
        binary = told.family != "gaussian" or told.event
        unit = "share points" if binary else told.survey.codebook.get(told.outcome).unit
        if self.scores is None:
            return _Made(tuple(names), values, None, gradient @ self.covariance @ gradient.T, unit)
        own = told.spread(w[:, None] * (effects - values))
        scores = own + self.scores @ gradient.T
        return _Made(tuple(names), values, scores, variance(told.survey, scores), unit)

    def _effects(self, question: str, w: np.ndarray):
        """Name, effect on each respondent and gradient by the coefficients, a column."""
        told, beta = self.told, self.fit.beta
        variable = told.predictors.variables[question]
        if not variable.levels:
            along = told.predictors.matrix(question, "slope")
            _, slope, curve = link(told.family, self.fit.eta)
            rate = along @ beta
            yield question, slope * rate, (w * curve * rate) @ told.x + (w * slope) @ along
            return
        base = told.predictors.matrix(question, 0)
        mu0, slope0, _ = link(told.family, base @ beta)
        for number, name in enumerate(variable.names, 1):
            moved = told.predictors.matrix(question, number)
            mu, slope, _ = link(told.family, moved @ beta)
            yield name, mu - mu0, (w * slope) @ moved - (w * slope0) @ base


def _ranking(
    solved: _Solved, made: _Made, title: str, claim: str, level: float, effects: str
) -> Ranking:
    told = solved.told
    survey = told.survey
    said = {
        "design": "linearised variance",
        "HC1": "HC1 standard errors",
        "model": "standard errors of the model",
    }[solved.errors]
    what = "average marginal effects, " if effects == "marginal" else ""
    estimates = []
    for place, (term, value) in enumerate(zip(made.names, made.values, strict=True)):
        se = math.sqrt(max(float(made.covariance[place, place]), 0.0))
        half = t_quantile(level, solved.df) * se
        estimates.append(
            Estimate(
                value=float(value),
                low=float(value) - half,
                high=float(value) + half,
                unit=made.unit,
                n=told.n,
                n_excluded=len(survey) - told.n,
                level=level,
                se=se,
                df=solved.df,
                kind="coefficient" if effects == "coefficients" else "marginal effect",
                name=title,
                claim=claim,
                question=told.outcome,
                term=term,
                method=f"{what}{_WORDS[told.family]}, {said}",
                source=survey.source,
                origin=survey.origin,
                linear=None if made.scores is None else _column(solved, made.scores, place),
            )
        )
    return Ranking(name=title, estimates=tuple(estimates), claim=claim, by="predictor")


def _column(solved: _Solved, scores: np.ndarray, place: int) -> Linear:
    return Linear(solved.told.survey, lambda: scores[:, place], solved.df)


def _columns(told: Model, terms: str | Sequence[str] | None) -> list[int]:
    """The columns of the terms to be tested."""
    named = dict.fromkeys(told.terms[1:])
    if not named:
        raise CxError("there is no predictor to test", got="an intercept only")
    asked = list(named) if terms is None else [terms] if isinstance(terms, str) else list(terms)
    same = {frozenset(one.split(":")): one for one in named}
    wanted = set()
    for term in asked:
        known = term if term in named else same.get(frozenset(term.split(":")))
        if known is None:
            raise unknown("term of the regression", term, named)
        wanted.add(known)
    chosen = [i for i, term in enumerate(told.terms) if term in wanted]
    if not chosen:
        raise CxError("there is no term to test", got=asked, want="one or more of the predictors")
    return chosen


def _explained(
    solved: _Solved, chosen: list[int], statistic: float, level: float, claim: str
) -> Estimate:
    """The share of the outcome's variance that the columns add to what the others explain."""
    told, w = solved.told, solved.told.w
    left = [i for i in range(told.x.shape[1]) if i not in chosen]
    without = fit(replace(told, x=told.x[:, left])).mu
    total = float((w * (told.y - np.average(told.y, weights=w)) ** 2).sum())
    gained = float((w * ((told.y - without) ** 2 - (told.y - solved.fit.mu) ** 2)).sum())
    value = min(max(gained / total, 0.0), 1.0) if total > 0 else 0.0
    ndf = float(len(chosen))
    low, high = noncentrality(statistic, ndf, solved.df, level)
    scale = value / (statistic * ndf) if statistic > 0 else 0.0
    return Estimate(
        value=value,
        low=min(low * scale, value),
        high=max(min(high * scale, 1.0), value),
        unit="share of variance",
        n=told.n,
        n_excluded=len(told.survey) - told.n,
        level=level,
        df=solved.df,
        kind="association",
        name=f"explained beyond the other predictors by {len(chosen)} coefficients",
        claim=claim,
        question=told.outcome,
        method="gain in R², interval from the non-central F of the test",
        source=told.survey.source,
        origin=told.survey.origin,
    )
