"""Coefficients that are logarithms of ratios, as estimates on either scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .errors import unknown
from .interval import t_quantile
from .linear_scores import Linear
from .result import Estimate
from .survival_data import Times

SCALES = ("ratio", "log")


@dataclass(frozen=True, eq=False)
class Logs:
    """Coefficients (p,) with covariance (p, p) and weighted influence values (n, p)."""

    told: Times
    values: np.ndarray
    covariance: np.ndarray
    influence: np.ndarray
    df: float

    def estimates(
        self, terms: Sequence[str], units: Sequence[str], scale: str, about: Estimate
    ) -> tuple[Estimate, ...]:
        """One estimate a coefficient, like ``about``; intervals are made on the log scale."""
        half = t_quantile(about.level, self.df) * np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        return tuple(
            self._one(i, term, unit, float(half[i]), scale, about)
            for i, (term, unit) in enumerate(zip(terms, units, strict=True))
        )

    def _one(
        self, i: int, term: str, unit: str, half: float, scale: str, about: Estimate
    ) -> Estimate:
        value, factor = float(self.values[i]), 1.0
        low, high = value - half, value + half
        if scale == "ratio":
            value, low, high = factor, _, _ = bounded(value), bounded(low), bounded(high)
        told = self.told
        return replace(
            about,
            value=value,
            low=low,
            high=high,
            unit=unit,
            se=factor * math.sqrt(max(float(self.covariance[i, i]), 0.0)),
            df=self.df,
            term=term,
            linear=Linear(told.survey, lambda: told.spread(factor * self.influence[:, i]), self.df),
        )


def about(
    told: Times, level: float, method: str, name: str, kind: str, claim: str, question: str
) -> Estimate:
    """What all estimates of one model say, without its numbers."""
    survey = told.survey
    return Estimate(
        value=math.nan,
        low=math.nan,
        high=math.nan,
        unit="",
        n=told.n,
        level=level,
        n_excluded=len(survey) - told.n,
        method=method,
        source=survey.source,
        name=name,
        kind=kind,
        claim=claim,
        question=question,
        origin=survey.origin,
    )


def check_scale(scale: str) -> None:
    """A CxError for a scale that does not exist."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)


def bounded(value: float) -> float:
    """exp(value), within what a float holds."""
    return math.exp(min(max(value, -700.0), 700.0))


def tail(statistic: float, df: int, df2: float) -> float:
    """P of a chi-squared, or of an F where the design's degrees of freedom are finite."""
    from scipy.special import chdtrc, fdtrc

    if math.isinf(df2):
        return float(chdtrc(df, statistic))
    return float(fdtrc(df, max(df2, 1.0), statistic / df))
