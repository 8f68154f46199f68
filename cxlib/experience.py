"""The journey and what is left of it: peak and end, the weakest link, service against product,
expectations.

Each is a weighted regression or a weighted share with its design-based interval
(:mod:`cxlib.regression`, :mod:`cxlib.estimate`); what they say is association, not cause.
Reliability and factor models stand in :mod:`cxlib.experience_validity` and
:mod:`cxlib.experience_factors`, recovery in :mod:`cxlib.experience_recovery`, politeness in
:mod:`cxlib.experience_polite`, prediction in :mod:`cxlib.experience_gain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .errors import CxError
from .estimate import mean_of, share
from .interval import t_quantile, upper_tail
from .linear import Linear, linear_estimate, someone
from .regression import regression
from .result import Estimate, Ranking
from .survey import Survey
from .verdict import Test

#: The stages of the canonical questionnaire.
STAGES = (
    *("jrn_aware", "jrn_search", "jrn_choose", "jrn_buy", "jrn_deliver"),
    *("jrn_use", "jrn_support", "jrn_bill", "jrn_renew"),
)
MEAN, LEAST, COUNT = "mean of stages", "weakest stage", "number of stages"


def peak_end(
    survey: Survey,
    total: str = "jrn_total",
    *,
    peak: str = "jrn_peak",
    end: str = "jrn_end",
    stages: Sequence[str] = STAGES,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """What the whole is remembered by: its peak, its end, or the mean of its stages.

    Parameters
    ----------
    survey : Survey
    total, peak, end : str
        Ratings of the whole, of the best or worst moment and of the last contact, on one scale.
    stages : sequence of str
        Ratings of the stages; the mean is over those that a respondent went through.

    Returns
    -------
    Ranking
        Coefficients of the regression of ``total`` on all three at once: terms ``"peak"``,
        ``"end"``, ``"mean of stages"``, and ``"peak + end − mean of stages"``, their difference
        with its covariance. Unit: that of ``total`` a point of the rating.

    Raises
    ------
    CxError
        Unknown question; nobody with all the answers; stages that make up the peak or the end.

    References
    ----------
    Fredrickson and Kahneman (1993), J. Personality and Social Psychology 65:45. The regression is
    :func:`cxlib.regression`, checked there.
    """
    average, _, _ = _journey(survey, stages)
    told = _with(survey, {MEAN: average})
    title = name or f"{total}: peak and end against the mean of the stages"
    found = regression(told, total, [peak, end, MEAN], level=level, name=title, claim=claim)
    rows = [
        replace(_home(found[term], survey), term=label)
        for term, label in ((peak, "peak"), (end, "end"), (MEAN, MEAN))
    ]
    gap = _combined(rows, (1.0, 1.0, -1.0), "peak + end − mean of stages")
    return Ranking(name=title, estimates=(*rows, gap), claim=claim, by="part of the memory")


def peak_end_test(survey: Survey, total: str = "jrn_total", **options: object) -> Test:
    """Do peak and end weigh more (or less) than the mean of the stages? A t test.

    The effect is ``"peak + end − mean of stages"`` of :func:`peak_end`, whose options and errors
    these are.
    """
    found = peak_end(survey, total, **options)
    return _t_test(found.estimates[-1], found.name)


def weakest_link(
    survey: Survey,
    total: str = "jrn_total",
    *,
    stages: Sequence[str] = STAGES,
    least: int = 2,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Does the weakest stage pull the whole down beyond the mean, given the number of stages?

    The minimum of more ratings is lower by arithmetic alone; so respondents are compared within
    the same number of stages.

    Parameters
    ----------
    survey : Survey
    total : str
    stages : sequence of str
        Touchpoints or stages; those that a respondent did not meet count neither way.
    least : int
        Respondents with fewer stages are left out (at least 2: of one, minimum and mean are one).

    Returns
    -------
    Ranking
        Terms ``"weakest stage"`` (what a point of the minimum is worth at the same mean and the
        same number) and ``"mean of stages"``; then, where the number varies, one term for each
        number against the commonest. Unit: that of ``total``.

    Raises
    ------
    CxError
        Unknown question; fewer than two stages; nobody went through ``least`` of them; minimum and
        mean are the same for everybody.
    """
    if least < 2:
        raise CxError("a weakest stage needs two", got=f"least={least}", want="2 or more")
    average, lowest, count = _journey(survey, stages)
    enough = count >= least
    if not (enough & survey.valid(total)).any():
        raise CxError(
            f"nobody went through {least} stages and rated the whole",
            got=f"{len(survey):,} respondents",
            want="respondents with two stages or more",
        )
    columns = {MEAN: average, LEAST: lowest, COUNT: count.astype(float)}
    told = _with(survey, {key: np.where(enough, v, np.nan) for key, v in columns.items()})
    used = told.valid(total) & told.valid(MEAN) & (told.weights > 0)
    numbers, often = np.unique(count[used], return_counts=True)
    if not len(numbers):
        raise CxError("nobody with weight has all these answers", got=total)
    more = {"categorical": [COUNT], "reference": {COUNT: int(numbers[often.argmax()])}}
    predictors = [MEAN, LEAST, *[COUNT] * (len(numbers) > 1)]
    title = name or f"{total}: the weakest stage, given their number"
    options = more if len(numbers) > 1 else {}
    found = regression(told, total, predictors, level=level, name=title, claim=claim, **options)
    rest = [e for e in found if e.term not in ("(Intercept)", MEAN, LEAST)]
    rows = [_home(e, survey) for e in (found[LEAST], found[MEAN], *rest)]
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by="predictor")


