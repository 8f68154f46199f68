"""Amounts that people would pay, read from a fitted model or a survival curve.

The median exists wherever the curve falls; a mean needs a tail that ends, and is refused where it
does not. Ratios of coefficients have no mean at all near a price coefficient of 0: Fieller's set
says so, a symmetric interval hides it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import contingent_fit as engine
from . import tally
from .contingent import (
    Fit,
    Fitted,
    Line,
    line_of,
    model_of,
    normal_draws,
    percentiles,
    ratio_percentiles,
    simulated,
)
from .contingent_answers import confidence
from .contingent_curve import curve_mean, curve_median
from .errors import CxError, unknown
from .interval import t_quantile
from .linear import Linear
from .result import Curve, Estimate, Ranking

METHODS = ("krinsky-robb", "delta", "fieller", "bootstrap")
MEANS = ("unrestricted", "truncated", "adjusted")


def wtp_median(
    model: Ranking | Curve,
    *,
    method: str = "",
    at: Mapping[str, float] | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The amount that half would pay, in the bid's unit.

    Parameters
    ----------
    model : Ranking of :func:`contingent_valuation`, or Curve of :func:`wtp_survival`
    method : str
        Of a fitted model: ``"krinsky-robb"`` (the default: percentiles over ``draws`` coefficients
        from their normal distribution, Student's t where a design is declared), ``"delta"`` (on the
        log scale in log distributions), ``"fieller"`` (possibly unbounded, which a caution then
        says), ``"bootstrap"`` (percentiles over refits; primary units resampled as Rao and Wu do).
        Of a curve: ``"inversion"`` (the default: amounts at which the curve's interval holds one
        half, at the curve's level) or ``"bounds"`` (the two amounts between which the curve passes
        one half, without sampling error).
    at : covariate → value
        Where to take it; the weighted means otherwise, treated as known.

    Returns
    -------
    Estimate
        A curve's value is interpolated, as Kriström's; ``se`` is the delta method's.

    Raises
    ------
    CxError
        The curve does not fall, or stays above one half at the highest bid; unknown method or
        covariate.

    References
    ----------
    Hanemann (1984), AJAE 66:332; Krinsky and Robb (1986), REStat 68:715; Fieller (1954); Rao and Wu
    (1988), JASA 83:231. Checked against ``summary`` and ``krCI`` of R DCchoice 0.2.0.
    """
    confidence(level)
    if isinstance(model, Curve):
        return curve_median(model, method or "inversion", name or "Median", claim)
    fit, method = _falling(model), _known(method or "krinsky-robb")
    line, logged = line_of(fit, at), engine.DISTRIBUTIONS[fit.distribution][1]
    shift = float(engine.log_or_plain_median(np.zeros(1), fit.distribution)[0])
    a, t = line.a + shift, t_quantile(level, fit.df)
    if method in ("delta", "fieller"):
        low, high, cautions = _formula(a, line.b, line.cov, t, method, logged)
    else:
        made = simulated(fit, line, method, draws, seed)
        low, high, cautions = ratio_percentiles(made.a + shift, made.b, level)
        cautions += made.cautions
    value, gradient = -a / line.b, _ratio_gradient(a, line.b)
    if logged:
        value, low, high = _finite(_exp(value)), _exp(low), _exp(high)
        gradient = value * gradient
    words = f"median of the {fit.distribution} model{line.where}, {_METHOD_WORDS[method]}"
    shown = _Shown(name or "Median willingness to pay", claim, level, "median", words)
    return _told(fit, line, value, (low, high), gradient, shown, cautions)


