"""Drivers against R relaimpo and rwa: every case of the shared oracles, and brute force.

Each test's docstring holds the peer's call; each case is held at its own tolerance.
"""

from __future__ import annotations

import itertools
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

from cxlib.drivers import drivers, variance_explained
from cxlib.drivers_game import roots
from cxlib.read import read_survey

GROUPS = {"G1": ["Education", "Examination"], "G2": ["Agriculture", "Catholic"]}


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


def frame(case: dict) -> pd.DataFrame:
    return pd.read_csv(oracles() / case["inputs"]["data"])


def values(ranking) -> dict[str, float]:
    return {e.term: e.value for e in ranking}


@pytest.mark.parametrize("case", cases("relaimpo"))
def test_relaimpo(case, shared):
    """calc.relimp(data, type = c("lmg", "last", "first", "betasq", "pratt", "genizi", "car"),
    rela = …, groups = …)"""
    data, wanted, rel = frame(case), dict(case["expected"]), case["rel_tol"]
    s = read_survey(data)
    outcome, *among = data.columns
    assert variance_explained(s, outcome, among).value == approx(wanted.pop("R2"), rel=rel)
    wanted.pop("names", None)
    relative = "rela=TRUE" in case["call"]
    groups = GROUPS if "groups" in case["call"] else None
    assert wanted
    for method, shares in wanted.items():
        made = drivers(s, outcome, among, method=method, relative=relative, groups=groups)
        assert values(made) == approx(shares, rel=rel), method


@pytest.mark.parametrize("case", cases("rwa_johnson"))
def test_rwa(case, shared):
    """rwa(df, outcome, predictors, method = "multiple" or "logistic")"""
    told, wanted, rel = case["inputs"], case["expected"], case["rel_tol"]
    data = frame(case)
    s = read_survey(data)
    family = "binomial" if "logistic" in case["call"] else "gaussian"
    ask = (s, told["outcome"], told["predictors"])
    more = {"bootstrap": 20} if family == "binomial" else {}
    raw = drivers(*ask, method="johnson", family=family, **more)
    assert values(raw) == approx(wanted["raw"], rel=rel)
    assert sum(values(raw).values()) == approx(wanted["rsquare"], rel=rel)
    if "rescaled" in wanted:
        share = drivers(*ask, method="johnson", relative=True)
        percent = {term: 100 * value for term, value in values(share).items()}
        assert percent == approx(wanted["rescaled"], rel=rel)
        assert raw.estimates[0].n == wanted["n"]
        r = np.corrcoef(data[told["predictors"]].to_numpy().T)
        assert roots(r[None])[0][0] == approx(np.array(wanted["lambda"]), rel=rel)


# -- by brute force --------------------------------------------------------------------------------


