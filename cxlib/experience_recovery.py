"""Does a failure that is put right leave a customer happier than none at all?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .effects import tost
from .errors import CxError, unknown
from .hypothesis import hypothesis
from .interval import t_quantile
from .linear import Linear
from .regression import regression
from .result import Estimate, Ranking
from .show import fmt
from .survey import Survey
from .verdict import Comparison

#: What became of a failure, in the order in which it is told.
GROUPS = ("none", "silent", "unresolved", "partly", "fully")

#: Questions that are asked after the failure and so cannot be held constant.
REMEMBERED = ("sat_before", "recov_sat", "recov_outcome", "recov_comp", "fail_sev", "complained")

_GROUP = "what became of the failure"
_CAUTIONS = (
    "those who complain and are helped are not a random part of those with a failure "
    "(self-selection): this is an association, adjusted only for what was asked",
    "regression to the mean: who was unusually low at the failure drifts back without any help",
)


def recovery_paradox(
    survey: Survey,
    outcome: str,
    *,
    failed: str = "fail_12m",
    complained: str = "complained",
    resolved: str = "recov_outcome",
    group: str = "",
    covariates: Sequence[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """The service-recovery paradox: each group of those with a failure against those without.

    Parameters
    ----------
    survey : Survey
    outcome : str
        Satisfaction or loyalty now (one at a time; they are known to part here).
    failed, complained : str
        1 yes, 0 no.
    resolved : str
        Of those who complained: 1 fully, 2 partly, 3 no.
    group : str, optional
        Instead of the three: a column with the words none, silent (did not complain), unresolved,
        partly and fully.
    covariates : sequence of str
        Known or true *before* the failure (age, tenure, sector …). What is remembered or caused
        later is refused: it would be adjusted away.

    Returns
    -------
    Ranking
        Terms ``"fully"``, ``"partly"``, ``"unresolved"``, ``"silent"`` (those that occur): the
        group's mean less that of those without a failure, at the same covariates (weighted
        regression). Unit: that of the outcome. The paradox is ``"fully"`` above 0: see
        :func:`recovery_verdict`.

    Raises
    ------
    CxError
        Unknown question; a covariate from after the failure; nobody without a failure, or nobody
        with one; groups that the covariates tell apart wholly.

    References
    ----------
    McCollough and Bharadwaj (1992); de Matos, Henrique and Rossi (2007), J. Service Research 10:60.
    The regression is :func:`cxlib.regression`, checked there.
    """
    groups = _groups(survey, failed, complained, resolved, group)
    _before(survey, groups, (*covariates,), outcome)
    told = replace(survey, frame=survey.frame.assign(**{_GROUP: groups}))
    title = name or f"{outcome}: after a failure less without one"
    found = regression(
        told,
        outcome,
        [_GROUP, *covariates],
        reference={_GROUP: "none"},
        level=level,
        name=title,
        claim=claim,
    )
    valid = told.valid(outcome) & (told.weights > 0)
    rows = []
    for term in reversed(GROUPS[1:]):
        for one in found:
            if one.term == f"{_GROUP}: {term}":
                least = int(min((valid & (groups == kind)).sum() for kind in ("none", term)))
                rows.append(_told(one, survey, term, least))
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by=_GROUP)


def _told(one: Estimate, survey: Survey, term: str, least: int) -> Estimate:
    scores = one.linear
    linear = Linear(survey, lambda: scores.scores, scores.df)
    method = f"difference to those without a failure, {one.method}"
    moved = replace(one, term=term, linear=linear, kind="difference", method=method, n_least=least)
    return moved.with_cautions(*_CAUTIONS)


def recovery_verdict(
    survey: Survey,
    outcome: str,
    *,
    margin: float,
    level: float = 0.95,
    says: str = "",
    name: str = "",
    claim: str = "",
    **options: object,
) -> Comparison:
    """Is there a recovery paradox? The one-sided verdict, with its equivalence test and E-value.

    Parameters
    ----------
    margin : float
        In the unit of the outcome, declared beforehand: how small a difference counts as none (for
        the equivalence test), and how far below 0 the interval must lie to contradict.
    **options
        As for :func:`recovery_paradox`, whose errors these are too.

    Returns
    -------
    Comparison
        ``supported`` where the one-sided bound at ``level`` exceeds 0; ``contradicted`` where the
        whole interval lies more than the margin below 0; else ``cannot tell``.
        The reasons give the bound, the equivalence test and the E-value.

    References
    ----------
    Schuirmann (1987); VanderWeele and Ding (2017), Annals of Internal Medicine 167:268.
    """
    if not margin > 0:
        raise CxError("equivalence needs a margin", got=margin, want="a number above 0")
    found = recovery_paradox(survey, outcome, level=level, claim=claim, **options)
    if not any(one.term == "fully" for one in found):
        raise CxError("nobody's failure was fully resolved", got=", ".join(e.term for e in found))
    ours = found["fully"]
    title = name or f"Recovery paradox in {outcome}"
    told = hypothesis(
        ours,
        above=0.0,
        margin=margin,
        level=level,
        name=title,
        claim=claim,
        says=says or "a failure that is fully put right leaves customers better than none",
    )
    if ours.suppressed or not ours.se > 0:
        return told
    bound = ours.value - t_quantile(2 * level - 1, ours.df) * ours.se
    same = tost(ours, margin=margin)
    strength = e_value(ours, deviation=_spread(survey, outcome))
    reasons = (
        f"the one-sided {100 * level:g} % bound is {fmt(bound, ours.unit)}",
        f"equivalence within ± {fmt(margin, ours.unit)}: p = {same.p:.3f}",
        f"E-value {strength.value:.2f} ({strength.low:.2f} for the interval): so strongly an "
        "unmeasured cause must go with both to explain it away",
    )
    return replace(told, reasons=(*told.reasons, *reasons))


def e_value(estimate: Estimate, *, deviation: float = math.nan) -> Estimate:
    """How strong unmeasured confounding must be to explain an association away.

    Parameters
    ----------
    estimate : Estimate
        A ratio of risks (unit "risk ratio"), or, with ``deviation``, a difference of means.
    deviation : float
        Standard deviation of the outcome, in its unit.

    Returns
    -------
    Estimate
        Unit "risk ratio", 1 or more; ``low`` is the E-value of the interval's end nearer to no
        association (1 where the interval holds it), ``high`` that of the other end. Differences of
        means are turned into risk ratios by exp(0.91 d).

    Raises
    ------
    CxError
        A difference without a deviation above 0; a ratio that is not above 0.

    References
    ----------
    VanderWeele and Ding (2017), Annals of Internal Medicine 167:268; for differences of means
    Chinn (2000), Statistics in Medicine 19:3127. Checked against the published 3.9 → 7.26.
    """
    ends = np.array([estimate.value, estimate.low, estimate.high])
    if estimate.unit != "risk ratio":
        if not (math.isfinite(deviation) and deviation > 0):
            raise CxError(
                "a difference of means needs the outcome's standard deviation",
                got=deviation,
                want="deviation= above 0, or an estimate with the unit 'risk ratio'",
            )
        ends = np.exp(np.clip(0.91 * ends / deviation, -300, 300))
    if not (ends[0] > 0 and not np.isnan(ends).any()):
        raise CxError("a risk ratio lies above 0", got=f"{estimate.value:g}")
    value, low, high = ends if ends[0] >= 1 else 1 / np.maximum(ends[[0, 2, 1]], 1e-300)
    of = [float(v + math.sqrt(v * (v - 1))) if v > 1 else 1.0 for v in (value, low, high)]
    return replace(
        estimate,
        value=of[0],
        low=of[1],
        high=of[2],
        se=math.nan,
        unit="risk ratio",
        kind="E-value",
        method="E-value of the association",
        linear=None,
    )


def _spread(survey: Survey, outcome: str) -> float:
    """The outcome's weighted standard deviation."""
    rows = survey.valid(outcome)
    w = np.where(rows, survey.weights, 0.0)
    w = w / w.sum()
    values = np.where(rows, survey.numbers(outcome), 0.0)
    return float(np.sqrt(w @ (values - w @ values) ** 2))


