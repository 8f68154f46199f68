"""From questions to columns for :mod:`cxlib.drivers`: who counts, what stands in the columns, and
what a change of the weights does to shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .drivers_game import Recipe
from .errors import CxError, unknown
from .regression_model import variable
from .replicates import make_replicates
from .replicates_draw import Replicates
from .survey import Survey

#: Products of columns are made for this many numbers at a time.
CHUNK = 20_000_000


@dataclass(frozen=True, eq=False)
class Columns:
    """Predictors and outcome as standardised columns over the rows used, the outcome last.

    Attributes
    ----------
    rows : bool array over the survey's rows: those with weight and all answers
    z : float array, shape (n, m), weighted mean 0 and standard deviation 1
    w : float array, shape (n,), adding up to 1
    blocks : mapping of predictor to its columns: one, or several for levels and "not applicable"
    controls : columns that stand in every model
    df : float
        Degrees of freedom of the design among all who answered.
    """

    survey: Survey
    outcome: str
    rows: np.ndarray
    z: np.ndarray
    w: np.ndarray
    blocks: Mapping[str, tuple[int, ...]]
    controls: tuple[int, ...]
    df: float
    cautions: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return len(self.z)

    @cached_property
    def cov(self) -> np.ndarray:
        """The weighted correlation matrix, the outcome last, shape (m, m)."""
        return self.z.T @ (self.w[:, None] * self.z)

    def sign(self, term: str) -> tuple[str, ...]:
        """A caution where a predictor of one column goes with less of the outcome."""
        own = self.blocks.get(term, ())
        down = len(own) == 1 and bool(self.cov[own[0], -1] < 0)
        return (f"{term!r} goes with a lower {self.outcome!r}: a share has no sign",) * down

    def scores(self, recipe: Recipe) -> np.ndarray:
        """Weighted influence values of shares over all rows, 0 outside: (rows of survey, K)."""
        slope = recipe.gradient(self.cov)
        middle = np.einsum("kij,ij->k", slope, self.cov)
        out = np.empty((self.n, len(slope)))
        for start in range(0, self.n, 4096):
            part = np.ascontiguousarray(self.z[start : start + 4096].T)
            for k, own in enumerate(slope):
                forms = np.einsum("mn,mn->n", own @ part, part)
                out[start : start + 4096, k] = forms - middle[k]
        return self.spread(self.w[:, None] * out)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the rows used over all rows of the survey, 0 elsewhere."""
        out = np.zeros((len(self.rows), *values.shape[1:]))
        out[self.rows] = values
        return out

    def replicated(self, made: Replicates) -> np.ndarray:
        """The covariance matrix in each replicate, shape (R, m, m); NaN where it has nobody."""
        m = self.z.shape[1]
        first, second = np.triu_indices(m)
        plain = made.totals(self.spread(np.column_stack([np.ones(self.n), self.z])))
        mass = np.where(plain[:, 0] > 0, plain[:, 0], np.nan)
        means = plain[:, 1:] / mass[:, None]
        out = np.empty((made.number, m, m))
        step = max(1, CHUNK // len(self.rows))
        for start in range(0, len(first), step):
            i, j = first[start : start + step], second[start : start + step]
            both = made.totals(self.spread(self.z[:, i] * self.z[:, j])) / mass[:, None]
            out[:, i, j] = out[:, j, i] = both - means[:, i] * means[:, j]
        return out

    def bootstrapped(self, number: int, seed: int) -> np.ndarray:
        """Covariance matrices under Rao and Wu's bootstrap of primary units, shape (R, m, m)."""
        survey = self.survey
        if survey.design.replicates is not None:
            survey = replace(survey, design=replace(survey.design, replicates=None))
        made = make_replicates(survey, "bootstrap", replicates=number, seed=seed)
        return self.replicated(made.design.replicates)


def columns(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    categorical: Collection[str] = (),
    not_applicable: Collection[str] = (),
    controls: Sequence[str] = (),
) -> Columns:
    """The columns, checked.

    Raises
    ------
    CxError
        An unknown, doubled or constant predictor; nobody answered all; too few respondents.
    """
    listed = predictors(survey, outcome, (*among, *controls))
    for kind, names in (("categorical", categorical), ("not applicable", not_applicable)):
        for name in names:
            if name not in listed:
                raise unknown(f"{kind} predictor", name, listed)
    y = survey.numbers(outcome)
    skipped = {name: outside(survey, name) for name in not_applicable}
    everywhere = np.isfinite(y) & (survey.weights > 0)
    for name in listed:
        own = survey.answers(name).notna().to_numpy()
        everywhere &= own | skipped[name] if name in skipped else own
    rows = everywhere & survey.looked_at
    if not rows.any():
        raise CxError(
            "nobody answered the outcome and all predictors",
            got=f"{outcome}, {', '.join(listed)}; {len(survey):,} respondents",
            want="respondents with an answer to each",
            do="leave out the predictor that few were asked, or name it in not_applicable=",
        )
    parts = [block(survey, name, rows, name in categorical, skipped.get(name)) for name in listed]
    w = survey.weights[rows] / survey.weights[rows].max()
    w = w / w.sum()
    raw = np.column_stack([*parts, y[rows]])
    z = standardised(raw, w, [n for n, p in zip(listed, parts, strict=True) for _ in p.T], outcome)
    ends = np.cumsum([0, *(part.shape[1] for part in parts)])
    places = {name: tuple(range(ends[i], ends[i + 1])) for i, name in enumerate(listed)}
    inside = {name: places[name] for name in among}
    always = tuple(c for name in controls for c in places[name])
    cautions = _told(survey, among, not_applicable, skipped)
    df = survey.df_of(everywhere)
    return Columns(survey, outcome, rows, z, w, inside, always, df, cautions)


def predictors(survey: Survey, outcome: str, among: Sequence[str]) -> list[str]:
    """The predictors' names, checked against the survey, the outcome and each other."""
    listed = list(among)
    for name in (outcome, *listed):
        if name not in survey:
            raise unknown("question", name, survey.frame.columns)
    if not listed:
        raise CxError("no predictors", want="the questions that may drive the outcome")
    if outcome in listed:
        raise CxError(f"{outcome!r} cannot drive itself", do="take it out of the predictors")
    doubled = sorted({name for name in listed if listed.count(name) > 1})
    if doubled:
        raise CxError(f"the predictor {doubled[0]!r} stands twice", do="name it once")
    return listed


def outside(survey: Survey, question: str) -> np.ndarray:
    """To whom a question did not apply: code "na", or blank where the codebook knows no such code.

    Bool over all rows.
    """
    known = survey.codebook.get(question).missing
    if "na" not in known.values():
        return survey.answers(question).isna().to_numpy()
    kept = survey.answers(question, keep=("na",)).notna().to_numpy()
    return kept & survey.answers(question).isna().to_numpy()


def block(
    survey: Survey, name: str, rows: np.ndarray, as_levels: bool, skipped: np.ndarray | None
) -> np.ndarray:
    """A predictor's columns over the rows: numbers, levels, or indicator and centred score.

    Where it does not apply to some, its columns are the indicator of those to whom it does and,
    times it, the score less its mean among them.
    """
    if skipped is None or not (skipped & rows).any():
        return variable(survey, name, rows, None, as_levels).block().astype(float)
    asked = ~skipped & rows
    if not asked.any():
        raise CxError(f"{name!r} applies to nobody", got=f"{int(rows.sum()):,} respondents")
    own = variable(survey, name, asked, None, as_levels).block().astype(float)
    weights = survey.weights[asked]
    full = np.zeros((len(rows), own.shape[1]))
    full[asked] = own - weights @ own / weights.sum()
    return np.column_stack([asked.astype(float), full])[rows]


def standardised(raw: np.ndarray, w: np.ndarray, names: Sequence[str], outcome: str) -> np.ndarray:
    """Columns of weighted mean 0 and standard deviation 1.

    Raises
    ------
    CxError
        A column that does not vary or is of no ordinary size; too few rows for the columns.
    """
    n, m = raw.shape
    if n < m + 1:
        raise CxError(
            "too few respondents for so many predictors",
            got=f"{n:,} with all answers, {m - 1} columns of predictors",
            want=f"at least {m + 1}, better many times that",
            do="leave predictors out, or widen the segment",
        )
    size = np.abs(raw).max(axis=0)
    labels = [*names, outcome]
    if (size > 1e100).any():
        raise CxError(f"{labels[int(np.argmax(size))]!r} holds numbers too large to work with")
    scaled = raw / np.where(size > 0, size, 1.0)
    centred = scaled - w @ scaled
    centred -= w @ centred
    sd = np.sqrt(w @ centred**2)
    flat = np.flatnonzero(sd <= 1e-12)
    if len(flat):
        name = labels[int(flat[0])]
        what = "the outcome" if flat[0] == m - 1 else "the predictor"
        raise CxError(
            f"{what} {name!r} does not vary",
            got="one value for everybody",
            want="at least two values among those who answered everything",
            do="leave it out, or widen the segment",
        )
    return centred / sd


def _told(
    survey: Survey, among: Sequence[str], kept: Collection[str], skipped: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """Cautions on answers that say "not applicable"."""
    out = []
    for name in among:
        if name in kept:
            count = int((skipped[name] & survey.looked_at).sum())
            if count:
                out.append(f"{name!r} does not apply to {count:,}: indicator × centred score")
        elif "na" not in survey.codebook.get(name).missing.values():
            continue
        elif count := survey.reasons(name).get("na", 0):
            out.append(
                f"{count:,} to whom {name!r} does not apply are left out "
                "(not_applicable= keeps them)"
            )
    return tuple(out)


def groups_of(
    among: Sequence[str], groups: Mapping[str, Sequence[str]] | Sequence[Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    """Group → members: the groups given, then every other predictor as a group of its own."""
    if groups is None:
        return {name: (name,) for name in among}
    named: Mapping[str, Any] = groups
    if not isinstance(groups, Mapping):
        named = {f"G{i}": members for i, members in enumerate(groups, start=1)}
    found = {
        str(name): (members,) if isinstance(members, str) else tuple(members)
        for name, members in named.items()
    }
    seen: set[str] = set()
    for name, members in found.items():
        if not members:
            raise CxError(f"the group {name!r} is empty", want="at least one predictor")
        for member in members:
            if member not in among:
                raise unknown(f"predictor in the group {name!r}", member, among)
            if member in seen:
                raise CxError(f"the predictor {member!r} stands in two groups", do="choose one")
            seen.add(member)
    alone = {name: (name,) for name in among if name not in seen}
    if both := sorted(alone.keys() & found.keys()):
        raise CxError(f"{both[0]!r} is a group and a predictor outside it", do="rename the group")
    return found | alone
