"""Willingness to pay without a distribution: the share who would pay at least so much.

The arithmetic (:func:`steps`) works on plain arrays; :func:`wtp_survival` feeds it from a survey.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import tally
from .contingent_answers import Asked, confidence, not_positive, read_answers
from .errors import CxError, unknown
from .interval import share_interval
from .linear import Linear, linear_estimate
from .result import Curve, Estimate
from .show import fmt
from .survey import Survey

CURVE_MEANS = ("lower-bound", "interpolated", "kristrom")


@dataclass(frozen=True, eq=False)
class Steps:
    """A nonparametric survival curve: P(pay at least) at each amount that bounds an answer.

    ``influence`` has shape (n, amounts): what each answer, times its weight, moves the survival by.
    ``pooled`` says whether neighbouring amounts had to share a value, ``unique`` whether the
    likelihood has one maximum only.
    """

    bids: np.ndarray
    survival: np.ndarray
    influence: np.ndarray
    pooled: bool
    unique: bool


@dataclass(frozen=True, eq=False)
class Stepped(Linear):
    """Influence scores of one point of a survival curve, and the whole curve."""

    steps: Steps | None = field(default=None, repr=False)
    asked: Asked | None = field(default=None, repr=False)


def wtp_survival(
    survey: Survey,
    answer: str,
    bid: str | Sequence[str],
    *,
    second: str | None = None,
    follow_up: str | None = None,
    yes: Any = 1,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Curve:
    """The share who would pay at least so much, with no distribution assumed (Turnbull).

    Where a higher bid was accepted more often than a lower one the two are pooled, so that the
    curve never rises. ``answer``, ``bid``, ``second``, ``follow_up`` and ``yes`` as in
    :func:`contingent_valuation`.

    Returns
    -------
    Curve
        One share an amount; ``x`` is the amount, in the bid's unit. Nobody is assumed to be willing
        to be paid: the curve starts at 1 for 0. Design-based variance, logit intervals; pooled
        amounts are treated as one, as Haab and McConnell do.

    Raises
    ------
    CxError
        Bids of 0 or less; otherwise as :func:`contingent_valuation`.

    References
    ----------
    Turnbull (1976); Kriström (1990), Land Economics 66:135; Haab and McConnell (1997), JEEM 32:251.
    Checked against ``turnbull.sb``, ``turnbull.db`` and ``kristrom`` of R DCchoice 0.2.0; its
    single-bounded Turnbull stops before it converges, its ``kristrom`` has the exact answer.
    """
    confidence(level)
    asked = read_answers(survey, answer, bid, second, follow_up, yes)
    if (asked.ends() <= 0).any():
        raise not_positive(asked)
    rows = np.flatnonzero(asked.valid)
    low, high = np.maximum(asked.low[rows], 0.0), asked.high[rows]
    curve = steps(low, high, survey.weights[rows])
    cautions = () if curve.unique else ("the answers leave part of this curve undetermined",)
    if curve.pooled:
        cautions += ("pooled where a higher bid was accepted at least as often as a lower one",)
    title = name or "Would pay at least"
    found = Stepped(
        survey, lambda: np.zeros(0), survey.df_of(asked.answered), steps=curve, asked=asked
    )
    points = [
        _point(found, place, level, title, claim, cautions) for place in range(len(curve.bids))
    ]
    return Curve(
        name=title,
        estimates=tuple(points),
        claim=claim,
        by="amount",
        axis=f"amount{', ' + asked.unit if asked.unit else ''}",
    )


def _point(
    found: Stepped, place: int, level: float, name: str, claim: str, cautions: tuple[str, ...]
) -> Estimate:
    """One amount's share, with its own scores."""
    asked, curve = found.asked, found.steps
    survey, amount = asked.survey, float(curve.bids[place])
    one = replace(found, make=lambda: asked.over_rows(curve.influence[:, place]))
    share = float(curve.survival[place])
    var = max(float(tally.variance(survey, one.scores)), 0.0) if 0 < share < 1 else 0.0
    n = int((asked.valid & ((asked.low == amount) | (asked.high == amount))).sum())
    n_eff = share * (1 - share) / var if var > 0 else float(n)
    size = {"n": n, "n_eff": n_eff}
    plain = survey.design.plain
    interval = share_interval(
        share, var, **size, df=found.df, level=level, method="logit", plain=plain
    )
    about = asked.about(name, claim) | size | {"n_excluded": 0}
    return Estimate(
        value=share,
        low=interval.low,
        high=interval.high,
        se=interval.se,
        unit="share",
        level=level,
        df=interval.df,
        kind="survival",
        term=fmt(amount, "share") if asked.unit.startswith("share") else fmt(amount, asked.unit),
        x=amount,
        method=f"{asked.way} Turnbull estimate, {interval.method.split(', ')[-1]}",
        cautions=cautions + interval.cautions,
        linear=one,
        **about,
    )


