"""Tables and rank tests beyond the oracles: R's figures on gaps and segments, what must not change
a result, hostile answers, and the coverage of the effects' intervals.

The goldens are R 4.2.2 with survey 4.1.1, on ``apiclus1`` and ``apistrat`` of the shared oracles::

    d$few <- ifelse(d$snum %% 7 == 0, NA, as.character(d$stype))
    clus1 <- svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = d)
    svychisq(~few + sch.wide, clus1, statistic = …)
    svychisq(~comp.imp + sch.wide, subset(clus1, stype == "E"), statistic = …)
    svyranktest(api00 ~ comp.imp, strat, test = "vanderWaerden")   # and median; and by stype
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlib as cx
from cxlib.tables import STATISTICS, cells, independence
from cxlib.tables_plain import (
    chisq_test,
    expected_counts,
    kruskal_test,
    standardised_residuals,
    wilcoxon_test,
)
from cxlib.tables_ranks import RANK_TESTS, rank_test
from cxlib.tables_tail import noncentrality, weighted_f_tail

GAPS = {
    "F": (11.932790591941, [1.642777090857, 22.998879272], 0.000531350005),
    "Chisq": (22.57241027, [2], 6.571354437e-06),
    "Wald": (4.3976700302, [2, 14], 0.0329589769),
    "adjWald": (4.08355074234, [2, 13], 0.04205646268),
    "saddlepoint": (22.57241027, [], 9.540639557e-04),
}
SEGMENT = {
    "F": (79.19509077, [1, 14], 3.880892357e-07),
    "Chisq": (45.81818182, [1], 5.626972858e-19),
    "Wald": (5.33178634259, [1, 14], 0.03671338652),
    "adjWald": (5.33178634259, [1, 14], 0.03671338652),
    "saddlepoint": (45.81818182, [], 4.3218012e-07),
}


def survey(n: int = 240, seed: int = 1, **columns) -> cx.Survey:
    """A stratified, clustered, weighted survey in which everything hangs together a little."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n) // 6
    lean = rng.normal(size=cluster.max() + 1)[cluster] + rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "stratum": cluster % 4,
            "cluster": cluster,
            "w": rng.uniform(0.5, 3, n),
            "score": np.clip(np.round(5 + 2 * lean + rng.normal(size=n)), 0, 10),
            "sector": np.where(lean > 0.6, "bank", np.where(rng.random(n) < 0.5, "shop", "web")),
            "leave": (lean + rng.normal(size=n) > 0).astype(int),
        }
    ).assign(**columns)
    return cx.read_survey(frame, weights="w", strata="stratum", clusters="cluster")


def again(told: cx.Survey, frame: pd.DataFrame) -> cx.Survey:
    design = told.design
    return cx.read_survey(
        frame, weights=design.weights, strata=design.strata, clusters=design.clusters
    )


def figures(test: cx.Test) -> tuple[float, ...]:
    numbers = (test.statistic, test.p, test.df, test.df2, test.effect.value)
    return tuple(
        -1.0 if math.isnan(x) else x for x in (*numbers, test.effect.low, test.effect.high)
    )


def everything(told: cx.Survey) -> dict[str, tuple[float, ...]]:
    """All results of the module on one survey."""
    found = {s: figures(independence(told, "sector", "leave", statistic=s)) for s in STATISTICS}
    found |= {
        t: figures(rank_test(told, "score", "leave", test=t, ties="midrank")) for t in RANK_TESTS
    }
    found["groups"] = figures(rank_test(told, "score", "sector", ties="midrank"))
    found["cells"] = tuple(
        x for e in cells(told, ["sector", "leave"]) for x in (e.value, e.se, e.low, e.high)
    )
    return found


# -- the peer, where the cases do not reach --------------------------------------------------------


