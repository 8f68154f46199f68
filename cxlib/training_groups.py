"""Trainings that start at different dates: effects a group and period (Callaway and Sant'Anna).

A two-way fixed-effects regression would use outlets trained earlier as the controls of those
trained later; here every comparison is with outlets that were not trained yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .interval import t_quantile
from .result import Curve, Estimate, Ranking
from .survey import Survey

AGGREGATES = ("overall", "event", "group", "period", "none")
CONTROLS = ("never", "not-yet")


def group_time_effects(
    survey: Survey,
    outcome: str,
    *,
    unit: str,
    time: str,
    start: str,
    control: str = "not-yet",
    aggregate: str = "overall",
    clusters: str | None = None,
    simultaneous: bool = False,
    draws: int = 999,
    seed: int = 1,
    level: float = 0.95,
    outcome_unit: str = "",
    name: str = "",
    claim: str = "",
) -> Estimate | Curve | Ranking:
    """The effect of trainings that began at different dates.

    Parameters
    ----------
    survey : Survey
        Rows are answers; those of a unit and period are averaged with the survey's weights, and
        units then count alike.
    outcome : str
        Numbers.
    unit : str
        What was trained, e.g. the outlet; seen in several periods.
    time : str
        The period, a number.
    start : str
        The first period in which the unit was trained; no answer, or a date beyond the data: never.
        Units trained from the first period on have no before, and are left out.
    control : str
        ``"never"`` trained units only, or all ``"not-yet"`` trained by the later of the periods.
    aggregate : str
        ``"overall"`` (mean effect over all trained units and periods) → Estimate; ``"event"`` (by
        periods since the start, earlier ones too) or ``"period"`` → Curve; ``"group"`` (by start)
        or ``"none"`` (every group and period) → Ranking.
    clusters : str, optional
        Wider than the unit, e.g. the region; the unit otherwise.
    simultaneous : bool
        A band that holds all points at once, by multiplier bootstrap.
    draws, seed
        Of the multiplier bootstrap (Mammen's two points), which gives the standard errors.

    Returns
    -------
    Estimate, Curve or Ranking
        In the outcome's unit. Earlier periods compare with the one before each. ``n`` counts units.

    Raises
    ------
    CxError
        A unit with two start dates; no group with a period before and controls; two units or fewer.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225:200. Without covariates; with one
    start date the effects equal the pairwise differences in differences of :func:`cxlib.did`.
    """
    _checked(aggregate, control, draws)
    wide = _wide(survey, outcome, unit, time, start, clusters)
    cells = _cells(wide, control)
    rows = _aggregated(cells, wide, aggregate)
    values = np.array([row[2] for row in rows])
    parts = np.column_stack([row[3] for row in rows])
    errors, crit, df = _errors(parts, wide.cluster, draws, seed, level, simultaneous)
    band = "simultaneous band" if simultaneous and len(rows) > 1 else "t interval"
    words = f"group-time effects, {control} trained controls, multiplier bootstrap over "
    words += f"{clusters or unit}, {draws:,} draws, seed {seed}, {band}"
    about = {
        "unit": outcome_unit,
        "name": name or f"{outcome}: effect of the training",
        "claim": claim,
        "question": outcome,
        "method": words,
    }
    made = tuple(
        _estimate(survey, wide, (term, x), (float(value), float(se), crit, df), level, about)
        for (term, x, *_), value, se in zip(rows, values, errors, strict=True)
    )
    return _shaped(made, aggregate, about["name"], claim)


def _shaped(
    made: tuple[Estimate, ...], aggregate: str, name: str, claim: str
) -> Estimate | Curve | Ranking:
    if aggregate == "overall":
        return made[0]
    if aggregate in ("event", "period"):
        axis = "periods since the training began" if aggregate == "event" else "period"
        return Curve(name=name, estimates=made, claim=claim, by=aggregate, axis=axis)
    return Ranking(name=name, estimates=made, claim=claim, by="group")


def _checked(aggregate: str, control: str, draws: int) -> None:
    if aggregate not in AGGREGATES:
        raise unknown("aggregate", aggregate, AGGREGATES)
    if control not in CONTROLS:
        raise unknown("control group", control, CONTROLS)
    if not (isinstance(draws, int) and draws >= 20):
        raise CxError("draws are a whole number", got=repr(draws), want="20 or more, e.g. 999")


def _estimate(
    survey: Survey,
    wide: _Wide,
    place: tuple[str, float | None],
    made: tuple[float, float, float, float],
    level: float,
    about: dict[str, str],
) -> Estimate:
    value, se, crit, df = made
    return Estimate(
        value=value,
        low=value - crit * se,
        high=value + crit * se,
        n=len(wide.start),
        level=level,
        se=se,
        n_excluded=wide.lost,
        df=df,
        kind="group-time effect",
        term=place[0],
        x=place[1],
        source=survey.source,
        origin=survey.origin,
        cautions=wide.cautions,
        **about,
    )


@dataclass(frozen=True, eq=False)
class _Wide:
    """Unit means a period, shape (units, periods), NaN where unseen; start is inf for never."""

    y: np.ndarray
    periods: np.ndarray
    start: np.ndarray
    cluster: np.ndarray
    lost: int
    cautions: tuple[str, ...]


def _wide(
    survey: Survey, outcome: str, unit: str, time: str, start: str, clusters: str | None
) -> _Wide:
    y, when = survey.numbers(outcome), survey.numbers(time)
    begun = survey.numbers(start)
    known = survey.answers(unit).notna().to_numpy()
    keep = survey.looked_at & known & ~np.isnan(y) & ~np.isnan(when) & (survey.weights > 0)
    keep &= survey.answers(clusters or unit).notna().to_numpy()
    if not keep.any():
        raise CxError(
            "nobody has an outcome, a unit and a period", got=f"{outcome}, {unit}, {time}"
        )
    codes, units = pd.factorize(survey.answers(unit)[keep])
    periods, place = np.unique(when[keep], return_inverse=True)
    shape = (len(units), len(periods))
    if shape[0] * shape[1] > 50_000_000:
        raise CxError("too many units and periods", got=f"{shape[0]:,} × {shape[1]:,}")
    at, w = codes * shape[1] + place, survey.weights[keep]
    mass = np.bincount(at, w, shape[0] * shape[1])
    total = np.bincount(at, w * y[keep], shape[0] * shape[1])
    mean = np.where(mass > 0, total / np.where(mass > 0, mass, 1), np.nan).reshape(shape)
    first = _starts(begun[keep], periods[-1], codes, units, unit)
    cluster = _of_units(survey, clusters, keep, codes, len(units))
    early = first <= periods[0]
    told = (f"{int(early.sum())} units trained from the first period on: left out",) * int(
        early.any()
    )
    use = ~early
    return _Wide(
        mean[use],
        periods,
        first[use],
        np.unique(cluster[use], return_inverse=True)[1],
        int(early.sum()),
        tuple(told),
    )


def _starts(
    begun: np.ndarray, last: float, codes: np.ndarray, units: pd.Index, unit: str
) -> np.ndarray:
    """Each unit's start, inf for never within the data."""
    dates = np.where(np.isnan(begun) | (begun > last), np.inf, begun)
    first = np.full(len(units), np.inf)
    np.minimum.at(first, codes, dates)
    strange = np.flatnonzero(dates != first[codes])
    if len(strange):
        raise CxError(
            "a unit has two start dates",
            got=f"e.g. {unit} = {units[codes[strange[0]]]}",
            want="one date a unit, on all of its rows",
        )
    return first


def _of_units(
    survey: Survey, clusters: str | None, keep: np.ndarray, codes: np.ndarray, count: int
) -> np.ndarray:
    """Each unit's cluster."""
    if clusters is None:
        return np.arange(count)
    labels = pd.factorize(survey.answers(clusters)[keep])[0]
    cluster = np.zeros(count, np.int64)
    cluster[codes] = labels
    if (cluster[codes] != labels).any():
        raise CxError("a unit lies in two clusters", got=clusters, want="one a unit")
    return cluster


@dataclass(frozen=True, eq=False)
class _Cell:
    """One group and period: its effect and every unit's influence on it."""

    group: float
    place: int
    value: float
    influence: np.ndarray


def _cells(wide: _Wide, control: str) -> list[_Cell]:
    out, n = [], len(wide.start)
    for group in np.unique(wide.start[np.isfinite(wide.start)]):
        first = int(np.searchsorted(wide.periods, group))
        for place in range(1, len(wide.periods)):
            base = first - 1 if place >= first else place - 1
            gap = wide.y[:, place] - wide.y[:, base]
            seen = ~np.isnan(gap)
            mine = seen & (wide.start == group)
            later = max(wide.periods[place], wide.periods[base])
            free = np.isinf(wide.start)
            if control == "not-yet":
                free = (wide.start > later) & (wide.start != group)
            free = free & seen
            if not mine.any() or not free.any():
                continue
            value = float(gap[mine].mean() - gap[free].mean())
            part = np.zeros(n)
            part[mine] = (gap[mine] - gap[mine].mean()) / mine.sum()
            part[free] = -(gap[free] - gap[free].mean()) / free.sum()
            out.append(_Cell(float(group), place, value, part))
    if not any(wide.periods[c.place] >= c.group for c in out):
        raise CxError(
            "no training can be compared",
            got=f"{len(wide.start)} units, {control} trained controls",
            want="groups seen before and after, and units not trained by then",
            do='take control="not-yet", or add never-trained units',
        )
    return out


_Row = tuple[str, float | None, float, np.ndarray]


def _aggregated(cells: list[_Cell], wide: _Wide, aggregate: str) -> list[_Row]:
    """Term, x, value and influence of each effect asked for."""
    periods = wide.periods
    late = [c for c in cells if periods[c.place] >= c.group]
    if aggregate == "overall":
        return [("", None, *_mean(late, wide))]
    if aggregate == "none":
        return [
            (f"from {c.group:g}, at {periods[c.place]:g}", None, c.value, c.influence)
            for c in cells
        ]
    keyed: dict[float, list[_Cell]] = {}
    for c in cells if aggregate == "event" else late:
        first = int(np.searchsorted(periods, c.group))
        key = {"event": c.place - first, "group": c.group, "period": periods[c.place]}[aggregate]
        keyed.setdefault(float(key), []).append(c)
    words = {"group": "from "}.get(aggregate, "")
    return [
        (f"{words}{key:g}", None if aggregate == "group" else key, *_mean(some, wide))
        for key, some in sorted(keyed.items())
    ]


def _mean(cells: list[_Cell], wide: _Wide) -> tuple[float, np.ndarray]:
    """The mean of effects by size of group, with the influence of those sizes."""
    n = len(wide.start)
    member = np.stack([wide.start == c.group for c in cells]).astype(float)
    size = member.mean(1)
    whole = size.sum()
    values = np.array([c.value for c in cells])
    value = float(size @ values / whole)
    part = size @ np.stack([c.influence for c in cells]) / whole
    part += (values - value) @ (member - size[:, None]) / (whole * n)
    return value, part


def _errors(
    parts: np.ndarray, cluster: np.ndarray, draws: int, seed: int, level: float, band: bool
) -> tuple[np.ndarray, float, float]:
    """Standard errors by multiplier bootstrap, and what to multiply them by."""
    count = int(cluster.max()) + 1
    if count < 3:
        raise CxError("too few units to tell an error", got=f"{count}", want="3 or more")
    sums = np.column_stack([np.bincount(cluster, p, count) for p in parts.T])
    rng = np.random.default_rng(seed)
    root = math.sqrt(5)
    high = rng.random((draws, count)) < (root - 1) / (2 * root)
    mammen = np.where(high, (1 + root) / 2, (1 - root) / 2)
    drawn = mammen @ sums
    scale = math.sqrt(count / (count - 1))
    errors = drawn.std(axis=0) * scale
    df = float(count - 1)
    if not band or parts.shape[1] == 1:
        return errors, t_quantile(level, df), df
    some = errors > 0
    if not some.any():
        return errors, t_quantile(level, df), df
    top = np.abs(drawn[:, some] * scale / errors[some]).max(axis=1)
    return errors, max(float(np.quantile(top, level)), t_quantile(level, df)), df
