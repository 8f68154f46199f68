"""Times and events of a survey as arrays, and the processes that jump at the event times.

Everything in the rooms of :mod:`cxlib.survival` is built from two things: weighted counts at the
unique event times (:class:`Risk`), and, for variances, the sum that each respondent's own jumps
make up (:class:`Jumps`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .errors import CxError
from .survey import Survey, matches
from .survey_codes import label_of
from .tables import answered

#: More groups than this are no groups.
MANY_GROUPS = 500


@dataclass(frozen=True, eq=False)
class Times:
    """Who is followed, from when to when, and whether the event was seen.

    Attributes
    ----------
    survey : Survey
    rows : int array, shape (n,): places in the survey's frame
    entry : float array, shape (n,), or None: followed after this time
    exit : float array, shape (n,)
    event : bool array, shape (n,)
    weight : float array, shape (n,), all positive
    duration : str
    """

    survey: Survey
    rows: np.ndarray
    entry: np.ndarray | None
    exit: np.ndarray
    event: np.ndarray
    weight: np.ndarray
    duration: str

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def unit(self) -> str:
        """The unit of the times, as the codebook says."""
        return self.survey.codebook.get(self.duration).unit

    def part(self, inside: np.ndarray) -> Times:
        """Some of the rows."""
        entry = None if self.entry is None else self.entry[inside]
        return Times(
            self.survey,
            self.rows[inside],
            entry,
            self.exit[inside],
            self.event[inside],
            self.weight[inside],
            self.duration,
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of these rows over all rows of the survey, 0 elsewhere."""
        out = np.zeros((len(self.survey.frame), *values.shape[1:]))
        out[self.rows] = values
        return out

    def at(self, time: float) -> str:
        """``"12 months"``."""
        return f"{time:.10g}{' ' + self.unit if self.unit else ''}"


def read_times(
    survey: Survey,
    duration: str,
    event: str,
    *,
    entry: str | None = None,
    equals: Any = None,
    also: Sequence[str] = (),
) -> Times:
    """The rows with all answers and weight; ``also`` names questions that must be answered too.

    Raises
    ------
    CxError
        Unknown question; text where numbers belong; a time below 0; an entry at or after the exit;
        events that are not 0 and 1, without ``equals``; nobody answered.
    """
    asked = [duration, event, *([entry] if entry else []), *also]
    valid = answered(survey, asked)
    rows = np.flatnonzero(valid)
    stop = survey.numbers(duration)[rows]
    start = None if entry is None else survey.numbers(entry)[rows]
    for name, values in ((duration, stop), (entry, start)):
        if values is not None and (values < 0).any():
            raise CxError(
                f"{name!r} holds times below 0",
                got=f"{int((values < 0).sum()):,} of {len(values):,}, e.g. {values.min():g}",
                want="times since the start, 0 or more",
                do="mend the column, or leave those rows out",
            )
    if start is not None and (start >= stop).any():
        raise CxError(
            f"{entry!r} is not before {duration!r} everywhere",
            got=f"{int((start >= stop).sum()):,} of {len(stop):,} rows",
            want="an entry before the exit: nobody is followed for no time",
            do="leave those rows out; both count from the same start",
        )
    hit = _events(survey, event, valid, equals)[rows]
    return Times(survey, rows, start, stop, hit, survey.weights[rows], duration)


def _events(survey: Survey, event: str, valid: np.ndarray, equals: Any) -> np.ndarray:
    """Where the event was seen; bool over all rows."""
    if equals is not None:
        many = isinstance(equals, (list, tuple, set, frozenset, np.ndarray, range))
        return matches(survey.answers(event), list(equals) if many else [equals], event)
    values = survey.numbers(event)
    odd = np.unique(values[valid & ~np.isin(values, (0, 1))])
    if len(odd):
        raise CxError(
            f"{event!r} does not say whether the event was seen",
            got=f"answers {', '.join(f'{code:g}' for code in odd[:5])}",
            want="0 (still a customer when last seen) and 1 (left)",
            do="give the code that means the event as equals=",
        )
    return values == 1


