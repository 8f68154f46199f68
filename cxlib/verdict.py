"""The two shapes that judge: :class:`Comparison` (ours against theirs) and :class:`Test`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from .result import (
    RECORD_FIELDS,
    Estimate,
    Origin,
    Shown,
    cautions_html,
    clean,
    method_html,
    record_id,
)
from .show import fmt, fmt_count, fmt_p, table, verdict_badge

VERDICTS = (
    "consistent",
    "above",
    "below",
    "cannot tell",
    "supported",
    "contradicted",
    "not comparable",
    "not testable",
    "not asked",
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(Shown):
    """Ours against theirs: the difference with both uncertainties, and a verdict in one word.

    Attributes
    ----------
    ours, theirs : Estimate or None
        ``None`` where the question was not asked, or nothing is published.
    difference : Estimate or None
        Ours minus theirs.
    verdict : str
        One of :data:`VERDICTS`.
    margin : float or None
        In the unit of ours: what counts as the same.
    threshold : float or None
        What a hypothesis says is exceeded or undercut, in the unit of ours.
    reasons : tuple of str
        Why the verdict is what it is; for a refusal, the fields that differ.
    cautions : tuple of str
        What a reader should know before quoting it.
    overturn : float or None
        The bias in our estimate, in its unit, that would overturn the verdict.
    power : float or None
        The chance to have found "consistent" if the two were equal.
    n_needed : int or None
        Where the published n is unknown: the smallest n at which the verdict holds.
    p : float or None
        Unadjusted p of the verdict's test; the scorecard corrects it for the whole family.
    """

    name: str
    verdict: str
    ours: Estimate | None = None
    theirs: Estimate | None = None
    difference: Estimate | None = None
    margin: float | None = None
    threshold: float | None = None
    benchmark: str = ""
    grade: str = ""
    claim: str = ""
    reasons: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    overturn: float | None = None
    power: float | None = None
    n_needed: int | None = None
    p: float | None = None
    primary: bool = False
    kind: str = "figure"
    sentence: str = ""
    origin: Origin = field(default_factory=Origin)

    @property
    def id(self) -> str:
        """The stable name of the record and its anchor on the page."""
        return record_id(self.claim, self.name, f"against {self.benchmark or self.kind}")

    def called(self, name: str, *, claim: str | None = None) -> Comparison:
        """The same comparison under another name (and claim)."""
        return replace(self, name=name, claim=self.claim if claim is None else claim)

    @property
    def suppressed(self) -> bool:
        """Whether our base (or that of our own other estimate) is too small to be shown."""
        return any(e is not None and e.suppressed for e in (self.ours, self.theirs))

    @property
    def margin_text(self) -> str:
        """``"± 5.0 points"``, or ``""``."""
        if not self.margin or self.ours is None:
            return ""
        unit = "share points" if self.ours.unit.startswith("share") else self.ours.unit
        return f"± {fmt(self.margin, unit).removeprefix('+')}"

    @property
    def brief(self) -> str:
        """The reason in a few words, for tables: what differs, or from which n on it holds."""
        if self.verdict in ("not comparable", "not testable", "not asked"):
            return "; ".join(r for r in self.reasons if not r.startswith("not known"))
        if self.n_needed is not None:
            return f"if {self.n_needed:,} or more were asked"
        return ""

    def records(self) -> list[dict[str, Any]]:
        """One record: ours, with the verdict, the published figure's id and the difference.

        Two published figures held against each other leave no record: nothing in it is ours.
        """
        if self.ours is not None and self.ours.kind == "published":
            return []
        if self.ours is not None:
            record = self.ours.records()[0]
        else:
            record = dict.fromkeys(RECORD_FIELDS) | {
                "notebook": self.origin.notebook,
                "wave": self.origin.wave,
                "segment": self.origin.segment,
                "term": "",
                "suppressed": False,
            }
        record |= {
            "id": self.id,
            "kind": "comparison",
            "name": self.name,
            "claim": self.claim,
            "verdict": self.verdict,
            "benchmark": self.benchmark or None,
            "margin": clean(self.margin),
            "threshold": clean(self.threshold),
            "published": clean(self.theirs.value) if self.theirs is not None else None,
            "sentence": "" if self.suppressed else self.sentence,
            "primary": self.primary,
            "reasons": list(self.reasons),
            "cautions": list(self.cautions),
        }
        if not self.suppressed:
            record["p"] = clean(self.p)
            if self.difference is not None:
                d = self.difference
                record["difference"] = clean(d.value)
                record["difference_low"], record["difference_high"] = clean(d.low), clean(d.high)
        return [record]

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.verdict}"]
        if self.sentence:
            lines.append(f"  {self.sentence}")
        lines += [f"  because: {reason}" for reason in self.reasons]
        lines += [f"  caution: {caution}" for caution in self.cautions]
        return "\n".join(lines)

    __repr__ = __str__

    def to_html(self) -> str:
        parts = [
            f'<div class="cx cx-comparison" id="{self.id}">',
            f'<p class="cx-verdict">{verdict_badge(self.verdict)}',
            f" <span>{escape(self.sentence or self.name)}</span></p>",
        ]
        if self.ours is not None and not self.suppressed:
            parts.append(self._table())
        if self.reasons:
            items = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
            parts.append(f'<ul class="cx-reasons">{items}</ul>')
        parts.append(cautions_html(self.cautions))
        if self.ours is not None:
            parts.append(method_html(self.ours.method, self.ours.source))
        parts.append("</div>")
        return "".join(parts)

    def _table(self) -> str:
        theirs = f"Published{f' (grade {self.grade})' if self.grade else ''}"
        rows = []
        for label, e in (("Ours", self.ours), (theirs, self.theirs)):
            if e is not None:
                interval = e.interval_text if math.isfinite(e.low) else "not published"
                rows.append(("", (label, e.value_text, interval, fmt_count(e.n) if e.n else "–")))
        if self.threshold is not None:
            rows.append(("", ("Threshold", fmt(self.threshold, self.ours.unit), "", "")))
        if self.difference is not None:
            d = self.difference
            rows.append(("", ("Difference", d.value_text, d.interval_text, "")))
        if self.margin_text:
            rows.append(("", ("Counts as the same", self.margin_text, "", "")))
        head = ("", "Value", f"{100 * self.ours.level:g} % interval", "n")
        return table(head, rows, caption=self.name)


class Comparisons(tuple, Shown):
    """Several comparisons of one estimate, shown as one table; otherwise a tuple."""

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self)

    def records(self) -> list[dict[str, Any]]:
        """One record a comparison."""
        return [record for one in self for record in one.records()]

    def to_html(self) -> str:
        if not self:
            return ""
        head = ("Published figure", "Grade", "Published", "Ours − published", "Interval", "Verdict")
        columns = "".join(f'<th scope="col">{name}</th>' for name in head[:-1])
        columns += f'<th scope="col" class="words">{head[-1]}</th>'
        body = "".join(self._row(one) for one in self)
        return (
            f'<div class="cx cx-comparisons"><div class="cx-table"><table>'
            f"<caption>{escape(self[0].name)}: ours is {escape(self[0].ours.value_text)}</caption>"
            f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div></div>"
        )

    @staticmethod
    def _row(one: Comparison) -> str:
        told = one.difference if not one.suppressed else None
        cells = (
            one.grade,
            one.theirs.value_text if one.theirs else "–",
            told.value_text if told else "–",
            told.interval_text if told else "–",
        )
        why = f"<br><small>{escape(one.brief)}</small>" if one.brief else ""
        source = f"{one.theirs.name} ({one.theirs.source})" if one.theirs else one.benchmark
        return (
            f'<tr id="{one.id}"><th scope="row">{escape(source)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + f'<td class="words">{verdict_badge(one.verdict)}{why}</td></tr>'
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Test(Shown):
    """A statistic, its degrees of freedom and p, never without the effect that it is about."""

    __test__ = False

    name: str
    statistic: float
    p: float
    df: float = math.nan
    df2: float = math.nan
    effect: Estimate | None = None
    n: int = 0
    method: str = ""
    source: str = ""
    claim: str = ""
    cautions: tuple[str, ...] = ()
    origin: Origin = field(default_factory=Origin)

    @property
    def id(self) -> str:
        """The stable name of the record and its anchor on the page."""
        return record_id(self.claim, self.name, "test")

    def records(self) -> list[dict[str, Any]]:
        """One record: the effect's figures with the test's p."""
        record = (
            self.effect.records()[0]
            if self.effect is not None
            else dict.fromkeys(RECORD_FIELDS)
            | {
                "notebook": self.origin.notebook,
                "wave": self.origin.wave,
                "segment": self.origin.segment,
                "value": clean(self.statistic),
                "unit": "statistic",
                "n": self.n or None,
            }
        )
        return [
            record
            | {
                "id": self.id,
                "kind": "test",
                "name": self.name,
                "claim": self.claim,
                "p": clean(self.p),
                "df": clean(self.df),
                "method": self.method,
                "source": self.source,
            }
        ]

    def __str__(self) -> str:
        freedom = ", ".join(f"{d:g}" for d in (self.df, self.df2) if math.isfinite(d))
        text = f"{self.name}: {self.statistic:.4g}{f' on {freedom} df' if freedom else ''}, "
        text += f"p {fmt_p(self.p)}"
        return text if self.effect is None else f"{text}\n  effect: {self.effect}"

    __repr__ = __str__

    def to_html(self) -> str:
        effect = self.effect.to_html() if self.effect is not None else ""
        return (
            f'<div class="cx cx-test" id="{self.id}"><p>{escape(str(self).splitlines()[0])}</p>'
            f"{effect}{cautions_html(self.cautions)}{method_html(self.method, self.source)}</div>"
        )
