"""Dichotomous choice and ratios of coefficients against R, every public case.

The peers' calls (DCchoice 0.2.0, survey 4.1.1, R 4.2.2):

- dc_single_bounded: ``summary(sbchoice(R1 ~ x | log(bid1), dist=, data=))``; ``krCI(fit, 10000)``
- dc_double_bounded: ``summary(dbchoice(R1 + R2 ~ x | log(bid1) + log(bid2), dist=, data=))``
- dc_one_and_half: ``summary(oohbchoice(R1 + R2 ~ age + gender | log(BL) + log(BH), dist=))``
- turnbull: ``summary(turnbull.sb(R1 ~ bid1))``, ``summary(turnbull.db(R1 + R2 ~ bid1 + bid2))``
- kristrom: ``summary(kristrom(R1 ~ bid1))``
- wtp_ratio_delta: ``glm``/``lm`` of ``ecolbs > 0``; ``svycontrast(fit, quote(-regprc / ecoprc))``
- py_apple: statsmodels ``Logit``, ``Probit`` of the same answers
"""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlib import contingent_fit as engine
from cxlib.contingent import INTERCEPT, contingent_valuation, model_of
from cxlib.contingent_curve import wtp_survival
from cxlib.contingent_wtp import wtp_mean, wtp_median, wtp_ratio
from cxlib.errors import CxError
from cxlib.survey import Survey

ROOT = Path(__file__).resolve().parent.parent
ORACLES = (ROOT / os.environ.get("CX_SHARED", "../shared") / "oracles").resolve()

# Where we differ on purpose: what, and why.
DEVIATIONS = {
    "glm": "apple_full probit: R's glm stops Fisher scoring at a relative change of deviance of "
    "1e-8, which leaves coefficients and standard errors some 1e-5 of themselves short; with "
    "glm.control(epsilon=1e-15) it gives our digits (R Core Team, ?glm.control).",
    "weibull-mean": "DCchoice writes Inf for a Weibull mean at |b| <= 1; the mean is "
    "exp(a/k) gamma(1 + 1/k) at every k > 0 (Johnson, Kotz and Balakrishnan 1994, ch. 21).",
    "bfgs": "dc_double_bounded/AP_logistic (and others with unlogged bids): DCchoice hands optim's "
    "BFGS unscaled bids, which stops where the score is (-0.5, 521), log-likelihood -893.3649; "
    "with reltol=1e-15 and parscale=c(1, 1e-3) the same call gives our coefficients and -893.3444. "
    "Its numerical Hessian (steps of 1e-3 on a coefficient of 0.006) is some 2 % off (?optim).",
    "turnbull-em": "icfit's EM stops at 10,000 steps on KR (em_converged is false); the maximum is "
    "the pooled-adjacent-violators answer of the kristrom case (Ayer et al. 1955).",
}
GLM_STOPS = 3e-5


def cases(method: str) -> list:
    path = ORACLES / f"{method}.json"
    found = json.loads(path.read_text())["cases"] if path.is_file() else []
    return [pytest.param(case, id=f"{method}-{case['id']}") for case in found] or [
        pytest.param(None, id=method, marks=pytest.mark.skip(reason="no shared folder"))
    ]


def frame_of(case: dict, shared: Path) -> pd.DataFrame:
    """The answers of a case, one row a respondent, 0/1."""
    data = pd.read_csv(shared / "oracles" / case["inputs"]["data"])
    if "T1" in data:
        data = expanded(data)
    for name in ("R1", "R2"):
        if name in data and not pd.api.types.is_numeric_dtype(data[name]):
            data[name] = data[name].map({"yes": 1, "no": 0})
        if name in data:
            data[name] = data[name].where(data[name] >= 0)
    return data


