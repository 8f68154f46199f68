"""What must hold of a training's effect: equalities, properties, clear errors, honest intervals."""

from __future__ import annotations

import math
import time
from itertools import product

import numpy as np
import pandas as pd
import pytest

import cxlib as cx
from cxlib.errors import CxError
from cxlib.training import clustered_regression, did, did_test
from cxlib.training_before import before_after, regression_to_mean
from cxlib.training_draws import _signs
from cxlib.training_events import event_study, pretrends
from cxlib.training_groups import group_time_effects
from cxlib.training_visits import variance_components, visit_reliability, visits_needed


def answers(n: int = 600, outlets: int = 16, trained: int = 6, effect: float = 0.0, seed: int = 1):
    """Customers of outlets before and after a training of some outlets."""
    rng = np.random.default_rng(seed)
    g = np.arange(n) % outlets
    after = rng.integers(0, 2, n)
    treated = (g < trained).astype(int)
    x = rng.normal(size=n)
    y = rng.normal(size=outlets)[g] + after * rng.normal(size=outlets, scale=0.3)[g]
    y = y + 0.5 * x + effect * treated * after + rng.normal(size=n)
    w = rng.uniform(0.5, 2, n)
    return pd.DataFrame({"y": y, "t": treated, "a": after, "g": g, "x": x, "w": w})


