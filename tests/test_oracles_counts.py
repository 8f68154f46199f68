"""Plain counts, means and power against R and statsmodels: every case of the shared oracles, and
cases of our own computed in R 4.2.2.

Each test's docstring holds the peer's call; each case is held at its own tolerance.
"""

from __future__ import annotations

import json
import math
import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from pytest import approx

from cxlib.counts import exact_test, score_test
from cxlib.counts_shares import multinomial_proportions, one_proportion
from cxlib.counts_tables import (
    cochran_mantel_haenszel,
    equal_proportions,
    fisher_test,
    homogeneous_odds,
    pairwise_proportions,
    trend_test,
)
from cxlib.effects import effect_size, tost_means, two_means
from cxlib.errors import CxError
from cxlib.multiplicity import ADJUSTMENTS, p_adjust
from cxlib.paired import homogeneity, mcnemar, symmetry
from cxlib.power import (
    cohen_h,
    power_t,
    power_two_shares,
    sample_size_effect,
    sample_size_for_width,
    sample_size_t,
    sample_size_two_shares,
)

#: What we give otherwise than the peer, and why; each is held at the tolerance named.
DEVIATIONS = {
    "fisher.test odds ratio and interval": (
        "R stops its root finder at 1.2e-4 of the odds ratio or its inverse, whichever is under 1: "
        "at 1.2346945, its lower bound for 138 of 200 against 108 of 200, the tail is .02499, at "
        "ours, 1.2347382, it is .02500",
        1.3e-4,
    ),
}
#: p values under this are held at this, for tolerances are relative.
TINY = 1e-300


@cache
def oracles() -> Path:
    return ROOT / (os.environ.get("CX_SHARED") or "../shared") / "oracles"


def cases(method: str) -> list:
    """The cases of a method as pytest parameters; one that skips or fails where there are none."""
    path = oracles() / f"{method}.json"
    if not path.is_file():
        return [pytest.param(None, id="no-oracles")]
    told = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=case["id"]) for case in told]


def close(ours, theirs, case, rel: float | None = None) -> None:
    """Equal at the tolerance of the case."""
    rel = case["rel_tol"] if rel is None else rel
    assert ours == approx(theirs, rel=rel, abs=1e-12)


def near_root(ours: float, theirs: float) -> None:
    """Equal as far as R's root finder goes: see DEVIATIONS."""
    _, reach = DEVIATIONS["fisher.test odds ratio and interval"]
    ours, theirs = (one if one <= 1 else 1 / one for one in (ours, theirs))
    assert ours == approx(theirs, abs=reach)


def same_test(ours, theirs: dict, case) -> None:
    """Statistic, degrees of freedom, p and interval, as far as the peer tells them."""
    stat = theirs.get("statistic", theirs.get("stat"))
    if isinstance(stat, int | float):
        close(ours.statistic, stat, case)
    df = theirs.get("parameter", theirs.get("df"))
    if isinstance(df, int | float):
        assert ours.df == df
    if "p" in theirs:
        assert ours.p == approx(theirs["p"], rel=case["rel_tol"], abs=TINY)
    if theirs.get("ci95"):
        low, high = theirs["ci95"]
        close(ours.effect.low, -math.inf if low is None else low, case)
        close(ours.effect.high, math.inf if high is None else high, case)


@pytest.mark.parametrize("case", cases("prop_one_sample"))
def test_one_share(case, shared):
    """binom.test(x, n, p0); prop.test(x, n, p0, correct = FALSE / TRUE)"""
    count, n, against = (case["inputs"][key] for key in ("x", "n", "p0"))
    told = case["expected"]
    same_test(exact_test(count, n, against), told["binom"], case)
    same_test(score_test(count, n, against), told["prop_nocc"], case)
    for side in ("greater", "less"):
        close(exact_test(count, n, against, alternative=side).p, told[f"binom_{side}"], case)


@pytest.mark.parametrize("case", cases("prop_two_sample"))
def test_two_shares(case, shared):
    """prop.test(x, n, correct = FALSE / TRUE); fisher.test"""
    x, n = case["inputs"]["x"], case["inputs"]["n"]
    told = case["expected"]
    same_test(equal_proportions(x, n), told["prop_nocc"], case)
    same_test(equal_proportions(x, n, correct=True), told["prop_cc"], case)
    exact = fisher_test([[x[0], n[0] - x[0]], [x[1], n[1] - x[1]]])
    fisher = told["fisher"]
    close(exact.p, fisher["p"], case)
    near_root(exact.effect.low, fisher["ci95"][0] or 0.0)
    near_root(exact.effect.high, math.inf if fisher["ci95"][1] is None else fisher["ci95"][1])
    if isinstance(fisher["estimate"], int | float):
        near_root(exact.effect.value, fisher["estimate"])