def curve_of(model: Any) -> Stepped | None:
    """The curve that rides on a Curve of :func:`wtp_survival`, else None."""
    first = model.estimates[0] if isinstance(model, Curve) and model.estimates else None
    return first.linear if first is not None and isinstance(first.linear, Stepped) else None


def _stepped(curve: Curve) -> Stepped:
    found = curve_of(curve)
    if found is None:
        raise CxError(
            "no curve of willingness to pay", got=curve.name, want="a result of wtp_survival"
        )
    return found


def curve_mean(curve: Curve, kind: str, level: float, name: str, claim: str) -> Estimate:
    """One of :data:`CURVE_MEANS`: see :func:`cxlib.wtp_mean`."""
    if kind not in CURVE_MEANS:
        raise unknown("mean of a survival curve", kind, CURVE_MEANS)
    found = _stepped(curve)
    bids, survival = found.steps.bids, found.steps.survival

    def of(points: np.ndarray) -> float:
        return _area(bids, points, kind)

    value = of(survival)
    slope = np.array([_derivative(of, survival, place) for place in range(len(bids))])
    told = {
        "lower-bound": "Turnbull lower-bound mean",
        "interpolated": "Spearman–Kärber mean to the highest bid",
        "kristrom": "Kriström's mean, straight line to where nobody pays",
    }[kind]
    about = found.asked.about(name or f"Mean willingness to pay, {kind}", claim)
    one = linear_estimate(
        found.asked.survey,
        value,
        lambda: found.asked.over_rows(found.steps.influence @ slope),
        n=about.pop("n"),
        unit=found.asked.unit,
        level=level,
        kind="mean",
        df=curve.estimates[0].linear.df,
        method=f"{told}, linearised variance, t interval of the logarithm",
        **{key: about[key] for key in ("n_excluded", "question", "name", "claim")},
    )
    if one.se > 0:
        half = min((one.high - one.value) / value, 700.0)
        return replace(one, low=value * math.exp(-half), high=value * math.exp(half))
    ends = [of(np.array([getattr(e, end) for e in curve.estimates])) for end in ("low", "high")]
    return replace(one, low=min(ends[0], value), high=max(ends[1], value), cautions=(_SURE,))


_SURE = "everybody or nobody said yes at each bid: the interval is that of the curve, end to end"


def _derivative(of: Callable[[np.ndarray], float], survival: np.ndarray, place: int) -> float:
    """The change of an area with one point: exact where the area is linear in it."""
    moved = np.zeros(len(survival))
    moved[place] = 1e-6
    return (of(survival + moved) - of(survival - moved)) / 2e-6


def _area(bids: np.ndarray, survival: np.ndarray, kind: str) -> float:
    """The area under a curve through (0, 1) and the points."""
    x, s = np.append(0.0, bids), np.append(1.0, survival)
    width = np.diff(x)
    if kind == "lower-bound":
        return float(width @ s[1:])
    area = float(width @ (s[:-1] + s[1:])) / 2
    if kind == "interpolated":
        return area
    return area + 0.5 * (_last_payer(x, s) - x[-1]) * float(s[-1])


