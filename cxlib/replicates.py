"""Replicate weights: read from a file, or made by jackknife and bootstrap.

A survey with replicate weights estimates everything once a replicate; the variance is
Σ scale · rscale · (θ_r − θ̄)². Raking and calibration are done again in each replicate. Ratios
(shares, means, scores) need only the totals of two columns a replicate, one matrix product: rows
are summed to the groups that share their multipliers first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .errors import CxError, unknown
from .estimate import nps
from .interval import t_quantile
from .linear import Linear
from .replicates_draw import Replicates, bootstrap, cell_totals, jackknife
from .result import Estimate
from .survey import Survey

KINDS = ("BRR", "Fay", "JK1", "JKn", "bootstrap")
MADE = ("JK1", "JKn", "bootstrap")


def with_replicates(
    survey: Survey,
    columns: Sequence[str] | str,
    *,
    kind: str,
    rho: float | None = None,
    scale: float | None = None,
    rscales: Sequence[float] | float | None = None,
    combined: bool = True,
    mse: bool = False,
) -> Survey:
    """The survey with variances from the replicate weights in its file.

    Parameters
    ----------
    columns : names, or text that their names begin with (``"rw"`` for rw1, rw2 …)
    kind : str
        ``"BRR"`` (scale 1/R), ``"Fay"`` (1/(R (1 − rho)²)), ``"JK1"`` ((R − 1)/R), ``"JKn"``
        (needs ``rscales``, unless the columns are multipliers), ``"bootstrap"`` (1/(R − 1)).
    rho : float
        Fay's factor, 0 ≤ rho < 1.
    scale, rscales : float; one number a replicate
        Instead of those that the kind implies.
    combined : bool
        The columns are weights (True), or multipliers of the survey's weights (False).
    mse : bool
        Squares around the estimate instead of the replicates' mean.

    Raises
    ------
    CxError
        Unknown columns or kind, missing or negative weights, a missing rho or rscales.

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation. Checked against ``svrepdesign`` of R survey
    4.1.1 (BRR, JK1, JKn, Fay, bootstrap), whose defaults these are.
    """
    if kind not in KINDS:
        raise unknown("kind of replicate weights", kind, KINDS)
    if survey.design.replicates is not None:
        raise CxError("this survey has replicate weights already")
    names = _replicate_columns(survey, columns)
    values = np.column_stack([survey.numbers(name) for name in names])
    if not np.isfinite(values).all() or (values < 0).any():
        bad = names[int(np.argmax((~(values >= 0)).any(axis=0)))]
        raise CxError(
            f"the replicate weights in {bad!r} are missing or negative",
            want="a weight of 0 or more for every respondent",
        )
    weights = survey.weights if not combined else np.ones(len(values))
    number = values.shape[1]
    usual = _usual_scale(kind, values, rho, combined)
    rscale = _rscales(kind, values, rscales, combined)
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise CxError("a scale is a positive number", got=scale)
    made = Replicates(
        kind,
        weights,
        np.arange(len(values)),
        values,
        float(usual if scale is None else scale),
        np.ones(number) if rscale is None else rscale,
        mse,
    )
    return replace(survey, design=replace(survey.design, replicates=made))


def make_replicates(
    survey: Survey,
    kind: str = "JKn",
    *,
    replicates: int = 500,
    seed: int = 0,
    mse: bool = False,
) -> Survey:
    """The survey with replicate weights made from its design.

    Parameters
    ----------
    kind : str
        ``"JKn"``: each primary unit left out once, the rest of its stratum weighted up (``"JK1"``
        where there is one stratum). ``"bootstrap"``: Rao and Wu's rescaling bootstrap, n_h − 1
        units drawn with replacement in each stratum.
    replicates : int
        How many bootstrap replicates.
    seed : int
        The same seed gives the same replicates.

    Returns
    -------
    Survey
        Raked, post-stratified and calibrated surveys are weighted again in each replicate; a
        cap on weights keeps the ratio that it had.

    Raises
    ------
    CxError
        A stratum with one unit where the rule is ``"error"`` (and, for the bootstrap, any rule but
        ``"certainty"``); a replicate that cannot meet the margins.

    References
    ----------
    Rao and Wu (1988), JASA 83:231; Wolter (2007), ch. 4. Sampling fractions of the first stage
    shrink the variance (jackknife: 1 − f a stratum; bootstrap: √(1 − f) in the rescaling); later
    stages are taken as part of their primary unit. ``lonely = "average"`` is as in the linearised
    variance, the mean of the other strata, where R scales by units. Checked against
    ``as.svrepdesign`` of R survey 4.1.1 (JKn, JK1) and, for the bootstrap, against the linearised
    standard error.
    """
    if kind not in MADE:
        raise unknown("kind of replicate weights", kind, MADE)
    if survey.design.replicates is not None:
        raise CxError("this survey has replicate weights already")
    stage, lonely = survey.stages[0], survey.design.lonely
    known = survey.design.calibration
    base = survey.weights if known is None else known.start
    if kind == "JK1" and len(stage.units) > 1:
        raise CxError("JK1 is for one stratum", got=f"{len(stage.units)} strata", do="JKn")
    if kind == "bootstrap":
        drawn = bootstrap(stage, lonely, _count(replicates), np.random.default_rng(seed))
    else:
        drawn = jackknife(stage, lonely)
    made = Replicates(
        kind,
        base * drawn.lift[stage.stratum],
        stage.unit,
        drawn.factors,
        drawn.scale,
        drawn.rscales,
        mse,
        made=True,
    )
    for step in () if known is None else known.steps:
        made = made.again(step)
    return replace(survey, design=replace(survey.design, replicates=made))


def bootstrap_ratio(
    survey: Survey,
    y: np.ndarray,
    x: np.ndarray | None = None,
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    unit: str = "ratio",
    scale: float = 1.0,
    **told: Any,
) -> Estimate:
    """Σ w·y / Σ w·x with its standard error from Rao and Wu's bootstrap of primary units.

    Clustered designs are resampled by the totals of their primary units. Where every respondent is
    a unit, the number of draws that fall in each cell of equal (y, x) of a stratum is multinomial,
    and the weights that these draws add up to have the cell's own mean *and spread*; cells of fewer
    than 50 rows are drawn row by row. Nothing of size rows × replicates is made.

    Parameters
    ----------
    y, x : float arrays, shape (rows,), NaN where there is no answer; x is 1 where left out
    replicates, seed : as in :func:`make_replicates`
    scale : float
        The value and its interval are multiplied by this (100 for points).
    **told
        Further fields of the estimate: ``name``, ``claim``, ``question`` …

    Returns
    -------
    Estimate
        With Student's t and the design's degrees of freedom.

    Raises
    ------
    CxError
        Nobody answered, Σ w·x is 0, or as :func:`make_replicates`.

    References
    ----------
    Rao and Wu (1988), JASA 83:231. Checked against the linearised standard error.
    """
    pair = _pair(survey, y, x)
    answered = np.isfinite(pair).all(axis=1)
    valid = answered & survey.looked_at
    pair = np.where(valid[:, None], pair, 0.0)
    full = survey.weights @ pair
    if not full[0] != 0:
        raise CxError("nothing to divide by", got="a weighted total of 0", want="valid answers")
    value, number = float(full[1] / full[0]), _count(replicates)
    se, cautions = _bootstrap_error(_bootstrap_totals(survey, pair, number, seed))
    df = survey.df_of(answered)
    half = t_quantile(level, df) * se
    return Estimate(
        value=scale * value,
        low=scale * (value - half),
        high=scale * (value + half),
        unit=unit,
        n=int(valid.sum()),
        n_excluded=len(survey) - int(valid.sum()),
        level=level,
        se=scale * se,
        df=df,
        method=f"bootstrap of primary units (Rao–Wu, {number:,} replicates), t interval",
        source=survey.source,
        origin=survey.origin,
        cautions=cautions,
        linear=Linear(survey, lambda: scale / full[0] * survey.weights * (pair @ [-value, 1]), df),
        **told,
    )


def _bootstrap_totals(survey: Survey, pair: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Totals of two columns in each bootstrap replicate, shape (R, 2)."""
    design = survey.design
    if design.linear and survey.stages[0].element_units:
        rng = np.random.default_rng(seed)
        return cell_totals(survey.stages[0], design.lonely, survey.weights, pair, number, rng)
    if design.replicates is not None:
        survey = replace(survey, design=replace(design, replicates=None))
    made = make_replicates(survey, "bootstrap", replicates=number, seed=seed)
    return made.design.replicates.totals(pair)