def schools(shared: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(shared / "oracles" / "data" / f"{name}.csv")


@pytest.mark.parametrize("statistic", GAPS)
def test_gaps_and_segments_as_the_peer(shared: Path, statistic: str):
    frame = schools(shared, "apiclus1")
    frame["few"] = frame.stype.where(frame.snum % 7 != 0)
    told = cx.read_survey(frame, weights="pw", clusters="dnum", fpc="fpc")
    for part, row, wanted in (
        (told, "few", GAPS),
        (told.where(stype="E"), "comp.imp", SEGMENT),
    ):
        value, parameter, p = wanted[statistic]
        test = independence(part, row, "sch.wide", statistic=statistic)
        assert test.statistic == pytest.approx(value, rel=1e-8)
        assert [d for d in (test.df, test.df2) if np.isfinite(d)] == pytest.approx(parameter)
        assert test.p == pytest.approx(p, rel=1e-5)


@pytest.mark.parametrize(
    ("test", "two", "three"),
    [
        ("vanderWaerden", (2.2918664850291, 196, 0.0229759302059), (7.33858713585, 0.02727093809)),
        ("median", (1.0624173595407, 196, 0.2893535219606), (4.325924754909, 0.117734925378)),
    ],
)
def test_other_scores_as_the_peer(shared: Path, test: str, two: tuple, three: tuple):
    told = cx.read_survey(schools(shared, "apistrat"), weights="pw", strata="stype", fpc="fpc")
    one = rank_test(told, "api00", "comp.imp", test=test)
    assert (one.statistic, one.df, one.p) == pytest.approx(two, rel=1e-9)
    one = rank_test(told, "api00", "stype", test=test)
    assert (one.statistic, one.p) == pytest.approx(three, rel=1e-9)
    assert (one.df, one.df2) == (2, 195)


def test_ties_of_unequal_weight_follow_the_rows_and_say_so(shared: Path):
    """R gives 1.88119 on the file's order and 1.88619 on its reverse."""
    frame = schools(shared, "apistrat")
    design = {"weights": "pw", "strata": "stype", "fpc": "fpc"}
    there = rank_test(cx.read_survey(frame, **design), "api00", "comp.imp")
    back = rank_test(cx.read_survey(frame[::-1], **design), "api00", "comp.imp")
    assert there.statistic == pytest.approx(1.8811886457657, rel=1e-9)
    assert back.statistic == pytest.approx(1.8861945734857, rel=1e-9)
    assert "midrank" in there.cautions[0]
    middle = [
        rank_test(cx.read_survey(f, **design), "api00", "comp.imp", ties="midrank").statistic
        for f in (frame, frame[::-1])
    ]
    assert middle == pytest.approx([1.883694651084011] * 2, rel=1e-9)


def test_without_a_design_the_tests_are_the_textbook_ones():
    """Unweighted and unclustered, the weights of X² are 1 up to n / (n − 1)."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.integers(0, 3, 900), "b": rng.integers(0, 2, 900)})
    plain = chisq_test(pd.crosstab(frame.a, frame.b))
    test = independence(cx.read_survey(frame), "a", "b", statistic="Chisq")
    assert test.statistic == pytest.approx(plain.statistic, rel=1e-12)
    assert test.p == pytest.approx(plain.p, abs=2e-3)
    assert test.effect.value == pytest.approx(plain.effect.value, rel=1e-12)
    ranks = rank_test(cx.read_survey(frame), "a", "b")
    shift = wilcoxon_test(frame.a[frame.b == 1], frame.a[frame.b == 0])
    assert ranks.effect.value == pytest.approx(shift.effect.value - 0.5, rel=1e-9)


def test_tails_against_simulation():
    rng = np.random.default_rng(8)
    weights, ddf, draws = np.array([2.0, 1.0, 0.5]), 20.0, 400_000
    top = rng.chisquare(1, (draws, 3)) @ weights
    ratio = top / (rng.chisquare(ddf, draws) / ddf)
    for x in (1.0, 5.0, 12.0):
        assert weighted_f_tail(x, weights, ddf) == pytest.approx((ratio > x).mean(), abs=0.01)
    low, high = noncentrality(4.0, 3.0, 40.0, 0.95)
    from scipy.stats import ncf

    assert ncf.cdf(4.0, 3, 40, low) == pytest.approx(0.975)
    assert ncf.cdf(4.0, 3, 40, high) == pytest.approx(0.025)
    assert noncentrality(0.0, 2.0, math.inf, 0.95)[1] > 0, "no effect found still leaves room"


# -- what must not change a result -----------------------------------------------------------------


def test_scaling_all_weights_changes_nothing():
    told = survey()
    first = everything(told)
    for factor in (1e-6, 1e9):
        second = everything(again(told, told.frame.assign(w=told.frame.w * factor)))
        for key, value in first.items():
            assert second[key] == pytest.approx(value, rel=1e-6, abs=1e-9), key


def test_order_and_labels_change_nothing():
    told = survey()
    first = everything(told)
    mixed = told.frame.sample(frac=1, random_state=2).assign(
        cluster=lambda f: "c" + (97 - f.cluster).astype(str), stratum=lambda f: 9 - f.stratum
    )
    second = everything(again(told, mixed))
    for key, value in first.items():
        assert second[key] == pytest.approx(value, rel=1e-8, abs=1e-10), key


def test_splitting_rows_changes_no_figure():
    told = survey()
    half = told.frame.assign(w=told.frame.w / 2)
    both = again(told, pd.concat([half, half], ignore_index=True))
    for test in RANK_TESTS:
        one, two = (rank_test(s, "score", "leave", test=test, ties="midrank") for s in (told, both))
        assert figures(two) == pytest.approx(figures(one), rel=1e-8), test
    one, two = (independence(s, "sector", "leave") for s in (told, both))
    assert figures(two) == pytest.approx(figures(one), rel=1e-8)
    one, two = (cells(s, ["sector", "leave"], method="mean") for s in (told, both))
    assert [e.low for e in two] == pytest.approx([e.low for e in one], rel=1e-8)


def test_a_segment_is_a_domain_not_a_smaller_file():
    """Clusters without a member in the segment still count between units."""
    told = survey().where(sector=["bank", "shop"])
    test = independence(told, "sector", "leave")
    wanted = cx.difference(
        cx.share(told.where(sector="shop"), "leave", equals=1, method="mean"),
        cx.share(told.where(sector="bank"), "leave", equals=1, method="mean"),
    )
    assert test.effect.value == pytest.approx(wanted.value)
    assert test.effect.se == pytest.approx(wanted.se)
    assert test.n == len(told)


def test_cells_add_up_and_simultaneous_intervals_are_wider():
    told = survey()
    one, two = (cells(told, ["sector", "leave"], simultaneous=flag) for flag in (False, True))
    assert sum(e.value for e in one) == pytest.approx(1)
    assert all(b.low < a.low and b.high > a.high for a, b in zip(one, two, strict=True))
    assert "Bonferroni" in two[0].method and two[0].level == 0.95
    shares = cx.share(told, "leave", equals=1)
    assert cells(told, "leave")["1"].value == pytest.approx(shares.value)


def test_results_carry_an_effect_and_their_record():
    told = survey()
    for test in (
        independence(told, "sector", "leave"),
        independence(told, "leave", "sector", statistic="lincom"),
        rank_test(told, "score", "leave"),
        rank_test(told, "score", "sector", test="median"),
        chisq_test([[9, 4], [3, 8]], correct=True),
        chisq_test([[9, 4, 1], [3, 8, 2]]),
        wilcoxon_test([1, 2, 2.5], [2, 3, 4]),
        kruskal_test([1, 2], [2, 3], [5, 6]),
    ):
        effect = test.effect
        assert effect.low <= effect.value <= effect.high
        assert 0 <= test.p <= 1 and test.method
        (record,) = test.records()
        assert record["p"] is not None and record["low"] is not None
        assert "nan" not in f"{test}{test.to_html()}".lower()


# -- plain counts and ranks ------------------------------------------------------------------------


def test_yates_as_the_peer():
    """chisq.test(matrix(c(12, 5, 7, 9), 2)): X² 1.455996378815, p 0.227568214576."""
    test = chisq_test([[12, 7], [5, 9]], correct=True)
    assert (test.statistic, test.p) == pytest.approx((1.455996378815, 0.227568214576), rel=1e-10)
    assert test.effect.value == pytest.approx(12 / 19 - 5 / 14)


def test_expected_counts_and_residuals():
    table = np.array([[10, 20], [30, 40]])
    assert expected_counts(table) == pytest.approx(np.array([[12, 18], [28, 42]]))
    residual = standardised_residuals(table)
    assert residual**2 == pytest.approx(np.full((2, 2), chisq_test(table).statistic))


@pytest.mark.parametrize(
    "table",
    [
        [],
        [1, 2],
        [[1, 2]],
        [[1, 2], [3]],
        [[1, -2], [3, 4]],
        [[1, math.nan], [3, 4]],
        [[1, math.inf], [3, 4]],
        [[0, 0], [3, 4]],
        [[0, 1], [0, 4]],
        [["a", "b"], ["c", "d"]],
        None,
    ],
)
def test_no_table_of_counts(table):
    for function in (chisq_test, expected_counts, standardised_residuals):
        with pytest.raises(cx.CxError):
            function(table)


@pytest.mark.parametrize(
    "groups",
    [([1, 1], [1, 1]), ([], [1]), ([math.nan], [1, 2]), ([math.inf, 1], [2]), (["a"], ["b"])],
)
def test_no_samples_to_rank(groups):
    with pytest.raises(cx.CxError):
        wilcoxon_test(*groups)
    with pytest.raises(cx.CxError):
        kruskal_test(*groups)


def test_complete_separation_of_samples_has_an_interval():
    effect = wilcoxon_test([5, 6, 7], [1, 2, 3, math.nan]).effect
    assert (effect.value, effect.high, effect.n_excluded) == (1.0, 1.0, 1)
    assert 0.2 < effect.low < 0.8
    with pytest.raises(cx.CxError, match="ties"):
        wilcoxon_test([1, 2], [2, 3], exact=True)


# -- hostile answers -------------------------------------------------------------------------------

HOSTILE = {
    "all yes": {"leave": 1},
    "nobody": {"leave": math.nan},
    "one of each": {"leave": [0, *[math.nan] * 238, 1]},
    "identifier": {"leave": range(240)},
    "free text": {"leave": [f"text {i}" for i in range(240)]},
    "empty strings": {"leave": ["", " "] * 120},
    "mixed types": {"leave": [1, "a", 2.5, None] * 60},
    "infinite": {"leave": [0.0, math.inf] * 120},
    "one cluster": {"cluster": 1, "stratum": 1},
    "perfectly tied": {"leave": ["x", "y", "z"] * 80, "sector": ["x", "y", "z"] * 80},
    "tied pair": {"leave": [0, 1] * 120, "sector": ["x", "y"] * 120},
    "one weight": {"w": [1e9, *[0.0] * 239]},
    "huge weights": {"w": [1e9, 1.0] * 120},
    "rare": {"leave": [1, *[0] * 239]},
}


@pytest.mark.parametrize("columns", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_give_an_answer_or_an_error(columns: dict):
    told = survey(**columns)
    calls = [lambda: cells(told, ["sector", "leave"]), lambda: cells(told, "leave")]
    calls += [lambda s=s: independence(told, "sector", "leave", statistic=s) for s in STATISTICS]
    calls += [lambda t=t: rank_test(told, "score", "leave", test=t) for t in RANK_TESTS]
    calls += [lambda: rank_test(told, "leave", "sector")]
    for call in calls:
        try:
            result = call()
        except cx.CxError as error:
            assert error.what
            continue
        told_back = f"{result}{result.to_html()}".lower()
        assert "nan" not in told_back.replace("bank", "")
        for record in result.records():
            assert record["value"] is not None
            assert "p" not in record or record["p"] is None or 0 <= record["p"] <= 1


def test_errors_name_what_is_wrong():
    told = survey(id=range(240), same="x")
    with pytest.raises(cx.CxError, match="leave"):
        independence(told, "sector", "leav")
    with pytest.raises(cx.CxError, match="statistic"):
        independence(told, "sector", "leave", statistic="G")
    with pytest.raises(cx.CxError, match="'same' has one answer"):
        independence(told, "same", "leave")
    with pytest.raises(cx.CxError, match="too many"):
        cells(told, ["id", "sector"])
    with pytest.raises(cx.CxError, match="one group"):
        rank_test(told, "score", "same")
    with pytest.raises(cx.CxError, match="rank test"):
        rank_test(told, "score", "leave", test="wilcox")
    with pytest.raises(cx.CxError, match="text"):
        rank_test(told, "sector", "leave")
    with pytest.raises(cx.CxError, match="needs a question"):
        cells(told, [])


# -- coverage --------------------------------------------------------------------------------------


def crossed(k: float) -> np.ndarray:
    """Shares of a 3 × 3 table between independence (0) and a diagonal (1)."""
    side, top = [0.4, 0.35, 0.25], [0.3, 0.4, 0.3]
    return (1 - k) * np.outer(side, top) + k * np.diag(top)


def covered(draws: int, k: float, seed: int) -> tuple[float, float]:
    """How often Cramér's interval holds the truth, and how often independence is rejected."""
    rng, p = np.random.default_rng(seed), crossed(k)
    expected = np.outer(p.sum(axis=1), p.sum(axis=0))
    truth = math.sqrt(((p - expected) ** 2 / expected).sum() / 2)
    hits = rejections = 0
    for _ in range(draws):
        chances = np.repeat(rng.dirichlet(p.ravel() * 7 / 3, 60), 5, axis=0).cumsum(axis=1)
        cell = np.minimum((chances < rng.random((300, 1))).sum(axis=1), 8)
        frame = pd.DataFrame({"a": cell // 3, "b": cell % 3, "c": np.arange(300) // 5})
        test = independence(cx.read_survey(frame, clusters="c"), "a", "b")
        hits += test.effect.low <= truth <= test.effect.high
        rejections += test.p < 0.05
    return hits / draws, rejections / draws


def test_intervals_cover_and_the_test_keeps_its_level():
    cover, rejected = covered(250, 0.0, 11)
    assert cover >= 0.93 and rejected <= 0.09
    cover, rejected = covered(250, 0.3, 12)
    assert cover >= 0.91 and rejected >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("k", [0.0, 0.1, 0.25, 0.4, 0.7])
def test_coverage_at_length(k: float):
    cover, rejected = covered(4_000, k, 21)
    assert cover >= 0.935 - 0.01
    assert k > 0 or rejected <= 0.065
