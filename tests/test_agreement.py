"""What must hold of agreement whatever the ratings: identity, relabelling, order, clear errors."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cxlib.agreement import agreement, agreement_by_category, agreement_test
from cxlib.agreement_ratings import METHODS
from cxlib.errors import CxError

MEASURES = [
    ("kappa", {}),
    ("weighted-kappa", {"weights": "linear"}),
    ("weighted-kappa", {}),
    ("fleiss", {}),
    ("conger", {}),
    ("krippendorff", {}),
    ("krippendorff", {"measurement": "ordinal"}),
    ("krippendorff", {"measurement": "interval"}),
    ("krippendorff", {"measurement": "ratio"}),
    ("icc", {}),
    ("icc", {"form": "consistency", "average": True}),
    ("icc", {"form": "one-way"}),
    ("kendall-w", {}),
]
FEW = {"draws": 40}


def ratings(n: int = 60, raters: int = 2, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, n)
    return np.clip(truth[:, None] + rng.integers(-1, 2, (n, raters)), 1, 6)


def same(one, other, rel: float = 1e-10) -> None:
    assert (one.value, one.low, one.high) == pytest.approx(
        (other.value, other.low, other.high), rel
    )


@pytest.mark.parametrize(("method", "asked"), MEASURES)
def test_identical_raters_agree_fully(method, asked):
    one = agreement(np.repeat(ratings()[:, :1], 2, axis=1), method=method, **asked, **FEW)
    assert one.value == pytest.approx(1, abs=1e-12)
    assert one.low <= one.value <= one.high + 1e-12


@pytest.mark.parametrize(("method", "asked"), MEASURES)
def test_order_of_raters_and_objects_changes_nothing(method, asked):
    x = ratings()
    one = agreement(x, method=method, **asked, **FEW)
    for other in (x[:, ::-1], x[::-1]):
        moved = agreement(other, method=method, **asked, **FEW)
        assert moved.value == pytest.approx(one.value, rel=1e-10)


@pytest.mark.parametrize("method", ["kappa", "fleiss", "conger", "krippendorff"])
def test_relabelling_changes_nothing(method):
    x = ratings()
    names = np.array(["", "e", "a", "d", "f", "b", "c"], object)
    same(agreement(names[x], method=method, **FEW), agreement(x, method=method, **FEW))


@pytest.mark.parametrize(("method", "asked"), MEASURES)
def test_an_order_kept_by_other_labels_changes_nothing(method, asked):
    if asked.get("measurement") == "ratio":
        move = ratings() * 7.0
    elif method == "icc" or asked.get("measurement") == "interval":
        move = ratings() * 3.0 - 100
    else:
        move = ratings().astype(float) ** 3
    same(
        agreement(move, method=method, **asked, **FEW),
        agreement(ratings(), method=method, **asked, **FEW),
        1e-8,
    )


def test_kappa_equals_statsmodels():
    from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa, to_table

    x = ratings(raters=4)
    table = to_table(x[:, :2] - 1, 6)[0]
    for asked, kind in (({}, None), ({"weights": "linear"}, "linear"), ({}, "quadratic")):
        method = "weighted-kappa" if kind else "kappa"
        theirs = cohens_kappa(table, wt=kind)
        test = agreement_test(x[:, :2], method=method, **asked)
        assert test.effect.value == pytest.approx(theirs.kappa)
        assert test.effect.se == pytest.approx(theirs.std_kappa)
        assert test.statistic == pytest.approx(theirs.kappa / theirs.std_kappa0)
    counts = (x[:, :, None] == np.arange(1, 7)).sum(1)
    assert agreement(x, method="fleiss").value == pytest.approx(fleiss_kappa(counts))


def test_krippendorff_equals_its_definition():
    rng = np.random.default_rng(5)
    x = ratings(25, 4).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    values = np.unique(x[~np.isnan(x)])
    pairs = np.zeros((len(values),) * 2)
    for row in x:
        seen = row[~np.isnan(row)]
        for i, a in enumerate(seen):
            for j, b in enumerate(seen):
                if i != j:
                    pairs[values == a, values == b] += 1 / (len(seen) - 1)
    each = pairs.sum(0)
    n = each.sum()

    def ordinal(i: int, j: int) -> float:
        low, high = sorted((i, j))
        return (each[low : high + 1].sum() - (each[i] + each[j]) / 2) ** 2

    gaps = {
        "nominal": lambda i, j: float(i != j),
        "ordinal": ordinal,
        "interval": lambda i, j: (values[i] - values[j]) ** 2,
        "ratio": lambda i, j: ((values[i] - values[j]) / (values[i] + values[j])) ** 2,
    }
    for level, gap in gaps.items():
        d = np.array([[gap(i, j) for j in range(len(values))] for i in range(len(values))])
        value = 1 - (n - 1) * (pairs * d).sum() / (np.outer(each, each) * d).sum()
        one = agreement(x, method="krippendorff", measurement=level, draws=0)
        assert one.value == pytest.approx(value, rel=1e-12)
        assert math.isnan(one.low)


def test_icc_of_a_mean_is_spearman_brown():
    x = ratings(raters=3)
    one = agreement(x, method="icc")
    mean = agreement(x, method="icc", average=True)
    for end in ("value", "low", "high"):
        r = getattr(one, end)
        assert getattr(mean, end) == pytest.approx(3 * r / (1 + 2 * r))


def test_gaps_are_left_out_and_counted():
    x = ratings(raters=3).astype(object)
    x[0, 0], x[1, 1], x[2, 2] = None, "", float("nan")
    assert agreement(x, method="fleiss").n_excluded == 3
    one = agreement(x, method="krippendorff", **FEW)
    assert (one.n, one.n_excluded) == (60, 0)


def test_categories_have_the_order_given():
    x = pd.DataFrame(np.array(["low", "mid", "high"])[np.clip(ratings() // 2 - 1, 0, 2)])
    order = ["low", "mid", "high"]
    given = agreement(x, method="weighted-kappa", categories=order)
    typed = agreement(x.astype(pd.CategoricalDtype(order, ordered=True)), method="weighted-kappa")
    same(given, typed)
    by_name = agreement(x, method="weighted-kappa")
    assert by_name.value != pytest.approx(given.value)
    assert any("by name" in caution for caution in by_name.cautions)


def test_by_category_is_each_against_the_others():
    x = ratings(raters=4)
    ranking = agreement_by_category(x)
    assert [e.term for e in ranking] == [str(c) for c in np.unique(x)]
    one = agreement(x == 3, method="fleiss")
    assert ranking["3"].value == pytest.approx(one.value)


def test_same_seed_same_interval():
    x = ratings(raters=3)
    one, again = (agreement(x, method="krippendorff", draws=50, seed=4) for _ in range(2))
    other = agreement(x, method="krippendorff", draws=50, seed=5)
    assert (one.low, one.high) == (again.low, again.high) != (other.low, other.high)
    assert "seed 4" in one.method


HOSTILE = {
    "one object": [[1, 2]],
    "one rater": [[1], [2]],
    "no table": 7,
    "empty": [],
    "all gaps": [[None, None], [None, 1]],
    "all the same": [[1, 1], [1, 1]],
    "an infinity": [[1.0, math.inf], [2.0, 1.0]],
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("method", METHODS)
def test_hostile_ratings_give_a_clear_error(method, what):
    with pytest.raises(CxError):
        agreement(HOSTILE[what], method=method, **FEW)


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "cohen"},
        {"method": "icc", "form": "twoway"},
        {"method": "krippendorff", "measurement": "metric"},
        {"method": "weighted-kappa", "weights": "cubic"},
        {"method": "weighted-kappa", "weights": [[1, 0], [0, 1]]},
        {"method": "kappa", "weights": "linear"},
        {"method": "kappa", "category": 99},
        {"method": "kappa", "categories": [1, 2]},
        {"method": "krippendorff", "counting": "rows"},
        {"method": "krippendorff", "draws": -1},
        {"method": "kappa", "level": 95},
    ],
)
def test_wrong_words_give_a_clear_error(asked):
    with pytest.raises(CxError):
        agreement(ratings(), **asked)


def test_words_have_no_variance():
    for method in ("icc",):
        with pytest.raises(CxError, match="numbers"):
            agreement([["a", "b"], ["b", "b"], ["a", "a"]], method=method)
    with pytest.raises(CxError, match="negative"):
        agreement(ratings() - 9, method="krippendorff", measurement="ratio")


@pytest.mark.parametrize(("method", "asked"), MEASURES)
def test_odd_ratings_give_a_finite_answer(method, asked):
    opposite = [[1, 2], [2, 1], [1, 2], [2, 1], [3, 1]]
    large = np.array(opposite) * 1e9
    for x in (opposite, large, [[1, 1], [1, 2]], [[0, 1], [0, 2], [0, 3]]):
        try:
            one = agreement(x, method=method, **asked, **FEW)
        except CxError:
            continue
        assert math.isfinite(one.value) and one.value <= 1 + 1e-12
        assert one.records()[0]["value"] is not None
        assert "nan" not in str(one).lower() and one.to_html()


def test_mixed_types_count_as_words():
    one = agreement([[1, "1"], ["a", "a"], [2.5, "b"], ["a", 1]], method="kappa")
    assert -1 <= one.value <= 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kappa", "fleiss", "krippendorff", "icc"])
def test_intervals_cover(method):
    hits = _covered(method, 400)
    assert 0.91 < hits < 0.985


@pytest.mark.parametrize("method", ["kappa", "fleiss"])
def test_intervals_cover_in_a_few_seeded_draws(method):
    assert 0.88 <= _covered(method, 100) <= 1


def _covered(method: str, runs: int) -> float:
    """How often the interval holds the coefficient of a very large sample of the same kind."""
    truth = agreement(_simulated(np.random.default_rng(0), 200_000), method=method, draws=0).value
    rng, hits = np.random.default_rng(8), 0
    for _ in range(runs):
        one = agreement(_simulated(rng, 80), method=method, draws=200)
        hits += one.low <= truth <= one.high
    return hits / runs


def _simulated(rng: np.random.Generator, n: int) -> np.ndarray:
    true = rng.normal(size=n)
    return np.digitize(true[:, None] + rng.normal(scale=0.7, size=(n, 2)), [-0.7, 0.7])