def expanded(table: pd.DataFrame) -> pd.DataFrame:
    """Counts of answers as one row an answer, under the names that ``ct2df`` gives."""
    rows = []
    for one in table.itertuples():
        if "Y" in table:
            rows += [(one.T1, np.nan, 1, np.nan)] * one.Y + [(one.T1, np.nan, 0, np.nan)] * one.N
            continue
        for word in ("yy", "yn", "ny", "nn"):
            first, second = (int(letter == "y") for letter in word)
            bid = one.TU if first else one.TL
            rows += [(one.T1, bid, first, second)] * getattr(one, word)
    return pd.DataFrame(rows, columns=["bid1", "bid2", "R1", "R2"])


def columns_of(case: dict, default: str) -> tuple[list[str], list[str], list[str]]:
    """Answers, covariates and bids of a formula ``R1 + R2 ~ x + z | log(bid1) + log(bid2)``."""
    left, right = case["inputs"].get("formula", default).split("~")
    covariates, bids = right.split("|") if "|" in right else ("1", right)

    def parts(text: str) -> list[str]:
        return [re.sub(r"log\((.*)\)", r"\1", part.strip()) for part in text.split("+")]

    kept = [name for name in parts(covariates) if name != "1"]
    return [{"ans1": "R1", "ans2": "R2"}.get(a, a) for a in parts(left)], kept, parts(bids)


def fitted(case: dict, shared: Path, default: str = ""):
    """Our fit of a case, its names in the peer's words, and its tolerance."""
    frame = frame_of(case, shared)
    answers, covariates, bids = columns_of(case, default)
    expected = case["expected"]["coef"]
    columns, names = [], {}
    for covariate in covariates:
        if pd.api.types.is_numeric_dtype(frame[covariate]):
            columns.append(covariate)
            names[covariate] = covariate
            continue
        for name in expected:
            if name.startswith(covariate):
                level = name.removeprefix(covariate)
                frame[name] = np.where(frame[covariate].notna(), frame[covariate] == level, np.nan)
                frame[name] = frame[name].astype(float)
                columns.append(name)
                names[name] = name
    distribution = case["inputs"].get("dist", "log-logistic")
    half = case["method"] == "dc_one_and_half"
    model = contingent_valuation(
        Survey(frame),
        answers[0],
        tuple(bids) if half else bids[0],
        second=answers[1] if len(answers) > 1 else None,
        follow_up=bids[1] if len(bids) > 1 and not half else None,
        distribution=distribution,
        covariates=columns,
    )
    names |= {INTERCEPT: "(Intercept)", model[len(model) - 1].term: list(expected)[-1]}
    single = case["method"] == "dc_single_bounded" and distribution != "weibull"
    return model, names, distribution, max(case["rel_tol"], GLM_STOPS if single else 0)


def stopped_short(case: dict, model, names: dict, tol: float) -> bool:
    """Whether the peer's coefficients are no maximum.

    Then its likelihood there is ours too, and lower, its amounts are what our formulas say of its
    coefficients, and at our coefficients the score is 0.
    """
    expected, fit = case["expected"], model_of(model)
    close = [e.value == pytest.approx(expected["coef"][names[e.term]], rel=tol) for e in model]
    if all(close):
        return False
    assert fit.loglik > expected["loglik"]
    theirs, amounts = np.array([*expected["coef"].values()]), expected["wtp"]
    value, _, _, _ = engine.likelihood(fit.data, theirs)
    assert value == pytest.approx(expected["loglik"], rel=1e-7)
    scores = engine.likelihood(fit.data, fit.coef)[1].sum(axis=0)
    assert np.abs(scores * np.sqrt(np.diag(fit.cov))).max() < 1e-8
    told = (fit.middle @ theirs[:-1], theirs[-1], fit.distribution)
    middle = -engine.log_or_plain_median(told[0], fit.distribution) / theirs[-1]
    middle = math.exp(middle) if engine.DISTRIBUTIONS[fit.distribution][1] else middle
    assert middle == pytest.approx(amounts["median"], rel=1e-6)
    if engine.mean_exists(theirs[-1], fit.distribution) and amounts["mean"] != "Inf":
        assert engine.unrestricted_mean(*told) == pytest.approx(amounts["mean"], rel=1e-3)
    for of, key in ((engine.truncated_mean, "trunc_"), (engine.adjusted_mean, "adj_")):
        name = next(full for full in amounts if full.startswith(key))
        assert of(*told, fit.asked.top) == pytest.approx(amounts[name], rel=1e-5)
    for e, at in zip(model, theirs, strict=True):
        assert abs(e.value - at) < e.se
    return True


