"""Did the training work? Difference in differences, with errors that know who was trained together.

Event studies, staggered trainings, the before/after trap and the number of visits stand in the
rooms ``training_events``, ``training_groups``, ``training_before`` and ``training_visits``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .errors import CxError, unknown
from .interval import upper_tail
from .regression import regression
from .result import Estimate, Ranking
from .survey import Survey
from .training_draws import Drawn, randomise, wild
from .training_panel import (
    Panel,
    as_names,
    panel,
    t_estimate,
    told_errors,
    two_groups,
)
from .verdict import Test

INFERENCES = ("cluster", "wild", "randomisation", "design", "ols", "HC0", "HC1", "HC3")
# The two questions as 0 and 1, under names that no study has.
_TREATED, _AFTER, _EFFECT = "(treated)", "(after)", "(treated):(after)"


def did(
    survey: Survey,
    outcome: str,
    treated: str,
    after: str,
    *,
    clusters: str | Sequence[str] | None = None,
    covariates: Sequence[str] = (),
    fixed: str | Sequence[str] = (),
    inference: str | None = None,
    weights: str = "auto",
    draws: int = 999,
    seed: int = 1,
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Estimate:
    """Difference in differences: the gain of the trained less the gain of the others.

    Parameters
    ----------
    survey : Survey
        One row an answer (or an outlet and period); survey weights are used.
    outcome : str
        Numbers.
    treated, after : str
        Questions with two answers each, the later in order being trained, and after.
    clusters : str or sequence of str, optional
        What was trained as a whole, e.g. the outlet; two names give two-way clustering.
    covariates : sequence of str
        Numbers, or text by level.
    fixed : str or sequence of str
        Fixed effects, e.g. outlet and month; main effects that they make up fall out.
    inference : str, optional
        ``"cluster"`` (CR1; the default with clusters), ``"wild"`` (wild cluster bootstrap, null
        imposed, t with CR1, interval by inverting the test), ``"randomisation"`` (training dealt
        to other clusters; for few treated ones), ``"design"`` (the survey's own; the default where
        one is declared), ``"ols"`` (the default otherwise), ``"HC0"``, ``"HC1"``, ``"HC3"``.
    weights : str
        Wild weights: ``"rademacher"``, ``"webb"`` (six points), or ``"auto"``: Webb up to 12
        clusters. All sign patterns are used where there are no more than draws.
    draws, seed
        Of the wild bootstrap and of randomisation.
    unit : str
        Of the outcome, for the page.

    Returns
    -------
    Estimate
        In the outcome's unit. The t interval has clusters − 1 degrees of freedom (CR1). Drawn
        intervals may be unbounded on a side, and then say so. ``se`` is CR1's; for randomisation
        the spread of the coefficient over assignments.

    Raises
    ------
    CxError
        A question without two answers; an empty cell of the four; one cluster; clusters that were
        trained in part (randomisation); nothing left beside the fixed effects.

    References
    ----------
    Cameron, Gelbach and Miller (2008), REStat 90:414; MacKinnon and Webb (2017), JAE 32:233 for few
    treated clusters; Webb (2023), CJE 56:839; Roodman et al. (2019), Stata Journal 19:4. Checked
    against ``vcovCL`` and ``vcovHC`` of R's sandwich 3.0.2, statsmodels' OLS with clusters, and a
    loop over statsmodels for the wild bootstrap.
    """
    return _did(
        survey,
        _Asked(outcome, treated, after, as_names(clusters), tuple(covariates), as_names(fixed)),
        _Told(inference, weights, draws, seed, level, unit, name, claim),
    )[0]


def did_test(
    survey: Survey,
    outcome: str,
    treated: str,
    after: str,
    *,
    clusters: str | Sequence[str] | None = None,
    covariates: Sequence[str] = (),
    fixed: str | Sequence[str] = (),
    inference: str | None = None,
    weights: str = "auto",
    draws: int = 999,
    seed: int = 1,
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Test:
    """The test that goes with :func:`did`: statistic, p, and the estimate as its effect.

    Arguments and errors as :func:`did`. The statistic is t; for randomisation the coefficient.
    """
    effect, statistic, p = _did(
        survey,
        _Asked(outcome, treated, after, as_names(clusters), tuple(covariates), as_names(fixed)),
        _Told(inference, weights, draws, seed, level, unit, name, claim),
    )
    return Test(
        name=effect.name,
        statistic=statistic,
        p=p,
        df=effect.df,
        effect=effect,
        n=effect.n,
        method=effect.method,
        source=effect.source,
        claim=claim,
        cautions=effect.cautions,
        origin=effect.origin,
    )


@dataclass(frozen=True)
class _Asked:
    outcome: str
    treated: str
    after: str
    clusters: tuple[str, ...]
    covariates: tuple[str, ...]
    fixed: tuple[str, ...]


@dataclass(frozen=True)
class _Told:
    inference: str | None
    weights: str
    draws: int
    seed: int
    level: float
    unit: str
    name: str
    claim: str


def _did(survey: Survey, asked: _Asked, told: _Told) -> tuple[Estimate, float, float]:
    way = _way(survey, asked, told)
    clusters = _clusters(survey, asked, way)
    work = _prepared(survey, asked)
    about = {
        "unit": told.unit,
        "kind": "difference in differences",
        "name": told.name or f"{asked.outcome}: gain of the trained less gain of the others",
        "claim": told.claim,
        "question": asked.outcome,
    }
    if way == "design":
        return _by_design(work, asked, told.level, about)
    found = panel(
        work,
        asked.outcome,
        [_TREATED, _AFTER, _EFFECT, *asked.covariates],
        clusters=clusters,
        fixed=asked.fixed,
        keep=_EFFECT,
    )
    place = found.names.index(_EFFECT)
    if way in ("wild", "randomisation"):
        return _drawn(work, found, place, way, asked, told, about)
    cov, df = found.covariance(way, "full")
    return t_estimate(
        survey,
        found.beta[place],
        math.sqrt(max(cov[place, place], 0.0)),
        df,
        n=found.n,
        level=told.level,
        method=_words(way, asked, clusters),
        cautions=_few(work, found, way),
        **about,
    )


def _clusters(survey: Survey, asked: _Asked, way: str) -> tuple[str, ...]:
    if way not in ("cluster", "wild", "randomisation"):
        return ()
    clusters = asked.clusters or survey.design.clusters[:1]
    if not clusters:
        raise CxError(
            f"{way} inference needs clusters",
            got="none",
            want="what was trained as a whole, e.g. clusters='outlet'",
        )
    return clusters


def _way(survey: Survey, asked: _Asked, told: _Told) -> str:
    way = told.inference
    if way is None:
        way = "cluster" if asked.clusters else "ols" if survey.design.plain else "design"
    if way not in INFERENCES:
        raise unknown("inference", way, INFERENCES)
    if way == "design" and asked.fixed:
        raise CxError("design errors do not go with fixed effects", want='inference="cluster"')
    if not (isinstance(told.draws, int) and told.draws > 0) and way in ("wild", "randomisation"):
        raise CxError("draws are a whole number", got=repr(told.draws), want="e.g. 999")
    return way


def _prepared(survey: Survey, asked: _Asked) -> Survey:
    """The survey with the two questions as 0/1 columns of fixed names, its four cells checked."""
    used = {asked.outcome, *asked.covariates, *asked.fixed, *asked.clusters}
    if asked.treated == asked.after or used & {asked.treated, asked.after}:
        raise CxError(
            "a question stands in two places",
            got=", ".join([asked.treated, asked.after, *sorted(used)]),
            want="outcome, treated and after as three questions",
        )
    groups = two_groups(survey, asked.treated, "who was trained")
    times = two_groups(survey, asked.after, "before from after")
    valid = survey.valid(asked.outcome) & (survey.weights > 0)
    for code, word in ((0.0, "others"), (1.0, "trained")):
        for then, when in ((0.0, "before"), (1.0, "after")):
            if not (valid & (groups == code) & (times == then)).any():
                raise CxError(
                    "one of the four groups is empty",
                    got=f"no answers of the {word} {when}",
                    want="trained and others, both before and after",
                )
    values = {_TREATED: groups, _AFTER: times}
    return replace(survey, frame=survey.frame.assign(**values))


def _by_design(
    work: Survey, asked: _Asked, level: float, about: dict[str, str]
) -> tuple[Estimate, float, float]:
    columns = [_TREATED, _AFTER, _EFFECT, *asked.covariates]
    one = regression(work, asked.outcome, columns, level=level)[_EFFECT]
    told = "difference in differences, linearised variance of the design"
    one = replace(one, term="", method=told, **about)
    if not one.se > 0:
        return one, 0.0, float(one.value == 0)
    statistic = one.value / one.se
    return one, statistic, 2 * upper_tail(abs(statistic), one.df)


def _drawn(
    work: Survey,
    found: Panel,
    place: int,
    way: str,
    asked: _Asked,
    told: _Told,
    about: dict[str, str],
) -> tuple[Estimate, float, float]:
    if way == "wild":
        made = wild(
            found, place, draws=told.draws, seed=told.seed, kind=told.weights, level=told.level
        )
        words = f"wild cluster bootstrap-t, {made.told}"
    else:
        made = _randomised(work, found, asked, told)
        words = f"randomisation inference, {made.told}"
    open_ends = not (math.isfinite(made.low) and math.isfinite(made.high))
    cautions = _few(work, found, way)
    if open_ends:
        cautions += ("the interval has no end on a side: too few clusters to exclude anything",)
    one = Estimate(
        value=float(found.beta[place]),
        low=made.low,
        high=made.high,
        n=found.n,
        level=told.level,
        se=made.se,
        n_excluded=len(work) - found.n,
        df=float(found.clusters[0].max()),
        method=f"difference in differences{_beside(asked)}, {words}, interval by test inversion",
        source=work.source,
        origin=work.origin,
        cautions=cautions,
        **about,
    )
    return one, made.statistic, made.p


def _randomised(work: Survey, found: Panel, asked: _Asked, told: _Told) -> Drawn:
    if asked.fixed:
        raise CxError(
            "randomisation takes no fixed effects",
            got=", ".join(asked.fixed),
            want="covariates, or none: the difference takes out what stays the same",
        )
    if len(found.clusters) != 1:
        raise CxError("randomisation takes one kind of cluster", got=f"{len(found.clusters)}")
    out = [found.names.index(name) for name in (_TREATED, _EFFECT)]
    base = np.delete(found.x, out, axis=1)
    treated, after = (work.numbers(name)[found.rows] for name in (_TREATED, _AFTER))
    return randomise(
        found, base, treated, after, draws=told.draws, seed=told.seed, level=told.level
    )


def _beside(asked: _Asked) -> str:
    parts = [f" beside {', '.join(asked.covariates)}"] if asked.covariates else []
    parts += [f" with fixed effects of {', '.join(asked.fixed)}"] if asked.fixed else []
    return "".join(parts)


def _words(way: str, asked: _Asked, clusters: tuple[str, ...]) -> str:
    errors = {
        "cluster": f"errors clustered by {', '.join(clusters)} (CR1), t interval",
        "ols": "ordinary least-squares errors, t interval",
    }.get(way, f"{way} errors, t interval")
    return f"difference in differences{_beside(asked)}, {errors}"


def _few(work: Survey, found: Panel, way: str) -> tuple[str, ...]:
    """What to know where clusters are few, all of them or the trained ones."""
    if not found.clusters:
        return ()
    codes = found.clusters[0]
    treated = work.numbers(_TREATED)[found.rows]
    count, some = int(codes.max()) + 1, len(np.unique(codes[treated == 1]))
    least = min(some, len(np.unique(codes[treated == 0])))
    cautions = ()
    if way == "cluster" and count < 40:
        cautions += (f'only {count} clusters: the wild bootstrap (inference="wild") is safer',)
    if way != "randomisation" and least < 6:
        why = f"only {least} clusters on one side: "
        cautions += (why + 'randomisation (inference="randomisation") is safer',)
    return cautions


def clustered_regression(
    survey: Survey,
    outcome: str,
    predictors: str | Sequence[str],
    *,
    clusters: str | Sequence[str] = (),
    fixed: str | Sequence[str] = (),
    categorical: Sequence[str] = (),
    errors: str = "cluster",
    correction: str = "full",
    level: float = 0.95,
    unit: str = "",
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Least squares with clustered errors and fixed effects: the panel regression behind a DiD.

    Parameters
    ----------
    survey : Survey
        Its weights are used.
    predictors : str or sequence of str
        Numbers, text by level, interactions as ``"a:b"`` beside their parts.
    clusters : str or sequence of str
        One kind of cluster, or several (each way's variance less that of their crossing).
    fixed : str or sequence of str
        Fixed effects. The one with most levels is taken out by its means; all count as
        coefficients in the correction.
    categorical : sequence of str
        Predictors of numbers that enter by level.
    errors : str
        ``"cluster"``, ``"ols"``, ``"HC0"``, ``"HC1"``, ``"HC3"``.
    correction : str
        For few clusters: ``"full"``, G/(G − 1) · (n − 1)/(n − k) (CR1); ``"clusters"``, its first
        factor only; ``"none"``.

    Returns
    -------
    Ranking
        One estimate a coefficient that the fixed effects leave; t interval with the fewest
        clusters − 1 degrees of freedom, else n − k.

    Raises
    ------
    CxError
        One cluster; collinear predictors; no degrees of freedom left.

    References
    ----------
    Liang and Zeger (1986); Petersen (2009), RFS 22:435; Cameron, Gelbach and Miller (2011), JBES
    29:238. Checked against ``vcovCL``, ``vcovHC`` and ``lm`` of R (sandwich 3.0.2).
    """
    kinds = as_names(clusters)
    told_errors(errors, correction, kinds)
    found = panel(
        survey,
        outcome,
        as_names(predictors),
        categorical=tuple(categorical),
        clusters=kinds,
        fixed=as_names(fixed),
    )
    cov, df = found.covariance(errors, correction)
    words = f"clustered by {', '.join(kinds)}, correction {correction}" if kinds else errors
    effects = f" with fixed effects of {', '.join(as_names(fixed))}" if fixed else ""
    about = {
        "unit": unit,
        "kind": "coefficient",
        "name": name or f"{outcome} on {', '.join(as_names(predictors))}",
        "claim": claim,
        "question": outcome,
        "method": f"least squares{effects}, {words} errors, t interval",
    }
    rows = _coefficients(survey, found, cov, df, level, about)
    if not rows:
        raise CxError("the fixed effects leave no predictor", got=outcome)
    return Ranking(name=about["name"], estimates=rows, claim=claim, by="predictor")


def _coefficients(
    survey: Survey,
    found: Panel,
    cov: np.ndarray,
    df: float,
    level: float,
    about: dict[str, str],
) -> tuple[Estimate, ...]:
    return tuple(
        t_estimate(
            survey,
            found.beta[i],
            math.sqrt(max(cov[i, i], 0.0)),
            df,
            n=found.n,
            level=level,
            term=term,
            **about,
        )[0]
        for i, term in enumerate(found.names)
        if not term.startswith("fixed ")
    )