def panel(units: int = 50, periods: int = 6, seed: int = 2, effect: float = 1.0) -> pd.DataFrame:
    """Outlets by month, some trained from month 3, some from 4, some never."""
    rng = np.random.default_rng(seed)
    u, t = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    start = np.select([u < units // 3, u < units // 2], [3.0, 4.0], np.nan)
    y = rng.normal(size=units)[u] + 0.2 * t + rng.normal(size=len(u), scale=0.4)
    y = y + np.where(t >= start, effect * (1 + t - np.nan_to_num(start)), 0)
    return pd.DataFrame({"u": u, "t": t, "start": start, "y": y, "trained": (start == 3) * 1})


def ols(data: pd.DataFrame, columns: str, weights: str | None = None, **fit):
    import statsmodels.formula.api as smf

    if weights:
        return smf.wls(columns, data, weights=data[weights]).fit(**fit)
    return smf.ols(columns, data).fit(**fit)


# -- difference in differences ---------------------------------------------------------------------


def test_without_clusters_it_is_ols():
    data = answers()
    fit = ols(data, "y ~ t * a + x")
    one = did(cx.read_survey(data), "y", "t", "a", covariates=["x"])
    assert one.value == pytest.approx(fit.params["t:a"], rel=1e-10)
    assert one.se == pytest.approx(fit.bse["t:a"], rel=1e-10)
    assert (one.low, one.high) == pytest.approx(fit.conf_int().loc["t:a"], rel=1e-9)


def test_it_is_the_difference_of_differences():
    data = answers()
    means = data.groupby(["t", "a"]).y.mean()
    value = means[1, 1] - means[1, 0] - means[0, 1] + means[0, 0]
    assert did(cx.read_survey(data), "y", "t", "a").value == pytest.approx(value)


@pytest.mark.parametrize("weights", [None, "w"])
def test_clustered_errors_are_those_of_statsmodels(weights):
    data = answers()
    groups = {"groups": data.g, "use_correction": True}
    fit = ols(data, "y ~ t * a + x", weights, cov_type="cluster", cov_kwds=groups, use_t=True)
    s = cx.read_survey(data, weights=weights)
    test = did_test(s, "y", "t", "a", clusters="g", covariates=["x"])
    assert test.effect.value == pytest.approx(fit.params["t:a"], rel=1e-9)
    assert test.effect.se == pytest.approx(fit.bse["t:a"], rel=1e-9)
    assert test.p == pytest.approx(fit.pvalues["t:a"], rel=1e-7)
    assert (test.effect.low, test.effect.high) == pytest.approx(fit.conf_int().loc["t:a"], rel=1e-7)


def test_fixed_effects_are_dummies():
    data = answers()
    s = cx.read_survey(data, weights="w")
    groups = {"groups": data.g}
    fit = ols(data, "y ~ t:a + a + x + C(g)", "w", cov_type="cluster", cov_kwds=groups)
    one = did(s, "y", "t", "a", clusters="g", covariates=["x"], fixed="g")
    assert (one.value, one.se) == pytest.approx((fit.params["t:a"], fit.bse["t:a"]), rel=1e-8)


def test_design_errors_where_a_design_is_declared():
    data = answers()
    s = cx.read_survey(data, weights="w", clusters="g")
    one = did(s, "y", "t", "a")
    assert "design" in one.method
    assert one.value == pytest.approx(did(s, "y", "t", "a", clusters="g").value)


@pytest.mark.parametrize("inference", ["cluster", "wild", "randomisation"])
def test_what_changes_nothing(inference):
    data = answers(240, 12, 5)
    asked = {"clusters": "g", "covariates": ["x"], "inference": inference, "draws": 99}
    one = did(cx.read_survey(data, weights="w"), "y", "t", "a", **asked)
    words = data.assign(
        w=data.w * 1e9,
        t=data.t.map({0: "no", 1: "trained"}),
        a=data.a.map({0: 7, 1: 8}),
    )
    for other in (words, data.assign(y=data.y * 10 + 5e3)):
        same = did(cx.read_survey(other, weights="w"), "y", "t", "a", **asked)
        size = 10 if other is not words else 1
        ends = (size * one.value, size * one.low, size * one.high)
        assert (same.value, same.low, same.high) == pytest.approx(ends, rel=1e-6)
    moved = data.sample(frac=1, random_state=1)
    again = did(cx.read_survey(moved, weights="w"), "y", "t", "a", **asked)
    assert again.value == pytest.approx(one.value, rel=1e-9)
    doubled = pd.concat([data.assign(w=data.w / 2)] * 2)
    split = did(cx.read_survey(doubled, weights="w"), "y", "t", "a", **asked)
    assert split.value == pytest.approx(one.value, rel=1e-9)


def looped(data: pd.DataFrame, signs: np.ndarray) -> float:
    """The wild bootstrap the slow way: a clustered fit of statsmodels a draw, the null imposed."""
    import statsmodels.api as sm

    x = np.column_stack([np.ones(len(data)), data.t, data.a, data.x, data.t * data.a])
    clustered = {"cov_type": "cluster", "cov_kwds": {"groups": data.g}}
    seen = sm.OLS(data.y, x).fit(**clustered).tvalues.iloc[-1]
    null = sm.OLS(data.y, x[:, :-1]).fit()
    fitted, left = null.fittedvalues.to_numpy(), null.resid.to_numpy()
    far = [
        abs(sm.OLS(fitted + left * sign[data.g], x).fit(**clustered).tvalues[-1]) for sign in signs
    ]
    return float((np.array(far) >= abs(seen) * (1 - 1e-9)).mean())


def test_the_wild_bootstrap_is_that_of_a_loop():
    data = answers(300, 15, 6, effect=0.4)
    asked = {"clusters": "g", "covariates": ["x"], "inference": "wild", "draws": 60, "seed": 3}
    for kind in ("rademacher", "webb"):
        test = did_test(cx.read_survey(data), "y", "t", "a", weights=kind, **asked)
        assert test.p == looped(data, _signs(15, 60, 3, kind)[0])


def test_few_clusters_use_all_signs():
    signs, told = _signs(5, 999, 1, "rademacher")
    assert len(np.unique(signs, axis=0)) == len(signs) == 32
    assert "all 32" in told


def test_the_wild_interval_inverts_its_test():
    data = answers(300, 15, 6, effect=0.4)
    asked = {"clusters": "g", "inference": "wild", "draws": 399}
    one = did(cx.read_survey(data), "y", "t", "a", **asked)
    for end, sign in ((one.low, -1), (one.high, 1)):
        ps = []
        for step in (-0.01, 0.01):
            moved = data.y - (end + sign * step) * data.t * data.a
            s = cx.read_survey(data.assign(y=moved))
            ps.append(did_test(s, "y", "t", "a", **asked).p)
        assert ps[0] > 0.05 - 0.004 and ps[1] <= 0.05 + 0.004


def test_randomisation_counts_all_assignments():
    data = answers(160, 6, 2)
    test = did_test(
        cx.read_survey(data), "y", "t", "a", clusters="g", covariates=["x"],
        inference="randomisation",
    )  # fmt: skip
    far = []
    for chosen in product([0, 1], repeat=6):
        if sum(chosen) == 2:
            fit = ols(data.assign(t=np.array(chosen)[data.g]), "y ~ t * a + x")
            far.append(abs(fit.params["t:a"]))
    assert test.p == pytest.approx(np.mean(np.array(far) >= abs(test.statistic) * (1 - 1e-9)))
    assert "all 15" in test.method
    assert math.isinf(test.effect.low) or math.isinf(test.effect.high)
    assert any("no end" in caution for caution in test.cautions)


def test_relabelling_clusters_changes_nothing():
    data = answers(240, 12, 5)
    names = data.assign(g=data.g.map(lambda g: f"outlet {g:02d}"))
    for inference in ("cluster", "wild", "randomisation"):
        asked = {"clusters": "g", "inference": inference, "draws": 99}
        one, other = (did(cx.read_survey(d), "y", "t", "a", **asked) for d in (data, names))
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


@pytest.mark.slow
def test_the_wild_bootstrap_is_fifty_times_faster_than_a_loop():
    data = answers(10_000, 40, 12)
    s = cx.read_survey(data)
    asked = {"clusters": "g", "covariates": ["x"], "inference": "wild", "draws": 999}
    did(s, "y", "t", "a", **asked)
    began = time.perf_counter()
    did(s, "y", "t", "a", **asked)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    looped(data, _signs(40, 20, 1, "rademacher")[0])
    theirs = (time.perf_counter() - began) * 999 / 20
    assert theirs > 50 * ours, f"{theirs:.2f} s against {ours:.3f} s"


@pytest.mark.parametrize("inference", ["wild", "randomisation"])
def test_few_clusters_keep_their_level(inference):
    assert _rejected(inference, 80) <= 0.12


@pytest.mark.slow
@pytest.mark.parametrize("inference", ["wild", "randomisation"])
def test_few_clusters_keep_their_level_at_length(inference):
    assert 0.02 <= _rejected(inference, 600) <= 0.075


def _rejected(inference: str, runs: int) -> float:
    hits = 0
    for seed in range(runs):
        data = answers(140, 14, 7, seed=seed)
        asked = {"clusters": "g", "inference": inference, "draws": 199}
        hits += did_test(cx.read_survey(data), "y", "t", "a", **asked).p <= 0.05
    return hits / runs


# -- event study and staggered dates ---------------------------------------------------------------


def test_event_study_is_pairwise_did():
    data = panel().query("start != 4")
    s = cx.read_survey(data)
    curve = event_study(s, "y", "trained", "t", start=3, clusters="u")
    assert [e.x for e in curve] == [-3, -2, -1, 0, 1, 2]
    assert curve[2].value == 0
    for e in curve:
        if e.x != -1:
            pair = cx.read_survey(data[data.t.isin([2, int(e.term)])].assign(
                late=lambda d, e=e: (d.t == int(e.term)) == (e.x > 0 or e.x == 0)))  # fmt: skip
            one = did(pair, "y", "trained", "late")
            assert abs(one.value) == pytest.approx(abs(e.value))
    inside = event_study(s, "y", "trained", "t", start=3, clusters="u", fixed="u")
    assert [e.value for e in inside] == pytest.approx([e.value for e in curve])


def test_pretrends_are_the_joint_test_of_statsmodels():
    data = panel().query("start != 4")
    test = pretrends(cx.read_survey(data), "y", "trained", "t", start=3, clusters="u")
    groups = {"groups": data.u}
    fit = ols(
        data, "y ~ C(t, Treatment(2)) * trained", cov_type="cluster", cov_kwds=groups, use_t=True
    )
    names = [f"C(t, Treatment(2))[T.{t}]:trained" for t in (0, 1)]
    theirs = fit.f_test(" , ".join(f"{name} = 0" for name in names))
    assert test.statistic == pytest.approx(float(theirs.fvalue), rel=1e-8)
    assert test.p == pytest.approx(float(theirs.pvalue), rel=1e-7)


def test_pretrends_find_a_trend():
    data = panel().query("start != 4")
    bent = data.assign(y=data.y + data.trained * data.t * 0.5)
    calm, found = (
        pretrends(cx.read_survey(d), "y", "trained", "t", start=3, clusters="u")
        for d in (data, bent)
    )
    assert found.p < 0.001 < calm.p


def test_one_start_date_gives_pairwise_did():
    data = panel().query("start != 4")
    s = cx.read_survey(data)
    asked = {"unit": "u", "time": "t", "start": "start", "draws": 4_000}
    curve = group_time_effects(s, "y", aggregate="event", **asked)
    event = event_study(s, "y", "trained", "t", start=3, clusters="u")
    for e in curve:
        if e.x >= 0:
            other = next(one for one in event if one.x == e.x)
            assert e.value == pytest.approx(other.value)
            assert e.se == pytest.approx(other.se, rel=0.08)


def test_staggered_effects_find_the_truth():
    data = panel(400, effect=1.0)
    s = cx.read_survey(data)
    asked = {"unit": "u", "time": "t", "start": "start", "draws": 199}
    for control in ("never", "not-yet"):
        curve = group_time_effects(s, "y", aggregate="event", control=control, **asked)
        for e in curve:
            assert e.value == pytest.approx(max(0, 1 + e.x), abs=0.15)
    overall = group_time_effects(s, "y", **asked)
    cells = group_time_effects(s, "y", aggregate="none", **asked)
    late = [e.value for e in cells if e.value > 0.5]
    assert min(late) < overall.value < max(late)
    wide = group_time_effects(s, "y", aggregate="event", simultaneous=True, **asked)
    plain = group_time_effects(s, "y", aggregate="event", **asked)
    assert all(a.high >= b.high for a, b in zip(wide, plain, strict=True))


def test_staggered_dates_with_hostile_input():
    data = panel()
    asked = {"unit": "u", "time": "t", "start": "start", "draws": 50}
    bad = {
        "two dates": data.assign(start=np.where(data.t > 3, 5, data.start)),
        "never any": data.assign(start=np.nan),
        "all at once": data.assign(start=3.0),
        "from the first": data.assign(start=0.0),
        "no outcome": data.assign(y=np.nan),
        "one period": data.query("t == 3"),
        "text": data.assign(t="May"),
    }
    for what, one in bad.items():
        with pytest.raises(CxError):
            group_time_effects(cx.read_survey(one), "y", **asked)
            pytest.fail(what)
    for wrong in ({"aggregate": "all"}, {"control": "always"}, {"draws": 0}, {"level": 2}):
        with pytest.raises(CxError):
            group_time_effects(cx.read_survey(data), "y", **(asked | wrong))
    holes = data.assign(y=data.y.where(data.index % 5 > 0))
    assert math.isfinite(group_time_effects(cx.read_survey(holes), "y", **asked).se)


# -- before and after, regression to the mean ------------------------------------------------------


def test_ranks_are_those_of_scipy():
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(4)
    data = pd.DataFrame({"b": rng.integers(1, 9, 30), "a": rng.integers(2, 11, 30)})
    for correct in (True, False):
        test = before_after(cx.read_survey(data), "b", "a", method="wilcoxon", correct=correct)
        theirs = wilcoxon(data.a - data.b, correction=correct, method="asymptotic")
        assert test.p == pytest.approx(theirs.pvalue)


def test_before_after_says_that_it_is_a_trap():
    data = pd.DataFrame({"b": [1.0, 2, 3, 4], "a": [2.0, 2, 5, 4]})
    test = before_after(cx.read_survey(data), "b", "a")
    assert any("regression to the mean" in caution for caution in test.cautions)
    with pytest.raises(CxError, match="variation"):
        before_after(cx.read_survey(data.assign(a=data.b + 1)), "b", "a")
    with pytest.raises(CxError, match="nobody changed"):
        before_after(cx.read_survey(data.assign(a=data.b)), "b", "a", method="wilcoxon")


def test_low_scorers_gain_without_training():
    rng = np.random.default_rng(6)
    truth = rng.normal(size=60_000)
    first, second = (truth + rng.normal(size=60_000, scale=0.8) for _ in range(2))
    r = 1 / 1.64
    s = cx.read_survey(pd.DataFrame({"x": first}))
    cut = float(np.quantile(first, 0.25))
    gain = float((second - first)[first <= cut].mean())
    by_share = regression_to_mean(s, "x", reliability=r, lowest=0.25)
    by_cut = regression_to_mean(s, "x", reliability=r, below=cut)
    assert by_share.value == pytest.approx(gain, abs=0.02)
    assert by_cut.value == pytest.approx(by_share.value, abs=0.002)
    assert regression_to_mean(s, "x", reliability=1, lowest=0.25).value == pytest.approx(0)


def test_the_error_of_regression_to_the_mean_is_that_of_drawing_again():
    rng = np.random.default_rng(7)
    x = rng.normal(size=400)
    one = regression_to_mean(
        cx.read_survey(pd.DataFrame({"x": x})), "x", reliability=0.6, lowest=0.25
    )
    drawn = []
    for _ in range(1_500):
        again = np.sort(rng.choice(x, 400))
        drawn.append(0.4 * (again.mean() - again[:100].mean()))
    assert one.se == pytest.approx(np.std(drawn), rel=0.08)


@pytest.mark.parametrize(
    "asked",
    [
        {"reliability": 1.5, "lowest": 0.25},
        {"reliability": math.nan, "lowest": 0.25},
        {"reliability": "high", "lowest": 0.25},
        {"reliability": 0.5},
        {"reliability": 0.5, "lowest": 0.25, "below": 3},
        {"reliability": 0.5, "lowest": 1},
        {"reliability": 0.5, "below": -99},
        {"reliability": 0.5, "below": 99},
    ],
)
def test_regression_to_the_mean_with_hostile_input(asked):
    s = cx.read_survey(pd.DataFrame({"x": [1.0, 2, 3, 4]}))
    with pytest.raises(CxError):
        regression_to_mean(s, "x", **asked)


# -- visits ----------------------------------------------------------------------------------------


def visits(outlets: int = 40, shoppers: int = 8, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    o, h = np.repeat(np.arange(outlets), shoppers), np.tile(np.arange(shoppers), outlets)
    y = 70 + 5 * rng.normal(size=outlets)[o] + 3 * rng.normal(size=shoppers)[h]
    return pd.DataFrame({"o": o, "h": h, "y": y + 8 * rng.normal(size=len(o))})


@pytest.mark.parametrize("shopper", [None, "h"])
def test_components_of_equal_visits_are_those_of_reml(shopper):
    s = cx.read_survey(visits(20, 5))
    asked = {"outlet": "o", "shopper": shopper, "draws": 0}
    one = variance_components(s, "y", **asked)
    other = variance_components(s, "y", method="reml", **asked)
    assert [e.value for e in one] == pytest.approx([e.value for e in other], rel=2e-3)


def test_reliability_of_visits_is_the_icc_of_their_mean():
    data = visits()
    wide = data.pivot(index="o", columns="h", values="y")
    s = cx.read_survey(data)
    curve = visit_reliability(s, "y", outlet="o", visits=(1, 8), draws=0)
    from cxlib.agreement import agreement

    for e, average in zip(curve, (False, True), strict=True):
        one = agreement(wide, method="icc", form="one-way", average=average)
        assert e.value == pytest.approx(one.value)
    both = {"outlet": "o", "shopper": "h", "visits": (1, 8), "draws": 0}
    for kind, form in (("phi", "agreement"), ("g", "consistency")):
        curve = visit_reliability(s, "y", coefficient=kind, **both)
        for e, average in zip(curve, (False, True), strict=True):
            one = agreement(wide, method="icc", form=form, average=average)
            assert e.value == pytest.approx(one.value)


def test_visits_needed_reach_what_is_wanted():
    s = cx.read_survey(visits())
    asked = {"outlet": "o", "shopper": "h", "draws": 50}
    n = int(visits_needed(s, "y", reach=0.8, **asked).value)
    curve = visit_reliability(s, "y", visits=(n - 1, n), **asked)
    assert curve[0].value < 0.8 <= curve[1].value


def test_outlets_alike_need_no_end_of_visits():
    rng = np.random.default_rng(9)
    o = np.repeat(np.arange(10), 4)
    y = rng.normal(size=40)
    y = y - (np.bincount(o, y) / 4)[o]
    one = visits_needed(cx.read_survey(pd.DataFrame({"o": o, "y": y})), "y", outlet="o", draws=40)
    assert math.isinf(one.value) and "do not differ" in " ".join(one.cautions)
    assert one.records()[0]["value"] is None and one.to_html()


def test_visits_with_hostile_input():
    data = visits(6, 4)
    bad = {
        "one outlet": data.assign(o=1),
        "one visit each": data.assign(o=np.arange(len(data))),
        "all the same": data.assign(y=5),
        "too few": data.head(2),
        "no scores": data.assign(y=np.nan),
    }
    for one in bad.values():
        with pytest.raises(CxError):
            visits_needed(cx.read_survey(one), "y", outlet="o", draws=0)
    with pytest.raises(CxError, match="told apart"):
        visits_needed(cx.read_survey(data.assign(h=data.o)), "y", outlet="o", shopper="h")
    s = cx.read_survey(data)
    for wrong in ({"reach": 1}, {"method": "ml"}, {"coefficient": "psi"}, {"draws": -1}):
        with pytest.raises(CxError):
            visits_needed(s, "y", outlet="o", **wrong)


# -- hostile input ---------------------------------------------------------------------------------


HOSTILE = {
    "all trained": {"t": 1},
    "never after": {"a": 0},
    "three groups": {"t": np.arange(120) % 3},
    "no outcome": {"y": np.nan},
    "text": {"y": "good"},
    "an infinity": {"y": math.inf},
    "one cluster": {"g": 1},
    "collinear": {"x": answers(120, 12, 5).t * 2},
    "no weight": {"w": 0},
    "an empty cell": {"t": lambda d: d.a},
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("inference", ["cluster", "wild", "randomisation"])
def test_hostile_answers_give_a_clear_error(what, inference):
    data = answers(120, 12, 5).assign(**HOSTILE[what])
    with pytest.raises(CxError):
        s = cx.read_survey(data, weights="w")
        did(s, "y", "t", "a", clusters="g", covariates=["x"], inference=inference, draws=49)


@pytest.mark.parametrize("inference", ["ols", "HC1", "HC3", "cluster", "wild", "randomisation"])
@pytest.mark.parametrize("value", [0, 1, "perfect"])
def test_outcomes_without_spread_give_an_answer(inference, value):
    data = answers(120, 12, 5)
    data["y"] = data.t * data.a * 2.0 if value == "perfect" else float(value)
    test = did_test(
        cx.read_survey(data), "y", "t", "a", inference=inference, draws=49,
        clusters="g" if inference in ("cluster", "wild", "randomisation") else None,
    )  # fmt: skip
    assert test.effect.value == pytest.approx(2 if value == "perfect" else 0, abs=1e-9)
    assert 0 <= test.p <= 1
    assert test.records() and "nan" not in str(test).lower()


@pytest.mark.parametrize(
    "asked",
    [
        {"inference": "bayes"},
        {"inference": "wild"},
        {"inference": "wild", "clusters": ["g", "h"]},
        {"inference": "wild", "clusters": "g", "weights": "mammen"},
        {"inference": "wild", "clusters": "g", "draws": 0},
        {"inference": "randomisation", "clusters": "a2"},
        {"inference": "randomisation", "clusters": "g", "fixed": "g"},
        {"inference": "HC3", "fixed": "g"},
        {"inference": "design", "fixed": "g"},
        {"clusters": "nobody"},
        {"covariates": ["y"]},
        {"fixed": "row"},
        {"level": 95},
    ],
)
def test_wrong_words_give_a_clear_error(asked):
    data = answers(120, 12, 5)
    data = data.assign(h=data.g % 4, a2=np.arange(120) % 5, row=np.arange(120))
    with pytest.raises(CxError):
        did(cx.read_survey(data), "y", "t", "a", **asked)


def test_clustered_regression_wants_clusters_and_errors_that_fit():
    s = cx.read_survey(answers(120, 12, 5))
    for wrong in (
        {},
        {"errors": "ols", "clusters": "g"},
        {"errors": "robust"},
        {"clusters": "g", "correction": "half"},
    ):
        with pytest.raises(CxError):
            clustered_regression(s, "y", "x", **wrong)


def test_event_study_with_hostile_input():
    data = panel().query("start != 4")
    s = cx.read_survey(data)
    for start in (-5, 99):
        with pytest.raises(CxError, match="both sides"):
            event_study(s, "y", "trained", "t", start=start, clusters="u")
    with pytest.raises(CxError, match="no trend"):
        pretrends(s, "y", "trained", "t", start=1, clusters="u")
    gap = data[~((data.t == 4) & (data.trained == 1))]
    with pytest.raises(CxError, match="lacks"):
        event_study(cx.read_survey(gap), "y", "trained", "t", start=3)


def test_a_segment_keeps_the_rest_out():
    data = answers(600, 16, 6)
    data["k"] = np.arange(600) % 2
    part = did(cx.read_survey(data).where(k=1), "y", "t", "a", clusters="g")
    alone = did(cx.read_survey(data.query("k == 1")), "y", "t", "a", clusters="g")
    assert (part.value, part.se, part.n) == pytest.approx((alone.value, alone.se, alone.n))
