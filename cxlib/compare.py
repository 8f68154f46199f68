"""Ours against a published figure: first whether the two may be compared, then what came out.

The guard compares what the figures are about, field by field, and refuses pairs that mean
different things. A published figure is never exact: it has the sampling error of its own sample
(with a design effect) and a rounding interval, and where its n is unpublished the verdict says from
which n on it would hold.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields, replace

from .benchmark import KINDS, Benchmark, benchmark
from .codebook import Meaning
from .errors import CxError
from .hypothesis import judge, power_consistent
from .interval import t_quantile
from .linear import difference, standard_error
from .result import Estimate, Origin, Shown
from .show import fmt
from .verdict import Comparison

#: A difference in one of these makes two figures different things.
HARD = (
    "construct",
    "unit",
    "polarity",
    "tense",
    "window",
    "quantifier",
    "base",
    "coding",
)
_UNKNOWN = "not known, so not compared:"
#: A difference in one of these is a caution.
SOFT = ("object",)
#: How many times a web panel's variance exceeds that of a simple random sample, where unknown.
DESIGN_EFFECT = 1.5
#: The published sample that an interval takes for granted where its size is unknown.
ASSUMED_N = 1_000


def compare(
    ours: Estimate | Benchmark | Comparison,
    theirs: str | Benchmark | Estimate,
    *,
    margin: float | None = None,
    accept: Collection[str] = (),
    design_effect: float = DESIGN_EFFECT,
    primary: bool = False,
    name: str = "",
    claim: str = "",
) -> Comparison:
    """Hold an estimate against a published figure, or against another estimate.

    Parameters
    ----------
    ours : Estimate
        A question that was not asked (a comparison that says so) is passed on as it is.
    theirs : benchmark id, Benchmark or Estimate
    margin : float, optional
        What counts as the same, in the unit of the figure (0.05 = 5 points of a share). Without one
        it is the benchmark's own.
    accept : collection of str
        Ids of figures that may be tested although they were seen only in an article.
    design_effect : float
        Assumed for the published sample.
    primary : bool
        Whether this is the claim's primary comparison (one in the family that the scorecard
        corrects for).

    Returns
    -------
    Comparison
        ``consistent``: the 90 % interval of the difference lies inside ± margin. ``above`` or
        ``below``: the 95 % interval excludes 0 and the estimate lies beyond the margin.
        ``cannot tell`` otherwise. ``not comparable``: the figures mean different things.
        ``not testable``: no test may be run against the published one.

    Raises
    ------
    CxError
        The id is unknown; no margin is declared anywhere; the margin is not positive.

    References
    ----------
    Schuirmann (1987), J. Pharmacokinetics and Biopharmaceutics 15:657 (two one-sided tests).
    """
    if isinstance(ours, Comparison):
        return ours
    refusal = ""
    if isinstance(ours, Benchmark):
        refusal, ours = _refusal(ours, accept), as_estimate(ours, design_effect)
    published = benchmark(theirs) if isinstance(theirs, str) else theirs
    for one in (ours, published):
        if not isinstance(one, (Estimate, Benchmark)):
            raise _not_one(one)
    if isinstance(published, Estimate):
        return _contrast(ours, published, margin, primary, name, claim)
    other = as_estimate(published, design_effect)
    differs, cautions = guard(ours, published)
    told = _cautioned(_blank(ours, other, published, primary, name, claim), cautions, published)
    if differs:
        return _refused(told, published, differs)
    if refusal := refusal or _refusal(published, accept):
        return _untested(told, published, refusal)
    margin = _margin(margin, published)
    if not math.isfinite(other.se):
        return _unpublished(told, published, margin, design_effect)
    return _judged(replace(told, margin=margin, difference=_gap(ours, other)), _cite(published))


def _refusal(figure: Benchmark, accept: Collection[str]) -> str:
    """Why no test may be run; that it was seen only in an article may be accepted by name."""
    untestable = figure.value is None or KINDS[figure.kind] or figure.status != "article_only"
    return figure.refusal if untestable or figure.id not in accept else ""


def _not_one(given: object) -> CxError:
    many = ", ".join(e.term for e in list(given)[:4]) if isinstance(given, Shown) else ""
    return CxError(
        "a comparison is between two figures",
        got=f"{type(given).__name__}{f' of {many}' if many else ''}",
        want="an Estimate on our side; an Estimate, a Benchmark or its id on the other",
        do="pick one of several by its term, e.g. ranking['web']",
    )


def _cautioned(told: Comparison, cautions: tuple[str, ...], published: Benchmark) -> Comparison:
    """What is unknown stands among the reasons of a verdict, the rest among its cautions."""
    unknown = tuple(line for line in cautions if line.startswith(_UNKNOWN))
    known = tuple(line for line in cautions if line not in unknown)
    said = (*known, *told.ours.shown_cautions, *published.cautions)
    return replace(told, reasons=unknown, cautions=said)


def _refused(told: Comparison, published: Benchmark, differs: tuple[str, ...]) -> Comparison:
    """The two figures mean different things."""
    return replace(
        told,
        verdict="not comparable",
        reasons=differs,
        cautions=(*told.reasons, *told.cautions),
        sentence=f"{_own(told.ours)}. This cannot be compared with the published "
        f"{published.shown} ({_cite(published)}): the two figures mean different things.",
    )


def _untested(told: Comparison, published: Benchmark, refusal: str) -> Comparison:
    """A descriptive contrast with a figure that no test may be run against."""
    known = published.value is not None and math.isfinite(told.ours.se)
    return replace(
        told,
        verdict="not testable",
        difference=_gap(told.ours, told.theirs) if known else None,
        reasons=(refusal,),
        cautions=(*told.reasons, *told.cautions),
        sentence=f"{_own(told.ours)}, beside a published {published.shown} "
        f"({_cite(published)}) that cannot be tested: {refusal}.",
    )


def guard(ours: Estimate, theirs: Benchmark) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What makes the two figures different things, and what calls for caution.

    Returns
    -------
    (reasons, cautions)
        ``reasons`` is empty where the two may be compared.
    """
    reasons, cautions, unknown_fields = [], [], []
    if ours.unit != theirs.unit:
        reasons.append(f"unit of the figure: ours {ours.unit}, theirs {theirs.unit}")
    for part in fields(Meaning):
        mine, its = getattr(ours.meaning, part.name), getattr(theirs.meaning, part.name)
        if not mine or not its:
            whose = "ours" if not mine else "theirs"
            unknown_fields.append(f"{part.name} ({whose if mine or its else 'both'})")
        elif mine != its and part.name in HARD:
            reasons.append(f"{part.name}: ours {mine}, theirs {its}")
        elif mine != its:
            cautions.append(f"{part.name}: ours {mine}, theirs {its}")
    if unknown_fields:
        cautions.append(f"{_UNKNOWN} {', '.join(unknown_fields)}")
    return tuple(reasons), (*cautions, *_whereabouts(ours.origin, theirs))


