"""Verdicts: each word earned, each refusal named, each reversal where the page says it is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pytest import approx

import cxlib as cx
from cxlib.benchmark import KINDS, Benchmark
from cxlib.compare import as_estimate, compare
from cxlib.errors import CxError
from cxlib.hypothesis import judge
from cxlib.result import Estimate, Origin
from cxlib.verdict import VERDICTS

PWC = "pwc2018_leave1_global"  # 32 % of about 15,000 in 12 countries
IRISH = Origin(country="IE", year="2026", population="adult customers", mode="web")
CARD = replace(IRISH, notebook="90-scorecard")


def ours(value: float, n: int, theirs: Benchmark | str = PWC, *, deff: float = 1.0, **more):
    """A share of our own that means what the published figure means."""
    about = cx.benchmark(theirs) if isinstance(theirs, str) else theirs
    se = math.sqrt(deff * value * (1 - value) / n)
    told = {"low": value - 1.96 * se, "high": value + 1.96 * se, "n_eff": n / deff, "origin": IRISH}
    told |= {"unit": about.unit, "meaning": about.meaning, "name": "Ours", "claim": "C03"}
    return Estimate(value=value, se=se, n=n, **(told | more))


def published(value: float = 0.32, n: int | None = 15_000, **more) -> Benchmark:
    """The PwC figure with another value or sample."""
    n_kind = "unpublished" if n is None else "exact"
    return replace(cx.benchmark(PWC), value=value, n=n, n_kind=n_kind, **more)


# -- verdicts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "n", "verdict"),
    [
        (0.32, 2_000, "consistent"),
        (0.355, 20_000, "consistent"),  # slightly above, within five points
        (0.45, 2_000, "above"),
        (0.20, 2_000, "below"),
        (0.32, 200, "cannot tell"),  # too few to show that they are the same
        (0.40, 100, "cannot tell"),  # beyond the margin, but 0 is not excluded
        (0.38, 9_000, "above"),
        (0.37, 9_000, "cannot tell"),  # on the margin: neither inside nor beyond
    ],
)
def test_each_verdict(value, n, verdict):
    told = cx.compare(ours(value, n), PWC)
    assert told.verdict == verdict and verdict in VERDICTS
    assert told.benchmark == PWC and told.margin == 0.05
    assert told.difference.value == approx(value - 0.32)
    record = told.records()[0]
    assert (record["verdict"], record["benchmark"], record["margin"]) == (verdict, PWC, 0.05)
    json.dumps(record, allow_nan=False)


def test_slightly_above_is_prose_and_not_a_verdict():
    told = cx.compare(ours(0.355, 20_000), PWC)
    assert told.verdict == "consistent" and "consistent, slightly above" in told.sentence


def test_a_published_figure_is_not_exact():
    """138 of 200 against 62 %: p .04 with a fixed figure, .11 when that is itself 186 of 300."""
    assert cx.score_test(138, 200, 0.62).p == approx(0.041, abs=0.001)
    assert cx.two_proportions_test((138, 186), (200, 300)).p == approx(0.11, abs=0.005)
    told = cx.compare(ours(0.69, 200), published(0.62, 300), design_effect=1.0)
    p = 2 * (1 - _normal(abs(told.difference.value) / told.difference.se))
    assert told.verdict == "cannot tell" and p == approx(0.11, abs=0.01)


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


@pytest.mark.parametrize(("n", "power"), [(200, 0), (400, 0.07), (600, 0.35), (1_200, 0.80)])
def test_the_power_that_a_study_had(n, power):
    """Five points either way against 32 % of 15,000, design effect 1.5 on both sides."""
    told = cx.compare(ours(0.32, n, deff=1.5), published())
    assert told.power == approx(power, abs=0.03)


def test_the_rounding_of_a_published_figure_counts():
    exact, rounded = (as_estimate(published(decimals=places)) for places in (4, 0))
    assert rounded.se**2 - exact.se**2 == approx(0.005**2 / 3, rel=1e-3)
    assert rounded.low == approx(exact.low - 0.005, abs=1e-4)
    huge = published(n=10**12)
    assert cx.compare(ours(0.322, 10**9), huge).difference.se == approx(0.005 / math.sqrt(3), 1e-2)


def test_the_design_effect_of_a_published_sample_counts():
    plain, web = (as_estimate(published(decimals=6), deff) for deff in (1.0, 1.5))
    assert web.se / plain.se == approx(math.sqrt(1.5), rel=1e-4)


@pytest.mark.parametrize(("value", "n"), [(0.33, 4_000), (0.45, 2_000), (0.20, 2_000)])
def test_the_bias_that_overturns_a_verdict(value, n):
    """A shift by a little less keeps the verdict, by a little more takes it away."""
    one = ours(value, n)
    told = cx.compare(one, PWC)
    away = 1 if told.verdict == "consistent" and value > 0.32 or told.verdict == "below" else -1
    for part, kept in ((0.999, True), (1.001, False)):
        shifted = replace(one, value=value + away * part * told.overturn)
        assert (cx.compare(shifted, PWC).verdict == told.verdict) is kept
    assert f"{100 * told.overturn:.1f}" in told.reasons[-1] and "bias" in told.reasons[-1]


@pytest.mark.parametrize(("value", "n"), [(0.33, 4_000), (0.45, 900), (0.22, 900), (0.5, 150)])
def test_where_n_is_unpublished_the_verdict_tips_at_the_n_that_is_named(value, n):
    told = cx.compare(ours(value, n), published(n=None))
    assert told.verdict in ("consistent", "above", "below")
    needed = told.n_needed
    assert f"{needed:,} or more" in told.reasons[0] and f"{needed:,} or more" in told.sentence
    assert needed > 1
    for size, same in ((needed - 1, False), (needed, True), (10 * needed, True)):
        known = cx.compare(ours(value, n), published(n=size))
        assert (known.verdict == told.verdict) is same, size


def test_few_clusters_do_not_let_a_smaller_published_sample_say_more():
    told = cx.compare(ours(0.60, 300, df=2), published(n=None))
    assert told.verdict in ("above", "cannot tell")
    if told.n_needed:
        assert cx.compare(ours(0.60, 300, df=2), published(n=None)).verdict == "above"


def test_where_no_n_would_do_these_data_cannot_tell():
    told = cx.compare(ours(0.36, 300), published(n=None))
    assert told.verdict == "cannot tell" and told.n_needed is None
    assert "at no n would these data decide" in told.reasons[0]
    real = cx.compare(ours(0.5, 3_000, "zendesk2020_one"), "zendesk2020_one")
    assert real.verdict == "consistent" and real.n_needed


def test_a_mean_borrows_our_spread():
    figure = cx.benchmark("rightnow2010_pay_mean_lower_bound")
    one = Estimate(
        value=figure.value, low=0, high=1, se=0.002, n=900, unit=figure.unit, meaning=figure.meaning
    )
    told = cx.compare(one, figure, accept=[figure.id])
    assert told.verdict in VERDICTS
    if told.verdict not in ("not testable", "not comparable"):
        assert any("that of our data stands in" in caution for caution in told.cautions)


# -- the guard -------------------------------------------------------------------------------------


def test_69_per_cent_of_ireland_is_not_54_per_cent_of_the_us():
    told = cx.compare(cx.benchmark("aas2022_excellent_week"), "pwc2018_needs_improve_us")
    assert told.verdict == "not comparable" and told.difference is None and told.p is None
    for field in ("construct", "polarity", "tense", "window", "quantifier"):
        assert any(reason.startswith(field) for reason in told.reasons), field
    assert "mean different things" in told.sentence and "our data" not in told.sentence


@pytest.mark.parametrize(
    ("figure", "place"), [("emplifi2021_one_uk", "GB"), (PWC, "12 countries|AR, AU")]
)
def test_an_irish_study_is_compared_with_caution(figure, place):
    work = cx.open_study("sample")
    told = work.compare(cx.leave_after_one(work.survey, "leave_love"), figure)
    assert told.verdict in ("consistent", "above", "below", "cannot tell")
    country = [caution for caution in told.cautions if caution.startswith("country: ours IE")]
    assert country and any(part in country[0] for part in place.split("|"))
    assert any("years lie between" in caution for caution in told.cautions)
    assert any("synthetic" in caution for caution in told.cautions)


@pytest.mark.parametrize(
    "field",
    ["construct", "unit", "polarity", "tense", "window", "quantifier", "base", "coding"],
)
def test_what_differs_in_meaning_is_refused_by_name(field):
    one = ours(0.32, 2_000)
    other = replace(one, meaning=replace(one.meaning, **{field: "something else"}))
    told = cx.compare(other, PWC)
    assert told.verdict == "not comparable"
    assert told.reasons[0].startswith(f"{field}: ours something else, theirs ")


def test_what_is_unknown_is_named_and_another_object_is_a_caution():
    one = ours(0.32, 2_000)
    vague = cx.compare(replace(one, meaning=replace(one.meaning, window="", tense="")), PWC)
    assert vague.verdict == "consistent"
    assert any("tense (ours), window (ours)" in reason for reason in vague.reasons)
    other = cx.compare(replace(one, meaning=replace(one.meaning, object="a brand")), PWC)
    assert other.verdict == "consistent"
    assert any(caution.startswith("object: ours a brand") for caution in other.cautions)


def test_another_unit_is_refused():
    told = cx.compare(ours(0.32, 2_000, unit="points"), PWC)
    assert told.verdict == "not comparable" and "unit of the figure" in told.reasons[0]


def test_exclusive_and_cumulative_shares_are_not_compared():
    curve = cx.loyalty_loss(cx.open_study("sample").survey, "leave_love")
    told = cx.compare(curve[1], PWC)
    assert told.verdict == "not comparable"
    assert any(reason.startswith(("coding", "quantifier")) for reason in told.reasons)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "figure", [one for one in cx.benchmarks() if one.refusal], ids=lambda b: b.id
)
def test_figures_that_cannot_be_tested_are_not(figure):
    one = ours(0.3, 2_000, figure)
    told = cx.compare(one, figure, margin=0.05)
    assert told.verdict == "not testable" and told.reasons == (figure.refusal,)
    assert told.p is None and told.power is None
    assert (told.difference is None) == (figure.value is None)
    json.dumps(told.records(), allow_nan=False)
    assert "nan" not in str(told).lower()


def test_an_article_may_be_accepted_by_name_and_nothing_else():
    figure = "pwc2018_needs_improve_us"
    one = ours(0.54, 4_000, figure)
    assert cx.compare(one, figure, margin=0.05).verdict == "not testable"
    assert cx.compare(one, figure, margin=0.05, accept=[figure]).verdict == "consistent"
    for other in cx.benchmarks():
        if other.refusal and other.status != "article_only":
            told = cx.compare(ours(0.3, 2_000, other), other, margin=0.05, accept=[other.id])
            assert told.verdict == "not testable", other.id
    for kind in ("max_pct", "estimate", "range"):
        odd = published(status="article_only", kind=kind)
        assert cx.compare(ours(0.3, 2_000, odd), odd, accept=[odd.id]).reasons == (odd.refusal,)
        assert KINDS[kind] in odd.refusal


def test_without_a_margin_there_is_no_verdict():
    bare = published(margin=None)
    with pytest.raises(CxError, match="what counts as the same is not declared"):
        cx.compare(ours(0.3, 2_000), bare)
    assert cx.compare(ours(0.3, 2_000), bare, margin=0.05).margin == 0.05
    for margin in (0, -0.05, math.nan, math.inf):
        with pytest.raises(CxError, match="margin must be positive"):
            cx.compare(ours(0.3, 2_000), PWC, margin=margin)
    with pytest.raises(CxError, match="not declared"):
        cx.compare(ours(0.3, 900), ours(0.4, 900))


def test_a_comparison_is_between_two_figures():
    survey = cx.open_study("sample").survey
    curve = cx.loyalty_loss(survey, "leave_love")
    for call in (
        lambda: cx.compare(curve, PWC),
        lambda: cx.compare(ours(0.3, 900), curve),
        lambda: cx.compare(ours(0.3, 900), "pwc2018_leave1_globe"),
        lambda: cx.hypothesis(curve, above=0.3),
        lambda: cx.hypothesis(ours(0.3, 900)),
        lambda: cx.hypothesis(ours(0.3, 900), above=0.1, below=0.5),
        lambda: cx.hypothesis(cx.quantile(survey, "wtp_pct"), above=1),
    ):
        with pytest.raises(CxError) as told:
            call()
        assert told.value.want and told.value.got


def test_what_was_not_asked_is_passed_on():
    work = cx.open_study("ecolabel")
    told = work.compare(work.ask(cx.leave_after_one, "leave_love", claim="C03"), PWC, primary=True)
    assert told.verdict == "not asked" and told.primary
    assert "leave_love" in told.reasons[0]


# -- our own figures -------------------------------------------------------------------------------


def test_two_of_our_own_are_compared_with_their_covariance():
    survey = cx.open_study("sample").survey
    parts = cx.share(survey, "retained", equals=0, by="fail_12m")
    told = cx.compare(parts[1], parts[0], margin=0.05)
    gap = cx.difference(parts[1], parts[0])
    assert told.verdict == "above" and told.benchmark == ""
    assert (told.difference.value, told.difference.se) == (gap.value, gap.se)
    assert cx.compare(parts[0], parts[0], margin=0.05).verdict == "consistent"


# -- hypotheses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "direction", "verdict"),
    [
        (0.60, {"above": 0.5}, "supported"),
        (0.40, {"above": 0.5}, "contradicted"),
        (0.51, {"above": 0.5}, "cannot tell"),
        (0.40, {"below": 0.5}, "supported"),
        (0.60, {"below": 0.5}, "contradicted"),
        (0.40, {"above": 0.5, "margin": 0.2}, "cannot tell"),
    ],
)
def test_hypotheses(value, direction, verdict):
    told = cx.hypothesis(ours(value, 900), **direction, says="More than half would")
    assert told.verdict == verdict
    assert told.sentence.startswith("More than half would: these data")
    assert told.records()[0]["kind"] == "comparison"


@pytest.mark.parametrize("level", [0.90, 0.95])
@pytest.mark.parametrize(("value", "margin"), [(0.60, 0), (0.40, 0), (0.40, 0.03)])
def test_the_bias_that_overturns_a_hypothesis(value, margin, level):
    one = ours(value, 900)
    told = cx.hypothesis(one, above=0.5, margin=margin, level=level)
    size = float(told.reasons[0].split()[3].replace("\N{NO-BREAK SPACE}points", "")) / 100
    away = -1 if told.verdict == "supported" else 1
    for shift, kept in ((size - 0.001, True), (size + 0.001, False)):
        moved = {key: getattr(one, key) + away * shift for key in ("value", "low", "high")}
        again = cx.hypothesis(replace(one, **moved), above=0.5, margin=margin, level=level)
        assert (again.verdict == told.verdict) is kept


def test_the_scorecard_corrects_for_the_family():
    """Alone p = .03 supports; as one of two it does not hold, and the scorecard says so."""
    marginal = cx.hypothesis(ours(0.5 + 1.881 * math.sqrt(0.25 / 900), 900), above=0.5)
    sure = cx.hypothesis(replace(ours(0.60, 900), claim="C04"), above=0.5)
    wrong = cx.hypothesis(replace(ours(0.40, 900), claim="C05"), above=0.5)
    assert marginal.p == approx(0.03, abs=0.001) and marginal.verdict == "supported"
    alone = cx.scorecard(marginal.records(), origin=CARD)
    assert _row(alone, "C03").verdict == "supported"
    records = [record for one in (marginal, sure, wrong) for record in one.records()]
    family = cx.scorecard(records, origin=CARD)
    row = _row(family, "C03")
    assert row.verdict == "cannot tell" and "alone it would read “supported”" in row.note
    assert row.p_adjusted == approx(2 * marginal.p, rel=1e-6)
    assert _row(family, "C04").verdict == "supported"
    assert _row(family, "C05").verdict == "contradicted"
    assert _row(family, "C21").verdict == "not asked"
    assert family.counts()["not asked"] == len(family.rows) - 3


def _row(card, claim: str):
    return next(row for row in card.rows if row.claim.id == claim)


def test_only_primary_comparisons_of_all_respondents_enter_the_family():
    base = cx.hypothesis(ours(0.60, 900), above=0.5)
    side = cx.hypothesis(ours(0.60, 900), above=0.5, primary=False)
    part = cx.hypothesis(ours(0.60, 900, origin=replace(IRISH, segment="sector=1")), above=0.5)
    card = cx.scorecard([*side.records(), *part.records()], origin=CARD)
    assert set(card.counts()) == {"not asked"}
    assert _row(cx.scorecard(base.records(), origin=CARD), "C03").verdict == "supported"


# -- how often a verdict is wrong ------------------------------------------------------------------


def _false_positives(draws: int, seed: int) -> dict[str, float]:
    """How often two samples whose truths differ by just the margin read "consistent", and how often
    two whose truths are the same read "above" or "below"."""
    rng = np.random.default_rng(seed)
    n, m, margin, truth = 1_200, 1_500, 0.05, 0.32
    theirs = rng.binomial(m, truth, draws) / m
    found = {}
    for label, mine in (("edge", truth + margin), ("same", truth)):
        values = rng.binomial(n, mine, draws) / n
        spread = np.sqrt(values * (1 - values) / n + theirs * (1 - theirs) / m)
        gaps = zip(values - theirs, spread, strict=True)
        verdicts = [judge(gap, se, math.inf, margin) for gap, se in gaps]
        wrong = ("consistent",) if label == "edge" else ("above", "below")
        found[label] = sum(verdict in wrong for verdict, _ in verdicts) / draws
    return found


def test_verdicts_are_seldom_wrong():
    draws = 4_000
    slack = 3 * math.sqrt(0.05 * 0.95 / draws)
    found = _false_positives(draws, 11)
    assert found["edge"] <= 0.055 + slack
    assert found["same"] <= 0.05 + slack


@pytest.mark.slow
def test_verdicts_are_seldom_wrong_in_a_long_run():
    found = _false_positives(200_000, 12)
    assert found["edge"] <= 0.055 and found["same"] <= 0.05


def test_a_whole_survey_at_the_edge_of_the_margin():
    """The same through a weighted survey, a rounded published share and compare() itself."""
    rng, wrong, draws = np.random.default_rng(5), 0, 150
    figure = published(n=2_000)
    for _ in range(draws):
        frame = pd.DataFrame({"y": rng.binomial(1, 0.37, 800), "w": rng.uniform(0.5, 1.5, 800)})
        one = cx.share(cx.read_survey(frame, weights="w"), "y", equals=1)
        theirs = replace(figure, value=round(float(rng.binomial(2_000, 0.32)) / 2_000, 2))
        one = replace(one, meaning=theirs.meaning)
        wrong += compare(one, theirs, design_effect=1.0).verdict == "consistent"
    assert wrong / draws <= 0.055 + 3 * math.sqrt(0.05 * 0.95 / draws)
