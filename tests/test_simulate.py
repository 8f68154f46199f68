"""The simulated study: the same bytes, a coherent questionnaire, estimates that hit the truth."""

from __future__ import annotations

import json
import os
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlib import paths, simulate
from cxlib.errors import CxError

DESIGN = {"cluster_id", "synthetic"}
CODES = {
    "mode": (1, 3), "arm_wtp": (0, 1), "arm_mode": (0, 1), "arm_order": (0, 1), "sector": (1, 12),
    "recency": (1, 3), "tenure_m": (0, 600), "n_dealings_12m": (0, 500), "csat": (1, 5),
    "acsi1": (1, 10), "acsi2": (1, 10), "acsi3": (1, 10), "svc_sat": (0, 10), "prod_sat": (0, 10),
    "price_sat": (0, 10), "imp_cx": (1, 5), "ad_vs_exp": (1, 3), "prod_same": (1, 7),
    "emo_val": (1, 7), "emo_cares": (1, 3), "remember": (1, 7), "shared": (0, 1), "ces1": (1, 5),
    "ces2": (1, 7), "fail_12m": (0, 1), "fail_type": (1, 7), "fail_sev": (1, 7),
    "complained": (0, 1), "would_complain": (1, 5), "recov_outcome": (1, 3), "recov_sat": (1, 7),
    "sat_before": (0, 10), "sat_after": (0, 10), "nps": (0, 10), "repurchase": (0, 10),
    "sow_pct": (0, 100), "loyal_trend": (1, 5), "retained": (0, 1), "leave_love": (1, 4),
    "leave_brand": (1, 4), "switch_ease": (1, 7), "left_ever": (0, 1), "left_12m": (0, 1),
    "left_n_bad": (1, 20), "left_switched": (0, 1), "bailed_12m": (0, 1), "spend_change": (1, 4),
    "wtp_any": (0, 1), "wtp_tier": (0, 5), "wtp_pct": (0, 100), "wtp_sure": (0, 10),
    "wtp_tradeoff": (1, 3), "paid_more_12m": (0, 1), "paid_more_pct": (0, 100), "exc_week": (0, 1),
    "exc_n": (0, 50), "deal_n": (0, 100), "mkt_improve": (0, 1), "mkt_good": (0, 1),
    "age": (16, 99), "gender": (1, 3), "edu": (0, 8), "income_band": (1, 10),
    "work_service": (0, 1),
}  # fmt: skip


@cache
def sample() -> pd.DataFrame:
    return simulate.study().frame


def shipped(name: str) -> Path:
    return paths.data("sample", name)


def truths() -> dict[str, dict]:
    return json.loads(shipped("truth.json").read_text(encoding="utf-8"))["estimands"]


# --- bytes and files ------------------------------------------------------------------------------


