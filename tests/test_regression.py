"""Regression beyond the oracles: R's figures on gaps, segments, levels and interactions,
statsmodels on the same data, what must not change a result, and what cannot be fitted.

The goldens are R 4.2.2 with survey 4.1.1, on ``apiclus1`` and ``apistrat`` of the shared oracles::

    d$part <- ifelse(d$dnum %in% c(637, 437), NA, d$mobility)
    clus1 <- svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = d)
    m <- svyglm(api00 ~ part + stype * sch.wide, clus1); regTermTest(m, ~stype:sch.wide)
    svyglm(sch.wide ~ part + meals, subset(clus1, stype != "H"), family = quasibinomial())
    svyglm(sch.wide ~ ell + meals, strat, family = quasibinomial(link = "probit"),
           control = glm.control(epsilon = 1e-14))
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlib as cx
from cxlib.regression import log_likelihood, regression, regression_test

FAMILIES = {"gaussian": "spend", "binomial": "leave", "probit": "leave"}


def survey(n: int = 300, seed: int = 1, **columns) -> cx.Survey:
    """A stratified, clustered, weighted survey of spending and leaving."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n) // 6
    lean = 0.5 * rng.normal(size=cluster.max() + 1)[cluster]
    effort, sector = rng.normal(size=n).round(3), rng.choice(["bank", "shop", "web"], n)
    push = lean + 0.7 * effort - 0.6 * (sector == "shop")
    frame = pd.DataFrame(
        {
            "stratum": cluster % 5,
            "cluster": cluster,
            "w": rng.uniform(0.5, 3, n).round(3),
            "effort": effort,
            "wait": rng.exponential(5, n).round(1),
            "sector": sector,
            "region": rng.integers(1, 4, n),
            "spend": (50 + 10 * push + 8 * rng.normal(size=n)).round(2),
            "leave": (push + rng.logistic(size=n) > 0).astype(int),
        }
    ).assign(**columns)
    return cx.read_survey(frame, weights="w", strata="stratum", clusters="cluster")


def again(told: cx.Survey, frame: pd.DataFrame) -> cx.Survey:
    design = told.design
    return cx.read_survey(
        frame, weights=design.weights, strata=design.strata, clusters=design.clusters
    )


def figures(told: cx.Ranking) -> dict[str, tuple[float, ...]]:
    return {e.term: (e.value, e.se, e.df) for e in told}


def same(one: dict, two: dict, rel: float = 1e-8) -> None:
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert two[key] == pytest.approx(value, rel=rel, abs=1e-10), key


# -- the peers -------------------------------------------------------------------------------------


def test_levels_interactions_and_gaps_as_the_peer(shared: Path):
    frame = pd.read_csv(shared / "oracles" / "data" / "apiclus1.csv")
    frame["part"] = frame.mobility.where(~frame.dnum.isin([637, 437]))
    told = cx.read_survey(frame, weights="pw", clusters="dnum", fpc="fpc")
    predictors = ["part", "stype", "sch.wide", "stype:sch.wide"]
    found = regression(told, "api00", predictors)
    wanted = {
        "(Intercept)": (646.94487310772, 37.50816103532),
        "part": (-2.64060207519, 1.09449080239),
        "stype: H": (42.31528374438, 39.61401149327),
        "stype: M": (1.67976009525, 53.05581975497),
        "sch.wide: Yes": (54.29191739143, 23.83796553799),
        "stype: H × sch.wide: Yes": (-61.84596353682, 62.22039186614),
        "stype: M × sch.wide: Yes": (-15.46262228294, 74.77425302239),
    }
    same({key: (*pair, 6) for key, pair in wanted.items()}, figures(found))
    test = regression_test(told, "api00", predictors, terms="sch.wide:stype")
    assert (test.statistic, test.df, test.df2, test.p) == pytest.approx(
        (0.864823953867, 2, 6, 0.467707803)
    )
    inside = told.where(stype=["E", "M"])
    found = regression(inside, "sch.wide", ["part", "meals"], family="binomial")
    wanted = {
        "(Intercept)": (2.32274990080322, 0.8272919755230, 10),
        "part": (-0.00746944462452, 0.0393977916525, 10),
        "meals": (-0.00515478618453, 0.0069489388287, 10),
    }
    same(wanted, figures(found))


