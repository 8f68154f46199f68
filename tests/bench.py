"""Speed, side by side: our code and its peers on the same data in one run, with the same answer.

    python tests/bench.py [--rounds N] [--small] [--only WORD] [--json FILE]

Every job gives the same numbers by all its programs (checked before anything is timed). Rounds are
interleaved, so that a busy machine slows all alike; the table shows medians and the ratio of the
peer's median to ours. Seconds are this machine's; the ratio is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import cxlib as cx

SEGMENTS = 20


@dataclass(frozen=True)
class Job:
    """One comparison: a name, our program, its peers, and how far answers may differ."""

    name: str
    ours: Callable[[], np.ndarray]
    peers: dict[str, Callable[[], np.ndarray]]
    agree: float = 1e-6


def survey_frame(n: int) -> pd.DataFrame:
    """A stratified, clustered, weighted sample with a segment and a yes/no answer."""
    rng = np.random.default_rng(20260105)
    stratum = rng.integers(0, 10, n)
    frame = pd.DataFrame({"stratum": stratum, "cluster": stratum * 50 + rng.integers(0, 50, n)})
    frame["weight"] = rng.uniform(0.5, 2.0, n)
    frame["segment"] = rng.integers(0, SEGMENTS, n)
    lean = rng.normal(0, 0.05, 500)[frame["cluster"]]
    frame["yes"] = (rng.random(n) < 0.3 + lean).astype(float)
    frame["recommend"] = rng.integers(0, 11, n)
    return frame


def share_by_segment(n: int) -> Job:
    """Shares with standard errors and intervals for twenty segments."""
    frame = survey_frame(n)
    design = {"weights": "weight", "strata": "stratum", "clusters": "cluster"}

    def ours() -> np.ndarray:
        survey = cx.read_survey(frame, **design)
        found = cx.share(survey, "yes", equals=1, by="segment")
        return np.array([(e.value, e.se, e.low, e.high) for e in found])

    return Job(
        f"share by {SEGMENTS} segments, {n:,} rows",
        ours,
        {"svy": _svy_shares(frame), "statsmodels, strata ignored": _statsmodels_shares(frame)},
        agree=0.05,
    )


def _svy_shares(frame: pd.DataFrame) -> Callable[[], np.ndarray]:
    import polars as pl
    import svy

    table = pl.from_pandas(frame.astype({"segment": str, "stratum": str, "cluster": str}))

    def run() -> np.ndarray:
        sample = svy.Sample(table, svy.Design(stratum="stratum", wgt="weight", psu="cluster"))
        found = sample.estimation.prop("yes", by="segment").to_polars().to_pandas()
        found = found[found["yes"].astype(float) == 1.0].copy()
        found["segment"] = found["segment"].astype(int)
        return found.sort_values("segment")[["est", "se", "lci", "uci"]].to_numpy(float)

    return run


def _statsmodels_shares(frame: pd.DataFrame) -> Callable[[], np.ndarray]:
    import statsmodels.api as sm

    def run() -> np.ndarray:
        dummies = pd.get_dummies(frame["segment"]).to_numpy(float)
        fit = sm.WLS(frame["yes"].to_numpy(), dummies, weights=frame["weight"].to_numpy())
        told = fit.fit(cov_type="cluster", cov_kwds={"groups": frame["cluster"].to_numpy()})
        return np.column_stack([told.params, told.bse, told.conf_int()])

    return run


def jobs(small: bool) -> list[Job]:
    """All comparisons; ``small`` is for a look at the table, not for figures to quote."""
    return [share_by_segment(50_000 if small else 1_000_000)]


def measure(job: Job, rounds: int) -> dict:
    """Seconds of each program over interleaved rounds, after a check that the answers agree."""
    programs = {"cxlib": job.ours, **job.peers}
    answers = {name: run() for name, run in programs.items()}
    apart = {
        name: float(np.nanmax(np.abs(answer / answers["cxlib"] - 1)))
        for name, answer in answers.items()
    }
    for name, distance in apart.items():
        if distance > job.agree:
            raise SystemExit(f"{job.name}: {name} differs by {distance:.2g}, more than {job.agree}")
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, run in programs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "job": job.name,
        "median_s": median,
        "ratio_to_cxlib": {name: median[name] / median["cxlib"] for name in job.peers},
        "largest_difference": apart,
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path, default=Path("reports/bench.json"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # peers warn; ours are errors in the tests
    found = []
    print(f"{'job':<44} {'program':<30} {'median s':>9} {'ratio':>8}")
    for job in jobs(options.small):
        if options.only not in job.name:
            continue
        told = measure(job, options.rounds)
        found.append(told)
        for name, seconds in told["median_s"].items():
            ratio = told["ratio_to_cxlib"].get(name, 1.0)
            print(f"{job.name:<44} {name:<30} {seconds:>9.3f} {ratio:>7.1f}×")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
