"""Pictures: every shape draws, says its numbers, keeps its words inside, and is the same twice."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxlib import plots
from cxlib.errors import CxError
from cxlib.plots import histogram, missing_map, plot
from cxlib.plots_page import drawable, scale, wrap
from cxlib.plots_svg import PALETTE, SCREEN, house_style
from cxlib.result import Curve, Estimate, Origin, Ranking
from cxlib.verdict import Comparison, Test

pytestmark = pytest.mark.filterwarnings("error")

INF, NAN = math.inf, math.nan
LONG = "the respondent had to explain the same problem to several people in different departments "
LONG = (LONG + "before anyone at all took care of it")[:120]
SMALL = Origin(small_cell=10)


def estimate(value=0.342, low=0.318, high=0.367, unit="share", n=1498, **more) -> Estimate:
    return Estimate(value=value, low=low, high=high, unit=unit, n=n, **{"name": "Stops", **more})


def published(value=0.32, low=0.311, high=0.33, **more) -> Estimate:
    more = {"n": 15000, "kind": "published", "source": "PwC 2018", **more}
    return estimate(value, low, high, **more)


def comparison(**more) -> Comparison:
    known = {
        "name": "Leaves after one bad experience",
        "verdict": "consistent",
        "ours": estimate(),
        "theirs": published(),
        "margin": 0.05,
        "benchmark": "pwc2018_leave1_global",
        "grade": "PC",
    }
    return Comparison(**{**known, **more})


def ranking(rows: int, name=str, unit="points", step=3.0) -> Ranking:
    made = (
        estimate(-20 + step * i, -26 + step * i, -13 + step * i, unit, 100 + i, term=name(i))
        for i in range(rows)
    )
    return Ranking(name="What drives loyalty", estimates=tuple(made))


def curve(points: int, term=lambda i: "", **more) -> Curve:
    made = (
        estimate(v, 0.9 * v, min(1, 1.1 * v), x=float(i), term=term(i), **more)
        for i, v in enumerate(np.linspace(0.95, 0.4, points))
    )
    return Curve(name="Still customers", axis="months", estimates=tuple(made))


HYPOTHESIS = comparison(theirs=None, threshold=0.3, verdict="supported", benchmark="", grade="")
TEST = Test(
    name="Sectors differ", statistic=9.1, p=0.003, df=1, effect=estimate(unit="share points")
)
SHAPES = {
    "estimate": (estimate(), ["34.2", "31.8", "36.7", "1,498"]),
    "nps": (estimate(-12.4, -18.9, -5.9, "points"), ["−12.4", "−18.9", "−5.9"]),
    "money": (estimate(12.5, 11, 14.25, "EUR"), ["EUR 12.50"]),
    "comparison": (comparison(), ["34.2", "32.0", "31.1", "grade PC", "consistent"]),
    "no interval": (
        comparison(theirs=published(0.86, NAN, NAN)),
        ["86.0", "no interval published"],
    ),
    "hypothesis": (HYPOTHESIS, ["34.2", "tested against 30.0", "supported"]),
    "two of ours": (
        comparison(theirs=estimate(0.3, 0.28, 0.32, name="Wave 1"), benchmark="", grade=""),
        ["Stops: 34.2", "Wave 1: 30.0"],
    ),
    "curve": (curve(4, lambda i: f"after {i}"), ["after 0", "95.0", "after 3", "40.0"]),
    "ribbon": (curve(30), ["months 0", "95.0", "months 29", "40.0"]),
    "ranking": (ranking(6), ["0: −20.0", "5: −5.0", "6 rows"]),
    "test": (TEST, ["Sectors differ", "+34.2"]),
    "benchmarks": (
        [comparison(), comparison(theirs=published(0.54, NAN, NAN), verdict="below")],
        ["34.2", "32.0", "54.0"],
    ),
    "mixed rows": (
        (comparison(), comparison(name="Other", ours=estimate(0.5, 0.4, 0.6)), estimate(term="x")),
        ["34.2", "50.0"],
    ),
    "estimates": ((estimate(term="a"), estimate(0.5, 0.4, 0.6, term="b")), ["a: 34.2", "b: 50.0"]),
}


def svg_of(axes) -> str:
    return axes._repr_mimebundle_()[0]["image/svg+xml"]


def texts_outside(axes) -> list[str]:
    """Every text whose drawn extent leaves the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    figure = axes.get_figure()
    renderer = FigureCanvasAgg(figure).get_renderer()
    page = figure.bbox
    outside = []
    for text in figure.findobj(Text):
        if not text.get_text().strip() or not text.get_visible():
            continue
        with house_style():
            box = text.get_window_extent(renderer)
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        if not inside:
            outside.append(text.get_text())
    return outside


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_draws_and_says_its_numbers(name):
    result, numbers = SHAPES[name]
    axes = plot(result)
    bundle, metadata = axes._repr_mimebundle_()
    svg = bundle["image/svg+xml"]
    alt = axes.cx_alt.replace("\u00a0", " ")
    assert [number for number in numbers if number not in alt] == []
    assert bundle["text/plain"] == axes.cx_alt == metadata["image/svg+xml"]["alt"]
    assert set(bundle) == {"image/svg+xml", "text/plain"} and not hasattr(axes, "_repr_html_")
    assert "nan" not in alt and axes.cx_description
    assert len(svg) < 25_000
    assert texts_outside(axes) == []


