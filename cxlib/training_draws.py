"""Inference for few clusters: the wild cluster bootstrap and randomisation, all draws at once.

Both reduce the data to sums a cluster first, so that a draw costs nothing that grows with rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from .errors import CxError, unknown
from .training_panel import Panel, by_code

WILD = ("auto", "rademacher", "webb")
_WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])


class Drawn(NamedTuple):
    """What the draws tell: p, the interval, and how it was made."""

    p: float
    low: float
    high: float
    se: float
    statistic: float
    draws: int
    told: str


def wild(panel: Panel, place: int, *, draws: int, seed: int, kind: str, level: float) -> Drawn:
    """The wild cluster bootstrap of one coefficient, the null imposed.

    By Frisch, Waugh and Lovell: with d the column of interest less the others' fit, a draw's
    coefficient and its clustered variance need only each cluster's d'u, X'u, d'X and d'd.
    """
    if len(panel.clusters) != 1:
        raise CxError("the wild bootstrap takes one kind of cluster", got=f"{len(panel.clusters)}")
    codes = panel.clusters[0]
    count = int(codes.max()) + 1
    _nested(panel, codes, count)
    x, y = np.delete(panel.x, place, axis=1), panel.y
    d, inverse = panel.x[:, place], np.empty((0, 0))
    left_y = y
    if x.shape[1]:
        q, r = np.linalg.qr(x)
        d, left_y = d - q @ (q.T @ d), y - q @ (q.T @ y)
        inverse = np.linalg.inv(r.T @ r)
    wide = by_code(x * left_y[:, None], codes, count) if x.shape[1] else np.zeros((count, 0))
    deep = by_code(x * d[:, None], codes, count) if x.shape[1] else np.zeros((count, 0))
    signs, told = _signs(count, draws, seed, kind)
    value = float(d @ left_y) / float(d @ d)
    dd = np.bincount(codes, d**2, count)
    score = np.bincount(codes, d * left_y, count) - value * dd
    pull = inverse @ deep.T if x.shape[1] else np.zeros((0, count))
    free = (panel.n - 1) / panel.free
    null = _Null(
        *_bent(signs, score, wide - value * deep, pull, dd),
        *_bent(signs, dd, deep, pull, dd),
        math.sqrt(count / (count - 1) * free * float(score @ score)) / float(dd.sum()),
        math.sqrt(count / (count - 1) * free),
    )
    low, high = _inverted(lambda at: null.p(at - value), value, null.se, 1 - level)
    statistic = value / null.se if null.se > 0 else math.copysign(math.inf, value) if value else 0.0
    return Drawn(null.p(-value), low, high, null.se, statistic, len(signs), told)


def _bent(
    signs: np.ndarray, score: np.ndarray, other: np.ndarray, pull: np.ndarray, dd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each draw's coefficient, and its scores a cluster after refitting, over Σ d'd."""
    whole = float(dd.sum())
    moved = signs @ score / whole
    return moved, (signs * score - (signs @ other) @ pull - moved[:, None] * dd) / whole


class _Null:
    """Every draw's t as a function of the coefficient supposed: all is linear in it.

    Made from a draw's coefficient and scores at the estimate, and how they move with the supposed.
    """

    def __init__(
        self,
        moved: np.ndarray,
        parts: np.ndarray,
        moves: np.ndarray,
        shifts: np.ndarray,
        se: float,
        scale: float,
    ) -> None:
        self.moved, self.moves, self.se = moved, moves, se
        self.squares = scale**2 * np.stack(
            [(parts**2).sum(1), (parts * shifts).sum(1), (shifts**2).sum(1)]
        )

    def p(self, gap: float) -> float:
        """p of the hypothesis that the coefficient is the estimate plus ``gap``."""
        if self.se <= 0:
            return float(gap == 0)
        first, both, second = self.squares
        shift = np.abs(self.moved - gap * self.moves)
        top = first + gap**2 * second
        spread = np.sqrt(np.maximum(first - 2 * gap * both + gap**2 * second, 0.0))
        some = spread > 1e-10 * np.sqrt(top)
        t = np.where(some, shift / np.where(some, spread, 1.0), np.inf)
        t = np.where(shift > 1e-12 * self.se, t, 0.0)
        return float((t >= abs(gap / self.se) * (1 - 1e-9)).mean())


def _nested(panel: Panel, codes: np.ndarray, count: int) -> None:
    if panel.nests is None:
        return
    pairs = len(np.unique(panel.nests * count + codes))
    if pairs > int(panel.nests.max()) + 1:
        raise CxError(
            "the wild bootstrap needs the fixed effect inside the clusters",
            got="a level of the largest fixed effect in several clusters",
            want="clusters that hold each unit whole",
        )


def _signs(count: int, draws: int, seed: int, kind: str) -> tuple[np.ndarray, str]:
    """Weights a draw and cluster, and what they are called."""
    if kind not in WILD:
        raise unknown("wild weights", kind, WILD)
    if kind == "auto":
        kind = "rademacher" if count > 12 else "webb"
    if kind == "rademacher" and count <= 20 and 2**count <= draws + 1:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return 1.0 - 2.0 * bits, f"all {2**count:,} Rademacher weights"
    rng = np.random.default_rng(seed)
    if kind == "rademacher":
        return rng.choice([-1.0, 1.0], (draws, count)), f"{draws:,} Rademacher draws, seed {seed}"
    return rng.choice(_WEBB, (draws, count)), f"{draws:,} Webb draws, seed {seed}"


