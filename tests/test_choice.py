"""Discrete choice: what must hold whatever the data, and what hostile data get."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxlib import CxError, difference
from cxlib.choice import choice_fit, choice_model, choice_wtp
from cxlib.choice_logit import Plan, fit
from cxlib.choice_tasks import Question, read_tasks
from cxlib.mixed_logit import Mixing, Panel, Simulated, standard_draws
from cxlib.survey import Design, Survey

ASKED = dict(
    chosen="chosen", task="task", price="price", attributes=["speed", "care"], respondent="person"
)


def simulate(
    seed: int = 0, people: int = 60, tasks: int = 6, alternatives: int = 3, sd: float = 0.0
) -> pd.DataFrame:
    """Choices whose willingness to pay is 2 for speed and 1 for care (sd of speed's weight)."""
    rng = np.random.default_rng(seed)
    shape = (people, tasks, alternatives)
    price = rng.choice([1.0, 2.0, 3.0, 4.0], shape)
    speed, care = rng.choice([0.0, 1.0, 2.0], shape), rng.choice([0.0, 1.0], shape)
    taste = 1.0 + sd * rng.normal(size=(people, 1, 1))
    utility = -0.5 * price + taste * speed + 0.5 * care + rng.gumbel(size=shape)
    person, task, alternative = np.indices(shape)
    return pd.DataFrame(
        {
            "person": person.ravel(),
            "task": task.ravel(),
            "label": np.array(list("abcdefgh"))[alternative.ravel()],
            "chosen": (utility == utility.max(axis=2, keepdims=True)).astype(int).ravel(),
            "price": price.ravel(),
            "speed": speed.ravel(),
            "care": care.ravel(),
            "weight": np.repeat(rng.uniform(0.5, 2, people), tasks * alternatives),
            "group": person.ravel() // 10,
        }
    )


def numbers(ranking) -> np.ndarray:
    return np.array([[e.value, e.se, e.low, e.high] for e in ranking])


# --- against other programs -----------------------------------------------------------------------


def test_the_conditional_logit_is_that_of_statsmodels():
    """ConditionalLogit(chosen, X, groups=task).fit(method="newton")"""
    from statsmodels.discrete.conditional_models import ConditionalLogit

    frame = simulate(3)
    key = frame["person"] * 100 + frame["task"]
    x = frame[["price", "speed", "care"]].to_numpy()
    peer = ConditionalLogit(frame["chosen"].astype(float).to_numpy(), x, groups=key.to_numpy()).fit(
        method="newton", disp=0
    )
    ours = choice_model(frame, **ASKED)
    np.testing.assert_allclose(numbers(ours)[:, 0], peer.params, rtol=1e-8)
    np.testing.assert_allclose(numbers(ours)[:, 1], peer.bse, rtol=1e-5)
    assert choice_fit(frame, **ASKED).effect.value == pytest.approx(peer.llf, rel=1e-10)


def test_the_robust_errors_are_the_clustered_sandwich():
    """logitr(..., clusterID = "person", robust = TRUE): D M D with G/(G − 1), by hand."""
    frame = simulate(4)
    ours = choice_model(frame, errors="robust", weights="weight", **ASKED)
    key = (frame["person"] * 100 + frame["task"]).to_numpy()
    x, w = frame[["price", "speed", "care"]].to_numpy(), frame["weight"].to_numpy()
    odds = np.exp(x @ numbers(ours)[:, 0])
    share = odds / np.bincount(key, odds)[key]
    centre = np.stack([np.bincount(key, share * c)[key] for c in x.T], axis=1)
    bread = np.linalg.inv((x - centre).T @ ((x - centre) * (w * share)[:, None]))
    score = (w * (frame["chosen"] - share)).to_numpy()[:, None] * x
    total = np.stack([np.bincount(frame["person"], c) for c in score.T], axis=1)
    total -= total.mean(axis=0)
    many = len(total)
    cov = bread @ (total.T @ total * many / (many - 1)) @ bread
    np.testing.assert_allclose(numbers(ours)[:, 1], np.sqrt(np.diag(cov)), rtol=1e-6)
    assert ours[0].df == many - 1


def test_constants_and_incomes_are_those_of_mlogit(shared):
    """mlogit(mode ~ price + catch | income, Fish), as published in its vignette (4 decimals)."""
    wide = pd.read_csv(shared / "oracles" / "data" / "Fishing.csv")
    parts = [
        pd.DataFrame(
            {
                "trip": np.arange(len(wide)),
                "mode": mode,
                "chosen": (wide["mode"] == mode).astype(int),
                "price": wide[f"price.{mode}"],
                "catch": wide[f"catch.{mode}"],
                "income": wide["income"],
            }
        )
        for mode in ("beach", "pier", "boat", "charter")
    ]
    long = pd.concat(parts)
    asked = dict(chosen="chosen", task="trip", price="price", attributes=["catch"])
    asked |= dict(alternatives="mode", characteristics=["income"])
    model = choice_model(long, **asked)
    assert model["price"].value == pytest.approx(-0.025117, abs=1e-6)
    assert model["catch"].value == pytest.approx(0.357782, abs=1e-6)
    assert model["mode: charter"].value == pytest.approx(1.694366, abs=1e-5)
    assert model["income × mode: pier"].value == pytest.approx(-1.2758e-4, abs=1e-8)
    assert choice_fit(long, **asked).effect.value == pytest.approx(-1215.1, abs=0.05)
    other = choice_model(long, reference={"mode": "pier"}, **asked)
    assert other["mode: charter"].value == pytest.approx(
        model["mode: charter"].value - model["mode: pier"].value, rel=1e-6
    )


# --- the mixed logit ------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["preference", "wtp"])
@pytest.mark.parametrize("correlated", [False, True])
def test_the_simulated_gradient_is_that_of_the_likelihood(space, correlated):
    rng = np.random.default_rng(1)
    tasks = tuple(rng.normal(size=(rng.integers(1, 6), 3, 4)) for _ in range(12))
    tasks[3][0, 2] = np.nan  # a task with an alternative fewer
    shapes = ("log-normal", "normal", "log-normal" if correlated else "triangular")
    pairs = [(i, j) for i in range(3) for j in (range(i + 1) if correlated else (i,))]
    mixing = Mixing(4, 0, (0, 1, 3), shapes, tuple(pairs), space)
    simulated = Simulated(Panel(tasks, rng.uniform(1, 2, 12)), mixing, 40)
    theta = rng.normal(size=mixing.size) / 2
    _, slope = simulated.loss(theta)
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-5
        rise = (simulated.loss(theta + step)[0] - simulated.loss(theta - step)[0]) / 2e-5
        assert slope[k] == pytest.approx(rise, rel=1e-5, abs=1e-6)


def test_blocks_of_people_and_draws_change_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    tasks = tuple(rng.normal(size=(rng.integers(1, 9), 2, 3)) for _ in range(30))
    mixing = Mixing(3, 0, (1, 2), ("normal", "normal"), ((0, 0), (1, 1)), "preference")
    theta = np.array([-1.0, 0.5, 0.2, 0.7, 0.4])
    whole = Simulated(Panel(tasks, np.ones(30)), mixing, 200).parts(theta)
    monkeypatch.setattr("cxlib.mixed_logit.BLOCK", 300)
    parts = Simulated(Panel(tasks, np.ones(30)), mixing, 200).parts(theta)
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-12)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-9, atol=1e-12)