def _groups(survey: Survey, failed: str, complained: str, resolved: str, group: str) -> np.ndarray:
    """Each row's group in words, None where it is not known; object array, shape (rows,)."""
    if group:
        column = survey.answers(group)
        words = column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
        odd = {str(word) for word in words if word is not None} - set(GROUPS)
        if odd:
            raise unknown("group of a failure", sorted(odd)[0], GROUPS)
    else:
        fail, told, end = (survey.numbers(q) for q in (failed, complained, resolved))
        for question, values, known in (
            (failed, fail, (0, 1)),
            (complained, told, (0, 1)),
            (resolved, end, (1, 2, 3)),
        ):
            odd = values[~np.isnan(values) & ~np.isin(values, known)]
            if len(odd):
                wanted = ", ".join(map(str, known))
                raise CxError(f"{question!r} has another answer", got=f"{odd[0]:g}", want=wanted)
        words = np.full(len(fail), None, dtype=object)
        words[fail == 0] = "none"
        words[(fail == 1) & (told == 0)] = "silent"
        for code, word in ((1, "fully"), (2, "partly"), (3, "unresolved")):
            words[(fail == 1) & (told == 1) & (end == code)] = word
    seen = set(words[survey.looked_at]) - {None}
    if "none" not in seen or len(seen) < 2:
        raise CxError(
            "there is nothing to compare",
            got=", ".join(sorted(seen)) or "no known group",
            want="respondents without a failure, and some with one",
        )
    return words


def _before(survey: Survey, groups: np.ndarray, covariates: Sequence[str], outcome: str) -> None:
    """A CxError for a covariate that is remembered, or asked of those with a failure only."""
    calm = (groups == "none") & survey.valid(outcome)
    for question in covariates:
        late = question in REMEMBERED
        if late or (calm.any() and not (calm & survey.valid(question)).any()):
            raise CxError(
                f"{question!r} cannot be held constant: it comes after the failure",
                got="remembered afterwards" if late else "no answers from those without a failure",
                want="what was known or true before the failure",
                do="leave it out of covariates=",
            )
