"""How often the intervals hold the truth: simulate each of them and write tests/COVERAGE.md.

    python tests/coverage_table.py [--only WORD …] [--draws-scale X] [--processes N] [--out FOLDER]

The first half of the street: survey estimates, weighting and replicates, tables, regression, plain
counts and effects, published figures, premium, price sensitivity, contingent valuation, choices.
Seeds are fixed (a family's name and the number of its batch), so the same call gives the same
table whatever the number of processes. Every interval is the public function's own; where the
answers are counts it is asked once for each count that is drawn. ``--only`` runs the families whose
name holds the word and keeps the other rows of coverage.json; ``--draws-scale 0.01`` is a look.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, ndtr, ndtri

import cxlib as cx
from cxlib.interval import share_interval
from cxlib.survey import Design, Survey

HERE = Path(__file__).resolve().parent

# --- what is counted ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What an interval promises: the range of its coverage, and the words for it."""

    low: float
    high: float
    text: str


REGULAR = Target(0.935, 0.965, "93.5–96.5 %")
CONSERVATIVE = Target(0.945, 1.0, "≥ 94.5 %")
LENIENT = Target(0.92, 1.0, "≥ 92 %")
OUTSIDE = Target(0.935, 0.965, "none here")
LEVEL = Target(0.0, 0.055, "≤ 5.5 %, but for chance")
WRONG = Target(0.0, 0.055, "≤ 5.5 %, chance and all")
TARGETS = {
    name: value
    for name, value in list(globals().items())
    if name.isupper() and isinstance(value, Target)
}
NAMES = {id(value): name for name, value in TARGETS.items()}


@dataclass
class Book:
    """Hits and draws a row; a row is an interval in a regime."""

    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def add(self, interval: str, regime: str, hit: Any, target: Target = REGULAR, note: str = ""):
        """Count one hit or miss, or an array of them."""
        row = self.rows.get((interval, regime))
        if row is None:
            row = {"hits": 0, "draws": 0, "refused": 0, "target": NAMES[id(target)], "note": note}
            self.rows[interval, regime] = row
        hit = np.asarray(hit)
        row["hits"] += int(hit.sum())
        row["draws"] += int(hit.size)

    def holds(self, one: Any, truth: float, interval: str, regime: str, *more: Any, **said: Any):
        """Count whether an estimate's interval holds the truth."""
        self.add(interval, regime, one.low <= truth <= one.high, *more, **said)

    def tries(self, make: Callable[[], Any], truth: float, interval: str, regime: str, *more: Any):
        """The same for what may be refused on some samples: refusals are counted apart."""
        try:
            one = make()
        except cx.CxError:
            self.add(interval, regime, np.zeros(0, bool), *more)
            self.rows[interval, regime]["refused"] += 1
        else:
            self.holds(one, truth, interval, regime, *more)

    def counted(
        self,
        make: Callable[..., Any],
        counts: np.ndarray,
        truth: float,
        interval: str,
        regime: str,
        target: Target = REGULAR,
        note: str = "",
    ):
        """The same for intervals made of counts, a row of counts a draw."""
        low, high = of_counts(make, counts)
        given = ~np.isnan(low)
        self.add(interval, regime, ((low <= truth) & (truth <= high))[given], target, note)
        self.rows[interval, regime]["refused"] += int((~given).sum())


@dataclass(frozen=True)
class Family:
    """A function that simulates ``draws`` samples and notes in a book which intervals hold."""

    name: str
    part: str
    draws: int
    batch: int
    run: Callable[[np.random.Generator, int, Book], None]


FAMILIES: dict[str, Family] = {}


def family(part: str, draws: int, batch: int = 500):
    """Register a family: the part of the table it stands in, its draws, and draws a batch."""

    def keep(run: Callable) -> Callable:
        FAMILIES[run.__name__] = Family(run.__name__, part, draws, batch, run)
        return run

    return keep


def of_counts(make: Callable[..., Any], counts: np.ndarray) -> np.ndarray:
    """low and high for each row of counts, NaN where refused; each distinct row is asked once."""
    rows = counts.reshape(len(counts), -1)
    kinds, place = np.unique(rows, axis=0, return_inverse=True)
    ends = np.full((len(kinds), 2), np.nan)
    for k, row in enumerate(kinds.tolist()):
        with contextlib.suppress(cx.CxError):
            one = make(*row)
            ends[k] = one.low, one.high
    return ends[place.ravel()].T


# --- worlds ---------------------------------------------------------------------------------------

SURVEY, WEIGHTS, COUNTS, TABLES = "Survey estimates", "Weights", "Plain counts", "Tables and models"
FIGURES, PREMIUM, PRICES = "Published figures", "Stated premium", "Prices asked openly"
BIDS, CHOICE, TESTS, VERDICTS = "Bids", "Choices", "Tests", "Verdicts"
PARTS = (SURVEY, WEIGHTS, COUNTS, TABLES, FIGURES, PREMIUM, PRICES, BIDS, CHOICE, TESTS, VERDICTS)

#: Chances of a yes, a rare yes, a detractor and a promoter in the two groups, and group weights.
YES, RARE, LOW, TOP, HEAVY = (0.2, 1 / 3), (0.05, 0.09), (0.2, 0.3), (0.4, 0.5), (1.0, 3.0)


def mix(pair: tuple[float, float]) -> float:
    """The population's value: the second group is three quarters of it, and half of the sample."""
    return 0.25 * pair[0] + 0.75 * pair[1]


def sample(rng: np.random.Generator, psus: int, per: int = 10, strata: int = 4) -> pd.DataFrame:
    """A stratified clustered sample whose weights go with the answers (1 or 3)."""
    n, rho = psus * per, 0.15
    cluster = np.repeat(np.arange(psus), per)
    group = rng.integers(0, 2, n)

    def latent() -> np.ndarray:
        shared = rng.normal(size=psus)[cluster]
        return math.sqrt(rho) * shared + math.sqrt(1 - rho) * rng.normal(size=n)

    z, rare, feel, y = (latent() for _ in range(4))
    below = np.array(LOW)[group]
    told = np.where(ndtr(feel) < below, 3, np.where(ndtr(feel) > 1 - np.array(TOP)[group], 10, 8))
    base = rng.uniform(1, 3, n)
    return pd.DataFrame(
        {
            "c": cluster,
            "h": cluster * strata // psus,
            "w": np.array(HEAVY)[group],
            "yes": (ndtr(z) < np.array(YES)[group]) * 1,
            "rare": (ndtr(rare) < np.array(RARE)[group]) * 1,
            "told": told,
            "y": 2.0 + group + y,
            "top": 0.5 * base + 0.3 * group + 0.5 * latent(),
            "base": base,
            "seg": rng.integers(1, 4, n),
        }
    )


@lru_cache(maxsize=1)
def truth_of_sample() -> dict[str, float]:
    median = brentq(lambda q: mix((ndtr(q - 2), ndtr(q - 3))) - 0.5, 0, 6)
    top = brentq(lambda q: mix((ndtr(q - 2), ndtr(q - 3))) - 0.9, 0, 8)
    nps = 100 * (mix(TOP) - mix(LOW))
    return {"median": median, "top": top, "nps": nps, "ratio": 0.5 + 0.3 * 0.75 / 2}


DESIGN = Design(weights="w", strata=("h",), clusters=("c",))
SHARE_METHODS = ("logit", "beta", "wilson", "asin", "likelihood", "mean", "clopper-pearson")
CAREFUL = ("beta", "clopper-pearson")


def shares_of(survey: Survey, question: str) -> dict[str, Any]:
    """One share with each interval: the estimate is made once, the bounds by each formula."""
    one = cx.share(survey, question, equals=1)
    size = one.value * (1 - one.value) / one.se**2 if one.se else one.n_eff
    told = {"n": one.n, "n_eff": size, "df": one.df, "level": 0.95}
    told["plain"] = survey.design.plain
    made = {m: share_interval(one.value, one.se**2, method=m, **told) for m in SHARE_METHODS}
    return made | {"logit": one}


# --- survey estimates -----------------------------------------------------------------------------


ALONE = "as R has it; share() takes the beta interval at 0 and 1, and covers (row above); use beta"


@family(SURVEY, 10_000, 10_000)
def share_plain(rng, draws, book):
    """share() of a simple random sample: all methods, at large and tiny shares."""
    for n, p in ((200, 0.5), (200, 0.3), (200, 0.05), (60, 0.3), (200, 0.02), (200, 0.01)):
        counts, regime = rng.binomial(n, p, draws), f"simple random, n {n}, p {p}"
        small = n * min(p, 1 - p) < 10
        for method in SHARE_METHODS:

            def make(k, method=method, n=n):
                told = Survey(pd.DataFrame({"a": np.arange(n) < k}) * 1)
                return cx.share(told, "a", at_least=1, method=method)

            target = CONSERVATIVE if method in CAREFUL else OUTSIDE if small else REGULAR
            note = "use beta (Korn–Graubard) for shares this small" if target is OUTSIDE else ""
            book.counted(make, counts, p, f"share, {method}", regime, target, note)
            if method == "logit" and small:
                low, high = of_counts(make, counts)
                hits = (low <= p) & (p <= high) & (counts > 0)
                alone = "share, logit alone (no interval where nobody says yes)"
                book.add(alone, regime, hits, OUTSIDE, ALONE)


