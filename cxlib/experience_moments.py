"""Weighted variances and covariances of items, with what their design-based errors are made of.

Every coefficient of reliability, every heterotrait ratio and every loading is a smooth function of
a covariance matrix; its influence scores are those of the covariances times its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .errors import CxError
from .interval import t_quantile
from .linear import linear_estimate, someone
from .result import Estimate
from .survey import Survey

#: What is done about rows with some of the answers.
MISSING = ("pairwise", "listwise")


@dataclass(frozen=True, eq=False)
class Moments:
    """The covariance matrix of p items.

    Attributes
    ----------
    survey : Survey
    items : tuple of str
    x : float array, shape (rows, p), NaN where there is no answer or the row does not count
    missing : str
        ``"pairwise"``: each covariance from the rows with both answers; ``"listwise"``: from the
        rows with all of them.
    unbiased : bool
        Divide by n − 1 instead of n.
    """

    survey: Survey
    items: tuple[str, ...]
    x: np.ndarray
    missing: str
    unbiased: bool

    @cached_property
    def there(self) -> np.ndarray:
        """Which answers count; bool, shape (rows, p)."""
        return ~np.isnan(self.x)

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows that count for something; bool, shape (rows,)."""
        return self.there.any(axis=1)

    @property
    def n(self) -> int:
        """How many respondents count."""
        return int(self.rows.sum())

    @cached_property
    def df(self) -> float:
        """The design's degrees of freedom among them, and at least 1."""
        whole = np.ones(len(self.rows), bool)
        for item in self.items:
            whole &= self.survey.answers(item).notna().to_numpy()
        return max(self.survey.df_of(whole | self.rows), 1.0)

    @cached_property
    def _centred(self) -> np.ndarray:
        return np.where(self.there, self.x - np.nanmean(self.x, axis=0), 0.0)

    def _pair(self, i: int, j: int) -> tuple[float, np.ndarray]:
        """A covariance and its influence scores, shape (rows,)."""
        both = self.there[:, i] & self.there[:, j]
        n = int(both.sum())
        w = np.where(both, self.survey.weights, 0.0)
        w = w / w.sum()
        a, b = self._centred[:, i], self._centred[:, j]
        product = (a - w @ a) * (b - w @ b)
        value = float(w @ product)
        scale = n / (n - 1) if self.unbiased else 1.0
        return scale * value, scale * w * (product - value)

    @cached_property
    def covariance(self) -> np.ndarray:
        """The covariance matrix, shape (p, p)."""
        p = len(self.items)
        s = np.empty((p, p))
        for i in range(p):
            for j in range(i, p):
                s[i, j] = s[j, i] = self._pair(i, j)[0]
        return s

    @cached_property
    def correlation(self) -> np.ndarray:
        """The correlation matrix made of it, shape (p, p)."""
        sd = np.sqrt(np.diag(self.covariance))
        return self.covariance / np.outer(sd, sd)

    def scores(self, gradient: np.ndarray) -> np.ndarray:
        """Influence scores of a function of the covariances, shape (rows,).

        ``gradient`` is symmetric, shape (p, p): the function moves by Σ gradient · d covariance.
        """
        if self.missing == "listwise":
            w = np.where(self.rows, self.survey.weights, 0.0)
            w = w / w.sum()
            z = np.where(self.there, self._centred - w @ self._centred, 0.0)
            product = ((z @ gradient) * z).sum(axis=1)
            scale = self.n / (self.n - 1) if self.unbiased else 1.0
            return scale * w * (product - w @ product)
        total = np.zeros(len(self.rows))
        for i in range(len(self.items)):
            for j in range(i, len(self.items)):
                weight = gradient[i, j] * (1 if i == j else 2)
                if weight:
                    total += weight * self._pair(i, j)[1]
        return total

    def through_correlation(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient by the covariances, from the (symmetric) gradient by the correlations."""
        variances = np.diag(self.covariance)
        sd = np.sqrt(variances)
        own = (gradient * self.correlation).sum(axis=1) / variances
        return gradient / np.outer(sd, sd) - np.diag(own)

    def estimate(
        self, value: float, scores: np.ndarray, *, level: float, scale: str = "", **told: object
    ) -> Estimate:
        """The estimate with these influence scores, its interval made on another scale."""
        one = linear_estimate(
            self.survey,
            float(value),
            lambda: scores,
            n=self.n,
            n_excluded=len(self.survey) - self.n,
            level=level,
            df=self.df,
            unit="",
            **told,
        )
        return on_scale(one, scale)


def moments(
    survey: Survey, items: Sequence[str], *, missing: str = "pairwise", unbiased: bool = True
) -> Moments:
    """The moments of some items, checked: each varies, each pair was answered together.

    Raises
    ------
    CxError
        Unknown item or one twice; nobody answered; an item does not vary; two were never answered
        together.
    """
    if missing not in MISSING:
        raise CxError("unknown way with missing answers", got=missing, want=", ".join(MISSING))
    items = (items,) if isinstance(items, str) else tuple(items)
    if len(set(items)) < len(items):
        raise CxError("an item stands twice", got=", ".join(items), do="name it once")
    if len(items) < 2:
        raise CxError("a scale needs items", got=f"{len(items)}", want="two items or more")
    for item in items:
        someone(survey, item, survey.valid(item))
    x = np.column_stack([survey.numbers(item) for item in items])
    x[~(survey.looked_at & (survey.weights > 0))] = np.nan
    if missing == "listwise":
        x[np.isnan(x).any(axis=1)] = np.nan
    together = (~np.isnan(x)).astype(float)
    if (together.T @ together).min() < 2:
        raise CxError(
            "too few respondents answered these items together",
            got=f"{int((together.T @ together).min())} for two of {', '.join(items)}",
            want="two respondents or more for every pair of items",
        )
    for place, item in enumerate(items):
        _varies(item, x[:, place])
    found = Moments(survey, items, x, missing, unbiased)
    if not (np.diag(found.covariance) > 0).all():
        raise CxError("an item does not vary among those with weight", got=", ".join(items))
    return found


def _varies(item: str, column: np.ndarray) -> None:
    """A CxError where an item does not vary, or its numbers are out of all proportion."""
    given = column[~np.isnan(column)]
    size = np.abs(given).max()
    if size and not 1e-50 < size < 1e50:
        raise CxError(
            f"the numbers of {item!r} are too large or too small to work with",
            got=f"{size:.3g}",
            do="rescale them in the study file",
        )
    if np.ptp(given) <= 1e-12 * size:
        raise CxError(
            f"everybody gave the same answer to {item!r}",
            got="no variance",
            want="answers that differ",
            do="leave the item out",
        )


def on_scale(one: Estimate, scale: str) -> Estimate:
    """The estimate with its interval made on another scale, where that scale exists at its value.

    ``"below 1"``: log(1 − v); ``"correlation"``: Fisher's z; ``"positive"``: log v; ``"share"``:
    logit v; ``""``: as it is.
    """
    v, half = one.value, t_quantile(one.level, one.df) * one.se
    limits = {"below 1": (-math.inf, 1), "correlation": (-1, 1), "share": (0, 1)}
    floor, top = limits.get(scale, (0.0, math.inf))
    if not scale or not floor < v < top or not half > 0:
        return one
    if scale == "below 1":
        move = math.exp(min(half / (1 - v), 700.0))
        return replace(one, low=1 - (1 - v) * move, high=1 - (1 - v) / move)
    if scale == "positive":
        move = math.exp(min(half / v, 700.0))
        return replace(one, low=v / move, high=v * move)
    if scale == "correlation":
        centre, width = math.atanh(v), half / (1 - v**2)
        return replace(one, low=math.tanh(centre - width), high=math.tanh(centre + width))
    centre, width = math.log(v / (1 - v)), half / (v * (1 - v))
    low, high = (1 / (1 + math.exp(-np.clip(centre + s * width, -700, 700))) for s in (-1, 1))
    return replace(one, low=float(low), high=float(high))