@pytest.mark.parametrize("case", cases("prop_k_sample"))
def test_several_shares(case, shared):
    """prop.test(x, n); prop.trend.test(x, n); pairwise.prop.test(x, n, "holm")"""
    x, n = case["inputs"]["x"], case["inputs"]["n"]
    told = case["expected"]
    same_test(equal_proportions(x, n, correct=True), told["prop"], case)
    same_test(trend_test(x, n), told["trend"], case)
    pairs = iter(pairwise_proportions(x, n, adjust="holm"))
    for row in told["pairwise_holm"]:
        for p in row:
            if p is not None:
                close(next(pairs).p, p, case)


@pytest.mark.parametrize("case", cases("py_proportion_confint"))
def test_intervals_of_one_share(case, shared):
    """statsmodels proportion_confint(count, nobs, alpha, method)"""
    inputs = case["inputs"]
    names = {"normal": "wald", "agresti_coull": "agresti-coull", "beta": "clopper-pearson"}
    names |= {"binom_test": "binomial test"}
    for method, (low, high) in case["expected"].items():
        one = one_proportion(
            inputs["count"],
            inputs["nobs"],
            method=names.get(method, method),
            level=1 - inputs.get("alpha", 0.05),
        )
        close(one.low, low, case)
        close(one.high, high, case)


@pytest.mark.parametrize("case", cases("py_multinomial_ci"))
def test_intervals_of_several_shares(case, shared):
    """statsmodels multinomial_proportions_confint(counts, 0.05, method)"""
    for method, bounds in case["expected"].items():
        ranked = multinomial_proportions(case["inputs"]["counts"], method=method)
        for one, (low, high) in zip(ranked, bounds, strict=True):
            close(one.low, low, case)
            close(one.high, high, case)


@pytest.mark.parametrize("case", cases("cmh"))
def test_stratified_tables(case, shared):
    """mantelhaen.test(array, correct = FALSE); the array is column-major"""
    array = np.array(case["inputs"]["array"]).reshape(case["inputs"]["dim"], order="F")
    told = case["expected"]
    test = cochran_mantel_haenszel(np.moveaxis(array, -1, 0))
    same_test(test, told, case)
    if "common_or" in told:
        close(test.effect.value, told["common_or"], case)


@pytest.mark.parametrize("case", cases("mcnemar"))
def test_paired_yes_and_no(case, shared):
    """mcnemar.test(table, correct = TRUE / FALSE); binom.test(b, b + c)"""
    table, told = case["inputs"]["table"], case["expected"]
    same_test(mcnemar(table, method="corrected"), told["cc"], case)
    same_test(mcnemar(table, method="chi-square"), told["nocc"], case)
    close(mcnemar(table, method="exact").p, told["exact_p"], case)


@pytest.mark.parametrize("case", cases("py_paired_categories"))
def test_paired_categories(case, shared):
    """statsmodels SquareTable(table).symmetry(), .homogeneity("stuart_maxwell" / "bhapkar")

    SquareTable adds one half to every cell where one is empty: the case's table is given so too.
    """
    table = np.array(case["inputs"]["table"], float)
    table = table + 0.5 if (table == 0).any() else table
    told = case["expected"]
    same_test(symmetry(table), told["bowker"], case)
    same_test(homogeneity(table), told["stuart_maxwell"], case)
    same_test(homogeneity(table, method="bhapkar"), told["bhapkar"], case)


@pytest.mark.parametrize("case", cases("p_adjust"))
def test_adjusted_p_values(case, shared):
    """p.adjust(p, method)"""
    for method, told in case["expected"].items():
        close(p_adjust(case["inputs"]["p"], method=method), np.array(told), case)


