"""Survival methods: what must hold whatever the data, and what hostile data must meet."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx

import cxlib as cx
from cxlib.errors import CxError
from cxlib.linear import difference
from cxlib.survival import median_time, restricted_mean, retention_curve
from cxlib.survival_causes import competing_risks
from cxlib.survival_concordance import pairs
from cxlib.survival_cumulative import cumulative_hazard
from cxlib.survival_hazard import concordance, hazard_ratio, hazard_test, proportionality
from cxlib.survival_logrank import WEIGHTINGS, logrank
from cxlib.survival_weibull import time_ratio, time_ratio_test


def made(n: int = 300, seed: int = 1) -> pd.DataFrame:
    """Months as a customer with ties, entries, groups, causes and a design."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "g": rng.integers(0, 2, n)})
    frame["b"] = rng.choice(["p", "q", "r"], n)
    pace = np.exp(0.5 * frame.a + 0.4 * frame.g)
    true, end = rng.exponential(20 / pace), rng.uniform(5, 40, n)
    frame["t"] = np.ceil(np.minimum(true, end))
    frame["e"] = (true <= end).astype(int)
    frame["entry"] = np.floor(frame.t * rng.uniform(0, 0.8, n))
    frame["why"] = np.where(frame.e == 1, rng.integers(1, 4, n), 0)
    frame["w"] = rng.uniform(0.5, 3, n)
    frame["h"] = rng.integers(0, 3, n)
    frame["c"] = frame.h * 100 + rng.integers(0, 12, n)
    frame["x"] = frame.t + np.arange(n) * 1e-3
    return frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made()


DESIGNS = [
    {},
    {"weights": "w"},
    {"weights": "w", "strata": "h"},
    {"weights": "w", "clusters": "c"},
    {"weights": "w", "strata": "h", "clusters": "c"},
]


def values(result) -> list[float]:
    return [e.value for e in result]


def errors(result) -> list[float]:
    return [e.se for e in result]


# --- properties -----------------------------------------------------------------------------------


def test_without_censoring_the_curve_is_the_empirical_one(frame):
    curve = retention_curve(cx.read_survey(frame.assign(e=1), weights="w"), "t", "e")
    for point in curve:
        share = np.average(frame.t > point.x, weights=frame.w)
        assert point.value == approx(share, abs=1e-12)
    plain = cx.read_survey(frame.assign(e=1))
    area = restricted_mean(plain, "t", "e")
    assert area.value == approx(frame.t.mean())
    assert area.se == approx(frame.t.std(ddof=0) / math.sqrt(len(frame)))
    robust = restricted_mean(plain, "t", "e", robust=True)
    assert robust.se == approx(cx.mean(plain, "t").se)


def test_states_add_up_to_one_and_one_cause_is_kaplan_meier(frame):
    for entry in (None, "entry"):
        survey = cx.read_survey(frame, weights="w", clusters="c")
        curve = competing_risks(survey, "t", "why", entry=entry)
        sums = pd.Series(values(curve)).groupby([e.x for e in curve]).sum()
        assert sums.to_numpy() == approx(1, abs=1e-12)
        kept = retention_curve(survey, "t", "e", entry=entry)
        alone = competing_risks(survey, "t", "e", entry=entry)
        left = alone.estimates[: len(kept)]
        assert [1 - e.value for e in left] == approx(values(kept), abs=1e-12)
        assert errors(left) == approx(errors(kept), abs=1e-12)
        last = alone.estimates[len(kept) :]
        assert errors(last) == approx(errors(kept), abs=1e-12)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("entry", [None, "entry"])
def test_fast_variances_are_those_of_the_scores(frame, design, entry):
    survey = cx.read_survey(frame, **design)
    for column in ("t", "x"):
        curve = retention_curve(survey, column, "e", by="g", entry=entry, robust=True)
        own = [math.sqrt(e.linear.variance) for e in curve]
        assert errors(curve) == approx(own, abs=1e-12)
    assert errors(retention_curve(survey.where(g=1), "t", "e", robust=True)) == approx(
        [e.se for e in retention_curve(survey, "t", "e", by="g", robust=True) if "1, " in e.term],
        rel=1e-9,
    )


