"""Weighting and replicate weights against R's survey, samplics and statsmodels, case by case.

The peers' calls: ``rake``, ``postStratify`` and ``calibrate`` of R survey 4.1.1 on ``svydesign``
(weights first, then svymean, svytotal); ``svrepdesign(type="BRR")`` and
``as.svrepdesign(type="JK1")`` with svyratio, svytotal, svymean and svyciprop;
``samplics.TaylorEstimator``; ``statsmodels.stats.weightstats.DescrStatsW``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlib as cx
from cxlib.estimate import mean, quantile, ratio, share, total
from cxlib.replicates import make_replicates, with_replicates
from cxlib.weighting import calibrate, poststratify, rake

FOLDER = Path(__file__).resolve().parent.parent / os.environ.get("CX_SHARED", "../shared")

# Where the peer's number is another quantity than ours: name → the keys left out, and why.
DEVIATIONS = {
    "py_descr_weighted": (
        ("var", "std_mean"),
        "DescrStatsW takes weights as frequencies, so that Σw counts respondents; a survey's "
        "standard error does not grow with the scale of its weights (Lumley 2010, §1.2)",
    ),
}
#: A standard error that is 0 up to rounding: the weights reproduce that share exactly.
NOTHING = 1e-9


def cases(method: str) -> list:
    path = FOLDER / "oracles" / f"{method}.json"
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip("shared folder is not there"))]
    found = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=f"{method}-{case['id']}") for case in found]


def frame(case: dict) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "oracles" / case["inputs"]["data"])


def check(case: dict, got: dict) -> None:
    left_out = DEVIATIONS.get(case["method"], ((), ""))[0]
    assert set(got) == set(case["expected"]) - set(left_out)
    for key, value in got.items():
        expected = case["expected"][key]
        if key.startswith("se_") and abs(expected) < NOTHING:
            assert value < NOTHING, key
            continue
        np.testing.assert_allclose(value, expected, rtol=case["rel_tol"], err_msg=key)


def survey_of(case: dict) -> cx.Survey:
    words = case["inputs"]["design"]
    return cx.read_survey(
        frame(case),
        weights="pw",
        clusters="dnum" if "cluster=dnum" in words else None,
        fpc="fpc" if "fpc=fpc" in words else None,
    )


def summary(s: cx.Survey) -> dict:
    score, enrolled = mean(s, "api00"), total(s, "enroll")
    both = share(s, "both", equals="Yes")
    return {
        "weights_first10": s.weights[:10],
        "weights_min": s.weights.min(),
        "weights_max": s.weights.max(),
        "sum_w2": (s.weights**2).sum(),
        "mean_api00": score.value,
        "se_api00": score.se,
        "tot_enroll": enrolled.value,
        "se_tot_enroll": enrolled.se,
        "p_both": both.value,
        "se_p_both": both.se,
    }


@pytest.mark.parametrize("case", cases("rake"))
def test_rake(case):
    check(case, summary(rake(survey_of(case), case["inputs"]["margins"])))


@pytest.mark.parametrize("case", cases("poststratify"))
def test_poststratify(case):
    check(case, summary(poststratify(survey_of(case), case["inputs"]["margins"])))


@pytest.mark.parametrize("case", cases("calibrate"))
def test_calibrate(case):
    method = "raking" if "raking" in case["call"] else "linear"
    check(case, summary(calibrate(survey_of(case), case["inputs"]["totals"], method=method)))


@pytest.mark.parametrize("case", cases("replicate_weights"))
def test_replicate_weights(case):
    if "BRR" in case["id"]:
        s = with_replicates(cx.read_survey(frame(case)), "rw", kind="BRR")
        alive, saved = total(s, "alive"), ratio(s, "alive", "arrests")
        got = {"ratio": saved.value, "ratio_se": saved.se, "total": alive.value}
        check(case, got | {"total_se": alive.se})
        return
    s = make_replicates(cx.read_survey(frame(case), weights="pw", clusters="dnum"), "JK1")
    score, wide = mean(s, "api00"), share(s, "sch.wide", equals="Yes")
    got = {"mean": score.value, "se": score.se, "p": wide.value, "p_ci": [wide.low, wide.high]}
    check(case, got)


@pytest.mark.parametrize("case", cases("py_samplics_taylor"))
def test_samplics_taylor(case):
    told = case["inputs"]
    s = cx.read_survey(
        frame(case), weights=told["weight"], strata=told["stratum"], clusters=told["psu"]
    )
    one = mean(s, told["y"])
    got = {"_estimate": one.value, "_stderror": one.se, "_lci": one.low, "_uci": one.high}
    check(case, got | {"_cv": one.se / one.value})


@pytest.mark.parametrize("case", cases("py_descr_weighted"))
def test_descr_weighted(case):
    data = pd.DataFrame({"x": case["inputs"]["x"], "w": case["inputs"]["w"]})
    s = cx.read_survey(data, weights="w")
    quartiles = [quantile(s, "x", p).value for p in (0.25, 0.5, 0.75)]
    check(case, {"mean": mean(s, "x").value, "q": quartiles})
