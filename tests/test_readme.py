"""Every code block of the README runs: commands, study files, Python and the cron line."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
COMMANDS = [
    line.partition("  #")[0].strip()
    for language, text in BLOCKS
    if language == "sh"
    for line in text.splitlines()
]


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An analyst's folder: the export, and the first study file of the README."""
    rng = np.random.default_rng(7)
    answers = {
        "Q7": rng.choice([1, 2, 3, 4, -98], 400),
        "Q12": rng.integers(0, 11, 400),
        "wt": rng.uniform(0.5, 1.5, 400).round(3),
    }
    pd.DataFrame(answers).to_csv(tmp_path / "wave3.csv", index=False)
    (tmp_path / "wave3.toml").write_text(blocks("toml")[0], encoding="utf-8")
    return tmp_path


def test_every_language_is_known():
    assert {language for language, _ in BLOCKS} == {"sh", "toml", "python", "cron"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_targets_exist(command: str):
    target = shlex.split(command)[1]
    assert "No rule" not in run(["make", "-n", target], ROOT)


@pytest.mark.wide
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(("cx", "papermill"))])
def test_commands(command: str, folder: Path):
    words = shlex.split(command)
    if words[0] == "papermill":
        words[1] = str(ROOT / words[1])
        words = [sys.executable, "-m", "papermill", *words[1:], "--no-progress-bar"]
    else:
        words = [sys.executable, "-m", "cxlib.cli", *words[1:]]
        if "--by" in words:  # one segment question of the sample has twelve answers: one page each
            words += ["--notebook", "00-start-here"]
    run(words, folder)


@pytest.mark.wide
def test_the_first_study_gives_pages(folder: Path):
    run([sys.executable, "-m", "cxlib.cli", "report", "wave3.toml", "--quiet"], folder)
    page = (folder / "reports/wave3/all/25-loyalty-loss.html").read_text(encoding="utf-8")
    assert "Would leave after one bad experience" in page and "not asked" in page


def test_the_second_study_recodes(folder: Path):
    import cxlib as cx

    words = ["After one", "After two or three", "After more", "Never"]
    pd.DataFrame({"Q7": words * 50}).to_csv(folder / "wave3.csv", index=False)
    (folder / "wave3.toml").write_text(blocks("toml")[1], encoding="utf-8")
    survey = cx.open_study(folder / "wave3.toml").survey
    assert cx.share(survey, "leave_love", equals=1).value == 0.25


@pytest.mark.parametrize("source", blocks("python"))
def test_python_runs(source: str, tmp_path: Path):
    assert "not comparable" in run([sys.executable, "-W", "error", "-c", source], tmp_path)


@pytest.mark.wide
def test_the_cron_line(folder: Path):
    fields = blocks("cron")[0].split(maxsplit=5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
    change, _, command = fields[5].partition(" && ")
    assert change.startswith("cd ")
    words = shlex.split(command)
    assert words[0] == ".venv/bin/cx"
    run([sys.executable, "-m", "cxlib.cli", *words[1:]], folder)
