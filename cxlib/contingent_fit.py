"""Dichotomous choice as arithmetic: likelihoods, medians and means, on plain arrays.

Each answer says between which two amounts a willingness to pay lies. With P(pay at least t) =
G(xβ + b·t), t the bid or its logarithm, an answer has the probability G(at its low end) −
G(at its high end). All five distributions have log-concave densities, so that the likelihood has
one maximum and Newton's steps find it. :mod:`cxlib.contingent` feeds this module from a survey.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .errors import CxError

#: Distribution → (family of G, whether its index is linear in the logarithm of the bid).
DISTRIBUTIONS = {
    "logistic": ("logistic", False),
    "normal": ("normal", False),
    "log-logistic": ("logistic", True),
    "log-normal": ("normal", True),
    "weibull": ("gumbel", True),
}
#: A bid coefficient of the wrong sign is put this far on the right side in simulated means.
_LEAST_SLOPE = 1e-3


class Curve(NamedTuple):
    """A family's G at η: log G, log(1 − G), log of its density, and density' / density."""

    log_yes: np.ndarray
    log_no: np.ndarray
    log_density: np.ndarray
    bend: np.ndarray


def _logistic(eta: np.ndarray) -> Curve:
    yes, no = -np.logaddexp(0, -eta), -np.logaddexp(0, eta)
    return Curve(yes, no, yes + no, -np.tanh(eta / 2))


def _normal(eta: np.ndarray) -> Curve:
    from scipy.special import log_ndtr

    eta = np.clip(eta, -1e10, 1e10)
    density = -(eta**2) / 2 - 0.5 * math.log(2 * math.pi)
    return Curve(log_ndtr(eta), log_ndtr(-eta), density, -eta)


def _gumbel(eta: np.ndarray) -> Curve:
    """P(yes) = exp(−e^−η): a Weibull willingness to pay when η falls in the log bid."""
    tail = np.exp(np.clip(-eta, -700, 700))
    no = np.where(tail > 1e-300, np.log(-np.expm1(-np.maximum(tail, 1e-300))), -eta)
    return Curve(-tail, no, -np.clip(eta, -700, 700) - tail, tail - 1)


FAMILIES: dict[str, Callable[[np.ndarray], Curve]] = {
    "logistic": _logistic,
    "normal": _normal,
    "gumbel": _gumbel,
}


@dataclass(frozen=True, eq=False)
class Data:
    """Answers as intervals of the bid scale (logged where the distribution is).

    Attributes
    ----------
    x : float array, shape (n, k): intercept and covariates
    low, high : float array, shape (n,): −inf / inf where an answer leaves the end open
    weights : float array, shape (n,)
    family : str: one of :data:`FAMILIES`
    """

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weights: np.ndarray
    family: str

    @property
    def between(self) -> np.ndarray:
        """Answers with two ends, which only a falling curve can have."""
        return np.isfinite(self.low) & np.isfinite(self.high)

    def grouped(self) -> tuple[Data, np.ndarray]:
        """The distinct answers, and which of them each row gave (for refits with new weights)."""
        rows = np.column_stack([self.x, self.low, self.high])
        cells, where = np.unique(rows, axis=0, return_inverse=True)
        where = where.ravel()
        weights = np.bincount(where, self.weights, len(cells))
        k = self.x.shape[1]
        return Data(cells[:, :k], cells[:, k], cells[:, k + 1], weights, self.family), where


@dataclass(frozen=True, eq=False)
class Solution:
    """A maximum: coefficients (k + 1, the bid's last), log-likelihood, scores and information.

    ``scores`` has shape (n, k + 1), unweighted; ``observed`` and ``expected`` are the weighted
    information (the latter only where every answer is one yes or no).
    """

    coef: np.ndarray
    loglik: float
    scores: np.ndarray
    observed: np.ndarray
    expected: np.ndarray


def maximise(data: Data, start: np.ndarray | None = None) -> Solution:
    """The maximum of Σ weight × log P(answer).

    Raises
    ------
    CxError
        All yes or all no, one bid only, collinear covariates, perfect separation.
    """
    if start is None:
        _identified(data)
    centre, scale = _standard(data)
    back = _back(centre, scale)
    mean_weight = float(data.weights.mean())
    easy = Data(
        (data.x - centre[:-1]) / scale[:-1],
        (data.low - centre[-1]) / scale[-1],
        (data.high - centre[-1]) / scale[-1],
        data.weights / mean_weight,
        data.family,
    )
    theta = np.linalg.solve(back, start) if start is not None else _start(easy)
    theta = _newton(easy, theta)
    loglik, scores, observed, expected = likelihood(easy, theta)
    smallest = np.linalg.eigvalsh(observed)[0] / float(easy.weights.sum())
    if smallest < 1e-7:
        raise _separated()
    forth = np.linalg.inv(back)
    return Solution(
        back @ theta,
        loglik,
        scores @ forth,
        mean_weight * forth.T @ observed @ forth,
        mean_weight * forth.T @ expected @ forth,
    )


def _separated() -> CxError:
    return CxError(
        "the answers are perfectly separated: the likelihood has no maximum",
        got="a bid or covariate that tells every yes from every no",
        want="bids or groups in which some say yes and some say no",
        do="leave the covariate out, join its groups, or use wtp_survival",
    )


def _identified(data: Data) -> None:
    if not (np.isfinite(data.high) & (data.weights > 0)).any():
        raise _one_sided("yes", "above the highest bid")
    if not (np.isfinite(data.low) & (data.weights > 0)).any():
        raise _one_sided("no", "under the lowest bid")
    points = np.concatenate([data.low, data.high])
    rows = np.concatenate([data.x, data.x])[np.isfinite(points)]
    points = points[np.isfinite(points)]
    if len(np.unique(points)) < 2:
        raise CxError(
            "one bid says nothing about how answers change with the bid",
            got=f"{len(np.unique(points))} distinct bid",
            want="two or more bids",
            do="use wtp_survival for the share that would pay this amount",
        )
    columns = np.column_stack([rows, points])
    size = np.sqrt((columns**2).mean(axis=0))
    spread = columns - np.where(np.ptp(columns, axis=0) > 0, columns.mean(axis=0), 0)
    spread /= np.maximum(np.sqrt((spread**2).mean(axis=0)), 1e-9 * np.maximum(size, 1e-300))
    if np.linalg.matrix_rank(spread, tol=1e-7 * math.sqrt(len(spread))) < spread.shape[1]:
        raise CxError(
            "the covariates are collinear with each other, the bid or a constant",
            got=f"{spread.shape[1]} coefficients on fewer independent columns",
            want="covariates that vary, none a sum of others",
            do="leave one of them out",
        )


def _one_sided(answer: str, where: str) -> CxError:
    return CxError(
        f"everybody said {answer}: no distribution can be fitted",
        got=f"only {answer} answers",
        want="both answers",
        do=f"report that willingness to pay lies {where}; wtp_survival shows the curve",
    )


def _standard(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale of the columns and the bid (the intercept keeps its own)."""
    ends = np.concatenate([data.low, data.high])
    ends = ends[np.isfinite(ends)]
    centre = np.append(data.x.mean(axis=0), ends.mean())
    scale = np.append(data.x.std(axis=0), ends.std())
    centre[0], scale[0] = 0.0, 1.0
    return centre, np.where(scale > 0, scale, 1.0)


def _back(centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The matrix that turns coefficients of standardised columns into those of the raw ones."""
    back = np.diag(1 / scale)
    back[0, 1:] -= centre[1:] / scale[1:]
    return back


def _start(data: Data) -> np.ndarray:
    theta = np.zeros(data.x.shape[1] + 1)
    theta[-1] = -1.0
    return theta


def _newton(data: Data, theta: np.ndarray) -> np.ndarray:
    """Newton's method with halved steps; concave, so that it cannot settle elsewhere."""
    falling = bool(data.between.any())
    value, scores, observed, _ = likelihood(data, theta)
    for _ in range(100):
        gradient = data.weights @ scores
        try:
            step = np.linalg.solve(observed, gradient)
        except np.linalg.LinAlgError:
            raise _separated() from None
        gain = float(gradient @ step)
        if not math.isfinite(gain) or np.abs(theta).max() > 1e4:
            raise _separated()
        size = 1.0
        while size > 1e-12:
            trial = theta + size * step
            if not (falling and trial[-1] >= 0):
                told = likelihood(data, trial)
                if math.isfinite(told[0]) and told[0] >= value - 1e-12 * abs(value):
                    break
            size /= 2
        else:
            return theta
        theta, (value, scores, observed, _) = trial, told
        if abs(gain) < 1e-12:
            return theta
    raise _separated()


def likelihood(data: Data, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, scores (n, k + 1), observed and expected information at ``theta``.

    An answer with two ends has P = G(low) − G(high), taken from whichever tail keeps its digits.
    """
    low_end, high_end = np.isfinite(data.low), np.isfinite(data.high)
    base = data.x @ theta[:-1]
    t_low, t_high = np.where(low_end, data.low, 0.0), np.where(high_end, data.high, 0.0)
    low = FAMILIES[data.family](base + theta[-1] * t_low)
    high = FAMILIES[data.family](base + theta[-1] * t_high)
    log_p = _log_probability(low, high, low_end, high_end)
    if not np.isfinite(log_p[data.weights > 0]).all():
        none = np.zeros((len(base), len(theta)))
        return -math.inf, none, np.zeros((len(theta),) * 2), np.zeros((len(theta),) * 2)
    log_p = np.where(np.isfinite(log_p), log_p, 0.0)
    cap = 300.0
    up = np.where(low_end, np.exp(np.minimum(low.log_density - log_p, cap)), 0.0)
    down = np.where(high_end, np.exp(np.minimum(high.log_density - log_p, cap)), 0.0)
    z_low = np.column_stack([data.x, t_low])
    z_high = np.column_stack([data.x, t_high])
    scores = up[:, None] * z_low - down[:, None] * z_high
    w = data.weights
    observed = (w[:, None] * scores).T @ scores
    observed -= ((w * up * low.bend)[:, None] * z_low).T @ z_low
    observed += ((w * down * high.bend)[:, None] * z_high).T @ z_high
    one = np.where(low_end[:, None], z_low, z_high)
    side = Curve(*(np.where(low_end, a, b) for a, b in zip(low, high, strict=True)))
    fisher = np.exp(np.minimum(2 * side.log_density - side.log_yes - side.log_no, cap))
    expected = ((w * fisher)[:, None] * one).T @ one
    return float(w @ log_p), scores, observed, expected


def _log_probability(
    low: Curve, high: Curve, low_end: np.ndarray, high_end: np.ndarray
) -> np.ndarray:
    both = low_end & high_end
    left = np.where(low.log_yes < low.log_no, low.log_yes, high.log_no)
    right = np.where(low.log_yes < low.log_no, high.log_yes, low.log_no)
    gap = np.where(both, right - left, -1.0)
    with np.errstate(divide="ignore"):
        inner = left + np.log(-np.expm1(np.minimum(gap, 0.0)))
    return np.where(both, inner, np.where(low_end, low.log_yes, high.log_no))


# -- what a fitted curve says, vectorised over draws of (a, b) -------------------------------------


def log_or_plain_median(a: np.ndarray, distribution: str) -> np.ndarray:
    """``a`` moved so that −a/b is the median (of the log bid in log distributions)."""
    return a + math.log(math.log(2)) if distribution == "weibull" else a


def mean_exists(b: float, distribution: str) -> bool:
    """Whether willingness to pay has a finite mean at this bid coefficient."""
    return b < -1 if distribution == "log-logistic" else b < 0


def unrestricted_mean(a: np.ndarray, b: np.ndarray, distribution: str) -> np.ndarray:
    """∫ P(pay ≥ t) dt from 0 to ∞; ∞ where it does not exist."""
    from scipy.special import gammaln, ndtr

    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    fine = b < -1 if distribution == "log-logistic" else b < 0
    k = np.where(fine, -b, 2.0)
    with np.errstate(over="ignore"):
        if distribution == "logistic":
            mean = np.logaddexp(0, a) / k
        elif distribution == "normal":
            mean = (a * ndtr(a) + np.exp(-(a**2) / 2) / math.sqrt(2 * math.pi)) / k
        elif distribution == "log-logistic":
            mean = np.exp(a / k) * (math.pi / k) / np.sin(math.pi / k)
        elif distribution == "log-normal":
            mean = np.exp(a / k + 0.5 / k**2)
        else:
            mean = np.exp(a / k + gammaln(1 + 1 / k))
    return np.where(fine, mean, math.inf)


def truncated_mean(a: np.ndarray, b: np.ndarray, distribution: str, top: float) -> np.ndarray:
    """∫ P(pay ≥ t) dt from 0 to the highest bid: the mean if nobody would pay more than that."""
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    k = -np.minimum(b, -_LEAST_SLOPE * max(float(np.median(np.abs(b))), 1e-300))
    at_top = np.exp(accepted(a, -k, distribution, top).log_yes)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        mean = _TRUNCATED[distribution](a, k, top, at_top)
    return np.where(np.isfinite(mean), np.clip(mean, top * at_top, top), top * at_top)


def accepted(a: np.ndarray, b: np.ndarray, distribution: str, bid: float) -> Curve:
    """The fitted curve at a bid."""
    family, logged = DISTRIBUTIONS[distribution]
    return FAMILIES[family](np.asarray(a + b * (math.log(bid) if logged else bid), float))


def adjusted_mean(a: np.ndarray, b: np.ndarray, distribution: str, top: float) -> np.ndarray:
    """The truncated mean over P(pay < highest bid): of the curve rescaled to end there."""
    no = np.exp(accepted(a, b, distribution, top).log_no)
    return truncated_mean(a, b, distribution, top) / np.maximum(no, 1e-300)


def _to_top_logistic(a, k, top, at_top):
    return (np.logaddexp(0, a) - np.logaddexp(0, a - k * top)) / k


def _to_top_normal(a, k, top, at_top):
    from scipy.special import ndtr

    def area(u):
        return u * ndtr(u) + np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)

    return (area(a) - area(a - k * top)) / k


def _to_top_log_logistic(a, k, top, at_top):
    """Gauss's hypergeometric function after Pfaff's transformation."""
    from scipy.special import hyp2f1

    no = np.exp(accepted(a, -k, "log-logistic", top).log_no)
    return top * at_top * hyp2f1(1.0, 1.0, 1 + 1 / k, no)


def _to_top_log_normal(a, k, top, at_top):
    from scipy.special import log_ndtr

    middle, spread = a / k, 1 / k
    part = log_ndtr((math.log(top) - middle - spread**2) / spread)
    return top * at_top + np.exp(middle + spread**2 / 2 + part)


def _to_top_weibull(a, k, top, at_top):
    from scipy.special import gammainc, gammaln

    reach = np.exp(np.clip(k * math.log(top) - a, -700, 700))
    return np.exp(a / k + gammaln(1 + 1 / k)) * gammainc(1 / k, reach)


_TRUNCATED = {
    "logistic": _to_top_logistic,
    "normal": _to_top_normal,
    "log-logistic": _to_top_log_logistic,
    "log-normal": _to_top_log_normal,
    "weibull": _to_top_weibull,
}


def fieller(a: float, b: float, cov: np.ndarray, t: float) -> tuple[float, float, str]:
    """Fieller's confidence set of −a / b: (low, high, what is wrong with it).

    The set of r with (a + r·b)² ≤ t²·Var(a + r·b). Where b is not significantly different from 0 it
    is the whole line, or everything but a gap: both give (−inf, inf) and words.

    References
    ----------
    Fieller (1954), JRSS B 16:175; Hirschberg and Lye (2010), The American Statistician 64:335.
    """
    lead = b**2 - t**2 * cov[1, 1]
    half = a * b - t**2 * cov[0, 1]
    last = a**2 - t**2 * cov[0, 0]
    room = half**2 - lead * last
    if lead > 0:
        root = math.sqrt(max(room, 0.0))
        return (-half - root) / lead, (-half + root) / lead, ""
    if room <= 0 or lead == 0:
        return -math.inf, math.inf, "no value can be excluded"
    root = math.sqrt(room)
    gap = sorted(((-half - root) / lead, (-half + root) / lead))
    return -math.inf, math.inf, f"only values between {gap[0]:.6g} and {gap[1]:.6g} are excluded"
