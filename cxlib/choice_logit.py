"""Conditional and mixed logit fitted to choices: coefficients, their covariance, the likelihood.

statsmodels has a conditional logit, but it takes neither weights nor a design; the likelihood here
is the same (a test holds the two against each other), in Newton steps over whole arrays.

References: McFadden (1974), in Zarembka (ed.), Frontiers in Econometrics; Train (2009), Discrete
Choice Methods with Simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from . import tally as engine
from .choice_tasks import Tasks
from .errors import CxError, unknown
from .mixed_logit import SHAPES, Mixing, Panel, climb

#: Where standard errors come from.
ERRORS = ("hessian", "opg", "robust")


@dataclass(frozen=True)
class Plan:
    """How to fit: hashable, so that the same question of the same choices is fitted once.

    ``random`` holds (attribute, shape) pairs; without any, the model is the conditional logit.
    """

    space: str = "preference"
    random: tuple[tuple[str, str], ...] = ()
    correlated: bool = False
    draws: tuple[int, ...] = (100, 300, 600)
    starts: int = 3
    seed: int = 1
    scramble: bool = False

    def __post_init__(self) -> None:
        if self.space not in ("preference", "wtp"):
            raise unknown("space", self.space, ("preference", "wtp"))
        for _, shape in self.random:
            if shape not in SHAPES:
                raise unknown("distribution", shape, SHAPES)
        if self.correlated and any(shape in SHAPES[2:] for _, shape in self.random):
            raise CxError(
                "correlated tastes are normal or log-normal",
                got=", ".join(f"{name} {shape}" for name, shape in self.random),
            )
        whole = all(isinstance(number, int) and number >= 2 for number in self.draws)
        if not self.draws or not whole or list(self.draws) != sorted(set(self.draws)):
            raise CxError(
                "draws is a rising list of whole numbers",
                got=self.draws,
                want="e.g. (100, 300, 600)",
            )
        if self.starts < 1:
            raise CxError("a search needs a starting point", got=self.starts, want="1 or more")


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    Attributes
    ----------
    theta : float array, shape (P,)
        Conditional logit: the K coefficients of utility. Mixed: see :class:`Mixing`.
    bread : float array, shape (P, P)
        The inverse of minus the Hessian.
    row, scores : int array (m,), float array (m, P)
        Weighted scores, and the rows of the survey's frame that they stand at.
    loglik, null : float
        At the top, and with all alternatives alike.
    mixing : Mixing or None
    rungs : tuple of (draws, log-likelihood, theta)
    apart : float
        By how much the log-likelihoods of several starting points differ.
    """

    tasks: Tasks
    theta: np.ndarray
    bread: np.ndarray
    row: np.ndarray
    scores: np.ndarray
    loglik: float
    null: float
    mixing: Mixing | None = None
    rungs: tuple[tuple[int, float, np.ndarray], ...] = ()
    apart: float = 0.0

    def influence(self, slope: np.ndarray) -> np.ndarray:
        """Weighted influence values on a quantity with gradient ``slope``, one a row of the frame;
        for slopes (P, Q) one column a quantity."""
        found = np.zeros((len(self.tasks.survey.frame), *slope.shape[1:]))
        found[self.row] = self.scores @ (self.bread @ slope)
        return found

    def covariance(self, errors: str) -> np.ndarray:
        """Of the parameters, shape (P, P).

        ``"hessian"``: the inverse information, right if the model is. ``"opg"``: from the outer
        product of the respondents' scores. ``"robust"``: the sandwich with the survey's design,
        respondents (or tasks) as clusters, n/(n − 1) included.
        """
        if errors == "hessian":
            return self.bread
        if errors == "opg":
            unit = self.tasks.survey.stages[0].unit[self.row]
            totals = np.column_stack([np.bincount(unit, column) for column in self.scores.T])
            information = totals.T @ totals
            if np.linalg.matrix_rank(information) < len(information):
                raise CxError("too few respondents for an outer product", got=len(totals))
            return np.linalg.inv(information)
        if errors != "robust":
            raise unknown("kind of standard error", errors, ERRORS)
        return engine.variance(self.tasks.survey, self.influence(np.eye(len(self.theta))))


