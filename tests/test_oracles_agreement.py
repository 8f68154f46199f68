"""Agreement against R's irr and the Python package krippendorff, case by case.

The peers' calls: ``kappa2(ratings, weight=)``, ``kappam.fleiss(ratings, detail=TRUE)``,
``kripp.alpha(t(ratings), method=)``, ``icc(ratings, model=, type=, unit=)`` and
``kendall(ratings, correct=TRUE)`` of irr 0.84.1; ``krippendorff.alpha(matrix,
level_of_measurement=)`` of krippendorff 0.9.0.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlib.agreement import agreement, agreement_by_category, agreement_test

FOLDER = Path(__file__).resolve().parent.parent / os.environ.get("CX_SHARED", "../shared")
WEIGHTS = {"equal": "linear", "squared": "quadratic"}

# Where a peer's number is another quantity than our default: method → what is asked for, and why.
DEVIATIONS = {
    "krippendorff": (
        {"counting": "pairs"},
        "irr 0.84.1 divides by raters − 1 only where a rating is missing, so that in a table of "
        "three or more raters without gaps n counts pairs, not values (Krippendorff 2019, ch. 12); "
        "asked for as counting='pairs', our default is Krippendorff's own",
    ),
}


def cases(method: str) -> list:
    path = FOLDER / "oracles" / f"{method}.json"
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip("shared folder is not there"))]
    found = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=f"{method}-{case['id']}") for case in found]


def ratings(case: dict) -> pd.DataFrame:
    """Objects by raters; matrices are written raters by objects."""
    if "data" in case["inputs"]:
        return pd.read_csv(FOLDER / "oracles" / case["inputs"]["data"])
    return pd.DataFrame(case["inputs"]["matrix"]).T


def check(case: dict, got: dict) -> None:
    assert set(got) == set(case["expected"])
    for key, value in got.items():
        np.testing.assert_allclose(
            value, case["expected"][key], rtol=case["rel_tol"], atol=1e-12, err_msg=key
        )


@pytest.mark.parametrize("case", cases("cohen_kappa"))
def test_cohen_kappa(case):
    pair = ratings(case).iloc[:, [i - 1 for i in case["inputs"].get("raters", (1, 2))]]
    kind = WEIGHTS.get(case["inputs"]["weight"])
    test = agreement_test(pair, method="weighted-kappa" if kind else "kappa", weights=kind)
    check(case, {"kappa": test.effect.value, "z": test.statistic, "p": test.p})


@pytest.mark.parametrize("case", cases("fleiss_kappa"))
def test_fleiss_kappa(case):
    table = ratings(case)
    test = agreement_test(table, method="fleiss")
    got = {"kappa": test.effect.value, "z": test.statistic, "p": test.p}
    detail = [
        (one.value, other.statistic, other.p)
        for one in agreement_by_category(table)
        for other in [agreement_test(table, method="fleiss", category=one.term)]
    ]
    if "detail" in case["expected"]:
        got["detail"] = np.round(detail, 3)
    check(case, got)


@pytest.mark.parametrize("case", cases("krippendorff"))
def test_krippendorff_of_irr(case):
    asked, _ = DEVIATIONS["krippendorff"]
    level = case["id"].rpartition("_")[2]
    one = agreement(ratings(case), method="krippendorff", measurement=level, **asked)
    check(case, {"alpha": one.value})


@pytest.mark.parametrize("case", cases("py_krippendorff"))
def test_krippendorff_of_python(case):
    level = case["id"].rpartition("_")[2]
    check(
        case,
        {"alpha": agreement(ratings(case), method="krippendorff", measurement=level).value},
    )


@pytest.mark.parametrize("case", cases("icc"))
def test_icc(case):
    words = f"{case['id']} {case['call']}"
    form = "consistency" if "consistency" in words else "agreement"
    form = "one-way" if "oneway" in words.replace("-", "").replace("_", "") else form
    test = agreement_test(ratings(case), method="icc", form=form, average="average" in words)
    one = test.effect
    check(case, {"icc": one.value, "F": test.statistic, "lo": one.low, "hi": one.high})


@pytest.mark.parametrize("case", cases("kendall_w"))
def test_kendall_w(case):
    ties = "correct=FALSE" not in case["call"]
    test = agreement_test(ratings(case), method="kendall-w", ties=ties)
    check(case, {"W": test.effect.value, "chisq": test.statistic})