def test_the_same_study_has_the_same_bytes(tmp_path: Path):
    for folder in ("a", "b"):
        simulate.write(tmp_path / folder, n=300, seed=7)
    simulate.write(tmp_path / "c", n=300, seed=8)
    for name in ("survey.csv", "truth.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()


def test_the_shipped_files_are_what_is_written(tmp_path: Path):
    written = simulate.write(tmp_path)
    assert [path.name for path in written] == ["survey.csv", "truth.json"]
    for path in written:
        assert path.read_bytes() == shipped(path.name).read_bytes(), f"write {path.name} anew"
        assert b"\r" not in path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["survey.csv", "truth.json"]
    assert shipped("survey.csv").stat().st_size < 600_000


def test_the_file_holds_the_frame():
    read = pd.read_csv(shipped("survey.csv"))
    pd.testing.assert_frame_equal(read, sample())


def test_it_says_that_it_is_synthetic_and_names_its_design():
    truth = json.loads(shipped("truth.json").read_text(encoding="utf-8"))
    assert (truth["synthetic"], truth["n"], truth["seed"]) == (True, 1500, 20260105)
    assert {truth["strata"], truth["clusters"], truth["weights"]} <= set(sample())
    assert (sample()["synthetic"] == 1).all()


def test_the_truth_does_not_depend_on_the_study():
    other = simulate.study(120, seed=3).truth
    assert (other["n"], other["seed"]) == (120, 3)
    assert other["estimands"] == truths()
    for name, entry in truths().items():
        keys = {"id", "question", "estimand", "value", "unit", "how", "mc_se"}
        assert set(entry) == keys and entry["id"] == name
        assert entry["question"] in sample(), name
        assert entry["mc_se"] >= 0 and np.isfinite(entry["value"])


@pytest.mark.parametrize("n", [99, 0, -5, 1_000_001, 150.0, True, "1500", None])
def test_a_wrong_size_is_told(n):
    with pytest.raises(CxError, match="size of the study"):
        simulate.study(n)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7", None])
def test_a_wrong_seed_is_told(seed):
    with pytest.raises(CxError, match="seed"):
        simulate.study(200, seed=seed)


def test_numpy_integers_and_huge_seeds_are_whole_numbers():
    assert len(simulate.study(np.int64(100), seed=10**30).frame) == 100


def test_an_output_that_is_no_folder_is_told(tmp_path: Path):
    file = tmp_path / "taken"
    file.write_text("mine")
    for out in (file, file / "below"):
        with pytest.raises(CxError, match="not a folder"):
            simulate.write(out, n=100)
    assert file.read_text() == "mine"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    simulate.write(tmp_path, n=100)
    before = (tmp_path / "survey.csv").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(CxError, match="No space left"):
        simulate.write(tmp_path, n=100, seed=1)
    assert (tmp_path / "survey.csv").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["survey.csv", "truth.json"]


def test_a_missing_truth_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paths, "data", tmp_path.joinpath)
    with pytest.raises(CxError, match="truth"):
        simulate.study(100)


# --- the questionnaire ----------------------------------------------------------------------------


def test_columns_have_canonical_names():
    questionnaire = paths.data("questionnaire.toml")
    known = set(tomllib.loads(questionnaire.read_text(encoding="utf-8")))
    assert set(sample()) - DESIGN <= known


@pytest.mark.parametrize("seed", [0, 1])
def test_answers_are_in_range(seed: int):
    frame = simulate.study(2000, seed=seed).frame
    ranges = dict(CODES)
    ranges |= {name: (0, 10) for name in frame if name.startswith("jrn_")}
    ranges |= {name: (1, 7) for name in frame if name.startswith("drv_")}
    ranges |= {name: (0, 1) for name in frame if name.startswith(("left_reason_", "gg_"))}
    ranges |= {name: (1, 300) for name in frame if name.startswith("psm_")}
    ranges |= {"cv_bid": (20, 60), "cv_accept": (0, 1)}
    ranges |= {name: (0, 100) for name in frame if name.startswith("imp_") and name != "imp_cx"}
    for name, (low, high) in ranges.items():
        answers = frame[name].dropna()
        valid = answers[answers >= 0]
        assert valid.between(low, high).all() and (valid % 1 == 0).all(), name
        assert set(answers[answers < 0]) <= {-96, -97, -98, -99}, name
        assert valid.nunique() > 1, name
        skipped = (answers == -99).mean()
        assert skipped < 0.08, f"{name}: {skipped}"
    told = set(ranges) | DESIGN | {"resp_id", "wave", "start_utc", "end_utc", "duration_s", "lang"}
    assert set(frame) == told | {"country", "weight", "spend_12m", "region"}


def test_paradata():
    frame = sample()
    assert frame["resp_id"].is_unique and (frame["wave"] == 1).all()
    assert set(frame["country"]) == {"IE"} and set(frame["region"]) == set(simulate.REGIONS)
    start, end = (pd.to_datetime(frame[name]) for name in ("start_utc", "end_utc"))
    assert ((end - start).dt.total_seconds() == frame["duration_s"]).all()
    assert start.is_monotonic_increasing and set(start.dt.year) == {2026}
    assert 0.015 < (frame["duration_s"] < 240).mean() < 0.06
    assert ((frame["mode"] == 1) == (frame["arm_mode"] == 0)).all()
    assert (frame["spend_12m"] > 0).all()


