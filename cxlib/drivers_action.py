"""What people say matters, what goes with the outcome, and where to act first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .drivers_data import Columns, columns, predictors
from .drivers_plan import plan_of
from .drivers_shares import Shares, Told
from .errors import CxError, unknown
from .interval import t_quantile
from .linear_scores import linear_estimate
from .result import Estimate, Ranking
from .survey import Survey
from .verdict import Test

#: Up to so many items every order is tried for the exact p of a rank correlation.
_ALL_ORDERS = 8


def stated_importance(
    survey: Survey,
    items: Sequence[str],
    *,
    total: float = 100.0,
    tolerance: float = 0.0,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """What people say matters: the mean points of each item of a constant-sum question.

    Parameters
    ----------
    items : sequence of str
        Points that each respondent shares out, 0 or more.
    total, tolerance : float
        What the points of a respondent must add up to, and how far they may miss it.

    Returns
    -------
    Ranking
        The weighted mean of each item, unit "points", with design-based t intervals; the means add
        up to the total. Those whose points do not add up, or who left an item blank, are left out,
        and counted.

    Raises
    ------
    CxError
        Unknown items, fewer than two, or nobody whose points add up.
    """
    listed = [items] if isinstance(items, str) else list(items)
    if len(listed) < 2:
        raise CxError("a constant sum is shared between items", got=listed, want="two or more")
    predictors(survey, listed[0], listed[1:])
    points, fair, told = _constant_sum(survey, listed, total, tolerance)
    rows = fair & survey.looked_at
    w = np.where(rows, survey.weights, 0.0) / survey.weights[rows].sum()
    about = {
        "n": int(rows.sum()),
        "n_excluded": len(survey) - int(rows.sum()),
        "unit": "points",
        "level": level,
        "df": survey.df_of(fair),
        "kind": "stated importance",
        "name": name or "stated importance",
        "claim": claim,
        "method": "weighted mean of constant-sum points, linearised variance, t interval",
        "cautions": told,
    }
    made = []
    for item, own in zip(listed, np.where(rows[:, None], points, 0.0).T, strict=True):
        value = float(w @ own)
        scores = w * (own - value)
        part = linear_estimate(
            survey, value, lambda scores=scores: scores, question=item, term=item, **about
        )
        made.append(part)
    return Ranking(name=about["name"], estimates=tuple(made), claim=claim, by="item")


def _constant_sum(
    survey: Survey, items: Sequence[str], total: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The points, whose add up (over all rows, looked at or not), and what to say of the others."""
    points = np.column_stack([survey.numbers(item) for item in items])
    complete = np.isfinite(points).all(axis=1)
    filled = np.where(complete[:, None], points, 0.0)
    right = np.abs(filled.sum(axis=1) - total) <= tolerance + 1e-9 * abs(total)
    weighty = survey.weights > 0
    fair = complete & right & (filled >= 0).all(axis=1) & weighty
    if not (fair & survey.looked_at).any():
        raise CxError(
            "nobody's points add up",
            got=f"{int((complete & survey.looked_at).sum()):,} answered all of {', '.join(items)}",
            want=f"points of 0 or more that add up to {total:g}",
            do="give total= (and tolerance=) as the question had them",
        )
    wrong = int((complete & ~fair & survey.looked_at & weighty).sum())
    told = f"{wrong:,} whose points do not add up to {total:g} are left out"
    return points, fair, (told,) * (wrong > 0)


def importance_agreement(
    stated: Ranking,
    derived: Ranking,
    *,
    items: Mapping[str, str] | None = None,
    level: float = 0.95,
    name: str = "stated against derived importance",
    claim: str = "",
) -> Test:
    """Do people say what goes with their own outcome? The rank correlation of two rankings.

    Parameters
    ----------
    stated, derived : Ranking
        Of the same things, such as :func:`stated_importance` and :func:`drivers`.
    items : mapping of stated term to derived term, optional
        Where the two call things differently.

    Returns
    -------
    Test
        Spearman's ρ. p is exact over all orders up to 8 things, Student's t beyond. The effect's
        interval is Bonett and Wright's over the things ranked, wide where they are few: neither
        tells of the respondents, whose sampling moves both rankings.

    Raises
    ------
    CxError
        Fewer than three things in both, things that only one ranks, or all of one tied.

    References
    ----------
    Bonett and Wright (2000), Psychometrika 65:23. ρ and the t checked against
    ``scipy.stats.spearmanr``, the exact p against ``cor.test(…, method="spearman")`` of R.
    """
    pairs = _pairs(stated, derived, dict(items or {}))
    from scipy.stats import rankdata

    first, second = (rankdata(side) for side in zip(*pairs, strict=True))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        raise CxError("all are ranked the same: there is no order to compare")
    rho, p, how = _spearman(first, second)
    low, high = _bonett_wright(rho, len(pairs), level)
    size = min(e.n for e in (*stated, *derived))
    effect = Estimate(
        value=rho,
        low=low,
        high=high,
        unit="rank correlation",
        n=size,
        level=level,
        kind="correlation",
        name=name,
        claim=claim,
        method=f"Spearman's ρ over {len(pairs)} things, Bonett–Wright interval",
        source=stated.estimates[0].source,
        origin=stated.estimates[0].origin,
        cautions=(f"over {len(pairs)} things ranked: it does not tell of the respondents",),
    )
    told = {"source": effect.source, "cautions": effect.cautions, "origin": effect.origin}
    method, df = f"Spearman's rank correlation, {how}", float(len(pairs) - 2)
    about = {"name": name, "claim": claim, "n": size, "method": method} | told
    return Test(statistic=rho, p=p, df=df, effect=effect, **about)