def test_probit_as_the_peer(shared: Path):
    frame = pd.read_csv(shared / "oracles" / "data" / "apistrat.csv")
    told = cx.read_survey(frame, weights="pw", strata="stype", fpc="fpc")
    found = regression(told, "sch.wide", ["ell", "meals"], family="probit")
    assert [e.value for e in found] == pytest.approx(
        [0.94055865894443, -0.00383526579506, 0.00196186964405], rel=1e-7
    )
    assert [e.se for e in found] == pytest.approx(
        [0.17694748070081, 0.00736687859097, 0.00480845839477], rel=1e-7
    )


def test_statsmodels_on_the_same_data():
    """OLS (plain and HC1), Logit and Probit; weights as WLS has them."""
    import statsmodels.api as sm

    frame = survey(seed=4).frame
    plain, weighted = cx.read_survey(frame), cx.read_survey(frame, weights="w")
    x = sm.add_constant(frame[["effort", "wait"]])
    for kind, peer in (
        ("model", sm.OLS(frame.spend, x).fit()),
        ("HC1", sm.OLS(frame.spend, x).fit(cov_type="HC1", use_t=True)),
    ):
        found = regression(plain, "spend", ["effort", "wait"], errors=kind)
        assert [e.value for e in found] == pytest.approx(list(peer.params))
        assert [e.se for e in found] == pytest.approx(list(peer.bse))
        assert [e.low for e in found] == pytest.approx(list(peer.conf_int()[0]))
    peer = sm.WLS(frame.spend, x, frame.w).fit()
    found = regression(weighted, "spend", ["effort", "wait"])
    assert [e.value for e in found] == pytest.approx(list(peer.params))
    for family, kind in (("binomial", sm.Logit), ("probit", sm.Probit)):
        peer = kind(frame.leave, x).fit(disp=0)
        found = regression(plain, "leave", ["effort", "wait"], family=family, errors="model")
        assert [e.value for e in found] == pytest.approx(list(peer.params), rel=1e-6)
        assert log_likelihood(
            plain, "leave", ["effort", "wait"], family=family
        ).value == pytest.approx(peer.llf)


def jackknife(told: cx.Survey, **asked) -> dict[str, float]:
    """Delete-one-cluster standard errors."""
    frame, squares = told.frame, {}
    centre = {e.term: e.value for e in regression(told, "leave", **asked)}
    for stratum, part in frame.groupby("stratum"):
        units = part.cluster.unique()
        for unit in units:
            factor = np.where(frame.stratum == stratum, len(units) / (len(units) - 1), 1.0)
            factor = np.where(frame.cluster == unit, 0.0, factor)
            other = again(told, frame.assign(w=frame.w * factor))
            for e in regression(other, "leave", **asked):
                shift = (e.value - centre[e.term]) ** 2 * (len(units) - 1) / len(units)
                squares[e.term] = squares.get(e.term, 0.0) + shift
    return {term: math.sqrt(value) for term, value in squares.items()}


@pytest.mark.parametrize("effects", ["coefficients", "marginal"])
def test_linearised_errors_agree_with_the_jackknife(effects: str):
    asked = {
        "predictors": ["effort", "sector", "effort:sector"],
        "family": "binomial",
        "effects": effects,
    }
    told = survey(n=480, seed=6)
    found = {e.term: e.se for e in regression(told, "leave", **asked)}
    assert found == pytest.approx(jackknife(told, **asked), rel=0.12)


def test_marginal_effects_by_hand():
    """A number: the chance after a small step; a level: the chance with all moved to it."""
    from scipy.special import expit

    told = survey(seed=9)
    frame, w = told.frame, told.weights / told.weights.sum()
    asked = {"predictors": ["effort", "sector", "effort:sector"], "family": "binomial"}
    beta = {e.term: e.value for e in regression(told, "leave", **asked)}
    found = {e.term: e.value for e in regression(told, "leave", **asked, effects="marginal")}

    def chance(effort, sector):
        eta = beta["(Intercept)"] + beta["effort"] * effort
        for level in ("shop", "web"):
            own = beta[f"sector: {level}"] + beta[f"effort × sector: {level}"] * effort
            eta = eta + own * (sector == level)
        return w @ expit(eta)

    step = 1e-5
    slope = chance(frame.effort + step, frame.sector) - chance(frame.effort - step, frame.sector)
    assert found["effort"] == pytest.approx(slope / (2 * step), rel=1e-6)
    everyone = {level: np.full(len(frame), level) for level in ("bank", "web")}
    gap = chance(frame.effort, everyone["web"]) - chance(frame.effort, everyone["bank"])
    assert found["sector: web"] == pytest.approx(gap, rel=1e-9)