def good_service_bad_product(
    survey: Survey,
    *,
    journey: str = "jrn_total",
    service: str = "svc_sat",
    product: str = "prod_sat",
    poor: float = 4,
    good: float = 8,
    bad: float = 3,
    method: str = "logit",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Can good service save a bad product? The share with a poor journey, and the interaction.

    Parameters
    ----------
    journey, service, product : str
        Ratings on one scale (0–10).
    poor, good, bad : float
        A poor journey is rated ``poor`` or less, good service ``good`` or more, a bad product
        ``bad`` or less.
    method : str
        Interval of the share, as for :func:`cxlib.share`.

    Returns
    -------
    Ranking
        ``"poor journey | good service, bad product"``: a share (0–1), to be held against one half
        (``hypothesis(told[0], above=0.5)``). Beside it ``"service × product"``: the interaction in
        the regression of the journey on both, centred at their means; above 0, service is worth
        more where the product is better. The interaction is left out, with a caution, where it
        cannot be estimated.

    Raises
    ------
    CxError
        Unknown question; nobody had good service with a bad product.
    """
    one, two = survey.numbers(service), survey.numbers(product)
    caught = (one >= good) & (two <= bad)
    if not (caught & survey.looked_at).any():
        raise CxError(
            "nobody had good service with a bad product",
            got=f"{service} ≥ {good:g} and {product} ≤ {bad:g} among {len(survey):,} respondents",
            want="at least one respondent",
            do="widen the thresholds, or ask more people",
        )
    title = name or f"{journey} ≤ {poor:g} given {service} ≥ {good:g} and {product} ≤ {bad:g}"
    caught_share = conditional_share(
        survey, journey, given=caught, at_most=poor, method=method, level=level, name=title
    )
    caught_share = replace(
        caught_share, term="poor journey | good service, bad product", claim=claim
    )
    try:
        cross = interaction(survey, journey, service, product, level=level, name=title).effect
    except CxError as error:
        rows = (caught_share.with_cautions(f"no interaction beside it: {error.what}"),)
    else:
        rows = (caught_share, replace(cross, term="service × product", claim=claim))
    return Ranking(name=title, estimates=rows, claim=claim, by="quantity")


def conditional_share(
    survey: Survey,
    question: str,
    *,
    given: Mapping[str, object] | np.ndarray,
    at_most: float | None = None,
    at_least: float | None = None,
    method: str = "logit",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """The share at a threshold or beyond among those that a condition picks.

    Parameters
    ----------
    given : mapping of question to (low, high), or bool array of shape (rows,)
        Inclusive bounds, None where there is none: ``{"svc_sat": (8, None), "prod_sat": (None,
        3)}``.
    at_most, at_least : float
        One of them: which answers count.

    Returns
    -------
    Estimate
        Unit "share" (0–1). The whole design stays in the variance (domain estimation).

    Raises
    ------
    CxError
        Neither or both thresholds; unknown question; the condition picks nobody.
    """
    if (at_most is None) == (at_least is None):
        raise CxError("a share needs one threshold", want="at_most= or at_least=, one of them")
    values = survey.numbers(question)
    rows = given if isinstance(given, np.ndarray) else _between(survey, given)
    mask = survey.looked_at & rows
    if not (mask & ~np.isnan(values)).any():
        raise CxError("the condition picks nobody with an answer", got=question)
    hit = values <= at_most if at_most is not None else values >= at_least
    column = np.where(np.isnan(values), np.nan, hit.astype(float))
    told = replace(_with(survey, {"hit": column}), mask=mask)
    codes = (0, 1) if hit[mask & ~np.isnan(values)].any() else None
    if codes is None:  # the code 1 occurs nowhere: ask for what is not 0
        zero = share(told, "hit", equals=0, method=method, level=level, name=name, claim=claim)
        one = replace(zero, value=1 - zero.value, low=1 - zero.high, high=1 - zero.low, linear=None)
        return replace(one, question=question, n_excluded=len(survey) - one.n)
    one = share(told, "hit", equals=1, method=method, level=level, name=name, claim=claim)
    return replace(_home(one, survey), question=question, n_excluded=len(survey) - one.n)


def interaction(
    survey: Survey,
    outcome: str,
    first: str,
    second: str,
    *,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Test:
    """Is what one rating is worth different where another is higher? t test of the product term.

    Both ratings are centred at their weighted means, so that the parts stay readable; the
    interaction does not depend on it.

    Returns
    -------
    Test
        The effect is the coefficient of the product, in units of the outcome a point squared.

    Raises
    ------
    CxError
        As :func:`cxlib.regression`.
    """
    centred = {}
    for question in (first, second):
        values = survey.numbers(question)
        someone(survey, question, survey.valid(question))
        centred[f"{question}, centred"] = values - mean_of(survey, values, question).value
    told = _with(survey, centred)
    a, b = centred
    title = name or f"{outcome}: {first} × {second}"
    cross = f"{a}:{b}"
    found = regression(told, outcome, [a, b, cross], level=level, name=title, claim=claim)
    return _t_test(replace(_home(found[cross], survey), kind="interaction"), title)


def expectation_disconfirmation(
    survey: Survey,
    outcome: str = "jrn_total",
    *,
    expectation: str = "exp_level",
    disconfirmation: str = "disconf",
    performance: str = "",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Satisfaction from what was expected and from whether it was better or worse than that.

    Parameters
    ----------
    expectation : str
        How good it was expected to be.
    disconfirmation : str
        Better or worse than expected, as asked (subjective disconfirmation). It is never the
        difference of performance and expectation, which would be a combination of the other two.
    performance : str, optional
        The experience itself as a third predictor.

    Returns
    -------
    Ranking
        Terms ``"expectation"``, ``"disconfirmation"`` and ``"performance"``: weighted regression
        coefficients standardised by the predictors' weighted deviations, so that they can be held
        against each other; unit that of the outcome a standard deviation.

    Raises
    ------
    CxError
        As :func:`cxlib.regression`.

    References
    ----------
    Oliver (1980), J. Marketing Research 17:460.
    """
    asked = {"expectation": expectation, "disconfirmation": disconfirmation}
    asked |= {"performance": performance} if performance else {}
    title = name or f"{outcome}: {', '.join(asked)}"
    found = regression(survey, outcome, list(asked.values()), level=level, name=title, claim=claim)
    rows = []
    for label, question in asked.items():
        one = _one_number(found, question)
        rows.append(replace(_standardised(survey, one, asked, outcome, question), term=label))
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by="predictor")


