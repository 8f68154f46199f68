"""What weighting costs: effective n and design effect of the weights themselves."""

from __future__ import annotations

import numpy as np

from .errors import CxError
from .survey import Survey


def n_kish(survey: Survey) -> float:
    """Kish's effective sample size of the weights, (Σw)²/Σw², over those looked at.

    Another number than an estimate's ``n_eff``, which also knows strata, clusters and the question.

    References
    ----------
    Kish (1965), Survey Sampling, §11.7.
    """
    weights = survey.weights[survey.looked_at]
    squares = float((weights**2).sum())
    if squares <= 0:
        raise CxError("no weight to speak of", got="all weights 0 among those looked at")
    return float(weights.sum()) ** 2 / squares


def design_effect(survey: Survey) -> float:
    """Kish's design effect of unequal weights: n / :func:`n_kish`, 1 with equal weights.

    The design effect of one estimate, which counts clusters and strata too, is its
    ``n / n_eff``.
    """
    return len(survey) / n_kish(survey)


def weight_range(survey: Survey) -> tuple[float, float]:
    """The smallest and the largest weight over the mean weight, of those looked at."""
    weights = survey.weights[survey.looked_at]
    middle = float(np.mean(weights))
    return float(weights.min()) / middle, float(weights.max()) / middle
