"""What weighting rests on: margins as integer codes, model columns, and factors that meet them.

A step of weighting knows two things: the factor that it puts on any starting weights (so that each
replicate can be weighted again), and the regression whose residuals carry the variance of what is
estimated afterwards. Nothing here sees a survey.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import CxError

#: Passes over the margins, and steps of Newton's method, before it is said that there is no answer.
PASSES, STEPS = 5_000, 100
#: Margins are met to the first relative error, model totals to the second.
EXACT, CLOSE = 1e-11, 1e-9


@dataclass(frozen=True, eq=False)
class Margin:
    """One known distribution: the answer of each row as a number, and the total of each answer.

    Attributes
    ----------
    name : str
    codes : int array, shape (rows,)
    targets : float array, shape (answers,): population totals
    labels : the answers, for messages
    """

    name: str
    codes: np.ndarray
    targets: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MarginStep:
    """Raking to margins; with one margin it is post-stratification.

    ``regression`` are the weights, shape (rows,), of the regression on the margins whose residuals
    carry the variance; ``passes`` are those over the margins that solve it (0: solved outright).
    """

    margins: tuple[Margin, ...]
    regression: np.ndarray
    passes: int = 0

    @cached_property
    def cells(self) -> tuple[np.ndarray, int]:
        """The cell of the cross-classification that each row lies in, and their number."""
        return _cells([(margin.codes, len(margin.targets)) for margin in self.margins])

    def factor(self, weights: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Factors that rake weights, shape (G,) or (G, R), whose lines stand for these rows."""
        cell, count = self.cells
        levels = []
        for margin in self.margins:
            level = np.zeros(count, np.int64)
            level[cell] = margin.codes
            levels.append(level)
        own = cell if rows is None else cell[rows]
        return rake_mass(sum_by(own, weights, count), levels, self.margins)[own]

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Residuals of columns, shape (rows, K), from the regression on the margins."""
        mass = self.regression[:, None] * values
        sums = [sum_by(margin.codes, mass, len(margin.targets)) for margin in self.margins]
        slopes = self._slopes(np.concatenate(sums))
        out = values.copy()
        for margin, part in zip(self.margins, self._parts, strict=True):
            out -= slopes[part][margin.codes]
        return out

    def _slopes(self, sums: np.ndarray) -> np.ndarray:
        """The regression's coefficients from the sums of the values in each answer."""
        if not self.passes:
            return np.linalg.pinv(self._products, rcond=1e-12, hermitian=True) @ sums
        slopes = np.zeros_like(sums)
        mass = np.diag(self._products)[:, None]
        for _ in range(self.passes):
            for part in self._parts:
                left = sums[part] - self._products[part] @ slopes
                slopes[part] += np.divide(left, mass[part], out=left * 0, where=mass[part] > 0)
        return slopes

    @property
    def _parts(self) -> list[slice]:
        """Where each margin's answers stand among all."""
        ends = np.cumsum([0, *(len(margin.targets) for margin in self.margins)])
        return [slice(start, end) for start, end in itertools.pairwise(ends)]

    @cached_property
    def _products(self) -> np.ndarray:
        """Weighted cross-products of the margins' indicators."""
        rows = []
        for one in self.margins:
            blocks = []
            for two in self.margins:
                shape = len(one.targets), len(two.targets)
                both = one.codes * shape[1] + two.codes
                sums = np.bincount(both, self.regression, shape[0] * shape[1])
                blocks.append(sums.reshape(shape))
            rows.append(blocks)
        return np.block(rows)