# -- the inside ------------------------------------------------------------------------------------


def _journey(survey: Survey, stages: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, minimum (NaN where there is none) and number of a respondent's stages."""
    if isinstance(stages, str) or len(set(stages)) < 2:
        raise CxError("a journey has stages", got=stages, want="two questions or more")
    present = [stage for stage in dict.fromkeys(stages) if stage in survey or stages is not STAGES]
    if len(present) < 2:
        raise CxError("this survey did not ask about stages", want=", ".join(STAGES))
    ratings = np.column_stack([survey.numbers(stage) for stage in present])
    there = ~np.isnan(ratings)
    count = there.sum(axis=1)
    some = count > 0
    average = np.where(some, np.nansum(ratings, axis=1) / np.maximum(count, 1), np.nan)
    lowest = np.where(some, np.where(there, ratings, np.inf).min(axis=1), np.nan)
    return average, lowest, count


def _with(survey: Survey, columns: Mapping[str, np.ndarray]) -> Survey:
    """The survey with more columns, and everything else as it was."""
    return replace(survey, frame=survey.frame.assign(**dict(columns)))


def _home(one: Estimate, survey: Survey) -> Estimate:
    """An estimate of the survey with more columns, told as one of the survey itself."""
    if one.linear is None:
        return one
    scores, df, remake = one.linear, one.linear.df, one.linear.remake
    return replace(one, linear=Linear(survey, lambda: scores.scores, df, remake))


def _between(survey: Survey, given: Mapping[str, object]) -> np.ndarray:
    rows = np.ones(len(survey.frame), bool)
    for question, (low, high) in given.items():
        values = survey.numbers(question)
        rows &= ~np.isnan(values)
        rows &= True if low is None else values >= low
        rows &= True if high is None else values <= high
    return rows


def _combined(rows: Sequence[Estimate], signs: Sequence[float], term: str) -> Estimate:
    """Σ sign · estimate of one regression, with its covariance."""
    first = rows[0]
    scores = sum(sign * row.linear.scores for sign, row in zip(signs, rows, strict=True))
    return linear_estimate(
        first.linear.survey,
        sum(sign * row.value for sign, row in zip(signs, rows, strict=True)),
        lambda: scores,
        n=first.n,
        n_excluded=first.n_excluded,
        unit=first.unit,
        level=first.level,
        df=first.df,
        kind="difference",
        name=first.name,
        claim=first.claim,
        question=first.question,
        term=term,
        method="difference of coefficients with covariance, linearised variance",
    )


def _one_number(found: Ranking, question: str) -> Estimate:
    if not any(e.term == question for e in found):
        raise CxError(f"{question!r} is not a rating", got="answers by level", want="numbers")
    return found[question]


def _standardised(
    survey: Survey, one: Estimate, asked: Mapping[str, str], outcome: str, question: str
) -> Estimate:
    """A coefficient times its predictor's weighted deviation, which is estimated too."""
    rows = np.logical_and.reduce([survey.valid(q) for q in (outcome, *asked.values())])
    w = np.where(rows, survey.weights, 0.0) / survey.weights[rows].sum()
    values = np.where(rows, survey.numbers(question), 0.0)
    square = np.where(rows, (values - w @ values) ** 2, 0.0)
    deviation = float(np.sqrt(w @ square))
    own = w * (square - deviation**2) / (2 * deviation)
    linear, slope = one.linear, one.value
    return linear_estimate(
        survey,
        deviation * slope,
        lambda: deviation * linear.scores + slope * own,
        n=one.n,
        n_excluded=one.n_excluded,
        unit=one.unit,
        level=one.level,
        df=one.df,
        kind=one.kind,
        name=one.name,
        claim=one.claim,
        question=one.question,
        method=f"{one.method}, a standard deviation of the predictor",
    )


def _t_test(effect: Estimate, title: str) -> Test:
    """The t test of an estimate against 0."""
    if not effect.se > 0:
        raise CxError("no variation to test", got=f"standard error {effect.se:g}", want="answers")
    t_quantile(effect.level, effect.df)
    statistic = effect.value / effect.se
    return Test(
        name=title,
        statistic=statistic,
        df=effect.df,
        p=2 * upper_tail(abs(statistic), effect.df),
        effect=effect,
        n=effect.n,
        method="design-based t test",
        source=effect.source,
        claim=effect.claim,
        cautions=effect.cautions,
        origin=effect.origin,
    )
