"""Price points, the mixed logit and the cost of importing cxlib."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from bench_choice import PEER, TASTES, electricity, ours
from bench_job import Absent, Asked, Job, Timed, present

import cxlib as cx


def price_sensitivity(asked: Asked) -> Job:
    """Van Westendorp's price points with confidence sets; no peer has any."""
    rng = np.random.default_rng(20260107)
    n = 300 if asked.small else 2_000
    middle = rng.lognormal(3.0, 0.35, n)
    steps = np.sort(rng.lognormal(0.0, 0.35, (n, 4)), axis=1)
    names = ["too_cheap", "cheap", "expensive", "too_expensive"]
    frame = pd.DataFrame((middle[:, None] * steps).round(1), columns=names)
    frame["weight"] = rng.uniform(0.5, 2.0, n)

    def run() -> np.ndarray:
        survey = cx.read_survey(frame, weights="weight")
        found = cx.price_sensitivity(survey, *names)
        return np.array([(e.value, e.low, e.high) for e in found])

    def check() -> dict[str, float]:
        """Every point lies in its set."""
        points = run()
        if not ((points[:, 1] <= points[:, 0]) & (points[:, 0] <= points[:, 2])).all():
            raise SystemExit("a price point lies outside its confidence set")
        return {}

    return Job(f"price points with confidence sets, {n:,} rows", run, check=check, at_most=0.5)


def mixed_logit(asked: Asked) -> Job:
    """Six normal tastes by simulated likelihood on the electricity data; xlogit where it is."""
    draws = 20 if asked.small else 600
    try:
        frame = electricity()
    except FileNotFoundError as why:
        raise Absent(f"no electricity data: {why.filename} (set CX_SHARED)") from None

    def run() -> Timed:
        told = ours(frame, draws)
        return Timed(told["seconds"], np.array([told["loglik"]]))

    peers, absent = present({"xlogit": lambda: _xlogit(asked.peer_python, frame, draws)})
    return Job(
        f"mixed logit, electricity, {draws} draws",
        run,
        peers,
        agree={"xlogit": 1e-5},
        times_faster={"xlogit": 1.0},
        absent=absent,
    )


def _xlogit(python: str, frame: pd.DataFrame, draws: int):
    if not python:
        raise Absent("no interpreter with xlogit given (--peer-python)")
    if subprocess.run([python, "-c", "import xlogit, pandas"], capture_output=True).returncode:
        raise Absent(f"{python} has no xlogit")
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "long.csv"
    frame.to_csv(path, index=False)

    def run() -> Timed:
        _ = folder  # the data live as long as the program
        words = [python, "-c", PEER, str(path), ",".join(TASTES), str(draws)]
        told = subprocess.run(words, capture_output=True, text=True, check=True)
        line = next(line for line in told.stdout.splitlines() if line.startswith("{"))
        found = json.loads(line)
        return Timed(found["seconds"], np.array([found["loglik"]]))

    return run


def import_alone(asked: Asked) -> Job:
    """What ``import cxlib`` costs beyond pandas, in a fresh interpreter."""
    return _import("import cxlib", "import cxlib")


def import_first_use(asked: Asked) -> Job:
    """What the first use of a survey's share costs beyond pandas, in a fresh interpreter."""
    return _import("import read_survey and share", "from cxlib import read_survey, share")


def _import(name: str, line: str) -> Job:
    code = f"import time, pandas; t = time.perf_counter(); {line}; print(time.perf_counter() - t)"
    root = Path(__file__).resolve().parent.parent

    def run() -> Timed:
        words = [sys.executable, "-c", code]
        told = subprocess.run(words, capture_output=True, text=True, check=True, cwd=root)
        return Timed(float(told.stdout), np.ones(1))

    return Job(f"{name}, beyond pandas", run, at_most=0.15)
