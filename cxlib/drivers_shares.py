"""Shares with their uncertainty: from columns and a recipe to a Ranking."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .drivers_data import Columns
from .drivers_game import Recipe, Relative
from .errors import CxError
from .linear_scores import Linear, linear_estimate
from .result import Estimate, Ranking


@dataclass(frozen=True)
class Told:
    """What is asked of the shares' form, and how they are to be called."""

    method: str
    relative: bool
    level: float
    name: str
    claim: str


@dataclass(frozen=True, eq=False)
class Plan:
    """Terms in order and the recipe that makes their shares, with what to say of it."""

    terms: tuple[str, ...]
    recipe: Recipe
    words: str
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares from columns by a plan: values, influence scores, replicates and bootstraps."""

    data: Columns
    plan: Plan
    told: Told

    @cached_property
    def recipe(self) -> Recipe:
        return Relative(self.plan.recipe) if self.told.relative else self.plan.recipe

    @cached_property
    def values(self) -> np.ndarray:
        found = self.recipe.values(self.data.cov[None])[0]
        if not np.isfinite(found).all():
            raise CxError(
                "the predictors explain nothing: there is nothing to divide", want="relative=False"
            )
        return found

    @cached_property
    def scores(self) -> np.ndarray:
        return self.data.scores(self.recipe)

    @cached_property
    def shifts(self) -> np.ndarray:
        """Each replicate's shares less the shares, shape (R, K)."""
        return self.moved(self.data.replicated(self.data.survey.design.replicates))

    def moved(self, covs: np.ndarray) -> np.ndarray:
        """Shares of covariance matrices less our own, NaN where a matrix has no shares."""
        good = np.isfinite(covs).all(axis=(1, 2))
        out = np.full((len(covs), len(self.plan.terms)), np.nan)
        both = np.concatenate([self.data.cov[None], self.data.cov[None], covs[good]])
        found = self.recipe.values(both)
        out[good] = found[2:] - found[0]
        return out

    def ranking(self, bootstrap: int, seed: int) -> Ranking:
        shifts = None
        if bootstrap:
            shifts = self.moved(self.data.bootstrapped(bootstrap, seed))
        made = (self._one(place, shifts) for place in range(len(self.plan.terms)))
        told = self.told
        return Ranking(name=told.name, estimates=tuple(made), claim=told.claim, by="driver")

    def _one(self, place: int, shifts: np.ndarray | None) -> Estimate:
        told, data, plan = self.told, self.data, self.plan
        value = float(self.values[place])
        about = {
            "n": data.n,
            "unit": "share" if told.relative else "R²",
            "level": told.level,
            "n_excluded": len(data.survey) - data.n,
            "kind": "driver",
            "name": told.name,
            "claim": told.claim,
            "question": data.outcome,
            "term": plan.terms[place],
            "cautions": plan.cautions + data.cautions + data.sign(plan.terms[place]),
        }
        lowest = -math.inf if told.method == "pratt" else 0.0
        words = (
            f"{plan.words} = {self.total:.4g}" if plan.words.startswith("Shapley") else plan.words
        )

        def make() -> np.ndarray:
            return self.scores[:, place]

        def remake() -> np.ndarray:
            return self.shifts[:, place]

        if shifts is None:
            words += ", linearised variance, t interval"
            ways = {"df": data.df, "remake": remake, "method": words}
            one = linear_estimate(data.survey, value, make, **ways, **about)
            return replace(one, low=max(one.low, min(lowest, value)))
        own = shifts[np.isfinite(shifts[:, place]), place]
        about |= percentiles(value, own, len(shifts), told.level, about["cautions"])
        return Estimate(
            **about,
            value=value,
            df=data.df,
            method=f"{words}, {len(shifts):,} Rao–Wu bootstraps of primary units, percentiles",
            source=data.survey.source,
            origin=data.survey.origin,
            linear=Linear(data.survey, make, data.df, remake),
        )

    @cached_property
    def total(self) -> float:
        """R², of which the shares are."""
        return float(self.plan.recipe.values(self.data.cov[None])[0].sum())


def percentiles(
    value: float, moved: np.ndarray, number: int, level: float, cautions: tuple[str, ...]
) -> dict[str, Any]:
    """Interval, standard error and cautions from bootstrapped values less the value.

    The interval is made to hold the value: shares cannot fall under 0, so that the bootstraps of
    one near 0 all lie above it.
    """
    if not 0 < level < 1:
        raise CxError("a confidence level lies between 0 and 1", got=level, want="such as 0.95")
    if len(moved) < 2:
        raise CxError("no bootstrap has any shares", got=f"{number:,} without", do="bootstrap=0")
    low, high = value + np.quantile(moved, [0.5 - level / 2, 0.5 + level / 2])
    lost = number - len(moved)
    told = (f"{lost:,} of {number:,} bootstraps have no shares: left out",) * (lost > 0)
    few = ("under 100 bootstraps: the ends of the interval are rough",) * (number < 100)
    return {
        "low": float(min(low, value)),
        "high": float(max(high, value)),
        "se": float(moved.std(ddof=1)),
        "cautions": cautions + told + few,
    }
