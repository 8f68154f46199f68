"""Competing reasons to leave: the Aalen–Johansen curves of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .interval import t_quantile
from .linear_scores import Linear
from .result import Curve, Estimate
from .survey import Survey, matches
from .survival import degrees, design_errors, numbers_of, split
from .survival_data import Jumps, Risk, Times, groups, read_times, risk_table
from .tally import variance

#: More event times than this are not all shown: so many evenly taken ones are.
SHOWN = 200
#: The name of the state of those who have not left.
STAYED = "still there"


def competing_risks(
    survey: Survey,
    duration: str,
    event: str,
    *,
    cause: str | None = None,
    censored: Any = 0,
    equals: Any = None,
    entry: str | None = None,
    by: str | None = None,
    times: Sequence[float] | None = None,
    level: float = 0.95,
    method: str = "logit",
    robust: bool | None = None,
    name: str = "",
    claim: str = "",
) -> Curve:
    """The share who have left for each reason after each time: Aalen–Johansen.

    Parameters
    ----------
    event, cause : str
        Either ``event`` is 1 where leaving was seen (or has the code ``equals``) and ``cause`` its
        one main reason, or ``event`` alone holds the reason, and ``censored`` where none was seen.
    entry, times, by, robust
        As :func:`cxlib.retention_curve`; without ``times`` at most 200 event times a curve.
    method : str
        ``"logit"``, ``"log"`` or ``"plain"`` intervals, pointwise.

    Returns
    -------
    Curve
        Shares (0–1) with term ``"reason, time"`` (or ``"group, reason, time"``) and ``x`` the time,
        reasons in order, ``"still there"`` last; at every time they add up to 1. ``n`` is the
        number of respondents still followed just before.

    Raises
    ------
    CxError
        As :func:`cxlib.retention_curve`; somebody left without a reason; nobody left.

    References
    ----------
    Aalen and Johansen (1978), Scandinavian Journal of Statistics 5:141; variance by the
    infinitesimal jackknife, with a design linearised between its primary units. Checked against
    multi-state ``survfit`` of R survival 3.5.3. 1 − Kaplan–Meier of one reason, the others taken as
    censored, is larger and no share of anybody.
    """
    if method not in ("logit", "log", "plain"):
        raise unknown("kind of interval", method, ("logit", "log", "plain"))
    robust = design_errors(survey, robust)
    told, code, labels = _causes(survey, duration, event, cause, censored, equals, entry, by)
    df = degrees(told, robust)
    where = np.full(len(survey.frame), -1)
    where[told.rows] = code
    title = name or f"Left, by reason and {duration}"
    points: list[Estimate] = []
    for label, part in split(told, by):
        states = States(risk_table(part), where[part.rows], labels, robust, df)
        points += _points(states, label, times, level, method)
    if not points:
        raise CxError("no time lies within the follow-up", want=f"up to {told.exit.max():g}")
    told_points = tuple(
        replace(one, name=title, claim=claim, question=cause or event) for one in points
    )
    axis = f"{duration}, {told.unit}".rstrip(", ")
    return Curve(name=title, estimates=told_points, claim=claim, by=by or "after", axis=axis)


def _causes(
    survey: Survey,
    duration: str,
    event: str,
    cause: str | None,
    censored: Any,
    equals: Any,
    entry: str | None,
    by: str | None,
) -> tuple[Times, np.ndarray, tuple[str, ...]]:
    """The rows, the reason of each (−1 for none), and the reasons' labels."""
    also = [by] if by else []
    if cause is None:
        column = survey.answers(event)
        many = isinstance(censored, (list, tuple, set, frozenset))
        hit = matches(column, list(censored) if many else [censored], event)
        reasons = column[~hit].dropna().unique()
        told = read_times(survey, duration, event, entry=entry, equals=list(reasons), also=also)
        told = replace(told, event=~hit[told.rows])
        cause = event
    else:
        told = read_times(survey, duration, event, entry=entry, equals=equals, also=also)
    if not told.event.any():
        raise CxError("nobody was seen to leave", got=f"{told.n:,} rows without an event")
    left = told.rows[told.event]
    silent = int(survey.answers(cause).iloc[left].isna().sum())
    if silent:
        raise CxError(
            f"{silent:,} left without a reason in {cause!r}",
            got=f"{silent:,} of {len(left):,} who left",
            want="one main reason for everybody who left",
            do="give the silent ones a reason of their own, such as 'unknown'",
        )
    own, labels = groups(survey, cause, left)
    code = np.full(told.n, -1)
    code[told.event] = own
    return told, code, labels


