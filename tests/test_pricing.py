"""Prices asked openly: the sets are right, they cover, and nothing breaks on strange answers."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pandas as pd
import pytest

from cxlib import pricing_sets
from cxlib.errors import CxError
from cxlib.estimate import mean_of, share
from cxlib.premium import premium_share_sensitivity
from cxlib.pricing import (
    best_price,
    demand_curve,
    price_curves,
    price_sensitivity,
    revenue_curve,
    trial_curve,
)
from cxlib.pricing_sets import crossing_set, gap, may_be_highest
from cxlib.result import RECORD_MIME
from cxlib.survey import Design, Survey

Q = ("a", "b", "c", "d")
LADDER = (4.0, 5.0, 6.0, 7.0, 8.0)
BUYS = {price: f"p{price:g}" for price in LADDER}


def prices(n: int, seed: int = 1, heap: float = 0.0, centre: np.ndarray | float = 0.0):
    """Four prices in order; ``heap`` rounds them."""
    dice = np.random.default_rng(seed)
    level = 20 * np.exp(centre + dice.normal(0, 0.35, n))
    told = np.column_stack(
        [level * f * np.exp(dice.normal(0, 0.15, n)) for f in (0.5, 0.8, 1.2, 1.7)]
    )
    told = np.sort(told, axis=1)
    told = np.maximum(np.round(told / heap), 1) * heap if heap else np.round(told, 2)
    return pd.DataFrame(told, columns=list(Q))


def designed(n: int = 240, seed: int = 3, **kind) -> Survey:
    frame = prices(n, seed, **kind)
    dice = np.random.default_rng(seed)
    frame["w"] = dice.uniform(0.5, 3, n)
    frame["h"] = np.arange(n) % 4
    frame["cl"] = np.arange(n) // 8
    frame["h"] = frame["cl"] % 3
    frame["sex"] = dice.integers(1, 3, n)
    frame["size"] = 40
    return Survey(frame, design=Design(weights="w", strata=("h",), clusters=("cl",)))


def buyers(n: int, seed: int = 5, mu: float = 1.8, sd: float = 0.4) -> pd.DataFrame:
    worth = np.exp(np.random.default_rng(seed).normal(mu, sd, n))
    frame = pd.DataFrame({name: (worth >= price) * 1.0 for price, name in BUYS.items()})
    frame["most"] = np.floor(worth)
    return frame


def values(result) -> list[float]:
    return [e.value for e in result]


def ends(result) -> np.ndarray:
    return np.array([(e.value, e.low, e.high) for e in result])


# --- the sets -------------------------------------------------------------------------------------

DESIGNS = {
    "plain": Design(),
    "weighted": Design(weights="w"),
    "stratified": Design(weights="w", strata=("h",)),
    "clusters": Design(weights="w", strata=("h",), clusters=("cl",)),
    "finite": Design(strata=("h",), clusters=("cl",), fpc=("size",)),
}


def ordered(survey: Survey):
    frame = survey.frame
    rows = np.flatnonzero((np.diff(frame[list(Q)], axis=1) > 0).all(axis=1) & survey.looked_at)
    told = frame[list(Q)].to_numpy()[rows]
    grid, place = np.unique(told, return_inverse=True)
    return rows, grid, place.reshape(told.shape)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("part", [False, True])
def test_the_gap_and_its_variance_are_those_of_a_mean(name, part, monkeypatch):
    survey = designed(heap=2.5)
    survey = Survey(survey.frame, design=DESIGNS[name])
    survey = survey.where(sex=1) if part else survey
    monkeypatch.setattr(pricing_sets, "_CELLS", 100)
    rows, grid, place = ordered(survey)
    g = gap(survey, rows, (place[:, 3], place[:, 0]), grid, survey.df)
    told = np.full((len(survey.frame), len(grid)), np.nan)
    told[rows] = (place[:, [3]] <= np.arange(len(grid))) * 1.0
    told[rows] += (place[:, [0]] <= np.arange(len(grid))) - 1
    for k in range(len(grid)):
        one = mean_of(survey, told[:, k], "a")
        assert g.value[k] == pytest.approx(one.value, abs=1e-12)
        assert g.var[k] == pytest.approx(one.se**2, rel=1e-9, abs=1e-15)
        if k:
            step = mean_of(survey, told[:, k] - told[:, k - 1], "a")
            assert g.step_var[k - 1] == pytest.approx(step.se**2, rel=1e-9, abs=1e-15)


def test_two_stage_designs_take_the_long_way():
    frame = designed(heap=5).frame.assign(n1=400, n2=80)
    frame["person"] = np.arange(len(frame))
    plan = Design(clusters=("cl", "person"), fpc=("n1", "n2"))
    survey = Survey(frame, design=plan)
    assert len(survey.stages) == 2
    for e in price_sensitivity(survey, *Q):
        assert e.low < e.value < e.high
    rows, grid, place = ordered(survey)
    g = gap(survey, rows, (place[:, 3], place[:, 0]), grid, survey.df)
    told = np.full(len(frame), np.nan)
    told[rows] = (place[:, 3] <= 4) * 1.0 + (place[:, 0] <= 4) - 1
    assert g.var[4] == pytest.approx(mean_of(survey, told, "a").se ** 2, rel=1e-9)


@pytest.mark.parametrize("heap", [0.0, 5.0])
def test_a_price_is_in_the_set_where_the_difference_is_not_significant(heap):
    survey = Survey(prices(150, 4, heap))
    rows, grid, place = ordered(survey)
    g = gap(survey, rows, (place[:, 3], place[:, 0]), grid, survey.df)
    spans = crossing_set(g, 0.95)
    crit = pricing_sets._critical(g, 0.95)
    first = grid[g.value > crit * np.sqrt(g.var)][0]
    for price, value, var in zip(grid, g.value, g.var, strict=True):
        inside = any(low - 1e-12 <= price <= high + 1e-12 for low, high in spans)
        assert inside == (abs(value) <= crit * np.sqrt(var) or price == first)
    fine = np.linspace(grid[0], grid[-1], 4_001)
    middle = pricing_sets._inside(fine, g, crit)
    assert spans[0][0] == pytest.approx(fine[middle][0], abs=np.diff(fine)[0])


def test_more_confidence_means_a_wider_set():
    survey = Survey(prices(300, 2))
    narrow, wide = (ends(price_sensitivity(survey, *Q, level=level)) for level in (0.8, 0.99))
    assert (wide[:, 1] <= narrow[:, 1]).all()
    assert (wide[:, 2] >= narrow[:, 2]).all()


def test_the_highest_of_several():
    cov = np.diag([1.0, 1.0, 1.0])
    assert may_be_highest(np.array([0.0, 0.5, 9.0]), cov, 100, 0.95).tolist() == [
        False,
        False,
        True,
    ]
    assert may_be_highest(np.zeros(3), cov, 100, 0.95).all()
    same = np.ones((3, 3))  # all move together: any lead decides
    assert may_be_highest(np.array([0.0, 1.0, 1.0]), same, 9, 0.95).tolist() == [False, True, True]
    assert may_be_highest(np.array([0.0, 1.0]), np.zeros((2, 2)), 9, 0.95).tolist() == [False, True]


# --- what must not change an answer ---------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-9, 3.0, 1e9])
def test_scaling_weights_changes_nothing(factor):
    survey = designed(heap=2.5)
    scaled = Survey(survey.frame.assign(w=survey.frame["w"] * factor), design=survey.design)
    assert np.allclose(ends(price_sensitivity(survey, *Q)), ends(price_sensitivity(scaled, *Q)))


@pytest.mark.parametrize("seed", range(6))
def test_splitting_and_reordering_rows_change_nothing(seed):
    frame = prices(20, seed, heap=5).assign(w=1.0, who=np.arange(20))
    halves = pd.concat([frame, frame[:7]], ignore_index=True)
    halves.loc[halves["who"] < 7, "w"] /= 2
    plan = Design(weights="w", clusters=("who",))
    whole = ends(price_sensitivity(Survey(frame, design=plan), *Q))
    assert np.allclose(whole, ends(price_sensitivity(Survey(halves, design=plan), *Q)))
    mixed = frame.sample(frac=1, random_state=seed).reset_index(drop=True)
    assert np.allclose(whole, ends(price_sensitivity(Survey(mixed, design=plan), *Q)))


def test_prices_in_another_currency_scale():
    frame = prices(120, 8, heap=5)
    euro, yen = (price_sensitivity(Survey(frame * k), *Q) for k in (1, 160))
    assert np.allclose(160 * ends(euro), ends(yen))


def test_a_segment_is_what_where_gives():
    survey = designed()
    told = price_sensitivity(survey, *Q, by="sex")
    alone = price_sensitivity(survey.where(sex=2), *Q)
    assert len(told) == 8
    assert np.allclose(ends(told)[4:], ends(alone))
    assert told[4].term == "2: " + alone[0].term


# --- coverage -------------------------------------------------------------------------------------


def covered(heap: float, n: int, clusters: int, draws: int, seed: int = 11) -> np.ndarray:
    """How often each set holds the crossing of the population's curves."""
    dice = np.random.default_rng(seed)
    blocks = 1_000
    centre = np.repeat(dice.normal(0, 0.15, blocks), 50) if clusters else 0.0
    everyone = prices(50 * blocks, seed, heap, centre)
    truth = np.array(values(price_sensitivity(Survey(everyone), *Q)))
    hits = np.zeros(4)
    for _ in range(draws):
        if clusters:
            block = dice.integers(0, blocks, clusters)
            rows = (50 * block[:, None] + dice.integers(0, 50, (clusters, n // clusters))).ravel()
            frame = everyone.iloc[rows].assign(cl=np.repeat(np.arange(clusters), n // clusters))
            survey = Survey(frame.reset_index(drop=True), design=Design(clusters=("cl",)))
        else:
            rows = dice.integers(0, len(everyone), n)
            survey = Survey(everyone.iloc[rows].reset_index(drop=True))
        found = ends(price_sensitivity(survey, *Q))
        hits += (found[:, 1] <= truth) & (truth <= found[:, 2])
    return hits / draws


@pytest.mark.parametrize(("heap", "n", "clusters"), [(0, 200, 0), (5, 200, 0), (0, 300, 20)])
def test_price_points_are_covered(heap, n, clusters):
    assert (covered(heap, n, clusters, 100) > 0.90).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heap", "n", "clusters"),
    [(0, 50, 0), (0, 1_000, 0), (1, 200, 0), (5, 60, 0), (5, 2_000, 0), (0, 400, 30), (5, 400, 12)],
)
def test_price_points_are_covered_slow(heap, n, clusters):
    assert (covered(heap, n, clusters, 1_000) >= 0.92).all()


def best_covered(n: int, draws: int, *, shown: int = 5, flat: bool = False) -> float:
    """How often the set holds the best of five prices; ``shown`` prices a respondent."""
    dice = np.random.default_rng(n)
    demand = 3.5 / np.array(LADDER) if flat else np.array([0.85, 0.7, 0.6, 0.45, 0.3])
    best = int((np.array(LADDER) * demand).argmax())
    hits = 0
    for _ in range(draws):
        buys = (dice.uniform(size=(n, 1)) < demand).astype(float)
        hidden = np.argsort(dice.uniform(size=buys.shape), axis=1) >= shown
        frame = pd.DataFrame(np.where(hidden, np.nan, buys), columns=list(BUYS.values()))
        told = best_price(Survey(frame), BUYS)
        hits += any(low == LADDER[best] for low, _ in told.may_be)
    return hits / draws


@pytest.mark.parametrize(("n", "shown", "flat"), [(60, 5, False), (200, 1, False), (200, 5, True)])
def test_the_best_price_is_in_its_set(n, shown, flat):
    assert best_covered(n, 100, shown=shown, flat=flat) > 0.90


@pytest.mark.slow
@pytest.mark.parametrize(("n", "shown", "flat"), [(40, 5, False), (300, 1, False), (300, 5, True)])
def test_the_best_price_is_in_its_set_slow(n, shown, flat):
    assert best_covered(n, 1_000, shown=shown, flat=flat) >= 0.92


def test_two_thousand_respondents_take_half_a_second():
    survey = Survey(prices(2_000, 9))
    start = time.perf_counter()
    price_sensitivity(survey, *Q)
    assert time.perf_counter() - start < 0.5


# --- options --------------------------------------------------------------------------------------


def test_curves_run_together_between_min_and_max():
    frame = pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4], "c": [7.0, 8], "d": [9.0, 10]})
    survey = Survey(pd.concat([frame] * 20, ignore_index=True))
    low, high, middle, median = (
        price_sensitivity(survey, *Q, crossing=how)[3].value
        for how in ("min", "max", "mean", "median")
    )
    assert (low, high, middle, median) == (2.0, 9.0, 5.5, 2.0)
    counted = price_sensitivity(survey, *Q, crossing="max", first="share")[3]
    assert counted.value == 8.0  # the curve of "too expensive" leaves 0 at 9, not after it


def test_the_narrower_range_and_a_missing_question():
    survey = Survey(prices(200, 6))
    wide = price_sensitivity(survey, *Q)
    narrow = price_sensitivity(survey, *Q, acceptable="narrower")
    assert narrow[0].value > wide[0].value
    assert narrow[1].value < wide[1].value
    three = price_sensitivity(survey, None, *Q[1:])
    assert [e.term for e in three] == ["marginal expensiveness (PME)", "indifference price (IDP)"]


def test_prices_out_of_order_are_left_out_or_kept():
    frame = prices(100, 7)
    frame.loc[:19, ["a", "d"]] = frame.loc[:19, ["d", "a"]].to_numpy()
    frame.loc[95:, "b"] = np.nan
    told = price_sensitivity(Survey(frame), *Q)
    assert told[0].n == 75
    assert told[0].n_excluded == 25
    assert any("one in ten" in text for text in told[0].cautions)
    kept = price_sensitivity(Survey(frame), *Q, intransitive="keep")
    assert kept[0].n == 95
    assert np.isfinite(ends(kept)).all()


def test_the_start_of_the_curves_matters_where_many_name_the_lowest_price():
    frame = prices(300, 2, heap=5)
    frame["a"] = np.minimum(frame["a"], 5)
    zero, counted = (price_sensitivity(Survey(frame), *Q, first=f)[3] for f in ("zero", "share"))
    assert zero.value > counted.value
    assert zero.low <= zero.value <= zero.high


def test_money_comes_from_the_codebook_or_the_caller():
    told = price_sensitivity(Survey(prices(80)), *Q, currency="EUR")
    assert {e.unit for e in told} == {"EUR"}
    assert told[0].interval_text.startswith("EUR")


def test_records_show_the_set_and_small_cells_hide_it():
    from dataclasses import replace

    survey = Survey(prices(40))
    e = price_sensitivity(survey, *Q)[3]
    record = e.records()[0]
    assert record["set"] == [[low, high] for low, high in e.may_be]
    assert RECORD_MIME in e._repr_mimebundle_()
    hidden = replace(e, origin=replace(e.origin, small_cell=50))
    assert hidden.records()[0]["set"] is None
    assert hidden.interval_text == "suppressed"
    assert pickle.loads(pickle.dumps(e)).may_be == e.may_be
    several = replace(e, may_be=((1.0, 1.0), (2.0, 3.0)), unit="EUR")
    assert several.interval_text.replace("\u00a0", " ") == "EUR 1.00; EUR 2.00 to EUR 3.00"


def test_the_four_curves_of_the_picture():
    survey = designed()
    curves = price_curves(survey, *Q, points=21, currency="EUR")
    assert [curve.by for curve in curves] == ["too cheap", "cheap", "expensive", "too expensive"]
    for curve, sign in zip(curves, (-1, -1, 1, 1), strict=True):
        assert (sign * np.diff(values(curve)) >= 0).all()
        assert len(curve) == 21
    told = curves[2].estimates[7]
    used = (np.diff(survey.frame[list(Q)], axis=1) > 0).all(axis=1)
    yes = np.where(used, survey.frame["c"] <= told.x, np.nan)
    other = Survey(survey.frame.assign(yes=yes), design=survey.design)
    same = share(other, "yes", equals=1)
    assert (told.value, told.low, told.high) == pytest.approx((same.value, same.low, same.high))
    assert "<table>" in curves.to_html()
    assert len(curves.records()) == 84
    assert len(price_curves(survey, None, *Q[1:])) == 3


def test_reach_and_revenue_are_the_tops_of_the_trial_curves():
    dice = np.random.default_rng(4)
    frame = prices(300, 4)
    frame["i"], frame["j"] = dice.integers(2, 6, 300), dice.integers(1, 5, 300)
    survey = Survey(frame)
    told = price_sensitivity(survey, *Q, intent=("i", "j"))
    for e, revenue in ((told[4], False), (told[5], True)):
        curve = trial_curve(survey, *Q, intent=("i", "j"), revenue=revenue, points=100_000)
        top = max(curve, key=lambda point: point.value)
        assert top.x == e.value
        assert e.low <= e.value <= e.high
    three = frame.assign(i=3)
    for strange in (three.assign(j=9), three.assign(j=np.nan), three.assign(j="x")):
        with pytest.raises(CxError):
            price_sensitivity(Survey(strange), *Q, intent=("i", "j"))
    with pytest.raises(CxError, match="nobody would buy"):
        price_sensitivity(Survey(three.assign(i=1, j=1)), *Q, intent=("i", "j"))
    with pytest.raises(CxError, match="four prices"):
        price_sensitivity(survey, None, *Q[1:], intent=("i", "j"))


# --- demand ---------------------------------------------------------------------------------------


def test_demand_is_the_share_who_buy():
    frame = buyers(200).assign(w=np.random.default_rng(1).uniform(1, 2, 200))
    survey = Survey(frame, design=Design(weights="w"))
    curve = demand_curve(survey, BUYS, currency="EUR")
    for point, (price, question) in zip(curve, BUYS.items(), strict=True):
        same = share(survey, question, equals=1)
        assert (point.x, point.value, point.low, point.high) == pytest.approx(
            (price, same.value, same.low, same.high)
        )
    one = demand_curve(survey, "most", at=LADDER)
    assert values(one) == pytest.approx(values(curve))
    money = revenue_curve(survey, BUYS, currency="EUR")
    for revenue, point in zip(money, curve, strict=True):
        assert revenue.value == pytest.approx(100 * point.x * point.value)
        assert revenue.high == pytest.approx(100 * point.x * point.high)
        assert revenue.unit == "EUR"


def test_pooled_demand_is_isotonic_regression():
    from scipy.optimize import isotonic_regression

    dice = np.random.default_rng(2)
    names = [f"q{i}" for i in range(9)]
    frame = pd.DataFrame(
        {name: np.where(dice.random(300) < 0.4, np.nan, dice.random(300) < 0.5) for name in names}
    )
    survey = Survey(frame)
    asked = {float(i + 1): name for i, name in enumerate(names)}
    raw, pooled = demand_curve(survey, asked), demand_curve(survey, asked, isotonic=True)
    bases = frame.notna().sum().to_numpy(float)
    wanted = isotonic_regression(values(raw), weights=bases, increasing=False).x
    assert values(pooled) == pytest.approx(wanted)
    assert all(e.low <= e.value <= e.high for e in pooled)
    assert any("pooled" in text for e in pooled for text in e.cautions)


def test_a_ladder_implies_what_it_did_not_ask():
    frame = pd.DataFrame(
        {"p4": [np.nan, 1, 0, 1], "p5": [1, 1, np.nan, 0], "p6": [1, 0, np.nan, 1]}, dtype=float
    )
    asked = {4: "p4", 5: "p5", 6: "p6"}
    plain = demand_curve(Survey(frame), asked)
    filled = demand_curve(Survey(frame), asked, implied=True)
    assert [e.n for e in plain] == [3, 3, 3]
    assert [e.n for e in filled] == [4, 4, 4]
    assert values(filled) == pytest.approx([3 / 4, 2 / 4, 2 / 4])
    assert any("refused a price" in text for text in filled[0].cautions)


def test_the_best_price():
    survey = Survey(buyers(400))
    told = best_price(survey, BUYS, currency="EUR")
    revenue = revenue_curve(survey, BUYS, currency="EUR")
    assert told.value == max(revenue, key=lambda e: e.value).x
    assert (told.value, told.value) in told.may_be
    scaled = Survey(buyers(400).assign(w=1e9), design=Design(weights="w"))
    assert best_price(scaled, BUYS).may_be == told.may_be
    frame = buyers(400).assign(g=np.arange(400) % 2)
    both = best_price(Survey(frame), BUYS, by="g")
    assert both[1].may_be == best_price(Survey(frame).where(g=1), BUYS).may_be
    assert best_price(survey, BUYS, isotonic=True).value == told.value
    ends_open = best_price(survey, {8.0: "p8", 4.0: "p4"})
    assert any("beyond it" in text for text in ends_open.cautions)


# --- strange answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"a": -1.0}, "negative"),
        ({"b": "ten"}, "text"),
        ({"c": np.inf}, "infinity"),
        ({"d": np.nan}, "nobody"),
        ({"a": 5.0, "b": 5.0, "c": 5.0, "d": 5.0}, "rising order"),
    ],
)
def test_answers_that_are_no_prices(change, words):
    frame = prices(30).astype(object).assign(**change)
    with pytest.raises(CxError, match=words):
        price_sensitivity(Survey(frame), *Q)


