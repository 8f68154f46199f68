"""From sums to estimates: one path for every share, mean, ratio and score, and for differences.

A ratio Σ w·y / Σ w·x and its linearised variance follow from the sufficient statistics of
:mod:`cxlib.tally`; anything else that has influence scores goes through :func:`linear_estimate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from . import tally as engine
from .codebook import Meaning
from .errors import CxError
from .interval import Interval, mean_interval, nps_interval, share_interval, t_quantile
from .linear_scores import Linear, linear_estimate, someone, told_method
from .result import Estimate, Ranking
from .survey import Survey

_ALONE = "unreliable: all answers come from one sampling unit a stratum"


@dataclass(frozen=True, eq=False)
class Ask:
    """A ratio of weighted sums, Σ w·y / Σ w·x over the valid rows, and how it is to be told.

    ``answered`` are the rows with a valid answer, looked at or not; ``segment`` is the number of
    each row's segment, −1 for none.
    """

    survey: Survey
    y: np.ndarray
    x: np.ndarray
    answered: np.ndarray
    question: str
    unit: str
    kind: str
    name: str
    claim: str
    level: float
    method: str
    meaning: Meaning = field(default_factory=Meaning)
    scale: float = 1.0
    segment: np.ndarray | None = None

    @cached_property
    def valid(self) -> np.ndarray:
        """Who is looked at, in a segment, and answered."""
        rows = self.answered & self.survey.looked_at
        return rows if self.segment is None else rows & (self.segment >= 0)

    @cached_property
    def even(self) -> bool:
        """Whether every row counts once in the ratio's base."""
        return bool((self.x == 1).all())

    @cached_property
    def df(self) -> float:
        """Degrees of freedom of the design among all who answered, in whatever segment."""
        return self.survey.df_of(self.answered)

    def inside(self, s: int) -> np.ndarray:
        """The valid rows of a segment."""
        return self.valid if self.segment is None else self.valid & (self.segment == s)


class Base(NamedTuple):
    """What a segment's estimate rests on.

    ``df`` are its own units less its strata, ``excluded`` its members without a valid answer,
    ``mass`` is Σ w·x, and ``left_over`` what a simple random sample leaves of its variance.
    """

    n: int
    df: float
    excluded: int
    mass: float
    left_over: float


def answer(ask: Ask, by: str | None) -> Estimate | Ranking:
    if by is None:
        return _estimates(ask, ("",))[0]
    place, segments = ask.survey.numbered(by)
    estimates = _estimates(replace(ask, segment=place), segments)
    empty = [term for term, e in zip(segments, estimates, strict=True) if e is None]
    kept = [e for e in estimates if e is not None]
    if empty:
        kept = [e.with_cautions(f"no valid answer in: {', '.join(empty)}") for e in kept]
    return ranking(kept, ask.name, ask.claim, by)


def ranking(estimates: Sequence[Estimate], name: str, claim: str, by: str) -> Ranking:
    if not estimates:
        raise CxError(
            "nobody answered in any segment", got=by, want="a question with answers in both"
        )
    return Ranking(name=name, estimates=tuple(estimates), claim=claim, by=by)


def _estimates(ask: Ask, terms: Sequence[str]) -> list[Estimate | None]:
    survey = ask.survey
    someone(survey, ask.question, ask.valid)
    origin = _middle(ask)
    y = ask.y - origin * ask.x if origin else ask.y
    x = None if ask.even else ask.x
    sums = engine.tally(survey, (x, y), ask.valid, ask.segment, len(terms))
    base, shifted = sums.total[:, 0], sums.total[:, 1]
    some = (sums.n > 0) & (base != 0)
    if not some.any():
        raise CxError(
            f"nothing to divide by in {ask.question!r}",
            got="a weighted total of 0",
            want="respondents with positive weight",
        )
    safe = np.where(some, base, 1.0)
    slope = shifted / safe
    shifts = _shifts(ask, y, slope)
    var = _variances(ask, y, slope, safe, sums, shifts)
    spread = _spread(ask, y, slope, sums) / safe**2
    bases = _bases(ask, sums)
    scale = np.abs(y[engine.chosen(ask.valid)]).max() ** 2
    var, spread = (
        np.where(var > 1e-15 * scale, var, 0.0),
        np.where(spread > 1e-24 * scale, spread, 0.0),
    )
    return [
        _one(ask, term, slope[s] + origin, var[s], spread[s], bases[s], s, shifts)
        if some[s]
        else None
        for s, term in enumerate(terms)
    ]