def check_model(case: dict, model, names: dict, distribution: str, tol: float) -> None:
    expected = case["expected"]
    assert {names[e.term] for e in model} == set(expected["coef"])
    by_glm = case["method"] == "dc_single_bounded" and distribution != "weibull"
    for e in model:
        assert e.value == pytest.approx(expected["coef"][names[e.term]], rel=tol), e.term
        coarse = tol if by_glm else 0.03 if distribution in ("logistic", "normal") else 1e-3
        assert e.se == pytest.approx(expected["se"][names[e.term]], rel=coarse), e.term
    assert model_of(model).loglik == pytest.approx(expected["loglik"], rel=tol)
    amounts = expected["wtp"]
    assert wtp_median(model).value == pytest.approx(amounts["median"], rel=tol)
    kinds = {"truncated": "trunc_mean_at_max_bid", "adjusted": "adj_trunc_mean"}
    for kind, key in kinds.items():
        assert wtp_mean(model, kind=kind).value == pytest.approx(amounts[key], rel=tol)
    mean = amounts["mean"]
    if mean in ("Inf", None, -999):
        if distribution == "weibull":
            a, b = model_of(model).middle @ model_of(model).coef[:-1], model_of(model).coef[-1]
            weibull = math.exp(-a / b) * math.gamma(1 - 1 / b)
            assert wtp_mean(model).value == pytest.approx(weibull, rel=1e-9)
        else:
            with pytest.raises(CxError, match="does not exist"):
                wtp_mean(model)
    else:
        assert wtp_mean(model).value == pytest.approx(mean, rel=tol)


@pytest.mark.parametrize("case", cases("dc_single_bounded"))
def test_single_bounded(case, shared):
    model, names, distribution, tol = fitted(case, shared)
    if not stopped_short(case, model, names, tol):
        check_model(case, model, names, distribution, tol)
    for row in case["expected"].get("krCI_95", ()):
        if row["Estimate"] is None or row["LB"] == -999:
            continue
        kind = {"Mean": "unrestricted", "truncated Mean": "truncated"}.get(row["_row"], "adjusted")
        of = wtp_median if row["_row"] == "Median" else wtp_mean
        ours = of(model, **({} if of is wtp_median else {"kind": kind}), seed=7)
        width = row["UB"] - row["LB"]
        assert ours.low == pytest.approx(row["LB"], rel=0.05, abs=0.05 * width)
        assert ours.high == pytest.approx(row["UB"], rel=0.05, abs=0.05 * width)


@pytest.mark.parametrize("case", cases("dc_double_bounded"))
def test_double_bounded(case, shared):
    model, names, distribution, tol = fitted(case, shared)
    if not stopped_short(case, model, names, tol):
        check_model(case, model, names, distribution, tol)


@pytest.mark.parametrize("case", cases("dc_one_and_half"))
def test_one_and_a_half_bounded(case, shared):
    default = "R1 + R2 ~ age + gender | log(BL) + log(BH)"
    model, names, distribution, tol = fitted(case, shared, default)
    if not stopped_short(case, model, names, tol):
        check_model(case, model, names, distribution, tol)


def curve(case: dict, shared: Path):
    answers, _, bids = columns_of(case, "")
    half = len(bids) > 1 and bids[0] in ("BL", "LB")
    return wtp_survival(
        Survey(frame_of(case, shared)),
        answers[0],
        tuple(bids) if half else bids[0],
        second=answers[1] if len(answers) > 1 else None,
        follow_up=bids[1] if len(bids) > 1 and not half else None,
    )