def designed(rng, draws, book, psus: int, strata: int, regular: Target) -> None:
    """Everything a survey estimates, in a stratified clustered sample with telling weights."""
    truth = truth_of_sample()
    regime = f"{psus} PSUs of 10 in {strata} strata, weights 1 or 3"
    careful = CONSERVATIVE if regular is REGULAR else regular
    for _ in range(draws):
        s = Survey(sample(rng, psus, strata=strata), design=DESIGN)
        for question, p in (("yes", mix(YES)), ("rare", mix(RARE))):
            for method, one in shares_of(s, question).items():
                target = careful if method in CAREFUL else regular
                if question == "rare" and psus < 30:
                    target = careful if method in CAREFUL else OUTSIDE
                book.holds(one, p, f"share, {method}", f"{regime}, p {p:.2g}", target)
        book.holds(cx.mean(s, "y"), 2.75, "mean", regime, regular)
        book.holds(cx.total(s, "y"), 5.5 * 10 * psus, "total", regime, regular)
        book.holds(cx.ratio(s, "top", "base"), truth["ratio"], "ratio", regime, regular)
        book.holds(cx.quantile(s, "y"), truth["median"], "median (Woodruff)", regime, regular)
        book.holds(cx.quantile(s, "y", 0.9), truth["top"], "quantile .9", regime, regular)
        book.holds(cx.nps(s, "told"), truth["nps"], "nps, linearised", regime, regular)
        parts = cx.mean(s, "y", by="seg")
        book.holds(parts[0], 2.75, "mean of a segment (a third)", regime, regular)
        gap = cx.difference(parts["1"], parts["2"])
        book.holds(gap, 0, "difference of two segments (covariance)", regime, regular)


@family(SURVEY, 6_000, 250)
def design_regular(rng, draws, book):
    designed(rng, draws, book, 40, 4, REGULAR)


@family(SURVEY, 2_000, 250)
def design_few(rng, draws, book):
    designed(rng, draws, book, 12, 4, LENIENT)


@family(SURVEY, 2_000, 250)
def design_very_few(rng, draws, book):
    designed(rng, draws, book, 6, 2, LENIENT)


HEAPED = (
    "as in R, the interval stands around the share at or below the estimate, not around one half"
)


@family(SURVEY, 5_000, 500)
def survey_plain(rng, draws, book):
    """Means, quantiles and differences of a simple random sample; skewed and heaped answers."""
    for _ in range(draws):
        for n in (200, 30):
            regime = f"simple random, n {n}"
            y, skew = rng.normal(3, 2, n), np.exp(rng.normal(size=n))
            s = Survey(pd.DataFrame({"y": y, "skew": skew, "five": rng.integers(0, 5, n) * 5}))
            book.holds(cx.mean(s, "y"), 3, "mean", regime)
            skewed = REGULAR if n >= 200 else OUTSIDE
            about = f"{regime}, log-normal answers (skewness 6)"
            book.holds(cx.mean(s, "skew"), math.exp(0.5), "mean", about, skewed)
            book.holds(cx.quantile(s, "y"), 3, "median (Woodruff)", regime)
            heaps = f"{regime}, five heaped answers"
            told = cx.quantile(s, "five")
            book.holds(told, 10, "median (Woodruff)", heaps, CONSERVATIVE, note=HEAPED)
            other = Survey(pd.DataFrame({"y": rng.normal(3, 1, 80)}))
            gap = cx.difference(cx.mean(s, "y"), cx.mean(other, "y"))
            book.holds(gap, 0, "difference of two surveys", f"{regime} and 80, unequal spread")


@family(SURVEY, 10_000, 10_000)
def nps_plain(rng, draws, book):
    """nps() of a simple random sample by each method; Wald at small n, and near an end."""
    for n, p, d in ((200, 0.45, 0.2), (50, 0.45, 0.2), (15, 0.45, 0.2), (20, 0.9, 0.02)):
        counts = rng.multinomial(n, (p, 1 - p - d, d), draws)
        for method in ("auto", "wald", "adjusted-wald", "linearised"):

            def make(*k, method=method):
                told = pd.DataFrame({"a": np.repeat([10, 8, 2], k)})
                return cx.nps(Survey(told), "a", method=method)

            regime = f"simple random, n {n}, {p:.0%} promoters, {d:.0%} detractors"
            small = n < 30
            careful = method in ("auto", "adjusted-wald")
            target = (LENIENT if careful else OUTSIDE) if small else REGULAR
            book.counted(make, counts, 100 * (p - d), f"nps, {method}", regime, target)


# --- weights --------------------------------------------------------------------------------------


def raked_world(rng, n: int = 400, spread: float = 0.5) -> pd.DataFrame:
    """Who answers hangs on sex and on luck; the weights know the luck and are very unequal."""
    sex, age = rng.integers(1, 3, n), rng.integers(1, 4, n)
    luck = np.exp(rng.normal(0, spread, n))
    y = 2.0 * sex + age + rng.normal(0, 1, n)
    kept = rng.random(n) < (0.3 + 0.2 * sex) * np.minimum(luck / 4, 1) * 2
    chance = np.minimum((0.3 + 0.2 * sex) * np.minimum(luck / 4, 1) * 2, 1)
    frame = pd.DataFrame({"sex": sex, "age": age, "y": y, "w": 1 / chance, "yes": (y > 5) * 1})
    return frame[kept].reset_index(drop=True)


MARGINS = {"sex": {1: 0.5, 2: 0.5}, "age": {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}}


@lru_cache(maxsize=1)
def yes_of_raked() -> float:
    return float(np.mean([ndtr(2 * sex + age - 5) for sex in (1, 2) for age in (1, 2, 3)]))


@family(WEIGHTS, 3_000, 250)
def weighted(rng, draws, book):
    """Raked (both standard errors), post-stratified, calibrated and trimmed weights."""
    regime = "≈ 135 of 400, weights log-normal (½) and of sex"
    for _ in range(draws):
        frame = raked_world(rng)
        s = cx.read_survey(frame, weights="w")
        ways = {
            "raked, R's residuals": cx.rake(s, MARGINS),
            "raked, weighted residuals": cx.rake(s, MARGINS, weighted_residuals=True),
            "post-stratified": cx.poststratify(s, {"sex": MARGINS["sex"]}),
            "calibrated, linear": cx.calibrate(s, MARGINS),
            "calibrated, raking": cx.calibrate(s, MARGINS, method="raking"),
        }
        for way, told in ways.items():
            book.holds(cx.mean(told, "y"), 5.0, f"mean, {way}", regime)
        told = ways["raked, weighted residuals"]
        p = yes_of_raked()
        book.holds(cx.share(told, "yes", equals=1), p, "share, raked", regime)
        noisy = pd.DataFrame({"y": rng.normal(size=150), "w": np.exp(rng.normal(size=150))})
        trimmed = cx.trim(Survey(noisy, design=WEIGHED), 3)
        about = "150, weights log-normal (1) that tell nothing, capped at 3 medians"
        book.holds(cx.mean(trimmed, "y"), 0.0, "mean, trimmed", about)


WEIGHED = Design(weights="w")


@family(WEIGHTS, 1_000, 100)
def replicated(rng, draws, book):
    """Replicate weights: made (re-raked) and read."""
    from scipy.linalg import hadamard

    signs = hadamard(32)
    for _ in range(draws):
        raked = cx.rake(cx.read_survey(raked_world(rng), weights="w"), MARGINS)
        for kind in ("JKn", "bootstrap"):
            told = cx.make_replicates(raked, kind, replicates=200, seed=int(rng.integers(1 << 30)))
            regime = "≈ 135 of 400, raked in each replicate"
            book.holds(cx.mean(told, "y"), 5.0, f"mean, {kind} made", regime)
        frame = sample(rng, 40)
        s, regime = Survey(frame, design=DESIGN), "40 PSUs of 10 in 4 strata, weights 1 or 3"
        truth = truth_of_sample()
        one = cx.bootstrap_nps(s, "told", seed=int(rng.integers(1 << 30)))
        book.holds(one, truth["nps"], "bootstrap_nps (Rao–Wu, 1,000)", regime)
        top, base = frame["top"].to_numpy(), frame["base"].to_numpy()
        one = cx.bootstrap_ratio(s, top, base, replicates=500, seed=int(rng.integers(1 << 30)))
        book.holds(one, truth["ratio"], "bootstrap_ratio (Rao–Wu, 500)", regime)
        book.holds(cx.share(cx.make_replicates(s), "yes", equals=1), mix(YES), "share, JKn", regime)
        frame = sample(rng, 62, 6, 31)
        odd = frame["c"].to_numpy()[:, None] % 2
        half = np.where(signs[frame["h"] + 1] > 0, odd, 1 - odd)
        for kind, rho in (("BRR", None), ("Fay", 0.5)):
            factor = half * 2.0 if rho is None else rho + half * (2 - 2 * rho)
            columns = pd.DataFrame(factor * frame[["w"]].to_numpy()).add_prefix("rw")
            both = pd.concat([frame, columns], axis=1)
            told = cx.with_replicates(Survey(both, design=WEIGHED), "rw", kind=kind, rho=rho)
            regime = "62 PSUs of 6 in 31 strata, 32 replicates"
            book.holds(cx.mean(told, "y"), 2.75, f"mean, {kind} read", regime)