def test_the_halton_draws_are_the_plain_ones_in_the_first_primes():
    from scipy.special import ndtr

    z = standard_draws(2, 3, ("normal", "uniform", "triangular"), drop=1)
    np.testing.assert_allclose(ndtr(z[:, 0]).ravel(), [1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8])
    thirds = np.array([1 / 3, 2 / 3, 1 / 9, 4 / 9, 7 / 9, 2 / 9])
    np.testing.assert_allclose(z[:, 1].ravel(), 2 * thirds - 1)
    assert z[0, 2, 0] == pytest.approx(math.sqrt(2 / 5) - 1)
    scrambled = standard_draws(50, 200, ("normal",) * 3, scramble=4)
    assert abs(scrambled.mean()) < 0.01 and scrambled.std() == pytest.approx(1, abs=0.01)
    assert (scrambled == standard_draws(50, 200, ("normal",) * 3, scramble=4)).all()


MIXED = ASKED | {"random": {"speed": "normal"}, "starts": 1, "draws": (100, 200)}


def test_the_mixed_logit_finds_what_was_put_in():
    frame = simulate(5, people=400, tasks=8, sd=1.0)
    paid = choice_wtp(frame, **MIXED)
    truth = {"speed": 2.0, "sd.speed": 2.0, "care": 1.0}
    assert {e.term for e in paid} == set(truth)
    for term, value in truth.items():
        assert abs(paid[term].value - value) < 3 * paid[term].se
    with_opg = choice_wtp(frame, errors="opg", **MIXED)
    robust = choice_wtp(frame, errors="robust", **MIXED)
    np.testing.assert_allclose(numbers(with_opg)[:, 1], numbers(paid)[:, 1], rtol=0.25)
    np.testing.assert_allclose(numbers(robust)[:, 1], numbers(paid)[:, 1], rtol=0.25)


