"""The event study of a training: the gap between trained and others, period by period.

If the gap moved before the training, the trained were on another path anyway (those who dip get
trained), and a difference in differences inherits the dip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .errors import CxError
from .result import Curve, Estimate
from .survey import Survey
from .survey_codes import code_text
from .training_panel import Panel, as_names, panel, t_estimate, two_groups
from .verdict import Test

_TREATED = "(treated)"


def event_study(
    survey: Survey,
    outcome: str,
    treated: str,
    time: str,
    *,
    start: float,
    clusters: str | Sequence[str] | None = None,
    fixed: str | Sequence[str] = (),
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Curve:
    """The gap between trained and others in each period, less that in the last one before.

    Parameters
    ----------
    survey : Survey
        Its weights are used.
    outcome : str
        Numbers.
    treated : str
        Two answers; the later in order was trained (at some time).
    time : str
        The period, a number.
    start : float
        The first period after the training; the last one before is the reference.
    clusters : str or sequence of str, optional
        What was trained as a whole. Without, rows are taken as independent (HC1).
    fixed : str or sequence of str
        Fixed effects of units, which then stand for the main effect of ``treated``.

    Returns
    -------
    Curve
        ``x`` counts periods from the start (−1 is the reference, 0 by construction); before it the
        points should lie around 0. CR1 errors, t interval with clusters − 1 degrees of freedom.

    Raises
    ------
    CxError
        No period before or after the start; a period without trained or without others.

    References
    ----------
    Freyaldenhoven, Hansen and Shapiro (2019), AER 109:3307. Equal to the pairwise differences in
    differences; errors checked against statsmodels' OLS with clusters. For trainings that start at
    different dates see :func:`cxlib.group_time_effects`.
    """
    told = _fit(survey, outcome, treated, time, start, clusters, fixed)
    title = name or f"{outcome}: gap between trained and others"
    about = {"unit": unit, "kind": "event study", "name": title, "claim": claim}
    return Curve(
        name=title,
        estimates=_points(survey, told, level, about | {"question": outcome}),
        claim=claim,
        by="period",
        axis="periods since the training began",
    )


def _points(
    survey: Survey, told: _Fit, level: float, about: dict[str, str]
) -> tuple[Estimate, ...]:
    """One estimate a period, the reference among them."""
    points = []
    for step, period in told.steps():
        if period == told.reference:
            points.append(_reference(survey, told, level, about))
            continue
        i = told.columns[period]
        one, _, _ = t_estimate(
            survey,
            told.found.beta[i],
            math.sqrt(max(told.covariance[i, i], 0.0)),
            told.df,
            n=told.found.n,
            level=level,
            term=code_text(period),
            x=float(step),
            method=f"event study, {told.errors}, t interval",
            **about,
        )
        points.append(one)
    return tuple(points)


def pretrends(
    survey: Survey,
    outcome: str,
    treated: str,
    time: str,
    *,
    start: float,
    clusters: str | Sequence[str] | None = None,
    fixed: str | Sequence[str] = (),
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Test:
    """Did trained and others move together before the training? Joint test of all earlier gaps.

    Arguments and errors as :func:`event_study`; at least two periods before the start.

    Returns
    -------
    Test
        F on (earlier gaps, clusters − 1). The effect is the largest earlier gap. A large p proves
        nothing: look at how large a trend the intervals would still allow.

    References
    ----------
    Roth (2022), AER: Insights 4:305 on the low power of this test.
    """
    from scipy.special import fdtrc

    told = _fit(survey, outcome, treated, time, start, clusters, fixed)
    statistic, count = _joint(told)
    title = f"{outcome}: largest gap before the training"
    about = {"unit": unit, "kind": "event study", "name": title, "claim": claim}
    points = _points(survey, told, level, about | {"question": outcome})
    return Test(
        name=name or f"{outcome}: trends before the training",
        statistic=statistic,
        p=float(fdtrc(count, told.df, statistic)),
        df=float(count),
        df2=told.df,
        effect=max((e for e in points if e.x < -1), key=lambda e: abs(e.value)),
        n=told.found.n,
        method=f"joint F test of the earlier gaps, {told.errors}",
        source=survey.source,
        claim=claim,
        cautions=("no difference found is not no difference: see the intervals",),
        origin=survey.origin,
    )


def _joint(told: _Fit) -> tuple[float, int]:
    """F of all earlier gaps together, and how many they are."""
    early = [period for period in told.periods if period < told.reference]
    if not early:
        raise CxError(
            "there is no trend before the training to look at",
            got="one period before the start",
            want="two or more",
        )
    at = [told.columns[period] for period in early]
    beta, cov = told.found.beta[at], told.covariance[np.ix_(at, at)]
    scale = np.sqrt(np.maximum(np.diag(cov), 1e-300))
    inside = cov / np.outer(scale, scale)
    if len(at) > told.df or not (np.diag(cov) > 0).all() or np.linalg.cond(inside) > 1e12:
        raise CxError(
            "the clusters cannot carry a joint test of the earlier gaps",
            got=f"{len(at)} periods, {told.df:g} degrees of freedom",
            want="more clusters, or fewer periods",
        )
    return float(beta / scale @ np.linalg.solve(inside, beta / scale)) / len(at), len(at)


@dataclass(frozen=True, eq=False)
class _Fit:
    found: Panel
    covariance: np.ndarray
    df: float
    periods: tuple[float, ...]
    reference: float
    columns: dict[float, int]
    errors: str

    def steps(self) -> list[tuple[int, float]]:
        """Each period and its place counted from the start."""
        zero = self.periods.index(self.reference) + 1
        return [(i - zero, period) for i, period in enumerate(self.periods)]


def _fit(
    survey: Survey,
    outcome: str,
    treated: str,
    time: str,
    start: float,
    clusters: str | Sequence[str] | None,
    fixed: str | Sequence[str],
) -> _Fit:
    groups, when = two_groups(survey, treated, "who was trained"), survey.numbers(time)
    valid = survey.valid(outcome) & ~np.isnan(groups) & ~np.isnan(when) & (survey.weights > 0)
    periods = _periods(groups, when, valid, start, time)
    reference = max(p for p in periods if p < start)
    others = [p for p in periods if p != reference]
    extra = {_TREATED: groups}
    for i, period in enumerate(others):
        extra[f"(at {i})"] = (when == period).astype(float)
    work = replace(survey, frame=survey.frame.assign(**extra))
    marks = [f"(at {i})" for i in range(len(others))]
    terms = [*marks, _TREATED, *(f"{mark}:{_TREATED}" for mark in marks)]
    kinds, effects = as_names(clusters), as_names(fixed)
    found = panel(replace(work, mask=valid), outcome, terms, clusters=kinds, fixed=effects)
    names = {name: i for i, name in enumerate(found.names)}
    columns = {}
    for i, period in enumerate(others):
        title = f"(at {i}):{_TREATED}"
        if title not in names:
            raise CxError("the fixed effects leave nothing of a period", got=f"{period:g}")
        columns[period] = names[title]
    cov, df = found.covariance("cluster" if kinds else "HC1", "full")
    errors = f"errors clustered by {', '.join(kinds)} (CR1)" if kinds else "HC1 errors"
    return _Fit(found, cov, df, periods, reference, columns, errors)


def _periods(
    groups: np.ndarray, when: np.ndarray, valid: np.ndarray, start: float, time: str
) -> tuple[float, ...]:
    """The periods that occur, checked."""
    periods = tuple(float(p) for p in np.unique(when[valid]))
    before = [p for p in periods if p < start]
    if not before or len(before) == len(periods):
        raise CxError(
            "the training needs periods on both sides of its start",
            got=f"start {start:g}, periods {', '.join(f'{p:g}' for p in periods[:8])}",
            want="at least one before and one from the start on",
        )
    if len(periods) > 200:
        raise CxError("too many periods", got=f"{len(periods)}", want="at most 200, e.g. months")
    for period in periods:
        if len(np.unique(groups[valid & (when == period)])) < 2:
            raise CxError("a period lacks trained or others", got=f"{time} = {period:g}")
    return periods


def _reference(survey: Survey, told: _Fit, level: float, about: dict[str, str]) -> Estimate:
    return Estimate(
        value=0.0,
        low=0.0,
        high=0.0,
        n=told.found.n,
        level=level,
        se=0.0,
        df=told.df,
        term=code_text(told.reference),
        x=-1.0,
        method="the reference period, 0 by construction",
        source=survey.source,
        origin=survey.origin,
        **about,
    )
