"""cxlib: hold survey and behaviour data against published customer-experience claims.

The public names load when they are first used, so importing cxlib costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmark import Benchmark, benchmark, benchmarks
    from .claims import claim, claims
    from .codebook import Codebook, Question, questionnaire
    from .compare import compare
    from .counts import (
        exact_test,
        power_two_shares,
        sample_size_two_shares,
        score_test,
        tost_proportions,
        two_proportions,
        two_proportions_test,
    )
    from .errors import CxError
    from .estimate import mean, nps, quantile, ratio, share, shares, top_box, total
    from .hypothesis import benjamini_hochberg, holm, hypothesis, t_test
    from .linear import difference
    from .loyalty import (
        excess_loss,
        leave_after_one,
        leaving_risk,
        loyalty_loss,
        reason_contrast,
        revenue_at_risk,
    )
    from .page import facts
    from .plots import missing_map, plot
    from .premium import (
        buyers_by_premium,
        hypothetical_bias,
        premium_floor_mean,
        premium_mean,
        premium_median,
        stated_premium,
    )
    from .quality import (
        duplicates,
        missing_reasons,
        missingness,
        speeding,
        straight_lining,
        weights,
    )
    from .read import read_survey
    from .result import Curve, Estimate, Ranking
    from .scorecard import scorecard
    from .study import Study, open_study
    from .survey import Design, Survey
    from .verdict import Comparison, Test
    from .weighting import design_effect, n_kish

_HOMES = {
    "benchmark": ("Benchmark", "benchmark", "benchmarks"),
    "claims": ("claim", "claims"),
    "codebook": ("Codebook", "Question", "questionnaire"),
    "compare": ("compare",),
    "counts": (
        "exact_test",
        "power_two_shares",
        "sample_size_two_shares",
        "score_test",
        "tost_proportions",
        "two_proportions",
        "two_proportions_test",
    ),
    "errors": ("CxError",),
    "estimate": ("mean", "nps", "quantile", "ratio", "share", "shares", "top_box", "total"),
    "hypothesis": ("benjamini_hochberg", "holm", "hypothesis", "t_test"),
    "linear": ("difference",),
    "loyalty": (
        "excess_loss",
        "leave_after_one",
        "leaving_risk",
        "loyalty_loss",
        "reason_contrast",
        "revenue_at_risk",
    ),
    "page": ("facts",),
    "plots": ("missing_map", "plot"),
    "premium": (
        "buyers_by_premium",
        "hypothetical_bias",
        "premium_floor_mean",
        "premium_mean",
        "premium_median",
        "stated_premium",
    ),
    "quality": (
        "duplicates",
        "missing_reasons",
        "missingness",
        "speeding",
        "straight_lining",
        "weights",
    ),
    "read": ("read_survey",),
    "result": ("Curve", "Estimate", "Ranking"),
    "scorecard": ("scorecard",),
    "study": ("Study", "open_study"),
    "survey": ("Design", "Survey"),
    "verdict": ("Comparison", "Test"),
    "weighting": ("design_effect", "n_kish"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cxlib' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """The package itself: a module that is imported never hides the function of the same name.

    ``cxlib.compare`` is the function, whether or not the module ``cxlib/compare.py`` was imported
    before; ``from cxlib.compare import …`` reaches the module.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
