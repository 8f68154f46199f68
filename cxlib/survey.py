"""One immutable survey: the data, the codebook, the design, and the part of it that is looked at.

``where()`` marks a subgroup and keeps every row, so that strata and clusters without a member in
the subgroup still count in the variance (domain estimation). Nothing here changes a survey; every
step returns a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .codebook import Codebook
from .errors import CxError, unknown
from .result import Origin
from .survey_codes import (
    code_text,
    coded,
    factorize,
    numbered,
    numeric,
    order_of,
    plain_column,
    renumber,
)

LONELY = ("error", "certainty", "average", "adjust")


@dataclass(frozen=True)
class Design:
    """How the respondents came into the sample: names of columns.

    Attributes
    ----------
    weights : str
        Column of sampling weights, ``""`` for none (equal weights, or weights implied by fpc).
    strata, clusters, fpc : tuple of str
        One column a stage; the first is the primary stage. ``fpc`` holds population sizes (> 1) or
        sampling fractions (≤ 1).
    lonely : str
        What a stratum with a single primary unit contributes: ``"error"`` (refuse), ``"certainty"``
        (nothing), ``"average"`` (the mean of the others), ``"adjust"`` (its distance from the grand
        mean).
    calibration, replicates
        What :mod:`cxlib.weighting` and :mod:`cxlib.replicates` know of the weights, or None.
    """

    weights: str = ""
    strata: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    fpc: tuple[str, ...] = ()
    lonely: str = "error"
    calibration: Any = None
    replicates: Any = None

    @property
    def plain(self) -> bool:
        """Whether no weights, strata, clusters or population sizes are declared."""
        return not (self.weights or self.strata or self.clusters or self.fpc or self.replicates)

    @property
    def linear(self) -> bool:
        """Whether the variance is that between primary units, of the scores as they stand."""
        known = self.calibration is not None and self.calibration.projects
        return self.replicates is None and not known

    def text(self) -> str:
        """The design in words, for the page."""
        kinds = ("weights", "strata", "clusters", "finite population")
        names = ((self.weights,) * bool(self.weights), self.strata, self.clusters, self.fpc)
        parts = [f"{kind} {', '.join(n)}" for kind, n in zip(kinds, names, strict=True) if n]
        parts += [] if self.calibration is None else self.calibration.words
        parts += [] if self.replicates is None else [self.replicates.text()]
        return "; ".join(parts) or "no weights, strata or clusters declared: simple random sample"


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of selection as arrays over rows and strata.

    Attributes
    ----------
    stratum : int array, shape (rows,)
    unit : int array, shape (rows,), numbered over all strata from 0
    unit_stratum : int array, shape (units,)
    units : int array, shape (strata,): how many units the stratum has in the sample
    fraction : float array, shape (strata,): sampled share of the stratum's units, 0 where unknown
    names : stratum labels, for messages
    """

    stratum: np.ndarray
    unit: np.ndarray
    unit_stratum: np.ndarray
    units: np.ndarray
    fraction: np.ndarray
    names: tuple[str, ...]

    @property
    def element_units(self) -> bool:
        """Whether every row is a unit of its own."""
        return len(self.unit_stratum) == len(self.unit)


