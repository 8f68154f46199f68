"""The blocks of the questionnaire, as the simulated customers answer them: a function a block."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.special import expit, ndtri

from .world import DRIVERS, EASE, REGIONS, SPEND, Array, Columns, Dice, World

TRAITS = ("friendly", "knowledge", "respect", "listen", "personal")
REASONS = ("product", "service", "price", "staff", "wait", "trust", "competitor")


def _meta(world: World, dice: Dice) -> Columns:
    first = datetime(2026, 3, 2, 7, tzinfo=UTC)
    start = np.floor(np.sort(dice.uniform()) * 26 * 86_400)
    seconds = np.exp(6.65 + 0.33 * dice.normal() - 0.1 * world["old"])
    seconds = np.rint(np.where(dice.chance(0.03), 110 + 110 * dice.uniform(), seconds + 120))
    mode = np.where(world["asked_by"] == 1, np.where(dice.chance(0.7), 2, 3), 1)
    return {
        "resp_id": np.array([f"R{i:05d}" for i in range(1, world.n + 1)]),
        "wave": np.ones(world.n),
        "mode": mode,
        "start_utc": _times(first, start),
        "end_utc": _times(first, start + seconds),
        "duration_s": seconds,
        "lang": np.where(dice.chance(0.03), "ga", "en"),
        "country": np.full(world.n, "IE"),
        "weight": np.round(world["weight"], 6),
        "cluster_id": _cluster_ids(world),
        "synthetic": np.ones(world.n),
        "arm_wtp": world["cheap_talk"],
        "arm_mode": world["asked_by"],
        "arm_order": dice.chance(0.5),
    }


def _times(first: datetime, seconds: Array) -> Array:
    return np.array([f"{first + timedelta(seconds=int(s)):%Y-%m-%dT%H:%M:%SZ}" for s in seconds])


def _cluster_ids(world: World) -> Array:
    letters = [name[0] for name in REGIONS]
    pairs = zip(world["region"], world["point"], strict=True)
    return np.array([f"{letters[region]}{point + 1:03d}" for region, point in pairs])


def _screen(world: World, dice: Dice) -> Columns:
    rhythm = np.array([3.6, 2, 2, 1, 0.8, 2.2, 0.8, 1.3, 1, 1.5, 1, 1.2])[world["sector"]]
    dealings = np.clip(np.rint(np.exp(rhythm + 0.6 * dice.normal())), 1, 500)
    heaped = np.where((dealings > 12) & dice.chance(0.7), 5 * np.rint(dealings / 5), dealings)
    return {
        "sector": world["sector"] + 1,
        "recency": dice.rate(2.8 - 0.45 * rhythm, 0.7, 1, 3),
        "tenure_m": world["tenure"],
        "n_dealings_12m": dice.ask(heaped),
    }


def _journey(world: World, dice: Dice) -> Columns:
    of = {"aware": "mkt", "search": "digital", "choose": "prod", "buy": "conv", "deliver": "speed"}
    of |= {"use": "prod", "support": "people", "bill": "policy", "renew": "after"}
    absent = dict.fromkeys(of, 0.04) | {"aware": 0.1, "support": 0.3, "renew": 0.25, "deliver": 0.1}
    columns, total, count, low = {}, np.zeros(world.n), np.zeros(world.n), np.full(world.n, 10.0)
    for stage, driver in of.items():
        score = dice.rate(6.9 + 1.1 * world[f"is_{driver}"] + 0.7 * world["now"], 1.1, 0, 10)
        there = ~dice.chance(absent[stage])
        total, count = total + np.where(there, score, 0), count + there
        low = np.where(there, np.minimum(low, score), low)
        columns[f"jrn_{stage}"] = dice.ask(np.where(there, score, -96), skip=0.02)
    average = total / np.maximum(count, 1)
    end = dice.rate(6.9 + 1.6 * world["now"], 1.4, 0, 10)
    peak = np.where(dice.chance(expit(-0.4 - world["now"])), low, np.minimum(average + 2, 10))
    peak = np.clip(np.rint(peak), 0, 10)
    spoilt = np.maximum(0, -1 - world["is_prod"])  # good service does not mend a bad product
    whole = 0.45 * average + 0.2 * peak + 0.2 * end + 1.2 + 0.3 * world["now"] - 1.6 * spoilt
    columns["jrn_total"] = dice.ask(dice.rate(whole, 0.8, 0, 10))
    return columns | {"jrn_peak": dice.ask(peak, skip=0.025), "jrn_end": dice.ask(end)}


def _overall(world: World, dice: Dice) -> Columns:
    now = world["now"]
    kind = 0.12 * world["asked_by"]  # people answer an interviewer more kindly
    service = 0.55 * world["is_people"] + 0.3 * world["is_after"] + 0.5 * now
    return {
        "csat": dice.ask(dice.rate(3.72 + kind + 0.68 * now, 0.5, 1, 5), skip=0.01),
        "acsi1": dice.ask(dice.rate(7.3 + kind + 1.5 * now, 0.9, 1, 10)),
        "acsi2": dice.ask(dice.rate(6.8 + kind + 1.4 * now, 1.1, 1, 10)),
        "acsi3": dice.ask(dice.rate(6.5 + kind + 1.5 * now, 1.2, 1, 10)),
        "svc_sat": dice.ask(dice.rate(7.1 + 1.9 * service, 0.9, 0, 10)),
        "prod_sat": dice.ask(dice.rate(7.0 + 2.0 * world["is_prod"] + 0.2 * now, 1.0, 0, 10)),
        "price_sat": dice.ask(dice.rate(6.3 + 1.5 * world["is_price"] + 0.3 * now, 1.1, 0, 10)),
    }


def _drivers(world: World, dice: Dice) -> Columns:
    items = {f"people_{trait}": "people" for trait in TRAITS}
    items |= {"digital_easy": "digital", "digital_fast": "digital", "after_care": "after"}
    items |= {"mkt_honest": "mkt", "policy_fair": "policy", "speed": "speed", "conv": "conv"}
    items |= {"price_value": "price", "prod_quality": "prod"}
    lazy, same = dice.chance(0.04), dice.rate(4.8, 1.0, 1, 7)
    offline = dice.chance(0.08)
    columns = {}
    for item, driver in items.items():
        score = dice.rate(4.9 + 1.1 * world[f"is_{driver}"] + 0.15 * world["style"], 0.75, 1, 7)
        score = dice.ask(np.where(lazy, same, score), skip=0.02)
        score = np.where((driver == "people") & ~world["contact"], -96, score)
        columns[f"drv_{item}"] = np.where((driver == "digital") & offline, -96, score)
    return columns


def _importance(world: World, dice: Dice) -> Columns:
    usual = (18, 9, 8, 3, 9, 11, 9, 19, 14)
    raw = np.stack([mean * np.exp(0.55 * dice.normal()) for mean in usual])
    step = np.where(dice.chance(0.8), 5, 1)
    exact = raw / raw.sum(axis=0) * (100 / step)
    units = np.floor(exact)
    rank = np.argsort(np.argsort(units - exact, axis=0, kind="stable"), axis=0, kind="stable")
    points = (units + (rank < 100 / step - units.sum(axis=0))) * step
    points = np.where(dice.chance(0.02 * dice.skip), -99, points)
    matters = dice.rate(3.95 - 0.1 * world["old"] + 0.06 * world["climate"], 0.9, 1, 5)
    rather = np.where(dice.chance(0.05), -98, dice.pick((0.63, 0.14, 0.23)) + 1)
    alike = dice.rate(4.3 + 0.3 * world["here"] + 0.15 * world["market"], 1.4, 1, 7)
    named = {f"imp_{name}": row for name, row in zip(DRIVERS, points, strict=True)}
    more = {"imp_cx": dice.ask(matters), "ad_vs_exp": dice.ask(rather)}
    return named | more | {"prod_same": dice.ask(alike)}


def _emotion(world: World, dice: Dice) -> Columns:
    feel, strong = world["emotion"], np.abs(world["emotion"])
    cares = dice.rate(2.0 - 0.6 * feel, 0.5, 1, 3)  # 1 cares, 2 unsure, 3 does not, as felt
    told = dice.chance(expit(-0.5 + 0.6 * strong - 0.2 * world["old"]))
    return {
        "emo_val": dice.ask(dice.rate(4.9 + 1.05 * feel, 0.6, 1, 7)),
        "emo_cares": dice.ask(np.array([np.nan, 1, 3, 2])[cares.astype(int)]),
        "remember": dice.ask(dice.rate(4.2 + 0.8 * strong, 1.2, 1, 7)),
        "shared": dice.ask(told),
    }


def _effort(world: World, dice: Dice) -> Columns:
    ease = 0.6 * world["is_conv"] + 0.4 * world["is_digital"] + 0.6 * world["now"]
    return {
        "ces1": dice.ask(dice.rate(2.4 - 0.65 * ease, 0.7, 1, 5)),
        "ces2": dice.ask(dice.rate(5.0 + 0.9 * ease, 0.9, 1, 7)),
    }


def _recovery(world: World, dice: Dice) -> Columns:
    failed = dice.ask(world["failed"], skip=0.01)
    shown = failed == 1
    told = dice.ask(world["spoke"], shown)
    handled = told == 1
    verdict = np.array([0, 5.9, 4.1, 2.2])[world["outcome"]] - 0.15 * (world["severity"] - 3.7)
    # Trait plus two independent moods: who was unusually high or low before drifts back.
    before = 7.0 + 1.5 * world["felt"] - 0.12 * (world["severity"] - 3.7)
    mood = 1.0 * dice.normal()
    calm = np.clip(np.rint(7.0 + 1.5 * world["felt"] + mood), 0, 10)
    after = np.clip(np.rint(7.0 + 1.5 * (world["felt"] + world["hurt"]) + mood), 0, 10)
    world.know["paradox"] = after - calm
    would = dice.rate(3.3 + 0.5 * world["style"], 0.9, 1, 5)
    return {
        "fail_12m": failed,
        "fail_type": dice.ask(dice.pick((0.24, 0.17, 0.16, 0.12, 0.15, 0.09, 0.07)) + 1, shown),
        "fail_sev": dice.ask(world["severity"], shown),
        "complained": told,
        "would_complain": dice.ask(would),
        "recov_outcome": dice.ask(world["outcome"], handled),
        "recov_sat": dice.ask(dice.rate(verdict, 0.9, 1, 7), handled),
        "sat_before": dice.ask(dice.rate(before, 1.0, 0, 10), shown),
        "sat_after": dice.ask(np.where(world["failed"], after, calm)),
    }


def _loyalty(world: World, dice: Dice) -> Columns:
    bond, years = world["bond"], np.log1p(world["tenure"] / 12)
    share = np.clip(52 + 16 * bond + 6 * (years - 1) + 18 * dice.normal(), 0, 100)
    grain = np.where(dice.chance(0.85), 10, 5)
    money = np.log(SPEND[world["sector"]]) + 0.25 * (years - 1) + 0.05 * (world["income"] - 5)
    return {
        "nps": dice.ask(dice.rate(8.08 + 1.75 * bond, 1.2, 0, 10), skip=0.01),
        "repurchase": dice.ask(dice.rate(7.6 + 1.5 * bond, 1.1, 0, 10)),
        "sow_pct": dice.ask(np.rint(share / grain) * grain, skip=0.03),
        "loyal_trend": dice.ask(dice.rate(2.9 + 0.25 * bond + 0.1 * world["old"], 0.9, 1, 5)),
        "retained": ~world["left_us"],
        "spend_12m": np.round(np.exp(money + 0.55 * dice.normal()), 2),
    }


def _defection(world: World, dice: Dice) -> Columns:
    restless = 0.8 * world["here"] - 0.4 * world["old"] + 0.14 * world["market"]
    world.know["restless"] = restless = restless + 0.85 * dice.normal()
    cuts = np.array([-1.05, -0.5, 0.6])
    love = 4 - np.searchsorted(cuts, restless + 0.055 + 0.2 * dice.normal())
    brand = 4 - np.searchsorted(cuts, 0.7 * restless - 0.35 * world["bond"] + 0.6 * dice.normal())
    ease = 4.4 + 0.9 * EASE[world["sector"]] + 0.7 * world["here"] + 0.3 * world["market"]
    return {
        "leave_love": dice.ask(np.where(dice.chance(0.05), -98, love), skip=0.02),
        "leave_brand": dice.ask(np.where(dice.chance(0.04), -98, brand), skip=0.02),
        "switch_ease": dice.ask(dice.rate(ease - 0.25 * world["old"], 1.4, 1, 7)),
    }


def _departures(world: World, dice: Dice) -> Columns:
    push = 0.55 * world["restless"] + 0.35 * world["failed"] + 0.12 * world["incidents"]
    push = push + 0.8 * dice.normal()
    ever, lately = push > -0.2, push > 0.483
    asked = dice.ask(ever, skip=0.01)
    shown = asked == 1
    shares = (0.33, 0.42, 0.35, 0.31, 0.27, 0.22, 0.3)
    moods = dict.fromkeys(REASONS, 0.0) | {"price": -0.15, "competitor": -0.1, "staff": 0.1}
    named = zip(REASONS, shares, strict=True)
    why = np.stack([dice.normal() + moods[r] * world["old"] < ndtri(p) for r, p in named])
    why[1] |= ~why.any(axis=0)
    bad = np.clip(np.floor(1 - 1.6 * np.log(dice.uniform())), 1, 20)
    after = dice.rate(2.35 - 0.9 * lately - 0.2 * world["restless"], 0.65, 1, 4)
    gave_up = dice.chance(expit(-0.3 + 0.5 * world["restless"] + 0.4 * world["failed"]))
    whys = zip(REASONS, why, strict=True)
    recent = np.where(asked == -99, -99, dice.ask(lately))
    reasons = {f"left_reason_{r}": dice.ask(row, recent == 1, 0) for r, row in whys}
    return {
        "left_ever": asked,
        "left_12m": recent,
        "left_n_bad": dice.ask(bad, shown, 0.03),
        **reasons,
        "left_switched": dice.ask(dice.chance(0.78), shown),
        "bailed_12m": dice.ask(gave_up),
        "spend_change": dice.ask(np.where(ever | dice.chance(0.7), after, -96)),
    }


def _heap(dice: Dice, percent: Array) -> Array:
    """People state round numbers: fives, and tens from 30 up; few state what they think exactly."""
    grain = np.where(percent < 3.5, 1, np.where(percent < 32, 5, 10))
    grain = np.where(dice.chance(0.06), 1, grain)
    return np.where(percent > 0, np.clip(np.rint(percent / grain) * grain, 1, 100), 0)


def _premium(world: World, dice: Dice) -> Columns:
    keen = 0.5 * world["here"] - 0.3 * world["old"] + 0.14 * (world["income"] - 5)
    keen = keen + 0.2 * world["market"] - 0.25 * world["cheap_talk"] + 0.9 * dice.normal()
    amount = np.exp(2.13 + 0.42 * keen + 0.7 * dice.normal())
    percent = _heap(dice, np.where(keen > -0.72, amount, 0))
    tier = np.searchsorted((1, 5, 10, 15, 25), percent, side="right")
    slip = np.where(dice.chance(0.04), np.where(dice.chance(0.5), 1, -1), 0)
    tier = np.where(percent > 0, np.clip(tier + slip, 1, 5), 0)
    willing = (percent > 0) ^ dice.chance(0.015)
    stated = dice.ask(percent, skip=0.03)
    paid = dice.chance(expit(-1.2 + 0.7 * keen))
    prefers = dice.rate(2.05 - 0.45 * keen, 0.6, 1, 3).astype(int)
    return {
        "wtp_any": dice.ask(willing),
        "wtp_tier": dice.ask(tier, skip=0.02),
        "wtp_pct": stated,
        "wtp_sure": dice.ask(dice.rate(6.2 + 0.8 * keen, 2.0, 0, 10), stated > 0, 0),
        "wtp_tradeoff": dice.ask(np.array([0, 1, 3, 2])[prefers]),
        "paid_more_12m": (paid_held := dice.ask(paid)),
        "paid_more_pct": dice.ask(_heap(dice, 0.7 * amount), paid_held == 1, 0.02),
    }


def _prices(world: World, dice: Dice) -> Columns:
    """Price questions on a phone plan of 30 a month with excellent service."""
    taste = 0.3 * world["here"] - 0.2 * world["old"] + 0.08 * (world["income"] - 5)
    worth = 34 * np.exp(0.16 * taste + 0.22 * dice.normal())
    points = {
        "psm_too_cheap": worth * np.exp(-0.75 + 0.15 * dice.normal()),
        "psm_cheap": worth * np.exp(-0.32 + 0.10 * dice.normal()),
        "psm_expensive": worth * np.exp(0.12 + 0.10 * dice.normal()),
        "psm_too_expensive": worth * np.exp(0.42 + 0.12 * dice.normal()),
    }
    whole = {name: np.maximum(np.rint(price), 1) for name, price in points.items()}
    fives = dice.chance(0.45)
    rounded = {
        name: np.where(fives, np.maximum(5 * np.rint(price / 5), 5), price)
        for name, price in whole.items()
    }
    held = worth * np.exp(0.05 * dice.normal())
    ladder = {f"gg_{price}": held >= price for price in (20, 25, 30, 35, 40, 45, 50)}
    bid = np.array([20, 30, 40, 50, 60])[(dice.uniform() * 5).astype(int)]
    accepts = worth * np.exp(0.1 * dice.normal()) >= bid
    return {
        **{name: dice.ask(price, skip=0.02) for name, price in rounded.items()},
        **{name: dice.ask(yes, skip=0.02) for name, yes in ladder.items()},
        "cv_bid": bid,
        "cv_accept": dice.ask(accepts, skip=0.02),
    }


def _market(world: World, dice: Dice) -> Columns:
    deal = np.rint(np.exp(1.3 + 0.75 * dice.normal() - 0.1 * world["old"]) - 0.5)
    deal = np.clip(deal, 0, 100)
    lift = 0.32 * world["asked_by"] + 0.2 * world["climate"] + 0.25 * world["old"]
    chance = expit(-1.55 + lift - 0.6 * world["here"] + 0.7 * dice.normal())
    times = np.clip(np.floor(deal * chance + dice.uniform()), 0, deal)
    week = np.where(deal > 0, times > 0, -96)
    harsh = 0.16 - 0.22 * world["old"] + 0.5 * world["here"] - 0.15 * world["now"]
    harsh = harsh + 0.16 * world["market"]
    poor = harsh + dice.normal() > 0
    good = harsh * -0.5 + 0.1 - 0.45 * poor + 0.9 * dice.normal() > -0.1
    held = dice.ask(week)
    return {
        "exc_week": held,
        "exc_n": dice.ask(np.minimum(times, 50), held >= 0, 0.02),
        "deal_n": dice.ask(deal, skip=0.02),
        "mkt_improve": dice.ask(np.where(dice.chance(0.05), -98, poor)),
        "mkt_good": dice.ask(np.where(dice.chance(0.06), -98, good)),
    }


def _demographics(world: World, dice: Dice) -> Columns:
    refused = dice.chance(0.09 * dice.skip)
    return {
        "age": world["age"],
        "gender": world["gender"],
        "region": np.array(list(REGIONS))[world["region"]],
        "edu": dice.ask(world["edu"]),
        "income_band": np.where(refused, -97, world["income"]),
        "work_service": dice.ask(world["work"]),
    }


#: The blocks by their number in the questionnaire, which is also the number of their stream.
BLOCKS = (
    (0, _meta),
    (1, _screen),
    (2, _journey),
    (4, _overall),
    (5, _drivers),
    (6, _importance),
    (7, _emotion),
    (8, _effort),
    (9, _recovery),
    (10, _loyalty),
    (11, _defection),
    (12, _departures),
    (13, _premium),
    (16, _market),
    (18, _demographics),
    (19, _prices),
)


def answers(world: World, *, meta: bool = True) -> Columns:
    """All columns of the survey; ``meta=False`` leaves out block 0, which nothing depends on."""
    columns: Columns = {}
    for number, block in BLOCKS:
        if meta or number:
            columns |= block(world, world.dice(number))
    return columns