def test_scores_are_derivatives(frame):
    """Each score is what a respondent's weight does to the estimate, times the weight."""
    some = made(40, seed=5)
    asks = [
        lambda s: restricted_mean(s, "t", "e", until=12, entry="entry"),
        lambda s: retention_curve(s, "t", "e", times=[9], entry="entry")[0],
        lambda s: competing_risks(s, "t", "why", times=[9], entry="entry")["2, 9"],
        lambda s: cumulative_hazard(s, "t", "e", times=[9], entry="entry", ties="efron")[0],
        lambda s: hazard_ratio(s, "t", "e", ["a", "g"], entry="entry", scale="log")["a"],
        lambda s: hazard_ratio(s, "t", "e", ["a"], strata="g", ties="breslow")["a"],
        lambda s: time_ratio(s, "t", "e", ["a"], scale="log", entry="entry")["a"],
    ]
    for ask in asks:
        scores = ask(cx.read_survey(some, weights="w")).linear.scores
        for row in (0, 7, 19):
            moved = []
            for step in (1e-4, -1e-4):
                other = some.copy()
                other.loc[row, "w"] += step
                moved.append(ask(cx.read_survey(other, weights="w")).value)
            slope = (moved[0] - moved[1]) / 2e-4
            assert scores[row] == approx(slope * some.w[row], rel=1e-4, abs=1e-7)


def every(survey: cx.Survey) -> list[float]:
    """All answers of one survey."""
    told = [
        *retention_curve(survey, "t", "e", by="g", times=[3, 9, 20]),
        *competing_risks(survey, "t", "why", times=[9], by="g"),
        *hazard_ratio(survey, "t", "e", ["a", "b"], entry="entry", strata="g"),
        *time_ratio(survey, "t", "e", ["a", "b"]),
        *restricted_mean(survey, "t", "e", by="g", until=20),
        *cumulative_hazard(survey, "t", "e", times=[9]),
        concordance(survey, "t", "e", ["a", "b"]),
        logrank(survey, "t", "e", "b").effect,
    ]
    numbers = [number for e in told for number in (e.value, e.low, e.high)]
    tests = [logrank(survey, "t", "e", "b"), hazard_test(survey, "t", "e", ["a", "b"])]
    return numbers + [test.statistic for test in tests]


def test_order_labels_and_the_scale_of_weights_change_nothing(frame):
    told = every(cx.read_survey(frame, weights="w", clusters="c"))
    shuffled = frame.sample(frac=1, random_state=3)
    assert every(cx.read_survey(shuffled, weights="w", clusters="c")) == approx(told, rel=1e-7)
    for factor in (1e9, 1e-6):
        scaled = frame.assign(w=frame.w * factor)
        assert every(cx.read_survey(scaled, weights="w", clusters="c")) == approx(told, rel=1e-7)
    renamed = frame.assign(b=frame.b.map({"p": "x", "q": "y", "r": "z"}))
    assert every(cx.read_survey(renamed, weights="w", clusters="c")) == approx(told, rel=1e-7)