def _middle(ask: Ask) -> float:
    """A plain ratio near the answer: sums of what deviates from it keep their digits."""
    if ask.kind not in ("mean", "ratio"):
        return 0.0
    base = float(ask.x[ask.valid].sum())
    return float(ask.y[ask.valid].sum()) / base if base else 0.0


def _scores(ask: Ask, y: np.ndarray, slope: float, base: float, inside: np.ndarray) -> np.ndarray:
    """Weighted influence values of a ratio, 0 outside its domain."""
    return np.where(inside, ask.survey.weights * (y - slope * ask.x) / base, 0.0)


def _shifts(ask: Ask, y: np.ndarray, slope: np.ndarray) -> np.ndarray | None:
    """Each replicate's ratios less the ratios, shape (R, S), NaN where it has nobody; or None."""
    replicates = ask.survey.design.replicates
    if replicates is None:
        return None
    columns = [
        replicates.ratios(np.column_stack([ask.x, y]) * ask.inside(s)[:, None])
        for s in range(len(slope))
    ]
    return np.column_stack(columns) - slope


def _variances(
    ask: Ask,
    y: np.ndarray,
    slope: np.ndarray,
    base: np.ndarray,
    sums: engine.Tally,
    shifts: np.ndarray | None,
) -> np.ndarray:
    """The design variance of each segment's ratio."""
    survey = ask.survey
    if shifts is not None:
        return survey.design.replicates.variances(shifts)
    if len(survey.stages) == 1 and survey.design.linear:
        return sums.variance(np.column_stack([-slope, np.ones_like(slope)]) / base[:, None])
    scores = (_scores(ask, y, slope[s], base[s], ask.inside(s)) for s in range(len(slope)))
    return np.array([engine.variance(survey, score) for score in scores])


def _bases(ask: Ask, sums: engine.Tally) -> list[Base]:
    """What each segment's estimate rests on."""
    survey, df = ask.survey, sums.df
    if survey.design.replicates is not None:
        df = [survey.df_of(ask.inside(s)) for s in range(len(sums.n))]
    whole = [len(survey)]
    if ask.segment is not None:
        whole = np.bincount(ask.segment + 1, minlength=len(sums.n) + 1)[1:]
    columns = zip(sums.n, df, whole, sums.total[:, 0], _left_over(survey, sums), strict=True)
    return [Base(int(n), float(own), int(w - n), float(x), float(u)) for n, own, w, x, u in columns]


def _spread(ask: Ask, y: np.ndarray, slope: np.ndarray, sums: engine.Tally) -> np.ndarray:
    """Σ w·(y − slope·x)² · Σ w a segment: over (Σ w·x)², the variance of the values."""
    rows = engine.chosen(ask.valid)
    weights = ask.survey.weights[rows]
    middle = slope[0] if ask.segment is None else slope[ask.segment[rows]]
    residual = y[rows] - (middle if ask.even else middle * ask.x[rows])
    residual *= residual
    if ask.segment is None:
        return np.array([weights @ residual]) * sums.mass
    residual *= weights
    return np.bincount(ask.segment[rows], residual, len(slope)) * sums.mass


def _left_over(survey: Survey, sums: engine.Tally) -> np.ndarray:
    """What a simple random sample would leave of its variance: 1 − n/N where weights tell N.

    Weights that add up to the sample rather than to a population (mean 1) tell no N; the design
    effect is then against sampling with replacement.
    """
    if survey.weights.sum() < 1.5 * len(survey.frame):
        return np.ones(len(sums.n))
    return np.maximum(1 - sums.n / np.where(sums.mass > 0, sums.mass, np.inf), 0.0)


