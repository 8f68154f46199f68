"""The registry of published figures: its schema, its conflicts, and what it refuses."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from cxlib import paths
from cxlib.benchmark import (
    CLAIMS,
    GRADES,
    KINDS,
    STATUSES,
    Benchmark,
    benchmark,
    benchmarks,
    read_source,
)
from cxlib.claims import claims
from cxlib.codebook import questionnaire, read_toml
from cxlib.errors import CxError

ALL = benchmarks()
SHARED = Path(os.environ.get("CX_SHARED", paths.root().parent / "shared"))
CSV = SHARED / "domain" / "benchmarks.csv"
DATE = re.compile(r"(\d{4}(-\d{2}(-\d{2})?)?)?")
REFUSING = [kind for kind, reason in KINDS.items() if reason]

SOURCE = """
[source]
title = "A report"
publisher = "A firm"
published = "2020"
field_start = ""
field_end = ""
mode = "online"
accessed = "2026-11-22"
"""
FIGURE = """
[one]
claims = ["C03"]
statements = ["B3"]
metric = "Would leave <after> one"
value = 0.32
unit = "share"
kind = "share"
decimals = 0
n = 1000
n_kind = "exact"
base = "all respondents"
population = "adults"
geography = ["GB"]
wording = ""
wording_status = "not found"
seen_at = "example.org"
grade = "P"
status = "ok"
caveats = []
question = ""
margin = 0.05
construct = "leave-brand"
unit_of = "person"
object = "a brand"
polarity = "negative"
tense = "would"
window = "none"
quantifier = "one"
coding = "exclusive"
"""


def csv_rows() -> dict[str, dict[str, str]]:
    if not CSV.is_file():
        pytest.skip(f"the source table is not here ({CSV.name}; set CX_SHARED)")
    with CSV.open(encoding="utf-8", newline="") as file:
        return {row["benchmark_id"]: row for row in csv.DictReader(file)}


def written(folder: Path, text: str, name: str = "one.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


# Schema


def test_there_are_enough_rows_with_ids_of_their_own():
    assert len(ALL) >= 160
    assert len({one.id for one in ALL}) == len(ALL)
    assert [one.id for one in ALL] == sorted(one.id for one in ALL)
    tables = [
        name
        for file in paths.data("benchmarks").glob("*.toml")
        for name in read_toml(file)
        if name != "source"
    ]
    assert sorted(tables) == [one.id for one in ALL]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_every_row_tells_what_it_must(one: Benchmark):
    assert one.value is not None or one.refusal
    assert one.metric and one.unit and one.kind in KINDS
    assert one.n is None or one.n > 0
    assert (one.n is None) == (one.n_kind == "unpublished")
    assert isinstance(one.geography, tuple)
    assert all(re.fullmatch(r"[A-Z]{2}|.{4,}", place) for place in one.geography)
    assert DATE.fullmatch(one.field_start) and DATE.fullmatch(one.field_end)
    assert one.wording_status and one.grade in GRADES and one.status in STATUSES
    assert one.wording_status == "not found" or one.wording
    assert isinstance(one.caveats, tuple) and all(isinstance(line, str) for line in one.caveats)
    assert set(one.claims) <= set(CLAIMS)
    assert one.title and one.publisher and one.accessed
    assert (one.margin is None) or (one.margin > 0 and not one.refusal)
    if one.kind in {"share", "share_of_firms"} and not one.refusal:
        assert 0 < one.value < 1 and one.margin == 0.05
        assert one.meaning.construct and one.meaning.unit


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
def test_every_row_is_written_in_plain_finished_sentences(one: Benchmark):
    text = " ".join((one.metric, one.finding, one.seen_at, *one.caveats))
    assert not re.search(r"\b(TODO|XXX)\b", text, re.I)
    assert all(line[-1] in '.")' and line[0] == line[0].upper() for line in one.caveats)
    assert len(one.cautions) == len(set(one.cautions))


@pytest.mark.parametrize("one", [b for b in ALL if b.question], ids=lambda one: one.id)
def test_the_question_named_exists_names_it_back_and_asks_the_same(one: Benchmark):
    question = questionnaire()[one.question]
    assert one.id in question.benchmarks
    if not one.refusal:
        assert one.meaning.construct in {m.meaning.construct for m in question.measures}


def test_the_claims_are_those_that_the_workbook_knows():
    assert tuple(claim.id for claim in claims()) == CLAIMS


def test_ids_are_those_of_the_source_table():
    rows = csv_rows()
    ours = {one.id for one in ALL}
    assert set(rows) <= ours
    assert all(benchmark(extra).grade == "derived" for extra in ours - set(rows))


def test_values_are_those_of_the_source_table():
    for name, row in csv_rows().items():
        one = benchmark(name)
        assert (one.kind, one.grade, one.status) == (
            row["value_kind"],
            row["grade"],
            row["status"],
        )
        assert one.statements == tuple(row["claim_ids"].split())
        assert one.n == (int(row["n"]) if row["n"] else None)
        try:
            value = float(row["value"])
        except ValueError:
            value = None
        if value is None or one.kind == "method":
            assert one.value is None, name
            continue
        scale = 100 if one.unit.startswith("share") else 1
        assert one.value * scale == pytest.approx(value), name


def test_intervals_are_those_of_the_source_table():
    """Wilson at 95 %, simple random sampling, as the table has them to a tenth of a point."""
    checked = 0
    for name, row in csv_rows().items():
        one = benchmark(name)
        if row["ci_low"] and "COMPUTED" in row["uncertainty_basis"] and one.interval():
            low, high = one.interval(0.95, design_effect=1.0)
            assert 100 * low == pytest.approx(float(row["ci_low"]), abs=0.051), name
            assert 100 * high == pytest.approx(float(row["ci_high"]), abs=0.051), name
            checked += 1
    assert checked > 30


# What is refused


@pytest.mark.parametrize("kind", REFUSING)
def test_every_refusing_kind_refuses(kind: str, tmp_path: Path):
    text = SOURCE + FIGURE.replace('kind = "share"', f'kind = "{kind}"')
    (one,) = read_source(written(tmp_path, text.replace("value = 0.32\n", "")))
    assert KINDS[kind] in one.refusal
    (one,) = read_source(written(tmp_path, text))
    assert KINDS[kind] in one.refusal


@pytest.mark.parametrize("status", ["article_only", "headline_misleading", "not_found"])
def test_every_refusing_status_refuses(status: str, tmp_path: Path):
    text = SOURCE + FIGURE.replace('status = "ok"', f'status = "{status}"')
    (one,) = read_source(written(tmp_path, text))
    assert STATUSES[status] in one.refusal


@pytest.mark.parametrize("status", [s for s, reason in STATUSES.items() if not reason])
def test_other_statuses_caution_and_do_not_refuse(status: str, tmp_path: Path):
    text = SOURCE + FIGURE.replace('status = "ok"', f'status = "{status}"')
    (one,) = read_source(written(tmp_path, text))
    assert not one.refusal
    assert len(one.cautions) == (status != "ok")


def test_a_relative_figure_without_a_base_is_refused_and_one_with_a_base_is_not(tmp_path: Path):
    text = SOURCE + FIGURE.replace('kind = "share"', 'kind = "relative_pct"')
    (one,) = read_source(written(tmp_path, text))
    assert not one.refusal
    text = text.replace('base = "all respondents"', 'base = ""')
    (one,) = read_source(written(tmp_path, text))
    assert "without a base" in one.refusal


def test_the_registry_has_a_row_of_each_kind_and_status():
    assert {one.kind for one in ALL} == set(KINDS)
    assert {one.status for one in ALL} == set(STATUSES)
    assert {one.grade for one in ALL} == set(GRADES)


# The conflicts between sources, and what is shipped


def test_conflict_premium_of_25_percent():
    tiers = [benchmark(f"rightnow2010_pay_{t}") for t in ("any", "ge5", "ge10", "ge15", "ge25")]
    assert [one.value for one in tiers] == [0.85, 0.76, 0.55, 0.27, 0.10]
    assert {one.meaning.base for one in tiers} == {"all respondents"}
    for one in tiers:
        assert one.status == "base_conflict" and not one.refusal
        assert any("disagree on whom" in line for line in one.cautions)
    assert [one.meaning.quantifier for one in tiers][1:] == [
        f"at least {n} %" for n in (5, 10, 15, 25)
    ]
    floor = benchmark("rightnow2010_pay_mean_lower_bound")
    assert floor.value == pytest.approx(0.21 * 0.05 + 0.28 * 0.10 + 0.17 * 0.15 + 0.10 * 0.25)
    solis = benchmark("solis_25")
    assert solis.status == "headline_misleading" and solis.kind == "max_pct"
    assert "maximum" in solis.refusal and "headline" in solis.refusal
    assert benchmark("pwc2018_premium_max").refusal


def test_conflict_defaqto_is_unverified_and_off():
    one = benchmark("defaqto2010_55")
    assert one.grade == "U" and "unverified" in one.refusal
    assert one.margin is None
    twins = [benchmark("rightnow2010_pay_ge10"), benchmark("rightnow2010_became_customer")]
    assert [twin.value for twin in twins] == [one.value, one.value]


@pytest.mark.parametrize(("year", "willing", "mean"), [("2010", 0.58, 0.09), ("2011", 0.70, 0.13)])
def test_conflict_amex_both_readings_are_stored(year: str, willing: float, mean: float):
    published = benchmark(f"amex{year}_mean")
    assert published.status == "ambiguous" and published.meaning.base == "those willing"
    assert published.value == mean and not published.refusal
    derived = benchmark(f"amex{year}_mean_unconditional")
    assert derived.grade == "derived" and derived.meaning.base == "all respondents"
    assert derived.value == pytest.approx(willing * mean, abs=0.0005)
    assert any("only if" in line for line in derived.cautions)
    assert {benchmark(f"amex{y}_mean").meaning.base for y in (2012, 2014, 2017)} == {""}
    assert any("page is gone" in line for line in benchmark("amex2017_mean").cautions)


def test_conflict_amex_people_told_are_means_of_a_long_tail():
    good, bad = benchmark("amex2011_told_good"), benchmark("amex2011_told_bad")
    assert (good.value, bad.value) == (9, 16)
    assert {good.kind, bad.kind} == {"count_mean"}
    for one in (good, bad):
        assert any("medians" in line for line in one.cautions)
        assert one.se() is None and one.interval() is None


def test_conflict_forrester_93_and_28_are_primary_and_90_secondary():
    primary = [benchmark("forrester2012_priority"), benchmark("forrester2012_top")]
    assert [one.value for one in primary] == [0.93, 0.28]
    assert {one.grade for one in primary} == {"P"}
    assert [one.meaning.quantifier for one in primary] == ["on the list", "the top one"]
    cited = benchmark("forrester_ama_90")
    assert cited.grade == "S" and any("secondary" in line.lower() for line in cited.cautions)
    earlier = benchmark("forrester2010_important")
    assert earlier.n == 141 and earlier.meaning.construct != cited.meaning.construct


def test_conflict_temkin_90_against_its_own_60():
    cited = benchmark("temkin_ama_90")
    assert cited.status == "conflict" and cited.value == 0.90
    assert [benchmark(f"temkin{y}_aspire").value for y in (2010, 2012)] == [0.602, 0.59]
    assert any("60.2 %" in line for line in cited.cautions)


def test_conflict_pwc_43_is_flagged():
    one = benchmark("pwc2018_pay_convenience")
    assert one.status == "conflict" and one.value == 0.43
    assert any("Sources give different figures" in line for line in one.cautions)
    assert any("two items" in line for line in one.cautions)


def test_conflict_pwc_human_touch_is_flagged():
    one = benchmark("pwc2018_lost_human")
    assert one.status == "conflict" and one.value == 0.59
    assert any("two thirds" in line for line in one.cautions)


def test_conflict_pwc_2022_generations_come_from_one_set():
    boomers, genz = benchmark("pwc2022_stopped_boomers"), benchmark("pwc2022_stopped_genz")
    assert (boomers.value, genz.value) == (0.23, 0.32)
    assert boomers.status == "conflict" and any("19 %" in line for line in boomers.cautions)
    assert boomers.meaning.base == "baby boomers"


def test_conflict_pwc_2022_digital_ships_51():
    one = benchmark("pwc2022_digital_less_loyal")
    assert one.status == "conflict" and one.value == 0.51
    assert any("52 %" in line for line in one.cautions)


def test_conflict_zendesk_up_22_percent_is_taken_as_relative():
    one, before = benchmark("zendesk2022_one"), benchmark("zendesk2020_one")
    assert one.value / before.value == pytest.approx(1.22)
    assert any("relative" in line for line in one.cautions)


def test_conflict_ewom_metrics_differ_and_both_are_kept():
    r = benchmark("ewom_r")
    volume, valence = benchmark("ewom_elast_vol"), benchmark("ewom_elast_val")
    assert (r.unit, volume.unit, valence.unit) == ("r", "elasticity", "elasticity")
    assert (r.value, volume.value, valence.value) == (0.091, 0.236, 0.417)
    assert len({one.meaning.construct for one in (r, volume, valence)}) == 3


def test_conflict_sharing_is_a_share_against_a_count():
    good, bad = benchmark("sf2018_share_good"), benchmark("sf2018_share_bad")
    assert (good.value, bad.value, good.unit) == (0.72, 0.62, "share")
    counts = benchmark("amex2011_told_bad")
    assert counts.unit == "people"
    assert counts.meaning.construct != bad.meaning.construct


def test_conflict_irish_complaining_differs_in_base():
    cause, everyone = benchmark("nca2012_complained"), benchmark("eu2009_ie_complain")
    assert (cause.value, everyone.value) == (0.82, 0.07)
    assert cause.meaning.construct == everyone.meaning.construct == "complained"
    assert (cause.meaning.base, everyone.meaning.base) == ("those with cause", "all respondents")
    assert everyone.status == "conflict"
    assert [benchmark(i).value for i in ("nca2010_prepared", "nca2012_willing")] == [0.80, 0.83]


def test_conflict_mode_effect_is_a_range_and_refused():
    one = benchmark("mode_phone")
    assert (one.low, one.high, one.value) == (0.07, 0.15, None)
    assert "range" in one.refusal
    assert any("18 points" in line and "no consistent effect" in line for line in one.cautions)


def test_conflict_mckinsey_is_narrative_only():
    one = benchmark("journey_health")
    assert one.value == 0.73 and "without a base" in one.refusal
    assert any("40 %" in line for line in one.cautions)


def test_conflict_retention_is_a_scenario_and_refused():
    one = benchmark("retention_5pct")
    assert (one.low, one.high, one.value) == (0.25, 0.95, None)
    assert "range" in one.refusal and any("scenario" in line for line in one.cautions)


def test_conflict_bain_counts_firms_not_customers():
    firms, rated = benchmark("bain2005_firms"), benchmark("bain2005_customers")
    assert {firms.meaning.unit, rated.meaning.unit} == {"firm"}
    assert rated.refusal and not firms.refusal
    assert any("not 8 % of customers" in line for line in rated.cautions)


def test_conflict_rightnow_waves_are_no_trend():
    waves = [
        benchmark(name)
        for name in (
            "rightnow2006_never_back",
            "rightnow2007_never_back",
            "rightnow2008_stopped",
            "rightnow2009_quit",
        )
    ]
    for one in waves:
        assert one.status == "wording_drift" and not one.refusal
        assert any("no trend" in line for line in one.cautions)
    assert [one.meaning.construct for one in waves] == ["never-return"] * 2 + ["left-company"] * 2


def test_excellent_week_and_market_improvement_share_no_meaning():
    week, market = benchmark("aas2022_excellent_week"), benchmark("pwc2018_needs_improve_us")
    assert {week.status, market.status} == {"article_only"}
    assert week.refusal and market.refusal
    for name in ("construct", "object", "polarity", "tense", "window", "quantifier"):
        assert getattr(week.meaning, name) != getattr(market.meaning, name), name
    assert set(week.geography).isdisjoint(market.geography)


def test_an_estimate_without_a_sample_is_refused():
    one = benchmark("forrester_eu2023_80")
    assert "without a sample" in one.refusal and one.n is None


def test_leaving_after_one_bad_experience_matches_but_for_the_object():
    uk, world = benchmark("emplifi2021_one_uk").meaning, benchmark("pwc2018_leave1_global").meaning
    assert uk.object != world.object
    assert {name for name in vars(uk) if getattr(uk, name) != getattr(world, name)} == {"object"}
    assert "IE" not in benchmark("pwc2018_leave1_global").geography


def test_said_and_done_differ_in_construct_tense_and_window():
    said, done = benchmark("foundever2022_would").meaning, benchmark("foundever2022_did").meaning
    for name in ("construct", "tense", "window"):
        assert getattr(said, name) != getattr(done, name)


def test_exclusive_and_cumulative_coding_are_told_apart():
    assert benchmark("emplifi2021_two_three_uk").meaning.coding == "exclusive"
    headline = benchmark("emplifi2021_headline")
    assert headline.meaning.coding == "cumulative" and headline.refusal
    assert benchmark("pwc2018_leave_several_us").meaning.coding == ""


# Methods


def test_rounding_is_half_the_last_digit_in_the_unit_of_the_value():
    assert benchmark("pwc2018_leave1_global").rounding == pytest.approx(0.005)
    assert benchmark("temkin2010_aspire").rounding == pytest.approx(0.0005)
    assert benchmark("xmi2023_cut").rounding == pytest.approx(0.05)
    assert benchmark("hypbias_schmidt").rounding == pytest.approx(0.005)
    assert benchmark("amex2011_told_good").rounding == pytest.approx(0.5)


def test_standard_error_takes_the_design_effect_and_needs_n():
    one = benchmark("emplifi2021_one_uk")
    assert one.se(1.0) == pytest.approx((0.2 * 0.8 / 1035) ** 0.5)
    assert one.se() == pytest.approx(one.se(1.0) * 1.5**0.5)
    assert benchmark("zendesk2020_one").se() is None
    low, high = one.interval(0.90)
    wide_low, wide_high = one.interval(0.95)
    assert wide_low < low < 0.2 < high < wide_high


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), "1.5", True])
def test_a_design_effect_out_of_range_is_an_error(bad: object):
    with pytest.raises(CxError, match="design_effect"):
        benchmark("emplifi2021_one_uk").se(bad)


@pytest.mark.parametrize("bad", [0.0, 1.0, 95, float("nan")])
def test_a_level_out_of_range_is_an_error(bad: float):
    with pytest.raises(CxError, match="level"):
        benchmark("emplifi2021_one_uk").interval(bad)


def test_one_row_a_figure_in_a_frame():
    frame = benchmark("pwc2018_leave1_global").to_frame()
    assert len(frame) == 1
    row = frame.iloc[0]
    assert (row["value"], row["n"], row["object"]) == (0.32, 15000, "a brand they love")
    assert row["unit"] == "share" and row["unit_of"] == "person"
    assert "Ireland" in row["cautions"]


def test_pages_show_percent_and_escape_what_others_wrote(tmp_path: Path):
    (one,) = read_source(written(tmp_path, SOURCE + FIGURE))
    bundle = one._repr_mimebundle_()
    assert "32 %" in bundle["text/plain"] and "Would leave <after> one" in bundle["text/plain"]
    assert "&lt;after&gt;" in bundle["text/html"] and "<after>" not in bundle["text/html"]
    assert bundle["text/html"].count('<th scope="row">') >= 9
    assert "no test" in benchmark("solis_25")._repr_html_()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("pwc2018_leave1_global", "32 %"),
        ("amex2011_mean_unconditional", "9.1 % of price"),
        ("hypbias_schmidt", "1.21 times"),
        ("amex2011_told_bad", "16 people"),
        ("ukcsi2025_index", "76.1 of 100"),
        ("ewom_r", "r = 0.091"),
        ("ipsos2025_nps_attached", "67 points"),
        ("pwc2018_gap_airlines", "33 points"),
        ("mode_phone", "7–15 points"),
        ("retention_5pct", "25–95 % of profit"),
        ("cxi2021_change", "-4.4 % change"),
        ("srp_meta_sat", "positive, significant"),
        ("khoros", "not published"),
    ],
)
def test_how_a_value_is_shown(name: str, shown: str):
    assert benchmark(name).shown == shown


# Finding them, and files that are not as they must be


def test_benchmarks_of_one_claim():
    found = benchmarks(claim="C10")
    assert [one.id for one in found] == ["forrester_eu2023_80"]
    assert all(benchmarks(claim=claim) for claim in ("C01", "C03", "C05", "C06", "C08", "C09"))


@pytest.mark.parametrize("bad", ["C99", "B3", "", 3])
def test_an_unknown_claim_is_an_error(bad: object):
    with pytest.raises(CxError, match="unknown claim"):
        benchmarks(claim=bad)


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(CxError, match="unknown benchmark") as caught:
        benchmark("pwc2018_leave1_globl")
    assert "pwc2018_leave1_global" in caught.value.do


@pytest.mark.parametrize("bad", [None, 7, ["pwc2018_leave1_us"], ""])
def test_an_id_that_is_no_name_is_the_same_error(bad: object):
    with pytest.raises(CxError, match="unknown benchmark"):
        benchmark(bad)


def test_the_same_id_in_two_files_is_an_error(tmp_path: Path):
    written(tmp_path, SOURCE + FIGURE, "a.toml")
    written(tmp_path, SOURCE + FIGURE, "b.toml")
    with pytest.raises(CxError, match="there twice") as caught:
        benchmarks(folder=tmp_path)
    assert caught.value.got == "a.toml and b.toml"


def test_an_empty_or_missing_folder_is_an_error(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CxError, match="no benchmarks"):
            benchmarks(folder=folder)


def test_a_folder_of_ones_own_is_read(tmp_path: Path):
    written(tmp_path, SOURCE + FIGURE)
    assert [one.id for one in benchmarks(folder=tmp_path)] == ["one"]
    assert benchmark("one", folder=tmp_path).value == 0.32


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("value = 0.32", 'value = "32 %"', "one.toml [one] value"),
        ("value = 0.32", "value = nan", "one.toml [one] value"),
        ("value = 0.32", "value = true", "one.toml [one] value"),
        ("value = 0.32", "value = 32", "one.toml [one] value"),
        ("value = 0.32\n", "", "one.toml [one] value"),
        ("n = 1000", "n = 0", "one.toml [one] n"),
        ("n = 1000", "n = 10.5", "one.toml [one] n"),
        ("n = 1000", 'n = "many"', "one.toml [one] n"),
        ("n = 1000", 'n = "unpublished"', "one.toml [one] n_kind"),
        ("n = 1000\n", "", "one.toml [one] n"),
        ('geography = ["GB"]', "geography = []", "one.toml [one] geography"),
        ('geography = ["GB"]', 'geography = "GB"', "one.toml [one] geography"),
        ("caveats = []", 'caveats = "none"', "one.toml [one] caveats"),
        ("margin = 0.05", "margin = 0", "one.toml [one] margin"),
        ("margin = 0.05", "margin = inf", "one.toml [one] margin"),
        ("decimals = 0", "decimals = 0.5", "one.toml [one] decimals"),
        ('base = "all respondents"\n', "", "one.toml [one] base"),
        ('field_start = ""', 'field_start = "March 2020"', "one.toml [source] field_start"),
        ('field_end = ""', "field_end = 2020-01-01", "one.toml [source] field_end"),
        ('title = "A report"\n', "", "one.toml [source] title"),
        ('grade = "P"', 'grade = "A"', "grade in one.toml [one]"),
        ('kind = "share"', 'kind = "shares"', "kind in one.toml [one]"),
        ('status = "ok"', 'status = "fine"', "status in one.toml [one]"),
        ('claims = ["C03"]', 'claims = ["C26"]', "claim in one.toml [one]"),
        ('coding = "exclusive"', 'codings = "exclusive"', "key in one.toml [one]"),
        ('mode = "online"', 'modes = "online"', "key in one.toml [source]"),
    ],
)
def test_a_fault_in_a_file_names_file_table_and_key(old: str, new: str, where: str, tmp_path: Path):
    text = SOURCE + FIGURE
    assert old in text
    with pytest.raises(CxError) as caught:
        read_source(written(tmp_path, text.replace(old, new, 1)))
    assert where in caught.value.what


def test_a_source_that_is_missing_or_a_loose_key_is_an_error(tmp_path: Path):
    with pytest.raises(CxError, match="tells no source"):
        read_source(written(tmp_path, FIGURE))
    with pytest.raises(CxError, match=r"one.toml \[stray\]"):
        read_source(written(tmp_path, "stray = 1\n" + SOURCE + FIGURE))


def test_a_file_that_is_no_toml_names_the_line(tmp_path: Path):
    with pytest.raises(CxError, match="TOML") as caught:
        read_source(written(tmp_path, SOURCE + "[one\n"))
    assert "one.toml" in caught.value.got and "line" in caught.value.got


def test_field_dates_run_forwards(tmp_path: Path):
    text = SOURCE.replace('field_start = ""', 'field_start = "2021"')
    text = text.replace('field_end = ""', 'field_end = "2020"')
    with pytest.raises(CxError, match="field_end"):
        read_source(written(tmp_path, text + FIGURE))
