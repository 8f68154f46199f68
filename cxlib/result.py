"""The shapes that every answer of the house has, and how each shows and records itself.

:class:`Estimate` (one number), :class:`Curve` (estimates along an ordered axis) and
:class:`Ranking` (estimates over unordered names) here; :class:`~cxlib.verdict.Comparison` and
:class:`~cxlib.verdict.Test` in :mod:`cxlib.verdict`. There are no more than these five.
What is displayed is what is recorded: each gives text, HTML and
``application/vnd.cxlib.record+json`` in one bundle, and small cells are suppressed here, on the way
out, for all three.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from .codebook import Meaning
from .show import fmt, fmt_count, fmt_interval, table

#: The MIME type under which a result's records travel in a notebook.
RECORD_MIME = "application/vnd.cxlib.record+json"

#: The columns of ``to_frame()``, the same for every shape.
RECORD_FIELDS = (
    "id",
    "kind",
    "name",
    "claim",
    "notebook",
    "wave",
    "segment",
    "term",
    "x",
    "value",
    "low",
    "high",
    "level",
    "unit",
    "n",
    "n_excluded",
    "n_eff",
    "df",
    "method",
    "source",
    "verdict",
    "benchmark",
    "p",
    "margin",
    "difference",
    "difference_low",
    "difference_high",
    "primary",
    "suppressed",
    "reasons",
    "cautions",
)


@dataclass(frozen=True)
class Origin:
    """Where a result comes from: stamped on the survey, carried by every result made from it."""

    study: str = ""
    notebook: str = ""
    wave: str = ""
    segment: str = "all"
    population: str = ""
    country: str = ""
    year: str = ""
    mode: str = ""
    base: str = ""
    sample: str = ""
    synthetic: bool = False
    small_cell: int = 0


class Shown:
    """What all shapes share: records, one bundle of text, HTML and records, and a frame."""

    def records(self) -> list[dict[str, Any]]:
        raise TypeError("a shape tells its own records")

    def to_frame(self):
        """One row an estimate, always the columns of :data:`RECORD_FIELDS`."""
        import pandas as pd

        return pd.DataFrame(self.records(), columns=list(RECORD_FIELDS))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        return {
            "text/plain": str(self),
            "text/html": self.to_html(),
            RECORD_MIME: {"records": self.records()},
        }

    def to_html(self) -> str:
        raise TypeError("a shape tells its own HTML")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Estimate(Shown):
    """One number with its uncertainty.

    Attributes
    ----------
    value, low, high : float
        In ``unit``; shares are 0–1. ``level`` is the interval's confidence.
    unit : str
        ``"share"``, ``"share points"``, ``"points"`` (NPS), an ISO currency code, ``"months"`` …
    n, n_excluded : int
        Respondents in the base, and those left out of it (not asked, no valid answer).
    n_eff : float
        ``n`` over the design effect of this estimate.
    n_least : int or None
        The smallest base that it would give away, where that is smaller than ``n`` (a difference).
    df : float
        Degrees of freedom of the design; the interval uses Student's t with them.
    method, source : str
        How it was made, and from what.
    se : float
        The linearised standard error.
    cautions : tuple of str
        What a reader should know before quoting it.
    """

    value: float
    low: float
    high: float
    unit: str
    n: int
    level: float = 0.95
    se: float = math.nan
    n_excluded: int = 0
    n_eff: float = math.nan
    n_least: int | None = None
    df: float = math.inf
    method: str = ""
    source: str = ""
    name: str = ""
    kind: str = "estimate"
    claim: str = ""
    question: str = ""
    term: str = ""
    x: float | None = None
    meaning: Meaning = field(default_factory=Meaning)
    origin: Origin = field(default_factory=Origin)
    cautions: tuple[str, ...] = ()
    linear: Any = field(default=None, repr=False, compare=False)

    @property
    def id(self) -> str:
        """The stable name of the record and its anchor on the page."""
        return record_id(self.claim, self.name or self.question, self.term)

    @property
    def suppressed(self) -> bool:
        """Whether the base is too small to be shown."""
        least = self.n if self.n_least is None else min(self.n, self.n_least)
        return least < self.origin.small_cell

    @property
    def shown_cautions(self) -> tuple[str, ...]:
        """The cautions that may be shown: those of a suppressed estimate tell its size."""
        return () if self.suppressed else self.cautions

    def called(self, name: str, *, claim: str | None = None) -> Estimate:
        """The same estimate under another name (and claim)."""
        return replace(self, name=name, claim=self.claim if claim is None else claim)

    def with_cautions(self, *cautions: str) -> Estimate:
        """The same estimate with more cautions."""
        return replace(self, cautions=tuple(dict.fromkeys((*self.cautions, *cautions))))

    @property
    def interval_text(self) -> str:
        """``"31.0 to 37.5 %"``, or ``"suppressed"``."""
        return "suppressed" if self.suppressed else fmt_interval(self.low, self.high, self.unit)

    @property
    def value_text(self) -> str:
        """``"34.2 %"``, or ``"suppressed"``."""
        return "suppressed" if self.suppressed else fmt(self.value, self.unit)

    @property
    def base_text(self) -> str:
        """``"1,498 respondents"``."""
        if self.suppressed:
            return f"fewer than {self.origin.small_cell} respondents"
        return f"{fmt_count(self.n)} respondent{'' if self.n == 1 else 's'}"

    def __str__(self) -> str:
        head = self.name or self.question or self.kind
        return (
            f"{head}{' · ' + self.term if self.term else ''}: {self.value_text} "
            f"({100 * self.level:g} % interval {self.interval_text}; {self.base_text}"
            f"{f', effective {fmt_count(self.n_eff)}' if self._has_n_eff else ''})"
        )

    __repr__ = __str__

    @property
    def _has_n_eff(self) -> bool:
        return math.isfinite(self.n_eff) and not self.suppressed

    def records(self) -> list[dict[str, Any]]:
        """One record."""
        hide = self.suppressed
        record: dict[str, Any] = dict.fromkeys(RECORD_FIELDS)
        record |= {
            "id": self.id,
            "kind": self.kind,
            "name": self.name or self.question,
            "claim": self.claim,
            "notebook": self.origin.notebook,
            "wave": self.origin.wave,
            "segment": self.origin.segment,
            "term": self.term,
            "x": clean(self.x),
            "value": None if hide else clean(self.value),
            "low": None if hide else clean(self.low),
            "high": None if hide else clean(self.high),
            "level": self.level,
            "unit": self.unit,
            "n": None if hide else int(self.n),
            "n_excluded": None if hide else int(self.n_excluded),
            "n_eff": None if hide else clean(self.n_eff),
            "df": None if hide else clean(self.df),
            "method": self.method,
            "source": self.source,
            "suppressed": hide,
            "cautions": list(self.shown_cautions),
        }
        return [record]

    def to_html(self) -> str:
        effective = f" · effective {fmt_count(self.n_eff)}" if self._has_n_eff else ""
        hide = self.suppressed or not self.n_excluded
        left_out = "" if hide else f" · {fmt_count(self.n_excluded)} left out"
        return (
            f'<div class="cx cx-estimate" id="{self.id}">'
            f'<p class="cx-figure"><strong>{escape(self.value_text)}</strong> '
            f"<span>{escape(self.name or self.question)}"
            f"{escape(' · ' + self.term if self.term else '')}</span></p>"
            f'<p class="cx-base">{100 * self.level:g} % interval {escape(self.interval_text)} · '
            f"{self.base_text}{left_out}{effective}</p>"
            f"{cautions_html(self.shown_cautions)}{method_html(self.method, self.source)}</div>"
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class _Estimates(Shown):
    """Several estimates of one thing, in a table."""

    name: str
    estimates: tuple[Estimate, ...]
    claim: str = ""
    by: str = ""

    def __iter__(self):
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    def __getitem__(self, term: object) -> Estimate:
        """By term (``ranking["web"]``) or by position."""
        if isinstance(term, int) and not any(e.term == str(term) for e in self.estimates):
            return self.estimates[term]
        for estimate in self.estimates:
            if estimate.term == str(term):
                return estimate
        from .errors import unknown

        raise unknown(f"term of {self.name!r}", term, [e.term for e in self.estimates])

    def called(self, name: str, *, claim: str | None = None):
        """The same under another name (and claim), its estimates too."""
        claim = self.claim if claim is None else claim
        parts = tuple(e.called(name, claim=claim) for e in self.estimates)
        return replace(self, name=name, claim=claim, estimates=parts)

    def records(self) -> list[dict[str, Any]]:
        """One record an estimate."""
        return [record for e in self.estimates for record in e.records()]

    def __str__(self) -> str:
        return "\n".join([self.name, *(f"  {e}" for e in self.estimates)])

    __repr__ = __str__

    def to_html(self) -> str:
        level = self.estimates[0].level if self.estimates else 0.95
        rows = [
            (
                e.id,
                (
                    e.term,
                    e.value_text,
                    e.interval_text,
                    f"under {e.origin.small_cell}" if e.suppressed else fmt_count(e.n),
                    fmt_count(e.n_eff) if e._has_n_eff else "–",
                ),
            )
            for e in self.estimates
        ]
        head = (self.by or "", "Estimate", f"{100 * level:g} % interval", "n", "effective n")
        cautions = tuple(dict.fromkeys(c for e in self.estimates for c in e.shown_cautions))
        methods = tuple(dict.fromkeys(e.method for e in self.estimates))
        sources = tuple(dict.fromkeys(e.source for e in self.estimates))
        return (
            '<div class="cx cx-estimates">'
            + table(head, rows, caption=self.name)
            + cautions_html(cautions)
            + method_html("; ".join(methods), "; ".join(sources))
            + "</div>"
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curve(_Estimates):
    """Estimates along an ordered axis; each carries its place as ``x``."""

    axis: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Ranking(_Estimates):
    """Estimates over unordered names; each carries its name as ``term``."""


def record_id(*parts: str) -> str:
    """``c03-leave-after-one-bad-experience``: letters, digits and hyphens, at most 80 of them."""
    text = "-".join(part for part in parts if part)
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80].strip("-")
    return f"r-{slug or 'result'}"


def clean(number: Any) -> float | None:
    """A float for a record: never NaN or an infinity."""
    if number is None:
        return None
    number = float(number)
    return number if math.isfinite(number) else None


def cautions_html(cautions: Iterable[str]) -> str:
    """Cautions as a list: the first three at once, the others one disclosure deeper."""
    items = [f"<li>{escape(caution)}</li>" for caution in cautions]
    if not items:
        return ""
    more = ""
    if len(items) > 4:
        rest = "".join(items[3:])
        more = (
            f"<details><summary>{len(items) - 3} more cautions</summary><ul>{rest}</ul></details>"
        )
        items = items[:3]
    return f'<div class="cx-cautions"><ul>{"".join(items)}</ul>{more}</div>'


def method_html(method: str, source: str) -> str:
    parts = [escape(part) for part in (method, source) if part]
    if not parts:
        return ""
    return (
        '<details class="cx-method"><summary>Method and source</summary>'
        f"<p>{'<br>'.join(parts)}</p></details>"
    )