def test_splitting_rows_changes_nothing(frame):
    """Half of each weight twice, in one cluster, and stretches of time instead of whole ones."""
    told = every(cx.read_survey(frame, weights="w", clusters="c"))
    half = frame.assign(w=frame.w / 2)
    double = pd.concat([half, half], ignore_index=True)
    ours = hazard_ratio(
        cx.read_survey(double, weights="w", clusters="c"), "x", "e", "a", ties="breslow"
    )
    whole = hazard_ratio(
        cx.read_survey(frame, weights="w", clusters="c"), "x", "e", "a", ties="breslow"
    )
    assert (ours[0].value, ours[0].se) == approx((whole[0].value, whole[0].se), rel=1e-8)
    curve = retention_curve(cx.read_survey(double, weights="w", clusters="c"), "t", "e", by="g")
    again = retention_curve(cx.read_survey(frame, weights="w", clusters="c"), "t", "e", by="g")
    assert values(curve) == approx(values(again)) and errors(curve) == approx(errors(again))
    assert told
    long = frame.assign(start=0.0, id=np.arange(len(frame)))
    early = long[long.x > 6].assign(x=6.0, e=0)
    parts = pd.concat([early, long.assign(start=np.where(long.x > 6, 6.0, 0.0))])
    survey = cx.read_survey(parts.reset_index(drop=True), clusters="id")
    split = hazard_ratio(survey, "x", "e", ["a", "g"], entry="start")
    plain = hazard_ratio(cx.read_survey(frame), "x", "e", ["a", "g"], robust=True)
    assert values(split) == approx(values(plain), rel=1e-8)
    assert errors(split) == approx(errors(plain), rel=1e-8)


def test_two_groups_three_ways(frame):
    survey = cx.read_survey(frame)
    score = hazard_test(survey, "x", "e", "g", method="score").statistic
    assert logrank(survey, "x", "e", "g").statistic == approx(score, rel=1e-9)
    ratio = hazard_ratio(survey, "x", "e", "g")[0].value
    assert logrank(survey, "x", "e", "g").effect.value == approx(ratio, rel=0.05)
    areas = restricted_mean(survey, "t", "e", by="g")
    gap = difference(areas["0"], areas["1"])
    assert gap.value == approx(areas["0"].value - areas["1"].value) and gap.low > 0


def test_cox_against_statsmodels(frame):
    """PHReg(t, [a, g], status=e, strata=h, ties=).fit()

    (Without entries: with them it gives other coefficients than R, whose are ours.)
    """
    from statsmodels.duration.hazard_regression import PHReg

    survey = cx.read_survey(frame)
    for ties in ("efron", "breslow"):
        ours = hazard_ratio(survey, "t", "e", ["a", "g"], strata="h", ties=ties, scale="log")
        peer = PHReg(frame.t, frame[["a", "g"]], frame.e, strata=frame.h, ties=ties).fit()
        assert values(ours) == approx(peer.params, rel=1e-5)
        assert errors(ours) == approx(peer.bse, rel=1e-5)


def test_pairs_are_those_counted_one_by_one():
    some = made(60, seed=8)
    score = np.round(some.a.to_numpy(), 1)
    t, e, w = some.t.to_numpy(), some.e.to_numpy() == 1, some.w.to_numpy()
    for start in (None, some.entry.to_numpy()):
        good, whole = np.zeros(60), np.zeros(60)
        for i in np.flatnonzero(e):
            for j in range(60):
                later = t[j] > t[i] or (t[j] == t[i] and not e[j])
                if later and (start is None or start[j] < t[i]):
                    part = (score[i] > score[j]) + (score[i] == score[j]) / 2
                    good[i] += w[j] * part
                    good[j] += w[i] * part
                    whole[i] += w[j]
                    whole[j] += w[i]
        ours = pairs(t, e, score, w, start)
        assert ours[0] == approx(good) and ours[1] == approx(whole)


def coverage(runs: int, n: int = 150) -> dict[str, float]:
    """How often intervals hold the truth: exponential times, weighted and clustered."""
    hits = {"curve": 0, "area": 0, "hazard": 0, "time": 0}
    rate = 0.05
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        g, end = rng.integers(0, 2, n), rng.uniform(10, 40, n)
        true = rng.exponential(1 / (rate * np.exp(0.5 * g)))
        some = pd.DataFrame({"t": np.minimum(true, end), "e": (true <= end) * 1, "g": g})
        some["w"] = rng.uniform(0.5, 2, n)
        survey = cx.read_survey(some, weights="w")
        alone = survey.where(g=0)
        one = retention_curve(alone, "t", "e", times=[10])[0]
        hits["curve"] += one.low <= math.exp(-10 * rate) <= one.high
        area = restricted_mean(alone, "t", "e", until=10)
        hits["area"] += area.low <= (1 - math.exp(-10 * rate)) / rate <= area.high
        ratio = hazard_ratio(survey, "t", "e", "g")[0]
        hits["hazard"] += ratio.low <= math.exp(0.5) <= ratio.high
        ratio = time_ratio(survey, "t", "e", "g")["g"]
        hits["time"] += ratio.low <= math.exp(-0.5) <= ratio.high
    return {name: count / runs for name, count in hits.items()}


