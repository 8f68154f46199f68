"""Contingent valuation: what people say yes or no to paying, and what that makes them worth.

Each respondent is offered one bid, or a second after the first answer. :func:`wtp_survival` (the
headline) draws the share who would pay at least so much without assuming a distribution;
:func:`contingent_valuation` fits one. Both give a result that :func:`wtp_median` and
:func:`wtp_mean` read their amounts from, so that the answers are read and the likelihood is
maximised once for all of them. A mean that does not exist is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import contingent_fit as engine
from . import tally
from .contingent_answers import Asked, confidence, covariate_columns, not_positive, read_answers
from .errors import CxError, unknown
from .interval import t_quantile
from .linear import Linear, someone
from .replicates import make_replicates
from .result import Estimate, Ranking
from .survey import Survey

INTERCEPT = "(intercept)"


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model: what :func:`wtp_median`, :func:`wtp_mean` and :func:`wtp_ratio` read.

    Attributes
    ----------
    names, coef, cov : terms, coefficients (the bid's last) and their covariance
    df : degrees of freedom of its intervals (inf: the normal)
    loglik : float
    middle : weighted means of the intercept and the covariates
    influence : float array, shape (valid rows, terms): weighted
    """

    asked: Asked
    distribution: str
    names: tuple[str, ...]
    coef: np.ndarray
    cov: np.ndarray
    df: float
    loglik: float
    middle: np.ndarray
    influence: np.ndarray
    data: engine.Data


@dataclass(frozen=True, eq=False)
class Fitted(Linear):
    """Influence scores of one coefficient, and the model that it belongs to."""

    fit: Fit | None = field(default=None, repr=False)


def contingent_valuation(
    survey: Survey,
    answer: str,
    bid: str | Sequence[str],
    *,
    second: str | None = None,
    follow_up: str | None = None,
    distribution: str = "logistic",
    covariates: Sequence[str] = (),
    yes: Any = 1,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """A distribution of willingness to pay, fitted to yes/no answers by maximum likelihood.

    Parameters
    ----------
    answer : str
        The answer to the (first) bid: ``yes`` and one other code.
    bid : str or (low, high)
        The bid offered. A pair of columns is the one-and-a-half-bounded format: one of the two was
        asked first and the other only if the first answer left it open; an empty ``second`` means
        that it was not asked.
    second, follow_up : str
        The answer to the follow-up, and (double-bounded) the bid that it was about: higher after a
        yes, lower after a no.
    distribution : str
        ``"logistic"``, ``"normal"`` (any amount, below zero too), ``"log-logistic"``,
        ``"log-normal"``, ``"weibull"`` (amounts above zero).
    covariates : columns
        Numbers as they are; text as one column an answer less the first, ``"sex: male"``.

    Returns
    -------
    Ranking
        The coefficients of the index whose probability is a yes, no unit. Where a design is
        declared they maximise the weighted likelihood and have its sandwich variance with t
        intervals on its degrees of freedom; otherwise inverse information (expected for one
        answer each, observed for two) and the normal, as the peer. The fit rides on the estimates
        (as their influence scores do), so that ``wtp_median`` and ``wtp_mean`` need not refit.

    Raises
    ------
    CxError
        Unknown columns; text, infinite or (log distributions) non-positive bids; everybody or
        nobody said yes; one bid; collinear covariates; perfect separation; a follow-up on the
        wrong side of the first bid.

    References
    ----------
    Hanemann, Loomis and Kanninen (1991), AJAE 73:1255; Cooper, Hanemann and Signorello (2002),
    REStat 84:742. Checked against ``sbchoice``, ``dbchoice`` and ``oohbchoice`` of R DCchoice 0.2.0
    (whose ``glm`` stops some 1e-5 short, and whose BFGS stops well short where bids are not logged:
    its answers have a lower likelihood than these). Weighted: ``svyglm`` of R survey 4.1.1.
    """
    if distribution not in engine.DISTRIBUTIONS:
        raise unknown("distribution", distribution, engine.DISTRIBUTIONS)
    confidence(level)
    asked = read_answers(survey, answer, bid, second, follow_up, yes)
    fit = _fitted(asked, distribution, covariates)
    title = name or "Willingness to pay: coefficients"
    rows = tuple(_coefficient(fit, place, level, title, claim) for place in range(len(fit.names)))
    return Ranking(name=title, estimates=rows, claim=claim, by="term")


def _coefficient(fit: Fit, place: int, level: float, name: str, claim: str) -> Estimate:
    value, se = float(fit.coef[place]), math.sqrt(float(fit.cov[place, place]))
    half = t_quantile(level, fit.df) * se
    kind = "" if fit.asked.survey.design.plain else "pseudo-"
    told = f"{fit.asked.way} {fit.distribution} model, {kind}log-likelihood {fit.loglik:.6g}"
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        se=se,
        unit="",
        term=fit.names[place],
        level=level,
        df=fit.df,
        kind="coefficient",
        method=told,
        cautions=_slope_cautions(fit, level),
        linear=_scores_of(fit, np.eye(len(fit.names))[place]),
        **fit.asked.about(name, claim),
    )


