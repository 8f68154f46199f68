"""Where the marks of a picture go: lanes on one horizontal axis, and curves.

Ours is a filled circle on a thick line, a published figure an open diamond on a thin one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from . import plots_page as paper
from .plots_page import LABEL, PAD, SMALL, Head, Scale
from .plots_svg import PALETTE, WIDTH
from .result import Curve, Estimate
from .show import fmt

_COLUMN = 112.0  # the widest column of names beside the lanes
_CURVE = 185.0  # the height of a curve's drawing area
_MARGIN = 10.0  # on its right
# nothing is clipped: all marks lie inside by construction
_FREE = {"clip_on": False, "solid_capstyle": "butt"}
_LABELLED = 8  # a curve with more points is a ribbon without values


@dataclass(frozen=True)
class Row:
    """One lane: a name, words under it, an estimate, and (if published) the margin around it."""

    name: str
    estimate: Estimate
    detail: str = ""
    published: bool = False
    margin: float | None = None


@dataclass(frozen=True)
class Sheet:
    """A picture before it is drawn: words, lanes, and a value to be held against."""

    head: Head
    rows: tuple[Row, ...]
    reference: float | None = None


def shown(e: Estimate) -> bool:
    return not e.suppressed and math.isfinite(e.value)


def value_text(e: Estimate) -> str:
    """The value as a label; a number too long for one is written with three digits."""
    if e.suppressed:
        return "suppressed"
    if not math.isfinite(e.value):
        return "not defined" if math.isnan(e.value) else "unbounded"
    text = fmt(e.value, e.unit)
    return text if len(text) <= 28 else f"{e.value:.3g} {e.unit}".replace("-", "−").strip()


def place_text(x: float | None) -> str:
    """A place on a curve's axis: 12 rather than 12.00."""
    return (
        "" if x is None else fmt(x, digits=0) if float(x).is_integer() and abs(x) < 1e6 else fmt(x)
    )


# ── lanes: everything but curves ─────────────────────────────────────────────────────────────────


def lanes(sheet: Sheet, ax: Any) -> Any:
    """Rows on one horizontal axis: its y is in points, so that words keep their room."""
    axis = paper.scale(sheet.rows[0].estimate.unit, list(_extent(sheet)))
    beside = _beside(sheet.rows)
    texts = [_name_lines(row, beside or WIDTH - 2 * PAD) for row in sheet.rows]
    ticks = [paper.text_width(axis.labels[end], SMALL) / 2 + PAD for end in (0, -1)]
    left = max(beside + 10 if beside else 0, ticks[0], PAD + 5)
    right, fits = max(ticks[1], 8), False
    if ax is None:
        right, fits = _room(sheet, axis, left, right)
    own = _stacked(texts, bool(beside), fits)
    y = own[-1][1]
    below = 15 + (SMALL * paper.LINE if axis.name else 0)
    ax = paper.page(sheet.head, ax, tall=y, left=left, right=right, below=below)
    ax.set_ylim(y, 0)
    marked = [(0.0, y)] if beside else own
    _value_axis(ax, axis, marked)
    avoid = _bands(ax, sheet, axis, marked, own)
    for row, text, (top, end) in zip(sheet.rows, texts, own, strict=True):
        middle = (top + end) / 2
        block = _tall(text)
        start = middle - block / 2 if beside else top - block
        for lines, size, colour in text:
            coords = ax.get_yaxis_transform()
            paper.put(ax, lines, (0, start), (PAD - left, 0), size, colour, coords=coords)
            start += paper.height(lines, size)
        _mark(ax, row, axis, middle)
        _label(ax, row.estimate, axis, (top, end), right, avoid)
    return ax


def _stacked(texts: Sequence[list], beside: bool, fits: bool) -> list[tuple[float, float]]:
    """Top and bottom of each lane: names beside them, or above; high where values stand above."""
    high = 32 if len(texts) <= 4 or not fits else 24
    own: list[tuple[float, float]] = []
    y = 0.0
    for text in texts:
        block = _tall(text)
        if beside or not block:
            own.append((y, y + max(high, block + 8)))
        else:
            top = y + block + (8 if own else 2)
            own.append((top, top + (22 if fits else 32)))
        y = own[-1][1]
    return own


def _tall(text: list) -> float:
    return sum(paper.height(lines, size) for lines, size, _ in text)