def test_the_svg_fits_into_a_page():
    svg = svg_of(plot(comparison()))
    root = ET.fromstring(svg)
    assert svg.startswith("<svg ") and "<metadata" not in svg and "<!--" not in svg
    assert root.get("role") == "img" and "34.2" in root.get("aria-label")
    assert root.get("viewBox") and "max-width:100%" in root.get("style")
    assert float(root.get("width")) == SCREEN
    for name in ("ink", "muted", "grid", "ours", "theirs", "band", "paper"):
        assert f"var(--cx-{name},{PALETTE[name]})" in svg
    bare = re.sub(r"var\([^)]*\)|url\(#\w+\)|#fff+|href=\"#\w+\"", "", svg)
    assert re.findall(r"#[0-9a-f]{3,6}\b", bare) == []
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', svg)) <= set(ids)


def test_two_pictures_in_one_page_share_no_id():
    first, second = (set(re.findall(r' id="([^"]+)"', svg_of(plot(r)))) for r in (estimate(), TEST))
    assert first and second and not first & second


def test_the_style_touches_nothing_but_a_lone_picture():
    styles = re.findall(r"<style>(.*?)</style>", svg_of(plot(estimate())))
    assert styles == [f"svg:root>.cx-paper{{fill:{PALETTE['paper']}}}"]


