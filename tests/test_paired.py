"""The same respondents twice, and effects in a survey: properties, designs, hostile input."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from cxlib.effects import effect_size, standardised_difference, tost, tost_means, two_means
from cxlib.errors import CxError
from cxlib.estimate import mean, share
from cxlib.linear import difference
from cxlib.paired import homogeneity, marginal_homogeneity, mcnemar, symmetry
from cxlib.survey import Design, Survey


def clustered() -> pd.DataFrame:
    """120 respondents in 30 clusters and 3 strata, two questions with three answers."""
    i = np.arange(120)
    a = (i * 7 % 11) % 3
    return pd.DataFrame(
        {
            "cluster": i // 4,
            "stratum": (i // 4) % 3,
            "w": 1 + (i % 5) / 2,
            "a": 1 + a,
            "b": 1 + (i * 7 % 11 + i * i % 4) % 3,
            "x": (i * 13 % 17).astype(float),
        }
    )


DESIGN = Design(weights="w", strata=("stratum",), clusters=("cluster",))


@pytest.fixture
def survey() -> Survey:
    return Survey(clustered(), design=DESIGN)


def test_equal_margins_as_r_survey(survey):
    """des <- svydesign(ids = ~cluster, strata = ~stratum, weights = ~w);
    m <- svymean(~I((b == 2) - (a == 2)) + I((b == 3) - (a == 3)), des); W = m' vcov⁻¹ m;
    F = W (df − 1) / (2 df), df = degf(des) = 27
    """
    test = marginal_homogeneity(survey, "a", "b")
    assert (test.statistic, test.df, test.df2, test.p) == approx(R_EQUAL_MARGINS, rel=1e-9)


R_EQUAL_MARGINS = (0.10884213957516, 2, 26, 0.89727846205114)


def test_two_paired_shares_of_one_survey_are_a_difference_with_covariance(survey):
    """cx.difference knows that the same people gave both answers; the paired test is the same."""
    frame = clustered().assign(a=lambda d: d.a.clip(upper=2), b=lambda d: d.b.clip(upper=2))
    survey = Survey(frame, design=DESIGN)
    gap = difference(share(survey, "b", equals=2), share(survey, "a", equals=2))
    test = marginal_homogeneity(survey, "a", "b")
    assert (test.effect.value, test.effect.se) == approx((gap.value, gap.se))
    assert (test.effect.low, test.effect.high) == approx((gap.low, gap.high))
    assert test.statistic == approx((gap.value / gap.se) ** 2)
    assert (gap.low > 0) == (test.p < 0.05) or gap.value < 0
    apart = math.hypot(share(survey, "b", equals=2).se, share(survey, "a", equals=2).se)
    assert gap.se != approx(apart, rel=0.01), "independence would ignore the covariance"
    same = tost(gap, margin=0.4)
    assert (same.p < 0.05) == (same.effect.low > -0.4 and same.effect.high < 0.4)


def test_a_plain_sample_gives_bhapkar_and_mcnemar():
    """The design-based Wald test of a plain sample is Bhapkar's with n − 1 for n."""
    table = np.array([[30, 8, 5], [3, 25, 9], [6, 2, 32]])
    n = table.sum()
    cells = [(i + 1, j + 1) for i in range(3) for j in range(3) for _ in range(table[i, j])]
    survey = Survey(pd.DataFrame(cells, columns=["before", "after"]))
    test = marginal_homogeneity(survey, "before", "after")
    wald = test.statistic * test.df * (n - 1) / test.df2
    bhapkar = homogeneity(table, method="bhapkar")
    assert wald == approx(bhapkar.statistic * (n - 1) / n)
    stuart = homogeneity(table)
    assert bhapkar.statistic == approx(stuart.statistic / (1 - stuart.statistic / n))


def test_two_categories_are_mcnemar():
    table = [[40, 12], [5, 43]]
    chi = mcnemar(table, method="chi-square")
    assert homogeneity(table).statistic == approx(chi.statistic)
    assert symmetry(table).statistic == approx(chi.statistic)
    assert chi.effect.value == approx(0.07)
    assert chi.effect.low < 0.07 < chi.effect.high
    turned = mcnemar(np.transpose(table), method="chi-square")
    assert (turned.p, turned.effect.value) == approx((chi.p, -0.07))


