"""Sufficient statistics: the small table from which every linear estimator and its variance follow.

For each segment and primary stratum: the sums of the primary units' totals, and the sums of their
cross-products. A share, mean, ratio or NPS and its standard error need nothing else; the rows are
passed once, whatever the number of segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import CxError
from .survey import Stage, Survey
from .survey_codes import renumber


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over the design for S segments, H strata and K columns.

    Attributes
    ----------
    n : int array, shape (S,): rows with a valid answer
    mass : float array, shape (S,): their weights
    total : float array, shape (S, K): weighted totals
    first : float array, shape (S, H, K): sums of unit totals
    second : float array, shape (S, H, K, K): sums of cross-products of unit totals
    alive : float array, shape (S, H): units with a member in the segment
    df : float array, shape (S,): such units less the strata that have one
    stage : Stage
    """

    n: np.ndarray
    mass: np.ndarray
    total: np.ndarray
    first: np.ndarray
    second: np.ndarray
    alive: np.ndarray
    df: np.ndarray
    stage: Stage
    lonely: str

    def variance(self, coefficients: np.ndarray) -> np.ndarray:
        """Design variance of the linear combinations; ``coefficients`` has shape (S, K)."""
        sums = np.einsum("shk,sk->sh", self.first, coefficients)
        squares = np.einsum("shkl,sk,sl->sh", self.second, coefficients, coefficients)
        return between_units(sums, squares, self.stage, self.lonely, self.alive > 0)


def tally(
    survey: Survey,
    columns: Sequence[np.ndarray | None],
    valid: np.ndarray,
    segment: np.ndarray | None = None,
    segments: int = 1,
) -> Tally:
    """The sufficient statistics of weighted columns.

    Parameters
    ----------
    survey : Survey
    columns : K arrays of shape (rows,), None for one of ones
        Unweighted; values where ``valid`` is False are ignored.
    valid : bool array, shape (rows,)
    segment : int array, shape (rows,), optional
        Segment of each row; rows outside all segments are not valid.
    segments : int
        How many segments there are (S).
    """
    stage = survey.stages[0]
    rows = chosen(valid)
    weights = survey.weights[rows]
    where = np.zeros(len(weights), np.int64) if segment is None else segment[rows]
    weighted = [weights if column is None else weights * column[rows] for column in columns]
    strata = len(stage.units)
    if stage.element_units:
        cell = where * strata + stage.stratum[rows]
        mass = weights
    else:
        part, cell = _unit_parts(stage, where, stage.unit[rows], segments)
        mass = np.bincount(part, weights, len(cell))
        weighted = [
            mass if column is weights else np.bincount(part, column, len(cell))
            for column in weighted
        ]
    first, second = _moments(weighted, cell, segments * strata)
    alive = np.bincount(cell, mass > 0, segments * strata).reshape(segments, strata)
    masses = np.bincount(cell, mass, segments * strata).reshape(segments, strata)
    first = first.reshape(segments, strata, -1)
    return Tally(
        np.bincount(where, minlength=segments),
        masses.sum(axis=1),
        first.sum(axis=1),
        first,
        second.reshape(segments, strata, len(columns), len(columns)),
        alive,
        alive.sum(axis=1) - (alive > 0).sum(axis=1),
        stage,
        survey.design.lonely,
    )


def chosen(valid: np.ndarray) -> np.ndarray | slice:
    """The valid rows as an index: a slice, which copies nothing, where all are."""
    return slice(None) if valid.all() else np.flatnonzero(valid)


def _unit_parts(
    stage: Stage, where: np.ndarray, unit: np.ndarray, segments: int
) -> tuple[np.ndarray, np.ndarray]:
    """The part (a segment's share of a primary unit) of each row, and each part's cell of segment
    and stratum."""
    strata, units = len(stage.units), len(stage.unit_stratum)
    key = where * units + unit
    if segments * units <= 4 * len(key) + 1_000:
        cell = np.arange(segments)[:, None] * strata + stage.unit_stratum[None, :]
        return key, cell.ravel()
    part, present = renumber(key, segments * units)
    return part, present // units * strata + stage.unit_stratum[present % units]


