"""Pictures as small SVG: one palette as CSS variables, text as outlines, no id that could clash.

The axes of the house show themselves in a notebook, with their alt text, without pyplot.
"""

from __future__ import annotations

import hashlib
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from html import escape
from typing import Any

#: The only palette: blue and vermilion of Okabe and Ito, which differ in greyscale too. Marks never
#: differ by colour alone. In the SVG each is ``var(--cx-<name>, <hex>)``.
PALETTE = {
    "ink": "#1f2933",
    "muted": "#5b6770",
    "grid": "#dde2e6",
    "ours": "#0072b2",
    "theirs": "#d55e00",
    "band": "#fbe3d0",
    "paper": "#ffffff",
}
#: The width of a page in points: narrow, so that the same picture can be read on a phone.
WIDTH = 360.0
#: Pixels on a wide screen; narrower screens scale the picture down.
SCREEN = 560
FONT = "DejaVu Sans"
_GLYPH = "scale(0.015625)"  # what matplotlib puts on the outline of a letter
_FINE = 1.28  # units of an outline in a hundredth of the type's size


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's own defaults with the house's type and lines; left as it was found."""
    import matplotlib as mpl
    import seaborn as sns

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(sns.axes_style("white"))
        mpl.rcParams.update(
            {
                "font.family": [FONT],
                "font.size": 9.5,
                "text.parse_math": False,
                "text.usetex": False,
                "text.hinting": "none",
                "text.color": PALETTE["ink"],
                "axes.edgecolor": PALETTE["muted"],
                "axes.unicode_minus": True,
                "xtick.color": PALETTE["muted"],
                "ytick.color": PALETTE["muted"],
                "path.simplify": True,
                "svg.fonttype": "path",
                "svg.hashsalt": "cxlib",
            }
        )
        yield


@cache
def axes_class() -> type:
    """An Axes that shows itself, once, as the last expression of a notebook cell."""
    from matplotlib.axes import Axes

    class CxAxes(Axes):
        """A picture with its finding in words: ``cx_alt``, and its data: ``cx_description``."""

        cx_alt = ""
        cx_description = ""

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple:
            picture = {"image/svg+xml": svg(self), "text/plain": self.cx_alt}
            return picture, {"image/svg+xml": {"alt": self.cx_alt}}

    return CxAxes


# ── the SVG ──────────────────────────────────────────────────────────────────────────────────────


def svg(ax: Any) -> str:
    """The figure of ``ax`` as SVG that can stand in a page or alone; the same bytes every time."""
    figure = ax.get_figure(root=True)
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    raw = io.StringIO()
    with house_style():
        figure.savefig(raw, format="svg", metadata=nothing, facecolor="none", edgecolor="none")
    return tidy(raw.getvalue(), getattr(ax, "cx_alt", ""), getattr(ax, "cx_description", ""))


def tidy(raw: str, alt: str = "", description: str = "") -> str:
    """Matplotlib's SVG made small, accessible and fit to be inlined beside others.

    Ids are kept where something refers to them, under a prefix of the picture's own; style rules
    that would leak into the page are gone. Alone (as a file or an image) it has white paper; in a
    page it has none, so that the page's own colours and dark mode carry over.
    """
    root = ET.fromstring(raw)
    for parent in root.iter():
        for child in list(parent):
            if _name(child.tag) in ("metadata", "style"):
                parent.remove(child)
    mark = hashlib.sha256(f"{alt}\n{description}\n{raw}".encode()).hexdigest()
    prefix = "c" + _base36(int(mark[:5], 16))
    used = Counter(re.findall(r'(?:href="#|url\(#)([^")]+)', raw))
    paths = (element for element in root.iter() if _name(element.tag) == "path")
    blank = {path.get("id", "") for path in paths if not path.get("d")}
    often = sorted(used.keys() - blank, key=lambda name: (-used[name], name))
    ids = {name: f"{prefix}{_base36(number)}" for number, name in enumerate(often)}
    shapes: list[str] = []
    body = _gathered("".join(_element(child, ids, shapes) for child in root))
    size = [float(number) for number in root.attrib["viewBox"].split()][2:]
    wide = min(SCREEN, SCREEN * size[0] / WIDTH)
    about = f"<desc>{escape(description)}</desc>" if description else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_number(size[0])} '
        f'{_number(size[1])}" width="{_number(wide, 0)}" '
        f'height="{_number(wide * size[1] / size[0], 0)}" role="img" aria-label="{escape(alt)}" '
        'style="max-width:100%;height:auto" stroke-linejoin="round" stroke-linecap="butt">'
        f"{about}<style>svg:root>.cx-paper{{fill:{PALETTE['paper']}}}</style>"
        '<rect class="cx-paper" width="100%" height="100%" fill="none"/>'
        f"<defs>{''.join(shapes)}</defs>{body}</svg>"
    )


def _element(element: ET.Element, ids: dict[str, str], shapes: list[str]) -> str:
    """An element as it is kept; what others refer to goes to ``shapes``."""
    name = _name(element.tag)
    if name == "use" and not any(value[1:] in ids for value in element.attrib.values()):
        return ""  # a space
    kept: dict[str, str] = {}
    for key, value in element.attrib.items():
        kept.update(_attribute(element, _name(key), value, ids))
    inner = "".join(_element(child, ids, shapes) for child in element)
    if name == "defs":
        shapes.append(inner)
        return ""
    unseen = kept.get("style") == "fill:none" or "fill-opacity:0;" in kept.get("style", "") + ";"
    drawn = "id" in kept or re.search("[a-z]", kept.get("d", ""))
    if unseen or (name == "path" and not drawn) or (name == "g" and not inner):
        return ""
    if element.get("id", "").startswith("QuadMesh"):
        inner = _cells(inner)
    if name == "g" and not kept:
        return inner
    opening = " ".join([name, *(f'{key}="{escape(value)}"' for key, value in kept.items())])
    return f"<{opening}>{inner}</{name}>" if inner else f"<{opening}/>"


def _cells(body: str) -> str:
    """The cells of a heat map, one path a tint."""
    tints: dict[str, str] = {}
    for d, rest in re.findall(r'<path d="([^"]*)"([^>]*)/>', body):
        tints[rest] = tints.get(rest, "") + d
    return "".join(f'<path d="{d}"{rest}/>' for rest, d in tints.items())


def _gathered(body: str) -> str:
    """Neighbouring words of one colour put into one group that names it once."""
    words = r'<g style="([^"]*)" (transform="[^"]*">(?:(?!</?g).)*</g>)'

    def gather(run: re.Match[str]) -> str:
        parts = re.findall(words, run[0])
        return f'<g style="{parts[0][0]}">' + "".join(f"<g {part}" for _, part in parts) + "</g>"

    same = r'<g style="\1" transform="[^"]*">(?:(?!</?g).)*</g>'
    return re.sub(f"{words}(?:{same})+", gather, body)


def _attribute(element: ET.Element, key: str, value: str, ids: dict[str, str]) -> dict[str, str]:
    """One attribute as it is kept: under which name, with what value; nothing to drop it."""
    name = _name(element.tag)
    glyph = name == "path" and element.get("transform") == _GLYPH
    if key == "id":
        return {"id": ids[value]} if value in ids else {}
    if key == "href":
        return {"href": f"#{ids[value[1:]]}"}
    if key == "clip-path":
        return {key: f"url(#{ids[value[5:-1]]})"}
    if key == "style":
        return {key: _style(value)}
    if key == "d":
        return {key: _path(value, _FINE / 64, 0) if glyph else _path(value, 1, 2)}
    if key == "transform" and glyph:
        return {}
    along = re.fullmatch(r"translate\(([-\d.]+) 0\)", value) if name == "use" else None
    if along:
        return {"x": _number(float(along[1]) * _FINE, 0)}
    if key == "transform":
        text = re.sub(r"(?<=[( ])-?\d+\.\d+(?=[) ])", lambda m: _number(float(m[0])), value)
        size = re.search(r"scale\((\S+) ", value)
        outlines = any(_name(child.tag) == "use" for child in element)
        if size and outlines:
            fine = _number(float(size[1]) / _FINE, 5)
            text = re.sub(r"scale\(.*?\)", f"scale({fine} -{fine})", text)
        return {key: text}
    if re.fullmatch(r"-?\d+\.\d+", value):
        return {key: _number(float(value))}
    return {key: value}


def _style(style: str) -> str:
    style = re.sub(r"\s*([:;])\s*", r"\1", style)
    style = re.sub(r"\d+\.\d+", lambda m: _number(float(m[0])), style)
    for name, colour in PALETTE.items():
        style = style.replace(colour, f"var(--cx-{name},{colour})")
    return style


def _path(d: str, scale: float, decimals: int) -> str:
    """The same path, rounded, in relative steps, which are short to write."""
    unit = 10**decimals
    out: list[str] = []
    here = start = (0, 0)
    for letter, numbers in re.findall(r"([MLQCz])([^MLQCz]*)", d):
        if letter == "z":
            out.append("z")
            here = start
            continue
        values = [round(float(number) * scale * unit) for number in numbers.split()]
        points = list(zip(values[::2], values[1::2], strict=True))
        steps = [(x - here[0], y - here[1]) for x, y in points]
        if letter == "M":
            out.append("M" + _join([points[0]], unit))
            start = points[0]
        elif letter == "L" and steps == [(0, 0)]:
            continue
        elif letter == "L" and 0 in steps[0]:
            across = steps[0][1] == 0
            out.append(("h" if across else "v") + _number(sum(steps[0]) / unit))
        else:
            out.append(letter.lower() + _join(steps, unit))
        here = points[-1]
    return "".join(out)


def _join(points: Sequence[tuple[int, int]], unit: int) -> str:
    text = " ".join(_number(number / unit) for point in points for number in point)
    return text.replace(" -", "-")


def _number(number: float, decimals: int = 2) -> str:
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    text = "0" if text in ("-0", "") else text
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = digits[number % 36]
    while number >= 36:
        number //= 36
        text = digits[number % 36] + text
    return text


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]
