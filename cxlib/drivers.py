"""What drives an outcome: how much of its variance goes with each predictor, fairly divided.

Shares are of R². Importance is not cause: a share says what goes with the outcome in this survey,
not what would happen if a score were raised.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .drivers_data import columns
from .drivers_logit import logit_drivers, logit_weights
from .drivers_plan import SAME, known, plan_of
from .drivers_shares import Shares, Told
from .errors import CxError
from .interval import t_quantile, wilson
from .result import Estimate, Ranking
from .survey import Survey


def drivers(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]] | Sequence[Sequence[str]] | None = None,
    method: str = "shapley",
    family: str = "gaussian",
    equals: Any = None,
    relative: bool = False,
    items: str = "all",
    reliability: float | Mapping[str, float] | None = None,
    categorical: Collection[str] = (),
    not_applicable: Collection[str] = (),
    controls: Sequence[str] = (),
    bootstrap: int = 0,
    seed: int = 0,
    permutations: int = 2000,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """How much of an outcome's variance goes with each predictor (or group of predictors).

    Parameters
    ----------
    survey : Survey
    outcome : str
        Numbers; 0/1 (or ``equals=``) with ``family="binomial"``.
    among : sequence of str
        The predictors. Numbers enter as they are; text and single choices by level, as one block.
    groups : mapping of name to predictors, or sequence of sequences (G1, G2 …), optional
        Blocks that share one share; predictors in none stay alone.
    method : str
        ``"shapley"`` (LMG: what a predictor adds, averaged over all orders; the shares add up to
        R²), ``"owen"`` (the same within groups, a share a predictor), ``"johnson"`` (relative
        weights, near Shapley's, no orders), ``"last"`` (added to all others), ``"first"`` (alone).
        For comparison also ``"genizi"`` (equals Johnson), ``"car"``, ``"pratt"`` and ``"betasq"``.
    family : str
        ``"gaussian"``, or ``"binomial"`` for a yes/no outcome: shares of McFadden's pseudo-R²
        (shapley, last, first), or Johnson weights after Tonidandel and LeBreton.
    equals : code or codes
        Binomial: the answers of the outcome that count as 1.
    relative : bool
        Shares of the sum (adding up to 1) instead of R².
    items : str
        Groups of unequal size are no fair game. ``"equal"``: the mean over all choices of as many
        items a group as the smallest has; ``"composite"``: the mean of each group's standardised
        items, which must point one way; ``"all"``: as they are.
    reliability : number, or mapping of question to number
        Sensitivity: shares had the questions been measured without error (0–1, taken as known; one
        number is for every predictor).
    categorical, not_applicable : names
        Numbers that enter by level; predictors that do not apply to some (code "na", or blank where
        the codebook has none), who stay: indicator × centred score, one block.
    controls : sequence of str
        Stand in every model; the shares are of what they leave.
    bootstrap : int
        0: design-based linearised standard error and t interval. Else so many Rao–Wu bootstraps of
        the primary units, and their percentiles.
    permutations : int
        Orders drawn beyond 15 predictors; the Monte Carlo error is told.

    Returns
    -------
    Ranking
        An Estimate a predictor or group, in the order given, unit "R²" (or "share").

    Raises
    ------
    CxError
        Unknown, doubled or constant questions; fewer respondents than predictors; reliabilities
        that no true scores could have.

    References
    ----------
    Lindeman, Merenda and Gold (1980); Grömping (2007), American Statistician 61:139; Owen (1977);
    Johnson (2000), Multivariate Behavioral Research 35:1; Tonidandel and LeBreton (2010); Rao and
    Wu (1988). A predictor of which under 1e-9 is left once others are known adds nothing: perfect
    copies split what they share. Checked against ``calc.relimp`` of R relaimpo 2.2.7 and ``rwa``.
    """
    if isinstance(among, str):
        among = [among]
    method = SAME.get(method, method)
    known(method, family, items, groups)
    _whole(bootstrap=(bootstrap, 0), permutations=(permutations, 4), seed=(seed, 0))
    told = Told(method, relative, level, name or f"what goes with {outcome}", claim)
    if family == "binomial":
        _plain(items, reliability, not_applicable, controls)
        run = logit_weights if method == "johnson" else logit_drivers
        return run(survey, outcome, among, groups, equals, told, categorical, bootstrap, seed)
    data = columns(survey, outcome, among, categorical, not_applicable, controls)
    plan = plan_of(data, among, groups, method, items, reliability, permutations, seed)
    return Shares(data, plan, told).ranking(bootstrap, seed)


def _whole(**given: tuple[int, int]) -> None:
    """A CxError for a number that is not whole, or out of bounds."""
    for what, (number, least) in given.items():
        if not isinstance(number, (int, np.integer)) or not least <= number <= 1_000_000:
            raise CxError(f"{what} is a whole number", got=repr(number), want=f"{least} or more")


def _plain(items: str, reliability: Any, not_applicable: Any, controls: Any) -> None:
    """A CxError for what a yes/no outcome does not take."""
    if items != "all" or reliability is not None or len(not_applicable) or len(controls):
        raise CxError(
            "a yes/no outcome takes none of items, reliability, not_applicable and controls",
            do='family="gaussian" explains the share itself (a linear probability model)',
        )


def variance_explained(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    *,
    categorical: Collection[str] = (),
    not_applicable: Collection[str] = (),
    bootstrap: int = 0,
    seed: int = 0,
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Estimate:
    """R²: the share of an outcome's variance that goes with the predictors together (0–1).

    Arguments and errors as :func:`drivers`, whose Shapley shares add up to it.

    References
    ----------
    Checked against the R² of ``calc.relimp`` (R relaimpo 2.2.7) and weighted least squares.
    """
    among = [among] if isinstance(among, str) else list(among)
    made = drivers(
        survey,
        outcome,
        among,
        groups={"all predictors": among},
        method="first",
        categorical=categorical,
        not_applicable=not_applicable,
        bootstrap=bootstrap,
        seed=seed,
        level=level,
        name=name or f"variance of {outcome} that goes with all predictors",
        claim=claim,
    )
    return replace(made.estimates[0], kind="variance explained", term="")


def rank_stability(
    survey: Survey,
    outcome: str,
    among: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]] | Sequence[Sequence[str]] | None = None,
    lead: float = 0.02,
    bootstrap: int = 1000,
    seed: int = 0,
    method: str = "shapley",
    items: str = "all",
    reliability: float | Mapping[str, float] | None = None,
    categorical: Collection[str] = (),
    not_applicable: Collection[str] = (),
    controls: Sequence[str] = (),
    level: float = 0.95,
    name: str = "",
    claim: str = "",
) -> Ranking:
    """Ranking stability: how often a predictor or group ranks first when the survey is redrawn.

    The share of Rao–Wu bootstraps in which it has the largest share *and* leads the next by
    ``lead`` of R² or more. It tells how far the ranking hangs on who was sampled; it is not the
    probability that the ranking is true.

    Parameters
    ----------
    lead : float
        In R², 0–1; below it nobody ranks first.
    bootstrap : int
        100 or more.
    others
        As :func:`drivers`; groups of unequal size deserve ``items="equal"`` or ``"composite"``.

    Returns
    -------
    Ranking
        A share (0–1) a predictor or group; Wilson's interval for the number of bootstraps. With
        several, the shares add up to 1 less the share of bootstraps without a clear first.

    Raises
    ------
    CxError
        Fewer than two to rank, under 100 bootstraps, or as :func:`drivers`.

    References
    ----------
    Rao and Wu (1988), JASA 83:231; Grömping (2007) on bootstrapped ranks.
    """
    method = SAME.get(method, method)
    known(method, "gaussian", items, groups)
    _whole(bootstrap=(bootstrap, 100), seed=(seed, 0))
    if not (isinstance(lead, (int, float, np.number)) and 0 <= lead < 1):
        raise CxError("a lead is a part of R²", got=repr(lead), want="0 or more, under 1")
    among = [among] if isinstance(among, str) else list(among)
    data = columns(survey, outcome, among, categorical, not_applicable, controls)
    plan = plan_of(data, among, groups, method, items, reliability, 2000, seed)
    if len(plan.terms) < 2:
        raise CxError("a ranking needs two", got=", ".join(plan.terms), want="two or more to rank")
    told = Told(method, False, level, name or f"ranking stability: {outcome}", claim)
    shares = Shares(data, plan, told)
    found = shares.values + shares.moved(data.bootstrapped(int(bootstrap), seed))
    return _firsts(shares, found, float(lead), len(survey) - data.n)


def _firsts(shares: Shares, found: np.ndarray, lead: float, excluded: int) -> Ranking:
    """The share of bootstraps, shape (R, K), in which each is first with a lead."""
    found = found[np.isfinite(found).all(axis=1)]
    if not len(found):
        raise CxError("no bootstrap has any shares", do="merge rare answers")
    ordered = np.sort(found, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] >= lead
    first = np.where(clear, found.argmax(axis=1), -1)
    told, data, number = shares.told, shares.data, len(found)
    z = t_quantile(told.level, math.inf)
    about = {
        "unit": "share",
        "n": data.n,
        "n_excluded": excluded,
        "level": told.level,
        "kind": "ranking stability",
        "name": told.name,
        "claim": told.claim,
        "question": data.outcome,
        "method": f"{shares.plan.words}; share of {number:,} Rao–Wu bootstraps in which it is "
        f"largest and leads by {lead:g} of R²; Wilson interval for the number of bootstraps",
        "source": data.survey.source,
        "origin": data.survey.origin,
        "cautions": (
            "ranking stability under resampling, not the probability that the ranking is true",
            f"no clear first in {100 * float((~clear).mean()):.0f} % of the bootstraps",
            *shares.plan.cautions,
            *data.cautions,
        ),
    }
    made = []
    for place, term in enumerate(shares.plan.terms):
        share = float((first == place).mean())
        low, high = wilson(share, number, z)
        made.append(Estimate(value=share, low=low, high=high, term=term, **about))
    return Ranking(name=told.name, estimates=tuple(made), claim=told.claim, by="driver")