def groups(survey: Survey, by: str, rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes 0, 1, … of these rows and their labels, in order; rows must have an answer."""
    column = survey.answers(by).iloc[rows]
    try:
        code, values = pd.factorize(column)
    except TypeError:
        raise CxError(f"{by!r} holds lists, not answers", want="one value a cell") from None
    if len(values) > MANY_GROUPS:
        raise CxError(
            f"too many different answers to {by!r}",
            got=f"{len(values):,}",
            want=f"at most {MANY_GROUPS}",
            do="cut the numbers into bands, or merge answers in the study file",
        )
    try:
        order = sorted(range(len(values)), key=lambda i: values[i])
    except TypeError:
        order = sorted(range(len(values)), key=lambda i: (str(type(values[i])), str(values[i])))
    place = np.empty(len(values), np.int64)
    place[order] = np.arange(len(values))
    question = survey.codebook.get(by)
    labels = tuple(label_of(question, values[i]).strip() or "(empty)" for i in order)
    return place[code], labels


def grid(stop: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The unique event times, in order, and how many of them each row's exit has reached."""
    code, values = pd.factorize(stop)
    order = np.argsort(values)
    seen = np.bincount(code[event], minlength=len(values))[order] > 0
    reached = np.empty(len(values), np.int64)
    reached[order] = np.cumsum(seen)
    return values[order][seen], reached[code]


@dataclass(frozen=True, eq=False)
class Risk:
    """Weighted counts at the K unique event times of one group.

    Attributes
    ----------
    time : float array, shape (K,)
    at_risk, events : float arrays, shape (K,): weighted
    count : int array, shape (K,): people at risk, unweighted
    high : int array, shape (n,): how many event times a row's exit has reached; an event of its own
        is the last of them
    low : int array, shape (n,), or None: how many event times had passed at a row's entry
    last : float: the last time at which anybody was followed
    """

    told: Times
    time: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    count: np.ndarray
    high: np.ndarray
    low: np.ndarray | None
    last: float

    @property
    def hazard(self) -> np.ndarray:
        """Events over those at risk, at each event time."""
        return self.events / self.at_risk

    def count_at(self, time: float) -> int:
        """People followed just before a time, unweighted."""
        inside = self.told.exit >= time
        if self.told.entry is not None:
            inside &= self.told.entry < time
        return int(inside.sum())


def risk_table(told: Times) -> Risk:
    """The counts of one group."""
    time, high = grid(told.exit, told.event)
    k = len(time)
    low = None if told.entry is None else np.searchsorted(time, told.entry, "right")
    at_risk = _at_risk(high, low, told.weight, k)
    count = _at_risk(high, low, None, k).astype(np.int64)
    hit = told.event
    events = np.bincount(high[hit] - 1, told.weight[hit], k)
    last = float(told.exit.max())
    # sums that differ by rounding only are the same: where all who are at risk leave
    whole = np.bincount(high[hit] - 1, minlength=k) == count
    return Risk(told, time, np.where(whole, events, at_risk), events, count, high, low, last)


def _at_risk(
    high: np.ndarray, low: np.ndarray | None, weight: np.ndarray | None, k: int
) -> np.ndarray:
    """Sums over the rows with low ≤ j < high, for each event time j."""
    change = np.bincount(high, weight, k + 1)
    if low is not None:
        change = change - np.bincount(low, weight, k + 1)
    return np.cumsum(change[::-1])[::-1][1:]


@dataclass(frozen=True, eq=False)
class Jumps:
    """For each row Z(t) = own·[its event ≤ t] − Σ of ``rate`` over the event times ≤ t at risk.

    ``own`` and ``rate`` have shape (K,), or ``own`` (n,) where it differs between rows at one time.
    """

    risk: Risk
    own: np.ndarray
    rate: np.ndarray

    def upto(self, k: int) -> np.ndarray:
        """Z after the first k event times, shape (n,), unweighted."""
        risk = self.risk
        passed = np.concatenate([[0.0], np.cumsum(self.rate)])
        z = -passed[np.minimum(risk.high, k)]
        if risk.low is not None:
            z += passed[np.minimum(risk.low, k)]
        done = risk.told.event & (risk.high <= k)
        own = self.own[done] if len(self.own) == len(z) else self.own[risk.high[done] - 1]
        z[done] += own
        return z