# -- the fit ---------------------------------------------------------------------------------------


def _fitted(asked: Asked, distribution: str, covariates: Sequence[str]) -> Fit:
    survey = asked.survey
    names, columns = covariate_columns(survey, covariates)
    answered = asked.answered.copy()
    for column in columns:
        answered &= ~np.isnan(column)
    valid = answered & survey.looked_at
    someone(survey, asked.answer, valid)
    asked = replace(asked, answered=answered)
    rows = np.flatnonzero(valid)
    family, logged = engine.DISTRIBUTIONS[distribution]
    low, high = asked.low[rows], asked.high[rows]
    if logged and (asked.ends() <= 0).any():
        raise not_positive(asked)
    if logged:
        low, high = _log(low), _log(high)
    x = np.column_stack([np.ones(len(rows)), *(column[rows] for column in columns)])
    weights = survey.weights[rows]
    data = engine.Data(x, low, high, weights, family)
    found = engine.maximise(data)
    single = asked.way == "single-bounded" and family != "gumbel"
    bread = np.linalg.inv(found.expected if single else found.observed)
    influence = weights[:, None] * found.scores @ bread
    plain = survey.design.plain
    whole = np.zeros((len(valid), len(bread)))
    whole[rows] = influence
    bid = f"log({asked.term})" if logged else asked.term
    return Fit(
        asked=asked,
        distribution=distribution,
        names=(INTERCEPT, *names, bid),
        coef=found.coef,
        cov=bread if plain else tally.variance(survey, whole),
        df=np.inf if plain else _left_df(survey.df_of(answered), len(bread)),
        loglik=found.loglik,
        middle=weights @ x / weights.sum(),
        influence=influence,
        data=data,
    )


def _log(ends: np.ndarray) -> np.ndarray:
    """The logarithm of amounts, −inf and inf as they are."""
    out = ends.copy()
    known = np.isfinite(ends)
    out[known] = np.log(ends[known])
    return out


def _left_df(df: float, terms: int) -> float:
    """Degrees of freedom that the design has left after the coefficients, as R's ``svyglm``."""
    left = df + 1 - terms
    if left <= 0:
        raise CxError(
            "the design has too few clusters for this model",
            got=f"{df:.0f} degrees of freedom, {terms} coefficients",
            want="more clusters than strata and coefficients together",
            do="leave covariates out",
        )
    return left


def _slope_cautions(fit: Fit, level: float) -> tuple[str, ...]:
    bid, se = float(fit.coef[-1]), float(np.sqrt(fit.cov[-1, -1]))
    if bid >= 0:
        return ("people do not say no more often at higher bids: no amount follows from this fit",)
    if -bid < t_quantile(level, fit.df) * se:
        return ("the bid's coefficient cannot be told from 0: amounts are very uncertain",)
    return ()


def _scores_of(fit: Fit, direction: np.ndarray) -> Fitted:
    return Fitted(
        fit.asked.survey, lambda: fit.asked.over_rows(fit.influence @ direction), fit.df, fit=fit
    )


def model_of(model: Any) -> Fit | None:
    """The fit that rides on a Ranking of :func:`contingent_valuation`, else None."""
    first = model.estimates[0] if isinstance(model, Ranking) and model.estimates else None
    return getattr(getattr(first, "linear", None), "fit", None)


