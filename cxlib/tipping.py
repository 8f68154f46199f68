"""Where a verdict tips: over the unknown size of a published sample, and against a simple fraction.

Both go through :func:`cxlib.compare`, so that a verdict here is the verdict there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from .benchmark import Benchmark, benchmark
from .compare import DESIGN_EFFECT, compare
from .errors import CxError
from .interval import t_quantile
from .result import Curve, Estimate
from .show import fmt
from .verdict import Comparison

#: The sizes of the published sample at which a tipping curve looks.
SIZES = (100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000)
#: The fractions that people say: halves, thirds, quarters, fifths and tenths.
SIMPLE = ("1/10", "1/5", "1/4", "3/10", "1/3", "2/5", "1/2", "3/5", "2/3", "7/10", "3/4", "4/5")
SIMPLE += ("9/10",)
_NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_WORDS = {"half": "1/2", "one half": "1/2", "a half": "1/2", "a third": "1/3", "a quarter": "1/4"}
_WORDS |= {"one third": "1/3", "two thirds": "2/3", "one quarter": "1/4", "three quarters": "3/4"}


def tipping_curve(
    ours: Estimate | Comparison,
    theirs: str | Benchmark | None = None,
    *,
    sizes: Sequence[int] = SIZES,
    margin: float | None = None,
    accept: Iterable[str] = (),
    design_effect: float = DESIGN_EFFECT,
    name: str = "",
) -> Curve:
    """How the difference from a published figure, and the verdict, hang on its sample size.

    Parameters
    ----------
    ours : Estimate or Comparison
        A comparison brings its published figure and margin with it.
    theirs : benchmark id or Benchmark
        Usually one whose n is unpublished; a published n is overridden by each of the sizes.
    sizes : ints
        Published sample sizes to look at. Where the verdict tips between two of them, the smallest
        n at which it holds is added.
    margin, accept, design_effect
        As :func:`cxlib.compare`.

    Returns
    -------
    Curve
        Ours minus theirs with its interval, one point a size (``x``); the ``term`` says the size
        and the verdict.

    Raises
    ------
    CxError
        The two may not be compared, or no test may be run against the published figure; a size is
        not positive.

    References
    ----------
    The tipping-point reading of missing information: Yan, Lee and Li (2009), J. Biopharmaceutical
    Statistics 19:1085.
    """
    if isinstance(ours, Comparison):
        theirs, margin = theirs or ours.benchmark, margin or ours.margin
        if ours.ours is None or not theirs:
            raise CxError("this comparison has no published figure", got=ours.verdict)
        ours = ours.ours
    figure = benchmark(theirs) if isinstance(theirs, str) else theirs
    if not isinstance(figure, Benchmark):
        raise CxError("a tipping curve needs a published figure", want="a benchmark's id")
    options = {"margin": margin, "accept": tuple(accept), "design_effect": design_effect}
    unknown_n = replace(figure, n=None, n_kind="unpublished")
    limit = compare(ours, unknown_n, **options)
    if limit.difference is None or limit.verdict in ("not comparable", "not testable"):
        raise CxError(f"no verdict to tip: {limit.verdict}", got="; ".join(limit.reasons))
    looked_at = {_size(size) for size in sizes}
    if limit.n_needed and min(looked_at, default=1) < limit.n_needed < max(looked_at, default=1):
        looked_at.add(limit.n_needed)
    title = name or f"{ours.name or ours.question} − {figure.metric}"
    points = []
    for size in sorted(looked_at):
        one = compare(ours, replace(figure, n=size, n_kind="approx"), **options)
        points.append(_point(one, size, title, limit))
    if not points:
        raise CxError("a curve needs a size to look at", got="no sizes", want="e.g. (500, 1000)")
    return Curve(
        name=title,
        estimates=tuple(points),
        claim=limit.claim,
        by="published n",
        axis="respondents behind the published figure",
    )


def _point(one: Comparison, size: int, title: str, limit: Comparison) -> Estimate:
    """The difference at one published size."""
    holds = (
        f"the verdict is {limit.verdict} if {limit.n_needed:,} or more were asked"
        if limit.n_needed
        else "no published n would give a verdict"
    )
    return replace(
        one.difference,
        name=title,
        claim=limit.claim,
        n=one.ours.n,
        term=f"{size:,} asked: {one.verdict}",
        x=float(size),
        method=f"{one.difference.method}; margin {one.margin_text}",
        cautions=(holds,),
        origin=one.ours.origin,
    )


def _size(size: int) -> int:
    if isinstance(size, bool | str) or not (math.isfinite(size) and size >= 1):
        raise CxError("a published sample size is a number from 1 up", got=repr(size))
    return int(size)


def simple_fraction(
    estimate: Estimate,
    *,
    margin: float,
    fraction: str | None = None,
    fractions: Sequence[str] = SIMPLE,
    name: str = "",
    claim: str = "",
    primary: bool = False,
) -> Comparison:
    """Is it one in three? An estimated share against a simple fraction, which is exact.

    Parameters
    ----------
    estimate : Estimate
        A share.
    margin : float
        What still counts as that fraction, e.g. 0.03 for 3 points. Declare it beforehand.
    fraction : str, optional
        ``"1/3"``, ``"one in three"``, ``"two thirds"``; the nearest of ``fractions`` where not
        given, and then a caution says that the data chose it.
    fractions : texts
        Those that the nearest is chosen from.

    Returns
    -------
    Comparison
        ``consistent``, ``above``, ``below`` or ``cannot tell``, as :func:`cxlib.compare` defines
        them; the fraction has no sampling error. The reasons name every other simple fraction that
        the data are consistent with.

    Raises
    ------
    CxError
        The estimate is no share; the margin is not positive; the text is no fraction.
    """
    if estimate.unit != "share":
        raise CxError("only a share can be a simple fraction", got=estimate.unit, want="a share")
    ours = _with_error(estimate)
    menu = [share_of(text) for text in fractions]
    if fraction is None and not menu:
        raise CxError("no fraction to compare with", want="fraction=, or fractions=")
    wanted = (
        min(menu, key=lambda one: abs(one - ours.value)) if fraction is None else share_of(fraction)
    )
    told = _against(ours, wanted, margin)
    others = [
        _spoken(one)
        for one in menu
        if one != wanted and _against(ours, one, margin).verdict == "consistent"
    ]
    reasons = (*told.reasons, *([f"also consistent with {', '.join(others)}"] if others else ()))
    chosen = "the fraction was chosen by the data: it is a description, not a test"
    return replace(
        told,
        name=name or f"{estimate.name or estimate.question}: {_spoken(wanted)}?",
        claim=claim or estimate.claim,
        primary=primary,
        kind="fraction",
        reasons=reasons,
        cautions=(*told.cautions, *((chosen,) if fraction is None else ())),
        sentence=_in_words(told, wanted),
    )


def share_of(text: str | float | Fraction) -> float:
    """A share from how people write it: ``1/3``, ``33 %``, ``0.33``, ``one in three``.

    >>> [round(share_of(text), 3) for text in ("one in three", "3 of 4", "62.5 %", "two thirds")]
    [0.333, 0.75, 0.625, 0.667]
    """
    words = " ".join(re.sub(r"(?<=[a-z])-(?=[a-z])", " ", str(text).lower()).split())
    words = _WORDS.get(words, words)
    for number, word in enumerate(_NUMBERS, start=1):
        words = " ".join(str(number) if part == word else part for part in words.split())
    for between in (" in ", " out of ", " of "):
        words = words.replace(between, "/")
    try:
        number, scale = words.removesuffix("%").strip(), 100 if words.endswith("%") else 1
        value = float(Fraction(number) if "/" in number else float(number)) / scale
    except (ValueError, ZeroDivisionError, OverflowError):
        value = -1.0
    if not 0 <= value <= 1:
        raise CxError(
            "this is no share", got=repr(text), want="1/3, 33 %, 0.33 or one in three, from 0 to 1"
        )
    return value


def _against(ours: Estimate, fraction: float, margin: float) -> Comparison:
    stated = Estimate(
        value=fraction,
        low=fraction,
        high=fraction,
        unit="share",
        n=0,
        level=ours.level,
        se=0.0,
        kind="stated",
        name=_spoken(fraction),
        method="an exact fraction, without sampling error",
    )
    return compare(ours, stated, margin=margin)


def _with_error(estimate: Estimate) -> Estimate:
    """The estimate; where all answer alike, with the error that its interval admits."""
    if estimate.se > 0:
        return estimate
    reach = max(estimate.value - estimate.low, estimate.high - estimate.value)
    t = t_quantile(estimate.level, estimate.df)
    if not (math.isfinite(reach) and reach > 0 and t > 0):
        raise CxError("this share has no uncertainty to compare with", got=str(estimate))
    return replace(
        estimate.with_cautions("all answer alike: the error is taken from the interval"),
        se=reach / t,
        linear=None,
    )


def _spoken(fraction: float) -> str:
    """``1 in 3``; ``37.0 %`` where it is no simple fraction."""
    part = Fraction(fraction).limit_denominator(10)
    return (
        f"{part.numerator} in {part.denominator}"
        if abs(float(part) - fraction) < 1e-9
        else fmt(fraction, "share")
    )


def _in_words(told: Comparison, fraction: float) -> str:
    gap = told.difference
    head = f"{told.ours.name or told.ours.question}: {told.ours.value_text} in our data"
    said = f"{_spoken(fraction)} ({fmt(fraction, 'share')})"
    if told.verdict == "consistent":
        return f"{head}: consistent with {said}, within {told.margin_text}."
    if told.verdict in ("above", "below"):
        return f"{head}: {told.verdict} {said} ({100 * gap.level:g} % interval of the difference \
{gap.interval_text})."
    return f"{head}: these data cannot tell whether it is {said}."
