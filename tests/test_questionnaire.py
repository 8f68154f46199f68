"""The canonical questionnaire: all questions are there, and what they say can be matched."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

from cxlib import paths
from cxlib.benchmark import CLAIMS, benchmarks
from cxlib.codebook import Question, questionnaire

ALL = tuple(questionnaire())
SHARED = Path(os.environ.get("CX_SHARED", paths.root().parent / "shared"))
CSV = SHARED / "domain" / "questionnaire.csv"
KNOWN = {one.id for one in benchmarks()}

#: Families of questions that are one row of the source table: prefix and size.
FAMILIES = {
    "tp_used_": 10,
    "tp_sat_": 10,
    "drv_people_": 5,
    "imp_": 10,
    "emo_": 9,
    "left_reason_": 7,
    "wtp_cat_": 8,
    "compl_channel_": 6,
    "ms_item_": 10,
    "jrn_": 12,
}
UNITS = {"person", "experience", "firm", "executive", "visit", "employee"}
POLARITIES = {"positive", "negative", ""}
TENSES = {"would", "did", "judges"}
WINDOWS = {
    "none",
    "week",
    "month",
    "12 months",
    "3 years",
    "past few years",
    "latest experience",
    "ever",
}
QUANTIFIERS = {
    "none",
    "one",
    "two or three",
    "one to three",
    "more than three",
    "any",
    "most",
    "average",
    "median",
    "fully",
    "at least partly",
    "on the list",
    "the top one",
    "leader",
    *(f"at least {n} %" for n in (5, 10, 15, 25)),
}
CODINGS = {"exclusive", "cumulative", "yes/no", "top-box", "mean", "median", "nps"}
MEASURES = [(question, measure) for question in ALL for measure in question.measures]


def expanded(cell: str) -> list[str]:
    """The names that one cell of the source table stands for; a family ends with ``_``."""
    names: list[str] = []
    for part in (piece.strip() for piece in cell.split(",")):
        if part.startswith("_"):
            names.append(names[0].rsplit("_", 1)[0] + part)
        elif span := re.fullmatch(r"([a-z]+)(\d)-\1(\d)", part):
            stem, first, last = span.groups()
            names += [f"{stem}{n}" for n in range(int(first), int(last) + 1)]
        else:
            names.append(re.sub(r"(\*|\[.*\]|1\.\.k)$", "", part))
    return names


def test_it_loads_with_every_block():
    assert len(ALL) >= 210
    blocks = list(dict.fromkeys(question.block for question in ALL))
    assert [block.split()[0] for block in blocks] == [
        *(str(n) for n in range(19)),
        "S1",
        "S2",
        "S3",
    ]
    assert {-99.0, -98.0, -97.0, -96.0} == set(ALL[0].missing)


@pytest.mark.parametrize(("prefix", "size"), FAMILIES.items())
def test_every_family_is_complete(prefix: str, size: int):
    names = [question.name for question in ALL if question.name.startswith(prefix)]
    assert len(names) == size, names


def test_it_covers_every_variable_of_the_source_table():
    if not CSV.is_file():
        pytest.skip(f"the source table is not here ({CSV.name}; set CX_SHARED)")
    with CSV.open(encoding="utf-8", newline="") as file:
        wanted = [name for row in csv.DictReader(file) for name in expanded(row["variable"])]
    have = {question.name for question in ALL}
    missing = [
        name
        for name in wanted
        if name not in have and name not in FAMILIES and f"{name}_" not in FAMILIES
    ]
    assert not missing
    assert {"retained", "spend_12m"} <= have


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.name)
def test_every_question_is_told_in_full(question: Question):
    assert question.wording and question.block and question.base
    assert set(question.claims) <= set(CLAIMS)
    assert set(question.benchmarks) <= KNOWN
    if question.type in {"rating", "agree", "number", "money", "sum", "yes/no", "single", "multi"}:
        assert question.low is not None and question.low < question.high
    if question.type in {"number", "money", "sum"}:
        assert question.unit
    if question.type in {"single", "multi", "yes/no"}:
        codes = range(int(question.low), int(question.high) + 1)
        assert sorted(question.labels) == list(codes)
    for code in question.labels:
        assert question.low <= code <= question.high


@pytest.mark.parametrize(
    ("question", "measure"), MEASURES, ids=[f"{q.name}-{n}" for n, (q, _) in enumerate(MEASURES)]
)
def test_every_measure_speaks_the_shared_vocabulary(question, measure):
    meaning = measure.meaning
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", meaning.construct)
    assert meaning.unit in UNITS and meaning.object and meaning.base
    assert meaning.polarity in POLARITIES and meaning.tense in TENSES
    assert meaning.window in WINDOWS and meaning.quantifier in QUANTIFIERS
    assert meaning.coding in CODINGS
    if measure.kind == "share":
        assert measure.equals or measure.at_least is not None
    else:
        assert measure.kind in {"mean", "median", "nps"} and not measure.equals
    for code in measure.equals:
        assert question.low <= code <= question.high
    shown = question.meaning(equals=measure.equals, at_least=measure.at_least, kind=measure.kind)
    assert shown == meaning


def test_the_words_of_figures_and_questions_are_one_vocabulary():
    """A published figure that can be tested uses no word that the questions could not match."""
    for one in benchmarks():
        if one.question and not one.refusal:
            assert one.meaning.tense in TENSES | {""}, one.id
            assert one.meaning.polarity in POLARITIES, one.id
            assert one.meaning.coding in CODINGS | {""}, one.id
            assert one.meaning.unit in UNITS, one.id


@pytest.mark.parametrize(
    ("name", "how", "figure", "differs"),
    [
        ("leave_love", {"equals": [1]}, "pwc2018_leave1_global", set()),
        ("leave_love", {"equals": [1]}, "emplifi2021_one_uk", {"object"}),
        ("leave_brand", {"equals": [1]}, "pwc2018_leave1_us", {"object"}),
        ("leave_love", {"equals": [1, 2]}, "emplifi2021_headline", {"object"}),
        ("leave_love", {"equals": [2]}, "emplifi2021_two_three_us", {"object"}),
        ("left_12m", {"equals": [1]}, "pwc2022_stopped_12m", set()),
        ("left_12m", {"equals": [1]}, "emplifi2021_left_12m", {"object"}),
        ("left_ever", {"equals": [1]}, "rightnow2010_stopped", set()),
        ("wtp_any", {"equals": [1]}, "sf2018_pay", set()),
        ("wtp_any", {"equals": [1]}, "oracle2011_pay_more", {"object"}),
        ("wtp_tier", {"equals": [1, 2, 3, 4, 5]}, "rightnow2010_pay_any", set()),
        ("wtp_any", {"equals": [1]}, "rightnow2010_pay_any", set()),
        ("exec_aspire", {"equals": [1]}, "temkin2010_aspire", {"coding"}),
        ("wtp_tier", {"equals": [5]}, "rightnow2010_pay_ge25", set()),
        ("wtp_tier", {"equals": [2, 3, 4, 5]}, "emplifi2021_pay5", set()),
        ("wtp_tier", {"kind": "mean"}, "rightnow2010_pay_mean_lower_bound", set()),
        ("wtp_pct", {"at_least": 25}, "rightnow2010_pay_ge25", {"object"}),
        ("wtp_pct", {"kind": "mean"}, "amex2011_mean_unconditional", set()),
        ("wtp_pct", {"kind": "mean"}, "amex2011_mean", {"base"}),
        ("emo_cares", {"equals": [1]}, "ukcsi2025_cares", set()),
        ("mkt_improve", {"equals": [1]}, "pwc2018_needs_improve_us", {"coding"}),
        ("exc_week", {"equals": [1]}, "aas2022_excellent_week", {"base"}),
        ("fail_12m", {"equals": [1]}, "rage2023_problem", {"object"}),
        ("exec_priority", {"equals": [1]}, "forrester2012_priority", set()),
        ("exec_core", {"equals": [0]}, "forrester_eu2023_80", {"base", "coding"}),
        ("nps", {"kind": "nps"}, "ipsos2025_nps_attached", {"base"}),
    ],
)
def test_a_question_and_its_figure_match_but_for_what_differs(
    name: str, how: dict, figure: str, differs: set[str]
):
    ours = questionnaire()[name].meaning(**how)
    (theirs,) = (one.meaning for one in benchmarks() if one.id == figure)
    assert {key for key in vars(ours) if getattr(ours, key) != getattr(theirs, key)} == differs


def test_one_good_week_is_not_the_complement_of_a_market_that_must_improve():
    week = questionnaire()["exc_week"].meaning(equals=[1])
    market = questionnaire()["mkt_improve"].meaning(equals=[1])
    for key in ("construct", "object", "polarity", "tense", "window", "quantifier"):
        assert getattr(week, key) != getattr(market, key)