# -- lines and their draws ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Line:
    """The index at chosen covariates, a + b·bid, its covariance, and where that is."""

    a: float
    b: float
    cov: np.ndarray
    mix: np.ndarray
    where: str

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient in (a, b) as one in the coefficients."""
        return gradient @ self.mix


@dataclass(frozen=True, eq=False)
class Made:
    """Simulated or refitted lines."""

    a: np.ndarray
    b: np.ndarray
    cautions: tuple[str, ...] = ()


def line_of(fit: Fit, at: Mapping[str, float] | None) -> Line:
    """The fitted index at the means of the covariates, less what ``at`` tells."""
    middle = fit.middle.copy()
    for term, value in (at or {}).items():
        if term not in fit.names[1:-1]:
            raise unknown("covariate of the model", term, fit.names[1:-1])
        middle[fit.names.index(term)] = value
    mix = np.zeros((2, len(fit.coef)))
    mix[0, :-1], mix[1, -1] = middle, 1.0
    a, b = mix @ fit.coef
    told = ", ".join(f"{term} {value:g}" for term, value in (at or {}).items())
    where = f" at {told}" if told else " at mean covariates" if len(middle) > 1 else ""
    return Line(float(a), float(b), mix @ fit.cov @ mix.T, mix, where)


def simulated(fit: Fit, line: Line, method: str, draws: int, seed: int) -> Made:
    """Lines by ``method``: "krinsky-robb" draws coefficients, "bootstrap" refits to resamples."""
    if method == "bootstrap":
        return _refits(fit, line, enough(draws), seed)
    pairs = normal_draws(np.array([line.a, line.b]), line.cov, fit.df, draws, seed)
    return Made(pairs[:, 0], pairs[:, 1])


def enough(draws: int) -> int:
    """The number of draws, if percentiles can be taken of so many."""
    if not draws >= 100:
        raise CxError("too few draws for percentiles", got=draws, want="100 or more")
    return int(draws)


def normal_draws(
    centre: np.ndarray, cov: np.ndarray, df: float, draws: int, seed: int
) -> np.ndarray:
    """Draws of two coefficients: normal, or Student's t on the design's degrees of freedom."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((enough(draws), 2))
    first = math.sqrt(max(cov[0, 0], 0.0))
    lean = cov[0, 1] / first if first > 0 else 0.0
    rest = math.sqrt(max(cov[1, 1] - lean**2, 0.0))
    moved = np.column_stack([first * z[:, 0], lean * z[:, 0] + rest * z[:, 1]])
    if math.isfinite(df):
        moved *= np.sqrt(df / rng.chisquare(df, draws))[:, None]
    return centre + moved


def _refits(fit: Fit, line: Line, draws: int, seed: int) -> Made:
    """Refits to resampled respondents or primary units; samples without a maximum are left out."""
    grouped, where = fit.data.grouped()
    lines, lost = [], 0
    for weights in _resamples(fit, draws, seed):
        cells = np.bincount(where, weights, len(grouped.low))
        alive = cells > 0
        part = engine.Data(
            grouped.x[alive], grouped.low[alive], grouped.high[alive], cells[alive], grouped.family
        )
        try:
            lines.append(line.mix @ engine.maximise(part, fit.coef).coef)
        except CxError:
            lost += 1
    if lost > draws / 10:
        raise CxError(
            "the bootstrap fails: too many resamples have no maximum",
            got=f"{lost:,} of {draws:,}",
            want="at most one in ten",
            do='use method="fieller"',
        )
    made = np.array(lines)
    words = (f"{lost:,} of {draws:,} resamples had no maximum and were left out",) if lost else ()
    return Made(made[:, 0], made[:, 1], words)


def _resamples(fit: Fit, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Weights of the valid rows in each resample: respondents, or Rao and Wu's primary units."""
    survey, valid = fit.asked.survey, fit.asked.valid
    if survey.design.plain:
        rng, n = np.random.default_rng(seed), len(fit.data.low)
        for _ in range(draws):
            yield np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        return
    if survey.design.replicates is None:
        survey = make_replicates(survey, "bootstrap", replicates=draws, seed=seed)
    made = survey.design.replicates
    if made.kind != "bootstrap":
        raise CxError(
            "these replicate weights are no bootstrap",
            got=made.kind,
            want="bootstrap replicates, or none",
            do='use method="krinsky-robb"',
        )
    for r in range(made.number):
        yield made.weights(r)[valid]


def percentiles(values: np.ndarray, level: float) -> tuple[float, float]:
    """The order statistics that leave (1 − level) / 2 on either side; infinities stay."""
    ordered, n = np.sort(values), len(values)
    low = max(math.ceil(n * (1 - level) / 2) - 1, 0)
    high = min(max(math.floor(n * (1 + level) / 2) - 1, 0), n - 1)
    return float(ordered[low]), float(ordered[high])


def ratio_percentiles(
    a: np.ndarray, b: np.ndarray, level: float, sign: float = -1.0
) -> tuple[float, float, tuple[str, ...]]:
    """Percentiles of −a / b; unbounded where the price coefficient has the wrong sign too often."""
    wrong = float((sign * b <= 0).mean())
    if wrong > (1 - level) / 2:
        why = f"the price coefficient has the wrong sign in {100 * wrong:.1f} % of the draws"
        return -math.inf, math.inf, (f"unbounded: {why}",)
    with np.errstate(over="ignore"):
        low, high = percentiles(-a / np.where(b == 0, -1e-300, b), level)
    return low, high, ()
