"""Discrete choice: what people would pay for an attribute, from the alternatives that they chose.

Each task offers alternatives at prices; an attribute's willingness to pay is its weight in the
choice over the weight of money. The conditional logit gives everyone the same tastes; the mixed
logit lets them differ between people, and checks whether its simulation has settled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .choice_logit import ERRORS, Fit, Plan, fit
from .choice_tasks import Question, Tasks, read_tasks
from .choice_terms import Quantity, parameters, payments
from .contingent import percentiles
from .contingent_fit import fieller
from .errors import CxError, unknown
from .interval import t_quantile
from .linear import Linear
from .result import Estimate, Ranking
from .survey import Survey
from .verdict import Test

#: How the interval of a ratio is made.
METHODS = ("delta", "krinsky-robb", "fieller")
#: Simulations of Krinsky and Robb.
SIMULATIONS = 20_000
#: What counts as settled between the last two numbers of draws.
SETTLED_LOGLIK, SETTLED_SE = 1.0, 0.25

_READ = ("chosen", "task", "price", "attributes", "alternatives", "respondent", "characteristics")
_FIT = ("space", "random", "correlated", "draws", "starts", "seed", "scramble")


def choice_wtp(
    choices: Survey | pd.DataFrame,
    *,
    chosen: str,
    task: str,
    price: str,
    attributes: Sequence[str],
    alternatives: str = "",
    respondent: str = "",
    characteristics: Sequence[str] = (),
    reference: Mapping[str, Any] | None = None,
    weights: str | None = None,
    random: Mapping[str, str] | None = None,
    correlated: bool = False,
    space: str = "preference",
    method: str = "delta",
    errors: str = "",
    draws: int | Sequence[int] = (100, 300, 600),
    starts: int = 3,
    seed: int = 1,
    scramble: bool = False,
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Ranking:
    """What people would pay for one unit more of each attribute, from their choices.

    Parameters
    ----------
    choices : Survey or DataFrame
        One row an alternative of a task of a respondent. A survey brings weights, strata and
        clusters.
    chosen, task, respondent, alternatives : str
        Columns: 1 for the chosen alternative and 0 for the others; the task (numbered over all, or
        within the respondent); who chose; the alternative's label, if alternatives are labelled:
        then each but the reference gets a constant.
    price : str
        Column of prices; willingness to pay is in its unit (``unit``, e.g. ``"EUR"``).
    attributes : names of columns
        Text becomes one term a level against a reference: the first in order, or
        ``reference={"brand": "dannon"}`` (which also makes levels of a column of numbers).
    characteristics : names of columns
        What belongs to the respondent; enters times the alternatives' constants.
    weights : str, optional
        Column of weights, constant within a task (mixed logit: within a respondent).
    random : attribute → ``"normal"``, ``"log-normal"``, ``"triangular"`` or ``"uniform"``
        Which tastes differ between respondents: the mixed logit. A log-normal price is disliked by
        all; other log-normal attributes are liked by all (turn the sign of one that is disliked).
    correlated : bool
        Whether (log-)normal tastes go together.
    space : "preference" or "wtp"
        In WTP space, utility is scale × (attributes × wtp − price): the distribution of willingness
        to pay itself is estimated, and has moments even where the price's weight varies.
    method : "delta", "krinsky-robb" or "fieller"
        Delta: symmetric. Krinsky–Robb: median and quantiles of simulated ratios. Fieller: exact for
        a ratio of normals, unbounded (and said so) where the price may not matter at all.
    errors : "hessian", "opg" or "robust"
        By default ``"robust"`` for a survey or with weights (design-based, respondents as
        clusters), else ``"hessian"``.
    draws : int or rising list
        Halton draws a respondent; the model is fitted at each, and a caution says so if the
        log-likelihood or a willingness to pay still moves between the last two.
    starts, seed, scramble
        Starting points tried with the fewest draws; the seed of all that is random; whether the
        Halton digits are permuted (better for many random attributes).

    Returns
    -------
    Ranking
        A term each attribute (level, constant); ``sd.`` terms for tastes that differ (``spread.``
        for triangular and uniform: half the range).

    Raises
    ------
    CxError
        Not one choice a task; an alternative or level never chosen; no variation in the price;
        perfect collinearity or separation; a design and ``errors`` that ignore it.

    References
    ----------
    McFadden (1974); Train (2009); Train and Weeks (2005); Krinsky and Robb (1986), Review of
    Economics and Statistics 68(4); Fieller (1954), JRSS B 16(2); Hole (2007), Health Economics
    16(8). Checked against R's mlogit 1.1-3 and logitr 1.1.2, statsmodels' ConditionalLogit and
    xlogit 0.2.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    model = _Model.read(choices, dict(locals()))
    shown = [_estimate(model, one, method) for one in payments(model.fit, model.plan, unit)]
    return model.ranking(shown, name or "Willingness to pay")


