"""What lies beside the pages: the index, the records as JSON and as a table, the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..claims import Claim, claims
from ..show import fmt, fmt_interval, verdict_badge
from . import manifest, render
from .plan import Plan, state
from .records import on_page, to_csv
from .shelf import about, failure_of, standing

_NOT_ASKED = "not asked"


def write(plan: Plan, segments: Sequence[Path]) -> None:
    """Write ``index.html``, ``records.json``, ``records.csv`` and ``manifest.json`` of a study.

    Parameters
    ----------
    plan : Plan
    segments : sequence of Path
        The folders of all segments that have a page, the first of them being the whole.
    """
    records = [record for s in segments for path, _ in standing(s) for record in on_page(path)]
    manifest.write(plan.folder / "records.json", manifest.dumps(records))
    manifest.write(plan.folder / "records.csv", to_csv(records))
    manifest.write(plan.folder / "manifest.json", manifest.manifest(plan, _standing(segments)))
    manifest.write(plan.folder / "index.html", render.index_page(context(plan, segments, records)))


def context(
    plan: Plan, segments: Sequence[Path], records: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """All that the index shows."""
    whole = segments[0].name if segments else ""
    labels = [{"name": s.name, "label": _label(plan, s)} for s in segments]
    rows = _rows(plan, segments, labels)
    gone = {row["name"]: row["cells"][0]["failed"] for row in rows if not row["cells"][0]["href"]}
    lines = [line(claim, records, whole, gone.get(claim.notebook, "")) for claim in claims()]
    asked = [each for each in lines if each["asked"]]
    left = [each for each in lines if not each["asked"]]
    return {
        "about": plan.about | {"version": manifest.version()},
        "summary": summary(lines),
        "groups": [
            {"id": name, "title": title, "lines": group, "compact": compact}
            for name, title, group, compact in (
                ("answered", "What this study answers", asked, False),
                ("open", "Not asked in this study, or not tested by the workbook yet", left, True),
            )
            if group
        ],
        "segments": labels,
        "rows": rows,
        "failures": [
            {"href": cell["failed"], "title": row["title"], "label": cell["label"]}
            for row in rows
            for cell in row["cells"]
            if cell["failed"]
        ],
    }


def line(
    claim: Claim, records: Iterable[dict[str, Any]], segment: str, failed: str = ""
) -> dict[str, Any]:
    """A claim's line: its verdict, one sentence, and the way to the evidence.

    ``failed`` is the failure page of the claim's notebook where no earlier report of it stands.
    The scorecard's word counts, because it corrects for the whole family; where it has not run, the
    primary comparison's does.
    """
    folder = f"{segment}/"
    here = [r for r in records if r["claim"] == claim.id and r["page"].startswith(folder)]
    score = [r for r in here if r["kind"] == "scorecard"]
    own = [r for r in here if r["kind"] != "scorecard"]
    judged = [r for r in own if r.get("verdict")]
    first = sorted(judged, key=lambda r: (not r.get("primary"), r["verdict"] == _NOT_ASKED))
    best = (score or first or own or [None])[0]
    verdict = (best.get("verdict") or "") if best else _NOT_ASKED
    evidence = next(iter(first or own), None)
    if failed and evidence is None:
        verdict = ""
    said = [sentence(evidence)] if evidence and verdict != _NOT_ASKED else []
    if failed and evidence is None:
        said.append("The report that answers it could not be made.")
    elif best is not None and best.get("note") and best.get("verdict") != _NOT_ASKED:
        note = best["note"].rstrip(".")
        if note not in " ".join(said):
            said.append(f"{note[:1].upper()}{note[1:]}.")
    return {
        "id": claim.id,
        "statement": claim.statement,
        "verdict": verdict,
        "asked": verdict != _NOT_ASKED,
        "badge": Markup(verdict_badge(verdict or "no verdict")),
        "sentence": " ".join(said),
        "href": evidence["page"] if evidence else failed,
    }


def sentence(record: dict[str, Any]) -> str:
    """What was found, in one sentence."""
    name = str(record.get("name") or "")
    if record.get("suppressed"):
        return f"{name}: too few respondents to be shown."
    if record.get("sentence"):
        return str(record["sentence"])
    value, unit = record.get("value"), record.get("unit") or ""
    if value is None:
        reasons = record.get("cautions") or []
        return f"{name}: {reasons[0]}" if reasons else name
    text = f"{name}: {fmt(value, unit)}"
    low, high = record.get("low"), record.get("high")
    if low is not None and high is not None:
        text += f" ({100 * record['level']:g} % interval {fmt_interval(low, high, unit)})"
    difference = record.get("difference")
    if difference is not None and record.get("benchmark"):
        points = "share points" if unit.startswith("share") else unit
        way = "above" if difference > 0 else "below"
        text += f"; {fmt(abs(difference), points).lstrip('+')} {way} the published figure"
    return f"{text}."


def summary(lines: Iterable[dict[str, Any]]) -> str:
    """``"Of 25 claims this study speaks to 4: 2 consistent, 1 below, 1 cannot tell."``"""
    verdicts = [each["verdict"] for each in lines]
    asked = [
        verdict or "without a verdict, because a report failed"
        for verdict in verdicts
        if verdict != _NOT_ASKED
    ]
    if not asked:
        return f"None of the {len(verdicts)} claims was asked in this study."
    words = ", ".join(f"{asked.count(word)} {word}" for word in dict.fromkeys(sorted(asked)))
    return f"Of {len(verdicts)} claims this study speaks to {len(asked)}: {words}."


def _rows(
    plan: Plan, segments: Sequence[Path], labels: Sequence[dict[str, str]]
) -> list[dict[str, Any]]:
    """A row a notebook, a cell a segment."""
    titles = {job.source.name: job.source.title for job in plan.jobs}
    now = state(plan.inputs)
    stands: dict[tuple[str, str], dict[str, Any]] = {}
    for segment in segments:
        for path, title in standing(segment):
            titles.setdefault(path.stem, title)
            stands[segment.name, path.stem] = about(path)
        for path in segment.glob("*.failed.html"):
            titles.setdefault(path.name.removesuffix(".failed.html"), path.name)
    rows = []
    for name, title in sorted(titles.items()):
        cells = []
        for segment, label in zip(segments, labels, strict=True):
            page = segment / f"{name}.html"
            made = stands.get((segment.name, name))
            failed = failure_of(page).exists()
            cells.append(
                {
                    "label": label["label"],
                    "href": f"{segment.name}/{page.name}" if made else "",
                    "failed": f"{segment.name}/{failure_of(page).name}" if failed else "",
                    "stale": bool(made) and made.get("inputs") != now,
                }
            )
        rows.append({"name": name, "title": title, "cells": cells})
    return rows


def _label(plan: Plan, segment: Path) -> str:
    for known in plan.segments:
        if known.folder == segment.name:
            return known.label
    return next((about(path).get("label", "") for path, _ in standing(segment)), "") or segment.name


def _standing(segments: Sequence[Path]) -> list[dict[str, Any]]:
    found = []
    for segment in segments:
        for path, _ in standing(segment):
            said = about(path)
            found.append(
                {
                    "notebook": path.stem,
                    "segment": segment.name,
                    "where": said.get("where", ""),
                    "parameters": dict(said.get("shown", ())),
                    "key": said.get("key", ""),
                    "sha256": manifest.sha256(path.with_suffix(".html")),
                }
            )
    return found
