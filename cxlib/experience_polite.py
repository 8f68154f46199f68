"""Politeness: do people say what they think? Who asks, lists, and vignettes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .errors import CxError
from .estimate import mean, mean_of, share
from .interval import t_quantile
from .linear import difference, someone
from .result import Curve, Estimate, Ranking
from .survey import Survey


def mode_effect(
    survey: Survey,
    question: str,
    *,
    arm: str = "arm_mode",
    equals: object = None,
    at_least: float | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """What an interviewer adds: the difference between the arms of a mode experiment.

    Parameters
    ----------
    survey : Survey
    question : str
    arm : str
        The randomised arm; two answers, the later less the earlier (interviewer 1, self-completed
        0).
    equals, at_least
        Which answers count, as for :func:`cxlib.share`; without either, the mean.

    Returns
    -------
    Estimate
        Unit "share points" (0–1 scale) or the question's. With a caution where the arms are not
        assigned by the study (the question ``arm`` has not the type "experiment").

    Raises
    ------
    CxError
        Not two arms; as :func:`cxlib.share`.
    """
    if equals is None and at_least is None:
        found = mean(survey, question, by=arm, level=level)
    else:
        options = {"by": arm, "level": level, "method": "mean"}
        found = share(survey, question, equals=equals, at_least=at_least, **options)
    if len(found) != 2:
        raise CxError(
            f"{arm!r} does not make two arms",
            got=f"{len(found)}: {', '.join(e.term for e in found)}",
            want="two answers",
        )
    title = name or f"{question}: {found[1].term} less {found[0].term}"
    one = difference(found[1], found[0], name=title, claim=claim)
    one = replace(one, kind="mode effect", question=question)
    assigned = survey.codebook.get(arm).type == "experiment"
    why = f"{arm} was not assigned at random by this study: who was reached may differ"
    return one if assigned else one.with_cautions(why)


def list_experiment(
    survey: Survey,
    treated: str = "list_t",
    control: str = "list_c",
    *,
    items: int = 4,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """How many did what they would not admit: the difference of two lists' mean counts.

    Parameters
    ----------
    survey : Survey
    treated, control : str
        How many things of the list, with and without the sensitive one; each respondent answered
        one of them.
    items : int
        Length of the list without it.

    Returns
    -------
    Estimate
        Unit "share" (0–1): the prevalence. It is not cut to 0–1, and its interval neither. The
        caution says what the experiment can resolve: differences smaller than the half-width of its
        interval cannot be told. Further cautions: floor or ceiling answers (they give the secret
        away), and counts that no list without a design effect can give.

    Raises
    ------
    CxError
        Somebody answered both; counts beyond the list; as :func:`cxlib.mean`.

    References
    ----------
    Miller (1984); Blair and Imai (2012), Political Analysis 20:47.
    """
    long, short = survey.numbers(treated), survey.numbers(control)
    both = ~np.isnan(long) & ~np.isnan(short) & survey.looked_at
    if both.any():
        raise CxError(
            "a respondent sees one of the two lists",
            got=f"{int(both.sum()):,} answered both",
            want="two random halves",
        )
    for question, values, most in ((treated, long, items + 1), (control, short, items)):
        someone(survey, question, survey.valid(question))
        kept = values[~np.isnan(values) & survey.looked_at]
        if kept.min() < 0 or kept.max() > most or (kept % 1).any():
            raise CxError(
                f"{question!r} counts beyond its list",
                got=f"{kept.min():g} to {kept.max():g}",
                want=f"whole numbers from 0 to {most}",
                do="say how long the shorter list is with items=",
            )
    a = replace(mean(survey, treated, level=level), unit="share")
    b = replace(mean(survey, control, level=level), unit="share")
    one = difference(a, b, name=name or "List experiment", claim=claim)
    half = t_quantile(level, one.df) * one.se
    cautions = [
        f"resolves ± {100 * half:.0f} points: it cannot arbitrate between shares closer than that",
        *_list_faults(survey, long, short, items),
    ]
    one = replace(one, unit="share", kind="list experiment", question=treated)
    return replace(one, method="list experiment: " + one.method).with_cautions(*cautions)


def _list_faults(survey: Survey, long: np.ndarray, short: np.ndarray, items: int) -> list[str]:
    """What speaks against a list: ends of the scale, and impossible counts."""
    w = survey.weights
    faults = []
    ends = [np.average((short == k)[_there(survey, short)], weights=w[_there(survey, short)])
            for k in (0, items)]  # fmt: skip
    if max(ends) > 0.15:
        faults.append(
            f"{100 * ends[0]:.0f} % of the shorter list counted none and {100 * ends[1]:.0f} % all:"
            " at the ends a count gives the secret away"
        )
    for k in range(items + 1):
        under = [
            mean_of(survey, np.where(np.isnan(v), np.nan, v <= k), "list", name="", unit="share")
            for v in (short, long)
        ]
        above = difference(under[1], under[0])
        if above.se > 0 and above.value / above.se > t_quantile(1 - 0.05 / (items + 1), above.df):
            faults.append(
                "the longer list has more low counts than the shorter: the sensitive thing "
                "changed the answers to the others (design effect), so the estimate is not valid"
            )
            break
    return faults


def _there(survey: Survey, values: np.ndarray) -> np.ndarray:
    return ~np.isnan(values) & survey.looked_at & (survey.weights > 0)


def vignette_scale(
    survey: Survey, question: str, vignettes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """A rating on the scale of a respondent's own ratings of stories (nonparametric C).

    Parameters
    ----------
    question : str
    vignettes : sequence of str
        Ratings of J stories on the same scale, the worst story first.

    Returns
    -------
    (low, high) : float arrays, shape (rows,)
        Places from 1 (under the worst story) over 2 (equal to it) … to 2J + 1 (above the best). The
        two differ where a respondent's ratings of the stories tie or stand in another order; NaN
        where an answer is missing.

    Raises
    ------
    CxError
        No story, or the question among them; unknown questions.

    References
    ----------
    King, Murray, Salomon and Tandon (2004), American Political Science Review 98:191; King and Wand
    (2007), Political Analysis 15:46.
    """
    stories = (vignettes,) if isinstance(vignettes, str) else tuple(vignettes)
    if not stories or question in stories or len(set(stories)) < len(stories):
        raise CxError("vignettes are other questions", got=", ".join(stories) or "none")
    own = survey.numbers(question)
    z = np.column_stack([survey.numbers(story) for story in stories])
    there = ~np.isnan(own) & ~np.isnan(z).any(axis=1)
    edge = np.full((len(own), 1), np.inf)
    bounds = np.hstack([-edge, z, edge])
    places = 2 * len(stories) + 1
    true = np.zeros((len(own), places), bool)
    true[:, 0::2] = (bounds[:, :-1] < own[:, None]) & (own[:, None] < bounds[:, 1:])
    true[:, 1::2] = own[:, None] == z
    low = true.argmax(axis=1) + 1.0
    high = places - true[:, ::-1].argmax(axis=1).astype(float)
    return np.where(there, low, np.nan), np.where(there, high, np.nan)


def anchoring_vignettes(
    survey: Survey,
    question: str = "jrn_total",
    *,
    vignettes: Sequence[str] = ("vig1", "vig2", "vig3"),
    by: str | None = None,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Curve | Ranking:
    """A rating freed from how kindly people use the scale: anchoring vignettes.

    Parameters
    ----------
    question, vignettes : as in :func:`vignette_scale`
    by : str, optional
        Groups to compare.

    Returns
    -------
    Curve, or Ranking with ``by=``
        The share (0–1) at each place of the scale C, ``x`` from 1 to 2J + 1; or the mean place of
        each group (unit "places"). A respondent whose stories tie or stand in another order counts
        evenly over the places that are possible. A caution says how many those are.

    Raises
    ------
    CxError
        As :func:`vignette_scale`; nobody answered all.

    References
    ----------
    As :func:`vignette_scale`; rests on response consistency (people rate themselves and the stories
    alike) and vignette equivalence (all read the same story).
    """
    low, high = vignette_scale(survey, question, vignettes)
    there = ~np.isnan(low) & survey.looked_at & (survey.weights > 0)
    if not there.any():
        raise CxError("nobody rated the question and all the stories", got=question)
    low, high = np.where(there, low, np.nan), np.where(there, high, np.nan)
    spread = np.average((low < high)[there], weights=survey.weights[there])
    said = [f"{100 * spread:.0f} % rated the stories alike or in another order"] * bool(spread)
    title = name or f"{question} against the stories"
    options = {"level": level, "name": title, "claim": claim}
    method = "nonparametric C, linearised variance"
    if by is not None:
        found = mean_of(survey, (low + high) / 2, question, by=by, unit="places", **options)
        rows = [replace(e, method=method).with_cautions(*said) for e in found]
        return replace(found, estimates=tuple(rows))
    rows = []
    names = (vignettes,) if isinstance(vignettes, str) else tuple(vignettes)
    for place in range(1, 2 * len(names) + 2):
        here = ((low <= place) & (place <= high)) / (high - low + 1)
        one = mean_of(survey, np.where(there, here, np.nan), question, unit="share", **options)
        rows.append(
            replace(one, x=float(place), term=_place(place, names), method=method, kind="share")
            .with_cautions(*said)
        )  # fmt: skip
    return Curve(name=title, estimates=tuple(rows), claim=claim, axis="place among the stories")


def _place(place: int, names: Sequence[str]) -> str:
    """A place of the scale C in words."""
    if place == 1:
        return f"below {names[0]}"
    if place == 2 * len(names) + 1:
        return f"above {names[-1]}"
    if place % 2 == 0:
        return f"equal to {names[place // 2 - 1]}"
    return f"between {names[place // 2 - 1]} and {names[place // 2]}"
