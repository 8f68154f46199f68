"""The page that pictures are drawn on: room for every word, and axes in round numbers.

:mod:`cxlib.plots_draw` decides where marks go; here words are measured, wrapped and placed, so that
none is clipped. Lengths are points of a page :data:`~cxlib.plots_svg.WIDTH` wide.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from .plots_svg import FONT, PALETTE, WIDTH, axes_class

#: Sizes of type.
TITLE, LABEL, SMALL = 12.5, 9.5, 8.5
LINE = 1.28
PAD = 3.0
MISSING_GLYPH = "□"
_LONGEST = 600
_SIZES = ((1e12, "trillions"), (1e9, "billions"), (1e6, "millions"))


@dataclass(frozen=True)
class Head:
    """The words around a picture: what it finds, how to read it, and its data in words.

    ``notes`` stand under the picture, each with the name of a swatch (``"band"``, ``"line"``) or
    ``""``.
    """

    title: str
    alt: str
    subtitle: str = ""
    description: str = ""
    notes: tuple[tuple[str, str], ...] = ()


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def clean(text: object) -> str:
    """One line of text that XML can carry: no control characters, no lone surrogates."""
    line = " ".join(str(text).replace("\u00a0", "\x00").split()).replace("\x00", "\u00a0")
    kept = "".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn"))
    return kept if len(kept) <= _LONGEST else kept[: _LONGEST - 1] + "…"


def drawable(text: object, *, bold: bool = False) -> str:
    """The text with a box for every character that the font lacks."""
    known = _characters(bold)
    return "".join(c if ord(c) in known else MISSING_GLYPH for c in clean(text))


@cache
def _characters(bold: bool) -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = FontProperties(family=FONT, weight="bold" if bold else "normal")
    return frozenset(get_font(findfont(font)).get_charmap())


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of one line, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, weight="bold" if bold else "normal", size=size)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] if text else 0.0


def wrap(text: object, width: float, size: float, *, bold: bool = False) -> list[str]:
    """The text in lines no wider than ``width``; a word that is wider is broken."""
    lines: list[str] = []
    line = ""
    for word in drawable(text, bold=bold).split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while word and text_width(word, size, bold) > width:
            cut = len(word) - 1
            while cut > 1 and text_width(word[:cut], size, bold) > width:
                cut -= 1
            joint = 1 + max(word.rfind(mark, cut // 3, cut) for mark in "_-/.")
            cut = joint or max(cut, 1)
            lines.append(word[:cut])
            word = word[cut:]
        line = word
    return [*lines, line] if line else lines


def height(lines: Sequence[str], size: float) -> float:
    """The height of a block of lines, in points."""
    return len(lines) * size * LINE


# ── the page ─────────────────────────────────────────────────────────────────────────────────────


def width_of(ax: Any, left: float, right: float) -> float:
    """The width of the drawing area in points: of the given axes, or of the axes to come."""
    if ax is None:
        return WIDTH - left - right
    return float(ax.get_window_extent().width * 72 / ax.get_figure(root=True).dpi)


def page(head: Head, ax: Any, *, tall: float, left: float, right: float, below: float) -> Any:
    """Axes with the head above and the notes below; a figure that fits where none is given.

    ``tall`` is the height of the drawing area, ``left`` and ``right`` the room beside it, ``below``
    the room for ticks and the axis' name.
    """
    full = width_of(ax, left, right) + left + right - 2 * PAD
    title = wrap(head.title, full, TITLE)
    subtitle = wrap(head.subtitle, full, SMALL)
    notes = [(mark, wrap(note, full - (16 if mark else 0), SMALL)) for mark, note in head.notes]
    above = height(title, TITLE) + height(subtitle, SMALL) + (9 if title or subtitle else 0)
    under = below + sum(height(lines, SMALL) + 3 for _, lines in notes)
    if ax is None:
        from matplotlib.figure import Figure

        total = PAD + above + tall + under + PAD
        figure = Figure(figsize=(WIDTH / 72, total / 72))
        figure.patch.set_visible(False)
        box = (left / WIDTH, (under + PAD) / total, 1 - (left + right) / WIDTH, tall / total)
        ax = figure.add_axes(box, axes_class=axes_class())
    ax.patch.set_visible(False)
    ax.cx_alt, ax.cx_description = clean(head.alt), clean_long(head.description)
    put(ax, title, (0, 1), (PAD - left, above), TITLE)
    put(ax, subtitle, (0, 1), (PAD - left, above - height(title, TITLE) - 2), SMALL, "muted")
    y = -below - 3
    for mark, lines in notes:
        _swatch(ax, mark, (PAD - left, y))
        put(ax, lines, (0, 0), (PAD - left + (16 if mark else 0), y), SMALL, "muted")
        y -= height(lines, SMALL) + 3
    return ax


def clean_long(text: str) -> str:
    """As :func:`clean`, for a description of any length."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn"))