def _one(
    ask: Ask,
    term: str,
    value: float,
    var: float,
    spread: float,
    base: Base,
    s: int,
    shifts: np.ndarray | None,
) -> Estimate:
    survey, scale = ask.survey, ask.scale
    own = None if shifts is None else shifts[:, s]
    interval, n_eff = _uncertain(ask, value, var, spread, base, own)
    alone = base.df < 1 and ask.kind != "share"
    return Estimate(
        value=float(scale * value),
        low=float(scale * interval.low),
        high=float(scale * interval.high),
        n=base.n,
        se=float(scale * interval.se),
        n_excluded=base.excluded,
        n_eff=n_eff,
        df=interval.df,
        method=told_method(survey, interval.method),
        term=term,
        cautions=interval.cautions + (_ALONE,) * alone,
        linear=Linear(
            survey,
            lambda: scale * _scores(ask, ask.y, value, base.mass, ask.inside(s)),
            ask.df,
            None if own is None else lambda: scale * own,
        ),
        **_about(ask),
    )


def _about(ask: Ask) -> dict[str, Any]:
    """What every estimate of a question says of it."""
    return {
        "unit": ask.unit,
        "level": ask.level,
        "source": ask.survey.source,
        "name": ask.name,
        "kind": ask.kind,
        "claim": ask.claim,
        "question": ask.question,
        "meaning": ask.meaning,
        "origin": ask.survey.origin,
    }


def _uncertain(
    ask: Ask,
    value: float,
    var: float,
    spread: float,
    base: Base,
    shifts: np.ndarray | None,
) -> tuple[Interval, float]:
    """The interval of an estimate, and its effective n."""
    design, n, df = ask.survey.design, base.n, base.df
    fixed = design.calibration is not None and design.calibration.projects
    if fixed and var <= 1e-18 * spread and spread > 0:
        why = "the weights were made to give this number: no sampling error is left in it"
        return Interval(value, value, 0.0, ask.df, "known from the population", (why,)), math.inf
    simple = spread / max(n - 1, 1) * base.left_over
    designed = var > 0 and not design.plain
    n_eff = n * simple / var if designed and simple > 0 else float(n)
    size = spread / var if designed else float(n)
    interval = _interval(ask, value, var, spread, n, size, df)
    if shifts is None:
        return interval, n_eff
    if ask.kind == "share" and ask.method == "logit":
        scaled = design.replicates.logit_variance(value, var, shifts)
        interval = _interval(ask, value, scaled, spread, n, size, df)._replace(se=math.sqrt(var))
    lost = design.replicates.lost(shifts)
    return interval._replace(cautions=interval.cautions + lost), n_eff


def _interval(
    ask: Ask, value: float, var: float, spread: float, n: int, n_eff: float, own_df: float
) -> Interval:
    """The interval of one estimate; ``n_eff`` is against sampling with replacement here.

    Intervals that are linear in the value use the degrees of freedom of the design among all who
    answered; those of shares on another scale use the segment's own (its units less its strata),
    as R's svyby with svymean and with svyciprop do.
    """
    if ask.kind == "share":
        df = ask.df if ask.method == "mean" else own_df
        plain = ask.survey.design.plain
        return share_interval(
            value, var, n=n, n_eff=n_eff, df=df, level=ask.level, method=ask.method, plain=plain
        )
    if ask.kind == "nps":
        method = ask.method
        if method == "auto":
            method = "wald" if ask.survey.design.plain else "linearised"
            method = "adjusted-wald" if n_eff < 30 or spread == 0 else method
        return nps_interval(
            value, spread, var, n=n, n_eff=n_eff, df=ask.df, level=ask.level, method=method
        )
    return mean_interval(value, var, ask.df, ask.level)