def test_both_spaces_tell_the_same_where_the_price_is_fixed():
    frame = simulate(6, people=150, sd=1.0)
    one = choice_wtp(frame, **MIXED)
    other = choice_wtp(frame, space="wtp", **MIXED)
    np.testing.assert_allclose(numbers(one), numbers(other), rtol=2e-3)
    assert choice_fit(frame, **MIXED).statistic == pytest.approx(
        choice_fit(frame, space="wtp", **MIXED).statistic, rel=1e-7
    )


def test_it_says_when_the_simulation_has_not_settled():
    frame = simulate(7, people=80, sd=1.5)
    rough = choice_wtp(frame, **{**MIXED, "draws": (3, 6)})
    assert any(c.startswith("not settled: from 3 to 6 draws") for c in rough[0].cautions)
    alone = choice_wtp(frame, **{**MIXED, "draws": 50})
    assert any(c.startswith("not checked whether 50 draws") for c in alone[0].cautions)
    fine = choice_wtp(frame, **{**MIXED, "draws": (1000, 2000)})
    assert not any("settled" in c or "not checked" in c for c in fine[0].cautions)


def test_other_shapes_and_correlation():
    frame = simulate(8, people=200, sd=0.7)
    shapes = {"price": "log-normal", "speed": "log-normal", "care": "uniform"}
    asked = MIXED | {"random": shapes, "draws": 100}
    paid = choice_wtp(frame, **asked)
    assert [e.term for e in paid] == ["speed", "median.speed", "care", "spread.care"]
    assert paid["speed"].value > paid["median.speed"].value > 0
    space = choice_model(frame, space="wtp", **asked)
    assert [e.term for e in space][:3] == ["scale", "speed", "care"]
    both = {"random": {"speed": "normal", "care": "normal"}, "correlated": True}
    model = choice_model(frame, **(asked | both))
    assert -1 <= model["cor.speed:care"].value <= 1
    normal = choice_wtp(frame, **(asked | {"random": {"price": "normal"}}))
    assert any("does not exist" in c for c in normal[0].cautions)


def test_several_starts_are_seeded():
    frame = simulate(9, people=60, sd=1.0)
    asked = MIXED | {"starts": 3, "draws": 60, "scramble": True}
    first = numbers(choice_wtp(frame, **asked))
    np.testing.assert_array_equal(first, numbers(choice_wtp(frame.copy(), **asked)))
    assert (first != numbers(choice_wtp(frame, **(asked | {"seed": 2})))).any()


