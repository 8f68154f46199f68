"""Who is still a customer, and when: retention curves, median and restricted mean times.

Kaplan–Meier with left truncation, weighted, with design-based errors. Tests and models stand in the
rooms: :mod:`cxlib.survival_logrank`, :mod:`cxlib.survival_hazard`, :mod:`cxlib.survival_causes`
and :mod:`cxlib.survival_weibull`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .errors import CxError
from .interval import mean_interval
from .linear import linear_estimate, ranking
from .linear_scores import Linear
from .result import Curve, Estimate, Ranking
from .survey import Survey
from .survival_curve import Kept, bounds, crossing, filled, kept
from .survival_data import Times, groups, read_times

#: More event times than this are not all shown: so many evenly taken ones are.
SHOWN = 1000

_WORDS = {"log-log": "log-log interval", "log": "log interval", "logit": "logit interval"}
_WORDS["plain"] = "interval on the plain scale"


def retention_curve(
    survey: Survey,
    duration: str,
    event: str,
    *,
    entry: str | None = None,
    by: str | None = None,
    equals: Any = None,
    times: Sequence[float] | None = None,
    level: float = 0.95,
    method: str = "log-log",
    robust: bool | None = None,
    name: str = "",
    claim: str = "",
) -> Curve:
    """The share still there after each time: Kaplan–Meier.

    Parameters
    ----------
    duration : str
        Time from the start to the event, or to when last seen; ≥ 0. Its unit in the codebook is the
        unit of the axis.
    event : str
        1 where the event (leaving) was seen, 0 where not; or give its code as ``equals``.
    entry : str, optional
        Time since the start from which on a customer could be seen to leave (left truncation): for
        a sample of present customers their tenure then. Without it early leavers are missed.
    by : str, optional
        A curve for each answer to this question.
    times : numbers, optional
        Where to read the curves; all event times otherwise (1,000 a curve where there are more).
    method : str
        ``"log-log"``, ``"log"``, ``"logit"`` or ``"plain"`` intervals, pointwise.
    robust : bool, optional
        Design-based errors (True) or Greenwood's (False); by default those of the design where one
        is declared.

    Returns
    -------
    Curve
        Shares with ``x`` the time and ``term`` the time (and the group). ``n`` of each point is the
        number of respondents still followed just before it; ``n_eff`` is S(1 − S) over its
        variance.

    Raises
    ------
    CxError
        See :func:`cxlib.survival_data.read_times`; no time lies within the follow-up.

    References
    ----------
    Kaplan and Meier (1958), JASA 53:457. Design-based errors: linearised (the infinitesimal
    jackknife of the product limit), Williams (1995), Biometrics 51:1363; without weights they are
    Greenwood's. Checked against ``survfit`` of R survival 3.5.3 and against lifelines 0.30.3.
    """
    title = name or f"Still there, by {duration}"
    points: list[Estimate] = []
    curves = _curves(survey, duration, event, entry, by, equals, robust)
    for label, curve in curves:
        points += _points(curve, label, times, level, method, title, claim, duration)
    if not points:
        last = max(curve.risk.last for _, curve in curves)
        raise CxError(
            "no time lies within the follow-up",
            got=f"times {', '.join(f'{t:g}' for t in list(times or ())[:5])}",
            want=f"times from 0 to {last:g}",
        )
    axis = f"{duration}, {curves[0][1].risk.told.unit}".rstrip(", ")
    return Curve(name=title, estimates=tuple(points), claim=claim, by=by or "after", axis=axis)


def _curves(
    survey: Survey,
    duration: str,
    event: str,
    entry: str | None,
    by: str | None,
    equals: Any,
    robust: bool | None,
) -> list[tuple[str, Kept]]:
    """The curve of each group; of all under the label ""."""
    told = read_times(survey, duration, event, entry=entry, equals=equals, also=[by] if by else [])
    robust = design_errors(survey, robust)
    df = degrees(told, robust)
    return [(label, kept(part, robust=robust, df=df)) for label, part in split(told, by)]


def design_errors(survey: Survey, robust: bool | None) -> bool:
    """Whether errors are the design's: as asked, else where a design is declared."""
    return not survey.design.plain if robust is None else bool(robust)


def degrees(told: Times, robust: bool) -> float:
    """Degrees of freedom: of the design among these rows, or infinitely many."""
    if not robust:
        return math.inf
    inside = np.zeros(len(told.survey.frame), bool)
    inside[told.rows] = True
    return told.survey.df_of(inside)