def _pairs(
    stated: Ranking, derived: Ranking, items: Mapping[str, str]
) -> list[tuple[float, float]]:
    """What both give to each thing."""
    pairs = []
    for one in stated:
        term = items.get(one.term, one.term)
        if term not in [other.term for other in derived]:
            raise unknown("thing that only the first ranks", term, [e.term for e in derived])
        pairs.append((one.value, derived[term].value))
    if len(pairs) < 3 or len(pairs) < len(derived):
        raise CxError(
            "the two do not rank the same things, or fewer than three",
            got=f"{len(pairs)} and {len(derived)}",
            want="three or more, the same in both",
        )
    return pairs


def _spearman(first: np.ndarray, second: np.ndarray) -> tuple[float, float, str]:
    """ρ, its two-sided p, and how that was found."""
    a, b = first - first.mean(), second - second.mean()
    size = math.sqrt(float((a @ a) * (b @ b)))
    rho = min(max(float(a @ b) / size, -1.0), 1.0)
    k = len(a)
    if k <= _ALL_ORDERS:
        every = np.array(list(itertools.permutations(b))) @ a / size
        above = float((every >= rho - 1e-12).mean())
        below = float((every <= rho + 1e-12).mean())
        return rho, min(2 * min(above, below), 1.0), "exact over all orders"
    from scipy.special import stdtr

    left = 1 - rho**2
    p = 2 * float(stdtr(k - 2, -abs(rho) * math.sqrt((k - 2) / left))) if left > 0 else 0.0
    return rho, p, "Student's t"


def _bonett_wright(rho: float, k: int, level: float) -> tuple[float, float]:
    z = t_quantile(level, math.inf)
    if k < 4:
        return -1.0, 1.0
    centre = math.atanh(min(max(rho, -1 + 1e-9), 1 - 1e-9))
    half = z * math.sqrt((1 + rho**2 / 2) / (k - 3))
    return min(math.tanh(centre - half), rho), max(math.tanh(centre + half), rho)


