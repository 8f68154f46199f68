"""The inside of a difference in differences: columns, fixed effects, clusters and their variance.

Public functions stand in :mod:`cxlib.training`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .interval import t_quantile, upper_tail
from .regression_model import model
from .result import Estimate
from .survey import Survey, matches
from .survey_codes import numeric

ERRORS = ("ols", "HC0", "HC1", "HC3", "cluster")
CORRECTIONS = ("full", "clusters", "none")
#: A design matrix with more cells than this is refused.
MOST_CELLS = 200_000_000


@dataclass(frozen=True, eq=False)
class Panel:
    """Rows, outcome and columns of a weighted least-squares fit, both scaled by √weight.

    Attributes
    ----------
    y : float array, shape (n,); x : float array, shape (n, p), independent columns
    names : names of the columns
    absorbed : int
        Fixed effects already taken out of y and x.
    nests : int array, shape (n,), or None
        The absorbed effect's codes, for who must know that clusters hold them whole.
    clusters : tuple of int arrays, shape (n,), codes from 0
    root : float array, shape (n,): √weight
    """

    survey: Survey
    rows: np.ndarray
    y: np.ndarray
    x: np.ndarray
    names: tuple[str, ...]
    absorbed: int
    nests: np.ndarray | None
    clusters: tuple[np.ndarray, ...]
    root: np.ndarray

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def k(self) -> int:
        """Coefficients, the absorbed ones too."""
        return self.x.shape[1] + self.absorbed

    @property
    def free(self) -> int:
        """Degrees of freedom of the residual, at least one."""
        free = self.n - self.k
        if free < 1:
            raise CxError(
                "no degrees of freedom are left",
                got=f"{self.k} coefficients for {self.n} rows",
                want="more rows than coefficients",
            )
        return free

    @cached_property
    def bread(self) -> np.ndarray:
        r = np.linalg.qr(self.x, mode="r")
        inverse = np.linalg.solve(r, np.eye(len(r)))
        return inverse @ inverse.T

    @cached_property
    def beta(self) -> np.ndarray:
        q, r = np.linalg.qr(self.x)
        return np.linalg.solve(r, q.T @ self.y)

    @cached_property
    def residual(self) -> np.ndarray:
        left = self.y - self.x @ self.beta
        size = float(np.abs(self.y).max())
        return np.where(np.abs(left) > 1e-12 * size, left, 0.0)

    def covariance(self, errors: str, correction: str) -> tuple[np.ndarray, float]:
        """The coefficients' covariance and the degrees of freedom of its t interval."""
        free = self.free
        if errors == "ols":
            return self.bread * float(self.residual @ self.residual) / free, float(free)
        if errors == "cluster":
            return self._clustered(correction)
        scores = self.x * self.residual[:, None]
        if errors == "HC3":
            if self.absorbed:
                raise CxError("HC3 does not go with fixed effects", want="HC1, or clusters")
            lever = 1 - np.einsum("ij,jk,ik->i", self.x, self.bread, self.x)
            scores = scores / np.maximum(lever, 1e-10)[:, None]
        scale = self.n / free if errors == "HC1" else 1.0
        return self._sandwich(scores) * scale, float(free)

    def _sandwich(self, scores: np.ndarray) -> np.ndarray:
        half = scores @ self.bread
        return half.T @ half

    def _clustered(self, correction: str) -> tuple[np.ndarray, float]:
        scores = self.x * self.residual[:, None]
        out, least = np.zeros((self.x.shape[1],) * 2), math.inf
        for size in range(1, len(self.clusters) + 1):
            for some in combinations(self.clusters, size):
                codes = crossed(some)
                count = int(codes.max()) + 1
                sums = by_code(scores, codes, count)
                scale = 1.0 if correction == "none" else count / (count - 1)
                scale *= (self.n - 1) / (self.n - self.k) if correction == "full" else 1.0
                out += (-1) ** (size + 1) * scale * self._sandwich(sums)
                least = min(least, count)
        if (np.diag(out) < -1e-12 * np.abs(out).max()).any():
            raise CxError(
                "the clusters cannot give a standard error",
                got="a negative variance",
                want="more clusters, or one kind of them",
            )
        return out, float(least - 1)


def by_code(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums of columns by code, shape (count, p)."""
    return np.column_stack([np.bincount(codes, column, count) for column in values.T])


def crossed(codes: Sequence[np.ndarray]) -> np.ndarray:
    """One code for each combination that occurs."""
    out = codes[0]
    for one in codes[1:]:
        out = np.unique(out * (int(one.max()) + 1) + one, return_inverse=True)[1]
    return out


def as_names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """One name, several or none, as a tuple."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def panel(
    survey: Survey,
    outcome: str,
    predictors: Sequence[str],
    *,
    categorical: Sequence[str] = (),
    clusters: Sequence[str] = (),
    fixed: Sequence[str] = (),
    keep: str = "",
) -> Panel:
    """The fit's columns: predictors with an intercept, or with fixed effects taken out.

    The fixed effect with most levels is taken out by its means; others enter as columns. Columns
    that the fixed effects make up fall out, except ``keep``, which must not.
    """
    known = [survey.answers(name).notna().to_numpy() for name in (*clusters, *fixed)]
    looked = survey.looked_at & np.logical_and.reduce([np.ones(len(survey.frame), bool), *known])
    if not looked.any():
        raise CxError("nobody has an answer to all of them", got=", ".join((*clusters, *fixed)))
    told = model(
        replace(survey, mask=looked),
        outcome,
        list(predictors),
        family="gaussian",
        equals=None,
        reference=None,
        categorical=tuple(categorical),
    )
    names = tuple(name for _, name in told.predictors.columns)
    some = told.w > 0
    rows = np.flatnonzero(told.rows)[some]
    y, x, root = told.y[some], told.x[some], np.sqrt(told.w[some])
    groups = tuple(_codes(survey, name, rows) for name in clusters)
    for name, codes in zip(clusters, groups, strict=True):
        if codes.max() < 1:
            raise CxError(f"{name!r} makes one cluster only", got="1", want="two or more")
    effects = [_codes(survey, name, rows) for name in fixed]
    absorbed, nests = 0, None
    if effects:
        y, x, names, absorbed, nests = _without(y, x, names, effects, root**2, keep)
    return Panel(survey, rows, y * root, x * root[:, None], names, absorbed, nests, groups, root)