def _room(sheet: Sheet, axis: Scale, left: float, least: float) -> tuple[float, bool]:
    """The margin on the right with which every value stands right of its interval, if any."""
    ends = [
        (axis.part(max(v for v in (e.high, e.value) if not math.isnan(v))), value_text(e))
        for e in (row.estimate for row in sheet.rows)
        if shown(e)
    ]
    for right in (least, *range(int(least) + 1, 90, 3)):
        across = WIDTH - left - right
        fits = (
            part * across + 8 + paper.text_width(text, LABEL, True) <= across + right - PAD
            for part, text in ends
        )
        if all(fits):
            return float(right), True
    return least, False


def _extent(sheet: Sheet) -> Iterable[float]:
    """Every finite value that the axis must hold; what is suppressed leaves no trace."""
    for row in sheet.rows:
        e = row.estimate
        if not e.suppressed:
            yield from (v for v in (e.value, e.low, e.high) if math.isfinite(v))
            yield from _open_ends(e)
            if row.margin and math.isfinite(e.value):
                yield from (e.value - row.margin, e.value + row.margin)
    if sheet.reference is not None:
        yield sheet.reference


def _open_ends(e: Estimate) -> Iterable[float]:
    """Room on the axis to see that an interval goes on."""
    if not math.isfinite(e.value) or not (math.isinf(e.low) or math.isinf(e.high)):
        return
    known = [abs(v - e.value) for v in (e.low, e.high) if math.isfinite(v)]
    step = max([0.2 * abs(e.value), *known])
    share = e.unit == "share"
    if math.isinf(e.high):
        yield min(e.value + step, 1.0) if share else e.value + step
    if math.isinf(e.low):
        yield max(e.value - step, 0.0) if share else e.value - step


def _beside(rows: Sequence[Row]) -> float:
    """The width of the column of names, or 0 where they are long and stand above their lanes."""
    most = 2 if len(rows) > 4 else 5
    wide = 0.0
    for row in rows:
        text = _name_lines(row, _COLUMN)
        if sum(len(lines) for lines, *_ in text) > most:
            return 0.0
        for lines, size, _ in text:
            wide = max([wide, *(paper.text_width(line, size) for line in lines)])
    return wide


def _name_lines(row: Row, width: float) -> list[tuple[list[str], float, str]]:
    name = (paper.wrap(row.name, width + 0.1, LABEL), LABEL, "ink")
    detail = (paper.wrap(row.detail, width + 0.1, SMALL), SMALL, "muted")
    return [block for block in (name, detail) if block[0]]


def _value_axis(ax: Any, axis: Scale, marked: Sequence[tuple[float, float]]) -> None:
    """Ticks, grid and name of the horizontal axis; zero is a darker line."""
    ax.set_xlim(axis.low, axis.high)
    _bare(ax)
    across = paper.width_of(ax, 0, 0)
    end = -math.inf
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        _upright(ax, tick, marked, zorder=0.5, **_grid_line(tick))
        middle = axis.part(tick / axis.factor) * across
        half = paper.text_width(label, SMALL) / 2
        if middle - half > end + 4:
            end = middle + half
            coords, spot = ax.get_xaxis_transform(), (tick, 0)
            paper.put(ax, [label], spot, (0, -4), SMALL, "muted", coords=coords, align="center")
    if axis.name:
        name = [paper.drawable(axis.name)]
        paper.put(ax, name, (1, 0), (0, -5 - SMALL * paper.LINE), SMALL, "muted", align="right")


def _bare(ax: Any) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set_visible(False)


def _grid_line(tick: float) -> dict[str, Any]:
    zero = abs(tick) < 1e-12
    return {"color": PALETTE["muted" if zero else "grid"], "linewidth": 1.0 if zero else 0.7}


def _upright(ax: Any, x: float, spans: Sequence[tuple[float, float]], **style: Any) -> None:
    """A vertical line through the lanes, not through the words between them."""
    ys = [y for top, end in spans for y in (top, end, math.nan)]
    ax.plot([x] * len(ys), ys, **{**_FREE, **style})


