"""Two tails that tests of tables need: the weighted sum of chi-squares, and the non-central F."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def weighted_f_tail(x: float, weights: np.ndarray, ddf: float) -> float:
    """P(Σ aᵢ χ²₁ > x · χ²_ddf / ddf): a weighted sum of chi-squares over an estimated variance.

    Parameters
    ----------
    x : float
        The statistic.
    weights : float array, shape (k,)
        The aᵢ ≥ 0, not all 0.
    ddf : float
        Degrees of freedom of the variance, finite.

    Returns
    -------
    float
        By the Lugannani–Rice saddlepoint of the difference at 0. Near its centre, where that is
        0/0, the F with matched moments (Satterthwaite) stands in. The variance is made of whole
        chi-squares: ``ddf`` is cut to the integer below where they are counted, as the peer does,
        which makes p a little too large where there are few clusters.

    References
    ----------
    Kuonen (1999), Biometrika 86:929. Checked against ``pFsum(method="saddlepoint")`` of R survey.
    """
    from scipy.optimize import brentq
    from scipy.special import fdtrc, ndtr

    mean, squares = float(weights.mean()), float((weights**2).mean())
    ndf = len(weights) * mean**2 / squares
    near = float(fdtrc(ndf, ddf, x * mean / (ndf * squares)))
    if x <= 1e-9 * mean:
        return near
    a = np.append(weights[weights > 0], -x / ddf) / float(weights.max())
    h = np.append(np.ones(len(a) - 1), max(math.floor(ddf), 1))

    def slope(z: float) -> float:
        return float((h * a / (1 - 2 * z * a)).sum())

    inside = 1 - 1e-12
    z = brentq(slope, inside / (2 * a[-1]), inside / 2, xtol=1e-15)
    if abs(z) < 1e-4:
        return near
    cumulant = -0.5 * float((h * np.log1p(-2 * z * a)).sum())
    curve = 2 * float((h * a**2 / (1 - 2 * z * a) ** 2).sum())
    w, v = math.copysign(math.sqrt(max(-2 * cumulant, 0.0)), z), z * math.sqrt(curve)
    return float(ndtr(-(w + math.log(v / w) / w)))


#: The F beyond which the distribution's series are not asked for.
_LARGE = 1e6


def noncentrality(statistic: float, ndf: float, ddf: float, level: float) -> tuple[float, float]:
    """Bounds of the non-centrality of an F: where it lies within the middle ``level``.

    A chi-square over its degrees of freedom is an F with infinite ``ddf``. An F below its median
    under no effect would leave no room for any: the upper bound then is the one at the median.
    Beyond 10⁶ the bounds grow with the F itself.

    References
    ----------
    Smithson (2003), Confidence Intervals, §4.
    """
    from scipy.special import chdtri, chndtr, fdtri, ncfdtr

    def below(value: float) -> Callable[[float], float]:
        if math.isinf(ddf):
            return lambda centre: float(chndtr(value * ndf, ndf, centre))
        return lambda centre: float(ncfdtr(ndf, ddf, centre, value))

    middle = chdtri(ndf, 0.5) / ndf if math.isinf(ddf) else fdtri(ndf, ddf, 0.5)
    least = min(statistic, _LARGE)
    low = _solve(below(least), (1 + level) / 2)
    high = _solve(below(max(least, float(middle))), (1 - level) / 2)
    scale = statistic / least if least > 0 else 1.0
    return low * scale, high * scale


def _solve(below: Callable[[float], float], p: float) -> float:
    """The non-centrality at which a decreasing distribution function equals p, 0 where none."""
    from scipy.optimize import brentq

    if not below(0.0) > p:
        return 0.0
    top = 1.0
    while below(top) > p and top < 1e15:
        top *= 2
    return float(brentq(lambda centre: below(centre) - p, 0.0, top, rtol=1e-12))