@dataclass(frozen=True, eq=False)
class ColumnStep:
    """Calibration to the totals of model columns, by a linear or an exponential factor.

    Attributes
    ----------
    columns : float array, shape (rows, K)
    names : of the columns
    targets : float array, shape (K,)
    method : ``"linear"`` or ``"raking"``
    regression : float array, shape (rows,): the weights before calibration
    """

    columns: np.ndarray
    names: tuple[str, ...]
    targets: np.ndarray
    method: str
    regression: np.ndarray

    def factor(self, weights: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Factors that calibrate weights, shape (G,) or (G, R), whose lines stand for the rows."""
        x = self.columns if rows is None else self.columns[rows]
        if weights.ndim == 1:
            return self._factor(x, weights)
        return np.column_stack([self._factor(x, column) for column in weights.T])

    def _factor(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        size = np.maximum(np.abs(x).max(axis=0), 1e-300)
        solve = linear_factor if self.method == "linear" else exponential_factor
        factor = solve(x / size, weights, self.targets / size)
        reached = x.T @ (weights * factor)
        scale = np.maximum(np.abs(self.targets), np.abs(x).T @ weights)
        off = np.abs(reached - self.targets) / np.maximum(scale, 1e-300)
        worst = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
        if not off[worst] <= CLOSE:
            raise unreachable(self.names[worst], "", self.targets[worst], reached[worst])
        return factor

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Residuals of columns, shape (rows, K), from the weighted regression on the model."""
        basis, back = self._basis
        return values - self.columns @ (back @ (basis.T @ (self._root[:, None] * values)))

    @cached_property
    def _root(self) -> np.ndarray:
        return np.sqrt(self.regression)

    @cached_property
    def _basis(self) -> tuple[np.ndarray, np.ndarray]:
        """An orthonormal basis of the weighted columns, and the way back to their slopes."""
        size = np.maximum(np.abs(self.columns).max(axis=0), 1e-300)
        u, s, v = np.linalg.svd(self._root[:, None] * self.columns / size, full_matrices=False)
        kept = s > 1e-10 * s[0]
        return u[:, kept], (v[kept].T / s[kept]) / size[:, None]


@dataclass(frozen=True, eq=False)
class TrimStep:
    """Weights capped: a fixed ratio a row, taken as given."""

    ratio: np.ndarray

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """The values as they are: a cap explains nothing."""
        return values


@dataclass(frozen=True, eq=False)
class Calibration:
    """All steps that made a survey's weights from those that it was read with.

    Attributes
    ----------
    start, weights : float arrays, shape (rows,): before the first step and after the last
    steps : in the order in which they were taken
    words : what each did, for the page
    """

    start: np.ndarray
    weights: np.ndarray
    steps: tuple[MarginStep | ColumnStep | TrimStep, ...]
    words: tuple[str, ...]

    @property
    def projects(self) -> bool:
        """Whether anything is known that takes uncertainty away (a cap alone does not)."""
        return any(not isinstance(step, TrimStep) for step in self.steps)

    def residuals(self, scores: np.ndarray) -> np.ndarray:
        """Weighted influence scores, shape (rows, K), less what the known totals explain.

        The last step is undone first. A row of weight 0 has no score.
        """
        weights = self.weights[:, None]
        values = np.divide(scores, weights, out=np.zeros_like(scores), where=weights > 0)
        for step in reversed(self.steps):
            values = step.residuals(values)
        return values * weights


def sum_by(codes: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sums a code of values, shape (rows,) or (rows, R) → (count,) or (count, R)."""
    if values.ndim == 1:
        return np.bincount(codes, values, count)
    if values.shape[1] <= 8:
        return np.column_stack([np.bincount(codes, column, count) for column in values.T])
    from scipy.sparse import csr_array

    place = np.arange(len(codes) + 1)
    hits = csr_array((np.ones(len(codes)), codes, place), shape=(len(codes), count))
    return hits.T @ values


def _cells(margins: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    """Number the combinations of codes that occur, from 0."""
    key, size = margins[0]
    for codes, count in margins[1:]:
        key, size = key * count + codes, size * count
        if size > 4 * len(key) + 10_000:
            names, key = np.unique(key, return_inverse=True)
            size = len(names)
    present = np.bincount(key, minlength=size) > 0
    return (np.cumsum(present) - 1)[key], int(present.sum())


def rake_mass(
    mass: np.ndarray, levels: Sequence[np.ndarray], margins: Sequence[Margin]
) -> np.ndarray:
    """Iterative proportional fitting of cells, shape (C,) or (C, R), to margins: their factors.

    ``levels`` holds each cell's answer in each margin.

    References
    ----------
    Deming and Stephan (1940), Annals of Mathematical Statistics 11:427.
    """
    now, before = mass.astype(float), math.inf
    shape = (-1,) + (1,) * (mass.ndim - 1)
    for turn in range(int(np.clip(2e10 / (now.size * len(levels)), 100, PASSES))):
        off = 0.0
        for level, margin in zip(levels, margins, strict=True):
            sums, target = sum_by(level, now, len(margin.targets)), margin.targets.reshape(shape)
            if not turn and (nobody := (sums <= 0) & (target > 0)).any():
                place = int(np.argwhere(nobody)[0][0])
                raise unreachable(margin.name, margin.labels[place], margin.targets[place], 0.0)
            wanted = np.broadcast_to(target, sums.shape)
            ratio = np.divide(wanted, sums, out=np.zeros_like(sums), where=sums > 0)
            off = max(off, float(np.abs(np.where(target > 0, ratio, 1.0) - 1.0).max()))
            now *= ratio[level]
        if off <= EXACT:
            return np.divide(now, mass, out=np.zeros_like(now), where=mass > 0)
        if turn % 50 == 49:
            if off > 0.9999 * before:
                break
            before = off
    raise _stuck(now, levels, margins)


def _stuck(now: np.ndarray, levels: Sequence[np.ndarray], margins: Sequence[Margin]) -> CxError:
    """The error for margins that contradict the cells: the one that is furthest off."""
    worst = (-1.0, margins[0], 0, 0.0)
    for level, margin in zip(levels, margins, strict=True):
        sums = sum_by(level, now.reshape(len(now), -1), len(margin.targets))
        gaps = np.abs(sums - margin.targets[:, None])
        place = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
        if gaps[place] > worst[0]:
            worst = float(gaps[place]), margin, int(place[0]), float(sums[place])
    _, margin, place, reached = worst
    return unreachable(margin.name, margin.labels[place], margin.targets[place], reached)


def unreachable(name: str, label: str, target: float, reached: float) -> CxError:
    """The error for a total that the weights cannot reach."""
    answer = f" = {label}" if label else ""
    why = "nobody carries weight there" if not reached else f"off by {reached - target:+.6g}"
    return CxError(
        f"the weights cannot meet the total of {name}{answer}",
        got=f"{reached:.8g} instead of {target:.8g} ({why})",
        want="totals that fit each other, and respondents in every cell with a target",
        do="merge answers that are rare, drop a margin, or check its totals",
    )


def linear_factor(x: np.ndarray, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """1 + x'λ with the totals of x at the targets: the generalised regression estimator.

    References
    ----------
    Deville and Särndal (1992), JASA 87:376.
    """
    gap = targets - x.T @ weights
    slope = _solve(x.T @ (weights[:, None] * x), gap)
    factor = 1.0 + x @ slope
    again = _solve(x.T @ (weights[:, None] * x), targets - x.T @ (weights * factor))
    return factor + x @ again


def exponential_factor(x: np.ndarray, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """exp(x'λ) with the totals of x at the targets, by Newton's method with halved steps."""
    slope = np.zeros(x.shape[1])
    scale = np.maximum(np.maximum(np.abs(targets), np.abs(x).T @ weights), 1e-300)

    def at(slope: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        factor = np.exp(np.clip(x @ slope, -300.0, 300.0))
        gap = targets - x.T @ (weights * factor)
        return factor, gap, float(np.max(np.abs(gap) / scale))

    factor, gap, off = at(slope)
    for _ in range(STEPS):
        if off <= 1e-13:
            break
        step = _solve(x.T @ ((weights * factor)[:, None] * x), gap)
        for halving in range(40):
            trial = slope + step / 2**halving
            made = at(trial)
            if made[2] < off:
                break
        else:
            break
        slope, (factor, gap, off) = trial, made
    return factor


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A solution of normal equations that may be collinear."""
    return np.linalg.lstsq(matrix, right, rcond=1e-12)[0]
