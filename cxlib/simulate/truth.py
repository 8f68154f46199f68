"""What is true of the simulated population: every estimand, its value and its Monte Carlo error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import CxError
from .blocks import REASONS, answers
from .world import REGIONS, TENURE_BANDS, TIER_FLOORS, Array, Columns, live, population

#: What an estimand is made of: a numerator and a denominator for every customer.
Pair = tuple[Array, Array]
#: id, question, words, unit, and the pair (a ratio) or the two pairs (a difference of ratios).
Estimand = tuple[str, str, str, str, Callable[[Columns], Sequence[Pair]]]
_CHUNK = 100_000


def _answered(x: Array, where: Array | None = None, dk: bool = False) -> Array:
    base = (x >= 0) | (dk & (x == -98))
    return base if where is None else base & where


def _share(q: str, *codes: float, dk: bool = False, where: str = "") -> Callable:
    """The share with these codes among those who answered (and are ``where``)."""

    def pairs(c: Columns) -> list[Pair]:
        base = _answered(c[q], c[where] == 1 if where else None, dk)
        return [(base & np.isin(c[q], codes), base)]

    return pairs


def _least(q: str, at_least: float) -> Callable:
    return lambda c: [((c[q] >= at_least) & _answered(c[q]), _answered(c[q]))]


def _mean(q: str, of: Callable[[Array], Array] | None = None) -> Callable:
    """The mean answer, or the mean of a score of it."""

    def pairs(c: Columns) -> list[Pair]:
        base = _answered(c[q])
        return [(np.where(base, of(c[q]) if of else c[q], 0.0), base)]

    return pairs


def _gap(of: Callable[[Array], Array], q: str, by: str) -> Callable:
    """The mean score of those with ``by`` = 1 minus that of those with 0."""

    def pairs(c: Columns) -> list[Pair]:
        bases = [_answered(c[q], c[by] == code) for code in (1, 0)]
        return [(np.where(base, of(c[q]), 0.0), base) for base in bases]

    return pairs


def _among(of: Callable[[Array], Array], q: str, by: str, code: float) -> Callable:
    def pairs(c: Columns) -> list[Pair]:
        base = _answered(c[q], c[by] == code)
        return [(np.where(base, of(c[q]), 0.0), base)]

    return pairs


def _promoters(x: Array) -> Array:
    return 100.0 * ((x >= 9).astype(float) - (x <= 6))


def _itself(x: Array) -> Array:
    return x


def _floors(x: Array) -> Array:
    return np.asarray(TIER_FLOORS)[np.maximum(x, 0).astype(int)]


def _sure(c: Columns) -> list[Pair]:
    base = _answered(c["wtp_pct"])
    return [(np.where(base & (c["wtp_sure"] >= 7), c["wtp_pct"], 0.0), base)]


def _causal(c: Columns) -> list[Pair]:
    return [(c["risk1"] - c["risk0"], np.ones(len(c["risk0"])))]


def _causal_failed(c: Columns) -> list[Pair]:
    return [((c["risk1"] - c["risk0"]) * c["failed"], c["failed"])]


def _at_risk(c: Columns) -> list[Pair]:
    return [(c["spend_12m"] * c["failed"] * (c["risk1"] - c["risk0"]), c["spend_12m"])]


def _resolved(c: Columns) -> Array:
    return c["failed"] & c["spoke"] & (c["outcome"] == 1)


def _paradox(c: Columns) -> list[Pair]:
    return [(np.where(_resolved(c), c["paradox"], 0.0), _resolved(c))]


def _paradox_crude(c: Columns) -> list[Pair]:
    bases = (_resolved(c), ~c["failed"])
    return [(np.where(base, c["sat_after"], 0.0), base) for base in bases]


def _bad_product(c: Columns) -> list[Pair]:
    base = _answered(c["jrn_total"], (c["svc_sat"] >= 8) & _answered(c["prod_sat"]))
    base &= c["prod_sat"] <= 3
    return [(base & (c["jrn_total"] <= 4), base)]


_ALL, _GAVE = "all customers", "all who gave an answer, don't-knows among them"
ESTIMANDS: tuple[Estimand, ...] = (
    ("leave_love_one", "leave_love", f"share with code 1 alone; base: {_GAVE}", "share",
     _share("leave_love", 1, dk=True)),
    ("leave_love_cumulative", "leave_love", f"share with code 1 or 2; base: {_GAVE}", "share",
     _share("leave_love", 1, 2, dk=True)),
    ("leave_love_one_without_dk", "leave_love", "share with code 1; base: don't-knows left out",
     "share", _share("leave_love", 1)),
    ("leave_brand_one", "leave_brand", f"share with code 1 alone; base: {_GAVE}", "share",
     _share("leave_brand", 1, dk=True)),
    ("left_ever", "left_ever", f"share who ever left a company; base: {_ALL}", "share",
     _share("left_ever", 1)),
    ("left_12m", "left_12m", f"share who left a company in 12 months; base: {_ALL}", "share",
     _share("left_12m", 1)),
    ("left_12m_failed", "left_12m", "the same; base: those with a failure at the brand",
     "share", _share("left_12m", 1, where="fail_12m")),
    ("left_switched", "left_switched", "share who went to a competitor; base: those who ever left",
     "share", _share("left_switched", 1)),
    ("bailed_12m", "bailed_12m", f"share who gave up a purchase; base: {_ALL}", "share",
     _share("bailed_12m", 1)),
    *((f"left_reason_{reason}", f"left_reason_{reason}",
       f"share who name {reason} as a reason; base: those who left in 12 months", "share",
       _share(f"left_reason_{reason}", 1)) for reason in REASONS),
    ("switch_ease_5plus", "switch_ease", f"share who answer 5 to 7; base: {_ALL}", "share",
     _least("switch_ease", 5)),
    ("wtp_any", "wtp_any", f"share who would pay more, arms pooled; base: {_ALL}", "share",
     _share("wtp_any", 1)),
    ("wtp_pct_25plus", "wtp_pct", f"share who state 25 % or more, arms pooled; base: {_ALL}",
     "share", _least("wtp_pct", 25)),
    ("wtp_pct_zero", "wtp_pct", f"share who state 0, arms pooled; base: {_ALL}", "share",
     _share("wtp_pct", 0)),
    ("wtp_pct_mean", "wtp_pct", f"mean premium stated, zeros in, arms pooled; base: {_ALL}", "%",
     _mean("wtp_pct")),
    ("wtp_pct_mean_sure", "wtp_pct", "the same, with those less sure than 7 of 10 counted as 0",
     "%", _sure),
    ("wtp_tier_floor_mean", "wtp_tier",
     f"mean of the tiers' floors (0, 0, 5, 10, 15, 25), arms pooled; base: {_ALL}", "%",
     _mean("wtp_tier", _floors)),
    ("wtp_tier_25plus", "wtp_tier", f"share in the open tier, arms pooled; base: {_ALL}", "share",
     _share("wtp_tier", 5)),
    ("wtp_cheap_talk", "wtp_pct", "mean premium stated after cheap talk minus that without", "%",
     _gap(_itself, "wtp_pct", "arm_wtp")),
    ("paid_more_12m", "paid_more_12m", f"share who did pay more; base: {_ALL}", "share",
     _share("paid_more_12m", 1)),
    ("gg_30", "gg_30", f"share who would take the plan at 30; base: {_ALL}", "share",
     _share("gg_30", 1)),
    ("gg_40", "gg_40", f"share who would take the plan at 40; base: {_ALL}", "share",
     _share("gg_40", 1)),
    ("nps", "nps", f"promoters minus detractors; base: {_ALL}", "points", _mean("nps", _promoters)),
    ("nps_failed", "nps", "the same; base: those with a failure in 12 months", "points",
     _among(_promoters, "nps", "fail_12m", 1)),
    ("nps_not_failed", "nps", "the same; base: those without", "points",
     _among(_promoters, "nps", "fail_12m", 0)),
    ("csat_mean", "csat", f"mean satisfaction; base: {_ALL}", "scale 1-5", _mean("csat")),
    ("fail_12m", "fail_12m", f"share with a failure in 12 months; base: {_ALL}", "share",
     _share("fail_12m", 1)),
    ("complained", "complained", "share who complained; base: those with a failure", "share",
     _share("complained", 1)),
    ("retained", "retained", f"share still customers 12 months later; base: {_ALL}", "share",
     _share("retained", 1)),
    ("excess_leaving_crude", "retained",
     "share no longer customers: those with a failure minus those without", "share points",
     _gap(lambda x: 1.0 - x, "retained", "fail_12m")),
    ("excess_leaving", "retained",
     "the same as failure causes it, over all customers: what standardising on sector × tenure "
     f"band (from {', '.join(map(str, TENURE_BANDS))} months) over all estimates",
     "share points", _causal),
    ("excess_leaving_failed", "retained", "as failure causes it, over those who had one",
     "share points", _causal_failed),
    ("revenue_at_risk", "spend_12m",
     "12-month spend × failure × the excess probability that it causes, as a share of all spend",
     "share of revenue", _at_risk),
    ("recovery_paradox_crude", "sat_after",
     "mean of the failed whose complaint was fully resolved minus that of those without failure",
     "scale 0-10", _paradox_crude),
    ("recovery_paradox", "sat_after",
     "the former's mean minus what the same people would have answered without failure",
     "scale 0-10", _paradox),
    ("bad_product_bad_journey", "jrn_total",
     "share with a journey of 4 or less; base: service 8 or more and product 3 or less", "share",
     _bad_product),
    ("exc_week", "exc_week", "share with excellent service in the week, modes pooled; base: those "
     "with dealings", "share", _share("exc_week", 1)),
    ("exc_week_interviewer", "exc_week", "the share told to interviewers minus that in "
     "self-completion", "share points", _gap(_itself, "exc_week", "arm_mode")),
    ("mkt_improve", "mkt_improve", "share who agree; base: those with an opinion", "share",
     _share("mkt_improve", 1)),
    ("mkt_improve_with_dk", "mkt_improve", f"share who agree; base: {_GAVE}", "share",
     _share("mkt_improve", 1, dk=True)),
    ("mkt_good", "mkt_good", "share who agree; base: those with an opinion", "share",
     _share("mkt_good", 1)),
)  # fmt: skip


def truth(population: int = 4_000_000, seed: int = 1) -> dict[str, dict[str, Any]]:
    """The true value of every estimand, from customers drawn at random from the population.

    Parameters
    ----------
    population : int
        How many customers to draw (rounded up to whole chunks of 100 000).
    seed : int
        Of the draw; it has nothing to do with the seed of a study.

    Returns
    -------
    dict
        By id: ``id, question, estimand, value, unit, how, mc_se`` (the Monte Carlo standard error
        of ``value``, by the delta method; 0 for the median, which lies inside an atom).
    """
    if population < 1 or seed < 0:
        raise CxError(
            "no population can be drawn", got=f"population {population}, seed {seed}",
            want="at least one customer and a seed of 0 or more",
        )  # fmt: skip
    chunks = -(-population // _CHUNK)
    sums, squares, stated = [0.0] * len(ESTIMANDS), [0.0] * len(ESTIMANDS), np.zeros(101)
    for chunk in range(chunks):
        columns = _everything(_CHUNK, (seed, chunk))
        stated += np.bincount(columns["wtp_pct"].astype(int), minlength=101)
        for i, (*_, pairs) in enumerate(ESTIMANDS):
            parts = np.array([part for pair in pairs(columns) for part in pair], dtype=float)
            sums[i] = sums[i] + parts.sum(axis=1)
            squares[i] = squares[i] + parts @ parts.T
    n = chunks * _CHUNK
    how = f"population of {n} simulated customers"
    table = {}
    for i, (name, question, words, unit, _) in enumerate(ESTIMANDS):
        value, error = _ratio(sums[i], squares[i], n)
        table[name] = _entry(name, question, words, value, unit, how, error)
    middle = float(np.searchsorted(np.cumsum(stated), n / 2))
    words = f"median premium stated, zeros in, arms pooled; base: {_ALL}"
    table["wtp_pct_median"] = _entry("wtp_pct_median", "wtp_pct", words, middle, "%", how, 0.0)
    for region, share in REGIONS.items():
        name, words = (
            f"region_{region.lower().replace('-', '_')}",
            f"share living in {region}; base: {_ALL}",
        )
        table[name] = _entry(name, "region", words, share, "share", "by construction", 0.0)
    return table


def _everything(n: int, key: tuple[int, ...]) -> Columns:
    """What customers answer, as numbers, beside what is true of them."""
    world = population(n, key)
    live(world)
    columns = answers(world, meta=False)
    arms = {"arm_wtp": world["cheap_talk"], "arm_mode": world["asked_by"]}
    return world.know | arms | columns


def _ratio(total: Array, square: Array, n: int) -> tuple[float, float]:
    """A ratio of totals, or the difference of two, and its standard error."""
    value, slope = 0.0, np.zeros(len(total))
    for at, sign in ((0, 1.0), (2, -1.0)):
        if at < len(total):
            ratio = total[at] / total[at + 1]
            value += sign * ratio
            slope[at], slope[at + 1] = sign / total[at + 1], -sign * ratio / total[at + 1]
    spread = square - np.outer(total, total) / n
    return float(value), float(np.sqrt(slope @ spread @ slope))


def _entry(
    name: str, question: str, words: str, value: float, unit: str, how: str, error: float
) -> dict[str, Any]:
    return {
        "id": name,
        "question": question,
        "estimand": words,
        "value": round(value, 6),
        "unit": unit,
        "how": how,
        "mc_se": round(error, 7),
    }
