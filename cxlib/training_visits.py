"""How many visits does an outlet's score need? Variance components and a decision study.

A mystery shopper's score is outlet, shopper and luck. The coefficients of generalisability theory
say how far the mean of several visits ranks outlets (G) or gives their level (phi).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import CxError, unknown
from .result import Curve, Estimate, Ranking
from .survey import Survey

METHODS = ("anova", "reml")
COEFFICIENTS = ("g", "phi")
#: Residual maximum likelihood is refused beyond this many rows.
MOST_ROWS = 5_000


def variance_components(
    survey: Survey,
    score: str,
    *,
    outlet: str,
    shopper: str | None = None,
    method: str = "anova",
    level: float = 0.95,
    draws: int = 200,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Whose doing is a score: the outlet's, the shopper's, or the visit's?

    Parameters
    ----------
    survey : Survey
        One row a visit. Survey weights are not used: a component is of visits, not of customers.
    score : str
        Numbers.
    outlet, shopper : str
        Who was visited and, where shoppers visit several outlets, who visited.
    method : str
        ``"anova"`` (expected mean squares: Henderson's method for unequal numbers of visits; with
        shoppers, their mean squares as they stand) or ``"reml"`` (statsmodels' MixedLM).
    draws, seed
        Bootstrap over outlets, for the intervals (0: none).

    Returns
    -------
    Ranking
        Components ``"outlet"``, ``"shopper"`` where given, ``"visit"`` (the rest, with the
        outlet-by-shopper interaction): variances in squared units of the score, never below 0.

    Raises
    ------
    CxError
        No outlet visited twice; one outlet; no variation; shoppers who cannot be told from outlets.

    References
    ----------
    Brennan (2001), Generalizability Theory; Searle, Casella and McCulloch (1992), Variance
    Components, ch. 3 and 5. Checked against ``lmer`` of R's lme4 on equal numbers of visits.
    """
    visits = _visits(survey, score, outlet, shopper)
    parts = _components(visits, method)
    drawn = _drawn(visits, method, draws, seed)
    title = name or f"{score}: components of variance"
    words = f"{'expected mean squares' if method == 'anova' else 'REML'}"
    names = ("outlet", "shopper", "visit") if shopper else ("outlet", "visit")
    kept = [0, 1, 2] if shopper else [0, 2]
    rows = [
        _told(
            survey,
            visits,
            parts[i],
            drawn[:, i],
            (0.0, math.inf),
            level,
            term=term,
            kind="variance component",
            name=title,
            claim=claim,
            unit="",
            method=f"{words}, {_words(drawn, seed)}",
        )
        for term, i in zip(names, kept, strict=True)
    ]
    return Ranking(name=title, estimates=tuple(rows), claim=claim, by="source")


def visit_reliability(
    survey: Survey,
    score: str,
    *,
    outlet: str,
    shopper: str | None = None,
    visits: Sequence[int] = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20),
    coefficient: str = "phi",
    method: str = "anova",
    level: float = 0.95,
    draws: int = 200,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Curve:
    """How reliable the mean of so many visits to an outlet is.

    Parameters
    ----------
    visits : sequence of int
        Numbers of visits, each by another shopper.
    coefficient : str
        ``"phi"``: for an outlet's level, where shoppers' severity counts as error; ``"g"``: for the
        order of outlets that the same shoppers visit, where it cancels. Without ``shopper`` the two
        are one.

    Other arguments and errors as :func:`variance_components`.

    Returns
    -------
    Curve
        ``x`` is the number of visits; the coefficient lies between 0 and 1.

    References
    ----------
    Cronbach, Gleser, Nanda and Rajaratnam (1972); with one facet it is Spearman and Brown's formula
    on the one-way intraclass correlation.
    """
    counts = [int(n) for n in visits if float(n).is_integer() and n > 0]
    if not counts or len(counts) < len(tuple(visits)):
        raise CxError("numbers of visits are whole and above 0", got=f"{list(visits)}"[:80])
    told = _visits(survey, score, outlet, shopper)
    parts, drawn = _components(told, method), _drawn(told, method, draws, seed)
    title = name or f"{score}: reliability of the mean of so many visits"
    rows = [
        _told(
            survey,
            told,
            _coefficient(parts[None], n, coefficient)[0],
            _coefficient(drawn, n, coefficient),
            (0.0, 1.0),
            level,
            term=f"{n} visit{'' if n == 1 else 's'}",
            x=float(n),
            kind="reliability",
            name=title,
            claim=claim,
            unit=coefficient if coefficient == "phi" else "G",
            method=f"decision study, {method} components, {_words(drawn, seed)}",
        )
        for n in counts
    ]
    return Curve(name=title, estimates=tuple(rows), claim=claim, by="visits", axis="visits")


