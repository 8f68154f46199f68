"""How numbers, tables and verdicts are written: one place for formats, so that all pages agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

_THIN = "\u00a0"  # no-break space between a number and its unit

#: The shape that stands beside each verdict, so that colour is never the only sign.
VERDICT_SHAPES = {
    "consistent": "≈",
    "above": "▲",
    "below": "▼",
    "cannot tell": "?",
    "supported": "✓",
    "contradicted": "✗",
    "not comparable": "≠",
    "not testable": "∅",
    "not asked": "–",
}


def fmt(value: float, unit: str = "", *, digits: int | None = None) -> str:
    """A value with its unit as people read it.

    >>> fmt(0.3421, "share").replace(chr(160), " "), fmt(-3.61, "points").replace(chr(160), " ")
    ('34.2 %', '−3.6 points')
    """
    if value is None or not math.isfinite(value):
        return "unbounded" if value is not None and math.isinf(value) else "–"
    if unit == "share points":
        return _signed(100 * value, 1 if digits is None else digits) + _THIN + "points"
    if unit.startswith("share"):
        suffix = unit.removeprefix("share").strip()
        text = _minus(f"{100 * value:,.{1 if digits is None else digits}f}") + _THIN + "%"
        return f"{text} {suffix}" if suffix else text
    if unit == "%":
        return _minus(f"{value:,.{1 if digits is None else digits}f}") + _THIN + "%"
    if unit == "points":
        return _minus(f"{value:,.{1 if digits is None else digits}f}") + _THIN + "points"
    if len(unit) == 3 and unit.isupper():
        return unit + _THIN + _minus(f"{value:,.{2 if digits is None else digits}f}")
    text = _minus(f"{value:,.{digits}f}" if digits is not None else _three(value))
    return f"{text}{_THIN}{unit}" if unit else text


def _three(value: float) -> str:
    """About three significant digits, never in exponents for the sizes met on a page."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if 0 < size < 0.1:
        return f"{value:.{2 - math.floor(math.log10(size))}f}"
    decimals = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return f"{value:,.{decimals}f}"


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return _minus(text.lstrip("+") if float(text) == 0 else text)


def _minus(text: str) -> str:
    text = text.replace("-", "−")
    return text.removeprefix("−") if text.strip("−0.,") == "" else text


def fmt_interval(low: float, high: float, unit: str = "") -> str:
    """``31.0 to 37.5 %``: the unit stands once where it can."""
    if not math.isfinite(low) and not math.isfinite(high):
        return "–" if math.isnan(low) else "unbounded"
    first, second = fmt(low, unit), fmt(high, unit)
    number, _, tail = first.partition(_THIN)
    if tail and second.endswith(_THIN + tail) and not unit.isupper():
        first = number
    return f"{first} to {second}"


def fmt_count(number: float) -> str:
    """``1,498``; effective sizes are rounded to whole respondents."""
    return f"{number:,.0f}" if math.isfinite(number) else "–"


def fmt_p(p: float) -> str:
    """``= .034`` or ``< .001``."""
    if not math.isfinite(p):
        return "not defined"
    return "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".", 1)


def verdict_badge(verdict: str) -> str:
    """The verdict as word, shape and (by its class) colour."""
    slug = verdict.replace(" ", "-")
    shape = VERDICT_SHAPES.get(verdict, "")
    return (
        f'<strong class="cx-badge cx-{escape(slug)}"><span aria-hidden="true">{shape}</span> '
        f"{escape(verdict)}</strong>"
    )


def table(
    head: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    *,
    caption: str = "",
) -> str:
    """An HTML table with header scopes. ``rows`` are (anchor id or "", cells); all are escaped."""
    columns = "".join(
        f'<th scope="col">{escape(name)}</th>' if name else "<td></td>" for name in head
    )
    body = []
    for anchor, cells in rows:
        first, *rest = (escape(str(cell)) for cell in cells)
        mark = f' id="{escape(anchor)}"' if anchor else ""
        body.append(
            f'<tr{mark}><th scope="row">{first}</th>'
            + "".join(f"<td>{cell}</td>" for cell in rest)
            + "</tr>"
        )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="cx-table"><table>{title}<thead><tr>{columns}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
