"""Hypotheses about survey estimates: equivalence, directed tests, t tests, multiplicity.

All use the design: the standard error and degrees of freedom of the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .errors import CxError
from .estimate import mean, share
from .interval import t_quantile, upper_tail
from .linear import difference, standard_error
from .multiplicity import p_adjust
from .result import Estimate, Origin
from .show import fmt
from .survey import Survey
from .verdict import Comparison, Test


def judge(value: float, se: float, df: float, margin: float) -> tuple[str, float]:
    """The verdict on a difference, and the p of the test behind it.

    Returns
    -------
    (verdict, p)
        p of the two one-sided tests for "consistent", of the two-sided test of no difference
        otherwise.
    """
    size = abs(value)
    if se <= 0:
        return ("consistent", 0.0) if size < margin else (_side(value), 0.0)
    if size + t_quantile(0.90, df) * se < margin:
        return "consistent", upper_tail((margin - size) / se, df)
    p = 2 * upper_tail(size / se, df)
    if size > margin and size > t_quantile(0.95, df) * se:
        return _side(value), p
    return "cannot tell", p


def _side(value: float) -> str:
    return "above" if value > 0 else "below"


def power_consistent(se: float, df: float, margin: float) -> float:
    """The chance to find "consistent" when the two are equal, at this standard error."""
    if se <= 0:
        return 1.0
    room = margin / se - t_quantile(0.90, df)
    return max(0.0, 1 - 2 * upper_tail(room, math.inf)) if room > 0 else 0.0


def hypothesis(
    estimate: Estimate,
    *,
    above: float | None = None,
    below: float | None = None,
    margin: float = 0.0,
    level: float = 0.95,
    primary: bool = True,
    name: str = "",
    claim: str = "",
    says: str = "",
) -> Comparison:
    """Whether an estimate supports a directed hypothesis.

    Parameters
    ----------
    estimate : Estimate
    above, below : float
        The value that the hypothesis says is exceeded, or undercut; give one.
    margin : float
        How far on the wrong side the whole interval must lie to contradict the hypothesis.
    says : str
        The hypothesis in words, for the sentence.

    Returns
    -------
    Comparison
        ``supported``: one-sided p under 5 % (the scorecard corrects it for the family);
        ``contradicted``: the interval's far end lies beyond the margin on the other side;
        ``cannot tell`` otherwise.

    Raises
    ------
    CxError
        Not one of ``above`` and ``below``; several estimates, or one without a standard error.
    """
    _one_direction(estimate, above, below)
    null, sign = (above, 1) if above is not None else (below, -1)
    title = name or estimate.name
    verdict, p, slack = _directed(estimate, null, sign, margin, level)
    return Comparison(
        name=title,
        verdict=verdict,
        ours=estimate,
        difference=_from_threshold(estimate, null),
        margin=margin,
        threshold=null,
        claim=claim or estimate.claim,
        reasons=_overturning(estimate, slack),
        cautions=estimate.shown_cautions,
        p=p,
        primary=primary,
        kind="hypothesis",
        sentence=_in_words(estimate, says or title, verdict),
        origin=estimate.origin,
    )


def _one_direction(estimate: object, above: float | None, below: float | None) -> None:
    """A clear error for what no directed hypothesis can be about."""
    if not isinstance(estimate, Estimate):
        raise CxError(
            "a hypothesis is about one estimate",
            got=type(estimate).__name__,
            want="an Estimate",
            do="pick one of several by its term, e.g. ranking['web']",
        )
    if (above is None) == (below is None):
        raise CxError(
            "a hypothesis needs one direction",
            got="neither" if above is None else "both",
            want="above= or below=, one of them",
        )


def _directed(
    estimate: Estimate, null: float, sign: int, margin: float, level: float
) -> tuple[str, float, float | None]:
    """A directed hypothesis: verdict, one-sided p, and the bias that would overturn it."""
    gap, se = sign * (estimate.value - null), standard_error(estimate)
    p = upper_tail(gap / se, estimate.df) if se > 0 else float(gap <= 0)
    if p < 1 - level:
        return "supported", p, gap - t_quantile(2 * level - 1, estimate.df) * se
    far = sign * ((estimate.high if sign > 0 else estimate.low) - null)
    if far < -margin:
        return "contradicted", p, -far - margin
    return "cannot tell", p, None


def _from_threshold(estimate: Estimate, null: float) -> Estimate:
    return replace(
        estimate,
        value=estimate.value - null,
        low=estimate.low - null,
        high=estimate.high - null,
        unit=_points(estimate.unit),
        name="ours − threshold",
    )


def _overturning(estimate: Estimate, slack: float | None) -> tuple[str, ...]:
    """The bias in our figure that would turn the verdict into "cannot tell", in words."""
    if slack is None or estimate.suppressed:
        return ()
    text = fmt(max(slack, 0.0), _points(estimate.unit)).replace("+", "")
    return (f"a bias of {text} in our figure would overturn this verdict",)


def _in_words(estimate: Estimate, says: str, verdict: str) -> str:
    tail = {
        "supported": "these data support it",
        "contradicted": "these data contradict it",
        "cannot tell": "these data cannot tell",
    }[verdict]
    return (
        f"{says}: {tail} ({estimate.value_text}, "
        f"{100 * estimate.level:g} % interval {estimate.interval_text})."
    )


def not_asked(
    name: str, missing: Collection[str], *, claim: str, origin: Origin, primary: bool = False
) -> Comparison:
    """What stands where a question was not asked: a verdict that says so, and what to ask."""
    return Comparison(
        name=name,
        verdict="not asked",
        claim=claim,
        primary=primary,
        kind="not asked",
        reasons=(f"this study has no answers to: {', '.join(missing)}",),
        sentence=f"{name}: not asked in this study.",
        origin=origin,
    )


def t_test(
    survey: Survey,
    question: str,
    *,
    against: float | None = None,
    group: str | None = None,
    equals: Any = None,
    level: float = 0.95,
    name: str = "",
) -> Test:
    """Design-based t test of a mean or share: against a fixed value, or between two groups.

    Parameters
    ----------
    against : float
        A fixed value. (A published figure is not one: see :func:`cxlib.compare`.)
    group : str
        A question with two answers; tests the later answer minus the earlier.
    equals : code or codes, optional
        Test the share of these answers instead of the mean.

    Returns
    -------
    Test
        With the difference as its effect; one degree of freedom fewer than the design has.

    References
    ----------
    Checked against ``svyttest`` of R survey 4.1.1, which spends one degree of freedom of the design
    in the one-sample case too.
    """
    if (against is None) == (group is None):
        raise CxError(
            "a t test needs against= or group=",
            got="neither" if group is None else "both",
            want="one of them",
        )

    effect = _tested_effect(survey, question, against, group, equals, level)
    asked = [survey.answers(name).notna().to_numpy() for name in filter(None, (question, group))]
    df = survey.df_of(np.logical_and.reduce(asked)) - 1
    if effect.se <= 0 or df <= 0:
        raise CxError(
            "no variation to test",
            got=f"standard error {effect.se:g}, {df:g} degrees of freedom",
            want="answers that differ, from two or more sampling units",
        )
    half = t_quantile(level, df) * effect.se
    effect = replace(effect, low=effect.value - half, high=effect.value + half, df=df)
    statistic = effect.value / effect.se
    return Test(
        name=name or f"{question}{f' by {group}' if group else f' against {against:g}'}",
        statistic=statistic,
        df=df,
        p=2 * upper_tail(abs(statistic), df),
        effect=effect,
        n=effect.n,
        method="design-based t test",
        source=effect.source,
        origin=effect.origin,
    )


def _points(unit: str) -> str:
    """The unit of a difference: shares differ by points."""
    return "share points" if unit.startswith("share") else unit


def _tested_effect(
    survey: Survey,
    question: str,
    against: float | None,
    group: str | None,
    equals: Any,
    level: float,
) -> Estimate:
    """The difference that a t test is about."""
    if equals is None:
        told = mean(survey, question, by=group, level=level)
    else:
        told = share(survey, question, equals=equals, by=group, level=level, method="mean")
    if isinstance(told, Estimate):
        return replace(told, value=told.value - against, unit=_points(told.unit))
    if len(told) != 2:
        raise CxError(
            f"{group!r} does not make two groups",
            got=f"{len(told)}: {', '.join(e.term for e in told)}",
            want="two answers",
        )
    return difference(told[1], told[0])


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p values (1979), in the order given: see :func:`cxlib.p_adjust`."""
    return p_adjust(p_values, method="holm")


def benjamini_hochberg(p_values: Sequence[float]) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p values (1995): see :func:`cxlib.p_adjust`."""
    return p_adjust(p_values, method="benjamini-hochberg")