def test_a_mean_and_a_difference_are_regressions():
    told = survey()
    mean = cx.mean(told, "spend")
    (only,) = regression(told, "spend", [])
    assert (only.value, only.se, only.df) == pytest.approx((mean.value, mean.se, mean.df))
    by = cx.mean(told, "spend", by="sector")
    wanted = cx.difference(by["web"], by["bank"])
    found = regression(told, "spend", "sector")["sector: web"]
    assert (found.value, found.se) == pytest.approx((wanted.value, wanted.se))
    gap = cx.difference(
        regression(told, "spend", "sector")["sector: web"],
        regression(told, "spend", "sector")["sector: shop"],
    )
    wanted = cx.difference(by["web"], by["shop"])
    assert (gap.value, gap.se) == pytest.approx((wanted.value, wanted.se))


def test_the_test_of_one_term_is_its_t():
    told = survey()
    for family, outcome in FAMILIES.items():
        one = regression(told, outcome, ["effort", "wait"], family=family)["wait"]
        test = regression_test(told, outcome, ["effort", "wait"], terms="wait", family=family)
        assert test.statistic == pytest.approx((one.value / one.se) ** 2)
        assert (test.df, test.df2) == (1, one.df)
        assert 0 <= test.effect.low <= test.effect.value <= test.effect.high <= 1
    whole = regression_test(told, "spend", ["effort", "wait"])
    assert whole.df == 2 and whole.effect.low > 0.1
    assert "nan" not in f"{whole}{whole.to_html()}".lower()


# -- how predictors enter --------------------------------------------------------------------------


def test_levels_and_references():
    told = survey()
    terms = [e.term for e in regression(told, "spend", "sector", reference={"sector": "shop"})]
    assert terms == ["(Intercept)", "sector: bank", "sector: web"]
    one, two = (
        regression(told, "spend", "sector", reference={"sector": level})
        for level in ("bank", "shop")
    )
    assert one["sector: shop"].value == pytest.approx(-two["sector: bank"].value)
    assert len(regression(told, "spend", "region")) == 2
    assert len(regression(told, "spend", "region", categorical=["region"])) == 3
    assert "region: 1" in figures(regression(told, "spend", "region", reference={"region": 3}))
    book = cx.Codebook([cx.Question("region", type="single", labels={1.0: "north"})])
    named = cx.read_survey(told.frame, codebook=book)
    assert "region: 2" in figures(regression(named, "spend", "region"))


def test_binary_outcomes_in_words_codes_and_truth_values():
    told = survey()
    base = figures(regression(told, "leave", "effort", family="binomial"))
    words = told.frame.leave.map({1: "yes", 0: "no"})
    for column, options in (
        (words, {}),
        (words, {"equals": "yes"}),
        (told.frame.leave == 1, {}),
        (told.frame.leave + 1, {"equals": 2}),
        (told.frame.leave.astype(str), {}),
    ):
        other = again(told, told.frame.assign(leave=column))
        same(base, figures(regression(other, "leave", "effort", family="binomial", **options)))
    linear = regression(told, "leave", "effort", equals=1)
    assert linear["effort"].unit == "share points"
    assert regression(told, "leave", "effort", family="binomial")["effort"].unit == "log odds"


