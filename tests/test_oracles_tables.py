"""Tables, rank tests and regression against outside programs.

The peers' calls, in R 4.2.2 with survey 4.1.1 (``options(survey.lonely.psu = "fail")``)::

    strat  <- svydesign(id = ~1, strata = ~stype, weights = ~pw, fpc = ~fpc, data = apistrat)
    clus1  <- svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = apiclus1)
    wtonly <- svydesign(id = ~1, weights = ~pw, data = apistrat)
    svymean(~interaction(sch.wide, comp.imp), strat)
    svychisq(~sch.wide + stype, strat, statistic = "F")        # and the other five statistics
    svyranktest(api00 ~ comp.imp, strat)
    svyranktest(api00 ~ stype, strat, test = "KruskalWallis")
    m <- svyglm(api00 ~ ell + meals + mobility, strat); regTermTest(m, ~ell + mobility)
    svyglm(sch.wide ~ ell + meals + mobility, strat, family = quasibinomial())
    chisq.test(M); chisq.test(M)$stdres
    wilcox.test(Ozone ~ Month, subset = Month %in% c(5, 8), exact = FALSE, correct = TRUE)
    kruskal.test(Ozone ~ Month)

and in Python with statsmodels 0.15.0::

    smf.ols("ecobuy ~ ecoprc + regprc + faminc + hhsize + educ + age", apple).fit(cov_type="HC1")
    smf.probit("ecobuy ~ …", apple).fit(); .llf; .get_margeff().margeff
    smf.logit("ecobuy ~ ecoprc + regprc", apple).fit().get_margeff()

Conventions of the peer that are followed, to its figures: ``lincom`` is the saddlepoint (R falls
back to it without CompQuadForm) and counts whole degrees of freedom; ranks within ties follow the
order of the rows; X² counts all rows looked at; logistic steps end at a relative change of 1e-8.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlib as cx
from cxlib.regression import log_likelihood, regression, regression_test
from cxlib.tables import cells, independence
from cxlib.tables_plain import chisq_test, kruskal_test, standardised_residuals, wilcoxon_test
from cxlib.tables_ranks import rank_test

ROOT = Path(__file__).resolve().parent.parent


def oracle(method: str) -> list:
    """The public cases of a method, as parameters."""
    path = ROOT / os.environ.get("CX_SHARED", "../shared") / "oracles" / f"{method}.json"
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="shared folder is not there"))]
    return [
        pytest.param(case, id=case["id"])
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
    ]


def frame(shared: Path, case: dict) -> pd.DataFrame:
    return pd.read_csv(shared / "oracles" / case["inputs"]["data"])


def surveyed(shared: Path, case: dict) -> cx.Survey:
    """The case's data with the design that its words declare."""
    told = case["inputs"]["design"]
    design = {"weights": "pw"}
    if told.startswith("strata"):
        design |= {"strata": "stype", "fpc": "fpc"}
    elif told.startswith("cluster"):
        design |= {"clusters": "dnum", "fpc": "fpc"}
    else:
        assert told.startswith("weights=pw only"), told
    return cx.read_survey(frame(shared, case), **design)


@pytest.mark.parametrize("case", oracle("svy_multinomial"))
def test_cells(shared: Path, case: dict):
    factor = case["inputs"]["factor"]
    questions = factor.removeprefix("interaction(").removesuffix(")").split(", ")
    told, wanted = cells(surveyed(shared, case), questions), case["expected"]
    assert [e.term.replace(" × ", ".") for e in told] == wanted["cells"]
    assert [e.value for e in told] == pytest.approx(wanted["est"], rel=case["rel_tol"])
    assert [e.se for e in told] == pytest.approx(wanted["se"], rel=case["rel_tol"])


@pytest.mark.parametrize("case", oracle("svy_chisq_raoscott"))
def test_independence(shared: Path, case: dict):
    survey, asked = surveyed(shared, case), case["inputs"]
    for statistic, wanted in case["expected"].items():
        test = independence(survey, asked["row"], asked["col"], statistic=statistic)
        parameter = np.atleast_1d(wanted["parameter"]).tolist()
        told = [one for one in (test.df, test.df2) if np.isfinite(one)]
        assert test.statistic == pytest.approx(wanted["statistic"], rel=case["rel_tol"]), statistic
        assert told == pytest.approx(parameter, rel=case["rel_tol"]), statistic
        assert test.p == pytest.approx(wanted["p"], rel=case["rel_tol"]), statistic
        assert test.effect.low <= test.effect.value <= test.effect.high