def _inverted(
    p: Callable[[float], float], value: float, se: float, alpha: float
) -> tuple[float, float]:
    """The values that a test at ``alpha`` does not reject, around ``value``; ±inf where no end."""
    if se <= 0:
        return value, value
    return _end(p, value, -se, alpha), _end(p, value, se, alpha)


def _end(p: Callable[[float], float], value: float, step: float, alpha: float) -> float:
    inner, outer = value, value + 2 * step
    for _ in range(12):
        if p(outer) <= alpha:
            break
        inner, outer = outer, value + 2 * (outer - value)
    else:
        return math.copysign(math.inf, step)
    for _ in range(40):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if p(middle) > alpha else (inner, middle)
    return (inner + outer) / 2


def randomise(
    panel: Panel,
    base: np.ndarray,
    treated: np.ndarray,
    after: np.ndarray,
    *,
    draws: int,
    seed: int,
    level: float,
) -> Drawn:
    """Randomisation inference: which clusters were trained, drawn again.

    Parameters
    ----------
    base : float array, shape (n, m): the columns that stay (√weight × intercept, after, covariates)
    treated, after : float arrays, shape (n,), 0 or 1
    """
    codes = panel.clusters[0]
    trained = _trained(codes, treated)
    picks, told = _picks(trained, draws, seed)
    root = panel.root
    moves = np.column_stack([root, root * after])
    both = np.column_stack([panel.y, root * treated * after])
    made = _coefficients(base, moves, both, codes, np.vstack([trained, picks]))
    real, drawn = made[0], made[1:]
    fine = np.isfinite(drawn).all(1)
    if not (fine.any() and np.isfinite(real).all()):
        raise CxError(
            "the trained cannot be told from the others under other assignments",
            got=f"{len(trained)} clusters, {int(trained.sum())} trained",
            want="clusters with answers before and after, and weights of like size",
        )
    drawn, value = drawn[fine], float(real[0])
    exact = told.startswith("all")

    def p_of(null: float) -> float:
        far = np.abs(drawn[:, 0] - null * drawn[:, 1])
        hits = int((far >= abs(value - null) * (1 - 1e-9)).sum())
        return hits / len(drawn) if exact else (hits + 1) / (len(drawn) + 1)

    se = float(drawn[:, 0].std()) if len(drawn) else 0.0
    low, high = _inverted(p_of, value, se, 1 - level)
    return Drawn(p_of(0.0), low, high, se, value, len(drawn), told)


def _trained(codes: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Which clusters were trained, as a whole."""
    count = int(codes.max()) + 1
    share = np.bincount(codes, treated, count) / np.bincount(codes, minlength=count)
    if ((share > 0) & (share < 1)).any():
        raise CxError(
            "randomisation needs clusters that were trained as a whole",
            got=f"{int(((share > 0) & (share < 1)).sum())} clusters with both",
            want="the outlet (or whatever was trained) as clusters=",
        )
    return share > 0.5


def _picks(trained: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, str]:
    """Assignments, shape (draws, clusters): all of them where they are few."""
    count, some = len(trained), int(trained.sum())
    if not 0 < some < count:
        raise CxError("all clusters are of one kind", got=f"{some} of {count} trained")
    ways = math.comb(count, some)
    if ways <= max(draws, 1):
        picks = np.zeros((ways, count), bool)
        for row, chosen in enumerate(combinations(range(count), some)):
            picks[row, list(chosen)] = True
        return picks, f"all {ways:,} assignments"
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.broadcast_to(np.arange(count), (draws, count)), axis=1)
    return order < some, f"{draws:,} assignments drawn, seed {seed}"


def _coefficients(
    base: np.ndarray, moves: np.ndarray, both: np.ndarray, codes: np.ndarray, picks: np.ndarray
) -> np.ndarray:
    """The interaction's coefficient on each column of ``both`` under each assignment."""
    count, m = picks.shape[1], base.shape[1]
    z = np.hstack([base, moves, both])
    cross = np.zeros((count, z.shape[1], z.shape[1]))
    for i in range(z.shape[1]):
        cross[:, i] = by_code(z * z[:, [i]], codes, count)
    whole, part = cross.sum(0), picks.astype(float) @ cross.reshape(count, -1)
    part = part.reshape(len(picks), *whole.shape)
    k, moved, told = m + 2, slice(m, m + 2), slice(m + 2, m + 4)
    left = np.empty((len(picks), k, k))
    left[:, :m, :m] = whole[:m, :m]
    left[:, :m, m:] = part[:, :m, moved]
    left[:, m:, :m] = part[:, moved, :m]
    left[:, m:, m:] = part[:, moved, moved]
    right = np.concatenate(
        [np.broadcast_to(whole[:m, told], (len(picks), m, 2)), part[:, moved, told]], axis=1
    )
    scale = np.sqrt(np.maximum(np.einsum("bii->bi", left), 1e-300))
    left = left / (scale[:, :, None] * scale[:, None, :])
    lost = np.linalg.eigvalsh(left)[:, 0] < 1e-10
    left[lost] = np.eye(k)
    out = np.linalg.solve(left, right / scale[:, :, None])[:, -1] / scale[:, -1:]
    out[lost] = np.nan
    return out
