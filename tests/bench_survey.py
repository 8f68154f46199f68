"""Shares, bootstraps and raking beside svy, statsmodels, numpy and R's survey."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from bench_job import Asked, Job, Program, Timed, present, r_survey

import cxlib as cx

SEGMENTS = 20
DESIGN = {"weights": "weight", "strata": "stratum", "clusters": "cluster"}


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


def in_r(frame: pd.DataFrame, script: str) -> Program:
    """R's answer and seconds: ``script`` makes ``answer`` from the data frame ``d``; it is timed.

    Reading the data and starting R do not count.
    """
    program = r_survey()
    folder = tempfile.TemporaryDirectory()
    data = Path(folder.name) / "data.bin"
    frame.to_numpy(float).tofile(data)
    names = ", ".join(f'"{name}"' for name in frame.columns)
    lines = (
        "suppressPackageStartupMessages(library(survey))",
        f'd <- readBin("{data}", "double", {frame.size})',
        f"d <- as.data.frame(matrix(d, ncol = {frame.shape[1]}, byrow = TRUE))",
        f"names(d) <- c({names})",
        f"seconds <- system.time({{{script}}})[['elapsed']]",
        'cat(format(c(seconds, as.numeric(answer)), digits = 15), sep = "\\n")',
    )

    def run() -> Timed:
        _ = folder  # the data live as long as the program
        told = subprocess.run(
            [program, "-e", "\n".join(lines)], capture_output=True, text=True, check=True
        )
        seconds, *answer = map(float, told.stdout.split())
        return Timed(seconds, np.array(answer))

    return run


# -- shares ----------------------------------------------------------------------------------------


def share_by_segment(asked: Asked) -> Job:
    """Shares with standard errors and intervals for twenty segments."""
    n = 20_000 if asked.small else 1_000_000
    frame = survey_frame(n)

    def ours() -> np.ndarray:
        survey = cx.read_survey(frame, **DESIGN)
        found = cx.share(survey, "yes", equals=1, by="segment")
        return np.array([(e.value, e.se, e.low, e.high) for e in found])

    makers = {
        "svy": lambda: _svy_shares(frame),
        "statsmodels, strata ignored": lambda: _statsmodels_shares(frame),
    }
    makers |= {"R survey": lambda: _r_shares(frame)} if asked.with_r else {}
    peers, absent = present(makers)
    return Job(
        f"share by {SEGMENTS} segments, {n:,} rows",
        ours,
        peers,
        agree={
            "svy": 1e-9,
            "statsmodels, strata ignored": [1e-9, 0.1, 0.05, 0.05],
            "R survey": 1e-8,
        },
        at_most=0.15,
        times_faster={"svy": 10.0},
        absent=absent,
    )


def _svy_shares(frame: pd.DataFrame) -> Program:
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


def _statsmodels_shares(frame: pd.DataFrame) -> Program:
    import statsmodels.api as sm

    def run() -> np.ndarray:
        dummies = pd.get_dummies(frame["segment"]).to_numpy(float)
        fit = sm.WLS(frame["yes"].to_numpy(), dummies, weights=frame["weight"].to_numpy())
        told = fit.fit(cov_type="cluster", cov_kwds={"groups": frame["cluster"].to_numpy()})
        return np.column_stack([told.params, told.bse, told.conf_int()])

    return run


def _r_shares(frame: pd.DataFrame) -> Program:
    run = in_r(
        frame[["stratum", "cluster", "weight", "segment", "yes"]],
        "s <- svydesign(ids = ~cluster, strata = ~stratum, weights = ~weight, data = d);"
        'f <- svyby(~I(yes == 1), ~segment, s, svyciprop, vartype = c("se", "ci"));'
        "answer <- as.matrix(f[, -1])",
    )

    def table() -> Timed:
        seconds, answer = run()
        return Timed(seconds, answer.reshape(4, SEGMENTS).T)

    return table


# -- bootstrap -------------------------------------------------------------------------------------


def bootstrap_rows(asked: Asked) -> Job:
    """A weighted NPS, every respondent a unit."""
    frame, number = _nps_frame(asked)
    makers = {
        "svy": lambda: _svy_nps(frame, number, psu="row"),
        "numpy, rows resampled": lambda: _numpy_nps(frame, number),
    }
    return _bootstrap(asked, frame, number, makers, {"weights": "weight"}, "rows")


def bootstrap_clusters(asked: Asked) -> Job:
    """A weighted NPS from a stratified sample of clusters."""
    frame, number = _nps_frame(asked)
    makers = {"svy": lambda: _svy_nps(frame, number, psu="cluster", stratum="stratum")}
    return _bootstrap(asked, frame, number, makers, DESIGN, "clusters")


def _nps_frame(asked: Asked) -> tuple[pd.DataFrame, int]:
    frame = survey_frame(3_000 if asked.small else 100_000)
    score = np.where(frame["recommend"] >= 9, 1.0, np.where(frame["recommend"] <= 6, -1.0, 0.0))
    return frame.assign(score=score, row=np.arange(len(frame))), 100 if asked.small else 1_000


def _bootstrap(
    asked: Asked, frame: pd.DataFrame, number: int, makers: dict, design: dict, what: str
) -> Job:
    def ours() -> np.ndarray:
        found = cx.bootstrap_nps(cx.read_survey(frame, **design), "recommend", replicates=number)
        return np.array([found.value, found.se])

    def check() -> dict[str, float]:
        """Twenty sets of replicates against the linearised standard error, at 3 %."""
        survey = cx.read_survey(frame, **design)
        exact = cx.nps(survey, "recommend", method="linearised").se
        sets = [
            cx.bootstrap_nps(survey, "recommend", replicates=number, seed=seed).se
            for seed in range(20)
        ]
        apart = abs(float(np.sqrt(np.mean(np.square(sets)))) / exact - 1)
        if apart > max(0.03, 4 / np.sqrt(40 * number)):
            raise SystemExit(f"bootstrap of {what}: {apart:.2%} from the linearised error")
        return {"linearised, 20 sets": apart, "linearised, first set": abs(sets[0] / exact - 1)}

    peers, absent = present(makers)
    # the difference of two sets of replicates: four times its Monte Carlo error
    close = 4 * np.sqrt(1 / number)
    return Job(
        f"weighted NPS, {number:,} bootstraps of {what}, {len(frame):,} rows",
        ours,
        peers,
        agree={name: [1e-9, close] for name in peers},
        check=check,
        at_most=0.1,
        absent=absent,
    )


def _svy_nps(frame: pd.DataFrame, number: int, **design: str) -> Program:
    import polars as pl
    import svy

    table = pl.from_pandas(frame.astype({"stratum": str, "cluster": str, "row": str}))

    def run() -> np.ndarray:
        sample = svy.Sample(table, svy.Design(wgt="weight", **design))
        sample = sample.weighting.create_bs_wgts(number, rstate=1)
        found = sample.estimation.mean("score", method="replication").to_polars()
        return 100 * found.select("est", "se").to_numpy()[0]

    return run


def _numpy_nps(frame: pd.DataFrame, number: int) -> Program:
    weight = frame["weight"].to_numpy()
    scored = weight * frame["score"].to_numpy()

    def run() -> np.ndarray:
        rng, n = np.random.default_rng(1), len(weight)
        found = np.empty(number)
        for r in range(number):
            rows = rng.integers(0, n, n)
            found[r] = scored[rows].sum() / weight[rows].sum()
        return 100 * np.array([scored.sum() / weight.sum(), found.std(ddof=1)])

    return run


# -- raking ----------------------------------------------------------------------------------------


def rake(asked: Asked) -> Job:
    """Weights to four margins; the answer is the new weights."""
    n = 5_000 if asked.small else 100_000
    rng = np.random.default_rng(20260106)
    frame, margins = pd.DataFrame({"weight": rng.uniform(0.5, 2.0, n)}), {}
    total = float(frame["weight"].sum())
    for name, answers in {"sex": 2, "age": 6, "region": 8, "school": 5}.items():
        frame[name] = rng.integers(1, answers + 1, n)
        share = rng.uniform(0.8, 1.25, answers)
        share *= total / share.sum()
        margins[name] = {code + 1: float(one) for code, one in enumerate(share)}

    def ours() -> np.ndarray:
        return cx.rake(cx.read_survey(frame, weights="weight"), margins).weights

    makers = {"svy": lambda: _svy_rake(frame, margins)}
    makers |= {"R survey": lambda: _r_rake(frame, margins)} if asked.with_r else {}
    peers, absent = present(makers)
    return Job(
        f"rake {n:,} rows to {len(margins)} margins",
        ours,
        peers,
        agree={"svy": 1e-4, "R survey": 1e-4},  # they stop earlier than we do
        times_faster={"svy": 10.0},
        absent=absent,
    )


def _svy_rake(frame: pd.DataFrame, margins: dict) -> Program:
    import polars as pl
    import svy

    table = pl.from_pandas(frame.astype(dict.fromkeys(margins, str)))
    controls = {name: {str(c): one for c, one in told.items()} for name, told in margins.items()}

    def run() -> np.ndarray:
        sample = svy.Sample(table, svy.Design(wgt="weight"))
        raked = sample.weighting.rake(controls=controls, wgt_name="raked")
        return raked.data["raked"].to_numpy()

    return run


def _r_rake(frame: pd.DataFrame, margins: dict) -> Program:
    tables = ", ".join(
        f"data.frame({name} = c({', '.join(map(str, told))}), "
        f"Freq = c({', '.join(repr(one) for one in told.values())}))"
        for name, told in margins.items()
    )
    formulas = ", ".join(f"~{name}" for name in margins)
    return in_r(
        frame,
        "s <- svydesign(ids = ~1, weights = ~weight, data = d);"
        f"f <- rake(s, list({formulas}), list({tables}), control = list(maxit = 100, "
        "epsilon = 1e-6 * sum(d$weight) / nrow(d)));"
        "answer <- weights(f)",
    )