# -- what must not change a result -----------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_what_changes_no_figure(family: str):
    told, outcome = survey(), FAMILIES[family]
    asked = {"predictors": ["effort", "sector"], "family": family, "tolerance": 1e-14}
    base = figures(regression(told, outcome, **asked))
    for factor in (1e-6, 1e9):
        scaled = again(told, told.frame.assign(w=told.frame.w * factor))
        same(base, figures(regression(scaled, outcome, **asked)))
    mixed = told.frame.sample(frac=1, random_state=3)
    same(base, figures(regression(again(told, mixed), outcome, **asked)))
    half = told.frame.assign(w=told.frame.w / 2)
    split = again(told, pd.concat([half, half], ignore_index=True))
    same(base, figures(regression(split, outcome, **asked)))
    larger = again(told, told.frame.assign(effort=told.frame.effort * 1e6))
    value, se, df = figures(regression(larger, outcome, **asked))["effort"]
    assert (value * 1e6, se * 1e6, df) == pytest.approx(base["effort"], rel=1e-6)


def test_a_segment_keeps_the_design():
    """Everything by sector in one regression is the regression of the sector alone."""
    told = survey(n=600)
    apart = regression(told.where(sector="web"), "spend", "effort")
    joint = regression(
        told, "spend", ["sector", "effort", "effort:sector"], reference={"sector": "web"}
    )
    assert apart["effort"].value == pytest.approx(joint["effort"].value)
    assert apart["effort"].se == pytest.approx(joint["effort"].se)
    assert apart[0].n == int((told.frame.sector == "web").sum())


def test_the_default_steps_end_where_the_peer_does():
    told = survey()
    loose, tight = (
        regression(told, "leave", ["effort", "sector"], family="binomial", tolerance=t)
        for t in (1e-8, 1e-14)
    )
    for a, b in zip(loose, tight, strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-6)
        assert a.se == pytest.approx(b.se, rel=1e-3)


# -- what cannot be fitted -------------------------------------------------------------------------


def refused(match: str, told: cx.Survey, *asked, **options) -> None:
    for function in (regression, regression_test, log_likelihood):
        with pytest.raises(cx.CxError, match=match):
            function(told, *asked, **options)


def test_perfect_separation_names_the_predictor():
    frame = survey().frame
    told = survey(sure=np.where(frame.leave == 1, 5.0, -5.0) + frame.effort)
    for family in ("binomial", "probit"):
        refused("separation: 'sure'", told, "leave", ["wait", "sure"], family=family)
    told = survey(leave=np.where(frame.sector == "web", 1, frame.leave))
    refused("separation: 'sector'", told, "leave", ["effort", "sector"], family="binomial")
    told = survey(leave=(frame.effort > frame.effort.sort_values().iloc[-2]).astype(int))
    refused("separation: 'effort'", told, "leave", ["effort", "wait"], family="binomial")


def test_a_strong_predictor_is_no_separation():
    frame = survey().frame
    leave = np.where(frame.index == 7, 1 - (frame.effort > 0), frame.effort > 0).astype(int)
    told = survey(leave=leave)
    found = regression(told, "leave", "effort", family="binomial")
    assert found["effort"].value > 3


def test_collinearity_names_the_predictor():
    frame = survey().frame
    told = survey(twice=frame.effort * 2 + 1, same=4.0, shop=(frame.sector == "shop").astype(int))
    refused("'twice' is a combination", told, "spend", ["effort", "twice"])
    refused("'same' does not vary", told, "spend", ["effort", "same"])
    refused("combination of those before", told, "spend", ["sector", "shop"])
    refused("'twice' is a combination", told, "leave", ["effort", "twice"], family="binomial")


def test_questions_that_make_no_model():
    told = survey(id=[f"r{i}" for i in range(300)], empty=math.nan, infinite=math.inf, ones=1)
    refused("predictor", told, "spend", "efort")
    refused("question", told, "spent", "effort")
    refused("without its parts", told, "spend", ["effort", "effort:sector"])
    refused("stands twice", told, "spend", ["effort", "effort"])
    refused("cannot predict itself", told, "spend", ["spend"])
    refused("too many different answers", told, "spend", "id")
    refused("nobody answered", told, "spend", "empty")
    refused("infinity", told, "spend", "infinite")
    refused("family", told, "spend", "effort", family="poisson")
    refused("text where numbers", told, "sector", "effort")
    refused("yes/no", told, "spend", "effort", family="binomial")
    refused("yes/no", told, "sector", "effort", family="binomial")
    refused("same 'ones'", told, "ones", "effort", family="binomial")
    refused("reference", told, "spend", "sector", reference={"sector": "pub"})
    refused("predictor", told, "spend", "sector", reference={"region": 1})
    with pytest.raises(cx.CxError, match="nothing of the design"):
        regression(told, "spend", "effort", errors="HC1")
    for option in ({"errors": "robust"}, {"effects": "odds"}):
        with pytest.raises(cx.CxError, match="unknown"):
            regression(told, "spend", "effort", **option)
    with pytest.raises(cx.CxError, match="term"):
        regression_test(told, "spend", "effort", terms="sector")
    with pytest.raises(cx.CxError, match="intercept only"):
        regression_test(told, "spend", [])