def r2(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """R² of a weighted least-squares fit with an intercept."""
    root = np.sqrt(w)[:, None]
    full = np.column_stack([np.ones(len(y)), x])
    beta = np.linalg.lstsq(root * full, root[:, 0] * y, rcond=None)[0]
    middle = w @ y / w.sum()
    return 1 - w @ (y - full @ beta) ** 2 / (w @ (y - middle) ** 2)


def brute(blocks: dict[str, np.ndarray], worth) -> dict[str, float]:
    """Shapley by its definition: the mean of what each adds, over all orders."""
    out = dict.fromkeys(blocks, 0.0)
    orders = list(itertools.permutations(blocks))
    for order in orders:
        for place, name in enumerate(order):
            out[name] += worth(order[: place + 1]) - worth(order[:place])
    return {name: total / len(orders) for name, total in out.items()}


@pytest.fixture(scope="module")
def cloth() -> pd.DataFrame:
    """Correlated ratings, a category, a yes/no outcome and weights."""
    rng = np.random.default_rng(12)
    n = 240
    common = rng.normal(size=(n, 1))
    data = pd.DataFrame(common + rng.normal(size=(n, 4)), columns=list("abcd"))
    data["kind"] = rng.choice(["shop", "web", "phone"], n)
    lift = data["kind"].map({"shop": 1.0, "web": 0.0, "phone": -0.5})
    data["y"] = data["a"] + 0.5 * data["b"] + lift + rng.normal(size=n)
    data["bought"] = (data["y"] + rng.logistic(size=n) > 0).astype(int)
    data["w"] = rng.uniform(0.3, 3, n)
    return data


def test_weighted_with_a_category_equals_all_orders(cloth):
    """lm(y ~ ., weights = w) for every subset, factors as one block."""
    dummies = pd.get_dummies(cloth["kind"]).to_numpy(float)[:, 1:]
    blocks = {name: cloth[[name]].to_numpy() for name in "abcd"} | {"kind": dummies}
    y, w = cloth["y"].to_numpy(), cloth["w"].to_numpy()

    def worth(names):
        return r2(np.hstack([np.empty((len(y), 0)), *(blocks[name] for name in names)]), y, w)

    s = read_survey(cloth, weights="w")
    ours = drivers(s, "y", [*"abcd", "kind"])
    assert values(ours) == approx(brute(blocks, worth), rel=1e-9)
    whole = variance_explained(s, "y", [*"abcd", "kind"])
    assert whole.value == approx(worth(tuple(blocks)), rel=1e-9)
    controlled = drivers(s, "y", ["a", "kind"], controls=["b", "c", "d"])
    inner = {name: blocks[name] for name in ("a", "kind")}
    theirs = brute(inner, lambda names: worth(("b", "c", "d", *names)))
    assert values(controlled) == approx(theirs, rel=1e-9)


def test_owen_equals_orders_that_keep_groups_together(cloth):
    """Owen (1977): the mean over the orders in which each group's members stand together."""
    groups = (("a", "c"), ("b", "d", "e"))
    data = cloth.assign(e=cloth["a"] - cloth["d"] ** 2)
    y, w = data["y"].to_numpy(), np.ones(len(data))
    out, count = dict.fromkeys("acbde", 0.0), 0
    for first, second in itertools.permutations(groups):
        for left in itertools.permutations(first):
            for right in itertools.permutations(second):
                order, before = (*left, *right), 0.0
                for place, name in enumerate(order):
                    now = r2(data[list(order[: place + 1])].to_numpy(), y, w)
                    out[name] += now - before
                    before = now
                count += 1
    ours = drivers(read_survey(data), "y", list("abcde"), groups=groups, method="owen")
    assert values(ours) == approx({k: v / count for k, v in out.items()}, rel=1e-9)
    blocks = drivers(read_survey(data), "y", list("abcde"), groups=groups)
    assert blocks["G1"].value == approx(ours["a"].value + ours["c"].value, rel=1e-9)


def test_logistic_shares_equal_all_orders(cloth):
    """1 − logLik(glm(…, binomial)) / logLik(null) of statsmodels for every subset."""
    import statsmodels.api as sm

    y = cloth["bought"].to_numpy()

    @cache
    def fitted(names: frozenset) -> float:
        x = np.column_stack([np.ones(len(y)), *(cloth[name] for name in sorted(names))])
        return float(sm.Logit(y, x).fit(disp=0, tol=1e-12).llf)

    null = fitted(frozenset())
    theirs = brute(dict.fromkeys("abcd"), lambda names: 1 - fitted(frozenset(names)) / null)
    ours = drivers(read_survey(cloth), "bought", list("abcd"), family="binomial")
    assert values(ours) == approx(theirs, rel=1e-7)
    mcfadden = 1 - fitted(frozenset("abcd")) / null
    assert sum(values(ours).values()) == approx(mcfadden, rel=1e-8)
    last = drivers(read_survey(cloth), "bought", list("abcd"), family="binomial", method="last")
    assert last["a"].value == approx(
        (fitted(frozenset("bcd")) - fitted(frozenset("abcd"))) / null, rel=1e-6
    )


def test_r2_of_one_predictor_has_the_textbook_error():
    """Bivariate normal: Var(r²) ≈ 4 ρ² (1 − ρ²)² / n."""
    rng = np.random.default_rng(4)
    n = 100_000
    x = rng.normal(size=n)
    data = pd.DataFrame({"x": x, "y": x + rng.normal(size=n)})
    one = drivers(read_survey(data), "y", ["x"])["x"]
    assert one.se == approx(math.sqrt(4 * 0.5 * 0.5**2 / n), rel=0.02)
