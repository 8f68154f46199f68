"""Replicate weights as numbers, and how they are drawn from a design: units left out one by one, or
drawn with replacement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .errors import CxError
from .survey import Stage
from .weighting_fit import TrimStep, sum_by

#: The most numbers that a matrix of replicate weights may hold.
LARGEST = 200_000_000
#: Smaller cells than this are resampled row by row, not by their mean and spread.
SMALL = 50


@dataclass(frozen=True, eq=False)
class Replicates:
    """Replicate weights as base × factor of the row's group.

    Attributes
    ----------
    kind : str
        BRR, Fay, JK1, JKn or bootstrap.
    base : float array, shape (rows,)
    group : int array, shape (rows,)
    factors : array, shape (groups, R)
        The weight of row i in replicate r is ``base[i] * factors[group[i], r]``.
    scale : float
    rscales : float array, shape (R,)
    mse : bool
        Squares are taken around the estimate, not around the replicates' mean.
    made : bool
        Made from the design's own units, whose number gives the degrees of freedom.
    """

    kind: str
    base: np.ndarray
    group: np.ndarray
    factors: np.ndarray
    scale: float
    rscales: np.ndarray
    mse: bool = False
    made: bool = False

    @property
    def number(self) -> int:
        """How many replicates there are (R)."""
        return self.factors.shape[1]

    def text(self) -> str:
        """The replicates in words, for the page."""
        return f"{self.number:,} {self.kind} replicate weights"

    def weights(self, r: int) -> np.ndarray:
        """The weights of replicate ``r``, shape (rows,)."""
        return self.base * self.factors[self.group, r]

    def totals(self, columns: np.ndarray) -> np.ndarray:
        """Weighted totals of unweighted columns, shape (rows, K), in each replicate: (R, K)."""
        return self._spread(self.base[:, None] * columns)

    def ratios(self, columns: np.ndarray) -> np.ndarray:
        """The second of two columns' totals over the first's in each replicate, shape (R,).

        NaN where the first is 0.
        """
        below, above = self.totals(columns).T
        return np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan)

    def logit_variance(self, share: float, var: float, shifts: np.ndarray) -> float:
        """The variance of a share as its replicates' logits tell it; ``var`` where they do not.

        As R's svyciprop does, which fits a logistic model to each replicate.
        """
        shares = share + shifts
        inside = (shares > 0) & (shares < 1)
        if not 0 < share < 1 or (~inside & np.isfinite(shifts)).any():
            return var
        odds = np.where(inside, shares, share)
        logits = np.log(odds / (1 - odds)) - math.log(share / (1 - share))
        moved = np.where(inside, logits, np.nan)[:, None]
        return float(self.covariance(moved)[0, 0]) * (share * (1 - share)) ** 2

    def shifts(self, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Totals of weighted scores, shape (rows, K), in each replicate less their total: (R, K).

        ``weights`` are the survey's, which the scores carry.
        """
        safe = np.where(weights > 0, weights, 1.0)
        ratio = np.where(weights > 0, self.base / safe, 0.0)
        return self._spread(ratio[:, None] * scores) - scores.sum(axis=0)

    def _spread(self, columns: np.ndarray) -> np.ndarray:
        sums = np.column_stack([sum_by(self.group, c, len(self.factors)) for c in columns.T])
        out = np.zeros((self.number, columns.shape[1]))
        step = max(1, 4_000_000 // self.number)
        for start in range(0, len(sums), step):
            part = self.factors[start : start + step]
            out += part.astype(float, copy=False).T @ sums[start : start + step]
        return out

    def covariance(self, shifts: np.ndarray) -> np.ndarray:
        """Covariance of estimates from their shifts, shape (R, K); NaN rows are left out."""
        kept = np.isfinite(shifts).all(axis=1)
        if not kept.any():
            raise CxError("no replicate can be estimated", got=f"{len(shifts):,} without anybody")
        shifts, rscales = shifts[kept], self.rscales[kept]
        if not self.mse:
            shifts = shifts - shifts[rscales > 0].mean(axis=0)
        return self.scale * (shifts.T * rscales) @ shifts

    def variances(self, shifts: np.ndarray) -> np.ndarray:
        """Variances of estimates, shape (K,), each from the replicates that have it."""
        some = np.isfinite(shifts).any(axis=0)
        columns = zip(shifts.T, some, strict=True)
        return np.array([self.covariance(c[:, None])[0, 0] if has else 0.0 for c, has in columns])

    def lost(self, shifts: np.ndarray) -> tuple[str, ...]:
        """A caution where some replicates have nobody to estimate from."""
        count = int(np.isnan(shifts).sum())
        told = f"{count:,} of {self.number:,} replicates had nobody here: left out"
        return (told,) * (count > 0)

    def df_of(self, rows: np.ndarray, df: float) -> float:
        """Degrees of freedom of a part: the rank of its replicate weights less 1, as R's degf.

        Replicates made here have the rank of their design: ``df`` (units less strata) is that, and
        stands for parts too, where R counts a few more.
        """
        if self.made:
            return float(min(df, self.number - 1))
        matrix = self.factors[np.unique(self.group[rows & (self.base > 0)])].astype(float)
        if not matrix.size:
            return 0.0
        if len(matrix) > 2 * self.number:
            matrix = np.linalg.qr(matrix, mode="r")
        values = np.linalg.svd(matrix, compute_uv=False)
        return float(int((values > 1e-7 * values[0]).sum()) - 1)

    def again(self, step: Any) -> Replicates:
        """Each replicate put through a step of weighting, as the full sample was."""
        if isinstance(step, TrimStep):
            return replace(self, base=self.base * step.ratio)
        group, first = self._refined(step)
        if len(first) * self.number > LARGEST:
            raise CxError(
                "too many replicate weights to hold",
                got=f"{len(first):,} groups × {self.number:,} replicates",
                want=f"at most {LARGEST:,} numbers",
                do="fewer replicates, or the linearised standard error (no replicates)",
            )
        factors = self.factors[self.group[first]].astype(float)
        mass = sum_by(group, self.base, len(first))
        try:
            factors *= step.factor(mass[:, None] * factors, first)
        except CxError as error:
            raise CxError(
                f"a replicate cannot be weighted: {error.what}",
                got=error.got,
                want="answers that several sampling units share",
                do="merge rare answers, or use the linearised standard error (no replicates)",
            ) from error
        return replace(self, group=group, factors=factors)

    def _refined(self, step: Any) -> tuple[np.ndarray, np.ndarray]:
        """Groups in which the step's factor is constant, and the first row of each."""
        if not hasattr(step, "cells"):
            return np.arange(len(self.group)), np.arange(len(self.group))
        cell, count = step.cells
        _, first, group = np.unique(
            self.group * count + cell, return_index=True, return_inverse=True
        )
        return group, first


class Drawn(NamedTuple):
    """Multipliers of primary units, shape (units, R), and how their squares add up.

    ``lift`` is a further multiplier of each stratum, the same in every replicate.
    """

    factors: np.ndarray
    lift: np.ndarray
    scale: float
    rscales: np.ndarray


def _alone(stage: Stage) -> np.ndarray:
    """Strata with one unit of which not all is in the sample."""
    return (stage.units == 1) & (stage.fraction < 1)


def _refuse(stage: Stage, lonely: str, allowed: Sequence[str]) -> None:
    alone = np.flatnonzero(_alone(stage))
    if len(alone) and (lonely not in allowed or len(stage.units) == 1):
        raise CxError(
            "a stratum has a single sampling unit, and replicates need two",
            got=f"{len(alone):,} such strata: {', '.join(stage.names[i] for i in alone[:5])}",
            want="2 or more units a stratum, or lonely = " + " or ".join(map(repr, allowed)),
            do="merge small strata, or declare what they contribute",
        )


def jackknife(stage: Stage, lonely: str) -> Drawn:
    """One replicate a primary unit, as R's jknweights."""
    _refuse(stage, lonely, ("certainty", "average", "adjust"))
    strata, units = len(stage.units), len(stage.unit_stratum)
    taken = (stage.units > 1) & (stage.fraction < 1)
    if lonely == "adjust":
        taken |= _alone(stage)
    left_out = np.flatnonzero(taken[stage.unit_stratum])
    if not len(left_out):
        raise CxError("every stratum was sampled whole: nothing varies")
    if units * len(left_out) > LARGEST:
        raise CxError(
            "a jackknife of so many units does not fit into memory",
            got=f"{units:,} primary units",
            do='kind="bootstrap", or the linearised standard error',
        )
    own = stage.unit_stratum[left_out]
    n = stage.units[own]
    up = np.where(n > 1, n / np.maximum(n - 1, 1), 1.0)
    factors = np.where(stage.unit_stratum[:, None] == own[None, :], up[None, :], 1.0)
    rscales = (n - 1) / n * (1 - stage.fraction[own])
    single = n == 1
    if single.any():
        factors[:, single] = strata / (strata - 1)
        rscales = np.where(single, (strata - 1) / strata * (1 - stage.fraction[own]), rscales)
    factors[left_out, np.arange(len(left_out))] = 0.0
    scale = 1.0
    if lonely == "average" and _alone(stage).any():
        scale = strata / int((~_alone(stage)).sum())
    return Drawn(factors, np.ones(strata), scale, rscales)


def bootstrap(stage: Stage, lonely: str, number: int, rng: np.random.Generator) -> Drawn:
    """Rao and Wu's rescaling bootstrap with n_h − 1 draws in each stratum."""
    _refuse(stage, lonely, ("certainty",))
    if len(stage.unit_stratum) * number > 5 * LARGEST:
        raise CxError(
            "so many bootstrap weights do not fit into memory",
            got=f"{len(stage.unit_stratum):,} units × {number:,} replicates",
            do="fewer replicates, or bootstrap_ratio, which makes none",
        )
    counts = _draws(stage, number, rng)
    up = np.where(stage.units > 1, stage.units / np.maximum(stage.units - 1, 1), 1.0)
    scale, ones = 1 / (number - 1), np.ones(number)
    if not stage.fraction.any():
        return Drawn(counts, up, scale, ones)
    shrink = np.sqrt(1 - stage.fraction)[stage.unit_stratum][:, None]
    factors = 1 + shrink * (up[stage.unit_stratum][:, None] * counts - 1)
    return Drawn(factors, np.ones(len(up)), scale, ones)


def _draws(stage: Stage, number: int, rng: np.random.Generator) -> np.ndarray:
    """How often each unit is drawn in each replicate: shape (units, R)."""
    largest = int(stage.units.max())
    counts = np.ones((len(stage.unit_stratum), number), np.uint8 if largest < 256 else np.uint16)
    order = np.argsort(stage.unit_stratum, kind="stable")
    starts = np.concatenate([[0], np.cumsum(stage.units)])
    for size in np.unique(stage.units):
        if size < 2:
            continue
        members = order[starts[:-1][stage.units == size][:, None] + np.arange(size)]
        reps = min(number, max(1, 4_000_000 // int(size)))
        step = max(1, 400_000 // (int(size) * reps))
        for start in range(0, len(members), step):
            for first in range(0, number, reps):
                part, last = members[start : start + step], min(first + reps, number)
                counts[part, first:last] = _drawn(int(size), len(part), last - first, rng)
    return counts


def _drawn(size: int, strata: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of ``size`` units is drawn, for equal strata: (strata, size, number)."""
    lines = strata * number
    drawn = rng.integers(0, size, (lines, size - 1), dtype=np.int32)
    place = drawn + np.arange(lines, dtype=np.int64)[:, None] * size
    found = np.bincount(place.ravel(), minlength=lines * size).astype(np.uint16)
    return found.reshape(strata, number, size).transpose(0, 2, 1)


def cell_totals(
    stage: Stage,
    lonely: str,
    weights: np.ndarray,
    pair: np.ndarray,
    number: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Bootstrap totals of two columns where every row is a unit: shape (R, 2)."""
    _refuse(stage, lonely, ("certainty",))
    order = np.argsort(stage.stratum, kind="stable")
    ends = np.concatenate([[0], np.cumsum(stage.units)])
    out = np.zeros((number, 2))
    for h, size in enumerate(stage.units):
        rows = order[ends[h] : ends[h + 1]]
        whole = weights[rows] @ pair[rows]
        if size == 1:
            out += whole
            continue
        drawn = _stratum_totals(weights[rows], pair[rows], number, rng) * (size / (size - 1))
        out += whole + math.sqrt(1 - stage.fraction[h]) * (drawn - whole)
    return out


def _stratum_totals(
    weights: np.ndarray, pair: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
    """Totals of n − 1 rows drawn with replacement from one stratum: shape (R, 2).

    The draws in a cell of equal (x, y) are multinomial; k of them carry weights that add up to
    k·mean + √k·sd·normal of the cell. Where values hardly repeat, rows are drawn one by one.
    """
    size = len(weights)
    values, cell = np.unique(pair[:, 0] + 1j * pair[:, 1], return_inverse=True)
    many = np.bincount(cell)
    small = (many < SMALL)[cell]
    if small.sum() > 2_000:
        out = np.empty((number, 2))
        both = weights[:, None] * pair
        for r in range(number):
            out[r] = np.bincount(rng.integers(0, size, size - 1), minlength=size) @ both
        return out
    total = np.bincount(cell, weights)
    middle = total / many
    spread = np.sqrt(np.bincount(cell, (weights - middle[cell]) ** 2) / many)
    large = np.flatnonzero(many >= SMALL)
    means = np.concatenate([middle[large], weights[small]])
    spreads = np.concatenate([spread[large], np.zeros(int(small.sum()))])
    value = np.concatenate([values[large], (pair[:, 0] + 1j * pair[:, 1])[small]])
    chance = np.concatenate([many[large], np.ones(int(small.sum()))]) / size
    drawn = rng.multinomial(size - 1, chance / chance.sum(), size=number)
    carried = drawn * means + np.sqrt(drawn) * spreads * rng.standard_normal(drawn.shape)
    return np.column_stack([carried @ value.real, carried @ value.imag])