# --- properties -----------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(1e-3, 1e9))
def test_units_weights_order_and_labels(seed, factor):
    frame = simulate(seed, people=30)
    plain = numbers(choice_wtp(frame, errors="robust", **ASKED))
    dearer = frame.assign(price=frame["price"] * factor)
    np.testing.assert_allclose(
        numbers(choice_wtp(dearer, errors="robust", **ASKED)), plain * factor, rtol=1e-6
    )
    mixed_up = frame.sample(frac=1, random_state=seed)
    mixed_up["person"] = mixed_up["person"].map(lambda one: f"p{997 * one % 31}")
    np.testing.assert_allclose(
        numbers(choice_wtp(mixed_up, errors="robust", **ASKED)), plain, rtol=1e-6
    )
    weighted = numbers(choice_wtp(frame, weights="weight", **ASKED))
    heavy = frame.assign(weight=frame["weight"] * factor)
    np.testing.assert_allclose(
        numbers(choice_wtp(heavy, weights="weight", **ASKED)), weighted, rtol=1e-6
    )


def test_splitting_a_task_in_two_halves_changes_nothing():
    frame = simulate(10)
    halves = pd.concat(
        [
            frame.assign(weight=frame["weight"] / 2),
            frame.assign(weight=frame["weight"] / 2, task=frame["task"] + 100),
        ]
    )
    np.testing.assert_allclose(
        numbers(choice_wtp(halves, weights="weight", **ASKED)),
        numbers(choice_wtp(frame, weights="weight", **ASKED)),
        rtol=1e-7,
    )


def test_relabelling_alternatives_changes_nothing():
    frame = simulate(11)
    asked = ASKED | {"alternatives": "label"}
    one = choice_wtp(frame, **asked)
    names = {"a": "zebra", "b": "yak", "c": "x"}
    other = choice_wtp(
        frame.assign(label=frame["label"].map(names)), reference={"label": "zebra"}, **asked
    )
    for old, new in (("speed", "speed"), ("care", "care"), ("label: b", "label: yak")):
        np.testing.assert_allclose(one[old].value, other[new].value, rtol=1e-8)
    mixed = MIXED | {"alternatives": "label", "draws": 50}
    first = choice_wtp(frame, **mixed)
    second = choice_wtp(
        frame.assign(label=frame["label"].map(names)), reference={"label": "zebra"}, **mixed
    )
    assert first["speed"].value == pytest.approx(second["speed"].value, rel=1e-6)


def test_a_constant_is_worth_what_it_is_in_an_experiment_with_it():
    frame = simulate(12, people=800)
    frame.loc[frame["label"] == "a", "price"] += 2.0
    paid = choice_wtp(frame, alternatives="label", reference={"label": "b"}, **ASKED)
    # people chose by what the prices were before: "a" must be worth 2 more
    assert abs(paid["label: a"].value - 2.0) < 3 * paid["label: a"].se


def test_a_segment_is_the_one_from_where_and_designs_count():
    frame = simulate(13)
    survey = Survey(frame, design=Design(weights="weight", clusters=("group",)))
    part = choice_wtp(survey.where(group=[0, 1, 2]), **ASKED)
    alone = choice_wtp(frame[frame["group"] < 3], weights="weight", **ASKED)
    np.testing.assert_allclose(numbers(part)[:, 0], numbers(alone)[:, 0], rtol=1e-8)
    assert part[0].n == 30 and part[0].df == 2
    whole = choice_wtp(survey, **ASKED)
    assert whole[0].df == 5 and whole[0].n == 60
    contrast = difference(whole["speed"], whole["care"])
    shifted = frame.assign(speed=frame["speed"], both=frame["speed"] + frame["care"])
    other = Survey(shifted, design=survey.design)
    same = choice_wtp(other, **(ASKED | {"attributes": ["both", "speed"]}))
    # utility a·speed + b·care = b·both + (a − b)·speed
    assert contrast.value == pytest.approx(same["speed"].value, rel=1e-8)
    assert contrast.se == pytest.approx(same["speed"].se, rel=1e-6)


