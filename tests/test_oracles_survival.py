"""Survival against R's survival and survey and against lifelines: every case of the shared oracles,
and cases of our own computed in R 4.2.2 (survival 3.5.3, survey 4.1.1).

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

import cxlib as cx
from cxlib.survival import median_time, restricted_mean, retention_curve
from cxlib.survival_causes import competing_risks
from cxlib.survival_cox import cox, fit
from cxlib.survival_cumulative import cumulative_hazard
from cxlib.survival_hazard import (
    concordance,
    hazard_ratio,
    hazard_test,
    log_likelihoods,
    proportionality,
)
from cxlib.survival_logrank import logrank, paces
from cxlib.survival_weibull import time_ratio, time_ratio_test, weibull

#: What we give otherwise than the peers, and why.
DEVIATIONS = {
    "weighted Cox, errors from the likelihood": "R takes weights as they stand, as if each were so "
    "many people; ours have mean 1",
    "svykm": "R's survey takes Aalen's variance of the cumulated hazard; ours is that of the curve",
    "weighted restricted mean": "R takes Greenwood's formula on weighted counts also where robust "
    "errors are asked; ours is linearised",
    "multi-state survfit with cluster": "R's standard errors do not change with cluster=; ours do, "
    "and those of who stayed are survfit's own with cluster=",
    "svylogrank with ties": "R's survey takes ties otherwise; without ties the two are the same",
}


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


def close(ours, theirs, case) -> None:
    """Equal at the tolerance of the case."""
    assert ours == approx(theirs, rel=case["rel_tol"], abs=1e-12)


def survey_of(case, **design) -> cx.Survey:
    return cx.read_survey(pd.read_csv(oracles() / case["inputs"]["data"]), **design)


def formula(case) -> tuple[str, str, list[str]]:
    """``Surv(time, status) ~ a + b`` as its parts."""
    left, right = case["inputs"]["formula"].split("~")
    duration, event = left.strip().removeprefix("Surv(").removesuffix(")").split(",")
    return duration.strip(), event.strip(), [term.strip() for term in right.split("+")]


def seen(survey: cx.Survey, event: str) -> dict:
    """R takes 1/2 for censored/event as it takes 0/1."""
    return {"equals": 2} if np.nanmax(survey.numbers(event)) == 2 else {}


@pytest.mark.parametrize("case", cases("kaplan_meier"))
def test_retention_curves(case, shared):
    """survfit(…, conf.type = "log" / "log-log"); summary(times); print(rmean = tau)"""
    told, survey = case["expected"], survey_of(case)
    duration, event, (by,) = formula(case)
    options = seen(survey, event) | ({} if by == "1" else {"by": by})
    times = sorted(set(told["time"]))
    for method, bounds in (("log", "ci_log"), ("log-log", "ci_loglog")):
        curve = retention_curve(survey, duration, event, times=times, method=method, **options)
        close([e.value for e in curve], told["surv"], case)
        close([e.se for e in curve], told["se_greenwood"], case)
        assert [e.n for e in curve] == told["n_risk"]
        close([e.low for e in curve], told[bounds]["lo"], case)
        close([e.high for e in curve], told[bounds]["hi"], case)
    medians = median_time(survey, duration, event, method="log", **options)
    medians = [medians] if by == "1" else list(medians)
    close([e.value for e in medians], np.atleast_1d(told["median"]), case)
    for side, own in (("lo", "low"), ("hi", "high")):
        theirs = [
            math.inf if v is None else v
            for v in np.atleast_1d(np.array(told["median_ci_log"][side], dtype=object))
        ]
        close([getattr(e, own) for e in medians], theirs, case)
    areas = restricted_mean(survey, duration, event, until=told["rmst_tau"], **options)
    areas = [areas] if by == "1" else list(areas)
    close([e.value for e in areas], np.atleast_1d(told["rmst"]), case)
    close([e.se for e in areas], np.atleast_1d(told["rmst_se"]), case)


@pytest.mark.parametrize("case", cases("py_lifelines_km"))
def test_retention_curves_of_lifelines(case, shared):
    """KaplanMeierFitter().fit(T, E), restricted_mean_survival_time(kmf, t=times[-1]);
    NelsonAalenFitter().fit(T, E)
    """
    told, survey, inputs = case["expected"], survey_of(case), case["inputs"]
    asked = (survey, inputs["T"], inputs["E"])
    curve = retention_curve(*asked, times=inputs["times"])
    close([e.value for e in curve], told["surv"], case)
    close([e.low for e in curve], told["ci_lo"], case)
    close([e.high for e in curve], told["ci_hi"], case)
    close(median_time(*asked).value, told["median"], case)
    close(restricted_mean(*asked, until=inputs["times"][-1]).value, told["rmst"], case)
    hazard = cumulative_hazard(*asked, times=inputs["times"])
    close([e.value for e in hazard], told["cumhaz"], case)


@pytest.mark.parametrize("case", cases("logrank"))
def test_logrank(case, shared):
    """survdiff(…, rho = 0 / 1)"""
    told, survey = case["expected"], survey_of(case)
    duration, event, (by,) = formula(case)
    options = seen(survey, event)
    test = logrank(survey, duration, event, by, **options)
    close([test.statistic, test.df, test.p], [told["chisq"], told["df"], told["p"]], case)
    early = logrank(survey, duration, event, by, rho=1, **options)
    close(early.statistic, told["rho1_chisq"], case)
    found = paces(
        survey,
        duration,
        event,
        by,
        entry=None,
        equals=options.get("equals"),
        shape=("log-rank", 0, 0),
        strata=(),
        weighted=False,
    )
    assert list(found.n) == told["n"]
    close(found.observed, told["obs"], case)
    close(found.expected, told["exp"], case)


@pytest.mark.parametrize("case", cases("py_lifelines_logrank"))
def test_logrank_of_lifelines(case, shared):
    """logrank_test(…, weightings=None / "tarone-ware" / "wilcoxon" / "peto")"""
    weighting = case["id"].rpartition("_")[2]
    weighting = {"None": "log-rank", "wilcoxon": "gehan"}.get(weighting, weighting)
    test = logrank(survey_of(case), "T", "E", "group", weighting=weighting)
    close(test.statistic, case["expected"]["stat"], case)
    assert test.p == approx(case["expected"]["p"], rel=1e-5, abs=1e-300)


@pytest.mark.parametrize("case", cases("coxph"))
def test_cox_regression(case, shared):
    """coxph(…); summary(fit); concordance(fit); cox.zph(fit, transform = "km")"""
    told, survey = case["expected"], survey_of(case)
    duration, event, terms = formula(case)
    asked, options = (survey, duration, event, terms), seen(survey, event)
    logs = hazard_ratio(*asked, scale="log", **options)
    close([e.value for e in logs], list(told["coef"].values()), case)
    close([e.se for e in logs], list(told["se"].values()), case)
    close([e.value for e in hazard_ratio(*asked, **options)], told["hr"], case)
    for method, key in (("likelihood ratio", "lrt"), ("score", "score")):
        close(hazard_test(*asked, method=method, **options).statistic, told[key], case)
    wald = hazard_test(*asked, method="wald", **options).statistic
    assert round(wald, 2) == told["wald"]
    pairs = concordance(*asked, **options)
    close([pairs.value, pairs.se], [told["concordance"], told["concordance_se"]], case)
    found = [proportionality(*asked, term=term, **options).p for term in (*terms, "")]
    close(found, told["zph_p"], case)
    close(log_likelihoods(fit(model_of(*asked, **options))), told["loglik"], case)


def model_of(survey, duration, event, covariates, **options):
    plain = {"entry": None, "strata": (), "equals": None, "ties": "efron"}
    return cox(
        survey,
        duration,
        event,
        covariates,
        **plain | {"reference": None, "categorical": ()} | options,
    )


@pytest.mark.parametrize("case", cases("py_lifelines_cox"))
def test_cox_regression_of_lifelines(case, shared):
    """CoxPHFitter().fit(frame, duration_col=, event_col=)"""
    told, survey = case["expected"], survey_of(case)
    duration, event = [c for c in survey.frame.columns if c not in told["coef"]][:2]
    asked = (survey, duration, event, list(told["coef"]))
    logs = hazard_ratio(*asked, scale="log")
    close([e.value for e in logs], list(told["coef"].values()), case)
    close([e.se for e in logs], list(told["se"].values()), case)
    close(concordance(*asked).value, told["concordance"], case)
    close(log_likelihoods(fit(model_of(*asked)))[1], told["ll"], case)


@pytest.mark.parametrize("case", cases("aalen_johansen"))
def test_competing_risks(case, shared):
    """survfit(Surv(etime, factor(event)) ~ 1); summary(times)"""
    told, survey = case["expected"], survey_of(case)
    curve = competing_risks(survey, "etime", "event", censored="censor", times=told["time"])
    for place, state in enumerate(told["states"]):
        state = "still there" if state == "(s0)" else state
        own = [curve[f"{state}, {time:g}"] for time in told["time"]]
        close([e.value for e in own], np.array(told["pstate"])[:, place], case)
        close([e.se for e in own], np.array(told["se"])[:, place], case)


@pytest.mark.parametrize("case", cases("survreg_weibull"))
def test_weibull_regression(case, shared):
    """survreg(Surv(time, status) ~ …, dist = "weibull")"""
    told, survey = case["expected"], survey_of(case)
    terms = list(told["coef"])[1:]
    if "formula" in case["inputs"]:
        duration, event, terms = formula(case)
    else:
        duration, event = "time", "status"
    asked, options = (survey, duration, event, terms), seen(survey, event)
    logs = time_ratio(*asked, scale="log", **options)
    close([e.value for e in logs][:-1], list(told["coef"].values()), case)
    close([e.se for e in logs], told["se"], case)
    close(time_ratio(*asked, **options)["scale"].value, told["scale"], case)
    null, best = told["loglik"]
    close(time_ratio_test(*asked, **options).statistic, 2 * (best - null), case)
    found = weibull(*asked, None, options.get("equals"), None, ())
    close([found.null, found.log_likelihood], told["loglik"], case)


@pytest.mark.parametrize("case", cases("py_lifelines_weibull"))
def test_weibull_of_lifelines(case, shared):
    """WeibullFitter().fit(T, E)"""
    told, columns = case["expected"], ("T", "E")
    survey = survey_of(case)
    duration, event = columns if "T" in survey else ("duration", "observed")
    ratios = time_ratio(survey, duration, event)
    close(ratios["(Intercept)"].value, told["lambda_"], case)
    close(1 / ratios["scale"].value, told["rho_"], case)
    close(
        weibull(survey, duration, event, (), None, None, None, ()).log_likelihood, told["ll"], case
    )


# --- cases of our own in R ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lung(shared) -> pd.DataFrame:
    """The complete rows of lung with a made design, entries and ties."""
    frame = pd.read_csv(oracles() / "data" / "lung.csv")
    frame = frame.dropna(subset=["inst", "time", "status", "age", "sex", "ph.ecog"])
    frame = frame.reset_index(drop=True)
    frame["w"] = 1 + frame.age % 5 / 4
    frame["st"] = frame.inst % 3
    frame["en"] = np.floor(frame.time * (np.arange(1, len(frame) + 1) * 7 % 10) / 12)
    frame["m"], frame["me"] = np.ceil(frame.time / 30), np.floor(frame.en / 30)
    frame["tt"] = frame.time + np.arange(1, len(frame) + 1) * 1e-4
    frame["left"] = frame.status - 1
    frame["why"] = np.where(frame.left == 0, 0, 1 + frame.age % 2)
    return frame


def test_left_truncation_in_r(lung):
    """survfit(Surv(en, time, status) ~ 1, conf.type = "log-log"); quantile(c(.25, .75))"""
    plain = cx.read_survey(lung)
    curve = retention_curve(plain, "time", "left", entry="en", times=[100, 300, 500])
    told = [(0.571528351381, 0.0649601210042, 0.4347046791627, 0.686822244447)]
    told += [(0.290372989597, 0.0406407542616, 0.2135864779049, 0.371365885670)]
    told += [(0.147090561537, 0.0266783397376, 0.0995302168138, 0.203469397243)]
    for one, theirs in zip(curve, told, strict=True):
        assert (one.value, one.se, one.low, one.high) == approx(theirs, rel=1e-9)
    for p, theirs in ((0.25, (175, 145, 194)), (0.75, (558, 457, 643))):
        when = median_time(plain, "time", "left", p=p)
        assert (when.value, when.low, when.high) == theirs


def test_weights_and_clusters_in_r(lung):
    """survfit(…, weights = w, cluster = inst); survfit(Surv(en, …), weights = w, cluster = id)

    R sums squares; with a design the sum is times n/(n − 1).
    """
    clustered = cx.read_survey(lung, weights="w", clusters="inst")
    curve = retention_curve(clustered, "time", "left", times=[100, 300])
    assert [e.value for e in curve] == approx([0.8688178115377, 0.5456360248321], rel=1e-11)
    told = np.array([0.0199735146839, 0.0309464756981]) * math.sqrt(18 / 17)
    assert [e.se for e in curve] == approx(told, rel=1e-9)
    weighted = cx.read_survey(lung, weights="w")
    curve = retention_curve(weighted, "time", "left", entry="en", times=[100, 300])
    assert [e.value for e in curve] == approx([0.5740090572305, 0.2985055017679], rel=1e-11)
    told = np.array([0.0680874359162, 0.0429372484679]) * math.sqrt(226 / 225)
    assert [e.se for e in curve] == approx(told, rel=1e-9)
    area = restricted_mean(clustered, "time", "left", until=500)
    assert area.value == approx(316.30275664698, rel=1e-11)


def test_stratified_logrank_in_r(lung):
    """survdiff(… ~ sex + strata(st)); survdiff(… ~ ph.ecog, rho = .5)"""
    plain = cx.read_survey(lung)
    assert logrank(plain, "m", "left", "sex", strata="st").statistic == approx(10.2373374383)
    assert logrank(plain, "m", "left", "ph.ecog", rho=0.5).statistic == approx(23.8545530477)


def test_logrank_of_surveys_in_r(lung):
    """svylogrank(Surv(tt, status) ~ sex, svydesign(ids = ~inst, weights = ~w), method = "score")"""
    survey = cx.read_survey(lung, weights="w", clusters="inst")
    test = logrank(survey, "tt", "left", "sex")
    assert math.sqrt(test.statistic) == approx(2.87256019981, rel=1e-10)
    assert (test.df, test.df2) == (1, 17)


def test_weighted_cox_in_r(lung):
    """coxph(Surv(me, m, status) ~ age + sex + strata(st), weights = w, ties =), cox.zph

    With weights that are counts: R's errors and tests are those of mean weights 1 (see DEVIATIONS)
    times the mean weight.
    """
    survey = cx.read_survey(lung, weights="w")
    asked, within = (survey, "m", "left", ["age", "sex"]), {"entry": "me", "strata": "st"}
    mean = lung.w.mean()
    told = {
        "efron": (
            (0.0161778275382, -0.4836144929744, 0.00751020217635, 0.14125269674772),
            (3.72066429572, 4.69163786065, 7.60845716987),
        ),
        "breslow": (
            (0.0152205009691, -0.4668189394961, 0.0075015237693, 0.1414685550996),
            (3.03593942886, 4.13746300085, 6.41247593400),
        ),
    }
    for ties, (model, zph) in told.items():
        ours = hazard_ratio(*asked, **within, ties=ties, scale="log", robust=False)
        errors = [e.se / math.sqrt(mean) for e in ours]
        assert [e.value for e in ours] + errors == approx(list(model), rel=1e-7)
        tests = [
            proportionality(*asked, **within, ties=ties, term=term).statistic * mean
            for term in ("age", "sex", "")
        ]
        assert tests == approx(list(zph), rel=1e-6)
    pairs = concordance(*asked, **within, robust=False)
    assert (pairs.value, pairs.se) == approx((0.5822015768115, 0.0257617721028), rel=1e-8)
    pairs = concordance(*asked, robust=False)
    assert (pairs.value, pairs.se) == approx((0.6172311220302, 0.0277812907767), rel=1e-8)


def test_transforms_of_time_in_r(lung):
    """cox.zph(coxph(Surv(me, m, status) ~ age + sex), transform =)"""
    survey = cx.read_survey(lung)
    asked = (survey, "m", "left", ["age", "sex"])
    for transform, theirs in ZPH.items():
        ours = [
            proportionality(*asked, term=term, transform=transform, entry="me").p
            for term in ("age", "sex", "")
        ]
        assert ours == approx(theirs, rel=1e-6), transform


ZPH = {
    "km": [0.2774672308835, 0.0991675431865, 0.1585674343963],
    "rank": [0.688131832504, 0.136264014105, 0.313662289201],
    "identity": [0.7317043989919, 0.0957507261617, 0.2407352975047],
    "log": [0.1497206219570, 0.0925576480004, 0.1008038878416],
}


def test_cox_of_surveys_in_r(lung):
    """svycoxph(…, svydesign(ids = ~inst, weights = ~w, strata = ~st, nest = TRUE))"""
    survey = cx.read_survey(lung, weights="w", clusters="inst", strata="st")
    ours = hazard_ratio(survey, "m", "left", ["age", "sex", "ph.ecog"], entry="me", scale="log")
    told = [0.00828903757061, -0.60718651522193, 0.52420114318916]
    assert [e.value for e in ours] == approx(told, rel=1e-7)
    told = [0.00759048550118, 0.14210101655468, 0.11761766641321]
    assert [e.se for e in ours] == approx(told, rel=1e-7)
    assert ours[0].df == 15


def test_competing_risks_with_weights_and_entry_in_r(lung):
    """survfit(Surv(m, ev) ~ 1, weights = w, id = id); survfit(Surv(me, m, ev) ~ 1, id = id)"""
    scale = math.sqrt(226 / 225)
    weighted = cx.read_survey(lung, weights="w")
    curve = competing_risks(weighted, "m", "why", times=[5])
    told = [0.114515779788, 0.0803527489616, 0.805131471250]
    assert [e.value for e in curve] == approx(told, rel=1e-10)
    told = [0.0214364934845, 0.0182044285463, 0.0266896570555]
    assert [e.se for e in curve] == approx([scale * one for one in told], rel=1e-9)
    plain = cx.read_survey(lung)
    curve = competing_risks(plain, "m", "left", cause="why", entry="me", times=[12])
    told = [0.367407598201, 0.348345113545, 0.284247288254]
    assert [e.value for e in curve] == approx(told, rel=1e-10)
    told = [0.0417147875111, 0.0429704645829, 0.0328378139844]
    assert [e.se for e in curve] == approx(told, rel=1e-9)


def test_weighted_weibull_in_r(lung):
    """survreg(Surv(m, status) ~ age + sex, weights = w)"""
    survey = cx.read_survey(lung, weights="w")
    ours = time_ratio(survey, "m", "left", ["age", "sex"], scale="log", robust=False)
    told = [2.8371972649827, -0.0103151833775, 0.3702552455508, -0.3597249457928]
    assert [e.value for e in ours] == approx(told, rel=1e-8)
    told = [0.36108922098265, 0.00523367963926, 0.09664694310728, 0.05022296034830]
    assert [e.se / math.sqrt(lung.w.mean()) for e in ours] == approx(told, rel=1e-7)