@pytest.mark.parametrize("n", [100, 777, 1500, 6000])
def test_the_design(n: int):
    frame = simulate.study(n).frame
    assert len(frame) == n and (frame["weight"] > 0).all()
    assert frame["weight"].mean() == pytest.approx(1, abs=1e-5)
    shares = frame.groupby("region")["weight"].sum() / frame["weight"].sum()
    assert shares.to_dict() == pytest.approx(simulate.REGIONS, abs=1e-5)
    assert (frame.groupby("cluster_id")["region"].nunique() == 1).all()
    points = frame.groupby("region")["cluster_id"].nunique()
    assert (points == max(10, round(n / 100))).all()
    assert 1.1 < (frame["weight"] ** 2).mean() < 1.5


def test_routing():
    frame = simulate.study(3000, seed=2).frame
    failed, told, left = (frame[name] == 1 for name in ("fail_12m", "complained", "left_ever"))
    for name in ("fail_type", "fail_sev", "complained", "sat_before"):
        assert (frame[name].notna() == failed).all(), name
    for name in ("recov_outcome", "recov_sat"):
        assert (frame[name].notna() == told).all(), name
    reasons = [name for name in frame if name.startswith("left_reason_")]
    assert len(reasons) == 7
    for name in reasons:
        assert (frame[name].notna() == (frame["left_12m"] == 1)).all(), name
    for name in ("left_n_bad", "left_switched"):
        assert (frame[name].notna() == left).all(), name
    assert (frame.loc[frame["left_12m"] == 1, reasons].sum(axis=1) >= 1).all()
    assert (frame["wtp_sure"].notna() == (frame["wtp_pct"] > 0)).all()
    assert (frame["paid_more_pct"].notna() == (frame["paid_more_12m"] == 1)).all()
    assert (frame["exc_n"].notna() == (frame["exc_week"] >= 0)).all()
    routed = {"fail_type", "fail_sev", "complained", "sat_before", "recov_outcome", "recov_sat"}
    routed |= {*reasons, "left_n_bad", "left_switched", "wtp_sure", "paid_more_pct", "exc_n"}
    assert set(frame.columns[frame.isna().any()]) == routed


def test_answers_cohere():
    frame = simulate.study(4000, seed=5).frame
    assert not ((frame["left_12m"] == 1) & (frame["left_ever"] != 1)).any()
    points = frame.filter(regex="^imp_(?!cx)")
    total = points.sum(axis=1)
    assert set(total) == {100, -99 * 9}
    both = frame[(frame["exc_n"] >= 0) & (frame["deal_n"] >= 0)]
    assert (both["exc_n"] <= both["deal_n"]).all()
    assert ((both["exc_n"] > 0) == (both["exc_week"] == 1)).all()
    none = frame["deal_n"] == 0
    assert frame.loc[none, "exc_week"].isin([-96, -99]).all()
    stated = frame[(frame["wtp_pct"] >= 0) & (frame["wtp_tier"] >= 0) & (frame["wtp_any"] >= 0)]
    tier = np.searchsorted([1, 5, 10, 15, 25], stated["wtp_pct"], side="right")
    assert 0.93 < (tier == stated["wtp_tier"]).mean() < 0.99
    assert (np.abs(tier - stated["wtp_tier"]) <= 1).all()
    assert 0.97 < ((stated["wtp_pct"] > 0) == (stated["wtp_any"] == 1)).mean() < 0.995


def test_the_nuisances_are_there():
    frame = simulate.study(6000, seed=4).frame
    items = frame.filter(like="drv_")
    digital = items.filter(like="digital")
    own = items.where(items > 0).drop(columns=digital.columns)
    assert 0.02 < (own.nunique(axis=1) == 1).mean() < 0.06  # straight-liners
    assert 0.12 < (items["drv_people_respect"] == -96).mean() < 0.2
    share = frame.loc[frame["wtp_pct"] > 4, "wtp_pct"]
    assert (share % 5 == 0).mean() > 0.9  # heaping
    worse = frame[frame["complained"] == 1]["fail_sev"].mean()
    assert worse > frame[frame["complained"] == 0]["fail_sev"].mean() + 0.3
    failed = frame[(frame["sat_before"] >= 0) & (frame["sat_after"] >= 0)]
    change = failed["sat_after"] - failed["sat_before"]
    assert change.corr(failed["sat_before"]) < -0.2  # regression to the mean
    assert 0.06 < (frame["income_band"] == -97).mean() < 0.12
    assert 0.03 < (frame["leave_love"] == -98).mean() < 0.07


