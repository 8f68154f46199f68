"""Real data: numbers that are known, from files that nobody made for us."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pytest import approx

import cxlib as cx
from cxlib.errors import CxError

STUDIES = Path(__file__).parent / "studies"


def filled(name: str, data: Path, folder: Path, *, more: str = "") -> Path:
    """The study file of that name with the path of its data filled in, and ``more`` at its end."""
    path = folder / f"{name}.toml"
    text = (STUDIES / path.name).read_text(encoding="utf-8")
    path.write_text(text.replace("@data@", data.as_posix()) + more, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def passengers(shared: Path) -> Path:
    return shared / "data" / "sfo_passengers_2012_2018.csv"


@pytest.fixture(scope="module")
def airport(passengers: Path, tmp_path_factory):
    return cx.open_study(filled("airport", passengers, tmp_path_factory.mktemp("airport")))


@pytest.fixture(scope="module")
def churn(shared: Path, tmp_path_factory):
    data = shared / "data" / "iranian_telecom_churn.csv"
    return cx.open_study(filled("churn", data, tmp_path_factory.mktemp("churn")))


# -- the airport -----------------------------------------------------------------------------------


def test_the_airport_study_opens(airport):
    assert len(airport.survey) == 21_559
    assert airport.survey.design.plain
    assert airport.segments("year") == tuple(f"year={year}" for year in range(2012, 2019))
    assert airport.segment_label("fail_12m=1") == "fail_12m: a problem at the airport"
    assert set(airport.inputs()) == {"data", "study", "questionnaire", "claims", "benchmarks"}


def test_recommendation_with_and_without_a_problem(airport):
    """The wave of 2018, unweighted, of those who answered both questions: 37.4 of 2,181 without a
    problem, −3.6 of 359 with one."""
    wave = airport.survey.where(year=2018)
    scores = cx.nps(wave, "nps", by="fail_12m")
    without, with_ = scores["no problem"], scores["a problem at the airport"]
    assert (round(without.value, 1), round(with_.value, 1)) == (37.4, -3.6)
    assert (without.n, with_.n) == (2_181, 359)
    gap = cx.difference(with_, without)
    assert gap.value == approx(-40.99, abs=0.01) and gap.high < -30
    frame = wave.frame.query("year == 2018").dropna(subset=["nps"])
    plain = frame.groupby("fail_12m")["nps"].apply(lambda x: (x >= 9).mean() - (x <= 6).mean())
    assert [without.value, with_.value] == approx(list(100 * plain))


def test_weights_exist_only_from_2013_on(passengers, tmp_path):
    weighted = '\n[design]\nweights = "weight"\n'
    with pytest.raises(CxError, match="the weights in 'weight' are missing") as told:
        cx.open_study(filled("airport", passengers, tmp_path, more=weighted))
    assert "3,521 of 21,559" in told.value.got
    rows = pd.read_csv(passengers).query("year >= 2013")
    later = tmp_path / "later.csv"
    rows.to_csv(later, index=False)
    work = cx.open_study(filled("airport", later, tmp_path, more=weighted))
    one = cx.nps(work.survey.where(year=2018), "nps")
    part = rows[(rows["year"] == 2018) & rows["recommend_0_10"].notna()]
    score = (part["recommend_0_10"] >= 9) * 1.0 - (part["recommend_0_10"] <= 6)
    assert one.value == approx(100 * (score * part["weight"]).sum() / part["weight"].sum())
    assert 1 < cx.design_effect(work.survey) < 2 and one.n_eff < one.n
    assert one.se > cx.nps(cx.read_survey(part), "recommend_0_10").se


def test_what_the_airport_did_not_ask(airport):
    told = airport.ask(cx.leave_after_one, "leave_love", claim="C03")
    assert told.verdict == "not asked" and "leave_love" in told.reasons[0]
    early = airport.survey.where(year=2014)
    assert early.unanswered(["nps", "rate_all"]) == ("nps",)
    with pytest.raises(CxError, match="nobody answered"):
        cx.nps(early, "nps")


def test_data_quality_of_the_airport(airport):
    straight = airport.check(cx.straight_lining, "batteries")
    assert straight.n > 10_000 and 0 < straight.value < 0.5
    assert cx.duplicates(airport.survey).value == 0
    missing = cx.missingness(airport.survey, ["rate_all", "nps"])
    assert missing["rate_all"].n_excluded == 1_158
    assert airport.check(cx.speeding, "duration").verdict == "not asked"


# -- telecom customers -----------------------------------------------------------------------------


def test_leaving_with_and_without_a_complaint(churn):
    survey = churn.survey
    left = [
        cx.leaving_risk(survey, "retained", exposure="complained", exposed=exposed)
        for exposed in (True, False)
    ]
    assert [round(100 * e.value) for e in left] == [83, 10]
    assert [e.n for e in left] == [241, 2_909]
    excess = cx.excess_loss(survey, "retained", "complained")
    assert excess.value == approx(left[0].value - left[1].value)
    gap = cx.difference(*left)
    assert (excess.value, excess.se) == approx((gap.value, gap.se), rel=1e-6)


def test_the_excess_is_no_verdict_on_the_claim(churn):
    excess = churn.ask(cx.excess_loss, "retained", "complained", claim="C04")
    told = churn.hypothesis(excess, above=0.05)
    assert told.verdict == "not testable" and "no causal excess" in told.reasons[0]
    within = churn.within("C04")
    standardised = cx.excess_loss(churn.survey, "retained", "complained", within=within)
    assert within == ["tariff_plan", "age_group"]
    assert 0.5 < standardised.value < 0.8 and standardised.value != approx(excess.value, abs=1e-4)


def test_exact_duplicates_are_found(churn):
    one = cx.duplicates(churn.survey)
    assert (round(one.value * one.n), one.n) == (300, 3_150)


# -- households and eco-labelled apples ------------------------------------------------------------


def test_buyers_by_premium_are_plain_shares():
    work = cx.open_study("ecolabel")
    curve = cx.buyers_by_premium(work.survey, "bought", "offered_premium")
    frame = work.survey.frame
    premium = (frame["ecoprc"] - frame["regprc"]) / frame["regprc"]
    bought = (frame["ecolbs"] > 0).groupby(premium.round(9)).agg(["mean", "size"])
    assert [e.x for e in curve] == approx(list(bought.index), abs=1e-8)
    assert [e.value for e in curve] == approx(list(bought["mean"]))
    assert [e.n for e in curve] == list(bought["size"]) and sum(e.n for e in curve) == 660
    told = work.hypothesis(cx.share(work.survey, "bought", equals=1, claim="C01"), above=0.25)
    assert told.verdict == "not testable" and "eco-label" in told.sentence


def test_a_demand_curve_leaves_the_survey_alone():
    work = cx.open_study("ecolabel")
    before = work.survey.frame.copy()
    cx.buyers_by_premium(work.survey, "bought", "offered_premium")
    pd.testing.assert_frame_equal(work.survey.frame, before)