@pytest.mark.parametrize(
    "options",
    [
        {"crossing": "first"},
        {"acceptable": "wide"},
        {"first": "one"},
        {"intransitive": "mend"},
        {"interpolate": -0.1},
        {"interpolate": 1e-9},
        {"intent": ("a",)},
    ],
)
def test_unknown_options(options):
    with pytest.raises(CxError):
        price_sensitivity(Survey(prices(30)), *Q, **options)


def test_few_respondents_set_no_limits():
    with pytest.raises(CxError, match="one respondent"):
        price_sensitivity(Survey(prices(1)), *Q)
    for n in (2, 3):
        for e in price_sensitivity(Survey(prices(n)), *Q):
            assert (e.low, e.high) == (0.0, np.inf)
            assert any("too few" in text for text in e.cautions)
            assert e.records()[0]["high"] is None
            assert "nan" not in str(e).lower()
    one = prices(40).assign(cl=1)
    with pytest.raises(CxError, match="one cluster"):
        price_sensitivity(Survey(one, design=Design(clusters=("cl",))), *Q)


def test_everybody_names_the_same_prices():
    frame = pd.DataFrame({"a": [5.0] * 30, "b": [10.0] * 30, "c": [15.0] * 30, "d": [20.0] * 30})
    for e in price_sensitivity(Survey(frame), *Q):
        assert 5 <= e.low <= e.value <= e.high <= 20
    same = price_sensitivity(Survey(frame * 0 + 7), *Q, intransitive="keep")
    assert [(e.low, e.value, e.high) for e in same] == [(7.0, 7.0, 7.0)] * 4
    assert len(price_curves(Survey(frame), *Q)[0]) == 4


