"""Reliability and factor models against outside programs.

The peers' calls, in R 4.2.2 with psych 2.2.9 and lavaan 0.6.14::

    alpha(bfi[, c("A2", "A3", "A4", "A5")])$total
    m <- "visual =~ x1 + x2 + x3
          textual =~ x4 + x5 + x6
          speed =~ x7 + x8 + x9"
    f <- cfa(m, HolzingerSwineford1939); fitMeasures(f); parameterEstimates(f)
    standardizedSolution(f)
    cfa(m, …, estimator = "MLR"); cfa(m, …, estimator = "MLM")

The covariances behind alpha are pairwise, as ``alpha()`` makes them. Ours are a factor
√(n/(n − 1)) larger than the errors of MLR, and the scale of the chi-square n/(n − 1) larger than
that of MLM: the variance between units is unbiased, as everywhere in the house.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pandas as pd
import pytest

import cxlib as cx
from cxlib.experience_factors import cfa, cfa_fit, cfa_test
from cxlib.experience_validity import reliability

ROOT = Path(__file__).resolve().parent.parent
HOLZINGER = {
    "visual": ["x1", "x2", "x3"],
    "textual": ["x4", "x5", "x6"],
    "speed": ["x7", "x8", "x9"],
}


def oracle(method: str) -> list:
    """The public cases of a method, as parameters."""
    path = ROOT / os.environ.get("CX_SHARED", "../shared") / "oracles" / f"{method}.json"
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="shared folder is not there"))]
    return [
        pytest.param(case, id=case["id"])
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
    ]


def survey(shared: Path, data: str) -> cx.Survey:
    return cx.read_survey(pd.read_csv(shared / "oracles" / data))


@pytest.mark.parametrize("case", oracle("cronbach_alpha"))
def test_alpha(shared: Path, case: dict):
    told = reliability(
        survey(shared, case["inputs"]["data"]),
        case["inputs"]["items"],
        missing=case["inputs"]["na"],
    )
    names = {
        "raw_alpha": "alpha",
        "std_alpha": "standardised alpha",
        "G6": "lambda 6",
        "avg_r": "average correlation",
    }
    for theirs, ours in names.items():
        wanted = case["expected"][theirs]
        assert told[ours].value == pytest.approx(wanted, rel=case["rel_tol"]), theirs
        assert told[ours].low < told[ours].value < told[ours].high


@pytest.mark.parametrize("case", oracle("sem_cfa"))
def test_factor_model(shared: Path, case: dict):
    told, wanted, rel = survey(shared, case["inputs"]["data"]), case["expected"], case["rel_tol"]
    factors = case["inputs"].get("model", HOLZINGER)
    loadings = cfa(told, factors, errors="model").estimates[: len(wanted["loadings"])]
    assert [e.value for e in loadings] == pytest.approx(wanted["loadings"], rel=rel)
    assert [e.se for e in loadings] == pytest.approx(wanted["se"], rel=rel)
    shown = cfa(told, factors, errors="model", standardised=True)
    assert [e.value for e in shown.estimates[: len(loadings)]] == pytest.approx(
        wanted["std"], rel=rel
    )
    test, fit = cfa_test(told, factors, errors="model"), wanted["fit"]
    assert (test.statistic, test.df) == pytest.approx((fit["chisq"], fit["df"]), rel=rel)
    indices = cfa_fit(told, factors, errors="model")
    for index in ("cfi", "tli", "rmsea", "srmr"):
        assert indices[index.upper()].value == pytest.approx(fit[index], rel=rel), index


def test_other_items_of_the_same_data(shared: Path):
    """psych and lavaan on further items; figures from the calls above."""
    told = survey(shared, "data/bfi_A_C.csv")
    items = reliability(told, ["C1", "C2", "C3"])
    names = ("alpha", "standardised alpha", "lambda 6", "average correlation")
    wanted = (0.631316262, 0.631329463, 0.537564193, 0.363388325)
    assert [items[name].value for name in names] == pytest.approx(wanted, rel=1e-8)
    model = {"A": ["A2", "A3", "A4", "A5", "C1"], "C": ["C2", "C3", "C4", "C5"]}
    found = cfa(told, model, errors="model")
    wanted = (1, 1.291353191, 1.012441644, 1.083075855, 0.339631908)
    wanted += (1, 0.965123409, -1.296138562, -1.416192256, 0.566413506, 0.216161631, 0.542959448)
    assert [e.value for e in found.estimates[:12]] == pytest.approx(wanted, rel=1e-5)
    wanted = (0, 0.050518740, 0.049122423, 0.044611873, 0.037339597)
    wanted += (0, 0.049810013, 0.060464697, 0.067592321, 0.036136807, 0.017837072, 0.041569701)
    assert [e.se for e in found.estimates[:12]] == pytest.approx(wanted, rel=1e-5)
    fit, test = cfa_fit(told, model, errors="model"), cfa_test(told, model, errors="model")
    ours = (test.statistic, *(e.value for e in fit), fit["RMSEA"].low, fit["RMSEA"].high)
    wanted = (902.444258813, 0.825463206, 0.758333670, 0.112934568, 0.096273884)
    assert ours == pytest.approx((*wanted, 0.106677686, 0.119316323), rel=1e-6)
    reversed_item = {"A": ["A1", "A2", "A3", "A4", "A5"]}
    found = cfa(told, reversed_item, errors="model")
    wanted = (1, -1.465189085, -1.880449298, -1.357737550, -1.497286202)
    assert [e.value for e in found.estimates[:5]] == pytest.approx(wanted, rel=1e-5)
    test = cfa_test(told, reversed_item, errors="model")
    assert (test.statistic, test.df) == pytest.approx((86.696061592, 5), rel=1e-6)


def test_robust_errors(shared: Path):
    """lavaan's MLR errors and MLM chi-square."""
    told = survey(shared, "data/holzinger.csv")
    root = math.sqrt(301 / 300)
    found = {e.term: e.se for e in cfa(told, HOLZINGER)}
    wanted = {
        "visual =~ x1": 0.0,
        "visual =~ x2": 0.132077906,
        "textual =~ x6": 0.061378004,
        "speed =~ x9": 0.266375897,
        "x1 ~~ x1": 0.156468191,
        "x8 ~~ x8": 0.119533084,
        "visual ~~ visual": 0.180396267,
        "visual ~~ textual": 0.099317346,
        "textual ~~ speed": 0.056306576,
    }
    ours = [found[term] for term in wanted]
    assert ours == pytest.approx([root * se for se in wanted.values()], rel=2e-5, abs=1e-12)
    test, fit = cfa_test(told, HOLZINGER), cfa_fit(told, HOLZINGER)
    assert test.statistic == pytest.approx(80.871783491 * 300 / 301, rel=1e-6)
    assert fit["CFI"].value == pytest.approx(0.924502891, abs=2e-4)
    plain = cfa_fit(told, HOLZINGER, errors="model")["RMSEA"]
    assert (plain.low, plain.high) == pytest.approx((0.071418490, 0.113678017), rel=1e-6)
    shown = cfa(told, HOLZINGER, errors="model", standardised=True)
    assert [e.se for e in shown.estimates[:3]] == pytest.approx(
        (0.054972729, 0.059619117, 0.055139308), rel=1e-5
    )
