"""The study: one file that says what the data are, and the questions that notebooks ask of it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import cxlib as cx
from cxlib import paths
from cxlib.errors import CxError
from cxlib.read import read_survey
from cxlib.survey_codes import conditions, digest

PWC = "pwc2018_leave1_global"
SECTION = """
[columns]
leave_love = "Q1"
nps = "Q2"
[recode.leave_love]
"after one" = 1
never = 4
[derive]
happy = "nps >= 9"
[design]
weights = "w"
[questions.branch]
labels = { 1 = "north", 2 = "south" }
[context]
country = "IE"
year = 2026
"""


def made(folder: Path, text: str = SECTION, rows: int = 40) -> Path:
    """A study of ``rows`` people whose columns have other names than the questionnaire's."""
    frame = pd.DataFrame({"who": range(rows), "w": [1.0, 2.0] * (rows // 2)})
    frame["Q1"] = ["after one", "never", "never", "-98"] * (rows // 4)
    frame["Q2"] = [10, 3, 8, 9] * (rows // 4)
    frame["branch"] = [1, 1, 1, 2] * (rows // 4)
    frame.to_csv(folder / "data.csv", index=False)
    path = folder / "mine.toml"
    path.write_text('data = "data.csv"\n' + text, encoding="utf-8")
    return path


def test_columns_recodes_and_derived_columns(tmp_path):
    work = cx.open_study(made(tmp_path))
    survey = work.survey
    assert survey.design.weights == "w" and survey.origin.year == "2026"
    assert {"leave_love", "nps", "happy"} <= set(survey.frame) and "Q1" not in survey
    one = work.ask(cx.leave_after_one, "leave_love", claim="C03")
    assert (one.value, one.n) == (pytest.approx(10 / 60), 40)  # "don't know" stays in the base
    assert one.meaning.construct == "leave-brand" and one.origin.study == "mine"
    assert work.ask(cx.share, "happy", equals=1).value == pytest.approx(30 / 60)


def test_the_questionnaire_lies_below_and_the_study_above(tmp_path):
    text = SECTION + '[questions.nps]\nwording = "Würden Sie uns empfehlen?"\n'
    book = cx.open_study(made(tmp_path, text)).survey.codebook
    assert book["nps"].wording.startswith("Würden") and book["nps"].high == 10
    assert "csat" not in book, "the data have no such column"


def test_a_codebook_of_its_own(tmp_path):
    (tmp_path / "book.toml").write_text('[branch]\nwording = "Where?"\ntype = "single"\n')
    work = cx.open_study(made(tmp_path, 'codebook = "book.toml"\n'))
    assert work.survey.codebook["branch"].wording == "Where?"
    assert "codebook" in work.inputs()


def test_what_was_not_asked_is_a_verdict(tmp_path):
    work = cx.open_study(made(tmp_path))
    gone = work.ask(cx.excess_loss, "retained", "fail_12m", claim="C04")
    assert gone.verdict == "not asked" and gone.claim == "C04"
    assert "retained, fail_12m" in gone.reasons[0]
    assert work.hypothesis(gone, above=0.05).primary
    assert work.then(gone, cx.hypothetical_bias) is gone
    assert work.compare_all(gone, PWC) is gone
    assert work.ask(cx.nps, "nps", by="sector").verdict == "not asked"
    assert work.within("C04", ["branch", "tenure_m"]) == ["branch"]


def test_the_level_of_the_study_is_that_of_its_answers(tmp_path):
    wide, narrow = (cx.open_study(made(tmp_path), level=level) for level in (0.95, 0.8))
    one, other = (work.ask(cx.nps, "nps") for work in (wide, narrow))
    assert (one.level, other.level) == (0.95, 0.8) and one.high > other.high
    assert narrow.ask(cx.nps, "nps", level=0.9).level == 0.9


def test_margins_and_benchmarks_are_the_study_s(tmp_path):
    text = SECTION + f"[margins]\n{PWC} = 0.2\n"
    text += f"[claims.C03]\nbenchmark = '{PWC}'\n[claims.C04]\nthreshold = 0.1\n"
    work = cx.open_study(made(tmp_path, text))
    one = work.ask(cx.leave_after_one, "leave_love", claim="C03")
    primary = work.compare(one, "emplifi2021_one_uk", primary=True)
    assert (primary.benchmark, primary.margin, primary.primary) == (PWC, 0.2, True)
    beside = work.compare(one, "emplifi2021_one_uk")
    assert (beside.benchmark, beside.margin, beside.primary) == ("emplifi2021_one_uk", 0.05, False)
    assert (work.threshold("C04", 0.05), work.threshold("C03", 0.05)) == (0.1, 0.05)


def test_indirect_data_carry_no_verdict(tmp_path):
    why = "An app is not an experience."
    work = cx.open_study(made(tmp_path, SECTION + f"[claims.C03]\nindirect = '{why}'\n"))
    told = work.compare(work.ask(cx.leave_after_one, "leave_love", claim="C03"), PWC, primary=True)
    assert told.verdict == "not testable" and told.reasons == (why,) and told.p is None
    assert told.ours is not None and why in told.sentence


def test_segments_and_their_labels(tmp_path):
    path = made(tmp_path)
    work = cx.open_study(path)
    assert work.segments("branch") == ("branch=1", "branch=2")
    assert work.segment_label("branch=2") == "branch: south"
    assert work.segment_label("") == "all respondents"
    part = cx.open_study(path, where="branch=2")
    assert len(part.survey) == 10 and len(part.whole) == 40
    assert part.ask(cx.nps, "nps").origin.segment == "branch=2"
    assert "10 of 40" in str(part.about().rows)
    assert len(cx.open_study(path, where="branch=1|2; nps=10").survey) == 10


def test_conditions():
    assert conditions("sector=1|2; country = IE") == {"sector": ["1", "2"], "country": ["IE"]}
    assert conditions("") == {} and conditions(" ; ") == {}
    for wrong in ("sector", "=1", "sector=", "a=1;a=2"):
        with pytest.raises(CxError, match="COLUMN=VALUE"):
            conditions(wrong)


def test_inputs_are_hashed_and_change_with_the_files(tmp_path):
    path = made(tmp_path)
    before = cx.open_study(path).inputs()
    assert before["data"] == digest((tmp_path / "data.csv").read_bytes())
    path.write_text(path.read_text() + "\n# a remark\n")
    after = cx.open_study(path).inputs()
    assert {key for key in before if before[key] != after[key]} == {"study"}


def test_parameters_are_strict(tmp_path):
    path = made(tmp_path)
    faults = {"level": 95}, {"level": "high"}, {"levle": 0.9}, {"seed": -1}, {"where": "branch=9"}
    for options in faults:
        with pytest.raises(CxError) as told:
            cx.open_study(path, **options)
        assert told.value.got and told.value.want


def test_one_respondent_a_row(tmp_path):
    assert cx.open_study(made(tmp_path, SECTION + "[quality]\nid = 'who'\n")).ids() == ("who",)
    with pytest.raises(CxError, match="occur more than once"):
        cx.open_study(made(tmp_path, SECTION + "[quality]\nid = 'branch'\n"))


@pytest.mark.parametrize(
    "text",
    [
        "[quality]\nduration = 'secs'",
        "[quality]\nbatteries = [['nps', 'npss']]",
        "[claims.C04]\nwithin = ['brnach']",
        "[claims.c04]\nthreshold = 0.1",
    ],
)
def test_questions_that_the_file_names_must_exist(text, tmp_path):
    with pytest.raises(CxError, match="unknown"):
        cx.open_study(made(tmp_path, SECTION + text))


def test_small_cells_are_the_study_s(tmp_path):
    open_ = cx.open_study(made(tmp_path, SECTION + "[privacy]\nsmall_cell = 1\n"), where="branch=2")
    assert not open_.ask(cx.nps, "nps").suppressed
    closed = cx.open_study(made(tmp_path, SECTION, rows=20), where="branch=2")
    assert closed.survey.origin.small_cell == 10
    assert closed.ask(cx.nps, "nps").suppressed


def test_the_scorecard_reads_the_records_of_the_others(tmp_path):
    work = cx.open_study("sample", notebook="90-scorecard")
    other = cx.open_study("sample", notebook="25-loyalty-loss")
    one = other.compare(other.ask(cx.leave_after_one, "leave_love", claim="C03"), PWC, primary=True)
    records = tmp_path / "records.json"
    records.write_text(json.dumps(one.records()))
    card = work.scorecard(str(records))
    row = next(row for row in card.rows if row.claim.id == "C03")
    assert row.verdict == one.verdict and row.link.startswith("25-loyalty-loss.html#")
    assert len(card.rows) == 25 and card.counts()["not asked"] == 24
    nothing = work.scorecard(str(tmp_path / "gone.json"))
    assert set(nothing.counts()) == {"not asked"}
    assert all(row.note for row in nothing.rows)


def test_the_answer_and_the_colophon(tmp_path):
    work = cx.open_study("sample")
    one = work.compare(work.ask(cx.leave_after_one, "leave_love", claim="C03"), PWC, primary=True)
    bundle = work.answer(one)._repr_mimebundle_()
    assert one.sentence in bundle["text/plain"]
    assert bundle["application/vnd.cxlib.answer+json"]["claim"] == "C03"
    colophon = str(work.colophon())
    assert work.inputs()["data"][:16] in colophon and "pandas" in colophon


@pytest.mark.parametrize("name", ["sample", "ecolabel"])
def test_carried_studies_open_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name = cx.open_study(name)
    by_path = cx.open_study(f"data/studies/{name}.toml")
    assert by_name.inputs() == by_path.inputs()
    assert by_name.path == paths.data("studies", f"{name}.toml")
    assert by_name.notebooks() and by_name.title and by_name.provenance


def test_an_absolute_path_is_read_and_one_leading_out_is_not(tmp_path):
    path = made(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()
    text = path.read_text()
    away = inner / "away.toml"
    away.write_text(text.replace('"data.csv"', f'"{(tmp_path / "data.csv").as_posix()}"'))
    assert len(cx.open_study(away).survey) == 40
    away.write_text(text.replace('"data.csv"', '"../data.csv"'))
    with pytest.raises(CxError, match="reads outside its folder"):
        cx.open_study(away)


def test_a_survey_is_the_same_from_csv_parquet_and_frame(tmp_path):
    made(tmp_path)
    frame = pd.read_csv(tmp_path / "data.csv")
    frame.to_parquet(tmp_path / "data.parquet")
    answers = [
        cx.mean(read_survey(source, weights="w"), "Q2")
        for source in (tmp_path / "data.csv", tmp_path / "data.parquet", frame)
    ]
    assert len({(e.value, e.se, e.n) for e in answers}) == 1