def test_zero_weights_and_tiny_prices():
    frame = prices(60).assign(w=[1.0] * 40 + [0.0] * 20)
    told = price_sensitivity(Survey(frame, design=Design(weights="w")), *Q)
    alone = price_sensitivity(Survey(frame[:40]), *Q)
    assert values(told) == pytest.approx(values(alone))
    frame.loc[:39, "a"] = np.nan
    with pytest.raises(CxError, match="weight"):
        price_sensitivity(Survey(frame, design=Design(weights="w")), *Q)
    tiny = price_sensitivity(Survey(prices(60) / 1_000), *Q)
    assert values(tiny) == pytest.approx(
        [v / 1_000 for v in values(price_sensitivity(Survey(prices(60)), *Q))]
    )


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {0: "p4"},
        {-3: "p4"},
        {"dear": "p4"},
        {np.nan: "p4"},
        {4: "p4", "4": "p6"},
        {4: "no"},
    ],
)
def test_prices_that_are_none(asked):
    with pytest.raises(CxError):
        demand_curve(Survey(buyers(20)), asked)


def test_strange_answers_to_a_ladder():
    frame = buyers(20)
    for bad in (2.0, "yes", np.nan, np.inf):
        with pytest.raises(CxError):
            demand_curve(Survey(frame.astype(object).assign(p4=bad)), BUYS)
    for bad in (-1.0, np.nan, 0.0):
        with pytest.raises(CxError):
            demand_curve(Survey(frame.assign(most=bad)), "most")
    with pytest.raises(CxError, match="nobody would buy"):
        best_price(Survey(frame * 0), BUYS)
    with pytest.raises(CxError, match="2 or more"):
        best_price(Survey(frame), {4: "p4"})
    with pytest.raises(CxError, match="method"):
        demand_curve(Survey(frame), BUYS, method="guess")
    with pytest.raises(CxError):
        best_price(Survey(frame[:1]), BUYS)
    everybody = best_price(Survey(frame * 0 + 1), BUYS)
    assert (everybody.value, everybody.may_be) == (8.0, ((8.0, 8.0),))
    for curve in (demand_curve(Survey(frame * 0 + 1), BUYS), demand_curve(Survey(frame * 0), BUYS)):
        assert all(0 <= e.low <= e.value <= e.high <= 1 for e in curve)
    many = Survey(pd.DataFrame({"most": np.arange(1, 501) / 7}))
    assert len(demand_curve(many, "most")) <= 40


# --- round percentages ----------------------------------------------------------------------------


def test_a_stated_ten_stands_for_its_neighbours():
    frame = pd.DataFrame({"pct": [0, 5, 8, 10, 10, 10, 12, 12.5, 20, 25] * 5})
    survey = Survey(frame)
    told = premium_share_sensitivity(survey, "pct")
    assert values(told) == pytest.approx([0.7, 0.8, 0.3, 0.5])
    same = share(survey, "pct", at_least=10)
    assert (told[0].low, told[0].high) == pytest.approx((same.low, same.high))
    assert told[1].value - told[2].value == pytest.approx(told[3].value)
    with pytest.raises(CxError, match="rounding"):
        premium_share_sensitivity(survey, "pct", half_width=0.2)
    with pytest.raises(CxError, match="negative"):
        premium_share_sensitivity(Survey(frame - 1), "pct")
    with pytest.raises(CxError, match="method"):
        premium_share_sensitivity(survey, "pct", method="guess")
