"""``cx``: what each command prints, and its exit code: 0 all well, 1 a report failed, 2 wrong."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import small_notebooks as small
from click.testing import CliRunner

from cxlib import cli
from cxlib.claims import claim, claims
from cxlib.errors import CxError

COMMANDS = ("report", "benchmarks", "claims", "check", "simulate", "lab", "plan")


def cx(*arguments: object):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """A study file with six respondents beside it."""
    rows = ["respondent_id,leave_love,sector"]
    rows += [f"{n},{1 + n % 4},{1 + n % 2}" for n in range(6)]
    (tmp_path / "survey.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(
        'version = 1\ntitle = "My study"\ndata = "survey.csv"\n[privacy]\nsmall_cell = 1\n',
        encoding="utf-8",
    )
    return path


# ── help ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_command_has_help_with_an_example():
    assert sorted(cli.main.commands) == sorted(COMMANDS)
    for name in COMMANDS:
        result = cx(name, "--help")
        assert result.exit_code == 0
        assert "Example" in result.output and f"cx {name}" in result.output
    assert all(name in cx("--help").output for name in COMMANDS)


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from cxlib.cli import main; main(['--help'], standalone_mode=False); "
        "heavy = {'numpy', 'pandas', 'papermill', 'nbconvert', 'matplotlib', 'rich'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version():
    result = cx("--version")
    assert result.exit_code == 0 and re.fullmatch(r"cxlib \d+\.\d+.*\n", result.output)


def test_an_unknown_command_gets_did_you_mean():
    result = cx("reprot")
    assert result.exit_code == 2 and "did you mean 'report'" in result.output


# ── claims and benchmarks ────────────────────────────────────────────────────────────────────────


def test_there_are_25_claims_and_each_is_asked_in_plain_words():
    assert [c.id for c in claims()] == [f"C{n:02}" for n in range(1, 26)]
    assert all(c.question.endswith("?") and c.statement and c.kind in "BH" for c in claims())
    assert [c.id for c in claims() if c.kind == "B"] == [
        "C01", "C03", "C05", "C06", "C08", "C09", "C10"
    ]  # fmt: skip
    result = cx("claims")
    assert result.exit_code == 0 and len(result.output.splitlines()) == 25


def test_a_claim_is_found_by_its_id():
    assert claim("c03").notebook == "25-loyalty-loss"
    with pytest.raises(CxError, match="did you mean 'C03'"):
        claim("C033")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[C01]\nstatment = "x"', "did you mean 'statement'"),
        ('[C01]\nstatement = "x"', "lacks its question"),
        ('C01 = "x"', "a claim is a table"),
        (
            '[C01]\nstatement = "x"\nquestion = "x"\nkind = "C"\nnotebook = "x"',
            "of an unknown kind",
        ),
    ],
)
def test_a_claims_file_that_is_wrong_says_where(tmp_path, text, message):
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CxError, match=message):
        claims(path)


def test_benchmarks_lists_all_and_shows_one():
    result = cx("benchmarks")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) >= 60
    assert "pwc2018_leave1_global" in result.output
    result = cx("benchmarks", "pwc2018_leave1_global")
    assert result.exit_code == 0 and "PwC" in result.output
    result = cx("benchmarks", "pwc2018_leave1_globl")
    assert result.exit_code == 2 and "did you mean 'pwc2018_leave1_global'" in result.output


# ── the others ───────────────────────────────────────────────────────────────────────────────────


def test_check_speaks_of_a_study_and_of_a_file(survey):
    for target in (survey, survey.with_name("survey.csv")):
        result = cx("check", target)
        assert result.exit_code == 0, result.output
        assert "6 respondents" in result.output and "repeat an earlier row" in result.output
    assert cx("check", survey.with_name("gone.csv")).exit_code == 2


def test_simulate_writes_a_study(tmp_path):
    result = cx("simulate", tmp_path / "new", "--n", 120, "--seed", 7)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "new" / "survey.csv").exists() and (tmp_path / "new/truth.json").exists()
    assert cx("simulate", tmp_path / "new", "--n", 1).exit_code == 2


def test_lab_says_what_is_missing(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "jupyterlab" else found(name)
    )
    result = cx("lab")
    assert result.exit_code == 2 and "pip install jupyterlab" in result.output


def test_lab_opens_the_first_notebook(monkeypatch):
    called = []
    monkeypatch.setattr(cli.os, "execv", lambda path, arguments: called.append(arguments))
    assert cx("lab", "--no-browser").exit_code == 0
    assert called[0][1:3] == ["-m", "jupyterlab"]
    assert called[0][3].endswith("00-start-here.ipynb") and called[0][4] == "--no-browser"


# ── report ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "levle=0.9"], "did you mean 'level'"),
        (["--set", "level=2"], "out of range"),
        (["--where", "sector=9"], "sector"),
        (["--where", "secto=1"], "did you mean 'sector'"),
        (["--by", "secto"], "did you mean 'sector'"),
        (["--notebook", "99"], "unknown notebook"),
    ],
)
def test_wrong_input_is_exit_code_2_and_touches_nothing(survey, tmp_path, options, message):
    own = [] if "--notebook" in options else ["--notebook", small.good(tmp_path / "n")]
    result = cx("report", survey, *own, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert message in result.output and "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_missing_study_is_exit_code_2_also_as_json(tmp_path):
    result = cx("report", tmp_path / "gone.toml", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 2
    said = json.loads(result.stdout)
    assert said["ok"] is False and said["error"]["what"] == "no such study"
    assert not (tmp_path / "out").exists()


def test_an_interrupt_is_exit_code_130(monkeypatch, survey):
    from cxlib.report import run

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "report", stop)
    result = cx("report", survey)
    assert result.exit_code == 130 and "still stands" in result.output


@pytest.mark.wide
def test_report_makes_pages_and_says_so(survey, tmp_path):
    opens = (
        "from cxlib.study import open_study\n\n"
        'work = open_study(study, notebook="10-mine", where=where, level=level)\nlen(work.survey)'
    )
    notebook = small.write(tmp_path / "n", "10-mine", opens, title="How many?")
    out = tmp_path / "out"
    given = ["report", survey, "--notebook", notebook, "--out", out]
    result = cx(*given, "--by", "sector", "--set", "level=0.9")
    assert result.exit_code == 0, result.output
    assert "3 made in" in result.output and f"open {out / 'mine' / 'index.html'}" in result.output
    assert (out / "mine" / "sector-1" / "10-mine.html").exists()
    result = cx(*given, "--json")
    said = json.loads(result.stdout)
    assert said["ok"] and said["made"] == 1 and said["reports"][0]["page"] == "all/10-mine.html"
    result = cx(*given, "--quiet")
    assert result.exit_code == 0 and result.output == ""
    small.write(tmp_path / "n", "10-mine", "1 / 0")
    result = cx(*given)
    assert result.exit_code == 1
    assert "✗ mine · all · 10-mine" in result.output and "division by zero" in result.output