def _bands(
    ax: Any,
    sheet: Sheet,
    axis: Scale,
    marked: Sequence[tuple[float, float]],
    own: Sequence[tuple[float, float]],
) -> list[float]:
    """Margins and reference lines; where they stand (0–1), so that labels can keep clear."""
    lines = [axis.part(0.0)] if axis.low < 0 <= axis.high else []
    whole = len(sheet.rows) == 2
    for row, lane in zip(sheet.rows, own, strict=True):
        e = row.estimate
        if not row.published or not shown(e):
            continue
        if row.margin:
            ends = [axis.at(e.value - row.margin), axis.at(e.value + row.margin)]
            for top, end in marked if whole else [lane]:
                style = {"facecolor": PALETTE["band"], "linewidth": 0, "zorder": 0.2}
                ax.fill_between(ends, top, end, clip_on=False, **style)
        if whole:
            style = {"color": PALETTE["theirs"], "linewidth": 0.9, "linestyle": ":"}
            _upright(ax, axis.at(e.value), marked, **style)
            lines.append(axis.part(e.value))
    if sheet.reference is not None:
        style = {"color": PALETTE["muted"], "linewidth": 1.2, "linestyle": "--", "zorder": 1}
        _upright(ax, axis.at(sheet.reference), marked, **style)
        lines.append(axis.part(sheet.reference))
    return lines


def _mark(ax: Any, row: Row, axis: Scale, y: float) -> None:
    """The point and its interval; an arrowhead where an interval has no end."""
    e = row.estimate
    if not shown(e):
        return
    colour = PALETTE["theirs" if row.published else "ours"]
    if not math.isnan(e.low) and not math.isnan(e.high):
        ends = [axis.at(e.low), axis.at(e.high)]
        width = 1.3 if row.published else 3.2
        ax.plot(ends, [y, y], color=colour, linewidth=width, zorder=2.5, **_FREE)
        for value, end, arrow in ((e.low, ends[0], "<"), (e.high, ends[1], ">")):
            if math.isinf(value):
                ax.plot([end], [y], arrow, color=colour, markersize=7, clip_on=False, zorder=2.5)
            elif row.published:
                ax.plot([end], [y], "|", color=colour, markersize=7, clip_on=False, zorder=2.5)
    shape = {"marker": "D", "markersize": 6.5, "markerfacecolor": PALETTE["paper"]}
    if not row.published:
        shape = {"marker": "o", "markersize": 8, "markerfacecolor": colour}
    ax.plot([axis.at(e.value)], [y], color=colour, clip_on=False, zorder=2.7, **shape)


def _label(
    ax: Any,
    e: Estimate,
    axis: Scale,
    lane: tuple[float, float],
    right: float,
    avoid: list[float],
) -> None:
    """The value beside its interval: right, else left, else above the point."""
    text, raised = value_text(e), 0.0
    wide = paper.text_width(text, LABEL, True)
    across = paper.width_of(ax, 0, 0)
    spot = 4.0
    if shown(e):
        low = min(axis.part(v) for v in (e.low, e.value) if not math.isnan(v)) * across
        high = max(axis.part(v) for v in (e.high, e.value) if not math.isnan(v)) * across
        centred = min(max(axis.part(e.value) * across - wide / 2, 0), across + right - PAD - wide)
        room = across + right - PAD
        sides = [s for s in (high + 8, low - 8 - wide) if s >= 0 and s + wide <= room]
        free = [
            s
            for s in (*sides, *([centred] if lane[1] - lane[0] >= 30 else []))
            if not any(s - 2 < a * across < s + wide + 2 for a in avoid)
        ]
        spot = (free or sides or [centred])[0]
        raised = 10.0 if spot == centred else 0.0
    at, coords = (spot / across, sum(lane) / 2), ax.get_yaxis_transform()
    offset, colour = (0, LABEL * 0.62 + raised), "ink" if shown(e) else "muted"
    paper.put(ax, [text], at, offset, LABEL, colour, bold=shown(e), coords=coords)


# ── curves ───────────────────────────────────────────────────────────────────────────────────────


def curve(c: Curve, head: Head, ax: Any) -> Any:
    """Estimates along an axis: whiskers and values where they are few, a ribbon where many."""
    seen = [e for e in c.estimates if shown(e)]
    ends = [v for e in seen for v in (e.value, e.low, e.high) if math.isfinite(v)]
    axis = paper.scale(c.estimates[0].unit, ends)
    left = PAD + 6 + max(paper.text_width(label, SMALL) for label in axis.labels)
    places = [float(e.x) if e.x is not None else math.nan for e in c.estimates]
    if not all(math.isfinite(x) for x in places):
        places = [float(number) for number in range(len(places))]
    along = paper.scale("", places, zero=False)
    places = [x * along.factor for x in places]
    room = (max(places) - min(places)) * 0.05 or 1.0
    span = (min(places) - room, max(places) + room)
    across = paper.width_of(ax, left, _MARGIN)
    ticks = _curve_ticks(c, places, along, span, across)
    named = _named(c, along)
    names = (axis.name, " · ".join(w for w in (c.axis, "" if named else along.name) if w))
    deep = max((len(lines) for _, lines in ticks), default=1) * SMALL * paper.LINE
    title = paper.wrap(names[1], across + left - 2 * PAD, SMALL)
    below = 6 + deep + paper.height(title, SMALL)
    if axis.name:
        head = Head(head.title, head.alt, f"{head.subtitle} · {axis.name}", *_rest(head))
    ax = paper.page(head, ax, tall=_CURVE, left=left, right=_MARGIN, below=below)
    few = len(c.estimates) <= _LABELLED
    ax.set_xlim(*span)
    ax.set_ylim(axis.low, axis.high + (axis.high - axis.low) * 0.09)
    _curve_axes(ax, axis, ticks)
    paper.put(ax, title, (1, 0), (0, -5 - deep), SMALL, "muted", align="right")
    _curve_marks(ax, c.estimates, places, axis, few)
    _curve_values(ax, c.estimates, places, axis, few)
    return ax


