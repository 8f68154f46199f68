"""Before fieldwork: how many interviews a question needs, and what a planned number can tell.

The published figure is not exact: its own sample and design effect enter, as they will in the
verdict. ``cx plan`` prints what :func:`plan` answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from .benchmark import Benchmark, benchmark, benchmarks
from .claims import claims
from .compare import DESIGN_EFFECT
from .errors import CxError, unknown
from .interval import t_quantile, upper_tail
from .page import Facts, facts
from .power import power_effect, sample_size_effect, sample_size_two_shares, z_of
from .result import Estimate, Ranking
from .show import fmt, fmt_count
from .tipping import share_of

GOALS = ("consistent", "difference")
#: The sizes that a plan shows the power at.
PLANNED = (200, 400, 600, 1_200, 2_400)


@dataclass(frozen=True)
class _Aim:
    """A published or stated figure to hold a survey against: value, its error, our spread."""

    value: float
    se: float
    unit: str
    name: str
    margin: float | None
    sd: float | None
    cautions: tuple[str, ...]

    def spread(self, truth: float) -> float:
        """Standard deviation of one answer where the true value is ``truth``."""
        return self.sd if self.sd is not None else math.sqrt(truth * (1 - truth))


def sample_size(
    benchmark_or_share: str | float | Benchmark,
    *,
    detect: float | str | None = None,
    margin: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = DESIGN_EFFECT,
    their_n: int | None = None,
    sd: float | None = None,
    rounding: bool = False,
) -> Estimate:
    """Interviews that our survey needs to answer a question about a published or stated figure.

    Parameters
    ----------
    benchmark_or_share : benchmark id, Benchmark, or share
        A share (``1/3``, ``"one in three"``) is exact; a published one has the error of its own
        sample.
    detect : float or text
        The true value that must be told from the figure, in its unit: 0.37 to tell 37 % from a
        published 32 %. Without it, the question is whether a survey that is equal in truth will be
        found ``consistent`` within the margin.
    margin : float
        For that second question; the benchmark's own where not given.
    power, level : float
        The chance of success, and the confidence of the interval that must exclude 0.
    design_effect : float
        Of both samples.
    their_n : int
        Size of the published sample, where the registry has none or the figure is a plain share.
    sd : float
        Standard deviation of one answer, for figures that are no shares.
    rounding : bool
        Add the rounding error of the published figure, as the verdict will.

    Returns
    -------
    Estimate
        ``value`` is the number of interviews, rounded up. Detection: design_effect · sd² /
        ((detect − value)² / (z_level + z_power)² − se²), the spread at ``detect``, se theirs.

    Raises
    ------
    CxError
        Nothing to detect; a margin that is not declared; no number of interviews is enough because
        the published sample is too small; a figure without value or refused.

    Examples
    --------
    >>> sample_size("1/3", detect="1/4").value
    318.0
    """
    aim = _aim(benchmark_or_share, design_effect, their_n, sd, rounding)
    if detect is not None:
        truth = _truth(aim, detect)
        reach = abs(truth - aim.value) / (
            t_quantile(_share("level", level), math.inf) + z_of(power)
        )
        what = f"to tell {fmt(truth, aim.unit)} from {fmt(aim.value, aim.unit)}"
    else:
        truth, room = aim.value, _margin(aim, margin)
        z_of(power)
        reach = room / (t_quantile(0.90, math.inf) + t_quantile(power, math.inf))
        what = f"to find {fmt(truth, aim.unit)} consistent within {_points(room, aim.unit)}"
    if reach <= 0:
        raise CxError("so little power needs no sample", got=power, want="e.g. power=0.8")
    spare = reach**2 - aim.se**2
    if spare <= 0:
        raise CxError(
            "no number of interviews is enough: the published sample is too small",
            got=f"{what}; its standard error is {fmt(aim.se, aim.unit)}",
            want=f"a standard error under {fmt(reach, aim.unit)}",
            do="ask for a larger difference or margin, or for less power",
        )
    exact = design_effect * aim.spread(truth) ** 2 / spare
    return _interviews(aim, exact, what, power, level, design_effect)


def power(
    benchmark_or_share: str | float | Benchmark,
    *,
    n: float,
    detect: float | str | None = None,
    margin: float | None = None,
    level: float = 0.95,
    design_effect: float = DESIGN_EFFECT,
    their_n: int | None = None,
    sd: float | None = None,
    rounding: bool = False,
) -> Estimate:
    """The chance that a planned number of interviews answers: see :func:`sample_size`.

    Returns
    -------
    Estimate
        ``value`` from 0 to 1. With ``detect``: that the interval of the difference excludes 0 on
        the right side. Without: that the verdict is ``consistent`` if the two are equal.
    """
    aim = _aim(benchmark_or_share, design_effect, their_n, sd, rounding)
    if not (isinstance(n, int | float) and math.isfinite(n) and n >= 1):
        raise CxError("a planned number of interviews", got=repr(n), want="1 or more")
    truth = aim.value if detect is None else _truth(aim, detect)
    se = math.hypot(aim.spread(truth) * math.sqrt(design_effect / n), aim.se)
    if detect is not None:
        z = t_quantile(_share("level", level), math.inf)
        chance = upper_tail(z - abs(truth - aim.value) / se, math.inf)
        what = f"to tell {fmt(truth, aim.unit)} from {fmt(aim.value, aim.unit)}"
    else:
        margin = _margin(aim, margin)
        room = margin / se - t_quantile(0.90, math.inf)
        chance = 1 - 2 * upper_tail(room, math.inf) if room > 0 else 0.0
        what = f"to find {fmt(truth, aim.unit)} consistent within {_points(margin, aim.unit)}"
    return Estimate(
        value=chance,
        low=math.nan,
        high=math.nan,
        unit="share",
        n=round(n),
        level=level,
        kind="power",
        name=f"Chance {what} with {fmt_count(n)} interviews",
        method=f"normal approximation, design effect {design_effect:g} on both sides",
        source=aim.name,
        cautions=aim.cautions,
    )


def claims_power(
    *,
    goal: str = "consistent",
    claim: str | None = None,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = DESIGN_EFFECT,
) -> Ranking:
    """Interviews for every published share with a margin that a test may be run against.

    Parameters
    ----------
    goal : str
        ``"consistent"``: to find the two consistent within the margin if they are equal.
        ``"difference"``: to tell a share one margin away (towards one half) from the published one.
    claim : str, optional
        Only figures that speak to this claim.

    Returns
    -------
    Ranking
        One number of interviews a figure, in the order of claims; the term is the benchmark's id.
        Figures for which no number is enough are named in the cautions.
    """
    if goal not in GOALS:
        raise unknown("goal", goal, GOALS)
    rows, never = [], []
    for one in _testable(claim):
        away = one.margin if one.value < 0.5 else -one.margin
        detect = one.value + away if goal == "difference" else None
        options = {"power": power, "level": level, "design_effect": design_effect}
        try:
            told = sample_size(one, detect=detect, **options)
        except CxError as error:
            if not error.what.startswith("no number of interviews"):
                raise
            never.append(one.id)
            continue
        rows.append(_row(told, one, goal))
    if not rows:
        raise CxError("no figure to plan for", got=claim or "all claims", want="a testable share")
    if never:
        lacking = f"no number of interviews is enough (theirs is too small): {', '.join(never)}"
        rows = [row.with_cautions(lacking) for row in rows]
    return Ranking(name=rows[0].name, estimates=tuple(rows), by="published figure")


def plan(
    figure: str | float | Benchmark | None = None,
    *,
    detect: float | str | None = None,
    n: float | None = None,
    margin: float | None = None,
    claim: str | None = None,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = DESIGN_EFFECT,
    their_n: int | None = None,
) -> Facts:
    """What ``cx plan`` prints: interviews needed, or the power of a planned number.

    Parameters
    ----------
    figure : benchmark id or share, optional
        Without one: every claim (or ``claim``), at the planned ``n`` where it is given.
    detect : share
        What must be told from it. A share against a share also answers for two groups of our own.
    n : float
        The planned number of interviews.
    margin, power, level, design_effect, their_n
        As :func:`sample_size`.

    Returns
    -------
    Facts
        A title and rows of text.

    Examples
    --------
    >>> print(plan("one in three", detect="one in four", n=400))  # doctest: +ELLIPSIS
    To tell 25.0 % from 33.3 %, design effect 1.5, power 80 %
      ...
    """
    if figure is None:
        return _plan_claims(claim, n, power, level, design_effect)
    shared = {"level": level, "design_effect": design_effect, "their_n": their_n}
    asked = {"detect": detect, "margin": margin}
    needed = _try(lambda: sample_size(figure, power=power, **asked, **shared))
    aim = _aim(figure, design_effect, their_n, None, False)
    rows = [("interviews of our own", needed)]
    if detect is not None and aim.se == 0:
        rows += _both_ways(figure, detect, power, level, design_effect)
    sizes = PLANNED if n is None else (n,)
    chances = [(size, _power_at(figure, size, asked, shared)) for size in sizes]
    rows += [(f"power with {fmt_count(size)}", chance) for size, chance in chances]
    if detect is not None and aim.margin is not None:
        same = _try(lambda: sample_size(figure, margin=margin, power=power, **shared))
        rows.append((f"to find it consistent, {_points(margin or aim.margin, aim.unit)}", same))
    rows += [("caution", line) for line in aim.cautions]
    what = (
        f"To tell {fmt(_truth(aim, detect), aim.unit)} from {fmt(aim.value, aim.unit)}"
        if detect is not None
        else f"To find {fmt(aim.value, aim.unit)} consistent, {_points(_margin(aim, margin))}"
    )
    return facts(
        f"{what.replace(chr(160), ' ')}, design effect {design_effect:g}, power {100 * power:g} %",
        rows,
    )


def _power_at(figure: str | float | Benchmark, n: float, asked: dict, shared: dict) -> str:
    return fmt(power(figure, n=n, **asked, **shared).value, "share", digits=0)


def _both_ways(
    figure: str | float | Benchmark,
    detect: float | str,
    chance: float,
    level: float,
    design_effect: float,
) -> list[tuple[str, str]]:
    """The same two shares the other way round, and as two groups of one survey."""
    first, second = share_of(figure), share_of(detect)
    options = {"power": chance, "level": level, "design_effect": design_effect}
    back = sample_size(second, detect=first, **options) if 0 < second < 1 else None
    rows = [("the other way round", fmt_count(back.value))] if back else []
    if 0 < first < 1 and 0 < second < 1:
        groups = sample_size_two_shares(first, second, **options)
        rows.append(("two groups of our own, each", fmt_count(math.ceil(groups))))
    return rows


def _plan_claims(
    claim: str | None, n: float | None, chance: float, level: float, design_effect: float
) -> Facts:
    """A row a testable figure, in the order of the claims; claims without one say so."""
    options = {"level": level, "design_effect": design_effect}
    wanted = [one for one in claims() if claim is None or one.id == str(claim).upper()]
    if not wanted:
        raise unknown("claim", claim, [one.id for one in claims()], do="cx claims lists them all")
    rows = []
    for one in wanted:
        testable = _testable(one.id)
        for figure in testable:
            away = figure.margin if figure.value < 0.5 else -figure.margin
            text = f"consistent: {_needed(figure, None, chance, options)}"
            text += f" · a margin away: {_needed(figure, figure.value + away, chance, options)}"
            if n is not None:
                same = power(figure, n=n, **options).value
                text += f" · with {fmt_count(n)}, power of consistent {100 * same:.0f} %"
            rows.append((f"{one.id} {figure.id} ({figure.shown})", text))
        if not testable:
            rows.append((f"{one.id} one half ± 5 points", _generic(chance, n, options)))
    title = f"Interviews for every claim, design effect {design_effect:g}, power {100 * chance:g} %"
    return facts(title, rows)


def _needed(figure: Benchmark, detect: float | None, chance: float, options: dict) -> str:
    return _try(lambda: sample_size(figure, detect=detect, power=chance, **options))


def _generic(chance: float, n: float | None, options: dict) -> str:
    """What a hypothesis about a share needs, where nothing published says how large."""
    text = (
        f"a margin away {fmt_count(sample_size(0.5, detect=0.55, power=chance, **options).value)}"
    )
    effect = options["design_effect"]
    small = sample_size_effect(0.2, groups=2, power=chance, **options)
    text += f" · two groups 0.2 standard deviations apart: {fmt_count(math.ceil(small))} each"
    if n is not None:
        got = power_effect(0.2, n / 2, groups=2, level=options["level"], design_effect=effect)
        text += f" · with {fmt_count(n)} in two halves, power {100 * got:.0f} %"
    return text


def _testable(claim: str | None) -> list[Benchmark]:
    """Published shares with a margin that a test may be run against, in the order of claims."""
    found = [
        one
        for one in benchmarks(claim if claim is None else str(claim).upper())
        if one.margin and not one.refusal and one.unit == "share" and 0 < one.value < 1
    ]
    return sorted(found, key=lambda one: (one.claims or ("~",), one.id))


def _try(told: Callable[[], Estimate]) -> str:
    """A number of interviews as text, or that none is enough."""
    try:
        return fmt_count(told().value)
    except CxError as error:
        if error.what.startswith("no number of interviews"):
            return "none is enough (the published sample is too small)"
        raise


def _row(told: Estimate, one: Benchmark, goal: str) -> Estimate:
    name = f"Interviews to find it {goal}" if goal == "consistent" else "Interviews to tell apart"
    claim = one.claims[0] if one.claims else ""
    return replace(told, name=name, claim=claim, term=one.id)


def _interviews(
    aim: _Aim, exact: float, what: str, power: float, level: float, design_effect: float
) -> Estimate:
    """A number of interviews, rounded up."""
    needed = math.ceil(exact - 1e-9)
    return Estimate(
        value=float(needed),
        low=math.nan,
        high=math.nan,
        unit="interviews",
        n=needed,
        level=level,
        kind="sample size",
        name=f"Interviews {what}",
        method=f"normal approximation, power {power:g}, design effect {design_effect:g} on both",
        source=aim.name,
        cautions=aim.cautions,
    )


def _aim(
    figure: str | float | Benchmark,
    design_effect: float,
    their_n: int | None,
    sd: float | None,
    rounding: bool,
) -> _Aim:
    """What a survey is to be held against."""
    _positive("design_effect", design_effect)
    for name, value in (("their_n", their_n), ("sd", sd)):
        if value is not None:
            _positive(name, value)
    if not isinstance(figure, Benchmark):
        value = _as_share(figure)
        if value is not None:
            se = math.sqrt(design_effect * value * (1 - value) / their_n) if their_n else 0.0
            return _Aim(value, se, "share", "a stated share", None, sd, ())
        figure = benchmark(figure)
    if figure.refusal:
        raise CxError(f"no test may be run against {figure.id}", got=figure.refusal)
    if sd is None and not (figure.unit == "share" and 0 < figure.value < 1):
        raise CxError(
            f"how much do answers differ? {figure.id} is no share",
            got=figure.unit,
            want="sd=, the standard deviation of one answer in that unit",
        )
    size = their_n or figure.n
    spread = math.sqrt(figure.value * (1 - figure.value)) if sd is None else sd
    sampling = spread * math.sqrt(design_effect / size) if size else 0.0
    se = math.hypot(sampling, figure.rounding / math.sqrt(3) if rounding else 0.0)
    cautions = () if size else ("the published n is unknown: the figure is taken as exact",)
    return _Aim(figure.value, se, figure.unit, figure.id, figure.margin, sd, cautions)


def _as_share(figure: str | float) -> float | None:
    """A share, or None where the text is the id of a published figure."""
    if isinstance(figure, str) and not any(c.isdigit() for c in figure[:1]) and "_" in figure:
        return None
    try:
        value = share_of(figure)
    except CxError:
        if isinstance(figure, str):
            return None
        raise
    if not 0 < value < 1:
        raise CxError("a share must lie between 0 and 1", got=figure, want="e.g. 0.32")
    return value


def _truth(aim: _Aim, detect: float | str) -> float:
    """The value to be told from the figure, checked."""
    if aim.unit == "share":
        truth = share_of(detect)
        fits = 0 < truth < 1 or aim.sd is not None
    else:
        truth, fits = detect, isinstance(detect, int | float) and math.isfinite(detect)
    if not fits:
        raise CxError("this cannot be detected", got=repr(detect), want="a value between 0 and 1")
    if abs(truth - aim.value) < 1e-12:
        raise CxError("two equal figures cannot be told apart", got=fmt(truth, aim.unit))
    return float(truth)


def _margin(aim: _Aim, margin: float | None) -> float:
    margin = aim.margin if margin is None else margin
    if margin is None:
        raise CxError(
            "what must the survey tell?",
            got="neither a value to detect nor a margin",
            want="detect=0.25, or margin=0.05 for what counts as the same",
        )
    return _positive("margin", margin)


def _points(margin: float, unit: str = "share") -> str:
    return "± " + fmt(margin, "share points" if unit.startswith("share") else unit).lstrip("+")


def _positive(name: str, value: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not (good and math.isfinite(value) and value > 0):
        raise CxError(f"{name} must be positive", got=repr(value))
    return float(value)


def _share(name: str, value: float) -> float:
    if not (_positive(name, value) < 1):
        raise CxError(f"{name} must lie between 0 and 1", got=value, want="e.g. 0.95")
    return value