@dataclass(frozen=True, eq=False)
class States:
    """The Aalen–Johansen curves of one group; ``code`` is each row's reason, −1 for none."""

    risk: Risk
    code: np.ndarray
    labels: tuple[str, ...]
    robust: bool
    df: float

    @cached_property
    def shares(self) -> np.ndarray:
        """Shares after 0, 1, … K event times, shape (K + 1, reasons + 1), who stayed last."""
        risk, told = self.risk, self.risk.told
        k, many = len(risk.time), len(self.labels)
        hit = told.event
        cell = (risk.high[hit] - 1) * many + self.code[hit]
        events = np.bincount(cell, told.weight[hit], k * many).reshape(k, many)
        left = np.cumsum(self.before[:, None] * events / risk.at_risk[:, None], axis=0)
        gone = np.vstack([np.zeros((1, many)), left])
        return np.column_stack([gone, np.concatenate([[1.0], self.stay])])

    @cached_property
    def stay(self) -> np.ndarray:
        return np.cumprod(1 - self.risk.hazard)

    @cached_property
    def before(self) -> np.ndarray:
        """Who stayed just before each event time."""
        return np.concatenate([[1.0], self.stay])[: len(self.stay)]

    def scores(self, state: int, k: int) -> np.ndarray:
        """Weighted influence on one share after k event times, shape (n,)."""
        risk = self.risk
        rest = risk.at_risk - risk.events
        share = np.where(rest > 0, 1 / np.where(rest > 0, rest, 1.0), 0.0)
        weight = risk.told.weight
        if state == len(self.labels):
            stay = self.shares[k, state]
            return -weight * stay * Jumps(risk, share, share * risk.hazard).upto(k)
        hit = risk.told.event
        mine = hit & (self.code == state)
        step = np.diff(self.shares[:, state])
        back = (self.shares[1:, state] - self.shares[k, state]) * share
        own = np.zeros(risk.told.n)
        at = risk.high - 1
        own[hit] = back[at[hit]]
        own[mine] += (self.before / risk.at_risk)[at[mine]]
        rate = step / risk.at_risk + back * risk.hazard
        return weight * Jumps(risk, own, rate).upto(k)

    def variance(self, scores: np.ndarray) -> float:
        told = self.risk.told
        if not self.robust:
            return float((scores**2).sum())
        return float(variance(told.survey, told.spread(scores)))


def _points(
    states: States, label: str, times: Sequence[float] | None, level: float, method: str
) -> list[Estimate]:
    risk = states.risk
    cautions: tuple[str, ...] = ()
    if times is not None:
        places = numbers_of(times)
        done = len(states.stay) and states.stay[-1] == 0
        inside = places if done else places[places <= risk.last]
        lost = len(places) - len(inside)
        places = inside
        cautions = (f"{lost} times after the last follow-up are left out",) * bool(lost)
    elif len(risk.time) > SHOWN:
        places = risk.time[np.linspace(0, len(risk.time) - 1, SHOWN).round().astype(int)]
        cautions = (f"shown at {SHOWN} of {len(risk.time):,} event times",)
    else:
        places = risk.time if len(risk.time) else np.array([risk.last])
    reached = np.searchsorted(risk.time, places, "right")
    names = (*states.labels, STAYED)
    return [
        _point(states, state, int(k), float(time), label, names, level, method, cautions)
        for state in range(len(names))
        for time, k in zip(places, reached, strict=True)
    ]


def _point(
    states: States,
    state: int,
    k: int,
    time: float,
    label: str,
    names: tuple[str, ...],
    level: float,
    method: str,
    cautions: tuple[str, ...],
) -> Estimate:
    told = states.risk.told
    value = float(states.shares[k, state])
    se = math.sqrt(max(states.variance(states.scores(state, k)), 0.0))
    low, high = _bounds(value, se, states, level, method)
    kind = "design-based errors" if states.robust else "infinitesimal jackknife"
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit="share",
        n=states.risk.count_at(time),
        level=level,
        se=se,
        n_eff=value * (1 - value) / se**2 if se > 0 else math.nan,
        df=states.df,
        method=f"Aalen–Johansen, {kind}, {method} interval",
        source=told.survey.source,
        kind="left for a reason" if state < len(names) - 1 else "retention",
        term=", ".join(filter(None, (label, names[state], told.at(time)))),
        x=time,
        origin=told.survey.origin,
        cautions=cautions,
        linear=Linear(told.survey, lambda: told.spread(states.scores(state, k)), states.df),
    )


def _bounds(
    value: float, se: float, states: States, level: float, method: str
) -> tuple[float, float]:
    """The interval of a share; the exact binomial's where it is 0 or 1 or nothing varies."""
    from .interval import exact_bounds

    half = t_quantile(level, states.df) * se
    if not (1e-12 < value < 1 - 1e-12 and se > 0):
        n = states.risk.told.n
        return exact_bounds(round(value) * n, n, level) if not 0 < value < 1 else (value, value)
    if method == "plain":
        return max(value - half, 0.0), min(value + half, 1.0)
    if method == "log":
        return value * math.exp(-half / value), min(value * math.exp(half / value), 1.0)
    centre, half = math.log(value / (1 - value)), half / (value * (1 - value))
    ends = (min(max(centre + side * half, -700.0), 700.0) for side in (-1, 1))
    low, high = (1 / (1 + math.exp(-end)) for end in ends)
    return low, high