def test_adjusted_p_values_by_every_method():
    """p.adjust(c(.001, .01, .02, .02, .03, .2, .5, .9, 1), method)"""
    p = [0.001, 0.01, 0.02, 0.02, 0.03, 0.2, 0.5, 0.9, 1]
    told = {
        "holm": [0.009, 0.08, 0.14, 0.14, 0.15, 0.8, 1, 1, 1],
        "hochberg": [0.009, 0.08, 0.12, 0.12, 0.15, 0.8, 1, 1, 1],
        "hommel": [0.009, 0.07, 0.1, 0.1, 0.15, 0.8, 1, 1, 1],
        "bonferroni": [0.009, 0.09, 0.18, 0.18, 0.27, 1, 1, 1, 1],
        "BH": [0.009, 0.045, 0.045, 0.045, 0.054, 0.3, 0.642857142857143, 1, 1],
        "BY": [0.0254607142857143, *[0.1273035714285715] * 3, 0.1527642857142857],
        "none": p,
    }
    told["BY"] += [0.8486904761904763, 1, 1, 1]
    for method, values in told.items():
        assert p_adjust(p, method=method) == approx(values, rel=1e-12)


def test_adjusted_p_values_keep_their_order_and_bounds():
    p = np.random.default_rng(3).uniform(size=40) ** 3
    order = np.random.default_rng(4).permutation(40)
    for method in ADJUSTMENTS:
        adjusted = p_adjust(p, method=method)
        assert (adjusted >= p - 1e-15).all() and (adjusted <= 1).all()
        assert p_adjust(p[order], method=method) == approx(adjusted[order])
        assert p_adjust([0.02], method=method) == approx([0.02])
        assert len(p_adjust([], method=method)) == 0
    for wrong in ([0.1, math.nan], [1.2], ["a"], [None]):
        with pytest.raises(CxError):
            p_adjust(wrong)
    with pytest.raises(CxError, match="unknown"):
        p_adjust([0.1], method="holmes")


@pytest.mark.parametrize("case", cases("power_t"))
def test_power_of_t_tests(case, shared):
    """power.t.test(delta =, sd =, power =, type = "two.sample" / "paired", tol = 1e-12)

    (At R's default tolerance the root is good to four digits only.)
    """
    inputs, told = case["inputs"], case["expected"]
    delta, sd, power = inputs["delta"], inputs["sd"], inputs["power"]
    for key, kind in (("n_two", "two-sample"), ("n_paired", "paired")):
        if key in told:
            n = sample_size_t(delta, sd=sd, power=power, kind=kind)
            close(n, told[key], case)
            assert power_t(delta, n=n, sd=sd, kind=kind) == approx(power)


def test_power_of_t_tests_in_r():
    """power.t.test(…, strict = TRUE), type = "one.sample", alternative = "one.sided"."""
    assert power_t(0.3, n=100, sd=1.3, strict=True) == approx(0.368569661075376)
    one = {"kind": "one-sample", "alternative": "one-sided"}
    assert power_t(0.3, n=100, sd=1.3, **one) == approx(0.741191253169688)
    assert sample_size_t(0.3, sd=1.3, **one) == approx(117.459378797821, rel=1e-5)
    assert sample_size_t(0.3, sd=1.3, strict=True) == approx(295.731750027115, rel=1e-5)
    assert sample_size_t(3, sd=1) == approx(3.07001019072005, rel=1e-4)
    assert sample_size_t(1e6, sd=1) == 2


@pytest.mark.parametrize("case", cases("power_two_prop"))
def test_power_of_two_shares(case, shared):
    """power.prop.test(p1 =, p2 =, power =); power.prop.test(n = 100 / 500, p1 =, p2 =)"""
    inputs, told = case["inputs"], case["expected"]
    p1, p2, level = inputs["p1"], inputs["p2"], 1 - inputs.get("alpha", 0.05)
    for key, value in told.items():
        if key.startswith("power_n"):
            ours = power_two_shares(p1, p2, int(key.removeprefix("power_n")), level=level)
        else:
            ours = sample_size_two_shares(p1, p2, power=inputs["power"], level=level)
        close(ours, value, case)


def test_power_of_two_shares_in_r():
    """power.prop.test(…, strict = TRUE), alternative = "one.sided", sig.level = .01."""
    assert power_two_shares(0.5, 0.55, 100, strict=True) == approx(0.108781826719893)
    side = {"alternative": "one-sided"}
    assert power_two_shares(0.5, 0.55, 100, **side) == approx(0.174112563146747)
    assert sample_size_two_shares(0.5, 0.55, **side) == approx(1232.37339977665, rel=1e-6)
    more = {"power": 0.9, "level": 0.99}
    assert sample_size_two_shares(0.3, 0.55, **more) == approx(113.857835430752, rel=1e-6)