def _codes(survey: Survey, name: str, rows: np.ndarray) -> np.ndarray:
    return pd.factorize(survey.answers(name).iloc[rows])[0].astype(np.int64)


def _without(
    y: np.ndarray,
    x: np.ndarray,
    names: tuple[str, ...],
    effects: list[np.ndarray],
    w: np.ndarray,
    keep: str,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], int, np.ndarray]:
    """y and the columns less the fixed effects' means, and which columns are left."""
    effects = sorted(effects, key=lambda codes: -int(codes.max()))
    first, others = effects[0], effects[1:]
    levels = sum(int(codes.max()) for codes in others)
    if len(y) * (levels + x.shape[1]) > MOST_CELLS:
        raise CxError(
            "too many fixed effects beside the largest",
            got=f"{levels:,} levels for {len(y):,} rows",
            want="periods, or other effects with few levels",
        )
    dummies = [
        (codes[:, None] == np.arange(1, int(codes.max()) + 1)).astype(float) for codes in others
    ]
    extra = np.hstack(dummies) if dummies else np.empty((len(y), 0))
    whole = np.column_stack([y, extra, x[:, 1:]])
    count = int(first.max()) + 1
    mass = np.bincount(first, w, count)
    inside = whole - (by_code(whole * w[:, None], first, count) / mass[:, None])[first]
    size = np.abs(whole).max(axis=0)
    inside = np.where(np.abs(inside) > 1e-13 * size, inside, 0.0)
    columns = inside[:, 1:]
    titles = (*(f"fixed {i}" for i in range(extra.shape[1])), *names[1:])
    order = np.argsort([title == keep for title in titles], kind="stable")
    chosen = _independent(columns[:, order] * np.sqrt(w)[:, None], size[1:][order])
    kept = [int(order[i]) for i in chosen]
    if keep and keep not in [titles[i] for i in kept]:
        raise CxError(
            "the fixed effects leave nothing of what is asked",
            got=f"{keep!r} does not vary within them",
            want="units seen before and after, and units of both kinds in each period",
        )
    return inside[:, 0], columns[:, kept], tuple(titles[i] for i in kept), count, first


def _independent(x: np.ndarray, size: np.ndarray) -> list[int]:
    """The columns that those before them do not make up."""
    root = math.sqrt(len(x))
    chosen: list[int] = []
    room = np.empty(x.shape, order="F")
    for i, column in enumerate(x.T):
        left, basis = column, room[:, : len(chosen)]
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        norm = float(np.linalg.norm(left))
        if norm > 1e-9 * max(float(np.linalg.norm(column)), 1e-4 * size[i] * root, 1e-300):
            room[:, len(chosen)] = left / norm
            chosen.append(i)
    return chosen


def two_groups(survey: Survey, name: str, what: str) -> np.ndarray:
    """A question with two answers as 0 and 1 (the later in order), NaN where there is none."""
    column = survey.answers(name)
    codes = survey.codes(name)
    if len(codes) != 2:
        raise CxError(
            f"{name!r} does not tell {what}",
            got=f"{len(codes)} answers: {', '.join(codes[:5])}",
            want="two answers, such as 0 and 1",
        )
    if numeric(column):
        values = column.to_numpy(float, na_value=np.nan)
        hit = values == np.nanmax(values[survey.looked_at])
    else:
        hit = matches(column, [codes[1]], name)
    return np.where(column.notna(), hit.astype(float), np.nan)


def told_errors(errors: str, correction: str, clusters: tuple[str, ...]) -> None:
    """A clear error for an unknown kind of standard error, or one that clusters do not fit."""
    if errors not in ERRORS:
        raise unknown("kind of errors", errors, ERRORS)
    if correction not in CORRECTIONS:
        raise unknown("correction for few clusters", correction, CORRECTIONS)
    if (errors == "cluster") != bool(clusters):
        raise CxError(
            "clusters and the kind of errors do not go together",
            got=f"errors={errors!r}, {len(clusters)} kinds of clusters",
            want='errors="cluster" with clusters=, another kind without',
        )


def t_estimate(
    survey: Survey, value: float, se: float, df: float, *, n: int, level: float, **told: Any
) -> tuple[Estimate, float, float]:
    """An estimate with its t interval; its t and two-sided p."""
    half = t_quantile(level, df) * se
    one = Estimate(
        value=float(value),
        low=float(value - half),
        high=float(value + half),
        n=n,
        level=level,
        se=float(se),
        n_excluded=len(survey) - n,
        df=df,
        source=survey.source,
        origin=survey.origin,
        **told,
    )
    statistic = value / se if se > 0 else (0.0 if value == 0 else math.copysign(math.inf, value))
    p = 2 * upper_tail(abs(statistic), df) if math.isfinite(statistic) else 0.0
    return one, float(statistic), p