def _rest(head: Head) -> tuple[str, tuple[tuple[str, str], ...]]:
    return head.description, head.notes


def _named(c: Curve, along: Scale) -> bool:
    """Whether each point has its own tick."""
    terms = all(e.term for e in c.estimates)
    return len(c.estimates) <= _LABELLED and (terms or along.factor == 1)


def _curve_ticks(
    c: Curve, places: Sequence[float], along: Scale, span: tuple[float, float], across: float
) -> list[tuple[float, list[str]]]:
    """Where the ticks of the horizontal axis are, and their lines of text, none over another."""
    gap = across / max(len(places), 1)
    if _named(c, along):
        names = [e.term or place_text(e.x) for e in c.estimates]
        ticks = [(x, paper.wrap(n, gap - 4, SMALL)) for x, n in zip(places, names, strict=True)]
    else:
        inside = zip(along.ticks, along.labels, strict=True)
        ticks = [(x, [label]) for x, label in inside if span[0] <= x <= span[1]]
    kept: list[tuple[float, list[str]]] = []
    end = -math.inf
    for x, lines in sorted(ticks, key=lambda tick: tick[0]):
        half = max((paper.text_width(line, SMALL) for line in lines), default=0) / 2
        middle = (x - span[0]) / (span[1] - span[0]) * across
        if lines and middle - half > end + 3:
            kept.append((x, lines))
            end = middle + half
    return kept


def _curve_axes(ax: Any, axis: Scale, ticks: list[tuple[float, list[str]]]) -> None:
    _bare(ax)
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        ax.axhline(tick, zorder=0.5, **_FREE, **_grid_line(tick))
        spot, coords = (-5, 0.66 * SMALL), ax.get_yaxis_transform()
        paper.put(ax, [label], (0, tick), spot, SMALL, "muted", coords=coords, align="right")
    across, span = paper.width_of(ax, 0, 0), ax.get_xlim()
    for x, lines in ticks:
        half = max(paper.text_width(line, SMALL) for line in lines) / 2
        middle = (x - span[0]) / (span[1] - span[0]) * across
        aside = min(0, across + _MARGIN - PAD - half - middle)
        coords = ax.get_xaxis_transform()
        paper.put(ax, lines, (x, 0), (aside, -4), SMALL, "muted", coords=coords, align="center")


def _curve_marks(
    ax: Any, estimates: Sequence[Estimate], places: Sequence[float], axis: Scale, few: bool
) -> None:
    colour = PALETTE["ours"]
    values = [axis.at(e.value) if shown(e) else math.nan for e in estimates]
    known = [shown(e) and not math.isnan(e.low) and not math.isnan(e.high) for e in estimates]
    ends = [
        (axis.at(e.low), axis.at(e.high)) if k else (math.nan, math.nan)
        for e, k in zip(estimates, known, strict=True)
    ]
    ax.plot(places, values, color=colour, linewidth=1.3 if few else 2, zorder=2.5, clip_on=False)
    if not few:
        low, high = zip(*ends, strict=True)
        ax.fill_between(
            places, low, high, facecolor=colour, alpha=0.2, linewidth=0, zorder=2, clip_on=False
        )
        return
    ax.plot(places, values, "o", color=colour, markersize=7, clip_on=False, zorder=2.7)
    for e, x, (low, high) in zip(estimates, places, ends, strict=True):
        if math.isnan(low):
            continue
        ax.plot([x, x], [low, high], color=colour, linewidth=2.6, zorder=2.5, **_FREE)
        for value, end, arrow in ((e.low, low, "v"), (e.high, high, "^")):
            if math.isinf(value):
                ax.plot([x], [end], arrow, color=colour, markersize=6, clip_on=False, zorder=2.5)