def _last_payer(x: np.ndarray, s: np.ndarray) -> float:
    """Where the later of the last two segments that falls meets 0; else half as far again."""
    for back in (1, 2):
        if len(x) > back and s[-back - 1] - s[-back] > 1e-5:
            slope = (x[-back] - x[-back - 1]) / (s[-back - 1] - s[-back])
            return float(x[-1] + s[-1] * slope)
    return 1.5 * float(x[-1])


def curve_median(curve: Curve, method: str, name: str, claim: str) -> Estimate:
    """The amount where the curve passes one half: see :func:`cxlib.wtp_median`."""
    if method not in ("inversion", "bounds"):
        raise unknown("interval for the median of a curve", method, ("inversion", "bounds"))
    found = _stepped(curve)
    x = np.append(0.0, found.steps.bids)
    s = np.append(1.0, found.steps.survival)
    if s[-1] > 0.5:
        raise CxError(
            "the median lies beyond the highest bid",
            got=f"{100 * s[-1]:.1f} % would pay {x[-1]:g}",
            want="a bid that fewer than half would pay",
            do="report the lower-bound mean, and offer higher bids next time",
        )
    above = int(np.flatnonzero(s > 0.5)[-1])
    fall = s[above] - s[above + 1]
    value = float(x[above] + (x[above + 1] - x[above]) * (s[above] - 0.5) / fall)
    if method == "bounds":
        under = x[s < 0.5]
        low, high = float(x[above]), float(under[0]) if len(under) else math.inf
        told, cautions = "the two amounts between which the curve passes one half", (_NO_ERROR,)
    else:
        low, high, cautions = _inverted(curve, x)
        told = "amounts at which the curve's interval holds one half"
    asked = found.asked
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit=asked.unit,
        level=curve.estimates[0].level,
        df=curve.estimates[0].linear.df,
        kind="median",
        method=f"interpolated median of the Turnbull curve; {told}",
        cautions=cautions,
        **asked.about(name, claim),
    )


def _inverted(curve: Curve, x: np.ndarray) -> tuple[float, float, tuple[str, ...]]:
    """The amounts at which neither end of the curve's interval has passed one half."""
    lows = np.append(1.0, [e.low for e in curve.estimates])
    highs = np.append(1.0, [e.high for e in curve.estimates])
    low, under = float(x[lows > 0.5].max()), x[highs < 0.5]
    if len(under):
        return low, float(under.min()), ()
    return low, math.inf, ("unbounded above: half may still pay the highest bid",)


_NO_ERROR = "bounds of the curve itself, without sampling error"


# -- arithmetic -----------------------------------------------------------------------------------


def steps(low: np.ndarray, high: np.ndarray, weights: np.ndarray) -> Steps:
    """The nonparametric maximum likelihood of answers [low, high) ⊂ [0, ∞].

    Yes/no answers have a closed form (pooled adjacent violators). Others are solved by constrained
    Newton steps, not by Turnbull's self-consistency, which creeps and is often stopped short.

    References
    ----------
    Turnbull (1976), JRSS B 38:290; Ayer et al. (1955); Wang (2007), JRSS B 69:185 (the algorithm);
    Haab and McConnell (2002), Valuing Environmental and Natural Resources, ch. 3.
    """
    ends = np.unique(np.concatenate([low, high]))
    bids = ends[(ends > 0) & np.isfinite(ends)]
    if ((low == 0) | np.isinf(high)).all():
        survival, unique = _pooled(low, high, weights, bids), True
    else:
        survival, unique = _turnbull(low, high, weights, bids)
    influence, known = _influence(low, high, weights, bids, survival)
    level = np.diff(survival) == 0
    inside = (survival[1:] > 0) & (survival[1:] < 1)
    return Steps(bids, survival, influence, bool((level & inside).any()), unique and known)


