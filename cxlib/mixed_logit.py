"""The simulated likelihood of the mixed logit: tastes that differ between people.

A person's coefficients are draws from a distribution over people; the probability of all the
choices that one person made (their panel) is averaged over the draws, and the log of that average
is summed over people. The work is laid out for speed and bounded memory: alternatives as
differences from the chosen one, people in blocks, draws in blocks within them.

References: Train (2009), Discrete Choice Methods with Simulation, chapters 6, 9 and 10; Revelt and
Train (1998), Review of Economics and Statistics 80(4); Train and Weeks (2005) on willingness-to-pay
space.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import CxError

#: How a coefficient may differ between people.
SHAPES = ("normal", "log-normal", "triangular", "uniform")
#: The largest block of (person, alternative, draw) cells that is worked on at once, a thread.
BLOCK = 1 << 18


def standard_draws(
    people: int, draws: int, shapes: Sequence[str], *, drop: int = 100, scramble: int | None = None
) -> np.ndarray:
    """Halton draws of mean 0, one dimension a shape: shape (people, dimensions, draws).

    Dimension k is the sequence in the k-th prime; each person takes the next ``draws`` of its
    elements, after the first ``drop`` (as in R's mlogit and Python's xlogit: for the same order of
    people the numbers are the same). ``scramble`` is a seed for randomly permuted digits (Owen
    2017), which breaks the correlation between the sequences of large primes.
    """
    from scipy.special import ndtri
    from scipy.stats.qmc import Halton

    engine = Halton(len(shapes), scramble=scramble is not None, rng=scramble)
    engine.fast_forward(drop)
    u = engine.random(people * draws).reshape(people, draws, len(shapes)).transpose(0, 2, 1)
    z = np.empty(u.shape)
    for k, shape in enumerate(shapes):
        one = u[:, k]
        if shape in ("normal", "log-normal"):
            z[:, k] = ndtri(one)
        elif shape == "triangular":
            low = np.sqrt(2 * np.minimum(one, 0.5)) - 1
            z[:, k] = np.where(one <= 0.5, low, 1 - np.sqrt(2 * np.minimum(1 - one, 0.5)))
        else:
            z[:, k] = 2 * one - 1
    return z


@dataclass(frozen=True, eq=False)
class Panel:
    """Choices as differences from the chosen alternative, people after each other.

    Attributes
    ----------
    tasks : tuple of float arrays, one a person, shape (tasks, alternatives − 1, K)
        Alternatives that a task lacks are filled with NaN.
    weights : float array, shape (people,)
    """

    tasks: tuple[np.ndarray, ...]
    weights: np.ndarray

    @cached_property
    def groups(self) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
        """People with panels of about one size: (their numbers, differences, what is padding)."""
        sizes = np.array([len(one) for one in self.tasks])
        order = np.argsort(sizes, kind="stable")
        wide = max(one.shape[1] for one in self.tasks)
        found = []
        for numbers in _alike(order, sizes):
            deep, k = int(sizes[numbers].max()), self.tasks[0].shape[2]
            cube = np.full((len(numbers), deep, wide, k), np.nan)
            for place, number in enumerate(numbers):
                one = self.tasks[number]
                cube[place, : len(one), : one.shape[1]] = one
            absent = np.isnan(cube[..., 0])
            found.append((numbers, np.nan_to_num(cube), absent))
        return tuple(found)


def _alike(order: np.ndarray, sizes: np.ndarray) -> Iterator[np.ndarray]:
    """Runs of people whose panels differ by at most a quarter, so that padding stays small."""
    start = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or sizes[order[place]] > 1.25 * sizes[order[start]]:
            yield order[start:place]
            start = place


@dataclass(frozen=True)
class Mixing:
    """Which coefficients differ between people, and how.

    The parameters are the K centres, then one spread a pair: coefficient ``pairs[i][0]`` moves with
    the draw of ``pairs[i][1]`` (the same one, unless tastes are correlated: then the spreads are
    the lower triangle of a Cholesky factor). Pairs count within ``random``.

    Attributes
    ----------
    columns : int
        K, coefficients in all; ``price`` is the column of the price.
    random : tuple of int
        The columns that vary; ``shapes`` says how, one a column.
    space : str
        ``"preference"``, or ``"wtp"``: utility = scale × (attributes × wtp − price); the centre
        in the price's place is then the scale.
    """

    columns: int
    price: int
    random: tuple[int, ...]
    shapes: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    space: str

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return self.columns + len(self.pairs)

    def signs(self) -> np.ndarray:
        """−1 for a log-normal price in preference space (people dislike paying), else 1."""
        sign = np.ones(self.columns)
        log = [c for c, s in zip(self.random, self.shapes, strict=True) if s == "log-normal"]
        if self.space == "preference" and self.price in log:
            sign[self.price] = -1.0
        return sign

    def upright(self, theta: np.ndarray) -> np.ndarray:
        """The same distribution with positive spreads (a positive diagonal, where correlated)."""
        spread = theta[self.columns :].copy()
        for at, (i, j) in enumerate(self.pairs):
            if i == j and spread[at] < 0:
                column = [place for place, pair in enumerate(self.pairs) if pair[1] == j]
                spread[column] *= -1
        return np.concatenate([theta[: self.columns], spread])

    def coefficients(self, theta: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and their slopes in their own index: both (people, K, draws)."""
        people, _, draws = z.shape
        value = np.empty((people, self.columns, draws))
        slope = np.ones((1, self.columns, 1))
        value[:] = theta[: self.columns, None]
        spread = theta[self.columns :]
        for (i, j), s in zip(self.pairs, spread, strict=True):
            value[:, self.random[i]] += s * z[:, j]
        log = [c for c, s in zip(self.random, self.shapes, strict=True) if s == "log-normal"]
        if log:
            sign = self.signs()
            slope = np.ones((people, self.columns, draws))
            for column in log:
                value[:, column] = sign[column] * np.exp(np.minimum(value[:, column], 60.0))
                slope[:, column] = value[:, column]
        return value, slope


