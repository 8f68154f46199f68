"""How much hazard has come together by each time: Nelson–Aalen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile
from .linear import linear_estimate
from .result import Curve, Estimate
from .survey import Survey
from .survival import degrees, design_errors, numbers_of, split
from .survival_data import Jumps, Risk, read_times, risk_table
from .survival_terms import bounded

TIES = ("efron", "breslow")
#: More event times than this are not all shown: so many evenly taken ones are.
SHOWN = 200


def cumulative_hazard(
    survey: Survey,
    duration: str,
    event: str,
    *,
    entry: str | None = None,
    by: str | None = None,
    equals: Any = None,
    times: Sequence[float] | None = None,
    ties: str = "breslow",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Curve:
    """The hazard of leaving, added up to each time: Nelson–Aalen.

    Parameters
    ----------
    duration, event, entry, by, equals, times
        As :func:`cxlib.retention_curve`; without ``times`` at most 200 event times a curve.
    ties : str
        ``"breslow"``: d/n; ``"efron"``: events at one time as if they came one after the other,
        1/n + 1/(n − 1) + … (Fleming and Harrington 1984).

    Returns
    -------
    Curve
        Unit "hazard". Linearised errors, by the design where one is declared; intervals on the log
        scale.

    References
    ----------
    Aalen (1978), Annals of Statistics 6:701. Values checked against ``NelsonAalenFitter`` of
    lifelines 0.30.3.
    """
    if ties not in TIES:
        raise unknown("way with ties", ties, TIES)
    told = read_times(survey, duration, event, entry=entry, equals=equals, also=[by] if by else [])
    df = degrees(told, design_errors(survey, None))
    title = name or f"Cumulated hazard, by {duration}"
    points: list[Estimate] = []
    for label, part in split(told, by):
        risk = risk_table(part)
        summed, jumps = _summed(risk, ties)
        for time in _places(risk, times):
            k = int(np.searchsorted(risk.time, time, "right"))
            at = {"level": level, "df": df, "name": title, "claim": claim, "question": duration}
            at |= {"x": time, "term": ", ".join(filter(None, (label, part.at(time))))}
            points.append(_point(risk, float(summed[k]), jumps, k, time, at))
    if not points:
        raise CxError("no time lies within the follow-up", want=f"up to {told.exit.max():g}")
    axis = f"{duration}, {told.unit}".rstrip(", ")
    return Curve(name=title, estimates=tuple(points), claim=claim, by=by or "after", axis=axis)


def _places(risk: Risk, times: Sequence[float] | None) -> list[float]:
    if times is not None:
        asked = numbers_of(times)
        return asked[asked <= risk.last].tolist()
    if not len(risk.time):
        return [risk.last]
    chosen = np.linspace(0, len(risk.time) - 1, min(SHOWN, len(risk.time)))
    return risk.time[chosen.round().astype(int)].tolist()


def _summed(risk: Risk, ties: str) -> tuple[np.ndarray, Jumps]:
    """The cumulated hazard after 0, 1, … K event times, and its influence."""
    k = len(risk.time)
    at = np.sort(risk.high[risk.told.event]) - 1
    count = np.bincount(at, minlength=k)
    place = np.arange(len(at)) - np.searchsorted(at, at, "left")
    f = place / count[at] if ties == "efron" else np.zeros(len(at))
    q = 1 / (risk.at_risk[at] - f * risk.events[at])
    mean = risk.events / np.maximum(count, 1)
    first, second, mixed = (np.bincount(at, v, k) for v in (q, q**2, f * q**2))
    own = first / np.maximum(count, 1) + mean * mixed
    summed = np.concatenate([[0.0], np.cumsum(mean * first)])
    return summed, Jumps(risk, own, mean * second)


def _point(
    risk: Risk, value: float, jumps: Jumps, k: int, time: float, at: dict[str, Any]
) -> Estimate:
    from dataclasses import replace

    told = risk.told
    one = linear_estimate(
        told.survey,
        value,
        lambda: told.spread(told.weight * jumps.upto(k)),
        n=risk.count_at(time),
        unit="hazard",
        kind="cumulated hazard",
        method="Nelson–Aalen, linearised variance",
        **at,
    )
    if value <= 0:
        high = -math.log((1 - one.level) / 2) / told.n
        return replace(one, low=0.0, high=high, cautions=("nobody had left by then",))
    half = t_quantile(one.level, one.df) * one.se / value
    return replace(one, low=value * bounded(-half), high=value * bounded(half))