@dataclass(frozen=True, eq=False)
class Survey:
    """Data, codebook and design. Make one with :func:`cxlib.read_survey`.

    Attributes
    ----------
    frame : pandas.DataFrame
        All rows as read; codes as exported. Do not change it.
    codebook, design, origin
        What the questions are, how the sample was drawn, where results will say they come from.
    source : str
        File name and the first half of its sha256.
    mask : bool array or None
        The rows that are looked at; all where None.
    account : tuple of (reason, count)
        Rows left out while reading.
    """

    frame: pd.DataFrame
    codebook: Codebook = field(default_factory=Codebook)
    design: Design = field(default_factory=Design)
    origin: Origin = field(default_factory=Origin)
    source: str = ""
    mask: np.ndarray | None = None
    account: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not len(self.frame):
            raise CxError("the survey has no rows", got=self.source, want="at least one respondent")
        doubled = self.frame.columns[self.frame.columns.duplicated()]
        if len(doubled):
            raise CxError(
                "two columns have the same name",
                got=", ".join(sorted(map(str, set(doubled)))),
                want="one name a column",
                do="rename one of them in the file",
            )
        if self.design.lonely not in LONELY:
            raise unknown("rule for lonely strata", self.design.lonely, LONELY)
        _check_stages(self.design)
        for name in (*self.design.strata, *self.design.clusters, *self.design.fpc):
            self._column(name, "design column")
        if self.design.weights:
            self._column(self.design.weights, "weight column")
            _ = self.weights

    def __repr__(self) -> str:
        part = "" if self.mask is None else f", {int(self.mask.sum()):,} looked at"
        return f"Survey({len(self.frame):,} rows{part}, {len(self.frame.columns)} columns)"

    def __len__(self) -> int:
        """Respondents that are looked at."""
        return len(self.frame) if self.mask is None else int(self.mask.sum())

    def __contains__(self, question: object) -> bool:
        return question in self.frame.columns

    # -- parts ---------------------------------------------------------------------------------

    def where(self, **conditions: Any) -> Survey:
        """The same survey looking only at some respondents, with the whole design kept.

        Parameters
        ----------
        **conditions
            ``column=value`` or ``column=[values]``.

        Raises
        ------
        CxError
            The column is unknown, or nobody is left.

        Examples
        --------
        >>> s = Survey(pd.DataFrame({"sector": [1, 1, 2], "nps": [9, 6, 10]}))
        >>> len(s.where(sector=1)), len(s.where(sector=1).frame)
        (2, 3)
        """
        mask = self.looked_at
        words = []
        for name, wanted in conditions.items():
            column = self._column(name, "column")
            many = isinstance(wanted, (list, tuple, set, frozenset, np.ndarray, pd.Series))
            codes = list(wanted) if many else [wanted]
            hit = matches(column, codes, name)
            mask = mask & hit
            words.append(f"{name}={','.join(str(code) for code in codes)}")
        label = ", ".join(words)
        if not mask.any():
            raise CxError(
                "the segment has no members",
                got=label,
                want="a value that occurs, e.g. " + self._occurring(conditions),
                do="check the value, or leave the segment out",
            )
        before = "" if self.origin.segment == "all" else f"{self.origin.segment}, "
        origin = replace(self.origin, segment=before + label) if label else self.origin
        return replace(self, mask=mask, origin=origin)

    def segments(self, by: str) -> dict[str, np.ndarray]:
        """Label → rows (bool array) for each answer to ``by`` among those looked at, in order."""
        place, labels = self.numbered(by)
        return {label: place == number for number, label in enumerate(labels)}

    def numbered(self, by: str) -> tuple[np.ndarray, tuple[str, ...]]:
        """The number of each row's segment (−1 for none, or not looked at), and their labels."""
        column = self.answers(by)
        part, labels = numbered(column[self.looked_at], self.codebook.get(by))
        if self.mask is None:
            return part, labels
        place = np.full(len(column), -1)
        place[self.mask] = part
        return place, labels

    def codes(self, by: str) -> tuple[str, ...]:
        """The answers to ``by`` that occur among those looked at, as text, in order."""
        present = self.answers(by)[self.looked_at].dropna().unique()
        return tuple(code_text(code) for code in sorted(present, key=order_of))

    def unanswered(self, questions: Iterable[str]) -> tuple[str, ...]:
        """Those of the questions that this survey did not ask (or where nobody answered)."""
        return tuple(name for name in questions if name not in self or not self.valid(name).any())

    # -- answers -------------------------------------------------------------------------------

    def answers(self, question: str, *, keep: Iterable[str] = ()) -> pd.Series:
        """The answers as they stand, missing codes turned to NaN.

        ``keep`` names missing reasons that stay (``"dk"``), for bases that include them.
        """
        column = plain_column(self._column(question, "question"))
        kept = set(keep)
        missing = self.codebook.get(question).missing
        return column.mask(
            coded(column, [code for code, why in missing.items() if why not in kept])
        )

    def numbers(self, question: str) -> np.ndarray:
        """The answers as floats, NaN where there is none; shape (rows,).

        Raises
        ------
        CxError
            The question is unknown, or holds text, or an infinity.
        """
        column = self.answers(question)
        if column.dtype.kind in "mMc" or isinstance(column.dtype, pd.PeriodDtype):
            raise CxError(
                f"{question!r} holds dates or times where numbers belong",
                got=str(column.dtype),
                want="numbers",
                do="export it as a number, such as seconds or days",
            )
        if numeric(column):
            values = column.to_numpy(dtype=float, na_value=np.nan)
        else:
            values = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=float)
            bad = column[np.isnan(values) & column.notna().to_numpy()]
            if len(bad):
                shown = ", ".join(repr(text) for text in list(dict.fromkeys(bad.astype(str)))[:3])
                raise CxError(
                    f"{question!r} holds text where numbers belong",
                    got=f"{len(bad):,} of {len(column):,} cells, e.g. {shown[:120]}",
                    want="numbers, with a point before decimals",
                    do="recode the answers in the study file, or mend the export",
                )
        if np.isinf(values).any():
            raise CxError(f"{question!r} holds an infinity", got="inf", want="finite numbers")
        return values

    def valid(self, question: str) -> np.ndarray:
        """Who is looked at and gave a valid answer; bool, shape (rows,)."""
        return self.answers(question).notna().to_numpy() & self.looked_at

    def reasons(self, question: str) -> dict[str, int]:
        """How many of those looked at gave no answer, by reason."""
        column = plain_column(self._column(question, "question"))[self.looked_at]
        found: dict[str, int] = {}
        for code, why in self.codebook.get(question).missing.items():
            found[why] = found.get(why, 0) + int(coded(column, [code]).sum())
        found["not_shown"] = found.get("not_shown", 0) + int(column.isna().sum())
        return {why: count for why, count in found.items() if count}

    # -- design --------------------------------------------------------------------------------

    @cached_property
    def looked_at(self) -> np.ndarray:
        """The rows that are looked at; bool, shape (rows,)."""
        return np.ones(len(self.frame), bool) if self.mask is None else self.mask

    @cached_property
    def weights(self) -> np.ndarray:
        """Sampling weights, shape (rows,): the column, or implied by fpc, or ones."""
        name = self.design.weights
        if not name:
            return self._implied_weights()
        values = self.numbers(name)
        if not (values.min() >= 0 and values.max() > 0):
            self._refuse_weights(name, values)
        return values

    def _refuse_weights(self, name: str, values: np.ndarray) -> None:
        faults = (
            (int(np.isnan(values).sum()), "missing"),
            (int((values < 0).sum()), "negative"),
            (len(values), "zero"),
        )
        count, fault = next(found for found in faults if found[0])
        raise CxError(
            f"the weights in {name!r} are {'all ' if fault == 'zero' else ''}{fault}",
            got=f"{count:,} of {len(values):,} weights {fault}",
            want="a weight of 0 or more for every respondent, not all of them 0",
            do="mend the column, or leave weights out of the study file",
        )

    def _implied_weights(self) -> np.ndarray:
        weights = np.ones(len(self.frame))
        for stage in self.stages:
            fraction = stage.fraction[stage.stratum]
            weights = np.where(fraction > 0, weights / np.where(fraction > 0, fraction, 1), weights)
        return weights

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of selection, the primary one first; later ones only where fpc covers them."""
        design = self.design
        depth = max(1, min(len(design.clusters) or 1, max(1, len(design.fpc))))
        parent = np.zeros(len(self.frame), dtype=np.int64)
        stages = []
        for level in range(depth):
            stage = self._stage(level, parent)
            stages.append(stage)
            parent = stage.unit
        return tuple(stages)

    def _stage(self, level: int, parent: np.ndarray) -> Stage:
        design = self.design
        stratum, labels, size = parent, ("all",), int(parent.max()) + 1
        if level < len(design.strata):
            own, names = self._codes(design.strata[level])
            stratum, size = parent * len(names) + own, size * len(names)
            labels = tuple(map(str, names)) if level == 0 else labels
        stratum, present = renumber(stratum, size)
        count = len(present)
        if level < len(design.clusters):
            own, names = self._codes(design.clusters[level])
            unit, present = renumber(stratum * len(names) + own, count * len(names))
            unit_stratum = present // len(names)
        else:
            unit, unit_stratum = np.arange(len(stratum)), stratum
        units = np.bincount(unit_stratum, minlength=count)
        fraction = np.zeros(count)
        if level < len(design.fpc):
            fraction = self._fraction(design.fpc[level], stratum, units)
        names = labels if len(labels) == count else tuple(str(code) for code in range(count))
        return Stage(stratum, unit, unit_stratum, units, fraction, names)

    def _fraction(self, name: str, stratum: np.ndarray, units: np.ndarray) -> np.ndarray:
        values = self.numbers(name)
        if np.isnan(values).any() or (values <= 0).any():
            raise CxError(
                f"the population sizes in {name!r} are not all positive numbers",
                got=f"{int((~(values > 0)).sum()):,} of {len(values):,} missing, 0 or negative",
                want="population sizes, or sampling fractions up to 1",
            )
        size = np.zeros(len(units))
        size[stratum] = values
        if not np.allclose(size[stratum], values):
            raise CxError(
                f"the population size in {name!r} changes within a stratum",
                got=f"{len(np.unique(values)):,} sizes in {len(size):,} strata",
                want="one size a stratum (or a cluster, at a later stage)",
            )
        fraction = np.where(size <= 1, size, units / np.where(size > 0, size, 1))
        if (fraction > 1 + 1e-9).any():
            raise CxError(
                f"a population size in {name!r} is smaller than the sample",
                got=f"{int((fraction > 1).sum())} strata with more units than the population",
                want="population sizes, not sample sizes",
            )
        return np.minimum(fraction, 1.0)

    @cached_property
    def df(self) -> float:
        """Degrees of freedom of the whole design: see :meth:`df_of`."""
        return self.df_of(np.ones(len(self.frame), bool))

    def df_of(self, rows: np.ndarray) -> float:
        """Primary units less strata, of these rows that carry weight; or rank of replicates − 1."""
        stage = self.stages[0]
        carried = rows & (self.weights > 0)
        if carried.all():
            df = float(len(stage.unit_stratum) - len(stage.units))
        else:
            units = np.count_nonzero(np.bincount(stage.unit[carried]))
            df = float(units - np.count_nonzero(np.bincount(stage.stratum[carried])))
        made = self.design.replicates
        return df if made is None else made.df_of(carried, df)

    # -- columns -------------------------------------------------------------------------------

    def _column(self, name: str, kind: str) -> pd.Series:
        try:
            return self.frame[name]
        except KeyError:
            raise unknown(kind, name, self.frame.columns) from None

    def _codes(self, name: str) -> tuple[np.ndarray, Sequence[Any]]:
        codes, names = factorize(self._column(name, "design column"))
        if codes.min() < 0:
            raise CxError(
                f"the design column {name!r} has gaps",
                got=f"{int((codes < 0).sum()):,} rows without a value",
                want="a stratum and a cluster for every respondent",
                do="fill the gaps, or give those rows a stratum of their own",
            )
        return codes, names

    def _occurring(self, conditions: Mapping[str, Any]) -> str:
        parts = []
        for name in conditions:
            values = sorted(self._column(name, "column").dropna().unique(), key=order_of)[:6]
            parts.append(f"{name} = {', '.join(code_text(value) for value in values)}")
        return "; ".join(parts)


def _check_stages(design: Design) -> None:
    """Every stage that is named must be used: none is dropped without a word."""
    stages = max(1, len(design.clusters))
    for kind, names, cure in (
        ("strata", design.strata, "cross several stratifiers into one column"),
        ("fpc", design.fpc, "name the clusters of the stage before the last population size too"),
    ):
        if len(names) > stages:
            raise CxError(
                f"the design names more {kind} than stages",
                got=f"{len(names)} ({', '.join(names)}) for {stages} stage(s)",
                want="at most one a stage",
                do=cure,
            )


def need_survey(data: object) -> None:
    """A clear error where something else stands in a survey's place."""
    if not isinstance(data, Survey):
        raise CxError(
            "this is not a survey",
            got=type(data).__name__,
            want="a Survey",
            do="make one with cx.read_survey(…)",
        )


def matches(column: pd.Series, codes: list[Any], name: str) -> np.ndarray:
    """Where a column equals one of the codes: as numbers in a column of numbers, else as text.

    Raises
    ------
    CxError
        A code is text and the column holds numbers.
    """
    if not numeric(column):
        wanted = {code_text(code) for code in codes}
        return column.map(code_text, na_action="ignore").isin(wanted).to_numpy(dtype=bool)
    values = column.to_numpy(dtype=float, na_value=np.nan)
    hit = np.zeros(len(column), bool)
    for code in codes:
        try:
            hit |= values == float(code)
        except (TypeError, ValueError):
            raise CxError(
                f"{name!r} holds numbers",
                got=repr(code),
                want=f"a number, e.g. {code_text(column.dropna().iloc[0])}"
                if column.notna().any()
                else "a number",
                do="use the answer's code, not its label",
            ) from None
    return hit