# --- plain counts ---------------------------------------------------------------------------------


@family(COUNTS, 10_000, 10_000)
def one_share(rng, draws, book):
    methods = ("wilson", "clopper-pearson", "agresti-coull", "jeffreys", "wald", "binomial test")
    for n, p in ((200, 0.3), (50, 0.3), (200, 0.01)):
        counts, regime = rng.binomial(n, p, draws), f"n {n}, p {p}"
        for method in methods:

            def make(k, method=method, n=n):
                return cx.one_proportion(k, n, method=method)

            exact = method in ("clopper-pearson", "binomial test")
            target = CONSERVATIVE if exact else REGULAR if n * p >= 10 else OUTSIDE
            book.counted(make, counts, p, f"one_proportion, {method}", regime, target)


NO_ROOT = "the library finds no root in many ordinary tables: use newcomb"
NO_RATIO = "refused where a count is 0"


@family(COUNTS, 10_000, 10_000)
def two_shares(rng, draws, book):
    """Differences, ratios and odds ratios of two plain shares, and the tests of two groups."""
    methods = {
        "diff": ("wald", "agresti-caffo", "newcomb", "score"),
        "ratio": ("log", "log-adjusted", "score"),
        "odds-ratio": ("logit", "logit-adjusted", "score"),
    }
    for n, p, q in ((60, 0.4, 0.25), (25, 0.2, 0.1)):
        counts = np.column_stack([rng.binomial(n, p, draws), rng.binomial(n, q, draws)])
        truth = {"diff": p - q, "ratio": p / q, "odds-ratio": p / (1 - p) / q * (1 - q)}
        regime, small = f"n {n} and {n}, p {p} and {q}", n * q < 10
        for what, told in methods.items():
            for method in told:

                def make(a, b, what=what, method=method, n=n):
                    return cx.two_proportions((a, b), (n, n), compare=what, method=method)

                plain = method in ("wald", "log", "logit")
                target = REGULAR if not small else OUTSIDE if plain else LENIENT
                name = f"two_proportions, {what}, {method}"
                note = NO_ROOT if what == "diff" else NO_RATIO
                note = note if method == "score" else ""
                book.counted(make, counts, truth[what], name, regime, target, note)
        some = counts[(counts.sum(1) > 0) & (counts.sum(1) < 2 * n)]

        def newcombe(a, b, n=n):
            return cx.chisq_test([[a, n - a], [b, n - b]]).effect

        def wald(a, b, n=n):
            return cx.equal_proportions((a, b), (n, n)).effect

        def exact(a, b, n=n):
            return cx.fisher_test([[a, n - a], [b, n - b]]).effect

        near, far = (LENIENT, OUTSIDE) if small else (REGULAR, REGULAR)
        book.counted(newcombe, some, p - q, "chisq_test, difference (Newcombe)", regime, near)
        book.counted(wald, some, p - q, "equal_proportions, difference (Wald)", regime, far)
        odds, name = truth["odds-ratio"], "fisher_test, odds ratio (exact)"
        book.counted(exact, some, odds, name, regime, CONSERVATIVE)


#: Correcting three p values costs 60 ms (statsmodels collects garbage): once in so many draws.
SPARED = 8


@family(COUNTS, 2_000, 250)
def many_shares(rng, draws, book):
    """Several categories at once, groups, trends, strata and pairs."""
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    groups, slopes = np.array([0.25, 0.3, 0.45]), np.array([0.2, 0.3, 0.4])
    pair = [0.4, 0.15, 0.08, 0.37]
    cramer = math.sqrt(((groups - groups.mean()) ** 2).mean() / groups.mean() / (1 - groups.mean()))
    odds = np.array([0.2, 0.3, 0.4, 0.5])
    treated = 2 * odds / (1 - odds) / (1 + 2 * odds / (1 - odds))
    for k in range(draws):
        counts = rng.multinomial(200, shares)
        for method in ("goodman", "sison-glaz"):
            told = cx.multinomial_proportions(counts.tolist(), method=method)
            both = all(e.low <= p <= e.high for e, p in zip(told, shares, strict=True))
            name = f"multinomial_proportions, {method}, all at once"
            book.add(name, "n 200, 4 categories", both, CONSERVATIVE)
        three = cx.equal_proportions(rng.binomial(150, groups).tolist(), [150] * 3)
        book.holds(three.effect, cramer, "equal_proportions, Cramér's V", "3 × 150")
        trend = cx.trend_test(rng.binomial(100, slopes).tolist(), [100] * 3)
        book.holds(trend.effect, 0.1, "trend_test, slope", "3 × 100")
        several = rng.binomial(100, slopes).tolist()
        if k % SPARED == 0:
            one = cx.pairwise_proportions(several, [100] * 3)[1].effect
            told = "pairwise_proportions, difference (corrected)"
            book.holds(one, -0.2, told, "3 × 100", CONSERVATIVE)
        x, y = rng.binomial(40, treated), rng.binomial(40, odds)
        tables = np.stack([np.stack([x, 40 - x], 1), np.stack([y, 40 - y], 1)], 1)
        told = cx.cochran_mantel_haenszel(tables.tolist())
        book.holds(told.effect, 2.0, "cochran_mantel_haenszel, odds ratio", "4 strata of 40 and 40")
        for n in (60, 300):
            a, b, c, d = rng.multinomial(n, pair).tolist()
            told = cx.mcnemar([[a, b], [c, d]])
            book.holds(told.effect, 0.07, "mcnemar, paired difference", f"{n} pairs")


@lru_cache(maxsize=1)
def kruskal_truth() -> float:
    z = ndtri((np.arange(40_000) + 0.5) / 40_000)
    return cx.kruskal_test(z, z + 0.3, z + 0.6).effect.value


@family(COUNTS, 4_000, 500)
def sizes_of_effect(rng, draws, book):
    """Effects of two plain groups, and rank tests."""
    better = float(ndtr(0.4 / math.sqrt(2)))
    for _ in range(draws):
        x, y = rng.normal(0.4, 1, 60), rng.normal(0, 1, 80)
        for kind in ("cohen", "hedges", "glass", "superiority"):
            truth = better if kind == "superiority" else 0.4
            book.holds(cx.effect_size(x, y, kind=kind), truth, f"effect_size, {kind}", "60 and 80")
        wide = 2 * x - 0.4
        book.holds(cx.two_means(wide, y), 0.4, "two_means, Welch", "60 and 80, spread 2 and 1")
        pooled = cx.two_means(x, y, equal_variances=True)
        book.holds(pooled, 0.4, "two_means, pooled", "60 and 80")
        told = cx.two_means(x, x * 0.5 + y[:60], paired=True)
        book.holds(told, 0.2, "two_means, paired", "60 pairs")
        book.holds(
            cx.wilcoxon_test(x, y).effect, better, "wilcoxon_test, P(first > second)", "60 and 80"
        )
        told = cx.kruskal_test(y[:60], x - 0.1, rng.normal(0.6, 1, 60))
        book.holds(told.effect, kruskal_truth(), "kruskal_test, variance of ranks", "3 × 60")


# --- tables and models ----------------------------------------------------------------------------


def crossed(k: float) -> np.ndarray:
    """Shares of a 3 × 3 table between independence (0) and a diagonal (1)."""
    side, top = [0.4, 0.35, 0.25], [0.3, 0.4, 0.3]
    return (1 - k) * np.outer(side, top) + k * np.diag(top)


