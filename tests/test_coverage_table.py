"""The table of coverage: a small seeded part of what it is made of, and that it says what it found.

The whole of it is ``tests/coverage_table.py``; ``make slow`` writes it to ``COVERAGE.md``.
"""

from __future__ import annotations

import json

import coverage_table as made
import numpy as np
import pytest
from scipy.stats import binom

import cxlib as cx
from cxlib.survey import Survey

RESULTS = made.HERE / "coverage.json"
#: Draws of each family here: as many as a second or two allow; the expensive ones are left to slow.
FEW = {
    "share_plain": 100,
    "design_regular": 60,
    "design_few": 60,
    "design_very_few": 40,
    "survey_plain": 60,
    "nps_plain": 30,
    "weighted": 40,
    "replicated": 15,
    "two_shares": 15,
    "many_shares": 16,
    "sizes_of_effect": 60,
    "tables_clustered": 15,
    "models": 15,
    "published": 60,
    "fractions": 100,
    "premiums": 40,
    "ladders": 20,
    "bids_parametric": 10,
    "bids_ways": 15,
    "bids_weak": 20,
    "conditional": 20,
    "equivalence": 200,
    "levels": 20,
    "verdicts": 2_000,
    "directed": 60,
}
#: Where several intervals of one sample are joined in a row, its draws are not independent.
JOINED = 5


def unlikely(row: dict) -> bool:
    """Whether a row at few draws contradicts what the table says of it (p < 1e-6)."""
    draws, hits = row["draws"], row["hits"]
    if row["target"] == "OUTSIDE" or "50 %" in row["regime"] or not draws:
        return False
    if row["target"] in ("WRONG", "LEVEL"):
        return hits > max(binom.isf(1e-6, draws, 0.06), 3)
    draws, hits = -(-draws // JOINED), -(-hits // JOINED)
    return hits < binom.ppf(1e-6, draws, 0.91)


@pytest.mark.parametrize("name", FEW)
def test_a_small_part_covers(name):
    _, rows, _ = made.batch(name, 0, FEW[name])
    told = [{"interval": a, "regime": b} | row for (a, b), row in rows.items()]
    assert told and [row for row in told if unlikely(row)] == []
    assert all(row["draws"] + row["refused"] for row in told)


def test_the_formulas_are_those_of_the_public_function():
    """The bounds that share_plain takes from cx.share and the designs from its formula."""
    rng = np.random.default_rng(4)
    s = Survey(made.sample(rng, 40), design=made.DESIGN)
    for method, one in made.shares_of(s, "rare").items():
        told = cx.share(s, "rare", equals=1, method=method)
        assert (one.low, one.high) == pytest.approx((told.low, told.high), rel=1e-12), method


def test_the_same_seed_gives_the_same_rows_whatever_the_processes():
    names = ["sizes_of_effect", "fractions"]
    one, _ = made.simulate(names, 0.002, 1)
    two, _ = made.simulate(names, 0.002, 2)
    assert one == two and {row["family"] for row in one} == set(names)


def row(hits: int, draws: int, target: str, **more) -> dict:
    told = {"hits": hits, "draws": draws, "refused": 0, "target": target, "note": ""}
    return told | {"interval": "x", "regime": "y", "part": "Tests", "family": "levels"} | more


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (row(9_500, 10_000, "REGULAR"), "holds"),
        (row(9_340, 10_000, "REGULAR"), "holds within Monte Carlo error"),
        (row(8_100, 10_000, "OUTSIDE", note="use beta"), "FAILS: too low**; use beta"),
        (row(9_500, 10_000, "OUTSIDE"), "holds here"),
        (row(9_800, 10_000, "REGULAR"), "too wide"),
        (row(9_990, 10_000, "CONSERVATIVE"), "holds"),
        (row(900, 1_000, "LENIENT"), "FAILS"),
        (row(500, 10_000, "WRONG"), "holds"),
        (row(1_000, 10_000, "WRONG"), "wrong too often"),
        (row(0, 0, "REGULAR"), "refused"),
    ],
)
def test_the_verdict_says_so(told, words):
    assert words in made.verdict(told)


def test_the_committed_table_is_that_of_the_committed_results():
    told = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert (made.HERE / "COVERAGE.md").read_text(encoding="utf-8") == made.table(told)
    assert {row["family"] for row in told["rows"]} == set(made.FAMILIES)
    assert not [row for row in told["rows"] if row["target"] not in made.TARGETS]


def test_what_is_promised_holds_but_for_what_the_table_names():
    """No regular interval and no verdict fails unseen: each that does has its reason beside it."""
    told = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    failed = [row for row in told if "**" in made.verdict(row) and row["target"] != "OUTSIDE"]
    unexplained = [row for row in failed if not row["note"] and "50 %" not in row["regime"]]
    assert unexplained == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["design_few", "conditional", "published", "fractions"])
def test_the_committed_figures_come_again(name):
    told = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    before = {(row["interval"], row["regime"]): row for row in told if row["family"] == name}
    for row in made.simulate([name])[0]:
        one, two = (made.monte_carlo(r) for r in (row, before[row["interval"], row["regime"]]))
        assert abs(one[0] - two[0]) <= 4 * np.hypot(one[1], two[1]), row