def test_the_three_intervals_agree_where_the_price_is_sharp():
    frame = simulate(14, people=1500)
    found = [
        numbers(choice_wtp(frame, method=m, **ASKED)) for m in ("delta", "krinsky-robb", "fieller")
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0.02)


def test_fieller_and_krinsky_robb_say_when_there_is_no_bound():
    rng = np.random.default_rng(99)
    frame = simulate(15)
    frame["price"] = rng.choice([1.0, 2.0, 3.0], len(frame))  # nobody looked at it
    for method in ("fieller", "krinsky-robb"):
        one = choice_wtp(frame, method=method, **ASKED)["speed"]
        assert (one.low, one.high) == (-math.inf, math.inf)
        assert any("unbounded" in c for c in one.cautions)
        assert "unbounded" in str(one) and one.records()[0]["low"] is None
    delta = choice_wtp(frame, **ASKED)["speed"]
    assert any("fieller" in c or "dearer" in c for c in delta.cautions)


def test_what_is_missing_is_counted():
    frame = simulate(16)
    frame.loc[[0, 40], "price"] = np.nan
    frame.loc[frame["person"] == 7, "speed"] = np.nan
    paid = choice_wtp(frame, **ASKED)
    assert (paid[0].n, paid[0].n_excluded) == (59, 1)
    assert any(c.startswith("8 of 360 tasks left out") for c in paid[0].cautions)
    frame["weight"] = np.where(frame["person"] < 5, 0.0, frame["weight"])
    assert choice_wtp(frame, weights="weight", **ASKED)[0].n == 54


def test_a_fit_is_made_once():
    frame = simulate(17)
    question = Question("chosen", "task", "price", ("speed",), respondent="person")
    first, again = (read_tasks(one, question, None) for one in (frame, frame.copy()))
    assert fit(first, Plan()).theta is fit(again, Plan()).theta
    assert fit(again, Plan()).tasks is again


# --- hostile input --------------------------------------------------------------------------------


def _never(frame):
    """Nobody ever takes c."""
    chosen = frame["chosen"].where(frame["label"] != "c", 0)
    nobody = chosen.groupby([frame["person"], frame["task"]]).transform("sum") == 0
    return frame.assign(chosen=chosen.where(~(nobody & (frame["label"] == "a")), 1))