def _pair(survey: Survey, y: np.ndarray, x: np.ndarray | None) -> np.ndarray:
    """The two columns as floats, shape (rows, 2): x first."""
    y = np.asarray(y, dtype=float)
    x = np.ones(y.shape) if x is None else np.asarray(x, dtype=float)
    if not y.shape == x.shape == (len(survey.frame),):
        raise CxError(
            "a ratio needs one number a row of the survey",
            got=f"{y.shape} and {x.shape}",
            want=f"({len(survey.frame)},) twice, NaN where there is no answer",
        )
    return np.column_stack([x, y])


def _bootstrap_error(totals: np.ndarray) -> tuple[float, tuple[str, ...]]:
    """The spread of the replicates' ratios, and a caution where some have none."""
    below, above = totals.T
    ratios = above[below != 0] / below[below != 0]
    lost = f"{len(below) - len(ratios):,} of {len(below):,} replicates had nobody: left out"
    se = float(ratios.std(ddof=1)) if len(ratios) > 1 else 0.0
    return se, (lost,) * (len(ratios) < len(below))


def bootstrap_nps(
    survey: Survey,
    question: str,
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The Net Promoter Score of :func:`cxlib.nps` with the bootstrap of :func:`bootstrap_ratio`.

    Unit: points, −100…100. Errors as those two.
    """
    plain = nps(survey, question, level=level, method="linearised", name=name, claim=claim)
    values = survey.numbers(question)
    score = np.where(values >= 9, 1.0, np.where(values <= 6, -1.0, 0.0))
    score[np.isnan(values)] = np.nan
    made = bootstrap_ratio(
        survey, score, replicates=replicates, seed=seed, level=level, scale=100.0
    )
    n_eff = plain.n_eff * (plain.se / made.se) ** 2 if made.se > 0 else float(plain.n)
    return replace(
        plain,
        low=plain.value - (made.value - made.low),
        high=plain.value + (made.high - made.value),
        se=made.se,
        df=made.df,
        n_eff=n_eff,
        method=made.method,
        cautions=tuple(dict.fromkeys((*plain.cautions, *made.cautions))),
    )


# -- reading ---------------------------------------------------------------------------------------


def _replicate_columns(survey: Survey, columns: Sequence[str] | str) -> list[str]:
    if isinstance(columns, str):
        found = [
            str(name)
            for name in survey.frame.columns
            if str(name).startswith(columns) and str(name)[len(columns) :].strip("_. ").isdigit()
        ]
        if len(found) < 2:
            raise unknown("replicate weights beginning with", columns, survey.frame.columns)
        return found
    names = list(columns)
    if len(names) < 2 or len(set(names)) < len(names):
        raise CxError(
            "replicate weights are two or more different columns", got=", ".join(map(str, names))
        )
    return names


def _usual_scale(kind: str, values: np.ndarray, rho: float | None, combined: bool) -> float:
    number = values.shape[1]
    if (kind == "Fay") != (rho is not None):
        raise CxError("rho belongs to Fay's replicates, and they need it", got=f"{kind}, rho={rho}")
    if rho is not None and not 0 <= rho < 1:
        raise CxError("Fay's rho lies between 0 and 1", got=rho, want="0 ≤ rho < 1")
    if kind == "JK1" and not combined and values[:, 0].max() > 0:
        return 1 / float(values[:, 0].max())
    return {
        "BRR": 1 / number,
        "Fay": 1 / (number * (1 - (rho or 0.0)) ** 2),
        "JK1": (number - 1) / number,
        "JKn": 1.0,
        "bootstrap": 1 / (number - 1),
    }[kind]


def _rscales(
    kind: str, values: np.ndarray, given: Sequence[float] | float | None, combined: bool
) -> np.ndarray | None:
    if given is None:
        if kind != "JKn":
            return None
        top = values.max(axis=0)
        if combined or not (top > 0).all():
            raise CxError(
                "JKn replicates need their rscales",
                want="(n − 1)/n of the stratum of each replicate",
                do="the file's documentation gives them, or combined=False for multipliers",
            )
        return 1 / top
    rscales = np.asarray(given, dtype=float)
    rscales = np.full(values.shape[1], rscales) if rscales.ndim == 0 else rscales
    good = rscales.shape == (values.shape[1],) and np.isfinite(rscales).all()
    if not good or (rscales < 0).any() or not rscales.any():
        raise CxError(
            "rscales are one number a replicate",
            got=f"{rscales.size} numbers for {values.shape[1]} replicates",
            want="numbers of 0 or more, not all 0",
        )
    return rscales


def _count(replicates: int) -> int:
    if not isinstance(replicates, (int, np.integer)) or replicates < 2:
        raise CxError("a bootstrap needs replicates", got=repr(replicates), want="2 or more")
    return int(replicates)