def _whereabouts(ours: Origin, theirs: Benchmark) -> list[str]:
    """Cautions on population, country, year and mode."""
    cautions = []
    places = theirs.geography
    if not ours.country or not places:
        cautions.append(f"{_UNKNOWN} country")
    elif ours.country not in places:
        cautions.append(f"country: ours {ours.country}, theirs {', '.join(places)}")
    elif len(places) > 1:
        cautions.append(f"theirs pools {len(places)} countries, ours is {ours.country}")
    its_year = (theirs.field_start or theirs.published)[:4]
    if not ours.year or not its_year.isdigit():
        cautions.append(f"{_UNKNOWN} year of fieldwork")
    elif abs(int(ours.year[:4]) - int(its_year)) >= 3:
        cautions.append(f"{abs(int(ours.year[:4]) - int(its_year))} years lie between the two")
    for field, mine, its in (
        ("population", ours.population, theirs.population),
        ("mode", ours.mode, theirs.mode),
    ):
        if mine and its and mine != its:
            cautions.append(f"{field}: ours {mine}, theirs {its}")
    if ours.synthetic:
        cautions.append("our data are synthetic: the verdict is about a simulation")
    return cautions


def as_estimate(figure: Benchmark, design_effect: float = DESIGN_EFFECT) -> Estimate:
    """A published figure as an estimate: sampling error where n is known, plus rounding."""
    if figure.value is None:
        value = low = high = se = math.nan
    else:
        value, low, high, se = figure.value, math.nan, math.nan, math.nan
        sampling = figure.se(design_effect)
        if sampling is not None:
            se = math.hypot(sampling, _rounding_se(figure))
            low, high = figure.interval(0.95, design_effect)
            low, high = max(0.0, low - figure.rounding), min(1.0, high + figure.rounding)
    return Estimate(
        value=value,
        low=low,
        high=high,
        unit=figure.unit,
        n=figure.n or 0,
        se=se,
        kind="published",
        name=_named(figure),
        meaning=figure.meaning,
        method=f"design effect {design_effect:g} assumed, rounding included",
        source=_cite(figure),
    )