def fit(tasks: Tasks, plan: Plan) -> Fit:
    """The model that the plan asks for; fitted once for the same choices.

    Raises
    ------
    CxError
        Perfect separation; an unknown attribute among the random ones; no maximum.
    """
    return replace(_fit(tasks, plan), tasks=tasks)


@lru_cache(maxsize=4)
def _fit(tasks: Tasks, plan: Plan) -> Fit:
    plain = _conditional(tasks)
    return _mixed(tasks, plan, plain) if plan.random else plain


# -- conditional logit -----------------------------------------------------------------------------


def _conditional(tasks: Tasks) -> Fit:
    """Newton's method on standardised columns; the log-likelihood is concave."""
    x = tasks.centred / tasks.spread
    mass = tasks.weight.mean()
    weight = tasks.weight / mass
    beta = np.zeros(x.shape[1])
    value, slope, hessian, _ = _logit(tasks, x, weight, beta)
    null, watched, floor = value, False, 1e-14 * np.trace(hessian)
    for _ in range(100):
        step = np.linalg.lstsq(hessian, slope, rcond=None)[0]
        gain = float(slope @ step)
        if gain < 1e-18 * max(1.0, abs(value)):
            break
        size = 1.0
        while size > 1e-8:
            new = _logit(tasks, x, weight, beta + size * step)
            if new[0] >= value - 1e-12 * abs(value):
                break
            size /= 2
        beta = beta + size * step
        value, slope, hessian, _ = new
        if not watched and np.abs(x @ beta).max() > 25:
            _separation(tasks, x)
            watched = True
    scale = tasks.spread
    _, _, hessian, residual = _logit(tasks, x, weight, beta)
    if np.linalg.eigvalsh(hessian)[0] < floor:
        _separation(tasks, x, sure=True)
    return Fit(
        tasks,
        theta=beta / scale,
        bread=np.linalg.inv(hessian) / np.outer(scale, scale) / mass,
        row=tasks.row,
        scores=mass * residual[:, None] * tasks.centred,
        loglik=mass * value,
        null=mass * null,
    )