def test_twice_the_same_bytes_also_in_another_process_and_after_other_settings():
    import matplotlib as mpl

    here = svg_of(plot(estimate()))
    with mpl.rc_context({"font.size": 30, "text.color": "red", "svg.fonttype": "none"}):
        assert svg_of(plot(estimate())) == here
    code = (
        "from cxlib.plots import plot; from cxlib.result import Estimate; import sys;"
        "e = Estimate(value=0.342, low=0.318, high=0.367, unit='share', n=1498, name='Stops');"
        "sys.stdout.buffer.write(plot(e)._repr_mimebundle_()[0]['image/svg+xml'].encode())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert there.stdout.decode() == here


def test_nothing_is_left_behind():
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    for result, _ in SHAPES.values():
        svg_of(plot(result))
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_importing_plots_is_cheap():
    code = (
        "import sys, cxlib.plots;"
        "print([m for m in ('matplotlib', 'seaborn', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


HARD = {
    "long name": estimate(name=LONG),
    "one endless word": estimate(name="x" * 300),
    "long comparison": comparison(
        name=LONG, sentence=LONG + LONG, theirs=published(source=LONG * 2, n=0)
    ),
    "20 rows": ranking(20),
    "20 long rows": ranking(20, lambda i: f"{i} {LONG}"),
    "one row": ranking(1, lambda i: LONG),
    "negative": ranking(8, step=-11.0),
    "huge": estimate(1.2345e12, 1.1e12, 1.4e12, "EUR"),
    "absurd": estimate(1.2e300, -1e301, 3e305, "EUR"),
    "tiny": estimate(3e-9, 1e-9, 5e-9, "ratio"),
    "denormal": estimate(5e-324, 0, 5e-324, "ratio"),
    "zero": estimate(0.0, 0.0, 0.0),
    "all": estimate(1.0, 1.0, 1.0),
    "above one": estimate(1.16, 0.98, 1.4, "share of price"),
    "unbounded": estimate(34.5, -INF, INF, "EUR"),
    "half bounded": estimate(0.3, 0.2, INF),
    "no interval": estimate(0.3, NAN, NAN),
    "not defined": estimate(NAN, NAN, NAN),
    "infinite": estimate(INF, 0.2, INF),
    "full width": estimate(0.5, 0.0, 1.0),
    "full width rows": ranking(12, lambda i: LONG, step=0.0),
    "long unit": estimate(12.0, 11.0, 13.0, "complaints in a hundred visits to the store a month"),
    "curve with long terms": curve(8, lambda i: f"{i} {LONG}"),
    "curve of one": curve(1),
    "curve of 200": curve(200),
    "curve with holes": replace(
        curve(5),
        estimates=tuple(
            replace(e, value=NAN, low=NAN, high=NAN)
            if i == 2
            else replace(e, high=INF)
            if i == 3
            else e
            for i, e in enumerate(curve(5).estimates)
        ),
    ),
    "curve of huge numbers": Curve(
        name=LONG,
        axis=LONG,
        estimates=tuple(
            estimate(1e14 * i, 9e13 * i, 2e14 * i, "EUR", x=1e13 * i) for i in range(6)
        ),
    ),
    "curve without places": Curve(
        name="c", axis="", estimates=tuple(estimate(term=t) for t in "abc")
    ),
    "hostile": estimate(
        name='<script>alert(1)</script> $x^2$ \\frac{1}{0} \t tab & "quote" ]]> --> 🦄 \x00\ud800'
    ),
    "hostile rows": ranking(
        7, lambda i: ["$\\alpha$", "<b>", "\t", "漢字 🦄", "&amp;", "\n", "％"][i]
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_no_label_is_clipped(name):
    axes = plot(HARD[name])
    assert texts_outside(axes) == []
    root = ET.fromstring(svg_of(axes))
    assert root.tag.endswith("svg")
    axes.cx_alt.encode(), axes.cx_description.encode()


def test_hostile_text_is_text():
    svg = svg_of(plot(HARD["hostile"]))
    assert "<script" not in svg and "&lt;script&gt;" in svg
    assert drawable("a\tb 🦄 $x^2$") == "a b □ $x^2$"


def test_wrapping_keeps_every_letter():
    for text in (LONG, "x" * 300, "pay_more_percentage_stated" * 4):
        lines = wrap(text, 80, 9)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_is_suppressed_leaves_no_trace():
    small = estimate(0.4321, 0.1234, 0.8765, n=5, origin=SMALL)
    other = replace(small, term="b", value=0.2, n=500, low=0.15, high=0.25)
    many = Ranking(name="r", estimates=(replace(small, term="a"), other))
    line = Curve(name="c", axis="x", estimates=(replace(small, x=1.0), replace(other, x=2.0)))
    judged = comparison(ours=small, sentence="43.2 % of ours")
    for result in (small, many, line, judged, [judged, judged]):
        axes = plot(result)
        said = axes.cx_alt + axes.cx_description
        words = " ".join(t.get_text() for t in axes.texts)
        assert "suppressed" in said and "suppressed" in words
        for number in ("43.2", "12.3", "87.7", "87.6"):
            assert number not in said and number not in words
    # the axis does not betray the interval either
    assert plot(many).get_xlim()[1] < 0.5 * 100


def test_where_there_is_no_picture_there_is_none():
    asked = Comparison(name="q", verdict="not asked")
    assert plot(asked) is None
    assert plot([asked, asked]) is None
    assert plot([]) is None
    assert plot(replace(TEST, effect=None)) is None
    assert plot(Ranking(name="r", estimates=())) is None
    assert plot(Curve(name="c", estimates=())) is None
    assert "34.2" in plot([asked, estimate()]).cx_alt


@pytest.mark.parametrize("thing", [3, "x", None, {"a": 1}, [1, 2], pd.DataFrame({"a": [1]})])
def test_anything_else_is_refused(thing):
    with pytest.raises(CxError, match="cannot be drawn"):
        plot(thing)


def test_rows_in_different_units_share_no_axis():
    with pytest.raises(CxError, match="no axis in common"):
        plot([estimate(), estimate(unit="EUR", term="x")])
    alone = plot(comparison(theirs=published(8.2, NAN, NAN, unit="points")))
    assert "another unit" in alone.cx_description


def test_a_given_axes_is_drawn_on():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    ax = figure.add_axes((0.3, 0.2, 0.6, 0.5))
    for result in (comparison(), curve(4), ranking(5)):
        assert plot(result, ax=ax) is ax
        assert "Leaves" in ax.cx_alt or ax.cx_alt
    assert len(figure.axes) == 1


def test_axes_are_honest_about_zero():
    assert scale("share", [0.31, 0.37]).low == 0
    assert scale("share", [0.31, 0.97]).high == 100
    assert scale("share points", [0.04, 0.1]).low == 0
    assert scale("points", [-30, -10]).high == 0
    assert scale("share", [0.0]).low == 0 < scale("share", [0.0]).high
    assert scale("EUR", [95, 105]).low > 0
    assert scale("EUR", [5, 105]).low == 0
    assert "trillions" in scale("EUR", [1.1e12, 1.4e12]).name


def test_an_open_interval_is_seen_to_go_on():
    axes = plot(estimate(0.3, 0.2, INF))
    assert axes.get_xlim()[1] > 30 and ">" in [line.get_marker() for line in axes.lines]
    assert "unbounded" in axes.cx_alt


def test_comparisons_with_one_figure_of_ours_show_it_once():
    several = [comparison(), comparison(theirs=published(0.54, NAN, NAN, source="Emplifi 2021"))]
    words = [t.get_text() for t in plot(several).texts]
    assert words.count("Ours") == 1 and words.count("34.2\u00a0%") == 1
    assert any("Emplifi" in word for word in words)


def test_histogram_counts_what_it_leaves_out():
    values = np.r_[np.arange(11.0).repeat(5), NAN, INF]
    axes = histogram(values, np.ones(len(values)), name="Recommend", unit="points")
    assert "55 answers" in axes.cx_alt and "2 left out" in axes.cx_alt
    heights = [bar.get_height() for bar in axes.patches]
    assert sum(heights) == pytest.approx(100) and len(heights) == 11
    assert texts_outside(axes) == [] and "mean 5.0" in axes.cx_alt.replace("\u00a0", " ")
    # weights move it: only tens count
    tilted = histogram(values, np.where(values == 10, 1.0, 0.0))
    assert "weighted mean 10" in tilted.cx_alt
    for bad in ([], [NAN]):
        with pytest.raises(CxError, match="nothing to draw"):
            histogram(bad)
    with pytest.raises(CxError, match="weights"):
        histogram([1, 2], [1])
    for odd in ([3.0], [1e12, 2e12, 5e12], [0.1, 0.2, 0.25], [-5, 0, 5]):
        assert texts_outside(histogram(odd, unit="EUR")) == []


def test_missing_map_reads_answers_and_shares():
    answers = pd.DataFrame({"full": range(300), LONG: [None] * 150 + [1.0] * 150})
    axes = missing_map(answers)
    assert "complete: 1 of 2" in axes.cx_alt and "100" in axes.cx_alt
    assert texts_outside(axes) == []
    reasons = pd.DataFrame({"dk": [0.25, 0.0], "refused": [0.5, 0.0]}, index=["a", "b"])
    words = [t.get_text() for t in missing_map(reasons).texts]
    assert "don’t know" in words and "50" in words and "25" in words
    assert "40" in missing_map(pd.Series({"a": 0.4, "b": 0.1})).cx_alt
    assert "complete: 1 of 1" in missing_map(pd.DataFrame({"a": [1, 2]})).cx_alt
    wide = pd.DataFrame(np.where(np.arange(6000).reshape(60, 100) % 3, NAN, 1.0))
    assert len(svg_of(missing_map(wide))) < 60_000
    for bad in (3, pd.DataFrame(), pd.Series({"a": 1.5})):
        with pytest.raises(CxError):
            missing_map(bad)


def test_a_notebook_cell_shows_it_once():
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    code = (
        "from cxlib.plots import plot\nfrom cxlib.result import Estimate\n"
        "plot(Estimate(value=0.342, low=0.318, high=0.367, unit='share', n=1498, name='Stops'))"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nbclient.NotebookClient(book, kernel_name="python3", timeout=120).execute()
    (output,) = book.cells[0].outputs
    assert set(output["data"]) == {"image/svg+xml", "text/plain"}
    assert "34.2" in output["metadata"]["image/svg+xml"]["alt"]
    assert output["data"]["image/svg+xml"] == svg_of(plot(estimate()))


def test_the_doctest_runs():
    import doctest

    found = doctest.testmod(plots)
    assert found.attempted and not found.failed