def difference(a: Estimate, b: Estimate, *, name: str = "", claim: str = "") -> Estimate:
    """a − b with its interval: with their covariance when both come from one survey.

    Estimates of one survey share respondents or clusters, so the variance is that of the
    difference of their influence scores, with the design's degrees of freedom. Estimates of
    different surveys are independent; their degrees of freedom follow Welch and Satterthwaite.

    Returns
    -------
    Estimate
        Shares give unit "share points" (0–1 scale), others keep theirs.

    Raises
    ------
    CxError
        The two have different units, or one has no standard error (see :func:`standard_error`).

    References
    ----------
    Checked against ``svycontrast`` and ``svyttest`` of R survey.
    """
    if a.unit != b.unit:
        raise CxError(
            "these two cannot be subtracted", got=f"{a.unit} − {b.unit}", want="the same unit"
        )
    unit = "share points" if a.unit.startswith("share") else a.unit
    same = (a.name or a.question) == (b.name or b.question)
    what = name or (
        f"{a.name or a.question}: {a.term} − {b.term}"
        if same and a.term != b.term
        else f"{a.name or a.question} − {b.name or b.question}"
    )
    se_a, se_b = standard_error(a), standard_error(b)
    if a.linear is not None and a.linear.joins(b.linear) and (se_a, se_b) == (a.se, b.se):
        return _joint(a, b, unit, what, claim)
    se = math.hypot(se_a, se_b)
    df = welch(se_a, a.df, se_b, b.df)
    half = t_quantile(a.level, df) * se
    value = a.value - b.value
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        unit=unit,
        n=a.n + b.n,
        level=a.level,
        se=se,
        df=df,
        n_least=_least(a, b),
        kind="difference",
        name=what,
        claim=claim,
        method="difference of independent estimates, Welch–Satterthwaite",
        source="; ".join(dict.fromkeys(s for s in (a.source, b.source) if s)),
        origin=a.origin,
    )


def _joint(a: Estimate, b: Estimate, unit: str, name: str, claim: str) -> Estimate:
    """The difference of two estimates of one survey, with their covariance."""
    scores = a.linear.scores - b.linear.scores
    one = linear_estimate(
        replace(a.linear.survey, mask=None),
        a.value - b.value,
        lambda: scores,
        n=int(((a.linear.scores != 0) | (b.linear.scores != 0)).sum()),
        unit=unit,
        level=a.level,
        kind="difference",
        name=name,
        claim=claim,
        method="difference with covariance, linearised variance",
        df=min(a.linear.df, b.linear.df),
        remake=lambda: a.linear.shifts - b.linear.shifts,
    )
    return replace(one, origin=a.origin, source=a.source, n_least=_least(a, b))


def _least(a: Estimate, b: Estimate) -> int | None:
    """The smaller base of two that must not be told from their difference."""
    bases = [e.n if e.n_least is None else e.n_least for e in (a, b) if e.kind != "published"]
    return min(bases, default=None)


def standard_error(e: Estimate) -> float:
    """The standard error; for a share of exactly 0 or 1, which has none, what its interval tells.

    Raises
    ------
    CxError
        The estimate has no standard error (a quantile has an interval only).
    """
    if not math.isfinite(e.se):
        raise CxError(
            "this estimate has no standard error",
            got=e.name or e.question or e.kind,
            want="a share, a mean or a score",
            do="ask for the share beyond a threshold instead of a quantile",
        )
    if e.se > 0 or e.unit != "share" or not math.isfinite(e.high - e.low):
        return e.se
    return max(e.high - e.value, e.value - e.low) / t_quantile(e.level, e.df)


def welch(se_a: float, df_a: float, se_b: float, df_b: float) -> float:
    """Degrees of freedom of a difference of independent estimates (Satterthwaite 1946)."""
    both = ((se_a, max(df_a, 1.0)), (se_b, max(df_b, 1.0)))
    parts = [se**4 / df if math.isfinite(df) else 0.0 for se, df in both]
    whole = (se_a**2 + se_b**2) ** 2
    return whole / sum(parts) if sum(parts) > 0 else math.inf