@pytest.mark.parametrize("case", cases("turnbull"))
def test_turnbull(case, shared):
    ours, expected, tol = curve(case, shared), dict(case["expected"]), case["rel_tol"]
    if not expected["em_converged"]:
        exact = json.loads((shared / "oracles" / "kristrom.json").read_text())["cases"]
        same = [one for one in exact if one["inputs"] == case["inputs"]]
        if same:
            expected["surv"] = same[0]["expected"]["surv"]
            expected["mean_KM_lower"] = same[0]["expected"]["mean_KM_lower"]
            tol = same[0]["rel_tol"]
    check_curve(ours, expected, tol)
    assert wtp_mean(ours, kind="interpolated").value == pytest.approx(
        expected["mean_SK"], rel=case["rel_tol"]
    )
    if "median_interval" in expected and expected["median_interval"][1] is not None:
        bounds = wtp_median(ours, method="bounds")
        assert [bounds.low, bounds.high] == expected["median_interval"]


def check_curve(ours, expected: dict, tol: float) -> None:
    assert [0, *(e.x for e in ours)] == expected["bid"][:-1]
    assert [1, *(e.value for e in ours)] == pytest.approx(expected["surv"][:-1], rel=tol)
    assert wtp_mean(ours).value == pytest.approx(expected["mean_KM_lower"], rel=tol)


@pytest.mark.parametrize("case", cases("kristrom"))
def test_kristrom(case, shared):
    ours, expected, tol = curve(case, shared), case["expected"], case["rel_tol"]
    check_curve(ours, expected, tol)
    assert wtp_mean(ours, kind="kristrom").value == pytest.approx(expected["mean_SK"], rel=tol)
    assert wtp_median(ours).value == pytest.approx(expected["median"], rel=tol)


def apple(case: dict, shared: Path) -> Survey:
    frame = pd.read_csv(shared / "oracles" / case["inputs"]["data"])
    return Survey(frame.assign(ecobuy=(frame["ecolbs"] > 0).astype(int)))


LINKS = {"logit": "logistic", "probit": "normal"}
COVARIATES = ("regprc", "faminc", "hhsize", "educ", "age")


@pytest.mark.parametrize("case", cases("wtp_ratio_delta"))
@pytest.mark.parametrize("link", LINKS)
def test_ratio(case, link, shared):
    right = case["inputs"]["formula"].split("~")[1].split("+")
    covariates = [name.strip() for name in right if name.strip() != "ecoprc"]
    survey, expected, tol = apple(case, shared), case["expected"], case["rel_tol"]
    model = contingent_valuation(
        survey, "ecobuy", "ecoprc", distribution=LINKS[link], covariates=covariates
    )
    close = tol if link == "logit" else GLM_STOPS
    for e in model:
        name = "(Intercept)" if e.term == INTERCEPT else e.term
        assert e.value == pytest.approx(expected[link]["coef"][name], rel=close)
        assert e.se == pytest.approx(expected[link]["se"][name], rel=close)
    if link != "logit":
        return
    assert model_of(model).loglik == pytest.approx(expected["logit"]["loglik"], rel=tol)
    for top, key in (("regprc", "ratio_regprc_ecoprc"), (INTERCEPT, "neg_intercept_over_ecoprc")):
        ours = wtp_ratio(model, top, "ecoprc", method="delta")
        assert ours.value == pytest.approx(expected[key]["est"], rel=tol)
        assert ours.se == pytest.approx(expected[key]["se_delta"], rel=tol)


@pytest.mark.parametrize("case", cases("py_apple"))
def test_apple(case, shared):
    survey, expected, tol = apple(case, shared), case["expected"], case["rel_tol"]
    probit = contingent_valuation(
        survey, "ecobuy", "ecoprc", distribution="normal", covariates=COVARIATES
    )
    short = contingent_valuation(survey, "ecobuy", "ecoprc", covariates=["regprc"])
    for model, key in ((probit, "probit"), (short, "logit_short")):
        for e in model:
            name = "Intercept" if e.term == INTERCEPT else e.term
            assert e.value == pytest.approx(expected[key][name], rel=tol)
    assert model_of(probit).loglik == pytest.approx(expected["probit_ll"], rel=tol)
