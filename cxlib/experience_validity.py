"""Do several items make one scale, and do two scales measure two things?

Coefficients of reliability and the heterotrait–monotrait ratio, each a function of the weighted
covariances with its design-based interval (delta method).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from .errors import CxError, unknown
from .experience_cfa import FactorModel, checked, fitted
from .experience_factors import parameter_scores
from .experience_moments import Moments, moments
from .result import Estimate, Ranking
from .survey import Survey
from .verdict import Comparison


def reliability(
    survey: Survey,
    items: Sequence[str],
    *,
    reverse: Collection[str] = (),
    missing: str = "pairwise",
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """How far several items measure one thing: alpha, omega, average variance extracted.

    Parameters
    ----------
    survey : Survey
    items : sequence of str
        Two items or more; omega and the variance extracted need three.
    reverse : collection of str
        Items that are worded the other way round.
    missing : str
        ``"pairwise"``: each covariance from those who answered both; ``"listwise"``: all from those
        who answered everything (as omega and the variance extracted always are).

    Returns
    -------
    Ranking
        Terms ``"alpha"`` (Cronbach's), ``"standardised alpha"`` (of the correlations), ``"lambda
        6"`` (Guttman's, from squared multiple correlations; left out where an item is a combination
        of the others), ``"average correlation"``, ``"omega"`` (McDonald's, of one factor) and
        ``"AVE"`` (mean squared standardised loading). No unit. Intervals: linearised, made on the
        scale log(1 − v) (Fisher's z for the correlation, logit for AVE), Student's t.

    Raises
    ------
    CxError
        Unknown item; an item that does not vary; items never answered together; items whose sum
        does not vary.

    References
    ----------
    Cronbach (1951), Psychometrika 16:297; Guttman (1945), Psychometrika 10:255; McDonald (1999);
    Maydeu-Olivares, Coffman and Hartmann (2007), Psychological Methods 12:157 for the interval
    without normality. Alpha, lambda 6 and the average correlation checked against ``alpha()`` of R
    psych 2.2.9; the factor model against R lavaan 0.6.14.

    Examples
    --------
    >>> import pandas as pd
    >>> s = Survey(pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 2, 4]}))
    >>> round(reliability(s, ["a", "b"])["alpha"].value, 3)
    0.889
    """
    odd = [item for item in reverse if item not in items]
    if odd:
        raise unknown("item to reverse", odd[0], items)
    made = _turned(moments(survey, items, missing=missing), reverse)
    title = name or f"Reliability of {', '.join(made.items)}"
    told = {"name": title, "claim": claim, "kind": "reliability", "level": level}
    rows = [
        made.estimate(value, made.scores(gradient), scale=scale, term=term, method=method, **told)
        for term, value, gradient, scale, method in _classical(made)
    ]
    rows += _factorial(survey, made, reverse, told)
    missed = [] if len(rows) > 4 else ["omega and AVE need three items that share one factor"]
    rows = [row.with_cautions(*missed) for row in rows]
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by="coefficient")


def _turned(made: Moments, reverse: Collection[str]) -> Moments:
    sign = np.array([-1.0 if item in reverse else 1.0 for item in made.items])
    return replace(made, x=made.x * sign)


def _classical(made: Moments):
    """Term, value, gradient by the covariances, interval's scale and method of each coefficient."""
    s, r = made.covariance, made.correlation
    k, ones = len(made.items), np.ones_like(s)
    trace, total = float(np.trace(s)), float(s.sum())
    if not total > 1e-10 * trace:
        raise CxError(
            "the sum of these items does not vary",
            got=", ".join(made.items),
            want="items that point the same way",
            do="name those worded the other way round in reverse=",
        )
    factor = k / (k - 1)
    gradient = factor * (ones * trace / total**2 - np.eye(k) / total)
    value = factor * (1 - trace / total)
    yield "alpha", value, gradient, "below 1", "Cronbach's alpha, linearised variance"
    mean = (r.sum() - k) / (k * (k - 1))
    even = (ones - np.eye(k)) / (k * (k - 1))
    below = 1 + (k - 1) * mean
    if below > 1e-10:
        gradient = made.through_correlation(even * k / below**2)
        told = "alpha of the correlations, linearised variance"
        yield "standardised alpha", k * mean / below, gradient, "below 1", told
    gradient = made.through_correlation(even)
    told = "mean of the items' correlations, linearised variance"
    yield "average correlation", mean, gradient, "correlation", told
    values = np.linalg.eigvalsh(r)
    if values[0] > 1e-10 * values[-1]:
        inverse, whole = np.linalg.inv(r), float(r.sum())
        alone = 1 / np.diag(inverse)
        pushed = inverse @ np.diag(alone**2) @ inverse
        gradient = made.through_correlation(alone.sum() * ones / whole**2 - pushed / whole)
        told = "Guttman's lambda 6, linearised variance"
        yield "lambda 6", 1 - alone.sum() / whole, gradient, "below 1", told


def _factorial(
    survey: Survey, made: Moments, reverse: Collection[str], told: Mapping
) -> list[Estimate]:
    """Omega and the average variance extracted, where one factor can be fitted."""
    if len(made.items) < 3:
        return []
    try:
        own = moments(survey, made.items, missing="listwise", unbiased=False)
        own = _turned(own, reverse)
        model = fitted(own, {"scale": made.items})
    except CxError:
        return []
    scores = parameter_scores(model)
    sd = np.sqrt(np.diag(own.covariance))

    def omega(theta: np.ndarray) -> np.ndarray:
        loadings, _, residual = model.parts(theta)
        shared = float(loadings[:, 0] @ sd) ** 2
        return np.array([shared / (shared + residual @ sd**2)])

    rows = []
    both = (("omega", omega, "below 1", "omega of one factor"),)
    both += (("AVE", lambda theta: _extracted(model, theta), "share", "variance extracted"),)
    for term, of, scale, method in both:
        value, row = float(of(model.theta)[0]), model.jacobian(of)[0]
        method += " (maximum likelihood), linearised variance"
        rows.append(
            own.estimate(value, scores @ row, scale=scale, term=term, method=method, **told)
        )
    return rows