@pytest.mark.parametrize("case", oracle("svy_ranktest"))
def test_ranks(shared: Path, case: dict):
    survey, rel = surveyed(shared, case), case["rel_tol"]
    test, wanted = rank_test(survey, "api00", "comp.imp"), case["expected"]["wilcoxon"]
    told = (test.statistic, test.df, test.p, test.effect.value)
    assert told == pytest.approx((wanted["t"], wanted["df"], wanted["p"], wanted["diff"]), rel=rel)
    test, wanted = (
        rank_test(survey, "api00", "stype", test="KruskalWallis"),
        case["expected"]["kruskal"],
    )
    # R prints the df as the statistic and the chi-square as its parameter
    assert (test.df, test.statistic, test.p) == pytest.approx(
        (wanted["stat"], wanted["df"], wanted["p"]), rel=rel
    )


@pytest.mark.parametrize("case", oracle("svy_glm"))
def test_svyglm(shared: Path, case: dict):
    survey, rel = surveyed(shared, case), case["rel_tol"]
    predictors = ["ell", "meals", "mobility"]
    for key, outcome, family in (
        ("gaussian", "api00", "gaussian"),
        ("quasibinomial", "sch.wide", "binomial"),
    ):
        told, wanted = (
            regression(survey, outcome, predictors, family=family),
            case["expected"][key],
        )
        assert {e.term: e.value for e in told} == pytest.approx(wanted["coef"], rel=rel)
        assert {e.term: e.se for e in told} == pytest.approx(wanted["se"], rel=rel)
        assert told[0].df == wanted.get("df", told[0].df)
    test, wanted = (
        regression_test(survey, "api00", predictors, terms=["ell", "mobility"]),
        case["expected"]["regTermTest"],
    )
    assert (test.statistic, test.df, test.df2, test.p) == pytest.approx(
        (wanted["F"], wanted["df"], wanted["ddf"], wanted["p"]), rel=rel
    )


@pytest.mark.parametrize("case", oracle("chisq_table"))
def test_plain_table(case: dict):
    table, wanted, rel = case["inputs"]["table"], case["expected"], case["rel_tol"]
    test = chisq_test(table, correct=case["inputs"].get("correct", False))
    assert (test.statistic, test.df, test.p) == pytest.approx(
        (wanted["stat"], wanted["df"], wanted["p"]), rel=rel
    )
    assert standardised_residuals(table) == pytest.approx(np.array(wanted["stdres"]), rel=rel)


@pytest.mark.parametrize("case", oracle("rank_tests"))
def test_plain_ranks(shared: Path, case: dict):
    wanted, rel = case["expected"], case["rel_tol"]
    groups = {month: part.Ozone for month, part in frame(shared, case).groupby("Month")}
    test = wilcoxon_test(groups[5], groups[8])
    assert (test.statistic, test.p) == pytest.approx((wanted["W"], wanted["p"]), rel=rel)
    test = kruskal_test(*groups.values())
    assert (test.statistic, test.df, test.p) == pytest.approx(
        (wanted["kw"], wanted["kw_df"], wanted["kw_p"]), rel=rel
    )


@pytest.mark.parametrize("case", oracle("py_apple"))
def test_apples(shared: Path, case: dict):
    data, wanted, rel = frame(shared, case), case["expected"], case["rel_tol"]
    survey = cx.read_survey(data.assign(ecobuy=(data.ecolbs > 0).astype(int)))
    long, short = ["ecoprc", "regprc", "faminc", "hhsize", "educ", "age"], ["ecoprc", "regprc"]

    def told(predictors, what="value", **options):
        ranking = regression(survey, "ecobuy", predictors, **options)
        return {e.term.strip("()"): getattr(e, what) for e in ranking}

    def same(found, key):
        assert found == pytest.approx(wanted[key], rel=rel), key

    same(told(long, errors="HC1"), "lpm")
    same(told(long, "se", errors="HC1"), "lpm_se_HC1")
    same(told(long, family="probit"), "probit")
    same(log_likelihood(survey, "ecobuy", long, family="probit").value, "probit_ll")
    same(told(long, family="probit", effects="marginal"), "probit_ame")
    same(told(short, family="binomial"), "logit_short")
    ame = {"family": "binomial", "effects": "marginal", "errors": "model"}
    same(list(told(short, **ame).values()), "logit_short_ame")
    same(list(told(short, "se", **ame).values()), "logit_short_ame_se")