HOSTILE = {
    "an alternative never chosen": (_never, {"alternatives": "label"}, "never chosen"),
    "a level never chosen": (_never, {"attributes": ["speed", "label"]}, "never chosen"),
    "the price stands still": (lambda f: f.assign(price=3.0), {}, "'price' does not vary"),
    "an attribute stands still": (
        lambda f: f.assign(care=f["person"] % 2),
        {},
        "'care' does not vary within any task",
    ),
    "collinear": (lambda f: f.assign(care=2 * f["speed"] - f["price"]), {}, "collinearity"),
    "separated": (lambda f: f.assign(care=f["chosen"]), {}, "perfect separation"),
    "all chosen": (lambda f: f.assign(chosen=1), {}, "one chosen alternative"),
    "none chosen": (lambda f: f.assign(chosen=0), {}, "one chosen alternative"),
    "chosen is a label": (lambda f: f.assign(chosen=f["label"]), {}, "holds text"),
    "chosen counts": (lambda f: f.assign(chosen=2 * f["chosen"]), {}, "whether it was chosen"),
    "infinite price": (lambda f: f.assign(price=np.inf), {}, "infinity"),
    "enormous price": (lambda f: f.assign(price=f["price"] * 1e200), {}, "too large"),
    "text price": (lambda f: f.assign(price="dear"), {}, "holds text"),
    "empty price": (lambda f: f.assign(price=np.nan), {}, "no choice is complete"),
    "no rows": (lambda f: f.iloc[:0], {}, "no rows"),
    "unknown column": (lambda f: f, {"price": "prise"}, "unknown column"),
    "no attributes as text": (lambda f: f, {"attributes": "speed"}, "list of columns"),
    "twice": (lambda f: f, {"attributes": ["speed", "speed"]}, "named twice"),
    "price twice": (lambda f: f, {"attributes": ["price"]}, "named twice"),
    "a task without a name": (lambda f: f.assign(task=np.nan), {}, "gaps"),
    "doubled alternative": (
        lambda f: f.assign(label="a", chosen=f["chosen"]),
        {"alternatives": "label"},
        "twice in a task",
    ),
    "weights within a task": (
        lambda f: f.assign(weight=np.arange(len(f)) + 1.0),
        {"weights": "weight"},
        "vary within a task",
    ),
    "negative weights": (lambda f: f.assign(weight=-1.0), {"weights": "weight"}, "negative"),
    "unknown level": (lambda f: f, {"reference": {"speed": 9}}, "unknown level"),
    "unknown reference": (lambda f: f, {"reference": {"spede": 1}}, "unknown attribute"),
    "person without labels": (lambda f: f, {"characteristics": ["group"]}, "alternatives="),
    "unknown space": (lambda f: f, {"space": "wtf"}, "unknown space"),
    "unknown method": (lambda f: f, {"method": "bayes"}, "unknown method"),
    "unknown errors": (lambda f: f, {"errors": "none"}, "unknown kind"),
    "unknown shape": (lambda f: f, {"random": {"speed": "cauchy"}}, "unknown distribution"),
    "unknown random": (lambda f: f, {"random": {"sped": "normal"}}, "unknown attribute"),
    "falling draws": (lambda f: f, {"random": {"speed": "normal"}, "draws": (9, 3)}, "draws"),
    "no starts": (lambda f: f, {"starts": 0}, "starting point"),
    "level": (lambda f: f, {"level": 95}, "between 0 and 1"),
    "one respondent": (
        lambda f: simulate(1, people=1, tasks=40),
        {"errors": "robust"},
        "one respondent",
    ),
    "fieller of a log-normal": (
        lambda f: f,
        {"random": {"speed": "log-normal"}, "method": "fieller", "draws": 20, "starts": 1},
        "ratio of two coefficients",
    ),
    "weights within a person": (
        lambda f: f.assign(weight=f["task"] + 1.0),
        {"weights": "weight", "random": {"speed": "normal"}},
        "between a respondent's tasks",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_choices_get_a_clear_error(name):
    spoil, asked, words = HOSTILE[name]
    with pytest.raises(CxError, match=words) as caught:
        choice_wtp(spoil(simulate(18)), **(ASKED | asked))
    assert caught.value.what


def test_other_refusals():
    with pytest.raises(CxError, match="survey or a DataFrame"):
        choice_wtp([1, 2], **ASKED)
    with pytest.raises(CxError, match="unknown argument"):
        choice_model(simulate(), **ASKED, prise="x")
    with pytest.raises(CxError, match="an argument is missing"):
        choice_fit(simulate(), price="price")
    survey = Survey(simulate(), design=Design(clusters=("group",)))
    with pytest.raises(CxError, match="ignore the survey's design"):
        choice_wtp(survey, errors="hessian", **ASKED)
    with pytest.raises(CxError, match="cuts through tasks"):
        choice_wtp(survey.where(label=["a", "b"]), **ASKED)


def test_extreme_weights_and_mixed_types_have_a_defined_answer():
    frame = simulate(19)
    frame["weight"] = np.where(frame["person"] == 0, 1e9, 1.0)
    frame["person"] = frame["person"].astype(object)
    frame.loc[frame["person"] == 3, "person"] = "three"
    frame["kind"] = frame["care"].map({0.0: "", 1.0: 7})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked = ASKED | {"attributes": ["speed", "kind"], "weights": "weight"}
        try:
            found = numbers(choice_wtp(frame, **asked))
        except CxError:
            return
    assert np.isfinite(found).all()


def test_tastes_that_do_not_differ_have_a_defined_answer():
    frame = simulate(20, people=40, tasks=3)
    try:
        paid = choice_wtp(frame, **(MIXED | {"draws": (50, 100)}))
    except CxError:
        return
    assert np.isfinite(numbers(paid)).all() and paid["sd.speed"].low >= 0


def fuzz(seed: int) -> bool:
    """Whether spoilt choices, asked about at random, have an answer; if not, a CxError."""
    import random

    dice = random.Random(seed)
    people, tasks = dice.choice([1, 2, 5, 12]), dice.choice([1, 2, 4])
    frame = simulate(seed, people, tasks, dice.choice([2, 3]), sd=dice.choice([0.0, 2.0]))
    spoilt = [np.nan, np.inf, -1, 1e9, "", None, "x", 0, 1e-300, True]
    for _ in range(dice.choice([0, 1, 2])):
        column = dice.choice(["price", "speed", "care", "chosen", "weight", "person", "task"])
        frame[column] = frame[column].astype(object)
        frame.loc[dice.randrange(len(frame)), column] = dice.choice(spoilt)
    shapes = ["normal", "log-normal", "triangular", "uniform"]
    mixed = {dice.choice(["price", "speed", "care"]): dice.choice(shapes)}
    asked = ASKED | {
        "alternatives": dice.choice(["", "", "label"]),
        "weights": dice.choice([None, None, "weight"]),
        "random": dice.choice([None, mixed]),
        "space": dice.choice(["preference", "wtp"]),
        "errors": dice.choice(["", "opg", "robust"]),
        "draws": (10, 20),
        "starts": 2,
    }
    try:
        paid = choice_wtp(frame, method=dice.choice(["delta", "krinsky-robb"]), **asked)
        told = numbers(choice_model(frame, **asked))
    except CxError:
        return False
    assert not np.isnan(numbers(paid)).any() and np.isfinite(told).all()
    return True


def test_spoilt_choices_have_an_answer_or_a_clear_error():
    assert 0 < sum(fuzz(seed) for seed in range(60)) < 60


@pytest.mark.slow
def test_many_spoilt_choices():
    assert 0 < sum(fuzz(seed) for seed in range(60, 1500)) < 1440


def test_it_shows_and_records():
    paid = choice_wtp(simulate(21), unit="EUR", claim="C05", name="Worth of service", **ASKED)
    bundle = paid._repr_mimebundle_()
    assert "Worth of service" in bundle["text/html"] and "EUR" in bundle["text/plain"]
    assert [r["claim"] for r in paid.records()] == ["C05", "C05"]
    assert choice_fit(simulate(21), **ASKED).p < 1e-10


# --- coverage -------------------------------------------------------------------------------------


def coverage(repeats: int, asked: dict, truth: dict[str, float], **made) -> dict[str, float]:
    """The share of intervals that hold the truth."""
    hits = dict.fromkeys(truth, 0)
    for seed in range(repeats):
        paid = choice_wtp(simulate(1000 + seed, **made), **asked)
        for term, value in truth.items():
            hits[term] += paid[term].low <= value <= paid[term].high
    return {term: count / repeats for term, count in hits.items()}


@pytest.mark.parametrize("method", ["delta", "krinsky-robb", "fieller"])
def test_intervals_cover_seeded(method):
    found = coverage(60, ASKED | {"method": method}, {"speed": 2.0, "care": 1.0})
    assert min(found.values()) >= 0.88


@pytest.mark.slow
@pytest.mark.parametrize("method", ["delta", "krinsky-robb", "fieller"])
@pytest.mark.parametrize("errors", ["hessian", "robust"])
def test_intervals_cover(method, errors):
    asked = ASKED | {"method": method, "errors": errors}
    found = coverage(2000, asked, {"speed": 2.0, "care": 1.0})
    assert min(found.values()) >= 0.93 and max(found.values()) <= 0.97, found


@pytest.mark.slow
def test_mixed_intervals_cover():
    asked = MIXED | {"draws": 200}
    truth = {"speed": 2.0, "sd.speed": 2.0, "care": 1.0}
    found = coverage(1000, asked, truth, people=150, sd=1.0)
    assert min(found.values()) >= 0.92, found