def _extracted(model: FactorModel, theta: np.ndarray) -> np.ndarray:
    """Average variance extracted of each factor."""
    loadings, _, _ = model.parts(theta)
    own = loadings.sum(axis=1) ** 2 / np.diag(model.implied(theta))
    return np.array([own[list(places)].mean() for places in model.factors.values()])


def discriminant_validity(
    survey: Survey,
    constructs: Mapping[str, Sequence[str]],
    *,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking | Comparison:
    """Do several scales measure several things? HTMT, factor correlations, variance extracted.

    Parameters
    ----------
    survey : Survey
        Rows with an answer to every item count.
    constructs : mapping of construct to its items
        Three items or more each.

    Returns
    -------
    Ranking, or a Comparison with the verdict "not asked" where a construct has fewer than three
        items. Terms, for constructs a and b: ``"HTMT: a – b"`` (heterotrait over geometric mean of
        monotrait correlations, of absolute values; two things where it stays clearly under 0.85 or
        0.90: ``hypothesis(told["HTMT: a – b"], below=0.90)``), ``"correlation: a – b"`` (of the
        factors, free of measurement error), ``"AVE: a"`` (variance extracted) and ``"AVE less
        shared: a – b"`` (the smaller AVE less the squared correlation; above 0 by Fornell and
        Larcker). No unit.

    Raises
    ------
    CxError
        One construct only; as :func:`cxlib.cfa`.

    References
    ----------
    Henseler, Ringle and Sarstedt (2015), J. Academy of Marketing Science 43:115; Fornell and
    Larcker (1981), J. Marketing Research 18:39. The factor model was checked against R lavaan
    0.6.14; the errors of all against the jackknife of clusters.
    """
    title = name or f"Are {' and '.join(constructs)} different things?"
    short = [f"{key}: {len(items)}" for key, items in constructs.items() if len(items) < 3]
    if short:
        return Comparison(
            name=title,
            verdict="not asked",
            claim=claim,
            kind="not asked",
            reasons=(f"a construct needs three items or more; asked were {', '.join(short)}",),
            sentence=f"{title}: not asked with enough items.",
            origin=survey.origin,
        )
    if len(constructs) < 2:
        raise CxError("two constructs can differ", got=len(constructs), want="two or more")
    made = moments(survey, checked(constructs), missing="listwise", unbiased=False)
    told = {"name": title, "claim": claim, "kind": "discriminant validity", "level": level}
    place = {item: number for number, item in enumerate(made.items)}
    blocks = {key: [place[item] for item in items] for key, items in constructs.items()}
    rows = _ratios(made, blocks, told)
    try:
        rows += _factors(fitted(made, constructs), told)
    except CxError as error:
        rows = [row.with_cautions(f"the ratio alone: {error.what}") for row in rows]
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by="constructs")


def _ratios(made: Moments, blocks: Mapping[str, Sequence[int]], told: Mapping) -> list[Estimate]:
    """The heterotrait–monotrait ratio of each pair of constructs."""
    r, rows = made.correlation, []
    method = "heterotrait–monotrait ratio, linearised variance"
    for (a, own), (b, other) in combinations(blocks.items(), 2):
        value, gradient = 1.0, np.zeros_like(r)
        for one, two, power in ((own, other, 1.0), (own, own, -0.5), (other, other, -0.5)):
            block = np.ix_(one, two)
            part = np.abs(r[block])
            within = one is two
            mass = part.sum() - (len(one) if within else 0)
            mean = mass / (len(one) * (len(two) - within))
            if not mean > 1e-12:
                raise CxError("the items of a construct do not go together", got=f"{a}, {b}")
            value *= mean**power
            push = np.zeros_like(r)
            push[block] = np.sign(r[block]) * power / mass
            gradient += push if within else (push + push.T) / 2
        np.fill_diagonal(gradient, 0.0)
        scores = made.scores(made.through_correlation(value * gradient))
        term = f"HTMT: {a} – {b}"
        rows.append(
            made.estimate(value, scores, scale="positive", term=term, method=method, **told)
        )
    return rows


def _factors(model: FactorModel, told: Mapping) -> list[Estimate]:
    """Factor correlations, variances extracted, and what the one exceeds the other by."""
    names, pairs = tuple(model.factors), model.pairs
    both = [*pairs, *((b, a) for a, b in pairs)]

    def of(theta: np.ndarray) -> np.ndarray:
        phi, own = model.parts(theta)[1], _extracted(model, theta)
        shared = [own[a] - phi[a, b] ** 2 for a, b in both]
        return np.concatenate([[phi[a, b] for a, b in pairs], own, shared])

    ends = [f"{names[a]} – {names[b]}" for a, b in pairs]
    terms = [(f"correlation: {end}", "correlation") for end in ends]
    terms += [(f"AVE: {factor}", "share") for factor in names]
    terms += [(f"AVE less shared: {names[a]} – {names[b]}", "") for a, b in both]
    scores, method = parameter_scores(model), "factor model (ML), linearised variance"
    rows = []
    for (term, scale), value, row in zip(terms, of(model.theta), model.jacobian(of), strict=True):
        one = model.made.estimate(
            value, scores @ row, scale=scale, term=term, method=method, **told
        )
        improper = scale == "correlation" and abs(value) >= 1
        why = ["improper solution: the factors cannot be told apart"] if improper else []
        rows.append(one.with_cautions(*why))
    return rows