class Simulated:
    """The simulated log-likelihood of a panel, with its gradient.

    Parameters
    ----------
    panel : Panel
    mixing : Mixing
    draws : int
        Draws a person.

    Memory: the draws (people × random coefficients × draws × 8 bytes) and a few blocks of
    :data:`BLOCK` cells a thread.
    """

    def __init__(
        self, panel: Panel, mixing: Mixing, draws: int, *, scramble: int | None = None
    ) -> None:
        self.panel, self.mixing, self.draws = panel, mixing, draws
        people = len(panel.weights)
        self.z = standard_draws(people, draws, mixing.shapes, scramble=scramble)
        self.threads = min(4, _cores())

    def parts(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihoods (people,) and scores (people, parameters), both unweighted."""
        loglik = np.empty(len(self.panel.weights))
        scores = np.empty((len(loglik), self.mixing.size))
        jobs = list(self._blocks())

        def work(job: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
            numbers, cube, absent = job
            with np.errstate(all="ignore"):  # far from the maximum; loss() tells what is not finite
                loglik[numbers], scores[numbers] = self._block(theta, numbers, cube, absent)

        if self.threads == 1 or len(jobs) == 1:
            for job in jobs:
                work(job)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(work, jobs))
        return loglik, scores

    def loss(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the weighted log-likelihood, and its gradient."""
        loglik, scores = self.parts(theta)
        weights = self.panel.weights
        value, slope = -float(weights @ loglik), -(weights @ scores)
        if not (np.isfinite(value) and np.isfinite(slope).all()):
            return 1e300, np.zeros_like(slope)
        return value, slope

    def outer(self, theta: np.ndarray) -> np.ndarray:
        """The outer product of the scores: an information matrix that costs one evaluation."""
        _, scores = self.parts(theta)
        return (scores * self.panel.weights[:, None]).T @ scores

    def hessian(self, theta: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Second derivatives of minus the log-likelihood, by central differences of the score."""
        rows = []
        for k, step in enumerate(steps):
            shift = np.zeros(len(theta))
            shift[k] = step
            up, down = self.loss(theta + shift)[1], self.loss(theta - shift)[1]
            rows.append((up - down) / (2 * step))
        return (np.array(rows) + np.array(rows).T) / 2

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for numbers, cube, absent in self.panel.groups:
            cells = cube.shape[1] * cube.shape[2] * min(self.draws, self._chunk(cube))
            step = max(1, BLOCK // cells)
            for start in range(0, len(numbers), step):
                part = slice(start, start + step)
                yield numbers[part], cube[part], absent[part]

    @staticmethod
    def _chunk(cube: np.ndarray) -> int:
        """How many draws at once, so that one person's cells fit a block."""
        return max(16, BLOCK // (cube.shape[1] * cube.shape[2]))

    def _block(
        self, theta: np.ndarray, numbers: np.ndarray, cube: np.ndarray, absent: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Streams over draws, keeping sums relative to the largest likelihood seen so far."""
        people = len(numbers)
        top = np.full(people, -np.inf)
        mass, sums = np.zeros(people), np.zeros((people, self.mixing.size))
        chunk = self._chunk(cube)
        for start in range(0, self.draws, chunk):
            z = self.z[numbers, :, start : start + chunk]
            value, slope = self.mixing.coefficients(theta, z)
            logs, pull = _panel_logs(cube, absent, _utility(self.mixing, value))
            new = np.maximum(top, logs.max(axis=1))
            share = np.exp(logs - new[:, None])
            keep = np.exp(top - new)
            mass = mass * keep + share.sum(axis=1)
            pull = _pull(self.mixing, value, pull) * slope * share[:, None]
            sums = sums * keep[:, None] + self._spread(pull, z)
            top = new
        return top + np.log(mass / self.draws), sums / mass[:, None]

    def _spread(self, pull: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Sums over draws of the pulls (people, K, draws) on every parameter."""
        mixing = self.mixing
        rows = [mixing.random[i] for i, _ in mixing.pairs]
        columns = [j for _, j in mixing.pairs]
        return np.concatenate(
            [pull.sum(axis=2), np.einsum("nkr,nkr->nk", pull[:, rows], z[:, columns])], axis=1
        )


def _cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _utility(mixing: Mixing, value: np.ndarray) -> np.ndarray:
    """Coefficients of utility from those of the space."""
    if mixing.space == "preference":
        return value
    scale = value[:, mixing.price, None]
    beta = value * scale
    beta[:, mixing.price] = -value[:, mixing.price]
    return beta


def _pull(mixing: Mixing, value: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Derivatives in the coefficients of the space from those in utility's."""
    if mixing.space == "preference":
        return pull
    price = mixing.price
    others = [k for k in range(mixing.columns) if k != price]
    found = pull * value[:, price, None]
    found[:, price] = np.einsum("nkr,nkr->nr", value[:, others], pull[:, others]) - pull[:, price]
    return found


def _panel_logs(
    cube: np.ndarray, absent: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of panels (people, draws), and their derivatives (people, K, draws)."""
    people, tasks, others, k = cube.shape
    flat = cube.reshape(people, tasks * others, k)
    odds = flat @ beta
    if odds.max(initial=0.0) > 600:
        np.minimum(odds, 600.0, out=odds)
    np.exp(odds, out=odds)
    if absent.any():
        odds[absent.reshape(people, -1)] = 0.0
    rest = odds.reshape(people, tasks, others, -1)
    total = rest.sum(axis=2)
    total += 1.0
    rest /= total[:, :, None]
    logs = -np.log(total).sum(axis=1)
    return logs, -(flat.transpose(0, 2, 1) @ odds)


@dataclass(frozen=True, eq=False)
class Climb:
    """A maximum of the simulated likelihood.

    Attributes
    ----------
    theta : float array, shape (parameters,)
    loglik : float
    bread : float array, shape (parameters, parameters)
        The inverse of minus the Hessian.
    scores : float array, shape (people, parameters), unweighted
    rungs : tuple of (draws, log-likelihood, theta), the last one is the answer
    apart : float
        By how much the log-likelihoods of the starts that were tried differ.
    """

    theta: np.ndarray
    loglik: float
    bread: np.ndarray
    scores: np.ndarray
    rungs: tuple[tuple[int, float, np.ndarray], ...]
    apart: float


def climb(
    panel: Panel,
    mixing: Mixing,
    start: np.ndarray,
    size: np.ndarray,
    *,
    draws: Sequence[int],
    starts: int,
    seed: int,
    scramble: int | None,
) -> Climb:
    """The maximum of the simulated likelihood, refitted at each number of draws.

    ``starts`` starting points are tried with the fewest draws: ``start``, then random ones about it
    at distances of ``size``; the best goes on to more draws.

    Raises
    ------
    CxError
        No maximum is found, or the data do not identify the coefficients.
    """
    rng = np.random.default_rng(seed)
    first = Simulated(panel, mixing, draws[0], scramble=scramble)
    points = [start] + [start + size * rng.normal(size=len(start)) for _ in range(starts - 1)]
    tried = [_upright(first, point) for point in points]
    best = min(tried, key=lambda found: found[0])
    rungs = [(draws[0], -best[0], best[1])]
    last = first
    for number in draws[1:]:
        last = Simulated(panel, mixing, number, scramble=scramble)
        best = _upright(last, best[1])
        rungs.append((number, -best[0], best[1]))
    theta, bread = _polish(last, best[1])
    loglik, scores = last.parts(theta)
    value = float(panel.weights @ loglik)
    rungs[-1] = (draws[-1], value, theta)
    apart = max(found[0] for found in tried) - min(found[0] for found in tried)
    return Climb(theta, value, bread, scores, tuple(rungs), apart)


def _upright(simulated: Simulated, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The top at which spreads are positive: their signs mean nothing, but with few draws the
    likelihood differs a little between them, and a comparison over draws must not jump."""
    found = _ascend(simulated, simulated.mixing.upright(theta))
    turned = simulated.mixing.upright(found[1])
    return found if (turned == found[1]).all() else _ascend(simulated, turned)


def _ascend(simulated: Simulated, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """BFGS in coordinates in which the scores' outer product at the start is the identity."""
    from scipy.optimize import minimize

    outer = simulated.outer(theta)
    root = np.sqrt(np.maximum(np.diag(outer), 1e-300))
    values, vectors = np.linalg.eigh(outer / np.outer(root, root))
    turn = vectors / np.sqrt(np.maximum(values, 1e-6)) / root[:, None]

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = simulated.loss(theta + turn @ x)
        return value, turn.T @ slope

    found = minimize(
        loss, np.zeros(len(theta)), jac=True, method="BFGS", options={"gtol": 1e-3, "maxiter": 500}
    )
    return float(found.fun), theta + turn @ found.x


def _polish(simulated: Simulated, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's last steps, and the inverse Hessian there."""
    steps = 1e-4 / np.sqrt(np.maximum(np.diag(simulated.outer(theta)), 1e-300))
    hessian = simulated.hessian(theta, np.maximum(steps * 10, 1e-7 * np.abs(theta)))
    root = np.sqrt(np.abs(np.diag(hessian)))
    if not (np.isfinite(hessian).all() and (root > 0).all()):
        raise _not_identified("the likelihood is flat in some direction")
    values = np.linalg.eigvalsh(hessian / np.outer(root, root))
    if values[0] < 1e-9:
        raise _not_identified("the likelihood has no single top")
    bread = np.linalg.inv(hessian)
    for _ in range(4):
        value, slope = simulated.loss(theta)
        step = bread @ slope
        if slope @ step < 1e-10 or simulated.loss(theta - step)[0] > value:
            break
        theta = theta - step
    if slope @ (bread @ slope) > 1e-2:
        raise _not_identified("the search ended before the top")
    return theta, bread


def _not_identified(got: str) -> CxError:
    return CxError(
        "the mixed logit cannot be fitted",
        got=got,
        want="choices that tell how tastes differ between people",
        do="let fewer coefficients vary, take more draws, or use the conditional logit",
    )