def choice_model(choices: Survey | pd.DataFrame, **asked: Any) -> Ranking:
    """The coefficients behind :func:`choice_wtp`; takes the same arguments (but no ``method``).

    Returns
    -------
    Ranking
        Preference space: utility a unit; of a log-normal taste, the mean and sd of its logarithm.
        WTP space: ``scale`` and willingness to pay. ``sd.``, ``spread.`` and ``cor.`` terms as the
        model has them.
    """
    model = _Model.read(choices, _filled(asked, "method"))
    shown = [
        _estimate(model, one, "") for one in parameters(model.fit, model.plan, model.asked["unit"])
    ]
    return model.ranking(shown, model.asked["name"] or "Choice model")


def choice_fit(choices: Survey | pd.DataFrame, **asked: Any) -> Test:
    """How well the model tells the choices; takes the arguments of :func:`choice_wtp`.

    Returns
    -------
    Test
        The likelihood ratio against all alternatives being alike; its ``effect`` is the
        log-likelihood (a simulated one for the mixed logit, a pseudo one with weights).
    """
    from scipy.special import chdtrc

    model = _Model.read(choices, _filled(asked, "method"))
    found = model.fit
    ratio = 2 * (found.loglik - found.null)
    effect = model.estimate("log-likelihood", found.loglik, math.nan, math.nan, kind="fit")
    weighted = model.errors == "robust" and bool(np.ptp(found.tasks.weight))
    extra = ("weighted: p takes the choices as independent",) if weighted else ()
    return Test(
        name=model.asked["name"] or "Choice model against no preference",
        statistic=ratio,
        p=float(chdtrc(len(found.theta), max(ratio, 0.0))),
        df=float(len(found.theta)),
        effect=effect,
        n=found.tasks.n,
        method=f"likelihood ratio; McFadden's R² {1 - found.loglik / found.null:.3f}",
        source=effect.source,
        claim=model.asked["claim"],
        cautions=(*effect.cautions, *extra),
        origin=effect.origin,
    )


def _filled(asked: Mapping[str, Any], without: str) -> dict[str, Any]:
    """The arguments of :func:`choice_wtp` with its defaults."""
    known = {k: v for k, v in choice_wtp.__kwdefaults__.items() if k != without}
    needed = ("chosen", "task", "price", "attributes")
    for word in asked:
        if word not in known and word not in needed:
            raise unknown("argument", word, (*needed, *known))
    missing = [word for word in needed if word not in asked]
    if missing:
        raise CxError("an argument is missing", got=", ".join(missing))
    return known | dict(asked)