def _logit(
    tasks: Tasks, x: np.ndarray, weight: np.ndarray, beta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, gradient, minus the Hessian, and weighted residuals (rows,)."""
    utility = x @ beta
    utility -= np.maximum.reduceat(utility, tasks.starts)[tasks.task]
    odds = np.exp(utility)
    total = np.add.reduceat(odds, tasks.starts)
    share = odds / total[tasks.task]
    value = float(weight @ (utility[tasks.chosen] - np.log(total)))
    heavy = weight[tasks.task]
    residual = heavy * (tasks.chosen - share)
    mean = np.add.reduceat(share[:, None] * x, tasks.starts)
    hessian = (x * (heavy * share)[:, None]).T @ x - (mean * weight[:, None]).T @ mean
    return value, residual @ x, hessian, residual


def _separation(tasks: Tasks, x: np.ndarray, *, sure: bool = False) -> None:
    """An error where some mix of attributes is never against a choice that was made.

    Then the likelihood rises for ever along that mix (Albert and Anderson 1984, Biometrika 71(1)).
    """
    from scipy.optimize import linprog

    gain = (x[tasks.chosen][tasks.task] - x)[~tasks.chosen]
    found = linprog(-gain.sum(axis=0), A_ub=-gain, b_ub=np.zeros(len(gain)), bounds=(-1, 1))
    if not sure and not (found.status == 0 and -found.fun > 1e-6):
        return
    part = np.abs(found.x) if found.status == 0 else np.ones(len(tasks.names))
    names = [tasks.names[k] for k in np.flatnonzero(part > 0.05 * max(part.max(), 1e-12))]
    raise CxError(
        "perfect separation: no choice was ever made against these, so no figure is large enough",
        got=", ".join(names),
        want="choices that trade attributes off",
        do="leave out an attribute that decides every choice, or ask more people",
    )


# -- mixed logit -----------------------------------------------------------------------------------


def _mixed(tasks: Tasks, plan: Plan, plain: Fit) -> Fit:
    mixing = _mixing(tasks, plan)
    first = np.flatnonzero(np.diff(tasks.person, prepend=-1))
    weight = tasks.weight[first]
    if (tasks.weight != weight[tasks.person]).any():
        raise CxError(
            "the weights vary between a respondent's tasks",
            want="one weight a respondent",
            do="use the respondent's weight, or the conditional logit",
        )
    mass = weight.mean()
    panel = Panel(_differences(tasks), weight / mass)
    start, size = _start(tasks, mixing, plain.theta)
    top = climb(
        panel,
        mixing,
        start,
        size,
        draws=plan.draws,
        starts=plan.starts,
        seed=plan.seed,
        scramble=plan.seed if plan.scramble else None,
    )
    return Fit(
        tasks,
        theta=top.theta,
        bread=top.bread / mass,
        row=tasks.row[tasks.starts[first]],
        scores=top.scores * weight[:, None],
        loglik=mass * top.loglik,
        null=plain.null,
        mixing=mixing,
        rungs=tuple((draws, mass * value, theta) for draws, value, theta in top.rungs),
        apart=mass * top.apart,
    )


def _mixing(tasks: Tasks, plan: Plan) -> Mixing:
    asked = dict(plan.random)
    for name in asked:
        if name not in tasks.parts:
            raise unknown("attribute", name, tasks.parts)
    random = tuple(k for k, part in enumerate(tasks.parts) if part in asked)
    many = range(len(random))
    pairs = [(i, j) for i in many for j in (range(i + 1) if plan.correlated else (i,))]
    return Mixing(
        columns=len(tasks.names),
        price=0,
        random=random,
        shapes=tuple(asked[tasks.parts[k]] for k in random),
        pairs=tuple(pairs),
        space=plan.space,
    )


def _differences(tasks: Tasks) -> tuple[np.ndarray, ...]:
    """Alternatives less the chosen one: a person each, (tasks, most alternatives − 1, K)."""
    others = ~tasks.chosen
    gaps = (tasks.x - tasks.x[tasks.chosen][tasks.task])[others]
    task = tasks.task[others]
    place = np.arange(len(task)) - np.flatnonzero(np.diff(task, prepend=-1))[task]
    cube = np.full((len(tasks.person), int(place.max()) + 1, gaps.shape[1]), np.nan)
    cube[task, place] = gaps
    return tuple(np.split(cube, np.flatnonzero(np.diff(tasks.person)) + 1))


def _start(tasks: Tasks, mixing: Mixing, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where to start: the conditional logit, and moderate spreads; and how far to scatter."""
    unit = 1 / tasks.spread
    centre, reach = beta.copy(), np.maximum(0.5 * np.abs(beta), 0.5 * unit)
    spread = np.maximum(0.3 * np.abs(beta), 0.1 * unit)
    if mixing.space == "wtp":
        scale = max(-beta[0], 0.1 * unit[0])
        centre, reach, spread = centre / scale, reach / scale, spread / scale
        centre[0], reach[0], spread[0] = scale, 0.5 * scale, 0.3 * scale
    for column, shape in zip(mixing.random, mixing.shapes, strict=True):
        if shape == "log-normal":
            floor = 0.1 * spread[column]
            size = -centre[column] if mixing.signs()[column] < 0 else centre[column]
            centre[column] = np.log(max(size, floor))
            reach[column], spread[column] = 0.5, 0.5
    wide = [spread[mixing.random[i]] if i == j else 0.0 for i, j in mixing.pairs]
    far = [0.5 * spread[mixing.random[i]] for i, _ in mixing.pairs]
    return np.concatenate([centre, wide]), np.concatenate([reach, far])