def test_intervals_cover_in_a_few_draws():
    assert min(coverage(60).values()) >= 0.87


@pytest.mark.slow
def test_intervals_cover():
    for name, share in coverage(1500).items():
        assert 0.93 <= share <= 0.97, name


# --- hostile data ---------------------------------------------------------------------------------


def survey_of(**columns) -> cx.Survey:
    return cx.read_survey(pd.DataFrame(columns))


ASKS = [
    lambda s: retention_curve(s, "t", "e"),
    lambda s: retention_curve(s, "t", "e", method="plain", robust=True),
    lambda s: retention_curve(s, "t", "e", by="g", entry="n"),
    lambda s: median_time(s, "t", "e"),
    lambda s: restricted_mean(s, "t", "e"),
    lambda s: restricted_mean(s, "t", "e", by="g", robust=True),
    lambda s: cumulative_hazard(s, "t", "e", by="g"),
    lambda s: competing_risks(s, "t", "e"),
    lambda s: logrank(s, "t", "e", "g"),
    lambda s: logrank(s, "t", "e", "g", rho=1, gamma=1, robust=True),
    lambda s: hazard_ratio(s, "t", "e", "g"),
    lambda s: hazard_ratio(s, "t", "e", ["g", "k"], robust=True),
    lambda s: hazard_test(s, "t", "e", "k"),
    lambda s: concordance(s, "t", "e", "k"),
    lambda s: proportionality(s, "t", "e", "k"),
    lambda s: time_ratio(s, "t", "e"),
    lambda s: time_ratio(s, "t", "e", "k"),
    lambda s: time_ratio_test(s, "t", "e", "k"),
]

BASE = {
    "t": [1.0, 2, 2, 3, 4, 5],
    "e": [1, 0, 1, 1, 0, 1],
    "g": [0, 1, 0, 1, 0, 1],
    "k": [0.3, 1, 2, 0.5, 1.5, 2.5],
    "n": [0.0, 1, 1, 1, 2, 0],
}