@pytest.mark.parametrize("case", cases("py_power_prop"))
def test_power_by_effect_size(case, shared):
    """statsmodels proportion_effectsize; NormalIndPower().solve_power(h, alpha=, power=), the same
    with ratio=0; power_proportions_2indep(p1 − p2, p2, 300); samplesize_confint_proportion(p1,
    .03)
    """
    inputs, told = case["inputs"], case["expected"]
    p1, p2, level = inputs["p1"], inputs["p2"], 1 - inputs["alpha"]
    h = cohen_h(p1, p2)
    options = {"power": inputs["power"], "level": level}
    ours = {
        "h": h,
        "n_ind": sample_size_effect(h, groups=2, **options),
        "n_one": sample_size_effect(h, groups=1, **options),
        "power_2indep_n300": power_two_shares(p1, p2, 300, level=level, strict=True),
        "n_for_moe3": sample_size_for_width(p1, 0.03, level=level),
    }
    for key, value in told.items():
        close(ours[key], value, case)


@pytest.mark.parametrize("case", cases("py_tost_effectsize"))
def test_equivalence_of_means_and_effect_sizes(case, shared):
    """statsmodels ttost_ind(x, y, low, upp, usevar="unequal"); pingouin ttest, compute_effsize

    pingouin rounds its interval to two decimals.
    """
    inputs, told = case["inputs"], case["expected"]
    frame = pd.read_csv(oracles() / inputs["data"])
    minuend, subtrahend = inputs["score"].split("-")
    score = frame[minuend] - frame[subtrahend]
    group = frame["Treat"]
    x, y = score[group == inputs["x"]], score[group == inputs["y"]]
    for key, one in told.items():
        if key.startswith("welch_pm"):
            test = tost_means(x, y, margin=float(key.removeprefix("welch_pm")))
            close(test.p, one["p"], case)
            close(test.df, one["low"][2], case)
            worst = max((one["low"], one["upp"]), key=lambda side: side[1])
            close(abs(test.statistic), abs(worst[0]), case)
    gap = two_means(x, y)
    ttest = told["pingouin_ttest"]
    close(gap.value / gap.se, ttest["T"], case)
    close(gap.df, ttest["dof"], case)
    assert [round(gap.low, 2), round(gap.high, 2)] == ttest["CI95"]
    sizes = {kind: effect_size(x, y, kind=kind).value for kind in ("cohen", "hedges")}
    close(abs(sizes["cohen"]), abs(ttest["cohen_d"]), case)
    close(sizes["hedges"], told["hedges_g"], case)
    close(sizes["cohen"], told["cohen_d"], case)
    close(effect_size(x, y, kind="superiority").value, told["CLES"], case)
    strict = power_t(sizes["cohen"], n=len(x), n2=len(y), strict=True)
    close(strict, ttest["power"], case)


# --- cases of our own -----------------------------------------------------------------------------


def test_equal_shares_in_r():
    """prop.test(c(15, 25), c(50, 50)); prop.test(c(15, 25), c(50, 50), p = c(.4, .4))

    prop.test(15, 50, .2, correct = TRUE) is the test against a fixed share.
    """
    two = equal_proportions([15, 25], [50, 50], correct=True)
    assert (two.statistic, two.p) == approx((3.375, 0.0661925747))
    fixed = equal_proportions([15, 25], [50, 50], against=[0.4, 0.4])
    assert (fixed.statistic, fixed.df) == approx((4.166666667, 2))
    one = equal_proportions([15], [50], against=0.2, correct=True)
    assert one.statistic == approx(score_test(15, 50, 0.2, correct=True).statistic)


def test_a_trend_has_the_slope_of_the_shares():
    test = trend_test([10, 20, 30, 40], [100, 100, 100, 100], scores=[0, 10, 20, 30])
    assert test.effect.value == approx(0.01)
    shifted = trend_test([10, 20, 30, 40], [100, 100, 100, 100], scores=[5, 6, 7, 8])
    assert shifted.statistic == approx(test.statistic)


def test_larger_stratified_tables_in_r():
    """mantelhaen.test(array(c(2, 5, 3, …), c(3, 3, 2)))"""
    counts = [2, 5, 3, 6, 4, 4, 7, 1, 5, 3, 3, 6, 8, 2, 4, 5, 6, 2]
    array = np.moveaxis(np.reshape(counts, (3, 3, 2), order="F"), -1, 0)
    test = cochran_mantel_haenszel(array)
    assert (test.statistic, test.df, test.p) == approx(CMH_3_BY_3)