def visits_needed(
    survey: Survey,
    score: str,
    *,
    outlet: str,
    shopper: str | None = None,
    reach: float = 0.8,
    coefficient: str = "phi",
    method: str = "anova",
    level: float = 0.95,
    draws: int = 200,
    seed: int = 1,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """How many visits an outlet needs until the mean of its scores is reliable enough.

    Parameters
    ----------
    reach : float
        The coefficient wanted, between 0 and 1; 0.8 is usual for decisions on groups.

    Other arguments as :func:`visit_reliability`, errors as :func:`variance_components`.

    Returns
    -------
    Estimate
        The smallest whole number of visits; unit "visits". Unbounded where outlets do not differ:
        then no number of visits will do, and a caution says so.
    """
    if not (isinstance(reach, (int, float)) and 0 < reach < 1):
        raise CxError("a coefficient lies between 0 and 1", got=repr(reach), want="e.g. 0.8")
    told = _visits(survey, score, outlet, shopper)
    parts, drawn = _components(told, method), _drawn(told, method, draws, seed)
    value = _needed(parts[None], reach, coefficient)[0]
    made = _told(
        survey,
        told,
        value,
        _needed(drawn, reach, coefficient),
        (1.0, math.inf),
        level,
        kind="visits needed",
        name=name or f"{score}: visits an outlet needs",
        claim=claim,
        unit="visits",
        method=f"decision study to {coefficient} {reach:g}, {method} components, "
        f"{_words(drawn, seed)}",
    )
    if math.isinf(value):
        return made.with_cautions(
            "outlets do not differ in these data: no number of visits will do"
        )
    return made


# -- components ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Visits:
    """Scores with outlet and shopper codes from 0; ``shopper`` is None where not given."""

    y: np.ndarray
    outlet: np.ndarray
    shopper: np.ndarray | None
    lost: int


def _visits(survey: Survey, score: str, outlet: str, shopper: str | None) -> _Visits:
    y = survey.numbers(score)
    valid = survey.valid(score) & survey.answers(outlet).notna().to_numpy()
    if shopper is not None:
        valid &= survey.answers(shopper).notna().to_numpy()
    if valid.sum() < 3:
        raise CxError("too few visits", got=f"{int(valid.sum())}", want="3 or more")
    o = pd.factorize(survey.answers(outlet)[valid])[0].astype(np.int64)
    s = None
    if shopper is not None:
        s = pd.factorize(survey.answers(shopper)[valid])[0].astype(np.int64)
    count = int(o.max()) + 1
    if count < 2 or count == len(o):
        raise CxError(
            "outlets and visits cannot be told apart",
            got=f"{count} outlets in {len(o)} visits",
            want="two or more outlets, some of them visited more than once",
        )
    y = y[valid]
    if not np.ptp(y) > 0:
        raise CxError("all scores are the same: there is nothing to explain", got=score)
    if s is not None:
        _connected(o, s)
    return _Visits(y - y.mean(), o, s, len(survey) - int(valid.sum()))


def _connected(o: np.ndarray, s: np.ndarray) -> None:
    shoppers = int(s.max()) + 1
    pairs = len(np.unique(o * shoppers + s))
    if shoppers < 2 or pairs <= max(int(o.max()) + 1, shoppers):
        raise CxError(
            "shoppers and outlets cannot be told apart",
            got=f"{shoppers} shoppers, {int(o.max()) + 1} outlets, {pairs} pairs of them",
            want="shoppers who visit several outlets, and outlets that several visit",
            do="leave shopper= out",
        )


def _components(visits: _Visits, method: str) -> np.ndarray:
    """Variances of outlet, shopper and visit, shape (3,)."""
    if method not in METHODS:
        raise unknown("method of components", method, METHODS)
    made = _reml(visits) if method == "reml" else _anova(visits)
    return np.maximum(made, 0.0)


def _anova(visits: _Visits) -> np.ndarray:
    """Henderson's first method: uncorrected sums of squares set equal to their expectations."""
    y, n = visits.y, len(visits.y)
    facets = [visits.outlet] if visits.shopper is None else [visits.outlet, visits.shopper]
    mean = y.sum() ** 2 / n
    left, right = [[1.0 * n - 1]], [float(y @ y) - mean]
    for codes in facets:
        sizes = np.bincount(codes).astype(float)
        left[0].insert(-1, n - float(sizes @ sizes) / n)
        right.append(float((np.bincount(codes, y) ** 2 / sizes).sum()) - mean)
    for i, codes in enumerate(facets):
        sizes = np.bincount(codes).astype(float)
        row = []
        for j, other in enumerate(facets):
            width = int(other.max()) + 1
            cells, counts = np.unique(codes * width + other, return_counts=True)
            own = float((counts**2.0 / sizes[cells // width]).sum()) if i != j else float(n)
            row.append(own - float((np.bincount(other).astype(float) ** 2).sum()) / n)
        left.append([*row, len(sizes) - 1.0])
    solved = np.linalg.lstsq(np.array(left), np.array(right), rcond=None)[0]
    shopper = solved[1] if len(facets) == 2 else 0.0
    return np.array([solved[0], shopper, solved[-1]])


def _reml(visits: _Visits) -> np.ndarray:
    """Residual maximum likelihood by statsmodels, outlets and shoppers crossed."""
    import warnings

    import statsmodels.api as sm

    y = visits.y
    if len(y) > MOST_ROWS:
        raise CxError("too many visits for REML", got=f"{len(y):,}", want='method="anova"')
    size = float(y.std())
    frame = pd.DataFrame({"y": y / size, "o": visits.outlet, "all": 1})
    parts = {"outlet": "0 + C(o)"}
    if visits.shopper is not None:
        frame["s"] = visits.shopper
        parts["shopper"] = "0 + C(s)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if visits.shopper is None:
            fit = sm.MixedLM(y / size, np.ones((len(y), 1)), groups=visits.outlet).fit(reml=True)
            made = [float(np.asarray(fit.cov_re)[0, 0]), 0.0, float(fit.scale)]
        else:
            fit = sm.MixedLM.from_formula(
                "y ~ 1", frame, groups="all", re_formula="0", vc_formula=parts
            ).fit(reml=True)
            made = [*map(float, fit.vcomp), float(fit.scale)]
    if not np.isfinite(made).all():
        raise CxError("REML found no answer", want='method="anova"')
    return np.array(made) * size**2


def _drawn(visits: _Visits, method: str, draws: int, seed: int) -> np.ndarray:
    """Components with outlets drawn again, shape (draws, 3)."""
    if not (isinstance(draws, int) and draws >= 0):
        raise CxError("draws are a whole number", got=repr(draws), want="0 or more, e.g. 200")
    rng = np.random.default_rng(seed)
    count = int(visits.outlet.max()) + 1
    order = np.argsort(visits.outlet, kind="stable")
    first = np.searchsorted(visits.outlet[order], np.arange(count + 1))
    out = []
    for _ in range(draws if method == "anova" else min(draws, 20)):
        chosen = rng.integers(0, count, count)
        rows = [order[first[c] : first[c + 1]] for c in chosen]
        at = np.concatenate(rows)
        codes = np.repeat(np.arange(count), [len(r) for r in rows])
        shopper = None
        if visits.shopper is not None:
            shopper = np.unique(visits.shopper[at], return_inverse=True)[1]
        y = visits.y[at]
        if np.ptp(y) == 0 or len(at) == count or (shopper is not None and shopper.max() < 1):
            continue
        out.append(_components(_Visits(y - y.mean(), codes, shopper, 0), method))
    return np.array(out) if out else np.empty((0, 3))


def _coefficient(parts: np.ndarray, n: int, kind: str) -> np.ndarray:
    if kind not in COEFFICIENTS:
        raise unknown("coefficient", kind, COEFFICIENTS)
    error = parts[:, 2] + (parts[:, 1] if kind == "phi" else 0.0)
    whole = parts[:, 0] + error / n
    return np.where(whole > 0, parts[:, 0] / np.where(whole > 0, whole, 1.0), 0.0)


def _needed(parts: np.ndarray, reach: float, kind: str) -> np.ndarray:
    one = _coefficient(parts, 1, kind)
    some = one > 1e-12
    safe = np.where(some, one, 1.0)
    exact = reach / (1 - reach) * (1 - safe) / safe
    return np.where(some, np.maximum(np.ceil(exact - 1e-9), 1.0), np.inf)


def _words(drawn: np.ndarray, seed: int) -> str:
    if len(drawn) < 20:
        return "no interval"
    return f"bootstrap of outlets, {len(drawn)} draws, seed {seed}, percentile interval"


def _told(
    survey: Survey,
    visits: _Visits,
    value: float,
    drawn: np.ndarray,
    ends: tuple[float, float],
    level: float,
    **about: object,
) -> Estimate:
    low, high, se = ends[0], ends[1], math.nan
    if len(drawn) >= 20:
        tails = [(1 - level) / 2, (1 + level) / 2]
        low, high = (float(q) for q in np.quantile(drawn, tails, method="inverted_cdf"))
        se = float(drawn.std(ddof=1)) if np.isfinite(drawn).all() else math.nan
        low, high = min(low, value), max(high, value)
    count = int(visits.outlet.max()) + 1
    few = (f"only {count} outlets: the components are rough",) * int(count < 20)
    return Estimate(
        value=float(value),
        low=float(low),
        high=float(high),
        n=len(visits.y),
        level=level,
        se=se,
        n_excluded=visits.lost,
        source=survey.source,
        origin=survey.origin,
        cautions=few,
        **about,
    )