def test_order_and_empty_categories_change_nothing():
    table = np.array([[20, 4, 1], [9, 15, 3], [2, 8, 11]])
    order = [2, 0, 1]
    wide = np.zeros((4, 4))
    wide[:3, :3] = table
    wide[3, 3] = 7
    for method in ("stuart-maxwell", "bhapkar"):
        told = homogeneity(table, method=method)
        moved = homogeneity(table[np.ix_(order, order)], method=method)
        assert (moved.statistic, moved.df) == approx((told.statistic, told.df))
    assert homogeneity(wide).statistic == approx(homogeneity(table).statistic)
    assert homogeneity(wide).df == 2
    assert symmetry(wide).df == 3
    blocks = np.kron(np.eye(2), [[5, 3], [9, 5]])
    assert homogeneity(blocks).df == 2, "two groups that exchange nobody cost a degree of freedom"


def test_weights_splits_and_order_of_rows(survey):
    told = marginal_homogeneity(survey, "a", "b")
    frame = clustered()
    scaled = Survey(frame.assign(w=frame.w * 1e9), design=DESIGN)
    halved = frame.assign(w=frame.w / 2)
    split = Survey(pd.concat([halved, halved], ignore_index=True), design=DESIGN)
    shuffled = Survey(frame.sample(frac=1, random_state=2).reset_index(drop=True), design=DESIGN)
    for other in (scaled, split, shuffled):
        again = marginal_homogeneity(other, "a", "b")
        assert (again.statistic, again.p, again.df2) == approx((told.statistic, told.p, told.df2))
        d = standardised_difference(survey.where(a=[1, 2]), "x", group="a")
        e = standardised_difference(other.where(a=[1, 2]), "x", group="a")
        assert (e.value, e.se) == approx((d.value, d.se))


def test_the_standardised_difference_of_a_plain_sample_is_cohens_d():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"g": np.repeat([1, 2], [90, 110]), "x": rng.normal(size=200)})
    frame.loc[frame.g == 2, "x"] += 0.5
    told = standardised_difference(Survey(frame), "x", group="g")
    plain = effect_size(frame.x[frame.g == 2], frame.x[frame.g == 1], kind="cohen")
    assert told.value == approx(plain.value * math.sqrt(200 / 198))
    assert told.se == approx(plain.se, rel=0.05)


def test_tost_by_design_uses_the_design(survey):
    one, two, _ = mean(survey, "x", by="a")
    gap = difference(one, two)
    test = tost(gap, low=-3, high=3)
    assert test.df == gap.df
    assert test.statistic == approx(min(gap.value + 3, 3 - gap.value) / gap.se)
    with pytest.raises(CxError):
        tost(gap)


def test_equivalence_against_statsmodels():
    """ttost_ind(x, y, −1, 1, usevar="pooled"); ttost_paired(x, y, −1, 1)"""
    from statsmodels.stats.weightstats import ttost_ind, ttost_paired

    rng = np.random.default_rng(9)
    x, y = rng.normal(size=40), rng.normal(0.2, 1, size=40)
    assert tost_means(x, y, margin=1, equal_variances=True).p == approx(ttost_ind(x, y, -1, 1)[0])
    assert tost_means(x, y, margin=1, paired=True).p == approx(ttost_paired(x, y, -1, 1)[0])


@pytest.mark.parametrize("kind", ["hedges", "cohen", "glass", "superiority"])
def test_effect_sizes_turn_with_their_groups(kind):
    rng = np.random.default_rng(12)
    x, y = rng.normal(0.5, 1, 30), rng.normal(0, 1, 40)
    there = effect_size(x, y, kind=kind)
    assert there.low < there.value < there.high
    assert effect_size(3 * x + 7, 3 * y + 7, kind=kind).value == approx(there.value)
    if kind != "glass":
        back = effect_size(y, x, kind=kind)
        middle = 1 if kind == "superiority" else 0
        assert there.value + back.value == approx(middle)
        assert (back.low, back.high) == approx((middle - there.high, middle - there.low))


def test_intervals_of_effects_cover():
    """A seeded look: 400 draws each, 95 % ± 3 Monte Carlo errors."""
    from scipy.special import ndtr

    rng = np.random.default_rng(13)
    truth = {"hedges": 0.4, "superiority": float(ndtr(0.4 / math.sqrt(2)))}
    hits = dict.fromkeys(truth, 0)
    for _ in range(400):
        x, y = rng.normal(0.4, 1, 40), rng.normal(0, 1, 50)
        for kind in hits:
            one = effect_size(x, y, kind=kind)
            hits[kind] += one.low <= truth[kind] <= one.high
    assert all(0.917 <= hit / 400 <= 0.983 for hit in hits.values()), hits


