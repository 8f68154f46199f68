"""Many tests at once: p values corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import CxError, unknown

#: Corrections for many tests, each with the name it has in statsmodels.
ADJUSTMENTS = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "benjamini-hochberg": "fdr_bh",
    "benjamini-yekutieli": "fdr_by",
    "none": "none",
}
_SHORT = {"BH": "benjamini-hochberg", "fdr": "benjamini-hochberg", "BY": "benjamini-yekutieli"}


def p_adjust(p_values: Sequence[float], *, method: str = "holm") -> np.ndarray:
    """p values corrected for being many, in the order given.

    Parameters
    ----------
    p_values : numbers from 0 to 1
    method : str
        Against one false rejection in the family: ``"bonferroni"``, ``"holm"``, ``"hochberg"``,
        ``"hommel"``. Against a share of false rejections: ``"benjamini-hochberg"`` (``"BH"``),
        ``"benjamini-yekutieli"`` (``"BY"``, under any dependence). ``"none"`` leaves them.

    References
    ----------
    Holm (1979); Hochberg (1988); Hommel (1988); Benjamini and Hochberg (1995); Benjamini and
    Yekutieli (2001). Through statsmodels' ``multipletests``, checked against R's ``p.adjust``.
    """
    from statsmodels.stats.multitest import multipletests

    name = _SHORT.get(method, method)
    if name not in ADJUSTMENTS:
        raise unknown("correction for many tests", method, (*ADJUSTMENTS, *_SHORT))
    try:
        values = np.asarray(p_values, float).ravel()
    except (TypeError, ValueError):
        raise CxError("a p value must be a number", got=p_values) from None
    if not ((values >= 0) & (values <= 1)).all():
        raise CxError("a p value must lie between 0 and 1", got=values.tolist())
    if not len(values) or name == "none":
        return values.copy()
    return np.minimum(multipletests(values, method=ADJUSTMENTS[name])[1], 1.0)
