"""Difference in differences, clustered errors and before/after against R, case by case.

The peers' calls: ``lm`` with ``vcovHC(type="HC1")`` and ``"HC3"``, ``vcovCL(fit, cluster=~firm,
type="HC1")`` and ``"HC0"`` (with its clusters' G/(G − 1)), ``cluster=~firm+year`` of sandwich;
``t.test`` (paired, Welch, pooled) and ``wilcox.test(paired=TRUE, exact=FALSE)`` of R 4.2.2.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlib as cx
from cxlib.effects import two_means
from cxlib.interval import upper_tail
from cxlib.training import clustered_regression, did
from cxlib.training_before import before_after

FOLDER = Path(__file__).resolve().parent.parent / os.environ.get("CX_SHARED", "../shared")
#: Covariates of the log model of Wooldridge's Example 13.3.
HOUSE = ("age", "agesq", "lintst", "lland", "larea", "rooms", "baths")


def cases(method: str) -> list:
    path = FOLDER / "oracles" / f"{method}.json"
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip("shared folder is not there"))]
    found = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=f"{method}-{case['id']}") for case in found]


def frame(case: dict) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "oracles" / case["inputs"]["data"])


def check(case: dict, got: dict) -> None:
    assert set(got) == set(case["expected"])
    for key, value in got.items():
        expected = case["expected"][key]
        if isinstance(expected, dict):
            assert set(value) == set(expected), key
            for part, number in expected.items():
                np.testing.assert_allclose(
                    value[part], number, rtol=case["rel_tol"], err_msg=f"{key} {part}"
                )
        else:
            np.testing.assert_allclose(value, expected, rtol=case["rel_tol"], err_msg=key)


def coefficients(ranking, what: str = "value") -> dict[str, float]:
    return {e.term: getattr(e, what) for e in ranking}


@pytest.mark.parametrize("case", cases("cluster_se"))
def test_cluster_se(case):
    s = cx.read_survey(frame(case))
    plain = clustered_regression(s, "y", "x", errors="ols")
    firm = clustered_regression(s, "y", "x", clusters="firm")
    units = clustered_regression(s, "y", "x", clusters="firm", correction="clusters")
    both = clustered_regression(s, "y", "x", clusters=("firm", "year"))
    got = {
        "coef": coefficients(plain),
        "se_ols": coefficients(plain, "se"),
        "se_firm": coefficients(firm, "se"),
        "se_firm_HC0": coefficients(units, "se"),
        "se_two_way": coefficients(both, "se"),
    }
    check(case, got)


@pytest.mark.parametrize("case", cases("did"))
def test_did(case):
    (first_difference if "fd_coef" in case["expected"] else two_by_two)(case)


def two_by_two(case: dict) -> None:
    """``lm(outcome ~ after * treated)`` with three kinds of errors, and the log of the outcome."""
    s = cx.read_survey(frame(case))
    outcome, after, treated = re.search(r"lm (\w+)~(\w+)\*(\w+)", case["call"]).groups()
    both = f"{after}:{treated}"
    by = {
        errors: clustered_regression(s, outcome, (after, treated, both), errors=errors)
        for errors in ("ols", "HC1", "HC3")
    }
    log = did(s, f"l{outcome}", treated, after, covariates=HOUSE)
    got = {
        "coef": coefficients(by["ols"]),
        "se": coefficients(by["ols"], "se"),
        "se_HC1": coefficients(by["HC1"], "se"),
        "se_HC3": coefficients(by["HC3"], "se"),
        "log_model_did": log.value,
        "log_model_se": log.se,
    }
    check(case, got)
    for errors, ranking in by.items():
        one = did(s, outcome, treated, after, inference=errors)
        assert one.value == pytest.approx(ranking[both].value, rel=1e-9)
        assert one.se == pytest.approx(ranking[both].se, rel=1e-9)


def first_difference(case: dict) -> None:
    """The gain on the grant, and the same with fixed effects of firm and year."""
    data = frame(case).query("year < 1989")
    data = data[data.groupby("fcode").lscrap.transform("count") == 2]
    wide = data.pivot(index="fcode", columns="year", values="lscrap")
    grant = data[data.year == 1988].set_index("fcode").grant
    gaps = pd.DataFrame({"gap": wide[1988] - wide[1987], "grant": grant}).reset_index()
    first = clustered_regression(cx.read_survey(gaps), "gap", "grant", errors="ols")
    s = cx.read_survey(data.assign(got=data.groupby("fcode").grant.transform("max")))
    panel = clustered_regression(s, "lscrap", "grant", fixed=("fcode", "year"), clusters="fcode")
    got = {
        "fd_coef": coefficients(first),
        "fd_se": coefficients(first, "se"),
        "fe_grant": panel["grant"].value,
        "fe_cluster_se": panel["grant"].se,
        "n": len(gaps),
    }
    check(case, got)
    same = did(s, "lscrap", "got", "d88", fixed=("fcode", "year"), clusters="fcode")
    assert (same.value, same.se) == pytest.approx((panel[0].value, panel[0].se), rel=1e-9)


@pytest.mark.parametrize("case", cases("before_after"))
def test_before_after(case):
    wide = frame(case).pivot(index="ID", columns="group", values="extra")
    wide.columns = ["first", "second"]
    s = cx.read_survey(wide.reset_index())
    gain = before_after(s, "second", "first")
    ranks = before_after(s, "second", "first", method="wilcoxon")

    def parts(one, estimate) -> dict:
        t = one.value / one.se
        p = 2 * upper_tail(abs(t), one.df)
        ends = [one.low, one.high]
        return {"statistic": t, "parameter": one.df, "p": p, "ci95": ends, "estimate": estimate}

    means = [wide["first"].mean(), wide["second"].mean()]
    got = {
        "paired": parts(gain.effect, gain.effect.value),
        "welch": parts(two_means(wide["first"], wide["second"]), means),
        "pooled": parts(two_means(wide["first"], wide["second"], equal_variances=True), means),
        "wilcox_V": ranks.statistic,
        "wilcox_p": ranks.p,
    }
    check(case, got)
    assert gain.p == pytest.approx(got["paired"]["p"])