def wtp_mean(
    model: Ranking | Curve,
    *,
    kind: str = "",
    method: str = "",
    at: Mapping[str, float] | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The mean willingness to pay, in the bid's unit; refused where it does not exist.

    Parameters
    ----------
    model : Ranking of :func:`contingent_valuation`, or Curve of :func:`wtp_survival`
    kind : str
        Of a fitted model: ``"unrestricted"`` (the default: nobody below 0, no upper end),
        ``"truncated"`` (nobody above the highest bid), ``"adjusted"`` (the curve rescaled so that
        it ends there). Of a curve: ``"lower-bound"`` (the default, Turnbull's: everybody at the
        highest amount they are known to pay), ``"interpolated"`` (Spearman and Kärber's, up to the
        highest bid), ``"kristrom"`` (interpolated, with a straight line to where nobody pays).
    method : str
        As in :func:`wtp_median`, without ``"fieller"``: a mean is no ratio. Delta intervals and the
        linearised t interval of a curve's mean are on the log scale, as means of few who would pay
        the highest bid are skewed.

    Raises
    ------
    CxError
        The unrestricted mean does not exist (a log-logistic slope of 1 or less in size) or rests on
        a bid coefficient that cannot be told from 0; the curve does not fall; unknown kind.

    References
    ----------
    Hanemann (1984); Boyle, Welsh and Bishop (1988), Land Economics 64:94 (truncation, adjustment);
    Haab and McConnell (2002). Checked against R DCchoice 0.2.0, which calls a Weibull mean infinite
    at slopes of 1 or less in size, where it is not: it is e^(a/k) Γ(1 + 1/k) at every k > 0.
    """
    confidence(level)
    if isinstance(model, Curve):
        return curve_mean(model, kind or "lower-bound", level, name, claim)
    fit, kind, method = _falling(model), kind or "unrestricted", _known(method or "krinsky-robb")
    if kind not in MEANS:
        raise unknown("mean of a fitted model", kind, MEANS)
    if method == "fieller":
        raise CxError("a mean is no ratio", got=method, want="krinsky-robb, delta or bootstrap")
    line, t = line_of(fit, at), t_quantile(level, fit.df)
    if kind == "unrestricted":
        _exists(fit, line, t)
    of = _mean_of(fit, kind)
    value = _finite(float(of(line.a, line.b)))
    gradient = _slopes(of, line)
    if method == "delta":
        half = t * math.sqrt(float(gradient @ line.cov @ gradient)) / value
        low, high = value * _exp(-half), value * _exp(half)
        cautions = _slope_caution(line.b, line.cov, t)
    else:
        made = simulated(fit, line, method, draws, seed)
        low, high = percentiles(of(made.a, made.b), level)
        cautions = made.cautions + ((_NO_END,) if math.isinf(high) else ())
    if kind == "unrestricted":
        cautions += _tail(value, float(_mean_of(fit, "truncated")(line.a, line.b)))
    words = f"{kind} mean of the {fit.distribution} model{line.where}, {_METHOD_WORDS[method]}"
    shown = _Shown(name or f"Mean willingness to pay, {kind}", claim, level, "mean", words)
    return _told(fit, line, value, (low, high), gradient, shown, cautions)


def wtp_ratio(
    model: Ranking,
    numerator: str,
    denominator: str,
    *,
    method: str = "fieller",
    unit: str | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """−(coefficient) / (price coefficient): what one more of something is worth.

    Parameters
    ----------
    model : Ranking
        Coefficients of one model: :func:`contingent_valuation`, or any whose estimates carry their
        influence scores.
    numerator, denominator : str
        Two of its terms; the denominator is the price's.
    method : str
        ``"fieller"``, ``"delta"``, or ``"krinsky-robb"``, whose value is the *median* over the
        draws: a ratio of normals has no mean.
    unit : str
        That of the answer; the bid's where the denominator is the bid.

    Raises
    ------
    CxError
        Unknown term or method; the same term twice; a price coefficient of exactly 0.

    References
    ----------
    Fieller (1954); Krinsky and Robb (1986); Daly, Hess and de Jong (2012), Transp. Res. B 46:333.
    Delta checked against ``svycontrast`` of R survey on ``glm`` fits.
    """
    confidence(level)
    _known(method, METHODS[:3])
    top, under, cov, df = _pair(model, numerator, denominator)
    a, b, t = top.value, under.value, t_quantile(level, df)
    value, gradient = -a / b, _ratio_gradient(a, b)
    if method == "krinsky-robb":
        made = normal_draws(np.array([a, b]), cov, df, draws, seed)
        low, high, cautions = ratio_percentiles(*made.T, level, math.copysign(1, b))
        value = float(np.median(-made[:, 0] / made[:, 1]))
    else:
        low, high, cautions = _formula(a, b, cov, t, method, False)
    return replace(
        under.called(name or f"Worth of {numerator} in {denominator}", claim=claim),
        value=value,
        low=low,
        high=high,
        se=math.sqrt(max(float(gradient @ cov @ gradient), 0.0)),
        unit=_ratio_unit(model, denominator) if unit is None else unit,
        level=level,
        df=df,
        term="",
        kind="ratio",
        method=f"−{numerator} / {denominator}, {_METHOD_WORDS[method]}",
        cautions=cautions,
        linear=_joined(top, under, gradient),
    )


# -- how it is told --------------------------------------------------------------------------------

_METHOD_WORDS = {
    "krinsky-robb": "Krinsky–Robb interval",
    "delta": "delta-method interval",
    "fieller": "Fieller interval",
    "bootstrap": "bootstrap percentile interval",
}
_NO_END = "unbounded above: the mean may not exist"
_HIDES = "the price coefficient cannot be told from 0: this interval hides that, Fieller's shows it"


def _falling(model: Any) -> Fit:
    fit = model_of(model)
    if fit is None:
        raise CxError(
            "no model of willingness to pay",
            got=type(model).__name__,
            want="a result of contingent_valuation or wtp_survival",
        )
    if fit.coef[-1] >= 0:
        raise CxError(
            "no amount follows: people do not say no more often at higher bids",
            got=f"a bid coefficient of {fit.coef[-1]:.4g}",
            want="a negative one",
            do="look at wtp_survival, and at how the bids were handed out",
        )
    return fit


def _known(method: str, among: tuple[str, ...] = METHODS) -> str:
    if method not in among:
        raise unknown("method for an interval", method, among)
    return method


@dataclass(frozen=True)
class _Shown:
    """How an amount is told."""

    name: str
    claim: str
    level: float
    kind: str
    method: str


def _ratio_gradient(a: float, b: float) -> np.ndarray:
    """The gradient of −a / b."""
    return np.array([-1 / b, a / b**2])


def _formula(
    a: float, b: float, cov: np.ndarray, t: float, method: str, logged: bool
) -> tuple[float, float, tuple[str, ...]]:
    """The delta-method interval of −a / b, or Fieller's set."""
    if method == "delta":
        gradient = _ratio_gradient(a, b)
        half = t * math.sqrt(max(float(gradient @ cov @ gradient), 0.0))
        return -a / b - half, -a / b + half, _slope_caution(b, cov, t)
    low, high, why = engine.fieller(a, b, cov, t)
    if not why:
        return low, high, ()
    scale = " (of the logarithm)" if logged and "between" in why else ""
    first = "the price coefficient cannot be told from 0, so the interval is unbounded"
    return low, high, (f"{first}: {why}{scale}",)


def _slope_caution(b: float, cov: np.ndarray, t: float) -> tuple[str, ...]:
    return (_HIDES,) if abs(b) < t * math.sqrt(cov[1, 1]) else ()


def _exp(x: float) -> float:
    return math.exp(x) if x < 700 else math.inf


def _finite(value: float) -> float:
    if abs(value) < 1e100:
        return value
    raise CxError(
        "this amount is beyond all bounds: the fitted curve hardly falls",
        got=f"{value:.3g}",
        want="a curve that falls within the bids",
        do='use wtp_survival, or kind="truncated"',
    )


def _exists(fit: Fit, line: Line, t: float) -> None:
    """A clear refusal where the unrestricted mean is infinite or may be anything."""
    do = 'use wtp_survival with wtp_mean, wtp_median, or kind="truncated"'
    if not engine.mean_exists(line.b, fit.distribution):
        raise CxError(
            "the mean does not exist: the tail of this curve is too thick",
            got=f"a log-logistic slope of {line.b:.4g}",
            want="a slope below −1",
            do=do,
        )
    if -line.b < t * math.sqrt(line.cov[1, 1]):
        raise CxError(
            "the mean is unbounded: the bid's coefficient cannot be told from 0",
            got=f"{line.b:.4g} with a standard error of {math.sqrt(line.cov[1, 1]):.4g}",
            want="a coefficient that is clearly negative",
            do=do,
        )


def _mean_of(fit: Fit, kind: str) -> Callable[[Any, Any], np.ndarray]:
    top, distribution = fit.asked.top, fit.distribution
    if kind == "unrestricted":
        return lambda a, b: engine.unrestricted_mean(a, b, distribution)
    if top <= 0:
        raise CxError("no mean between 0 and the highest bid", got=f"a highest bid of {top:g}")
    if kind == "truncated":
        return lambda a, b: engine.truncated_mean(a, b, distribution, top)
    return lambda a, b: engine.adjusted_mean(a, b, distribution, top)


def _slopes(of: Callable[[Any, Any], np.ndarray], line: Line) -> np.ndarray:
    """The gradient of a mean in (a, b), by central differences a thousandth of an SE wide."""
    steps = 1e-3 * np.sqrt(np.diag(line.cov))
    up = of(line.a + np.array([steps[0], 0]), line.b + np.array([0, steps[1]]))
    down = of(line.a - np.array([steps[0], 0]), line.b - np.array([0, steps[1]]))
    gradient = (up - down) / (2 * steps)
    return np.where(np.isfinite(gradient), gradient, 0.0)


def _tail(mean: float, truncated: float) -> tuple[str, ...]:
    beyond = 1 - truncated / mean
    if beyond < 0.25:
        return ()
    return (
        f"{100 * beyond:.0f} % of this mean lies beyond the highest bid, where nobody was asked",
    )


def _told(
    fit: Fit,
    line: Line,
    value: float,
    ends: tuple[float, float],
    gradient: np.ndarray,
    shown: _Shown,
    cautions: tuple[str, ...],
) -> Estimate:
    asked, direction = fit.asked, line.direction(gradient)
    scores = Fitted(
        asked.survey, lambda: asked.over_rows(fit.influence @ direction), fit.df, fit=fit
    )
    return Estimate(
        value=value,
        low=ends[0],
        high=ends[1],
        se=math.sqrt(float(gradient @ line.cov @ gradient)),
        unit=asked.unit,
        level=shown.level,
        df=fit.df,
        kind=shown.kind,
        method=shown.method,
        cautions=cautions,
        linear=scores,
        **asked.about(shown.name, shown.claim),
    )


def _pair(
    model: Ranking, numerator: str, denominator: str
) -> tuple[Estimate, Estimate, np.ndarray, float]:
    """Two coefficients, their covariance and degrees of freedom."""
    if not isinstance(model, Ranking):
        raise CxError(
            "no model", got=type(model).__name__, want="a Ranking of one model's coefficients"
        )
    if numerator == denominator:
        raise CxError("a ratio needs two terms", got=numerator, want="two different terms")
    top, under = model[numerator], model[denominator]
    if under.value == 0:
        raise CxError("the price coefficient is exactly 0", got=denominator, want="another value")
    fit = model_of(model)
    if isinstance(fit, Fit):
        places = [fit.names.index(top.term), fit.names.index(under.term)]
        return top, under, fit.cov[np.ix_(places, places)], fit.df
    if not (isinstance(top.linear, Linear) and top.linear.joins(under.linear)):
        raise CxError(
            "these coefficients carry no covariance",
            got=model.name,
            want="the coefficients of one fitted model",
        )
    scores = np.column_stack([top.linear.scores, under.linear.scores])
    return top, under, tally.variance(top.linear.survey, scores), under.df


def _ratio_unit(model: Ranking, denominator: str) -> str:
    fit = model_of(model)
    return fit.asked.unit if isinstance(fit, Fit) and denominator == fit.asked.term else ""


def _joined(top: Estimate, under: Estimate, gradient: np.ndarray) -> Linear | None:
    """The ratio's influence scores."""
    if not (isinstance(top.linear, Linear) and top.linear.joins(under.linear)):
        return None
    return Linear(
        top.linear.survey,
        lambda: gradient[0] * top.linear.scores + gradient[1] * under.linear.scores,
        under.df,
    )