# --- truth ----------------------------------------------------------------------------------------


def _ratio(frame: pd.DataFrame, weights: np.ndarray, hit, base) -> float:
    base = np.asarray(base, dtype=bool)
    return float(np.sum(weights * np.where(base, hit, 0.0)) / np.sum(weights * base))


def estimates(frame: pd.DataFrame, weights: np.ndarray) -> dict[str, float]:
    """What an analyst would compute, by hand and from nothing but the file."""
    f = {name: frame[name].to_numpy() for name in frame}

    def share(q, *codes, dk=False, where=True):
        base = ((f[q] >= 0) | (dk & (f[q] == -98))) & where
        return _ratio(frame, weights, np.isin(f[q], codes), base)

    def mean(q, values=None, where=True):
        return _ratio(frame, weights, f[q] if values is None else values, (f[q] >= 0) & where)

    promoters = 100.0 * ((f["nps"] >= 9) * 1 - (f["nps"] <= 6))
    floors = np.array([0, 0, 5, 10, 15, 25, np.nan])[np.where(f["wtp_tier"] < 0, 6, f["wtp_tier"])]
    failed, calm = f["fail_12m"] == 1, f["fail_12m"] == 0
    gone = 1 - f["retained"]
    out = {
        "leave_love_one": share("leave_love", 1, dk=True),
        "leave_love_cumulative": share("leave_love", 1, 2, dk=True),
        "left_12m": share("left_12m", 1),
        "left_12m_failed": share("left_12m", 1, where=failed),
        "wtp_any": share("wtp_any", 1),
        "wtp_pct_25plus": mean("wtp_pct", f["wtp_pct"] >= 25),
        "wtp_pct_zero": share("wtp_pct", 0),
        "wtp_pct_mean": mean("wtp_pct"),
        "wtp_pct_mean_sure": mean("wtp_pct", np.where(f["wtp_sure"] >= 7, f["wtp_pct"], 0)),
        "wtp_tier_floor_mean": mean("wtp_tier", floors),
        "nps": mean("nps", promoters),
        "nps_failed": mean("nps", promoters, failed),
        "nps_not_failed": mean("nps", promoters, calm),
        "csat_mean": mean("csat"),
        "exc_week": share("exc_week", 1),
        "mkt_improve": share("mkt_improve", 1),
        "switch_ease_5plus": share("switch_ease", 5, 6, 7),
        "left_reason_staff": share("left_reason_staff", 1),
        "left_reason_price": share("left_reason_price", 1),
        "retained": share("retained", 1),
        "excess_leaving_crude": mean("retained", gone, failed) - mean("retained", gone, calm),
        "recovery_paradox_crude": mean("sat_after", None, f["recov_outcome"] == 1)
        - mean("sat_after", None, calm),
    }
    out["excess_leaving"], out["revenue_at_risk"] = standardised(f, weights)
    return out


def standardised(f: dict[str, np.ndarray], weights: np.ndarray) -> tuple[float, float]:
    """The excess risk on sector × tenure band by direct standardisation, and revenue at risk.

    The cells' excesses are smoothed by a least-squares fit with sector and band effects, for the
    failed and the others apart: 48 cells of 1 500 people would be too thin.
    """
    band = np.searchsorted(simulate.TENURE_BANDS, f["tenure_m"], side="right") - 1
    x = np.column_stack([f["sector"] == s for s in range(1, 13)] + [band == b for b in (1, 2, 3)])
    fits = []
    for code in (1, 0):
        root = np.sqrt(weights * (f["fail_12m"] == code))
        left = (1 - f["retained"]) * root
        fits.append(x @ np.linalg.lstsq(x * root[:, None], left, rcond=None)[0])
    excess = fits[0] - fits[1]
    spend = weights * f["spend_12m"] * (f["fail_12m"] >= 0)
    at_risk = np.sum(spend * (f["fail_12m"] == 1) * excess) / np.sum(spend)
    return float(np.sum(weights * excess) / np.sum(weights)), float(at_risk)