def _named(figure: Benchmark) -> str:
    """What was measured and, where it is one or two countries, where."""
    places = ", ".join(figure.geography)
    short = len(figure.geography) <= 2 and places and places not in figure.metric
    return f"{figure.metric}, {places}" if short else figure.metric


def _rounding_se(figure: Benchmark) -> float:
    """Standard deviation of a uniform rounding error."""
    return figure.rounding / math.sqrt(3)


def _cite(figure: Benchmark) -> str:
    year = figure.published
    return f"{figure.publisher} {year}".strip() if year else figure.publisher


def _own(ours: Estimate) -> str:
    where = f"published ({ours.source})" if ours.kind == "published" else "in our data"
    return f"{ours.name or ours.question}: {ours.value_text} {where}"


def _blank(
    ours: Estimate, other: Estimate, published: Benchmark, primary: bool, name: str, claim: str
) -> Comparison:
    return Comparison(
        name=name or ours.name or ours.question,
        verdict="cannot tell",
        ours=ours,
        theirs=other,
        benchmark=published.id,
        grade=published.grade,
        claim=claim or ours.claim or (published.claims[0] if published.claims else ""),
        primary=primary,
        origin=ours.origin,
    )


def _margin(given: float | None, published: Benchmark | None) -> float:
    margin = given if given is not None else published.margin if published else None
    if margin is None:
        raise CxError(
            "what counts as the same is not declared",
            got=f"no margin for {published.id}" if published else "no margin",
            want="a margin in the figure's unit, e.g. margin=0.05 for 5 points",
            do="declare it in the study file under [margins], before the data are seen",
        )
    if not math.isfinite(margin) or margin <= 0:
        raise CxError("a margin must be positive", got=margin, want="e.g. 0.05 for 5 points")
    return float(margin)


def _gap(ours: Estimate, other: Estimate) -> Estimate:
    """Ours minus theirs with both uncertainties; theirs counts as exact where its SE is unknown."""
    if math.isfinite(other.se):
        return difference(ours, other, name="ours − published")
    return difference(ours, replace(other, se=0.0), name="ours − published")


def _contrast(
    ours: Estimate,
    other: Estimate,
    margin: float | None,
    primary: bool,
    name: str,
    claim: str,
) -> Comparison:
    """Two estimates of our own, e.g. two waves or two segments."""
    told = Comparison(
        name=name or ours.name,
        verdict="cannot tell",
        ours=ours,
        theirs=other,
        difference=difference(ours, other),
        margin=_margin(margin, None),
        claim=claim or ours.claim,
        primary=primary,
        cautions=tuple(dict.fromkeys((*ours.shown_cautions, *other.shown_cautions))),
        origin=ours.origin,
    )
    return _judged(told, other.term or other.name or "the other")


def _judged(told: Comparison, cite: str) -> Comparison:
    """The verdict from the difference, with what it would take to overturn it."""
    gap, margin = told.difference, told.margin
    verdict, p = judge(gap.value, gap.se, gap.df, margin)
    t95, t90 = t_quantile(0.95, gap.df), t_quantile(0.90, gap.df)
    size = abs(gap.value)
    overturn = None
    if verdict == "consistent":
        overturn = margin - size - t90 * gap.se
    elif verdict in ("above", "below"):
        overturn = min(size - margin, size - t95 * gap.se)
    slightly = ""
    if verdict == "consistent" and size > t95 * gap.se:
        slightly = f", slightly {'above' if gap.value > 0 else 'below'}"
    return replace(
        told,
        verdict=verdict,
        p=p,
        overturn=overturn,
        power=power_consistent(gap.se, gap.df, margin),
        sentence=_sentence(told, verdict, slightly, cite),
        reasons=(*_how_sure(told, overturn), *told.reasons),
    )