CMH_3_BY_3 = (4.290071988802, 4, 0.368169938003)


def test_homogeneous_odds_against_statsmodels():
    """statsmodels StratifiedTable(tables).test_equal_odds(adjust=False / True)"""
    from statsmodels.stats.contingency_tables import StratifiedTable

    tables = np.random.default_rng(5).integers(3, 40, (5, 2, 2))
    peer = StratifiedTable(np.moveaxis(tables, 0, -1).astype(float))
    for method, adjust in (("breslow-day", False), ("tarone", True)):
        told = peer.test_equal_odds(adjust=adjust)
        ours = homogeneous_odds(tables, method=method)
        assert (ours.statistic, ours.p) == approx((told.statistic, told.pvalue))
    woolf = homogeneous_odds(tables, method="woolf")
    assert woolf.p == approx(homogeneous_odds(tables).p, abs=0.1) and woolf.df == 4
    null = peer.test_null_odds(correction=True)
    ours = cochran_mantel_haenszel(tables, correct=True)
    assert (ours.statistic, ours.p) == approx((null.statistic, null.pvalue))


def test_simultaneous_intervals_against_statsmodels_where_it_is_right():
    from statsmodels.stats.proportion import multinomial_proportions_confint

    rng = np.random.default_rng(1)
    for size in (4, 20, 100, 400) * 4:
        counts = rng.integers(0, size, rng.integers(2, 9)) + 1
        for method in ("goodman", "sison-glaz"):
            ours = multinomial_proportions(counts.tolist(), method=method)
            told = multinomial_proportions_confint(counts, 0.05, method)
            assert np.array([(e.low, e.high) for e in ours]) == approx(told, abs=1e-9)
    wide = multinomial_proportions([10**6, 10**6], method="sison-glaz")[0]
    assert wide.high - wide.low == approx(2 * 1.96 * math.sqrt(0.25 / 2e6), rel=0.07)


@pytest.mark.parametrize("count, n", [(0, 1), (1, 1), (0, 20), (20, 20), (1, 10**6), (7, 9)])
@pytest.mark.parametrize("method", ["wilson", "clopper-pearson", "agresti-coull", "jeffreys"])
def test_intervals_hold_the_share_and_mirror(count, n, method):
    one = one_proportion(count, n, method=method)
    assert 0 <= one.low < one.high <= 1
    mirrored = one_proportion(n - count, n, method=method)
    assert (one.low, one.high) == approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-9)
    if method != "jeffreys":
        assert one.low <= one.value <= one.high


def test_the_exact_interval_covers_and_the_others_nearly():
    """Exact coverage over all counts, n = 60: no simulation is needed."""
    from scipy.stats import binom

    n, shares = 60, np.linspace(0.05, 0.95, 91)
    chance = binom.pmf(np.arange(n + 1), n, shares[:, None])
    floors = {"clopper-pearson": 0.95, "wilson": 0.91, "agresti-coull": 0.93, "jeffreys": 0.90}
    for method, floor in floors.items():
        bounds = [one_proportion(k, n, method=method) for k in range(n + 1)]
        inside = [[b.low <= p <= b.high for b in bounds] for p in shares]
        coverage = (chance * np.array(inside)).sum(axis=1)
        assert coverage.min() >= floor, method
        assert coverage.mean() >= 0.945, method


