"""Weights that meet margins, and replicate weights: properties, hostile input, and R's numbers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxlib as cx
from cxlib.codebook import Codebook, Question
from cxlib.estimate import mean, nps, quantile, ratio, share, total
from cxlib.linear import difference
from cxlib.replicates import bootstrap_nps, bootstrap_ratio, make_replicates, with_replicates
from cxlib.weighting import (
    calibrate,
    design_effect,
    n_kish,
    poststratify,
    rake,
    trim,
    weight_range,
)


def people(n: int = 600, seed: int = 1) -> pd.DataFrame:
    """A stratified, clustered, unequally weighted sample."""
    rng = np.random.default_rng(seed)
    stratum = rng.integers(0, 5, n)
    cluster = stratum * 20 + rng.integers(0, 20, n)
    liking = rng.normal(0, 1, 100)[cluster]
    sex = rng.integers(1, 3, n)
    return pd.DataFrame(
        {
            "sex": sex,
            "age": rng.integers(1, 5, n),
            "region": rng.choice(["north", "south", "east"], n, p=[0.5, 0.3, 0.2]),
            "nps": np.clip(np.round(6.5 + liking + sex + rng.normal(0, 2, n)), 0, 10),
            "spend": np.round(np.exp(3 + 0.4 * sex + rng.normal(0, 0.6, n)), 2),
            "stratum": stratum,
            "cluster": cluster,
            "w": rng.lognormal(0, 0.5, n),
        }
    )


MARGINS = {
    "sex": {1: 0.45, 2: 0.55},
    "age": {1: 0.3, 2: 0.3, 3: 0.25, 4: 0.15},
    "region": {"north": 0.4, "south": 0.4, "east": 0.2},
}


@pytest.fixture(scope="module")
def s() -> cx.Survey:
    return cx.read_survey(people(), weights="w", strata="stratum", clusters="cluster")


def reached(s: cx.Survey, question: str) -> pd.Series:
    return pd.Series(s.weights).groupby(s.frame[question].to_numpy()).sum()


def fails(what: str, call, *arguments, **options) -> cx.CxError:
    with pytest.raises(cx.CxError) as caught:
        call(*arguments, **options)
    assert what in str(caught.value), str(caught.value)
    return caught.value


# -- raking ----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.floats(0.05, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.05, 1), min_size=4, max_size=4),
    st.floats(100, 1e9),
)
def test_a_rake_meets_its_margins_or_says_it_cannot(seed, first, second, size):
    rng = np.random.default_rng(seed)
    rows = rng.integers(3, 200)
    frame = pd.DataFrame({"a": rng.integers(0, 3, rows), "b": rng.integers(0, 4, rows)})
    frame["w"] = rng.exponential(1, rows) + 1e-3
    margins = {
        "a": {i: size * x / sum(first) for i, x in enumerate(first)},
        "b": {i: size * x / sum(second) for i, x in enumerate(second)},
    }
    try:
        raked = rake(cx.read_survey(frame, weights="w"), margins)
    except cx.CxError as error:
        assert "cannot meet the total of" in error.what
        assert "instead of" in error.got
        return
    for question, targets in margins.items():
        got = reached(raked, question)
        for answer, target in targets.items():
            assert got[answer] == pytest.approx(target, rel=1e-9)


def test_the_order_of_margins_is_irrelevant(s):
    found = []
    for order in itertools.permutations(MARGINS):
        r = rake(s, {q: MARGINS[q] for q in order}, weighted_residuals=True)
        found.append((r.weights, mean(r, "spend").se))
    for weights, se in found[1:]:
        np.testing.assert_allclose(weights, found[0][0], rtol=1e-9)
        assert se == pytest.approx(found[0][1], rel=1e-9)


def test_scaling_all_weights_changes_no_share_and_no_standard_error(s):
    big = cx.read_survey(
        people().assign(w=lambda d: 1e9 * d["w"]), weights="w", strata="stratum", clusters="cluster"
    )
    for one, two in ((rake(s, MARGINS), rake(big, MARGINS)), (trim(s, 2), trim(big, 2))):
        np.testing.assert_allclose(two.weights, 1e9 * one.weights, rtol=1e-9)
        a, b = nps(one, "nps"), nps(two, "nps")
        assert (b.value, b.se) == pytest.approx((a.value, a.se), rel=1e-9)


def test_calibrating_to_what_is_already_true_changes_nothing(s):
    now = {q: reached(s, q).to_dict() for q in MARGINS}
    np.testing.assert_allclose(rake(s, now).weights, s.weights, rtol=1e-10)
    np.testing.assert_allclose(poststratify(s, {"sex": now["sex"]}).weights, s.weights, rtol=1e-10)
    totals = {"(Intercept)": s.weights.sum(), "spend": s.weights @ s.frame["spend"]}
    for method in ("linear", "raking"):
        np.testing.assert_allclose(calibrate(s, totals, method=method).weights, s.weights)


def test_raking_twice_is_raking_once(s):
    once = rake(s, MARGINS, weighted_residuals=True)
    twice = rake(once, MARGINS, weighted_residuals=True)
    np.testing.assert_allclose(twice.weights, once.weights, rtol=1e-9)
    assert twice.frame.columns[-1] != once.frame.columns[-1]


def test_answers_go_by_code_or_by_label(s):
    book = Codebook([Question("sex", labels={1.0: "women", 2.0: "men"})])
    named = rake(replace(s, codebook=book), {"sex": {"women": 0.45, "men": 0.55}})
    np.testing.assert_array_equal(named.weights, rake(s, {"sex": MARGINS["sex"]}).weights)
    text = rake(s, {"sex": {"1": 0.45, "2": 0.55}})
    np.testing.assert_array_equal(named.weights, text.weights)


def test_a_joint_margin_is_met_in_its_cells(s):
    cells = {(i, r): 10.0 * i + len(r) for i in (1, 2) for r in ("north", "south", "east")}
    p = poststratify(s, {("sex", "region"): cells})
    got = pd.Series(p.weights).groupby([s.frame["sex"], s.frame["region"]]).sum()
    for cell, target in cells.items():
        assert got[cell] == pytest.approx(target, rel=1e-12)


def test_calibration_meets_totals_and_agrees_with_raking(s):
    size = float(s.weights.sum())
    plain = {
        "(Intercept)": size,
        "sex2": 0.55 * size,
        "age2": 0.3 * size,
        "age3": 0.25 * size,
        "age4": 0.15 * size,
        "regionsouth": 0.4 * size,
        "regioneast": 0.2 * size,
    }
    raked = rake(s, MARGINS, weighted_residuals=True)
    same = calibrate(s, plain, method="raking")
    np.testing.assert_allclose(same.weights, raked.weights, rtol=1e-8)
    assert mean(same, "spend").se == pytest.approx(mean(raked, "spend").se, rel=1e-8)
    nested = calibrate(s, MARGINS, method="raking")
    np.testing.assert_allclose(nested.weights, raked.weights, rtol=1e-8)
    linear = calibrate(s, plain | {"sex2:spend": 30 * size})
    assert linear.weights @ (s.frame["spend"] * (s.frame["sex"] == 2)) == pytest.approx(30 * size)


def test_what_margins_explain_is_no_longer_uncertain(s):
    r = rake(s, MARGINS, weighted_residuals=True)
    assert nps(r, "nps").se < nps(s, "nps").se
    known = share(r, "sex", equals=2)
    assert (known.value, known.low, known.high) == pytest.approx((0.55, 0.55, 0.55))
    assert known.se == 0 and np.isinf(known.n_eff)
    assert any("made to give this number" in caution for caution in known.cautions)
    assert "nan" not in known.to_html() + str(known)
    assert total(r, "sex").se == pytest.approx(0, abs=1e-6)


def test_parts_of_a_raked_survey_keep_its_design(s):
    r = rake(s, MARGINS)
    by = nps(r, "nps", by="region", method="linearised")
    for term in ("north", "south", "east"):
        one = nps(r.where(region=term), "nps", method="linearised")
        assert (one.value, one.se) == pytest.approx((by[term].value, by[term].se), rel=1e-10)
    frame = r.frame.assign(gap=r.frame["nps"] - r.frame["age"])
    gap = difference(mean(r, "nps"), mean(r, "age"))
    assert gap.se == pytest.approx(mean(replace(r, frame=frame), "gap").se, rel=1e-9)


def test_margins_that_cannot_be_met_are_named(s):
    frame = people()
    fails("'age' has missing", rake, holes(frame, "age"), MARGINS)
    fails("leaves out answers", rake, s, {"sex": {1: 1.0}})
    empty = fails("cannot meet the total of sex = 3", rake, s, {"sex": {1: 4, 2: 4, 3: 2}})
    assert "0 instead of 2" in empty.got
    torn = fails("contradict each other", rake, s, {"sex": {1: 40, 2: 60}, "age": MARGINS["age"]})
    assert "sex 100" in torn.got
    frame["copy"] = frame["sex"]
    same = cx.read_survey(frame, weights="w")
    stuck = {"sex": {1: 0.4, 2: 0.6}, "copy": {1: 0.6, 2: 0.4}}
    assert "off by" in fails("cannot meet the total of", rake, same, stuck).got
    for method in ("linear", "raking"):
        torn = {"sex1": 200.0, "copy1": 300.0}
        fails("cannot meet the total of", calibrate, same, torn, method=method)
    collinear = calibrate(same, {"sex1": 300.0, "copy1": 300.0}, method="raking")
    assert reached(collinear, "sex")[1] == pytest.approx(300)


def holes(frame: pd.DataFrame, question: str) -> cx.Survey:
    column = frame[question].astype(float)
    column[:3] = np.nan
    column[3] = -99
    return cx.read_survey(frame.assign(**{question: column}), weights="w")


@pytest.mark.parametrize(
    ("what", "margins"),
    [
        ("no margin", {}),
        ("unknown question", {"sexx": {1: 0.5, 2: 0.5}}),
        ("has no answers", {"sex": {}}),
        ("do not add up to 1", {"sex": {1: 0.5, 2: 0.4}}),
        ("impossible total", {"sex": {1: -1, 2: 2}}),
        ("impossible total", {"sex": {1: float("nan"), 2: 2}}),
        ("impossible total", {"sex": {1: float("inf"), 2: 2}}),
        ("something else than numbers", {"sex": {1: "half", 2: 2}}),
        ("answer twice", {"sex": {1: 0.2, "1": 0.3, 2: 0.5}}),
        ("needs an answer a question", {("sex", "age"): {1: 0.2}}),
    ],
)
def test_margins_that_make_no_sense(s, what, margins):
    fails(what, rake, s, margins)


def test_hostile_weighting(s):
    fails("takes one margin", poststratify, s, MARGINS)
    fails("the whole survey", rake, s.where(sex=1), MARGINS)
    fails("the whole survey", trim, s.where(sex=1), 3)
    fails("method of calibration", calibrate, s, {"sex1": 1}, method="logit")
    fails("no total", calibrate, s, {})
    fails("column of the model", calibrate, s, {"sex7": 1})
    fails("not a number", calibrate, s, {"sex1": "many"})
    fails("missing answers", calibrate, holes(people(), "spend"), {"spend": 1e4})
    size = float(s.weights.sum())
    worst = {"(Intercept)": size, "spend": 500 * size}
    fails("negative weights", calibrate, s, {"(Intercept)": size, "spend": 38 * size})
    fails("cannot meet", calibrate, s, worst, method="raking")
    one = cx.read_survey(pd.DataFrame({"a": [1], "b": ["x"]}))
    assert rake(one, {"a": {1: 7}, "b": {"x": 7}}).weights.tolist() == [7.0]
    zero = cx.read_survey(people().assign(w=lambda d: d["w"] * (d["age"] < 4)), weights="w")
    fails("cannot meet the total of age = 4", rake, zero, {"age": MARGINS["age"]})
    gone = rake(zero, {"age": {1: 0.5, 2: 0.3, 3: 0.2, 4: 0}})
    assert np.isfinite(nps(gone, "nps").se) and reached(gone, "age")[4] == 0


# -- trimming and the cost of weights --------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=40),
    st.floats(1.0, 10),
)
def test_a_cap_keeps_the_total(weights, at):
    s = cx.read_survey(pd.DataFrame({"w": weights, "y": 1.0}), weights="w")
    try:
        t = trim(s, at)
    except cx.CxError as error:
        assert "no room" in error.what
        return
    assert t.weights.max() <= at * np.median(weights) * (1 + 1e-9)
    assert t.weights.sum() == pytest.approx(np.sum(weights), rel=1e-12)


def test_a_cap_says_what_it_did(s):
    t = trim(s, 2)
    count = t.account[-1][1]
    assert count > 0 and f"{count:,} weights capped at 2 × the median" in t.design.text()
    untouched = trim(s, 1e6)
    np.testing.assert_array_equal(untouched.weights, s.weights)
    assert nps(untouched, "nps").se == nps(s, "nps").se
    for at in (0, -1, float("nan"), "3"):
        fails("positive number", trim, s, at)
    fails("no room", trim, s, 0.5)


def test_the_cost_of_weights_survives_huge_ones():
    s = cx.read_survey(pd.DataFrame({"w": [1e200, 1e200, 0.0]}), weights="w")
    assert n_kish(s) == pytest.approx(2)
    assert design_effect(s) == pytest.approx(1.5)
    part = cx.read_survey(pd.DataFrame({"w": [1.0, 0.0], "g": [1, 2]}), weights="w").where(g=2)
    fails("no weight to speak of", n_kish, part)
    fails("no weight to speak of", weight_range, part)


# -- replicates ------------------------------------------------------------------------------------


def test_the_jackknife_of_a_total_is_its_linearised_variance(s):
    j = make_replicates(s, "JKn")
    assert total(j, "spend").se == pytest.approx(total(s, "spend").se, rel=1e-10)
    assert mean(j, "spend").se == pytest.approx(mean(s, "spend").se, rel=0.02)
    assert j.df == s.df
    assert "replicate variance" in mean(j, "spend").method
    assert "JKn replicate weights" in j.design.text()


def test_replicates_are_weighted_again(s):
    r = rake(trim(s, 3), MARGINS, weighted_residuals=True)
    linear = nps(r, "nps").se
    for kind, tolerance in (("JKn", 0.03), ("bootstrap", 0.06)):
        j = make_replicates(r, kind, replicates=800, seed=3)
        assert nps(j, "nps").value == pytest.approx(nps(r, "nps").value, rel=1e-9)
        assert nps(j, "nps").se == pytest.approx(linear, rel=tolerance)
        assert share(j, "sex", equals=2).se == pytest.approx(0, abs=1e-8)
        again = pd.Series(j.design.replicates.weights(7)).groupby(r.frame["age"]).sum()
        np.testing.assert_allclose(again / again.sum(), list(MARGINS["age"].values()), rtol=1e-9)
    before = rake(make_replicates(trim(s, 3), "JKn"), MARGINS)
    after = make_replicates(r, "JKn")
    assert mean(before, "spend").se == pytest.approx(mean(after, "spend").se, rel=1e-8)
    c = calibrate(s, {"(Intercept)": s.weights.sum(), "spend": 47 * s.weights.sum()})
    known = mean(make_replicates(c, "bootstrap", replicates=20), "spend")
    assert known.se == pytest.approx(0, abs=1e-8)


def test_replicates_serve_every_estimator(s):
    j = make_replicates(s, "bootstrap", replicates=1500, seed=5)
    pairs = [
        (lambda x: share(x, "region", equals="south"), 0.06),
        (lambda x: mean(x, "spend"), 0.06),
        (lambda x: ratio(x, "spend", "nps"), 0.06),
        (lambda x: total(x, "spend"), 0.06),
        (lambda x: nps(x, "nps", by="sex")["2"], 0.06),
        (lambda x: difference(mean(x, "nps"), mean(x, "age")), 0.06),
        (lambda x: difference(*nps(x, "nps", by="sex")), 0.06),
        (lambda x: mean(x.where(sex=1), "spend"), 0.06),
    ]
    for make, tolerance in pairs:
        assert make(j).se == pytest.approx(make(s).se, rel=tolerance)
    one, two = quantile(j, "spend"), quantile(s, "spend")
    assert one.value == two.value
    assert one.high - one.low == pytest.approx(two.high - two.low, rel=0.1)
    same = make_replicates(s, "bootstrap", replicates=1500, seed=5)
    assert mean(same, "spend").se == mean(j, "spend").se


def test_bootstrap_without_a_matrix_of_weights(s):
    exact = nps(s, "nps", method="linearised").se
    assert bootstrap_nps(s, "nps", replicates=4000).se == pytest.approx(exact, rel=0.03)
    for design in ({"weights": "w"}, {"weights": "w", "strata": "stratum"}):
        plain = cx.read_survey(people(4000, seed=2), **design)
        exact = nps(plain, "nps", method="linearised").se
        got = bootstrap_nps(plain, "nps", replicates=4000, seed=2)
        assert got.se == pytest.approx(exact, rel=0.03)
        assert "Rao–Wu" in got.method and got.low < got.value < got.high
        part = plain.where(region="east")
        exact = nps(part, "nps", method="linearised").se
        assert bootstrap_nps(part, "nps", replicates=4000, seed=2).se == pytest.approx(
            exact, rel=0.03
        )
        values = plain.frame["spend"].to_numpy()
        exact = ratio(plain, "spend", "nps").se
        whole = bootstrap_ratio(plain, values, plain.frame["nps"].to_numpy(), replicates=2000)
        assert whole.se == pytest.approx(exact, rel=0.05)
    finite = people(400).assign(size=100)
    finite["cluster"] = finite["stratum"] * 20 + np.arange(400) % 20
    f = cx.read_survey(finite, weights="w", strata="stratum", clusters="cluster", fpc="size")
    assert bootstrap_nps(f, "nps", replicates=4000).se == pytest.approx(nps(f, "nps").se, rel=0.04)
    fails("nothing to divide by", bootstrap_ratio, s, np.full(len(s), np.nan))
    fails("one number a row", bootstrap_ratio, s, np.ones(3))
    fails("needs replicates", bootstrap_ratio, s, np.ones(len(s)), replicates=1)


def test_hostile_replicates(s):
    frame = people().assign(r1=1.0, r2=2.0, bad=-1.0)
    plain = cx.read_survey(frame, weights="w")
    fails("kind of replicate weights", with_replicates, plain, ["r1", "r2"], kind="SDR")
    fails("beginning with", with_replicates, plain, "q", kind="BRR")
    fails("two or more", with_replicates, plain, ["r1"], kind="BRR")
    fails("unknown question", with_replicates, plain, ["r1", "r9"], kind="BRR")
    fails("missing or negative", with_replicates, plain, ["r1", "bad"], kind="BRR")
    fails("rho", with_replicates, plain, "r", kind="Fay")
    fails("rho", with_replicates, plain, "r", kind="Fay", rho=1.0)
    fails("need their rscales", with_replicates, plain, "r", kind="JKn")
    fails("one number a replicate", with_replicates, plain, "r", kind="JKn", rscales=[1])
    fails("positive number", with_replicates, plain, "r", kind="BRR", scale=0)
    two = with_replicates(plain, "r", kind="BRR", combined=False)
    assert mean(two, "spend").se == pytest.approx(0, abs=1e-9)
    fails("already", with_replicates, two, "r", kind="BRR")
    fails("already", make_replicates, two)
    fails("kind of replicate weights", make_replicates, s, "jackknife")
    fails("one stratum", make_replicates, s, "JK1")
    single = cx.read_survey(frame.assign(one=1), clusters="one")
    for kind in ("JKn", "bootstrap"):
        fails("single sampling unit", make_replicates, single, kind)
    nobody = with_replicates(
        cx.read_survey(frame.assign(r1=(frame["sex"] == 1) * 1.0)), ["r1", "r2"], kind="JK1"
    )
    lost = mean(nobody.where(sex=2), "spend")
    assert any("1 of 2 replicates had nobody" in caution for caution in lost.cautions)
    rare = people(60).assign(rare=[1] + [2] * 59)
    once = rake(cx.read_survey(rare), {"rare": {1: 0.1, 2: 0.9}})
    fails("a replicate cannot be weighted", make_replicates, once, "JKn")


# -- R's survey 4.1.1 on apistrat and apiclus1, by other calls than the oracles hold ---------------


def api(shared, name: str, **design) -> cx.Survey:
    return cx.read_survey(pd.read_csv(shared / "oracles" / "data" / f"{name}.csv"), **design)


def test_stratified_calibration_as_r(shared):
    stratified = api(shared, "apistrat", weights="pw", strata="stype", fpc="fpc")
    totals = {"(Intercept)": 6194, "stypeH": 755, "stypeM": 1018, "api99": 3914069}
    c = calibrate(stratified, totals, method="raking")
    assert mean(c, "api00").se == pytest.approx(1.89986441120528, rel=1e-6)
    assert total(c, "enroll").se == pytest.approx(110680.507378613, rel=1e-6)
    part = c.where(**{"sch.wide": "Yes"})
    assert mean(part, "api00").se == pytest.approx(3.97291511194887, rel=1e-6)
    assert total(part, "enroll").se == pytest.approx(127895.677119512, rel=1e-6)
    assert ratio(part, "api.stu", "enroll").se == pytest.approx(6.45448758306651e-03, rel=1e-6)
    slopes = {"stypeE:api99": 2.8e6, "stypeH:api99": 470_000, "stypeM:api99": 640_000}
    assert mean(calibrate(stratified, slopes), "api00").se == pytest.approx(8.90492735506472)
    margins = {"sch.wide": {"No": 1072, "Yes": 5122}, "awards": {"No": 2000, "Yes": 4194}}
    r = rake(stratified, margins)
    assert mean(r, "api00").se == pytest.approx(9.2997612207702, rel=1e-9)
    assert total(r, "enroll").se == pytest.approx(133122.427645697, rel=1e-9)
    by = mean(r, "api00", by="stype")
    assert [e.se for e in by] == pytest.approx(
        [12.2739312984628, 15.7015566708036, 16.336870596327]
    )
    gap = difference(mean(r, "api00"), mean(r, "api99"))
    assert gap.se == pytest.approx(1.68841853083428, rel=1e-9)


def test_jackknife_as_r(shared):
    stratified = api(shared, "apistrat", weights="pw", strata="stype", fpc="fpc")
    margins = {"sch.wide": {"No": 1072, "Yes": 5122}, "awards": {"No": 2000, "Yes": 4194}}
    j = make_replicates(stratified, "JKn")
    assert mean(j, "api00").se == pytest.approx(9.4089408027845, rel=1e-9)
    assert ratio(j, "api.stu", "enroll").se == pytest.approx(7.77250903998768e-03, rel=1e-9)
    assert j.df == 197
    part = j.where(**{"sch.wide": "Yes"})
    assert total(part, "enroll").se == pytest.approx(128645.688469187, rel=1e-9)
    raked = rake(j, margins)
    assert mean(raked, "api00").se == pytest.approx(9.38746344431478, rel=1e-8)
    assert total(raked, "enroll").se == pytest.approx(128790.963789589, rel=1e-8)
    quarter = quantile(j, "api00", 0.25)
    assert (quarter.value, quarter.low, quarter.high) == (565, 535, 597)
    around = make_replicates(api(shared, "apistrat", weights="pw", strata="stype"), mse=True)
    assert mean(around, "api00").se == pytest.approx(9.5361322969268, rel=1e-9)
    one = make_replicates(api(shared, "apiclus1", weights="pw", clusters="dnum"), "JK1")
    totals = {"(Intercept)": 6194, "stypeH": 755, "stypeM": 1018, "api99": 3914069}
    c = calibrate(one, totals)
    assert mean(c, "api00").se == pytest.approx(3.98250872803174, rel=1e-8)
    assert total(c, "enroll").se == pytest.approx(483563.757417182, rel=1e-8)


@pytest.mark.parametrize(
    ("kind", "options", "se_mean", "se_total"),
    [
        ("Fay", {"rho": 0.3}, 3.33637486853919, 213707.344392405),
        ("bootstrap", {}, 2.39613387269351, 153481.376319750),
        ("JKn", {"rscales": np.linspace(0.5, 0.99, 20)}, 8.92179939360397, 574316.753604437),
        ("BRR", {}, 2.33546240797743, 149595.141074684),
        ("JK1", {}, 10.1800446228118, 652070.102389257),
    ],
)
def test_replicate_weights_are_read_as_r_reads_them(shared, kind, options, se_mean, se_total):
    frame = api(shared, "apiclus1").frame
    row, column = np.arange(1, len(frame) + 1)[:, None], np.arange(1, 21)[None, :]
    factors = pd.DataFrame((row * 7 + column * 13) % 5 / 2).add_prefix("rw")
    both = pd.concat([frame, factors.mul(frame["pw"], axis=0)], axis=1)
    r = with_replicates(cx.read_survey(both, weights="pw"), "rw", kind=kind, **options)
    assert mean(r, "api00").se == pytest.approx(se_mean, rel=1e-9)
    assert total(r, "enroll").se == pytest.approx(se_total, rel=1e-9)
    assert r.df == 4
    loose = pd.concat([frame, factors], axis=1)
    if kind != "JK1":
        again = cx.read_survey(loose, weights="pw")
        r = with_replicates(again, "rw", kind=kind, combined=False, **options)
        assert mean(r, "api00").se == pytest.approx(se_mean, rel=1e-9)


@pytest.mark.parametrize(
    ("rule", "plain", "part", "weighted", "jackknife"),
    [
        ("certainty", 39.3827555395497, 56.9815104583428, 45.790665958341, 39.3827555395497),
        # R's JKn scales the average by units; ours by strata, as both linearised variances do
        ("average", 48.2338278683322, 69.7878126980015, 56.0818832900836, 48.2338278683322),
        ("adjust", 39.9503836918412, 58.151394153034, 45.9970519058103, 39.7765511776923),
    ],
)
def test_lonely_units_as_r(shared, rule, plain, part, weighted, jackknife):
    frame = api(shared, "apistrat").frame
    few = [frame.iloc[:8], frame[frame["stype"] == "H"][:5], frame[frame["stype"] == "M"][:1]]
    s = cx.read_survey(pd.concat(few, ignore_index=True), weights="pw", strata="stype")
    fails("single sampling unit", mean, s, "api00")
    fails("single sampling unit", make_replicates, s, "JKn")
    s = replace(s, design=replace(s.design, lonely=rule))
    assert mean(s, "api00").se == pytest.approx(plain, rel=1e-9)
    assert mean(s.where(**{"sch.wide": "Yes"}), "api00").se == pytest.approx(part, rel=1e-9)
    p = poststratify(s, {"awards": {"No": 200, "Yes": 400}})
    assert mean(p, "api00").se == pytest.approx(weighted, rel=1e-9)
    assert mean(make_replicates(s, "JKn"), "api00").se == pytest.approx(jackknife, rel=1e-9)
    if rule == "certainty":
        make_replicates(s, "bootstrap", replicates=10)
    else:
        fails("single sampling unit", make_replicates, s, "bootstrap")


# -- coverage --------------------------------------------------------------------------------------


def covered(draws: int, seed: int, make) -> tuple[float, float]:
    """How often the 95 % interval of a raked mean holds the truth, and the mean se over the sd."""
    rng = np.random.default_rng(seed)
    hits, values, errors = 0, [], []
    for _ in range(draws):
        sex, age = rng.integers(1, 3, 400), rng.integers(1, 4, 400)
        chance = 0.2 + 0.2 * sex + rng.random(400)
        y = 2.0 * sex + age + rng.normal(0, 1, 400) + chance
        kept = rng.random(400) < chance / 1.7
        frame = pd.DataFrame({"sex": sex, "age": age, "y": y, "w": 1 / chance})[kept]
        s = cx.read_survey(frame.reset_index(drop=True), weights="w")
        margins = {"sex": {1: 0.5, 2: 0.5}, "age": {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}}
        e = make(rake(s, margins, weighted_residuals=True))
        hits += e.low <= 6.0 <= e.high
        values.append(e.value)
        errors.append(e.se)
    return hits / draws, float(np.mean(errors) / np.std(values))


def test_raked_intervals_cover():
    coverage, ratio_of_errors = covered(200, 1, lambda s: mean(s, "y"))
    assert 0.92 <= coverage <= 0.98
    assert ratio_of_errors == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_raked_intervals_cover_at_length():
    coverage, ratio_of_errors = covered(10_000, 2, lambda s: mean(s, "y"))
    assert 0.935 <= coverage <= 0.965
    assert ratio_of_errors == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_raked_replicates_cover_at_length():
    coverage, _ = covered(1_000, 3, lambda s: mean(make_replicates(s, "JKn"), "y"))
    assert 0.93 <= coverage <= 0.97