@cache
def replicates(count: int = 40) -> tuple[pd.DataFrame, pd.DataFrame]:
    weighted, plain = [], []
    for seed in range(count):
        frame = simulate.study(seed=seed).frame
        weighted.append(estimates(frame, frame["weight"].to_numpy()))
        plain.append(estimates(frame, np.ones(len(frame))))
    return pd.DataFrame(weighted), pd.DataFrame(plain)


def _z(draws: pd.DataFrame) -> pd.Series:
    known = truths()
    value = pd.Series({name: known[name]["value"] for name in draws})
    error = pd.Series({name: known[name]["mc_se"] for name in draws})
    return (draws.mean() - value) / np.hypot(draws.std() / np.sqrt(len(draws)), error)


def test_weighted_estimates_hit_the_truth():
    z = _z(replicates()[0])
    assert (z.abs() < 4).all(), z[z.abs() >= 4]


def test_unweighted_estimates_miss_it():
    z = _z(replicates()[1]).abs()
    wrong = {"leave_love_one", "left_12m", "wtp_pct_mean", "wtp_any", "nps", "mkt_improve"}
    assert (z[sorted(wrong)] > 8).all(), z


def test_weights_and_clusters_matter():
    """The main shares vary 1.2 to 2.2 times as much as in a simple random sample."""
    weighted, known = replicates()[0], truths()
    effects = []
    for name in ("leave_love_one", "left_12m", "wtp_any", "switch_ease_5plus", "mkt_improve"):
        p = known[name]["value"]
        effects.append(weighted[name].var() / (p * (1 - p) / 1500))
    assert 1.2 < np.mean(effects) < 2.2


def test_the_crude_excess_is_not_the_causal_one():
    known = truths()
    crude, causal = known["excess_leaving_crude"], known["excess_leaving"]
    assert crude["value"] - causal["value"] > 0.05
    assert 0 < known["revenue_at_risk"]["value"] < known["fail_12m"]["value"]


def test_the_verdicts_will_be_of_interest():
    aims = {"leave_love_one": 0.27, "wtp_pct_25plus": 0.10, "left_12m": 0.35, "exc_week": 0.63}
    aims |= {"mkt_improve": 0.57}
    for name, value in aims.items():
        assert truths()[name]["value"] == pytest.approx(value, abs=0.01), name
    assert truths()["nps"]["value"] == pytest.approx(12, abs=1.5)
    assert truths()["nps_failed"]["value"] < truths()["nps_not_failed"]["value"] - 15
    shares = pd.Series(simulate.study(6000, seed=1).frame["wtp_pct"])
    assert truths()["wtp_pct_median"]["value"] == shares[shares >= 0].median() == 5


def test_a_wrong_population_is_told():
    for wrong in ({"population": 0}, {"seed": -1}):
        with pytest.raises(CxError, match="population"):
            simulate.truth(**wrong)


@pytest.mark.slow
def test_another_population_has_the_same_truth():
    """The shipped truth came from seed 1; another draw of the population agrees within 4 errors."""
    known, again = truths(), simulate.truth(seed=2)
    assert set(known) == set(again)
    for name, entry in again.items():
        error = np.hypot(entry["mc_se"], known[name]["mc_se"])
        assert abs(entry["value"] - known[name]["value"]) <= 4 * error, name


@pytest.mark.slow
def test_the_shipped_truth_is_what_is_computed():
    for name, entry in simulate.truth().items():
        assert entry.pop("value") == pytest.approx(truths()[name]["value"], abs=1e-5), name
        assert entry.pop("mc_se") == pytest.approx(truths()[name]["mc_se"], abs=1e-5), name
        assert entry.items() <= truths()[name].items(), name