def split(told: Times, by: str | None) -> list[tuple[str, Times]]:
    """The rows of each group, in the order of its label."""
    if by is None:
        return [("", told)]
    code, labels = groups(told.survey, by, told.rows)
    order = np.argsort(code.astype(np.int16), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(code, minlength=len(labels)))[:-1])
    return [(label, told.part(rows)) for label, rows in zip(labels, parts, strict=True)]


def _places(curve: Kept, times: Sequence[float] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """The times of a curve's points, with a caution where some are left out."""
    risk = curve.risk
    if times is None:
        if not len(risk.time):
            return np.array([risk.last]), ("nobody was seen to leave",)
        if len(risk.time) <= SHOWN:
            return risk.time, ()
        chosen = np.linspace(0, len(risk.time) - 1, SHOWN).round().astype(int)
        told = f"shown at {SHOWN:,} of {len(risk.time):,} event times"
        return risk.time[chosen], (told,)
    asked = numbers_of(times)
    empty = len(curve.surv) and curve.surv[-1] == 0
    inside = asked if empty else asked[asked <= risk.last]
    lost = len(asked) - len(inside)
    return inside, (f"{lost} times after the last follow-up are left out",) * bool(lost)


def numbers_of(times: Any) -> np.ndarray:
    """Chosen times in order, checked."""
    try:
        asked = np.unique(np.atleast_1d(np.asarray(times, dtype=float)))
    except (TypeError, ValueError):
        asked = np.array([math.nan])
    if asked.ndim != 1 or not len(asked) or not np.isfinite(asked).all() or (asked < 0).any():
        raise CxError("times are numbers from 0 on", got=repr(times)[:80], want="e.g. [12, 24]")
    return asked


def _points(
    curve: Kept,
    label: str,
    times: Sequence[float] | None,
    level: float,
    method: str,
    name: str,
    claim: str,
    question: str,
) -> list[Estimate]:
    risk, told = curve.risk, curve.risk.told
    places, cautions = _places(curve, times)
    k = curve.after(places)
    surv = np.concatenate([[1.0], curve.surv])
    var = np.concatenate([[0.0], curve.log_variance])
    low, high = bounds(surv, var, curve.df, level, method)
    low, high = filled(surv, low, high, told.n, level)
    if told.entry is not None and (curve.surv[:-1] <= 0).any():
        cautions += ("everybody followed left at an early time: the curve ends at 0 there",)
    counts = risk.count[k - 1] if times is None and len(risk.time) else None
    about = _about(curve, label, level, method, name, claim, question, cautions)
    points = []
    for i, (time, at) in enumerate(zip(places.tolist(), k.tolist(), strict=True)):
        s, v = float(surv[at]), float(var[at])
        points.append(
            Estimate(
                value=s,
                low=float(low[at]),
                high=float(high[at]),
                n=int(counts[i]) if counts is not None else risk.count_at(time),
                se=s * math.sqrt(v),
                n_eff=(1 - s) / (s * v) if 0 < s < 1 and v > 0 else math.nan,
                term=f"{label}, {told.at(time)}" if label else told.at(time),
                x=time,
                linear=Linear(told.survey, lambda at=at: curve.scores(at), curve.df),
                **about,
            )
        )
    return points


def _about(
    curve: Kept,
    label: str,
    level: float,
    method: str,
    name: str,
    claim: str,
    question: str,
    cautions: tuple[str, ...],
) -> dict[str, Any]:
    """What every point of a curve says of it."""
    told = curve.risk.told
    kind = "design-based errors" if curve.robust else "Greenwood's errors"
    return {
        "unit": "share",
        "level": level,
        "n_excluded": 0 if label else len(told.survey) - told.n,
        "df": curve.df,
        "method": f"Kaplan–Meier, {kind}, {_WORDS[method]}",
        "source": told.survey.source,
        "name": name,
        "kind": "retention",
        "claim": claim,
        "question": question,
        "origin": told.survey.origin,
        "cautions": cautions,
    }


def median_time(
    survey: Survey,
    duration: str,
    event: str,
    *,
    entry: str | None = None,
    by: str | None = None,
    equals: Any = None,
    p: float = 0.5,
    level: float = 0.95,
    method: str = "log-log",
    robust: bool | None = None,
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """When half (or the share ``p``) have left: where the retention curve crosses 1 − p.

    Returns
    -------
    Estimate, or Ranking with ``by``
        In the unit of ``duration``; unbounded where the curve (or its bound) never falls so far.
        The interval is where the bounds of the curve cross; there is no standard error. Where the
        curve runs exactly at 1 − p for a while, the middle of that while.

    References
    ----------
    Brookmeyer and Crowley (1982), Biometrics 38:29. Checked against ``survfit`` of R survival
    3.5.3. lifelines takes the first time of a stretch at exactly 1 − p instead of its middle.
    """
    if not (isinstance(p, int | float) and 0 < p < 1):
        raise CxError("p is a share", got=repr(p), want="a number between 0 and 1, e.g. 0.5")
    title = name or ("Median time" if p == 0.5 else f"Time until {100 * p:g} % left")
    told = [
        replace(
            _crossing(curve, 1 - p, level, method),
            term=label,
            name=title,
            claim=claim,
            question=duration,
        )
        for label, curve in _curves(survey, duration, event, entry, by, equals, robust)
    ]
    if by is None:
        return replace(told[0], n_excluded=len(survey) - told[0].n)
    return ranking(told, title, claim, by)


def _crossing(curve: Kept, at: float, level: float, method: str) -> Estimate:
    """When one curve, and the bounds of its interval, fall to ``at``."""
    time, told = curve.risk.time, curve.risk.told
    low, high = bounds(curve.surv, curve.log_variance, curve.df, level, method)
    low, high = filled(curve.surv, low, high, told.n, level)
    value = crossing(time, curve.surv, at)
    never = f"fewer than {100 * (1 - at):g} % left within the follow-up"
    return Estimate(
        value=value,
        low=min(crossing(time, low, at), value),
        high=max(crossing(time, high, at), value),
        unit=told.unit,
        n=told.n,
        level=level,
        df=curve.df,
        method=f"Kaplan–Meier, where the {_WORDS[method]} crosses {100 * at:g} %",
        source=told.survey.source,
        kind="median time",
        origin=told.survey.origin,
        cautions=(never,) * math.isinf(value),
    )


def restricted_mean(
    survey: Survey,
    duration: str,
    event: str,
    *,
    until: float | None = None,
    entry: str | None = None,
    by: str | None = None,
    equals: Any = None,
    level: float = 0.95,
    robust: bool | None = None,
    name: str = "",
    claim: str = "",
) -> Estimate | Ranking:
    """The mean time as a customer within the first ``until``: the area under the retention curve.

    Parameters
    ----------
    until : float, optional
        The horizon; by default the earliest of the groups' last follow-ups, so that every curve
        reaches it.

    Returns
    -------
    Estimate, or Ranking with ``by``
        In the unit of ``duration``. Two of them go into :func:`cxlib.difference`.

    Raises
    ------
    CxError
        As :func:`retention_curve`; ``until`` is no positive number.

    References
    ----------
    Variance Σ (area after the event)² d/(n(n − d)), Klein and Moeschberger (2003), §4.5, as
    ``print(survfit, rmean=)`` of R survival 3.5.3; with a design that of the linearised area.
    lifelines 0.30 inflates this variance and is not followed.
    """
    if until is not None and not (isinstance(until, int | float) and 0 < until < math.inf):
        raise CxError("a horizon is a positive number", got=repr(until), want="e.g. 12")
    curves = _curves(survey, duration, event, entry, by, equals, robust)
    tau = min(curve.risk.last for _, curve in curves) if until is None else float(until)
    title = name or f"Mean time within {curves[0][1].risk.told.at(tau)}"
    told = [
        replace(_area(curve, tau, level), name=title, claim=claim, question=duration, term=label)
        for label, curve in curves
    ]
    if by is None:
        return replace(told[0], n_excluded=len(survey) - told[0].n)
    return ranking(told, title, claim, by)


def _area(curve: Kept, tau: float, level: float) -> Estimate:
    """The restricted mean of one group."""
    risk, told = curve.risk, curve.risk.told
    value, after = curve.area(tau)
    k = int(curve.after(np.array([tau]))[0])
    jumps = replace(curve.jumps, own=after * curve.jumps.own, rate=after * curve.jumps.rate)
    flat = tau > risk.last and (not len(curve.surv) or curve.surv[-1] > 0)
    cautions = (f"nobody was followed beyond {told.at(risk.last)}: the curve is held flat",) * flat

    def scores() -> np.ndarray:
        return told.spread(-told.weight * jumps.upto(k))

    kind = "design-based errors" if curve.robust else "Greenwood's errors"
    one = linear_estimate(
        told.survey,
        value,
        scores,
        n=told.n,
        unit=told.unit,
        level=level,
        df=curve.df,
        kind="restricted mean time",
        method=f"area under the Kaplan–Meier curve to {tau:g}, {kind}",
        cautions=cautions,
    )
    if not curve.robust:
        # the square of the area after the event, over Greenwood's terms
        var = float((after[:k] ** 2 * curve.jumps.rate[:k]).sum())
        interval = mean_interval(value, var, math.inf, level)
        one = replace(one, low=interval.low, high=interval.high, se=interval.se)
    return replace(one, low=max(one.low, 0.0), high=min(max(one.high, value), max(tau, value)))