def _curve_values(
    ax: Any, estimates: Sequence[Estimate], places: Sequence[float], axis: Scale, few: bool
) -> None:
    """Values beside their points, clear of the line; where two would touch, the ends go first."""
    across = paper.width_of(ax, 0, 0)
    low, high = ax.get_xlim()
    seen = [number for number, e in enumerate(estimates) if shown(e)]
    by_size = sorted(seen, key=lambda number: estimates[number].value)
    first = [*seen[-1:], *seen[:1]]
    taken: list[tuple[float, float]] = []
    for number in dict.fromkeys([*first, *by_size[-1:], *by_size[:1], *seen] if few else first):
        e = estimates[number]
        text = value_text(e)
        wide = paper.text_width(text, LABEL, True)
        before, after = (
            estimates[n].value - e.value if n in seen else 0.0 for n in (number - 1, number + 1)
        )
        under = min(before, after) >= 0 < max(before, after)
        bottom, top = (_end(axis, v, e.value) for v in (e.low, e.high))
        under = under and axis.part(bottom / axis.factor) * _CURVE > 20
        lean = 0.0 if under or before == after else math.copysign(0.3 * wide, before - after)
        spot = (places[number] - low) / (high - low) * across - wide / 2 + lean
        spot = min(max(spot, 2), across + 8 - wide)
        if any(spot < end + 3 and start < spot + wide + 3 for start, end in taken):
            continue
        taken.append((spot, spot + wide))
        at, coords = (spot / across, bottom if under else top), ax.get_yaxis_transform()
        offset = (0, -5 if under else 5 + LABEL)
        paper.put(ax, [text], at, offset, LABEL, bold=True, coords=coords)


def _end(axis: Scale, value: float, other: float) -> float:
    return axis.at(other if math.isnan(value) else value)


# ── frames for what seaborn draws ────────────────────────────────────────────────────────────────


def frame(head: Head, axis: Scale, along: Scale, ax: Any, span: tuple[float, float]) -> Any:
    """Empty axes with grid, ticks and names: heights on ``axis``, places on ``along``."""
    left = PAD + 6 + max(paper.text_width(label, SMALL) for label in axis.labels)
    below = 8 + SMALL * paper.LINE * (2 if along.name else 1)
    ends = (span[0] * along.factor, span[1] * along.factor)
    ticks = [t for t in zip(along.ticks, along.labels, strict=True) if ends[0] <= t[0] <= ends[1]]
    right = max([_MARGIN, *(paper.text_width(label, SMALL) / 2 + PAD for _, label in ticks)])
    ax = paper.page(head, ax, tall=0.7 * _CURVE, left=left, right=right, below=below)
    name = [paper.drawable(along.name)] if along.name else []
    paper.put(ax, name, (1, 0), (0, -6 - SMALL * paper.LINE), SMALL, "muted", align="right")
    ax.set_xlim(*ends)
    ax.set_ylim(axis.low, axis.high + (axis.high - axis.low) * 0.06)
    ax.set_autoscale_on(False)
    _curve_axes(ax, axis, [(x, [label]) for x, label in ticks])
    return ax


def grid(head: Head, rows: Sequence[str], columns: Sequence[str], ax: Any) -> Any:
    """Empty axes with a lane a row and a name a column, for a heat map."""
    names = [paper.wrap(row, _COLUMN, SMALL) for row in rows]
    wide = [paper.text_width(line, SMALL) for lines in names for line in lines]
    left = max(wide, default=0) + PAD + 8
    across = paper.width_of(ax, left, 6)
    tops = [paper.wrap(column, across / len(columns) - 2, SMALL) for column in columns]
    lane = max([15, *(paper.height(lines, SMALL) + 4 for lines in names)])
    below = 6 + max((paper.height(lines, SMALL) for lines in tops), default=0)
    tall = max(lane * len(rows), 4)
    ax = paper.page(head, ax, tall=tall, left=left, right=6, below=below)
    _bare(ax)
    for number, lines in enumerate(names if rows else []):
        at = (0, 1 - (number + 0.5) / len(rows))
        raised = paper.height(lines, SMALL) / 2
        paper.put(ax, lines, at, (-6, raised), SMALL, align="right")
    for number, lines in enumerate(tops if rows else []):
        at = ((number + 0.5) / len(columns), 0)
        paper.put(ax, lines, at, (0, -4), SMALL, "muted", align="center")
    return ax