@family(TABLES, 1_000, 125)
def tables_clustered(rng, draws, book):
    """Cells, Cramér's V (Rao–Scott) and the difference in a 2 × 2 table, 60 clusters of 5."""
    from cxlib.tables import cells, independence

    for k in (0.0, 0.1, 0.3, 0.6):
        p = crossed(k)
        expected = np.outer(p.sum(axis=1), p.sum(axis=0))
        truth = math.sqrt(((p - expected) ** 2 / expected).sum() / 2)
        regime = f"60 PSUs of 5, 3 × 3, V {truth:.2f}"
        for _ in range(draws):
            chances = np.repeat(rng.dirichlet(p.ravel() * 7 / 3, 60), 5, axis=0).cumsum(axis=1)
            cell = np.minimum((chances < rng.random((300, 1))).sum(axis=1), 8)
            frame = pd.DataFrame({"a": cell // 3, "b": cell % 3, "c": np.arange(300) // 5})
            frame["d"] = (frame["b"] == 2) * 1
            s = cx.read_survey(frame, clusters="c")
            test = independence(s, "a", "b")
            target = CONSERVATIVE if k == 0 else REGULAR
            book.holds(test.effect, truth, "independence, Cramér's V (Rao–Scott)", regime, target)
            if k == 0:
                book.add("independence, F (Rao–Scott)", regime, test.p < 0.05, LEVEL)
            if k == 0.3:
                four = independence(s.where(a=[0, 2]), "a", "d").effect
                gap = p[2, 2] / p[2].sum() - p[0, 2] / p[0].sum()
                book.holds(four, gap, "independence, difference of rows (2 × 2)", regime)
                for all_at_once, name in ((False, "one"), (True, "all at once")):
                    told = cells(s, ["a", "b"], simultaneous=all_at_once)
                    hits = [e.low <= v <= e.high for e, v in zip(told, p.T.ravel(), strict=True)]
                    hit = all(hits) if all_at_once else hits[0]
                    target = CONSERVATIVE if all_at_once else REGULAR
                    book.add(f"cells, {name}", regime, hit, target)
                plain = rng.multinomial(300, p.ravel()).reshape(3, 3)
                told = cx.chisq_test(plain).effect
                book.holds(told, truth, "chisq_test, Cramér's V", f"300, 3 × 3, V {truth:.2f}")


@lru_cache(maxsize=1)
def rank_truths() -> tuple[float, float]:
    """Of two and of three groups half a standard deviation apart, clusters and all."""
    from cxlib.tables_ranks import rank_test

    z = math.sqrt(1.25) * ndtri((np.arange(40_000) + 0.5) / 40_000)
    frame = pd.DataFrame(
        {"y": np.concatenate([z, z + 0.5, z + 1]), "g": np.repeat([0, 1, 2], 40_000)}
    )
    s = Survey(frame)
    two = rank_test(s.where(g=[0, 1]), "y", "g", ties="midrank")
    return two.effect.value, rank_test(s, "y", "g").effect.value


@family(TABLES, 1_000, 125)
def models(rng, draws, book):
    """Regression, rank tests, paired questions and standardised differences in 40 clusters of 8."""
    from cxlib.tables_ranks import rank_test

    cluster, regime = np.repeat(np.arange(40), 8), "40 PSUs of 8, weights ½–2"
    for _ in range(draws):
        shift, x = rng.normal(size=40)[cluster], rng.normal(size=320)
        w, g = rng.uniform(0.5, 2, 320), rng.integers(0, 3, 320)
        frame = pd.DataFrame({"x": x, "w": w, "c": cluster, "g": g, "half": g > 0})
        frame["y"] = 1 + 0.5 * x + shift + rng.normal(size=320)
        frame["own"] = (rng.random(320) < expit(-0.5 + 0.8 * x)) * 1
        frame["pro"] = (rng.normal(size=320) < -0.3 + 0.5 * x) * 1
        frame["no"] = rng.normal(size=40)[cluster]
        frame["z"] = 0.5 * g + 0.5 * shift + rng.normal(size=320)
        first = (rng.random(320) < 0.4) * 1
        frame["a"], frame["b"] = first, np.where(rng.random(320) < 0.3, 1 - first, first)
        s = cx.read_survey(frame, weights="w", clusters="c")
        told = cx.regression(s, "y", "x")
        book.holds(told["x"], 0.5, "regression, linear, slope", regime)
        book.holds(told["(Intercept)"], 1.0, "regression, linear, intercept", regime)
        one = cx.regression(s, "own", "x", family="binomial")["x"]
        book.holds(one, 0.8, "regression, logistic, slope", regime)
        one = cx.regression(s, "pro", "x", family="probit")["x"]
        book.holds(one, 0.5, "regression, probit, slope", regime)
        one = cx.regression(s, "own", "x", family="binomial", effects="marginal")["x"]
        book.holds(one, marginal_truth(), "regression, logistic, marginal effect", regime)
        test = cx.regression_test(s, "y", "x").effect
        book.holds(test, 0.25 / 2.25, "regression_test, share of variance", regime)
        wald = cx.regression_test(s, "y", ["x", "no"], terms="no")
        book.add("regression_test, Wald F", regime, wald.p < 0.05, LEVEL)
        plain = Survey(
            frame[["x", "pro"]].assign(v=1 + 0.5 * x + rng.normal(size=320) * (1 + abs(x)))
        )
        one = cx.regression(plain, "v", "x", errors="HC1")["x"]
        book.holds(one, 0.5, "regression, linear, HC1", "simple random, n 320, unequal spread")
        one = cx.regression(plain, "pro", "x", family="probit", errors="model")["x"]
        book.holds(one, 0.5, "regression, probit, model errors", "simple random, n 320")
        two, three = rank_truths()
        pair = rank_test(s.where(g=[0, 1]), "z", "g", ties="midrank").effect
        book.holds(pair, two, "rank_test, wilcoxon, P(second > first) − ½", regime)
        book.holds(rank_test(s, "z", "g").effect, three, "rank_test, variance of ranks", regime)
        book.add("rank_test, wilcoxon", regime, rank_test(s, "x", "half").p < 0.05, LEVEL)
        told = cx.marginal_homogeneity(s, "a", "b").effect
        book.holds(told, 0.06, "marginal_homogeneity, difference", regime)
        told = cx.standardised_difference(s.where(g=[0, 1]), "z", group="g")
        book.holds(told, 0.5 / math.sqrt(1.25), "standardised_difference", regime)
        told = cx.t_test(s, "y", group="half").effect
        book.holds(told, 0.0, "t_test, two groups", regime)
        book.holds(cx.t_test(s, "y", against=1).effect, 0.0, "t_test, against a value", regime)


@lru_cache(maxsize=1)
def marginal_truth() -> float:
    """The mean change of the chance a unit of x: ∫ 0.8 p (1 − p) φ."""

    def slope(x: float) -> float:
        p = 1 / (1 + math.exp(0.5 - 0.8 * x))
        return 0.8 * p * (1 - p) * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    return quad(slope, -8, 8)[0]


# --- published figures ----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def figure() -> Any:
    return cx.benchmark("pwc2018_leave1_global")


@family(FIGURES, 4_000, 500)
def published(rng, draws, book):
    """compare(): ours minus a published share that is rounded to whole percent, n known."""
    for n, theirs_n in ((600, 2_000), (1_500, 15_000)):
        regime = f"ours n {n}, theirs {theirs_n:,} at design effect 1.5, rounded to 1 %"
        for _ in range(draws):
            mine = rng.binomial(n, 0.36)
            one = cx.share(Survey(pd.DataFrame({"a": np.arange(n) < mine}) * 1), "a", at_least=1)
            seen = round(rng.binomial(round(theirs_n / 1.5), 0.32) / round(theirs_n / 1.5), 2)
            told = replace(figure(), value=seen, n=theirs_n, n_kind="exact")
            one = replace(one, meaning=told.meaning)
            made = cx.compare(one, told, margin=0.05)
            book.holds(made.difference, 0.04, "compare, difference", regime, CONSERVATIVE)
            if n == 600:
                point = cx.tipping_curve(made, sizes=(theirs_n,))[0]
                book.holds(point, 0.04, "tipping_curve, at the true n", regime, CONSERVATIVE)


@family(FIGURES, 10_000, 10_000)
def fractions(rng, draws, book):
    counts = rng.binomial(400, 0.36, draws)

    def make(k):
        one = cx.share(Survey(pd.DataFrame({"a": np.arange(400) < k}) * 1), "a", at_least=1)
        return cx.simple_fraction(one, margin=0.05, fraction="1/3").difference

    regime = "ours n 400, p .36, against 1/3"
    book.counted(make, counts, 0.36 - 1 / 3, "simple_fraction, difference", regime)


# --- stated premium -------------------------------------------------------------------------------

STATED, SHARES = (
    np.array([0, 2, 5, 8, 10, 15, 20, 25, 30, 50]),
    np.array([0.32, 0.04, 0.16, 0.04, 0.2, 0.06, 0.07, 0.06, 0.03, 0.02]),
)


@family(PREMIUM, 3_000, 250)
def premiums(rng, draws, book):
    """Everything on a stated premium: 500 asked in 50 clusters, weights ½–2."""
    floors = np.array([0.0, 0.0, 0.05, 0.10, 0.15, 0.25])
    tiers = np.array([0.3, 0.2, 0.2, 0.15, 0.1, 0.05])
    levels, bought = np.array([0.05, 0.1, 0.2]), np.array([0.5, 0.4, 0.25])
    mean, regime = STATED @ SHARES / 100, "500 in 50 PSUs, weights ½–2"
    bias = {"hypbias_schmidt": cx.benchmark("hypbias_schmidt").value}
    for _ in range(draws):
        place = np.repeat(rng.normal(size=50), 10) * 0.3 + math.sqrt(0.91) * rng.normal(size=500)
        stated = STATED[np.searchsorted(SHARES.cumsum()[:-1], ndtr(place))]
        offered = rng.integers(0, 3, 500)
        frame = pd.DataFrame({"p": stated, "w": rng.uniform(0.5, 2, 500)})
        frame["c"] = np.arange(500) // 10
        frame["tier"] = np.searchsorted(tiers.cumsum()[:-1], ndtr(place))
        frame["offer"] = levels[offered]
        frame["buy"] = (rng.random(500) < bought[offered]) * 1
        s = cx.read_survey(frame, weights="w", clusters="c")
        for point in list(cx.stated_premium(s, "p"))[1:]:
            truth = SHARES[100 * point.x - 1e-9 <= STATED].sum()
            book.holds(point, truth, f"stated_premium, at least {point.x:.0%}", regime)
        one = cx.premium_mean(s, "p")
        book.holds(one, mean, "premium_mean", regime)
        for told, truth in zip(
            list(cx.hypothetical_bias(one, tuple(bias)))[1:],
            (mean / bias["hypbias_schmidt"], (1 + mean) / bias["hypbias_schmidt"] - 1),
            strict=True,
        ):
            book.holds(told, truth, "hypothetical_bias, factor known", regime)
        book.holds(cx.premium_median(s, "p"), 0.05, "premium_median (heaped)", regime, CONSERVATIVE)
        bounds = (SHARES[4:].sum(), SHARES[3:].sum(), SHARES[5:].sum(), SHARES[3:5].sum())
        told = cx.premium_share_sensitivity(s, "p")
        for one, truth in zip(told, bounds, strict=True):
            book.holds(one, truth, "premium_share_sensitivity", regime)
        book.holds(cx.premium_floor_mean(s, "tier"), floors @ tiers, "premium_floor_mean", regime)
        for one, truth in zip(cx.buyers_by_premium(s, "buy", "offer"), bought, strict=True):
            book.holds(one, truth, "buyers_by_premium", regime)


# --- prices asked openly --------------------------------------------------------------------------

Q, INTENT = ("a", "b", "c", "d"), ("i", "j")


@lru_cache(maxsize=8)
def everyone(heap: float, clustered: bool) -> tuple[pd.DataFrame, dict[str, float]]:
    """A population of 50,000 in blocks of 50, and its price points, by the function itself."""
    rng = np.random.default_rng(17)
    centre = np.repeat(rng.normal(0, 0.15, 1_000), 50) if clustered else 0.0
    level = 20 * np.exp(centre + rng.normal(0, 0.35, 50_000))
    factors = (0.5, 0.8, 1.2, 1.7)
    told = np.column_stack([level * f * np.exp(rng.normal(0, 0.15, 50_000)) for f in factors])
    told = np.sort(told, axis=1)
    told = np.maximum(np.round(told / heap), 1) * heap if heap else np.round(told, 1)
    frame = pd.DataFrame(told, columns=list(Q))
    frame["i"] = rng.integers(2, 6, 50_000)
    frame["j"] = np.maximum(frame["i"] - rng.integers(0, 3, 50_000), 1)
    points = cx.price_sensitivity(Survey(frame), *Q, intent=INTENT)
    return frame, {e.term: e.value for e in points}


@family(PRICES, 1_000, 500)
def price_points(rng, draws, book):
    """van Westendorp's four points, the prices of greatest reach and revenue, and the curves."""
    for heap, n, clusters in ((0, 50, 0), (0, 200, 0), (5, 400, 0), (0, 400, 30), (5, 400, 12)):
        frame, truth = everyone(heap, bool(clusters))
        regime = f"n {n}" + (f", prices in steps of {heap}" if heap else "")
        regime += f", {clusters} PSUs" if clusters else ""
        at = np.sort(np.quantile(frame["b"], (0.2, 0.5, 0.8)))
        for _ in range(draws):
            if clusters:
                block = rng.integers(0, 1_000, (clusters, 1))
                rows = (50 * block + rng.integers(0, 50, (clusters, n // clusters))).ravel()
                drawn = frame.iloc[rows].assign(cl=np.repeat(np.arange(clusters), n // clusters))
                s = Survey(drawn.reset_index(drop=True), design=Design(clusters=("cl",)))
            else:
                rows = rng.integers(0, 50_000, n)
                s = Survey(frame.iloc[rows].reset_index(drop=True))
            for one in cx.price_sensitivity(s, *Q, intent=INTENT):
                name = f"price_sensitivity, {one.term}"
                book.holds(one, truth[one.term], name, regime, LENIENT)
            if n == 200:
                curves(book, s, frame, at, regime)


def curves(book: Book, s: Survey, frame: pd.DataFrame, at: np.ndarray, regime: str) -> None:
    """Shares and chances to buy along the price, near the middle of the axis."""
    for name, curve in zip(Q, cx.price_curves(s, *Q, points=9), strict=True):
        one = min(curve, key=lambda e: abs(e.value - 0.4))
        falls = name in ("a", "b")
        told = frame[name].to_numpy()
        truth = float((told > one.x).mean() if falls else (told <= one.x).mean())
        book.holds(one, truth, "price_curves, share nearest 40 %", regime)


LADDER = (4.0, 5.0, 6.0, 7.0, 8.0)
BUYS = {price: f"p{price:g}" for price in LADDER}


@family(PRICES, 1_000, 125)
def ladders(rng, draws, book):
    """Gabor–Granger: demand, revenue, and the set of prices that may be best."""
    for n, shown, flat in ((40, 5, False), (300, 1, False), (300, 5, True), (300, 5, False)):
        demand = 3.5 / np.array(LADDER) if flat else np.array([0.85, 0.7, 0.6, 0.45, 0.3])
        best = int((np.array(LADDER) * demand).argmax())
        kind = "all prices as good" if flat else "one best price"
        regime = f"n {n}, {shown} of 5 prices shown, {kind}"
        for _ in range(draws):
            buys = (rng.uniform(size=(n, 1)) < demand).astype(float)
            hidden = np.argsort(rng.uniform(size=buys.shape), axis=1) >= shown
            s = Survey(pd.DataFrame(np.where(hidden, np.nan, buys), columns=list(BUYS.values())))
            told = cx.best_price(s, BUYS)
            hit = any(low <= LADDER[best] <= high for low, high in told.may_be)
            book.add("best_price, set", regime, hit, LENIENT)
            if n == 300 and not flat:
                for one, p in zip(cx.demand_curve(s, BUYS), demand, strict=True):
                    book.holds(one, p, "demand_curve, logit", regime)
                revenue = zip(cx.revenue_curve(s, BUYS), 100 * demand * LADDER, strict=True)
                for one, truth in revenue:
                    book.holds(one, truth, "revenue_curve", regime)
                pooled = cx.demand_curve(s, BUYS, isotonic=True)
                for one, p in zip(pooled, demand, strict=True):
                    book.holds(one, p, "demand_curve, isotonic", regime)


@lru_cache(maxsize=1)
def trial_truth() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    curve = cx.trial_curve(Survey(everyone(0, False)[0]), *Q, intent=INTENT, points=400)
    return np.array([e.x for e in curve]), np.array([e.value for e in curve]), np.zeros(0)


@family(PRICES, 1_000, 500)
def trials(rng, draws, book):
    """Newton, Miller and Smith: the mean chance to buy at three prices, and revenue there."""
    frame, _ = everyone(0, False)
    x, y, _ = trial_truth()
    for _ in range(draws):
        s = Survey(frame.iloc[rng.integers(0, 50_000, 200)].reset_index(drop=True))
        for revenue in (False, True):
            curve = cx.trial_curve(s, *Q, intent=INTENT, revenue=revenue, points=7)
            for one in list(curve)[2:5]:
                truth = float(np.interp(one.x, x, y)) * (100 * one.x if revenue else 1)
                name = "trial_curve, revenue" if revenue else "trial_curve"
                book.holds(one, truth, name, "n 200, middle of the axis")


# --- bids -----------------------------------------------------------------------------------------

OFFERED, TOP_BID = np.array([5.0, 10, 20, 40, 80]), 80.0
SURVIVAL = {
    "logistic": lambda x: expit(0.08 * (20 - x)),
    "normal": lambda x: ndtr((20 - x) / 15),
    "log-logistic": lambda x: 1 / (1 + (np.maximum(x, 1e-12) / 20) ** 1.5),
    "log-normal": lambda x: ndtr(-np.log(np.maximum(x, 1e-12) / 20) / 0.8),
    "weibull": lambda x: np.exp(-math.log(2) * (x / 20) ** 1.2),
}
SLOPES = {"logistic": -0.08, "normal": -1 / 15, "log-logistic": -1.5, "log-normal": -1.25}


def willing(rng, n: int, kind: str = "log-logistic") -> pd.DataFrame:
    """Bids and answers, single and double bounded, with the median at 20."""
    u, bid = rng.uniform(size=n), rng.choice(OFFERED, n)
    yes = u < SURVIVAL[kind](bid)
    follow = np.where(yes, 2 * bid, bid / 2)
    again = (u < SURVIVAL[kind](follow)) * 1
    low_first = rng.integers(0, 2, n) == 1
    first = np.where(low_first, yes, u < SURVIVAL[kind](2 * bid)) * 1
    open_ = np.where(low_first, first == 1, first == 0)
    then = np.where(low_first, u < SURVIVAL[kind](2 * bid), yes) * 1.0
    frame = pd.DataFrame({"bid": bid, "yes": yes * 1, "follow": follow, "again": again})
    return frame.assign(high=2 * bid, half1=first, half2=np.where(open_, then, np.nan))


WAYS = {
    "single": (("yes", "bid"), {}),
    "double": (("yes", "bid"), {"second": "again", "follow_up": "follow"}),
    "one-and-a-half": (("half1", ("bid", "high")), {"second": "half2"}),
}


@family(BIDS, 1_000, 125)
def bids_parametric(rng, draws, book):
    """Medians, means and coefficients of the five distributions, n 400."""
    for _ in range(draws):
        seed = int(rng.integers(1 << 30))
        for kind in SURVIVAL:
            s, regime = Survey(willing(rng, 400, kind)), f"single-bounded, n 400, {kind}"
            model = cx.contingent_valuation(s, "yes", "bid", distribution=kind)
            if kind in SLOPES:
                book.holds(model[1], SLOPES[kind], "contingent_valuation, bid coefficient", regime)
            told = cx.wtp_median(model, draws=2_000, seed=seed)
            book.holds(told, 20, "wtp_median, krinsky-robb", regime)
            top = quad(SURVIVAL[kind], 0, TOP_BID)[0]
            end = float(SURVIVAL[kind](TOP_BID))
            start = float(SURVIVAL[kind](0.0))
            means = {"truncated": top}
            if start > 0.999:
                means["adjusted"] = top / (1 - end)
            for name, truth in means.items():
                told = cx.wtp_mean(model, kind=name, draws=2_000, seed=seed)
                book.holds(told, truth, f"wtp_mean, {name}, krinsky-robb", regime)
            whole = quad(SURVIVAL[kind], 0, math.inf, limit=400)[0]
            for method in ("krinsky-robb", "delta"):

                def make(model=model, method=method, seed=seed):
                    return cx.wtp_mean(model, method=method, draws=2_000, seed=seed)

                book.tries(make, whole, f"wtp_mean, unrestricted, {method}", regime)


@family(BIDS, 1_000, 125)
def bids_ways(rng, draws, book):
    """The three ways to ask, each method of the median; Turnbull's curve and its means."""
    for _ in range(draws):
        for way, ((answer, bid), more) in WAYS.items():
            frame = willing(rng, 400)
            model = cx.contingent_valuation(
                Survey(frame), answer, bid, distribution="log-logistic", **more
            )
            for method in ("krinsky-robb", "delta", "fieller"):
                told = cx.wtp_median(model, method=method, draws=2_000)
                book.holds(told, 20, f"wtp_median, {method}", f"{way}, n 400, log-logistic")
            for n in (400, 1_200):
                s = Survey(frame if n == 400 else willing(rng, n))
                turnbull(book, cx.wtp_survival(s, answer, bid, **more), f"{way}, n {n}", n == 400)


def turnbull(book: Book, curve: Any, regime: str, few: bool) -> None:
    truth = SURVIVAL["log-logistic"]
    x = np.array([e.x for e in curve if e.x > 0])
    lower = float(np.diff(np.append(0, x)) @ truth(x))
    some = LENIENT if few else REGULAR
    book.holds(cx.wtp_mean(curve), lower, "wtp_mean, lower bound (Turnbull)", regime, some)
    between = float(np.trapezoid(truth(np.append(0, x)), np.append(0, x)))
    told = cx.wtp_mean(curve, kind="interpolated")
    book.holds(told, between, "wtp_mean, interpolated", regime, some)
    last, end = truth(x[-2:])
    beyond = 0.5 * end * (x[-1] - x[-2]) * end / (last - end)
    told = cx.wtp_mean(curve, kind="kristrom")
    book.holds(told, between + beyond, "wtp_mean, Kriström", regime, OUTSIDE)
    middle = curve[[e.x for e in curve].index(20.0)]
    book.holds(middle, 0.5, "wtp_survival, at 20", regime)
    book.tries(lambda: cx.wtp_median(curve), 20, "wtp_median, inversion", regime)


RISES = "refused where more accept a higher bid"


@family(BIDS, 1_000, 125)
def bids_weak(rng, draws, book):
    """A bid that hardly matters; ratios of coefficients; clustered weights; the bootstrap."""
    for _ in range(draws):
        bid = rng.choice(OFFERED, 300)
        yes = (rng.uniform(size=300) < 1 / (1 + np.exp(-(1.2 - 0.008 * bid)))) * 1
        weak = cx.contingent_valuation(Survey(pd.DataFrame({"bid": bid, "yes": yes})), "yes", "bid")
        for method in ("fieller", "delta"):
            target = REGULAR if method == "fieller" else OUTSIDE
            regime = "single, n 300, bid coefficient 2 SE from 0"
            note = RISES if method == "fieller" else "use Fieller where the bid hardly matters"
            try:
                one = cx.wtp_median(weak, method=method)
            except cx.CxError:
                book.add(f"wtp_median, {method}", regime, np.zeros(0, bool), target, note)
                book.rows[f"wtp_median, {method}", regime]["refused"] += 1
                continue
            book.holds(one, 150, f"wtp_median, {method}", regime, target, note)
        older = rng.integers(0, 2, 600)
        shift = np.repeat(rng.normal(0, 0.3, 40), 15)
        bid = rng.choice(OFFERED, 600)
        yes = rng.normal(0, math.sqrt(0.91), 600) + shift < 1 + 0.5 * older - 0.05 * bid
        frame = pd.DataFrame({"bid": bid, "yes": yes * 1, "older": older})
        frame["c"], frame["w"] = np.repeat(np.arange(40), 15), rng.uniform(0.5, 2, 600)
        s, regime = cx.read_survey(frame, weights="w", clusters="c"), "40 PSUs of 15, weights ½–2"
        more = {"distribution": "normal", "covariates": ["older"]}
        model = cx.contingent_valuation(s, "yes", "bid", **more)
        for method in ("fieller", "delta", "krinsky-robb"):
            told = cx.wtp_ratio(model, "older", "bid", method=method, draws=2_000)
            book.holds(told, 10, f"wtp_ratio, {method}", regime)
        told = cx.wtp_median(model, at={"older": 0}, draws=2_000)
        book.holds(told, 20, "wtp_median, krinsky-robb", regime)


@family(BIDS, 200, 25)
def bids_bootstrap(rng, draws, book):
    for _ in range(draws):
        s, regime = Survey(willing(rng, 400)), "single, n 400, 300 refits"
        model = cx.contingent_valuation(s, "yes", "bid", distribution="log-logistic")
        told = cx.wtp_median(model, method="bootstrap", draws=300, seed=int(rng.integers(1 << 30)))
        book.holds(told, 20, "wtp_median, bootstrap", regime, LENIENT)


# --- choices --------------------------------------------------------------------------------------

ASKED = {
    "chosen": "chosen",
    "task": "task",
    "price": "price",
    "attributes": ["speed", "care"],
    "respondent": "person",
}
WORTH = {"speed": 2.0, "care": 1.0}


def chosen(rng, people: int = 60, tasks: int = 6, sd: float = 0.0) -> pd.DataFrame:
    """Choices among three whose willingness to pay is 2 for speed (sd 2 ``sd``) and 1 for care."""
    shape = (people, tasks, 3)
    price = rng.choice([1.0, 2.0, 3.0, 4.0], shape)
    speed, care = rng.choice([0.0, 1.0, 2.0], shape), rng.choice([0.0, 1.0], shape)
    taste = 1.0 + sd * rng.normal(size=(people, 1, 1))
    utility = -0.5 * price + taste * speed + 0.5 * care + rng.gumbel(size=shape)
    person, task, _ = np.indices(shape)
    columns = {"person": person, "task": task, "price": price, "speed": speed, "care": care}
    columns["chosen"] = (utility == utility.max(axis=2, keepdims=True)).astype(int)
    frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    frame["weight"] = np.repeat(rng.uniform(0.5, 2, people), 3 * tasks)
    return frame


@family(CHOICE, 1_000, 125)
def conditional(rng, draws, book):
    """Conditional logit: three intervals, three errors, both spaces, and a weighted survey."""
    regime = "60 people × 6 tasks"
    for _ in range(draws):
        frame = chosen(rng)
        for errors in ("hessian", "robust", "opg"):
            for method in ("delta", "krinsky-robb", "fieller"):
                if errors != "hessian" and method != "delta":
                    continue
                paid = cx.choice_wtp(frame, method=method, errors=errors, **ASKED)
                for term, truth in WORTH.items():
                    name = f"choice_wtp, {method}, {errors}"
                    book.holds(paid[term], truth, name, regime)
        told = cx.choice_model(frame, **ASKED)
        for term, truth in {"price": -0.5, "speed": 1.0, "care": 0.5}.items():
            book.holds(told[term], truth, "choice_model, coefficient", regime)
        paid = cx.choice_wtp(frame, space="wtp", **ASKED)
        for term, truth in WORTH.items():
            book.holds(paid[term], truth, "choice_wtp, WTP space", regime)
        paid = cx.choice_wtp(frame, weights="weight", **ASKED)
        for term, truth in WORTH.items():
            book.holds(paid[term], truth, "choice_wtp, weighted (robust)", regime)


@family(CHOICE, 200, 20)
def mixed(rng, draws, book):
    """Mixed logit with a normal taste, 100 and 200 Halton draws, both spaces."""
    regime, target = "150 people × 6 tasks, taste for speed normal", LENIENT
    more = ASKED | {"random": {"speed": "normal"}, "starts": 1, "draws": (100, 200)}
    truth = WORTH | {"sd.speed": 2.0}
    for _ in range(draws):
        frame = chosen(rng, 150, sd=1.0)
        for space, method in (("preference", "delta"), ("preference", "krinsky-robb"), ("wtp", "")):
            extra = {"method": method} if method else {}
            paid = cx.choice_wtp(frame, space=space, **extra, **more)
            name = f"choice_wtp, mixed, {space} space" + (f", {method}" if method else "")
            for term, value in truth.items():
                book.holds(paid[term], value, f"{name}: {term}", regime, target)


# --- tests and verdicts ---------------------------------------------------------------------------


@family(TESTS, 20_000, 20_000)
def equivalence(rng, draws, book):
    """Equivalence tests where the truth stands on the margin."""
    counts = np.column_stack([rng.binomial(400, 0.4, draws), rng.binomial(400, 0.3, draws)])

    def make(a, b):
        p = cx.tost_proportions((a, b), (400, 400), margin=0.1).p
        return replace(one, low=p, high=p)

    one = cx.one_proportion(1, 2)
    p = of_counts(make, counts)[0]
    book.add("tost_proportions", "400 and 400, .40 and .30, margin .1", p < 0.05, LEVEL)


@family(TESTS, 4_000, 500)
def levels(rng, draws, book):
    """How often a test at 5 % rejects what is true."""
    for k in range(draws):
        x, y = rng.normal(0.5, 1, 60), rng.normal(0, 1, 60)
        p = cx.tost_means(x, y, margin=0.5).p
        book.add("tost_means", "60 and 60, true difference = margin", p < 0.05, LEVEL)
        p = cx.tost(cx.two_means(x, y), margin=0.5).p
        book.add("tost of an estimate", "60 and 60, true difference = margin", p < 0.05, LEVEL)
        p = cx.wilcoxon_test(x - 0.5, y).p
        book.add("wilcoxon_test", "60 and 60", p < 0.05, LEVEL)
        p = cx.kruskal_test(x - 0.5, y, rng.normal(size=60)).p
        book.add("kruskal_test", "3 × 60", p < 0.05, LEVEL)
        counts = rng.binomial(100, 0.3, 3).tolist()
        book.add(
            "equal_proportions", "3 × 100", cx.equal_proportions(counts, [100] * 3).p < 0.05, LEVEL
        )
        book.add("trend_test", "3 × 100", cx.trend_test(counts, [100] * 3).p < 0.05, LEVEL)
        if k % SPARED == 0:
            any_one = min(t.p for t in cx.pairwise_proportions(counts, [100] * 3)) < 0.05
            book.add("pairwise_proportions, any of three (Holm)", "3 × 100", any_one, LEVEL)
        a, b, c, d = rng.multinomial(150, (0.4, 0.12, 0.12, 0.36)).tolist()
        for method in ("exact", "chi-square"):
            p = cx.mcnemar([[a, b], [c, d]], method=method).p
            book.add(f"mcnemar, {method}", "150 pairs", p < 0.05, LEVEL)
        odds = np.array([0.2, 0.3, 0.4, 0.5])
        u, v = rng.binomial(40, odds), rng.binomial(40, odds)
        tables = np.stack([np.stack([u, 40 - u], 1), np.stack([v, 40 - v], 1)], 1).tolist()
        p = cx.cochran_mantel_haenszel(tables).p
        book.add("cochran_mantel_haenszel", "4 strata of 40 and 40", p < 0.05, LEVEL)
        p = cx.homogeneous_odds(tables).p
        book.add("homogeneous_odds (Tarone)", "4 strata of 40 and 40", p < 0.05, LEVEL)


@family(VERDICTS, 20_000, 20_000)
def verdicts(rng, draws, book):
    """False verdicts against a published figure, where the truth stands on the edge."""
    from test_power import EDGES
    from test_power import verdicts as judged

    for edge, (truth, words) in EDGES.items():
        for n in (600, 1_200, 2_400, 6_000):
            for df in (60.0, math.inf):
                for known in (1.0, 0.5, 1.5):
                    rates = judged(truth, n, draws, int(rng.integers(1 << 30)), known, df)
                    wrong = round(sum(rates[word] for word in words) * draws)
                    taken = {1.0: "known", 0.5: "taken 50 % too small", 1.5: "taken 50 % too large"}
                    regime = f"n {n:,}, df {df:g}, design effect {taken[known]}"
                    hits = np.arange(draws) < wrong
                    book.add(f"{' or '.join(words)} ({edge})", regime, hits, WRONG)


@family(VERDICTS, 20_000, 20_000)
def directed(rng, draws, book):
    """False support and contradiction of a hypothesis, and a false simple fraction."""
    n, cases = 400, (("supported", 0.5), ("contradicted", 0.45))
    for word, truth in cases:
        for factor in (1.0, 0.5, 1.5):
            p = np.array([hypothesis_says(k, n, word, factor) for k in range(n + 1)])
            share = rng.binomial(n, truth, draws)
            taken = {1.0: "known", 0.5: "taken 50 % too small", 1.5: "taken 50 % too large"}
            regime = f"n {n}, design effect {taken[factor]}"
            book.add(f"hypothesis above ½, margin .05: {word}", regime, p[share], WRONG)
    for truth in (0.38, 0.28):
        counts = rng.binomial(1_500, round(truth - 0.33 + 1 / 3, 6), draws)
        kinds, place = np.unique(counts, return_inverse=True)
        wrong = np.array([fraction_says(int(k), 1_500) for k in kinds])[place]
        regime = f"n 1,500, truth {'+' if truth > 0.33 else '−'} margin .05"
        book.add("simple_fraction, consistent with 1/3", regime, wrong, WRONG)


@lru_cache(maxsize=4_096)
def share_of(k: int, n: int) -> Any:
    return cx.share(Survey(pd.DataFrame({"a": np.arange(n) < k}) * 1), "a", at_least=1)


def hypothesis_says(k: int, n: int, word: str, factor: float) -> bool:
    """The verdict on k of n, the variance taken to be ``factor`` times what it is."""
    if not 0 < k < n:
        return False
    one = share_of(k, n)
    told = {"n": n, "n_eff": n / factor, "df": one.df, "level": 0.95, "method": "logit"}
    made = share_interval(one.value, one.se**2 * factor, plain=True, **told)
    seen = replace(one, low=made.low, high=made.high, se=made.se, linear=None)
    return cx.hypothesis(seen, above=0.5, margin=0.05).verdict == word


def fraction_says(k: int, n: int) -> bool:
    return cx.simple_fraction(share_of(k, n), margin=0.05, fraction="1/3").verdict == "consistent"


# --- running --------------------------------------------------------------------------------------


def batch(name: str, number: int, draws: int) -> tuple[str, dict, float]:
    """One batch of a family; its seed is the family's name and the batch's number."""
    one, book, start = FAMILIES[name], Book(), time.process_time()
    rng = np.random.default_rng([zlib.crc32(name.encode()), number])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one.run(rng, draws, book)
    return name, book.rows, time.process_time() - start


def batches(names: Iterable[str], scale: float = 1.0) -> list[tuple[str, int, int]]:
    """Name, number and draws of every batch; the longest families first."""
    told = []
    for name in names:
        one = FAMILIES[name]
        draws = max(round(one.draws * scale), 1)
        parts = range(0, draws, one.batch)
        told += [(name, k, min(one.batch, draws - first)) for k, first in enumerate(parts)]
    return told


def simulate(
    names: Iterable[str], scale: float = 1.0, processes: int = 1
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The rows of some families, in order, and the CPU seconds of each."""
    jobs, found, seconds = batches(names, scale), {}, {}
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            running = [pool.submit(batch, *job) for job in jobs]
            for done, job in enumerate(as_completed(running), 1):
                took(job.result(), found, seconds)
                print(f"\r{done} of {len(jobs)} batches", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    else:
        for job in jobs:
            took(batch(*job), found, seconds)
    rows = [
        {"family": name, "part": FAMILIES[name].part, "interval": key[0], "regime": key[1]} | row
        for name in FAMILIES
        for key, row in sorted(found.get(name, {}).items(), key=lambda item: item[1]["order"])
    ]
    for row in rows:
        del row["order"]
    return rows, {name: round(value, 1) for name, value in seconds.items()}


def took(result: tuple[str, dict, float], found: dict, seconds: dict[str, float]) -> None:
    """Add one batch to what was found so far."""
    name, rows, spent = result
    seconds[name] = seconds.get(name, 0.0) + spent
    kept = found.setdefault(name, {})
    for order, (key, row) in enumerate(rows.items()):
        if key not in kept:
            kept[key] = dict(row, order=order)
            continue
        for count in ("hits", "draws", "refused"):
            kept[key][count] += row[count]


# --- the table ------------------------------------------------------------------------------------


def monte_carlo(row: dict[str, Any]) -> tuple[float, float]:
    """The rate and its Monte Carlo standard error (never 0: half a draw is added each way)."""
    hits, draws = row["hits"], row["draws"]
    if not draws:
        return math.nan, math.nan
    eased = (hits + 0.5) / (draws + 1)
    return hits / draws, math.sqrt(eased * (1 - eased) / draws)


def verdict(row: dict[str, Any]) -> str:
    """What the table says of a row, in words: whether it holds, and whether it is often refused."""
    asked = row["draws"] + row["refused"]
    often = row["draws"] and row["refused"] > 0.02 * asked
    told = f"; **refused in {row['refused'] / asked:.0%} of samples**" if often else ""
    return held(row) + told


def held(row: dict[str, Any]) -> str:
    """The first half of :func:`verdict`."""
    rate, error = monte_carlo(row)
    target = TARGETS[row["target"]]
    if not row["draws"]:
        return "always refused"
    if row["target"] in ("WRONG", "LEVEL"):
        if rate + 1.96 * error <= target.high:
            return "holds"
        if row["target"] == "LEVEL" and rate <= target.high + 2 * error:
            return "holds within Monte Carlo error (2 SE)"
        blame = ", as the design effect is wrong" if "50 %" in row["regime"] else ""
        return f"**wrong too often**{blame}"
    if target.low <= rate <= target.high:
        return "holds" if row["target"] != "OUTSIDE" else "holds here all the same"
    word = "**FAILS: too low**" if rate < target.low else "too wide"
    if row["target"] != "OUTSIDE" and target.low - 2 * error <= rate <= target.high + 2 * error:
        return "holds within Monte Carlo error (2 SE)"
    if rate > target.high and row["target"] != "WRONG":
        return "too wide (covers more than it says)"
    return word + (f"; {row['note']}" if row["note"] and rate < target.low else "")


def percent(value: float) -> str:
    return f"{100 * value:.2f}"


def table(told: dict[str, Any]) -> str:
    """The whole of COVERAGE.md."""
    rows = told["rows"]
    lines = [HEAD.format(date=told["date"], command=told["command"], total=len(rows))]
    most = {}
    for row in rows:
        name, asked = row["family"], row["draws"] + row["refused"]
        most[name] = max(most.get(name, 0), asked)
    short = [name for name, draws in most.items() if draws < FAMILIES[name].draws]
    if short:
        lines += ["Run with fewer draws than the script's own: " + ", ".join(short) + ".", ""]
    failed = [row for row in rows if "**" in verdict(row)]
    lines += ["## Where an interval or a verdict fails", ""]
    lines += [
        f"- {row['interval']} — {row['regime']}: {percent(monte_carlo(row)[0])} % "
        f"(± {percent(monte_carlo(row)[1])}), promised {TARGETS[row['target']].text}"
        + (f"; {row['note']}" if row["note"] else "")
        for row in failed
    ] or ["- nowhere"]
    for part in PARTS:
        some = [row for row in rows if row["part"] == part]
        if not some:
            continue
        rate = "wrong %" if part in (TESTS, VERDICTS) else "covers %"
        lines += ["", f"## {part}", ""]
        what = "interval" if part not in (TESTS, VERDICTS) else "test or verdict"
        lines += [f"| {what} | design | draws | {rate} | ± | promised | verdict |"]
        lines += ["|---|---|--:|--:|--:|---|---|"]
        lines += [line(row) for row in some]
    return "\n".join(lines) + "\n"


def line(row: dict[str, Any]) -> str:
    rate, error = monte_carlo(row)
    refused = f" ({row['refused']:,} refused)" if row["refused"] else ""
    shown = (percent(rate), percent(error)) if row["draws"] else ("–", "–")
    cells = (row["interval"], row["regime"], f"{row['draws']:,}{refused}", *shown)
    return "| " + " | ".join((*cells, TARGETS[row["target"]].text, verdict(row))) + " |"


HEAD = """# How often the intervals hold the truth

Written by `{command}` on {date}; {total} rows. Nominal level 95 %. Seeds are fixed: the same call
gives the same table. ± is the Monte Carlo standard error, in points; draws are intervals looked at
(several a sample where a row joins several points of a curve).

Promised: 93.5–96.5 % of regular estimators where n_eff·min(p, 1 − p) ≥ 10 and there are at least
30 primary units (PSUs); ≥ 94.5 % and no ceiling where an interval is conservative by design; ≥ 92 %
with few clusters or few answers, for price points and best prices, and for the mixed logit. "None
here" marks what is simulated outside of these bounds to show where an interval stops working; its
verdict is held to 93.5–96.5 % all the same. Tests (also where they stand among the tables): how
often they reject at 5 % what is true, to be at most 5.5 % but for chance. Verdicts: the share of
wrong ones, whose upper 97.5 % Monte Carlo limit is to be at most 5.5 % where the design effect is
known. Where it is taken to be half of what it is, "consistent" is wrong some 11 % of the time.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="families by name")
    parser.add_argument("--draws-scale", type=float, default=1.0, metavar="X")
    parser.add_argument("--processes", type=int, default=2, metavar="N")
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER")
    parser.add_argument("--list", action="store_true", help="name the families and stop")
    parser.add_argument("--write", action="store_true", help="only write the table anew")
    asked = parser.parse_args(argv)
    names = [n for n in FAMILIES if not asked.only or any(word in n for word in asked.only)]
    if asked.list:
        print("\n".join(f"{n:18s} {FAMILIES[n].draws:6,} draws  {FAMILIES[n].part}" for n in names))
        return 0
    results, start = asked.out / "coverage.json", time.perf_counter()
    old = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {"rows": []}
    rows, seconds = ([], {}) if asked.write else simulate(names, asked.draws_scale, asked.processes)
    new = {row["family"] for row in rows}
    partial = bool(asked.only) or asked.write
    rows += [row for row in old["rows"] if partial and row["family"] not in new]
    place = {name: k for k, name in enumerate(FAMILIES)}
    rows = sorted((r for r in rows if r["family"] in place), key=lambda r: place[r["family"]])
    scale = f" --draws-scale {asked.draws_scale:g}" if asked.draws_scale != 1 else ""
    told = {
        "date": old["date"] if asked.write else datetime.now(UTC).date().isoformat(),
        "command": "python tests/coverage_table.py" + scale,
        "cpu_seconds": {
            n: v for n, v in (old.get("cpu_seconds", {}) | seconds).items() if n in place
        },
        "rows": rows,
    }
    results.write_text(json.dumps(told, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    (asked.out / "COVERAGE.md").write_text(table(told), encoding="utf-8")
    print(f"{len(rows)} rows in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
