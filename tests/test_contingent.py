"""Contingent valuation beyond the peers' cases: other peers, properties, hostile data, coverage."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxlib import contingent_fit as engine
from cxlib.codebook import Codebook, Question
from cxlib.contingent import INTERCEPT, contingent_valuation, model_of
from cxlib.contingent_curve import CURVE_MEANS, steps, wtp_survival
from cxlib.contingent_wtp import MEANS, METHODS, wtp_mean, wtp_median, wtp_ratio
from cxlib.errors import CxError
from cxlib.linear import Linear, difference
from cxlib.replicates import make_replicates
from cxlib.result import Curve, Estimate, Ranking
from cxlib.survey import Design, Survey

BIDS = np.array([5.0, 10, 20, 40, 80])


def answers(n: int = 600, seed: int = 1, slope: float = 1.5, median: float = 20.0) -> pd.DataFrame:
    """Log-logistic willingness to pay; single, double and one-and-a-half-bounded answers to it."""
    rng = np.random.default_rng(seed)
    older = rng.integers(0, 2, n)
    u = rng.uniform(size=n)
    pay = median * np.exp(0.4 * (older - 0.5) / slope) * (u / (1 - u)) ** (1 / slope)
    bid = rng.choice(BIDS, n)
    yes = (pay >= bid).astype(int)
    follow = np.where(yes == 1, 2 * bid, bid / 2)
    low_first = rng.integers(0, 2, n) == 1
    first = np.where(low_first, pay >= bid, pay >= 2 * bid).astype(int)
    asked = np.where(low_first, first == 1, first == 0)
    then = np.where(low_first, pay >= 2 * bid, pay >= bid).astype(float)
    return pd.DataFrame(
        {
            "bid": bid,
            "high": 2 * bid,
            "yes": yes,
            "follow": follow,
            "again": (pay >= follow).astype(int),
            "half1": first,
            "half2": np.where(asked, then, np.nan),
            "older": older,
            "group": np.where(older == 1, "b", "a"),
            "w": rng.uniform(0.5, 2, n),
            "psu": rng.integers(0, 40, n),
            "stratum": np.arange(n) % 2,
        }
    )


FRAME = answers()
PLAIN = Survey(FRAME, Codebook([Question("bid", unit="EUR"), Question("follow", unit="EUR")]))
DESIGN = Survey(FRAME, design=Design(weights="w", strata=("stratum",), clusters=("psu",)))
DOUBLE = {"second": "again", "follow_up": "follow"}
ASKED = {
    "single": (("yes", "bid"), {}),
    "double": (("yes", "bid"), DOUBLE),
    "half": (("half1", ("bid", "high")), {"second": "half2"}),
}


def fit(survey: Survey, way: str = "single", **more) -> Ranking:
    (answer, bid), extra = ASKED[way]
    return contingent_valuation(survey, answer, bid, **extra, **more)


def curve(survey: Survey, way: str = "single", **more) -> Curve:
    (answer, bid), extra = ASKED[way]
    return wtp_survival(survey, answer, bid, **extra, **more)


# --- other peers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["logistic", "normal"])
def test_single_bounded_is_logit_and_probit(distribution):
    from statsmodels.discrete.discrete_model import Logit, Probit

    x = FRAME[["older", "bid"]].assign(const=1.0)[["const", "older", "bid"]]
    peer = (Logit if distribution == "logistic" else Probit)(FRAME["yes"], x)
    peer = peer.fit(disp=0, tol=1e-12)
    ours = fit(PLAIN, distribution=distribution, covariates=["older"])
    assert [e.value for e in ours] == pytest.approx(peer.params.tolist(), rel=1e-7)
    assert model_of(ours).loglik == pytest.approx(peer.llf, rel=1e-10)
    if distribution == "logistic":
        assert [e.se for e in ours] == pytest.approx(peer.bse.tolist(), rel=1e-7)
        ratio = wtp_ratio(ours, "older", "bid", method="delta")
        cov = peer.cov_params().loc[["older", "bid"], ["older", "bid"]].to_numpy()
        slopes = np.array([-1 / peer.params["bid"], peer.params["older"] / peer.params["bid"] ** 2])
        assert ratio.se == pytest.approx(math.sqrt(slopes @ cov @ slopes), rel=1e-6)


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize("distribution", engine.DISTRIBUTIONS)
def test_scores_and_information_are_derivatives(way, distribution):
    model = model_of(fit(PLAIN, way, distribution=distribution, covariates=["older"]))
    size = 1e-5 * np.sqrt(np.diag(model.cov))
    at = model.coef + 0.3 * np.sqrt(np.diag(model.cov))
    _, scores, observed, _ = engine.likelihood(model.data, at)
    for place in range(len(at)):
        step = np.zeros(len(at))
        step[place] = size[place]
        up, down = (engine.likelihood(model.data, at + sign * step) for sign in (1, -1))
        slope = (up[0] - down[0]) / (2 * size[place])
        assert slope == pytest.approx(scores.sum(axis=0)[place], rel=1e-4, abs=1e-4)
        bend = -(up[1].sum(axis=0) - down[1].sum(axis=0)) / (2 * size[place])
        assert bend == pytest.approx(observed[place], rel=1e-4, abs=1e-4 * np.abs(bend).max())
    assert np.abs(engine.likelihood(model.data, model.coef)[1].sum(axis=0) * size).max() < 1e-10


@pytest.mark.parametrize("distribution", engine.DISTRIBUTIONS)
@pytest.mark.parametrize(("a", "b"), [(2.0, -1.4), (5.0, -2.5), (0.3, -0.4), (-3.0, -1.05)])
def test_means_are_integrals(distribution, a, b):
    from scipy.integrate import quad

    top = 12.0

    def share(t: float) -> float:
        return float(np.exp(engine.accepted(a, b, distribution, t).log_yes)) if t > 0 else 1.0

    area = quad(share, 0, top, points=[1e-3, 0.1, 1], limit=400, epsabs=1e-12)[0]
    assert engine.truncated_mean(a, b, distribution, top) == pytest.approx(area, rel=1e-6)
    adjusted = engine.adjusted_mean(a, b, distribution, top)
    assert adjusted == pytest.approx(area / (1 - share(top)), rel=1e-6)
    if engine.mean_exists(b, distribution):
        # on the scale of logarithms, where thick tails end
        whole = quad(lambda y: share(math.exp(y)) * math.exp(y), -40, 300, limit=2000)[0]
        if distribution in ("logistic", "normal") or b < -1.3:
            assert engine.unrestricted_mean(a, b, distribution) == pytest.approx(whole, rel=1e-5)
    else:
        assert math.isinf(engine.unrestricted_mean(a, b, distribution))


def test_sandwich_by_hand():
    ours = fit(DESIGN, distribution="log-logistic")
    model = model_of(ours)
    x = np.column_stack([np.ones(len(FRAME)), np.log(FRAME["bid"])])
    p = 1 / (1 + np.exp(-x @ model.coef))
    w = FRAME["w"].to_numpy()
    bread = np.linalg.inv((x * (w * p * (1 - p))[:, None]).T @ x)
    z = pd.DataFrame((w * (FRAME["yes"] - p)).to_numpy()[:, None] * x @ bread)
    total = np.zeros((2, 2))
    for _, rows in z.groupby(FRAME["stratum"].to_numpy()):
        units = rows.groupby(FRAME["psu"].to_numpy()[rows.index]).sum().to_numpy()
        centred = units - units.mean(axis=0)
        total += len(units) / (len(units) - 1) * centred.T @ centred
    assert model.cov == pytest.approx(total, rel=1e-9)
    assert ours[0].df == DESIGN.df - 1


def test_turnbull_is_isotonic_regression_and_reaches_the_maximum():
    from scipy.optimize import isotonic_regression

    table = FRAME.groupby("bid")["yes"].agg(["mean", "size"])
    peer = isotonic_regression(table["mean"], weights=table["size"], increasing=False).x
    assert [e.value for e in curve(PLAIN)] == pytest.approx(list(peer), abs=1e-12)
    low = np.array([0.0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 1, 0])
    high = np.array([1, 2, 2, 4, 4, math.inf, math.inf, 4, math.inf, math.inf, 3, 3])
    ours = steps(low, high, np.arange(1.0, 13))
    mass = -np.diff(np.concatenate([[1.0], ours.survival, [0.0]]))
    edges = np.concatenate([[0.0], ours.bids, [math.inf]])
    inside = (low[:, None] <= edges[:-1]) & (edges[1:] <= high[:, None])
    gradient = np.arange(1.0, 13) @ (inside / (inside @ mass)[:, None]) / 78
    assert gradient.max() < 1 + 1e-8
    assert gradient[mass > 1e-9] == pytest.approx(1, abs=1e-8)


def test_amounts_of_a_curve_by_hand():
    data = pd.DataFrame(
        {"bid": [10] * 10 + [20] * 10, "yes": [1] * 8 + [0] * 2 + [1] * 3 + [0] * 7}
    )
    ours = wtp_survival(Survey(data), "yes", "bid")
    assert [e.value for e in ours] == pytest.approx([0.8, 0.3])
    lower = wtp_mean(ours)
    assert lower.value == pytest.approx(10 * 0.8 + 10 * 0.3)
    assert lower.se == pytest.approx(math.sqrt((100 * 0.16 + 100 * 0.21) / 10 * 20 / 19))
    assert wtp_mean(ours, kind="interpolated").value == pytest.approx(9 + 5.5)
    assert wtp_mean(ours, kind="kristrom").value == pytest.approx(9 + 5.5 + 0.5 * 6 * 0.3)
    assert wtp_median(ours).value == pytest.approx(16)
    bounds = wtp_median(ours, method="bounds")
    assert (bounds.low, bounds.high) == (10, 20)


def test_fieller_by_hand():
    cov = np.array([[0.04, 0.001], [0.001, 0.01]])
    low, high, why = engine.fieller(2.0, -1.0, cov, 1.96)
    assert not why
    for r in (low, high):
        assert abs(2.0 - r) / math.sqrt(0.04 + 0.002 * r + 0.01 * r**2) == pytest.approx(1.96)
    for wide in (0.5, 5.0):
        low, high, why = engine.fieller(2.0, -1.0, cov * wide * 100, 1.96)
        assert (low, high) == (-math.inf, math.inf) and why


# --- shapes and meanings --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ASKED)
def test_results_are_in_the_houses_shapes(way):
    model, steps_of = fit(PLAIN, way, distribution="log-logistic"), curve(PLAIN, way)
    assert isinstance(model, Ranking) and isinstance(steps_of, Curve)
    for method in METHODS:
        one = wtp_median(model, method=method, draws=200)
        assert isinstance(one, Estimate) and one.unit == "EUR"
        assert one.low < one.value < one.high and one.n == 600
        assert one.low < 20 < one.high
    for kind in CURVE_MEANS:
        one = wtp_mean(steps_of, kind=kind)
        assert one.low < one.value < one.high and one.se > 0
    survival = [e.value for e in steps_of]
    assert survival == sorted(survival, reverse=True)
    assert [e.x for e in steps_of] == sorted(e.x for e in steps_of)
    for e in (*model, *steps_of):
        assert all(math.isfinite(v) for v in (e.value, e.low, e.high))
        assert e.records()[0]["value"] is not None and e.to_html()


def test_money_has_its_currency():
    model = fit(PLAIN, "double", distribution="log-logistic")
    assert wtp_median(model).unit == "EUR" and "EUR" in str(wtp_median(model))
    assert wtp_mean(curve(PLAIN)).unit == "EUR"
    mixed = Survey(FRAME, Codebook([Question("bid", unit="EUR"), Question("follow", unit="USD")]))
    with pytest.raises(CxError, match="different units"):
        fit(mixed, "double")


def test_two_bounds_tell_more_than_one():
    widths = {}
    for way in ASKED:
        one = wtp_median(fit(PLAIN, way, distribution="log-logistic"), method="delta")
        widths[way] = one.high - one.low
    assert widths["double"] < widths["single"]


def test_seed_and_at():
    model = fit(PLAIN, distribution="log-logistic", covariates=["group"])
    assert [e.term for e in model] == [INTERCEPT, "group: b", "log(bid)"]
    same = [wtp_median(model, seed=3) for _ in range(2)]
    assert (same[0].low, same[0].high) == (same[1].low, same[1].high)
    assert wtp_median(model, seed=4).low != same[0].low
    young, old = (wtp_median(model, at={"group: b": value}) for value in (0, 1))
    assert old.value > young.value
    gap = difference(old, young)
    assert gap.value == pytest.approx(old.value - young.value) and gap.se > 0
    assert "group: b 1" in old.method
    with pytest.raises(CxError, match="unknown covariate"):
        wtp_median(model, at={"size": 1})


def test_unbounded_means_are_refused():
    thick = fit(Survey(answers(800, 3, slope=0.8)), distribution="log-logistic")
    with pytest.raises(CxError, match="does not exist"):
        wtp_mean(thick)
    for kind in MEANS[1:]:
        assert wtp_mean(thick, kind=kind).high < math.inf
    flat = FRAME.assign(yes=np.random.default_rng(8).integers(0, 2, len(FRAME)))
    weak = contingent_valuation(Survey(flat), "yes", "bid")
    slope = weak["bid"]
    assert slope.low < 0 < slope.high
    if slope.value < 0:
        with pytest.raises(CxError, match="cannot be told from 0"):
            wtp_mean(weak)
        told = wtp_median(weak, method="fieller")
        assert math.isinf(told.low) and math.isinf(told.high) and "unbounded" in told.cautions[0]
        assert any("hides" in c for c in wtp_median(weak, method="delta").cautions)
        simulated = wtp_median(weak)
        assert math.isinf(simulated.high) and "wrong sign" in simulated.cautions[0]
        assert told.records()[0]["high"] is None


def test_an_infinite_upper_end_is_said():
    some = fit(Survey(answers(300, 11, slope=1.15)), distribution="log-logistic")
    one = wtp_mean(some)
    assert math.isinf(one.high) and any("may not exist" in c for c in one.cautions)


def test_a_rising_curve_gives_no_amount():
    rising = Survey(FRAME.assign(yes=1 - FRAME["yes"]))
    model = contingent_valuation(rising, "yes", "bid")
    assert any("do not say no more often" in c for c in model[0].cautions)
    for of in (wtp_median, wtp_mean):
        with pytest.raises(CxError, match="no amount follows"):
            of(model)


def test_ratio_of_any_model_with_scores():
    model = fit(DESIGN, distribution="logistic", covariates=["older"])
    plain = replace(
        model,
        estimates=tuple(
            replace(e, linear=Linear(DESIGN, lambda e=e: e.linear.scores, e.df)) for e in model
        ),
    )
    for method in ("delta", "fieller", "krinsky-robb"):
        ours, theirs = (wtp_ratio(m, "older", "bid", method=method) for m in (model, plain))
        assert (ours.value, ours.low, ours.high) == pytest.approx(
            (theirs.value, theirs.low, theirs.high), rel=1e-9
        )
    median = wtp_ratio(model, "older", "bid", method="krinsky-robb")
    assert median.value == pytest.approx(wtp_ratio(model, "older", "bid").value, rel=0.05)


# --- properties -----------------------------------------------------------------------------------


def parts(survey: Survey, way: str) -> list[float]:
    model, steps_of = fit(survey, way, distribution="log-normal"), curve(survey, way)
    both = [wtp_median(model, method="delta"), wtp_mean(steps_of), *model, *steps_of]
    return [number for e in both for number in (e.value, e.se)]


@pytest.mark.parametrize("way", ASKED)
def test_scaling_weights_changes_nothing(way):
    scaled = Survey(FRAME.assign(w=FRAME["w"] * 1e9), design=DESIGN.design)
    assert parts(scaled, way) == pytest.approx(parts(DESIGN, way), rel=1e-7)


@pytest.mark.parametrize("way", ASKED)
def test_splitting_a_row_changes_nothing(way):
    halves = pd.concat([FRAME.assign(w=FRAME["w"] / 2)] * 2, ignore_index=True)
    assert parts(Survey(halves, design=DESIGN.design), way) == pytest.approx(
        parts(DESIGN, way), rel=1e-7
    )


@pytest.mark.parametrize("way", ASKED)
def test_order_and_money_unit_do_not_matter(way):
    turned = Survey(FRAME.iloc[::-1].reset_index(drop=True), design=DESIGN.design)
    assert parts(turned, way) == pytest.approx(parts(DESIGN, way), rel=1e-7)
    cents = FRAME.assign(**{name: 100 * FRAME[name] for name in ("bid", "high", "follow")})
    for distribution in engine.DISTRIBUTIONS:
        euro = wtp_median(fit(PLAIN, way, distribution=distribution), method="fieller")
        cent = wtp_median(fit(Survey(cents), way, distribution=distribution), method="fieller")
        assert (cent.value, cent.low, cent.high) == pytest.approx(
            (100 * euro.value, 100 * euro.low, 100 * euro.high), rel=1e-6
        )


def test_a_segment_is_its_own_survey_where_there_is_no_design():
    inside = Survey(FRAME).where(older=1)
    alone = Survey(FRAME[FRAME["older"] == 1].reset_index(drop=True))
    for way in ASKED:
        ours, theirs = (fit(s, way, distribution="weibull") for s in (inside, alone))
        assert [e.value for e in ours] == pytest.approx([e.value for e in theirs], rel=1e-9)
        assert [e.se for e in ours] == pytest.approx([e.se for e in theirs], rel=1e-9)
    assert ours[0].n == len(alone) and ours[0].n_excluded == 0


def test_replicates_and_bootstrap_agree_with_linearisation():
    model = fit(DESIGN, "double", distribution="log-logistic")
    jack = fit(make_replicates(DESIGN, "JKn"), "double", distribution="log-logistic")
    assert [e.se for e in jack] == pytest.approx([e.se for e in model], rel=1e-6)
    delta = wtp_median(model, method="delta")
    boot = wtp_median(model, method="bootstrap", draws=400)
    assert boot.high - boot.low == pytest.approx(delta.high - delta.low, rel=0.2)
    with pytest.raises(CxError, match="no bootstrap"):
        wtp_median(jack, method="bootstrap")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_answers_a_defined_answer_or_a_cx_error(data):
    n = data.draw(st.integers(1, 25))
    some = st.sampled_from([0, 1, 1.0, np.nan])
    frame = pd.DataFrame(
        {
            "bid": data.draw(st.lists(st.sampled_from([1, 2, 3, 1e9]), min_size=n, max_size=n)),
            "yes": data.draw(st.lists(some, min_size=n, max_size=n)),
            "x": data.draw(st.lists(st.sampled_from([0, 1, 5.5]), min_size=n, max_size=n)),
            "w": data.draw(st.lists(st.sampled_from([0, 1, 1e9]), min_size=n, max_size=n)),
        }
    )
    for design in (Design(), Design(weights="w")):
        for distribution in engine.DISTRIBUTIONS:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check(frame, design, distribution)


def check(frame: pd.DataFrame, design: Design, distribution: str) -> None:
    try:
        survey = Survey(frame, design=design)
        told = [*wtp_survival(survey, "yes", "bid")]
        told.append(wtp_mean(wtp_survival(survey, "yes", "bid")))
        assert not any(math.isnan(v) for e in told for v in (e.value, e.low, e.high))
        model = contingent_valuation(
            survey, "yes", "bid", distribution=distribution, covariates=["x"]
        )
        told = [*model, wtp_median(model, draws=100), wtp_median(model, method="fieller")]
        told.append(wtp_mean(model, kind="truncated", draws=100))
        assert not any(math.isnan(v) for e in told for v in (e.value, e.low, e.high))
    except CxError as error:
        assert error.what and "Traceback" not in str(error)


# --- hostile data ---------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", engine.DISTRIBUTIONS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"yes": 1}, "everybody said yes"),
        ({"yes": 0}, "everybody said no"),
        ({"bid": 7.0}, "one bid says nothing"),
        ({"yes": np.nan}, "nobody answered"),
        ({"yes": (FRAME["bid"] < 15).astype(int)}, "perfectly separated"),
        ({"older": FRAME["yes"]}, "perfectly separated"),
        ({"older": 3.0}, "collinear"),
        ({"older": 2 * np.log(FRAME["bid"]) + 1e-12 * FRAME["w"]}, "collinear"),
        ({"bid": "ten"}, "text where numbers"),
        ({"bid": np.inf}, "infinity"),
        ({"yes": "perhaps"}, "no yes/no question"),
        ({"yes": FRAME["psu"]}, "no yes/no question"),
    ],
)
def test_hostile_answers(distribution, change, words):
    if words == "collinear" and "bid" in str(change) and not distribution.startswith("log"):
        return
    survey = Survey(FRAME.assign(**change))
    if words == "collinear" and distribution in ("logistic", "normal") and "older" in change:
        survey = Survey(FRAME.assign(older=3.0))
    with pytest.raises(CxError, match=words):
        contingent_valuation(survey, "yes", "bid", distribution=distribution, covariates=["older"])


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_bids_at_or_below_zero(value):
    data = FRAME.assign(bid=FRAME["bid"].where(FRAME["bid"] > 5, value))
    for distribution in ("log-logistic", "log-normal", "weibull"):
        with pytest.raises(CxError, match="a bid of 0 or less"):
            contingent_valuation(Survey(data), "yes", "bid", distribution=distribution)
    with pytest.raises(CxError, match="a bid of 0 or less"):
        wtp_survival(Survey(data), "yes", "bid")
    model = contingent_valuation(Survey(data), "yes", "bid")
    assert math.isfinite(wtp_median(model).value)


@pytest.mark.parametrize("yes", [0, 1])
def test_curves_of_one_answer_only(yes):
    ours = wtp_survival(Survey(FRAME.assign(yes=yes)), "yes", "bid")
    assert {e.value for e in ours} == {float(yes)}
    assert all(0 <= e.low <= e.value <= e.high <= 1 and e.low < e.high for e in ours)
    mean = wtp_mean(ours)
    assert mean.value == 80 * yes and mean.low <= mean.value <= mean.high
    assert mean.low < mean.high and mean.cautions
    if yes:
        with pytest.raises(CxError, match="beyond the highest bid"):
            wtp_median(ours)
    else:
        assert wtp_median(ours).low == 0


def test_one_respondent():
    one = Survey(pd.DataFrame({"bid": [10.0], "yes": [1]}))
    with pytest.raises(CxError):
        contingent_valuation(one, "yes", "bid")
    assert wtp_survival(one, "yes", "bid")[0].value == 1
    cluster = Survey(FRAME.assign(psu=1), design=Design(weights="w", clusters=("psu",)))
    for of in (fit, curve):
        with pytest.raises(CxError, match="one cluster"):
            of(cluster)


def test_separation_in_two_answers():
    data = pd.DataFrame({"bid": [10.0, 20] * 20, "yes": [1, 0] * 20})
    data["follow"] = np.where(data["yes"] == 1, 15.0, 16.0)
    data["again"] = np.where(data["yes"] == 1, 1, 0)
    with pytest.raises(CxError, match="perfectly separated"):
        contingent_valuation(Survey(data), "yes", "bid", second="again", follow_up="follow")


def test_wrong_formats():
    for more in ({"second": "again"}, {"follow_up": "follow"}):
        with pytest.raises(CxError, match="a follow-up needs"):
            contingent_valuation(PLAIN, "yes", "bid", **more)
    with pytest.raises(CxError, match="one-and-a-half"):
        contingent_valuation(PLAIN, "yes", ("bid", "high"))
    with pytest.raises(CxError, match="not higher after a yes"):
        contingent_valuation(PLAIN, "yes", "bid", second="again", follow_up="bid")
    with pytest.raises(CxError, match="not above the low one"):
        contingent_valuation(PLAIN, "half1", ("high", "bid"), second="half2")
    with pytest.raises(CxError, match="unknown question"):
        contingent_valuation(PLAIN, "yess", "bid")
    with pytest.raises(CxError, match="unknown distribution"):
        contingent_valuation(PLAIN, "yes", "bid", distribution="gamma")
    with pytest.raises(CxError, match="a level"):
        contingent_valuation(PLAIN, "yes", "bid", level=95)


def test_wrong_questions_to_a_model():
    model, steps_of = fit(PLAIN), curve(PLAIN)
    with pytest.raises(CxError, match="unknown method"):
        wtp_median(model, method="bayes")
    with pytest.raises(CxError, match="a mean is no ratio"):
        wtp_mean(model, method="fieller")
    with pytest.raises(CxError, match="unknown mean"):
        wtp_mean(model, kind="lower-bound")
    with pytest.raises(CxError, match="unknown mean"):
        wtp_mean(steps_of, kind="truncated")
    with pytest.raises(CxError, match="unknown interval"):
        wtp_median(steps_of, method="delta")
    with pytest.raises(CxError, match="too few draws"):
        wtp_median(model, draws=10)
    with pytest.raises(CxError, match="unknown term"):
        wtp_ratio(model, "older", "bid")
    with pytest.raises(CxError, match="two different terms"):
        wtp_ratio(model, "bid", "bid")
    with pytest.raises(CxError, match="no model"):
        wtp_ratio(steps_of, "older", "bid")
    with pytest.raises(CxError, match="no model of"):
        wtp_median(Ranking(name="empty", estimates=()))


def test_text_answers_missing_codes_and_the_word_for_yes():
    words = FRAME.assign(yes=np.where(FRAME["yes"] == 1, "yes", "no"))
    ours = contingent_valuation(Survey(words), "yes", "bid", yes="yes")
    assert [e.value for e in ours] == pytest.approx([e.value for e in fit(PLAIN)])
    with pytest.raises(CxError, match="no yes/no question"):
        contingent_valuation(Survey(words), "yes", "bid")
    coded = FRAME.assign(yes=FRAME["yes"].where(FRAME.index >= 50, -98))
    book = Codebook([Question("yes", missing={-98.0: "dk"})])
    assert contingent_valuation(Survey(coded, book), "yes", "bid")[0].n_excluded == 50


def test_a_refused_follow_up_is_not_an_unasked_one():
    asked = FRAME["half2"].notna().to_numpy().nonzero()[0][:30]
    data = FRAME.copy()
    data.loc[asked, "half2"] = -97
    book = Codebook([Question("half2", missing={-97.0: "refused"})])
    assert fit(Survey(data, book), "half")[0].n_excluded == 30


# --- coverage -------------------------------------------------------------------------------------


def coverage(repeats: int, way: str = "single", n: int = 400) -> dict[str, float]:
    """How often each interval of the median holds the true one, 20."""
    held = dict.fromkeys(METHODS[:3], 0)
    for seed in range(repeats):
        survey = Survey(answers(n, 10_000 + seed))
        model = fit(survey, way, distribution="log-logistic", covariates=["older"])
        for method in held:
            one = wtp_median(model, method=method, at={"older": 0.5}, draws=2000, seed=seed)
            held[method] += one.low <= 20 <= one.high
    return {method: count / repeats for method, count in held.items()}


AMOUNTS = {
    "single": BIDS,
    "double": np.concatenate([[2.5], BIDS, [160]]),
    "half": np.append(BIDS, 160),
}


def curve_coverage(repeats: int, way: str, n: int) -> float:
    """How often the interval of the lower-bound mean holds that of the true curve."""
    x = AMOUNTS[way]
    shares = [1 / (1 + (x / 20) ** 1.5 * math.exp(-0.4 * (group - 0.5))) for group in (0, 1)]
    truth = np.diff(np.append(0, x)) @ np.mean(shares, axis=0)
    means = (wtp_mean(curve(Survey(answers(n, 10_000 + k)), way)) for k in range(repeats))
    return sum(one.low <= truth <= one.high for one in means) / repeats


@pytest.mark.parametrize("way", ["single", "double"])
def test_coverage_small(way):
    for method, share in coverage(60, way).items():
        assert share >= 0.87, (method, share)
    assert curve_coverage(100, way, 600) >= 0.87


@pytest.mark.slow
@pytest.mark.parametrize("way", ASKED)
def test_coverage_at_length(way):
    for method, share in coverage(4000, way).items():
        assert 0.935 <= share <= 0.965, (method, share)
    assert 0.935 <= curve_coverage(4000, way, 1200) <= 0.965


@pytest.mark.slow
@pytest.mark.parametrize(("way", "floor"), [("single", 0.93), ("double", 0.915), ("half", 0.915)])
def test_coverage_of_a_mean_that_hangs_on_few(way, floor):
    """400 asked: some nine see a bid of 160 and one accepts it, which half of the mean's last step
    is made of: the interval covers some 92.7 % (single-bounded, no such bid: 94 %)."""
    assert curve_coverage(4000, way, 400) >= floor


@pytest.mark.slow
def test_bootstrap_coverage_at_length():
    held = 0
    for seed in range(400):
        model = fit(Survey(answers(400, 50_000 + seed)), distribution="log-logistic")
        one = wtp_median(model, method="bootstrap", draws=300, seed=seed)
        held += one.low <= 20 <= one.high
    assert held / 400 >= 0.92


@pytest.mark.slow
def test_fieller_holds_where_the_bid_hardly_matters():
    """A price coefficient two standard errors from 0: delta fails, Fieller does not."""
    held = {"delta": 0, "fieller": 0}
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        bid = rng.choice(BIDS, 300)
        yes = rng.uniform(size=300) < 1 / (1 + np.exp(-(1.2 - 0.008 * bid)))
        model = contingent_valuation(
            Survey(pd.DataFrame({"bid": bid, "yes": yes * 1})), "yes", "bid"
        )
        if model["bid"].value >= 0:
            held = {method: count + 1 for method, count in held.items()}
            continue
        for method in held:
            one = wtp_median(model, method=method)
            held[method] += one.low <= 150 <= one.high
    assert held["fieller"] / 2000 >= 0.935
    assert held["delta"] < held["fieller"]
