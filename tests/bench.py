"""Speed, side by side: our code and its peers on the same data in one run, with the same answer.

    python tests/bench.py [--rounds N] [--small] [--only WORD] [--json FILE] [--no-r]
                          [--peer-python PYTHON]

Every job gives the same numbers by all its programs; that is checked, at the tolerance told, before
its figures are shown. Rounds are interleaved, so that a busy machine slows all alike; the table
shows medians and the ratio of the peer's median to ours. A program that takes longer than five
seconds is timed once. Seconds are this machine's; the ratio is what counts. ``--peer-python`` names
an interpreter that has xlogit; R is a peer where Rscript has the package survey.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import bench_prices
import bench_survey
import numpy as np
from bench_job import Absent, Asked, Job, Timed

ONCE = 5.0
JOBS = {
    "share": bench_survey.share_by_segment,
    "nps": bench_survey.bootstrap_rows,
    "nps-clusters": bench_survey.bootstrap_clusters,
    "rake": bench_survey.rake,
    "price-sensitivity": bench_prices.price_sensitivity,
    "mixed-logit": bench_prices.mixed_logit,
    "import": bench_prices.import_alone,
    "import-first-use": bench_prices.import_first_use,
}


def timed(program) -> Timed:
    """One run: its own seconds where it tells them, else the clock's."""
    start = time.perf_counter()
    found = program()
    seconds = time.perf_counter() - start
    return found if isinstance(found, Timed) else Timed(seconds, np.asarray(found))


def distances(job: Job, answers: dict[str, np.ndarray]) -> dict[str, float]:
    """The largest relative difference of each peer from us; the end of the run if it is too large.

    Raises
    ------
    SystemExit
        A peer's answer is further from ours than the job allows.
    """
    found = {}
    for name, answer in answers.items():
        if name == "cxlib":
            continue
        apart = np.abs(answer / answers["cxlib"] - 1)
        found[name] = float(apart.max())
        limit = np.broadcast_to(job.agree[name], apart.shape)
        if not (apart <= limit).all():
            raise SystemExit(f"{job.name}: {name} is {found[name]:.2g} off, allowed {limit.max()}")
    return found


def measure(job: Job, rounds: int) -> dict:
    """Seconds of each program over interleaved rounds, and how far the answers are apart."""
    programs = {"cxlib": job.ours, **job.peers}
    first = {name: timed(run) for name, run in programs.items()}
    apart = distances(job, {name: one.answer for name, one in first.items()})
    apart |= job.check() if job.check else {}
    seconds = {name: [one.seconds] if one.seconds > ONCE else [] for name, one in first.items()}
    quick = {name: run for name, run in programs.items() if not seconds[name]}
    for _ in range(rounds):
        for name, run in quick.items():
            seconds[name].append(timed(run).seconds)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = {name: median[name] / median["cxlib"] for name in job.peers}
    met = [ratio[name] >= least for name, least in job.times_faster.items() if name in ratio]
    met += [median["cxlib"] <= job.at_most] if job.at_most else []
    return {
        "job": job.name,
        "median_s": median,
        "ratio_to_cxlib": ratio,
        "largest_difference": apart,
        "rounds": {name: len(times) for name, times in seconds.items()},
        "reach": {"seconds": job.at_most, "times_faster": job.times_faster},
        "reached": all(met),
        "absent": list(job.absent),
    }


def machine() -> dict:
    """Where and when, and how busy."""
    versions = {}
    for name in ("cxlib", "numpy", "pandas", "svy", "statsmodels"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "versions": versions,
    }


def show(told: dict, small: bool) -> None:
    """A job's lines of the table; whether the aim is reached is for data of full size."""
    for name, seconds in told["median_s"].items():
        ratio = told["ratio_to_cxlib"].get(name)
        words = f"{ratio:>7.1f}×" if ratio else " " * 8
        if name == "cxlib" and not small:
            words += "  reached" if told["reached"] else "  NOT REACHED"
        print(f"{told['job']:<54} {name:<28} {seconds:>9.4f} {words}", flush=True)
    for why in told["absent"]:
        print(f"{told['job']:<54} absent: {why}")


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a look; not figures to quote")
    parser.add_argument("--only", default="", help="jobs with this word: " + ", ".join(JOBS))
    parser.add_argument("--json", type=Path, default=Path("reports/bench.json"))
    parser.add_argument("--no-r", action="store_true", help="leave R out")
    parser.add_argument("--peer-python", default="", help="an interpreter that has xlogit")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Run the jobs and write the table. Answers that differ end the run; a missed aim does not."""
    given = arguments(words)
    asked = Asked(given.small, not given.no_r, given.peer_python)
    told = {"machine": machine(), "small": given.small, "jobs": []}
    print(f"{'job':<54} {'program':<28} {'median s':>9} {'ratio':>8}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peers warn; ours are errors in the tests
        for name, make in JOBS.items():
            if given.only not in name:
                continue
            try:
                job = make(asked)
            except Absent as why:
                told["jobs"].append({"job": name, "skipped": str(why)})
                print(f"{name:<54} skipped: {why}")
                continue
            told["jobs"].append(measure(job, given.rounds))
            show(told["jobs"][-1], given.small)
    told["machine"]["load_after"] = machine()["load"]
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"written to {given.json}")


if __name__ == "__main__":
    main()