def _moments(
    columns: Sequence[np.ndarray], cell: np.ndarray, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sums of cross-products a cell: shapes (cells, K) and (cells, K, K)."""
    k = len(columns)
    first = np.empty((cells, k))
    second = np.empty((cells, k, k))
    for i, one in enumerate(columns):
        first[:, i] = np.bincount(cell, one, cells)
        for j in range(i, k):
            second[:, i, j] = second[:, j, i] = np.bincount(cell, one * columns[j], cells)
    return first, second


def between_units(
    sums: np.ndarray, squares: np.ndarray, stage: Stage, lonely: str, present: np.ndarray
) -> np.ndarray:
    """Variance between primary units from their sums and sums of squares, shapes (…, H) → (…,).

    Strata with one unit follow ``lonely`` (see :class:`cxlib.survey.Design`), as R's ``survey``
    does under ``options(survey.lonely.psu=)``; ``present`` tells the strata that have a member in
    the segment, and the others have no part in the rule.

    Raises
    ------
    CxError
        A stratum with a member in the segment has one unit, and the rule is ``"error"``.
    """
    parts = _between(stage, lonely, sums**2, squares, present)
    return np.maximum(parts, 0.0).sum(axis=-1)


def _between(
    stage: Stage,
    lonely: str,
    products: np.ndarray,
    both: np.ndarray,
    present: np.ndarray,
    level: int = 0,
) -> np.ndarray:
    """Each stratum's part of a (co)variance, shape (…, H).

    ``products`` are the products of a stratum's sums, ``both`` the sums of its units' products. At
    later stages only "error" and "adjust" differ from "certainty".
    """
    units = stage.units
    many = units > 1
    scale = (1 - stage.fraction) * np.where(many, units / np.maximum(units - 1, 1), 1.0)
    parts = np.where(many, scale * (both - products / units), 0.0)
    alone = ~many & (stage.fraction < 1) & present
    if not alone.any():
        return parts
    if lonely == "error":
        raise _lonely_error(stage, alone)
    if lonely == "adjust":
        return np.where(alone, scale * both, parts)
    if lonely == "average" and not level:
        strata, kept = present.sum(axis=-1), (present & ~alone).sum(axis=-1)
        if (kept < np.minimum(strata, 1)).any():
            raise _lonely_error(stage, alone)
        return parts * (strata / np.maximum(kept, 1))[..., None]
    return parts


def _lonely_error(stage: Stage, alone: np.ndarray) -> CxError:
    if len(stage.units) == 1:
        return CxError(
            "one respondent or one cluster carries no information on its own uncertainty",
            got="1 sampling unit",
            want="2 or more",
            do="widen the segment, or declare the design as it was",
        )
    alone = alone.reshape(-1, len(stage.units)).any(axis=0)
    names = [stage.names[i] for i in np.flatnonzero(alone)[:5]]
    return CxError(
        "a stratum has a single sampling unit",
        got=f"{int(alone.sum())} such strata: {', '.join(names)}",
        want="2 or more units a stratum, or a rule for those with one",
        do='merge small strata, or set lonely = "certainty", "average" or "adjust" in the design',
    )


def variance(survey: Survey, scores: np.ndarray) -> np.ndarray:
    """Design variance of Σ scores over all stages; ``scores`` has shape (rows,) or (rows, K).

    The scores are weighted influence values (0 outside the domain). With several columns the result
    is their covariance matrix. After raking or calibration the variance is that of the scores'
    residuals; with replicate weights it is that of the scores' replicated totals.

    References
    ----------
    Särndal, Swensson and Wretman (1992), Model Assisted Survey Sampling, §4.3. Checked against
    ``svyrecvar`` of R's survey.
    """
    z = np.atleast_2d(scores.T).T
    design = survey.design
    if design.replicates is not None:
        shifts = design.replicates.shifts(z, survey.weights)
        cov = design.replicates.covariance(shifts)
        return cov[0, 0] if scores.ndim == 1 else cov
    if not design.linear:
        z = design.calibration.residuals(z)
    cov = _stage_covariance(survey, z, 0, np.ones(len(z)))
    return cov[0, 0] if scores.ndim == 1 else cov


def _stage_covariance(survey: Survey, z: np.ndarray, level: int, share: np.ndarray) -> np.ndarray:
    """Covariance from stage ``level`` on; ``share`` is the product of fractions above it."""
    stage = survey.stages[level]
    k = z.shape[1]
    units = len(stage.unit_stratum)
    totals = np.column_stack([np.bincount(stage.unit, z[:, i], units) for i in range(k)])
    above = np.zeros(len(stage.units))
    above[stage.stratum] = share
    strata = len(stage.units)
    sums = np.column_stack(
        [np.bincount(stage.unit_stratum, totals[:, i], strata) for i in range(k)]
    )
    present = np.bincount(stage.stratum, (z != 0).any(axis=1), strata) > 0
    cov = np.empty((k, k))
    for i in range(k):
        for j in range(i, k):
            both = np.bincount(stage.unit_stratum, totals[:, i] * totals[:, j], strata)
            products = sums[:, i] * sums[:, j]
            parts = _between(stage, survey.design.lonely, products, both, present, level)
            cov[i, j] = cov[j, i] = float((above * parts).sum())
    if level + 1 < len(survey.stages):
        below = share * stage.fraction[stage.stratum]
        cov = cov + _stage_covariance(survey, z, level + 1, below)
    return cov
