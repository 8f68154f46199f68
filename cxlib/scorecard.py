"""All claims on one page: the primary comparisons of a study under one multiplicity correction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from .claims import Claim, claims
from .hypothesis import holm
from .result import RECORD_FIELDS, Origin, Shown, record_id
from .show import fmt, fmt_interval, fmt_p, verdict_badge

#: Verdicts that come from a test and so belong to the family that is corrected.
TESTED = ("consistent", "above", "below", "supported", "contradicted", "cannot tell")
#: Verdicts that a test's small p licenses: they fall back to "cannot tell" if it does not hold.
_LICENSED = ("consistent", "above", "below", "supported")


@dataclass(frozen=True)
class Row:
    """One claim: its record, the corrected p and the verdict that stands."""

    claim: Claim
    record: Mapping[str, Any] | None
    verdict: str
    p_adjusted: float | None
    note: str

    @property
    def link(self) -> str:
        """Where the evidence stands, relative to the scorecard's own page."""
        if self.record is None or not self.record.get("notebook"):
            return ""
        return f"{self.record['notebook']}.html#{self.record['id']}"


@dataclass(frozen=True, eq=False, repr=False)
class Scorecard(Shown):
    """One row a claim. Verdicts are corrected by Holm's method over all tested claims."""

    rows: tuple[Row, ...]
    level: float
    origin: Origin

    def counts(self) -> dict[str, int]:
        """How many claims have each verdict."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[row.verdict] = found.get(row.verdict, 0) + 1
        return found

    @property
    def sentence(self) -> str:
        """The scorecard in one sentence."""
        parts = [f"{count} {verdict}" for verdict, count in sorted(self.counts().items())]
        tested = sum(row.p_adjusted is not None for row in self.rows)
        return (
            f"Of {len(self.rows)} claims, {tested} could be tested in this study: "
            f"{', '.join(parts)}."
        )

    def records(self) -> list[dict[str, Any]]:
        """One record a claim, with the corrected verdict and p."""
        out = []
        for row in self.rows:
            record = dict.fromkeys(RECORD_FIELDS) | {"suppressed": False, "cautions": []}
            record |= dict(row.record) if row.record else {}
            record |= {
                "id": record_id(row.claim.id, "scorecard"),
                "kind": "scorecard",
                "name": row.claim.statement,
                "claim": row.claim.id,
                "notebook": self.origin.notebook,
                "wave": self.origin.wave,
                "segment": self.origin.segment,
                "verdict": row.verdict,
                "p": row.p_adjusted,
                "evidence": row.link,
                "note": row.note,
            }
            out.append(record)
        return out

    def __str__(self) -> str:
        lines = [f"  {row.claim.id} {row.verdict:<15} {row.claim.statement}" for row in self.rows]
        return "\n".join([self.sentence, *lines])

    __repr__ = __str__

    def to_html(self) -> str:
        head = (("Claim", "words"), ("Verdict", "words"), ("Ours", ""), ("Corrected p", ""))
        columns = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in head)
        body = "".join(self._row(row) for row in self.rows)
        return (
            '<div class="cx cx-scorecard"><div class="cx-table"><table>'
            f"<caption>{escape(self.sentence)}</caption><thead><tr>{columns}</tr></thead>"
            f"<tbody>{body}</tbody></table></div></div>"
        )

    def _row(self, row: Row) -> str:
        record = row.record or {}
        unit = record.get("unit") or ""
        value, low, high = (record.get(key) for key in ("value", "low", "high"))
        ours = escape(fmt(value, unit)) if value is not None else "–"
        if low is not None and high is not None:
            ours += f"<br><small>{escape(fmt_interval(low, high, unit))}</small>"
        p = fmt_p(row.p_adjusted).removeprefix("= ") if row.p_adjusted is not None else "–"
        note = escape(row.note)
        if row.link:
            name = escape(record.get("name") or "evidence")
            note = f'<a href="{escape(row.link)}">{name}</a>{" · " + note if note else ""}'
        return (
            f'<tr id="{record_id(row.claim.id, "scorecard")}"><th scope="row">'
            f"{escape(row.claim.id)} {escape(row.claim.statement)}<br><small>{note}</small></th>"
            f'<td class="words">{verdict_badge(row.verdict)}</td><td>{ours}</td>'
            f"<td>{escape(p)}</td></tr>"
        )


def scorecard(
    records: Iterable[Mapping[str, Any]],
    *,
    origin: Origin,
    level: float = 0.95,
    missing: Callable[[Claim], str] = lambda claim: "no record of it",
) -> Scorecard:
    """The scorecard of a study from the records of its other reports.

    The family is the primary comparison of every claim that was tested, over all respondents (or
    over the segment that ``origin`` names: then exploratory). Unadjusted intervals stand beside
    verdicts corrected by Holm's method.

    Parameters
    ----------
    records : records of the study's reports (``records.json``)
    origin : Origin
        Names the segment whose records count.
    missing : callable
        Says why a claim has no record, for its note.
    """
    primary: dict[str, Mapping[str, Any]] = {}
    for record in records:
        mine = (record.get("segment") or "all") == origin.segment
        if record.get("primary") and mine and record.get("notebook") != origin.notebook:
            primary.setdefault(str(record.get("claim")), record)
    tested = [
        key
        for key, record in primary.items()
        if record.get("verdict") in TESTED and record.get("p") is not None
    ]
    adjusted = dict(
        zip(tested, map(float, holm([primary[key]["p"] for key in tested])), strict=True)
    )
    rows = [_row(claim, primary.get(claim.id), adjusted, 1 - level, missing) for claim in claims()]
    return Scorecard(tuple(rows), level, origin)


def _row(
    claim: Claim,
    record: Mapping[str, Any] | None,
    adjusted: Mapping[str, float],
    alpha: float,
    missing: Callable[[Claim], str],
) -> Row:
    if record is None:
        return Row(claim, None, "not asked", None, missing(claim))
    verdict, p = str(record["verdict"]), adjusted.get(claim.id)
    if verdict in _LICENSED and p is not None and p >= alpha:
        note = f"alone it would read “{verdict}”; it does not hold after the correction"
        return Row(claim, record, "cannot tell", p, note)
    return Row(claim, record, verdict, p, "; ".join(record.get("reasons") or ()))