def action_table(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    *,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    target: float | Mapping[str, float] | None = None,
    reach: float | Mapping[str, float] | None = None,
    feasible: float | Mapping[str, float] = 1.0,
    not_applicable: Collection[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Where to act first: importance × performance gap × reach × feasible change.

    Parameters
    ----------
    among : sequence of str
        Ratings, higher being better.
    scale : (lowest, highest), or mapping of question to it
        The codebook's where left out.
    target : number or mapping
        What performance should reach, the top of the scale where left out.
    reach : share or mapping, optional
        Whom it concerns, 0–1. Where left out: those to whom it applies (see ``not_applicable``)
        among those who answered.
    feasible : share or mapping
        The part of the gap that can be closed, 0–1: a judgement, taken as known.
    not_applicable : names
        As :func:`cxlib.drivers`.

    Returns
    -------
    Ranking
        An Estimate a predictor, the largest first, unit "priority" (0–1: R² that goes with it times
        three shares). The gap is the mean shortfall from the target among those whom it concerns,
        as a share of the scale. The interval carries the sampling of importance, gap and reach
        together (linearised, design-based). The parts stand in each estimate's method.

    Raises
    ------
    CxError
        A question without a scale; shares outside 0–1; or as :func:`cxlib.drivers`.

    References
    ----------
    Importance: Shapley (LMG), Grömping (2007). Importance is not cause: the table says where to
    look and try first, not what a change will bring.
    """
    listed = [among] if isinstance(among, str) else list(among)
    data = columns(survey, outcome, listed, (), not_applicable)
    plan = plan_of(data, listed, None, "shapley", "all", None, 2000, 0)
    title = name or f"where to act first for {outcome}"
    shares = Shares(data, plan, Told("shapley", False, level, title, claim))
    made = []
    for place, question in enumerate(listed):
        ends = _ends(survey, question, scale)
        goal = _of(target, question, ends[1])
        if not ends[0] < goal <= ends[1]:
            raise CxError(
                f"the target of {question!r} lies outside its scale", got=goal, want=str(ends)
            )
        parts = [
            (float(shares.values[place]), shares.scores[:, place]),
            _gap(data, question, goal, ends),
            _concerned(data, question, reach),
            (_share(feasible, question, "feasible"), np.zeros(len(data.rows))),
        ]
        made.append(_priority(shares, question, parts))
    made.sort(key=lambda one: -one.value)
    return Ranking(name=title, estimates=tuple(made), claim=claim, by="driver")


def _priority(shares: Shares, question: str, parts: list[tuple[float, np.ndarray]]) -> Estimate:
    """The product of the parts, with the influence scores of a product."""
    values = [value for value, _ in parts]
    product = math.prod(values)
    scores = sum(math.prod(values[:i] + values[i + 1 :]) * own for i, (_, own) in enumerate(parts))
    data, told = shares.data, shares.told
    words = (
        "importance {:.3g} of R²",
        "gap {:.3g} of the scale",
        "reach {:.3g}",
        "feasible {:.3g}",
    )
    each = " × ".join(text.format(value) for text, value in zip(words, values, strict=True))
    one = linear_estimate(
        data.survey,
        product,
        lambda: scores,
        n=data.n,
        unit="priority",
        level=told.level,
        df=data.df,
        n_excluded=len(data.survey) - data.n,
        kind="action",
        name=told.name,
        claim=told.claim,
        question=question,
        term=question,
        method=f"{each}, linearised variance, t interval",
        cautions=(
            "importance is not cause: where to look and try first, not what a change will bring",
            *shares.plan.cautions,
            *data.cautions,
            *data.sign(question),
        ),
    )
    return replace(one, low=max(one.low, 0.0))


def _gap(
    data: Columns, question: str, goal: float, ends: tuple[float, float]
) -> tuple[float, np.ndarray]:
    """The mean shortfall from the target among those whom it concerns, and its scores."""
    values = data.survey.numbers(question)[data.rows]
    asked = np.isfinite(values)
    if (values[asked] < ends[0]).any() or (values[asked] > ends[1]).any():
        raise CxError(
            f"answers to {question!r} lie outside its scale",
            got=f"{values[asked].min():g} to {values[asked].max():g}",
            want=f"{ends[0]:g} to {ends[1]:g}",
        )
    short = np.where(asked, np.maximum(goal - np.where(asked, values, goal), 0.0), 0.0)
    short = short / (ends[1] - ends[0])
    mass = float(data.w @ asked)
    value = float(data.w @ short) / mass
    return value, data.spread(data.w * np.where(asked, short - value, 0.0) / mass)


def _concerned(data: Columns, question: str, reach: Any) -> tuple[float, np.ndarray]:
    """The share whom a driver concerns, and its scores."""
    if reach is not None and not (isinstance(reach, Mapping) and question not in reach):
        return _share(reach, question, "reach"), np.zeros(len(data.rows))
    asked = np.isfinite(data.survey.numbers(question)[data.rows]).astype(float)
    value = float(data.w @ asked)
    return value, data.spread(data.w * (asked - value))


def _of(given: Any, question: str, otherwise: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get(question, otherwise)
    return otherwise if given is None else given


def _share(given: Any, question: str, what: str) -> float:
    value = _of(given, question, 1.0)
    if not isinstance(value, (int, float, np.number)) or not 0 <= value <= 1:
        raise CxError(f"{what} of {question!r} is a share", got=repr(value), want="0 to 1")
    return float(value)


def _ends(survey: Survey, question: str, scale: Any) -> tuple[float, float]:
    known = survey.codebook.get(question)
    ends = _of(scale, question, (known.low, known.high))
    good = len(ends) == 2 and all(isinstance(end, (int, float, np.number)) for end in ends)
    if not good or not ends[0] < ends[1]:
        raise CxError(
            f"the scale of {question!r} is not known",
            got=str(ends),
            want="its lowest and highest answer",
            do="scale=(1, 5), or a scale in the codebook",
        )
    return float(ends[0]), float(ends[1])
