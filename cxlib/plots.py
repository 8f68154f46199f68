"""Pictures of results: :func:`plot` draws any shape, with its intervals, its numbers and alt text.

Ours is a filled circle on a thick line, a published figure an open diamond on a thin one, the
margin a band around it: the picture reads the same in grey. The axes that come back show themselves
as the last expression of a notebook cell. This is the one door to matplotlib and seaborn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from . import plots_draw as draw
from . import plots_page as paper
from .codebook import REASONS
from .errors import CxError
from .plots_draw import Row, Sheet, shown, value_text
from .plots_page import SMALL, Head
from .plots_svg import PALETTE, house_style
from .result import Curve, Estimate, Ranking
from .show import VERDICT_SHAPES, fmt, fmt_count, fmt_interval
from .verdict import Comparison, Test

_BLOCKS = 12  # stretches of the file in a missing map
_QUESTIONS = 40  # rows of a missing map
_NUMBERED = 120  # a missing map with more cells has tints without numbers
_REASON_WORDS = {
    "not_shown": "not shown",
    "seen_unanswered": "seen, not answered",
    "dk": "don’t know",
    "refused": "refused",
    "na": "not applicable",
}


def plot(result: Any, ax: Any = None) -> Any:
    """Draw a result: one picture with its intervals, direct labels and alt text.

    Parameters
    ----------
    result : Estimate, Comparison, Curve, Ranking or Test, or a list of Estimates or Comparisons
        Several estimates or comparisons become rows on one axis; they must share a unit.
    ax : matplotlib Axes, optional
        Where to draw; its limits and ticks are set. Without it a figure of its own is made, which
        fits its labels and shows itself in a notebook.

    Returns
    -------
    matplotlib Axes or None
        With ``cx_alt`` (the finding and its numbers in words) and ``cx_description`` (the data).
        ``None`` where there is nothing to draw: a question that was not asked, an empty ranking,
        a test without an effect.

    Raises
    ------
    CxError
        For anything else, and for rows whose units share no axis.

    Examples
    --------
    >>> one = Estimate(value=0.342, low=0.318, high=0.367, unit="share", n=1498, name="Would leave")
    >>> plot(one).cx_alt.replace(chr(160), " ")
    'Would leave: 34.2 %, 95 % interval 31.8 to 36.7 %, from 1,498 respondents.'
    """
    if isinstance(result, Curve):
        if not len(result):
            return None
        with house_style():
            return draw.curve(result, _of_curve(result), ax)
    sheet = _sheet(result)
    if sheet is None or not sheet.rows:
        return None
    units = {row.estimate.unit for row in sheet.rows}
    if len({_axis_of(unit) for unit in units}) > 1:
        raise CxError(
            "these have no axis in common",
            got=", ".join(sorted(repr(unit) for unit in units)),
            want="rows in one unit",
            do="plot them one by one",
        )
    with house_style():
        return draw.lanes(sheet, ax)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────


def _sheet(result: Any) -> Sheet | None:
    if isinstance(result, Estimate):
        return _of_estimate(result)
    if isinstance(result, Comparison):
        return _of_comparison(result)
    if isinstance(result, Ranking):
        rows = [Row(e.term or e.name, e) for e in result.estimates]
        return _of_rows(result.name, rows, ranked=True) if rows else None
    if isinstance(result, Test):
        if result.effect is None:
            return None
        return _of_estimate(replace(result.effect, name=result.name, term=""))
    shapes = (Estimate, Comparison, Test)
    if isinstance(result, list | tuple) and all(isinstance(r, shapes) for r in result):
        return _of_several(result)
    raise CxError(
        "this cannot be drawn",
        got=type(result).__name__,
        want="a result (Estimate, Comparison, Curve, Ranking, Test), or estimates in a list",
    )


def _of_estimate(e: Estimate) -> Sheet:
    name = _called(e)
    words = e.base_text
    if not e.suppressed:
        words = f"{_level(e)} interval {_range(e)} · {words}"
    head = Head(name, f"{_said(e, name)}.", words, f"{_said(e, name)}.", _notes([e]))
    return Sheet(head, (Row("", e),))


def _of_comparison(c: Comparison) -> Sheet | None:
    ours, theirs = c.ours, c.theirs
    if ours is None:
        return None
    rows = [Row((_is_own(c) and _called(ours)) or "Ours", ours, ours.base_text)]
    said = [_said(ours, rows[0].name)]
    notes: list[tuple[str, str]] = []
    reference = c.threshold
    if theirs is not None:
        said.append(_said_published(c, theirs))
    if theirs is not None and _axis_of(theirs.unit) != _axis_of(ours.unit):
        notes.append(("", f"Published: {theirs.value_text}, in another unit and so not drawn."))
    elif theirs is not None:
        rows.append(_published(c, theirs, (_is_own(c) and _called(theirs)) or "Published"))
    if reference is not None:
        said.append(f"tested against {fmt(reference, ours.unit)}")
        notes.append(("line", said[-1]))
    elif len(rows) > 1 and c.margin and shown(rows[1].estimate):
        other = "it" if _is_own(c) else "the published figure"
        notes.append(("band", f"within {c.margin_text} of {other} counts as the same"))
    hidden = ours.suppressed or (theirs is not None and theirs.suppressed)
    title = c.name if hidden or not c.sentence else c.sentence
    finding = title.rstrip(". ") if hidden else f"{title.rstrip('. ')} ({c.verdict})"
    words = f"with {_level(ours)} intervals"
    head = Head(
        title,
        f"{finding}. {'; '.join(said)}.",
        words if hidden else f"{_verdict(c)} · {words}",
        "; ".join([*said, *(note for _, note in notes)]) + ".",
        (*notes, *_notes([ours])),
    )
    return Sheet(head, tuple(rows), reference)


def _is_own(c: Comparison) -> bool:
    """Whether both figures are ours: two waves, two segments."""
    return c.theirs is not None and c.theirs.kind != "published" and not (c.benchmark or c.grade)


def _verdict(c: Comparison) -> str:
    return f"{VERDICT_SHAPES.get(c.verdict, '')} {c.verdict}".strip()


def _published(c: Comparison, theirs: Estimate, name: str = "Published") -> Row:
    known = math.isfinite(theirs.low) or math.isfinite(theirs.high)
    source = theirs.source or (theirs.name if theirs.name not in (c.name, name) else "")
    parts = [
        source if source != name and not _is_own(c) else "",
        f"grade {c.grade}" if c.grade else "",
        theirs.base_text if theirs.n else "",
        "" if known or not shown(theirs) else "no interval published",
    ]
    return Row(name, theirs, ", ".join(part for part in parts if part), True, c.margin)


def _of_several(results: Sequence[Any]) -> Sheet | None:
    asked = [r for r in results if not isinstance(r, Comparison) or r.ours is not None]
    asked = [r for r in asked if not isinstance(r, Test) or r.effect is not None]
    if len(asked) == 1:
        return _sheet(asked[0])
    if not asked:
        return None
    ours = {_key(r.ours) for r in asked if isinstance(r, Comparison)}
    if len(ours) == 1 and all(isinstance(r, Comparison) for r in asked):
        return _against_many(asked)
    rows: list[Row] = []
    for r in asked:
        if isinstance(r, Comparison):
            rows.append(Row(r.name, r.ours, "" if r.suppressed else _verdict(r)))
            rows += [_published(r, r.theirs)] if r.theirs is not None else []
        else:
            e = r.effect if isinstance(r, Test) else r
            rows.append(Row((r.name if isinstance(r, Test) else e.term) or _called(e), e))
    names = {r.name for r in asked}
    return _of_rows(names.pop() if len(names) == 1 else "", rows)


def _against_many(comparisons: Sequence[Comparison]) -> Sheet:
    """One figure of ours against several published ones: ours stands once."""
    ours = comparisons[0].ours
    rows = [Row("Ours", ours, ours.base_text)]
    for c in comparisons:
        if c.theirs is None:
            continue
        row = _published(c, c.theirs, c.theirs.source or c.benchmark or c.name)
        word = "" if c.suppressed else _verdict(c)
        rows.append(replace(row, detail=" · ".join(part for part in (word, row.detail) if part)))
    sheet = _of_rows(_called(ours) or comparisons[0].name, rows)
    if any(row.margin for row in rows):
        mark = ("band", "the margin around each published figure: what counts as the same")
        sheet = replace(sheet, head=replace(sheet.head, notes=(mark, *sheet.head.notes)))
    return sheet


def _of_rows(title: str, rows: Sequence[Row], *, ranked: bool = False) -> Sheet:
    known = [row for row in rows if shown(row.estimate)]
    said = [_said(row.estimate, row.name) for row in rows]
    short = said if len(rows) <= 3 else [f"{len(rows)} rows in all"]
    if ranked and known and len(rows) > 3:
        ordered = sorted(known, key=lambda row: row.estimate.value)
        top, bottom = ordered[-1], ordered[0]
        short = [
            f"highest {_said(top.estimate, top.name, base=False)}",
            f"lowest {_said(bottom.estimate, bottom.name, base=False)}",
            *short,
        ]
    elif len(rows) > 3:
        short = [_said(row.estimate, row.name, base=False) for row in rows[:6]] + (
            short if len(rows) > 6 else []
        )
    estimates = [row.estimate for row in rows]
    sizes = sorted({e.n for e in estimates if not e.suppressed and e.n})
    words = f"with {_level(estimates[0])} intervals"
    if sizes and ranked:
        span = fmt_count(sizes[0])
        span += f" to {fmt_count(sizes[-1])}" if len(sizes) > 1 else ""
        words += f" · {span} respondents" + (" a row" if len(rows) > 1 else "")
    alt = f"{title.rstrip(': ')}: {'; '.join(short)}." if title else f"{'; '.join(short)}."
    return Sheet(Head(title, alt, words, "; ".join(said) + ".", _notes(estimates)), tuple(rows))


def _of_curve(c: Curve) -> Head:
    """The ends and the extremes of a curve in words; its points in the description."""
    said = [_said(e, _point(c, e), base=False) for e in c.estimates]
    seen = [e for e in c.estimates if shown(e)]
    ordered = sorted(seen, key=lambda e: e.value)
    ends = dict.fromkeys(_said(e, _point(c, e), base=False) for e in (*seen[:1], *seen[-1:]))
    parts = [f"from {' to '.join(ends)}" if len(ends) > 1 else "".join(ends)]
    for word, extreme in (("highest", ordered[-1:]), ("lowest", ordered[:1])):
        parts += [f"{word} {_point(c, e)}: {value_text(e)}" for e in extreme if len(seen) > 2]
    hidden = [_point(c, e) for e in c.estimates if e.suppressed]
    notes = list(_notes(c.estimates))
    if hidden:
        first = next(e for e in c.estimates if e.suppressed)
        note = f"suppressed: {', '.join(hidden)} ({first.base_text})"
        notes.insert(0, ("", note))
        parts.append(note)
    alt = f"{c.name}: {'; '.join(part for part in parts if part)}."
    words = f"with {_level(c.estimates[0])} intervals"
    return Head(c.name, alt, words, "; ".join(said) + ".", tuple(notes))


def _point(c: Curve, e: Estimate) -> str:
    if e.term:
        return e.term
    return f"{c.axis} {draw.place_text(e.x)}".strip() if e.x is not None else "a point"


def _key(e: Estimate) -> tuple:
    return e.id, str(e.value), str(e.low), str(e.high), e.unit, e.n


def _called(e: Estimate) -> str:
    return " · ".join(part for part in (e.name or e.question, e.term) if part)


def _level(e: Estimate) -> str:
    return f"{100 * e.level:g}\u00a0%"


def _axis_of(unit: str) -> str:
    return "share" if unit.startswith("share") and unit != "share points" else unit


def _range(e: Estimate) -> str:
    text = fmt_interval(e.low, e.high, e.unit)
    if len(text) > 60:
        text = f"{e.low:.3g} to {e.high:.3g} {e.unit}".replace("-", "−").replace("inf", "∞").strip()
    return "not known" if text == "–" else text


def _said(e: Estimate, name: str, *, base: bool = True) -> str:
    """An estimate in words: name, value, interval, base."""
    text = f"{name}: {value_text(e)}" if name else value_text(e)
    if e.suppressed:
        return f"{text} ({e.base_text})"
    text += f", {_level(e)} interval {_range(e)}"
    return f"{text}, from {e.base_text}" if base and e.n else text


def _said_published(c: Comparison, theirs: Estimate) -> str:
    if _is_own(c):
        return _said(theirs, _called(theirs) or "the other")
    grade = f" (grade {c.grade})" if c.grade else ""
    if math.isfinite(theirs.low) or math.isfinite(theirs.high):
        return _said(theirs, f"published{grade}")
    return f"published{grade}: {value_text(theirs)}, no interval published"


def _notes(estimates: Sequence[Estimate]) -> tuple[tuple[str, str], ...]:
    made = any(e.origin.synthetic for e in estimates)
    return (("", "Simulated answers, not a survey."),) if made else ()


# ── the data-quality notebook's pictures ─────────────────────────────────────────────────────────


def show(*results: Any) -> None:
    """Display results in a notebook, each with its picture; outside one, print them."""
    try:
        from IPython.display import display
    except ImportError:
        display = print
    for result in results:
        picture = plot(result)
        display(result, *([] if picture is None else [picture]))


def histogram(
    values: Any,
    weights: Any = None,
    *,
    name: str = "",
    unit: str = "",
    bins: Any = "auto",
    ax: Any = None,
) -> Any:
    """How the answers to a number question spread, in per cent of the (weighted) answers.

    Parameters
    ----------
    values, weights : array-like of shape (n,)
        Missing and infinite values, and those without a positive weight, are left out and counted.
    name, unit : str
        The picture's title; the unit of the values as on the axis.
    bins : int, sequence of edges, or "auto"
        As numpy takes them; "auto" is one bin a whole number where there are at most 40.

    Returns
    -------
    matplotlib Axes
    """
    import numpy as np
    import seaborn as sns

    x, w = _weighted(values, weights)
    left_out = np.size(values) - len(x)
    mean = float(np.average(x, weights=w))
    words = f"{fmt_count(len(x))} answers, {'weighted ' if weights is not None else ''}mean "
    words += f"{fmt(mean, unit)}, from {fmt_interval(x.min(), x.max(), unit)}"
    words += f"; {fmt_count(left_out)} left out" if left_out else ""
    head = Head(name or "Answers", f"{name or 'Answers'}: {words}.", words)
    with house_style():
        edges = _edges(x, w, bins)
        axis = paper.scale(
            "share", [0, *map(float, np.histogram(x, edges, weights=w)[0] / w.sum())]
        )
        ends = (float(edges[0]), float(edges[-1]))
        along = paper.scale(unit, ends, steps=6, zero=False)
        ax = draw.frame(head, axis, along, ax, ends)
        bars = len(ax.patches)
        data = {"x": x * along.factor, "weights": w}
        edges = list(edges * along.factor)
        look = {"color": PALETTE["ours"], "alpha": 0.75, "edgecolor": "none", "zorder": 2}
        sns.histplot(data, x="x", weights="weights", bins=edges, stat="percent", ax=ax, **look)
        for bar in ax.patches[bars:]:
            bar.set_width(0.92 * bar.get_width())
        ax.set(xlabel="", ylabel="")
    return ax


def _weighted(values: Any, weights: Any) -> tuple[Any, Any]:
    """The valid values and their weights."""
    import numpy as np

    x = np.asarray(values, dtype=float).ravel()
    w = np.ones_like(x) if weights is None else np.asarray(weights, dtype=float).ravel()
    if w.shape != x.shape:
        raise CxError("weights do not fit the values", got=len(w), want=f"{len(x)} weights")
    kept = np.isfinite(x) & np.isfinite(w) & (w > 0)
    if not kept.any():
        raise CxError("there is nothing to draw", got=f"no valid value in {len(x)}", want="numbers")
    return x[kept], w[kept]


def _edges(x: Any, w: Any, bins: Any) -> Any:
    import numpy as np

    span = float(x.max() - x.min())
    if isinstance(bins, str) and bins == "auto":
        if span <= 40 and np.array_equal(x, np.round(x)):
            return np.arange(x.min() - 0.5, x.max() + 1)
        bins = 24
    return np.histogram_bin_edges(x, bins, weights=w)


def missing_map(data: Any, *, name: str = "Missing answers", ax: Any = None) -> Any:
    """Where answers are missing, as a heat map with a row a question.

    Parameters
    ----------
    data : pandas DataFrame or Series
        A Series of shares a question; a frame of shares (0–1) whose columns are reasons for a
        missing answer (``not_shown``, ``dk`` …); or a frame of answers, a row a respondent, which
        is shown in the order of the file, in twelve stretches. Questions without a missing answer
        are left out and counted, so are all but the forty with most.

    Returns
    -------
    matplotlib Axes
    """
    import seaborn as sns
    from matplotlib.colors import ListedColormap, to_rgb

    shares, kind = _missing_shares(data)
    order = shares.mean(axis=1).sort_values(ascending=False, kind="stable").index
    some = [q for q in order if shares.loc[q].max() > 0]
    kept = shares.loc[some[:_QUESTIONS]]
    head = _missing_words(name, kept, kind, len(shares), len(some))
    with house_style():
        columns = [_REASON_WORDS.get(c, str(c)) for c in kept.columns]
        ax = draw.grid(head, [str(q) for q in kept.index], columns, ax)
        if len(kept):
            tints = ListedColormap([(*to_rgb(PALETTE["ours"]), 0.6 * i / 20) for i in range(21)])
            least = 0.005 if kept.size <= _NUMBERED else 2
            text = kept.map(lambda v: f"{100 * v:.0f}" if v >= least else "").to_numpy(str)
            look = {"fontsize": SMALL - 1, "color": PALETTE["ink"]}
            bare = {"cbar": False, "xticklabels": False, "yticklabels": False, "cmap": tints}
            cells = kept.to_numpy(float)
            sns.heatmap(cells, vmin=0, vmax=1, annot=text, fmt="", annot_kws=look, ax=ax, **bare)
    return ax


def _missing_words(name: str, kept: Any, kind: str, questions: int, some: int) -> Head:
    def shares(row: Any) -> str:
        return ", ".join(f"{c} {fmt(float(v), 'share', digits=0)}" for c, v in row.items())

    words = f"share missing {kind}, the darker the more"
    words += f" · complete: {questions - some} of {questions} questions"
    words += f" · {some - len(kept)} with fewer missing are not drawn" if some > len(kept) else ""
    most = [f"{q} {fmt(float(r.max()), 'share', digits=0)}" for q, r in kept.head(3).iterrows()]
    alt = f"{name}: {words}." + (f" At most: {'; '.join(most)}." if most else "")
    told = "; ".join(f"{q}: {shares(row)}" for q, row in kept.iterrows())
    return Head(name, alt, words, told)


def _missing_shares(data: Any) -> tuple[Any, str]:
    """A frame of shares, question × something, and what the columns are."""
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.Series):
        data, kind = data.to_frame("missing"), "a question"
    elif isinstance(data, pd.DataFrame) and len(data.columns) and set(data.columns) <= set(REASONS):
        kind = "by reason, %"
    elif isinstance(data, pd.DataFrame) and len(data):
        blocks = np.arange(len(data)) * min(_BLOCKS, len(data)) // len(data)
        shares = data.isna().groupby(blocks).mean().T
        starts = [str(int(np.argmax(blocks == block)) + 1) for block in shares.columns]
        kind = "by place in the file (first row of each stretch), %"
        return shares.set_axis(starts, axis=1), kind
    else:
        raise CxError(
            "this cannot be drawn as a missing map",
            got=type(data).__name__,
            want="a frame of answers, or shares a question",
        )
    shares = data.astype(float)
    if shares.isna().to_numpy().any() or ((shares < 0) | (shares > 1)).to_numpy().any():
        raise CxError("these are no shares", want="numbers from 0 to 1")
    return shares, kind