def put(
    ax: Any,
    lines: Sequence[str],
    at: tuple[float, float],
    offset: tuple[float, float],
    size: float,
    colour: str = "ink",
    *,
    bold: bool = False,
    coords: Any = "axes fraction",
    align: str = "left",
) -> None:
    """Lines of text, their top at ``offset`` points from ``at``."""
    for number, line in enumerate(lines):
        ax.annotate(
            line,
            at,
            (offset[0], offset[1] - number * size * LINE - 0.98 * size),
            xycoords=coords,
            textcoords="offset points",
            fontsize=size,
            fontweight="bold" if bold else "normal",
            fontfamily=FONT,
            color=PALETTE[colour],
            ha=align,
            va="baseline",
            annotation_clip=False,
            parse_math=False,
        )


def _swatch(ax: Any, mark: str, at: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Affine2D, ScaledTranslation

    if not mark:
        return
    inches = Affine2D().scale(1 / 72) + ax.get_figure(root=True).dpi_scale_trans
    corner = inches + ScaledTranslation(0, 0, ax.transAxes)
    style: dict[str, Any] = {"color": PALETTE["muted"], "linewidth": 1.2, "linestyle": "--"}
    if mark == "band":
        style = {"color": PALETTE["band"], "linewidth": 8, "solid_capstyle": "butt"}
    y = at[1] - 0.65 * SMALL
    line = Line2D([at[0], at[0] + 11], [y, y], transform=corner, clip_on=False, **style)
    ax.add_artist(line)


# ── numbers along an axis ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Scale:
    """An axis: what its values are multiplied with, where it ends, its ticks and its name."""

    factor: float
    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    name: str

    def at(self, value: float) -> float:
        """A value in the axis' own units; infinities end at the axis' ends."""
        return min(max(value * self.factor, self.low), self.high)

    def part(self, value: float) -> float:
        """Where a value stands between the axis' ends, 0 to 1."""
        return (self.at(value) - self.low) / (self.high - self.low)


def scale(unit: str, values: Sequence[float], *, steps: int = 5, zero: bool = True) -> Scale:
    """The axis for finite ``values`` in ``unit``: zero is on it wherever it matters.

    Shares start at 0 and end at a round share; differences, net scores and whatever starts near
    zero show zero; other quantities (prices, months) keep to their own range.
    """
    from matplotlib.ticker import MaxNLocator

    known = [float(v) if abs(v) > 1e-290 else 0.0 for v in values if math.isfinite(v)] or [0.0, 1.0]
    factor, name = _factor(unit, max(abs(value) for value in known))
    low, high = factor * min(known), factor * max(known)
    near = unit.startswith("share") or unit in ("%", "points")
    if zero and (near or low > 0 and low < high / 2 or high < 0 and high > low / 2):
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        room = 0.1 * abs(high) or 1.0
        low, high = low if zero and low == 0 else low - room, high + room
    locator = MaxNLocator(nbins=steps, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3)
    ticks = [float(tick) for tick in locator.tick_values(low, high)]
    step = ticks[1] - ticks[0]
    ticks = [tick for tick in ticks if low - step < tick < high + step]
    labels = tuple(_tick(tick, step, unit) for tick in ticks)
    return Scale(factor, ticks[0], ticks[-1], tuple(ticks), labels, name)


def _factor(unit: str, size: float) -> tuple[float, str]:
    """What values are multiplied with on the axis, and the axis' name."""
    if unit == "share points":
        return 100.0, "percentage points"
    if unit.startswith("share"):
        return 100.0, unit if unit != "share" else ""
    if unit == "%":
        return 1.0, ""
    if size >= 1e15 or 0 < size < 1e-3:
        power = math.floor(math.log10(size))
        return 10.0**-power, f"{unit}, ×10^{power}".strip(", ")
    for least, word in _SIZES:
        if size >= least:
            return 1 / least, f"{unit}, {word}".strip(", ")
    return 1.0, unit


def _tick(tick: float, step: float, unit: str) -> str:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if step * 10**decimals % 1 > 1e-6:
        decimals += 1
    text = f"{tick:,.{decimals}f}".replace("-", "−")
    text = text.removeprefix("−") if not text.strip("−0.,") else text
    if unit == "share points" and tick > step / 2:
        text = f"+{text}"
    share = unit.startswith("share") and unit != "share points" or unit == "%"
    return f"{text}\u00a0%" if share else text