@dataclass(frozen=True, eq=False)
class _Model:
    """A fit and how it is to be told."""

    fit: Fit
    plan: Plan
    errors: str
    covariance: np.ndarray
    asked: Mapping[str, Any]
    cautions: tuple[str, ...]

    @staticmethod
    def read(choices: Survey | pd.DataFrame, asked: dict[str, Any]) -> _Model:
        """Checks, fits, and takes the covariance that is right for the data."""
        asked = {**asked, "attributes": _names(asked["attributes"], "attributes")}
        asked["characteristics"] = _names(asked["characteristics"], "characteristics")
        told = tuple((k, str(v)) for k, v in (asked["reference"] or {}).items())
        question = Question(reference=told, **{word: asked[word] for word in _READ})
        draws = asked["draws"]
        draws = (draws,) if isinstance(draws, (int, np.integer)) else tuple(draws)
        random = tuple((asked["random"] or {}).items())
        plan = Plan(**{word: asked[word] for word in _FIT} | {"draws": draws, "random": random})
        if not 0 < asked["level"] < 1:
            raise CxError("a confidence level lies between 0 and 1", got=asked["level"])
        tasks = read_tasks(choices, question, asked["weights"])
        errors = _errors(choices, tasks, asked["errors"])
        found = fit(tasks, plan)
        covariance = found.covariance(errors)
        cautions = (*_price_cautions(found, plan, covariance), *tasks.cautions)
        if errors == "hessian" and not random and len(tasks.person) > tasks.n:
            cautions += (
                'respondents chose several times and are taken as others each time: errors="robust"'
                " allows for their likeness",
            )
        model = _Model(found, plan, errors, covariance, asked, cautions)
        return replace(model, cautions=(*_settled(model), *cautions))

    @cached_property
    def df(self) -> float:
        """Of the design where errors are design-based, else the normal's."""
        if self.errors != "robust":
            return math.inf
        tasks = self.fit.tasks
        df = tasks.survey.df_of(np.isin(np.arange(len(tasks.survey.frame)), tasks.row))
        if df <= 0:
            raise CxError("no degrees of freedom", got=f"{tasks.n} respondents", want="more")
        return df

    def text(self) -> str:
        """The method in words."""
        how = {"hessian": "the inverse Hessian", "opg": "the outer product of scores"}
        errors = how.get(self.errors, "the survey design (sandwich)")
        if self.fit.mixing is None:
            kind = f"conditional logit, log-likelihood {_number(self.fit.loglik)}"
        else:
            steps = ", ".join(f"{_number(v)} with {r}" for r, v, _ in self.fit.rungs)
            kind = (
                f"mixed logit in {self.plan.space.replace('wtp', 'WTP')} space, panel likelihood "
                f"simulated with Halton draws a respondent: log-likelihood {steps}"
            )
        return f"{kind}; standard errors from {errors}"

    def estimate(self, term: str, value: float, low: float, high: float, **told: Any) -> Estimate:
        """An estimate of this model; ``told`` may override what is common to all."""
        tasks = self.fit.tasks
        common = {"unit": "", "kind": "estimate", "method": self.text(), "cautions": self.cautions}
        return Estimate(
            term=term,
            value=value,
            low=low,
            high=high,
            n=tasks.n,
            n_excluded=tasks.n_excluded,
            level=self.asked["level"],
            df=self.df,
            source=tasks.survey.source,
            origin=tasks.survey.origin,
            claim=self.asked["claim"],
            question=self.asked["chosen"],
            name=self.asked["name"],
            **{**common, **told},
        )

    def ranking(self, estimates: Sequence[Estimate], name: str) -> Ranking:
        """The estimates under one name."""
        parts = tuple(replace(one, name=name) for one in estimates)
        return Ranking(name=name, estimates=parts, claim=self.asked["claim"], by="attribute")


def _names(given: Sequence[str], word: str) -> tuple[str, ...]:
    if isinstance(given, str):
        raise CxError(f"{word} is a list of columns", got=repr(given), want=f"[{given!r}]")
    return tuple(given)


def _errors(choices: Survey | pd.DataFrame, tasks: Tasks, asked: str) -> str:
    designed = isinstance(choices, Survey) or bool(tasks.survey.design.weights)
    if not asked:
        return "robust" if designed else "hessian"
    if asked not in ERRORS:
        raise unknown("kind of standard error", asked, ERRORS)
    if asked != "robust" and isinstance(choices, Survey) and not choices.design.plain:
        raise CxError(
            "these standard errors would ignore the survey's design",
            got=f'errors="{asked}"; {choices.design.text()}',
            want='errors="robust", which is the default here',
        )
    return asked


def _number(value: float) -> str:
    return f"{value:,.1f}".replace("-", "−")


# -- what is told ----------------------------------------------------------------------------------


def _estimate(model: _Model, one: Quantity, method: str) -> Estimate:
    """A quantity with its interval."""
    level = model.asked["level"]
    value, slope, se = _delta(model, one)
    half = t_quantile(level, model.df) * se
    low, high, extra = value - half, value + half, ()
    if one.term.startswith(("sd.", "spread.")):
        low = max(low, 0.0)
    if method == "krinsky-robb":
        value, low, high, extra = _krinsky_robb(model, one)
    elif method == "fieller":
        low, high, extra = _fieller(model, one)
    told = {"": "Wald interval", "delta": "delta-method interval"}.get(method, f"{method} interval")
    estimate = model.estimate(one.term, value, low, high, unit=one.unit, se=se)
    return replace(
        estimate,
        method=f"{estimate.method}; {told}",
        cautions=(*extra, *estimate.cautions),
        linear=Linear(model.fit.tasks.survey, lambda: model.fit.influence(slope), model.df),
    )


def _delta(model: _Model, one: Quantity) -> tuple[float, np.ndarray, float]:
    """A quantity, its gradient and its standard error."""
    with np.errstate(all="ignore"):
        value, slope = float(one.value(model.fit.theta)), one.slope(model.fit.theta)
        se = math.sqrt(max(float(slope @ model.covariance @ slope), 0.0))
    if not (math.isfinite(value) and math.isfinite(se)):
        raise CxError(
            f"{one.term} is too large to tell",
            got="a log-normal whose tail has no end in these data",
            want="choices that bound how much people differ",
            do="let it vary normally, or ask more people",
        )
    return value, slope, se


