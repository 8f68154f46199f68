"""Plain counts, one share or several of one whole: every textbook interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .errors import CxError, unknown
from .interval import exact_bounds, t_quantile, wilson
from .result import Estimate, Ranking

#: Intervals of one plain share, each with the name it has in statsmodels.
ONE_METHODS = {
    "wilson": "wilson",
    "score": "wilson",
    "clopper-pearson": "beta",
    "agresti-coull": "agresti_coull",
    "jeffreys": "jeffreys",
    "wald": "normal",
    "binomial test": "binom_test",
}
MULTINOMIAL_METHODS = ("goodman", "sison-glaz")


def one_proportion(count: int, n: int, *, method: str = "wilson", level: float = 0.95) -> Estimate:
    """A plain share with its interval.

    Parameters
    ----------
    count, n : int
        How many, of how many.
    method : str
        ``"wilson"`` (also called ``"score"``), ``"clopper-pearson"`` (never covers less than its
        level), ``"agresti-coull"``, ``"jeffreys"``, ``"wald"``, or ``"binomial test"`` (the shares
        that the exact two-sided test does not reject).

    Returns
    -------
    Estimate
        Unit "share". Bounds are cut at 0 and 1. (For a weighted or clustered sample see
        :func:`cxlib.share`.)

    Raises
    ------
    CxError
        A count outside 0…n, a level outside 0…1, an unknown method.

    References
    ----------
    Brown, Cai and DasGupta (2001), Statistical Science 16:101. Checked against statsmodels'
    ``proportion_confint`` and R's ``binom.test``.
    """
    from statsmodels.stats.proportion import proportion_confint

    if method not in ONE_METHODS:
        raise unknown("interval of a share", method, ONE_METHODS)
    count, n = _whole(count, "count"), _whole(n, "n")
    if not (n > 0 and 0 <= count <= n):
        raise CxError("a count must lie between 0 and n", got=f"{count} of {n}")
    _level(level)
    if ONE_METHODS[method] == "wilson":
        low, high = wilson(count / n, n, t_quantile(level, math.inf))
    elif ONE_METHODS[method] == "beta":
        low, high = exact_bounds(count, n, level)
    else:
        low, high = proportion_confint(count, n, 1 - level, ONE_METHODS[method])
    return Estimate(
        value=count / n,
        low=max(float(low), 0.0),
        high=min(float(high), 1.0),
        unit="share",
        n=n,
        n_eff=float(n),
        level=level,
        name=f"{count} of {n}",
        kind="share",
        method=f"{method} interval",
    )


def multinomial_proportions(
    counts: Sequence[int],
    *,
    method: str = "goodman",
    names: Sequence[str] = (),
    level: float = 0.95,
) -> Ranking:
    """The shares of several categories with intervals that hold all at once.

    Parameters
    ----------
    counts : ints, one a category
    method : str
        ``"goodman"`` or ``"sison-glaz"`` (narrower; for seven or more categories of similar size).
    names : texts, optional
        The categories; numbered from 1 where not given.

    Returns
    -------
    Ranking
        One estimate a category, in the order given.

    References
    ----------
    Goodman (1965), Technometrics 7:247; Sison and Glaz (1995), JASA 90:366. Checked against
    statsmodels' ``multinomial_proportions_confint``; ours takes the truncated moments from the
    probabilities themselves, because those of statsmodels cancel where counts are large (it gives
    an interval of width 0 for 100,000, 3 and 2).
    """
    if method not in MULTINOMIAL_METHODS:
        raise unknown("interval of several shares", method, MULTINOMIAL_METHODS)
    _level(level)
    whole = [_whole(count, "count") for count in counts]
    terms = [str(name) for name in names] or [str(place + 1) for place in range(len(whole))]
    if len(whole) < 2 or min(whole) < 0 or sum(whole) == 0 or len(terms) != len(whole):
        raise CxError(
            "counts of categories do not fit",
            got=f"{whole}, {len(terms)} names",
            want="two or more counts, not all 0, a name for each",
        )
    bounds = (_goodman if method == "goodman" else _sison_glaz)(np.array(whole, float), level)
    told = f"simultaneous {method} interval"
    estimates = tuple(
        Estimate(
            value=count / sum(whole),
            low=max(float(low), 0.0),
            high=min(float(high), 1.0),
            unit="share",
            n=sum(whole),
            n_eff=float(sum(whole)),
            level=level,
            name="Shares of categories",
            term=term,
            kind="share",
            method=told,
        )
        for count, term, (low, high) in zip(whole, terms, bounds, strict=True)
    )
    return Ranking(name="Shares of categories", estimates=estimates, by="category")


def _goodman(counts: np.ndarray, level: float) -> list[tuple[float, float]]:
    """Wilson's interval of each category at the level divided by their number."""
    n, each = float(counts.sum()), 1 - (1 - level) / len(counts)
    return [wilson(float(count) / n, n, t_quantile(each, math.inf)) for count in counts]


def _sison_glaz(counts: np.ndarray, level: float) -> list[tuple[float, float]]:
    """Counts ± c, at the c from which on the box holds the level, and a little more above."""
    n = int(counts.sum())

    def box(c: int) -> float:
        return 0.0 if c == 0 else 1.0 if c >= n else _box_probability(counts, c)

    low, high = 0, 1
    while box(high) <= level:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if box(middle) <= level else (low, middle)
    more = (level - box(low)) / (box(high) - box(low))
    shares = counts / n
    return list(zip(shares - low / n, shares + (low + 2 * more) / n, strict=True))


def _box_probability(counts: np.ndarray, c: int) -> float:
    """P(every category of a multinomial lies within ± c of its count), by Edgeworth expansion."""
    from scipy.special import gammaln, xlogy

    n = counts.sum()
    inside, moments = 0.0, np.zeros(4)
    for count in counts:
        k = np.arange(max(count - c, 0.0), min(count + c, n) + 1)
        chance = np.exp(xlogy(k, count) - count - gammaln(k + 1))
        total = chance.sum()
        middle = count + ((k - count) @ chance) / total
        second, third, fourth = (((k - middle) ** r) @ chance / total for r in (2, 3, 4))
        inside += math.log(total)
        moments += (count - middle, second, third, fourth - 3 * second**2)
    shift, var, third, fourth = moments
    if var <= 0:
        return 1.0
    x, g1, g2 = shift / math.sqrt(var), third / var**1.5, fourth / var**2
    h3, h4 = x**3 - 3 * x, x**4 - 6 * x**2 + 3
    h6 = x**6 - 15 * x**4 + 45 * x**2 - 15
    density = math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi * var)
    density *= 1 + g1 * h3 / 6 + g2 * h4 / 24 + g1**2 * h6 / 72
    whole = math.exp(n * math.log(n) - n - math.lgamma(n + 1))
    return max(math.exp(inside) * density / whole, 0.0)


def _whole(value: float, name: str) -> int:
    """A whole number, from anything that is one."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, str) or number != value:
        raise CxError(f"a {name} must be a whole number", got=repr(value))
    return number


def _level(level: float) -> None:
    if not 0 < level < 1:
        raise CxError("a level must lie between 0 and 1", got=level, want="e.g. 0.95")