HOSTILE = [
    lambda: one_proportion(3, 2),
    lambda: one_proportion(1.5, 2),
    lambda: one_proportion("1", 2),
    lambda: one_proportion(math.nan, 2),
    lambda: one_proportion(1, math.inf),
    lambda: one_proportion(1, 2, level=1),
    lambda: one_proportion(1, 2, method="newcomb"),
    lambda: multinomial_proportions([]),
    lambda: multinomial_proportions([0, 0]),
    lambda: multinomial_proportions([1, -1]),
    lambda: multinomial_proportions([1, 2], names=["a"]),
    lambda: equal_proportions([1], [2]),
    lambda: equal_proportions([1, 2], [2]),
    lambda: equal_proportions([1, "x"], [2, 2]),
    lambda: equal_proportions([1, math.nan], [2, 2]),
    lambda: equal_proportions([1, 2], [2, 2], against=1),
    lambda: trend_test([1, 2], [4, 4], scores=[1, 1]),
    lambda: pairwise_proportions([1], [2]),
    lambda: fisher_test([[1, 2, 3], [1, 2, 3]]),
    lambda: fisher_test([[1, -2], [1, 2]]),
    lambda: fisher_test([[0, 0], [0, 0]]),
    lambda: fisher_test([[1, 2], [3]]),
    lambda: cochran_mantel_haenszel([[1, 2], [3, 4]]),
    lambda: cochran_mantel_haenszel([[[5, 0], [0, 0]]]),
    lambda: cochran_mantel_haenszel([[[5, math.inf], [1, 1]]]),
    lambda: homogeneous_odds([[[5, 1], [1, 1]]]),
    lambda: homogeneous_odds([[[5, 0], [1, 1]], [[5, 0], [1, 1]]], method="tarone"),
    lambda: homogeneous_odds([[[5, 1], [1, 1]]], method="levene"),
    lambda: sample_size_two_shares(0.5, 0.5),
    lambda: sample_size_two_shares(0.5, 0.6, power=1),
    lambda: sample_size_two_shares(0, 0.6),
    lambda: power_two_shares(0.5, 0.6, 0),
    lambda: power_two_shares(0.5, 0.6, 100, alternative="up"),
    lambda: power_t(1, n=1),
    lambda: power_t(1, n=5, sd=0),
    lambda: power_t("1", n=5),
    lambda: power_t(1, n=5, kind="three"),
    lambda: power_t(1, n=5, n2=6, kind="paired"),
    lambda: sample_size_t(0),
    lambda: sample_size_effect(0),
    lambda: sample_size_effect(0.2, power=0.04),
    lambda: sample_size_effect(0.2, groups=3),
    lambda: sample_size_for_width(0.5, 0),
    lambda: cohen_h(1.1, 0),
    lambda: two_means([1], [2, 3]),
    lambda: two_means([1, math.inf], [2, 3]),
    lambda: two_means(["a", "b"], [2, 3]),
    lambda: two_means([1, 2, 3], [2, 3], paired=True),
    lambda: tost_means([1, 1], [1, 1], margin=1),
    lambda: tost_means([1, 2], [2, 4]),
    lambda: tost_means([1, 2], [2, 4], low=1, high=0),
    lambda: effect_size([1, 1], [1, 1]),
    lambda: effect_size([1, 2], [1, 3], kind="r"),
]


@pytest.mark.parametrize("call", HOSTILE)
def test_hostile_input_is_refused_in_plain_words(call):
    with pytest.raises(CxError) as told:
        call()
    assert str(told.value)


def test_the_ends_have_defined_answers():
    for x in ([0, 0, 0], [5, 5, 5]):
        same = equal_proportions(x, [5, 5, 5])
        assert (same.statistic, same.p) == (0, 1)
        assert trend_test(x, [5, 5, 5]).p == 1
        assert all(one.p == 1 for one in pairwise_proportions(x, [5, 5, 5]))
    apart = equal_proportions([0, 10**9], [10**9, 10**9])
    assert apart.p == 0 and apart.effect.value == -1
    assert fisher_test([[5, 0], [5, 0]]).p == 1
    assert fisher_test([[5, 0], [0, 5]]).effect.value == math.inf
    one_sided = cochran_mantel_haenszel([[[5, 0], [2, 4]], [[0, 0], [3, 4]]])
    assert one_sided.effect.value == math.inf and one_sided.cautions
    assert two_means([1, 1], [1, 1]).se == 0
    assert effect_size([3, 4, 5], [0, 1, 2], kind="superiority").value == 1
    assert effect_size([1, 1], [1, 1], kind="superiority").value == 0.5
    assert two_means([1, 2, math.nan], [1, 2]).n_excluded == 1
    for told in (apart, one_sided, fisher_test([[5, 0], [0, 5]])):
        assert "nan" not in str(told) + told.to_html()


def test_pairs_of_means_against_scipy():
    """scipy.stats.ttest_ind(equal_var=…), ttest_rel"""
    from scipy.stats import ttest_ind, ttest_rel

    rng = np.random.default_rng(8)
    x, y = rng.normal(size=12), rng.normal(0.4, 2, size=12)
    for options, peer in (
        ({}, ttest_ind(x, y, equal_var=False)),
        ({"equal_variances": True}, ttest_ind(x, y)),
        ({"paired": True}, ttest_rel(x, y)),
    ):
        ours, told = two_means(x, y, **options), peer.confidence_interval()
        assert (ours.low, ours.high, ours.df) == approx((told.low, told.high, peer.df))
