"""Drivers: what must hold of any data, intervals, stability, sensitivities, and hostile input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from pytest import approx

from cxlib.codebook import Codebook, Question
from cxlib.drivers import drivers, rank_stability, variance_explained
from cxlib.drivers_action import action_table, importance_agreement, stated_importance
from cxlib.drivers_game import (
    CLOSED,
    GAMES,
    Composite,
    Corrected,
    Relative,
    Sampled,
    game,
    numeric_gradient,
    owen,
    random_orders,
)
from cxlib.errors import CxError
from cxlib.linear import difference
from cxlib.read import read_survey
from cxlib.replicates import make_replicates
from cxlib.survey import Design, Survey

AMONG = ["staff", "care", "speed", "price", "advert"]
GROUPS = {"people": ["staff", "care", "speed"], "marketing": ["advert"]}


def made(n: int = 400, seed: int = 1, noise: float = 1.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    data = pd.DataFrame(0.8 * common + rng.normal(size=(n, 5)), columns=AMONG)
    data["y"] = data["staff"] + 0.6 * data["care"] + 0.3 * data["price"]
    data["y"] += noise * rng.normal(size=n)
    data["w"] = rng.uniform(0.5, 2, n)
    data["place"] = np.arange(n) % 40
    data["part"] = data["place"] % 4
    data["again"] = (data["y"] > 0).astype(int)
    return data


@pytest.fixture(scope="module")
def s() -> Survey:
    return read_survey(made(), weights="w", strata="part", clusters="place")


def values(ranking) -> dict[str, float]:
    return {e.term: e.value for e in ranking}


# -- what must hold --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["shapley", "johnson", "genizi", "pratt", "car"])
def test_shares_add_up_to_r2(s, method):
    total = variance_explained(s, "y", AMONG).value
    shares = drivers(s, "y", AMONG, method=method)
    assert sum(values(shares).values()) == approx(total, rel=1e-12)
    relative = drivers(s, "y", AMONG, method=method, relative=True)
    assert sum(values(relative).values()) == approx(1, rel=1e-12)
    assert relative["care"].value == approx(shares["care"].value / total, rel=1e-12)


def test_grouped_shares_add_up_too(s):
    total = variance_explained(s, "y", AMONG).value
    blocks = drivers(s, "y", AMONG, groups=GROUPS)
    assert [e.term for e in blocks] == ["people", "marketing", "price"]
    for method in ("shapley", "owen", "johnson", "pratt"):
        shares = drivers(s, "y", AMONG, groups=GROUPS, method=method)
        assert sum(values(shares).values()) == approx(total, rel=1e-12)


def test_a_copy_splits_its_share():
    data = made()
    alone = drivers(read_survey(data), "y", ["care", "staff"])
    both = drivers(read_survey(data.assign(twin=data["care"])), "y", ["care", "twin", "staff"])
    assert both["care"].value == approx(both["twin"].value, rel=1e-9)
    assert sum(values(both).values()) == approx(sum(values(alone).values()), rel=1e-9)
    assert "combinations" in both["care"].cautions[0]
    weights = drivers(
        read_survey(data.assign(twin=-3 * data["care"] + 8)),
        "y",
        ["care", "twin", "staff"],
        method="johnson",
    )
    assert weights["care"].value == approx(weights["twin"].value, rel=1e-9)
    assert sum(values(weights).values()) == approx(sum(values(alone).values()), rel=1e-9)
    assert all(math.isfinite(e.se) for e in (*both, *weights))


def test_order_units_and_names_change_nothing(s):
    there = drivers(s, "y", AMONG)
    back = drivers(s, "y", AMONG[::-1])
    assert values(back) == approx(values(there), rel=1e-12)
    moved = made()
    moved["staff"], moved["y"] = 1e4 - 300 * moved["staff"], 1e-3 * moved["y"] + 7
    moved = moved.rename(columns={"care": "kindness"}).sample(frac=1, random_state=1)
    other = drivers(
        read_survey(moved, weights="w", strata="part", clusters="place"),
        "y",
        ["kindness" if one == "care" else one for one in AMONG],
    )
    assert [e.value for e in other] == approx([e.value for e in there], rel=1e-9)
    assert [e.se for e in other] == approx([e.se for e in there], rel=1e-8)


def test_a_share_has_no_sign_and_says_which_way():
    asked = read_survey(made().assign(wait=lambda d: -d["speed"] - d["staff"]))
    shares = drivers(asked, "y", ["staff", "wait"])
    assert "lower 'y'" in shares["wait"].cautions[0] and not shares["staff"].cautions


def test_levels_may_be_called_and_ordered_as_one_likes():
    data = made()
    data["kind"] = np.digitize(data["advert"], [-1, 0.3])
    asked = read_survey(data.assign(named=data["kind"].map({0: "z", 1: "a", 2: "m"})))
    coded = drivers(asked, "y", ["staff", "kind"], categorical=["kind"])
    named = drivers(asked, "y", ["staff", "named"])
    assert named["named"].value == approx(coded["kind"].value, rel=1e-10)
    assert named["named"].se == approx(coded["kind"].se, rel=1e-8)


def test_weights_count_as_copies_and_by_ratio_only():
    data = made(120)
    data["w"] = np.arange(120) % 3 + 1
    copied = data.loc[data.index.repeat(data["w"])]
    weighted = drivers(read_survey(data, weights="w"), "y", AMONG)
    assert values(weighted) == approx(values(drivers(read_survey(copied), "y", AMONG)), rel=1e-10)
    large = drivers(read_survey(data.assign(w=1e9 * data["w"]), weights="w"), "y", AMONG)
    assert [e.se for e in large] == approx([e.se for e in weighted], rel=1e-9)


def test_splitting_rows_within_clusters_changes_nothing():
    data = made(120).assign(who=np.arange(120))
    half = pd.concat([data, data]).assign(w=lambda d: d["w"] / 2)
    one = drivers(read_survey(data, weights="w", clusters="who"), "y", AMONG)
    two = drivers(read_survey(half, weights="w", clusters="who"), "y", AMONG)
    assert [e.value for e in two] == approx([e.value for e in one], rel=1e-9)
    assert [e.se for e in two] == approx([e.se for e in one], rel=1e-9)


# -- uncertainty -----------------------------------------------------------------------------------


def recipes():
    players = tuple((i,) for i in range(5))
    found = {method: game(method, players) for method in (*GAMES, *CLOSED)}
    found |= {
        "groups": game("shapley", ((0, 3), (1,), (2, 4))),
        "controls": game("shapley", ((0, 3), (1,)), (2, 4)),
        "owen": owen((((0,), (3, 1)), ((2,), (4,)))),
        "relative": Relative(game("shapley", players)),
        "corrected": Corrected(game("shapley", players), np.array([0.9, 1, 0.8, 1, 0.9, 0.95])),
        "composite": Composite(game("shapley", ((0,), (1,))), ((0, 1, 2), (3, 4))),
        "sampled": Sampled(players, random_orders(120, 5, 3)),
    }
    return [pytest.param(recipe, id=name) for name, recipe in found.items()]


@pytest.mark.parametrize("recipe", recipes())
def test_derivatives_are_those_of_small_steps(recipe):
    x = made()[[*AMONG, "y"]].to_numpy()
    cov = np.corrcoef(x.T)
    assert recipe.gradient(cov) == approx(numeric_gradient(recipe, cov, 3e-5), abs=2e-8)


def test_linearised_errors_agree_with_replicates_and_bootstrap(s):
    plain = np.array([e.se for e in drivers(s, "y", AMONG)])
    jackknife = drivers(make_replicates(s, "JKn"), "y", AMONG)
    assert np.array([e.se for e in jackknife]) == approx(plain, rel=0.2)
    assert "replicate variance" in jackknife["staff"].method
    boot = drivers(s, "y", AMONG, bootstrap=600, seed=2)
    assert np.array([e.se for e in boot]) == approx(plain, rel=0.2)
    assert [e.value for e in boot] == [e.value for e in drivers(s, "y", AMONG)]
    again = drivers(make_replicates(s, "JKn"), "y", AMONG, bootstrap=600, seed=2)
    assert [e.low for e in again] == [e.low for e in boot]
    clusters = drivers(read_survey(made(), weights="w"), "y", AMONG)
    assert clusters["staff"].df > boot["staff"].df


def test_two_shares_of_one_survey_have_a_covariance(s):
    shares = drivers(s, "y", AMONG)
    gap = difference(shares["staff"], shares["care"])
    assert gap.value == approx(shares["staff"].value - shares["care"].value)
    assert gap.se != approx(math.hypot(shares["staff"].se, shares["care"].se), rel=1e-3)


def test_many_predictors_are_sampled_and_say_so():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(500, 18)) + 0.5 * rng.normal(size=(500, 1))
    names = [f"x{i}" for i in range(18)]
    data = pd.DataFrame(x, columns=names).assign(y=x[:, :3].sum(axis=1) + rng.normal(size=500))
    asked = read_survey(data)
    shares = drivers(asked, "y", names, permutations=400, bootstrap=20)
    assert sum(values(shares).values()) == approx(variance_explained(asked, "y", names).value)
    assert "Monte Carlo standard error" in shares["x0"].cautions[0]
    assert shares["x0"].low <= shares["x0"].value <= shares["x0"].high
    exact = game("shapley", tuple((i,) for i in range(12)))
    cov = np.corrcoef(data[[*names[:12], "y"]].to_numpy().T)
    guess = Sampled(exact.players, random_orders(3000, 12, 1))
    off = guess.values(cov[None])[0] - exact.values(cov[None])[0]
    assert np.abs(off).max() < 5 * guess.error(cov)


def test_a_part_keeps_the_whole_design(s):
    part = drivers(s.where(part=[0, 1]), "y", AMONG)
    assert part["staff"].n == 200
    cut = made().query("part < 2")
    alone = drivers(read_survey(cut, weights="w", strata="part", clusters="place"), "y", AMONG)
    assert values(part) == approx(values(alone), rel=1e-12)
    assert [e.se for e in part] == approx([e.se for e in alone], rel=1e-9)


def coverage(runs: int, bootstrap: int, seed: int) -> np.ndarray:
    """How often the intervals of three shares hold the truth, correlated normal predictors."""
    r = np.full((4, 4), 0.4) + 0.6 * np.eye(4)
    root = np.linalg.cholesky(r)
    beta = np.array([0.6, 0.3, 0.15, 0.0])
    spread = float(beta @ r @ beta) + 1
    cov = np.eye(5)
    cov[:4, :4], cov[4, :4] = r, r @ beta / math.sqrt(spread)
    cov[:4, 4] = cov[4, :4]
    truth = game("shapley", tuple((i,) for i in range(4))).values(cov[None])[0]
    rng, hits = np.random.default_rng(seed), np.zeros(4)
    for run in range(runs):
        x = rng.normal(size=(400, 4)) @ root.T
        data = pd.DataFrame(x, columns=list("abcd")).assign(y=x @ beta + rng.normal(size=400))
        shares = drivers(read_survey(data), "y", list("abcd"), bootstrap=bootstrap, seed=run)
        hits += [e.low <= t <= e.high for e, t in zip(shares, truth, strict=True)]
    return hits / runs


def test_intervals_hold_the_truth_in_a_few_runs():
    assert (coverage(60, 0, 5) >= 0.85).all()


@pytest.mark.slow
@pytest.mark.parametrize("bootstrap", [0, 300])
def test_intervals_hold_the_truth(bootstrap):
    found = coverage(600, bootstrap, 6)
    assert (found > 0.92).all() and (found < 0.985).all(), found


# -- ranking stability -----------------------------------------------------------------------------


def test_ranking_stability(s):
    stable = rank_stability(s, "y", AMONG, bootstrap=300, seed=4)
    assert 0.5 < stable["staff"].value <= 1 and stable["advert"].value < 0.01
    assert sum(values(stable).values()) <= 1 + 1e-12
    assert all(0 <= e.low <= e.value <= e.high <= 1 for e in stable)
    assert "not the probability" in stable["staff"].cautions[0]
    same = rank_stability(s, "y", AMONG, bootstrap=300, seed=4)
    assert values(same) == values(stable)
    strict = rank_stability(s, "y", AMONG, bootstrap=300, seed=4, lead=0.9)
    assert sum(values(strict).values()) == 0
    groups = rank_stability(s, "y", AMONG, groups=GROUPS, bootstrap=300)
    assert groups["people"].value > 0.9
    with pytest.raises(CxError, match="no standard error"):
        difference(stable["staff"], stable["care"])


# -- sensitivities ---------------------------------------------------------------------------------


def rigged(n: int = 60_000) -> Survey:
    """Five people items and one marketing item of reliability one half, of equal true effects."""
    rng = np.random.default_rng(3)
    people, marketing = rng.normal(size=(2, n))
    data = {f"p{i}": people + rng.normal(size=n) for i in range(5)}
    data |= {"m": marketing + rng.normal(size=n), "y": people + marketing + rng.normal(size=n)}
    return read_survey(pd.DataFrame(data))


def test_many_items_rig_the_game_and_the_sensitivities_tell():
    asked, people = rigged(), [f"p{i}" for i in range(5)]
    groups = {"people": people, "marketing": ["m"]}
    ask = {"groups": groups, "relative": True}
    plain = drivers(asked, "y", [*people, "m"], **ask)
    assert plain["people"].value == approx(5 / 6 / (5 / 6 + 1 / 2), abs=0.01)
    assert "unequal size" in plain["people"].cautions[0]
    equal = drivers(asked, "y", [*people, "m"], items="equal", **ask)
    assert equal["people"].value == approx(0.5, abs=0.01)
    true = drivers(asked, "y", ["p0", "m"], relative=True, reliability={"p0": 0.5, "m": 0.5})
    assert true["m"].value == approx(0.5, abs=0.02)
    whole = drivers(asked, "y", ["p0", "m"], reliability=0.5)
    assert sum(values(whole).values()) == approx(2 / 3, abs=0.02)
    composite = drivers(asked, "y", [*people, "m"], items="composite", **ask)
    assert composite["people"].value == approx(plain["people"].value, abs=0.01)


def test_equal_items_is_the_mean_over_choices(s):
    groups = {"people": ["staff", "care", "speed"], "rest": ["price", "advert"]}
    ours = drivers(s, "y", AMONG, groups=groups, items="equal")
    each = []
    for pair in itertools.combinations(groups["people"], 2):
        used = {"people": pair, "rest": groups["rest"]}
        each.append(values(drivers(s, "y", [*pair, *groups["rest"]], groups=used)))
    assert values(ours) == approx(pd.DataFrame(each).mean().to_dict(), rel=1e-12)


def test_reliability_of_one_changes_nothing_and_must_be_possible(s):
    same = drivers(s, "y", AMONG, reliability=1.0)
    assert values(same) == approx(values(drivers(s, "y", AMONG)), rel=1e-12)
    for wrong in (0.0, 1.5, "high", {"staff": math.nan}, {"nobody": 0.5}, 0.05):
        with pytest.raises(CxError):
            drivers(s, "y", AMONG, reliability=wrong)


def test_not_applicable_is_an_indicator_and_a_centred_score():
    data = made(600)
    absent = np.arange(600) % 3 == 0
    data["delivery"] = np.where(absent, -96, np.round(5 + data["speed"], 1))
    data["y"] += np.where(absent, 1.0, 0.5 * data["speed"])
    codes = Codebook([Question("delivery", type="rating", missing={-96.0: "na", -99.0: "dk"})])
    asked = Survey(data, codes)
    among = ["staff", "care", "delivery"]
    kept = drivers(asked, "y", among, not_applicable=["delivery"])
    assert kept["staff"].n == 600 and "does not apply to 200" in kept["staff"].cautions[0]
    left = drivers(asked, "y", among)
    assert left["staff"].n == 400 and "not_applicable=" in left["staff"].cautions[0]
    score = np.where(absent, 0.0, data["delivery"] - data["delivery"][~absent].mean())
    by_hand = data.assign(asked=(~absent).astype(int), score=score)
    theirs = drivers(
        read_survey(by_hand),
        "y",
        ["staff", "care", "asked", "score"],
        groups={"delivery": ["asked", "score"]},
    )
    assert values(kept) == approx(values(theirs), rel=1e-12)
    blank = data.assign(delivery=np.where(absent, np.nan, data["delivery"]))
    blanks = drivers(read_survey(blank), "y", among, not_applicable=["delivery"])
    assert values(blanks) == approx(values(kept), rel=1e-12)


# -- yes/no outcomes -------------------------------------------------------------------------------


def test_yes_no_outcomes(s):
    shares = drivers(s, "again", AMONG, family="binomial")
    assert shares["staff"].value > shares["advert"].value
    boot = drivers(s, "again", ["staff", "care"], family="binomial", bootstrap=60, seed=1)
    linear = drivers(s, "again", ["staff", "care"], family="binomial")
    assert boot["staff"].se == approx(linear["staff"].se, rel=0.4)
    blocks = drivers(s, "again", AMONG, family="binomial", groups=GROUPS, relative=True)
    assert sum(values(blocks).values()) == approx(1)
    weights = drivers(s, "again", AMONG, family="binomial", method="johnson", bootstrap=40)
    assert weights["staff"].low < weights["staff"].value < weights["staff"].high
    with pytest.raises(CxError, match="no standard error"):
        difference(weights["staff"], weights["care"])


def test_yes_no_errors_are_those_of_the_jackknife():
    data = made(150)
    linear = drivers(read_survey(data), "again", ["staff", "care"], family="binomial")
    left_out = [
        drivers(read_survey(data.drop(index=i)), "again", ["staff", "care"], family="binomial")[0]
        for i in range(60)
    ]
    moved = np.array([e.value for e in left_out]) - linear["staff"].value
    scores = linear["staff"].linear.scores[:60]
    assert np.corrcoef(-moved, scores)[0, 1] > 0.999
    assert -moved == approx(scores, rel=0.15, abs=1e-5)


# -- what people say, and where to act -------------------------------------------------------------


def points() -> pd.DataFrame:
    rng = np.random.default_rng(9)
    data = made(200)
    shared = rng.multinomial(100, [0.4, 0.3, 0.15, 0.1, 0.05], 200)
    for i, item in enumerate(AMONG):
        data[f"say_{item}"] = shared[:, i].astype(float)
    data.loc[:4, "say_staff"] += 5
    data.loc[5, "say_staff"] = np.nan
    return data


def test_stated_importance_and_how_it_agrees():
    asked = read_survey(points(), weights="w")
    stated = stated_importance(asked, [f"say_{item}" for item in AMONG])
    assert sum(values(stated).values()) == approx(100)
    assert stated["say_staff"].n == 194 and "5 whose points" in stated["say_staff"].cautions[0]
    derived = drivers(asked, "y", AMONG)
    names = {f"say_{item}": item for item in AMONG}
    test = importance_agreement(stated, derived, items=names)
    from scipy.stats import spearmanr

    rho = spearmanr([e.value for e in stated], [e.value for e in derived]).statistic
    assert test.statistic == approx(rho) and test.effect.low <= rho <= test.effect.high
    assert 0 < test.p <= 1
    with pytest.raises(CxError, match="unknown thing"):
        importance_agreement(stated, derived)
    with pytest.raises(CxError, match="add up"):
        stated_importance(asked, ["say_staff", "say_care"])


def test_exact_p_of_a_perfect_order(s):
    """cor.test(1:5, 1:5, method = "spearman"): p = 2/120."""
    derived = drivers(s, "y", AMONG)
    test = importance_agreement(derived, derived)
    assert (test.statistic, test.p) == (approx(1), approx(2 / 120))


def rated(n: int = 300) -> Survey:
    data = made(n)
    for name in AMONG:
        data[name] = np.clip(np.round(5 + 2 * data[name]), 0, 10)
    data.loc[::4, "advert"] = -96
    codes = [Question(name, type="rating", low=0, high=10) for name in AMONG[:-1]]
    codes.append(Question("advert", type="rating", low=0, high=10, missing={-96.0: "na"}))
    return Survey(data, Codebook(codes), Design(weights="w"))


def test_the_action_table_multiplies():
    asked = rated()
    ask = {"not_applicable": ["advert"]}
    table = action_table(asked, "y", AMONG, target=9, feasible={"staff": 0.5}, **ask)
    assert [e.value for e in table] == sorted((e.value for e in table), reverse=True)
    importance = drivers(asked, "y", AMONG, **ask)
    data, w = asked.frame, asked.frame["w"]
    gap = (9 - data["staff"]).clip(lower=0) @ w / w.sum() / 10
    assert table["staff"].value == approx(importance["staff"].value * gap * 0.5, rel=1e-10)
    asked_of = data["advert"] >= 0
    short = ((9 - data["advert"]).clip(lower=0) * asked_of) @ w / w.sum() / 10
    assert table["advert"].value == approx(importance["advert"].value * short, rel=1e-10)
    assert 0 <= table["staff"].low < table["staff"].value < table["staff"].high
    assert "reach 0.7" in table["advert"].method
    fixed = action_table(asked, "y", AMONG, reach={"staff": 0.3}, **ask)
    assert "reach 0.3" in fixed["staff"].method


def test_the_action_tables_error_is_that_of_redrawn_samples():
    asked = rated(200)
    table = action_table(asked, "y", AMONG[:3])
    rng, drawn = np.random.default_rng(1), []
    for _ in range(150):
        rows = rng.integers(0, 200, 200)
        again = Survey(asked.frame.iloc[rows], asked.codebook, asked.design)
        drawn.append(action_table(again, "y", AMONG[:3])["care"].value)
    assert table["care"].se == approx(np.std(drawn), rel=0.25)


def test_the_action_table_refuses(s):
    asked = rated()
    for wrong in (
        {"feasible": 2.0},
        {"reach": -0.1},
        {"target": 11},
        {"target": 0},
        {"scale": (5, 1)},
        {"scale": (6, 10), "target": 8},
    ):
        with pytest.raises(CxError):
            action_table(asked, "y", AMONG, not_applicable=["advert"], **wrong)
    with pytest.raises(CxError, match="scale"):
        action_table(s, "y", AMONG)


# -- hostile input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        ({"among": []}, "no predictors"),
        ({"among": ["staff", "staff"]}, "twice"),
        ({"among": ["staff", "y"]}, "itself"),
        ({"among": ["staf"]}, "did you mean 'staff'"),
        ({"outcome": "z"}, "unknown question"),
        ({"method": "magic"}, "unknown method"),
        ({"family": "poisson"}, "unknown family"),
        ({"items": "some"}, "unknown choice"),
        ({"items": "equal"}, "needs groups"),
        ({"method": "owen"}, "needs groups"),
        ({"groups": {"g": []}}, "empty"),
        ({"groups": {"g": ["z"]}}, "unknown predictor"),
        ({"groups": {"g": ["staff"], "h": ["staff"]}}, "two groups"),
        ({"groups": {"care": ["staff"]}}, "rename"),
        ({"groups": GROUPS, "method": "betasq"}, "do not add up"),
        ({"bootstrap": -1}, "whole number"),
        ({"bootstrap": 1}, "needs replicates"),
        ({"bootstrap": 2.5}, "whole number"),
        ({"level": 1.0}, "confidence level"),
        ({"level": 95, "bootstrap": 10}, "confidence level"),
        ({"categorical": ["z"]}, "unknown categorical"),
        ({"not_applicable": ["z"]}, "unknown not applicable"),
        ({"outcome": "flat"}, "does not vary"),
        ({"among": ["staff", "flat"]}, "does not vary"),
        ({"outcome": "words"}, "text where numbers"),
        ({"among": ["staff", "endless"]}, "infinity"),
        ({"among": ["staff", "empty"]}, "nobody answered"),
        ({"among": ["staff", "rare"]}, "too few"),
        ({"family": "binomial"}, "not a yes/no"),
        ({"family": "binomial", "outcome": "again", "method": "pratt"}, "unknown method"),
        ({"family": "binomial", "outcome": "again", "reliability": 0.5}, "takes none"),
        ({"family": "binomial", "outcome": "again", "bootstrap": 10**5}, "too many logistic"),
        ({"family": "binomial", "outcome": "again", "among": ["y"]}, "separat"),
        ({"family": "binomial", "outcome": "flat"}, ""),
    ],
)
def test_wrong_questions_get_an_answer(ask, said):
    data = made(60)
    data["flat"], data["words"], data["empty"] = 1.0, "a b", np.nan
    data["endless"] = np.where(np.arange(60) == 3, np.inf, data["staff"])
    data["rare"] = np.where(np.arange(60) < 3, data["staff"], np.nan)
    asked = read_survey(data)
    full = {"outcome": "y", "among": AMONG} | ask
    with pytest.raises(CxError) as error:
        drivers(asked, full.pop("outcome"), full.pop("among"), **full)
    assert said in str(error.value)


def test_odd_data_get_a_defined_answer():
    data = made(80)
    data["mixed"] = [str(i % 3) if i % 2 else i % 3 for i in range(80)]
    data["yes"] = np.arange(80) % 2 == 0
    data["big"] = 1e15 + 1e12 * data["speed"]
    data.loc[::7, "care"] = np.nan
    shares = drivers(read_survey(data), "y", ["staff", "care", "mixed", "yes", "big"])
    assert all(math.isfinite(e.value) and e.low <= e.value <= e.high for e in shares)
    assert shares["staff"].n == 68 and shares["staff"].n_excluded == 12
    exact = data.assign(y=2 * data["staff"])
    all_of_it = drivers(read_survey(exact), "y", ["staff", "speed"])
    assert sum(values(all_of_it).values()) == approx(1)
    assert all(math.isfinite(e.se) for e in all_of_it)
    nothing = data.assign(y=np.tile([1, -1, -1, 1], 20), a=np.tile([1, 1, -1, -1], 20))
    none = drivers(read_survey(nothing), "y", ["a"])["a"]
    assert (none.value, none.low) == (approx(0, abs=1e-12), approx(0, abs=1e-12))


def test_one_respondent_or_one_cluster_is_refused():
    with pytest.raises(CxError, match="too few respondents"):
        drivers(read_survey(made(40).head(1)), "y", ["staff"])
    lone = read_survey(made(40).assign(only=1), clusters="only")
    for bootstrap in (0, 50):
        with pytest.raises(CxError):
            drivers(lone, "y", ["staff"], bootstrap=bootstrap)


def test_rare_answers_may_be_missing_from_bootstraps():
    data = made(30)
    data["rare"] = (np.arange(30) == 4).astype(int)
    shares = drivers(read_survey(data), "y", ["staff", "rare"], bootstrap=200, seed=1)
    assert all(math.isfinite(one) for e in shares for one in (e.low, e.high, e.se))
    only = data.assign(y=(np.arange(30) == 4).astype(int))
    shares = drivers(read_survey(only), "y", ["staff"], bootstrap=200, seed=1)
    assert "bootstraps have no shares" in shares["staff"].cautions[0]
    logistic = drivers(
        read_survey(made(30)), "again", ["price"], family="binomial", bootstrap=50, seed=1
    )
    assert 0 <= logistic["price"].low <= logistic["price"].high <= 1
