"""Power and sample size from plain figures: two shares, two means, one share, a half-width, an NPS.

The textbook formulas, solved to the last digit. :mod:`cxlib.plan` puts the registry's published
figures into them and answers in interviews.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .errors import CxError, unknown
from .interval import t_quantile, upper_tail

T_KINDS = ("two-sample", "one-sample", "paired")


def power_two_shares(
    p1: float,
    p2: float,
    n: float,
    *,
    level: float = 0.95,
    design_effect: float = 1.0,
    alternative: str = "two-sided",
    strict: bool = False,
) -> float:
    """Power to tell two shares apart with n respondents in each group.

    Parameters
    ----------
    p1, p2 : float
        The two true shares, 0–1.
    n : float
        Respondents in each group; the formula uses the effective size n / design_effect.
    alternative : str
        ``"two-sided"`` or ``"one-sided"``.
    strict : bool
        Count a rejection on the wrong side too (statsmodels does, R by default does not).

    References
    ----------
    Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, §4.2. Checked
    against R's ``power.prop.test`` and, strict, statsmodels' ``power_proportions_2indep``.
    """
    size = _positive(n, "n") / _positive(design_effect, "design_effect")
    _shares(p1, p2)
    pooled, apart = _two_sds(p1, p2)
    z = _critical(level, alternative)
    push = math.sqrt(size) * abs(p1 - p2)
    near = upper_tail((z * pooled - push) / apart, math.inf)
    far = upper_tail((z * pooled + push) / apart, math.inf)
    return near + far if strict and alternative == "two-sided" else near


def sample_size_two_shares(
    p1: float,
    p2: float,
    *,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = 1.0,
    alternative: str = "two-sided",
) -> float:
    """Respondents a group needed to tell two shares apart (not rounded up).

    Checked against R's ``power.prop.test``. See :func:`power_two_shares`.
    """
    _shares(p1, p2)
    pooled, apart = _two_sds(p1, p2)
    z_power = z_of(power)
    push = _critical(level, alternative) * pooled + z_power * apart
    if push <= 0:
        raise CxError("so little power needs no sample", got=power, want="e.g. power=0.8")
    return (push / (p1 - p2)) ** 2 * _positive(design_effect, "design_effect")


def cohen_h(p1: float, p2: float) -> float:
    """Cohen's h: the difference of two shares on the arcsine scale, 2·asin√p1 − 2·asin√p2.

    References
    ----------
    Cohen (1988), Statistical Power Analysis, ch. 6. Checked against statsmodels.
    """
    for one in (p1, p2):
        if not 0 <= _finite(one, "a share") <= 1:
            raise CxError("a share must lie between 0 and 1", got=one, want="e.g. 0.32")
    return 2 * (math.asin(math.sqrt(p1)) - math.asin(math.sqrt(p2)))


def power_effect(
    effect: float, n: float, *, groups: int = 2, level: float = 0.95, design_effect: float = 1.0
) -> float:
    """Power of the two-sided z test of a standardised effect (Cohen's h), both tails counted.

    Parameters
    ----------
    effect : float
        In standard deviations; see :func:`cohen_h`.
    n : float
        Respondents a group.
    groups : int
        2 for two groups of that size, 1 for one group against a fixed value.

    References
    ----------
    Checked against statsmodels' ``NormalIndPower``.
    """
    size = _positive(n, "n") / _positive(design_effect, "design_effect") / _groups(groups)
    z, push = t_quantile(_level(level), math.inf), _finite(effect, "effect") * math.sqrt(size)
    return upper_tail(z - push, math.inf) + upper_tail(z + push, math.inf)


def sample_size_effect(
    effect: float,
    *,
    groups: int = 2,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = 1.0,
) -> float:
    """Respondents a group to find a standardised effect (not rounded up): see :func:`power_effect`.

    Raises
    ------
    CxError
        No effect; the power asked for is no larger than that of an empty sample.
    """
    z_of(power)
    if power <= 1 - _level(level):
        raise CxError("so little power needs no sample", got=power, want="e.g. power=0.8")
    if _finite(effect, "effect") == 0:
        raise CxError("an effect of 0 cannot be found", got=effect, want="e.g. 0.2")
    scale = _groups(groups) / effect**2
    return (
        scale
        * _solved(lambda n: power_effect(math.sqrt(n), 1, groups=1, level=level), power)
        * _positive(design_effect, "design_effect")
    )


def sample_size_for_width(
    p: float, half_width: float, *, level: float = 0.95, design_effect: float = 1.0
) -> float:
    """Respondents at which the interval of a share is ± half_width (not rounded up).

    Checked against statsmodels' ``samplesize_confint_proportion``.
    """
    _shares(p)
    z = t_quantile(_level(level), math.inf)
    size = p * (1 - p) * (z / _positive(half_width, "half_width")) ** 2
    return size * _positive(design_effect, "design_effect")


def power_t(
    delta: float,
    *,
    n: float,
    n2: float | None = None,
    sd: float = 1.0,
    kind: str = "two-sample",
    level: float = 0.95,
    alternative: str = "two-sided",
    strict: bool = False,
) -> float:
    """Power of a t test, from the noncentral t distribution.

    Parameters
    ----------
    delta : float
        The true difference, in the unit of ``sd``.
    n : float
        Respondents a group (pairs for ``"paired"``); at least 2.
    n2 : float, optional
        Size of the second group where it differs.
    sd : float
        Standard deviation in a group; of the differences for ``"paired"``.
    kind : str
        One of :data:`T_KINDS`.
    alternative, strict : str, bool
        As :func:`power_two_shares`.

    References
    ----------
    Checked against R's ``power.t.test`` and statsmodels' ``TTestIndPower``.
    """
    from scipy.special import nctdtr

    if kind not in T_KINDS:
        raise unknown("kind of t test", kind, T_KINDS)
    if n2 is not None and kind != "two-sample":
        raise CxError("only two samples have a second size", got=kind, want="kind='two-sample'")
    other = n if n2 is None else n2
    for size in (n, other):
        if _finite(size, "n") < 2:
            raise CxError("a t test needs at least 2 in each group", got=size)
    two = kind == "two-sample"
    df = n + other - 2 if two else n - 1
    root = math.sqrt(1 / n + 1 / other) if two else math.sqrt(1 / n)
    push = abs(_finite(delta, "delta")) / (_positive(sd, "sd") * root)
    t = _critical(level, alternative, df)
    near = 1 - float(nctdtr(df, push, t))
    far = float(nctdtr(df, push, -t)) if strict and alternative == "two-sided" else 0.0
    return min(near + far, 1.0)


def sample_size_t(
    delta: float,
    *,
    sd: float = 1.0,
    power: float = 0.8,
    kind: str = "two-sample",
    level: float = 0.95,
    alternative: str = "two-sided",
    strict: bool = False,
) -> float:
    """Respondents a group (pairs for ``"paired"``) for a t test (not rounded up; at least 2).

    Checked against R's ``power.t.test``. See :func:`power_t`.
    """
    z_of(power)
    if _finite(delta, "delta") == 0:
        raise CxError("a difference of 0 cannot be found", got=delta, want="e.g. 0.5")

    def at(n: float) -> float:
        return power_t(
            delta, n=n, sd=sd, kind=kind, level=level, alternative=alternative, strict=strict
        )

    return 2.0 if at(2.0) >= power else _solved(at, power, start=2.0)


def nps_spread(promoters: float, detractors: float) -> float:
    """Standard deviation of one respondent's +1, 0 or −1 in points: 100·√(p + d − (p − d)²).

    >>> round(nps_spread(0.45, 0.20) / 400**0.5, 1)
    3.8
    """
    if not (promoters >= 0 and detractors >= 0 and promoters + detractors <= 1 + 1e-12):
        raise CxError(
            "promoters and detractors are shares of one whole",
            got=f"{promoters} and {detractors}",
            want="e.g. 0.45 and 0.20",
        )
    return 100 * math.sqrt(max(promoters + detractors - (promoters - detractors) ** 2, 0.0))


def sample_size_nps(
    promoters: float,
    detractors: float,
    *,
    detect: float | None = None,
    half_width: float | None = None,
    groups: int = 1,
    power: float = 0.8,
    level: float = 0.95,
    design_effect: float = 1.0,
) -> float:
    """Respondents (a group) for a Net Promoter Score, not rounded up.

    Parameters
    ----------
    promoters, detractors : float
        The shares expected, 0–1.
    detect : float
        Points by which the score truly differs from a fixed score (``groups=1``) or from another
        group or wave of the same size (``groups=2``).
    half_width : float
        Instead: the interval wanted, ± points.

    References
    ----------
    The normal approximation on the +1/0/−1 scores, far tail left out.
    """
    if (detect is None) == (half_width is None):
        raise CxError("what must the sample do?", want="detect= or half_width=, one of them")
    spread = nps_spread(promoters, detractors)
    if spread == 0:
        raise CxError("everybody answers alike: no sample is needed", got=f"{promoters} promoters")
    z = t_quantile(_level(level), math.inf) + (0.0 if detect is None else z_of(power))
    reach = _positive(abs(half_width if detect is None else detect), "the number of points")
    effect = _positive(design_effect, "design_effect")
    return _groups(groups) * effect * (z * spread / reach) ** 2


def z_of(power: float) -> float:
    """The normal quantile of a power, checked: 0.84 for .8."""
    from scipy.special import ndtri

    if not 0 < _finite(power, "power") < 1:
        raise CxError("power must lie between 0 and 1", got=power, want="e.g. 0.8")
    return float(ndtri(power))


def _solved(power_at: Callable[[float], float], power: float, start: float = 0.0) -> float:
    """The n at which a rising power reaches the power asked for."""
    from scipy.optimize import brentq

    high = max(2 * start, 1.0)
    while power_at(high) < power:
        high *= 2
        if high > 1e12:
            raise CxError("no sample of a practical size is enough", got=f"power {power}")
    return float(brentq(lambda n: power_at(n) - power, start, high, xtol=1e-12, rtol=1e-14))


def _critical(level: float, alternative: str, df: float = math.inf) -> float:
    if alternative not in ("two-sided", "one-sided"):
        raise unknown("alternative", alternative, ("two-sided", "one-sided"))
    one = alternative == "one-sided"
    return t_quantile(2 * _level(level) - 1 if one else _level(level), df)


def _two_sds(p1: float, p2: float) -> tuple[float, float]:
    middle = (p1 + p2) / 2
    return math.sqrt(2 * middle * (1 - middle)), math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))


def _shares(*shares: float) -> None:
    for one in shares:
        if not 0 < _finite(one, "a share") < 1:
            raise CxError("a share must lie between 0 and 1", got=one, want="e.g. 0.32")
    if len(set(shares)) < len(shares):
        raise CxError("two equal shares cannot be told apart", got=shares[0])


def _level(level: float) -> float:
    if not 0 < _finite(level, "a level") < 1:
        raise CxError("a level must lie between 0 and 1", got=level, want="e.g. 0.95")
    return float(level)


def _groups(groups: int) -> int:
    if groups not in (1, 2):
        raise CxError("a test has one group or two", got=groups, want="groups=1 or groups=2")
    return groups


def _positive(value: float, name: str) -> float:
    if _finite(value, name) <= 0:
        raise CxError(f"{name} must be positive", got=value)
    return float(value)


def _finite(value: float, name: str) -> float:
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CxError(f"{name} must be a number", got=repr(value))
    return number