HOSTILE = {
    "one respondent": {"effort": [1.0, *[math.nan] * 299]},
    "two respondents": {"effort": [1.0, 2.0, *[math.nan] * 298]},
    "one cluster": {"cluster": 1, "stratum": 1},
    "few clusters": {"cluster": [1, 2, 3] * 100, "stratum": 1},
    "one weight": {"w": [1e9, *[0.0] * 299]},
    "huge weights": {"w": [1e9, 1.0, 0.0] * 100},
    "huge numbers": {"effort": [1e200, -1e200, 3.0] * 100},
    "huge outcome": {"spend": [1e200, -1e200, 3.0] * 100},
    "tiny numbers": {"effort": [1e-200, -1e-200, 3e-200] * 100},
    "empty strings": {"sector": ["", " ", "a"] * 100},
    "mixed types": {"sector": [1, "a", 2.5] * 100},
    "dates": {"sector": pd.date_range("2026-01-01", periods=3).repeat(100)},
    "constant outcome": {"spend": 3.0, "leave": 1},
    "exact outcome": {"spend": [1.0, 2.0, 3.0] * 100, "effort": [2.0, 4.0, 6.0] * 100},
    "rare": {"leave": [1, *[0] * 299]},
}


@pytest.mark.parametrize("columns", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_answers_give_an_answer_or_an_error(columns: dict, family: str):
    told, outcome = survey(**columns), FAMILIES[family]
    for function, options in (
        (regression, {}),
        (regression, {"effects": "marginal"}),
        (regression_test, {}),
        (log_likelihood, {}),
    ):
        try:
            result = function(told, outcome, ["effort", "sector"], family=family, **options)
        except cx.CxError as error:
            assert error.what
            continue
        assert "nan" not in f"{result}{result.to_html()}".lower()
        for record in result.records():
            assert record["value"] is not None


# -- coverage --------------------------------------------------------------------------------------


def covered(draws: int, seed: int) -> tuple[float, float, float]:
    """Coverage of a linear and a logistic coefficient; rejections of a predictor of nothing."""
    from scipy.special import expit

    rng, hits = np.random.default_rng(seed), np.zeros(3)
    cluster = np.repeat(np.arange(40), 8)
    for _ in range(draws):
        shift, x = rng.normal(size=40)[cluster], rng.normal(size=320)
        w = rng.uniform(0.5, 2, 320)
        y = 1 + 0.5 * x + shift + rng.normal(size=320)
        own = rng.random(320) < expit(-0.5 + 0.8 * x)
        nothing = rng.normal(size=40)[cluster]
        frame = pd.DataFrame({"x": x, "y": y, "w": w, "c": cluster, "own": own, "no": nothing})
        told = cx.read_survey(frame, weights="w", clusters="c")
        one = regression(told, "y", "x")["x"]
        two = regression(told, "own", "x", family="binomial")["x"]
        hits += one.low <= 0.5 <= one.high, two.low <= 0.8 <= two.high, 0
        hits[2] += regression_test(told, "y", ["x", "no"], terms="no").p < 0.05
    return tuple(hits / draws)


def test_intervals_cover_and_the_test_keeps_its_level():
    linear, logistic, rejected = covered(250, 31)
    assert linear >= 0.91 and logistic >= 0.91 and rejected <= 0.10


@pytest.mark.slow
def test_coverage_at_length():
    linear, logistic, rejected = covered(6_000, 41)
    assert 0.93 <= linear <= 0.965 and 0.93 <= logistic <= 0.965
    assert rejected <= 0.075, "40 clusters leave the Wald test a little liberal"