def _how_sure(told: Comparison, overturn: float | None) -> list[str]:
    if told.suppressed:
        return []
    if overturn is None:
        span, margin = told.difference.interval_text, told.margin_text
        return [f"the difference may be {span}: neither surely within {margin} nor surely not 0"]
    unit = "share points" if told.ours.unit.startswith("share") else told.ours.unit
    size = fmt(max(overturn, 0.0), unit).replace("+", "")
    return [f"a bias of {size} in our figure would overturn this verdict"]


def _sentence(told: Comparison, verdict: str, slightly: str, cite: str) -> str:
    ours, theirs, gap = told.ours, told.theirs, told.difference
    if told.suppressed:
        return f"{_own(ours)}: {verdict}, too few to show by how much ({cite})."
    head = f"{_own(ours)}, {fmt(theirs.value, theirs.unit)} published ({cite})"
    size = fmt(abs(gap.value), gap.unit).replace("+", "")
    if verdict == "consistent":
        unit = gap.unit
        same = fmt(told.margin, unit).replace("+", "")
        return f"{head}: consistent{slightly}, within the {same} that count as the same."
    if verdict in ("above", "below"):
        return (
            f"{head}: {verdict} it by {size} ({100 * gap.level:g} % interval {gap.interval_text})."
        )
    return f"{head}: these data cannot tell whether the two are the same or differ."


def _unpublished(
    told: Comparison, published: Benchmark, margin: float, design_effect: float
) -> Comparison:
    """The verdict where the published n, or spread, is unknown: from which n on it would hold.

    The degrees of freedom are ours whatever their n, so that more of theirs never says less.
    """
    ours, other = told.ours, told.theirs
    spread, borrowed = _spread(ours, published)
    rounding = _rounding_se(published)

    def at(n: float) -> Estimate:
        se = math.hypot(spread * math.sqrt(design_effect / n), rounding)
        both = math.hypot(standard_error(ours), se)
        half = t_quantile(ours.level, ours.df) * both
        gap = ours.value - other.value
        return replace(_gap(ours, other), se=both, df=ours.df, low=gap - half, high=gap + half)

    if published.n:
        told = replace(told, cautions=(*told.cautions, borrowed)) if borrowed else told
        return _judged(replace(told, margin=margin, difference=at(published.n)), _cite(published))
    best = at(math.inf)
    verdict, _ = judge(best.value, best.se, best.df, margin)
    needed = None if verdict == "cannot tell" else _smallest_n(at, verdict, margin)
    assumed = max(needed or ASSUMED_N, ASSUMED_N)
    judged = _judged(replace(told, margin=margin, difference=at(assumed)), _cite(published))
    cautions = (*judged.cautions, borrowed) if borrowed else judged.cautions
    unknown = f"the published n is unknown (the interval takes it as {assumed:,})"
    if needed is None:
        why = (f"{unknown}; at no n would these data decide",)
        return replace(judged, verdict="cannot tell", reasons=why, cautions=cautions)
    why = f"{unknown}; the verdict holds if it was {needed:,} or more"
    return replace(
        judged,
        n_needed=needed,
        cautions=cautions,
        reasons=(why, *judged.reasons),
        sentence=judged.sentence.rstrip(".") + f", if {needed:,} or more were asked.",
    )


def _smallest_n(at, verdict: str, margin: float) -> int:
    """The smallest n at which the verdict holds; standard errors fall with n, so it bisects."""

    def holds(n: float) -> bool:
        gap = at(n)
        return judge(gap.value, gap.se, gap.df, margin)[0] == verdict

    high = 1
    while not holds(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _spread(ours: Estimate, published: Benchmark) -> tuple[float, str]:
    """Standard deviation of one published answer; ours stands in where theirs is unknown."""
    if published.unit == "share":
        return math.sqrt(published.value * (1 - published.value)), ""
    size = ours.n_eff if math.isfinite(ours.n_eff) else ours.n
    return ours.se * math.sqrt(size), "its spread is not published: that of our data stands in"
