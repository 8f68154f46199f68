"""Influence scores: what every variance is made of, and the estimate that follows from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from . import tally as engine
from .errors import CxError
from .interval import t_quantile
from .result import Estimate
from .survey import Survey


@dataclass(frozen=True, eq=False)
class Linear:
    """What an estimate's variance is made of: one influence score a row, made when asked for.

    Two estimates of one survey have a covariance through their scores; that is how
    :func:`difference` knows that they share respondents.
    """

    survey: Survey
    make: Callable[[], np.ndarray] = field(repr=False)
    df: float
    remake: Callable[[], np.ndarray] | None = field(default=None, repr=False)

    @cached_property
    def scores(self) -> np.ndarray:
        """Weighted influence values over all rows of the survey, 0 outside the domain."""
        return self.make()

    @cached_property
    def shifts(self) -> np.ndarray:
        """With replicate weights: each replicate's estimate less the estimate, shape (R,).

        Estimates that do not recompute themselves shift by their scores' replicated totals.
        """
        if self.remake is not None:
            return self.remake()
        replicates = self.survey.design.replicates
        return replicates.shifts(self.scores[:, None], self.survey.weights)[:, 0]

    @property
    def variance(self) -> float:
        """The design variance: linearised, or between replicates."""
        replicates = self.survey.design.replicates
        if replicates is None:
            return float(engine.variance(self.survey, self.scores))
        return float(replicates.covariance(self.shifts[:, None])[0, 0])

    def joins(self, other: Any) -> bool:
        """Whether both rest on the same rows and design."""
        return (
            isinstance(other, Linear)
            and self.survey.frame is other.survey.frame
            and self.survey.design == other.survey.design
        )


def told_method(survey: Survey, method: str) -> str:
    """The method with the kind of variance that the design gives."""
    if survey.design.replicates is not None:
        return method.replace("linearised variance", "replicate variance")
    return method


def linear_estimate(
    survey: Survey,
    value: float,
    scores: Callable[[], np.ndarray],
    *,
    n: int,
    unit: str,
    level: float,
    df: float | None = None,
    remake: Callable[[], np.ndarray] | None = None,
    **told: Any,
) -> Estimate:
    """An estimate from its influence scores (weighted, 0 outside its domain), with a t interval.

    ``df`` is that of the whole design unless given. ``remake`` gives each replicate's estimate
    less the estimate, shape (R,), for surveys with replicate weights; without it the replicates
    see the linearised estimate.
    """
    df = survey.df if df is None else df
    linear = Linear(survey, scores, df, remake)
    told["method"] = told_method(survey, told.get("method", ""))
    se = math.sqrt(max(linear.variance, 0.0))
    half = t_quantile(level, df) * se
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        unit=unit,
        n=n,
        level=level,
        se=se,
        df=df,
        source=survey.source,
        origin=survey.origin,
        linear=linear,
        **told,
    )


def someone(survey: Survey, question: str, valid: np.ndarray) -> None:
    """A clear error where nobody gave a valid answer."""
    if valid.any():
        return
    why = ", ".join(f"{count:,} {reason}" for reason, count in survey.reasons(question).items())
    raise CxError(
        f"nobody answered {question!r}",
        got=why or f"{len(survey):,} respondents",
        want="at least one valid answer among those looked at",
        do="check the segment, and the missing codes in the codebook",
    )