def test_the_paired_interval_covers():
    """Bonett and Price at p12 = .15, p21 = .08, n = 60: exact, over the trinomial."""
    from scipy.stats import multinomial

    n, p, q = 60, 0.15, 0.08
    there, back = np.mgrid[: n + 1, : n + 1]
    fits = there + back <= n
    b, c = there[fits], back[fits]
    chance = multinomial.pmf(np.column_stack([b, c, n - b - c]), n, [p, q, 1 - p - q])
    big = chance > 1e-9
    told = [mcnemar([[n - i - j, i], [j, 0]]).effect for i, j in zip(b[big], c[big], strict=True)]
    inside = np.array([one.low <= p - q <= one.high for one in told])
    assert (chance[big] * inside).sum() == approx(0.95, abs=0.015)


def _survey(**columns) -> Survey:
    return Survey(pd.DataFrame(columns))


HOSTILE = [
    lambda: mcnemar([[1, 2, 3], [1, 2, 3], [1, 2, 3]]),
    lambda: mcnemar([[1, -2], [1, 2]]),
    lambda: mcnemar([[1, math.nan], [1, 2]]),
    lambda: mcnemar([[1, 2], [3, 4]], method="fisher"),
    lambda: mcnemar([["a", 2], [3, 4]]),
    lambda: homogeneity([[1, 2], [3]]),
    lambda: homogeneity([[1, 2, 3], [3, 4, 5]]),
    lambda: homogeneity([[0, 0], [0, 0]]),
    lambda: homogeneity([[1, 2], [3, 4]], method="wald"),
    lambda: symmetry([1, 2]),
    lambda: marginal_homogeneity(_survey(a=[1, 1], b=[1, 1]), "a", "b"),
    lambda: marginal_homogeneity(_survey(a=[1, np.nan], b=[np.nan, 1.0]), "a", "b"),
    lambda: marginal_homogeneity(_survey(a=[1], b=[2]), "a", "b"),
    lambda: marginal_homogeneity(_survey(a=[1, 2, 3, 4], b=[2, 3, 4, 1]), "a", "c"),
    lambda: marginal_homogeneity(_survey(a=range(80), b=range(80)), "a", "b"),
    lambda: standardised_difference(_survey(x=[1, 1, 1], g=[1, 2, 2]), "x", group="g"),
    lambda: standardised_difference(_survey(x=[1, 2, 1], g=[1, 2, 3]), "x", group="g"),
    lambda: standardised_difference(_survey(x=["a", "b", ""], g=[1, 2, 2]), "x", group="g"),
]


@pytest.mark.parametrize("call", HOSTILE)
def test_hostile_input_is_refused_in_plain_words(call):
    with pytest.raises(CxError) as told:
        call()
    assert str(told.value)


def test_the_ends_have_defined_answers():
    for method in ("exact", "chi-square", "corrected"):
        assert mcnemar([[5, 0], [0, 5]], method=method).p == 1
        assert mcnemar([[0, 10**9], [0, 0]], method=method).p == 0
    assert (symmetry([[5, 0], [0, 5]]).p, homogeneity([[5, 0], [0, 5]]).p) == (1, 1)
    everybody = homogeneity([[0, 9], [0, 0]], method="bhapkar")
    assert (everybody.statistic, everybody.p) == (math.inf, 0)
    mixed = _survey(a=["x", "y", "x", "", "y", "x"], b=["x", "x", "y", "y", "y", "x"])
    test = marginal_homogeneity(mixed, "a", "b")
    assert 0 <= test.p <= 1 and math.isfinite(test.statistic)
    still = marginal_homogeneity(_survey(a=[1, 2, 1, 2], b=[1, 2, 1, 2]), "a", "b")
    assert (still.statistic, still.p) == (0, 1)
    one_way = two_means([1, 2, 3], [1, 2, 3])
    assert one_way.value == 0 and one_way.low < 0 < one_way.high
    for told in (everybody, test, still, mcnemar([[0, 1], [0, 0]])):
        assert "nan" not in (str(told) + told.to_html()).lower().replace("finan", "")
