"""The bench runs, and its programs give the same answers; no time is asserted, machines differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
svy = pytest.importorskip("svy", reason="svy is a dependency of the bench alone")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import bench as module

    return module


@pytest.mark.parametrize(
    ("word", "peers"),
    [
        ("share", {"svy", "statsmodels, strata ignored"}),
        ("nps", {"svy"}),
        ("rake", {"svy"}),
        ("price", set()),
        ("import", set()),
    ],
)
def test_small_run_agrees_with_its_peers(bench, tmp_path, capsys, word, peers):
    told = tmp_path / "bench.json"
    given = ["--small", "--rounds", "1", "--no-r", "--only", word, "--json", str(told)]
    bench.main(given)
    jobs = json.loads(told.read_text(encoding="utf-8"))["jobs"]
    table = capsys.readouterr().out
    assert jobs
    for job in jobs:
        assert job["job"] in table
        assert peers <= set(job["largest_difference"])
        assert min(job["median_s"].values()) > 0


def test_different_answers_end_the_run(bench):
    from bench_job import Job

    job = Job("two", lambda: np.ones(3), {"peer": lambda: np.array([1, 1, 1.01])}, {"peer": 1e-3})
    with pytest.raises(SystemExit, match="two: peer is 0.01 off"):
        bench.measure(job, 1)


def test_absent_peers_are_told(bench, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "svy", None)
    told = tmp_path / "bench.json"
    bench.main(["--small", "--rounds", "1", "--no-r", "--only", "rake", "--json", str(told)])
    job = json.loads(told.read_text(encoding="utf-8"))["jobs"][0]
    assert not job["ratio_to_cxlib"] and "svy" in job["absent"][0]


def test_job_without_its_data_is_skipped_with_a_reason(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("CX_SHARED", str(tmp_path / "nowhere"))
    told = tmp_path / "bench.json"
    bench.main(["--small", "--only", "mixed-logit", "--json", str(told)])
    job = json.loads(told.read_text(encoding="utf-8"))["jobs"][0]
    assert "CX_SHARED" in job["skipped"]