HOSTILE = {
    "plain": {},
    "nobody leaves": {"e": [0] * 6},
    "everybody leaves": {"e": [1] * 6},
    "all at once": {"t": [3.0] * 6, "n": [0.0] * 6},
    "at once and all": {"t": [3.0] * 6, "e": [1] * 6, "n": [0.0] * 6},
    "time zero": {"t": [0.0, 2, 2, 3, 4, 5]},
    "below zero": {"t": [-1.0, 2, 2, 3, 4, 5]},
    "entry after exit": {"n": [2.0, 3, 1, 1, 2, 0]},
    "infinite": {"t": [math.inf, 2, 2, 3, 4, 5]},
    "all gone": {"t": [math.nan] * 6},
    "gaps": {"t": [math.nan, 2, 2, 3, 4, 5], "k": [1, 2, math.nan, 3, 4, 5.0]},
    "text": {"t": ["a", "b", "", "c", "d", "e"]},
    "three events": {"e": [0, 1, 2, 0, 1, 2]},
    "one group": {"g": [1] * 6},
    "separated": {"k": [6.0, 5, 4, 3, 2, 1]},
    "constant": {"k": [1.0] * 6},
    "huge": {"k": [1e300, 1, 2, 3, 4, 5]},
    "huge times": {"t": [1e15, 2e15, 2e15, 3e15, 4e15, 5e15]},
    "mixed": {"g": [0, "a", None, 1.5, True, ""]},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("ask", ASKS)
def test_hostile_data_get_an_answer_or_plain_words(ask, change):
    answered_or_refused(ask, survey_of(**BASE | change))


@pytest.mark.parametrize("ask", ASKS)
def test_one_respondent_one_cluster_and_heavy_weights(ask):
    one = {name: column[:1] for name, column in BASE.items()}
    answered_or_refused(ask, survey_of(**one))
    frame = pd.DataFrame(BASE)
    answered_or_refused(ask, cx.read_survey(frame.assign(c=1), clusters="c"))
    heavy = frame.assign(w=[1e9, 1, 1e-9, 0, 1, 1e9])
    answered_or_refused(ask, cx.read_survey(heavy, weights="w"))


def answered_or_refused(ask, survey) -> None:
    try:
        told = ask(survey)
    except CxError as error:
        assert error.what
        return
    assert "nan" not in str(told).lower() + told.to_html().lower()
    if hasattr(told, "statistic"):
        assert told.statistic >= 0 and 0 <= told.p <= 1
        return
    for one in [told] if hasattr(told, "value") else told:
        assert not math.isnan(one.value + 0 * (one.low == one.high))
        assert one.low <= one.value <= one.high


WRONG = [
    lambda s: retention_curve(s, "t", "e", method="loglog"),
    lambda s: retention_curve(s, "t", "nothing"),
    lambda s: retention_curve(s, "t", "e", times=["a"]),
    lambda s: retention_curve(s, "t", "e", times=[-1]),
    lambda s: retention_curve(s, "t", "e", times=[math.nan]),
    lambda s: retention_curve(s, "t", "e", times=[]),
    lambda s: retention_curve(s, "t", "e", times=[1e6]),
    lambda s: retention_curve(s, "t", "e", level=1),
    lambda s: median_time(s, "t", "e", p=1),
    lambda s: restricted_mean(s, "t", "e", until=0),
    lambda s: logrank(s, "t", "e", "g", weighting="mantel"),
    lambda s: hazard_ratio(s, "t", "e", "t"),
    lambda s: hazard_ratio(s, "t", "e", []),
    lambda s: hazard_ratio(s, "t", "e", ["a", "a"]),
    lambda s: hazard_ratio(s, "t", "e", "a", ties="exact"),
    lambda s: hazard_ratio(s, "t", "e", "a", scale="percent"),
    lambda s: hazard_ratio(s, "t", "e", "a", reference={"z": 1}),
    lambda s: hazard_ratio(s, "t", "e", ["a", "w2"]),
    lambda s: hazard_test(s, "t", "e", "a", method="rao"),
    lambda s: hazard_test(s, "t", "e", "a", method="score", robust=True),
    lambda s: proportionality(s, "t", "e", "a", term="g"),
    lambda s: proportionality(s, "t", "e", "a", transform="square"),
    lambda s: competing_risks(s, "t", "why", censored="nobody"),
    lambda s: competing_risks(s, "t", "e", cause="hole"),
    lambda s: competing_risks(s, "t", "why", method="log-log"),
    lambda s: cumulative_hazard(s, "t", "e", ties="exact"),
    lambda s: time_ratio(s, "t", "e", scale="percent"),
]


@pytest.mark.parametrize("ask", WRONG)
def test_wrong_questions_are_refused_in_plain_words(ask, frame):
    with pytest.raises(CxError):
        ask(cx.read_survey(frame.assign(w2=2 * frame.a + 1, hole=math.nan)))


def test_all_weightings_and_shapes(frame):
    survey = cx.read_survey(frame)
    for weighting in WEIGHTINGS:
        for shape in ({}, {"rho": 1}, {"gamma": 1}, {"rho": 0.5, "gamma": 0.5}):
            for robust in (False, True):
                test = logrank(survey, "t", "e", "b", weighting=weighting, robust=robust, **shape)
                assert test.statistic >= 0 and test.df == 2


def test_small_cells_are_not_shown(frame):
    from dataclasses import replace

    survey = cx.read_survey(frame)
    survey = replace(survey, origin=replace(survey.origin, small_cell=30))
    curve = retention_curve(survey, "t", "e")
    assert curve.estimates[-1].suppressed and not curve.estimates[0].suppressed