def _pooled(low: np.ndarray, high: np.ndarray, weights: np.ndarray, bids: np.ndarray) -> np.ndarray:
    from scipy.optimize import isotonic_regression

    yes = np.isinf(high)
    place = np.searchsorted(bids, np.where(yes, low, high))
    asked = np.bincount(place, weights, len(bids))
    said = np.bincount(place, weights * yes, len(bids))
    share = said / np.where(asked > 0, asked, 1)
    return np.asarray(isotonic_regression(share, weights=asked, increasing=False).x)


def _turnbull(
    low: np.ndarray, high: np.ndarray, weights: np.ndarray, bids: np.ndarray
) -> tuple[np.ndarray, bool]:
    from scipy.optimize import nnls

    edges = np.concatenate([[0.0], bids, [math.inf]])
    pairs, where = np.unique(np.column_stack([low, high]), axis=0, return_inverse=True)
    w = np.bincount(where.ravel(), weights, len(pairs)) / weights.sum()
    inner = np.isin(edges[:-1], low) & np.isin(edges[1:], high)
    inside = (pairs[:, :1] <= edges[:-1]) & (edges[1:] <= pairs[:, 1:])
    holds = inside[:, inner].astype(float)
    mass = np.full(holds.shape[1], 1 / holds.shape[1])
    for _ in range(500):
        p = holds @ mass
        ratio = holds / p[:, None]
        if (w @ ratio).max() < 1 + 1e-12:
            break
        root = np.sqrt(w)[:, None]
        rows = np.vstack([root * (ratio - 2), np.ones(holds.shape[1])])
        target = np.append(np.zeros(len(p)), 1.0)
        wanted = nnls(rows, target)[0]
        wanted /= wanted.sum()
        mass = _uphill(holds, w, mass, wanted - mass)
    mass = np.where(mass < 1e-11, 0.0, mass)
    mass /= mass.sum()
    alive = holds[:, mass > 0]
    unique = np.linalg.matrix_rank(alive) == alive.shape[1]
    whole = np.zeros(len(edges) - 1)
    whole[inner] = mass
    survival = np.clip(1 - np.cumsum(whole)[:-1], 0.0, 1.0)
    survival[np.abs(survival) < 1e-12] = 0.0
    return survival, bool(unique)


def _uphill(holds: np.ndarray, w: np.ndarray, mass: np.ndarray, way: np.ndarray) -> np.ndarray:
    """A step of the likelihood that never lowers it."""
    before = float(w @ np.log(holds @ mass))
    size = 1.0
    while size > 1e-10:
        trial = mass + size * way
        p = holds @ trial
        if (p > 0).all() and float(w @ np.log(p)) >= before:
            return trial
        size /= 2
    return mass


def _influence(
    low: np.ndarray, high: np.ndarray, weights: np.ndarray, bids: np.ndarray, survival: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Each weighted answer's influence on the survival: pooled amounts move together."""
    levels, group = np.unique(survival, return_inverse=True)
    free = (levels > 0) & (levels < 1)
    out = np.zeros((len(low), len(bids)))
    if not free.any():
        return out, True

    def membership(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = (ends > 0) & np.isfinite(ends)
        place = np.minimum(np.searchsorted(bids, np.where(known, ends, 0)), len(bids) - 1)
        one = (group[place][:, None] == np.flatnonzero(free)) & known[:, None]
        return one.astype(float), np.where(known, survival[place], np.where(ends > 0, 0.0, 1.0))

    at_low, s_low = membership(low)
    at_high, s_high = membership(high)
    p = np.maximum(s_low - s_high, 1e-12)
    scores = (at_low - at_high) / p[:, None]
    information = (weights[:, None] * scores).T @ scores
    known = np.linalg.matrix_rank(information, hermitian=True) == len(information)
    moved = (weights[:, None] * scores) @ np.linalg.pinv(information, hermitian=True)
    column = np.cumsum(free) - 1
    inside = free[group]
    out[:, inside] = moved[:, column[group[inside]]]
    return out, bool(known)
