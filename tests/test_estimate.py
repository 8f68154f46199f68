"""Estimates: what must not matter does not, what must be refused is, and nothing is ever NaN."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pytest import approx

import cxlib as cx
from cxlib.codebook import Question
from cxlib.errors import CxError
from cxlib.interval import SHARE_METHODS
from cxlib.result import RECORD_FIELDS, RECORD_MIME, Curve, Estimate, Ranking
from cxlib.survey_codes import renumber

COMPLEX = {"strata": "h", "clusters": "c", "weights": "w"}
ESTIMATORS = {
    "share": lambda s, **o: cx.share(s, "y", at_least=5, **o),
    "share, beta": lambda s, **o: cx.share(s, "y", at_least=5, method="beta", **o),
    "mean": lambda s, **o: cx.mean(s, "y", **o),
    "ratio": lambda s, **o: cx.ratio(s, "y", "x", **o),
    "nps": lambda s, **o: cx.nps(s, "y", **o),
    "quantile": lambda s, **o: cx.quantile(s, "y", **o),
}

settings.register_profile("house", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("house")


@st.composite
def frames(draw, clusters: int = 2) -> pd.DataFrame:
    """A stratified cluster sample with gaps: at least ``clusters`` clusters a stratum."""
    rows = []
    for stratum in range(draw(st.integers(1, 3))):
        for cluster in range(draw(st.integers(clusters, clusters + 2))):
            for _ in range(draw(st.integers(1, 4))):
                rows.append(
                    {
                        "h": stratum,
                        "c": cluster,
                        "w": draw(st.integers(1, 8)) / 4,
                        "y": draw(st.sampled_from([None, *range(11)])),
                        "x": draw(st.integers(1, 5)),
                        "g": draw(st.sampled_from("pqr")),
                    }
                )
    frame = pd.DataFrame(rows).astype({"y": float})
    assume(frame["y"].notna().any())
    return frame


def same(one: Estimate, other: Estimate, rel: float = 1e-7) -> None:
    """The same estimate: value, interval, standard error, base, effective n."""
    for name in ("value", "low", "high", "se", "n_eff"):
        mine, its = getattr(one, name), getattr(other, name)
        assert mine == approx(its, rel=rel, abs=1e-6, nan_ok=True), name
    assert (one.n, one.df, one.unit) == (other.n, other.df, other.unit)


def defined(result) -> None:
    """Every number is one, the interval holds the value, and the record is JSON without NaN."""
    for one in [result] if isinstance(result, Estimate) else result:
        assert math.isfinite(one.value) and one.low <= one.value + 1e-9 <= one.high + 2e-9, one
        assert math.isfinite(one.low) and math.isfinite(one.high)
        assert one.n >= 1 and one.n_excluded >= 0
    for record in result.records():
        assert tuple(record) == RECORD_FIELDS
        json.dumps(record, allow_nan=False)
    assert "nan" not in str(result).lower()


# -- what must not matter --------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(frame=frames(), scale=st.sampled_from([0.5, 3.0]))
def test_the_scale_of_the_weights_does_not_matter(estimator, frame, scale):
    of = ESTIMATORS[estimator]
    rescaled = frame.assign(w=frame["w"] * scale)
    one, other = (of(cx.read_survey(f, **COMPLEX)) for f in (frame, rescaled))
    same(one, replace(other, n_eff=one.n_eff))  # n_eff knows the population that weights tell


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(frame=frames(), seed=st.integers(0, 99))
def test_order_and_labels_do_not_matter(estimator, frame, seed):
    shuffled = frame.sample(frac=1, random_state=seed)
    shuffled["h"] = shuffled["h"].map({0: "zeta", 1: "alpha", 2: "mid"})
    shuffled["c"] = shuffled["c"].map(lambda number: f"c{9 - number}")
    of = ESTIMATORS[estimator]
    same(of(cx.read_survey(frame, **COMPLEX)), of(cx.read_survey(shuffled, **COMPLEX)))


@pytest.mark.parametrize("estimator", ["mean", "ratio", "nps", "share"])
@given(frame=frames())
def test_a_row_cut_in_two_halves_of_its_weight_changes_nothing(estimator, frame):
    """Within its cluster, that is: only the number of rows, and what hangs on it, differs."""
    halves = pd.concat([frame.assign(w=frame["w"] / 2)] * 2)
    of = ESTIMATORS[estimator]
    options = {"method": "linearised"} if estimator == "nps" else {}
    if estimator == "share":
        options = {"method": "mean"}
    one = of(cx.read_survey(frame, **COMPLEX), **options)
    two = of(cx.read_survey(halves, **COMPLEX), **options)
    same(one, replace(two, n=one.n, n_eff=one.n_eff))
    assert two.n == 2 * one.n


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(frame=frames())
def test_a_segment_is_the_same_by_either_way(estimator, frame):
    survey, of = cx.read_survey(frame, **COMPLEX), ESTIMATORS[estimator]
    parts = of(survey, by="g")
    for term in "pqr":
        inside = frame["g"] == term
        if not inside.any():
            continue
        try:
            alone = of(survey.where(g=term))
        except CxError as error:
            assert "nobody answered" in error.what
            assert term not in [e.term for e in parts]
        else:
            same(parts[term], alone)
            assert parts[term].n_excluded == alone.n_excluded
            defined(alone)


@given(frame=frames())
def test_a_share_and_its_complement_mirror_each_other(frame):
    survey = cx.read_survey(frame, **COMPLEX)
    for method in ("logit", "beta", "mean", "asin", "wilson"):
        up = cx.share(survey, "y", at_least=5, method=method)
        down = cx.share(survey, "y", equals=[0, 1, 2, 3, 4], method=method)
        mirrored = (1 - down.high, 1 - down.value, 1 - down.low)
        assert (up.low, up.value, up.high) == approx(mirrored, abs=1e-7)


@given(frame=frames())
def test_an_nps_is_the_difference_of_two_shares(frame):
    survey = cx.read_survey(frame, **COMPLEX)
    up = cx.share(survey, "y", at_least=9)
    down = cx.share(survey, "y", equals=range(7))
    gap, score = cx.difference(up, down), cx.nps(survey, "y", method="linearised")
    assert score.value == approx(100 * gap.value, abs=1e-9)
    if up.se > 0 and down.se > 0:
        assert score.se == approx(100 * gap.se, abs=1e-7)


def test_filtered_rows_are_another_design():
    """Rows thrown away take strata and clusters with them, and the standard error is wrong."""
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(40), 5)
    frame = pd.DataFrame({"c": cluster, "g": (cluster % 20 < 3).astype(int)})
    frame["y"] = rng.normal(size=200) + frame["c"] % 7
    kept = cx.mean(cx.read_survey(frame, clusters="c").where(g=1), "y")
    thrown = cx.mean(cx.read_survey(frame[frame["g"] == 1], clusters="c"), "y")
    assert kept.value == approx(thrown.value)
    assert kept.se != approx(thrown.se, rel=1e-3)
    assert (kept.df, thrown.df) == (39, 5)


def test_where_adds_up_and_names_itself():
    survey = cx.read_survey(pd.DataFrame({"g": [1, 1, 2], "k": ["a", "b", "b"], "y": [1, 0, 1]}))
    part = survey.where(g=1).where(k=["b"])
    assert (len(part), len(part.frame), part.origin.segment) == (1, 3, "g=1, k=b")
    assert len(survey) == 3


# -- strange samples -------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(frame=frames(clusters=1), rule=st.sampled_from(["certainty", "average", "adjust", "error"]))
def test_any_sample_gives_an_answer_or_an_error(estimator, frame, rule):
    survey, of = cx.read_survey(frame, **COMPLEX, lonely=rule), ESTIMATORS[estimator]
    for options in ({}, {"by": "g"}):
        try:
            result = of(survey, **options)
        except CxError as error:
            assert error.want or error.do
        else:
            defined(result)


@pytest.mark.parametrize("method", SHARE_METHODS)
@pytest.mark.parametrize("answers", [[1], [0], [1] * 7, [0] * 7, [1, 0], [1, 1, 1, 0]])
@pytest.mark.parametrize("design", [{}, {"weights": "w"}])
def test_everybody_nobody_and_one(method, answers, design):
    frame = pd.DataFrame({"y": [*answers, None, None], "w": 1.5})
    one = cx.share(cx.read_survey(frame, **design), "y", equals=1, method=method)
    assert one.value == sum(answers) / len(answers)
    assert (one.n, one.n_excluded) == (len(answers), 2)
    defined(one)
    if one.value in (0, 1):
        assert one.high - one.low > 0.3, "few people never make sure"
        assert any("everybody or nobody" in c for c in one.cautions) or method in (
            "beta", "korn-graubard", "wilson", "clopper-pearson"
        )  # fmt: skip


def test_one_respondent_and_one_cluster_have_no_uncertainty_of_their_own():
    alone = cx.read_survey(pd.DataFrame({"y": [3.0]}))
    together = cx.read_survey(pd.DataFrame({"y": [1.0, 0.0, 1.0], "c": 1}), clusters="c")
    for survey in (alone, together):
        with pytest.raises(CxError, match="no information on its own uncertainty"):
            cx.mean(survey, "y")


def test_differences_of_everybody_and_nobody_are_not_certain():
    frame = pd.DataFrame({"y": [1] * 5 + [0] * 5, "g": ["a"] * 5 + ["b"] * 5})
    parts = cx.share(cx.read_survey(frame), "y", equals=1, by="g")
    gap = cx.difference(parts["a"], parts["b"])
    assert gap.value == 1 and gap.low < 0.7
    one = cx.hypothesis(cx.share(cx.read_survey(frame[:5]), "y", equals=1), above=0.9)
    assert one.verdict == "cannot tell"


def test_all_weight_on_nobody_who_answered():
    frame = pd.DataFrame({"y": [1.0, 2.0, None], "w": [0, 0, 1], "g": [1, 1, 2]})
    survey = cx.read_survey(frame, weights="w")
    with pytest.raises(CxError, match="nothing to divide by"):
        cx.mean(survey, "y")


def test_segments_in_which_nobody_answered_are_named():
    frame = pd.DataFrame({"y": [1, 0, 1, None, None], "g": list("aabcc")})
    parts = cx.share(cx.read_survey(frame), "y", equals=1, by="g")
    assert [e.term for e in parts] == ["a", "b"]
    assert all("no valid answer in: c" in e.cautions for e in parts)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: cx.share(s, "y"),
        lambda s: cx.share(s, "y", equals=1, at_least=2),
        lambda s: cx.share(s, "y", equals=[]),
        lambda s: cx.share(s, "y", equals=1, method="logti"),
        lambda s: cx.share(s, "y", equals=1, level=95),
        lambda s: cx.share(s, "g", equals="zz"),
        lambda s: cx.share(s, "y", equals="yes"),
        lambda s: cx.mean(s, "yy"),
        lambda s: cx.mean(s, "g"),
        lambda s: cx.mean(s, "y", by="nowhere"),
        lambda s: cx.mean(s, "y", level=0),
        lambda s: cx.quantile(s, "y", 1),
        lambda s: cx.ratio(s, "y", "zero"),
        lambda s: cx.nps(s, "big"),
        lambda s: cx.nps(s, "y", method="exact"),
        lambda s: cx.top_box(s, "y"),
        lambda s: cx.difference(cx.mean(s, "y"), cx.share(s, "y", equals=1)),
        lambda s: cx.difference(cx.quantile(s, "y"), cx.quantile(s, "big")),
        lambda s: cx.t_test(s, "y"),
        lambda s: cx.t_test(s, "y", group="big"),
        lambda s: cx.t_test(s, "zero", against=0.0),
        lambda s: s.where(y=7),
        lambda s: s.where(g=["zz"]),
        lambda s: s.where(nowhere=1),
    ],
)
def test_what_cannot_be_asked_is_told(call):
    frame = pd.DataFrame({"y": [1, 2, 3, 1], "g": list("abab"), "zero": 0, "big": [1, 20, 30, 40]})
    with pytest.raises(CxError) as told:
        call(cx.read_survey(frame))
    assert told.value.what and told.value.want


# -- bases -----------------------------------------------------------------------------------------


def test_dont_knows_stay_in_the_base_where_they_are_kept():
    book = cx.Codebook([Question("y", missing={-98.0: "dk", -97.0: "refused"})])
    frame = pd.DataFrame({"y": [1, 1, 2, -98, -98, -97, None]})
    survey = cx.read_survey(frame, codebook=book)
    bare = cx.share(survey, "y", equals=1)
    kept = cx.share(survey, "y", equals=1, keep=("dk",))
    both = cx.share(survey, "y", equals=1, keep=("dk", "refused"))
    assert (bare.value, bare.n, bare.n_excluded) == (approx(2 / 3), 3, 4)
    assert (kept.value, kept.n, kept.n_excluded) == (approx(2 / 5), 5, 2)
    assert (both.value, both.n, both.n_excluded) == (approx(2 / 6), 6, 1)
    assert survey.reasons("y") == {"dk": 2, "refused": 1, "not_shown": 1}


def test_degrees_of_freedom_are_those_who_answered():
    """Rows without an answer are a domain; segments look at a part of those who answered."""
    frame = pd.DataFrame({"y": [1.0, 2, 4, 3, None, None], "g": list("aabbab")})
    survey = cx.read_survey(frame)
    assert cx.mean(survey, "y").df == 3
    assert cx.mean(survey.where(g="a"), "y").df == 3
    assert cx.share(survey.where(g="a"), "y", equals=1).df == 1


# -- small cells -----------------------------------------------------------------------------------


def guarded(frame: pd.DataFrame, small_cell: int = 10):
    survey = cx.read_survey(frame)
    return replace(survey, origin=replace(survey.origin, small_cell=small_cell))


def shown(result) -> str:
    """All that a result shows: text, HTML and records."""
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", RECORD_MIME}
    return "\n".join([bundle["text/plain"], bundle["text/html"], json.dumps(bundle[RECORD_MIME])])


def test_small_cells_are_not_shown_anywhere():
    frame = pd.DataFrame({"y": [1] * 3 + [0] * 4 + [1, 0] * 20, "g": ["few"] * 7 + ["many"] * 40})
    survey = guarded(frame)
    few = cx.share(survey.where(g="few"), "y", equals=1)
    assert few.suppressed and few.value == approx(3 / 7)
    parts = cx.share(survey, "y", equals=1, by="g")
    for result in (few, parts):
        text = shown(result)
        assert "suppressed" in text and "42.9" not in text and "0.42857" not in text
        assert "7 respondents" not in text and "is only 7" not in text
    record = parts["few"].records()[0]
    gone = ("value", "low", "high", "n", "n_excluded", "n_eff", "df")
    assert record["suppressed"] and not any(record[key] for key in gone)
    assert parts["many"].records()[0]["n"] == 40


def test_a_difference_does_not_give_a_small_cell_away():
    frame = pd.DataFrame({"y": [1] * 3 + [0] * 4 + [1, 0] * 20, "g": ["few"] * 7 + ["many"] * 40})
    parts = cx.share(guarded(frame), "y", equals=1, by="g")
    gap = cx.difference(parts["few"], parts["many"])
    apart = cx.difference(parts["few"], cx.share(guarded(frame[7:]), "y", equals=1))
    verdict = cx.compare(parts["few"], parts["many"], margin=0.05)
    published = cx.compare(parts["few"], "pwc2018_leave1_global")
    hypothesis = cx.hypothesis(parts["few"], above=0.9)
    test = cx.t_test(guarded(frame), "y", group="g", equals=1)
    assert gap.suppressed and apart.suppressed
    for result in (gap, apart, verdict, published, hypothesis, test):
        text = shown(result)
        assert "suppressed" in text, result
        for leak in ("7.1 points", "−7.1", "-0.0714", "42.9", "0.42857", "bias of"):
            assert leak not in text, (leak, text)


def test_small_cells_count_in_the_variance():
    frame = pd.DataFrame({"y": [1, 0] * 20, "g": ["a"] * 4 + ["b"] * 36})
    open_, closed = guarded(frame, 0), guarded(frame, 10)
    assert cx.mean(open_, "y").se == cx.mean(closed, "y").se


# -- numbering -------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 60), min_size=1), st.sampled_from([61, 10**7]))
def test_renumbering_is_that_of_unique(keys, size):
    names, codes = np.unique(keys, return_inverse=True)
    got, present = renumber(np.array(keys), size)
    assert got.tolist() == codes.tolist() and present.tolist() == names.tolist()


@pytest.mark.parametrize("kind", ["int64", "int8", "float64", "Int64", "str", "category", object])
def test_segments_are_in_order_and_leave_the_unanswered_out(kind):
    whole = pd.Series([10, 2, 2, 10, 9, 2]).astype(kind)
    survey = cx.Survey(pd.DataFrame({"g": whole, "y": [1, 0, 1, 0, 1, 0]}))
    assert {k: rows.tolist() for k, rows in survey.where(y=[0, 1]).segments("g").items()} == {
        "2": [False, True, True, False, False, True],
        "9": [False, False, False, False, True, False],
        "10": [True, False, False, True, False, False],
    }
    place, labels = survey.where(y=0).numbered("g")
    assert labels == ("2", "10") and place.tolist() == [-1, 0, -1, 1, -1, 0]


def test_answers_with_one_label_are_one_segment():
    survey = cx.Survey(pd.DataFrame({"g": [1, "1", 2, 2], "y": [1, 0, 1, 0]}, dtype=object))
    found = cx.share(survey, "y", equals=1, by="g")
    assert [(e.term, e.n) for e in found] == [("1", 2), ("2", 2)]


# -- shapes ----------------------------------------------------------------------------------------


def test_one_row_an_estimate_always_the_same_columns():
    survey = cx.open_study("sample").survey
    for result in (
        cx.share(survey, "leave_love", equals=1),
        cx.nps(survey, "nps", by="fail_12m"),
        cx.loyalty_loss(survey, "leave_love"),
        cx.t_test(survey, "csat", group="fail_12m"),
        cx.compare(cx.leave_after_one(survey, "leave_love"), "pwc2018_leave1_global"),
    ):
        frame = result.to_frame()
        assert tuple(frame.columns) == RECORD_FIELDS
        assert len(frame) == (len(result) if isinstance(result, (Curve, Ranking)) else 1)