def _krinsky_robb(model: _Model, one: Quantity) -> tuple[float, float, float, tuple[str, ...]]:
    """Median and quantiles over parameters drawn from their normal (or t) distribution."""
    rng = np.random.default_rng(model.plan.seed)
    values, vectors = np.linalg.eigh(model.covariance)
    noise = rng.normal(size=(SIMULATIONS, len(values)))
    if math.isfinite(model.df):
        noise /= np.sqrt(rng.chisquare(model.df, size=(SIMULATIONS, 1)) / model.df)
    draws = model.fit.theta + (noise * np.sqrt(np.maximum(values, 0))) @ vectors.T
    with np.errstate(all="ignore"):  # the far tail of a log-normal has no end: infinite is right
        made = np.nan_to_num(one.value(draws), nan=math.inf, posinf=math.inf, neginf=-math.inf)
    tail = (1 - model.asked["level"]) / 2
    if one.money is not None:
        with np.errstate(all="ignore"):
            wrong = float((one.money(draws) * one.money(model.fit.theta) <= 0).mean())
        if wrong > tail:
            why = f"the price's weight changes its sign in {100 * wrong:.1f} % of the simulations"
            return float(np.median(made)), -math.inf, math.inf, (f"{one.term} is unbounded: {why}",)
    return float(np.median(made)), *percentiles(made, model.asked["level"]), ()


def _fieller(model: _Model, one: Quantity) -> tuple[float, float, tuple[str, ...]]:
    if one.ratio is None:
        raise CxError(
            "Fieller's interval is for a ratio of two coefficients",
            got=one.term,
            do='use method="krinsky-robb" or "delta"',
        )
    places = list(one.ratio)
    a, b = model.fit.theta[places]
    both = model.covariance[np.ix_(places, places)]
    low, high, why = fieller(a, b, both, t_quantile(model.asked["level"], model.df))
    told = f"the price may have no weight at all, so {one.term} is unbounded: {why}"
    return float(low), float(high), (told,) if why else ()


def _price_cautions(found: Fit, plan: Plan, covariance: np.ndarray) -> tuple[str, ...]:
    """What is wrong with the weight of money, if anything."""
    mixing = found.mixing
    vary = mixing is not None and 0 in mixing.random
    if vary and mixing.shapes[mixing.random.index(0)] == "log-normal":
        if plan.space == "wtp":
            return ()
        return (
            "the price's weight differs between people: ratios stand at its median; "
            'space="wtp" estimates the distribution of willingness to pay itself',
        )
    sign = -1.0 if mixing is not None and plan.space == "wtp" else 1.0
    weight, se = sign * found.theta[0], math.sqrt(max(covariance[0, 0], 0.0))
    cautions = []
    if weight > 0:
        cautions.append("dearer was liked better: these ratios are no willingness to pay")
    elif abs(weight) < 4 * se:
        cautions.append(
            f"the price's weight is only {abs(weight) / se:.1f} standard errors from 0: a "
            'symmetric interval misleads, use method="fieller"'
        )
    if vary and plan.space == "preference":
        cautions.append(
            "the price's weight varies on both sides of 0 for some: the mean willingness to pay "
            'does not exist; ratios stand at the centre, space="wtp" avoids this'
        )
    return tuple(cautions)


def _settled(model: _Model) -> tuple[str, ...]:
    """Whether the simulation has settled: the log-likelihood and every figure, between draws."""
    found = model.fit
    if found.mixing is None:
        return ()
    cautions, mass = [], float(found.tasks.weight.mean())
    if found.apart > SETTLED_LOGLIK * mass:
        cautions.append(
            f"starting points ended up to {found.apart / mass:.1f} log-likelihood units apart: "
            "there are several tops; the best was taken"
        )
    if len(found.rungs) < 2:
        return (
            *cautions,
            f"not checked whether {found.rungs[0][0]} draws are enough: give draws=(100, 300, 600)",
        )
    (few, before, theta), (many, after, _) = found.rungs[-2:]
    moved, term = 0.0, ""
    for one in payments(found, model.plan, ""):
        value, _, se = _delta(model, one)
        with np.errstate(all="ignore"):
            shift = abs(float(one.value(theta)) - value) / max(se, 1e-150)
        moved, term = max((moved, term), (shift, one.term))
    if abs(after - before) > SETTLED_LOGLIK * mass or moved > SETTLED_SE:
        cautions.append(
            f"not settled: from {few} to {many} draws the log-likelihood still moves by "
            f"{abs(after - before) / mass:.1f}, and {term} by {moved:.2f} standard errors: "
            "take more draws"
        )
    return tuple(cautions)
